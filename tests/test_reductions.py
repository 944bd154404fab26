"""Reductions that run in one pass: which ones, and their values against the reference."""

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.run import blas
from graphcomp.run.interpreter import interpret
from graphcomp.schedule import schedule
from graphcomp.schedule.program import Load, LoopKernel, Reduce, walk
from graphcomp.simplify import simplify


def reductions(function: Any, *arguments: Any) -> list[Reduce]:
    """The reductions of a program, with what runs in the loops of each."""
    program = schedule(simplify(gx.trace(function, *arguments)).graph)
    kernels = [kernel for kernel in program.kernels if isinstance(kernel, LoopKernel)]
    return [each for kernel in kernels for each in walk(kernel.body) if isinstance(each, Reduce)]


def check(function: Any, *arguments: Any, threads: int = 1) -> None:
    found, wanted = gx.jit(function, threads=threads)(*arguments), interpret(gx.trace(function, *arguments), arguments)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_sums_over_the_same_entries_are_one_pass(threads: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    rng = np.random.default_rng(threads)
    x, y = rng.standard_normal((2, 37, 211))

    def sums(x: Any, y: Any) -> Any:
        d = x - y
        return gnp.sum(d * x, axis=1), gnp.sum(d * y, axis=1), gnp.max(d, axis=1), gnp.sum(x, axis=1) * 3

    (alone,) = reductions(sums, x, y)
    assert len(alone.beside) == 3
    assert sum(isinstance(each, Load) for each in alone.body) == 2  # x and y, once each
    check(sums, x, y, threads=threads)


def test_a_sum_of_what_another_sum_gives_comes_after_it() -> None:
    x = np.random.default_rng(0).standard_normal((33, 70))

    def spread(x: Any) -> Any:
        mean = gnp.mean(x, axis=1, keepdims=True)
        return gnp.mean((x - mean) ** 2, axis=1, keepdims=True), gnp.max(x, axis=1, keepdims=True), mean * 1

    first, second = reductions(spread, x)
    assert [len(first.beside), len(second.beside)] == [1, 0]  # the largest goes with the mean
    assert first.target != first.beside[0].target
    check(spread, x)


def test_over_other_entries_or_for_positions_they_stay_apart() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((9, 40)), rng.standard_normal((9, 41))

    def apart(x: Any, y: Any) -> Any:
        return gnp.sum(x, axis=1) * gnp.sum(y, axis=1), gnp.argmax(x, axis=1) + gnp.argmin(x, axis=1)

    assert not any(each.beside for each in reductions(apart, x, y))
    check(apart, x, y)


@pytest.mark.parametrize("seed", range(6))
def test_normalisation_and_its_gradients(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(tuple(rng.integers(2, 40, 3)))
    axes = ((0, 2), (1,), (2,), (0, 1, 2), (0,), (1, 2))[seed]
    weight = rng.standard_normal(x.shape)

    def loss(x: Any) -> Any:
        centred = x - gnp.mean(x, axis=axes, keepdims=True)
        scale = 1 / np.sqrt(gnp.mean(centred * centred, axis=axes, keepdims=True) + 1e-3)
        return gnp.sum(np.sin(centred * scale) * weight)

    check(lambda x: gx.value_and_grad(loss)(x), x)
