"""What this machine can do: the fastest matrix product and memory copy seen, from which each task's floor follows."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

PRODUCT_SIZE = 1024
ROUNDS = 7


def processors() -> int:
    """How many CPUs this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def busy_elsewhere(seconds: float = 0.3) -> float | None:
    """How many CPUs other programs keep busy while this one waits; None where the system does not tell."""
    before = _busy_ticks()
    time.sleep(seconds)
    after = _busy_ticks()
    if before is None or after is None:
        return None
    return (after - before) / os.sysconf("SC_CLK_TCK") / seconds


def _busy_ticks() -> int | None:
    try:
        ticks = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system = map(int, ticks[:3])
    return user + nice + system


def matrix_peak(threads: int, dtype: str = "float32") -> float:
    """FLOPs a second of the best of some large products by NumPy's BLAS."""
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal((PRODUCT_SIZE, PRODUCT_SIZE)).astype(dtype) for _ in range(2))
    result = np.empty_like(left)
    with threadpool_limits(threads):
        seconds = min(_seconds(lambda: np.matmul(left, right, out=result)) for _ in range(ROUNDS))
    return 2 * PRODUCT_SIZE**3 / seconds


def copy_seconds(size: int, threads: int) -> float:
    """Seconds for a copy that reads and writes `size` bytes in all, on all threads, repeated in the same memory."""
    entries = max(size // 2 // 4 // threads, 1)
    repeats = max(1, int(2e8 / max(size, 1)))
    pairs = [(np.ones(entries, np.float32), np.zeros(entries, np.float32)) for _ in range(threads)]
    barrier = threading.Barrier(threads)
    spans: list[list[tuple[float, float]]] = [[] for _ in range(ROUNDS)]

    def work(source: np.ndarray, target: np.ndarray) -> None:
        for found in spans:
            barrier.wait()
            start = time.perf_counter()
            for _ in range(repeats):
                np.copyto(target, source)
            found.append((start, time.perf_counter()))

    workers = [threading.Thread(target=work, args=pair) for pair in pairs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return min(max(end for _, end in found) - min(start for start, _ in found) for found in spans) / repeats


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
