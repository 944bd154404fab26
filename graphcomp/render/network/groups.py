"""A graph's nodes as a tree of groups: by scope, forward and backward apart, equal blocks folded to one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ...graph import Graph

PASSES = ("", "backward", "update")
UNSHOWN = {"constant", "dimension"}
"""Numbers written into the program: hundreds of cards that say nothing about how values flow."""
FEWEST_TO_FOLD, MOST_NODES, MANY_USERS, MOST_CALLS = 2, 60, 5, 8
LEAST_SHARED = 0.75  # a recurrence's last step lacks what only the next would read, its first may start from zeros
Step = tuple[str, str, str]


@dataclass
class Group:
    """Some nodes directly, and groups inside; ``times`` blocks like it are folded into it, which is at ``position``.

    ``loop``: the node whose body a group is.
    """

    path: str
    name: str
    nodes: list[int] = field(default_factory=list)
    children: list[Group] = field(default_factory=list)
    times: int = 1
    folded: list[Group] = field(default_factory=list)
    position: int = 0
    loop: int | None = None

    def all_nodes(self) -> list[int]:
        """Every node inside, in order; of folded blocks only those of the one shown."""
        found, stack = list(self.nodes), list(self.children)
        while stack:
            group = stack.pop()
            found.extend(group.nodes)
            stack.extend(group.children)
        return sorted(found)

    def every_node(self) -> list[int]:
        """Every node that a group stands for, those of folded blocks as well."""
        return [id for one in (self, *self.folded) for id in one.own_nodes()]

    def own_nodes(self) -> list[int]:
        """Every node inside, those of blocks folded inside as well."""
        return [*self.nodes, *(id for child in self.children for id in child.every_node())]

    def measured(self) -> list[int]:
        """What may have a number: every node, and the loops inside."""
        inner = [id for one in (self, *self.folded) for child in one.children for id in child.measured()]
        return [*(id for one in (self, *self.folded) for id in (*one.nodes, *one.own_loop())), *inner]

    def own_loop(self) -> list[int]:
        """The node whose body a group is, if it is one."""
        return [] if self.loop is None else [self.loop]

    def total(self) -> int:
        """How many nodes a group stands for, those of folded blocks counted."""
        return len(self.every_node())

    def walk(self) -> Iterable[Group]:
        """This group and all inside, outer ones first."""
        stack = [self]
        while stack:
            group = stack.pop()
            yield group
            stack.extend(reversed(group.children))

    def steps(self, graph: Graph) -> list[Step]:
        """What is done inside, in order: equal for blocks that do the same, whatever they are called."""
        sizes_differ = self.name.startswith("part ")  # the updates of parameters of all shapes are one block
        found: list[tuple[int, Step]] = []
        stack = [(self, "")]
        while stack:
            group, inside = stack.pop()
            for id in group.nodes:
                node = graph.node(id)
                found.append((id, (inside, node.op, "" if sizes_differ else str(node.type))))
            for child in group.children:
                stack.extend((one, f"{inside}/{plain_name(one.first_name)}") for one in (child, *child.folded))
        return [step for _, step in sorted(found)]

    @property
    def first_name(self) -> str:
        """The name without the number of folded blocks."""
        return self.name.partition(" ×")[0]


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
    """Give inputs and constants without a scope the innermost one around their users in the first one's module."""
    users: dict[int, list[str]] = defaultdict(list)
    for id in shown:
        for source in graph.node(id).inputs:
            if source in scopes and not graph.node(source).scope and not graph.node(source).inputs:
                users[source].append(scopes[id])
    for id, found in users.items():
        outermost = found[0].split("/")[0]
        scopes[id] = common_scope([scope for scope in found if scope.split("/")[0] == outermost])


def common_scope(scopes: Sequence[str]) -> str:
    """The innermost scope around all."""
    parts = [scope.split("/") for scope in scopes]
    shared = [several[0] for several in zip(*parts, strict=False) if len(set(several)) == 1]
    return "/".join(shared)


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


def fold_repeats(graph: Graph, root: Group, wanted: Callable[[Group], bool]) -> None:
    """Fold groups that do the same and have one name (but for a number) into the first of them, innermost first."""
    for group in reversed(list(root.walk())):
        by_name: dict[tuple[str, int | None], list[Group]] = defaultdict(list)  # a loop is one card as it is
        for child in group.children:
            by_name[plain_name(child.name), child.loop].append(child)
        group.children = [
            joined
            for (name, _), children in by_name.items()
            for joined in (join_equal(graph, children) if name and wanted(children[0]) else children)
        ]


def join_equal(graph: Graph, children: list[Group]) -> list[Group]:
    """Each largest block with those that do the same steps, but for a few."""
    steps = {child.path: child.steps(graph) for child in children}
    left, found = list(children), []
    while left:
        whole = max(left, key=lambda child: len(steps[child.path]))
        equal = [child for child in left if child is whole or is_like(steps[child.path], steps[whole.path])]
        left = [child for child in left if child not in equal]
        found.append(join([whole, *(child for child in equal if child is not whole)], children))
    return found


def is_like(part: Sequence[Step], whole: Sequence[Step]) -> bool:
    """Whether two lists hold the same steps, but for a few."""
    shared = sum((Counter(part) & Counter(whole)).values())
    return shared >= LEAST_SHARED * max(len(part), len(whole))


def join(equal: list[Group], order: list[Group]) -> Group:
    """The largest of equal groups, which stands for all; in their order, so that it is known what comes next."""
    whole = equal[0]
    if len(equal) >= FEWEST_TO_FOLD:
        number = {id(child): position for position, child in enumerate(order)}
        equal = sorted(equal, key=lambda child: number[id(child)])
        whole.times, whole.position = len(equal), equal.index(whole)
        whole.folded = [child for child in equal if child is not whole]
        whole.name = f"{plain_name(whole.name)} ×{len(equal)}"
    return whole


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
