"""Programs saved as data and loaded in another process."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import InputError, LoadError

TABLE = np.random.default_rng(0).normal(size=(30, 4))


class Step(NamedTuple):
    loss: Any
    gradient: Any


def train(weights: Any, xs: Any) -> Any:
    def loss(weights: Any) -> Any:
        h, ys = gx.scan(lambda h, x: (gnp.tanh(h @ weights["u"] + x), h.sum()), gnp.zeros(4), xs + TABLE[:1])
        return (h**2).sum() + gnp.sin(weights["u"][0, 0]) + (ys * gnp.take(TABLE[:, 0], np.arange(1))).sum()

    return Step(*gx.value_and_grad(loss)(weights))


WEIGHTS = {"u": np.eye(4) / 2}
XS = np.linspace(-1, 1, 12).reshape(3, 4)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    gx.save(gx.jit(train), tmp_path / "step.gcp", WEIGHTS, gx.spec(("T", 4), "float64"))
    return tmp_path / "step.gcp"


def test_a_fresh_process_runs_it_without_tracing_or_deriving(saved: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "xs.npy", XS)
    code = f"""
import json, sys
import numpy as np
import graphcomp as gx
def refuse(*arguments, **options):
    raise AssertionError("traced or derived")
sys.modules["graphcomp.trace.tracer"].Trace.__init__ = refuse
sys.modules["graphcomp.derive.forward"].Forward.__init__ = refuse
step = gx.load({str(saved)!r})
found = step({{"u": np.eye(4) / 2}}, np.load({str(tmp_path / "xs.npy")!r}))
print(json.dumps([float(found["loss"]), np.asarray(found["gradient"]["u"]).tolist()]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loss, gradient = json.loads(result.stdout)
    expected = train(WEIGHTS, XS)
    assert loss == pytest.approx(float(expected.loss), rel=1e-13)
    np.testing.assert_allclose(gradient, expected.gradient["u"], rtol=1e-12)


def test_classes_that_are_given_are_made_again(saved: Path) -> None:
    found = gx.load(saved, classes=[Step])(WEIGHTS, XS)
    assert isinstance(found, Step)
    plain = gx.load(saved)(WEIGHTS, XS)
    assert plain.keys() == {"loss", "gradient"}
    assert gx.load(saved).arguments == ("weights.u", "xs")


def test_named_sizes_stay_open(saved: Path) -> None:
    step = gx.load(saved)
    for length in (1, 5):
        xs = np.resize(XS, (length, 4))
        np.testing.assert_allclose(float(step(WEIGHTS, xs)["loss"]), float(train(WEIGHTS, xs).loss), rtol=1e-13)


def test_wrong_arguments_are_named(saved: Path) -> None:
    step = gx.load(saved)
    with pytest.raises(InputError, match="takes 2 arrays"):
        step(WEIGHTS)
    with pytest.raises(InputError, match="was given float64"):
        step(WEIGHTS, np.zeros((3, 5)))


def altered(source: Path, target: Path, changes: dict[str, Any], fix_sums: bool = True) -> Path:
    """A copy of a file with some of its parts changed, and checksums that agree if `fix_sums`."""
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        files[name] = change(files[name])
    if fix_sums:
        import hashlib

        manifest = json.loads(files["program.json"])
        manifest["sums"] = {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != "program.json"}
        files["program.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target


@pytest.mark.parametrize(
    ("name", "before", "after", "message"),
    [
        ("program.json", b'"version": 1', b'"version": 2', "version 2 of the format"),
        ("program.json", b"graphcomp program", b"something else", "no program that graphcomp saved"),
        ("graph.txt", b" sin(", b" system(", "no op named `system`"),
        ("graph.txt", b"axes=(0,)", b"axes=__import__('os')", "cannot be read"),
        (
            "graph.txt",
            b"dtype='float64', name='weights",
            b"dtype='exec', name='weights",
            "does not give the type|not known",
        ),
        ("graph.txt", b": float64[4, 4] = ", b": float64[4, 5] = ", "does not give the type|"),
        ("program.json", b'"kind": "leaf"', b'"kind": "code"', "kind 'code'"),
    ],
)
def test_what_is_not_understood_is_refused(
    saved: Path, tmp_path: Path, name: str, before: bytes, after: bytes, message: str
) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert before in archive.read(name)
    wrong = altered(saved, tmp_path / "wrong.gcp", {name: lambda content: content.replace(before, after)})
    with pytest.raises(LoadError, match=message):
        gx.load(wrong)


def test_damage_is_noticed(saved: Path, tmp_path: Path) -> None:
    flipped = altered(saved, tmp_path / "flipped.gcp", {"graph.txt": lambda c: c.replace(b"tanh", b"sin ")}, False)
    (tmp_path / "cut.gcp").write_bytes(saved.read_bytes()[:200])
    (tmp_path / "text.gcp").write_text("hello")
    for path in (flipped, tmp_path / "cut.gcp", tmp_path / "text.gcp", tmp_path / "none.gcp"):
        with pytest.raises(LoadError, match=path.name):
            gx.load(path)


def test_it_must_be_clear_what_to_save(tmp_path: Path) -> None:
    double = gx.jit(lambda x: 2 * x)
    with pytest.raises(InputError, match="compiled for 0 sets of types"):
        gx.save(double, tmp_path / "none.gcp")
    double(np.ones(2))
    gx.save(double, tmp_path / "one.gcp")
    np.testing.assert_array_equal(np.asarray(gx.load(tmp_path / "one.gcp")(np.ones(2))), [2, 2])
    double(np.ones(3))
    with pytest.raises(InputError, match="2 sets of types"):
        gx.save(double, tmp_path / "two.gcp")
    with pytest.raises(InputError, match=r"compiled by gx\.jit"):
        gx.save(lambda x: x, tmp_path / "plain.gcp")  # type: ignore[arg-type]
