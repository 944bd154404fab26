"""What a candidate is: a framework that was given a task, and does it as often as it is asked to."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
TRAINING = ("sgd", "adam")
ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8


class Unsupported(Exception):
    """The framework, or what is written for it here, does not do this task; the message says why."""


@dataclass(frozen=True)
class Assignment:
    """A task: its workload, its arrays, and how it is done.

    `rate` is the learning rate of a training task, `settings` are the workload's numbers. `file` held the arrays.
    """

    file: str
    workload: str
    task: str
    dtype: str
    threads: int
    rate: float
    settings: dict[str, int]
    parameters: Arrays
    data: Arrays


class Candidate(ABC):
    """A framework at work on one task. `run` and `reset` are what is timed; nothing is left undone when they return."""

    name: str

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """Import the framework, and say which it is."""

    @abstractmethod
    def prepare(self, assignment: Assignment) -> None:
        """Take the arrays and the task; raises Unsupported. Compiling may wait for the first run."""

    @abstractmethod
    def reset(self) -> None:
        """Back to the initial parameters."""

    @abstractmethod
    def run(self, count: int) -> None:
        """Do the task `count` times, one after the other, and wait for the end."""

    @abstractmethod
    def check(self) -> Arrays:
        """What one run from the initial parameters gives, by name.

        For training: `loss` and the new value of each parameter (SGD) or its first moment (Adam), and `next loss`, that
        of a second step. For other tasks: the results.
        """

    def variants(self) -> Iterator[str]:
        """Names of other ways to do the same; each is tried, and the fastest is kept."""
        return iter(())

    def choose(self, variant: str) -> None:
        """Take a variant."""
        raise NotImplementedError

    def memory(self) -> dict[str, int]:
        """Bytes that the framework itself knows about, by what they are."""
        return {}


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since the begin."""
    start = time.perf_counter()
    yield lambda: time.perf_counter() - start


def fastest_variant(candidate: Candidate, seconds: float) -> str:
    """Try every way that a candidate knows, and keep the fastest; its name, or nothing where there is one way."""
    times: dict[str, float] = {}
    for variant in candidate.variants():
        candidate.choose(variant)
        candidate.reset()
        candidate.run(1)
        times[variant] = min(timed_rounds(candidate, seconds))
    if not times:
        return ""
    best = min(times, key=lambda variant: times[variant])
    candidate.choose(best)
    candidate.reset()
    return best


def timed_rounds(candidate: Candidate, seconds: float, rounds: int = 5) -> list[float]:
    """Seconds for a run, in each of some rounds that together take about `seconds`.

    The parameters are set back first, so that what is computed does not depend on what was computed before.
    """
    candidate.reset()
    candidate.run(1)
    with stopwatch() as passed:
        candidate.run(1)
        once = passed()
    count = max(1, int(seconds / rounds / max(once, 1e-7)))
    if count > 20:  # a short task is worth a better estimate
        with stopwatch() as passed:
            candidate.run(10)
            count = max(1, int(seconds / rounds / max(passed() / 10, 1e-7)))
    times = []
    for _ in range(rounds):
        with stopwatch() as passed:
            candidate.run(count)
            times.append(passed() / count)
    return times


def as_numpy(tree: dict[str, Any]) -> Arrays:
    return {name: np.array(value) for name, value in tree.items()}
