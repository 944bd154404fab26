"""Tensors of up to two dimensions as SymPy matrix expressions; a vector is a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy as sp
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction

from .. import ops
from ..errors import TraceError
from ..graph import Graph, Node
from .numbers import number_of, symbol_name

ENTRY = sp.Dummy("x", real=True)


def matrices(graph: Graph, id: int) -> Any:
    """Node ``id`` as a matrix expression of the inputs (a scalar as an ordinary expression)."""
    done: dict[int, Any] = {}
    stack = [id]
    while stack:
        node = graph.node(stack[-1])
        waiting = [source for source in node.inputs if source not in done]
        if node.id in done or not waiting:
            stack.pop()
            if node.id not in done:
                done[node.id] = written(graph, node, [done[source] for source in node.inputs])
        else:
            stack.extend(reversed(waiting))
    return done[id]


def size(shape: Sequence[Any]) -> tuple[Any, Any]:
    """Rows and columns: a vector is a column, a scalar one by one."""
    if len(shape) > 2:
        raise TraceError(f"a tensor of {len(shape)} dimensions is no matrix; ask for the form with indices instead.")
    return (*shape, 1, 1)[:2]


def written(graph: Graph, node: Node, arguments: list[Any]) -> Any:
    """One node as a matrix expression."""
    shapes = [graph.type(source).shape for source in node.inputs]
    if node.op == "input":
        name = symbol_name(graph, node)
        return sp.MatrixSymbol(name, *size(node.shape)) if node.shape else sp.Symbol(name, real=True)
    if node.op == "constant":
        value = number_of(node.attributes["value"])
        return value * sp.OneMatrix(*size(node.shape)) if node.shape else value
    if node.op in ("convert", "identity", "stop_gradient"):
        return arguments[0]
    if node.op == "matmul":
        return as_matrix(arguments[0]) * as_matrix(arguments[1])
    if node.op in STRUCTURAL:
        return STRUCTURAL[node.op](arguments[0], shapes[0], node)
    return elementwise(node, arguments)


def as_matrix(value: Any) -> Any:
    """A scalar as a one by one matrix."""
    return value if isinstance(value, sp.MatrixExpr) else value * sp.OneMatrix(1, 1)


def transposed(value: Any, shape: Sequence[Any], node: Node) -> Any:
    """Two axes in the other order."""
    return value.T if node.attributes["axes"] == (1, 0) else value


def reshaped(value: Any, shape: Sequence[Any], node: Node) -> Any:
    """Between scalars, vectors, columns and rows; no other reshape is a matrix expression."""
    before, after = size(shape), size(node.shape)
    if not node.shape:
        return value[0, 0] if isinstance(value, sp.MatrixExpr) else value
    if not shape:
        return as_matrix(value)
    if before == after:
        return value
    if before == after[::-1] and 1 in before:
        return value.T
    raise TraceError(f"a reshape from {tuple(shape)} to {node.shape} is no matrix expression.")


def repeated(value: Any, shape: Sequence[Any], node: Node) -> Any:
    """A broadcast as a product with ones."""
    rows, columns = size(node.shape)
    if not isinstance(value, sp.MatrixExpr):
        return value * sp.OneMatrix(rows, columns)
    if len(shape) == 1 and len(node.shape) == 2:
        value, shape = value.T, (1, *shape)
    before = size(shape)
    if before[0] != rows:
        value = sp.OneMatrix(rows, 1) * value
    if before[1] != columns:
        value = value * sp.OneMatrix(1, columns)
    return value


def summed(value: Any, shape: Sequence[Any], node: Node) -> Any:
    """A sum over axes as a product with ones; what is left of a matrix is a column."""
    rows, columns = size(shape)
    axes = node.attributes["axes"]
    if len(shape) < 2 or len(axes) == 2:
        return (sp.OneMatrix(1, rows) * value * sp.OneMatrix(columns, 1))[0, 0] if axes else value
    return value.T * sp.OneMatrix(rows, 1) if axes == (0,) else value * sp.OneMatrix(columns, 1)


STRUCTURAL = {"transpose": transposed, "reshape": reshaped, "broadcast": repeated, "sum": summed}


def elementwise(node: Node, arguments: list[Any]) -> Any:
    """Entry by entry: sums, Hadamard products, and functions of one matrix."""
    record = ops.get(node.op)
    if not isinstance(record, ops.Elementwise) or record.expression is None:
        raise TraceError(f"{node.op} is no matrix expression; ask for the form with indices instead.")
    if not node.shape:
        return record.expression(*arguments, **node.attributes)
    if node.op in ("add", "subtract"):
        return arguments[0] + arguments[1] if node.op == "add" else arguments[0] - arguments[1]
    filled = [fill(argument) for argument in arguments]
    if node.op == "multiply" and None in filled:
        return hadamard(arguments, filled)
    varying = [argument for argument, value in zip(arguments, filled, strict=True) if value is None]
    if len(set(varying)) > 1:
        raise TraceError(f"{node.op} of two matrices is no matrix expression; ask for the form with indices instead.")
    entries = [ENTRY if value is None else value for value in filled]
    body = record.expression(*entries, **node.attributes)
    return (
        ElementwiseApplyFunction(sp.Lambda(ENTRY, body), varying[0])
        if varying
        else body * sp.OneMatrix(*size(node.shape))
    )


def fill(value: Any) -> Any:
    """The number that all entries are, or None."""
    factor, matrix = value.as_coeff_mmul() if isinstance(value, sp.MatrixExpr) else (value, None)
    matrix = matrix.args[0] if isinstance(matrix, sp.MatMul) and len(matrix.args) == 1 else matrix
    return factor if isinstance(matrix, sp.OneMatrix) else None


def hadamard(arguments: list[Any], filled: list[Any]) -> Any:
    """A product entry by entry; by a filled matrix it is a product by a number."""
    numbers = sp.Mul(*(value for value in filled if value is not None))
    rest = [argument for argument, value in zip(arguments, filled, strict=True) if value is None]
    return numbers * (rest[0] if len(rest) == 1 else sp.HadamardProduct(*rest))
