"""Loops and branches that can be opened: what they hold stands in the picture's graph once, as a group in their place.

What a loop carries and the entries of what it goes through have a card each, as the body sees them: the carried ones
are made of what the loop starts from, and what the body makes of them leads back. What every turn reads comes from
outside. The loop's own node stays in the graph for what is known of it, but has no card. That of a choice between
branches stands beside their groups and takes the results of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...control.cond import BRANCHES
from ...derive import needed
from ...graph import Graph, Node, Subgraph
from ..executed import inside
from .groups import Group

Tree = Callable[[Graph, Sequence[int]], Group]


@dataclass
class Opened:
    """A graph with the bodies of its loops written into it, and its nodes as a tree of groups.

    ``places``: the id here of each node of the graph that was opened. ``returns``: the ends of the edges back, from
    what a body makes to the card of what is carried.
    """

    graph: Graph
    root: Group
    places: dict[int, int] = field(default_factory=dict)
    returns: list[tuple[int, int]] = field(default_factory=list)


def open_loops(graph: Graph, tree: Tree) -> Opened:
    """``tree`` groups the nodes of a graph, or of a body by itself."""
    opened = Opened(Graph(arrays=graph.arrays), Group("", ""))
    opened.places, opened.root = write(opened, graph, graph.reachable(), {}, tree)
    opened.graph.inputs = [opened.places[id] for id in graph.inputs]
    opened.graph.outputs = [opened.places[id] for id in graph.outputs]
    opened.graph.names = {name: opened.places[id] for name, id in graph.names.items() if id in opened.places}
    return opened


def write(
    opened: Opened, graph: Graph, ids: Sequence[int], given: Mapping[int, int], tree: Tree
) -> tuple[dict[int, int], Group]:
    """Add some nodes of a graph; where each is now, and the groups that they make."""
    places = dict(given)
    results: dict[int, list[int]] = {}
    bodies: dict[int, Group] = {}
    for id in ids:
        node = graph.node(id)
        sources = [places[source] for source in node.inputs]
        if node.op == "item" and node.inputs[0] in results:
            sources = [results[node.inputs[0]][node.attributes["position"]]]
        if is_choice(node):
            sources, bodies[id] = write_branches(opened, node, sources, tree)
        places[id] = opened.graph.add(node.op, tuple(sources), node.attributes, node.type, node.scope, node.origin)
        if is_choice(node):
            bodies[id].nodes = [places[id]]
        if is_loop(node):
            results[id], bodies[id] = write_loop(opened, node, places[id], sources, tree)
    root = tree(graph, ids)
    for group in list(root.walk()):
        loops = [id for id in group.nodes if id in bodies]
        group.nodes = [places[id] for id in group.nodes if id not in bodies]
        for id in loops:
            hang(group, bodies[id], graph.node(id).op)
    return places, root


def is_loop(node: Node) -> bool:
    """Whether a node repeats a graph with what it carries."""
    return isinstance(node.attributes.get("body"), Subgraph) and "carries" in node.attributes


def is_choice(node: Node) -> bool:
    """Whether a node computes one of several graphs."""
    return all(name in node.attributes for name in BRANCHES)


def write_branches(opened: Opened, node: Node, sources: Sequence[int], tree: Tree) -> tuple[list[int], Group]:
    """Add what each branch does; the condition and all results, and the branches' groups in one."""
    predicate, *operands = sources
    found, root = [predicate], Group("", "")
    for name in BRANCHES:
        part, results = write_part(opened, without_scope(node.attributes[name].graph, node.scope), operands, tree)
        found += results
        hang(root, part, name)
    return found, root


def write_loop(opened: Opened, node: Node, loop: int, sources: Sequence[int], tree: Tree) -> tuple[list[int], Group]:
    """Add what one turn does; the body's results, and its group, in which that of a condition is."""
    carries, body = node.attributes["carries"], without_scope(node.attributes["body"].graph, node.scope)
    moving = carries + node.attributes.get("sequences", 0)
    cards = [card(opened.graph, body.node(id), sources[slot], slot < carries) for slot, id in enumerate(body.inputs)
             if slot < moving]  # fmt: skip
    slots = [*cards, *sources[moving:]]
    root, results = write_part(opened, body, slots, tree)
    for result, start in zip(results, cards[:carries], strict=False):
        opened.returns.append((result, start))
    for name, value in node.attributes.items():
        if isinstance(value, Subgraph) and name != "body":
            part, _ = write_part(opened, without_scope(value.graph, node.scope), slots, tree)
            hang(root, part, name)
    root.nodes, root.loop = [*cards, *root.nodes], loop
    return results, root


def write_part(opened: Opened, graph: Graph, slots: Sequence[int], tree: Tree) -> tuple[Group, list[int]]:
    """Add a graph whose inputs are already here; its groups, and its results."""
    given = dict(zip(graph.inputs, slots, strict=True))
    places, root = write(opened, graph, needed(graph, graph.outputs, given), given, tree)
    return root, [places[id] for id in graph.outputs]


def card(graph: Graph, input: Node, source: int, carried: bool) -> int:
    """What a turn reads of a carried value or a sequence, by the name it has in the body."""
    name = input.attributes.get("name") or ("state" if carried else "entry")
    return graph.add("input", (source,), {**input.attributes, "name": name}, input.type, "", input.origin)


def without_scope(graph: Graph, outer: str) -> Graph:
    """A body as it was traced, its scopes as seen from that of the loop."""
    table = [replace(node, scope=inside(node.scope, outer)) for node in graph.nodes()]
    return Graph(table, graph.inputs, graph.outputs)


def hang(group: Group, part: Group, name: str) -> None:
    """Put groups with paths of their own, unless they are empty, into a group by a name that is free there."""
    if not part.all_nodes():
        return
    taken, number = {child.name for child in group.children}, 1
    part.name = name
    while part.name in taken:
        number += 1
        part.name = f"{name}.{number}"
    above = f"{group.path}/{part.name}".strip("/")
    for one in part.walk():
        one.path = f"{above}/{one.path}".strip("/")
    group.children.append(part)
