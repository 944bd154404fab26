"""Writes a story as one self-contained page with a player: no request leaves it, and it works from disk.

The page holds the whole story; what changes carries its frames, and the script shows what belongs to the current
one.  Without the script the page shows the last frame and the whole trace table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from importlib import resources

from .glyphs import REFERENCE_SIZE, typeset
from .mathematics import Mathematics, Operator, Row, clean, equals, to_string
from .palette import THEMES
from .picture import Shown, derivative_row, element_name, quantity_row
from .scene import Formula, Primitive, Scene
from .story import Frame, StoryContent, StoryNode
from .svg import definitions, drawn, outlines, short

SMALLEST_SCALE = 0.5
VARIABLES = {name: f"var(--{name.replace('_', '-')})" for name in THEMES["light"]}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"

ICONS = {
    "first": '<path d="M4 4h2.4v12H4zM17 4v12L7.5 10z"/>',
    "back": '<path d="M14.5 4v12L5 10z"/>',
    "play": '<path d="M5.5 3.5v13L16 10z"/>',
    "pause": '<path d="M4.5 4h4v12h-4zM11.5 4h4v12h-4z"/>',
    "forward": '<path d="M5.5 4v12L15 10z"/>',
    "last": '<path d="M13.6 4H16v12h-2.4zM3 4v12l9.5-6z"/>',
    "theme": '<path d="M10 2a8 8 0 1 0 0 16a8 8 0 0 0 0-16zm0 1.8v12.4a6.2 6.2 0 0 1 0-12.4z"/>',
}


def write_html(story: StoryContent, wide: Scene, tall: Scene) -> str:
    """The page; ``wide`` and ``tall`` are the story's graph drawn left to right and bottom up."""
    title = escape(clean(story.title))
    shared = all_formulas(story, wide)
    frames = "".join(frame_text(index, frame, shared) for index, frame in enumerate(story.frames))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>
{theme_rules()}
{player_file("player.css")}
</style>
</head>
<body>
{formula_store(shared)}
<header><h1>{title}</h1>{button("theme", "Switch between light and dark")}</header>
<main>
<figure id="graph" tabindex="0" aria-label="The graph, step by step. The table holds the same facts.">
{drawing(wide, "wide", shared)}
{drawing(tall, "tall", shared)}
</figure>
{trace_table(story, shared)}
<section id="panel" aria-live="polite" aria-label="This step">
{frames}
</section>
</main>
{controls(len(story.frames))}
<div id="pages" aria-hidden="true"></div>
<script type="application/json" id="story">{story_data(story)}</script>
<script>
{player_file("player.js")}
</script>
</body>
</html>
"""


def player_file(name: str) -> str:
    """A file of the player."""
    return resources.files(__package__).joinpath("player", name).read_text(encoding="utf-8")


def theme_rules() -> str:
    """The palette as custom properties: by the system's preference, or as the reader chose."""

    def rules(theme: str) -> str:
        colours = "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in THEMES[theme].items())
        return f"color-scheme:{theme};{colours}"

    return (
        f":root{{{rules('light')}}}\n"
        f"@media (prefers-color-scheme: dark){{:root:not([data-theme=light]){{{rules('dark')}}}}}\n"
        f":root[data-theme=dark]{{{rules('dark')}}}\n"
        f"@media print{{:root,:root[data-theme]{{{rules('light')}}}}}"
    )


def all_formulas(story: StoryContent, wide: Scene) -> dict[Mathematics, str]:
    """Every formula on the page, with the name under which it is defined once."""
    formulas: list[Mathematics] = [item.formula for item in wide.primitives if isinstance(item, Formula)]
    formulas.extend(part for frame in story.frames for part in equation_parts(frame))
    formulas.extend(equals(node.symbol, node.definition) for node in story.nodes)
    formulas.extend(shown.formula for node in story.nodes for _, row in table_cells(story, node) for shown in row)
    return {formula: f"f-{index}" for index, formula in enumerate(dict.fromkeys(formulas))}


def formula_store(shared: Mapping[Mathematics, str]) -> str:
    """The outlines of all glyphs, and all formulas made of them, each once."""
    items: list[Primitive] = [Formula("content", 0, 0, formula, 1, "ink") for formula in shared]
    formulas = "".join(f'<g id="{name}">{outlines(formula)}</g>' for formula, name in shared.items())
    return (
        f'<svg width="0" height="0" class="store" aria-hidden="true">{definitions(items)}<defs>{formulas}</defs></svg>'
    )


def drawing(scene: Scene, name: str, shared: Mapping[Mathematics, str]) -> str:
    """The graph, coloured by the theme."""
    descriptions = dict.fromkeys(scene.descriptions, "")
    body = drawn(scene.primitives, VARIABLES, descriptions, shared)
    size = f'width="{short(scene.width)}" height="{short(scene.height)}"'
    least = f"--least:{short(scene.width * SMALLEST_SCALE)}px;--low:{short(scene.height * SMALLEST_SCALE)}px"
    view = f"0 0 {short(scene.width)} {short(scene.height)}"
    return f'<svg class="{name}" {size} style="{least}" viewBox="{view}">\n{body}\n</svg>'


