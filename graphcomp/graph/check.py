"""The checker that runs at every joint of the pipeline."""

from __future__ import annotations

from ..errors import GraphError
from .graph import Graph


def check_graph(graph: Graph, stage: str) -> Graph:
    """Return `graph` if it keeps its own rules; raise `GraphError` naming the stage and the node if not.

    The rules: ids count up from zero, inputs come before users, edges carry the argument slots, inputs and outputs
    exist, array keys are in the side table, and graphs inside hold no
    arrays and keep the same rules.
    """
    for position, node in enumerate(graph.nodes()):
        if node.id != position:
            raise GraphError(f"after {stage}: node %{node.id} stands at place {position}")
        if any(source >= node.id for source in node.inputs):
            raise GraphError(f"after {stage}: %{node.id} {node.op} uses a node that comes after it")
        if node.op == "array" and node.attributes["key"] not in graph.arrays:
            raise GraphError(f"after {stage}: %{node.id} names an array that is not in the side table")
    for inner in graph.subgraphs().values():
        if inner.graph.arrays:
            raise GraphError(f"after {stage}: the subgraph {inner.key} holds array constants instead of taking them")
        check_graph(inner.graph, stage)
    for id in (*graph.inputs, *graph.outputs, *graph.names.values()):
        if not 0 <= id < len(graph):
            raise GraphError(f"after {stage}: %{id} is named as input, output or label but does not exist")
    return graph
