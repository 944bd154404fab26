"""Kernels one turn at a time: which are, what they touch, and that no result changes by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_team import SHAPE, composed, compositions

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.run import blas, interpret
from graphcomp.run.pipeline import lower
from graphcomp.schedule import plan_arena, turns
from graphcomp.schedule.program import LoopOver, Program, used, written
from graphcomp.trace.tree import leaves

RNG = np.random.default_rng(17)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """However small the work, a team does it; however small the values, kernels that can be are joined."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    monkeypatch.setattr(turns, "is_worthwhile", lambda row, local: True)
    yield


def distances(factors: Any, means: Any, x: Any) -> Any:
    """For each of some normal distributions the squared distance of each point (Mahalanobis)."""
    moved = gnp.matmul(factors, np.swapaxes(x[None] - means[:, None], 1, 2))
    return gnp.sum(moved * moved, axis=1)


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = gnp.matmul(q, np.swapaxes(k, 1, 2))
    shares = np.exp(scores - gnp.max(scores, axis=-1, keepdims=True))
    return gnp.matmul(shares / gnp.sum(shares, axis=-1, keepdims=True), v)


def mixture(factors: Any, means: Any, x: Any) -> Any:
    """The sum over points of the logarithm of a sum over normal distributions, unnormalised."""
    moved = gnp.einsum("kij,knj->kni", factors, x[None] - means[:, None])
    return gnp.sum(gnp.logsumexp(-gnp.sum(moved * moved, axis=2), 0))


def drawn(*shapes: tuple[int, ...], dtype: str = "float64") -> list[np.ndarray]:
    return [RNG.normal(size=shape).astype(dtype) / 2 for shape in shapes]


def program_of(f: Callable[..., Any], arguments: list[np.ndarray]) -> Program:
    return lower(gx.trace(f, *arguments)).program


def shared_loops(program: Program) -> list[LoopOver]:
    return [kernel for kernel in program.kernels if isinstance(kernel, LoopOver) and kernel.is_shared]


def test_what_is_larger_than_a_cache_is_made_turn_by_turn() -> None:
    arguments = drawn((20, 32, 32), (20, 32), (900, 32))
    program = program_of(distances, arguments)
    (over,) = shared_loops(program)
    assert over.extent == 20 and len(over.kernels) >= 3
    assert not any(kernel.meets for kernel in over.kernels)
    large = {buffer.number for buffer in program.buffers if buffer.size == 20 * 32 * 900}
    assert large and large <= over.locals
    text = str(program)
    assert "for s0 in 20" in text and "by the first thread" not in text.split("for s0 in 20")[1].split("kernel 4")[0]
    source = gx.jit(distances).stages(*arguments).source
    assert "s0_part*28800" in source, "what is local has one part for each thread"
    plain, two, many = (plan_arena(program, {}, threads).size for threads in (None, 2, 64))
    assert plain == many > 9 * two


@pytest.mark.parametrize("shape", [(20, 32, 90), (4, 32, 900)], ids=["small", "few"])
def test_what_fits_a_cache_or_cannot_be_shared_out_is_not(shape: tuple[int, int, int]) -> None:
    count, size, points = shape
    assert not shared_loops(program_of(distances, drawn((count, size, size), (count, size), (points, size))))


def test_what_is_read_later_on_is_made_turn_by_turn_and_kept() -> None:
    """Weights over all distributions stand between what is made of each of them and its derivative."""
    arguments = drawn((20, 32, 32), (20, 32), (900, 32))
    program = program_of(gx.grad(mixture, (0, 1)), arguments)
    first, second = shared_loops(program)
    size = 20 * 32 * 900
    made = [{b.root.number for b in written(over) if b.root.size == size} for over in (first, second)]
    read = [{b.root.number for b in used(over) if b.root.size == size} for over in (first, second)]
    assert len(made[0]) == 2 and not made[0] & first.locals, "moved points and distances, which the other loop reads"
    assert made[0] <= read[1] and made[1] and made[1] <= second.locals
    outside = {b.root.number for kernel in program.kernels if not isinstance(kernel, LoopOver) for b in used(kernel)}
    assert not outside & (made[0] | made[1])


