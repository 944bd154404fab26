"""Runs the candidates of a task side by side: first their results are compared, then blocks of runs alternate.

Nothing is timed that disagrees with float64. A ratio is taken within one round, of blocks that ran right after each
other, so that what slows the machine for a while slows both.
"""

from __future__ import annotations

import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..run.machine import busy_elsewhere, copy_seconds, matrix_peak
from .count import Work, work_of
from .ours import PICKLE
from .process import OURS, Process, WorkerError
from .reference import Reference, disagreement
from .workload import RATES, Goal, Problem, Workload, named, with_floats

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How to measure: the peers with their interpreters, threads, rounds of blocks, and seconds of a block and a pause.

    With `starts` each candidate is also started with empty caches, once. `small` takes the sizes of tests.
    """

    peers: Mapping[str, str]
    interpreter: str
    threads: int
    rounds: int = 7
    block: float = 0.3
    pause: float = 0.25
    starts: bool = True
    small: bool = False
    seed: int = 0


@dataclass
class Measured:
    """One candidate's figures for one task; `reason` says why there are none. Times are in seconds, memory in bytes."""

    candidate: str
    version: str = ""
    reason: str = ""
    variant: str = ""
    times: list[float] = field(default_factory=list)
    cold: float | None = None
    warm: float | None = None
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        return statistics.median(self.times) if self.times else None


