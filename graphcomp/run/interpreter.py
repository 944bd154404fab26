"""The reference interpreter: each node by its record's NumPy reference, in creation order. It is the oracle that
compiled programs are compared with, and what runs derivatives of plain arrays at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from .. import ops
from ..errors import ExecutionError, InputError, NotFiniteError, ShapeError
from ..graph import Graph, Node, Subgraph, TensorType
from ..graph.types import equal, substitute, symbols_of

Turn: TypeAlias = tuple[int, int]
"""A node that holds a graph, and the how manieth call of that graph it is, from 0."""

Watch: TypeAlias = Callable[[Graph, Node, Sequence[Any], Any, tuple[Turn, ...]], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a graph inside another one knows of it: the named sizes, who watches, and the turns that it is in."""

    sizes: Mapping[sp.Symbol, int] = field(default_factory=dict)
    watch: Watch | None = None
    turns: tuple[Turn, ...] = ()


ALONE = Surroundings()


def interpret(graph: Graph, values: Sequence[Any], around: Surroundings = ALONE) -> list[np.ndarray]:
    """The outputs of `graph` for arrays in the order of its inputs. Values are dropped after their last use.

    `around.watch(graph, node, operands, result, turns)` is called after each node.
    """
    wanted = graph.reachable()
    last_use = {source: id for id in wanted for source in graph.node(id).inputs}
    last_use.update(dict.fromkeys(graph.outputs, len(graph)))
    expiring: dict[int, list[int]] = {}
    for id, user in last_use.items():
        expiring.setdefault(user, []).append(id)
    results = _run(graph, values, set(wanted), expiring, around)
    return [results[id] for id in graph.outputs]


def evaluate_all(graph: Graph, values: Sequence[Any]) -> dict[int, Any]:
    """The value of every node."""
    return _run(graph, values, set(range(len(graph))), {})


def _run(
    graph: Graph,
    values: Sequence[Any],
    wanted: set[int],
    expiring: Mapping[int, list[int]],
    around: Surroundings = ALONE,
) -> dict[int, Any]:
    arrays = check_inputs(graph, values)
    around = replace(around, sizes=bind_sizes(graph, arrays, around.sizes))
    results: dict[int, Any] = dict(zip(graph.inputs, arrays))
    with np.errstate(all="ignore"):
        for node in graph.nodes():
            if node.id not in results and node.id in wanted:
                results[node.id] = _evaluate(graph, node, results, around)
                if around.watch is not None:
                    operands = [results[source] for source in node.inputs]
                    around.watch(graph, node, operands, results[node.id], around.turns)
            for id in expiring.get(node.id, ()):
                del results[id]
    return results


def _evaluate(graph: Graph, node: Node, results: Mapping[int, Any], around: Surroundings) -> Any:
    if node.op == "array":
        return graph.arrays[node.attributes["key"]]
    attributes = {name: _bound(node, value, around) for name, value in node.attributes.items()}
    try:
        result = ops.get(node.op).evaluate([results[id] for id in node.inputs], attributes)
    except ExecutionError as error:
        if isinstance(error, NotFiniteError) or " At " in str(error):  # from inside a loop, and said there
            raise
        raise ExecutionError(f"{error} At {node.origin}.") from None
    if isinstance(node.type, TensorType):
        return np.asarray(result, dtype=node.type.dtype)
    return tuple(np.asarray(part, dtype=item.dtype) for part, item in zip(result, node.type.items))


def _bound(node: Node, value: Any, around: Surroundings) -> Any:
    """An attribute as the references take it: sizes are numbers, and a subgraph is a function."""
    if isinstance(value, Subgraph):
        return Procedure(value.graph, around, node.id)
    return substitute(value, around.sizes) if around.sizes else value


class Procedure:
    """A subgraph as a function from arrays to a list of arrays; `types` are those of its results."""

    def __init__(self, graph: Graph, around: Surroundings, node: int) -> None:
        self.graph = graph
        self.around = around
        self.node = node
        self.calls = 0
        self.types = [substitute(graph.type(id), around.sizes) for id in graph.outputs]

    def __call__(self, *arrays: np.ndarray) -> list[np.ndarray]:
        turns = (*self.around.turns, (self.node, self.calls))
        self.calls += 1
        return interpret(self.graph, arrays, replace(self.around, turns=turns))


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
            if (named := _one_more(wanted)) is not None:
                size, more = named
                if found - more < 1:
                    raise InputError(f"the named size {size} is at least 1, but `{input_name(graph, id)}` is empty.")
                value = sizes.setdefault(size, found - more)
                if value != found - more:
                    raise InputError(
                        f"the size {size} is {value} elsewhere but {found - more} in `{input_name(graph, id)}`."
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


def _one_more(size: Any) -> tuple[sp.Symbol, int] | None:
    """A named size and what is added to it, where that is all a size is, such as N + 1."""
    if isinstance(size, sp.Symbol):
        return size, 0
    if isinstance(size, sp.Add) and len(size.args) == 2:
        more, named = size.args
        if isinstance(more, sp.Integer) and isinstance(named, sp.Symbol):
            return named, int(more)
    return None


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
