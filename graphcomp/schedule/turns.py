"""Kernels one turn at a time: what a turn of a shared loop makes is still in the cache when the next kernel reads it.

Kernels in a row whose shared loops own all that they exchange in the same way (`schedule/shares.py`) may as well do
their first turns one after the other, then their second ones. It is done where all turns together make more than a
cache holds. A value that no other kernel touches then needs the memory of one turn for each thread, whatever its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from ..graph import Dimension, Graph, TensorType
from ..ops.index import Index
from ..ops.index import loop as counter
from .groups import needed
from .loops import is_nested, mentioned
from .program import (
    Assign,
    Buffer,
    Choose,
    Compute,
    Kernel,
    Leaf,
    Load,
    Loop,
    LoopKernel,
    LoopOver,
    Nest,
    Operand,
    Position,
    ProductKernel,
    Statement,
    Store,
    leaves,
    used,
    walk,
    written,
)
from .shares import is_counter, nests_of

CACHE = 1 << 20
"""Bytes of a thread's own cache, roughly. What fits twice stays where it is."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A kernel, and what is to be known of it: how many turns it shares out, None where they cannot be told apart; the
    numbers of the buffers whose memory it touches; those that it fills, and of which it touches parts; and how far each
    access moves from turn to turn.
    """

    kernel: Kernel
    turns: int | None
    roots: frozenset[int]
    made: Mapping[int, Buffer]
    windows: frozenset[int]
    steps: Sequence[tuple[Buffer, Dimension]]

    @classmethod
    def of(cls, kernel: Kernel) -> Turned:
        touched = used(kernel)
        turns = None if isinstance(kernel, LoopOver) else turns_of(kernel)
        return cls(
            kernel,
            turns,
            frozenset(buffer.root.number for buffer in touched),
            {b.root.number: b for b in written(kernel) if b.of is None and b.root.role == "scratch"},
            frozenset(buffer.root.number for buffer in touched if buffer.of is not None),
            [] if turns is None else list(steps_of(kernel)),  # type: ignore[arg-type]
        )


def by_turns(kernels: list[Kernel], graph: Graph, all: list[Buffer]) -> list[Kernel]:
    """The kernels, some of them in loops over the turns that they share out."""
    known = [Turned.of(kernel) for kernel in kernels]
    users = Counter(number for each in known for number in each.roots)
    found: list[Kernel] = []
    place, names = 0, count()
    while place < len(kernels):
        row, exchanged = trimmed(row_from(known, place))
        if row and is_worthwhile(row, exchanged):
            begin = next(i for i, each in enumerate(known) if each is row[0])
            found += kernels[place:begin]
            local = locals_of(row, exchanged, users)
            found.append(joined(row, local, graph, f"s{next(names)}", all))
            place = begin + len(row)
        else:
            found.append(kernels[place])
            place += 1
    return found


# which ---------------------------------------------------------------------------------------------------------------


def row_from(known: Sequence[Turned], place: int) -> list[Turned]:
    """The kernels from a place on that share out loops of as many turns, without a meeting in between."""
    row: list[Turned] = []
    for each in known[place:]:
        if each.turns is None or (row and (each.kernel.meets or each.turns != row[0].turns)):
            break
        row.append(each)
    return row


def turns_of(kernel: Leaf) -> int | None:
    """How many turns a kernel shares out, if each is a part of all that it does that can be told from the others."""
    if isinstance(kernel, ProductKernel):
        extent = kernel.batch[0] if kernel.shared == "batch" and kernel.ending is None else None
        return extent if isinstance(extent, int) else None
    if not isinstance(kernel, LoopKernel):
        return None
    extents = set()
    for loops, body in nests_of(kernel):
        shared = next((loop for loop in loops if loop.shared), None)
        if shared is None or shared.unit != 1 or is_nested(shared, body) or is_used(shared.variable, body):
            return None
        extents.add(shared.extent)
    extent = extents.pop() if len(extents) == 1 else None
    return extent if isinstance(extent, int) else None


def is_used(variable: str, body: list[Statement]) -> bool:
    """Whether a loop's counter is more than a part of addresses: a position, or in a condition."""
    for each in walk(body):
        if isinstance(each, (Load, Store)):
            if any(atom.name == variable and atom.kind != "loop" for atom, _ in each.address.terms):
                return True
        elif isinstance(each, Choose):
            if any(variable in mentioned(guard.index) for guards, _, _ in each.branches for guard in guards):
                return True
        elif isinstance(each, (Compute, Assign, Position)) and variable in needed(each):
            return True
    return False


def trimmed(row: list[Turned]) -> tuple[list[Turned], dict[int, Buffer]]:
    """The kernels from the first to the last that make or read what one of them makes for another one, and that."""
    exchanged = exchanged_in(row)
    touching = [place for place, each in enumerate(row) if not each.roots.isdisjoint(exchanged)]
    return (row[touching[0] : touching[-1] + 1] if touching else []), exchanged


def exchanged_in(row: Sequence[Turned]) -> dict[int, Buffer]:
    """The buffers that one of the kernels fills and another one reads, and in which each turn's part lies together."""
    users = Counter(number for each in row for number in each.roots)
    made = {number: buffer for each in row for number, buffer in each.made.items() if users[number] > 1}
    windows = {number for each in row for number in each.windows}
    turns = (row[0].turns if row else None) or 1
    apart = {b.number for each in row for b, step in each.steps if b.number in made and step * turns != b.size}
    return {number: buffer for number, buffer in made.items() if number not in windows and number not in apart}


