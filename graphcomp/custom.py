"""Functions with derivatives of their user's own: `custom_jvp`, `custom_vjp`, and `checkpoint`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import ops
from .errors import DerivativeError, TraceError
from .graph import Graph, Subgraph, TensorType
from .loops import array_leaf, call, close, leaf_type, scan
from .trace import TracedGraph, trace_function
from .trace.tree import Structure, flatten

Function = Callable[..., Any]


def checkpoint(function: Function) -> Function:
    """`function`, of which the derivative's way back keeps only the arguments, and computes the rest again.

    T. Chen, B. Xu, C. Zhang, C. Guestrin, "Training deep nets with sublinear memory cost", 2016.
    """

    @functools.wraps(function)
    def again(*arguments: Any) -> Any:
        leaves, structure = flatten(arguments)
        single = structure.unflatten([array_leaf(leaf)[None] for leaf in leaves])
        _, results = scan(lambda none, one: (none, function(*one)), (), single, length=1, checkpoint=True)
        found, kinds = flatten(results)
        return kinds.unflatten([result[0] for result in found])

    return again


def custom_jvp(function: Function, rule: Function) -> Function:
    """`function` with a derivative in forward mode of your own; reverse mode is its transpose.

    `rule(arguments, tangents) -> (value, tangent)`, where `arguments` and `tangents` are tuples; the tangent of an
    argument that is not floating point is None. The tangent must be linear in the tangents. `gx.check_grads` compares
    it with numbers.
    """

    @functools.wraps(function)
    def custom(*arguments: Any) -> Any:
        given = _Given(function, arguments)

        def tangents(*values: Any) -> Any:
            primals = given.structure.unflatten(values[: len(given.types)])
            by_slot = dict(zip(given.floats, values[len(given.types) :]))
            dots = given.structure.unflatten([by_slot.get(slot) for slot in range(len(given.types))])
            value, tangent = rule(primals, dots)
            _check_like(given.name, "value", value, given.traced)
            return [
                dot for dot, id in zip(_all_leaves(tangent), given.traced.outputs) if given.traced.type(id).is_float
            ]

        traced = trace_function(tangents, [*given.types, *(given.types[slot] for slot in given.floats)])
        floats = [given.traced.type(id) for id in given.traced.outputs if given.traced.type(id).is_float]
        _check_types(given.name, "tangent", [traced.type(id) for id in traced.outputs], floats)
        return given.call({"tangent": traced})

    return custom


def custom_vjp(function: Function, forward: Function, backward: Function) -> Function:
    """`function` with a derivative in reverse mode of your own; it has no forward mode then.

    `forward(*arguments) -> (value, saved)` computes the value and whatever the way back needs; `backward(saved,
    cotangent)` returns a tuple with a cotangent for each argument (None for one that is not floating point).
    `gx.check_grads(…, modes=("rev",))` compares it with numbers.
    """

    @functools.wraps(function)
    def custom(*arguments: Any) -> Any:
        given = _Given(function, arguments)
        kept: list[Structure] = []

        def with_saved(*values: Any) -> Any:
            value, saved = forward(*given.structure.unflatten(values))
            _check_like(given.name, "value", value, given.traced)
            leaves, structure = flatten(saved)
            kept.append(structure)
            return flatten(value)[0], leaves

        first = trace_function(with_saved, given.types)
        saved_types = [first.type(id) for id in first.outputs[len(given.traced.outputs) :]]
        outputs = [given.traced.type(id) for id in given.traced.outputs]

        def pulled(*values: Any) -> Any:
            count = len(saved_types)
            seeds = iter(values[count:])
            cotangent = given.traced.result_structure.unflatten([next(seeds) if t.is_float else None for t in outputs])
            found = _all_leaves(backward(kept[0].unflatten(values[:count]), cotangent))
            if len(found) != len(given.types):
                raise DerivativeError(
                    f"{given.name}: backward returned {len(found)} cotangents for {len(given.types)} arguments."
                )
            return [found[slot] for slot in given.floats]

        second = trace_function(pulled, [*saved_types, *(type for type in outputs if type.is_float)])
        wanted = [given.types[slot] for slot in given.floats]
        _check_types(given.name, "cotangent", [second.type(id) for id in second.outputs], wanted)
        return given.call({"forward": first, "backward": second})

    return custom


class _Given:
    """A call of a function with a rule: its arguments, and its graph."""

    def __init__(self, function: Function, arguments: Sequence[Any]) -> None:
        self.name = getattr(function, "__name__", "the function")
        leaves, self.structure = flatten(tuple(arguments))
        self.values = [array_leaf(leaf) for leaf in leaves]
        self.types = [leaf_type(value) for value in self.values]
        self.floats = [slot for slot, type in enumerate(self.types) if type.is_float]
        self.traced = trace_function(lambda *values: function(*self.structure.unflatten(values)), self.types)

    def call(self, rules: dict[str, TracedGraph]) -> Any:
        """The results, in the function's containers. Array constants of all graphs are further arguments."""
        graphs = {"body": self.traced, **rules}
        if any(graph.captured for graph in graphs.values()):
            raise TraceError(
                f"{self.name} has a derivative rule of its own and uses a traced value from outside, which the rule "
                "knows nothing of. Pass it as an argument."
            )
        closed = {name: close(graph) for name, graph in graphs.items()}
        bodies: dict[str, Any] = {}
        for name, (inner, _) in closed.items():
            bodies[name] = Subgraph(_arranged(name, inner, len(graphs[name].inputs), len(self.types), closed))
        constants = [array for _, arrays in closed.values() for array in arrays]
        attributes = {"name": self.name, "arguments": len(self.types), **bodies}
        return self.traced.result_structure.unflatten(call("custom_call", [*self.values, *constants], attributes))


def _arranged(name: str, graph: Graph, plain: int, arguments: int, closed: dict[str, tuple[Graph, list[Any]]]) -> Graph:
    """The graph with inputs for the array constants of all graphs; `backward` takes its own among what is saved."""
    own, given = graph.inputs[plain:], graph.inputs[:plain]
    if name == "backward":
        saved = plain - sum(1 for id in closed["body"][0].outputs if closed["body"][0].type(id).is_float)
        graph.inputs = [*given[:saved], *own, *given[saved:]]
        return graph
    b = ops.build(graph)
    places: dict[str, list[int]] = {name: own}
    for other, (_, arrays) in closed.items():
        if other != name:
            types = map(leaf_type, arrays)
            places[other] = [b.input(shape=type.shape, dtype=type.dtype) for type in types]
    constants = [id for other in closed for id in places[other]]
    graph.inputs = [*given[:arguments], *constants, *given[arguments:]]
    if name == "forward":
        graph.outputs = [*graph.outputs, *places["backward"]]
    return graph


def _all_leaves(value: Any) -> list[Any]:
    """The arrays of a container, None standing for what has no derivative."""
    if value is None:
        return [None]
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _all_leaves(part)]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in _all_leaves(part)]
    return flatten(value)[0]


def _check_like(name: str, what: str, value: Any, traced: TracedGraph) -> None:
    _check_types(
        name, what, [leaf_type(leaf) for leaf in flatten(value)[0]], [traced.type(id) for id in traced.outputs]
    )


def _check_types(name: str, what: str, found: Sequence[TensorType], wanted: Sequence[TensorType]) -> None:
    if list(found) != list(wanted):
        raise DerivativeError(
            f"the rule of {name} gives a {what} of {', '.join(map(str, found)) or 'nothing'}; "
            f"{', '.join(map(str, wanted)) or 'nothing'} is expected."
        )
