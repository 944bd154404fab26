"""Which loop of a kernel the threads of a team share out, and where the threads have to wait for each other.

Every thread runs the whole program; of a loop that is shared out it takes its part of the turns, and what cannot be
shared out is left to the first thread. A thread *owns* an entry of memory if the entry's address alone tells the turn
in which the kernel touches it. Where two kernels own the same memory in the same way, each thread reads what it wrote
itself, and nobody waits; anywhere else the threads meet before the second kernel. (The same question as in sharding by
annotation: Xu et al., "GSPMD", 2021.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ..graph import Dimension
from ..graph.types import exact_divide
from ..ops.index import Atom, Index, at_least
from ..ops.index import loop as counter
from .program import (
    Buffer,
    CallKernel,
    Leaf,
    Load,
    Loop,
    LoopKernel,
    Nest,
    Operand,
    ProductKernel,
    Sort,
    Statement,
    Store,
    checks,
    updates,
    walk,
)

FEWEST_TURNS = 8
"""A loop of fewer turns is not shared out: the shares would be too uneven."""

FEWEST_INNER_TURNS = 32
"""The same for the innermost of several loops, whose turns are done by vectors."""

FEWEST_ROWS, FEWEST_COLUMNS = 16, 64
"""The same for the rows and the columns of a product, whose code works on blocks of them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The thread whose share of `turns` holds turn `address // step % turns`, the address counted in bytes.

    `turns` of None is the first thread, whatever the address.
    """

    turns: Dimension | None = None
    step: Dimension = 1


FIRST, ANYBODY = Owner(), Owner(0)

STATUS = -1
"""The number of what tells that something is wrong, as if it were a buffer."""

Access: TypeAlias = tuple[int, bool, Owner | None]
"""(number of a root buffer, whether it is written, who touches it: None where that is not known)."""

Touched: TypeAlias = Mapping[int, frozenset[tuple[bool, Owner | None]]]
"""For each root buffer, how it was touched since the threads met: (whether written, by whom)."""

Way: TypeAlias = tuple[str, ...]
"""What is shared out: of a product batch, rows or columns, else the variable of a loop in each of the nests."""


# sharing out ---------------------------------------------------------------------------------------------------------


def ways(kernel: LoopKernel | ProductKernel) -> Iterator[Way]:
    """The ways to share a kernel out so that every thread keeps to memory of its own in what it writes."""
    if isinstance(kernel, ProductKernel):
        yield from product_ways(kernel)
        return
    nests = nests_of(kernel)
    written = {s.buffer.root.number for s in kernel.statements() if isinstance(s, Store)}
    if not nests or any(isinstance(s, Sort) for s in kernel.statements()):
        return
    for first in candidates(nests[0][0]):
        owners: dict[int, Owner] = {}
        chosen = [first] if owned(nests[0][1], first, written, owners) else []
        for loops, body in nests[1:]:
            chosen += next(([each] for each in candidates(loops) if chosen and owned(body, each, written, owners)), [])
        if len(chosen) == len(nests):
            yield tuple(loop.variable for loop in chosen)


def product_ways(kernel: ProductKernel) -> Iterator[Way]:
    """Its batch, rows or columns; nothing of a small one. The columns of windows first where they are long, since the
    layers around are then shared out alike, and last where they are short: their tiles would be cut.
    """
    if kernel.along_inner:
        parts = [("batch", kernel.batch[0] if kernel.batch else 1, 2), ("rows", kernel.m, 2), ("columns", kernel.n, 2)]
    else:
        parts = [("rows", kernel.m, FEWEST_ROWS), ("columns", kernel.n, FEWEST_COLUMNS)]
        if kernel.batch:
            parts.insert(0, ("batch", kernel.batch[0], FEWEST_TURNS))
        if len(kernel.inner) > 1 and many(kernel.n, FEWEST_COLUMNS):
            parts.insert(0, ("columns", kernel.n, FEWEST_COLUMNS))
        elif len(kernel.inner) > 1:
            parts.append(("columns", kernel.n, FEWEST_INNER_TURNS))
    for part, extent, least in parts:
        take(kernel, (part,))
        address = operand_address(kernel, kernel.result)
        if many(extent, least) and owner_of(kernel.result.buffer, address, Loop(*product_counter(kernel))) is not None:
            yield (part,)
    take(kernel, ("",))


def cuts_tiles(kernel: ProductKernel) -> bool:
    """Whether a product of windows is shared out so that its few columns fill a part of each tile."""
    return kernel.shared == "columns" and len(kernel.inner) > 1 and not many(kernel.n, FEWEST_COLUMNS)


def take(kernel: LoopKernel | ProductKernel, way: Way) -> None:
    """Share a kernel out in one of its ways."""
    if isinstance(kernel, ProductKernel):
        (kernel.shared,) = way
        return
    for (loops, _), variable in zip(nests_of(kernel), way, strict=True):
        loops[:] = [replace(loop, shared=loop.variable == variable) for loop in loops]


def many(extent: Dimension, least: int) -> bool:
    """Whether a loop has at least so many turns; one with a named size is taken to have."""
    return not isinstance(extent, int) or extent >= least


def nests_of(kernel: LoopKernel) -> list[tuple[list[Loop], list[Statement]]]:
    """The kernel as loops around statements; nothing where it also has statements outside of loops."""
    if kernel.loops:
        return [(kernel.loops, kernel.body)]
    nests = [(s.loops, s.body) for s in kernel.body if isinstance(s, Nest)]
    return nests if len(nests) == len(kernel.body) else []


def candidates(loops: Sequence[Loop]) -> Iterator[Loop]:
    """The loops that may be shared out, outermost first."""
    for place, loop in enumerate(loops):
        if not loop.reverse and many(
            loop.extent, FEWEST_INNER_TURNS if place and place == len(loops) - 1 else FEWEST_TURNS
        ):
            yield loop


def owned(body: list[Statement], loop: Loop, written: set[int], owners: dict[int, Owner]) -> bool:
    """Whether every touch of what the kernel writes has one owner for each buffer; `owners` are those found so far."""
    found = dict(owners)
    for statement in walk(body):
        if isinstance(statement, (Load, Store)) and statement.buffer.root.number in written:
            owner = owner_of(statement.buffer, statement.address, loop)
            if owner is None or found.setdefault(statement.buffer.root.number, owner) != owner:
                return False
    owners |= found
    return True


def owner_of(buffer: Buffer, address: Index, loop: Loop) -> Owner | None:
    """Who touches the entry at `address` when `loop` is shared out, if the address tells."""
    address = buffer.begin + address
    strides = [stride for atom, stride in address.terms if is_counter(atom, loop.variable)]
    if len(strides) != 1:
        return None
    step, count = strides[0], loop.extent
    below: Dimension = 0  # the largest distance from where a turn's memory begins
    whole, constant = step * count, address.constant
    if isinstance(constant, int) and isinstance(whole, int) and whole:
        constant %= whole
    for atom, stride in [*address.terms, (None, constant)]:
        if atom is not None and is_counter(atom, loop.variable):
            continue
        if atom is not None and mentions(atom, loop.variable):
            return None
        if stride == 0 or exact_divide(stride, whole) is not None:
            continue
        if not at_least(stride, 0) or (atom is not None and atom.extent is None):
            return None
        below = below + stride * (1 if atom is None else atom.extent - 1)  # type: ignore[operator]
    itemsize = np.dtype(buffer.type.dtype).itemsize
    return Owner(count, step * itemsize) if at_least(step - 1 - below, 0) else None


def is_counter(atom: Atom, variable: str) -> bool:
    return atom.kind == "loop" and atom.name == variable


def mentions(atom: Atom, variable: str) -> bool:
    """Whether a quotient or remainder is made of the variable."""
    return atom.of is not None and any(
        is_counter(inner, variable) or mentions(inner, variable) for inner, _ in atom.of.terms
    )


# meeting -------------------------------------------------------------------------------------------------------------


def conflict(since: Touched, touched: Collection[Access]) -> bool:
    """Whether a thread may touch what another one writes; `since` is what was touched since they met."""
    return any(
        (writes or wrote) and (owner is None or owner != before)
        for number, writes, owner in touched
        for wrote, before in since.get(number, ())
    )


def accesses(kernel: Leaf) -> Iterator[Access]:
    """What a kernel touches, and who does.

    Any thread may say that something is wrong; before a kernel overwrites inputs, all have to have heard of it.
    """
    if checks(kernel):
        yield STATUS, True, ANYBODY
    if updates(kernel):
        yield STATUS, False, None
    if isinstance(kernel, CallKernel):
        inputs = {buffer.number for buffer in kernel.inputs}
        yield from ((buffer.root.number, buffer.number not in inputs, FIRST) for buffer in kernel.buffers)
    elif isinstance(kernel, ProductKernel):
        shared = Loop(*product_counter(kernel))
        for operand in kernel.operands:
            owner = owner_of(operand.buffer, operand_address(kernel, operand), shared) if kernel.shared else FIRST
            yield operand.buffer.root.number, any(operand is each for each in kernel.results), owner
    else:
        yield from loop_accesses(kernel)


def loop_accesses(kernel: LoopKernel) -> Iterator[Access]:
    """The loads and stores of a loop kernel."""
    nests = nests_of(kernel)
    shared = [next((loop for loop in loops if loop.shared), None) for loops, _ in nests]
    parts = [(body, loop) for (_, body), loop in zip(nests, shared)] if nests and all(shared) else [(kernel.body, None)]
    for body, loop in parts:
        for statement in walk(body):
            if isinstance(statement, (Load, Store)):
                buffer = statement.buffer
                owner = FIRST if loop is None else owner_of(buffer, statement.address, loop)
                yield buffer.root.number, isinstance(statement, Store), owner
            elif isinstance(statement, Sort):
                yield from ((b.root.number, True, FIRST) for b in (statement.values, statement.places, statement.spare))


def product_counter(kernel: ProductKernel) -> tuple[str, Dimension]:
    """The variable and the extent of what of a product is shared out."""
    named = {"batch": ("q0", kernel.batch[0] if kernel.batch else 1), "columns": ("n", kernel.n)}
    return named.get(kernel.shared, ("m", kernel.m))


def operand_address(kernel: ProductKernel, operand: Operand) -> Index:
    """The address of an entry of an operand, from counters named as the sizes are."""
    names = ["m", "n", *(f"q{number}" for number in range(len(kernel.batch)))]
    names += [f"k{number}" for number in range(len(operand.k))]
    address = Index((), operand.offset)
    extents, steps = (
        [kernel.m, kernel.n, *kernel.batch, *kernel.inner],
        [operand.m, operand.n, *operand.batch, *operand.k],
    )
    for name, extent, step in zip(names, extents, steps):
        address = address + counter(name, extent) * step
    return address
