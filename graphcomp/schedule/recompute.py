"""Values computed a second time instead of kept, so that a program needs no more memory than it may.

A pass over a program whose sizes are known. It does two things until the planned arena fits. First the threads meet
before every kernel, so that memory is free for others as soon as the last kernel that reads it is done. Then, where
most memory is taken, a value that lies idle there is given up: the kernel that makes it runs again before the next
kernel that reads it. Of all such values that one is chosen whose kernel does the least work for each byte. What the
kernel reads and nobody keeps is computed again with it. A kernel that runs again is the same kernel, so no bit changes.

The trade is that of T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training deep nets with sublinear memory cost", 2016;
the greedy choice by bytes and cost that of M. Kirisame et al., "Dynamic tensor rematerialization", 2021.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from ..errors import LoweringError
from .memory import bytes_of, fit, plan_arena, spans
from .passes import remove_unread
from .program import Buffer, Kernel, LoopKernel, LoopOver, Program, Sort, every, leaves, used, written
from .work import kernel_work

MOST_AT_ONCE = 12
"""Kernels that run again for one value, with all that they need; a longer way back is not tried."""

MOST_REPEATS = 4
"""How many times as many kernels there may be as before."""


@dataclass(slots=True)
class Step:
    """A kernel as one step, and which version of each buffer it touches. Versions of a buffer hold equal values."""

    kernel: Kernel
    versions: dict[int, int]
    writes: frozenset[int]
    again: bool = False

    def reads(self) -> Iterator[tuple[int, int]]:
        return ((root, version) for root, version in self.versions.items() if root not in self.writes)

    def made(self) -> Iterator[int]:
        return (self.versions[root] for root in self.writes)


@dataclass(slots=True)
class Table:
    """The steps, and how much memory each of them leaves in use. `roots` are the buffers by number."""

    steps: list[Step]
    roots: Mapping[int, Buffer]
    sizes: Mapping[int, int]
    inside: Mapping[int, int]
    """What a loop needs for itself, by the kernel's number."""
    origin: dict[int, int] = field(default_factory=dict)
    """The buffer that each new version stands for."""

    def spans(self) -> dict[int, tuple[int, int]]:
        """The first and last step that touch each version in temporary memory."""
        found: dict[int, tuple[int, int]] = {}
        for place, step in enumerate(self.steps):
            for root, version in step.versions.items():
                if version != root or self.roots[root].role == "scratch":
                    found[version] = found.get(version, (place, place))[0], place
        return found

    def usage(self) -> list[int]:
        """Bytes in use at each step: what lives, and what is local to a loop."""
        changes = [0] * (len(self.steps) + 1)
        for version, (first, last) in self.spans().items():
            size = self.sizes[self.origin.get(version, version)]
            changes[first] += size
            changes[last + 1] -= size
        total, found = 0, []
        for step, change in zip(self.steps, changes):
            total += change
            found.append(total + self.inside[step.kernel.number])
        return found

    def arena(self) -> int:
        """The size of an arena for it."""
        lives = self.spans()
        sizes = {version: self.sizes[self.origin.get(version, version)] for version in lives}
        for place, step in enumerate(self.steps):
            lives[-1 - place] = place, place
            sizes[-1 - place] = self.inside[step.kernel.number]
        return fit(lives, sizes).size

    def copied(self) -> Table:
        steps = [replace(step, versions=dict(step.versions)) for step in self.steps]
        return Table(steps, self.roots, self.sizes, self.inside, dict(self.origin))

    def makers(self, version: int) -> tuple[int, ...]:
        """The steps that make a version, and whatever else they make together with others."""
        found: set[int] = set()
        wanted = {version}
        while wanted:
            new = {n for n, step in enumerate(self.steps) if n not in found and not wanted.isdisjoint(step.made())}
            found |= new
            wanted = {made for n in new for made in self.steps[n].made()}
        return tuple(sorted(found))

    def repeat(self, makers: Sequence[int], before: int, budget: int) -> tuple[int, dict[int, int]] | None:
        """Run the kernels of steps again before another one, with what they read and nobody has any more.

        Returns how many steps that adds and the versions of buffers that they make, None where it cannot be done.
        Later steps read the new versions.
        """
        if len(makers) > budget or not makers or makers[-1] >= before:
            return None
        steps = [self.steps[n] for n in makers]
        own = {made for step in steps for made in step.made()}
        added, found = 0, dict[int, int]()
        for root, version in {read: None for step in steps for read in step.reads() if read[1] not in own}:
            spans = self.spans()
            if root in found or version not in spans or spans[version][1] >= before + added:
                continue
            newer = self._newer(root, before + added, spans)
            earlier = self.makers(version)
            if newer is not None:
                found[root] = newer
            elif earlier:  # else it is kept until then
                more = self.repeat(earlier, before + added, budget - len(makers))
                if more is None:
                    return None
                added += more[0]
                found |= more[1]
        fresh = {root: self._fresh(root) for root in dict.fromkeys(root for step in steps for root in step.writes)}
        temporary = self.spans()
        outdated = {step.versions[root]: fresh[root] for step in steps for root in step.writes}
        for later in self.steps[before + added :]:
            for root, version in later.versions.items():
                if version in outdated and version in temporary:
                    later.versions[root] = outdated[version]
        for place, step in enumerate(steps, start=before + added):
            versions = {root: fresh.get(root, found.get(root, version)) for root, version in step.versions.items()}
            self.steps.insert(place, Step(step.kernel, versions, step.writes, again=True))
        return added + len(steps), found | fresh

    def _newer(self, root: int, before: int, spans: Mapping[int, tuple[int, int]]) -> int | None:
        """The version of a buffer that was made last before a step and is read there or later."""
        alive = [
            (spans[version][0], version)
            for version, of in self.origin.items()
            if of == root and version in spans and spans[version][0] < before <= spans[version][1]
        ]
        return max(alive)[1] if alive else None

    def _fresh(self, root: int) -> int:
        version = max([*self.roots, *self.origin]) + 1
        self.origin[version] = root
        return version


