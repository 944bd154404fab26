"""What an edge hands on where there is no single local partial: the product as the derived graph has it (δ xᵀ)."""

from __future__ import annotations

from collections.abc import Mapping

from ..graph import Graph
from .account import Account
from .definitions import definition
from .derived import Derived
from .mathematics import Mathematics, Operator, Row, factor
from .numerals import number, quantity

UNSEEN = {"reshape", "identity", "convert"}
MOST_STEPS, LONGEST_FORM = 12, 60


def stops(account: Account, derived: Derived, symbols: Mapping[int, Mathematics]) -> dict[int, Mathematics]:
    """Where a printed product ends: at values and derivatives that have symbols in the story."""
    found: dict[int, Mathematics] = {}
    for id in account.shown:
        if id in derived.primal:
            found.setdefault(derived.primal[id], account.symbol(id))
    for id, symbol in symbols.items():
        if id in derived.derivative and account.is_float(id):
            found[derived.derivative[id]] = symbol
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
            steps += node.op not in UNSEEN
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
    if node.op == "array":
        return quantity(graph.arrays[node.attributes["key"]], digits)
    whole = node.op == "sum" and not node.tensor.shape  # a sum over all axes need not name them
    return definition(node.op, operands, {} if whole else node.attributes)
