"""Writes a scene as SVG: outlines for formulas, real text for words, a title and description for readers of both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from .glyphs import Glyph, Run
from .mathematics import Mathematics, clean
from .palette import LIGHT
from .scene import Arrowhead, Box, Curve, Formula, Primitive, Rectangle, Scene, Spans, Words
from .typesetting import typeset

FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"
Paint = Mapping[str, str]
Shared = Mapping[Mathematics, str] | None
GLYPH = "g-"
SECONDS_PER_FRAME, SECONDS_AT_THE_END = 1.8, 2.2


def write_svg(scene: Scene, frame: int, colours: Paint = LIGHT) -> str:
    """One frame as a complete SVG document in literal colours."""
    shown = scene.at(frame)
    body = drawn(shown.primitives, colours, shown.descriptions)
    return document(shown, (definitions(shown.primitives), body))


def write_animated_svg(scene: Scene, frames: int, colours: Paint = LIGHT) -> str:
    """All frames in one SVG document that plays by itself, without end.

    What is limited to some frames is shown and hidden by style rules, so that it also moves inside an ``<img>``; a
    reader who asks for less motion sees the last frame, at rest.
    """
    body = drawn(scene.primitives, colours, scene.descriptions, timed=True)
    return document(scene, (f"<style>{timing_rules(scene, frames)}</style>", definitions(scene.primitives), body))


def timing_rules(scene: Scene, frames: int) -> str:
    """For each set of frames a class: when it is shown, and whether it is at rest."""
    duration = SECONDS_PER_FRAME * frames + SECONDS_AT_THE_END
    rules = []
    for spans in dict.fromkeys(item.frames for item in scene.primitives if item.frames is not None):
        name = timing_class(spans)
        at_rest = any(start < frames <= stop for start, stop in spans)
        rules.append(f".{name}{{visibility:{'visible' if at_rest else 'hidden'};animation-name:{name}}}")
        moments = [f"0%{{visibility:{'visible' if any(not start for start, _ in spans) else 'hidden'}}}"]
        for start, stop in spans:
            moments.extend(moment(start, "visible", duration) if start else ())
            moments.extend(moment(stop, "hidden", duration) if stop < frames else ())
        rules.append(f"@keyframes {name}{{{''.join(moments)}}}")
    rules.append(f"[class^=t]{{animation-duration:{short(duration)}s;animation-timing-function:step-end")
    rules.append(";animation-iteration-count:infinite}")
    rules.append("@media (prefers-reduced-motion:reduce){[class^=t]{animation:none}}")
    return "".join(rules)


def moment(frame: int, visibility: str, duration: float) -> tuple[str]:
    """A keyframe at the begin of a frame."""
    return (f"{100 * SECONDS_PER_FRAME * frame / duration:.3f}%{{visibility:{visibility}}}",)


def timing_class(spans: Spans) -> str:
    """The class of what is shown during these frames."""
    return "t" + "_".join(f"{start}-{stop}" for start, stop in spans or ())


def document(scene: Scene, parts: Iterable[str]) -> str:
    """A complete SVG document."""
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{short(scene.width)}" height="{short(scene.height)}" '
            f'viewBox="0 0 {short(scene.width)} {short(scene.height)}" role="img">',
            f"<title>{escape(clean(scene.title))}</title>",
            f"<desc>{escape(clean('; '.join(scene.descriptions.values())))}</desc>",
            *parts,
            "</svg>",
            "",
        )
    )


def short(value: float) -> str:
    """A coordinate with two decimals at most."""
    text = f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.005 else "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def definitions(primitives: Iterable[Primitive]) -> str:
    """Each glyph's outline once, to be placed with ``<use>``."""
    outlines = {
        glyph.name: glyph.path
        for item in primitives
        if isinstance(item, Formula)
        for glyph in typeset(item.formula).outlines
    }
    paths = "".join(
        f'<path id="{GLYPH}{glyph_name(name)}" d="{compact(path)}"/>' for name, path in sorted(outlines.items())
    )
    return f"<defs>{paths}</defs>"


def compact(path: str) -> str:
    """Path data without the spaces, zeros and empty lines that it can do without."""
    path = re.sub(r"^M (\S+ \S+) L \1 ", r"M \1 ", path)
    path = re.sub(r" ?([A-Z]) ?", r"\1", path).replace(" -", "-")
    return re.sub(r"(?<![\d.])0\.", ".", path)


def glyph_name(name: str) -> str:
    """A glyph's number in its font."""
    return name.rsplit("_", 1)[-1]


def drawn(
    primitives: Iterable[Primitive],
    colours: Paint,
    descriptions: Mapping[str, str],
    shared: Shared = None,
    timed: bool = False,
) -> str:
    """The primitives in order, those that belong to one element grouped under its description.

    ``shared`` names formulas that the document has defined already; they are placed, not drawn again.  ``timed``
    gives each primitive the class of its frames instead of the frames themselves.
    """
    groups = []
    for owner, items in groupby(primitives, key=lambda item: item.owner):
        content = "\n".join(draw_one(item, colours, shared, timed) for item in items)
        groups.append(grouped(owner, content, descriptions.get(owner, "")) if owner else content)
    return "\n".join(groups)


def grouped(owner: str, content: str, description: str) -> str:
    """A group that carries its element's name and, for a card, what it says in words."""
    title = f"<title>{escape(clean(description))}</title>" if description else ""
    return f"<g data-owner={quoteattr(owner)}>{title}\n{content}\n</g>"


