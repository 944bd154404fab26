"""What a loop need not do: results that nobody reads, values that no step changes.

carried unchanged         what every step passes on as it came is a constant
unused in a loop          results, carried values and arguments that nothing reads are dropped
the same argument twice   is one argument
filled with one value     an argument of one value is made in the body
passed through a loop     a result that is an argument is that argument
moved out of a loop       what depends on constants alone is computed once, before the loop
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import ops
from ..derive import copy_node, depending, extract, inline, needed
from ..graph import Graph, Node, Subgraph, TensorType
from ..ops import Builder
from .scan import Loop


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one node: the ids of new nodes [first, stop), the one that stands for it, what was done."""

    first: int
    stop: int
    result: int
    rules: tuple[str, ...] = ()


@dataclass(slots=True)
class Tidied:
    """The graph in order, and what became of each node of the original."""

    graph: Graph
    steps: dict[int, Step] = field(default_factory=dict)


def tidy(graph: Graph) -> Tidied:
    """The graph with its loops put in order, and with the bodies of functions that have derivatives of their own.

    Those derivatives have been taken, where they were wanted: what is left is the function.
    """
    tidied = Tidied(Graph(arrays=graph.arrays, requirements=list(graph.requirements)))
    b = ops.build(tidied.graph)
    reachable = graph.reachable()
    wanted = _wanted(graph, reachable)
    results: dict[int, dict[int, int]] = {}
    for id in [*graph.inputs, *reachable]:
        if id in tidied.steps:
            continue
        node, first, rules = graph.node(id), len(b.graph), tuple[str, ...]()
        inputs = [tidied.steps[source].result for source in node.inputs]
        b.at(node)
        if node.op == "scan":
            rebuilt = _Rebuilt(b, node, inputs, wanted.get(id, set()))
            results[id], rules = rebuilt.results, tuple(rebuilt.applied)
            made = rebuilt.id
        elif node.op == "custom_call":
            results[id] = dict(enumerate(inline(b, node.attributes["body"].graph, inputs)))
            made, rules = len(b.graph) - 1, ("a function with its own derivative is its body",)
        elif node.op == "item" and node.inputs[0] in results:
            made = results[node.inputs[0]][node.attributes["position"]]
        else:
            made = copy_node(b, node, inputs)
        tidied.steps[id] = Step(first, len(b.graph), made, rules)
    now = {id: step.result for id, step in tidied.steps.items()}
    tidied.graph.inputs = [now[id] for id in graph.inputs]
    tidied.graph.outputs = [now[id] for id in graph.outputs]
    tidied.graph.names = {name: now[id] for name, id in graph.names.items() if id in now}
    return tidied


def _wanted(graph: Graph, reachable: Iterable[int]) -> dict[int, set[int]]:
    """For each loop, the positions of the results that are read."""
    found: dict[int, set[int]] = {}
    for id in reachable:
        node = graph.node(id)
        if node.op == "item" and graph.node(node.inputs[0]).op == "scan":
            found.setdefault(node.inputs[0], set()).add(node.attributes["position"])
    return found


