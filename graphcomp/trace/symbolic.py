"""Graphs as SymPy expressions: the definition of each op, applied from the inputs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import sympy as sp

from .. import ops
from ..errors import TraceError
from ..graph import Graph, Node, Subgraph, TensorType
from .indexed import indexed
from .matrices import matrices
from .numbers import number_of, symbol_name

Form = Literal["indices", "matrices"]
_TRANSPARENT = ("convert", "identity", "stop_gradient", "broadcast", "reshape")


def to_sympy(
    graph: Graph, id: int | None = None, names: Mapping[int, Any] | None = None, tensors: Form | None = None
) -> Any:
    """The value of node `id` (the first output by default) as a SymPy expression.

    Inputs become real symbols by their names. Where tensors are involved, `tensors` chooses the form: "indices" gives
    an entry with free indices i, j, … as sums over indexed symbols, "matrices" matrix expressions in two dimensions
    (vectors are columns). Without it, entries are written as if all were scalars: the walk stops at ids in `names` and
    puts those symbols there, array ops without a scalar definition appear as functions of their name, and broadcasts
    and reshapes of a value as the value.
    """
    try:
        if tensors is not None:
            for inner in graph.table if graph.subgraphs() else ():
                _require_expression(inner)
            target = graph.outputs[0] if id is None else id
            return indexed(graph, target) if tensors == "indices" else matrices(graph, target)
        return _build(graph, graph.outputs[0] if id is None else id, names or {})
    except RecursionError:
        raise TraceError(
            f"the expression of {len(graph)} nodes is nested too deeply for SymPy; print the graph instead, or give "
            "`names` for values at which to stop."
        ) from None


def _build(graph: Graph, target: int, names: Mapping[int, Any]) -> Any:
    done: dict[int, Any] = dict(names)
    stack = [target]
    while stack:
        node = graph.node(stack[-1])
        waiting = [source for source in node.inputs if source not in done]
        if stack[-1] not in done and waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if node.id not in done:
            done[node.id] = _expression(graph, node, [done[source] for source in node.inputs])
    return done[target]


def _require_expression(node: Node) -> None:
    if any(isinstance(value, Subgraph) for value in node.attributes.values()):
        where = f" At {node.origin}." if node.origin else ""
        raise TraceError(
            f"{node.op} holds a graph of its own (a loop, a branch, a function with a rule), which has no expression; "
            f"write the steps out, with `unroll` for a scan.{where}"
        )


def _expression(graph: Graph, node: Node, arguments: list[Any]) -> Any:
    _require_expression(node)
    if node.op == "input":
        return sp.Symbol(symbol_name(graph, node), real=True)
    if node.op == "constant":
        return number_of(node.attributes["value"])
    if node.op == "dimension":
        return sp.sympify(node.attributes["size"])
    if node.op == "where":
        condition, first, second = arguments
        return sp.Piecewise((first, condition), (second, True))
    if node.op in _TRANSPARENT:
        return arguments[0]
    record = ops.get(node.op)
    if isinstance(record, ops.Elementwise) and record.expression is not None:
        return record.expression(*arguments, **node.attributes)
    return sp.Function(node.op)(*arguments)


def has_tensors(graph: Graph) -> bool:
    """Whether a node that the outputs need has more than one entry."""
    types = (graph.node(id).type for id in graph.reachable())
    return any(not isinstance(type, TensorType) or bool(type.shape) for type in types)
