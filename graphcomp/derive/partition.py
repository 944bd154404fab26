"""Split a graph by what is known first: the part that needs only the first inputs, and the rest."""

from __future__ import annotations

from dataclasses import dataclass

from ..graph import Graph
from .extract import extract


@dataclass(slots=True)
class Partition:
    """`known` gives the early outputs, then the residuals; `rest` takes the residuals, then the late inputs, and gives
    the late outputs."""

    known: Graph
    rest: Graph


def partition(graph: Graph, early: int, late_outputs: int) -> Partition:
    """Split after the first `early` inputs; the last `late_outputs` outputs belong to the rest."""
    wanted = set(graph.reachable())
    late = depending(graph, graph.inputs[early:])
    split = len(graph.outputs) - late_outputs
    residuals = {source for id in late & wanted for source in graph.node(id).inputs if source not in late}
    residuals |= {id for id in graph.outputs[split:] if id not in late}
    known = extract(graph, graph.inputs[:early], [*graph.outputs[:split], *sorted(residuals)])
    known.requirements = list(graph.requirements)
    rest = extract(graph, [*sorted(residuals), *graph.inputs[early:]], graph.outputs[split:])
    return Partition(known, rest)


def depending(graph: Graph, sources: list[int]) -> set[int]:
    """The ids of `sources` and of everything that depends on one of them."""
    found = set(sources)
    for node in graph.nodes():
        if any(source in found for source in node.inputs):
            found.add(node.id)
    return found
