"""A part of a graph as a graph of its own."""

from __future__ import annotations

from collections.abc import Sequence

from .. import ops
from ..graph import Graph, Node


def copy_node(b: ops.Builder, node: Node, inputs: Sequence[int]) -> int:
    """The node in the builder's graph, from other inputs."""
    return b.graph.add(node.op, tuple(inputs), node.attributes, node.type, node.scope, node.origin)


def extract(graph: Graph, inputs: Sequence[int], outputs: Sequence[int]) -> Graph:
    """What computes the nodes `outputs` from the nodes `inputs`, which become inputs where they were none."""
    part = Graph()
    b = ops.build(part)
    ids: dict[int, int] = {}
    for id in inputs:
        node = graph.node(id)
        ids[id] = copy_node(b, node, ()) if node.op == "input" else b.input(shape=node.shape, dtype=node.dtype)
    part.inputs = list(ids.values())
    for id in needed(graph, outputs, ids):
        node = graph.node(id)
        if node.op == "array":
            part.arrays[node.attributes["key"]] = graph.arrays[node.attributes["key"]]
        ids[id] = copy_node(b, node, [ids[source] for source in node.inputs])
    part.outputs = [ids[id] for id in outputs]
    return part


def inline(b: ops.Builder, graph: Graph, arguments: Sequence[int]) -> list[int]:
    """The outputs of a graph computed in the builder's graph from `arguments`; it holds no array constants."""
    ids = dict(zip(graph.inputs, arguments))
    for id in needed(graph, graph.outputs, ids):
        node = graph.node(id)
        ids[id] = copy_node(b, node, [ids[source] for source in node.inputs])
    return [ids[id] for id in graph.outputs]


def needed(graph: Graph, outputs: Sequence[int], given: Sequence[int] | dict[int, int]) -> list[int]:
    """The ids, ascending, on which `outputs` depend where the `given` ones are known."""
    known, found, waiting = set(given), set[int](), list(outputs)
    while waiting:
        id = waiting.pop()
        if id not in known and id not in found:
            found.add(id)
            waiting.extend(graph.node(id).inputs)
    return sorted(found)
