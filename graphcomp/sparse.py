"""Sparse matrices as operands: `gx.sparse.csr(values, columns, row_starts, shape) @ x`.

A matrix is a plain container of arrays: the stored values, and how rows and columns group them. So it is an argument
like any other, of `jit`, `vmap`, `grad` and the rest, and its derivatives are products of the same kind: by `x`, with
the transpose, whose rows are at hand; by the values, one scalar product for each stored entry. Nothing is ever filled
up with zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import numpy as gnp
from .errors import DTypeError, InputError, ShapeError
from .graph import Dimension, TensorType
from .graph.types import equal, symbol
from .trace.tracer import Tracer, apply, type_of

# groups --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Groups:
    """E entries in G groups: `of` [E], the group of each entry; `starts` [G + 1], where each group begins among the
    entries in the order of their groups; `members` [E], the entries in that order (None: as they stand); `across` [E],
    where they stand in a matrix's other grouping, in that order too (None: it is looked up)."""

    of: Any
    starts: Any
    members: Any = None
    across: Any = None

    @property
    def count(self) -> Dimension:
        """How many groups there are."""
        return type_of(self.starts).shape[0] - 1  # type: ignore[union-attr]

    @property
    def arrays(self) -> tuple[Any, ...]:
        return (self.of, self.starts) if self.members is None else (self.of, self.starts, self.members)

    def beside(self, other: Groups) -> tuple[Any, ...]:
        """The arrays that an op takes where each entry also belongs to a group of the other grouping."""
        return self.arrays if self.across is None else (*self.arrays, other.of, self.across)


def groups(of: Any, count: int) -> Groups:
    """The grouping in which entry e belongs to group `of[e]` of `count`; integers [E], in any order.

    Raises InputError for anything else than one axis of integers from 0 to `count` - 1.
    """
    of = np.asarray(of)
    if of.ndim != 1 or of.dtype.kind not in "iu":
        raise InputError(f"groups are given by one axis of integers, not {TensorType(of.shape, str(of.dtype))}.")
    if len(of) and not 0 <= of.min() <= of.max() < count:
        wrong = of[(of < 0) | (of >= count)][0]
        raise InputError(f"there is a group {wrong}, but the groups are 0 … {count - 1}.")
    dtype = "int32" if max(len(of), count) < 2**31 else "int64"
    ascending = bool((of[1:] >= of[:-1]).all())
    starts = np.zeros(count + 1, dtype)
    np.cumsum(np.bincount(of, minlength=count), out=starts[1:])
    members = None if ascending else np.argsort(of, kind="stable").astype(dtype)
    return Groups(of.astype(dtype), starts, members)


def group_sum(x: Any, groups: Groups) -> Any:
    """[E, ...] to [G, ...]: for each group the sum of its entries' rows."""
    return apply("group_sum", _array(x), *groups.arrays)


def group_max(x: Any, groups: Groups) -> Any:
    """[E, ...] to [G, ...]: for each group the largest of its entries' values, minus infinity for an empty one.

    The derivative goes to the first entry that has it.
    """
    return apply("group_max", _array(x), *groups.arrays)


def group_take(x: Any, groups: Groups) -> Any:
    """[G, ...] to [E, ...]: for each entry the row of its group."""
    return apply("group_take", _array(x), *groups.arrays)


def group_softmax(x: Any, groups: Groups) -> Any:
    """[E, ...] to the same: exp(x) over its sum in each group, shifted by the group's maximum so that it does not
    overflow."""
    largest = gnp.stop_gradient(group_max(x, groups))
    exponentials = gnp.exp(x - group_take(largest, groups))
    return exponentials / group_take(group_sum(exponentials, groups), groups)


def _array(x: Any) -> Any:
    return x if isinstance(x, Tracer) else np.asarray(x)


