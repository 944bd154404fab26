"""Ops over a batch that `vmap` has not made yet: each example sees what all have together.

The axis has a name, and vmap with that name turns the op into a reduction. Until then it has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InputError
from ..graph import Dimension, Graph, Node, TensorType
from .builder import Builder
from .record import Linear, Special, Tangents, register


def _no_batch(x: Any, *, axis: str) -> Any:
    raise InputError(
        f"there is no batch named {axis!r} here: call the function through gx.vmap(…, axis_name={axis!r})."
    )


def _shape(graph: Graph, x: TensorType, *, axis: str) -> TensorType:
    return x


def reduced(reduction: str, repeated: Callable[[Builder, int, Dimension], int]) -> Any:
    """The batch rule: a reduction over the first axis if it is the one named, else the same op for each of the batch.

    `repeated` gives the result for a value that is the same for the whole batch.
    """

    def rule(b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> Any:
        (x,) = inputs
        if node.attributes["axis"] != b.batch_axis:
            return b.emit(node.op, x, **node.attributes), batched[0]
        return (b.emit(reduction, x, axes=(0,)) if batched[0] else repeated(b, x, size)), False

    return rule


def times_size(b: Builder, x: int, size: Dimension) -> int:
    """The sum of as many equal values as the batch has."""
    type = b.type(x)
    count = b.convert(b.dimension(size=size), dtype=type.dtype)
    return b.multiply(x, b.broadcast(count, shape=type.shape))


def _batch_max_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """The mean of the tangents of all that reach the maximum."""
    (tangent,) = tangents
    if tangent is None:
        return None
    axis = node.attributes["axis"]
    (x,) = node.inputs
    reaches = b.equal(x, node.id)
    ones, zeros = b.constant_like(x, 1.0), b.constant_like(x, 0.0)
    count = b.batch_sum(b.where(reaches, ones, zeros), axis=axis)
    return b.divide(b.batch_sum(b.where(reaches, tangent, b.zeros_like(tangent)), axis=axis), count)


register(
    Linear(
        name="batch_sum",
        summary="the sum over a batch that vmap makes, seen by each example",
        accepts="number",
        shape=_shape,
        reference=_no_batch,
        transposes={0: lambda b, call, ct: b.batch_sum(ct, axis=call.attributes["axis"])},
        batch=reduced("sum", times_size),
        kernel="batch_sum",
    )
)
register(
    Special(
        name="batch_max",
        summary="the largest of a batch that vmap makes, seen by each example",
        accepts="number",
        shape=_shape,
        reference=_no_batch,
        tangent_rule=_batch_max_tangent,
        batch=reduced("max", lambda b, x, size: x),
        kernel="batch_max",
    )
)
