"""Where the first value is born that is not finite: node by node, with the operands that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import Failure, NotFiniteError
from ..graph import Graph, Node
from .interpreter import Surroundings, Turn, check_inputs, input_name, interpret

PARTS = {"": "", "tangent": " of the derivative", "adjoint": " of the derivative, on the way back"}


def interpret_finite(graph: Graph, values: Sequence[Any]) -> list[np.ndarray]:
    """The outputs of `graph`; raises NotFiniteError at the first NaN or infinity.

    A NaN is born where no operand holds one, an infinity where all operands are finite: what was written as a constant,
    such as the -inf of a mask, is meant. The error carries the graph and the call, which `gx.explain_error` draws.
    """
    for id, array in zip(graph.inputs, check_inputs(graph, values)):
        if has_nan(array) or has_infinity(array):
            word = "NaN" if has_nan(array) else "an infinity"
            raise NotFiniteError(f"the input `{input_name(graph, id)}` holds {word}{place(array)}.")
    return interpret(graph, values, Surroundings(watch=check))


def check(graph: Graph, node: Node, operands: Sequence[Any], result: Any, turns: tuple[Turn, ...]) -> None:
    """Raise NotFiniteError if a NaN or an infinity is born at this node."""
    given = [part for operand in operands for part in arrays_of(operand)]
    for array in arrays_of(result):
        born = (has_nan(array) and not any(map(has_nan, given))) or (
            has_infinity(array) and not any(has_nan(part) or has_infinity(part) for part in given)
        )
        if born and node.inputs:
            raise _error(graph, node, operands, array, turns)


def arrays_of(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple) else (value,)


def has_nan(array: Any) -> bool:
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def has_infinity(array: Any) -> bool:
    return array.dtype.kind == "f" and bool(np.isinf(array).any())


def place(array: Any) -> str:
    """Where the first entry is that is not finite; nothing for a single number."""
    index = np.argwhere(~np.isfinite(array))[0]
    return f" at entry [{', '.join(map(str, index))}]" if len(index) else ""


def _error(graph: Graph, node: Node, operands: Sequence[Any], result: Any, turns: tuple[Turn, ...]) -> NotFiniteError:
    bad = result[~np.isfinite(result)].flat[0]
    origin = node.origin
    where = f" At {origin}." if origin else ""
    scope = f" in {node.scope}" if node.scope else ""
    inside = "".join(f", in turn {turn} of the loop %{id}" for id, turn in turns)
    made = "; ".join(operand_text(graph, id, operand, result) for id, operand in zip(node.inputs, operands))
    error = NotFiniteError(
        f"{node.op} (%{node.id}){scope} gives {bad}{place(result)}"
        f"{PARTS[origin.part if origin else '']}{inside}. Its operands: {made}.{where}"
    )
    values = {id: operand for id, operand in zip(node.inputs, operands) if not isinstance(operand, tuple)}
    described = tuple((id, str(graph.node(id).type)) for id in node.inputs)
    error.failure = Failure(graph, node.op, described, origin, node.scope, values, result)  # type: ignore[attr-defined]
    return error


def operand_text(graph: Graph, id: int, operand: Any, result: Any) -> str:
    """An operand: its name, its entry where the result is wrong if it has the result's shape, and its range."""
    name = f"{input_name(graph, id) if graph.node(id).op == 'input' else graph.node(id).op + f' (%{id})'}"
    if isinstance(operand, tuple) or not operand.size:
        return f"{name} {graph.node(id).type}"
    if operand.shape == result.shape:
        entry = operand[~np.isfinite(result)].flat[0]
        return f"{name} {graph.node(id).type}, there {entry}"
    return f"{name} {graph.node(id).type}, between {operand.min()} and {operand.max()}"
