"""Linear algebra over the last two axes: factorisations, solving, eigenvalues and singular values.

Leading axes are a batch. A matrix that cannot be factorised gives NaN, because a compiled program cannot stop halfway.

The forward rules are those of Giles, "An extended collection of matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008); that of the thin singular value decomposition with more rows than columns is in
Townsend, "Differentiating the singular value decomposition" (2016). Reverse mode is their transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from ..errors import DTypeError, ShapeError
from ..graph import Dimension, Graph, Node, TensorType, TupleType
from ..graph.types import FLOATS, dimension, equal
from .batching import last_axes, spread_all
from .builder import Builder
from .index import at_least
from .products import swap_last
from .record import LinearCall, Special, Tangents, register

TIE = 16
"""Eigenvalues this many units of rounding apart, or fewer, count as equal: their difference has no digits."""

SIGN_SHARE = 0.9
"""An eigenvector is signed by its first entry that is at least this share of its largest one."""


# shapes --------------------------------------------------------------------------------------------------------------


def _require_square(graph: Graph, name: str, a: TensorType) -> None:
    reason = f"{name} takes square matrices"
    if a.rank < 2 or graph.require_equal(a.shape[-2], a.shape[-1], reason) is False:
        raise ShapeError(f"{reason}, [..., n, n], not {a}.")


def _require_fit(graph: Graph, name: str, a: TensorType, b: TensorType) -> None:
    """`b` has as many rows as `a`, and the same leading axes."""
    reason = f"{name} takes a right-hand side [..., n, k] for a matrix [..., n, n]"
    fits = a.rank == b.rank and a.dtype == b.dtype
    for left, right in zip(a.shape[:-1], b.shape[:-1]):
        fits = fits and graph.require_equal(left, right, reason) is not False
    if not fits:
        raise ShapeError(f"{reason}, of one dtype, not {a} and {b}.")


def smaller(rows: Dimension, columns: Dimension) -> Dimension:
    """The smaller of two sizes, where that is the same one for all values of the named sizes."""
    if at_least(columns - rows, 0):
        return rows
    if at_least(rows - columns, 0):
        return columns
    raise ShapeError(
        f"the singular values of a matrix of {rows} × {columns}: name the sizes so that it is known which is smaller."
    )


# parts of matrices, in ops -------------------------------------------------------------------------------------------


def _positions(b: Builder, x: int) -> tuple[int, int]:
    """The row and the column of each entry."""
    type = b.type(x)
    rows, columns = (b.iota(shape=type.shape, axis=type.rank - back, dtype="int64") for back in (2, 1))
    return rows, columns


def triangle(b: Builder, x: int, lower: bool, diagonal: bool = True) -> int:
    """The matrices with zeros on the other side of the diagonal, and on it if not `diagonal`."""
    rows, columns = _positions(b, x)
    larger, other = (rows, columns) if lower else (columns, rows)
    return b.mask((b.greater_equal if diagonal else b.greater)(larger, other), x)


def mirrored(b: Builder, x: int) -> int:
    """The symmetric matrices that have the lower triangles of these."""
    return b.where(b.greater_equal(*_positions(b, x)), x, swap_last(b, x))


def diagonal(b: Builder, x: int) -> int:
    """[..., n, n] to [..., n]."""
    return b.sum(b.mask(b.equal(*_positions(b, x)), x), axes=(b.type(x).rank - 1,))


def identity_like(b: Builder, x: int) -> int:
    return b.convert(b.equal(*_positions(b, x)), dtype=b.type(x).dtype)


def along_rows(b: Builder, values: int, rows: Dimension) -> int:
    """A vector repeated as each row of a matrix: [..., n] to [..., rows, n]."""
    *lead, size = b.type(values).shape
    return b.broadcast(b.reshape(values, shape=(*lead, 1, size)), shape=(*lead, rows, size))


def along_columns(b: Builder, values: int, columns: Dimension) -> int:
    """A vector repeated as each column of a matrix: [..., n] to [..., n, columns]."""
    shape = b.type(values).shape
    return b.broadcast(b.reshape(values, shape=(*shape, 1)), shape=(*shape, columns))


# reference values ----------------------------------------------------------------------------------------------------


def failing_as_nan(function: Callable[..., Any], a: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """`function(a, *others)`, a tuple of arrays, with NaN for each matrix of the batch that it fails on."""
    try:
        return function(a, *others)
    except np.linalg.LinAlgError:
        pass
    if a.ndim == 2:
        shaped = function(np.eye(*a.shape, dtype=a.dtype), *others)
        return tuple(np.full_like(part, np.nan) for part in shaped)
    parts = [failing_as_nan(function, *rows) for rows in zip(a, *others)]
    return tuple(np.stack(column) for column in zip(*parts))


def one_by_one(function: Callable[..., Any], *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """A function of matrices applied over the leading axes, of which there is none or no one is empty."""
    if arrays[0].ndim == 2:
        return function(*arrays)
    parts = [one_by_one(function, *rows) for rows in zip(*arrays)]
    return tuple(np.stack(column) for column in zip(*parts))


def _finite(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrices with identities for those that are not finite, and which are finite."""
    finite = np.isfinite(a).all((-2, -1))[..., None, None]
    return np.where(finite, a, np.eye(*a.shape[-2:], dtype=a.dtype)), finite


