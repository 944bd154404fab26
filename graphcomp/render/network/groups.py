"""A graph's nodes as a tree of groups: by scope, forward and backward apart, equal blocks folded to one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ...graph import Graph, Node

PASSES = ("", "backward", "update")
FEWEST_TO_FOLD, MOST_NODES, MANY_USERS, MOST_CALLS = 2, 60, 5, 8


@dataclass
class Group:
    """Some nodes directly, and groups inside; ``times`` blocks equal to it are folded into it."""

    path: str
    name: str
    nodes: list[int] = field(default_factory=list)
    children: list[Group] = field(default_factory=list)
    times: int = 1
    folded: list[Group] = field(default_factory=list)

    def all_nodes(self) -> list[int]:
        """Every node inside, in order; of folded blocks only those of the one shown."""
        found, stack = list(self.nodes), list(self.children)
        while stack:
            group = stack.pop()
            found.extend(group.nodes)
            stack.extend(group.children)
        return sorted(found)

    def total(self) -> int:
        """How many nodes a group stands for, those of folded blocks counted."""
        return self.times * (len(self.nodes) + sum(child.total() for child in self.children))

    def walk(self) -> Iterable[Group]:
        """This group and all inside, outer ones first."""
        stack = [self]
        while stack:
            group = stack.pop()
            yield group
            stack.extend(reversed(group.children))

    def signature(self, graph: Graph, memo: dict[str, int]) -> int:
        """Equal for blocks that do the same, whatever they are called."""
        if self.path not in memo:
            sizes_differ = self.name.startswith("part ")  # the updates of parameters of all shapes are one block
            nodes = tuple(shape_of_node(graph.node(id), sizes_differ) for id in self.nodes)
            inner = tuple(
                (plain_name(child.name), child.times, child.signature(graph, memo)) for child in self.children
            )
            memo[self.path] = hash((nodes, inner))
        return memo[self.path]


def shape_of_node(node: Node, sizes_differ: bool) -> tuple[str, str]:
    """What must agree for two nodes to be the same step of equal blocks."""
    return node.op, "" if sizes_differ else str(node.type)


def plain_name(name: str) -> str:
    """``blocks.3`` and ``blocks.4`` are both ``blocks``."""
    return re.sub(r"[._]?\d+$", "", name)


def group_by_scope(graph: Graph, shown: Sequence[int]) -> Group:
    """The tree of scopes; inputs and constants stand with the first node that uses them."""
    scopes = {id: graph.node(id).scope for id in shown}
    adopt(graph, shown, scopes)
    passes = pass_numbers(graph, shown, scopes)
    root = Group("", "")
    known: dict[str, Group] = {"": root}
    for id in shown:
        place(known, phased(scopes[id], passes[id])).nodes.append(id)
    return root


def adopt(graph: Graph, shown: Sequence[int], scopes: dict[int, str]) -> None:
    """Give nodes without a scope that of their first user."""
    for id in reversed(shown):
        for source in graph.node(id).inputs:
            if source in scopes and not graph.node(source).scope and not graph.node(source).inputs:
                scopes[source] = scopes[id]


def pass_numbers(graph: Graph, shown: Sequence[int], scopes: dict[int, str]) -> dict[int, int]:
    """How often the way to a node has left its outermost scope and come back: 0 forward, 1 backward."""
    tops = {id: scopes[id].split("/")[0] for id in shown}
    levels: dict[int, dict[str, int]] = {}
    numbers: dict[int, int] = {}
    for id in shown:
        reached: dict[str, int] = {}
        own = 0
        for source in graph.node(id).inputs:
            if source not in levels:
                continue
            for top, level in levels[source].items():
                reached[top] = max(reached.get(top, 0), level)
            left = tops[source] != tops[id] and tops[id] in levels[source]
            own = max(own, levels[source].get(tops[id], 0) + left)
        reached[tops[id]] = max(own, reached.get(tops[id], 0)) if graph.node(id).inputs else 0
        levels[id], numbers[id] = reached, reached[tops[id]]
    late_leaves(graph, shown, numbers)
    return numbers


def late_leaves(graph: Graph, shown: Sequence[int], numbers: dict[int, int]) -> None:
    """Inputs and constants belong to the pass of their first user."""
    for id in reversed(shown):
        for source in graph.node(id).inputs:
            if source in numbers and not graph.node(source).inputs:
                numbers[source] = numbers[id]


def phased(scope: str, number: int) -> str:
    """The scope with the pass beside its outermost name."""
    if not scope or not number:
        return scope
    top, _, rest = scope.partition("/")
    name = PASSES[min(number, 1)]
    return f"{top} ({name})" + (f"/{rest}" if rest else "")


def place(known: dict[str, Group], path: str) -> Group:
    """The group of a path, made with those around it."""
    if path not in known:
        outer, _, name = path.rpartition("/")
        known[path] = Group(path, name)
        place(known, outer).children.append(known[path])
    return known[path]


def split_components(graph: Graph, root: Group) -> None:
    """Make the parts of a large group that only its hubs connect (such as a learning rate) groups of their own."""
    for group in list(root.walk()):
        if len(group.nodes) > MOST_NODES:
            parts = [part for part in components(graph, group.nodes) if len(part) > 1]
            inside = {id for part in parts for id in part}
            group.nodes = [id for id in group.nodes if id not in inside]
            group.children.extend(
                Group(f"{group.path}/part {number}", f"part {number}", part) for number, part in enumerate(parts, 1)
            )


def split_calls(graph: Graph, root: Group) -> None:
    """A function called several times in one scope is a group for each call, in the order of the calls."""
    for group in list(root.walk()):
        children: list[Group] = []
        for child in group.children:
            parts = [] if child.children else components(graph, child.nodes, whole=True)
            steps = {tuple(graph.node(id).op for id in part) for part in parts}
            if 1 < len(parts) <= MOST_CALLS and len(steps) == 1:  # calls of one function do the same
                children.extend(
                    Group(f"{child.path}.{k}", f"{child.name}.{k}", part) for k, part in enumerate(parts, 1)
                )
            else:
                children.append(child)
        group.children = sorted(children, key=lambda child: max(child.all_nodes(), default=0))


def hubs(graph: Graph, nodes: Sequence[int]) -> set[int]:
    """The nodes that many of the others use."""
    inside = set(nodes)
    uses = Counter(source for id in nodes for source in graph.node(id).inputs if source in inside)
    return {id for id, number in uses.items() if number >= MANY_USERS}


def components(graph: Graph, nodes: Sequence[int], whole: bool = False) -> list[list[int]]:
    """The parts of some nodes that no edge between them connects, but for the edges of hubs (unless ``whole``)."""
    without = set() if whole else hubs(graph, nodes)
    parent = {id: id for id in nodes if id not in without}

    def find(id: int) -> int:
        while parent[id] != id:
            parent[id] = parent[parent[id]]
            id = parent[id]
        return id

    for id in parent:
        for source in graph.node(id).inputs:
            if source in parent:
                parent[find(source)] = find(id)
    parts: dict[int, list[int]] = defaultdict(list)
    for id in parent:
        parts[find(id)].append(id)
    return list(parts.values())


def fold_repeats(graph: Graph, root: Group) -> None:
    """Fold equal groups with the same name (but for a number) into the first of them, innermost first."""
    memo: dict[str, int] = {}
    for group in reversed(list(root.walk())):
        by_kind: dict[tuple[str, int], list[Group]] = defaultdict(list)
        for child in group.children:
            by_kind[plain_name(child.name), child.signature(graph, memo)].append(child)
        group.children = [join(equal) for equal in by_kind.values()]


def join(equal: list[Group]) -> Group:
    """The first of equal groups, which stands for all."""
    first = equal[0]
    if len(equal) >= FEWEST_TO_FOLD:
        first.times, first.folded = len(equal), equal[1:]
        first.name = f"{plain_name(first.name)} ×{len(equal)}"
    return first


def fold_rule(root: Group, rule: str, feeds: Callable[[Group, Group], bool]) -> None:
    """Join neighbours that match ``Conv > BatchNorm > ReLU`` into one group of that name."""
    wanted = [normal(part) for part in rule.split(">")]
    for group in list(root.walk()):
        position = 0
        while position + len(wanted) <= len(group.children):
            run = group.children[position : position + len(wanted)]
            named = all(normal(child.name).startswith(name) for child, name in zip(run, wanted, strict=True))
            if named and all(feeds(one, other) for one, other in pairwise(run)):
                path = f"{group.path}/{rule.strip()} {position}".strip("/")
                group.children[position : position + len(wanted)] = [Group(path, rule.strip(), [], run)]
            position += 1


def normal(name: str) -> str:
    """A layer's name without case, digits and separators."""
    return re.sub(r"[^a-z]", "", name.lower())
