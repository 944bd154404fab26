"""Where the threads of a team meet, and which of its ways each kernel is shared out in: the best of a few plans.

A plan is made kernel by kernel. The threads meet before a kernel that touches what another thread may still be at work
on (`schedule/shares.py`), and may meet earlier instead. What decides are the meetings, and the large values that a
thread reads and did not make itself since the threads met: those come from memory or from the caches of others, while
what it has just made may still be near (`schedule/turns.py`). After each kernel the best few plans go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..graph.types import equal
from .program import Buffer, CallKernel, Kernel, Leaf, LoopOver, ProductKernel, used, written
from .shares import Access, Owner, Touched, Way, by_first, conflict, cuts_tiles, shares, status_accesses, take
from .turns import CACHE

WIDTH = 8
"""How many plans go on."""

MEETING = CACHE // 4
"""A meeting costs about as much as so many bytes that another thread made."""

LINE = 64
"""Bytes of a cache line."""

PAGE = 4096
"""Bytes of a page of memory."""

CUT_TILES = 2 * MEETING
"""The same for a product that fills its tiles in part only: it takes longer than a meeting."""


@dataclass(frozen=True, slots=True)
class Option:
    """A way to share a kernel out, its own cost in bytes, and what it then touches. `way` is None where the first
    thread does it all.
    """

    way: Way | None
    cost: int
    accesses: frozenset[Access]
    touched: Touched
    """The same by buffer."""
    read: Mapping[int, Owner | None]
    """Who reads each buffer."""
    wrote: Mapping[int, Owner | None]
    """Who writes each buffer."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for a kernel, and before it for the others."""

    way: Way | None
    meets: bool
    before: Choice | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices up to a kernel. `cost` is in bytes, `own` how many values were read by the thread that made them.

    `since` is what was touched since the threads met; `wrote` tells who wrote each buffer last, and `made` the same of
    large values alone; `must` that the threads have to meet next.
    """

    cost: int = 0
    own: int = 0
    since: frozenset[Access] = frozenset()
    wrote: Mapping[int, Owner | None] = field(default_factory=dict)
    made: Mapping[int, Owner | None] = field(default_factory=dict)
    must: bool = False
    last: Choice | None = None

    def extended(self, option: Option, meets: bool, large: Mapping[int, int]) -> Plan:
        """The plan with a kernel more, which is shared out in one of its ways."""
        cost, own = self.cost + option.cost + meets * MEETING, self.own
        for number, owner in option.read.items():
            is_own = owner is not None and owner == self.wrote.get(number)
            own += is_own
            if number in self.made:
                is_near = is_own and not meets and self.has_just_made(number) and lies_together(owner, large[number])
                cost += large[number] * (0 if is_near else 1 if is_own else 2)
        since = option.accesses if meets else self.since | option.accesses
        made = {number: owner for number, owner in option.wrote.items() if number in large}
        wrote = {**self.wrote, **option.wrote}
        return Plan(cost, own, since, wrote, {**self.made, **made}, last=Choice(option.way, meets, self.last))

    def has_just_made(self, number: int) -> bool:
        """Whether a buffer was written since the threads met."""
        return any(writes for touched, writes, _ in self.since if touched == number)

    def state(self) -> object:
        """All of it that later choices depend on."""
        return self.must, self.since, frozenset(self.made.items())


def share_out(kernels: Sequence[Kernel], inside: bool = False) -> None:
    """Choose what of each kernel is shared out, and the kernels before which the threads meet.

    They also meet before and after a loop, and before each turn of it (`inside`: these kernels are those of a turn).
    """
    large = large_values(kernels)
    plans = [Plan(must=inside)]
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            share_out(kernel.kernels, inside=True)
            plans = [replace(plan, must=True, last=Choice(None, True, plan.last)) for plan in plans]
        else:
            plans = best(extensions(plans, kernel, large))
    choice = plans[0].last
    for kernel in reversed(kernels):
        assert choice is not None
        kernel.meets = choice.meets
        if choice.way is not None and not isinstance(kernel, (LoopOver, CallKernel)):
            take(kernel, choice.way)
        choice = choice.before


def large_values(kernels: Sequence[Kernel]) -> dict[int, int]:
    """The bytes of each temporary value that does not fit the cache, by the buffer's number."""
    found = {}
    for buffer in (each.root for kernel in kernels for each in used(kernel)):
        if buffer.role == "scratch" and size_in_bytes(buffer) > CACHE:
            found[buffer.number] = size_in_bytes(buffer)
    return found