def signs(vectors: np.ndarray) -> np.ndarray:
    """1 or -1 for each column: the sign of its first entry that is nearly as large as its largest."""
    if vectors.size == 0:
        return np.ones((*vectors.shape[:-2], vectors.shape[-1]), vectors.dtype)
    size = np.abs(vectors)
    first = np.argmax(size >= SIGN_SHARE * size.max(-2, keepdims=True), axis=-2)
    leading = np.take_along_axis(vectors, first[..., None, :], -2)[..., 0, :]
    return np.where(leading < 0, -1, 1).astype(vectors.dtype)


# samples -------------------------------------------------------------------------------------------------------------


def _well_conditioned(rng: np.random.Generator, dtype: str, *shape: int) -> np.ndarray:
    """Random matrices with singular values and eigenvalues that are well apart."""
    *lead, rows, columns = shape
    spread = np.zeros((rows, columns))
    np.fill_diagonal(spread, 2 + 1.5 * np.arange(min(rows, columns)))
    return (spread + rng.uniform(-0.4, 0.4, (*lead, rows, columns))).astype(dtype)


def _matrix_sample(*shape: int) -> Any:
    return lambda rng, dtype: ((_well_conditioned(rng, dtype, *shape),), {})


# Cholesky ------------------------------------------------------------------------------------------------------------


def _square_shape(name: str) -> Any:
    def shape(graph: Graph, a: TensorType) -> TensorType:
        _require_square(graph, name, a)
        return a

    return shape


def _cholesky_reference(a: np.ndarray) -> np.ndarray:
    (factor,) = failing_as_nan(lambda a: (np.linalg.cholesky(a),), a)
    whole = ~np.isnan(np.diagonal(factor, axis1=-2, axis2=-1)).any(-1)[..., None, None]
    return np.where(whole, factor, np.nan).astype(a.dtype)


def _cholesky_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """L̇ = L Φ(L⁻¹ Ȧ L⁻ᵀ), where Φ takes the lower triangle and half of the diagonal."""
    if tangents[0] is None:
        return None
    solve = {"lower": True, "transposed": False, "unit_diagonal": False}
    left = b.triangular_solve(node.id, mirrored(b, tangents[0]), **solve)
    both = b.triangular_solve(node.id, swap_last(b, left), **solve)
    on_diagonal = b.equal(*_positions(b, both))
    halved = b.where(on_diagonal, b.multiply(b.constant_like(both, 0.5), both), both)
    return b.matmul(node.id, triangle(b, halved, lower=True))


def _positive_definite(rng: np.random.Generator, dtype: str) -> Any:
    a = _well_conditioned(rng, "float64", 2, 3, 3)
    return ((a @ a.swapaxes(1, 2)).astype(dtype),), {}


register(
    Special(
        name="cholesky",
        batch=last_axes,
        summary="the lower triangular L with L·Lᵀ = A; reads the lower triangle, NaN where A is not positive definite",
        accepts="float",
        shape=_square_shape("cholesky"),
        reference=_cholesky_reference,
        tangent_rule=_cholesky_tangent,
        kernel="cholesky",
        samples=_positive_definite,
    )
)

