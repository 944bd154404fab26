"""Ops over groups of entries: what the members of a group add up to, and what each member's group has.

A grouping of E entries into G groups is given from both sides: `groups` [E], the group of each entry, and `starts`
[G + 1], where each group begins among the entries in the order of their groups (the last number is E). `members` [E]
are the entries in that order; without it they stand in it already. The rows of a sparse matrix, and its columns, group
its stored entries. Where a row's place is looked up for each member, it can be at hand in their order: two more arrays,
`other` [E] and `across` [E], say that other[members] is across.

The two linear ops are each other's transpose, so derivatives of any order stay sums over groups, each by one loop that
owns its result: nothing is added up by several threads at one place. A grouping whose sides contradict each other is
not found out here; `graphcomp.sparse` checks what it is given.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph import Dimension, Graph, Node, TensorType
from .builder import Builder
from .index import Index, Piece
from .indexing import checked
from .record import Linear, LinearCall, Special, Tangents, register

FAR = 2**62
"""Stands for an entry behind all others."""


def _check_grouping(graph: Graph, name: str, groups: TensorType, starts: TensorType, *members: TensorType) -> Dimension:
    """How many groups there are."""
    for part in (groups, starts, *members):
        if not part.is_integer:
            raise DTypeError(f"{name} takes integers for its grouping, not {part}.")
        if part.rank != 1:
            raise ShapeError(f"{name} takes a grouping of one-dimensional arrays, not {part}.")
    if starts.shape[0] == 0:
        raise ShapeError(f"{name}: the groups' starts are one more than there are groups, so at least one number.")
    for part in members:
        if graph.require_equal(groups.shape[0], part.shape[0], f"{name} takes each entry once as a member") is False:
            raise ShapeError(f"{name}: {groups.shape[0]} entries have a group, but {part.shape[0]} are members.")
    return starts.shape[0] - 1


def _require_rows(graph: Graph, name: str, x: TensorType, count: Dimension, of: str) -> None:
    if (
        x.rank == 0
        or graph.require_equal(x.shape[0], count, f"{name} takes an array with a row for each {of}") is False
    ):
        raise ShapeError(f"{name} takes an array with a row for each {of}, {count} of them, not {x}.")


def _sum_shape(name: str) -> Any:
    def shape(graph: Graph, x: TensorType, groups: TensorType, *rest: TensorType) -> TensorType:
        count = _check_grouping(graph, name, groups, *rest)
        _require_rows(graph, name, x, groups.shape[0], "entry")
        return x.with_shape((count, *x.shape[1:]))

    return shape


def _take_shape(graph: Graph, x: TensorType, groups: TensorType, *rest: TensorType) -> TensorType:
    _require_rows(graph, "group_take", x, _check_grouping(graph, "group_take", groups, *rest), "group")
    return x.with_shape((*groups.shape, *x.shape[1:]))


def _combined(name: str, combine: Any, neutral: Any) -> Any:
    def reference(x: np.ndarray, groups: np.ndarray, starts: np.ndarray, *members: np.ndarray) -> np.ndarray:
        result = np.full((len(starts) - 1, *x.shape[1:]), neutral(x.dtype), x.dtype)
        combine.at(result, checked(name, groups, len(result)), x)
        return result

    return reference


def _smallest(dtype: np.dtype[Any]) -> Any:
    """What a maximum begins with."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _batch(b: Builder, node: Node, inputs: Any, batched: Any, size: Dimension) -> int | None:
    """A batch of arrays in one grouping: the batch becomes the second axis. Groupings that differ, one by one."""
    if any(batched[1:]):
        return None
    x, *grouping = inputs
    axes = (1, 0, *range(2, b.type(x).rank))
    return b.transpose(b.emit(node.op, b.transpose(x, axes=axes), *grouping, **node.attributes), axes=axes)


def _take_map(context: Any, index: tuple[Index, ...], types: Any) -> list[Piece]:
    return [Piece(0, (context.load(1, index[:1], types[0].shape[0]), *index[1:]))]


def _other(name: str) -> Any:
    """The transpose: the other of the two linear ops, in the same grouping."""

    def rule(b: Builder, call: LinearCall, ct: int) -> int:
        return b.emit(name, ct, *(call.operand(slot) for slot in range(1, len(call.operands))))

    return rule


def _samples(rng: np.random.Generator, dtype: str, rows: int, *of: int) -> Any:
    groups = np.array(of or [2, 0, 2, 4, 0, 2])
    starts = np.searchsorted(np.sort(groups), np.arange(groups.max() + 2))
    x = rng.uniform(-2, 2, (rows, 2)).astype(dtype)
    return (x, groups, starts, np.argsort(groups, kind="stable")), {}


register(
    Linear(
        name="group_sum",
        batch=_batch,
        shown=2,
        summary="for each group the sum of its members' rows, in ascending order of the entries",
        arity=None,
        accepts="any",
        shape=_sum_shape("group_sum"),
        reference=_combined("group_sum", np.add, lambda dtype: 0),
        transposes={0: _other("group_take")},
        kernel="group_sum",
        samples=lambda rng, dtype: _samples(rng, dtype, 6),
    )
)
register(
    Linear(
        name="group_take",
        batch=_batch,
        shown=2,
        repeats=True,
        summary="for each entry the row of its group",
        arity=None,
        accepts="any",
        shape=_take_shape,
        reference=lambda x, groups, starts, *members: x[checked("group_take", groups, len(x))],
        transposes={0: _other("group_sum")},
        index_map=_take_map,
        samples=lambda rng, dtype: _samples(rng, dtype, 5),
    )
)


def _max_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """The tangent of the first member that has the group's largest value."""
    if tangents[0] is None:
        return None
    x, *grouping = node.inputs
    shape = b.type(x).shape
    entry = b.iota(shape=shape, axis=0, dtype="int64")
    is_largest = b.equal(x, b.group_take(node.id, *grouping))
    candidates = b.where(is_largest, b.negative(entry), b.constant(-FAR, shape, "int64"))
    first = b.negative(b.group_max(candidates, *grouping))
    return b.group_sum(b.mask(b.equal(entry, b.group_take(first, *grouping)), tangents[0]), *grouping)


register(
    Special(
        name="group_max",
        batch=_batch,
        shown=2,
        summary="for each group the largest of its members' values, minus infinity where there are none",
        arity=None,
        accepts="number",
        shape=_sum_shape("group_max"),
        reference=_combined("group_max", np.maximum, _smallest),
        tangent_rule=_max_tangent,
        kernel="group_max",
        samples=lambda rng, dtype: _samples(rng, dtype, 6, 2, 0, 1, 2, 0, 2),
    )
)
