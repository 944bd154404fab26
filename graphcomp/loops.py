"""Loops and branches inside a graph: `scan`, `cond`, `while_loop`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import (
    control,  # noqa: F401  (registers the ops)
    ops,
)
from .derive import copy_node, extract
from .errors import InputError, ShapeError, TraceError
from .graph import Dimension, Graph, Subgraph, TensorType, TupleType
from .graph.types import equal
from .trace import TracedGraph, scope, trace_function
from .trace.functions import concatenate, stack
from .trace.tracer import current_scope, type_of, user_origin
from .trace.tree import Structure, flatten
from .transform import run

Body = Callable[[Any, Any], tuple[Any, Any]]


def scan(
    body: Body,
    init: Any,
    xs: Any = None,
    length: Dimension | None = None,
    *,
    reverse: bool = False,
    unroll: int = 1,
    checkpoint: bool = False,
) -> tuple[Any, Any]:
    """Repeat `body(carry, x) -> (carry, y)` along sequences; returns the last carry and all ys, stacked.

    ``init`` is the first carry and ``xs`` the sequences: arrays or nested containers of them; those in ``xs`` have one
    first axis of equal length, and x holds their entries along it. Without ``xs``, ``length`` (an integer or a named
    size) says how many steps. The carry keeps its containers, shapes and dtypes. ``reverse`` goes from the last entry
    to the first; ys stand where their xs stood. ``unroll`` steps are written out in each turn of the loop (all of them
    where it is at least the length): for pictures, and for short loops. With ``checkpoint`` the derivative's way back
    keeps only the carries and computes the rest of each step again.

    The body is traced once, whatever the length. Raises ShapeError where lengths or the carry's types do not agree.
    """
    steps = _length(xs, length)
    if unroll != 1:
        return _unrolled(body, init, xs, steps, reverse, unroll, checkpoint)
    values, sequences = [array_leaf(leaf) for leaf in flatten(init)[0]], flatten(xs)[0] if xs is not None else []
    traced = _trace_body(body, init, xs)
    values = _as_carried(values, traced, flatten(init)[1])
    closed, constants = close(traced)
    attributes = {
        "body": Subgraph(closed),
        "length": steps,
        "carries": len(values),
        "sequences": len(sequences),
        "reverse": bool(reverse),
        "save": not checkpoint,
    }
    results = call("scan", [*values, *sequences, *constants], attributes)
    carry, ys = traced.result_structure.children
    count = carry.leaf_count()
    return carry.unflatten(results[:count]), ys.unflatten(results[count:])


def _length(xs: Any, length: Dimension | None) -> Dimension:
    """The number of steps, on which all sequences must agree."""
    leaves = flatten(xs)[0] if xs is not None else []
    if any(len(np.shape(leaf) if not hasattr(leaf, "shape") else leaf.shape) == 0 for leaf in leaves):
        raise ShapeError("scan: each array in xs needs a first axis, along which the loop goes.")
    sizes = [leaf.shape[0] for leaf in leaves] + ([] if length is None else [length])
    if not sizes:
        raise InputError("scan: give xs, or length, the number of steps.")
    for size in sizes[1:]:
        if equal(sizes[0], size) is False:
            raise ShapeError(f"scan: the sequences have different lengths, {', '.join(map(str, sizes))}.")
    return sizes[0] if isinstance(sizes[0], int) or not isinstance(sizes[0], np.integer) else int(sizes[0])


def array_leaf(leaf: Any) -> Any:
    """An array, also of a Python number."""
    return leaf if hasattr(leaf, "shape") else np.asarray(leaf)


def _trace_body(body: Body, init: Any, xs: Any) -> TracedGraph:
    """The body's graph for the types of one step."""
    leaves, structure = flatten(init)
    carry = structure.unflatten([leaf_type(leaf) for leaf in leaves])
    x = None
    if xs is not None:
        sequences, inner = flatten(xs)
        types = [leaf_type(leaf) for leaf in sequences]
        x = inner.unflatten([type.with_shape(type.shape[1:]) for type in types])
    traced = trace_function(body, (carry, x))
    result = traced.result_structure
    if result.kind not in ("tuple", "list") or len(result.children) != 2:
        raise TraceError("the body of a scan returns (carry, y); y may be None.")
    if result.children[0] != structure:
        raise TraceError(
            "the body of a scan must return its carry in the containers in which it came: "
            f"{', '.join(structure.paths('carry')) or 'nothing'}, "
            f"not {', '.join(result.children[0].paths('carry')) or 'nothing'}."
        )
    return traced


def leaf_type(leaf: Any) -> TensorType:
    """The type of an array, a traced value or a number."""
    type = type_of(array_leaf(leaf))
    assert isinstance(type, TensorType)
    return type


