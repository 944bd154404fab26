"""The content of a story: a graph's cards and edges, and frames that say what changes from one step to the next.

A frame is a change, not a state.  ``StoryContent.known`` folds the changes into the frames during which each fact is
shown; that one relation drives every writer, so a story stays linear in the size of its graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from .mathematics import Mathematics

Mode = Literal["evaluate", "forward", "reverse"]
Notation = Literal["d", "∂", "bar"]
FactKind = Literal["value", "tangent", "adjoint", "partial", "contribution"]
Edge = tuple[int, int]
Target = int | Edge


@dataclass(frozen=True)
class StoryNode:
    """A card: its symbol (w3), its definition (w1 w2), the user's names for it, its shape, its source line."""

    id: int
    symbol: Mathematics
    definition: Mathematics
    names: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    source_line: str = ""
    role: Literal["input", "inner", "output"] = "inner"
    differentiable: bool = True


@dataclass(frozen=True)
class StoryEdge:
    """An edge from ``operand`` to an argument ``slot`` of ``user``, with its local partial in symbols."""

    operand: int
    user: int
    slot: int
    partial_symbol: Mathematics
    partial_formula: Mathematics | None = None

    @property
    def key(self) -> Edge:
        """(user, slot): unique in the graph, also for both edges of ``x * x``."""
        return self.user, self.slot


@dataclass(frozen=True)
class Fact:
    """Something now known: a node's value, tangent or adjoint, or an edge's partial or contribution."""

    kind: FactKind
    target: Target
    shown: Mathematics
    data: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Term:
    """One term of a sum: along which edge, and factor · partial = product."""

    user: int
    slot: int
    factor: Mathematics
    partial: Mathematics
    product: Mathematics


@dataclass(frozen=True)
class Sweep:
    """One pass through the graph: which derivative it computes, from where, and the symbols of its unknowns."""

    kind: Literal["value", "tangent", "adjoint"]
    seed: int | None
    label: str
    symbols: Mapping[int, Mathematics] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """One change: the node in focus, the edges read, the facts that become known, and how to say it.

    ``equation`` holds the sides of one chain of equalities: the unknown, symbols, filled in, numbers.
    ``sweep`` counts from 0; a frame that begins a new sweep makes the facts of the last one unknown again.
    """

    phase: Literal["evaluate", "forward", "reverse"]
    focus: int
    reads: tuple[Edge, ...]
    facts: tuple[Fact, ...]
    terms: tuple[Term, ...]
    equation: tuple[Mathematics, ...]
    sentence: str
    sweep: int = 0
    source_line: str = ""


@dataclass(frozen=True)
class Known:
    """A fact with the frames [start, stop) during which it is shown."""

    fact: Fact
    start: int
    stop: int


@dataclass(frozen=True)
class StoryContent:
    """An explanation of one computation, step by step, as plain data."""

    title: str
    mode: Mode
    notation: Notation
    nodes: tuple[StoryNode, ...]
    edges: tuple[StoryEdge, ...]
    frames: tuple[Frame, ...]
    sweeps: tuple[Sweep, ...]
    given: tuple[Fact, ...] = ()
    digits: int = 3

    def node(self, id: int) -> StoryNode:
        """The card with that id."""
        return next(node for node in self.nodes if node.id == id)

    @cached_property
    def known(self) -> dict[tuple[FactKind, Target], list[Known]]:
        """For each quantity, its facts and when each is shown, in order."""
        history: dict[tuple[FactKind, Target], list[Known]] = {}
        for fact in self.given:
            history[fact.kind, fact.target] = [Known(fact, 0, len(self.frames))]
        for index, frame in enumerate(self.frames):
            if index and frame.sweep != self.frames[index - 1].sweep:
                forget(history, index)
            for fact in frame.facts:
                remember(history, Known(fact, index, len(self.frames)))
        return history

    def sweep_spans(self) -> list[tuple[int, int]]:
        """The frames [start, stop) of each sweep."""
        spans = []
        for number in range(len(self.sweeps)):
            inside = [index for index, frame in enumerate(self.frames) if frame.sweep == number]
            spans.append((inside[0], inside[-1] + 1) if inside else (0, 0))
        return spans


def forget(history: dict[tuple[FactKind, Target], list[Known]], frame: int) -> None:
    """End the tangents, adjoints and contributions of the sweep before ``frame``."""
    for (kind, _), shown in history.items():
        if kind in ("tangent", "adjoint", "contribution") and shown[-1].stop > frame:
            shown[-1] = Known(shown[-1].fact, shown[-1].start, frame)


def remember(history: dict[tuple[FactKind, Target], list[Known]], known: Known) -> None:
    """Add a fact, ending an earlier one about the same quantity; a fact already shown is not repeated."""
    shown = history.setdefault((known.fact.kind, known.fact.target), [])
    if shown and shown[-1].stop > known.start:
        if shown[-1].fact == known.fact:
            return
        shown[-1] = Known(shown[-1].fact, shown[-1].start, known.start)
    shown.append(known)
