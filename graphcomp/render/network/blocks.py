"""A graph cut into blocks: each a run of nodes that is told as one, with the values that go in and come out.

Blocks are runs in the order in which the nodes were traced, so that no two of them can need each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...graph import Graph, Node, Subgraph, TensorType
from ...graph.types import substitute

SHORTEST_CALL = 2


@dataclass(frozen=True)
class Grouping:
    """The path of the group of each node that is in one; ``calls`` says whether a path may be of several calls."""

    paths: Mapping[int, str]
    calls: bool = True


@dataclass(frozen=True)
class Block:
    """Nodes told as one.

    ``results`` are those that others use; ``operands`` gives for each of them the values from outside that it is made
    of, and ``parameters`` are the inputs that only this block reads, which have no card of their own.
    """

    path: str
    nodes: tuple[int, ...]
    results: tuple[int, ...]
    operands: Mapping[int, tuple[int, ...]]
    parameters: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path; of a line its number."""
        _, colon, line = self.path.rpartition(":")
        return f"line {line}" if colon and line.isdigit() else self.path.rpartition("/")[2]


def blocks(graph: Graph, shown: Sequence[int], grouping: Grouping, kept: set[int]) -> list[Block]:
    """The blocks of the shown nodes, in order; a node without a group is a block of its own, with an empty path.

    ``kept``: inputs that have a card of their own in any case.
    """
    inputs = set(graph.inputs)
    inner = with_items([graph.node(id) for id in shown if id not in inputs])
    sources = {id: taken_from(graph, id) for id in inner}
    labels = {id: grouping.paths[source] for id, source in sources.items() if source in grouping.paths}
    runs = runs_of(graph, inner, labels)
    if grouping.calls:
        runs = [part for run in runs for part in calls(graph, run)]
    home = {id: number for number, run in enumerate(runs) for id in run}
    readers: dict[int, set[int]] = {}
    for id in inner:
        for source in graph.node(id).inputs:
            readers.setdefault(source, set()).add(home[id])
    outputs = set(graph.outputs)
    own = {id for id in inputs - kept if len(readers.get(id, ())) == 1 and part_of_container(graph, id)}
    results = [[id for id in run if id in outputs or readers.get(id, set()) - {n}] for n, run in enumerate(runs)]
    ends = {id for several in results for id in several} | (inputs & set(shown))
    found = []
    for run, several in zip(runs, results, strict=True):
        path = labels.get(run[0], "")
        reads = [source for id in run for source in graph.node(id).inputs]
        parameters = tuple(dict.fromkeys(id for id in reads if id in own)) if path else ()
        operands = {result: operands_of(graph, run, result, ends - set(parameters)) for result in several}
        found.append(Block(path, tuple(run), tuple(several), operands, parameters))
    return found


def part_of_container(graph: Graph, id: int) -> bool:
    """Whether an input is part of a larger argument (a model, a table of weights), and a number with a derivative."""
    label = next(iter(graph.labels(id)), str(graph.node(id).attributes.get("name", "")))
    return graph.type(id).is_float and ("." in label or "[" in label)


def taken_from(graph: Graph, id: int) -> int:
    """The operation with several results that a node takes one of; else the node itself."""
    while graph.node(id).op == "item":
        (id,) = graph.node(id).inputs
    return id


def with_items(nodes: Sequence[Node]) -> list[int]:
    """The nodes in order, but the parts of a tuple right after it: only they cross borders."""
    place: dict[int, tuple[int, ...]] = {}
    for node in nodes:
        source = place.get(node.inputs[0]) if node.op == "item" else None
        place[node.id] = (*source, node.id) if source else (node.id,)
    return sorted(place, key=lambda id: place[id])


def runs_of(graph: Graph, nodes: Sequence[int], labels: Mapping[int, str]) -> list[list[int]]:
    """The longest runs of nodes with one label."""
    runs: list[list[int]] = []
    for id in nodes:
        together = runs and id in labels and labels.get(runs[-1][-1]) == labels[id]
        if together or graph.node(id).op == "item":
            runs[-1].append(id)
        else:
            runs.append([id])
    return runs


def calls(graph: Graph, run: list[int]) -> list[list[int]]:
    """A run that does the same several times, one call after the other, cut into the calls.

    The first may differ: what it starts from is often a constant.
    """
    tokens = [token(graph.node(id)) for id in run]
    count = len(run)
    for length in range(SHORTEST_CALL, count // 2 + 1):
        repeated = (tokens[k] != tokens[k - length] for k in range(count - 1, length - 1, -1))
        times = (next((k for k, differs in enumerate(repeated) if differs), count - length) + length) // length
        first = count - times * length
        if times > 1 and first <= length:
            cuts = [*([0] if first else []), *range(first, count + 1, length)]
            return [run[start:stop] for start, stop in pairwise(cuts)]
    return [run]


def token(node: Node) -> tuple[str, str, str, str]:
    """What must agree for two nodes to be the same step of two calls; layers in a list differ in their number."""
    return node.op, re.sub(r"\d+", "", node.scope), str(node.origin), str(node.type)


def operands_of(graph: Graph, run: Sequence[int], result: int, ends: set[int]) -> tuple[int, ...]:
    """The values that a block's result is made of, in the order in which the block reads them.

    ``ends``: what has a card, so nothing behind it counts; that may be another result of the same block.
    """
    inside, needed, reads = set(run), {result}, list[int]()
    for id in reversed(run):
        if id in needed:
            sources = graph.node(id).inputs
            needed.update(source for source in sources if source in inside and source not in ends)
            reads.extend(source for source in reversed(sources) if source in ends)
    return tuple(dict.fromkeys(reversed(reads)))


def extract(graph: Graph, result: int, inputs: Sequence[int]) -> Graph:
    """The part of a graph that computes a result from the given values, which become its inputs."""
    part = Graph(arrays=graph.arrays)
    copies: dict[int, int] = {}
    for id in inputs:
        type = graph.type(id)
        attributes = {"shape": type.shape, "dtype": type.dtype, "name": ""}
        copies[id] = part.add("input", (), attributes, type)
    part.inputs = list(copies.values())
    wanted, stack = set(copies), [result]
    while stack:
        id = stack.pop()
        if id not in wanted:
            wanted.add(id)
            stack.extend(graph.node(id).inputs)
    for id in sorted(wanted - set(copies)):
        node = graph.node(id)
        sources = tuple(copies[source] for source in node.inputs)
        copies[id] = part.add(node.op, sources, node.attributes, node.type, node.scope, node.origin)
    part.outputs = [copies[result]]
    return part


def concrete(graph: Graph, sizes: Mapping[object, int]) -> Graph:
    """A graph with numbers for its named sizes."""
    if not sizes:
        return graph
    copy = Graph(inputs=list(graph.inputs), outputs=list(graph.outputs), names=dict(graph.names), arrays=graph.arrays)
    for node in graph.nodes():
        attributes = {
            name: Subgraph(concrete(value.graph, sizes)) if isinstance(value, Subgraph) else substitute(value, sizes)
            for name, value in node.attributes.items()
        }
        kind = node.type
        if isinstance(kind, TensorType):
            kind = TensorType(substitute(kind.shape, sizes), kind.dtype)
        copy.add(node.op, node.inputs, attributes, kind, node.scope, node.origin)
    return copy
