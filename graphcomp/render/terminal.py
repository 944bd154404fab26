"""Plays a story in a terminal: the trace table as it fills, the sentence and the equation, one step at a time.

Keys: space, Enter, → or n for the next step, ← or b for the one before, Home and End, q to leave.  Where the input is
no terminal, all steps are written one below the other.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TextIO

from .mathematics import clean, shorten
from .sentences import language
from .story import Frame, StoryContent, StoryNode, Target
from .tables import LONGEST_CELL, equation_text

CLEAR = "\x1b[H\x1b[2J"
STYLES = {"value": "blue", "tangent": "green", "adjoint": "dark_orange3"}
KEYS = {
    **dict.fromkeys((" ", "\r", "\n", "n", "l", "\x1b[C", "\x1b[B"), "next"),
    **dict.fromkeys(("b", "p", "h", "\x7f", "\x1b[D", "\x1b[A"), "back"),
    **dict.fromkeys(("g", "\x1b[H", "\x1b[1~", "\x1bOH"), "first"),
    **dict.fromkeys(("G", "\x1b[F", "\x1b[4~", "\x1bOF"), "last"),
    **dict.fromkeys(("q", "Q", "\x1b", "\x03", "\x04", ""), "quit"),
}


def frame_in_terminal(story: StoryContent, index: int, *, colours: bool = False, width: int | None = None) -> str:
    """One frame: what is known so far, with marks at the node in focus and at those it reads."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = io.StringIO()
    console = Console(file=stream, force_terminal=colours, no_color=not colours, width=width, highlight=False)
    frame, words = story.frames[index], language(story.language)
    kinds = ["value", *dict.fromkeys(sweep.kind for sweep in story.sweeps if sweep.kind != "value")]
    heading = f"{clean(story.title)}  ({index + 1} / {len(story.frames)})"
    console.print(Text(heading, style="bold"))
    table = Table()
    for name in ("", "step", *kinds):
        table.add_column(Text(words.say(name) if name else ""), style=STYLES.get(name, ""), overflow="fold")
    for node in story.nodes:
        cells = (mark(story, frame, node), definition(node), *(shown(story, kind, node.id, index) for kind in kinds))
        table.add_row(*(Text(shorten(cell, LONGEST_CELL)) for cell in cells))
    console.print(table)
    console.print(Text(clean(frame.sentence)))
    console.print(Text(f"  {equation_text(frame)}", style="bold"))
    if frame.source_line:
        console.print(Text(f"  {clean(frame.source_line)}", style="dim"))
    return stream.getvalue().rstrip("\n")


def definition(node: StoryNode) -> str:
    """``w3 = w1·w2``."""
    return clean(f"{node.symbol.plain()} = {node.definition.plain()}")


def mark(story: StoryContent, frame: Frame, node: StoryNode) -> str:
    """``▶`` for the node in focus, ``·`` for those at the other ends of the edges it reads."""
    if frame.focus == node.id:
        return "▶"
    ends = {end for edge in story.edges if edge.key in frame.reads for end in (edge.operand, edge.user)}
    return "·" if node.id in ends else ""


def shown(story: StoryContent, kind: Any, target: Target, frame: int) -> str:
    """What is known of a quantity in a frame."""
    facts = story.known.get((kind, target), [])
    return next((clean(known.fact.shown.plain()) for known in facts if known.start <= frame < known.stop), "?")


def play(
    story: StoryContent,
    *,
    output: TextIO | None = None,
    keys: Iterator[str] | None = None,
    colours: bool = False,
    width: int | None = None,
    draw: Callable[[int], str] | None = None,
) -> None:
    """Show the frames one after the other, as the keys ask for; ``draw`` writes one, if not as trace tables."""
    output = output or sys.stdout
    draw = draw or partial(frame_in_terminal, story, colours=colours, width=width)
    if keys is None and not (sys.stdin.isatty() and output.isatty()):
        output.write("\n\n".join(draw(index) for index in range(len(story.frames))) + "\n")
        return
    index, last = 0, len(story.frames) - 1
    keys_help = language(story.language).say("keys")
    output.write(f"{CLEAR}{draw(0)}\n\n{keys_help}\n" if story.frames else "")
    for key in keys if keys is not None else typed_keys():
        action = KEYS.get(key)
        if action == "quit" or not story.frames:
            return
        places = {"next": min(index + 1, last), "back": max(index - 1, 0), "first": 0, "last": last}
        index = places.get(action or "", index)
        output.write(f"{CLEAR}{draw(index)}\n\n{keys_help}\n")
        output.flush()


def typed_keys() -> Iterator[str]:
    """Keys as they are pressed; a line at a time where the system has no other way."""
    try:
        import termios
        import tty
    except ImportError:
        yield from (line.strip() or "\n" for line in sys.stdin)
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        tty.setcbreak(number)
        while True:
            # An arrow key arrives as several characters at once.
            yield os.read(number, 8).decode(errors="replace")
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
