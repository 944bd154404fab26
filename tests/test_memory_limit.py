"""Values computed again under a memory limit: the arena fits, and no bit of a result changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import generator

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp import nn, optim
from graphcomp.errors import InputError, LoweringError
from graphcomp.run.pipeline import lower
from graphcomp.schedule import Program, plan_arena
from graphcomp.schedule.work import work
from graphcomp.trace.tree import leaves

RNG = generator("memory limit")


def layers(count: int, width: int = 32) -> list[np.ndarray]:
    return [RNG.normal(size=(width, width)).astype("float32") / width**0.5 for _ in range(count)]


def chain(weights: list[Any], x: Any) -> Any:
    for weight in weights:
        x = np.tanh(x @ weight)
    return gnp.sum(x * x)


def recurrent(weights: tuple[Any, Any], x: Any) -> Any:
    def step(h: Any, entry: Any) -> tuple[Any, Any]:
        h = np.tanh(h @ weights[0] + entry @ weights[1])
        return h, h * 2

    h, ys = gx.scan(step, x[0] * 0, x)
    h, ys = gx.scan(step, h, ys)
    return gnp.sum(h * h) + gnp.mean(np.sin(ys) ** 2)


def attention(weights: list[Any], x: Any) -> Any:
    for weight in weights:
        scores = (x @ weight) @ x.T
        x = x + nn.softmax(scores) @ x
    return gnp.sum(x**2)


def sorted_rows(weights: list[Any], x: Any) -> Any:
    for weight in weights:
        x = gnp.sort(x @ weight, axis=1) + gnp.cumsum(x, axis=0) / 100
    return gnp.sum(np.tanh(x))


def solved(weights: list[Any], x: Any) -> Any:
    for weight in weights:
        x = gnp.linalg.solve(weight + 4 * np.eye(len(weight), dtype="float32"), x.T).T
        x = np.tanh(x)
    return gnp.sum(x)


LINEAR = RNG.normal(size=(24, 24)).astype("float32") / 5, np.zeros(24, "float32")
SQUARE = RNG.normal(size=(48, 32)).astype("float32")
CASES: dict[str, tuple[Callable[..., Any], Any, np.ndarray]] = {
    "chain": (chain, layers(10), SQUARE),
    "recurrent": (recurrent, tuple(layers(2)), RNG.normal(size=(6, 16, 32)).astype("float32")),
    "attention": (attention, layers(4), SQUARE),
    "sorted": (sorted_rows, layers(4), SQUARE),
    "solved": (solved, layers(4), SQUARE),
}


def smallest(function: Callable[..., Any], *arguments: Any) -> tuple[int, int]:
    """(the arena without a limit, the least that is possible), from the error's own words."""
    with pytest.raises(LoweringError, match="is too little for the function's temporary values") as caught:
        gx.jit(function, memory_limit=0)(*arguments)
    whole, least = (
        int(number.replace(",", "")) for number in re.findall(r"(?:take|again) ([\d,]+)", str(caught.value))
    )
    return whole, least


def compiled(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[list[np.ndarray], Program]:
    step = gx.jit(function, **options)
    results = [np.asarray(leaf) for leaf in leaves(step(*arguments))]
    executor = step.version(*arguments).executor
    assert executor is not None
    return results, executor.program


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_the_least_memory_gives_the_same_bits(name: str, threads: int) -> None:
    function, weights, x = CASES[name]
    derived = gx.value_and_grad(function)
    whole, least = smallest(derived, weights, x)
    plain, before = compiled(derived, weights, x, threads=threads)
    limited, after = compiled(derived, weights, x, threads=threads, memory_limit=least)
    assert plan_arena(before, {}).size == whole and plan_arena(after, {}).size <= least < whole
    for wanted, found in zip(plain, limited):
        np.testing.assert_array_equal(wanted, found)


def test_less_memory_is_more_work() -> None:
    function, weights, x = CASES["chain"]
    derived = gx.value_and_grad(function)
    whole, least = smallest(derived, weights, x)
    found = [compiled(derived, weights, x, memory_limit=limit)[1] for limit in (whole, (whole + least) // 2, least)]
    assert [bool(program.repeated) for program in found][::2] == [False, True]
    efforts = [work(program.kernels, {}) for program in found]
    assert efforts == sorted(efforts) and efforts[0] < efforts[2]
    assert least < whole / 3  # of ten layers, no more than three are kept at a time


def test_a_limit_that_is_kept_anyway_changes_nothing() -> None:
    function, weights, x = CASES["chain"]
    traced = gx.trace(gx.grad(function), weights, x)
    assert str(lower(traced, 10**9).program) == str(lower(traced).program)


def test_what_runs_again_is_printed() -> None:
    function, weights, x = CASES["chain"]
    derived = gx.grad(function)
    _, least = smallest(derived, weights, x)
    step = gx.jit(derived, memory_limit=least)
    text = step.stages(weights, x).scheduled
    executor = step.version(weights, x).executor
    assert executor is not None and text.count(", again  #") == len(executor.program.repeated) > 5
    assert ", again" not in gx.jit(derived).stages(weights, x).scheduled


def test_only_what_lies_idle_is_computed_again() -> None:
    """A value that is dear to make and small is kept; the one that is cheap to make and large is not."""

    def f(x: Any, y: Any) -> Any:
        dear = x @ y  # 64 x 64, by 64 · 4096 · 64 steps
        cheap = gnp.sin(x[:, :1] + y[:1, :]) * 2  # as large
        other = gnp.cos(gnp.cumsum(gnp.cumsum(x, 1), 0)) @ y
        return gnp.cumsum(other @ other, 0) @ gnp.cumsum(cheap, 0) @ gnp.cumsum(dear, 0) + cheap * dear

    x, y = RNG.normal(size=(64, 512)), RNG.normal(size=(512, 64))
    whole, _ = smallest(f, x, y)
    plain, _ = compiled(f, x, y)
    limited, program = compiled(f, x, y, memory_limit=whole - 1)
    np.testing.assert_array_equal(plain[0], limited[0])
    again = [kernel for kernel in program.kernels if kernel.number in program.repeated]
    assert not any(type(kernel).__name__ == "ProductKernel" and kernel.k == 512 for kernel in again)


def test_a_training_step_with_donated_state() -> None:
    model = nn.Sequential(*[layer for _ in range(5) for layer in (nn.Linear(*LINEAR), nn.tanh)])
    x, y = RNG.normal(size=(40, 24)).astype("float32"), RNG.integers(0, 24, 40)
    optimizer = optim.adam(1e-2)
    step = gx.train.train_step(nn.softmax_cross_entropy, optimizer)
    _, least = smallest(step, model, optimizer.init(model), (x, y))
    losses = []
    for options in ({}, {"memory_limit": least}):
        compiled_step = gx.jit(step, donate=(0, 1), **options)
        state: Any = (model, optimizer.init(model))
        for _ in range(3):
            *state, loss = compiled_step(*state, (x, y))
        losses.append(float(loss))
    assert losses[0] == losses[1]


# what cannot be ----------------------------------------------------------------------------------------------------


def test_named_sizes() -> None:
    step = gx.jit(lambda x: gnp.cumsum(gnp.cumsum(x)), specs=(gx.spec(("n",), "float32"),), memory_limit=100)
    with pytest.raises(LoweringError, match="sizes that are known when compiling; n are named"):
        step(np.ones(3, "float32"))


@pytest.mark.parametrize("limit", [-1, 2.5, "1G"])
def test_what_is_no_limit(limit: Any) -> None:
    with pytest.raises(InputError, match="memory_limit is a number of bytes"):
        gx.jit(chain, memory_limit=limit)
