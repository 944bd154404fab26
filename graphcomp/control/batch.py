"""Batching: a graph that does for a whole batch, along a new first axis, what a graph does for one.

Each node that depends on something batched becomes the op's own rule for batches; a node whose record has none is
repeated in a loop over the batch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..derive import copy_node
from ..graph import Dimension, Graph, Node, Subgraph, TupleType, check_graph
from ..ops import Builder
from ..ops.batching import spread


@dataclass(frozen=True, slots=True)
class Batched:
    """`graph` has the inputs of the original, those chosen with a new first axis; `outputs` tells which outputs have
    one."""

    graph: Graph
    outputs: tuple[bool, ...]


def batch(
    graph: Graph, chosen: Collection[int], size: Dimension, required: Collection[int] = (), axis: str = ""
) -> Batched:
    """The graph for a batch of the inputs at the positions `chosen`.

    Outputs that depend on none of them stay as they are, but for those at the positions `required`, which are repeated.
    `axis` is the name of the batch, for ops that look at all of it.
    """
    b = ops.build(Graph(arrays=graph.arrays, requirements=list(graph.requirements)))
    b.batch_axis = axis
    ids: dict[int, int] = {}
    for position, id in enumerate(graph.inputs):
        node = graph.node(id)
        shape = (size, *node.shape) if position in chosen else node.shape
        ids[id] = b.at(node).input(shape=shape, dtype=node.dtype, name=node.attributes.get("name", ""))
    b.graph.inputs = [ids[id] for id in graph.inputs]
    on = {id for position, id in enumerate(graph.inputs) if position in chosen}
    parts: dict[int, list[tuple[int, bool]]] = {}
    for id in graph.reachable():
        if id not in ids:
            _batch_node(b, graph, graph.node(id), ids, on, parts, size)
    b.scope, b.origin = "", None
    flags = tuple(id in on or position in required for position, id in enumerate(graph.outputs))
    b.graph.outputs = [
        spread(b, ids[id], id in on, size) if flag else ids[id] for id, flag in zip(graph.outputs, flags)
    ]
    b.graph.names = {name: ids[id] for name, id in graph.names.items() if id in ids}
    return Batched(check_graph(b.graph, "batch"), flags)


def _batch_node(
    b: Builder,
    graph: Graph,
    node: Node,
    ids: dict[int, int],
    on: set[int],
    parts: dict[int, list[tuple[int, bool]]],
    size: Dimension,
) -> None:
    """Add the batch of a node: to `ids`, and to `on` if it is one; several results go to `parts`."""
    b.at(node)
    if node.op == "item" and node.inputs[0] in parts:
        ids[node.id], is_batched = parts[node.inputs[0]][node.attributes["position"]]
        if is_batched:
            on.add(node.id)
        return
    flags = [source in on for source in node.inputs]
    inputs = [ids[source] for source in node.inputs]
    if not any(flags) and not (b.batch_axis and node.attributes.get("axis") == b.batch_axis):
        ids[node.id] = copy_node(b, node, inputs)
        return
    result = ops.get(node.op).batched(b, node, inputs, flags, size)
    if result is None:
        result = _one_by_one(b, graph, node, inputs, flags, size)
    if isinstance(node.type, TupleType):
        count = len(node.type.items)
        whole = (
            [(b.item(result, position=place), True) for place in range(count)] if isinstance(result, int) else result
        )
        parts[node.id] = whole
        ids[node.id] = whole[0][0]
    else:
        ids[node.id], is_batch = (result, True) if isinstance(result, int) else result
        if is_batch:
            on.add(node.id)


def _one_by_one(
    b: Builder, graph: Graph, node: Node, inputs: Sequence[int], flags: Sequence[bool], size: Dimension
) -> Any:
    """A loop over the batch."""
    inner = ops.build(Graph())
    places = [inner.input(shape=graph.type(id).shape, dtype=graph.type(id).dtype) for id in node.inputs]
    moving = [slot for slot, on in enumerate(flags) if on]
    fixed = [slot for slot, on in enumerate(flags) if not on]
    inner.graph.inputs = [places[slot] for slot in (*moving, *fixed)]
    made = copy_node(inner, node, places)
    is_tuple = isinstance(node.type, TupleType)
    count = len(node.type.items) if isinstance(node.type, TupleType) else 1
    inner.graph.outputs = [inner.item(made, position=place) for place in range(count)] if is_tuple else [made]
    result = b.emit(
        "scan", *(inputs[slot] for slot in (*moving, *fixed)), body=Subgraph(inner.graph), length=size, carries=0,
        sequences=len(moving), reverse=False, save=True,
    )  # fmt: skip
    found = [(b.item(result, position=place), True) for place in range(count)]
    return found if is_tuple else found[0][0]
