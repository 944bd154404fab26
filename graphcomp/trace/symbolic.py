"""Graphs as SymPy expressions: the definition of each op, applied from the inputs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy as sp

from .. import ops
from ..errors import TraceError
from ..graph import Graph, Node

_TRANSPARENT = ("convert", "identity", "stop_gradient", "broadcast", "reshape")


def to_sympy(graph: Graph, id: int | None = None, names: Mapping[int, Any] | None = None) -> Any:
    """The value of node `id` (the first output by default) as a SymPy expression.

    Inputs become real symbols by their names. The walk stops at ids in `names` and puts those symbols there. Array ops
    without a scalar definition appear as functions of their name; broadcasts and reshapes of a value as the value.
    """
    try:
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


def _expression(graph: Graph, node: Node, arguments: list[Any]) -> Any:
    if node.op == "input":
        labels = graph.labels(node.id)
        return sp.Symbol(labels[0] if labels else node.attributes["name"] or f"w{node.id}", real=True)
    if node.op == "constant":
        return _number(node.attributes["value"])
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


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        return sp.sympify(value)
    return sp.Integer(int(value)) if float(value).is_integer() else sp.Float(value)
