"""`numpy.linalg` over traced values: matrices are the last two axes, and the axes before them a batch.

Where NumPy raises LinAlgError (a matrix is singular, or not positive definite), the results are NaN here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import InputError, ShapeError
from ..graph.types import dimension, equal, product
from . import functions as gnp
from .failures import noting_failures
from .tracer import FUNCTIONS, apply, broadcast_shapes, broadcast_to, convert, result_dtype, type_of


class EighResult(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


class SlogdetResult(NamedTuple):
    sign: Any
    logabsdet: Any


class SVDResult(NamedTuple):
    U: Any
    S: Any
    Vh: Any


def linalg(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function known as one of `numpy.linalg`."""
    FUNCTIONS[f"linalg.{function.__name__}"] = noted = noting_failures(function)
    return noted


def _matrices(name: str, a: Any, square: bool = True) -> Any:
    a = gnp.asarray(a)
    a = convert(a, result_dtype((a,), at_least_float=True))
    if a.ndim < 2 or (square and equal(a.shape[-2], a.shape[-1]) is False):
        shape = "square matrices, [..., n, n]" if square else "matrices, [..., m, n]"
        raise ShapeError(f"{name} takes {shape}, not {type_of(a)}.")
    return a


def _turned(a: Any) -> Any:
    return gnp.swapaxes(a, -1, -2)


def _sides(name: str, a: Any, b: Any) -> tuple[Any, Any, bool]:
    """A matrix and right-hand sides of one dtype, with the columns of these in an axis of their own; and whether there
    was but one column, a vector."""
    dtype = result_dtype((gnp.asarray(a), gnp.asarray(b)), at_least_float=True)
    a, b = convert(_matrices(name, a), dtype), convert(gnp.asarray(b), dtype)
    is_vector = b.ndim == 1
    if b.ndim == 0:
        raise ShapeError(f"{name} takes a vector, or matrices, on the right-hand side, not {type_of(b)}.")
    b = b[:, None] if is_vector else b
    if equal(a.shape[-1], b.shape[-2]) is False:
        raise ShapeError(f"{name} of {type_of(a)} takes {a.shape[-1]} rows on the right-hand side, not {type_of(b)}.")
    return a, b, is_vector


def _solved(b: Any, matrix_parts: list[tuple[Any, int]], solve: Callable[..., Any]) -> Any:
    """`solve(parts, b)` over broadcast leading axes; each part comes with how many axes it has for a matrix.

    Many right-hand sides for one matrix stand side by side, so that it is read once.
    """
    lead, inner = matrix_parts[0][0].shape[:-2], b.shape[-2:]
    if not lead and b.ndim > 2:
        batch = b.shape[:-2]
        columns = dimension(product(batch) * inner[1])
        beside = gnp.reshape(gnp.moveaxis(b, -2, 0), (inner[0], columns))
        wide = solve([part for part, _ in matrix_parts], beside)
        return gnp.moveaxis(gnp.reshape(wide, (inner[0], *batch, inner[1])), 0, -2)
    lead = broadcast_shapes(lead, b.shape[:-2])
    parts = [broadcast_to(part, (*lead, *part.shape[part.ndim - rank :])) for part, rank in matrix_parts]
    return solve(parts, broadcast_to(b, (*lead, *inner)))


@linalg
def solve(a: Any, b: Any) -> Any:
    """x with a @ x = b: b is a vector [n] or matrices [..., n, k]; leading axes broadcast. NaN where a is singular.

    The factors of a matrix are shared by all that asks for them: several solves, `inv`, `det`, `slogdet`, and their
    derivatives.
    """
    a, b, is_vector = _sides("solve", a, b)
    factors, swaps, _ = apply("lu", a)
    parts = [(a, 2), (factors, 2), (swaps, 1)]
    x = _solved(b, parts, lambda known, side: apply("solve", *known, side, transposed=False))
    return x[..., 0] if is_vector else x


