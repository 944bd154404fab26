"""The reference interpreter: each node by its record's NumPy reference, in creation order. It is the oracle that
compiled programs are compared with, and what runs derivatives of plain arrays at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from .. import ops
from ..errors import ExecutionError, InputError, ShapeError
from ..graph import Graph, Node, Subgraph, TensorType
from ..graph.types import equal, substitute, symbols_of


def interpret(graph: Graph, values: Sequence[Any], sizes: Mapping[sp.Symbol, int] | None = None) -> list[np.ndarray]:
    """The outputs of `graph` for arrays in the order of its inputs. Values are dropped after their last use.

    `sizes` are the named sizes that are known already, as inside a loop.
    """
    wanted = graph.reachable()
    last_use = {source: id for id in wanted for source in graph.node(id).inputs}
    last_use.update(dict.fromkeys(graph.outputs, len(graph)))
    expiring: dict[int, list[int]] = {}
    for id, user in last_use.items():
        expiring.setdefault(user, []).append(id)
    results = _run(graph, values, set(wanted), expiring, sizes)
    return [results[id] for id in graph.outputs]


def evaluate_all(graph: Graph, values: Sequence[Any]) -> dict[int, Any]:
    """The value of every node."""
    return _run(graph, values, set(range(len(graph))), {})


def _run(
    graph: Graph,
    values: Sequence[Any],
    wanted: set[int],
    expiring: Mapping[int, list[int]],
    sizes: Mapping[sp.Symbol, int] | None = None,
) -> dict[int, Any]:
    arrays = check_inputs(graph, values)
    sizes = bind_sizes(graph, arrays, sizes)
    results: dict[int, Any] = dict(zip(graph.inputs, arrays))
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            if node.id not in results and node.id in wanted:
                results[node.id] = _evaluate(graph, node, results, sizes)
            for id in expiring.get(node.id, ()):
                del results[id]
    return results


def _evaluate(graph: Graph, node: Node, results: Mapping[int, Any], sizes: Mapping[sp.Symbol, int]) -> Any:
    if node.op == "array":
        return graph.arrays[node.attributes["key"]]
    attributes = {name: _bound(value, sizes) for name, value in node.attributes.items()}
    try:
        result = ops.get(node.op).evaluate([results[id] for id in node.inputs], attributes)
    except ExecutionError as error:
        raise ExecutionError(f"{error} At {node.origin}.") from None
    if isinstance(node.type, TensorType):
        return np.asarray(result, dtype=node.type.dtype)
    return tuple(np.asarray(part, dtype=item.dtype) for part, item in zip(result, node.type.items))


def _bound(value: Any, sizes: Mapping[sp.Symbol, int]) -> Any:
    """An attribute as the references take it: sizes are numbers, and a subgraph is a function."""
    if isinstance(value, Subgraph):
        return Procedure(value.graph, sizes)
    return substitute(value, sizes) if sizes else value


class Procedure:
    """A subgraph as a function from arrays to a list of arrays; `types` are those of its results."""

    def __init__(self, graph: Graph, sizes: Mapping[sp.Symbol, int]) -> None:
        self.graph = graph
        self.sizes = sizes
        self.types = [substitute(graph.type(id), sizes) for id in graph.outputs]

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        return interpret(self.graph, arrays, self.sizes)


def input_name(graph: Graph, id: int) -> str:
    return next(iter(graph.labels(id)), graph.node(id).attributes.get("name", "") or f"%{id}")


def check_inputs(graph: Graph, values: Sequence[Any]) -> list[np.ndarray]:
    """The values as arrays of the inputs' dtypes and ranks; Python numbers take the input's dtype."""
    if len(values) != len(graph.inputs):
        names = ", ".join(input_name(graph, id) for id in graph.inputs)
        raise InputError(f"expected {len(graph.inputs)} values ({names}), got {len(values)}.")
    arrays = []
    for id, value in zip(graph.inputs, values):
        type = graph.type(id)
        try:
            array = np.asarray(value, type.dtype) if isinstance(value, (bool, int, float)) else np.asarray(value)
        except (OverflowError, ValueError) as error:
            raise InputError(f"`{input_name(graph, id)}` is {type}, but {value!r} does not fit: {error}.") from None
        if str(array.dtype) != type.dtype or array.ndim != type.rank:
            given = TensorType(array.shape, str(array.dtype))
            raise InputError(f"`{input_name(graph, id)}` is {type}, but was given {given}.")
        arrays.append(array)
    return arrays


def bind_sizes(
    graph: Graph, arrays: Sequence[np.ndarray], known: Mapping[sp.Symbol, int] | None = None
) -> dict[sp.Symbol, int]:
    """The values of the named sizes, from the inputs' shapes; checks every recorded requirement."""
    sizes: dict[sp.Symbol, int] = dict(known or {})
    for id, array in zip(graph.inputs, arrays):
        for wanted, found in zip(graph.type(id).shape, array.shape):
            if isinstance(wanted, sp.Symbol):
                if found < 1:
                    raise InputError(f"the named size {wanted} is at least 1, but `{input_name(graph, id)}` is empty.")
                value = sizes.setdefault(wanted, found)
                if value != found:
                    raise InputError(
                        f"the size {wanted} is {value} elsewhere but {found} in `{input_name(graph, id)}`."
                    )
            if isinstance(wanted, int) and wanted != found:
                given = TensorType(array.shape, str(array.dtype))
                raise InputError(f"`{input_name(graph, id)}` is {graph.type(id)}, but was given {given}.")
    for id, array in zip(graph.inputs, arrays):
        if substitute(graph.type(id).shape, sizes) != array.shape:
            raise InputError(f"`{input_name(graph, id)}` is {graph.type(id)}, but was given the shape {array.shape}.")
    if sizes:
        check_requirements(graph, sizes)
    return sizes


def check_requirements(graph: Graph, sizes: Mapping[sp.Symbol, int]) -> None:
    for requirement in graph.requirements:
        left, right = substitute(requirement.left, sizes), substitute(requirement.right, sizes)
        if symbols_of((left, right)):
            raise ShapeError(f"{requirement.reason}: the sizes {left} and {right} are not known from the inputs.")
        if not equal(left, right):
            where = f" At {requirement.origin}." if requirement.origin else ""
            raise ShapeError(
                f"{requirement.reason}: {requirement.left} is {left}, but {requirement.right} is {right} in this call."
                f"{where}"
            )