# triangular systems --------------------------------------------------------------------------------------------------


def _triangular_shape(
    graph: Graph, a: TensorType, x: TensorType, *, lower: bool, transposed: bool, unit_diagonal: bool
) -> TensorType:
    _require_square(graph, "triangular_solve", a)
    _require_fit(graph, "triangular_solve", a, x)
    return x


def _triangular_reference(
    a: np.ndarray, x: np.ndarray, *, lower: bool, transposed: bool, unit_diagonal: bool
) -> np.ndarray:
    if not x.size:
        return x

    def solved(a: np.ndarray, x: np.ndarray) -> tuple[np.ndarray]:
        options = {"lower": lower, "trans": int(transposed), "unit_diagonal": unit_diagonal}
        return (scipy.linalg.solve_triangular(a, x, check_finite=False, **options),)

    (result,) = one_by_one(lambda a, x: failing_as_nan(solved, a, x), a, x)
    return result


def _triangular_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """ẋ = T⁻¹ (ḃ - Ṫ x)."""
    matrix, side = tangents
    if matrix is not None:
        part = triangle(b, matrix, node.attributes["lower"], not node.attributes["unit_diagonal"])
        side = _less_product(b, side, part, node)
    return None if side is None else b.triangular_solve(node.inputs[0], side, **node.attributes)


def _less_product(b: Builder, side: int | None, matrix: int, node: Node) -> int:
    """side - matrix · x, the matrix transposed as in the call that gave x."""
    product = b.matmul(swap_last(b, matrix) if node.attributes["transposed"] else matrix, node.id)
    return b.negative(product) if side is None else b.subtract(side, product)


def _triangular_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    turned = {**call.attributes, "transposed": not call.attributes["transposed"]}
    return b.triangular_solve(call.operand(0), ct, **turned)


def _batch_right_side(b: Builder, node: Node, inputs: Any, batched: Any, size: Dimension) -> int:
    """Many right-hand sides for one matrix stand side by side, as further columns."""
    *fixed, side = inputs
    if any(batched[:-1]):
        return b.emit(node.op, *spread_all(b, inputs, batched, size), **node.attributes)
    shape = b.type(side).shape
    rank = len(shape)
    beside = b.transpose(side, axes=(*range(1, rank - 1), 0, rank - 1))
    columns = dimension(size * shape[-1])
    wide = b.emit(node.op, *fixed, b.reshape(beside, shape=(*shape[1:-1], columns)), **node.attributes)
    parted = b.reshape(wide, shape=(*shape[1:-1], size, shape[-1]))
    return b.transpose(parted, axes=(rank - 2, *range(rank - 2), rank - 1))


register(
    Special(
        name="triangular_solve",
        batch=_batch_right_side,
        summary="x with A·x = b (Aᵀ·x = b where transposed), A one triangle of the first argument",
        arity=2,
        accepts="float",
        shape=_triangular_shape,
        reference=_triangular_reference,
        tangent_rule=_triangular_tangent,
        transposes={1: _triangular_transpose},
        kernel="triangular_solve",
        samples=lambda rng, dtype: (
            (_well_conditioned(rng, dtype, 2, 3, 3), rng.uniform(-2, 2, (2, 3, 2)).astype(dtype)),
            {"lower": True, "transposed": True, "unit_diagonal": False},
        ),
    )
)

# general systems -----------------------------------------------------------------------------------------------------


def _lu_shape(graph: Graph, a: TensorType) -> TupleType:
    _require_square(graph, "lu", a)
    rows = TensorType(a.shape[:-1], "int32")
    return TupleType((a, rows, rows))


