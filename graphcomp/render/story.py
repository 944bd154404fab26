"""The content of a story: a graph's cards and edges, and frames that say what changes from one step to the next.

A frame is a change, not a state.  ``StoryContent.known`` folds the changes into the frames during which each fact is
shown; that one relation drives every writer, so a story stays linear in the size of its graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from .mathematics import Mathematics, slashed

Mode = Literal["evaluate", "forward", "reverse"]
Phase = Literal["evaluate", "forward", "reverse", "sweep", "rewrite"]
Notation = Literal["d", "∂", "bar"]
Granularity = Literal["node", "contribution"]
FactKind = Literal["value", "tangent", "adjoint", "partial", "contribution", "saved"]
CARD_FACTS: tuple[FactKind, ...] = ("value", "tangent", "adjoint")
"""What a card says; that a value is saved is said by its frame alone."""
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
    """An edge from ``operand`` to an argument ``slot`` of ``user``, with its local partial in symbols.

    There is none where either end is no number with a derivative: an integer, a mask, several results together.
    """

    operand: int
    user: int
    slot: int
    partial_symbol: Mathematics | None = None
    partial_formula: Mathematics | None = None

    @property
    def key(self) -> Edge:
        """(user, slot): unique in the graph, also for both edges of ``x * x``."""
        return self.user, self.slot

    @property
    def partial(self) -> Mathematics | None:
        """The partial as an edge shows it: its formula, or its symbol on one line."""
        return self.partial_formula or (slashed(self.partial_symbol) if self.partial_symbol else None)


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
class Cell:
    """An entry of the Jacobian that becomes known: which output, by which input, as positions from 0."""

    output: int
    input: int
    shown: Mathematics
    data: Any = field(default=None, compare=False)


@dataclass(frozen=True)
class Jacobian:
    """The derivatives of all outputs by all inputs; ``rows`` says which of the two its rows stand for."""

    outputs: tuple[Mathematics, ...]
    inputs: tuple[Mathematics, ...]
    rows: Literal["outputs", "inputs"] = "outputs"

    def place(self, cell: Cell) -> tuple[int, int]:
        """A cell's row and column."""
        return (cell.output, cell.input) if self.rows == "outputs" else (cell.input, cell.output)

    @property
    def row_labels(self) -> tuple[Mathematics, ...]:
        return self.outputs if self.rows == "outputs" else self.inputs

    @property
    def column_labels(self) -> tuple[Mathematics, ...]:
        return self.inputs if self.rows == "outputs" else self.outputs


@dataclass(frozen=True)
class Cost:
    """What has been spent so far, in entries of arrays: as executed, not as estimated.

    ``values_held`` are the entries that a later step still reads, or that belong to the result.
    """

    multiplications: int = 0
    additions: int = 0
    operations: int = 0
    sweeps: int = 0
    values_held: int = 0


@dataclass(frozen=True)
class Mistake:
    """A wrong answer one can expect, and what it betrays."""

    kind: Literal["missing term", "sign", "value for partial", "missing factor", "product for sum"]
    value: float
    feedback: str


@dataclass(frozen=True)
class Question:
    """What to predict before a frame is shown: the answer as a number and as a formula, and wrong answers.

    ``variables`` are the values of the names that a formula typed as the answer may use.
    """

    prompt: str
    unknown: Mathematics
    answer: float
    formula: Mathematics
    mistakes: tuple[Mistake, ...] = ()
    variables: Mapping[str, float] = field(default_factory=dict)

    def judge(self, value: float, tolerance: float = 5e-3) -> Mistake | bool:
        """True for the right answer, the mistake that a wrong one betrays, or False."""
        if close(value, self.answer, tolerance):
            return True
        return next((mistake for mistake in self.mistakes if close(value, mistake.value, tolerance)), False)


