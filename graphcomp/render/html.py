"""Writes a story as one self-contained page with a player: no request leaves it, and it works from disk.

The page holds the whole story; what changes carries its frames, and the script shows what belongs to the current
one.  Without the script the page shows the last frame and the whole trace table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from html import escape
from importlib import resources
from itertools import groupby
from typing import Any
from xml.sax.saxutils import quoteattr

from .glyphs import REFERENCE_SIZE, typeset
from .jacobian import known_cells
from .live import LiveProgram
from .mathematics import Mathematics, Operator, Row, clean, equals, to_string
from .palette import THEMES
from .picture import Shown, derivative_row, element_name, quantity_row
from .scene import Formula, Primitive, Scene
from .story import Cost, FactKind, Frame, Question, StoryContent, StoryNode
from .svg import definitions, drawn, outlines, short

SMALLEST_SCALE = 0.5
GRAPH_LABEL = "The graph. Arrow keys follow its edges, Enter shows a node's history. The table holds the same facts."
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


def write_html(story: StoryContent, wide: Scene, tall: Scene, live: LiveProgram | str | None = None) -> str:
    """The page; ``wide`` and ``tall`` are the story's graph drawn left to right and bottom up.

    ``live`` computes the story again for other inputs, or says why the page cannot.
    """
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
<div id="stage">
<div id="graph" tabindex="0" role="application" aria-label="{GRAPH_LABEL}" aria-describedby="selected">
{drawings(wide, tall, shared)}
</div>
<div id="zoom" role="group" aria-label="Size of the graph">{zoom_buttons()}</div>
</div>
<div id="table">{trace_table(story, shared)}{jacobian_table(story, shared)}</div>
<section id="panel" aria-label="This step">
<div id="told" aria-live="polite">
{frames}
</div>
{details()}
{live_inputs(story, live)}
</section>
</main>
<p id="selected" class="unseen" aria-live="polite"></p>
{controls(len(story.frames))}
<div id="pages" aria-hidden="true"></div>
<script type="application/json" id="story">{story_data(story)}</script>
<script>
{player_file("expression.js")}
const graphcompLive = {live.function() if isinstance(live, LiveProgram) else "null"};
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
    formulas.extend(frame.question.unknown for frame in story.frames if frame.question)
    formulas.extend(jacobian_formulas(story))
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


def drawings(wide: Scene, tall: Scene, shared: Mapping[Mathematics, str]) -> str:
    """The graph left to right and bottom up.  What looks the same in both is drawn once, and placed again."""
    first, second = runs(wide), runs(tall)
    bodies: tuple[list[str], list[str]] = ([], [])
    for index, ((owner, items), (_, others)) in enumerate(zip(first, second, strict=True)):
        again = placed_again(f"c-{index}", items, others, shared)
        bodies[0].append(element_group(owner, drawn(items, VARIABLES, {}, shared), f"c-{index}" if again else ""))
        bodies[1].append(element_group(owner, again or drawn(others, VARIABLES, {}, shared)))
    return f"{drawing(wide, 'wide', bodies[0])}\n{drawing(tall, 'tall', bodies[1])}"


def runs(scene: Scene) -> list[tuple[str, list[Primitive]]]:
    """What belongs together, from back to front; the owner is taken off, because the group carries it."""
    return [
        (owner, [replace(item, owner="") for item in items])
        for owner, items in groupby(scene.primitives, key=lambda item: item.owner)
    ]


def placed_again(name: str, items: list[Primitive], others: list[Primitive], shared: Mapping[Mathematics, str]) -> str:
    """A reference that draws the second run as the first one moved; empty where they differ in more than place."""
    start, end = items[0].box, others[0].box
    local = drawn([item.moved(-start.left, -start.top, 1) for item in items], VARIABLES, {}, shared)
    if local != drawn([item.moved(-end.left, -end.top, 1) for item in others], VARIABLES, {}, shared):
        return ""
    return f'<use href="#{name}" transform="translate({short(end.left - start.left)} {short(end.top - start.top)})"/>'


def element_group(owner: str, content: str, name: str = "") -> str:
    """A group that carries its element's name."""
    inner = f'<g id="{name}">{content}</g>' if name else content
    return f"<g data-owner={quoteattr(owner)}>{inner}</g>" if owner else content


def drawing(scene: Scene, name: str, body: Iterable[str]) -> str:
    """One drawing, coloured by the theme."""
    size = f'width="{short(scene.width)}" height="{short(scene.height)}"'
    least = f"--least:{short(scene.width * SMALLEST_SCALE)}px;--low:{short(scene.height * SMALLEST_SCALE)}px"
    view = f"0 0 {short(scene.width)} {short(scene.height)}"
    content = "\n".join(body)
    return f'<svg class="{name}" {size} style="{least}" viewBox="{view}">\n{content}\n</svg>'