@linalg
def solve_triangular(a: Any, b: Any, trans: int = 0, lower: bool = False, unit_diagonal: bool = False) -> Any:
    """x with T @ x = b, or T.T @ x = b where `trans` is 1; T is the lower or upper triangle of a.

    As `scipy.linalg.solve_triangular`, with leading axes as in `solve`. NaN where there is a zero on the diagonal.
    """
    if trans not in (0, 1):
        raise InputError(f"solve_triangular takes trans=0 or trans=1, not {trans!r}.")
    a, b, is_vector = _sides("solve_triangular", a, b)
    options = {"lower": bool(lower), "transposed": bool(trans), "unit_diagonal": bool(unit_diagonal)}
    x = _solved(b, [(a, 2)], lambda known, side: apply("triangular_solve", *known, side, **options))
    return x[..., 0] if is_vector else x


@linalg
def inv(a: Any) -> Any:
    """The inverse; NaN where there is none. To solve a system, `solve` is faster and more accurate."""
    a = _matrices("inv", a)
    return solve(a, convert(gnp.equal(gnp.positions_like(a, -2), gnp.positions_like(a, -1)), a.dtype))


@linalg
def slogdet(a: Any) -> SlogdetResult:
    """(sign, log|det|), which does not overflow; (0, -inf) where a is singular, with derivatives NaN there."""
    a = _matrices("slogdet", a)
    factors, swaps, _ = apply("lu", a)
    return SlogdetResult(*apply("slogdet", a, factors, swaps))


@linalg
def det(a: Any) -> Any:
    """The determinant. Its derivative needs the inverse, so it is NaN where a is singular."""
    sign, logarithm = slogdet(_matrices("det", a))
    return gnp.multiply(sign, gnp.exp(logarithm))


@linalg
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular L with L @ L.T = a, or the upper triangular L.T; NaN where a is not positive definite.

    Only the lower triangle of a is read (the upper one if `upper`), so derivatives with respect to the other are zero.
    """
    a = _matrices("cholesky", a)
    return _turned(apply("cholesky", _turned(a))) if upper else apply("cholesky", a)


@linalg
def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """The eigenvalues of symmetric matrices in ascending order, and eigenvectors in columns.

    Only the lower triangle of a is read (the upper one where UPLO is "U"), so derivatives with respect to the other are
    zero. An eigenvector is signed so that its first entry that has at least 0.9 times the size of its largest one is
    positive.

    Derivatives: eigenvalues that are equal, or differ by rounding only, have no eigenvectors of their own, so what
    depends on the single ones has derivatives NaN there. The other eigenvectors have theirs in reverse mode, and first
    derivatives of sums of functions of the eigenvalues are right everywhere. For a smooth function of a matrix, such as
    its inverse, prefer a formula without eigenvectors.
    """
    if UPLO not in ("L", "U"):
        raise InputError(f"eigh takes UPLO='L' or UPLO='U', not {UPLO!r}.")
    a = _matrices("eigh", a)
    return EighResult(*apply("eigh", a if UPLO == "L" else _turned(a)))


@linalg
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, as `eigh` gives them."""
    return eigh(a, UPLO).eigenvalues


@linalg
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """(U, S, Vh) with U @ diag(S) @ Vh = a; singular values descend. With `compute_uv=False`, S alone.

    U is [..., m, k] and Vh is [..., k, n], k the smaller of m and n: ask for that with `full_matrices=False` unless
    m = n. A column of U is signed so that its first entry that has at least 0.9 times the size of its largest one is
    positive; the row of Vh has the sign that goes with it.

    Derivatives: what depends on the single vectors of singular values that are equal, or differ by rounding only, has
    derivatives NaN; so has what depends, where m ≠ n, on those of a singular value that is zero. First derivatives of
    sums of functions of the singular values are right everywhere but at zero.
    """
    a = _matrices("svd", a, square=False)
    if hermitian:
        raise InputError("svd takes hermitian=False; use eigh for symmetric matrices.")
    if compute_uv and full_matrices and equal(a.shape[-2], a.shape[-1]) is not True:
        raise InputError(f"svd of {type_of(a)} gives the thin factors only; pass full_matrices=False.")
    result = SVDResult(*apply("svd", a))
    return result if compute_uv else result.S


@linalg
def svdvals(x: Any, /) -> Any:
    """The singular values, in descending order."""
    return svd(x, compute_uv=False)
