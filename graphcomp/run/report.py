"""What a compiled function does, kernel by kernel: work, measured time, the floor, and why kernels stand apart."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..emit import emit_cpu
from ..schedule.memory import plan_arena
from ..schedule.program import Kernel, LoopKernel, LoopOver, describe, every, shared_text
from ..schedule.work import flops, traffic
from .executor import MANY, Executor
from .key import Lookup
from .machine import copy_seconds, matrix_peak

RUNS = 7


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One kernel: what it does, the graph's nodes in it, FLOPs, bytes, seconds (measured, and the floor of this
    machine), why it is not part of the kernel before."""

    text: str
    nodes: tuple[int, ...]
    flops: int
    bytes: int
    seconds: float
    floor: float
    stopped: str


@dataclass(frozen=True, slots=True)
class Report:
    """The kernels of a compiled function in order, and the whole: seconds of a call, and of the entry inside it.

    `peak` and `speed` are those of the floors: FLOPs a second of a large matrix product, bytes a second of a memory
    copy. `memory` tells whether the function was compiled for such arguments before in this process, `disk` whether the
    machine code was in the cache on the disk when it was loaded; if not, which parts of the key differ.
    """

    kernels: tuple[KernelReport, ...]
    call: float
    entry: float
    threads: int
    meetings: int
    arena: int
    peak: float
    speed: float
    memory: Lookup
    disk: Lookup

    def __str__(self) -> str:
        lines = [
            f"a call takes {time_text(self.call)}, its entry {time_text(self.entry)} on "
            f"{counted(self.threads, 'thread')} with {counted(self.meetings, 'meeting')}; "
            f"{self.arena:,} bytes of temporary values",
            f"compiled in this process: {self.memory}",
            f"machine code on the disk: {self.disk}",
            f"{'time':>9} {'share':>6} {'floor':>9} {'MFLOP':>9} {'MB':>8}  kernel",
        ]
        whole = sum(kernel.seconds for kernel in self.kernels) or 1.0
        for kernel in self.kernels:
            lines.append(
                f"{time_text(kernel.seconds):>9} {kernel.seconds / whole:>6.1%} {time_text(kernel.floor):>9} "
                f"{kernel.flops / 1e6:>9.3f} {kernel.bytes / 1e6:>8.3f}  {kernel.text}"
            )
            if kernel.stopped:
                lines.append(f"{'':>46}{kernel.stopped}")
        return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def time_text(seconds: float) -> str:
    """A time with three digits and a fitting unit."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def report(executor: Executor, values: Sequence[Any], memory: Lookup) -> Report:
    """Run a program with the time noted after each kernel; the threads meet there, so that nothing is counted twice.

    The floor of a kernel is the larger of its FLOPs over the speed of a large matrix product and its bytes over that of
    a memory copy, both measured now.
    """
    program, binding = executor.program, executor.bind(values)
    threads = binding.threads
    source = emit_cpu(program, executor.graph, timed=True, fastmath=executor.fastmath)
    timed = Executor(program, source, executor.graph, executor.threads)
    for each in (timed, executor):
        for _ in range(0 if binding.is_long else MANY):
            each(values)  # a short program is measured as one of many calls, which find the team awake
    runs = []
    for _ in range(RUNS):
        start = time.perf_counter()
        timed(values)
        seconds, marks = time.perf_counter() - start, timed.stamps.copy()
        runs.append((marks[1:] - marks[:-1]) * (seconds / max(int(marks[-1] - marks[0]), 1)))
    calls, entries = [], []
    for _ in range(RUNS):
        start = time.perf_counter()
        executor(values)
        calls.append(time.perf_counter() - start)
        entries.append(executor.entry_seconds)
    peak, speed = matrix_peak(threads), 2**24 / copy_seconds(2**24, threads)
    entry = statistics.median(entries)
    measured = [statistics.median(run[place] for run in runs) for place in range(len(program.kernels))]
    scale = entry / sum(measured) if measured else 1.0
    kernels = [
        KernelReport(
            f"{describe(kernel)}{shared_text(kernel)}",
            tuple(kernel.nodes),
            work := flops(kernel, binding.sizes),
            moved := traffic(kernel, binding.sizes),
            float(seconds) * scale,
            max(work / peak, moved / speed),
            stopped_text(kernel),
        )
        for kernel, seconds in zip(program.kernels, measured)
    ]
    meetings = sum(kernel.meets for kernel in every(program.kernels))
    arena = plan_arena(program, binding.sizes, executor.threads).size
    call, disk = statistics.median(calls), executor.loaded.lookup()
    return Report(tuple(kernels), call, entry, threads, meetings, arena, peak, speed, memory, disk)


def stopped_text(kernel: Kernel) -> str:
    """Why a kernel is not part of an earlier one."""
    if isinstance(kernel, LoopOver) or not isinstance(kernel, LoopKernel) or kernel.stopped is None:
        return ""
    earlier, reason = kernel.stopped
    return f"not in kernel {earlier.number}: {reason}"
