"""Products with a small matrix of known numbers along one axis: written out, without loops over rows and inner index.

An entry of the other operand is loaded once for all rows; zeros and ones cost nothing. The axis is not the one that
runs along memory, so that the loops around run by vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .. import ops
from ..graph import Graph, Node
from ..ops.index import Index
from ..ops.products import split_subscripts
from .domain import domain_loops
from .lower import Body
from .program import Assign, Buffer, Compute, LoopKernel, Store

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""

MOST = 64
"""How many entries the matrix may have."""


@dataclass(frozen=True, slots=True)
class Combination:
    """`matrix[row, inner]` times the operand in slot `moving`, whose letters are `names`; the result's are `result`."""

    matrix: np.ndarray
    moving: int
    names: str
    result: str
    row: str
    inner: str


def find_combination(graph: Graph, node: Node) -> Combination | None:
    """A product of two operands, one of them a small known matrix that is applied along one axis of the other."""
    record = ops.get(node.op)
    if record.subscripts is None or len(node.inputs) != 2 or not node.tensor.is_float:
        return None
    types = [graph.type(source) for source in node.inputs]
    operands, result = split_subscripts(record.subscripts(types, **node.attributes))
    for slot, names in enumerate(operands):
        known, other = graph.node(node.inputs[slot]), operands[1 - slot]
        if known.op != "array" or known.tensor.rank != 2 or known.tensor.size > MOST:
            continue
        inner, row = sorted(names, key=result.find)
        if inner in result or row in other or inner not in other or set(other) - {inner} != set(result) - {row}:
            continue
        matrix = graph.arrays[known.attributes["key"]]
        return Combination(matrix if names == row + inner else matrix.T, 1 - slot, other, result, row, inner)
    return None


def place_combination(scheduler: Scheduler, node: Node) -> bool:
    """Place a product with a small known matrix; False for any other product."""
    found = find_combination(scheduler.graph, node)
    if found is None:
        return False
    order = scheduler.natural_order(node)
    if len(order) < 2 or found.result[order[-1]] == found.row:
        return False
    target = scheduler.buffer(node, order)
    body = Body(scheduler.graph, sources(scheduler, node.inputs[found.moving]))
    loops, index = domain_loops(target)
    axis = found.result.index(found.row)
    rows = index[axis].terms[0][0].name if index[axis].terms else ""
    at = dict(zip(found.result, index))
    values = [
        body.value(node.inputs[found.moving], tuple(Index((), k) if c == found.inner else at[c] for c in found.names))
        for k in range(found.matrix.shape[1])
    ]
    for number, row in enumerate(found.matrix):
        total = combined(body, row.tolist(), values, node)
        place = target.address((*index[:axis], Index((), number), *index[axis + 1 :]))
        body.add(Store(target, place, total, node.id))
    kernel = LoopKernel(len(scheduler.kernels), [each for each in loops if each.variable != rows], body.blocks[0], [])
    kernel.nodes, kernel.helpers = [*body.nodes, node.id], body.helpers
    scheduler.kernels.append(kernel)
    scheduler.ready[target.number] = kernel.number
    scheduler.buffers[node.id] = target
    return True


def sources(scheduler: Scheduler, id: int) -> dict[int, Buffer]:
    """The buffers that a value is read from. What has zeros around it is stored with them, so no entry is asked."""
    while id not in scheduler.buffers:
        node = scheduler.graph.node(id)
        record = ops.get(node.op)
        if record.pads:
            return {**scheduler.buffers, id: scheduler.pack(id, scheduler.natural_order(node))}
        if record.index_map is None or len(node.inputs) != 1:
            break
        (id,) = node.inputs
    return scheduler.buffers


def combined(body: Body, factors: list[float], values: list[str], node: Node) -> str:
    """The sum of the values times their factors, those with a positive one first."""
    total = ""
    for factor, value in sorted(zip(factors, values), key=lambda pair: pair[0] < 0):
        if factor == 0:
            continue
        if abs(factor) != 1:
            value = computed(body, "multiply", (value, number(body, abs(factor), node)), node)
        if total:
            total = computed(body, "subtract" if factor < 0 else "add", (total, value), node)
        else:
            total = computed(body, "negative", (value,), node) if factor < 0 else value
    return total or number(body, 0.0, node)


def number(body: Body, value: float, node: Node) -> str:
    """A variable that holds a number."""
    key = ("number", value)
    name = body.find(key)
    if name is None:
        name = body.name()
        body.add(Assign(name, repr(value), node.dtype, node.id))
        body.known[-1][key] = name
    return name


def computed(body: Body, op: str, arguments: tuple[str, ...], node: Node) -> str:
    name = body.name()
    body.add(Compute(name, op, arguments, {}, node.dtype, node.dtype, node.id))
    return name
