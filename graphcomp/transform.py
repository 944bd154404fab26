"""Functions to functions: derivatives of ordinary Python functions over arrays.

Each one traces its function, derives a graph, and either runs it (plain arrays) or adds it to the trace in progress, so
they nest to any order. Arguments and results may be nested containers of arrays.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .derive import copy_node, forward, partition, reverse
from .errors import DerivativeError, InputError
from .graph import Graph
from .run.interpreter import check_inputs, interpret
from .simplify import stabilise
from .trace import TracedGraph, trace_function
from .trace.tracer import Trace, Tracer, innermost
from .trace.tree import Structure, flatten

Function = Callable[..., Any]


# running a graph on values -------------------------------------------------------------------------------------------


def run(graph: Graph, values: Sequence[Any]) -> list[Any]:
    """The outputs of `graph` for `values`: computed at once, or added to the innermost trace of the values."""
    trace = innermost(values)
    return interpret(graph, values) if trace is None else inline(trace, graph, values)


def inline(trace: Trace, graph: Graph, values: Sequence[Any]) -> list[Tracer]:
    """Add the nodes of `graph` to a trace in progress, with `values` for its inputs."""
    b = trace.builder
    lifted = [trace.lift(np.asarray(value) if isinstance(value, (bool, int, float)) else value) for value in values]
    ids = dict(zip(graph.inputs, lifted))
    b.graph.arrays.update(graph.arrays)
    for requirement in graph.requirements:
        if requirement not in b.graph.requirements:
            b.graph.requirements.append(requirement)
    for id in graph.reachable():
        if id not in ids:
            node = graph.node(id)
            ids[id] = copy_node(b, node, [ids[source] for source in node.inputs])
    return [Tracer(trace, ids[id]) for id in graph.outputs]


def as_function(graph: TracedGraph) -> Function:
    """A traced formula as a function of its variables, in order and by name, for `grad`, `jit` and the like."""
    names = graph.argument_structure.paths()

    def formula(*arguments: Any, **named: Any) -> Any:
        values = signature.bind(*arguments, **named).args
        return graph.result_structure.unflatten(run(graph, values))

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    formula.__signature__ = signature  # type: ignore[attr-defined]
    return formula


def _note_derivation(traced: TracedGraph, values: Sequence[Any]) -> None:
    trace = innermost(values)
    if trace is not None:
        trace.derivations += [*traced.derivations, traced]


def _trace(function: Function, arguments: Sequence[Any], keywords: dict[str, Any]) -> tuple[TracedGraph, list[Any]]:
    """The function's graph, and the values of its inputs (those of the arguments, then captured outer values)."""
    traced = trace_function(function, arguments, keywords)
    values = [*flatten((tuple(arguments), keywords))[0], *traced.captured]
    if innermost(values) is None:
        values = list(check_inputs(traced, values))
    _note_derivation(traced, values)
    return traced, values


def _selected(arguments: Sequence[Any], argnums: int | Sequence[int]) -> tuple[list[int], list[Structure]]:
    """Positions among all leaves of the leaves of the arguments `argnums`, and the structure of each such argument."""
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    starts, structures, position = [], [], 0
    for argument in arguments:
        structure = flatten(argument)[1]
        starts.append(position)
        structures.append(structure)
        position += structure.leaf_count()
    for index in wanted:
        if not -len(arguments) <= index < len(arguments):
            raise InputError(f"argnums {index} is out of range for {len(arguments)} arguments.")
    places = [starts[i] + k for i in wanted for k in range(structures[i].leaf_count())]
    return places, [structures[i] for i in wanted]


def _unflatten_each(structures: Sequence[Structure], values: Sequence[Any], single: bool) -> Any:
    parts, start = [], 0
    for structure in structures:
        stop = start + structure.leaf_count()
        parts.append(structure.unflatten(values[start:stop]))
        start = stop
    return parts[0] if single else tuple(parts)


# gradients -----------------------------------------------------------------------------------------------------------


def value_and_grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """A function that returns `function`'s value and its gradient with respect to the arguments `argnums`.

    The value must be one floating-point number; with `has_aux` the function returns (value, anything else). The
    gradient has the containers, shapes and dtypes of the arguments. One reverse sweep.
    """

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        traced, values = _trace(function, arguments, keywords)
        _check_scalar(traced, has_aux)
        places, structures = _selected(arguments, argnums)
        stable = stabilise(traced)
        result = reverse(stable, [stable.inputs[place] for place in places], of=(0,))
        seed = np.ones((), traced.type(traced.outputs[0]).dtype)
        outputs = run(result.graph, [*values, seed])
        count = len(traced.outputs)
        value = traced.result_structure.unflatten(outputs[:count])
        return value, _unflatten_each(structures, outputs[count:], isinstance(argnums, int))

    return derived


