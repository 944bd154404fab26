"""Simplification: build the graph again through a builder that applies the rules.

Each call is first folded (an elementwise op of constants is a constant), then looked up in the rules, then shared with
an equal node made before. What nothing uses is left behind by `prune`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..control.tidy import tidy
from ..errors import GraphError
from ..graph import Graph, Subgraph, TensorType, check_graph
from ..graph.types import Type
from .pattern import instantiate, match
from .rules import RULES, Rule, by_op

DEPTH_LIMIT = 60
MOST_ROUNDS = 4
ALL = by_op(RULES)
INSIDE = by_op(rule for rule in RULES if not rule.adds_arrays)
STABILISING = by_op(rule for rule in RULES if rule.stabilising)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One rule applied: the call it replaced, and the node that stands for it now."""

    rule: str
    op: str
    inputs: tuple[int, ...]
    result: int


@dataclass(slots=True)
class Simplified:
    """`mapping` takes ids of the original graph to ids of `graph` (only those that are still needed)."""

    graph: Graph
    mapping: dict[int, int]
    history: list[Rewrite] = field(default_factory=list)


class Placed(NamedTuple):
    """What a walk made of one node: the ids of new nodes [first, stop), the one that stands for it, by which rules."""

    first: int
    stop: int
    result: int
    rewrites: tuple[Rewrite, ...]


@dataclass(slots=True)
class Round:
    """One walk: `before` built again as `built`, which `after` is without the nodes that nothing uses.

    `placed` tells, for the nodes of `before` in the order of the walk, what became of them; `kept` takes ids of `built`
    to ids of `after`.
    """

    before: Graph
    built: Graph
    placed: dict[int, Placed]
    after: Graph
    kept: dict[int, int]
    history: list[Rewrite]


class SimplifyingBuilder(ops.Builder):
    """A builder whose `emit` folds, rewrites and shares."""

    def __init__(self, graph: Graph, rules: Mapping[str, tuple[Rule, ...]]) -> None:
        super().__init__(graph, ops.get)
        self.rules = rules
        self.history: list[Rewrite] = []
        self.shared: dict[Any, int] = {}
        self.active: list[str] = []

    def emit(self, name: str, /, *inputs: int, **attributes: Any) -> int:
        types = [self.graph.node(id).type for id in inputs]
        type = self._records(name).infer(self.graph, types, attributes)
        return self.place(name, inputs, attributes, type)

    def place(self, op: str, inputs: tuple[int, ...], attributes: Mapping[str, Any], type: Type) -> int:
        """Fold, rewrite, share or add a call whose type is known."""
        folded = self._fold(op, inputs, attributes, type)
        if folded is not None:
            return folded
        heads = {self.graph.node(id).op for id in inputs}
        for rule in self.rules.get(op, ()):
            if not rule.pattern.heads <= heads:
                continue
            result = self._apply(rule, op, inputs, attributes, type)
            if result is not None:
                self.history.append(Rewrite(rule.name, op, inputs, result))
                return result
        lifted = self._before_broadcast(op, inputs, attributes, type)
        return self._share(op, inputs, attributes, type) if lifted is None else lifted

    def _apply(
        self, rule: Rule, op: str, inputs: tuple[int, ...], attributes: Mapping[str, Any], type: Type
    ) -> int | None:
        found = match(rule.pattern, self.graph, op, inputs, attributes, type)
        if found is None:
            return None
        self.active.append(rule.name)
        if len(self.active) > DEPTH_LIMIT:
            raise GraphError(f"rewrite rules go round: {', '.join(sorted(set(self.active)))}.")
        result = (
            rule.replacement(self, found) if callable(rule.replacement) else instantiate(rule.replacement, self, found)
        )
        self.active.pop()
        return result

    def _fold(self, op: str, inputs: tuple[int, ...], attributes: Mapping[str, Any], type: Type) -> int | None:
        """A call of constants filled with one value is such a constant, if the op works on entries or moves them."""
        record = ops.get(op)
        moves = record.index_map is not None and not record.pads and len(inputs) == 1
        if not inputs or not (moves or record.kind == "elementwise"):
            return None
        nodes = [self.graph.node(id) for id in inputs]
        if any(node.op != "constant" for node in nodes) or not isinstance(type, TensorType):
            return None
        value = nodes[0].attributes["value"]
        if record.kind == "elementwise":
            entries = [np.asarray(node.attributes["value"], node.dtype) for node in nodes]
            with np.errstate(all="ignore"):
                value = np.asarray(record.evaluate(entries, attributes), type.dtype).item()
        return self._share("constant", (), {"value": value, "shape": type.shape, "dtype": type.dtype}, type)

    def _before_broadcast(
        self, op: str, inputs: tuple[int, ...], attributes: Mapping[str, Any], type: Type
    ) -> int | None:
        """An elementwise op of broadcasts from one shape is computed before the broadcast: less work."""
        if ops.get(op).kind != "elementwise" or not isinstance(type, TensorType):
            return None
        nodes = [self.graph.node(id) for id in inputs]
        shapes = {self.graph.type(n.inputs[0]).shape for n in nodes if n.op == "broadcast"}
        if len(shapes) != 1 or any(node.op not in ("broadcast", "constant") for node in nodes):
            return None
        shape = shapes.pop()
        sources = [
            n.inputs[0] if n.op == "broadcast" else self.constant(n.attributes["value"], shape, n.dtype) for n in nodes
        ]
        small = self.place(op, tuple(sources), attributes, TensorType(shape, type.dtype))
        return self._share("broadcast", (small,), {"shape": type.shape}, type)

    def _share(self, op: str, inputs: tuple[int, ...], attributes: Mapping[str, Any], type: Type) -> int:
        # repr tells 0.0 from -0.0 and 1 from True, which compare equal.
        values = tuple(repr(v) if isinstance(v, (bool, int, float)) else v for v in attributes.values())
        key = (op, inputs, tuple(attributes), values)
        if op == "input" or key not in self.shared:
            self.shared[key] = self.graph.add(op, inputs, attributes, type, self.scope, self.origin)
        return self.shared[key]


