"""Sorting. Equal entries keep their order (stable), and NaN comes last."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph import Graph, Node, TensorType, TupleType
from .batching import last_axes, later_axis
from .builder import Builder
from .record import Special, Tangents, register


def _sample(**attributes: Any) -> Any:
    return lambda rng, dtype: ((rng.permutation(24).reshape(4, 6).astype(dtype),), attributes)


def _sort_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    if tangents[0] is None:
        return None
    axis = node.attributes["axis"]
    return b.take_along_axis(tangents[0], b.argsort(node.inputs[0], axis=axis), axis=axis)


register(
    Special(
        name="sort",
        batch=later_axis,
        summary="the entries along an axis in ascending order",
        accepts="number",
        shape=lambda graph, x, *, axis: x,
        reference=lambda x, *, axis: np.sort(x, axis=axis, kind="stable"),
        tangent_rule=_sort_tangent,
        kernel="sort",
        samples=_sample(axis=1),
    )
)
register(
    Special(
        name="argsort",
        batch=later_axis,
        summary="the positions that sort an axis in ascending order",
        accepts="number",
        shape=lambda graph, x, *, axis: x.with_dtype("int64"),
        reference=lambda x, *, axis: np.argsort(x, axis=axis, kind="stable").astype(np.int64),
        kernel="argsort",
        bound=lambda types, *, axis: types[0].shape[axis],
        samples=_sample(axis=1),
    )
)


def _top_k_shape(graph: Graph, x: TensorType, *, k: int) -> TupleType:
    if x.rank < 1 or (isinstance(x.shape[-1], int) and not 1 <= k <= x.shape[-1]):
        raise ShapeError(f"top_k of {x} needs 1 ≤ k ≤ the length of the last axis, not {k}.")
    values = x.with_shape((*x.shape[:-1], k))
    return TupleType((values, values.with_dtype("int64")))


def _top_k_reference(x: np.ndarray, *, k: int) -> tuple[np.ndarray, np.ndarray]:
    # Stable and descending: sort the reversed axis, then read it backwards. NaN counts as largest.
    last = x.shape[-1] - 1
    order = last - np.argsort(x[..., ::-1], axis=-1, kind="stable")[..., ::-1]
    positions = order[..., :k].astype(np.int64)
    return np.take_along_axis(x, positions, -1), positions


def _top_k_tangent(b: Builder, node: Node, tangents: Tangents) -> tuple[int | None, None] | None:
    if tangents[0] is None:
        return None
    positions = b.item(node.id, position=1)
    return b.take_along_axis(tangents[0], positions, axis=b.type(positions).rank - 1), None


register(
    Special(
        name="top_k",
        batch=last_axes,
        summary="the k largest entries of the last axis in descending order, and their positions",
        accepts="number",
        shape=_top_k_shape,
        reference=_top_k_reference,
        tangent_rule=_top_k_tangent,
        kernel="top_k",
        samples=_sample(k=3),
    )
)
