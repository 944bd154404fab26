"""A candidate's process as the command sees it: started, asked, ended."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import GraphcompError

OURS = "graphcomp"
LAUNCHER = Path(__file__).with_name("launch.py")
THREAD_VARIABLES = (
    "GRAPHCOMP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip
LEFT_OUT = ("PYTHONSTARTUP", "PYTHONDONTWRITEBYTECODE")
"""What a worker does not take over. A second process is to find bytecode as that of an installed package does."""

PATIENCE = 600.0
"""Seconds to wait for an answer: torch.compile takes half a minute for a network."""


class WorkerError(GraphcompError):
    """A candidate's process ended, or did not answer."""


def environment(threads: int, caches: Path) -> dict[str, str]:
    """What a worker finds set: how many threads, and where compiled code is kept."""
    found = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    found |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    found |= {
        "GRAPHCOMP_CACHE": str(caches / "graphcomp"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "JAX_COMPILATION_CACHE_DIR": str(caches / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
        "PYTENSOR_FLAGS": f"base_compiledir={caches / 'pytensor'}",
        "NUMBA_CACHE_DIR": str(caches / "numba"),
        "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=true".strip(),
    }
    return found


class Process:
    """One candidate at work on one task, in an interpreter of its own. To be closed."""

    def __init__(self, candidate: str, interpreter: str, threads: int, caches: Path) -> None:
        self.candidate = candidate
        module = [str(LAUNCHER), candidate]
        variables = environment(threads, caches)
        if candidate == OURS:
            module = ["-m", "graphcomp.bench.ours"]
            root = str(Path(__file__).resolve().parents[2])
            variables["PYTHONPATH"] = os.pathsep.join(filter(None, (root, variables.get("PYTHONPATH", ""))))
            del variables["NUMBA_CACHE_DIR"]
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 (see close)
        try:
            self.process = subprocess.Popen(
                [interpreter, *module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                env=variables, text=True, cwd=caches,
            )  # fmt: skip
        except OSError as error:
            self.errors.close()
            raise WorkerError(f"{candidate} cannot be started: {interpreter}: {error.strerror}.") from None
        _use_processors(self.process.pid, threads)
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put("")

    def ask(self, request: Mapping[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
        """The answer to one request; raises WorkerError where none comes, or where it tells of an error."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.answers.get(timeout=patience)
        except OSError:
            line = ""
        except queue.Empty:
            raise WorkerError(f"{self.candidate} gave no answer in {patience:.0f} s.") from None
        if not line:
            raise WorkerError(f"{self.candidate} ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.candidate}: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        self.process.wait(10)
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else f"status {self.process.returncode}"

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.errors.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _use_processors(pid: int, threads: int) -> None:
    """Hold a process to as many CPUs as it has threads."""
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(pid, usable[:threads])


def default_interpreter() -> str:
    return sys.executable
