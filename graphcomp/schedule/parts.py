"""Long reductions that threads could not share out, in parts: one kernel reduces each part, another one the parts.

Sums of many rows that are too short to share out their columns are such reductions, too.

There are as many parts whatever the number of threads, so that does not change a bit of the result. The second kernel
runs as late as it may: by then the threads have mostly met for something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy as sp

from ..graph import Dimension, TensorType
from ..graph.types import dimension, magnitude, product
from ..ops.index import Index
from ..ops.index import loop as counter
from .groups import made, needed, split
from .loops import by_step, collapse
from .program import (
    Assign,
    Buffer,
    Compute,
    Gathered,
    Kernel,
    Load,
    Loop,
    LoopKernel,
    LoopOver,
    Nest,
    Reduce,
    Statement,
    Store,
    used,
    written,
)
from .shares import can_be_shared
from .text import size_text

PARTS = 32
"""How many parts: more than threads, so that their shares are even."""

LONG = 1 << 14
"""A reduction of fewer entries is done before another thread could help."""

FEWEST_ROWS = 16
"""Rows in a part of a sum that could also be shared out by columns."""

PART = "part"
"""The variable that counts the parts."""


def reduce_in_parts(kernels: Sequence[Kernel], buffers: list[Buffer], loop: LoopOver | None = None) -> list[Kernel]:
    """The kernels, with two in the place of some; adds the buffers between them."""
    found: list[Kernel] = []
    waiting: list[LoopKernel] = []
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            kernel.kernels = reduce_in_parts(kernel.kernels, buffers, kernel)
        ready = [other for other in waiting if must_follow(kernel, other)]
        waiting = [other for other in waiting if other not in ready]
        found += ready
        first = len(buffers)
        parts = parts_of(kernel, buffers) if isinstance(kernel, LoopKernel) else []
        found += [*parts, *([] if parts else [kernel])]
        if parts:
            assert isinstance(kernel, LoopKernel)
            waiting.append(kernel)
        if loop is not None:
            loop.locals |= {buffer.number for buffer in buffers[first:]}
    return [*found, *waiting]


def must_follow(kernel: Kernel, other: LoopKernel) -> bool:
    """Whether a kernel touches what another one makes, or changes what it reads."""
    touched, changed = ({buffer.root.number for buffer in part} for part in (used(kernel), written(kernel)))
    return any(b.root.number in touched for b in written(other)) or any(b.root.number in changed for b in used(other))


def parts_of(kernel: LoopKernel, buffers: list[Buffer]) -> list[LoopKernel]:
    """A kernel for the parts of each long reduction of a kernel, which then reduces those parts; none where threads
    share the kernel out as it is."""
    if any(loop.reverse for loop in kernel.loops):
        return []
    if adds_rows(kernel) and (has_many_rows(kernel) or not can_be_shared(kernel)):
        return [rows_in_parts(kernel, buffers)]
    if can_be_shared(kernel):
        return []
    found = []
    for place, statement in enumerate(kernel.body):
        if isinstance(statement, Reduce) and is_long(statement):
            before = what_it_needs(statement, kernel.body[:place])
            if before is not None:
                partial = [partial_sums(kernel, each, buffers) for each in (statement, *statement.beside)]
                found.append(part_kernel(kernel, statement, before, partial))
                kernel.body[place] = sum_of_parts(kernel, statement, partial)
    return found


def adds_rows(kernel: LoopKernel) -> bool:
    """Whether a kernel fills its result with zeros and adds many rows to it, one after the other."""
    if kernel.loops or [type(each) for each in kernel.body] != [Nest, Nest]:
        return False
    fill, adding = kernel.body
    assert isinstance(fill, Nest) and isinstance(adding, Nest)
    first, store = fill.body[0], adding.body[-1]
    if not isinstance(first, Store) or not isinstance(store, Store) or len(fill.body) > 1:
        return False
    same = first.buffer is store.buffer and first.address == store.address and not first.combine
    plain = not any(isinstance(each, Store) for each in adding.body[:-1])
    is_sum = store.combine == "sum" and store.buffer.type.is_float
    return same and plain and is_sum and len(rows_of(fill, adding)) == 1 and is_much(adding.loops)


def has_many_rows(kernel: LoopKernel) -> bool:
    """Whether rows are added up of which each part has many, and which only their columns divide into shares: threads
    that share out the parts read what they have mostly made themselves, those that share out the columns do not.
    """
    fill, adding = kernel.body
    assert isinstance(fill, Nest) and isinstance(adding, Nest)
    (row,) = rows_of(fill, adding)
    return len(fill.loops) == 1 and magnitude(row.extent) >= FEWEST_ROWS * PARTS


def rows_of(fill: Nest, adding: Nest) -> list[Loop]:
    """The loops over what is added up."""
    kept = {loop.variable for loop in fill.loops}
    return [loop for loop in adding.loops if loop.variable not in kept]


def rows_in_parts(kernel: LoopKernel, buffers: list[Buffer]) -> LoopKernel:
    """A kernel that adds up the rows of each part, in registers; the kernel itself then adds up the parts."""
    fill, adding = kernel.body
    assert isinstance(fill, Nest) and isinstance(adding, Nest)
    store = adding.body[-1]
    assert isinstance(store, Store)
    (row,), dtype = rows_of(fill, adding), store.buffer.type.dtype
    shape = (PARTS, *(loop.extent for loop in fill.loops))
    partial = Buffer(len(buffers), TensorType(shape, dtype), tuple(range(len(shape))), "scratch", store.node)
    buffers.append(partial)
    place = partial.address((counter(PART, PARTS), *(counter(loop.variable, loop.extent) for loop in fill.loops)))

    ranges, bounds = part_of(row.extent, store.value, store.node)
    columns = [loop for loop in adding.loops if loop is not row]
    lookups, inside = split(adding.body[:-1], {loop.variable for loop in columns})
    into = Store(partial, place, store.value, store.node)
    member = Loop(row.variable, row.extent, within=bounds)
    rows = Gathered(member, lookups, columns, inside, into, store.combine, PARTS)

    part, total = f"{store.value}l0", f"{store.value}l1"
    load: list[Statement] = [Load(part, partial, place, dtype)]
    reduced = Reduce(total, store.combine, [Loop(PART, PARTS)], load, part, dtype, dtype, store.node)
    kernel.loops = [replace(loop) for loop in fill.loops]
    kernel.body[:] = [reduced, Store(store.buffer, store.address, total, store.node)]
    return LoopKernel(kernel.number, [Loop(PART, PARTS)], [*ranges, rows], list(kernel.nodes), (), dict(kernel.helpers))


def part_of(length: Dimension, name: str, node: int) -> tuple[list[Statement], tuple[str, str]]:
    """What finds the range of a part of so many turns, and the variables that hold its bounds."""
    bounds = (f"low_{name}", f"high_{name}")
    found: list[Statement] = [
        Assign(bound, f"({PART} + {ahead})*{size_text(length)} // {PARTS}", "int64", node)
        for ahead, bound in enumerate(bounds)
    ]
    return found, bounds


def is_much(loops: Sequence[Loop]) -> bool:
    return magnitude(product(loop.extent for loop in loops)) >= LONG


def is_long(statement: Reduce) -> bool:
    """Whether a reduction, with those beside it, is one of numbers, and of many."""
    is_number = all(
        each.dtype.startswith(("float", "int", "uint")) and not each.combine.startswith("arg")
        for each in (statement, *statement.beside)
    )
    return is_number and is_much(statement.loops)


def what_it_needs(statement: Reduce, before: Sequence[Statement]) -> list[Statement] | None:
    """The statements before a reduction on which it depends; None if they are not plain ones, to be done twice."""
    names = needed(statement)
    found: list[Statement] = []
    for each in reversed(before):
        if made(each) & names:
            if not isinstance(each, (Load, Compute, Assign)):
                return None
            names |= needed(each)
            found.insert(0, replace(each))
    return found


def partial_sums(kernel: LoopKernel, statement: Reduce, buffers: list[Buffer]) -> Buffer:
    """Memory for a number for each part of each entry, as wide as the reduction computes."""
    wide = "float64" if statement.dtype == "float32" and statement.combine in ("sum", "product") else statement.dtype
    shape = (PARTS, *(loop.extent for loop in kernel.loops))
    made = Buffer(len(buffers), TensorType(shape, wide), tuple(range(len(shape))), "scratch", statement.node)
    buffers.append(made)
    return made


def place_of(kernel: LoopKernel, partial: Buffer) -> Index:
    """Where a part of an entry is kept."""
    return partial.address((counter(PART, PARTS), *(counter(each.variable, each.extent) for each in kernel.loops)))


def part_kernel(
    kernel: LoopKernel, statement: Reduce, before: list[Statement], partial: Sequence[Buffer]
) -> LoopKernel:
    """The loops of a kernel inside a loop over parts; each part is a range of the reduction's longest loop."""
    loops = collapse(by_step(statement.loops, statement.body), statement.body)
    longest = max(loops, key=lambda each: magnitude(each.extent))
    length = longest.extent
    ranges, bounds = part_of(length, statement.target, statement.node)
    inside = [replace(each, extent=quotient(length), within=bounds) if each is longest else each for each in loops]
    first, *rest = [
        replace(each, dtype=buffer.type.dtype) for each, buffer in zip((statement, *statement.beside), partial)
    ]
    part = replace(first, loops=inside, beside=rest)
    stores = [Store(b, place_of(kernel, b), each.target, each.node) for each, b in zip((first, *rest), partial)]
    body = [*before, *ranges, part, *stores]
    outer = [Loop(PART, PARTS), *(replace(each) for each in kernel.loops)]
    return LoopKernel(kernel.number, outer, body, list(kernel.nodes), (), dict(kernel.helpers))


def quotient(length: Dimension) -> Dimension:
    """The turns of a part, rounded up."""
    return -(-length // PARTS) if isinstance(length, int) else dimension(sp.ceiling(length / sp.Integer(PARTS)))


def sum_of_parts(kernel: LoopKernel, statement: Reduce, partial: Sequence[Buffer]) -> Reduce:
    """What a reduction becomes once its parts are known."""
    loads: list[Statement] = []
    reduced: list[Reduce] = []
    for each, buffer in zip((statement, *statement.beside), partial):
        name, wide = f"{each.target}l0", buffer.type.dtype
        loads.append(Load(name, buffer, place_of(kernel, buffer), wide))
        reduced.append(replace(each, value=name, value_dtype=wide))
    return replace(reduced[0], loops=[Loop(PART, PARTS)], body=loads, beside=reduced[1:])