def test_a_value_that_is_read_elsewhere_is_kept() -> None:
    def f(factors: Any, means: Any, x: Any) -> Any:
        moved = gnp.matmul(factors, np.swapaxes(x[None] - means[:, None], 1, 2))
        return gnp.sum(moved * moved, axis=1), moved

    arguments = drawn((20, 32, 32), (20, 32), (900, 32))
    program = program_of(f, arguments)
    kept = program.outputs[1].number
    assert all(kept not in over.locals for over in shared_loops(program))
    for found, wanted in zip(gx.jit(f)(*arguments), gx.jit(f, target="numpy")(*arguments), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-11)


CASES: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "distances": (distances, drawn((20, 32, 32), (20, 32), (900, 32))),
    "single": (distances, drawn((33, 16, 16), (33, 16), (1100, 16), dtype="float32")),
    "mixture": (mixture, drawn((20, 32, 32), (20, 32), (900, 32))),
    "attention": (attention, drawn(*[(17, 200, 24)] * 3)),
    "odd": (attention, drawn((9, 37, 5), (9, 41, 5), (9, 41, 3), dtype="float32")),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("derived", [False, True], ids=["values", "gradients"])
def test_threads_change_no_bit(name: str, derived: bool, always: None) -> None:
    f, arguments = CASES[name]
    if derived:
        graph = gx.trace(gx.grad(lambda *values: gnp.sum(np.sin(f(*values))), tuple(range(3))), *arguments)
    else:
        graph = gx.trace(f, *arguments)
    assert shared_loops(lower(graph).program)
    wanted = interpret(graph, arguments)
    tolerance = 1e-10 if arguments[0].dtype == "float64" else 2e-3 if derived else 2e-5
    first = None
    for threads in (1, 2, 3, 5, 12):
        compiled = gx.jit(graph, threads=threads)
        for _ in range(3):
            found = [np.array(part) for part in leaves(compiled(*arguments))]
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
            first = found if first is None else first
            for one, other in zip(found, first, strict=True):
                np.testing.assert_array_equal(one, other)


def test_turns_that_need_those_of_others_are_not_joined(always: None) -> None:
    """Each turn of the second product reads what another turn of the first one made: the threads meet in between."""

    def crossed(x: Any, y: Any) -> Any:
        return gnp.matmul(np.tanh(gnp.matmul(x, y)[::-1]), y)

    arguments = drawn((20, 24, 24), (20, 24, 24))
    wanted = gx.jit(crossed, target="numpy")(*arguments)
    for threads in (1, 3):
        np.testing.assert_allclose(gx.jit(crossed, threads=threads)(*arguments), wanted, rtol=1e-11, atol=1e-11)


@settings(max_examples=15)
@given(compositions(), st.integers(1, 5))
def test_whatever_is_joined(steps: list[tuple[str, tuple[int, ...]]], threads: int) -> None:
    x, y = RNG.normal(size=(2, *SHAPE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blas, "WORTH_A_TEAM", 0)
        patch.setattr(turns, "is_worthwhile", lambda row, local: True)
        graph = gx.trace(gx.value_and_grad(lambda x, y: gnp.sum(np.sin(composed(steps)(x, y))), (0, 1)), x, y)
        found = gx.jit(graph, threads=threads)(x, y)
    for one, other in zip(leaves(found), interpret(graph, [x, y]), strict=True):
        np.testing.assert_allclose(np.asarray(one), other, rtol=1e-9, atol=1e-9)


def test_with_little_memory(always: None) -> None:
    f, arguments = CASES["distances"]
    plain = np.asarray(gx.jit(f)(*arguments))
    limited = gx.jit(f, memory_limit=20 << 20)
    np.testing.assert_array_equal(np.asarray(limited(*arguments)), plain)


def test_the_report_counts_what_turns_read() -> None:
    f, arguments = CASES["distances"]
    compiled = gx.jit(f)
    compiled(*arguments)
    (line,) = (line for line in str(compiled.report(*arguments)).splitlines() if "for s0 in 20" in line)
    assert line.endswith("shared out")
