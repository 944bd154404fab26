"""Where the threads of a team meet, and which of its ways each kernel is shared out in: the best of a few plans.

A plan is made kernel by kernel. The threads meet before a kernel that touches what another thread may still be at work
on (`schedule/shares.py`), and may meet earlier instead. What decides are

- the meetings;
- the large values that a thread reads and did not make itself since the threads met: those come from memory or from the
  caches of others, while what it has just made may still be near (`schedule/turns.py`);
- the values that change hands: what one thread writes and another reads is sent from cache to cache, and before it is
  written again it is asked back, a line at a time, which is many times slower (`docs/measurements/handover.py`; why, in
  Sorin, Hill and Wood, "A Primer on Memory Consistency and Cache Coherence", 2011, chapter 6);
- what every thread reads as a whole.

After each kernel the best few plans go on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..graph.types import equal
from .program import Buffer, CallKernel, Kernel, Leaf, LoopKernel, LoopOver, ProductKernel, used, written
from .shares import Access, Holder, Owner, Touched, Way, by_first, conflict, cut_tiles, shares, status_accesses, take
from .transpositions import find_transposition
from .turns import CACHE

WIDTH = 5
"""How many plans go on."""

MEETING = CACHE // 16
"""A meeting costs about as much as so many bytes that another thread made."""

ASKED_BACK = 2
"""So many times what reading a byte costs is lost where it changes hands."""

FEWEST_BYTES = 2048
"""Values of fewer bytes may change hands."""

LINE = 64
"""Bytes of a cache line."""

PAGE = 4096
"""Bytes of a page of memory."""

MULTIPLICATIONS = 2
"""Multiplications of a product take as long as reading a byte that another thread made."""


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
    sizes: Mapping[int, int]
    """The bytes that are touched of each buffer which may change hands."""
    readers: Mapping[int, Holder]
    """About who reads which part of these."""
    writers: Mapping[int, Holder]
    """About who writes which part of these."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for a kernel, and before it for the others."""

    way: Way | None
    meets: bool
    before: Choice | None


class Held(NamedTuple):
    """In whose caches a value is: of who wrote it, or of the first that read it if it was not written here. `asked`
    once somebody else has had a part of it.
    """

    by: Holder
    asked: bool = False
    is_made: bool = False

    def costs(self, other: Holder, size: int) -> int:
        """What it costs that others than those who hold it touch it: half of each thread's part changes hands, all of
        it where one of them is everybody.
        """
        return 0 if self.asked or self.by == other else ASKED_BACK * size // (1 if None in (self.by, other) else 2)


@dataclass(frozen=True, slots=True)
class Plan:
    """The choices up to a kernel. `cost` is in bytes, `own` how many values were read by the thread that made them.

    `since` is what was touched since the threads met; `wrote` tells who wrote each buffer last, and `made` the same of
    large values alone; `held` in whose caches those values are that may change hands, and are touched later; `must`
    that the threads have to meet next.
    """

    cost: int = 0
    own: int = 0
    since: frozenset[Access] = frozenset()
    wrote: Mapping[int, Owner | None] = field(default_factory=dict)
    made: Mapping[int, Owner | None] = field(default_factory=dict)
    held: Mapping[int, Held] = field(default_factory=dict)
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
        held, handed_over = self.handed_over(option)
        cost += handed_over
        since = option.accesses if meets else self.since | option.accesses
        made = {number: owner for number, owner in option.wrote.items() if number in large}
        wrote = {**self.wrote, **option.wrote}
        return Plan(cost, own, since, wrote, {**self.made, **made}, held, last=Choice(option.way, meets, self.last))

    def handed_over(self, option: Option) -> tuple[dict[int, Held], int]:
        """In whose caches values are after a kernel, and what it costs that they change hands."""
        held, cost = dict(self.held), 0
        for number, reader in option.readers.items():
            before = held.setdefault(number, Held(reader))
            lost = before.costs(reader, option.sizes[number])
            if lost:
                held[number], cost = before._replace(asked=True), cost + lost
        for number, writer in option.writers.items():
            before = held.get(number, Held(writer))
            # What others wrote is not asked back, only fetched.
            cost += 0 if before.is_made else before.costs(writer, option.sizes[number])
            held[number] = Held(writer, is_made=True)
        return held, cost

    def without(self, numbers: Collection[int]) -> Plan:
        """The plan where some values are not touched any more."""
        wrote, held = dict(self.wrote), dict(self.held)
        for number in numbers:
            wrote.pop(number, None)
            held.pop(number, None)
        return replace(self, wrote=wrote, held=held)

    def has_just_made(self, number: int) -> bool:
        """Whether a buffer was written since the threads met."""
        return any(writes for touched, writes, _ in self.since if touched == number)

    def state(self) -> object:
        """All of it that later choices depend on."""
        return self.must, self.since, frozenset(self.made.items()), frozenset(self.held.items())


