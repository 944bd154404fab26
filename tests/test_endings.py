"""Products that are only scaled and added to an array do so in registers: no bit changes, nothing comes too early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.run import blas
from graphcomp.schedule.products import LONG_INNER
from graphcomp.schedule.program import ProductKernel, Program, leaves

RNG = np.random.default_rng(7)
FORMS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = {
    "w - c p": (lambda w, p: w - 0.1 * p, lambda w, p: w + w.dtype.type(-0.1) * p),
    "w - p c": (lambda w, p: w - p * 0.1, lambda w, p: w - p * w.dtype.type(0.1)),
    "w + p": (lambda w, p: w + p, lambda w, p: w + p),
    "p + w": (lambda w, p: p + w, lambda w, p: p + w),
    "p c + w": (lambda w, p: p * 3.0 + w, lambda w, p: p * w.dtype.type(3) + w),
}


@pytest.fixture(autouse=True)
def _always_a_team(monkeypatch: Any) -> None:
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)


def arrays(dtype: str, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.standard_normal(shape).astype(dtype) for shape in shapes]


def program(f: Callable[..., Any], *arguments: Any, donate: Any = ()) -> Program:
    executor = gx.jit(f, donate=donate).version(*arguments).executor
    assert executor is not None
    return executor.program


def endings(of: Program) -> int:
    return sum(isinstance(kernel, ProductKernel) and kernel.ending is not None for kernel in leaves(of.kernels))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("m", "k", "n"), [(130, 64, 97), (5, 700, 3), (33, 1500, 17), (2, 2, 2), (40, 300, 130)])
@pytest.mark.parametrize("turned", [False, True])
def test_no_bit_changes(dtype: str, name: str, m: int, k: int, n: int, turned: bool) -> None:
    """Each operation is rounded as it would be alone, for any number of threads and of blocks, in place or not."""
    form, plain = FORMS[name]
    w, g = arrays(dtype, (m, n), (k, n))
    (x,) = arrays(dtype, (k, m) if turned else (m, k))

    def multiplied(x: Any, g: Any) -> Any:
        return (x.T if turned else x) @ g

    def f(w: Any, x: Any, g: Any) -> Any:
        return form(w, multiplied(x, g))

    is_cut = turned and k >= LONG_INNER  # a loop adds up the parts of such a product
    assert endings(program(f, w, x, g)) == (not is_cut)
    expected = plain(w, np.asarray(gx.jit(multiplied)(x, g)))
    for threads in (1, 2, 3, 5):
        np.testing.assert_array_equal(gx.jit(f, threads=threads)(w, x, g), expected)
    np.testing.assert_array_equal(gx.jit(f, donate=0)(gx.Array(w), x, g), expected)


def test_batches_of_products() -> None:
    w, x, g = arrays("float32", (9, 20, 33), (9, 20, 50), (9, 50, 33))

    def f(w: Any, x: Any, g: Any) -> Any:
        return w - 0.5 * (x @ g)

    assert endings(program(f, w, x, g)) == 1
    for threads in (1, 2, 3):
        found = gx.jit(f, threads=threads)(w, x, g)
        np.testing.assert_allclose(found, gx.jit(f, target="numpy")(w, x, g), rtol=1e-5, atol=1e-5)


OTHERS: dict[str, tuple[Callable[..., Any], int]] = {
    "a product of the array itself": (lambda w, x, g: w + x @ w, 1),
    "read a second time": (lambda w, x, g: (w - 0.1 * (x @ g), (x @ g).sum(0)), 0),
    "also a result": (lambda w, x, g: (lambda p: (w - 0.1 * p, p))(x @ g), 0),
    "the array taken from it": (lambda w, x, g: x @ g - w, 0),
    "a row for all": (lambda w, x, g: x @ g + w[0], 0),
    "laid out otherwise": (lambda w, x, g: w.T + x @ g, 0),
    "one row": (lambda w, x, g: w[:1] + x[:1] @ g, 0),
    "one column": (lambda w, x, g: w[:, :1] + x @ g[:, :1], 0),
    "of two products": (lambda w, x, g: w + x @ g + g @ x, 0),
    "a chain": (lambda w, x, g: w + (w + x @ g) @ g, 2),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("donate", [(), (0,)])
def test_other_sums(name: str, donate: tuple[int, ...]) -> None:
    f, count = OTHERS[name]
    w, x, g = arrays("float64", (30, 30), (30, 30), (30, 30))
    in_place = name == "a product of the array itself" and donate  # others would read what is written already
    assert endings(program(f, w, x, g, donate=donate)) == (0 if in_place else count)
    for threads in (1, 2, 3):
        found = gx.jit(f, donate=donate, threads=threads)(gx.Array(w), x, g)
        for result, expected in zip(
            gx.trace(f, w, x, g) and _leaves(found), _leaves(gx.jit(f, target="numpy")(w, x, g))
        ):
            np.testing.assert_allclose(result, expected, rtol=1e-11, atol=1e-11)


def _leaves(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_update_waits_for_all_who_read_the_old_array(threads: int) -> None:
    """The gradient by the weights comes before that by the layer's input, which needs the weights as they were."""

    def step(weights: list[Any], x: Any) -> list[Any]:
        def loss(weights: list[Any]) -> Any:
            hidden = x
            for weight in weights:
                hidden = gx.numpy.tanh(hidden @ weight)
            return (hidden**2).sum()

        return [w - 0.01 * d for w, d in zip(weights, gx.grad(loss)(weights))]

    weights, (x,) = arrays("float64", (20, 40), (40, 60), (60, 30)), arrays("float64", (6, 20))
    assert endings(program(step, weights, x, donate=0)) == 3
    compiled, reference = gx.jit(step, donate=0, threads=threads), gx.jit(step, target="numpy")
    state, expected = [gx.Array(w) for w in weights], weights
    for _ in range(4):
        state, expected = compiled(state, x), reference(expected, x)
        for found, wanted in zip(state, expected):
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_an_index_out_of_range_leaves_the_array_as_it_was() -> None:
    def step(w: Any, x: Any, g: Any, places: Any) -> tuple[Any, Any]:
        return w - 0.1 * (x.T @ g), x[places]

    w, x, g = arrays("float64", (30, 40), (8, 30), (8, 40))
    compiled, state = gx.jit(step, donate=0), gx.Array(w)
    assert endings(compiled.version(w, x, g, np.arange(3)).executor.program) == 1
    with pytest.raises(gx.errors.ExecutionError, match="out of range"):
        compiled(state, x, g, np.array([1, 99, 2]))
    np.testing.assert_array_equal(state, w)
    np.testing.assert_allclose(compiled(state, x, g, np.arange(3))[0], w - 0.1 * (x.T @ g), rtol=1e-12)


def test_a_product_far_from_its_update_stays_where_its_operands_are() -> None:
    """Where operands are more bytes than the result, moving the product to a late update would read them again."""

    def f(w: Any, x: Any, g: Any) -> Any:
        product = x.T @ g
        for _ in range(3):
            x = gx.numpy.tanh(x @ w)
        return w - 0.1 * product, x

    w, x, g = arrays("float32", (30, 30), (500, 30), (500, 30))
    assert endings(program(f, w, x, g, donate=0)) == 0
    assert endings(program(f, w, x[:20], g[:20], donate=0)) == 1