@dataclass(frozen=True)
class Region:
    """Nodes that belong together (a fused kernel), and the lines of generated source that compute them."""

    name: str
    nodes: tuple[int, ...]
    lines: tuple[str, ...] = ()


def close(one: float, other: float, tolerance: float = 5e-3) -> bool:
    """Whether two numbers agree to about the digits that a story shows."""
    return abs(one - other) <= tolerance * max(1.0, abs(other))


@dataclass(frozen=True)
class Frame:
    """One change: the node in focus, the edges read, the facts that become known, and how to say it.

    ``equation`` holds the sides of one chain of equalities: the unknown, symbols, filled in, numbers.
    ``sweep`` counts from 0; a frame that begins a new sweep makes the facts of the last one unknown again.
    ``cells`` are the Jacobian's entries that become known, ``cost`` what has been spent once the frame is done.
    """

    phase: Phase
    focus: int
    reads: tuple[Edge, ...]
    facts: tuple[Fact, ...]
    terms: tuple[Term, ...]
    equation: tuple[Mathematics, ...]
    sentence: str
    sweep: int = 0
    source_line: str = ""
    cells: tuple[Cell, ...] = ()
    cost: Cost | None = None
    question: Question | None = None
    region: Region | None = None


@dataclass(frozen=True)
class Known:
    """A fact with the frames [start, stop) during which it is shown."""

    fact: Fact
    start: int
    stop: int


@dataclass(frozen=True)
class StoryContent:
    """An explanation of one computation, step by step, as plain data.

    ``mode`` is the last of ``modes``, the phases told one after the other.
    """

    title: str
    mode: Mode
    notation: Notation
    nodes: tuple[StoryNode, ...]
    edges: tuple[StoryEdge, ...]
    frames: tuple[Frame, ...]
    sweeps: tuple[Sweep, ...]
    given: tuple[Fact, ...] = ()
    digits: int = 3
    jacobian: Jacobian | None = None
    modes: tuple[Mode, ...] = ()
    language: str = "en"

    def last_on_card(self, id: int) -> dict[FactKind, Mathematics]:
        """What a card says in the end."""
        facts = {kind: self.known.get((kind, id)) for kind in CARD_FACTS}
        return {kind: told[-1].fact.shown for kind, told in facts.items() if told}

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

    @cached_property
    def focused(self) -> dict[int, list[int]]:
        """The frames in which each node is in focus; nodes that never are have no entry."""
        found: dict[int, list[int]] = defaultdict(list)
        for index, frame in enumerate(self.frames):
            found[frame.focus].append(index)
        return dict(found)

    @cached_property
    def read(self) -> dict[Edge, list[int]]:
        """The frames that read each edge."""
        found: dict[Edge, list[int]] = defaultdict(list)
        for index, frame in enumerate(self.frames):
            for edge in dict.fromkeys(frame.reads):
                found[edge].append(index)
        return dict(found)

    @cached_property
    def sources(self) -> dict[int, list[int]]:
        """The frames that read each node while another is in focus: users in reverse mode, operands otherwise."""
        operands = {edge.key: edge.operand for edge in self.edges}
        found: dict[int, list[int]] = defaultdict(list)
        for index, frame in enumerate(self.frames):
            for node in sources_of(frame, operands) - {frame.focus}:
                found[node].append(index)
        return dict(found)

    def sweep_spans(self) -> list[tuple[int, int]]:
        """The frames [start, stop) of each sweep."""
        spans = []
        for number in range(len(self.sweeps)):
            inside = [index for index, frame in enumerate(self.frames) if frame.sweep == number]
            spans.append((inside[0], inside[-1] + 1) if inside else (0, 0))
        return spans


def sources_of(frame: Frame, operands: Mapping[Edge, int]) -> set[int]:
    """The nodes that a frame reads."""
    if frame.phase == "reverse":
        return {user for user, _ in frame.reads}
    if frame.region:
        return set(frame.region.nodes)
    return {operands[key] for key in frame.reads if key in operands}


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
