"""The rewrites of a simplifying walk, one node at a time: the graph as it is just before, and just after.

A walk builds a graph again, node by node. In between, the graph is half old and half new: what the walk has reached is
a node of the new graph ("new"), the rest still one of the graph before ("old"). A rewrite is the step from one such
state to the next, so what it changes is exactly the difference between the two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ...graph import Graph, Node
from ...simplify.simplify import Placed, Round
from ..definitions import definition
from ..mathematics import Identifier, Mathematics, Text, identifier
from ..naming import label_of, name_nodes
from ..numerals import number

Key = tuple[Literal["old", "new"], int]
FOLDED, SHARED, LIFTED = "constants folded", "equal nodes shared", "computed before it is spread"
MOST_USERS, MOST_NEAR = 3, 9


def first_names(graph: Graph) -> Mapping[int, Mathematics]:
    """The symbols of a graph's nodes but for constants: the user's names, or w₁, w₂, … in evaluation order."""
    shown = [id for id in graph.reachable() if graph.node(id).op != "constant"]
    return name_nodes(graph, shown).symbols


def fresh_names(graph: Graph) -> Iterator[Identifier]:
    """Symbols for nodes that rules make, numbered on from those of the graph."""
    number = len(first_names(graph))
    while True:
        number += 1
        yield Identifier("w", str(number))


@dataclass(frozen=True)
class Change:
    """One node that a walk replaced, by which rules, and the keys of what stands for it before and after."""

    walk: Walk
    node: int
    rules: tuple[str, ...]

    @property
    def before(self) -> Key:
        return "old", self.node

    @property
    def after(self) -> Key:
        return "new", self.placed.result

    @property
    def placed(self) -> Placed:
        return self.walk.round.placed[self.node]

    @property
    def scope(self) -> str:
        return self.walk.round.before.node(self.node).scope


@dataclass(frozen=True)
class View:
    """A part of the graph before and after a change: which values each state shows."""

    change: Change
    before: tuple[Key, ...]
    after: tuple[Key, ...]
    whole: bool

    @property
    def removed(self) -> set[Key]:
        return set(self.before) - set(self.after)

    @property
    def added(self) -> set[Key]:
        return set(self.after) - set(self.before)


class Walk:
    """A walk with a name for each value. A value keeps its name as long as a node of its own stands for it."""

    def __init__(self, walk: Round, names: Mapping[int, Mathematics], fresh: Iterator[Identifier]) -> None:
        self.round = walk
        self.position = {id: place for place, id in enumerate(walk.placed)}
        self.old = names
        self.new: dict[int, Mathematics] = {}
        for id, placed in walk.placed.items():
            for made in range(placed.first, placed.stop):
                if walk.built.node(made).op != "constant":
                    self.new[made] = names[id] if made == placed.result and id in names else next(fresh)

    def names_after(self) -> Mapping[int, Mathematics]:
        """The names in the graph that the walk leaves."""
        return {kept: self.new[id] for id, kept in self.round.kept.items() if id in self.new}

    @cached_property
    def changes(self) -> list[Change]:
        """Every node that was replaced, in the order of the walk."""
        found = ((id, self.rules(id, placed)) for id, placed in self.round.placed.items())
        return [Change(self, id, rules) for id, rules in found if rules]

    def rules(self, id: int, placed: Placed) -> tuple[str, ...]:
        """By which rules a node was replaced; none if it was only copied."""
        if placed.rewrites:
            # A rule is done once those that its replacement calls for are: the last one was the first to apply.
            return tuple(dict.fromkeys(rewrite.rule for rewrite in reversed(placed.rewrites)))
        node, now = self.round.before.node(id), self.round.built.node(placed.result)
        if now.op == "constant" and node.op != "constant":
            return (FOLDED,)
        if placed.result < placed.first:
            return (SHARED,) if node.op != "constant" else ()
        inputs = tuple(self.round.placed[source].result for source in node.inputs)
        return () if (now.op, now.inputs) == (node.op, inputs) else (LIFTED,)

    def node(self, key: Key) -> Node:
        """A node of the old or the new graph."""
        return (self.round.before if key[0] == "old" else self.round.built).node(key[1])

    def resolved(self, id: int, change: Change, done: bool) -> Key:
        """What stands for a node of the old graph just before a change, or just after it."""
        reached = self.position[change.node] + done
        return ("new", self.round.placed[id].result) if self.position[id] < reached else ("old", id)

    def inputs(self, key: Key, change: Change, done: bool) -> tuple[Key, ...]:
        """A value's operands just before a change, or just after it."""
        node = self.node(key)
        if key[0] == "new":
            return tuple(("new", source) for source in node.inputs)
        return tuple(self.resolved(source, change, done) for source in node.inputs)

    def needed(self, change: Change, done: bool) -> set[Key]:
        """Every value that an output needs just before a change, or just after it."""
        stack = [self.resolved(id, change, done) for id in self.round.before.outputs]
        seen: set[Key] = set()
        while stack:
            key = stack.pop()
            if key not in seen:
                seen.add(key)
                stack.extend(self.inputs(key, change, done))
        return seen

    def ordered(self, keys: Iterable[Key], change: Change) -> tuple[Key, ...]:
        """Values in evaluation order. Constants stand in the definitions of others, unless the change is about them."""
        ends = (change.before, change.after)
        drawn = (key for key in keys if key in ends or self.node(key).op != "constant")
        return tuple(sorted(drawn, key=lambda key: (key[0] == "old", key[1])))

    def whole(self, change: Change) -> View:
        """The whole graph before and after a change."""
        before, after = (self.ordered(self.needed(change, done), change) for done in (False, True))
        return View(change, before, after, True)

    def near(self, change: Change) -> View:
        """What a change is about: the node and what is dropped with it, what replaces it, operands and users."""
        alive, first = set(self.needed(change, True)), change.placed.first
        before, after = {change.before}, {change.after}
        self.spread(before, change, False, lambda key: key not in alive)
        self.spread(after, change, True, lambda key: key[1] >= first)
        stays = {key for key in before | after if key[0] == "new" and key[1] < first and key in alive}
        users: set[Key] = {("old", user) for user in self.readers[change.node][:MOST_USERS]}
        both = stays | users
        return View(change, self.ordered(before | both, change), self.ordered(after | both, change), False)

    def spread(self, found: set[Key], change: Change, done: bool, further: Callable[[Key], bool]) -> None:
        """Add operands, and theirs where ``further`` says so, up to a number that a picture can hold."""
        waiting = list(found)
        while waiting and len(found) < MOST_NEAR:
            for key in self.inputs(waiting.pop(0), change, done):
                if key not in found and self.node(key).op != "constant":
                    found.add(key)
                    waiting.extend([key] if key[0] == "new" and further(key) else [])

    @cached_property
    def readers(self) -> dict[int, list[int]]:
        """The nodes of the old graph that read each of its nodes."""
        found: dict[int, list[int]] = defaultdict(list)
        for id in self.position:
            for source in dict.fromkeys(self.round.before.node(id).inputs):
                found[source].append(id)
        return found

    def symbol(self, key: Key) -> Mathematics:
        """A value's name, or the constant itself."""
        names = self.old if key[0] == "old" else self.new
        return names[key[1]] if key[1] in names else constant(self.node(key))

    def defined(self, key: Key, change: Change, done: bool) -> Mathematics:
        """A value's right-hand side in a state of the graph."""
        operands = [self.symbol(source) for source in self.inputs(key, change, done)]
        graph = self.round.before if key[0] == "old" else self.round.built
        return right_side(graph, self.node(key), operands)


def constant(node: Node) -> Mathematics:
    """A constant as others show it."""
    return number(node.attributes["value"]) if node.op == "constant" else Text(node.op)


def right_side(graph: Graph, node: Node, operands: list[Mathematics]) -> Mathematics:
    """A node's definition; an input's is its own name."""
    if node.op == "input":
        return identifier(label_of(graph, node.id) or f"input{node.id}")
    if node.op == "constant":
        return constant(node)
    attributes = {} if node.op in WITHOUT_ATTRIBUTES else node.attributes
    return definition(node.op, operands, attributes)


WITHOUT_ATTRIBUTES = {"reshape", "broadcast", "array", "convert"}
"""Ops whose attributes are their type, which stands below, or say nothing to a reader."""


def kinds(changes: Iterable[Change]) -> str:
    """The ops that were replaced, the most frequent first: ``reshape ×30, transpose``."""
    found = Counter(change.walk.round.before.node(change.node).op for change in changes)
    return ", ".join(f"{op} ×{times}" if times > 1 else op for op, times in found.most_common(6))
