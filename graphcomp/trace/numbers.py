"""The leaves of symbolic forms: numbers, and the names of inputs."""

from __future__ import annotations

from typing import Any

import sympy as sp

from ..graph import Graph, Node


def number_of(value: Any) -> Any:
    """A constant as a SymPy number: whole ones as integers."""
    if isinstance(value, bool):
        return sp.sympify(value)
    return sp.Integer(int(value)) if float(value).is_integer() else sp.Float(value)


def symbol_name(graph: Graph, node: Node) -> str:
    """The name of an input's symbol."""
    labels = graph.labels(node.id)
    return labels[0] if labels else node.attributes["name"] or f"w{node.id}"
