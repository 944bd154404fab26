"""Writes a scene as a vector PDF: one page per frame, 13⅓ × 7½ inches, words as text and formulas as outlines."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from .glyphs import Typeset, text_font_file, text_width
from .lettering import bars, digits, pieces, seen_width
from .mathematics import Mathematics, clean
from .palette import LIGHT
from .scene import Arrowhead, Curve, Formula, Point, Primitive, Rectangle, Scene, Words
from .typesetting import typeset

Paint = Mapping[str, str]
POINTS_PER_PIXEL = 0.75
FONT = "DejaVuSans"
MARGIN = 30.0  # around a formula, for what reaches beyond its measures


def write_pdf(scene: Scene, frames: int) -> bytes:
    """A deck with a page for each frame."""
    buffer = io.BytesIO()
    size = (scene.width * POINTS_PER_PIXEL, scene.height * POINTS_PER_PIXEL)
    canvas = new_canvas(buffer, size, scene)
    forms: dict[Mathematics, str] = {}
    for frame in range(frames):
        # The scene's y grows downwards, a page's upwards.
        canvas.transform(POINTS_PER_PIXEL, 0, 0, -POINTS_PER_PIXEL, 0, size[1])
        for item in scene.at(frame).primitives:
            draw(canvas, item, forms)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def new_canvas(buffer: io.BytesIO, size: tuple[float, float], scene: Scene) -> Any:
    """An empty document with the scene's title and words."""
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont
    from reportlab.pdfgen.canvas import Canvas

    if FONT not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(TTFont(FONT, text_font_file()))
    # invariant: no date in the file, so that equal stories give equal bytes.
    canvas = Canvas(buffer, pagesize=size, pageCompression=1, invariant=1)
    canvas.setTitle(clean(scene.title))
    canvas.setSubject(clean("; ".join(scene.descriptions.values())))
    return canvas


def draw(canvas: Any, item: Primitive, forms: dict[Mathematics, str], colours: Paint = LIGHT) -> None:
    """One primitive on the page."""
    if isinstance(item, Rectangle):
        draw_rectangle(canvas, item, colours)
    elif isinstance(item, Curve):
        draw_curve(canvas, item, colours)
    elif isinstance(item, Arrowhead):
        fill_polygon(canvas, item, colours)
    elif isinstance(item, Words):
        draw_words(canvas, item, colours)
    elif isinstance(item, Formula):
        draw_formula(canvas, item, forms, colours)
    else:
        raise TypeError(f"no way to draw {type(item).__name__}")


def draw_rectangle(canvas: Any, item: Rectangle, colours: Paint) -> None:
    """A rectangle with round corners; with round lower corners only, its upper half is drawn square."""
    box = item.bounds
    if item.fill:
        canvas.setFillColor(colours[item.fill])
    if item.stroke:
        canvas.setStrokeColor(colours[item.stroke])
        canvas.setLineWidth(item.thickness)
    radius = min(item.radius, box.height / 2, box.width / 2)
    paint = {"stroke": int(bool(item.stroke)), "fill": int(bool(item.fill))}
    canvas.roundRect(box.left, box.top, box.width, box.height, radius, **paint)
    if item.lower_corners_only:
        canvas.rect(box.left, box.top, box.width, box.height - radius, stroke=0, fill=1)


def draw_curve(canvas: Any, item: Curve, colours: Paint) -> None:
    """Cubic pieces."""
    path = canvas.beginPath()
    path.moveTo(*item.points[0])
    for start in range(1, len(item.points), 3):
        (x1, y1), (x2, y2), (x3, y3) = item.points[start : start + 3]
        path.curveTo(x1, y1, x2, y2, x3, y3)
    canvas.setStrokeColor(colours[item.stroke])
    canvas.setLineWidth(item.thickness)
    canvas.setLineCap(1)
    canvas.setDash([4 * item.thickness] * 2 if item.dashed else [])
    canvas.drawPath(path, stroke=1, fill=0)
    canvas.setDash([])


def fill_polygon(canvas: Any, item: Arrowhead, colours: Paint) -> None:
    """An arrowhead."""
    path = canvas.beginPath()
    path.moveTo(*item.corners[0])
    for corner in item.corners[1:]:
        path.lineTo(*corner)
    path.close()
    canvas.setFillColor(colours[item.fill])
    canvas.drawPath(path, stroke=0, fill=1)


