"""Writes a compile story as one self-contained page: the player, the list of steps, and the source in a column.

A node lights its source lines, and a line its nodes; no request leaves the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from ..glyphs import REFERENCE_SIZE
from ..mathematics import Mathematics, clean, to_string
from ..page.assets import player_file, theme_rules
from ..palette import THEMES
from ..scene import Formula, Primitive
from ..sentences import Language
from ..svg import definitions, drawn, outlines, short
from ..typesetting import typeset
from .deck import described, formulas
from .pictures import Drawing, fitting
from .record import Compilation
from .sourcing import Line, listing
from .steps import Step
from .text import HEADINGS, pass_rows

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
VARIABLES = {name: f"var(--{name.replace('_', '-')})" for name in THEMES["light"]}
ICONS = {
    "first": "M4 4h2.4v12H4zM17 4v12L7.5 10z",
    "back": "M14.5 4v12L5 10z",
    "play": "M5.5 3.5v13L16 10z",
    "pause": "M4.5 4h4v12h-4zM11.5 4h4v12h-4z",
    "forward": "M5.5 4v12L15 10z",
    "last": "M13.6 4H16v12h-2.4zM3 4v12l9.5-6z",
    "theme": "M10 2a8 8 0 1 0 0 16a8 8 0 0 0 0-16zm0 1.8v12.4a6.2 6.2 0 0 1 0-12.4z",
}
SCRIPTED = ("play", "pause", "step of", "source lines", "source line", "no node")
"""What the page's script says."""
ROOMS, LEAST = {"wide": (720.0, 470.0), "tall": (390.0, 800.0)}, 0.6


def write_page(title: str, record: Compilation, steps: Sequence[Step], lang: str = "en") -> str:
    """The page."""
    heading, words = escape(clean(title)), record.words

    def say(key: str) -> str:
        return escape(words.say(key))

    drawings = {side: [fitting(step.panes, room)[0] for step in steps] for side, room in ROOMS.items()}
    shared = all_formulas(steps, [one for side in drawings.values() for one in side])
    graphs = "\n".join(
        drawing(side, index, steps, one, shared, words)
        for side, made in drawings.items()
        for index, one in enumerate(made)
    )
    lines = listing(record.source.text).lines
    told = "".join(frame_text(index, step, shared) for index, step in enumerate(steps))
    return f"""<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{heading}</title>
<style>
{theme_rules()}
{player_file("player.css")}
{player_file("compilation.css")}
</style>
</head>
<body data-mode="rewrite">
{formula_store(shared)}
<header><h1>{heading}</h1>{button("theme", say("theme"))}</header>
<main>
<div id="stage">
<div id="graph" tabindex="0" role="application" aria-label="{say("compile graph")}" aria-describedby="selected">
{graphs}
</div>
<div id="zoom" role="group" aria-label="{say("size of the graph")}">{zoom(words)}</div>
</div>
<div id="table">{pass_table(record)}{step_table(steps, words)}</div>
{source_column(lines, steps, words)}
<section id="panel" aria-label="{say("this step")}">
<div id="told" aria-live="polite">
{told}
</div>
{details(words)}
</section>
</main>
<p id="selected" class="unseen" aria-live="polite"></p>
{controls(len(steps), words)}
<div id="pages" aria-hidden="true"></div>
<script type="application/json" id="story">{story_data(steps, words)}</script>
<script>
{player_file("compilation.js")}
</script>
</body>
</html>
"""


def zoom(words: Language) -> str:
    """The buttons for the drawing's size."""
    return "".join(
        f'<button type="button" id="{name}" aria-label="{escape(words.say(name))}">{sign}</button>'
        for name, sign in (("smaller", "−"), ("fit", escape(words.say("fit sign"))), ("larger", "+"))
    )


def details(words: Language) -> str:
    """What is said about a chosen node or line."""
    return (
        f'<aside id="details" aria-label="{escape(words.say("chosen node or line"))}" hidden>'
        f'<button type="button" id="close" aria-label="{escape(words.say("close"))}">×</button><h2></h2>'
        '<p class="source"></p></aside>'
    )


def icon(name: str) -> str:
    """A control's drawing."""
    return f'<svg data-icon="{name}" viewBox="0 0 20 20" aria-hidden="true"><path d="{ICONS[name]}"/></svg>'


def button(name: str, label: str, text: str = "") -> str:
    """A button with an icon."""
    words = f"<span>{text}</span>" if text else ""
    return f'<button type="button" id="{name}" aria-label="{label}">{icon(name)}{words}</button>'


def controls(frames: int, words: Language) -> str:
    """Buttons, a scrubber and the speed."""
    speeds = "".join(
        f'<option value="{value}"{" selected" if value == 1 else ""}>{text}</option>'
        for value, text in ((0.5, "½×"), (1, "1×"), (2, "2×"), (4, "4×"))
    )
    say = words.say
    buttons = "".join((
        button("first", say("first step")), button("back", say("step back")), button("play", say("play"), say("play")),
        button("forward", say("step forward")), button("last", say("last step")),
    ))  # fmt: skip
    return f"""<nav id="controls" aria-label="{say("player")}">
<div class="buttons">{buttons}</div>
<input type="range" id="scrub" min="1" max="{frames}" value="{frames}" aria-label="{say("step").capitalize()}">
<output id="step" for="scrub">{frames} / {frames}</output>
<label>{say("speed")} <select id="speed">{speeds}</select></label>
</nav>
<template id="icons">{icon("play")}{icon("pause")}</template>"""


