"""A candidate's process: a request a line on the standard input, an answer a line on the standard output, as JSON.

    {"do": "prepare", "problem": FILE, "workload": …, "task": …}   import, take the arrays, run once
    {"do": "check", "to": FILE}                                    what one run gives, into an .npz file
    {"do": "time", "seconds": 0.3}                                 {"times": [seconds for a run, …]}
    {"do": "memory"}                                               {"peak": bytes above those after the import, …}

An answer has "error" or "unsupported" (a text) where something went wrong. What a framework prints goes to the standard
error. The process ends with its input.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .candidate import Assignment, Candidate, Unsupported, fastest_variant, stopwatch, timed_rounds

PEERS = {
    "torch": ("with_torch", "Eager"),
    "torch-compile": ("with_torch", "Compiled"),
    "jax": ("with_jax", "Jax"),
    "pytensor": ("with_pytensor", "PyTensor"),
}
"""The module and the class of each peer."""

VARIANT_SECONDS = 0.2


def main(name: str) -> None:
    """Serve a peer."""
    module, kind = PEERS[name]
    serve(lambda: getattr(importlib.import_module(f".{module}", __package__), kind)())


def serve(make: Callable[[], Candidate]) -> None:
    """Answer requests with the candidate that `make` makes, until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(make)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Unsupported as error:
            answer = {"unsupported": str(error)}
        except ModuleNotFoundError as error:
            answer = {"missing": str(error)}
        except Exception as error:  # whatever a framework raises is an answer; the trace goes to the standard error
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


class Worker:
    """The requests, by name."""

    def __init__(self, make: Callable[[], Candidate]) -> None:
        self.make = make
        self.baseline = 0

    def prepare(
        self, problem: str, workload: str, task: str, dtype: str, threads: int, rate: float, settings: dict[str, int]
    ) -> dict[str, Any]:
        """Import, take the problem and run it once. Times are in seconds; `started` counts from the process's begin."""
        with stopwatch() as passed:
            self.candidate = self.make()
            version = self.candidate.version()
            importing = passed()
        with np.load(problem, allow_pickle=False) as file:
            model, data = (
                {name.partition("/")[2]: file[name] for name in file if name.startswith(part)}
                for part in ("model", "data")
            )
        self.baseline = resident()
        forget_peak()
        with stopwatch() as passed:
            given = Assignment(problem, workload, task, dtype, threads, rate, settings, model, data)
            self.candidate.prepare(given)
            self.candidate.reset()
            self.candidate.run(1)
            compiling = passed()
        started = since_start()
        self.variant = fastest_variant(self.candidate, VARIANT_SECONDS)
        return {
            "version": version, "import": importing, "compile": compiling, "started": started, "variant": self.variant
        }  # fmt: skip

    def check(self, to: str) -> dict[str, Any]:
        self.candidate.reset()
        np.savez(to, **self.candidate.check())  # type: ignore[arg-type]
        return {"file": to}

    def time(self, seconds: float) -> dict[str, Any]:
        return {"times": timed_rounds(self.candidate, seconds)}

    def memory(self) -> dict[str, Any]:
        return {"peak": peak() - self.baseline, **self.candidate.memory()}


# what the operating system knows about this process -----------------------------------------------------------------


def _status(name: str) -> int:
    """An entry of Linux's table of this process, in bytes; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def resident() -> int:
    """Bytes of memory in use now."""
    return _status("VmRSS") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak() -> int:
    """The most bytes in use since `forget_peak`, or since the begin where that is not to be had."""
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def since_start() -> float:
    """Seconds since this process began; since this module was imported where the system does not tell."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        return uptime - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.perf_counter() - _IMPORTED


_IMPORTED = time.perf_counter()