def draw_words(canvas: Any, item: Words, colours: Paint) -> None:
    """A line of real text, upright again after the page was turned over; bold is a thin outline around it."""
    canvas.saveState()
    canvas.translate(item.box.left, item.y)
    canvas.scale(1, -1)
    canvas.setFillColor(colours[item.fill])
    canvas.setStrokeColor(colours[item.fill])
    canvas.setLineWidth(item.size / 34)
    set_text(canvas, item.text, item.size, item.bold)
    canvas.restoreState()


def set_text(canvas: Any, text: str, size: float, bold: bool = False) -> None:
    """Text from the origin on, as it is seen; a character that the font lacks is a box with its number."""
    for piece in pieces(text):
        if not piece.boxed:
            show(canvas, piece.text, piece.left * size, 0, size, bold)
            continue
        for left, top, width, height in bars(piece):
            canvas.rect(left * size, -(top + height) * size, width * size, height * size, stroke=0, fill=1)
        for digit, middle, baseline, part in digits(piece):
            left = middle - text_width(digit, part) / 2
            show(canvas, digit, left * size, -baseline * size, part * size)


def show(canvas: Any, text: str, x: float, y: float, size: float, bold: bool = False) -> None:
    """Characters that the font has."""
    line = canvas.beginText(x, y)
    line.setFont(FONT, size)
    line.setTextRenderMode(2 if bold else 0)
    line.textOut(text)
    canvas.drawText(line)


def draw_formula(canvas: Any, item: Formula, forms: dict[Mathematics, str], colours: Paint) -> None:
    """A formula's outlines, defined once in the file and placed wherever the formula occurs."""
    if item.formula not in forms:
        forms[item.formula] = f"formula{len(forms) + 1}"
        define_formula(canvas, forms[item.formula], typeset(item.formula))
    canvas.saveState()
    canvas.translate(item.left, item.y)
    canvas.scale(item.scale, item.scale)
    canvas.setFillColor(colours[item.fill])
    canvas.doForm(forms[item.formula])
    canvas.restoreState()


def define_formula(canvas: Any, name: str, form: Typeset) -> None:
    """A formula's outlines as a form, which takes the colour of the place that uses it."""
    canvas.beginForm(name, -MARGIN, -form.ascent - MARGIN, form.width + MARGIN, form.descent + MARGIN)
    path = canvas.beginPath()
    for glyph in form.outlines:
        trace_outline(path, glyph.path, (glyph.x, glyph.y), glyph.scale)
    for rule in form.rules:
        path.rect(rule.x, rule.y, rule.width, rule.height)
    # Non-zero winding, as font outlines expect.
    canvas.drawPath(path, stroke=0, fill=1, fillMode=1)
    for run in form.runs:
        canvas.saveState()
        canvas.translate(run.x + (run.width - run.size * seen_width(pieces(run.text))) / 2, run.y)
        canvas.scale(1, -1)
        set_text(canvas, run.text, run.size)
        canvas.restoreState()
    canvas.endForm()


def trace_outline(path: Any, data: str, origin: Point, scale: float) -> None:
    """Add a glyph's SVG path data (M, L, Q, C, Z with absolute coordinates) to a PDF path."""
    tokens = iter(data.split())
    current = origin

    def point() -> Point:
        return origin[0] + float(next(tokens)) * scale, origin[1] + float(next(tokens)) * scale

    for command in tokens:
        if command == "Z":
            path.close()
        elif command == "M":
            current = point()
            path.moveTo(*current)
        elif command == "L":
            current = point()
            path.lineTo(*current)
        elif command == "Q":
            control, end = point(), point()
            path.curveTo(*between(current, control), *between(end, control), *end)
            current = end
        elif command == "C":
            first, second, current = point(), point(), point()
            path.curveTo(*first, *second, *current)
        else:
            raise ValueError(f"unknown path command {command!r} in a glyph")


def between(end: Point, control: Point) -> Point:
    """A cubic's control point for a quadratic piece: two thirds of the way to the quadratic's."""
    return end[0] + 2 / 3 * (control[0] - end[0]), end[1] + 2 / 3 * (control[1] - end[1])