def formula_store(shared: Mapping[Mathematics, str]) -> str:
    """The outlines of all glyphs, and all formulas made of them, each once."""
    items: list[Primitive] = [Formula("content", 0, 0, formula, 1, "ink") for formula in shared]
    made = "".join(f'<g id="{name}">{outlines(formula)}</g>' for formula, name in shared.items())
    return f'<svg width="0" height="0" class="store" aria-hidden="true">{definitions(items)}<defs>{made}</defs></svg>'


def mathematics(formula: Mathematics, shared: Mapping[Mathematics, str]) -> str:
    """A formula in running text: outlines to look at, MathML for screen readers and for copying."""
    form, scale = typeset(formula), 1 / REFERENCE_SIZE
    height = form.ascent + form.descent
    width, tall, down = form.width * scale, height * scale, -form.descent * scale
    style = f"width:{width:.3f}em;height:{tall:.3f}em;vertical-align:{down:.3f}em"
    view = f"0 {short(-form.ascent)} {short(form.width)} {short(height)}"
    spoken = to_string(formula).replace(' xmlns="http://www.w3.org/1998/Math/MathML"', "", 1)
    return (
        f'<span class="math"><svg aria-hidden="true" viewBox="{view}" style="{style}">'
        f'<use href="#{shared[formula]}"/></svg>{spoken}</span>'
    )


def all_formulas(steps: Sequence[Step], drawings: Iterable[Drawing]) -> dict[Mathematics, str]:
    """Every formula of the page, with the name under which it is defined once."""
    found = [item.formula for one in drawings for item in one.items if isinstance(item, Formula)]
    found.extend(formula for step in steps for formula in formulas(step))
    return {formula: f"f-{index}" for index, formula in enumerate(dict.fromkeys(found))}


def drawing(
    side: str, index: int, steps: Sequence[Step], one: Drawing, shared: Mapping[Mathematics, str], language: Language
) -> str:
    """One step's picture, shown during its frame; without the script the last one is."""
    items = [replace(item, owner=f"{index}:{item.owner}" if item.owner else "") for item in one.items]
    words = {f"{index}:{owner}": text for owner, text in described(steps[index], language).items()}
    width, height = short(one.width), short(one.height)
    least = f"--least:{short(one.width * LEAST)}px;--low:{short(one.height * LEAST)}px"
    hidden = "" if index == len(steps) - 1 else " off"
    return (
        f'<svg class="{side}{hidden}" data-frames="{index}-{index + 1}" width="{width}" height="{height}" '
        f'style="{least}" viewBox="0 0 {width} {height}">\n{drawn(items, VARIABLES, words, shared)}\n</svg>'
    )


def pass_table(record: Compilation) -> str:
    """The passes: what each leaves, and its time."""
    head = "".join(f'<th scope="col">{record.words.say(heading)}</th>' for heading in HEADINGS)
    rows = "".join(
        f'<tr><th scope="row"><span>{escape(name)}</span></th><td>{escape(leaves)}</td><td>{escape(seconds)}</td></tr>'
        for name, leaves, seconds in pass_rows(record)
    )
    caption = record.words.say("passes")
    return (
        f'<table class="passes"><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def step_table(steps: Sequence[Step], words: Language) -> str:
    """Every step; a click goes to it."""
    rows = []
    for index, step in enumerate(steps):
        name = escape(clean(step.name))
        times = f"×{step.times}" if step.times > 1 else ""
        rows.append(
            f'<tr data-step="{index}"><th scope="row"><button type="button">{name}</button></th>'
            f"<td>{times}</td><td>{escape(step.stage)}</td></tr>"
        )
    head = "".join(f'<th scope="col">{words.say(heading)}</th>' for heading in ("step", "times", "pass"))
    return (
        f'<table class="steps"><caption>{words.say("steps")}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def source_column(lines: Sequence[Line], steps: Sequence[Step], words: Language) -> str:
    """The whole source, a numbered line each, shown while kernels are told."""
    frames = " ".join(f"{index}-{index + 1}" for index, step in enumerate(steps) if step.kernel is not None)
    rows = "".join(
        f'<li id="line-{line.number}" role="option" aria-selected="false" data-nodes="{words_of(line.nodes)}">'
        f"<span>{line.number}</span><code>{escape(clean_code(line.text))}</code></li>"
        for line in lines
    )
    return (
        f'<section id="source" data-frames="{frames}" aria-label="{escape(words.say("generated source"))}">'
        f'<ol role="listbox" tabindex="0" aria-label="{escape(words.say("compile source"))}">{rows}</ol></section>'
    )


def words_of(numbers: Iterable[int]) -> str:
    """Numbers with spaces between them."""
    return " ".join(map(str, numbers))


def clean_code(text: str) -> str:
    """A line with its indentation and gaps kept."""
    return clean(text.replace("  ", "\u00a0\u00a0"))


def frame_text(index: int, step: Step, shared: Mapping[Mathematics, str]) -> str:
    """A step's sentence, its rule and what the rule does here."""
    equations = "".join(f'<p class="equation">{mathematics(formula, shared)}</p>' for formula in formulas(step))
    source = f'<p class="source">{escape(clean(step.source_line))}</p>' if step.source_line else ""
    return (
        f'<div class="frame" data-frames="{index}-{index + 1}"><p class="sentence">{escape(clean(step.sentence))}</p>'
        f"{equations}{source}</div>\n"
    )


def story_data(steps: Sequence[Step], words: Language) -> str:
    """What the script needs: the lines and nodes of each frame's kernel."""
    frames: list[dict[str, Any]] = [
        {
            "lines": [line.number for line in step.lines],
            "nodes": list(step.nodes),
        }
        for step in steps
    ]
    data = {"frames": frames, "words": {key: words.sentences[key] for key in SCRIPTED}}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
