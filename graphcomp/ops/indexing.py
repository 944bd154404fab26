"""Ops that read or write at positions given by integer arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ExecutionError, ShapeError
from ..graph import Graph, TensorType
from ..graph.types import Dimension
from .batching import batch_gather, batch_scatter, later_axis
from .builder import Builder
from .index import Index, Piece, same
from .record import Contraction, Linear, LinearCall, register


def _check_indices(name: str, indices: TensorType) -> None:
    if not indices.is_integer:
        raise DTypeError(f"{name} takes integer indices, not {indices}.")


def checked(name: str, indices: np.ndarray, size: int) -> np.ndarray:
    """The indices, if all are in range(size)."""
    if indices.size and not (indices.min() >= 0 and indices.max() < size):
        wrong = indices[(indices < 0) | (indices >= size)].flat[0]
        raise ExecutionError(f"{name}: the index {wrong} is out of range for an axis of size {size}.")
    return indices


def _replace(shape: tuple[Any, ...], axis: int, *entries: Any) -> tuple[Any, ...]:
    return (*shape[:axis], *entries, *shape[axis + 1 :])


def _sample(update_shape: tuple[int, ...], index_shape: tuple[int, ...], limit: int, **attributes: Any) -> Any:
    def samples(rng: np.random.Generator, dtype: str) -> Any:
        values = rng.uniform(-2, 2, update_shape).astype(dtype)
        return (values, rng.integers(0, limit, index_shape)), attributes

    return samples


# gather and scatter-add ----------------------------------------------------------------------------------------------


def _gather_shape(graph: Graph, x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    _check_indices("gather", indices)
    return x.with_shape(_replace(x.shape, axis, *indices.shape))


def _gather_map(context: Any, index: tuple[Index, ...], types: Any, *, axis: int) -> list[Piece]:
    x, indices = types
    place = context.load(1, index[axis : axis + indices.rank], x.shape[axis])
    return [Piece(0, (*index[:axis], place, *index[axis + indices.rank :]))]


def _scatter_reference(updates: np.ndarray, indices: np.ndarray, *, axis: int, size: int) -> np.ndarray:
    shape = (*updates.shape[:axis], size, *updates.shape[axis + indices.ndim :])
    result = np.zeros(shape, updates.dtype)
    places: Any = (*(slice(None),) * axis, checked("scatter_add", indices, size))
    np.add.at(result, places, updates)
    return result


def _scatter_shape(graph: Graph, updates: TensorType, indices: TensorType, *, axis: int, size: Dimension) -> TensorType:
    _check_indices("scatter_add", indices)
    places = updates.shape[axis : axis + indices.rank]
    for left, right in zip(places, indices.shape):
        if graph.require_equal(left, right, "scatter_add takes one update per index") is False:
            raise ShapeError(f"scatter_add along axis {axis}: the updates {updates} do not fit the indices {indices}.")
    return updates.with_shape((*updates.shape[:axis], size, *updates.shape[axis + indices.rank :]))


def _gather_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    axis = call.attributes["axis"]
    return b.scatter_add(ct, call.operand(1), axis=axis, size=call.types[0].shape[axis])


register(
    Linear(
        name="gather",
        batch=batch_gather,
        repeats=True,
        summary="the slices of an array at given positions along an axis",
        arity=2,
        shape=_gather_shape,
        reference=lambda x, indices, *, axis: np.take(x, checked("gather", indices, x.shape[axis]), axis),
        transposes={0: _gather_transpose},
        index_map=_gather_map,
        samples=_sample((3, 4), (2, 5), 3, axis=0),
    )
)
register(
    Linear(
        name="scatter_add",
        batch=batch_scatter,
        summary="zeros with slices added at given positions along an axis, in ascending order of the source",
        arity=2,
        accepts="any",
        shape=_scatter_shape,
        reference=_scatter_reference,
        transposes={0: lambda b, call, ct: b.gather(ct, call.operand(1), axis=call.attributes["axis"])},
        kernel="scatter_add",
        samples=_sample((5, 2), (5,), 3, axis=0, size=3),
    )
)

# along an axis -------------------------------------------------------------------------------------------------------


def _check_along(graph: Graph, name: str, x: TensorType, indices: TensorType, axis: int) -> None:
    _check_indices(name, indices)
    fits = x.rank == indices.rank
    for position, (left, right) in enumerate(zip(x.shape, indices.shape)):
        if (
            position != axis
            and graph.require_equal(left, right, f"{name} takes equal shapes but for its axis") is False
        ):
            fits = False
    if not fits:
        raise ShapeError(f"{name} along axis {axis}: {x} and the indices {indices} differ elsewhere.")


def _take_shape(graph: Graph, x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    _check_along(graph, "take_along_axis", x, indices, axis)
    return x.with_shape(indices.shape)


def _take_map(context: Any, index: tuple[Index, ...], types: Any, *, axis: int) -> list[Piece]:
    place = context.load(1, index, types[0].shape[axis])
    return [Piece(0, _replace(index, axis, place))]


def _put_shape(graph: Graph, updates: TensorType, indices: TensorType, *, axis: int, size: Dimension) -> TensorType:
    _check_along(graph, "scatter_along_axis", updates, indices, axis)
    return updates.with_shape(_replace(updates.shape, axis, size))


def _put_reference(updates: np.ndarray, indices: np.ndarray, *, axis: int, size: int) -> np.ndarray:
    result = np.zeros(_replace(updates.shape, axis, size), updates.dtype)
    places: Any = list(np.indices(updates.shape, sparse=True))
    places[axis] = checked("scatter_along_axis", indices, size)
    np.add.at(result, tuple(places), updates)
    return result


def _put_contraction(context: Any, index: tuple[Index, ...], types: Any, *, axis: int, size: Dimension) -> Contraction:
    """Each entry looks through the updates of its row: right where there are few, as after an extremum."""

    def factors(box: tuple[Index, ...]) -> list[list[Piece]]:
        source = _replace(index, axis, *box)
        return [[Piece(0, source, (same(context.load(1, source, size), index[axis]),))]]

    return Contraction((types[0].shape[axis],), "sum", factors)


def _take_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    axis = call.attributes["axis"]
    return b.scatter_along_axis(ct, call.operand(1), axis=axis, size=call.types[0].shape[axis])


register(
    Linear(
        name="take_along_axis",
        batch=later_axis,
        repeats=True,
        summary="the entries at given positions along an axis, row by row",
        arity=2,
        shape=_take_shape,
        reference=lambda x, indices, *, axis: np.take_along_axis(
            x, checked("take_along_axis", indices, x.shape[axis]), axis
        ),
        transposes={0: _take_transpose},
        index_map=_take_map,
        samples=_sample((3, 4), (3, 2), 4, axis=1),
    )
)
register(
    Linear(
        name="scatter_along_axis",
        batch=later_axis,
        summary="zeros with entries added at given positions along an axis, row by row",
        arity=2,
        shape=_put_shape,
        reference=_put_reference,
        transposes={0: lambda b, call, ct: b.take_along_axis(ct, call.operand(1), axis=call.attributes["axis"])},
        contraction=_put_contraction,
        samples=_sample((3, 2), (3, 2), 4, axis=1, size=4),
    )
)
