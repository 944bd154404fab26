"""A compile story in words: for a terminal, and as Markdown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ..mathematics import clean, shorten
from ..tables import escape_markdown
from .record import Compilation
from .steps import Step, time_text

LONGEST, MOST_LINES = 400, 40
HEADINGS = ("pass", "leaves", "time")
"""The headings' keys."""


def write_terminal(
    title: str, record: Compilation, steps: Sequence[Step], *, colours: bool = False, width: int | None = None
) -> str:
    """The table of passes, and below it every step."""
    from rich.table import Table
    from rich.text import Text

    stream, console = console_of(colours, width)
    table = Table(title=Text(clean(title)), title_justify="left")
    for heading in HEADINGS:
        table.add_column(Text(record.words.say(heading)))
    for row in pass_rows(record):
        table.add_row(*map(Text, row))
    console.print(table)
    for index, step in enumerate(steps[1:], 1):
        console.print(Text(f"{index:>3}. ", style="dim") + Text(shorten(clean(step.sentence), LONGEST)))
    return stream.getvalue().rstrip("\n")


def frame_text(
    title: str, record: Compilation, steps: Sequence[Step], index: int, *, colours: bool, width: int | None
) -> str:
    """One step, and its source."""
    from rich.text import Text

    stream, console = console_of(colours, width)
    step = steps[index]
    console.print(Text(f"{clean(title)}  ({index + 1} / {len(steps)})", style="bold"))
    console.print(Text(f"{step.stage}: {step.name}", style="dim"))
    console.print(Text(clean(step.sentence)))
    for rule in step.rules:
        console.print(Text(f"  {rule.plain()}", style="bold"))
    for line in step.lines[:MOST_LINES]:
        console.print(Text(f"{line.number:>5} ", style="dim") + Text(clean(line.text)))
    if len(step.lines) > MOST_LINES:
        more = record.words.say("more lines", count=len(step.lines) - MOST_LINES)
        console.print(Text(f"      {more}", style="dim"))
    return stream.getvalue().rstrip("\n")


def console_of(colours: bool, width: int | None) -> tuple[io.StringIO, Any]:
    """A console that writes to a text."""
    from rich.console import Console

    stream = io.StringIO()
    return stream, Console(file=stream, force_terminal=colours, no_color=not colours, width=width, highlight=False)


def pass_rows(record: Compilation) -> list[tuple[str, str, str]]:
    """Each pass with what it leaves and its time."""
    above = record.words.say("pass above")
    return [(done.name, done.leaves, time_text(done.seconds) or above) for done in record.passes]


def write_markdown(title: str, record: Compilation, steps: Sequence[Step]) -> str:
    """The passes as a table, every step in words, and the whole source."""
    say = record.words.say
    heading = " | ".join(map(say, HEADINGS))
    lines = [f"# {escape_markdown(title)}", "", f"| {heading} |", "| --- | --- | --- |"]
    lines.extend("| " + " | ".join(map(escape_markdown, row)) + " |" for row in pass_rows(record))
    lines.extend(("", f"## {say('step by step')}", ""))
    lines.extend(f"{index}. {escape_markdown(step.sentence)}" for index, step in enumerate(steps, 1))
    lines.extend(("", f"## {say('source')}", "", "```python", record.source.text.rstrip("\n"), "```", ""))
    return "\n".join(lines)
