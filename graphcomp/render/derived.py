"""The derived graphs as a story reads them: which node is a value's derivative, and which is what an edge brings to it.

A story is told from a graph with a node of its own on every edge. Its derivatives then have a node for what passes
along each edge, also where a rule joins its arguments or takes one twice, so every number of a story is a node's value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from .. import ops
from ..derive import Forward, Reverse, forward, transpose
from ..graph import Graph
from .story import Edge

Sum = tuple[tuple[Edge, int | None], ...]
"""A sum's edges in the order in which they are added, each with the node that is the sum so far."""


@dataclass(frozen=True)
class Split:
    """A graph with a node on every edge; `nodes` and `edges` say where the nodes and edges of the original are."""

    graph: Graph
    nodes: Mapping[int, int]
    edges: Mapping[Edge, int]


@dataclass(frozen=True)
class Derived:
    """A derived graph in terms of the original's ids.

    `primal[id]` is a value, `derivative[id]` its tangent or adjoint, `partial[edge]` a local partial where there is
    one, `product[edge]` what the edge brings, and `sums[id]` how the products become the derivative.
    """

    graph: Graph
    inputs: tuple[int, ...]
    seeds: tuple[int, ...]
    primal: Mapping[int, int]
    derivative: Mapping[int, int]
    partial: Mapping[Edge, int]
    product: Mapping[Edge, int] = field(default_factory=dict)
    sums: Mapping[int, Sum] = field(default_factory=dict)


def split_edges(graph: Graph, edges: Mapping[Edge, int]) -> Split:
    """Put an identity on each of the edges.

    A user's edges are made in reverse order: reverse mode, which walks back, then meets its first argument first.
    """
    split = Graph(arrays=graph.arrays, requirements=list(graph.requirements))
    b = ops.build(split)
    nodes: dict[int, int] = {}
    between: dict[Edge, int] = {}
    for node in graph.nodes():
        sources = [nodes[source] for source in node.inputs]
        b.at(node)
        for slot in reversed(range(len(node.inputs))):
            if (node.id, slot) in edges:
                sources[slot] = between[node.id, slot] = b.identity(sources[slot])
        nodes[node.id] = split.add(node.op, tuple(sources), node.attributes, node.type, node.scope, node.origin)
    split.inputs, split.outputs = ([nodes[id] for id in ids] for ids in (graph.inputs, graph.outputs))
    split.names = {name: nodes[id] for name, id in graph.names.items()}
    return Split(split, nodes, between)


def tangents(graph: Graph, edges: Mapping[Edge, int]) -> Derived:
    """Forward mode: a tangent for each node, and the term that each edge adds to its user's."""
    split = split_edges(graph, edges)
    found = masked(forward(split.graph))
    count = len(graph.inputs)
    entries = {edge: found.tangent[id] for edge, id in split.edges.items() if id in found.tangent}
    arriving: dict[int, dict[int, Edge]] = {}
    for edge, entry in entries.items():
        arriving.setdefault(edge[0], {})[entry] = edge
    product: dict[Edge, int] = {}
    sums: dict[int, Sum] = {}
    for id, edge_of in arriving.items():
        total = found.tangent.get(split.nodes[id])
        if total is not None:
            parts = terms(found.graph, total, edge_of)
            sums[id] = summed(found.graph, total, parts)
            product |= parts
    return Derived(
        found.graph, tuple(found.graph.inputs[:count]), tuple(found.graph.inputs[count:]),
        *translated(split, found.primal, found.tangent, found.partial), product, sums,
    )  # fmt: skip


def adjoints(graph: Graph, edges: Mapping[Edge, int]) -> dict[int, Derived]:
    """Reverse mode: for each output, the adjoints of the nodes before it, and what each edge hands back.

    The values and partials have the same ids in all of these graphs.
    """
    split = split_edges(graph, edges)
    linearized = forward(split.graph)
    first = {id: place for place, id in reversed([*enumerate(graph.outputs)]) if graph.type(id).is_float}
    return {id: adjoint_of(graph, split, linearized, place) for id, place in first.items()}


def adjoint_of(graph: Graph, split: Split, linearized: Forward, place: int) -> Derived:
    """Reverse mode of one output."""
    found: Reverse = transpose(split.graph, linearized, (place,))
    back = {edge: found.adjoint[id] for edge, id in split.edges.items() if id in found.adjoint}
    leaving: dict[int, dict[Edge, int]] = {}
    for edge, node in back.items():
        leaving.setdefault(graph.node(edge[0]).inputs[edge[1]], {})[edge] = node
    sums = {id: summed(found.graph, found.adjoint[split.nodes[id]], parts) for id, parts in leaving.items()}
    return Derived(
        found.graph, tuple(found.graph.inputs[: len(graph.inputs)]), tuple(found.seeds),
        *translated(split, found.primal, found.adjoint, found.partial), back, sums,
    )  # fmt: skip


