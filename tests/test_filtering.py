"""Sums over short windows with fewer products: against the same sums as they stand, for random shapes and tails."""

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn
from graphcomp import numpy as gnp
from graphcomp.run import blas
from graphcomp.run.interpreter import interpret
from graphcomp.schedule import Program, schedule
from graphcomp.schedule.program import LoopKernel, ProductKernel, leaves
from graphcomp.simplify import filtering, simplify
from graphcomp.simplify.filtering import PRODUCTS, matrices
from graphcomp.trace.tree import flatten

RULES = {"sums over short windows", "windows added up"}


def values_of(tree: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in flatten(tree)[0]]


def rules_of(function: Any, *arguments: Any) -> set[str]:
    return {rewrite.rule for rewrite in simplify(gx.trace(function, *arguments)).history}


def program_of(function: Any, *arguments: Any) -> Program:
    return schedule(simplify(gx.trace(function, *arguments)).graph)


def convolution(x: Any, weight: Any, padding: int = 0) -> Any:
    layer = nn.Conv2d(weight, None, padding=padding)
    return layer(x)


def loss(x: Any, weight: Any, padding: int) -> Any:
    y = convolution(x, weight, padding)
    return gnp.sum(np.sin(y) * gnp.arange(y.size, dtype=y.dtype).reshape(y.shape)) / y.size


@pytest.fixture
def always(monkeypatch: Any) -> None:
    """Tiles are taken even where little is saved."""
    monkeypatch.setattr(filtering, "WORTH", 0)
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)


@pytest.mark.parametrize("window", range(2, PRODUCTS))
def test_a_tile_takes_six_products(window: int) -> None:
    a, g, b = matrices(window)
    rng = np.random.default_rng(window)
    x, w = rng.standard_normal(PRODUCTS), rng.standard_normal(window)
    wanted = [w @ x[place : place + window] for place in range(PRODUCTS + 1 - window)]
    np.testing.assert_allclose(a @ ((g @ w) * (b @ x)), wanted, rtol=1e-13, atol=1e-14)
    assert np.array_equal(b, np.round(b)) and abs(b).max() <= 5  # small whole numbers: they round nothing off


@pytest.mark.parametrize("seed", range(12))
def test_any_convolution_and_its_gradients(seed: int, always: None) -> None:
    """Windows of two to five entries and of one to three, tails of every length, batches and rows that fill vectors."""
    rng = np.random.default_rng(seed)
    window = (int(rng.integers(2, 6)), int(rng.integers(1, 4)))
    padding = int(rng.integers(0, window[0]))
    width = int(rng.choice([8, 16, 30, 32, 33]))
    shape = (int(rng.choice([1, 3, 16, 32])), int(rng.integers(1, 5)), int(rng.integers(7, 20)), width)
    x, weight = rng.standard_normal(shape), rng.standard_normal((int(rng.integers(1, 9)), shape[1], *window))
    step = gx.value_and_grad(lambda x, weight: loss(x, weight, padding), (0, 1))
    traced = gx.trace(step, x, weight)
    result = simplify(traced)
    assert "sums over short windows" in {rewrite.rule for rewrite in result.history}
    wanted = interpret(traced, [x, weight])
    for value, expected in zip(interpret(result.graph, [x, weight]), wanted, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-11)
    for threads in (1, 2, 3, 5):
        compiled = gx.jit(step, threads=threads)
        first = values_of(compiled(x, weight))
        for value, expected in zip(first, wanted, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-10, atol=1e-11)
        assert [each.tobytes() for each in values_of(compiled(x, weight))] == [each.tobytes() for each in first]


@pytest.mark.parametrize("batch", [1, 32])
def test_the_rounding_errors(batch: int) -> None:
    """Of a layer of 64 channels, in units of its norm: a few times those of the sums as they stand, far below 1e-6."""
    rng = np.random.default_rng(batch)
    x = np.maximum(rng.standard_normal((batch, 64, 8, 32)), 0).astype("float32")
    weight = (rng.standard_normal((64, 64, 3, 3)) / 17).astype("float32")
    step = gx.value_and_grad(lambda x, weight: loss(x, weight, 1), (0, 1))
    assert rules_of(step, x, weight) >= RULES
    precise = [x.astype("float64"), weight.astype("float64")]
    wanted = interpret(gx.trace(step, *precise), precise)
    for value, expected in zip(values_of(gx.jit(step)(x, weight))[1:], wanted[1:], strict=True):
        assert np.linalg.norm(value - expected) < 1e-6 * np.linalg.norm(expected)