def stabilise(graph: Graph) -> Graph:
    """Only the stabilising rules, for use before deriving, so that derivatives are those of the stable forms."""
    return simplify(graph, STABILISING).graph


def simplify(graph: Graph, rules: Mapping[str, tuple[Rule, ...]] = ALL) -> Simplified:
    """Apply the rules until nothing changes, then drop what nothing uses."""
    mapping = {id: id for id in range(len(graph))}
    history: list[Rewrite] = []
    current = graph
    for walk in rounds(graph, rules):
        step = {id: walk.kept[placed.result] for id, placed in walk.placed.items() if placed.result in walk.kept}
        mapping = {id: step[now] for id, now in mapping.items() if now in step}
        history += walk.history
        current = walk.after
    return Simplified(check_graph(current, "simplify"), mapping, history)


def rounds(graph: Graph, rules: Mapping[str, tuple[Rule, ...]] = ALL) -> Iterator[Round]:
    """The walks through the graph, one after the other, until one of them applies no rule.

    After each walk loops are put in order, which is a walk of its own.
    """
    for _ in range(MOST_ROUNDS):
        walk = _rebuild(graph, rules)
        yield walk
        graph, applied = walk.after, bool(walk.history)
        if rules is not STABILISING and graph.subgraphs():
            ordered = _put_in_order(graph)
            if ordered.history:
                yield ordered
                graph, applied = ordered.after, True
        if not applied:
            return


def _put_in_order(graph: Graph) -> Round:
    """The loops of the graph, and what else holds graphs, put in order."""
    tidied = tidy(graph)
    placed = {
        id: Placed(
            step.first, step.stop, step.result, tuple(Rewrite(rule, "scan", (), step.result) for rule in step.rules)
        )
        for id, step in tidied.steps.items()
    }
    history = [rewrite for step in placed.values() for rewrite in step.rewrites]
    return Round(graph, tidied.graph, placed, *prune(tidied.graph), history)


def _rebuild(graph: Graph, rules: Mapping[str, tuple[Rule, ...]]) -> Round:
    b = SimplifyingBuilder(Graph(arrays=dict(graph.arrays), requirements=list(graph.requirements)), rules)
    placed: dict[int, Placed] = {}
    for id in [*graph.inputs, *graph.reachable()]:
        if id not in placed:
            node, first, applied = graph.node(id), len(b.graph), len(b.history)
            b.at(node)
            inputs = tuple(placed[source].result for source in node.inputs)
            result = b.place(node.op, inputs, _inside(node.attributes, rules, b.history), node.type)
            placed[id] = Placed(first, len(b.graph), result, tuple(b.history[applied:]))
    b.graph.inputs = [placed[id].result for id in graph.inputs]
    b.graph.outputs = [placed[id].result for id in graph.outputs]
    b.graph.names = {name: placed[id].result for name, id in graph.names.items() if id in placed}
    return Round(graph, b.graph, placed, *prune(b.graph), b.history)


def _inside(
    attributes: Mapping[str, Any], rules: Mapping[str, tuple[Rule, ...]], history: list[Rewrite]
) -> Mapping[str, Any]:
    """Attributes with the graphs among them simplified; what they take and give stays as it is."""
    if not any(isinstance(value, Subgraph) for value in attributes.values()):
        return attributes
    found = {}
    for name, value in attributes.items():
        if isinstance(value, Subgraph):
            inner = simplify(value.graph, INSIDE if rules is ALL else rules)
            history += inner.history
            found[name] = Subgraph(inner.graph) if inner.history else value
        else:
            found[name] = value
    return found


def prune(graph: Graph) -> tuple[Graph, dict[int, int]]:
    """The graph without the nodes that no output needs, and how ids map."""
    pruned = Graph(requirements=list(graph.requirements))
    mapping: dict[int, int] = {}
    for id in [*graph.inputs, *graph.reachable()]:
        if id in mapping:
            continue
        node = graph.node(id)
        if node.op == "array":
            pruned.arrays[node.attributes["key"]] = graph.arrays[node.attributes["key"]]
        inputs = tuple(mapping[source] for source in node.inputs)
        mapping[id] = pruned.add(node.op, inputs, node.attributes, node.type, node.scope, node.origin)
    pruned.inputs = [mapping[id] for id in graph.inputs]
    pruned.outputs = [mapping[id] for id in graph.outputs]
    pruned.names = {name: mapping[id] for name, id in graph.names.items() if id in mapping}
    return pruned, mapping
