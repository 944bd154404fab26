"""FLOPs and bytes of a task, counted from its simplified graph: what no schedule can save."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..graph import Graph, Node, Subgraph, TensorType
from ..ops import REGISTRY
from ..ops.products import letter_sizes, split_subscripts
from ..ops.record import Multilinear
from ..run.pipeline import simplify
from ..trace import trace_function
from .ours import OPTIMIZERS, task_function
from .peers.candidate import TRAINING
from .workload import RATES, Problem


@dataclass(frozen=True)
class Work:
    """FLOPs of matrix products (a multiplication and an addition count as two) and of elementwise ops (one an entry),
    and bytes of the arguments read and the results written."""

    products: float
    elementwise: float
    bytes: float

    @property
    def flops(self) -> float:
        return self.products + self.elementwise


def work_of(problem: Problem, task: str) -> Work:
    """The least work of one run of a task."""
    model, data = problem.inputs(task)
    arguments: tuple[Any, ...] = (model, data)
    if task in TRAINING:
        arguments = (model, OPTIMIZERS[task](RATES[task]).init(model), data)
    graph = simplify(trace_function(task_function(problem, task, RATES.get(task, 0.0)).function, arguments)).graph
    products, elementwise = flops(graph)
    used = set(graph.reachable())
    read = sum(_bytes(graph, id) for id in graph.inputs if id in used)
    return Work(products, elementwise, read + sum(_bytes(graph, id) for id in graph.outputs))


def flops(graph: Graph) -> tuple[float, float]:
    """FLOPs of matrix products, and of elementwise ops; a loop's body counts once for each turn."""
    products = elementwise = 0.0
    for id in graph.reachable():
        node = graph.node(id)
        op = REGISTRY[node.op]
        if isinstance(op, Multilinear):
            products += _product(graph, node, op)
        elif op.kind == "elementwise":
            elementwise += _entries(graph, id)
        turns = node.attributes.get("length") or 1
        for value in node.attributes.values():
            if isinstance(value, Subgraph):
                inner = flops(value.graph)
                products, elementwise = products + turns * inner[0], elementwise + turns * inner[1]
    return products, elementwise


def _product(graph: Graph, node: Node, op: Multilinear) -> float:
    types = [graph.type(id) for id in node.inputs]
    if op.subscripts is None:
        return 0.0
    subscripts = op.subscripts(types, **node.attributes)
    sizes = letter_sizes(graph, types, subscripts)
    operands, _ = split_subscripts(subscripts)
    return 2.0 * math.prod(sizes[letter] for letter in set("".join(operands)))


def _entries(graph: Graph, id: int) -> float:
    type = graph.type(id)
    return float(math.prod(type.shape)) if isinstance(type, TensorType) else 0.0


def _bytes(graph: Graph, id: int) -> float:
    return _entries(graph, id) * np.dtype(graph.type(id).dtype).itemsize