def fit_into(program: Program, limit: int) -> Program:
    """The program with an arena of at most `limit` bytes.

    Raises LoweringError, with the smallest arena that was found, where there is none; and for named sizes.
    """
    if program.sizes:
        names = ", ".join(map(str, program.sizes))
        raise LoweringError(f"memory_limit needs sizes that are known when compiling; {names} are named.")
    whole = plan_arena(program, {}).size
    if whole <= limit:
        return program
    for kernel in program.kernels:
        kernel.meets = True
    table: Table | None = table_of(program)
    best: tuple[int, Table] | None = None
    most = MOST_REPEATS * len(program.kernels)
    while table is not None and len(table.steps) <= most:
        size = table.arena()
        if size <= limit:
            found = rebuilt(program, table)
            if plan_arena(found, {}).size <= limit:  # it may lie a little worse than the table's
                return found
        if best is None or size < best[0]:
            best = size, table
        table = improved(table)
    least = min(whole, plan_arena(rebuilt(program, best[1]), {}).size) if best else whole
    raise LoweringError(
        f"memory_limit={limit:,} bytes is too little for the function's temporary values: they take {whole:,}, and "
        f"with all that can be computed again {least:,}."
    )


def table_of(program: Program) -> Table:
    """The program's kernels as steps, each of which touches the buffers themselves."""
    roots = {buffer.number: buffer for buffer in program.buffers}
    sizes = {number: bytes_of(buffer, {}) for number, buffer in roots.items()}
    steps, inside = [], {}
    for kernel in program.kernels:
        local = kernel.locals if isinstance(kernel, LoopOver) else frozenset()
        lives = {number: span for number, span in spans([kernel], 0)[0].items() if number in local}
        inside[kernel.number] = fit(lives, sizes).size
        outside = {b.root.number for b in used(kernel)} - local
        steps.append(Step(kernel, {n: n for n in outside if n in roots}, frozenset(changed(kernel)) - local))
    return Table(steps, roots, sizes, inside)


