"""The disk cache: what one process compiled another loads, and nothing that happens to the files loses anything."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.run import cache as cache_module

ROOT = Path(__file__).parent.parent
PROGRAM = """
import json
import numpy as np
import graphcomp as gx

def f(x, w):
    return gx.numpy.sum(gx.numpy.tanh(x @ w) ** 2)

step = gx.jit(gx.value_and_grad(f, 1))
x = np.linspace(-1, 1, 12).reshape(3, 4)
w = np.linspace(0, 1, 8).reshape(4, 2)
value, gradient = step(x, w)
expected = 2 * x.T @ (np.tanh(x @ w) / np.cosh(x @ w) ** 2)
(version,) = step._versions.values()
print(json.dumps({
    "right": bool(np.allclose(gradient, expected) and np.isclose(value, np.sum(np.tanh(x @ w) ** 2))),
    "from_cache": version.executor.from_cache,
}))
"""


def start(cache: Path, program: str = PROGRAM, **settings: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GRAPHCOMP_CACHE": str(cache), **settings}
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    found = json.loads(output)
    assert found["right"]
    return found


def from_cache(cache: Path, **settings: str) -> bool:
    """Whether a process that computes the right value and gradient found its machine code in the cache."""
    return result(start(cache, **settings))["from_cache"]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that one process has filled."""
    cache = tmp_path_factory.mktemp("filled")
    assert not from_cache(cache)
    return cache


def files(cache: Path, suffix: str) -> list[Path]:
    found = [path for path in cache.rglob(f"*{suffix}") if path.is_file()]
    assert found, f"there is no {suffix} in the cache"
    return found


def test_a_second_process_does_not_compile(filled: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in files(filled, "")}
    assert from_cache(filled)
    assert {path: path.stat().st_mtime_ns for path in files(filled, "")} == before


TRAINING = """
import json, sys
import numpy as np
import graphcomp as gx
from graphcomp import nn, optim
from graphcomp.run.team import PROCESS

model = nn.Sequential(
    nn.Conv2d.create(1, 4, 3, padding=1, key=0), nn.relu, nn.MaxPool2d(2), nn.flatten, nn.Linear.create(64, 24, key=1),
    nn.LayerNorm.create(24), np.tanh, nn.Linear.create(24, 3, key=2),
)
optimizer = optim.adam(0.01)
rng = np.random.default_rng(0)
data = rng.normal(size=(400, 1, 8, 8)).astype("float32"), np.arange(400) % 3

@gx.jit
def step(model, state, images, labels):
    loss, gradients = gx.value_and_grad(lambda m: nn.softmax_cross_entropy(m(images), labels))(model)
    return *optimizer.update(model, gradients, state), loss

state, losses = optimizer.init(model), []
for _ in range(12):
    model, state, loss = step(model, state, *data)
    losses.append(float(loss))
matrix, side = rng.normal(size=(5, 5)) + 9 * np.eye(5), rng.normal(size=5)
solve = gx.jit(np.linalg.solve)
print(json.dumps({
    "right": losses[-1] < losses[0] and bool(np.allclose(solve(matrix, side), np.linalg.solve(matrix, side))),
    "from_cache": all(v.executor.from_cache for f in (step, solve) for v in f._versions.values()),
    "team": PROCESS.team is not None, "numba": "numba" in sys.modules, "losses": losses,
}))
"""


def test_a_second_process_does_without_numba(tmp_path: Path) -> None:
    """Convolutions, products, LAPACK and a team of threads: the same bits, and nothing of the compiler is imported."""
    first, second = (result(start(tmp_path, TRAINING, GRAPHCOMP_THREADS="2")) for _ in range(2))
    assert not first["from_cache"] and first["numba"]
    assert second["from_cache"] and not second["numba"]
    assert first["losses"] == second["losses"] and first["team"] and second["team"]


def test_two_processes_at_once(tmp_path: Path) -> None:
    """Both are right, whichever of them writes first, and the cache is whole afterwards."""
    for process in [start(tmp_path), start(tmp_path)]:
        result(process)
    assert from_cache(tmp_path) or from_cache(tmp_path)
    assert from_cache(tmp_path)
    assert not list(tmp_path.rglob("*.tmp"))


# damage, in this process: a program is loaded anew for each test -----------------------------------------------------


def load(cache: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a function that computes the right value found its machine code in the cache."""
    monkeypatch.setenv("GRAPHCOMP_CACHE", str(cache))
    monkeypatch.setattr(cache_module, "LOADED", {})
    step = gx.jit(lambda x: 3 * gx.numpy.sin(x))
    np.testing.assert_allclose(step(np.arange(4.0)), 3 * np.sin(np.arange(4.0)))
    (version,) = step._versions.values()
    assert version.executor is not None
    return version.executor.from_cache


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one program in it."""
    assert not load(tmp_path, monkeypatch)
    assert load(tmp_path, monkeypatch)
    return tmp_path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garble(path: Path) -> None:
    path.write_bytes(b"\x80\x04 no machine code \xff" * 100)


def flip(path: Path) -> None:
    """One bit in the middle, so that the length stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [truncate, garble, flip, empty, remove])
@pytest.mark.parametrize("suffix", [".object", "functions.json"])
def test_damaged_files_lose_nothing(
    small: Path, suffix: str, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is right all the same, and after one more compilation the cache serves again."""
    for path in files(small, suffix):
        damage(path)
    assert not load(small, monkeypatch)
    assert load(small, monkeypatch)


@pytest.mark.parametrize("damage", [truncate, garble, flip, empty, remove])
def test_a_damaged_source_is_written_again(
    small: Path, damage: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {path: path.read_text() for path in files(small, ".py")}
    for path in whole:
        damage(path)
    load(small, monkeypatch)
    assert {path: path.read_text() for path in whole} == whole
    assert load(small, monkeypatch)


def test_a_folder_full_of_rubbish_is_replaced(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in files(small, ""):
        garble(path)
    load(small, monkeypatch)
    assert load(small, monkeypatch)


# places that cannot be used ------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file stands where the cache folder should be: another folder is used, and the file is left alone."""
    place = tmp_path / "file"
    place.write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    from_cache(place, TMPDIR=str(tmp_path / "elsewhere"))
    assert place.read_text() == "mine"
    assert files(tmp_path / "elsewhere", ".py")


@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    place = tmp_path / "closed"
    place.mkdir(mode=0o500)
    (tmp_path / "elsewhere").mkdir()
    from_cache(place, TMPDIR=str(tmp_path / "elsewhere"))
    assert not list(place.iterdir())


# what machine code is made for ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", "generic", "nehalem"])
@pytest.mark.parametrize("features", [None, "", "+sse4.2"])
def test_the_processor_is_that_which_numba_is_told_to_see(
    name: str | None, features: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its variables are read without it, because a process that only loads code does not import it."""
    for variable, value in (("NUMBA_CPU_NAME", name), ("NUMBA_CPU_FEATURES", features)):
        if value is None:
            monkeypatch.delenv(variable, raising=False)
        else:
            monkeypatch.setenv(variable, value)
    program = """
import json
from graphcomp.run.object_code import processor
found = processor()
from llvmlite import binding
from numba.core import config
print(json.dumps([found, [
    config.CPU_NAME or binding.get_host_cpu_name(),
    binding.get_host_cpu_features().flatten() if config.CPU_FEATURES is None else config.CPU_FEATURES,
]]))
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, env=environment
    )
    found, wanted = json.loads(output.stdout)
    assert found == wanted
