"""Split a graph by what is known first: the part that needs only the first inputs, and the rest."""

from __future__ import annotations

from dataclasses import dataclass

from .. import ops
from ..graph import Graph
from .forward import copy_node


@dataclass(slots=True)
class Partition:
    """`known` gives the early outputs, then the residuals; `rest` takes the residuals, then the late inputs, and gives
    the late outputs."""

    known: Graph
    rest: Graph


def partition(graph: Graph, early: int, late_outputs: int) -> Partition:
    """Split after the first `early` inputs; the last `late_outputs` outputs belong to the rest."""
    wanted = set(graph.reachable())
    late = set(graph.inputs[early:])
    for node in graph.nodes():
        if any(source in late for source in node.inputs):
            late.add(node.id)
    split = len(graph.outputs) - late_outputs
    needed = {source for id in late & wanted for source in graph.node(id).inputs if source not in late}
    needed |= {id for id in graph.outputs[split:] if id not in late}
    residuals = sorted(needed)
    known = Graph(arrays=graph.arrays, requirements=list(graph.requirements))
    ids = _extend(graph, known, graph.inputs[:early], {}, [id for id in sorted(wanted) if id not in late])
    known.outputs = [ids[id] for id in (*graph.outputs[:split], *residuals)]
    rest = Graph(arrays=graph.arrays)
    b = ops.build(rest)
    given = {id: b.input(shape=graph.type(id).shape, dtype=graph.type(id).dtype) for id in residuals}
    rest.inputs = list(given.values())
    ids = _extend(graph, rest, graph.inputs[early:], given, [id for id in sorted(wanted) if id in late])
    rest.outputs = [ids[id] for id in graph.outputs[split:]]
    return Partition(known, rest)


def _extend(graph: Graph, part: Graph, inputs: list[int], given: dict[int, int], chosen: list[int]) -> dict[int, int]:
    b = ops.build(part)
    ids = dict(given)
    for id in inputs:
        ids[id] = copy_node(b, graph.node(id), ())
        part.inputs.append(ids[id])
    for id in chosen:
        if id not in ids:
            node = graph.node(id)
            ids[id] = copy_node(b, node, [ids[source] for source in node.inputs])
    return ids
