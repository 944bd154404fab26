"""What one group shows when it is open: its members, the edges between them with their shapes, and what crosses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from ...graph import Graph, Node, TupleType
from ..sentences import LANGUAGES, Language
from .groups import PASSES, Group
from .overlays import Numbers

MOST_PORTS = 6
PART = re.compile(r"part (\d+.*)")
PLACES = {"from": 0, "group": 1, "node": 1, "to": 2}
Chain = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Member:
    """A card of a level: a group, a node, or a port to what lies outside, which has its neighbour's ``name``."""

    key: str
    title: str
    detail: str
    kind: str
    nodes: int = 1
    times: int = 1
    number: float | None = None
    name: str = ""


@dataclass
class Level:
    """The inside of a group."""

    path: str
    members: dict[str, Member] = field(default_factory=dict)
    edges: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    known: set[tuple[str, str, int]] = field(default_factory=set, repr=False)

    def connect(self, source: str, target: str, value: Node) -> None:
        """Add an edge, or one more value that flows along it (however many of the nodes there use it)."""
        shapes = self.edges.setdefault((source, target), {})
        if (source, target, value.id) not in self.known:
            self.known.add((source, target, value.id))
            shapes[str(value.type)] = shapes.get(str(value.type), 0) + 1


def levels(
    graph: Graph,
    root: Group,
    numbers: Numbers,
    words: Language = LANGUAGES["en"],
    returns: Sequence[tuple[int, int]] = (),
) -> dict[str, Level]:
    """The level of every group that can be opened, its members in the order of the computation.

    ``returns``: the nodes that an edge back joins, inside a loop.
    """
    found = {group.path: Level(group.path) for group in root.walk()}
    chains: dict[int, Chain] = {}
    titles: dict[str, str] = {}
    for group in root.walk():
        level = found[group.path]
        members = [
            (middle_of(child.all_nodes()), group_member(graph, child, numbers, words)) for child in group.children
        ]
        members += [(id, node_member(graph, id, numbers, words)) for id in group.nodes]
        for _, member in sorted(members, key=lambda pair: pair[0]):
            level.members[member.key] = member
            titles[member.key] = member.title
        for child in group.children:
            if child.loop is not None:
                carry(level, child.path, graph.node(child.loop))
    add_chains(root, (), chains)
    for target in sorted(chains):
        for source in graph.node(target).inputs:
            if source in chains:
                lift(found, titles, chains[source], chains[target], flowing(graph, source, target), words)
    for source, target in returns:
        if source == target and chains[source][-1][0] == (key := f"%{source}"):  # carried on as it is
            found[chains[source][-2][0]].connect(key, key, graph.node(source))
        elif source in chains:
            lift(found, titles, chains[source], chains[target], graph.node(source), words)
    for level in found.values():
        level.members = {key: level.members[key] for key in in_order(level)}
    return found


def in_order(level: Level) -> list[str]:
    """The members so that edges lead to later ones; in a circle, the one that was computed first comes first."""
    place = {key: (PLACES[member.kind], number) for number, (key, member) in enumerate(level.members.items())}
    waiting = dict.fromkeys(place, 0)
    after: dict[str, list[str]] = {key: [] for key in place}
    for one, other in level.edges:
        if one != other:
            waiting[other] += 1
            after[one].append(other)
    ready = [(at, key) for key, at in place.items() if not waiting[key]]
    heapify(ready)
    found: dict[str, None] = {}
    while len(found) < len(place):
        if not ready:
            heappush(ready, min((at, key) for key, at in place.items() if key not in found))
        _, key = heappop(ready)
        if key in found:
            continue
        found[key] = None
        for other in after[key]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(ready, (place[other], other))
    return list(found)


def add_chains(group: Group, above: Chain, chains: dict[int, Chain]) -> None:
    """For each node the groups around it, outermost first, then the node; each with the block's number if folded.

    A folded block has no inside of its own: edges end at the block that stands for it.
    """
    here = (*above, (group.path, group.position))
    for id in group.nodes:
        chains[id] = (*here, (f"%{id}", 0))
    for child in group.children:
        add_chains(child, here, chains)
    for number, twin in enumerate(group.folded):
        for id in twin.every_node():
            chains[id] = (*above, (group.path, number + (number >= group.position)))


