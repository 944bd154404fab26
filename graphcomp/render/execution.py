"""Runs a graph one wanted value at a time, and counts what it executes: the counters of a story are these."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ops
from ..graph import Graph, Node, Subgraph, TensorType
from ..graph.types import substitute
from ..run.interpreter import bind_sizes, check_inputs
from .story import Cost

FREE = {"input", "constant", "array", "dimension", "broadcast", "reshape", "transpose", "identity", "item", "convert"}
MULTIPLYING = {"multiply", "divide"}
ADDING = {"add", "subtract"}
SUMMING = {"sum", "fold"}
FOREVER = 10**9


@dataclass
class Lifetime:
    """A value's size, the step that made it, and the last step that reads it."""

    size: int
    made: int
    read: int


class Execution:
    """Evaluates nodes when they are asked for, each once in a sweep.

    ``begin_sweep`` gives new values to the seeds and forgets what depends on them; ``cost`` closes a step.
    """

    def __init__(
        self,
        graph: Graph,
        inputs: Sequence[Any],
        seeds: Sequence[int] = (),
        sizes: Mapping[Any, int] | None = None,
    ) -> None:
        self.graph = graph
        self.seeds = list(seeds)
        arrays = check_inputs(graph, inputs)
        self.sizes = bind_sizes(graph, arrays, sizes)
        self.values: dict[int, Any] = dict(zip(graph.inputs, arrays, strict=True))
        self.moving = dependents(graph, seeds)
        self.step = self.sweeps = 0
        self.multiplications = self.additions = self.operations = 0
        self.lifetimes: list[Lifetime] = []
        self.current: dict[int, Lifetime] = {}
        for id in graph.inputs:
            self.hold(id)

    def follow(self, graph: Graph, seeds: Sequence[int]) -> None:
        """Go on with another graph that has the same nodes before its seeds; what else was computed is forgotten."""
        for id in [id for id in self.values if id >= min([*self.seeds, *seeds])]:
            del self.values[id]
            self.current.pop(id, None)
        self.graph, self.seeds, self.moving = graph, list(seeds), dependents(graph, seeds)

    def begin_sweep(self, seeds: Sequence[Any] = ()) -> None:
        """Start a sweep with these values of the seeds."""
        self.sweeps += 1
        for id in self.moving:
            self.values.pop(id, None)
            self.current.pop(id, None)
        for id, seed in zip(self.seeds, seeds, strict=True):
            self.values[id] = np.asarray(seed)
            self.hold(id)

    def know(self, values: Mapping[int, Any]) -> None:
        """Take values that were computed before, at no cost."""
        for id, value in values.items():
            if id not in self.values:
                self.values[id] = value
                self.hold(id)

    def run(self, id: int) -> Any:
        """A node's value, with everything it needs."""
        stack = [id]
        while stack:
            node = self.graph.node(stack[-1])
            missing = [source for source in node.inputs if source not in self.values]
            if node.id not in self.values and missing:
                stack.extend(missing)
                continue
            stack.pop()
            if node.id not in self.values:
                self.execute(node)
        return self.values[id]

    def execute(self, node: Node) -> None:
        """Evaluate one node whose operands are known."""
        if node.op == "array":
            self.values[node.id] = self.graph.arrays[node.attributes["key"]]
            return
        if node.op == "identity":  # another name for the same memory
            self.values[node.id] = self.values[node.inputs[0]]
            if node.inputs[0] in self.current:
                self.current[node.id] = self.current[node.inputs[0]]
            return
        attributes = {name: self.bound(value) for name, value in node.attributes.items()}
        with np.errstate(all="ignore"):
            result = ops.get(node.op).evaluate([self.values[source] for source in node.inputs], attributes)
        if isinstance(node.type, TensorType):
            result = np.asarray(result, dtype=node.type.dtype)
        else:
            result = tuple(
                np.asarray(part, dtype=item.dtype) for part, item in zip(result, node.type.items, strict=True)
            )
        self.values[node.id] = result
        self.count(node)
        for source in node.inputs:
            if source in self.current:
                self.current[source].read = max(self.current[source].read, self.step)
        if node.op not in ("constant", "dimension"):
            self.hold(node.id)

    def bound(self, value: Any) -> Any:
        """An attribute as a reference takes it: with numbers for named sizes, and graphs as functions."""
        return Inside(self, value.graph) if isinstance(value, Subgraph) else substitute(value, self.sizes)

    def hold(self, id: int) -> None:
        """Note that a value is in memory from now on."""
        self.current[id] = Lifetime(entries(self.values[id]), self.step, -1)
        self.lifetimes.append(self.current[id])

    def keep(self, ids: Iterable[int]) -> None:
        """Note that values belong to the result, so that they are held to the end."""
        for id in ids:
            if id in self.current:
                self.current[id].read = FOREVER

    def count(self, node: Node) -> None:
        """Add one executed node to the counters."""
        size = entries(self.values[node.id])
        record = ops.get(node.op)
        if node.op in FREE or any(isinstance(value, Subgraph) for value in node.attributes.values()):
            return  # what a graph inside executes was counted there
        self.operations += size
        if node.op in MULTIPLYING:
            self.multiplications += size
        elif node.op in ADDING:
            self.additions += size
        elif node.op in SUMMING:
            self.additions += max(entries(self.values[node.inputs[0]]) - size, 0)
        elif node.op == "prod":
            self.multiplications += max(entries(self.values[node.inputs[0]]) - size, 0)
        elif node.op == "cumulative_sum":
            self.additions += size - size // max(np.shape(self.values[node.id])[node.attributes["axis"]], 1)
        elif node.op in ("scatter_add", "group_sum"):
            self.additions += entries(self.values[node.inputs[0]])
        elif record.subscripts is not None:
            self.count_products(node, record, size)

    def count_products(self, node: Node, record: ops.Op, size: int) -> None:
        """A contraction multiplies once for each combination of its indices."""
        types = [self.graph.type(source) for source in node.inputs]
        letters = record.subscripts(types, **node.attributes) if record.subscripts else ""
        extents: dict[str, int] = {}
        for part, source in zip(letters.split("->")[0].split(","), node.inputs, strict=False):
            extents.update(zip(part, np.shape(self.values[source]), strict=False))
        every = math.prod(extents.values())
        self.multiplications += every * (len(node.inputs) - 1)
        self.additions += every - size

    def cost(self) -> Cost:
        """The counters as they stand; the values held are known once everything has run (``finished``)."""
        self.step += 1
        return Cost(self.multiplications, self.additions, self.operations, self.sweeps)

    def held(self, step: int) -> int:
        """The entries that were made by then and that a later step reads."""
        return sum(life.size for life in self.lifetimes if life.made <= step < life.read)


class Inside:
    """A graph inside a node as a function from arrays to a list of arrays; what it executes is counted."""

    def __init__(self, execution: Execution, graph: Graph) -> None:
        self.execution, self.graph = execution, graph
        self.types = [substitute(graph.type(id), execution.sizes) for id in graph.outputs]

    def __call__(self, *arrays: Any) -> list[Any]:
        inner = Execution(self.graph, arrays, sizes=self.execution.sizes)
        results = [inner.run(id) for id in self.graph.outputs]
        self.execution.multiplications += inner.multiplications
        self.execution.additions += inner.additions
        self.execution.operations += inner.operations
        return results


def entries(value: Any) -> int:
    """How many numbers a value has."""
    return sum(map(entries, value)) if isinstance(value, tuple) else int(np.size(value))


def dependents(graph: Graph, seeds: Sequence[int]) -> set[int]:
    """The nodes that depend on a seed, the seeds included."""
    moving = set(seeds)
    for node in graph.nodes():
        if any(source in moving for source in node.inputs):
            moving.add(node.id)
    return moving
