"""What an edge hands on where there is no single local partial: the product as the derived graph has it (δ xᵀ)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import ops
from ..derive import Forward, Reverse
from ..graph import Graph
from ..run import evaluate_all
from .account import Account
from .definitions import definition
from .mathematics import Mathematics, Operator, Row, factor
from .numerals import number

UNSEEN = {"reshape", "identity", "convert"}
MOST_STEPS, LONGEST_FORM = 12, 60


def stops(account: Account, derived: Forward | Reverse, symbols: Mapping[int, Mathematics]) -> dict[int, Mathematics]:
    """Where a printed product ends: at values and derivatives that have symbols in the story."""
    found: dict[int, Mathematics] = {}
    for id in account.shown:
        if id in derived.primal:
            found.setdefault(derived.primal[id], account.symbol(id))
    known = derived.adjoint if isinstance(derived, Reverse) else derived.tangent
    for id, symbol in symbols.items():
        if id in known:
            found[known[id]] = symbol
    return found


def product_form(graph: Graph, id: int, ends: Mapping[int, Mathematics], digits: int) -> Mathematics | None:
    """A derived node in terms of the story's symbols, or None if that would be long."""
    trees: dict[int, Mathematics] = dict(ends)
    stack, steps = [id], 0
    while stack:
        node = graph.node(stack[-1])
        waiting = [source for source in node.inputs if source not in trees]
        if node.id in trees:
            stack.pop()
        elif waiting:
            stack.extend(reversed(waiting))
            steps += 1
            if steps > MOST_STEPS:
                return None
        else:
            trees[node.id] = written(graph, node.id, trees, digits)
    return trees[id] if len(trees[id].plain()) <= LONGEST_FORM else None


def written(graph: Graph, id: int, trees: Mapping[int, Mathematics], digits: int) -> Mathematics:
    """One op of a product form; changes of shape that move no entry are not written."""
    node = graph.node(id)
    operands = [trees[source] for source in node.inputs]
    if node.op in UNSEEN and operands:
        return operands[0]
    if node.op == "constant":
        return number(node.attributes["value"], digits)
    if node.op == "multiply" and node.tensor.shape:
        return Row((factor(operands[0]), Operator("⊙"), factor(operands[1])))
    return definition(node.op, operands, node.attributes)


def slot_tangent(account: Account, id: int, slot: int, tangent: Any) -> Any:
    """What one argument's tangent alone adds to a node's tangent, by the forward rule of the node's op."""
    node = account.graph.node(id)
    graph = Graph(arrays=account.graph.arrays)
    b = ops.build(graph)
    values = [np.asarray(account.values[source]) for source in node.inputs]
    arguments = [b.input(shape=value.shape, dtype=str(value.dtype), name="") for value in values]
    moving = b.input(shape=np.shape(tangent), dtype=str(np.asarray(tangent).dtype), name="")
    graph.inputs = [*arguments, moving]
    copy = graph.node(b.emit(node.op, *arguments, **node.attributes))
    tangents = [moving if position == slot else None for position in range(len(arguments))]
    result = ops.get(node.op).tangent(b, copy, tangents)
    values.append(np.asarray(tangent))
    return evaluate_all(graph, values)[result] if isinstance(result, int) else np.zeros_like(account.values[id])