def _as_carried(values: list[Any], traced: TracedGraph, structure: Structure) -> list[Any]:
    """The first carry, checked against what the body makes of it."""
    for value, id, path in zip(values, traced.outputs, structure.paths("carry")):
        before, after = leaf_type(value), traced.type(id)
        same = before.rank == after.rank and all(equal(a, b) is not False for a, b in zip(before.shape, after.shape))
        if before.dtype != after.dtype or not same:
            origin = traced.node(id).origin
            where = f" At {origin}." if origin else ""
            raise ShapeError(
                f"scan: {path} comes in as {before} and goes out as {after}; what is carried keeps its type. "
                f"Start with zeros of that type, or convert it in the body.{where}"
            )
    return values


def close(traced: TracedGraph) -> tuple[Graph, list[Any]]:
    """A traced body with its array constants as further inputs, and the outer values of all that it closes over."""
    closed = Graph(requirements=list(traced.requirements))
    b = ops.build(closed)
    ids = {id: copy_node(b, traced.node(id), ()) for id in traced.inputs}
    arrays: list[Any] = []
    closed.inputs = list(ids.values())
    for node in traced.nodes():
        if node.op == "array":
            arrays.append(traced.arrays[node.attributes["key"]])
            ids[node.id] = b.input(shape=node.shape, dtype=node.dtype)
            closed.inputs.append(ids[node.id])
        elif node.id not in ids:
            ids[node.id] = copy_node(b, node, [ids[source] for source in node.inputs])
    closed.outputs = [ids[id] for id in traced.outputs]
    closed.names = {name: ids[id] for name, id in traced.names.items()}
    return closed, [*traced.captured, *arrays]


def call(op: str, values: Sequence[Any], attributes: dict[str, Any]) -> list[Any]:
    """The results of an op with several, for values: computed at once, or added to the trace in progress."""
    graph = Graph()
    b = ops.build(graph)
    b.scope, b.origin = current_scope(), user_origin()
    types = [leaf_type(value) for value in values]
    graph.inputs = [b.input(shape=type.shape, dtype=type.dtype) for type in types]
    result = b.emit(op, *graph.inputs, **attributes)
    type = graph.node(result).type
    assert isinstance(type, TupleType)
    graph.outputs = [b.item(result, position=position) for position in range(len(type.items))]
    return run(graph, values)


# branches ------------------------------------------------------------------------------------------------------------


def cond(predicate: Any, if_true: Callable[..., Any], if_false: Callable[..., Any], *operands: Any) -> Any:
    """`if_true(*operands)` or `if_false(*operands)`, as one truth value says; only that one is computed.

    Both functions return the same containers, shapes and dtypes. (`gx.numpy.where` chooses entry by entry, and computes
    both.) Raises DTypeError where the predicate is not one truth value, ShapeError where the results differ.
    """
    leaves, _ = flatten(operands)
    types = [leaf_type(leaf) for leaf in leaves]
    traced = [trace_function(branch, flatten(operands)[1].unflatten(types)) for branch in (if_true, if_false)]
    first, second = (graph.result_structure for graph in traced)
    if first != second:
        raise TraceError(
            f"the branches of cond return different containers: {', '.join(first.paths('result'))} and "
            f"{', '.join(second.paths('result'))}."
        )
    _check_branches(traced, first)
    closed = [close(graph) for graph in traced]
    bodies = [
        _with_others(closed[0][0], len(types), 0, closed[1]),
        _with_others(closed[1][0], len(types), len(closed[0][1]), closed[0]),
    ]
    values = [array_leaf(predicate), *map(array_leaf, leaves), *closed[0][1], *closed[1][1]]
    attributes = {"if_true": Subgraph(bodies[0]), "if_false": Subgraph(bodies[1])}
    return first.unflatten(call("cond", values, attributes))


def _check_branches(traced: Sequence[TracedGraph], structure: Structure) -> None:
    for one, other, path in zip(traced[0].outputs, traced[1].outputs, structure.paths("result")):
        left, right = traced[0].type(one), traced[1].type(other)
        if left.dtype != right.dtype or left.rank != right.rank:
            raise ShapeError(f"cond: {path} is {left} in one branch and {right} in the other; make them equal.")


def _with_others(graph: Graph, own: int, place: int, other: tuple[Graph, list[Any]]) -> Graph:
    """A branch with inputs for what the other one closes over; they stand at `place` behind the operands."""
    wider = extract(graph, graph.inputs, graph.outputs)
    wider.requirements = list(graph.requirements)
    b = ops.build(wider)
    types = map(other[0].type, other[0].inputs[len(other[0].inputs) - len(other[1]) :])
    more = [b.input(shape=type.shape, dtype=type.dtype) for type in types]
    closed = wider.inputs[own:]
    wider.inputs = [*wider.inputs[:own], *(more + closed if place else closed + more)]
    return wider


# loops of unknown length ---------------------------------------------------------------------------------------------


