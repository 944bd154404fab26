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
from typing import NamedTuple, TypeAlias

import numpy as np

from ..graph import Dimension
from ..graph.types import exact_divide, magnitude, product
from ..ops.index import Atom, Index, at_least
from ..ops.index import loop as counter
from .program import (
    START,
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


OVERLAP = 4
"""Shares overlap a little where one in so many turns reaches into others, or leave out as much."""


class Owner(NamedTuple):
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

Holder: TypeAlias = Dimension | None
"""Which thread's cache holds which part of an array, for estimates: after how many bytes the shares begin anew, that is
the size of the array where each thread holds one piece of it. 0 is the first thread, None is everybody."""

Touched: TypeAlias = Mapping[int, frozenset[tuple[bool, Owner | None]]]
"""For each root buffer, how it is touched: (whether written, by whom)."""

Way: TypeAlias = tuple[str, ...]
"""What is shared out: of a product batch, rows, columns or BOTH, else the variable of a loop in each of the nests."""

BOTH = "batch and rows"
"""The way to share out a batch of few turns: threads at the same turn share out its rows."""


@dataclass(frozen=True, slots=True)
class Touch:
    """What touches an array: the number of the root buffer, the address there in entries of so many bytes, and whether
    it writes.
    """

    number: int
    address: Index
    itemsize: int
    writes: bool

    @classmethod
    def of(cls, buffer: Buffer, address: Index, writes: bool) -> Touch:
        return cls(buffer.root.number, buffer.begin + address, np.dtype(buffer.type.dtype).itemsize, writes)

    def access(self, owner: Owner | None) -> Access:
        return self.number, self.writes, owner


@dataclass(frozen=True, slots=True)
class Share:
    """A way to share a kernel out, None where the first thread does it all, and what the threads then touch."""

    way: Way | None
    accesses: frozenset[Access]
    read: Mapping[int, Holder]
    """About who reads which part of each buffer."""
    written: Mapping[int, Holder]
    """The same of who writes it."""

    @classmethod
    def of(cls, way: Way, touched: Iterable[tuple[Touch, Loop]], owners: Mapping[int, Owner] | None = None) -> Share:
        """What is touched where these loops are shared out; `owners` are known already."""
        accesses, holders = set(), []
        for touch, loop in touched:
            known = (owners or {}).get(touch.number)
            accesses.add(touch.access(known or owner_at(touch, loop)))
            holders.append((touch, holder_at(touch, loop)))
        return cls(way, frozenset(accesses), agreed(holders, False), agreed(holders, True))


def agreed(holders: Iterable[tuple[Touch, Holder]], writes: bool) -> dict[int, Holder]:
    """Who holds each buffer that is read, or written; everybody where there are several answers."""
    found: dict[int, Holder] = {}
    for touch, holder in holders:
        if touch.writes == writes:
            found[touch.number] = holder if found.get(touch.number, holder) == holder else None
    return found


# sharing out ---------------------------------------------------------------------------------------------------------


def shares(kernel: Leaf) -> Iterator[Share]:
    """The ways to share a kernel out so that every thread keeps to memory of its own in what it writes."""
    if isinstance(kernel, ProductKernel):
        yield from product_shares(kernel)
    elif isinstance(kernel, LoopKernel):
        yield from loop_shares(kernel)


def can_be_shared(kernel: LoopKernel) -> bool:
    """Whether there is a way to share a kernel out."""
    return next(loop_ways(kernel, touched_in(kernel)), None) is not None


def loop_shares(kernel: LoopKernel) -> Iterator[Share]:
    """One loop of each of its nests."""
    nests = touched_in(kernel)
    for chosen, owners in loop_ways(kernel, nests):
        touched = ((touch, loop) for loop, (_, inside) in zip(chosen, nests) for touch in inside)
        yield Share.of(tuple(loop.variable for loop in chosen), touched, owners)


def touched_in(kernel: LoopKernel) -> list[tuple[list[Loop], list[Touch]]]:
    """Each nest's loops, and what is touched inside."""
    return [(loops, touches(body)) for loops, body in nests_of(kernel)]


def loop_ways(
    kernel: LoopKernel, nests: Sequence[tuple[list[Loop], list[Touch]]]
) -> Iterator[tuple[list[Loop], dict[int, Owner]]]:
    """One loop of each of the nests, and the owners of all buffers that the kernel writes."""
    if any(isinstance(s, Sort) for s in kernel.statements()):
        return
    written = {touch.number for _, touched in nests for touch in touched if touch.writes}
    for first in candidates(nests[0][0]) if nests else ():
        owners: dict[int, Owner] = {}
        chosen = [first] if owned(nests[0][1], first, written, owners) else []
        for loops, touched in nests[1:] if chosen else ():
            chosen += next(([each] for each in candidates(loops) if owned(touched, each, written, owners)), [])
        if len(chosen) == len(nests):
            yield chosen, owners


def product_shares(kernel: ProductKernel) -> Iterator[Share]:
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
    touched = product_touches(kernel)
    result = next(touch for touch in touched if touch.writes)
    if kernel.batch and not many(kernel.batch[0], FEWEST_TURNS) and not kernel.along_inner:
        yield from both_shared(kernel, touched, result)
    for part, extent, least in parts:
        shared = Loop(*product_counter(kernel, part))
        if many(extent, least) and owner_at(result, shared) is not None:
            yield Share.of((part,), ((touch, shared) for touch in touched))


def both_shared(kernel: ProductKernel, touched: Sequence[Touch], result: Touch) -> Iterator[Share]:
    """A batch of few turns, which groups of threads share out, and in each group the rows. Nothing about who touches
    what can be told from an address alone.
    """
    turn, row = (Loop(*product_counter(kernel, part)) for part in ("batch", "rows"))
    is_apart = owner_at(result, turn) is not None and owner_at(result, row) is not None
    if kernel.batch[0] == 1 or not many(kernel.m, FEWEST_ROWS) or not is_apart:
        return
    holders = [(touch, holder_at(touch, turn)) for touch in touched]
    accesses = frozenset(touch.access(None) for touch in touched)
    yield Share((BOTH,), accesses, agreed(holders, False), agreed(holders, True))


def by_first(kernel: Leaf) -> Share:
    """What is touched where the first thread does it all."""
    if isinstance(kernel, CallKernel):
        inputs = {buffer.number for buffer in kernel.inputs}
        touched = [Touch.of(buffer, START, buffer.number not in inputs) for buffer in kernel.buffers]
    else:
        touched = product_touches(kernel) if isinstance(kernel, ProductKernel) else touches(kernel.body)
    holders: list[tuple[Touch, Holder]] = [(touch, 0) for touch in touched]
    accesses = frozenset(touch.access(FIRST) for touch in touched)
    return Share(None, accesses, agreed(holders, False), agreed(holders, True))


def cut_tiles(kernel: Leaf, way: Way | None) -> int:
    """About how many multiplications could be done in the time that is lost where a product's columns are shared out
    though they are so few that a part of each tile stays empty.
    """
    if not isinstance(kernel, ProductKernel) or way != ("columns",) or many(kernel.n, 2 * FEWEST_COLUMNS):
        return 0
    whole = int(magnitude(product((*kernel.batch, kernel.m, kernel.n, kernel.k))))
    return whole // 16 if many(kernel.n, FEWEST_COLUMNS) else whole // 2


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


def touches(body: list[Statement]) -> list[Touch]:
    """The loads and stores of statements, and what they sort."""
    found = []
    for each in walk(body):
        if isinstance(each, (Load, Store)):
            found.append(Touch.of(each.buffer, each.address, isinstance(each, Store)))
        elif isinstance(each, Sort):
            found += [Touch.of(buffer, START, True) for buffer in (each.values, each.places, each.spare)]
    return found


def owned(touched: Sequence[Touch], loop: Loop, written: set[int], owners: dict[int, Owner]) -> bool:
    """Whether every touch of what the kernel writes has one owner for each buffer; `owners` are those found so far."""
    found = dict(owners)
    for touch in touched:
        if touch.number in written:
            owner = owner_at(touch, loop)
            if owner is None or found.setdefault(touch.number, owner) != owner:
                return False
    owners |= found
    return True


def owner_of(buffer: Buffer, address: Index, loop: Loop) -> Owner | None:
    """Who touches the entry at `address` of a buffer when `loop` is shared out, if the address tells."""
    return owner_at(Touch.of(buffer, address, False), loop)


def owner_at(touch: Touch, loop: Loop) -> Owner | None:
    """Who touches what is touched when `loop` is shared out, if the address tells."""
    address = touch.address
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
    return Owner(count, step * touch.itemsize) if at_least(step - 1 - below, 0) else None


def holder_at(touch: Touch, loop: Loop) -> Holder:
    """About who touches what when `loop` is shared out. Where the shares overlap a little, as windows do, or leave out
    the border of an axis, each is still the thread's own.
    """
    steps = [stride for atom, stride in touch.address.terms if is_counter(atom, loop.variable)]
    if len(steps) != 1:
        return None
    step, whole = steps[0], steps[0] * loop.extent
    if not isinstance(whole, int) or not isinstance(step, int):
        return whole * touch.itemsize if at_least(step, 0) else None
    reach, period = 0, whole
    for atom, stride in touch.address.terms:
        if is_counter(atom, loop.variable) or exact_divide(stride, whole) is not None:
            continue
        if not isinstance(stride, int) or not isinstance(atom.extent, int) or mentions(atom, loop.variable):
            return None
        if abs(stride) > whole:  # along an axis further out the shares begin anew
            period = abs(stride) if period == whole else min(period, abs(stride))
        else:
            reach += abs(stride) * (atom.extent - 1)
    is_own = whole > 0 and OVERLAP * (reach - step) <= whole and OVERLAP * (period - whole) <= period
    return period * touch.itemsize if is_own else None


def is_counter(atom: Atom, variable: str) -> bool:
    return atom.kind == "loop" and atom.name == variable


def mentions(atom: Atom, variable: str) -> bool:
    """Whether a quotient or remainder is made of the variable."""
    return atom.of is not None and any(
        is_counter(inner, variable) or mentions(inner, variable) for inner, _ in atom.of.terms
    )


# meeting -------------------------------------------------------------------------------------------------------------


def conflict(since: Iterable[Access], touched: Touched) -> bool:
    """Whether a thread may touch what another one writes; `since` is what was touched since they met."""
    return any(
        (writes or wrote) and (owner is None or owner != before)
        for number, wrote, before in since
        if number in touched
        for writes, owner in touched[number]
    )


def status_accesses(kernel: Leaf) -> Iterator[Access]:
    """Any thread may say that something is wrong; before a kernel overwrites inputs, all have to have heard of it."""
    if checks(kernel):
        yield STATUS, True, ANYBODY
    if updates(kernel):
        yield STATUS, False, None


def product_touches(kernel: ProductKernel) -> list[Touch]:
    """What a product touches, in the order of its operands."""
    results = kernel.results
    return [
        Touch.of(operand.buffer, operand_address(kernel, operand), any(operand is each for each in results))
        for operand in kernel.operands
    ]


def product_counter(kernel: ProductKernel, part: str) -> tuple[str, Dimension]:
    """The variable and the extent of what of a product is shared out: batch, columns or rows."""
    named = {"batch": ("q0", kernel.batch[0] if kernel.batch else 1), "columns": ("n", kernel.n)}
    return named.get(part, ("m", kernel.m))


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