def _lu_of_matrix(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order = np.arange(len(a), dtype=np.int32)
    if not a.size:
        return a, order, order
    (factorise,) = scipy.linalg.get_lapack_funcs(("getrf",), (a,))
    factors, swaps, _ = factorise(a)
    for row, other in enumerate(swaps):
        order[[row, other]] = order[[other, row]]
    return factors, swaps.astype(np.int32), order


def _lu_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    if not a.size:
        rows = np.zeros(a.shape[:-1], np.int32)
        return a, rows, rows
    return one_by_one(_lu_of_matrix, a)


def _lu_tangent(b: Builder, node: Node, tangents: Tangents) -> tuple[int | None, None, None] | None:
    """With M = L⁻¹ P Ȧ U⁻¹: L̇ = L · (M below the diagonal), U̇ = (M from the diagonal on) · U."""
    if tangents[0] is None:
        return None
    factors, order = b.item(node.id, position=0), b.item(node.id, position=2)
    type = b.type(factors)
    wide = along_columns(b, order, type.shape[-1])
    permuted = b.take_along_axis(tangents[0], wide, axis=type.rank - 2)
    left = b.triangular_solve(factors, permuted, lower=True, transposed=False, unit_diagonal=True)
    turned = b.triangular_solve(factors, swap_last(b, left), lower=False, transposed=True, unit_diagonal=False)
    middle = swap_last(b, turned)
    below, above = triangle(b, middle, lower=True, diagonal=False), triangle(b, middle, lower=False)
    lower = b.add(triangle(b, factors, lower=True, diagonal=False), identity_like(b, factors))
    upper = triangle(b, factors, lower=False)
    return b.add(b.matmul(lower, below), b.matmul(above, upper)), None, None


register(
    Special(
        name="lu",
        batch=last_axes,
        summary="P·A = L·U: L below the diagonal and U in one matrix, which rows were exchanged, their order",
        accepts="float",
        shape=_lu_shape,
        reference=_lu_reference,
        tangent_rule=_lu_tangent,
        kernel="lu",
        samples=_matrix_sample(2, 3, 3),
    )
)


class _Factored(Special):
    """An op of a matrix that is given together with its factors. Derivatives go through the matrix alone, so that they
    need no derivative of the factors."""

    def check_arguments(self, types: Any) -> None:
        if len(types) != self.arity:
            raise ShapeError(f"{self.name} takes {self.arity} arguments, not {len(types)}.")
        for slot, type in enumerate(types):
            if type.dtype != "int32" if slot == 2 else type.dtype not in FLOATS:
                raise DTypeError(
                    f"{self.name} takes float32 or float64 matrices and int32 exchanges, not {type} in place {slot}."
                )


def _require_factors(graph: Graph, name: str, a: TensorType, factors: TensorType, swaps: TensorType) -> None:
    _require_square(graph, name, a)
    reason = f"{name} takes a matrix and its own factors"
    pairs = [*zip(a.shape, factors.shape), *zip(a.shape[:-1], swaps.shape)]
    same = factors.rank == a.rank == swaps.rank + 1 and factors.dtype == a.dtype
    if not same or any(graph.require_equal(left, right, reason) is False for left, right in pairs):
        raise ShapeError(f"{reason}, not {a}, {factors} and {swaps}.")


def _solve_shape(
    graph: Graph, a: TensorType, factors: TensorType, swaps: TensorType, side: TensorType, *, transposed: bool
) -> TensorType:
    _require_factors(graph, "solve", a, factors, swaps)
    _require_fit(graph, "solve", a, side)
    return side


def _solve_reference(
    a: np.ndarray, factors: np.ndarray, swaps: np.ndarray, side: np.ndarray, *, transposed: bool
) -> np.ndarray:
    a = a.swapaxes(-1, -2) if transposed else a
    return failing_as_nan(lambda a, side: (np.linalg.solve(a, side),), a, side)[0]


def _solve_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """ẋ = A⁻¹ (ḃ - Ȧ x)."""
    matrix, _, _, side = tangents
    if matrix is not None:
        side = _less_product(b, side, matrix, node)
    return None if side is None else b.solve(*node.inputs[:3], side, **node.attributes)


def _solve_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    known = [call.operand(slot) for slot in range(3)]
    return b.solve(*known, ct, transposed=not call.attributes["transposed"])


def _with_factors(*others: tuple[int, ...], **attributes: Any) -> Any:
    def samples(rng: np.random.Generator, dtype: str) -> Any:
        a = _well_conditioned(rng, dtype, 2, 3, 3)
        factors, swaps, _ = _lu_reference(a)
        return (a, factors, swaps, *(rng.uniform(-2, 2, shape).astype(dtype) for shape in others)), attributes

    return samples


register(
    _Factored(
        name="solve",
        batch=_batch_right_side,
        summary="x with A·x = b (Aᵀ·x = b where transposed), from A, its factors and exchanges, and b; NaN if singular",
        arity=4,
        accepts="float",
        shape=_solve_shape,
        reference=_solve_reference,
        tangent_rule=_solve_tangent,
        transposes={3: _solve_transpose},
        kernel="solve",
        samples=_with_factors((2, 3, 2), transposed=False),
    )
)


def _slogdet_shape(graph: Graph, a: TensorType, factors: TensorType, swaps: TensorType) -> TupleType:
    _require_factors(graph, "slogdet", a, factors, swaps)
    return TupleType((a.with_shape(a.shape[:-2]),) * 2)


def _slogdet_tangent(b: Builder, node: Node, tangents: Tangents) -> tuple[None, int] | None:
    """log|det A|˙ = tr(A⁻¹ Ȧ) = Σ (A⁻ᵀ ∘ Ȧ)."""
    if tangents[0] is None:
        return None
    turned = b.solve(*node.inputs, identity_like(b, node.inputs[0]), transposed=True)
    rank = b.type(turned).rank
    return None, b.sum(b.multiply(turned, tangents[0]), axes=(rank - 2, rank - 1))


register(
    _Factored(
        name="slogdet",
        batch=last_axes,
        summary="the sign of det A and log|det A|, from A, its factors and exchanges; (0, -∞) if singular",
        arity=3,
        accepts="float",
        shape=_slogdet_shape,
        reference=lambda a, factors, swaps: tuple(np.linalg.slogdet(a)),
        tangent_rule=_slogdet_tangent,
        kernel="slogdet",
        samples=_with_factors(),
    )
)

# eigenvalues of symmetric matrices -----------------------------------------------------------------------------------


def _eigh_shape(graph: Graph, a: TensorType) -> TupleType:
    _require_square(graph, "eigh", a)
    return TupleType((a.with_shape(a.shape[:-1]), a))


def _eigh_reference(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    usable, finite = _finite(np.tril(a))
    values, vectors = failing_as_nan(lambda a: tuple(np.linalg.eigh(a)), usable)
    vectors = vectors * signs(vectors)[..., None, :]
    return np.where(finite[..., 0], values, np.nan), np.where(finite, vectors, np.nan)


def _reciprocal(b: Builder, x: int, unknown: int) -> int:
    """1 / x, and NaN where it is unknown. `multiply_no_nan` with it leaves alone what does not depend on those."""
    one = b.constant_like(x, 1.0)
    return b.where(unknown, b.constant_like(x, float("nan")), b.divide(one, b.where(unknown, one, x)))


def _reciprocal_gaps(b: Builder, values: int, squared: bool = False) -> int:
    """1 / (λⱼ - λᵢ), or 1 / (λⱼ² - λᵢ²), at [i, j]; zero on the diagonal, NaN where two are equal up to rounding."""
    size = b.type(values).shape[-1]
    rows, columns = along_rows(b, values, size), along_columns(b, values, size)
    gaps = b.subtract(rows, columns)
    largest = b.max(b.absolute(rows), axes=(b.type(rows).rank - 1,))
    rounding = TIE * float(np.finfo(b.type(values).dtype).eps)
    limit = along_columns(b, b.multiply(b.constant_like(largest, rounding), largest), size)
    tie = b.less_equal(b.absolute(gaps), limit)
    reciprocal = _reciprocal(b, b.multiply(gaps, b.add(rows, columns)) if squared else gaps, tie)
    return b.mask(b.not_equal(*_positions(b, gaps)), reciprocal)


def _eigh_tangent(b: Builder, node: Node, tangents: Tangents) -> tuple[int, int] | None:
    """With N = Vᵀ Ȧ V: λ̇ᵢ = Nᵢᵢ and V̇ = V (F ∘ N), where Fᵢⱼ = 1 / (λⱼ - λᵢ)."""
    if tangents[0] is None:
        return None
    values, vectors = b.item(node.id, position=0), b.item(node.id, position=1)
    rotated = b.matmul(swap_last(b, vectors), b.matmul(mirrored(b, tangents[0]), vectors))
    turned = b.matmul(vectors, b.multiply_no_nan(_reciprocal_gaps(b, values), rotated))
    return diagonal(b, rotated), turned


register(
    Special(
        name="eigh",
        batch=last_axes,
        summary="ascending eigenvalues, and eigenvectors in columns, of a symmetric matrix; reads the lower triangle",
        accepts="float",
        shape=_eigh_shape,
        reference=_eigh_reference,
        tangent_rule=_eigh_tangent,
        kernel="eigh",
        samples=_matrix_sample(2, 3, 3),
    )
)

# singular values -----------------------------------------------------------------------------------------------------


def _svd_shape(graph: Graph, a: TensorType) -> TupleType:
    if a.rank < 2:
        raise ShapeError(f"svd takes matrices, [..., m, n], not {a}.")
    *lead, rows, columns = a.shape
    few = smaller(rows, columns)
    return TupleType(tuple(a.with_shape((*lead, *shape)) for shape in ((rows, few), (few,), (few, columns))))


def _svd_reference(a: np.ndarray) -> tuple[np.ndarray, ...]:
    usable, finite = _finite(a)
    left, values, right = failing_as_nan(lambda a: tuple(np.linalg.svd(a, full_matrices=False)), usable)
    sign = signs(left)
    results = (left * sign[..., None, :], values, right * sign[..., :, None])
    return tuple(np.where(good, part, np.nan) for good, part in zip((finite, finite[..., 0], finite), results))


def _outside(b: Builder, basis: int, x: int) -> int:
    """(I - B Bᵀ) x: the part of x that is orthogonal to the columns of B."""
    return b.subtract(x, b.matmul(basis, b.matmul(swap_last(b, basis), x)))


def _svd_tangent(b: Builder, node: Node, tangents: Tangents) -> tuple[int, int, int] | None:
    """With P = Uᵀ Ȧ V and F[i, j] = 1 / (sⱼ² - sᵢ²), zero on the diagonal:

    ṡᵢ = Pᵢᵢ, U̇ = U (F ∘ (P S + S Pᵀ)) + (I - U Uᵀ) Ȧ V S⁻¹, V̇ = V (F ∘ (S P + Pᵀ S)) + (I - V Vᵀ) Ȧᵀ U S⁻¹.
    """
    tangent = tangents[0]
    if tangent is None:
        return None
    left, values, turned = (b.item(node.id, position=position) for position in range(3))
    right = swap_last(b, turned)
    through = b.matmul(tangent, right)
    inner = b.matmul(swap_last(b, left), through)
    factors = _reciprocal_gaps(b, values, squared=True)
    scaled, scaled_back = _scaled_columns(b, inner, values), _scaled_columns(b, swap_last(b, inner), values)
    left_dot = b.matmul(left, b.multiply_no_nan(factors, b.add(scaled, swap_last(b, scaled))))
    right_dot = b.matmul(right, b.multiply_no_nan(factors, b.add(swap_last(b, scaled_back), scaled_back)))
    (rows, columns), few = b.type(tangent).shape[-2:], b.type(values).shape[-1]
    if equal(rows, few) is not True:
        left_dot = b.add(left_dot, _over_columns(b, _outside(b, left, through), values))
    if equal(columns, few) is not True:
        back = b.matmul(swap_last(b, tangent), left)
        right_dot = b.add(right_dot, _over_columns(b, _outside(b, right, back), values))
    return left_dot, diagonal(b, inner), swap_last(b, right_dot)


def _scaled_columns(b: Builder, x: int, values: int) -> int:
    """x · diag(values)."""
    return b.multiply(along_rows(b, values, b.type(x).shape[-2]), x)


def _over_columns(b: Builder, x: int, values: int) -> int:
    """x · diag(values)⁻¹."""
    reciprocal = _reciprocal(b, values, b.equal(values, b.zeros_like(values)))
    return b.multiply_no_nan(along_rows(b, reciprocal, b.type(x).shape[-2]), x)


register(
    Special(
        name="svd",
        batch=last_axes,
        summary="U, s and Vᵀ with U·diag(s)·Vᵀ = A, thin; singular values descend",
        accepts="float",
        shape=_svd_shape,
        reference=_svd_reference,
        tangent_rule=_svd_tangent,
        kernel="svd",
        samples=_matrix_sample(2, 4, 3),
    )
)
