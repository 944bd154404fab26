"""The trace tables of Baydin et al.: the evaluation, and beside it the tangents or, read upwards, the adjoints."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass

from .mathematics import clean, shorten
from .sentences import language
from .story import Frame, StoryContent

HEADINGS = {"tangent": "tangent trace", "adjoint": "adjoint trace"}
"""The sentence that heads the last column, by what a sweep computes; the table of values has no such column."""
ARROWS = {"tangent": "↓", "adjoint": "↑"}
LONGEST_CELL = 160


@dataclass(frozen=True)
class Table:
    """A heading for each column, and rows of cells as plain text."""

    title: str
    headings: tuple[str, ...]
    kind: str
    rows: tuple[tuple[str, ...], ...]


def equation_text(frame: Frame) -> str:
    """A frame's chain of equalities on one line."""
    return shorten(" = ".join(side.plain() for side in frame.equation), LONGEST_CELL)


def trace_tables(story: StoryContent) -> list[Table]:
    """One table per sweep, a row per node in evaluation order."""
    values = {target: known[-1].fact.shown.plain() for (kind, target), known in story.known.items() if kind == "value"}
    tables, words = [], language(story.language)
    for number, sweep in enumerate(story.sweeps):
        told = {frame.focus: frame for frame in story.frames if frame.sweep == number}
        rows = []
        for node in story.nodes:
            definition = f"{node.symbol.plain()} = {node.definition.plain()}"
            row = [definition, values.get(node.id, "?")]
            if sweep.kind in HEADINGS:
                row.append(equation_text(told[node.id]) if node.id in told else "–")
            rows.append(tuple(shorten(cell.strip(), LONGEST_CELL) for cell in row))
        headings = [f"{words.say('evaluation trace')} ↓", words.say("value heading")]
        if sweep.kind in HEADINGS:
            headings.append(f"{words.say(HEADINGS[sweep.kind])} {ARROWS[sweep.kind]}")
        title = story.title if len(story.sweeps) == 1 else f"{story.title} ({sweep.label})"
        tables.append(Table(clean(title), tuple(headings), sweep.kind, tuple(rows)))
    return tables


def write_markdown(story: StoryContent) -> str:
    """The tables and, below them, every step in words."""
    parts = [markdown_table(table) for table in trace_tables(story)]
    steps = [
        f"{index}. {escape_markdown(frame.sentence)} {escape_markdown(equation_text(frame))}"
        for index, frame in enumerate(story.frames, 1)
    ]
    return "\n\n".join((*parts, f"## {language(story.language).say('step by step')}", "\n".join(steps))) + "\n"


def markdown_table(table: Table) -> str:
    """One table in Markdown."""
    lines = [f"# {escape_markdown(table.title)}", "", " | ".join(("", *table.headings, "")).strip()]
    lines.append("|" + " --- |" * len(table.headings))
    lines.extend("| " + " | ".join(escape_markdown(cell) for cell in row) + " |" for row in table.rows)
    return "\n".join(lines)


def escape_markdown(text: str) -> str:
    """Text without effect as Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", html.escape(clean(text), quote=False))


def write_terminal(story: StoryContent, *, colours: bool = False, width: int | None = None) -> str:
    """The tables for a terminal."""
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=colours, no_color=not colours, width=width, highlight=False)
    for table in trace_tables(story):
        styles = ("", "blue", "dark_orange3" if table.kind == "adjoint" else "green")
        drawn = RichTable(title=Text(table.title), title_justify="left")
        for heading, style in zip(table.headings, styles, strict=False):
            drawn.add_column(Text(heading), style=style, overflow="fold")
        for row in table.rows:
            drawn.add_row(*(Text(cell) for cell in row))
        console.print(drawn)
    return stream.getvalue().rstrip("\n")


def write_dot(story: StoryContent) -> str:
    """The graph in Graphviz's language, in its final state."""
    words = language(story.language)
    lines = ["digraph story {", "  rankdir=LR;", '  node [shape=box, style=rounded, fontname="DejaVu Sans"];']
    lines.append(f"  label={quoted(story.title)};")
    for node in story.nodes:
        rows = [f"{node.symbol.plain()} = {node.definition.plain()}"]
        for kind, shown in story.last_on_card(node.id).items():
            rows.append(f"{words.say(kind)} {shown.plain()}")
        lines.append(f"  n{node.id} [label={quoted(*rows)}];")
    for edge in story.edges:
        label = f" [label={quoted(edge.partial.plain())}]" if edge.partial and story.mode != "evaluate" else ""
        lines.append(f"  n{edge.operand} -> n{edge.user}{label};")
    return "\n".join((*lines, "}", ""))


def quoted(*rows: str) -> str:
    """Rows of text as one quoted DOT string."""
    return '"' + "\\n".join(clean(row).replace("\\", "\\\\").replace('"', '\\"') for row in rows) + '"'
