"""Ops that combine the entries along axes: sums, products, extrema, and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..graph import Graph, Node, TensorType
from ..graph.types import product
from .batching import later_axes, later_axis
from .builder import Builder
from .index import Index, Piece
from .record import Contraction, Linear, LinearCall, Special, Tangents, register

Axes = tuple[int, ...]


def _reduced_shape(graph: Graph, x: TensorType, *, axes: Axes) -> TensorType:
    if len(set(axes)) != len(axes) or not all(0 <= axis < x.rank for axis in axes):
        raise ShapeError(f"the axes {axes} do not name distinct axes of {x}.")
    return x.with_shape(size for axis, size in enumerate(x.shape) if axis not in axes)


def _extremum_shape(graph: Graph, x: TensorType, *, axes: Axes) -> TensorType:
    if any(0 <= axis < x.rank and x.shape[axis] == 0 for axis in axes):
        raise ShapeError(f"the largest or smallest of no entries does not exist: {x} is empty along the axes {axes}.")
    return _reduced_shape(graph, x, axes=axes)


def _over_axes(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *, axes: function(x, axis=axes)


def _position_in(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, *, axis: function(x, axis=axis).astype(np.int64)


def _reduced_contraction(combine: str) -> Callable[..., Contraction]:
    def contraction(context: Any, index: tuple[Index, ...], types: Any, *, axes: Axes) -> Contraction:
        (x,) = types

        def factors(box: tuple[Index, ...]) -> list[list[Piece]]:
            inner, outer = iter(box), iter(index)
            return [[Piece(0, tuple(next(inner) if axis in axes else next(outer) for axis in range(x.rank)))]]

        return Contraction(tuple(x.shape[axis] for axis in sorted(axes)), combine, factors)

    return contraction


def _sample(**attributes: Any) -> Any:
    return lambda rng, dtype: ((rng.uniform(-2, 2, (3, 4, 2)).astype(dtype),), attributes)


def expand(b: Builder, reduced: int, type: TensorType, axes: Axes) -> int:
    """Repeat a reduced value along the axes that were reduced."""
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(type.shape))
    return b.broadcast(b.reshape(reduced, shape=kept), shape=type.shape)


register(
    Linear(
        name="sum",
        batch=later_axes,
        summary="the sum over some axes",
        accepts="number",
        shape=_reduced_shape,
        reference=lambda x, *, axes: np.sum(x, axis=axes, dtype=x.dtype),
        transposes={0: lambda b, call, ct: expand(b, ct, call.types[0], call.attributes["axes"])},
        contraction=_reduced_contraction("sum"),
        samples=_sample(axes=(0, 2)),
    )
)


def rows(b: Builder, x: int, axes: Axes) -> int:
    """The reduced axes moved last and joined into one: [kept…, n]."""
    type = b.type(x)
    kept = tuple(axis for axis in range(type.rank) if axis not in axes)
    moved = b.transpose(x, axes=(*kept, *sorted(axes)))
    length = product(type.shape[axis] for axis in axes)
    return b.reshape(moved, shape=(*(type.shape[axis] for axis in kept), length))


def _extremum_tangent(position: str) -> Callable[[Builder, Node, Tangents], int | None]:
    """The tangent of the first entry that attains the extremum."""

    def rule(b: Builder, node: Node, tangents: Tangents) -> int | None:
        if tangents[0] is None:
            return None
        axes = node.attributes["axes"]
        values, directions = rows(b, node.inputs[0], axes), rows(b, tangents[0], axes)
        last = b.type(values).rank - 1
        chosen = b.emit(position, values, axis=last)
        chosen = b.reshape(chosen, shape=(*b.type(chosen).shape, 1))
        return b.reshape(b.take_along_axis(directions, chosen, axis=last), shape=node.shape)

    return rule


def _product_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """Σᵢ ẋᵢ · Πⱼ≠ᵢ xⱼ, with the diagonal of an n × n table set to one, so that zeros are right to every order."""
    if tangents[0] is None:
        return None
    values, directions = (rows(b, id, node.attributes["axes"]) for id in (node.inputs[0], tangents[0]))
    *lead, n = b.type(values).shape
    square = (*lead, n, n)
    table = b.broadcast(b.reshape(values, shape=(*lead, 1, n)), shape=square)
    places = [b.iota(shape=square, axis=len(lead) + offset, dtype="int64") for offset in (0, 1)]
    others = b.where(b.equal(*places), b.constant(1.0, square, node.dtype), table)
    others = b.prod(others, axes=(len(lead) + 1,))
    return b.reshape(b.sum(b.multiply(others, directions), axes=(len(lead),)), shape=node.shape)


register(
    Special(
        name="prod",
        batch=later_axes,
        summary="the product over some axes",
        accepts="number",
        shape=_reduced_shape,
        reference=lambda x, *, axes: np.prod(x, axis=axes, dtype=x.dtype),
        tangent_rule=_product_tangent,
        contraction=_reduced_contraction("product"),
        samples=_sample(axes=(1,)),
    )
)
for _name, _summary, _combine, _position in (
    ("max", "the largest entry over some axes", "maximum", "argmax"),
    ("min", "the smallest entry over some axes", "minimum", "argmin"),
):
    register(
        Special(
            name=_name,
            batch=later_axes,
            summary=_summary,
            accepts="number",
            shape=_extremum_shape,
            reference=_over_axes(getattr(np, _name)),
            tangent_rule=_extremum_tangent(_position),
            contraction=_reduced_contraction(_combine),
            samples=_sample(axes=(0, 2)),
        )
    )


def _position_shape(graph: Graph, x: TensorType, *, axis: int) -> TensorType:
    return _extremum_shape(graph, x, axes=(axis,)).with_dtype("int64")


def _position_contraction(combine: str) -> Callable[..., Contraction]:
    def contraction(context: Any, index: tuple[Index, ...], types: Any, *, axis: int) -> Contraction:
        return _reduced_contraction(combine)(context, index, types, axes=(axis,))

    return contraction


for _name, _summary in (
    ("argmax", "the position of the largest entry along an axis, the first one of equals"),
    ("argmin", "the position of the smallest entry along an axis, the first one of equals"),
):
    register(
        Special(
            name=_name,
            batch=later_axis,
            summary=_summary,
            accepts="number",
            shape=_position_shape,
            reference=_position_in(getattr(np, _name)),
            contraction=_position_contraction(_name),
            bound=lambda types, *, axis: types[0].shape[axis],
            samples=_sample(axis=1),
        )
    )


def _running_sum(x: np.ndarray, *, axis: int, reverse: bool) -> np.ndarray:
    if not reverse:
        return np.cumsum(x, axis=axis, dtype=x.dtype)
    return np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis)


def _running_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    return b.cumulative_sum(ct, axis=call.attributes["axis"], reverse=not call.attributes["reverse"])


register(
    Linear(
        name="cumulative_sum",
        batch=later_axis,
        summary="running sums along an axis, from its start or (reverse) its end",
        accepts="number",
        shape=lambda graph, x, *, axis, reverse: x,
        reference=_running_sum,
        transposes={0: _running_transpose},
        kernel="cumulative_sum",
        samples=_sample(axis=1, reverse=False),
    )
)
