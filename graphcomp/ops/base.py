"""Inputs, constants, sizes, conversion, and the ops that only pass a value on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, GraphError
from ..graph import Graph, Node, TensorType, TupleType
from ..graph.types import Dimension
from .batching import last_axes
from .builder import Builder
from .index import Piece
from .record import Elementwise, Linear, LinearCall, Special, Tangents, register


def _input_shape(graph: Graph, *, shape: tuple[Dimension, ...], dtype: str, name: str = "") -> TensorType:
    return TensorType(tuple(shape), dtype)


def _unbound(**attributes: Any) -> Any:
    raise GraphError("an input has no value of its own")


register(
    Special(
        name="input",
        summary="an argument of the traced function",
        arity=0,
        shape=_input_shape,
        reference=_unbound,
    )
)
register(
    Special(
        name="constant",
        summary="an array filled with one value",
        arity=0,
        shape=lambda graph, *, value, shape, dtype: TensorType(tuple(shape), dtype),
        reference=lambda *, value, shape, dtype: np.full(shape, value, dtype),
        generate=lambda context, index, *, value, shape, dtype: context.literal(value, dtype),
        samples=lambda rng, dtype: ((), {"value": 2, "shape": (2, 3), "dtype": dtype}),
    )
)
register(
    Special(
        name="array",
        summary="an array constant, from the graph's side table",
        arity=0,
        shape=lambda graph, *, key: TensorType(graph.arrays[key].shape, str(graph.arrays[key].dtype)),
    )
)
register(
    Special(
        name="dimension",
        summary="a size as a value",
        arity=0,
        shape=lambda graph, *, size: TensorType((), "int64"),
        reference=lambda *, size: np.asarray(size, "int64"),
        generate=lambda context, index, *, size: context.size(size),
        samples=lambda rng, dtype: ((), {"size": 7}),
    )
)
register(
    Special(
        name="iota",
        summary="0, 1, 2, … along one axis",
        arity=0,
        accepts="number",
        shape=lambda graph, *, shape, axis, dtype: TensorType(tuple(shape), dtype),
        reference=lambda *, shape, axis, dtype: np.broadcast_to(
            np.arange(shape[axis], dtype=dtype).reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape
        ).copy(),
        generate=lambda context, index, *, shape, axis, dtype: context.cast(context.position(index[axis]), dtype),
        samples=lambda rng, dtype: ((), {"shape": (3, 4), "axis": 1, "dtype": dtype}),
    )
)


class _Convert(Elementwise):
    def infer(self, graph: Graph, types: Any, attributes: Any) -> TensorType:
        self.check_arguments(types)
        if attributes["dtype"] == "bool" != types[0].dtype:
            raise DTypeError(f"convert does not make a bool of {types[0].dtype}; compare it with zero.")
        return TensorType(types[0].shape, attributes["dtype"])


def _convert_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    tangent = tangents[0]
    if tangent is None or not node.tensor.is_float:
        return None
    return b.convert(tangent, dtype=node.dtype)


register(
    _Convert(
        name="convert",
        summary="the same value in another dtype",
        cost=1,
        accepts="any",
        reference=lambda x, *, dtype: np.asarray(x).astype(dtype),
        scalar="{0}",
        tangent_rule=_convert_tangent,
        transposes={0: lambda b, call, ct: b.convert(ct, dtype=call.types[0].dtype)},
        samples=lambda rng, dtype: ((rng.integers(0, 2, (3, 4)).astype(dtype),), {"dtype": "float64"}),
    ),
    verify=False,
)


def _pass_on(context: Any, index: Any, types: Any) -> list[Piece]:
    return [Piece(0, index)]


register(
    Linear(
        name="identity",
        batch=last_axes,
        summary="its argument, as a node of its own",
        shape=lambda graph, type: type,
        reference=lambda x: x,
        transposes={0: lambda b, call, ct: ct},
        index_map=_pass_on,
    )
)
register(
    Special(
        name="stop_gradient",
        batch=last_axes,
        summary="its argument, with derivative zero",
        shape=lambda graph, type: type,
        reference=lambda x: x,
        index_map=_pass_on,
    )
)


def _item_shape(graph: Graph, type: TupleType, *, position: int) -> TensorType:
    return type.items[position]


class _Item(Special):
    def check_arguments(self, types: Any) -> None:
        if len(types) != 1 or not isinstance(types[0], TupleType):
            raise GraphError("item takes the result of an op with several results")

    def pull_back(self, b: Builder, call: LinearCall, cotangent: Any) -> dict[int, Any]:
        return {0: {call.attributes["position"]: cotangent}}


def _item_tangent(b: Builder, node: Node, tangents: Tangents) -> Any:
    parts: Any = tangents[0]
    return parts[node.attributes["position"]]


register(
    _Item(
        name="item",
        kernel="item",
        summary="one of the results of an op with several",
        shape=_item_shape,
        reference=lambda values, *, position: values[position],
        tangent_rule=_item_tangent,
    )
)