def draw_one(item: Primitive, colours: Paint, shared: Shared, timed: bool = False) -> str:
    """One primitive."""
    frames = timing_attribute(item) if timed else frames_attribute(item)
    if isinstance(item, Rectangle):
        return draw_rectangle(item, colours, frames)
    if isinstance(item, Curve):
        dashes = f' stroke-dasharray="{short(4 * item.thickness)}"' if item.dashed else ""
        stroke = stroked(item.stroke, item.thickness, colours)
        return f'<path{frames} d="{curve_path(item)}" fill="none" {stroke}{dashes}/>'
    if isinstance(item, Arrowhead):
        corners = " ".join(f"{short(x)},{short(y)}" for x, y in item.corners)
        return f'<polygon{frames} points="{corners}" fill="{colours[item.fill]}"/>'
    if isinstance(item, Words):
        return draw_words(item, colours, frames)
    if isinstance(item, Formula):
        return draw_formula(item, colours, frames, shared)
    raise TypeError(f"no way to draw {type(item).__name__}")


def frames_attribute(item: Primitive) -> str:
    """The frames a primitive is shown in, for the player."""
    if item.frames is None:
        return ""
    return ' data-frames="' + " ".join(f"{start}-{stop}" for start, stop in item.frames) + '"'


def timing_attribute(item: Primitive) -> str:
    """The class that shows a primitive during its frames."""
    return "" if item.frames is None else f' class="{timing_class(item.frames)}"'


def stroked(stroke: str, thickness: float, colours: Paint) -> str:
    """A stroke's attributes."""
    return f'stroke="{colours[stroke]}" stroke-width="{short(thickness)}" stroke-linecap="round"'


def draw_rectangle(item: Rectangle, colours: Paint, frames: str) -> str:
    """A rectangle, or a path if only its lower corners are round."""
    box, fill = item.bounds, colours[item.fill] if item.fill else "none"
    outline = stroked(item.stroke, item.thickness, colours) if item.stroke else ""
    if item.lower_corners_only:
        return f'<path{frames} d="{lower_rounded(box, item.radius)}" fill="{fill}" {outline}/>'
    place = f'x="{short(box.left)}" y="{short(box.top)}" width="{short(box.width)}" height="{short(box.height)}"'
    if item.title:
        told = f"<title>{escape(clean(item.title))}</title>"
        return f'<rect{frames} {place} fill="{fill}" pointer-events="all" {outline}>{told}</rect>'
    return f'<rect{frames} {place} rx="{short(item.radius)}" fill="{fill}" {outline}/>'


def lower_rounded(box: Box, radius: float) -> str:
    """The outline of a box whose lower corners are round."""
    left, top, right, bottom, r = (short(part) for part in (box.left, box.top, box.right, box.bottom, radius))
    inner_left, inner_right, inner_bottom = (
        short(box.left + radius),
        short(box.right - radius),
        short(box.bottom - radius),
    )
    return (
        f"M{left} {top}H{right}V{inner_bottom}A{r} {r} 0 0 1 {inner_right} {bottom}"
        f"H{inner_left}A{r} {r} 0 0 1 {left} {inner_bottom}Z"
    )


def curve_path(item: Curve) -> str:
    """The path data of cubic pieces."""
    points = [f"{short(x)} {short(y)}" for x, y in item.points]
    return f"M{points[0]}C{' '.join(points[1:])}"


def draw_words(item: Words, colours: Paint, frames: str) -> str:
    """A line of words.  The font has no bold cut that comes with the package: a thin outline makes it bold."""
    bold = f' stroke="{colours[item.fill]}" stroke-width="{short(item.size / 34)}"' if item.bold else ""
    return (
        f'<text{frames} x="{short(item.x)}" y="{short(item.y)}" font-family="{FONTS}" font-size="{short(item.size)}" '
        f'text-anchor="{item.anchor}" fill="{colours[item.fill]}"{bold}>{escape(clean(item.text))}</text>'
    )


def draw_formula(item: Formula, colours: Paint, frames: str, shared: Shared) -> str:
    """A formula's outlines with its text alternative, or a reference to a shared formula."""
    place = (
        f'fill="{colours[item.fill]}" transform="translate({short(item.left)} {short(item.y)}) scale({item.scale:.4f})"'
    )
    if shared:
        return f'<use{frames} href="#{shared[item.formula]}" {place}/>'
    label = quoteattr(clean(item.formula.plain()))
    return f'<g{frames} role="img" aria-label={label} {place}>{outlines(item.formula)}</g>'


def outlines(formula: Mathematics) -> str:
    """A formula at typeset size, its baseline at y = 0."""
    form = typeset(formula)
    # Glyphs of one size share one transformation: that is half of what each would need alone.
    runs = (
        f'<g transform="scale({scale:.4f})">{"".join(placed(glyph) for glyph in glyphs)}</g>'
        for scale, glyphs in groupby(form.outlines, key=lambda glyph: glyph.scale)
    )
    rules = (
        f'<rect x="{short(rule.x)}" y="{short(rule.y)}" width="{short(rule.width)}" height="{short(rule.height)}"/>'
        for rule in form.rules
    )
    return "".join((*runs, *rules, *map(words_in_formula, form.runs)))


def words_in_formula(run: Run) -> str:
    """Text that the font for formulas lacks: the reader's fonts have it."""
    place = f'x="{short(run.x + run.width / 2)}" y="{short(run.y)}" font-size="{short(run.size)}" text-anchor="middle"'
    return f'<text {place} font-family="{FONTS}">{escape(clean(run.text))}</text>'


def placed(glyph: Glyph) -> str:
    """A glyph at its place, in units of its own size."""
    up = f' y="{short(glyph.y / glyph.scale)}"' if abs(glyph.y) >= 0.005 else ""
    return f'<use href="#{GLYPH}{glyph_name(glyph.name)}" x="{short(glyph.x / glyph.scale)}"{up}/>'