def locals_of(row: Sequence[Turned], exchanged: Iterable[int], users: Mapping[int, int]) -> set[int]:
    """Those of the buffers that no other kernels touch; `users` tells how many there are in the program."""
    inside = Counter(number for each in row for number in each.roots)
    return {number for number in exchanged if users[number] == inside[number]}


def steps_of(kernel: Leaf) -> Iterator[tuple[Buffer, Dimension]]:
    """How far each access to a buffer moves from turn to turn."""
    if isinstance(kernel, ProductKernel):
        yield from ((each.buffer, each.batch[0]) for each in (kernel.left, kernel.right, kernel.result))
    elif isinstance(kernel, LoopKernel):
        for loops, body in nests_of(kernel):
            variable = next(loop.variable for loop in loops if loop.shared)
            for each in walk(body):
                if isinstance(each, (Load, Store)):
                    yield each.buffer, step_of(each.address, variable)


def step_of(address: Index, variable: str) -> Dimension:
    return next((step for atom, step in address.terms if is_counter(atom, variable)), 0)


def is_worthwhile(row: Sequence[Turned], exchanged: Mapping[int, Buffer]) -> bool:
    """Whether what is exchanged does not fit the cache, and that of one turn does, more or less."""
    sizes = [b.size * np.dtype(b.type.dtype).itemsize for b in exchanged.values()]
    if not all(isinstance(size, int) for size in sizes):
        return False
    turns = row[0].turns or 1
    return sum(sizes) // turns <= 2 * CACHE < sum(sizes)


# how -----------------------------------------------------------------------------------------------------------------


def joined(row: Sequence[Turned], local: set[int], graph: Graph, variable: str, all: list[Buffer]) -> LoopOver:
    """A loop over the turns, which the threads share out, of the kernels without the loop that they shared out."""
    kernels, turns = [each.kernel for each in row], row[0].turns
    assert turns is not None
    windows = Windows(variable, turns, local, all)
    first, nodes = kernels[0], [node for kernel in kernels for node in kernel.nodes]
    meets = first.meets
    for kernel in kernels:
        if isinstance(kernel, ProductKernel):
            kernel.left, kernel.right, kernel.result = (
                windows.operand(each) for each in (kernel.left, kernel.right, kernel.result)
            )
            kernel.batch, kernel.shared = kernel.batch[1:], ""
        elif isinstance(kernel, LoopKernel):
            take_turn(kernel, windows)
        kernel.meets = False
    return LoopOver(first.number, variable, turns, kernels, nodes, graph, frozenset(local), meets=meets, is_shared=True)


class Windows:
    """The parts of buffers that belong to a turn, one for each step from turn to turn.

    Of a local buffer each thread has one part for all of its turns.
    """

    def __init__(self, variable: str, turns: int, local: set[int], all: list[Buffer]) -> None:
        self.variable, self.turns, self.local, self.all = variable, turns, local, all
        self.found: dict[tuple[int, Dimension], Buffer] = {}

    def window(self, buffer: Buffer, step: Dimension) -> Buffer:
        if (buffer.number, step) not in self.found:
            name = part_name(self.variable) if buffer.number in self.local else self.variable
            part = TensorType((buffer.size // self.turns,), buffer.type.dtype)
            place = counter(name, self.turns) * step
            made = Buffer(len(self.all), part, (0,), "window", buffer.node, of=buffer, place=place)
            self.all.append(made)
            self.found[buffer.number, step] = made
        return self.found[buffer.number, step]

    def operand(self, operand: Operand) -> Operand:
        step, *rest = operand.batch
        buffer = self.window(operand.buffer, step) if step != 0 else operand.buffer
        return replace(operand, buffer=buffer, batch=tuple(rest))

    def access(self, statement: Load | Store, variable: str) -> None:
        """Let a load or a store touch its turn's part."""
        step = step_of(statement.address, variable)
        if step != 0:
            rest = tuple(term for term in statement.address.terms if not is_counter(term[0], variable))
            statement.address = Index(rest, statement.address.constant)
            statement.buffer = self.window(statement.buffer, step)


def take_turn(kernel: LoopKernel, windows: Windows) -> None:
    """Leave one turn of a kernel."""
    for loops, body in nests_of(kernel):
        shared = next(loop for loop in loops if loop.shared)
        for each in walk(body):
            if isinstance(each, (Load, Store)):
                windows.access(each, shared.variable)
    kernel.loops = without_shared(kernel.loops)
    kernel.body[:] = [turn_of(each) for each in kernel.body]


def turn_of(statement: Statement) -> Statement:
    return replace(statement, loops=without_shared(statement.loops)) if isinstance(statement, Nest) else statement


def without_shared(loops: Sequence[Loop]) -> list[Loop]:
    return [loop for loop in loops if not loop.shared]


def part_name(variable: str) -> str:
    """The variable that counts the parts of local buffers: the thread's number, or the turn's if there are no more."""
    return f"{variable}_part"


def parts_of(kernels: Sequence[Kernel]) -> dict[int, int]:
    """For each buffer of which a thread needs one part for all of its turns, how many parts it has."""
    loops = [each for each in kernels if isinstance(each, LoopOver) and each.is_shared]
    return {number: int(each.extent) for each in loops for number in each.locals}  # type: ignore[arg-type]


def inside_shared(kernels: Sequence[Kernel]) -> set[int]:
    """The numbers of the kernels that a thread does alone in its turns."""
    return {leaf.number for each in kernels if isinstance(each, LoopOver) and each.is_shared for leaf in leaves([each])}
