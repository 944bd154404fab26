"""Writes a story as a handout: four frames on each A4 page with blanks to fill in, then the answers; in grey.

What a frame finds out is left blank: it stays as it was a frame before, and only the first line of the equation is
given.  The answers are the same frames filled in.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

from .fitting import row_items
from .mathematics import Mathematics, Row, Text, clean
from .palette import LIGHT, luminance
from .pdf import FONT, draw, new_canvas
from .scene import Formula, Primitive, Scene

PAGE = (841.89, 595.28)  # A4, landscape, in points
MARGIN, GAP, HEADING = 30.0, 14.0, 22.0
BLANK = Text("\u2009______\u2009")
Content = Callable[[Scene, int], Iterable[Primitive]]


def grey(colour: str) -> str:
    """The grey as bright as a colour; what is brighter than half becomes paler still, so that it copies well."""
    level = 1.055 * luminance(colour) ** (1 / 2.4) - 0.055
    value = round(255 * min(1.0, max(0.0, level)))
    return f"#{value:02x}{value:02x}{value:02x}"


GREY = {name: grey(colour) for name, colour in LIGHT.items()}


def write_handout(scene: Scene, frames: int) -> bytes:
    """The pages to fill in, and the answer key."""
    buffer = io.BytesIO()
    canvas = new_canvas(buffer, PAGE, scene)
    forms: dict[Mathematics, str] = {}
    sheets(canvas, scene, frames, "", blanked, forms)
    sheets(canvas, scene, frames, "Answers: ", filled, forms)
    canvas.save()
    return buffer.getvalue()


def sheets(
    canvas: Any, scene: Scene, frames: int, heading: str, content: Content, forms: dict[Mathematics, str]
) -> None:
    """Pages of two by two frames under a heading."""
    width, height = (PAGE[0] - 2 * MARGIN - GAP) / 2, (PAGE[1] - 2 * MARGIN - HEADING - GAP) / 2
    scale = min(width / scene.width, height / scene.height)
    for first in range(0, max(frames, 1), 4):
        canvas.setFont(FONT, 11)
        canvas.setLineWidth(0.6)
        canvas.drawString(MARGIN, PAGE[1] - MARGIN - 6, clean(heading + scene.title)[:110])
        for place in range(min(4, frames - first)):
            left = MARGIN + place % 2 * (width + GAP)
            top = PAGE[1] - MARGIN - HEADING - place // 2 * (height + GAP)
            canvas.saveState()
            canvas.transform(scale, 0, 0, -scale, left, top)
            for item in content(scene, first + place):
                draw(canvas, item, forms, GREY)
            canvas.restoreState()
            canvas.rect(left, top - scene.height * scale, scene.width * scale, scene.height * scale)
        canvas.showPage()


def filled(scene: Scene, frame: int) -> Iterable[Primitive]:
    """A frame as it is."""
    return scene.at(frame).primitives


def blanked(scene: Scene, frame: int) -> list[Primitive]:
    """A frame without what it finds out; a first frame has nothing before it, and shows its ``?`` as blanks."""
    before = max(frame - 1, 0)
    items: list[Primitive] = []
    lines = 0
    for item in scene.primitives:
        if not isinstance(item, Formula):
            items.extend([item] if item.visible(frame) else [])
        elif item.owner:
            items.extend(fact(item, frame, before))
        elif item.visible(frame):
            lines += 1
            items.extend([first_line(item)] if lines == 1 else [])
    return items


def fact(item: Formula, frame: int, before: int) -> list[Primitive]:
    """A fact on a card or an edge: as it was, its ``?`` a blank if this frame finds it out."""
    if not item.visible(before):
        return []
    if item.visible(frame) or before == frame:
        return [item]
    parts = row_items(item.formula)
    # On a narrow label the tinted place stays empty.
    return [replaced(item, Row((*parts[:-1], BLANK)))] if len(parts) > 1 else []


def first_line(item: Formula) -> Formula:
    """An equation's symbols; a line that holds the answer already keeps only its left side."""
    parts = row_items(item.formula)
    signs = [index for index, part in enumerate(parts) if part.plain().strip() == "="]
    if len(signs) == 1 and len(parts) > 2 and any(character.isalpha() for character in parts[-1].plain()):
        return item
    return replaced(item, Row((*parts[: signs[0] + 1], BLANK))) if signs else item


def replaced(item: Formula, formula: Mathematics) -> Formula:
    """Another formula in the same place, no wider than is left there."""
    return Formula(
        item.role, item.x, item.y, formula, item.size * 0.8 if item.owner else item.size, item.fill, item.anchor
    )