@dataclass(frozen=True)
class Spread:
    """The median of ratios, and the range of the middle half of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        low, middle, high = np.percentile(values, [25, 50, 75])
        return cls(float(middle), float(low), float(high))


@dataclass
class Result:
    """A task with the figures of all candidates, what bounds it from below, and how it compares with its goal.

    `busy` is how many CPUs other programs used just before."""

    workload: str
    task: str
    title: str
    goal: Goal
    work: Work
    floor: float
    note: str
    measured: dict[str, Measured]
    busy: float | None = None
    rival: str = ""
    ratio: Spread | None = None

    @property
    def name(self) -> str:
        return f"{self.workload}/{self.task}"

    @property
    def verdict(self) -> str:
        """How the ratio stands: reached, met, missed, or unknown where there is none."""
        if self.ratio is None:
            return "unknown"
        if self.ratio.median <= self.goal.reach:
            return "reached"
        return "met" if self.ratio.median <= self.goal.must else "missed"


class Bench:
    """Measures one task after the other on one machine; what the machine can do is measured once."""

    def __init__(self, settings: Settings, tell: Tell = lambda line: None) -> None:
        self.settings = settings
        self.tell = tell
        self._peaks: dict[str, float] = {}

    def peak(self, dtype: str) -> float:
        """FLOPs a second of a large matrix product: the most seen so far, which other programs disturb least."""
        self._peaks[dtype] = max(self._peaks.get(dtype, 0.0), matrix_peak(self.settings.threads, dtype))
        return self._peaks[dtype]

    def workload(self, workload: Workload, tasks: Sequence[str]) -> list[Result]:
        """All the given tasks of one workload."""
        problem = workload.problem(self.settings.small, self.settings.seed)
        reference = Reference(problem, workload.dtype)
        results = [self.task(workload, problem, reference, task) for task in tasks]
        _compare_tasks(results)
        return results

    def task(self, workload: Workload, problem: Problem, reference: Reference, task: str) -> Result:
        self.tell(f"{workload.name}/{task}")
        work = work_of(problem, task)
        busy = busy_elsewhere()
        copying = copy_seconds(int(work.bytes), self.settings.threads)
        floor = max(work.flops / self.peak(workload.dtype), copying)
        goal = workload.tasks[task]
        with tempfile.TemporaryDirectory(prefix="graphcomp-bench-") as folder:
            side = _SideBySide(self, workload, problem, task, Path(folder))
            side.measure(reference.wanted(task))
        result = Result(workload.name, task, workload.title, goal, work, floor, problem.note, side.measured, busy)
        _compare(result, copying)
        return result


class _SideBySide:
    """The candidates of one task."""

    def __init__(self, bench: Bench, workload: Workload, problem: Problem, task: str, folder: Path) -> None:
        self.settings, self.tell = bench.settings, bench.tell
        self.workload, self.problem, self.task = workload, problem, task
        self.folder = folder
        self.measured = {name: Measured(name) for name in (OURS, *self.settings.peers)}
        model, data = (with_floats(part, workload.dtype) for part in problem.inputs(task))
        self.parameters = named(model)
        self.file = folder / "problem.npz"
        arrays: dict[str, Any] = {f"model/{name}": array for name, array in self.parameters.items()}
        np.savez(self.file, **arrays | {f"data/{name}": array for name, array in data.items()})
        self.file.with_suffix(PICKLE).write_bytes(pickle.dumps(problem))

    def request(self) -> dict[str, Any]:
        return {
            "do": "prepare", "problem": str(self.file), "workload": self.workload.name, "task": self.task,
            "dtype": self.workload.dtype, "threads": self.settings.threads, "rate": RATES.get(self.task, 0.0),
            "settings": dict(self.problem.settings),
        }  # fmt: skip

    def measure(self, wanted: Mapping[str, np.ndarray]) -> None:
        """Start every candidate, compare its results, then time those that agree."""
        running: dict[str, Process] = {}
        try:
            for name, found in self.measured.items():
                try:
                    self._start(name, found, running, wanted)
                except WorkerError as error:
                    found.reason = str(error)
                if found.reason:
                    self.tell(f"  {name}: {found.reason}")
                    if name in running:
                        running.pop(name).close()
            self._alternate(running)
        finally:
            for process in running.values():
                process.close()

    def _process(self, name: str) -> Process:
        caches = self.folder / f"caches-{name}"
        caches.mkdir(exist_ok=True)
        interpreter = self.settings.interpreter if name == OURS else self.settings.peers[name]
        return Process(name, interpreter, self.settings.threads, caches)

    def _start(self, name: str, found: Measured, running: dict[str, Process], wanted: Mapping[str, Any]) -> None:
        if self.settings.starts:
            with self._process(name) as process:
                answer = process.ask(self.request())
                found.cold = answer.get("compile")
                if "missing" in answer or "unsupported" in answer:
                    found.reason = answer.get("unsupported") or _missing(name, answer["missing"])
                    return
        running[name] = process = self._process(name)
        answer = process.ask(self.request())
        if "missing" in answer or "unsupported" in answer:
            found.reason = answer.get("unsupported") or _missing(name, answer["missing"])
            return
        found.version, found.variant = answer["version"], answer["variant"]
        found.warm = answer["started"] if self.settings.starts else None
        found.memory = process.ask({"do": "memory"})
        file = process.ask({"do": "check", "to": str(self.folder / f"{name}.npz")})["file"]
        with np.load(file, allow_pickle=False) as arrays:
            wrong = disagreement(
                self.task, dict(arrays), dict(wanted), self.parameters, self.workload.dtype, self.workload.tolerance
            )
        if wrong:
            found.reason = f"not timed, because {wrong}."

    def _alternate(self, running: Mapping[str, Process]) -> None:
        """Blocks of each candidate in turn, with pauses in which the threads of the last one fall asleep."""
        for _ in range(self.settings.rounds):
            for name, process in running.items():
                time.sleep(self.settings.pause)
                try:
                    times = process.ask({"do": "time", "seconds": self.settings.block})["times"]
                except WorkerError as error:
                    self.measured[name].reason = str(error)
                    self.measured[name].times.clear()
                    return
                self.measured[name].times.append(statistics.median(times))


def _missing(name: str, message: str) -> str:
    return f"not installed ({message}); --python {name}=PATH names an interpreter that has it."


def _compare(result: Result, copying: float) -> None:
    """Fill in the ratio to the fastest peer, or to a memory copy."""
    ours = result.measured[OURS].times
    if not ours:
        return
    if result.goal.against == "copy":
        result.rival, result.ratio = "copy", Spread.of([time / copying for time in ours])
    elif result.goal.against == "peer":
        medians = {n: m.median for n, m in result.measured.items() if n != OURS and m.median is not None}
        if medians:
            result.rival = min(medians, key=lambda name: medians[name])
            theirs = result.measured[result.rival].times
            result.ratio = Spread.of([mine / other for mine, other in zip(ours, theirs)])


def _compare_tasks(results: Sequence[Result]) -> None:
    """Fill in the ratios to our own time of another task of the workload."""
    by_task = {result.task: result for result in results}
    for result in results:
        other = by_task.get(result.goal.against)
        base = other.measured[OURS].median if other is not None else None
        if other is not None and base is not None and result.measured[OURS].times:
            result.rival = other.task
            result.ratio = Spread.of([time / base for time in result.measured[OURS].times])
