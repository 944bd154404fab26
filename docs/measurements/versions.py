"""Compares versions of the project on a workload, by how far apart the processors' caches are at the moment.

    python docs/measurements/versions.py mlp adam --trees ../before . --seconds 30

Each tree runs in a process of its own, in blocks of 15 ms that alternate. Before and after each round of blocks a word
is handed from thread to thread (`handover.py`); a round counts where both times agree on `near`, `far` or `one core`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from handover import once

from graphcomp.bench.ours import OPTIMIZERS, task_function
from graphcomp.bench.workloads import WORKLOADS
from graphcomp.run.array import Array
from graphcomp.trace.tree import tree_map

BLOCK, NEAR, ONE_CORE = 0.015, 60.0, 1.6
"""Seconds of a block; ns of a handover between near cores; what calculating on both takes longer than on one."""


def step_of(name: str, task: str) -> Any:
    """A call that does a step and keeps what it gives."""
    workload = WORKLOADS[name]
    problem = workload.make(np.random.default_rng(0), **workload.sizes)
    model, data = (tree_map(lambda x: Array(np.asarray(x)), each) for each in problem.inputs(task))
    function = task_function(problem, task, 1e-9)
    state = [model, OPTIMIZERS[task](1e-9).init(model)] if task in OPTIMIZERS else [model]

    def step() -> None:
        result = function(*state, data)
        if len(state) == 2:
            state[:] = result[:2]

    return step


def serve(name: str, task: str) -> None:
    """Time a block for each line of the input, and print the median of its steps in seconds."""
    step = step_of(name, task)
    for _ in range(3):
        step()
    start = time.perf_counter()
    step()
    count = max(3, int(BLOCK / (time.perf_counter() - start)))
    print("ready", flush=True)
    for _ in sys.stdin:
        for _ in range(count // 4 + 1):
            step()
        times = [time.perf_counter()]
        for _ in range(count):
            step()
            times.append(time.perf_counter())
        print(statistics.median(b - a for a, b in pairwise(times)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("task")
    parser.add_argument("--trees", nargs="+", default=["."])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.name, options.task)
        return

    def distance() -> str:
        handover, *_, slower = once(kilobytes=4, rounds=2)
        return "one core" if slower > ONE_CORE else "near" if handover < NEAR else "far"

    command = [sys.executable, __file__, options.name, options.task, "--serve"]
    children = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(Path(tree).resolve())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for tree in options.trees
    ]
    assert all(child.stdout and child.stdout.readline().strip() == "ready" for child in children)
    found: dict[str, list[list[float]]] = defaultdict(list)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        before, seconds = distance(), []
        for child in children:
            assert child.stdin and child.stdout
            print("go", file=child.stdin, flush=True)
            seconds.append(float(child.stdout.readline()))
        if distance() == before:
            found[before].append(seconds)
    for place, rounds in sorted(found.items()):
        medians = [statistics.median(times) * 1e6 for times in zip(*rounds, strict=True)]
        ratios = [statistics.median(times[slot] / times[0] for times in rounds) for slot in range(len(children))]
        texts = (f"{median:.1f} µs ({ratio:.2f})" for median, ratio in zip(medians, ratios, strict=True))
        print(f"{options.name}/{options.task} {place}, {len(rounds)} rounds: {', '.join(texts)}")


if __name__ == "__main__":
    main()
