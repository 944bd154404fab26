"""What teaching stories add to the frames of ``explain``: remarks, other sentences, another title."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..live import Fixed
from ..mathematics import Mathematics
from ..output import Story
from ..sentences import in_language, language
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


def say(name: str, key: str, /, **parts: object) -> str:
    """What a story adds, in a language."""
    return language(name).say(key, **parts)


def retitled(story: Story, title: str, frames: Sequence[Frame]) -> Story:
    """The story with another title and other frames; a page keeps its inputs, about which the remarks speak."""
    told = replace(story, title=title, frames=tuple(frames), live=Fixed("remarks"))
    return in_language(told, language(story.language))


def with_sentences(frames: Sequence[Frame], say: Callable[[Frame], str]) -> list[Frame]:
    """The frames with what ``say`` adds to their sentences."""
    return [replace(frame, sentence=f"{frame.sentence} {say(frame)}".strip()) for frame in frames]
