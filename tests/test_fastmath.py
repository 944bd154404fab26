"""Looser mathematics, for those who ask for it."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.nn import sigmoid

X, Y = (np.random.default_rng(seed).normal(size=1000).astype("float32") for seed in (0, 1))


def test_products_and_sums_are_fused_only_when_asked_for() -> None:
    """What rounding takes off a product, which a fused operation keeps."""

    def lost(x: Any, y: Any, product: Any) -> Any:
        return x * y - product

    exact = X.astype("float64") * Y - X * Y
    np.testing.assert_array_equal(gx.jit(lost)(X, Y, X * Y), 0)
    np.testing.assert_allclose(gx.jit(lost, fastmath=True)(X, Y, X * Y), exact, rtol=1e-6)


@pytest.mark.parametrize(
    "function, exact, bound",
    [
        (np.tanh, np.tanh, 6.0),
        (sigmoid, lambda x: 1 / (1 + np.exp(-x)), 3.0),
        (np.exp, np.exp, 2.0),
        (np.log, np.log, 2.0),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accuracy(function: Callable[..., Any], exact: Callable[..., Any], bound: float, dtype: str) -> None:
    """In units in the last place."""
    x = np.concatenate([np.linspace(-80, 80, 20_000), np.linspace(-1.1, 1.1, 20_000)]).astype(dtype)
    x = np.abs(x[x != 0]) if function is np.log else x
    found = np.asarray(gx.jit(lambda x: function(x), fastmath=True)(x))
    wanted = exact(x.astype("longdouble"))
    unit = np.spacing(np.abs(wanted).astype(dtype)).astype("longdouble")
    assert float(np.max(np.abs(found - wanted) / unit)) < bound


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_keep_their_meaning(dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 100.0, -100.0], dtype)
    for function in (np.tanh, sigmoid, np.exp, lambda x: gnp.where(x > 0, -x, x - x), lambda x: x / (x - 100)):
        with np.errstate(all="ignore"):
            wanted = np.asarray(gx.jit(function)(x))
        np.testing.assert_allclose(gx.jit(function, fastmath=True)(x), wanted, rtol=1e-6, atol=1e-38)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other processors have no such setting")
def test_tiny_numbers_are_zero_only_inside(threads: int) -> None:
    """In all threads of the team; afterwards NumPy's arithmetic is as before."""
    x = np.full(200_000, 1e-30, "float32")
    small = np.float32(1e-10)
    np.testing.assert_array_equal(gx.jit(lambda x: x * small, threads=threads)(x), x * small)
    loose = gx.jit(lambda x: np.exp(x) * x * small, fastmath=True, threads=threads)
    for _ in range(3):
        np.testing.assert_array_equal(loose(x), 0)
        assert (x * small > 0).all()
    exact = gx.jit(lambda x: np.exp(x) * x * small, threads=threads)
    assert (np.asarray(exact(x)) > 0).all()  # the workers' arithmetic too


def test_attention_with_a_mask() -> None:
    scores = np.random.default_rng(2).normal(size=(8, 8)).astype("float32")
    mask = np.tril(np.ones((8, 8), bool))

    def weights(scores: Any) -> Any:
        return gx.nn.softmax(gnp.where(mask, scores, -np.inf))

    found = np.asarray(gx.jit(weights, fastmath=True)(scores))
    assert (found[~mask] == 0).all()
    np.testing.assert_allclose(found, gx.jit(weights)(scores), rtol=1e-5)


def test_a_gradient_is_nearly_the_same() -> None:
    weights = np.random.default_rng(3).normal(size=(40, 30)).astype("float32")
    x = np.random.default_rng(4).normal(size=(20, 40)).astype("float32")
    loss = gx.grad(lambda w: gnp.mean(np.tanh(x @ w) * sigmoid(x @ w)))
    exact, fast = (np.asarray(gx.jit(loss, fastmath=choice)(weights)) for choice in (False, True))
    assert 0 < np.linalg.norm(fast - exact) < 1e-5 * np.linalg.norm(exact)


def test_the_text_says_so_and_the_default_does_not() -> None:
    """The default's text is compared with a file in tests/golden."""
    texts = [gx.jit(lambda x: np.tanh(x), fastmath=choice).stages(X).source for choice in (False, True)]
    assert ["fast_mathematics" in text for text in texts] == [False, True]
    report = gx.jit(lambda x: np.tanh(x), fastmath=True).report(X)
    assert len(report.kernels) == 1


def test_what_is_small_but_normal_is_kept() -> None:
    """No step on the way to a tangent that is as small as its argument may be smaller than that."""
    x = np.concatenate([10.0 ** np.arange(-37, -3), -(10.0 ** np.arange(-37, -3))]).astype("float32")
    np.testing.assert_allclose(gx.jit(lambda x: np.tanh(x), fastmath=True)(x), np.tanh(x), rtol=6e-7)
