"""`vmap`: a function of one example as a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .control.batch import batch
from .errors import InputError, ShapeError
from .graph import Dimension, TensorType
from .graph.types import equal
from .trace import trace_function
from .trace.functions import moveaxis, ones_like
from .trace.tracer import apply, lifted, type_of
from .trace.tree import flatten
from .transform import run

Axes = int | None | Sequence[Any]


def vmap(
    function: Callable[..., Any], in_axes: Axes = 0, out_axes: Axes = 0, axis_name: str = "batch"
) -> Callable[..., Any]:
    """`function`, written for one example, for a batch of them.

    ``in_axes`` says along which axis the batch lies: one integer for all arguments, or an entry for each: an integer
    for all arrays in the argument, or None for an argument that is the same for the whole batch. ``out_axes`` says the
    same of the results. Arguments and results may be nested containers of arrays. Inside, `batch_sum`, `batch_mean` and
    `batch_max` look at the whole batch; ``axis_name`` tells nested ones apart.

    The function is traced once and its graph is batched op by op, so it costs what the same code written for the batch
    costs; it works with all other transformations, in any order. Raises ShapeError where the sizes of the batch differ.
    """

    @functools.wraps(function)
    def mapped(*arguments: Any) -> Any:
        leaves, structure = flatten(arguments)
        leaves = [leaf if hasattr(leaf, "shape") else np.asarray(leaf) for leaf in leaves]
        axes = leaf_axes(in_axes, arguments, "in_axes")
        chosen = [position for position, axis in enumerate(axes) if axis is not None]
        size = _batch_size(leaves, axes, structure.paths())
        types = [_one(leaf, axis) for leaf, axis in zip(leaves, axes)]
        traced = trace_function(function, structure.unflatten(types))
        outputs = leaf_axes(out_axes, traced.result_structure.unflatten(traced.outputs), "out_axes")
        wanted = [position for position, axis in enumerate(outputs) if axis is not None]
        batched = batch(traced, chosen, size, wanted, axis_name)
        for position, axis in enumerate(outputs):
            if axis is None and batched.outputs[position]:
                raise InputError("vmap: out_axes is None for a result that differs from example to example.")
        values = [leaf if axis in (None, 0) else moveaxis(leaf, axis, 0) for leaf, axis in zip(leaves, axes)]
        results = run(batched.graph, [*values, *traced.captured])
        placed = [found if axis in (None, 0) else moveaxis(found, 0, axis) for found, axis in zip(results, outputs)]
        return traced.result_structure.unflatten(placed)

    return mapped


def batch_sum(x: Any, axis_name: str = "batch") -> Any:
    """The sum of x over the batch of the `vmap` around it: the same for each example."""
    return apply("batch_sum", lifted(x), axis=axis_name)


def batch_mean(x: Any, axis_name: str = "batch") -> Any:
    """The mean of x over the batch of the `vmap` around it."""
    return batch_sum(x, axis_name) / batch_sum(ones_like(x), axis_name)


def batch_max(x: Any, axis_name: str = "batch") -> Any:
    """The largest x, entry by entry, of the batch of the `vmap` around it.

    Where several examples reach it, each has an equal part in the derivative.
    """
    return apply("batch_max", lifted(x), axis=axis_name)


def leaf_axes(axes: Axes, values: Any, name: str) -> list[int | None]:
    """The axis of each array: `axes` is one for all, or an entry for each part of a tuple, list or dict."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(flatten(values)[0])
    parts = list(values.values()) if isinstance(values, dict) else values
    given = list(axes.values()) if isinstance(axes, dict) else axes
    if not isinstance(parts, (tuple, list)) or len(parts) != len(given):
        raise InputError(f"vmap: {name} is {axes!r}, which does not fit the values; give one entry for each.")
    return [axis for inner, part in zip(given, parts) for axis in leaf_axes(inner, part, name)]


def _batch_size(leaves: Sequence[Any], axes: Sequence[int | None], paths: Sequence[str]) -> Dimension:
    found: dict[str, Dimension] = {}
    for leaf, axis, path in zip(leaves, axes, paths):
        if axis is not None:
            if not -len(leaf.shape) <= axis < len(leaf.shape):
                raise ShapeError(f"vmap: {path} has the shape {tuple(leaf.shape)}, and so no axis {axis}.")
            found[path] = leaf.shape[axis]
    if not found:
        raise InputError("vmap: in_axes is None everywhere, so there is no batch; give an axis for one argument.")
    first = next(iter(found.values()))
    if any(equal(first, size) is False for size in found.values()):
        sizes = ", ".join(f"{path} has {size}" for path, size in found.items())
        raise ShapeError(f"vmap: the arguments hold batches of different sizes: {sizes}.")
    return first


def _one(leaf: Any, axis: int | None) -> TensorType:
    """The type of one example."""
    type = type_of(leaf)
    assert isinstance(type, TensorType)
    if axis is None:
        return type
    axis %= type.rank
    return type.with_shape((*type.shape[:axis], *type.shape[axis + 1 :]))
