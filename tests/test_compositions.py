"""NumPy's functions that are composed of others: values against NumPy, derivatives, edges, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import generator, traced

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import InputError, ShapeError, TraceError
from graphcomp.run import interpret
from graphcomp.trace.functions import public

X = generator("compositions x").normal(size=(3, 4))
Y = generator("compositions y").normal(size=(2, 3))
CUBE = generator("compositions cube").normal(size=(2, 3, 4))
VECTOR = np.array([0.3, -1.2, 2.5])
POSITIVE = np.array([[1.0, 2.0, 10.0], [0.125, 1000.0, 3.0]])
HOLES = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
COUNTS = np.array([[3, -1, 2], [5, 0, -7]])
MASK = np.array([[True, False], [True, True]])

SMOOTH: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "logarithms": (lambda x: (np.log2(x), np.log10(x), np.exp2(x / 10)), (POSITIVE,)),
    "cube roots": (lambda x: np.cbrt(x), (X,)),
    "angles": (lambda x: (np.radians(x), np.deg2rad(x), np.degrees(x), np.rad2deg(x)), (X,)),
    "hypotenuse": (lambda x, y: (np.hypot(x, y[0, 0]), np.hypot(x[:2, :3], y)), (X, Y)),
    "logaddexp": (lambda x, y: (np.logaddexp(x, y[1, 2]), np.logaddexp(x[:2, :3], y)), (X, Y)),
    "peak to peak": (lambda x: (np.ptp(x), np.ptp(x, axis=0), np.ptp(x, axis=(0, 1), keepdims=True)), (X,)),
    "average": (
        lambda x: (
            np.average(x),
            np.average(x, axis=1),
            np.average(x, axis=1, weights=[1, 2, 3, 4]),
            np.average(x, axis=0, weights=x * x),
            np.average(x, weights=x * x + 1),
        ),
        (X,),
    ),
    "norms of vectors": (
        lambda x: tuple(np.linalg.norm(x[0], order) for order in (None, 1, 2, 3, 0.5, -1, np.inf, -np.inf)),
        (X,),
    ),
    "norms along an axis": (
        lambda x: (
            np.linalg.norm(x, axis=1),
            np.linalg.norm(x, 1, axis=-1, keepdims=True),
            np.linalg.norm(x, np.inf, 0),
            np.linalg.norm(x, keepdims=True),
        ),
        (CUBE,),
    ),
    "norms of matrices": (
        lambda x: (
            *(np.linalg.norm(x, order) for order in (None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)),
            np.linalg.norm(x[None], -2, axis=(0, 2)),
            np.linalg.norm(x[None], "nuc", axis=(2, 0), keepdims=True),
            np.linalg.norm(x[None], 1, axis=(1, 2)),
            np.linalg.norm(x[None], np.inf, axis=(-1, -2), keepdims=True),
            np.linalg.norm(x[None], axis=(0, 2)),
        ),
        (X,),
    ),
    "stacks": (
        lambda x, v: (
            np.vstack([x, v]),
            np.vstack([v, v]),
            np.hstack([x, x[:, :1]]),
            np.hstack([v, 1.0, v[0]]),
            np.column_stack([x, x[:, 0]]),
            np.append(x, v),
            np.append(x, [v], axis=0),
        ),
        (X, np.arange(4.0)),
    ),
    "stacks of one dtype": (lambda x: np.vstack([x, x], dtype="float32"), (X.astype("float32"),)),
    "tile": (lambda x: (np.tile(x, 2), np.tile(x, (3, 1)), np.tile(x, (2, 1, 2)), np.tile(x[0], (2, 2))), (X,)),
    "kron": (lambda x, y: (np.kron(x, y), np.kron(x[0], y), np.kron(y[:, 0], x), np.kron(x, 2.0)), (X, Y)),
    "flips": (lambda x: (np.fliplr(x), np.flipud(x)), (CUBE,)),
    "rolls": (lambda x: (np.roll(x, (1, -2), axis=(0, 1)), np.roll(x, 1, axis=(0, 2))), (CUBE,)),
    "repeats": (lambda x: np.repeat(x, 2), (X,)),
    "products": (lambda x, y: (np.vdot(x[:2, :3], y), np.cross(x[:, :3], y[0]), np.cross(x[0, 1:], x[1, 1:])), (X, Y)),
    "differences": (lambda x: (np.diff(x), np.diff(x, 2, axis=0), np.diff(x, n=0), np.diff(x, 5)), (X,)),
    "diagonals": (
        lambda x: (
            *(np.diagonal(x, k) for k in range(-4, 6)),
            np.diagonal(x[None], 1, 1, 2),
            np.diagonal(x[None], 0, -1, 0),
            np.diag(x, -1),
        ),
        (X,),
    ),
    "matrices from diagonals": (lambda v: (np.diag(v), np.diag(v, 2), np.diag(v, -1)), (VECTOR,)),
    "traces": (lambda x: (np.trace(x), np.trace(x, 1), np.trace(x[None], -1, 1, 2)), (X,)),
}
"""What has a derivative. Each case is compared with NumPy, in value and dtype, and its derivatives with numbers."""

OTHER: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "of integers": (
        lambda n: (
            *(np.log2(n * n + 1), np.exp2(n), np.cbrt(n), np.radians(n), np.hypot(n, 2), np.logaddexp(n, 1)),
            *(np.ptp(n, axis=1), np.average(n, axis=0), np.average(n, weights=n * n), np.linalg.norm(n)),
            *(np.linalg.norm(n, 1), np.nansum(n), np.nanmean(n), np.diff(n), np.trace(n), np.kron(n, n)),
        ),
        (COUNTS,),
    ),
    "of narrow integers": (
        lambda n: (np.trace(n), np.diff(n), np.diagonal(n), np.tile(n, 2)),
        (COUNTS.astype("int8"),),
    ),
    "of booleans": (lambda m: (np.diff(m), np.trace(m), np.count_nonzero(m), np.diag(m), np.average(m)), (MASK,)),
    "counts": (
        lambda x: (
            np.count_nonzero(x > 0),
            np.count_nonzero(x > 0, axis=0),
            np.count_nonzero(x, axis=1, keepdims=True),
            np.linalg.norm(x[0] * (x[0] > 0), 0),
        ),
        (X,),
    ),
    "sorts of any kind": (
        lambda n: (np.sort(n, axis=None), np.argsort(n, axis=1, kind="stable"), np.sort(n, stable=True)),
        (COUNTS,),
    ),
    "with nan": (
        lambda x: (np.nansum(x), np.nansum(x, axis=0), np.nanmean(x), np.nanmean(x, axis=1, keepdims=True)),
        (HOLES,),
    ),
    "at the edges": (
        lambda x, y: (np.hypot(x, y), np.logaddexp(x, y)),
        tuple(np.array(np.meshgrid(*[[0.0, 3e200, 4e-200, np.inf, -np.inf, np.nan]] * 2)).reshape(2, -1)),
    ),
    "roots at the edges": (lambda x: (np.cbrt(x), np.log2(x)), (np.array([0.0, 8.0, -8.0, np.inf, -np.inf, np.nan]),)),
    "single precision": (
        lambda x: (np.log2(x), np.cbrt(x), np.hypot(x, x), np.linalg.norm(x), np.average(x), np.degrees(x)),
        (POSITIVE.astype("float32"),),
    ),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of means of nothing
@pytest.mark.parametrize("case", [*SMOOTH, *OTHER])
def test_values_are_those_of_numpy(case: str) -> None:
    f, arguments = (SMOOTH | OTHER)[case]
    single = any(np.asarray(argument).dtype == "float32" for argument in arguments)
    traced(f, *arguments, rtol=1e-6 if single else 1e-13)


@pytest.mark.parametrize("case", [case for case in SMOOTH if case != "stacks of one dtype"])
def test_derivatives_agree_with_numerical_ones(case: str) -> None:
    f, arguments = SMOOTH[case]
    report = gx.check_grads(f, arguments, order=2)
    assert report.ok, report


@pytest.mark.parametrize("case", ["hypotenuse", "norms along an axis", "tile", "kron", "diagonals", "differences"])
def test_compiled_as_interpreted(case: str) -> None:
    f, arguments = SMOOTH[case]
    for found, wanted in zip(gx.jit(f)(*arguments), f(*arguments)):
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_derivatives_at_zero_are_zero() -> None:
    zero = np.zeros(3)
    for order in (None, 2, 3):
        np.testing.assert_array_equal(gx.grad(lambda x: np.linalg.norm(x, order))(zero), zero)  # noqa: B023
    assert gx.grad(np.hypot, (0, 1))(0.0, 0.0) == (0, 0)
    np.testing.assert_allclose(gx.grad(np.hypot, (0, 1))(3e200, -4e200), (0.6, -0.8), rtol=1e-15)


def test_nan_has_no_part_in_the_derivative() -> None:
    np.testing.assert_array_equal(gx.grad(lambda x: np.nansum(x * x))(HOLES[0]), [2, 0, 6])
    np.testing.assert_array_equal(gx.jit(gx.grad(np.nanmean))(HOLES[0]), [0.5, 0, 0.5])


def test_logaddexp_shares_its_derivative() -> None:
    assert gx.grad(np.logaddexp, (0, 1))(700.0, 700.0) == (0.5, 0.5)


NAMED: dict[str, Callable[..., Any]] = {
    "norm": lambda x: np.linalg.norm(x, axis=0),
    "average": lambda x: np.average(x, axis=0, weights=x[:, 0] ** 2),
    "stacks": lambda x: (np.vstack([x, x[0]]), np.hstack([x, x]), np.column_stack([x, x[:, 0]])),
    "tile": lambda x: (np.tile(x, 3), np.tile(x, (2, 1))),
    "kron": lambda x: np.kron(x, x),
    "diff": lambda x: np.diff(x, axis=0),
    "counts": lambda x: (np.count_nonzero(x > 0, axis=0), np.nanmean(x, axis=0), np.ptp(x, axis=0)),
    "diagonal matrix": lambda x: np.diag(x[:, 0]),
}


@pytest.mark.parametrize("case", NAMED)
def test_named_sizes(case: str) -> None:
    f = NAMED[case]
    graph = gx.trace(f, gx.spec(("B", 4)))
    for size in (2, 5):
        x = generator(case, size).normal(size=(size, 4))
        expected = f(x)
        for found, wanted in zip(interpret(graph, [x]), expected if isinstance(expected, tuple) else [expected]):
            np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_the_names_stand_in_the_own_numpy_too() -> None:
    assert gnp.linalg.norm([3.0, 4.0]) == 5
    assert gnp.trace(gnp.tile(np.eye(2), (1, 1))) == 2
    assert gx.trace("log10(x) + exp2(y) + cbrt(x)").names.keys() >= {"x", "y"}


def test_numpy_names_are_told_apart_by_their_modules() -> None:
    """`numpy.linalg.trace` is over the last two axes, `numpy.trace` over the first two."""
    with pytest.raises(TraceError, match=r"np.linalg.trace cannot be traced"):
        gx.trace(lambda x: np.linalg.trace(x), CUBE)


REFUSED: list[tuple[Callable[..., Any], type[Exception], str]] = [
    (lambda x: np.linalg.norm(x, 3), InputError, "'fro', 'nuc', 1, -1, 2, -2, inf and -inf, not 3"),
    (lambda x: np.linalg.norm(x[None], 1), InputError, "one axis or two"),
    (lambda x: np.linalg.norm(x[0], "fro"), InputError, "one axis or two"),
    (lambda x: np.linalg.norm(x, axis=2), ShapeError, "axis 2 is out of range"),
    (lambda x: np.average(x, weights=x[0]), ShapeError, "say along which axis"),
    (lambda x: np.average(x, axis=0, weights=x[0]), ShapeError, "do not broadcast"),
    (lambda x: np.cross(x, x), ShapeError, "three entries"),
    (lambda x: np.diff(x, -1), InputError, "n ≥ 0, not -1"),
    (lambda x: np.diff(x, prepend=0), TraceError, "np.diff .*'prepend'"),
    (lambda x: np.diagonal(x[0]), ShapeError, "along two axes"),
    (lambda x: np.diag(x[None]), ShapeError, "a vector or a matrix"),
    (lambda x: np.concatenate([x, x], dtype="float32"), TraceError, "np.concatenate .*'dtype'"),
]


@pytest.mark.parametrize(("f", "error", "words"), REFUSED)
def test_what_is_refused(f: Callable[..., Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        gx.trace(f, X)


def test_a_diagonal_of_a_named_size_is_refused() -> None:
    with pytest.raises(TraceError, match="known while tracing, not B × B"):
        gx.trace(lambda x: np.trace(x), gx.spec(("B", "B")))


def test_a_name_has_one_function() -> None:
    """A composition of a record's name would hide the record."""
    with pytest.raises(InputError, match="there is a function `hypot` already"):

        @public
        def hypot(x, y):  # type: ignore[no-untyped-def]
            return x + y

    assert "hypot(" in str(gx.trace(np.hypot, 3.0, 4.0))


def test_a_root_of_two_squares_is_one_step_of_a_story() -> None:
    graph = gx.trace("z = hypot(x, y)")
    assert [node.op for node in graph.nodes()] == ["input", "input", "hypot"]
    value, (dx, dy) = gx.jit(gx.value_and_grad(np.hypot, (0, 1)))(3.0, 4.0)
    assert (float(value), float(dx), float(dy)) == (5.0, 0.6, 0.8)
    assert [float(d) for d in gx.grad(np.hypot, (0, 1))(0.0, 0.0)] == [0.0, 0.0]