def changed(kernel: Kernel) -> set[int]:
    """The buffers that a kernel writes, those that it only works in too."""
    found = {buffer.root.number for buffer in written(kernel)}
    for leaf in leaves([kernel]):
        if isinstance(leaf, LoopKernel):
            for statement in leaf.statements():
                if isinstance(statement, Sort):
                    found |= {b.root.number for b in (statement.values, statement.places, statement.spare)}
    return found


def improved(table: Table) -> Table | None:
    """The table with one more value computed again, so that less memory is in use where it is most; None at the end."""
    usage = table.usage()
    peak = max(usage)
    place = usage.index(peak)
    idle: list[tuple[float, int, tuple[int, ...]]] = []
    for version, (first, last) in table.spans().items():
        if first < place < last and version not in table.steps[place].versions.values():
            makers = table.makers(version)
            cost = sum(kernel_work(table.steps[maker].kernel, {}) for maker in makers)
            idle.append((cost / table.sizes[table.origin.get(version, version)], version, makers))
    for _, version, makers in sorted(idle):
        attempt = table.copied()
        reader = next(n for n in range(place + 1, len(table.steps)) if version in table.steps[n].versions.values())
        if attempt.repeat(makers, reader, MOST_AT_ONCE) is None:
            continue
        after = attempt.usage()
        if after[place] < peak and (max(after), after.count(peak)) < (peak, usage.count(peak)):
            return attempt
    return None


def rebuilt(program: Program, table: Table) -> Program:
    """A program of the steps: each kernel is a copy that touches the versions which it shall."""
    numbers = count(max([*table.roots, *table.origin, *(b.number for b in touched(program.kernels))]) + 1)
    buffers = dict(table.roots)
    for version, root in table.origin.items():
        buffers[version] = replace(table.roots[root], number=version, role="scratch")
    order = [*program.buffers, *(buffers[version] for version in table.origin)]
    kernels: list[Kernel] = []
    for step in table.steps:
        moved = {root: buffers[version] for root, version in step.versions.items() if version != root}
        if step.again and isinstance(step.kernel, LoopOver):
            for number in step.kernel.locals & table.roots.keys():
                moved[number] = replace(table.roots[number], number=next(numbers))
                order.append(moved[number])
        kernels.append(copied(step.kernel, moved, numbers))
    again = [kernel for kernel, step in zip(kernels, table.steps) if step.again]
    kept, found = remove_unread(kernels, order, program.outputs)
    repeated = frozenset(kernel.number for kernel in again if any(kernel is other for other in kept))
    return Program(found, kept, program.sizes, program.inputs, program.outputs, repeated)


def copied(kernel: Kernel, moved: Mapping[int, Buffer], numbers: Iterator[int]) -> Kernel:
    """A copy of a kernel that touches other buffers instead of some. Its windows into these are windows of its own."""
    memo: dict[int, Any] = {}
    windows = []
    for buffer in touched([kernel]):
        if buffer.root.number not in moved:
            memo[id(buffer)] = buffer
        elif buffer.of is None:
            memo[id(buffer)] = moved[buffer.number]
        else:
            windows.append(buffer)
    for each in every([kernel]):
        kept = each.graph if isinstance(each, LoopOver) else getattr(each, "stopped", None)
        memo[id(kept)] = kept
    for window in windows:
        copy.deepcopy(window, memo)
    for window in windows:
        memo[id(window)].number = next(numbers)
    made = copy.deepcopy(kernel, memo)
    for each in every([made]):
        if isinstance(each, LoopOver):
            each.locals = frozenset(moved[n].number if n in moved else n for n in each.locals)
    return made


def touched(kernels: Sequence[Kernel]) -> list[Buffer]:
    """The buffers that kernels touch, windows and what they are windows of."""
    found: dict[int, Buffer] = {}
    for kernel in kernels:
        for buffer in used(kernel):
            inner: Buffer | None = buffer
            while inner is not None:
                found[id(inner)] = inner
                inner = inner.of
    return list(found.values())
