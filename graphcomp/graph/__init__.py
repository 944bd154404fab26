"""Graphs, types of values, and the text form."""

from .check import check_graph
from .graph import Graph, Node, Origin, Requirement, Subgraph, equation_text, value_text
from .parse import parse_graph
from .types import Dimension, TensorType, TupleType, symbol

__all__ = [
    "Dimension",
    "Graph",
    "Node",
    "Origin",
    "Requirement",
    "Subgraph",
    "TensorType",
    "TupleType",
    "check_graph",
    "equation_text",
    "parse_graph",
    "symbol",
    "value_text",
]