def while_loop(
    condition: Callable[[Any], Any], body: Callable[[Any], Any], init: Any, max_steps: int | None = None
) -> Any:
    """Repeat `carry = body(carry)` while `condition(carry)` holds; returns the last carry.

    The carry keeps its containers, shapes and dtypes. Without ``max_steps`` the loop goes on as long as it must, and
    has derivatives in forward mode only. With it the loop stops after that many steps at the latest, and has
    derivatives in both modes: it is cut into √max_steps pieces, and the way back keeps the carry before each piece and
    the values inside one piece at a time, so that memory grows as √max_steps.
    """
    if max_steps is not None:
        return _bounded(condition, body, init, max_steps)
    leaves, structure = flatten(init)
    carry = structure.unflatten([leaf_type(leaf) for leaf in leaves])
    traced, test = trace_function(body, (carry,)), trace_function(condition, (carry,))
    if traced.result_structure != structure:
        raise TraceError(
            "the body of a while_loop must return its carry in the containers in which it came: "
            f"{', '.join(structure.paths('carry'))}, not {', '.join(traced.result_structure.paths('carry'))}."
        )
    values = _as_carried(list(map(array_leaf, leaves)), traced, structure)
    closed, tested = close(traced), close(test)
    bodies = [
        _with_others(closed[0], len(values), 0, tested),
        _with_others(tested[0], len(values), len(closed[1]), closed),
    ]
    attributes = {"condition": Subgraph(bodies[1]), "body": Subgraph(bodies[0]), "carries": len(values)}
    return structure.unflatten(call("while_loop", [*values, *closed[1], *tested[1]], attributes))


def _bounded(condition: Callable[[Any], Any], body: Callable[[Any], Any], init: Any, max_steps: int) -> Any:
    """Pieces of steps; a step, and a piece, is passed over once the condition fails."""
    if max_steps < 0:
        raise InputError(f"while_loop: max_steps is a number of steps, not {max_steps}.")
    size = max(1, math.isqrt(max_steps))

    def step(state: Any, _: Any) -> tuple[Any, None]:
        carry, taken = state

        def go_on(carry: Any) -> Any:
            return body(carry), taken + 1

        goes_on = condition(carry) & (taken < max_steps)
        return cond(goes_on, go_on, lambda carry: (carry, taken), carry), None

    def piece(state: Any, _: Any) -> tuple[Any, None]:
        goes_on = condition(state[0]) & (state[1] < max_steps)
        return cond(goes_on, lambda state: scan(step, state, length=size)[0], lambda state: state, state), None

    start = flatten(init)[1].unflatten([array_leaf(leaf) for leaf in flatten(init)[0]])
    (carry, _), _ = scan(piece, (start, np.int64(0)), length=-(-max_steps // size), checkpoint=True)
    return carry


# steps written out ---------------------------------------------------------------------------------------------------


def _unrolled(
    body: Body, init: Any, xs: Any, length: Dimension, reverse: bool, unroll: int, checkpoint: bool
) -> tuple[Any, Any]:
    """Groups of `unroll` steps, written out; what is left over is written out after the loop."""
    if not isinstance(length, int) or unroll < 1:
        raise InputError(f"scan: unroll is a positive number of steps of a known length, not {unroll} of {length}.")
    turns, rest = divmod(length, unroll)
    if turns <= 1:
        return _written_out(body, init, xs, length, reverse)
    start, stop = (rest, length) if reverse else (0, length - rest)
    sequences, structure = flatten(xs)
    grouped = [x[start:stop].reshape((turns, unroll, *x.shape[1:])) for x in sequences]

    def group(carry: Any, x: Any) -> tuple[Any, Any]:
        return _written_out(body, carry, x, unroll, reverse)

    carry, ys = scan(
        group, init, None if xs is None else structure.unflatten(grouped), turns, reverse=reverse, checkpoint=checkpoint
    )
    leaves, inner = flatten(ys)
    leaves = [y.reshape((turns * unroll, *y.shape[2:])) for y in leaves]
    if rest:
        left = [x[:start] if reverse else x[stop:] for x in sequences]
        carry, last = _written_out(body, carry, None if xs is None else structure.unflatten(left), rest, reverse)
        parts = zip(flatten(last)[0], leaves) if reverse else zip(leaves, flatten(last)[0])
        leaves = [concatenate(pair, 0) for pair in parts]
    return carry, inner.unflatten(leaves)


def _written_out(body: Body, carry: Any, xs: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    """All steps one after the other."""
    sequences, structure = flatten(xs)
    found: list[Any] = [None] * length
    for step in reversed(range(length)) if reverse else range(length):
        with scope(f"step.{step}"):
            carry, found[step] = body(carry, None if xs is None else structure.unflatten([x[step] for x in sequences]))
    if not length:
        raise InputError("scan: a loop that is written out has at least one step.")
    leaves = [flatten(y)[0] for y in found]
    return carry, flatten(found[0])[1].unflatten([stack(column, 0) for column in zip(*leaves)])