def share_out(kernels: Sequence[Kernel], inside: bool = False) -> None:
    """Choose what of each kernel is shared out, and the kernels before which the threads meet.

    They also meet before and after a loop, and before each turn of it (`inside`: these kernels are those of a turn).
    """
    large, handed, last = large_values(kernels), may_change_hands(kernels), last_users(kernels)
    plans = [Plan(must=inside)]
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            share_out(kernel.kernels, inside=True)
            plans = [replace(plan, must=True, last=Choice(None, True, plan.last)) for plan in plans]
        else:
            plans = best(extensions(plans, kernel, large, handed))
        plans = [plan.without(last[id(kernel)]) for plan in plans] if id(kernel) in last else plans
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


def may_change_hands(kernels: Sequence[Kernel]) -> set[int]:
    """The numbers of the buffers that are written here, small ones apart."""
    roots = (buffer.root for kernel in kernels for buffer in written(kernel))
    return {root.number for root in roots if size_in_bytes(root) >= FEWEST_BYTES}


def last_users(kernels: Sequence[Kernel]) -> dict[int, list[int]]:
    """The numbers of the buffers that a kernel is the last one to touch, by the kernel's identity."""
    last = {buffer.root.number: id(kernel) for kernel in kernels for buffer in used(kernel)}
    found: dict[int, list[int]] = {}
    for number, kernel in last.items():
        found.setdefault(kernel, []).append(number)
    return found


def lies_together(owner: Owner | None, size: int) -> bool:
    """Whether what belongs to a turn lies side by side in a buffer of so many bytes, as it has to for `by_turns`."""
    return owner is not None and owner.turns is not None and equal(owner.turns * owner.step, size) is True


def extensions(
    plans: Sequence[Plan], kernel: Leaf, large: Mapping[int, int], handed: Collection[int]
) -> Iterator[Plan]:
    """Each plan with the kernel, in all of its ways; before one that touches a large value the threads may meet."""
    options = list(options_of(kernel, handed))
    is_large = any(number in large for option in options for number in option.touched)
    for plan in plans:
        for option in options:
            must = plan.must or conflict(plan.since, option.touched)
            if not must:
                yield plan.extended(option, False, large)
            if must or (is_large and plan.since):
                yield plan.extended(option, True, large)


def options_of(kernel: Leaf, handed: Collection[int]) -> Iterator[Option]:
    """The ways to share a kernel out, those that come to the same once; `handed` are buffers that may change hands."""
    buffers = used(kernel)
    sizes = {buffer.root.number: size_in_bytes(buffer.root) for buffer in buffers}
    roots = {buffer.root.number: buffer.root for buffer in written(kernel)}
    status = frozenset(status_accesses(kernel))
    touched = touched_bytes(buffers, sizes)
    turned = find_transposition(kernel) if isinstance(kernel, LoopKernel) else None
    seen: set[frozenset[Access]] = set()
    for share in list(shares(kernel)) or [by_first(kernel)]:
        accesses = share.accesses | status
        if accesses not in seen:
            seen.add(accesses)
            cost = cut_tiles(kernel, share.way) // MULTIPLICATIONS
            writers = [(number, owner) for number, writes, owner in accesses if writes]
            cost += sum(shared_lines(roots[number], owner) for number, owner in writers if number in roots)
            cost += in_pieces(kernel, accesses, sizes)
            if turned is not None and not turned.insides.keys().isdisjoint(share.way or ()):
                cost += 2 * sum(sizes.values())  # a copy that cannot be turned in registers any more
            cost += sum(touched[number] // 2 for number, holder in share.read.items() if holder is None)
            readers, writing = (
                {number: rounded(holder, sizes[number]) for number, holder in part.items() if number in handed}
                for part in (share.read, share.written)
            )
            read = owners_of_read(accesses)
            yield Option(share.way, cost, accesses, by_buffer(accesses), read, dict(writers), touched, readers, writing)


def rounded(holder: Holder, size: int) -> Holder:
    """Almost all of an array in one piece for each thread is taken for all of it, as where its border is left out."""
    return size if isinstance(holder, int) and 4 * holder >= 3 * size else holder


def touched_bytes(buffers: Iterable[Buffer], sizes: Mapping[int, int]) -> dict[int, int]:
    """How many bytes of each buffer are touched through these, those of its windows added up."""
    found = dict.fromkeys(sizes, 0)
    for buffer in buffers:
        found[buffer.root.number] += size_in_bytes(buffer)
    return {number: min(size, sizes[number]) for number, size in found.items()}


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
    kernel touches: a processor fetches ahead within pages. A product of matrices goes through pieces anyway, and so do
    the operands of any other.
    """
    if sum(sizes.values()) <= CACHE or (isinstance(kernel, ProductKernel) and len(kernel.inner) == 1):
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