def test_what_is_not_finite_stays_so(always: None) -> None:
    """A number that is not finite makes its tile not finite, and no other one."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((3, 2, 3, 3))
    for special in (np.inf, -np.inf, np.nan):
        x = rng.standard_normal((1, 2, 14, 32))
        x[0, 1, 5, 7] = special
        found = values_of(gx.jit(convolution)(x, weight))[0]
        (wanted,) = interpret(gx.trace(convolution, x, weight), [x, weight])
        assert not np.isfinite(found[~np.isfinite(wanted)]).any()
        rows, columns = (np.flatnonzero(~np.isfinite(found).all(axis=axes)) for axes in ((0, 1, 3), (0, 1, 2)))
        assert {3, 4, 5} <= set(rows) <= set(range(8)) and columns.tolist() == [5, 6, 7]
        np.testing.assert_allclose(found[:, :, 8:], wanted[:, :, 8:], rtol=1e-11)


@pytest.mark.parametrize(
    "shape, window, options",
    [
        ((8, 6, 20, 32), (3, 3), {}),  # too few channels: what is between would take longer than what is saved
        ((8, 64, 20, 32), (3, 3), {"stride": (2, 1)}),
        ((8, 64, 20, 32), (3, 3), {"dilation": (2, 1)}),
        ((8, 64, 20, 32), (1, 3), {}),  # the last axis runs along memory
        ((8, 64, 20, 32), (6, 3), {}),
    ],
)
def test_other_sums_stay_as_they_are(shape: tuple[int, ...], window: tuple[int, int], options: Any) -> None:
    layer = nn.Conv2d.create(shape[1], shape[1], window, key=0, bias=False, **options)
    step = gx.grad(lambda layer, x: gnp.sum(np.sin(layer(x))), (0, 1))
    assert not rules_of(step, layer, np.ones(shape, "float32")) & RULES


def test_inside_of_a_loop_there_are_no_arrays(always: None) -> None:
    """Graphs inside others take arrays as inputs, so sums stay as they are there."""
    x, weight = np.ones((2, 3, 12, 32)), np.ones((3, 3, 3, 3)) / 9

    def steps(x: Any, weight: Any) -> Any:
        return gx.scan(lambda state, _: (np.tanh(convolution(state, weight, 1)), None), x, None, length=3)[0]

    assert not rules_of(steps, x, weight) & RULES
    np.testing.assert_allclose(gx.jit(steps)(x, weight), interpret(gx.trace(steps, x, weight), [x, weight])[0])


def test_points_are_outside_of_the_channels_of_a_gradient() -> None:
    """All channels of a point are summed while what belongs to the point is in the cache."""
    x, weight = np.ones((32, 64, 34, 34), "float32"), np.ones((64, 64, 3, 3), "float32")
    program = program_of(gx.grad(lambda weight, x: gnp.sum(np.sin(convolution(x, weight))), 0), weight, x)
    (product,) = (k for k in leaves(program.kernels) if isinstance(k, ProductKernel) and k.along_inner)
    assert product.batch[-2:] == (PRODUCTS, 64)


# products with small matrices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_a_small_known_matrix_is_written_out(seed: int) -> None:
    """Zeros, ones and negative numbers, rows of nothing else; the values computed, stored, moved or padded."""
    rng = np.random.default_rng(seed)
    rows, inner = (int(n) for n in rng.integers(1, 7, 2))
    matrix = rng.choice([0.0, 1.0, -1.0, 2.5, -0.75], (rows, inner)).astype(str(rng.choice(["float32", "float64"])))
    x = rng.standard_normal((3, inner, int(rng.integers(2, 40)))).astype(matrix.dtype)
    known = ("ei,nic->nec", "ei,nic->enc")[seed % 2]

    def combine(x: Any) -> Any:
        return gnp.einsum(known, matrix, gnp.pad(np.tanh(x), ((0, 0), (0, 0), (1, 2))))

    program = program_of(combine, x)
    assert not any(isinstance(kernel, ProductKernel) for kernel in program.kernels)
    padded = np.pad(np.tanh(x.astype("float64")), ((0, 0), (0, 0), (1, 2)))
    wanted = np.einsum(known, matrix.astype("float64"), padded)
    for threads in (1, 3):
        found = np.asarray(gx.jit(combine, threads=threads)(x))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 if matrix.dtype == "float32" else 1e-13)


def test_a_matrix_along_memory_is_a_product() -> None:
    """Rows that run along memory are columns of a product: writing them out would step through memory."""
    matrix = np.ones((4, 6), "float32")
    program = program_of(lambda x: gnp.einsum("ei,ni->ne", matrix, x), np.ones((50, 6), "float32"))
    assert sum(isinstance(kernel, ProductKernel) for kernel in program.kernels) == 1
    program = program_of(lambda x: gnp.einsum("ei,in->en", matrix, x), np.ones((6, 50), "float32"))
    assert all(isinstance(kernel, LoopKernel) for kernel in program.kernels)