# matrices ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix [R, C] of stored `values` [E], the others zero; its `rows` and its `columns` group them. Entries that
    stand in one place add up."""

    values: Any
    rows: Groups
    columns: Groups

    __array_ufunc__ = None  # an array times a matrix is the matrix's business

    @property
    def shape(self) -> tuple[Dimension, Dimension]:
        return self.rows.count, self.columns.count

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(type_of(self.values).dtype)  # type: ignore[union-attr]

    @property
    def ndim(self) -> int:
        return 2

    @property
    def stored(self) -> Dimension:
        """How many entries are stored."""
        return type_of(self.values).shape[0]  # type: ignore[union-attr]

    @property
    def T(self) -> Matrix:
        """The transpose: the same values, grouped the other way round."""
        return Matrix(self.values, self.columns, self.rows)

    def with_values(self, values: Any) -> Matrix:
        """The matrix with other values in the same places."""
        if type_of(values).shape != (self.stored,):  # type: ignore[union-attr]
            raise ShapeError(f"{self} holds {self.stored} values, not {type_of(values)}.")
        return replace(self, values=values)

    def __matmul__(self, x: Any) -> Any:
        """The product with x [C, ...], [R, ...]."""
        type = type_of(x)
        if not isinstance(type, TensorType) or type.rank == 0 or equal(type.shape[0], self.shape[1]) is False:
            raise ShapeError(f"{self} times {type}: the product takes {self.shape[1]} rows.")
        taken = apply("group_take", _array(x), *self.columns.beside(self.rows))
        return apply("group_sum", _along_rows(self.values, type.rank) * taken, *self.rows.beside(self.columns))

    def __rmatmul__(self, x: Any) -> Any:
        """The product of x [..., R] with the matrix, [..., C]."""
        type = type_of(x)
        if not isinstance(type, TensorType) or type.rank == 0 or equal(type.shape[-1], self.shape[0]) is False:
            raise ShapeError(f"{type} times {self}: the product takes {self.shape[0]} columns.")
        return gnp.moveaxis(self.T @ gnp.moveaxis(x, -1, 0), 0, -1)

    def __mul__(self, factor: Any) -> Matrix:
        """The matrix times a number."""
        if type_of(factor).shape != ():  # type: ignore[union-attr]
            raise ShapeError(f"{self} times {type_of(factor)}: use scale_rows or scale_columns, or @ for a product.")
        return replace(self, values=gnp.multiply(self.values, factor))

    __rmul__ = __mul__

    def scale_rows(self, factors: Any) -> Matrix:
        """Each row times its factor [R]: diag(factors) A."""
        return replace(self, values=gnp.multiply(self.values, group_take(factors, self.rows)))

    def scale_columns(self, factors: Any) -> Matrix:
        """Each column times its factor [C]: A diag(factors)."""
        return replace(self, values=gnp.multiply(self.values, group_take(factors, self.columns)))

    def sum(self, axis: int | None = None) -> Any:
        """The sum of all entries, of each column (axis 0) or of each row (axis 1)."""
        if axis is None:
            return gnp.sum(self.values)
        if axis not in (0, 1, -1, -2):
            raise ShapeError(f"a matrix has the axes 0 and 1, not {axis}.")
        return group_sum(self.values, self.columns if axis in (0, -2) else self.rows)

    def todense(self) -> Any:
        """All entries as an array [R, C]."""
        rows, columns = self.shape
        places = gnp.astype(self.rows.of, "int64") * columns + self.columns.of
        return gnp.reshape(gnp.scatter_add(self.values, places, rows * columns), (rows, columns))

    def __str__(self) -> str:
        return f"a sparse matrix {self.dtype}[{self.shape[0]}, {self.shape[1]}] of {self.stored} values"


def _along_rows(values: Any, rank: int) -> Any:
    return gnp.reshape(values, (-1, *(1,) * (rank - 1))) if rank > 1 else values


def coo(values: Any, rows: Any, columns: Any, shape: tuple[int, int]) -> Matrix:
    """A matrix from a value, a row and a column for each entry, in any order; they are put in the order of rows.

    Values [E] of floating point, rows and columns integers [E]; raises InputError and DTypeError for others.
    """
    values, rows, columns = np.asarray(values), np.asarray(rows), np.asarray(columns)
    if values.dtype.kind != "f":
        raise DTypeError(f"a sparse matrix holds floating-point numbers, not {values.dtype}.")
    if not values.shape == rows.shape == columns.shape or values.ndim != 1:
        raise InputError(f"values, rows and columns are of one length, not {values.shape, rows.shape, columns.shape}.")
    in_order = bool(rows.dtype.kind in "iu" and (rows[1:] >= rows[:-1]).all())
    order: Any = slice(None) if in_order else np.argsort(rows, kind="stable")
    by_row, by_column = groups(rows[order], shape[0]), groups(columns[order], shape[1])
    members = np.arange(len(rows), dtype=by_column.of.dtype) if by_column.members is None else by_column.members
    turned = replace(by_column, members=members, across=by_row.of[members])
    return Matrix(np.ascontiguousarray(values[order]), by_row, turned)


def csr(values: Any, columns: Any, row_starts: Any, shape: tuple[int, int]) -> Matrix:
    """A matrix in compressed rows: row r holds the entries `row_starts[r]` to `row_starts[r + 1]` (SciPy's `data`,
    `indices` and `indptr`). Raises InputError where they do not describe such a matrix."""
    starts = np.asarray(row_starts)
    count = len(np.asarray(values))
    fits = starts.ndim == 1 and starts.dtype.kind in "iu" and len(starts) == shape[0] + 1
    if not fits or starts[0] != 0 or starts[-1] != count or (starts[1:] < starts[:-1]).any():
        raise InputError(f"the rows of {shape[0]} start at {shape[0] + 1} ascending integers from 0 to {count}.")
    return coo(values, np.repeat(np.arange(shape[0]), np.diff(starts)), columns, shape)


def matrix(source: Any) -> Matrix:
    """A matrix from one of SciPy's of any format, or from the entries of an array [R, C] that are not zero."""
    if hasattr(source, "tocoo"):
        found = source.tocoo()
        return coo(found.data, found.row, found.col, found.shape)
    array = np.asarray(source)
    if array.ndim != 2:
        raise ShapeError(f"a matrix has two axes, not {array.ndim}.")
    rows, columns = np.nonzero(array)
    return coo(array[rows, columns], rows, columns, array.shape)


def spec(shape: Sequence[int | str | Dimension], stored: int | str | Dimension, dtype: Any = "float32") -> Matrix:
    """What to trace and compile a function with for matrices of a shape and a number of stored entries; both may be
    named: `jit(f, specs=(gx.sparse.spec(("N", "N"), "E"),))` is compiled once for graphs of all sizes."""
    rows, columns, entries = (symbol(size) if isinstance(size, str) else size for size in (*shape, stored))
    places = TensorType((entries,), "int32")
    by_row, by_column = (TensorType((size + 1,), "int32") for size in (rows, columns))
    values = TensorType((entries,), str(np.dtype(dtype)))
    return Matrix(values, Groups(places, by_row), Groups(places, by_column, places, places))