def lies_together(owner: Owner | None, size: int) -> bool:
    """Whether what belongs to a turn lies side by side in a buffer of so many bytes, as it has to for `by_turns`."""
    return owner is not None and owner.turns is not None and equal(owner.turns * owner.step, size) is True


def extensions(plans: Sequence[Plan], kernel: Leaf, large: Mapping[int, int]) -> Iterator[Plan]:
    """Each plan with the kernel, in all of its ways; before one that touches a large value the threads may meet."""
    options = list(options_of(kernel))
    is_large = any(number in large for option in options for number in option.touched)
    for plan in plans:
        for option in options:
            must = plan.must or conflict(plan.since, option.touched)
            if not must:
                yield plan.extended(option, False, large)
            if must or (is_large and plan.since):
                yield plan.extended(option, True, large)


def options_of(kernel: Leaf) -> Iterator[Option]:
    """The ways to share a kernel out, those that come to the same once."""
    sizes = {buffer.root.number: size_in_bytes(buffer.root) for buffer in used(kernel)}
    roots = {buffer.root.number: buffer.root for buffer in written(kernel)}
    status = frozenset(status_accesses(kernel))
    seen: set[frozenset[Access]] = set()
    for share in list(shares(kernel)) or [by_first(kernel)]:
        accesses = share.accesses | status
        if accesses not in seen:
            seen.add(accesses)
            cost = CUT_TILES if cuts_tiles(kernel, share.way) else 0
            writers = [(number, owner) for number, writes, owner in accesses if writes]
            cost += sum(shared_lines(roots[number], owner) for number, owner in writers if number in roots)
            cost += in_pieces(kernel, accesses, sizes)
            yield Option(share.way, cost, accesses, by_buffer(accesses), owners_of_read(accesses), dict(writers))


def by_buffer(accesses: Iterable[Access]) -> Touched:
    """For each buffer, how it is touched."""
    found: dict[int, set[tuple[bool, Owner | None]]] = {}
    for number, writes, owner in accesses:
        found.setdefault(number, set()).add((writes, owner))
    return {number: frozenset(each) for number, each in found.items()}


def shared_lines(buffer: Buffer, owner: Owner | None) -> int:
    """About how many bytes of an array lie in cache lines that two threads write, which then go to and fro: one line in
    each row of which a thread writes a part, unless rows and parts begin where lines do.
    """
    if owner is None or not isinstance(owner.turns, int) or not isinstance(owner.step, int) or not owner.turns:
        return 0
    row, size = owner.turns * owner.step, size_in_bytes(buffer)
    return LINE * (size // row) if row < size and row % LINE else 0


def in_pieces(kernel: Leaf, accesses: Collection[Access], sizes: Mapping[int, int]) -> int:
    """The bytes of which a thread goes through pieces shorter than a page, if the cache does not hold all that the
    kernel touches: a processor fetches ahead within pages. The operands of a product are read in pieces anyway.
    """
    if sum(sizes.values()) <= CACHE:
        return 0
    counts = [(number, owner) for number, writes, owner in accesses if writes or not isinstance(kernel, ProductKernel)]
    rows = {(n, o.turns * o.step) for n, o in counts if n in sizes and o is not None and isinstance(o.turns, int)}
    return sum(sizes[n] for n, row in rows if isinstance(row, int) and 0 < row < min(sizes[n], 2 * PAGE))


def size_in_bytes(buffer: Buffer) -> int:
    """0 for one of named sizes."""
    size = buffer.size
    return size * np.dtype(buffer.type.dtype).itemsize if isinstance(size, int) else 0


def owners_of_read(accesses: Collection[Access]) -> dict[int, Owner | None]:
    """Who reads each buffer; None where that is not known, or not one alone."""
    found: dict[int, Owner | None] = {}
    for number, writes, owner in accesses:
        if not writes:
            found[number] = owner if found.get(number, owner) == owner else None
    return found


def best(plans: Iterable[Plan]) -> list[Plan]:
    """The cheapest plans, in the order of their costs; of those that only differ in what lies behind them, one.

    As many go on of those that have just met: what a meeting costs is only seen where another plan has to meet.
    """
    found: dict[object, Plan] = {}
    count = {False: 0, True: 0}
    for plan in sorted(plans, key=lambda plan: (plan.cost, -plan.own)):
        met = plan.last is not None and plan.last.meets
        if count[met] < WIDTH and found.setdefault(plan.state(), plan) is plan:
            count[met] += 1
    return list(found.values())
