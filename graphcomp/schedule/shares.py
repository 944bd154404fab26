"""Which loop of a kernel the threads of a team share out, and where the threads have to wait for each other.

Every thread runs the whole program; of a loop that is shared out it takes its part of the turns, and what cannot be
shared out is left to the first thread. A thread *owns* an entry of memory if the entry's address alone tells the turn
in which the kernel touches it. Where two kernels own the same memory in the same way, each thread reads what it wrote
itself, and nobody waits; anywhere else the threads meet before the second kernel. (The same question as in sharding by
annotation: Xu et al., "GSPMD", 2021.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    Kernel,
    Leaf,
    Load,
    Loop,
    LoopKernel,
    LoopOver,
    Nest,
    Operand,
    ProductKernel,
    Sort,
    Statement,
    Store,
    walk,
)

FEWEST_TURNS = 8
"""A loop of fewer turns is not shared out: the shares would be too uneven."""

FEWEST_ROWS, FEWEST_COLUMNS = 16, 64
"""The same for the rows and the columns of a product, whose code works on blocks of them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The thread whose share of `turns` holds turn `address // step % turns`, the address counted in bytes.

    `turns` of None is the first thread, whatever the address.
    """

    turns: Dimension | None = None
    step: Dimension = 1


FIRST = Owner()

Access: TypeAlias = tuple[int, bool, Owner | None]
"""(number of a root buffer, whether it is written, who touches it: None where that is not known)."""


# sharing out ---------------------------------------------------------------------------------------------------------


def share_out(kernels: Sequence[Kernel], inside: bool = False) -> None:
    """Choose a loop of each kernel to share out, and the kernels before which the threads meet."""
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            share_out(kernel.kernels, inside=True)
        elif isinstance(kernel, ProductKernel):
            kernel.shared = shared_loop(kernel)
        elif isinstance(kernel, LoopKernel):
            share_loops(kernel)
    place_meetings(kernels, inside)


def shared_loop(kernel: ProductKernel) -> str:
    """What of a product is shared out: its batch, rows or columns; nothing of a small one."""
    if kernel.batch and many(kernel.batch[0], FEWEST_TURNS):
        return "batch"
    if many(kernel.m, FEWEST_ROWS):
        return "rows"
    return "columns" if many(kernel.n, FEWEST_COLUMNS) else ""


def many(extent: Dimension, least: int) -> bool:
    """Whether a loop has at least so many turns; one with a named size is taken to have."""
    return not isinstance(extent, int) or extent >= least


def share_loops(kernel: LoopKernel) -> None:
    """Mark a loop in each of the kernel's nests so that every thread keeps to memory of its own in what it writes."""
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
            for (loops, _), shared in zip(nests, chosen):
                position = next(place for place, loop in enumerate(loops) if loop.variable == shared.variable)
                loops[position] = replace(shared, shared=True)
            return


def nests_of(kernel: LoopKernel) -> list[tuple[list[Loop], list[Statement]]]:
    """The kernel as loops around statements; nothing where it also has statements outside of loops."""
    if kernel.loops:
        return [(kernel.loops, kernel.body)]
    nests = [(s.loops, s.body) for s in kernel.body if isinstance(s, Nest)]
    return nests if len(nests) == len(kernel.body) else []


def candidates(loops: Sequence[Loop]) -> Iterable[Loop]:
    """The loops that may be shared out, outermost first."""
    return (loop for loop in loops if not loop.reverse and many(loop.extent, FEWEST_TURNS))


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


def place_meetings(kernels: Sequence[Kernel], inside: bool) -> None:
    """Let the threads meet before each kernel that touches what another thread may still be at work on.

    They meet before and after a loop, and before each turn of it (`inside`: these kernels are those of a turn).
    """
    since: dict[int, set[tuple[bool, Owner | None]]] = {}
    after_loop = inside
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            kernel.meets = after_loop = True
            continue
        touched = list(accesses(kernel))
        if after_loop or conflict(since, touched):
            kernel.meets, since = True, {}
        for number, writes, owner in touched:
            since.setdefault(number, set()).add((writes, owner))
        after_loop = False


def conflict(since: Mapping[int, set[tuple[bool, Owner | None]]], touched: Sequence[Access]) -> bool:
    """Whether a thread may touch what another one writes; `since` is what was touched since they met."""
    return any(
        (writes or wrote) and (owner is None or owner != before)
        for number, writes, owner in touched
        for wrote, before in since.get(number, ())
    )


def accesses(kernel: Leaf) -> Iterator[Access]:
    """What a kernel touches, and who does."""
    if isinstance(kernel, CallKernel):
        inputs = {buffer.number for buffer in kernel.inputs}
        yield from ((buffer.root.number, buffer.number not in inputs, FIRST) for buffer in kernel.buffers)
    elif isinstance(kernel, ProductKernel):
        shared = Loop(*product_counter(kernel))
        for part, rows, columns in (("left", "m", "k"), ("right", "k", "n"), ("result", "m", "n")):
            operand: Operand = getattr(kernel, part)
            address = operand_address(kernel, operand, rows, columns)
            owner = owner_of(operand.buffer, address, shared) if kernel.shared else FIRST
            yield operand.buffer.root.number, part == "result", owner
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


def operand_address(kernel: ProductKernel, operand: Operand, rows: str, columns: str) -> Index:
    """The address of an entry of an operand, from counters named as the sizes are."""
    sizes = {"m": kernel.m, "n": kernel.n, "k": kernel.k}
    address = Index((), operand.offset)
    for number, (extent, stride) in enumerate(zip(kernel.batch, operand.batch)):
        address = address + counter(f"q{number}", extent) * stride
    return address + counter(rows, sizes[rows]) * operand.rows + counter(columns, sizes[columns]) * operand.columns
