"""What a compiled function says about its kernels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import InputError
from graphcomp.run import cache as cache_module
from graphcomp.run.key import version_parts
from graphcomp.trace.tree import flatten

RNG = np.random.default_rng(0)
X, W, V = (RNG.normal(size=shape).astype("float32") for shape in ((64, 30), (30, 20), (20, 5)))


def loss(w, v, x):
    return gnp.sum(np.tanh(np.tanh(x @ w) @ v) ** 2)


def test_a_report_lists_every_kernel_with_its_work() -> None:
    step = gx.jit(gx.grad(loss, (0, 1)))
    found = step.report(W, V, X)
    program = step.version(W, V, X).executor.program
    assert [kernel.nodes for kernel in found.kernels] == [tuple(kernel.nodes) for kernel in program.kernels]
    products = [kernel for kernel in found.kernels if "product" in kernel.text]
    forward, backward = 2 * 64 * (30 * 20 + 20 * 5), 2 * 64 * (5 * 20 + 20 * 5 + 30 * 20)
    assert sum(kernel.flops for kernel in products) == forward + backward
    assert products[0].bytes == 4 * (64 * 30 + 30 * 20 + 64 * 20)
    assert all(kernel.seconds >= 0 and kernel.floor > 0 for kernel in found.kernels)
    assert found.call >= found.entry > 0
    assert sum(kernel.seconds for kernel in found.kernels) == pytest.approx(found.entry)
    text = str(found)
    assert text.count("\n") >= len(found.kernels) and "product of b" in text and f"on {found.threads} thread" in text


def test_a_report_says_why_a_kernel_stands_apart() -> None:
    found = gx.jit(lambda x: np.tanh(x) - gnp.cumsum(np.tanh(x), 0)[::-1]).report(X)
    reasons = [kernel.stopped for kernel in found.kernels if kernel.stopped]
    assert any("it reads entries that are not yet made there" in reason for reason in reasons), str(found)
    found = gx.jit(lambda x, y: (np.sin(x), np.cos(y))).report(X, X[::-1].copy())
    assert [kernel.stopped for kernel in found.kernels] == [
        "", "not in kernel 0: it reads nothing that is read or made there"
    ]  # fmt: skip


def test_a_loop_is_counted_with_its_turns_and_a_report_gives_nothing_away() -> None:
    def powers(w, x):
        return gx.scan(lambda h, _: (np.tanh(h @ w), None), x, length=9)[0]

    weight = RNG.normal(size=(30, 30)).astype("float32")
    compiled = gx.jit(powers, donate=1)
    state = gx.jit(lambda x: x + 1)(X)
    found = compiled.report(weight, state)
    (over,) = (kernel for kernel in found.kernels if "for t0 in 9" in kernel.text)
    assert over.flops == 9 * (2 * 64 * 30 * 30 + 64 * 30)
    np.testing.assert_allclose(np.asarray(state), X + 1)


@pytest.mark.parametrize("threads", [1, 2])
def test_meetings_are_those_that_the_program_shows(threads: int) -> None:
    """Those before and after a loop as well."""

    def rolled(x):
        return gx.scan(lambda held, row: (np.tanh(held * row), None), x[0], np.cos(x))[0] + gnp.sum(x)

    step = gx.jit(rolled, threads=threads)
    report = step.report(np.ones((12, 900)))
    shown = str(step.version(np.ones((12, 900))).executor.program).count("threads meet")
    assert report.meetings == shown > 1
    assert f" on {threads} thread{'s'[: threads - 1]} with {shown} meetings; " in str(report)


def test_the_reference_has_no_kernels() -> None:
    with pytest.raises(InputError, match="is not compiled"):
        gx.jit(loss, target="numpy").report(W, V, X)


# what was found, and if not, why ------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHCOMP_CACHE", str(tmp_path))


def scaled(parameters, x, settings=None):
    return gnp.sum(parameters["w"] * x) * (settings.factor if settings else 1)


@dataclass(frozen=True)
class Settings:
    factor: float


ONES = np.ones(5, "float32")


def parts(lookup):
    return None if lookup.differences is None else [(d.part, d.earlier, d.now) for d in lookup.differences]


def test_a_first_version_is_found_nowhere(cache) -> None:
    compiled = gx.jit(scaled)
    found = compiled.report({"w": ONES}, ONES)
    assert not found.memory.found and not found.disk.found and parts(found.memory) == parts(found.disk) == None  # noqa: E711
    assert "not found: nothing of this function was there" in str(found)
    again = compiled.report({"w": ONES}, ONES)
    assert again.memory.found and not again.disk.found  # the machine code was compiled all the same
    other = gx.jit(scaled).report({"w": ONES}, ONES)
    assert not other.memory.found and other.disk.found


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (({"w": ONES[:1]}, ONES), [("parameters.w shape", "(5)", "(1)")]),
        (
            ({"w": ONES.astype("float64")}, ONES.astype("float64")),
            [("parameters.w dtype", "float32", "float64"), ("x dtype", "float32", "float64")],
        ),
        (({"w": ONES}, ONES, Settings(3.0)), [("settings.factor", "absent", "3.0")]),
    ],
)
def test_the_parts_that_differ(cache, arguments, expected) -> None:
    compiled = gx.jit(scaled)
    compiled({"w": ONES}, ONES)
    found = compiled.report(*arguments)
    assert parts(found.memory) == parts(found.disk) == expected
    assert f"the nearest differs in {expected[0][0]} ({expected[0][1]}, now {expected[0][2]})" in str(found)


def test_the_nearest_of_several(cache) -> None:
    compiled = gx.jit(scaled)
    for factor in (2.0, 4.0):
        compiled({"w": ONES}, ONES, Settings(factor))
    found = compiled.report({"w": ONES[:1]}, ONES, Settings(2.0))
    assert parts(found.memory) == parts(found.disk) == [("parameters.w shape", "(5)", "(1)")]


def test_where_a_setting_lies_in_memory_is_no_difference(cache) -> None:
    """A function among the settings of a layer is another object in every process."""
    for made in (Settings(lambda: 1), Settings(lambda: 1)):
        structure = flatten((made,))[1]
        found = version_parts("f", gx.trace(lambda x: x, ONES), structure, ["settings"])
        assert found["settings.factor"].endswith("<lambda>>") and "0x" not in found["settings.factor"]


def test_other_code_of_the_same_name(cache) -> None:
    def make(change):
        def function(x):
            return x + change

        return function

    gx.jit(make(1))(ONES)
    found = gx.jit(make(2)).report(ONES)
    assert parts(found.memory) is None and [d.part for d in found.disk.differences] == ["generated code"]
    assert str(found.disk).endswith("differs in generated code")


def test_another_numba_or_processor(cache, monkeypatch) -> None:
    gx.jit(scaled)({"w": ONES}, ONES)
    real = cache_module.environment()
    changed = {**real, "Numba": "9.9", "instructions": real["instructions"] + ",+new"}
    monkeypatch.setattr(cache_module, "environment", lambda: changed)
    found = gx.jit(scaled).report({"w": ONES}, ONES)
    assert [d.part for d in found.disk.differences] == ["Numba", "instructions"]
    assert str(found.disk).endswith(f"Numba ({real['Numba']}, now 9.9), instructions (, now +new)")
    monkeypatch.setattr(cache_module, "environment", lambda: real)
    assert gx.jit(scaled).report({"w": ONES}, ONES).disk.found


def test_damaged_notes_are_passed_over(cache, tmp_path) -> None:
    gx.jit(scaled)({"w": ONES}, ONES)
    (notes,) = tmp_path.rglob("parts.json")
    notes.write_text("{")
    assert parts(gx.jit(scaled).report({"w": ONES[:1]}, ONES).disk) is None
