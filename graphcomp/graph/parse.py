"""Read a graph's text form back. Nothing is evaluated: values go through Python's syntax tree, with a short list of
allowed nodes."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from ..errors import GraphcompError, ParseError
from .graph import Graph, Requirement, Subgraph
from .types import TensorType, TupleType, Type, dimension, symbol

_MISTAKES = (ValueError, KeyError, SyntaxError, TypeError, IndexError, RecursionError, MemoryError, GraphcompError)
_OPERATORS: Mapping[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: sp.sympify(a) / b,
    ast.Pow: lambda a, b: sp.sympify(a) ** b if isinstance(b, int) and abs(b) <= 64 else _refuse("a large power"),
}
_NODE = re.compile(r"%(\d+): (.*?) = (\w+)(\(.*)$")
_STRING_OR_NODE = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|%(\d+)""")
_TENSOR = re.compile(r"(\w+)\[([^\[\]]*)\]")


def parse_graph(text: str, arrays: Mapping[str, np.ndarray] | None = None) -> Graph:
    """The graph that prints as `text`. Array constants of more than 64 entries come from `arrays`, by key."""
    return _Reader(text, arrays or {}).read()


class _Reader:
    """The lines still to be read. What a subgraph holds is indented deeper than the line that names it."""

    def __init__(self, text: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.lines = text.strip().splitlines()
        self.arrays = arrays
        self.next = 0

    def read(self, least: int = 0) -> Graph:
        """One graph: the lines indented by at least `least` from here on."""
        graph, inner = Graph(arrays={} if least else dict(self.arrays)), dict[str, Subgraph]()
        while self.next < len(self.lines) and _indent(self.lines[self.next]) >= least:
            line = self.lines[self.next]
            self.next += 1
            if line.lstrip().startswith("subgraph "):
                held = Subgraph(self.read(_indent(line) + 1))
                inner[held.key] = held
                continue
            try:
                _parse_line(graph, line.strip(), inner)
            except _MISTAKES as error:
                raise ParseError(
                    f"line {self.next} of the graph's text cannot be read: {line.strip()!r} ({error})"
                ) from None
        return graph


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _parse_line(graph: Graph, line: str, inner: Mapping[str, Subgraph]) -> None:
    keyword = line.split(" ", 1)[0]
    if line.startswith("graph("):
        graph.inputs = _ids(line)
    elif keyword == "return":
        graph.outputs = _ids(line)
    elif keyword == "array":
        _parse_array(graph, line)
    elif keyword == "require":
        condition, _, reason = line.removeprefix("require ").partition("  # ")
        left, right = condition.split(" == ")
        graph.requirements.append(Requirement(parse_value(left), parse_value(right), reason))
    elif keyword == "name":
        name, _, id = line.removeprefix("name ").rpartition(" = ")
        graph.names[ast.literal_eval(name)] = int(id.removeprefix("%"))
    else:
        _parse_node(graph, line, inner)


def _ids(text: str) -> list[int]:
    return [int(id) for id in re.findall(r"%(\d+)", text)]


def _parse_array(graph: Graph, line: str) -> None:
    key, _, description = line.removeprefix("array ").partition(" = ")
    header, _, values = description.partition("] ")
    kind = parse_type(header.rstrip("]") + "]")
    if not isinstance(kind, TensorType):
        raise ValueError("an array has one shape and dtype")
    if values:
        graph.arrays[key] = np.array(parse_value(values), dtype=kind.dtype).reshape(kind.shape)
    elif key not in graph.arrays:
        raise ParseError(f"array {key} is too large for the text form; pass it in `arrays`")


def _parse_node(graph: Graph, line: str, inner: Mapping[str, Subgraph]) -> None:
    match = _NODE.match(line)
    if match is None:
        raise ValueError("expected %id: type = op(...)")
    id, kind, op, arguments = match.groups()
    marked = _STRING_OR_NODE.sub(lambda found: found[1] or f"_node[{found[2]}]", arguments)
    call = ast.parse(f"f{marked}", mode="eval").body  # a comment at the end of the line is Python's as well
    if not isinstance(call, ast.Call):
        raise ValueError("expected op(...)")
    inputs = tuple(_input(argument) for argument in call.args)
    attributes = {str(keyword.arg): _attribute(keyword.value, inner) for keyword in call.keywords}
    if graph.add(op, inputs, attributes, parse_type(kind)) != int(id):
        raise ValueError(f"node %{id} is out of order")


def _attribute(node: ast.expr, inner: Mapping[str, Subgraph]) -> Any:
    match node:
        case ast.Call(func=ast.Name(id="subgraph"), args=[ast.Constant(value=str(key))]):
            return inner[key]
    return _value(node)


def _input(argument: ast.expr) -> int:
    match argument:
        case ast.Subscript(value=ast.Name(id="_node"), slice=ast.Constant(value=int(id))):
            return id
    raise ValueError(f"{ast.unparse(argument)} is no node")


def _refuse(what: str) -> Any:
    raise ValueError(f"{what} is not allowed here")


def parse_type(text: str) -> Type:
    """`float32[B, 784]`, or `(float32[3], int64[3])` for several results."""
    tensors = [TensorType(_shape(shape), dtype) for dtype, shape in _TENSOR.findall(text)]
    if text.startswith("("):
        return TupleType(tuple(tensors))
    if len(tensors) != 1:
        raise ValueError(f"{text!r} is no type")
    return tensors[0]


def _shape(text: str) -> tuple[Any, ...]:
    return tuple(dimension(size) for size in parse_value(f"({text},)")) if text.strip() else ()


def parse_value(text: str) -> Any:
    """An attribute's value: numbers, strings, tuples, and arithmetic over named sizes."""
    return _value(ast.parse(text.strip(), mode="eval").body)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=items):
            return tuple(_value(item) for item in items)
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left), _value(right))
        case ast.Call(func=ast.Name(id="floor"), args=[argument]):
            return sp.floor(_value(argument))
        case ast.Call(func=ast.Name(id="Max"), args=arguments):
            return sp.Max(*map(_value, arguments))
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))]):
            return float(text)
    return _refuse(ast.unparse(node))
