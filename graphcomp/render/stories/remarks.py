"""What teaching stories add to the frames of ``explain``: remarks, other sentences, another title."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..mathematics import Mathematics
from ..output import Story
from ..story import Cell, Fact, Frame


def remark(beside: Frame, sentence: str, *equation: Mathematics, facts: Sequence[Fact] = ()) -> Frame:
    """A frame that says something about the state reached in another; it changes nothing but these facts."""
    return Frame(
        "sweep",
        beside.focus,
        (),
        tuple(facts),
        (),
        tuple(equation),
        sentence,
        beside.sweep,
        cells=no_cells(),
        cost=beside.cost,
    )


def no_cells() -> tuple[Cell, ...]:
    """A remark fills no cell of the Jacobian."""
    return ()


def retitled(story: Story, title: str, frames: Sequence[Frame]) -> Story:
    """The story with another title and other frames."""
    return replace(story, title=title, frames=tuple(frames))


def with_sentences(frames: Sequence[Frame], say: Callable[[Frame], str]) -> list[Frame]:
    """The frames with what ``say`` adds to their sentences."""
    return [replace(frame, sentence=f"{frame.sentence} {say(frame)}".strip()) for frame in frames]