def translated(
    split: Split, primal: Mapping[int, int], derivative: Mapping[int, int], partial: Mapping[Edge, int]
) -> tuple[dict[int, int], dict[int, int], dict[Edge, int]]:
    """Maps from the split graph's ids as maps from the original's."""
    back = {copy: id for id, copy in split.nodes.items()}
    return (
        {id: primal[copy] for id, copy in split.nodes.items() if copy in primal},
        {id: derivative[copy] for id, copy in split.nodes.items() if copy in derivative},
        {(back[user], slot): id for (user, slot), id in partial.items() if user in back},
    )


def summed(graph: Graph, total: int, parts: Mapping[Edge, int]) -> Sum:
    """The parts in the order in which a chain of additions adds them; where there is no such chain, without sums."""
    waiting: dict[int, list[Edge]] = {}
    for edge, id in sorted(parts.items()):
        waiting.setdefault(id, []).append(edge)
    chain: list[tuple[int, int]] = []  # (addend, sum so far), the last first
    id = total
    while id not in waiting and graph.node(id).op == "add":
        left, right = graph.node(id).inputs
        chain.append((right, id))
        id = left
    chain.append((id, id))
    found = [(waiting[part].pop(0), so_far) for part, so_far in reversed(chain) if waiting.get(part)]
    return tuple(found) if len(found) == len(parts) == len(chain) else tuple((edge, None) for edge in sorted(parts))


def masked(found: Forward) -> Forward:
    """Tangents that are zero by a mask stay zero: a factor that is infinite there must not reach them as 0 · ∞.

    Derivative rules see to this themselves, but not through the node on an edge.
    """
    graph = Graph(arrays=found.graph.arrays, requirements=list(found.graph.requirements))
    b = ops.build(graph)
    moved: dict[int, int] = {}
    for node in found.graph.nodes():
        copy = graph.add(
            node.op, tuple(moved[id] for id in node.inputs), node.attributes, node.type, node.scope, node.origin
        )
        sources = [graph.node(graph.node(id).inputs[0]) for id in graph.node(copy).inputs if is_identity(graph, id)]
        masks = [source.inputs for source in sources if source.op == "where" and node.op == "multiply"]
        for mask, _, zero in masks if node.id in found.linear else ():
            if b.constant_value(zero) == 0:
                copy = b.where(mask, copy, zero)
        moved[node.id] = copy
    graph.inputs, graph.outputs = ([moved[id] for id in ids] for ids in (found.graph.inputs, found.graph.outputs))
    return Forward(
        graph,
        found.wrt,
        primal={id: moved[copy] for id, copy in found.primal.items()},
        tangent={id: moved[copy] for id, copy in found.tangent.items()},
        partial={edge: moved[copy] for edge, copy in found.partial.items()},
    )


def is_identity(graph: Graph, id: int) -> bool:
    """Whether a node is its argument under a name of its own."""
    return graph.node(id).op == "identity"


# the terms of a tangent ----------------------------------------------------------------------------------------------


def terms(graph: Graph, total: int, entries: Mapping[int, Edge]) -> dict[Edge, int]:
    """What each edge adds to a tangent: an addend where it is one, else the tangent with all other edges at zero."""
    if len(entries) == 1:
        return dict.fromkeys(entries.values(), total)
    found: dict[Edge, int] = {}
    for addend in addends(graph, total, entries):
        edges = {entries[entry] for entry in cone(graph, addend, entries) if entry in entries}
        if len(edges) != 1 or edges & set(found):
            return {edge: alone(graph, total, entries, entry) for entry, edge in entries.items()}
        found[edges.pop()] = addend
    return found


def addends(graph: Graph, total: int, entries: Collection[int]) -> list[int]:
    """The nodes that are added to a tangent."""
    found, stack = [], [total]
    while stack:
        node = graph.node(stack.pop())
        if node.op == "add" and node.id not in entries:
            stack.extend(reversed(node.inputs))
        else:
            found.append(node.id)
    return found


def cone(graph: Graph, id: int, entries: Collection[int]) -> list[int]:
    """The nodes between the entries and a node that depend on an entry, in order."""
    least = min(entries)
    reached: set[int] = set()
    stack = [id]
    while stack:
        next_id = stack.pop()
        if next_id not in reached and next_id >= least:
            reached.add(next_id)
            stack.extend(() if next_id in entries else graph.node(next_id).inputs)
    kept: set[int] = set()
    for inner in sorted(reached):
        if inner in entries or any(source in kept for source in graph.node(inner).inputs):
            kept.add(inner)
    return sorted(kept)


def alone(graph: Graph, total: int, entries: Mapping[int, Edge], entry: int) -> int:
    """The tangent again, as new nodes, with zeros in the place of all edges but one."""
    b = ops.build(graph)
    copies = {other: other if other == entry else b.zeros_like(other) for other in entries}
    for id in cone(graph, total, entries):
        if id not in copies:
            node = graph.node(id)
            sources = tuple(copies.get(source, source) for source in node.inputs)
            copies[id] = graph.add(node.op, sources, node.attributes, node.type, node.scope, node.origin)
    return copies[total]