def lift(
    found: dict[str, Level], titles: Mapping[str, str], source: Chain, target: Chain, value: Node, words: Language
) -> None:
    """Draw an edge between the members that hold its ends, and ports on the levels it crosses.

    From one of folded blocks to another it is an edge back to the block that stands for them.
    """
    depth = 0
    while depth < min(len(source), len(target)) and source[depth] == target[depth]:
        depth += 1
    if depth == min(len(source), len(target)):
        return
    (one, _), (other, _) = source[depth], target[depth]
    found[source[depth - 1][0]].connect(one, other, value)
    following = words.say("the next")
    around = [following if one == other else title(titles, end) for end in (one, other)]
    for inner in range(depth, len(target) - 1):
        level = found[target[inner][0]]
        level.connect(add_port(level, "from", around[0], words), target[inner + 1][0], value)
    for inner in range(depth, len(source) - 1):
        level = found[source[inner][0]]
        level.connect(source[inner + 1][0], add_port(level, "to", around[1], words), value)


def flowing(graph: Graph, source: int, target: int) -> Node:
    """The value that an edge stands for: of a loop the whole result, not what one turn adds to it."""
    value, user = graph.node(source), graph.node(target)
    return user if user.op == "item" and not isinstance(value.type, TupleType) else value


def carry(level: Level, key: str, loop: Node) -> None:
    """What a loop carries from one turn to the next is an edge back to its card."""
    links = max(turns(loop) - 1, 1)
    shapes = Counter(str(kind) for kind in loop.attributes["body"].output_types[: loop.attributes["carries"]])
    if shapes:
        level.edges[key, key] = {shape: links * count for shape, count in shapes.items()}


def turns(node: Node) -> int:
    """How often a loop's body runs; 1 where nobody knows it."""
    length = node.attributes.get("length")
    return length if isinstance(length, int) else 1


def middle_of(nodes: Sequence[int]) -> int:
    """The median: a group's few late nodes do not say when it was computed."""
    return nodes[len(nodes) // 2] if nodes else 0


def title(titles: Mapping[str, str], key: str) -> str:
    """What stands on a member's card."""
    return titles.get(key, key)


def add_port(level: Level, direction: str, name: str, words: Language) -> str:
    """The port to a neighbour, or the one for all the rest."""
    key = f"{direction} {name}"
    ports = [member for member in level.members.values() if member.kind == direction]
    if key not in level.members and len(ports) >= MOST_PORTS:
        key, name = f"{direction} elsewhere", words.say("elsewhere")
    level.members.setdefault(key, Member(key, words.say(f"port {direction}", name=name), "", direction, 0, name=name))
    return key


def group_member(graph: Graph, group: Group, numbers: Numbers, words: Language) -> Member:
    """A closed group's card."""
    size = len(group.own_nodes())
    alike = all(len(twin.own_nodes()) == size for twin in group.folded)
    counted = words.say("nodes in" if alike else "up to nodes", count=size)
    detail = counted if group.times == 1 else words.say("times of", times=group.times, nodes=counted)
    times, name = group.times, group_title(group.name, words)
    if group.loop is not None:
        times = turns(graph.node(group.loop))
        name = f"{name} ×{times}" if times > 1 else name
    return Member(group.path, name, detail, "group", size, times, numbers.of(group.measured()))


def group_title(name: str, words: Language) -> str:
    """A group's name; what was added to the scope's is in the language of the page."""
    if (part := PART.fullmatch(name)) is not None:
        return words.say("part", number=part[1])
    scope, found, rest = name.partition(f" ({PASSES[1]})")
    return words.say("backward", name=scope) + rest if found else name


def node_member(graph: Graph, id: int, numbers: Numbers, words: Language) -> Member:
    """A node's card."""
    node = graph.node(id)
    name = str(node.attributes.get("name", "") or "") if node.op == "input" else ""
    label = next(iter(graph.labels(id)), name) if node.op == "input" else ""
    return Member(f"%{id}", label or node.op, type_text(node, words), "node", 1, 1, numbers.of([id]))


def type_text(node: Node, words: Language) -> str:
    """A node's type; of several results, how many."""
    if not isinstance(node.type, TupleType):
        return str(node.type)
    return str(node.type.items[0]) if len(node.type.items) == 1 else words.say("results", part=len(node.type.items))