def mathematics(formula: Mathematics, shared: Mapping[Mathematics, str]) -> str:
    """A formula in running text: outlines to look at, MathML for screen readers and for copying."""
    form, scale = typeset(formula), 1 / REFERENCE_SIZE
    height = form.ascent + form.descent
    width, tall, down = form.width * scale, height * scale, -form.descent * scale
    style = f"width:{width:.3f}em;height:{tall:.3f}em;vertical-align:{down:.3f}em"
    view = f"0 {short(-form.ascent)} {short(form.width)} {short(height)}"
    plain = formula.plain()
    return (
        f'<span class="math" data-plain="{escape(plain)}"><svg aria-hidden="true" viewBox="{view}" style="{style}">'
        f'<use href="#{shared[formula]}"/></svg>{to_string(formula)}</span>'
    )


def over_time(row: Iterable[Shown], shared: Mapping[Mathematics, str]) -> str:
    """The formulas a place shows, each with its frames."""
    parts = []
    for shown in row:
        frames = " ".join(f"{start}-{stop}" for start, stop in shown.frames)
        parts.append(f'<span data-frames="{frames}">{mathematics(shown.formula, shared)}</span>')
    return "".join(parts)


def table_cells(story: StoryContent, node: StoryNode) -> list[tuple[str, tuple[Shown, ...]]]:
    """A node's cells after its definition: the column's class, and what it shows over time."""
    cells = [("value", quantity_row(story, "value", node.id, lambda value: value))]
    if story.mode != "evaluate":
        kind = "tangent" if story.mode == "forward" else "adjoint"
        cells.append((kind, derivative_row(story, node)))
    return cells


def trace_table(story: StoryContent, shared: Mapping[Mathematics, str]) -> str:
    """The trace table: a row per node, linked with the graph."""
    headings = {"evaluate": "", "forward": '<th scope="col" class="tangent">tangent ↓</th>'}
    headings["reverse"] = '<th scope="col" class="adjoint">adjoint ↑</th>'
    rows = []
    for node in story.nodes:
        label = mathematics(equals(node.symbol, node.definition), shared)
        names = escape(clean(", ".join(node.names)))
        cells = "".join(f'<td class="{kind}">{over_time(row, shared)}</td>' for kind, row in table_cells(story, node))
        rows.append(
            f'<tr data-owner="{element_name(node.id)}"><th scope="row"><button type="button" title="{names}">{label}'
            f"</button></th>{cells}</tr>"
        )
    return (
        '<div id="table"><table><thead><tr><th scope="col">step</th><th scope="col" class="value">value ↓</th>'
        f"{headings[story.mode]}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def equation_parts(frame: Frame) -> list[Mathematics]:
    """A chain of equalities cut before each sign, so that it can wrap on a narrow page."""
    if not frame.equation:
        return []
    if len(frame.equation) == 1:
        return [frame.equation[0]]
    first = Row((frame.equation[0], Operator("="), frame.equation[1]))
    return [first, *(Row((Operator("="), side)) for side in frame.equation[2:])]


def frame_text(index: int, frame: Frame, shared: Mapping[Mathematics, str]) -> str:
    """A frame's sentence, equation and source line."""
    parts = equation_parts(frame)
    equation = mathematics(parts[0], shared) if parts else ""
    rest = "".join(mathematics(part, shared) for part in parts[1:])
    continued = f'<span class="continued">{rest}</span>' if rest else ""
    source = f'<p class="source">{escape(clean(frame.source_line))}</p>' if frame.source_line else ""
    return (
        f'<div class="frame" data-frames="{index}-{index + 1}"><p class="sentence">{escape(clean(frame.sentence))}</p>'
        f'<p class="equation">{equation}{continued}</p>{source}</div>\n'
    )


def icon(name: str) -> str:
    """A control's drawing."""
    return f'<svg data-icon="{name}" viewBox="0 0 20 20" aria-hidden="true">{ICONS[name]}</svg>'


def button(name: str, label: str, text: str = "", extra: str = "") -> str:
    """A button with an icon."""
    words = f"<span>{text}</span>" if text else ""
    return f'<button type="button" id="{name}" aria-label="{label}"{extra}>{icon(name)}{words}</button>'


def controls(frames: int) -> str:
    """Buttons, a scrubber and the speed."""
    speeds = "".join(
        f'<option value="{value}"{" selected" if value == 1 else ""}>{text}</option>'
        for value, text in ((0.5, "½×"), (1, "1×"), (2, "2×"), (4, "4×"))
    )
    buttons = (
        button("first", "First step"),
        button("back", "Step back"),
        button("play", "Play", "Play", ' aria-pressed="false"'),
        button("forward", "Step forward"),
        button("last", "Last step"),
    )
    return f"""<nav id="controls" aria-label="Player">
<div class="buttons">{"".join(buttons)}</div>
<input type="range" id="scrub" min="1" max="{frames}" value="{frames}" aria-label="Step">
<output id="step" for="scrub">{frames} / {frames}</output>
<label>Speed <select id="speed">{speeds}</select></label>
</nav>
<template id="icons">{icon("play")}{icon("pause")}</template>"""


def story_data(story: StoryContent) -> str:
    """What the script needs beyond the page: each frame's focus and the edges it reads."""
    frames = [
        {
            "phase": frame.phase,
            "focus": element_name(frame.focus),
            "reads": [element_name(edge) for edge in frame.reads],
            "sentence": clean(frame.sentence),
        }
        for frame in story.frames
    ]
    # A closing tag inside a script would end it.
    return json.dumps({"mode": story.mode, "frames": frames}, ensure_ascii=False).replace("<", "\\u003c")