class _Rebuilt:
    """One loop, built again in the builder's graph; `results` are the ids of the wanted ones by position."""

    def __init__(self, b: Builder, node: Node, arguments: list[int], wanted: set[int]) -> None:
        self.b, self.node, self.wanted = b, node, wanted
        self.loop = Loop.of(node.attributes)
        self.body = self.loop.body
        self.results: dict[int, int] = {}
        self.applied: list[str] = []
        self.argument = dict(zip(self.body.inputs, arguments))
        self.carries = [slot for slot in range(self.loop.carries) if not self._is_fixed(slot, arguments)]
        self.varying = depending(self.body, [*self._places(self.carries), *self._sequence_places()])
        self.ys = [p for p in sorted(wanted) if p >= self.loop.carries and not self._is_outside(p)]
        self._drop_dead_carries()
        self.standing, self.moved = self._invariants()
        self.id = self._emit()

    def _places(self, slots: Iterable[int]) -> list[int]:
        return [self.body.inputs[slot] for slot in slots]

    def _sequence_places(self) -> list[int]:
        return self._places(range(self.loop.carries, self.loop.carries + self.loop.sequences))

    def _note(self, rule: str) -> None:
        self.applied.append(rule)

    # what is decided without looking at use ---------------------------------------------------------------------------

    def _is_fixed(self, slot: int, arguments: list[int]) -> bool:
        if self.body.outputs[slot] != self.body.inputs[slot]:
            return False
        self._note("carried unchanged")
        if slot in self.wanted:
            self.results[slot] = arguments[slot]
        return True

    def _is_outside(self, position: int) -> bool:
        """Whether a stacked result needs no loop; then it is made at once."""
        id = self.body.outputs[position]
        if id in self._sequence_places():
            self._note("passed through a loop")
            self.results[position] = self.argument[id]
            return True
        if id in self.varying:
            return False
        self._note("moved out of a loop")
        (value,) = self._outside([id])
        self.results[position] = self.b.broadcast(value, shape=(self.loop.length, *self.body.type(id).shape))
        return True

    def _outside(self, ids: list[int]) -> list[int]:
        """Nodes of the body that depend on constants alone, computed in the graph around it."""
        places = [place for place in self.body.inputs if place not in self.varying]
        part = extract(self.body, places, ids)
        known = dict(zip(part.inputs, (self.argument[place] for place in places)))
        for node in part.nodes():
            if node.id not in known:
                known[node.id] = copy_node(self.b, node, [known[source] for source in node.inputs])
        return [known[id] for id in part.outputs]

    # what is used ----------------------------------------------------------------------------------------------------

    def _drop_dead_carries(self) -> None:
        """Keep what is carried if its last value is wanted, or if a step reads it for something that is."""
        live = {slot for slot in self.carries if slot in self.wanted}
        while True:
            outputs = [self.body.outputs[p] for p in (*live, *self.ys)]
            read = set(needed(self.body, outputs, ())) | set(outputs)
            more = {slot for slot in self.carries if self.body.inputs[slot] in read}
            if more <= live:
                break
            live |= more
        if len(live) < len(self.carries):
            self._note("unused in a loop")
        self.carries = sorted(live)

    def _outputs(self) -> list[int]:
        return [self.body.outputs[position] for position in (*self.carries, *self.ys)]

    # what does not change --------------------------------------------------------------------------------------------

    def _invariants(self) -> tuple[set[int], list[int]]:
        """The ids of the body that are made in the graph around it: all of them, and in order."""
        found: set[int] = set()
        waiting = [
            source
            for id in needed(self.body, self._outputs(), self.body.inputs)
            if id in self.varying
            for source in self.body.node(id).inputs
        ]
        waiting += self._outputs()
        while waiting:
            id = waiting.pop()
            node = self.body.node(id)
            if id in self.varying or id in found or not node.inputs:
                continue
            if isinstance(node.type, TensorType) and ops.get(node.op).index_map is not None and len(node.inputs) == 1:
                waiting.extend(node.inputs)
            elif isinstance(node.type, TensorType):
                found.add(id)
        if found:
            self._note("moved out of a loop")
        return found, sorted(found)

    # the loop --------------------------------------------------------------------------------------------------------

    def _emit(self) -> int:
        """The new loop; its results go to `results`."""
        if not self.carries and not self.ys:
            return max(self.results.values(), default=0)
        inner = ops.build(Graph())
        ids, arguments, sizes = self._inputs(inner)
        if not self.applied:
            return self._unchanged()
        for id in needed(self.body, self._outputs(), ids):
            node = self.body.node(id)
            ids[id] = copy_node(inner, node, [ids[source] for source in node.inputs])
        inner.graph.outputs = [ids[id] for id in self._outputs()]
        inner.graph.names = {name: ids[id] for name, id in self.body.names.items() if id in ids}
        attributes = {"body": Subgraph(inner.graph), "length": self.loop.length, "carries": sizes[0]}
        rest = {"sequences": sizes[1], "reverse": self.loop.reverse, "save": self.loop.save}
        result = self.b.emit("scan", *arguments, **attributes, **rest)
        for place, position in enumerate((*self.carries, *self.ys)):
            if position in self.wanted:
                self.results[position] = self.b.item(result, position=place)
        return result

    def _unchanged(self) -> int:
        result = copy_node(self.b, self.node, [self.argument[place] for place in self.body.inputs])
        self.results |= {position: self.b.item(result, position=position) for position in self.wanted}
        return result

    def _inputs(self, inner: Builder) -> tuple[dict[int, int], list[int], tuple[int, int]]:
        """The body's inputs in the new graph, the loop's arguments, and how many are carried and are sequences."""
        read = set(needed(self.body, self._outputs(), sorted(self.standing))) | set(self._outputs())
        ids: dict[int, int] = {}
        arguments: list[int] = []
        for place in self._places(self.carries):
            self._take(inner, place, self.argument[place], ids, arguments)
        count = len(arguments)
        self._take_all(inner, [p for p in self._sequence_places() if p in read], ids, arguments)
        total = len(arguments)
        fixed = [place for place in self.body.inputs if place not in self.varying and place in read]
        self._take_all(inner, fixed, ids, arguments)
        for id, outer in zip(self.moved, self._outside(self.moved)):
            self._take(inner, id, outer, ids, arguments)
        if len(self.body.inputs) > len([place for place in self.body.inputs if place in ids]):
            self._note("unused in a loop")
        return ids, arguments, (count, total - count)

    def _take_all(self, inner: Builder, places: list[int], ids: dict[int, int], arguments: list[int]) -> None:
        """Arguments that are read: each once, and those of one value not at all."""
        taken: dict[int, int] = {}
        for place in places:
            outer = self.argument[place]
            value = self.b.constant_value(outer)
            if value is not None:
                self._note("filled with one value")
                ids[place] = inner.constant(value, self.body.type(place).shape, self.body.type(place).dtype)
            elif outer in taken:
                self._note("the same argument twice")
                ids[place] = taken[outer]
            else:
                self._take(inner, place, outer, ids, arguments)
                taken[outer] = ids[place]

    def _take(self, inner: Builder, place: int, outer: int, ids: dict[int, int], arguments: list[int]) -> None:
        node = self.body.node(place)
        attributes: Mapping[str, Any] = node.attributes if node.op == "input" else {"name": ""}
        ids[place] = inner.input(shape=node.shape, dtype=node.dtype, name=attributes.get("name", ""))
        inner.graph.inputs.append(ids[place])
        arguments.append(outer)
