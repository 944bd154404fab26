"""Compiling while the interpreter runs the calls."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import ExecutionError, InputError, LoweringError
from graphcomp.jit import Specialisation
from graphcomp.run.background import Later

ROOT = Path(__file__).parent.parent
X = np.linspace(-1, 1, 12).reshape(3, 4)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing is loaded before this is set."""
    event, real = threading.Event(), Specialisation._loaded

    def loaded(self: Specialisation, lowered: Any) -> Any:
        assert event.wait(60)
        return real(self, lowered)

    monkeypatch.setattr(Specialisation, "_loaded", loaded)
    yield event
    event.set()


def f(x: Any) -> Any:
    return gnp.sum(np.tanh(x) ** 2), x + 1


def test_calls_are_answered_before_the_compiler_is_done(gate: threading.Event) -> None:
    step = gx.jit(f, background=True)
    first = [np.asarray(part) for part in step(X)]
    (version,) = step.versions.values()
    assert not version.is_ready
    gate.set()
    assert version.executor is not None and version.is_ready
    runs = version.executor.entry_seconds
    second = [np.asarray(part) for part in step(X)]
    assert version.executor.entry_seconds > runs == 0.0  # now the entry ran
    for one, other, wanted in zip(first, second, f(X)):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-15)
        np.testing.assert_allclose(other, wanted, rtol=1e-14)


def test_a_report_waits(gate: threading.Event) -> None:
    step = gx.jit(f, background=True)
    step(X)
    threading.Timer(0.2, gate.set).start()
    assert len(step.report(X).kernels) > 0


def test_donated_arrays_are_gone_either_way(gate: threading.Event) -> None:
    step = gx.jit(lambda x: 2 * x, donate=0, background=True)
    state = gx.jit(lambda x: x + 0, target="numpy")(X)
    for wait in (False, True):
        before, state = state, step(state)
        with pytest.raises(ExecutionError, match="was donated"):
            before.numpy()
        if not wait:
            gate.set()
            assert step.version(X).executor is not None
    np.testing.assert_array_equal(state, 4 * X)


def test_named_sizes_and_their_errors(gate: threading.Event) -> None:
    step = gx.jit(lambda x, y: x @ y, specs=(gx.spec(("n", 4), "float64"), None), background=True)
    for _ in range(2):
        for rows in (3, 5):
            x = np.ones((rows, 4))
            np.testing.assert_allclose(step(x, X.T), x @ X.T)
        with pytest.raises(InputError, match="is float64"):
            step(np.ones((3, 5)), X.T)
        gate.set()
        assert step.version(np.ones((3, 4)), X.T).executor is not None
    assert len(step.versions) == 1


def test_an_error_of_the_compiler_comes_with_the_next_call() -> None:
    step = gx.jit(lambda x: gnp.cumsum(gnp.cumsum(x)) * 2, background=True, memory_limit=0)
    version = step.version(np.ones(100))
    with pytest.raises(LoweringError, match="is too little"):
        assert version.executor
    for _ in range(2):
        with pytest.raises(LoweringError, match="is too little"):
            step(np.ones(100))


def test_from_several_threads_at_once() -> None:
    step, found, x = gx.jit(f, background=True), [], np.ones((7, 3))

    def call() -> None:
        for _ in range(200):
            found.append(float(step(x)[0]))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    np.testing.assert_allclose(found, np.full(800, np.sum(np.tanh(x) ** 2)), rtol=1e-14)


def test_the_work_is_done_once() -> None:
    calls: list[str] = []
    later = Later(lambda: calls.append("first") or 3, lambda n: calls.append("second") or n + 1)
    assert [later.result(), later.result()] == [4, 4] and calls == ["first", "second"] and later.is_done


FORKED = """
import os, sys, time
import numpy as np
import graphcomp as gx

def f(x):
    return gx.numpy.sum(gx.numpy.tanh(x @ x.T) ** 2)

step = gx.jit(f, background=True)
x = np.linspace(-1, 1, 12).reshape(3, 4)
wanted = np.sum(np.tanh(x @ x.T) ** 2)
assert np.isclose(step(x), wanted)
child = os.fork()
(version,) = step.versions.values()
assert np.isclose(step(x), wanted)
assert version.executor is not None
assert np.isclose(step(x), wanted)
if child:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    print("both")
os._exit(0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_compiles_for_itself(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GRAPHCOMP_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, env=environment, timeout=300)
    assert run.stdout == "both\n" and run.returncode == 0, run.stderr


def test_the_end_of_a_program_waits_for_the_compiler(tmp_path: Path) -> None:
    """No crash, nothing printed, and no half-written entry."""
    program = (
        "import numpy as np, graphcomp as gx\nprint(gx.jit(lambda x: np.sin(x) * 3, background=True)(np.zeros(3)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GRAPHCOMP_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stdout, run.stderr) == (0, "Array([0., 0., 0.])\n", "")
