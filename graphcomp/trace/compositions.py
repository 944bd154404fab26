"""More of NumPy's functions, each composed of those in `functions.py`.

Where the plain formula would overflow, or has no derivative at zero, the composition is written so that it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InputError, ShapeError, TraceError
from . import functions as gnp
from .functions import FUNCTIONS, Axis, public
from .linear_algebra import svdvals
from .tracer import broadcast_to, convert, result_dtype, type_of


def _floating(x: Any) -> Any:
    """x in the dtype in which NumPy takes its roots and means."""
    x = gnp.asarray(x)
    return convert(x, result_dtype((x,), at_least_float=True))


def _at_least(x: Any, rank: int) -> Any:
    """x with axes of size 1 put in front until it has `rank` of them."""
    x = gnp.asarray(x)
    return gnp.reshape(x, (*(1,) * (rank - x.ndim), *x.shape))


# numbers -------------------------------------------------------------------------------------------------------------


@public
def radians(x: Any) -> Any:
    return gnp.multiply(x, math.pi / 180)


@public
def degrees(x: Any) -> Any:
    return gnp.multiply(x, 180 / math.pi)


deg2rad = FUNCTIONS["deg2rad"] = radians
rad2deg = FUNCTIONS["rad2deg"] = degrees


def _root(total: Any, order: float) -> Any:
    """total^(1/order) of a sum that is not negative, with the derivative zero at zero."""
    nothing = gnp.equal(total, 0)
    something = gnp.where(nothing, 1.0, total)
    return gnp.where(nothing, 0.0, gnp.sqrt(something) if order == 2 else gnp.power(something, 1 / order))


# reductions ----------------------------------------------------------------------------------------------------------


@public
def ptp(x: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    """Peak to peak: the largest entry less the smallest."""
    return gnp.subtract(gnp.max(x, axis, keepdims=keepdims), gnp.min(x, axis, keepdims=keepdims))


@public
def count_nonzero(x: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    return gnp.sum(convert(gnp.not_equal(x, 0), "int64"), axis, keepdims=keepdims)


@public
def average(x: Any, axis: int | None = None, weights: Any = None) -> Any:
    """Σ wᵢxᵢ / Σ wᵢ. Weights have x's shape, or are a vector with one for each place along `axis`."""
    x = _floating(x)
    if weights is None:
        return gnp.mean(x, axis)
    weights = gnp.asarray(weights)
    if axis is None and weights.shape != x.shape:
        raise ShapeError(f"the weights {type_of(weights)} are not of the shape of {type_of(x)}; say along which axis.")
    if axis is None:
        return gnp.divide(gnp.sum(gnp.multiply(x, weights)), gnp.sum(weights))
    weights = weights if weights.ndim == 1 else gnp.moveaxis(weights, axis, -1)
    return gnp.divide(gnp.sum(gnp.multiply(gnp.moveaxis(x, axis, -1), weights), -1), gnp.sum(weights, -1))


