"""How ops work on a batch: rules for records, in terms of a new first axis.

A rule `(b, node, inputs, batched, size)` returns the id of the batch of results. `inputs[slot]` has a new first axis of
`size` entries where `batched[slot]`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..graph import Dimension, Node
from ..graph.types import product
from .builder import Builder

BatchRule: TypeAlias = Callable[[Builder, Node, Sequence[int], Sequence[bool], Dimension], Any]


def spread(b: Builder, id: int, is_batched: bool, size: Dimension) -> int:
    """The value as a batch: as it is, or repeated."""
    return id if is_batched else b.broadcast(id, shape=(size, *b.type(id).shape))


def spread_all(b: Builder, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> list[int]:
    """All values as batches."""
    return [spread(b, id, is_batched, size) for id, is_batched in zip(inputs, batched)]


def with_attributes(change: Callable[[dict[str, Any], Dimension], dict[str, Any]]) -> BatchRule:
    """The same op on batches, with attributes that leave the first axis alone."""

    def rule(b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> int:
        return b.emit(node.op, *spread_all(b, inputs, batched, size), **change(dict(node.attributes), size))

    return rule


later_axis = with_attributes(lambda attributes, size: attributes | {"axis": attributes["axis"] + 1})
"""For ops along `axis`."""

later_axes = with_attributes(lambda attributes, size: attributes | {"axes": tuple(a + 1 for a in attributes["axes"])})
"""For ops over `axes`."""

last_axes = with_attributes(lambda attributes, size: attributes)
"""For ops entry by entry, and for those whose attributes speak of the last axes."""


def before_each(**first: Any) -> BatchRule:
    """For ops with one entry for each axis in these attributes: what the first axis gets (None is the batch's size)."""
    return with_attributes(
        lambda attributes, size: {
            name: ((size if first[name] is None else first[name]), *value) if name in first else value
            for name, value in attributes.items()
        }
    )


def batch_product(b: Builder, subscripts: str, inputs: Sequence[int], batched: Sequence[bool]) -> int:
    """A product of arrays over a batch: one more letter, in the operands that are batches and in the result."""
    letter = next(
        letter for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if letter not in subscripts
    )
    left, _, result = subscripts.partition("->")
    operands = [letter + names if on else names for names, on in zip(left.split(","), batched)]
    return b.einsum(*inputs, subscripts=f"{','.join(operands)}->{letter}{result}")


def permute_batch(attributes: dict[str, Any], size: Dimension) -> dict[str, Any]:
    """For a permutation of axes."""
    return {"axes": (0, *(axis + 1 for axis in attributes["axes"]))}


def batch_broadcast(b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> int:
    """New axes stand behind the batch's."""
    shape = node.attributes["shape"]
    (source,) = inputs
    inner = b.type(source).shape[1:]
    if len(inner) < len(shape):
        source = b.reshape(source, shape=(size, *(1,) * (len(shape) - len(inner)), *inner))
    return b.broadcast(source, shape=(size, *shape))


def batch_gather(b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> int:
    """Where the positions are a batch: one axis for them, then, if the array is one too, row by row."""
    x, indices = inputs
    axis = node.attributes["axis"]
    if not batched[1]:
        return b.gather(x, indices, axis=axis + 1)
    if not batched[0]:
        found = b.gather(x, indices, axis=axis)
        axes = [axis, *(other for other in range(b.type(found).rank) if other != axis)]
        return b.transpose(found, axes=tuple(axes))
    source = b.type(x)
    places = b.type(indices).shape[1:]
    count = product(places)
    before, after = source.shape[1 : axis + 1], source.shape[axis + 2 :]
    flat = b.reshape(indices, shape=(size, *(1 for _ in before), count, *(1 for _ in after)))
    flat = b.broadcast(flat, shape=(size, *before, count, *after))
    found = b.take_along_axis(x, flat, axis=axis + 1)
    return b.reshape(found, shape=(size, *before, *places, *after))


def batch_scatter(b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> Any:
    """Where only the updates are a batch; otherwise one after the other."""
    if batched[1]:
        return None
    return b.scatter_add(*inputs, **{**node.attributes, "axis": node.attributes["axis"] + 1})