def _check_scalar(traced: TracedGraph, has_aux: bool) -> None:
    if not traced.outputs or (len(traced.outputs) != 1 and not has_aux):
        raise DerivativeError(
            f"grad takes a function with one number as its value, this one returns {len(traced.outputs)} arrays; "
            "return (value, rest) with has_aux=True, or use jacrev."
        )
    type = traced.type(traced.outputs[0])
    if type.shape != () or not type.is_float:
        raise DerivativeError(
            f"grad takes a function with one floating-point number as its value, not {type}; use jacrev."
        )


def grad(function: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """The gradient of `function`; with `has_aux`, (gradient, aux). See `value_and_grad`."""
    both = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def derived(*arguments: Any, **keywords: Any) -> Any:
        value, gradient = both(*arguments, **keywords)
        return (gradient, value[1]) if has_aux else gradient

    return derived


# one direction at a time ---------------------------------------------------------------------------------------------


def _checked(values: Any, like: Sequence[Any], what: str) -> list[Any]:
    """The leaves of tangents or cotangents, converted to the dtypes they go with."""
    leaves = flatten(values)[0]
    if len(leaves) != len(like):
        raise InputError(f"expected {len(like)} {what}s, got {len(leaves)}.")
    converted = []
    for leaf, wanted in zip(leaves, like):
        converted.append(leaf if isinstance(leaf, Tracer) else np.asarray(leaf, np.dtype(str(wanted.dtype))))
        if tuple(converted[-1].shape) != tuple(wanted.shape):
            raise InputError(f"a {what} of shape {converted[-1].shape} was given for a value of shape {wanted.shape}.")
    return converted


def linearize(function: Function, *primals: Any) -> tuple[Any, Function]:
    """(value, f_lin): `f_lin(*tangents)` is the directional derivative at `primals`. The value is computed once.

    The tangent of an argument that is not floating point is None.
    """
    traced, values = _trace(function, primals, {})
    places = _differentiable(traced, primals)
    stable = stabilise(traced)
    derived = forward(stable, [stable.inputs[place] for place in places]).graph
    parts = partition(derived, len(traced.inputs), len(_floats(traced)))
    count = len(traced.outputs)
    known = run(parts.known, values)

    def linear(*tangents: Any) -> Any:
        directions = _checked(tuple(tangents), [_described(values[place]) for place in places], "tangent")
        return _with_zeros(traced, run(parts.rest, [*known[count:], *directions]))

    return traced.result_structure.unflatten(known[:count]), linear


def _differentiable(traced: TracedGraph, primals: Sequence[Any]) -> list[int]:
    """The places of the floating-point arrays among the leaves of the arguments."""
    places, _ = _selected(primals, range(len(primals)))
    return [place for place in places if traced.type(traced.inputs[place]).is_float]


def _described(value: Any) -> Any:
    return value if isinstance(value, Tracer) else np.asarray(value)


def _floats(traced: TracedGraph) -> list[int]:
    return [position for position, id in enumerate(traced.outputs) if traced.type(id).is_float]


def _with_zeros(traced: TracedGraph, tangents: list[Any]) -> Any:
    """Tangents in the result's containers, None for integer and boolean outputs."""
    by_position = dict(zip(_floats(traced), tangents))
    return traced.result_structure.unflatten([by_position.get(k) for k in range(len(traced.outputs))])


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """(value, Jacobian · tangents): one forward sweep. `primals` and `tangents` are tuples of arguments."""
    value, linear = linearize(function, *primals)
    return value, linear(*tangents)


def vjp(function: Function, *primals: Any) -> tuple[Any, Function]:
    """(value, f_vjp): `f_vjp(cotangent)` is a tuple of cotangents, one for each argument.

    The value is computed once. The cotangent of an array that is not floating point is None.
    """
    traced, values = _trace(function, primals, {})
    every, structures = _selected(primals, range(len(primals)))
    places = _differentiable(traced, primals)
    stable = stabilise(traced)
    result = reverse(stable, [stable.inputs[place] for place in places])
    parts = partition(result.graph, len(traced.inputs), len(places))
    count = len(traced.outputs)
    known = run(parts.known, values)

    def pull(cotangent: Any) -> tuple[Any, ...]:
        leaves = [leaf for leaf in flatten(cotangent)[0] if leaf is not None]
        seeds = _checked(leaves, [known[position] for position in _floats(traced)], "cotangent")
        found = dict(zip(places, run(parts.rest, [*known[count:], *seeds])))
        return _unflatten_each(structures, [found.get(place) for place in every], False)

    return traced.result_structure.unflatten(known[:count]), pull


# second derivatives along a direction --------------------------------------------------------------------------------


def hvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Hessian · tangents of a scalar function, without the Hessian: one forward sweep over the gradient."""
    argnums = tuple(range(len(primals)))
    gradient = jvp(grad(function, argnums), tuple(primals), tuple(tangents))[1]
    return gradient[0] if len(primals) == 1 else gradient