def details() -> str:
    """The place for a node's history and source line."""
    close = '<button type="button" id="close" aria-label="Close">×</button>'
    return (
        f'<aside id="details" aria-label="The node you chose" hidden>{close}<h2></h2><p class="source"></p>'
        '<ol class="history"></ol></aside>'
    )


def live_inputs(story: StoryContent, live: LiveProgram | str | None) -> str:
    """Fields for other inputs, and a table of what follows from them; or why there are none.

    A quiz has none: the table would give its answers away.
    """
    if any(frame.question for frame in story.frames):
        return ""
    if not isinstance(live, LiveProgram):
        return f'<p class="fixed">{escape(live)}</p>' if live else ""
    inputs = [node for node in story.nodes if node.role == "input"]
    fields = "".join(
        f"<label>{escape(clean(', '.join(node.names) or node.symbol.plain()))} "
        f'<input type="number" step="any" value="{given_value(story, node)!r}"></label>'
        for node in inputs
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(clean(equals(node.symbol, node.definition).plain()))}</th>'
        f'<td data-place="{live.values[node.id]}"></td><td data-place="{live.adjoints.get(node.id, "")}"></td></tr>'
        for node in story.nodes
    )
    return (
        f'<details id="live"><summary>Try other inputs</summary><p class="fields">{fields}</p><table><thead><tr>'
        '<th scope="col">step</th><th scope="col">value</th><th scope="col">adjoint</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details>"
    )


def given_value(story: StoryContent, node: StoryNode) -> float:
    """An input's value as the story was told."""
    return float(story.known["value", node.id][-1].fact.data)


def zoom_buttons() -> str:
    """Smaller, fitting, larger."""
    labels = (("smaller", "Smaller", "−"), ("fit", "Fit the graph to its place", "fit"), ("larger", "Larger", "+"))
    return "".join(
        f'<button type="button" id="{name}" aria-label="{label}">{sign}</button>' for name, label, sign in labels
    )


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
        f'<use href="#{shared[formula]}"/></svg>{spoken(formula)}</span>'
    )


def spoken(formula: Mathematics) -> str:
    """A formula's MathML; in HTML the name of its language goes without saying."""
    return to_string(formula).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "", 1)


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
    row = derivative_row(story, node)
    for kind in derivative_kinds(story):
        cells.append((kind, tuple(shown for shown in row if shown.tone == kind)))
    return cells


def derivative_kinds(story: StoryContent) -> list[str]:
    """The derivatives that the sweeps of a story tell, in order."""
    return [kind for kind in dict.fromkeys(sweep.kind for sweep in story.sweeps) if kind != "value"]