@public
def nansum(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """The sum of the entries that are not NaN."""
    return gnp.sum(gnp.where(gnp.isnan(x), gnp.zeros_like(x), x), axis, dtype, keepdims=keepdims)


@public
def nanmean(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    """The mean of the entries that are not NaN; NaN where there is none."""
    x = _floating(x) if dtype is None else convert(gnp.asarray(x), dtype)
    count = gnp.sum(convert(gnp.equal(x, x), x.dtype), axis, keepdims=keepdims)
    return gnp.divide(nansum(x, axis, keepdims=keepdims), count)


def norm(x: Any, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """`numpy.linalg.norm`: of a vector of any order; of a matrix "fro", "nuc", 1, -1, 2, -2, inf and -inf.

    The derivative at zero is zero, but for the matrix norms made of singular values ("nuc", 2 and -2): see `svd`.
    """
    x = _floating(x)
    if axis is None and ord is None:
        return _root(gnp.sum(gnp.square(x), keepdims=keepdims), 2)
    axes = tuple(range(x.ndim)) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector_norm(x, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise InputError(f"norm takes one axis or two, not {axes}, and the order {ord!r} for {type_of(x)}.")
    return _matrix_norm(x, ord, axes[0], axes[1], keepdims)


FUNCTIONS["linalg.norm"] = norm


def _vector_norm(x: Any, order: float, axis: int, keepdims: bool) -> Any:
    size = gnp.absolute(x)
    if math.isinf(order):
        return (gnp.max if order > 0 else gnp.min)(size, axis, keepdims=keepdims)
    if order == 0:
        return convert(count_nonzero(x, axis, keepdims=keepdims), x.dtype)
    if order == 1:
        return gnp.sum(size, axis, keepdims=keepdims)
    powers = gnp.square(x) if order == 2 else gnp.power(size, order)
    return _root(gnp.sum(powers, axis, keepdims=keepdims), order)


def _matrix_norm(x: Any, order: float | str | None, rows: int, columns: int, keepdims: bool) -> Any:
    if order in (None, "fro"):
        return _root(gnp.sum(gnp.square(x), (rows, columns), keepdims=keepdims), 2)
    if order in (2, -2, "nuc"):
        values = svdvals(gnp.moveaxis(x, (rows, columns), (-2, -1)))
        found = gnp.sum(values, -1) if order == "nuc" else values[..., 0 if order == 2 else -1]
        return gnp.expand_dims(found, sorted((rows % x.ndim, columns % x.ndim))) if keepdims else found
    if order not in (1, -1, math.inf, -math.inf):
        raise InputError(f"a matrix has the norms 'fro', 'nuc', 1, -1, 2, -2, inf and -inf, not {order!r}.")
    inner, outer = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = gnp.sum(gnp.absolute(x), inner, keepdims=True)
    extreme = (gnp.max if order > 0 else gnp.min)(sums, outer, keepdims=True)
    return extreme if keepdims else gnp.squeeze(extreme, (rows, columns))


# joining and repeating -----------------------------------------------------------------------------------------------


def _join(arrays: Sequence[Any], axis: int, dtype: Any) -> Any:
    return gnp.concatenate([x if dtype is None else convert(x, dtype) for x in arrays], axis)


@public
def vstack(arrays: Sequence[Any], *, dtype: Any = None) -> Any:
    """Joined along the first axis; a vector is a row."""
    return _join([_at_least(x, 2) for x in arrays], 0, dtype)


@public
def hstack(arrays: Sequence[Any], *, dtype: Any = None) -> Any:
    """Joined along the second axis, vectors along their only one."""
    arrays = [_at_least(x, 1) for x in arrays]
    return _join(arrays, 1 if arrays and arrays[0].ndim > 1 else 0, dtype)


@public
def column_stack(arrays: Sequence[Any]) -> Any:
    """Joined along the second axis; a vector is a column."""
    arrays = [_at_least(x, 1) for x in arrays]
    return _join([x[:, None] if x.ndim == 1 else x for x in arrays], 1, None)


@public
def append(x: Any, values: Any, axis: int | None = None) -> Any:
    return gnp.concatenate([x, values], axis)


@public
def tile(x: Any, reps: int | Sequence[int]) -> Any:
    """x, laid side by side `reps` times along each of its last axes."""
    repeats = tuple(reps) if isinstance(reps, Sequence) else (reps,)
    x = _at_least(x, len(repeats))
    repeats = (*(1,) * (x.ndim - len(repeats)), *repeats)
    parted = gnp.reshape(x, tuple(part for size in x.shape for part in (1, size)))
    wide = broadcast_to(parted, tuple(part for pair in zip(repeats, x.shape) for part in pair))
    return gnp.reshape(wide, tuple(count * size for count, size in zip(repeats, x.shape)))


@public
def kron(x: Any, y: Any) -> Any:
    """Kronecker's product: y, scaled by each entry of x in turn."""
    rank = max(gnp.asarray(x).ndim, gnp.asarray(y).ndim)
    x, y = _at_least(x, rank), _at_least(y, rank)
    left = gnp.reshape(x, tuple(part for size in x.shape for part in (size, 1)))
    right = gnp.reshape(y, tuple(part for size in y.shape for part in (1, size)))
    return gnp.reshape(gnp.multiply(left, right), tuple(m * n for m, n in zip(x.shape, y.shape)))


@public
def fliplr(x: Any) -> Any:
    return gnp.flip(x, 1)


@public
def flipud(x: Any) -> Any:
    return gnp.flip(x, 0)


# products, differences and diagonals ---------------------------------------------------------------------------------


@public
def vdot(x: Any, y: Any) -> Any:
    """The inner product of all entries."""
    return gnp.dot(gnp.ravel(x), gnp.ravel(y))


@public
def cross(x: Any, y: Any) -> Any:
    """The vector product of the last axes, which hold three entries."""
    x, y = gnp.asarray(x), gnp.asarray(y)
    if not x.ndim or not y.ndim or x.shape[-1] != 3 or y.shape[-1] != 3:
        raise ShapeError(f"cross takes vectors of three entries, not {type_of(x)} and {type_of(y)}.")
    turned = [(gnp.roll(v, -1, -1), gnp.roll(v, -2, -1)) for v in (x, y)]
    (x1, x2), (y1, y2) = turned
    return gnp.subtract(gnp.multiply(x1, y2), gnp.multiply(x2, y1))


@public
def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Each entry less the one before it, `n` times over; of booleans, whether they differ."""
    if n < 0:
        raise InputError(f"diff takes n ≥ 0, not {n}.")
    x = gnp.swapaxes(gnp.asarray(x), axis, -1)
    less: Callable[..., Any] = gnp.not_equal if x.dtype == "bool" else gnp.subtract
    for _ in range(n):
        x = less(x[..., 1:], x[..., :-1])
    return gnp.swapaxes(x, axis, -1)


@public
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries [i, i + offset] of two axes, as a new last axis. The two sizes must be known while tracing."""
    x = gnp.asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"a diagonal runs along two axes, which {type_of(x)} does not have.")
    x = gnp.moveaxis(x, (axis1, axis2), (-2, -1))
    *leading, rows, columns = x.shape
    if not isinstance(rows, int) or not isinstance(columns, int):
        raise TraceError(f"a diagonal needs sizes that are known while tracing, not {rows} × {columns}.")
    x = x[..., max(-offset, 0) :, max(offset, 0) :]
    size = min(x.shape[-2:])
    return gnp.reshape(x[..., :size, :size], (*leading, size * size))[..., :: size + 1]


@public
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum of a diagonal."""
    return gnp.sum(diagonal(x, offset, axis1, axis2), -1, dtype)


@public
def diag(x: Any, k: int = 0) -> Any:
    """The k-th diagonal of a matrix; or the matrix with a vector on its k-th diagonal and zeros elsewhere."""
    x = gnp.asarray(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag takes a vector or a matrix, not {type_of(x)}.")
    entries = gnp.pad(x, (0, abs(k)))
    wide = broadcast_to(entries[:, None] if k >= 0 else entries, (*entries.shape, *entries.shape))
    placed = gnp.equal(gnp.positions_like(wide, 0) + k, gnp.positions_like(wide, 1))
    return gnp.where(placed, wide, gnp.zeros_like(wide))
