"""What one group shows when it is open: its members, the edges between them with their shapes, and what crosses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ...graph import Graph
from .groups import Group

MOST_PORTS = 6


@dataclass(frozen=True)
class Member:
    """A card of a level: a group, a node, or a port to what lies outside."""

    key: str
    title: str
    detail: str
    kind: str
    nodes: int = 1
    times: int = 1
    number: float | None = None


@dataclass
class Level:
    """The inside of a group."""

    path: str
    members: dict[str, Member] = field(default_factory=dict)
    edges: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)

    def connect(self, source: str, target: str, shape: str) -> None:
        """Add an edge, or one more value that flows along it."""
        if source != target:
            shapes = self.edges.setdefault((source, target), {})
            shapes[shape] = shapes.get(shape, 0) + 1


def levels(graph: Graph, root: Group, overlay: Mapping[int, float]) -> dict[str, Level]:
    """The level of every group that can be opened."""
    found = {group.path: Level(group.path) for group in root.walk()}
    chains: dict[int, tuple[str, ...]] = {}
    titles: dict[str, str] = {}
    for group in root.walk():
        level = found[group.path]
        for child in group.children:
            titles[child.path] = child.name
            level.members[child.path] = group_member(graph, child, overlay)
        for id in group.nodes:
            level.members[f"%{id}"] = node_member(graph, id, overlay)
    add_chains(root, (), chains)
    for target in sorted(chains):
        for source in graph.node(target).inputs:
            if source in chains:
                lift(found, titles, chains[source], chains[target], str(graph.node(source).type))
    return found


def add_chains(group: Group, above: tuple[str, ...], chains: dict[int, tuple[str, ...]]) -> None:
    """For each node the groups around it, outermost first, then the node; folded blocks stand where the first does."""
    here = (*above, group.path)
    for id in group.nodes:
        chains[id] = (*here, f"%{id}")
    for child in group.children:
        add_chains(child, here, chains)
    for twin in group.folded:
        for id in twin.all_nodes():
            # A folded block has no inside of its own: edges end at the block.
            chains[id] = (*above, group.path)


def lift(
    found: dict[str, Level], titles: Mapping[str, str], source: tuple[str, ...], target: tuple[str, ...], shape: str
) -> None:
    """Draw an edge between the members that hold its ends, and ports on the levels it crosses."""
    depth = 0
    while depth < min(len(source), len(target)) and source[depth] == target[depth]:
        depth += 1
    if depth == min(len(source), len(target)):
        return
    found[source[depth - 1]].connect(source[depth], target[depth], shape)
    for inner in range(depth, len(target) - 1):
        port = add_port(found[target[inner]], "from", title(titles, source[depth]))
        found[target[inner]].connect(port, target[inner + 1], shape)
    for inner in range(depth, len(source) - 1):
        port = add_port(found[source[inner]], "to", title(titles, target[depth]))
        found[source[inner]].connect(source[inner + 1], port, shape)


def title(titles: Mapping[str, str], key: str) -> str:
    """What stands on a member's card."""
    return titles.get(key, key)


def add_port(level: Level, direction: str, name: str) -> str:
    """The port to a neighbour, or the one for all the rest."""
    key = f"{direction} {name}"
    ports = [member for member in level.members.values() if member.kind == direction]
    if key not in level.members and len(ports) >= MOST_PORTS:
        key, name = f"{direction} elsewhere", "elsewhere"
    level.members.setdefault(key, Member(key, f"{direction} {name}", "", direction, 0))
    return key


def group_member(graph: Graph, group: Group, overlay: Mapping[int, float]) -> Member:
    """A closed group's card."""
    nodes = group.all_nodes()
    known = [overlay[id] for id in nodes if id in overlay]
    size = group.total() // group.times
    detail = f"{size} nodes" if group.times == 1 else f"{group.times} of {size} nodes"
    return Member(group.path, group.name, detail, "group", size, group.times, sum(known) if known else None)


def node_member(graph: Graph, id: int, overlay: Mapping[int, float]) -> Member:
    """A node's card."""
    node = graph.node(id)
    name = str(node.attributes.get("name", "") or "") if node.op == "input" else ""
    label = next(iter(graph.labels(id)), name) if node.op == "input" else ""
    return Member(f"%{id}", label or node.op, str(node.type), "node", 1, 1, overlay.get(id))