def trace_table(story: StoryContent, shared: Mapping[Mathematics, str]) -> str:
    """The trace table: a row per node, linked with the graph."""
    arrows = {"tangent": "↓", "adjoint": "↑"}
    headings = "".join(f'<th scope="col" class="{kind}">{kind} {arrows[kind]}</th>' for kind in derivative_kinds(story))
    rows = []
    for node in story.nodes:
        label = mathematics(equals(node.symbol, node.definition), shared)
        words = escape(clean(equals(node.symbol, node.definition).plain()))
        names = escape(clean(", ".join(node.names)))
        cells = "".join(f'<td class="{kind}">{over_time(row, shared)}</td>' for kind, row in table_cells(story, node))
        rows.append(
            f'<tr data-owner="{element_name(node.id)}"><th scope="row"><button type="button" aria-label="{words}" '
            f'title="{names}">{label}</button></th>{cells}</tr>'
        )
    return (
        '<table class="trace"><thead><tr><th scope="col">step</th><th scope="col" class="value">value ↓</th>'
        f"{headings}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def jacobian_table(story: StoryContent, shared: Mapping[Mathematics, str]) -> str:
    """The derivatives of all outputs by all inputs as they become known, and what they have cost; or nothing."""
    jacobian = story.jacobian
    if jacobian is None or len(jacobian.outputs) < 2:
        return ""
    cells = known_cells(story)
    columns = "".join(heading("col", label, shared) for label in jacobian.column_labels)
    rows = []
    for row, label in enumerate(jacobian.row_labels):
        entries = [
            over_time([Shown(formula, (span,)) for formula, span in cells[row, column]], shared)
            for column in range(len(jacobian.column_labels))
        ]
        data = "".join(f"<td>{entry}</td>" for entry in entries)
        rows.append(f"<tr>{heading('row', label, shared)}{data}</tr>")
    return (
        '<table class="jacobian"><caption>Derivatives</caption><thead><tr><td></td>'
        f"{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def heading(scope: str, label: Mathematics, shared: Mapping[Mathematics, str]) -> str:
    """A heading that is a formula: its alternative is plain text, because some readers pass over MathML there."""
    drawn_label = mathematics(label, shared).replace(
        spoken(label), f'<span class="unseen">{escape(label.plain())}</span>'
    )
    return f'<th scope="{scope}">{drawn_label}</th>'


def jacobian_formulas(story: StoryContent) -> list[Mathematics]:
    """Every formula of that table."""
    if story.jacobian is None or len(story.jacobian.outputs) < 2:
        return []
    entries = [formula for shown in known_cells(story).values() for formula, _ in shown]
    return [*story.jacobian.row_labels, *story.jacobian.column_labels, *entries]


def equation_parts(frame: Frame) -> list[Mathematics]:
    """A chain of equalities cut before each sign, so that it can wrap on a narrow page."""
    if not frame.equation:
        return []
    if len(frame.equation) == 1:
        return [frame.equation[0]]
    first = Row((frame.equation[0], Operator("="), frame.equation[1]))
    return [first, *(Row((Operator("="), side)) for side in frame.equation[2:])]


def frame_text(index: int, frame: Frame, shared: Mapping[Mathematics, str]) -> str:
    """A frame's question if it has one, its sentence, equation, source line and cost."""
    parts = equation_parts(frame)
    equation = mathematics(parts[0], shared) if parts else ""
    rest = "".join(mathematics(part, shared) for part in parts[1:])
    continued = f'<span class="continued">{rest}</span>' if rest else ""
    source = f'<p class="source">{escape(clean(frame.source_line))}</p>' if frame.source_line else ""
    cost = f'<p class="cost">{cost_text(frame.cost)}</p>' if frame.cost else ""
    asked = question_form(index, frame, frame.question, shared) if frame.question else ""
    return (
        f'<div class="frame" data-frames="{index}-{index + 1}">{asked}<div class="solution">'
        f'<p class="sentence">{escape(clean(frame.sentence))}</p>'
        f'<p class="equation">{equation}{continued}</p>{source}{cost}</div></div>\n'
    )


def cost_text(cost: Cost) -> str:
    """``2 sweeps, 17 multiplications, 6 values held``."""
    counts = ((cost.sweeps, "sweep"), (cost.multiplications, "multiplication"), (cost.values_held, "value"))
    texts = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts]
    return f"So far: {', '.join(texts)} held"


def question_form(index: int, frame: Frame, question: Question, shared: Mapping[Mathematics, str]) -> str:
    """What to predict, a place to answer, and what may be shown as a hint; none of it gives the answer away."""
    parts = equation_parts(frame)
    start = parts[0] if len(parts) > 1 else question.unknown
    hint = mathematics(parts[1], shared) if len(parts) > 2 else ""
    hint_button = '<button type="button" class="hint">Hint</button>' if hint else ""
    prompt = escape(clean(question.prompt))
    return (
        '<form class="question" autocomplete="off">'
        f'<p class="sentence"><label for="answer-{index}">{prompt}</label></p>'
        f'<p class="equation">{mathematics(start, shared)}<span class="continued clue" hidden>{hint}</span></p>'
        f'<p class="answer"><input id="answer-{index}" type="text" spellcheck="false" autocapitalize="off">'
        f'<button type="submit">Check</button>{hint_button}<button type="button" class="reveal">Show</button></p>'
        '<p class="feedback" role="status"></p></form>'
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
    """What the script needs beyond the page: each frame's focus and reads, each node's words, history and edges."""
    data = {
        "mode": story.mode,
        "frames": [frame_data(frame) for frame in story.frames],
        "nodes": {element_name(node.id): node_data(story, node) for node in story.nodes},
        "variables": next((dict(frame.question.variables) for frame in story.frames if frame.question), {}),
        "edges": [[element_name(edge.operand), element_name(edge.user), edge.slot] for edge in story.edges],
    }
    # A closing tag inside a script would end it.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def frame_data(frame: Frame) -> dict[str, Any]:
    """One frame's focus and the edges it reads."""
    data: dict[str, Any] = {
        "phase": frame.phase,
        "focus": element_name(frame.focus),
        "reads": [element_name(edge) for edge in frame.reads],
    }
    if question := frame.question:
        data["question"] = {
            "answer": question.answer,
            "mistakes": [[mistake.value, clean(mistake.feedback)] for mistake in question.mistakes],
        }
    return data


def node_data(story: StoryContent, node: StoryNode) -> dict[str, Any]:
    """A node in words, where it was written, and which facts about it became known in which frame."""
    given: list[list[str]] = []
    history: list[list[str | int]] = []
    kinds: tuple[FactKind, ...] = ("value", "tangent", "adjoint")
    for kind in kinds:
        for known in story.known.get((kind, node.id), ()):
            text = clean(known.fact.shown.plain())
            if not known.start and is_given(story, kind, node.id):
                given.append([kind, text])
            else:
                history.append([kind, text, known.start])
    names = [clean(name) for name in node.names]
    return {
        "title": clean(equals(node.symbol, node.definition).plain()),
        "names": [name for name in names if name != node.symbol.plain()],
        "shape": list(node.shape),
        "source": clean(node.source_line),
        "given": given,
        "history": history,
    }


def is_given(story: StoryContent, kind: FactKind, id: int) -> bool:
    """Whether a fact is known before the first frame."""
    return any(fact.kind == kind and fact.target == id for fact in story.given)
