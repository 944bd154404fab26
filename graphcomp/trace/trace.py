"""Sources to graphs: formulas, assignments, SymPy expressions, and functions with example arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from ..errors import InputError, ParseError, TraceError
from ..graph import Graph, TensorType, check_graph
from ..ops import symbolic
from .parser import evaluate as evaluate_formula
from .parser import parse, variables
from .symbolic import Form, has_tensors, to_sympy
from .tracer import Trace, Tracer, type_of
from .tree import LEAF, Structure, flatten

SCALAR = TensorType((), "float64")


@dataclass(slots=True)
class TracedGraph(Graph):
    """A graph and how its inputs and outputs stand in the user's containers.

    `captured` are the values of outer traces that the last inputs stand for; `derivations` the graphs that derivatives
    taken inside the function started from.
    """

    argument_structure: Structure = LEAF
    result_structure: Structure = LEAF
    captured: list[Tracer] = field(default_factory=list)
    derivations: list[Graph] = field(default_factory=list)

    def to_sympy(self, tensors: Form = "indices") -> Any:
        """The outputs as SymPy expressions: one, or a tuple where there are several.

        Tensors are written entry by entry, with sums over indices, or as "matrices" where they have two dimensions.
        """
        form = tensors if has_tensors(self) else None
        expressions = tuple(to_sympy(self, id, tensors=form) for id in self.outputs)
        return expressions[0] if len(expressions) == 1 else expressions

    def latex(self) -> str:
        """The outputs as LaTeX, with names on the left where the user gave them."""
        lines = []
        for id in self.outputs:
            names = [name for name in self.labels(id) if id not in self.inputs]
            left = f"{sp.latex(sp.Symbol(names[0]))} = " if names else ""
            lines.append(left + sp.latex(to_sympy(self, id, tensors="indices" if has_tensors(self) else None)))
        return r" \\ ".join(lines)


def trace(source: Any, *arguments: Any, **named: Any) -> TracedGraph:
    """The graph of a formula, assignments, a SymPy expression, or a function.

    A function needs example arguments: arrays, nested containers of arrays, or `spec(shape, dtype)`. Variables of a
    formula are float64 numbers unless given a spec or an example value by name. A graph is returned as it is.
    """
    if isinstance(source, TracedGraph):
        return source
    if isinstance(source, str):
        return _trace_text(source, arguments, named)
    if isinstance(source, sp.Basic):
        return _trace_sympy(source, named)
    if callable(source):
        if isinstance(source, np.ufunc) and not arguments and not named:
            raise InputError(f"trace takes example arguments or specs after {source.__name__}, for which to trace it.")
        return trace_function(source, arguments, named)
    raise TraceError(f"cannot trace a {type(source).__name__}; give a formula, a SymPy expression or a function.")


def _variable_types(names: Sequence[str], given: dict[str, Any]) -> list[TensorType]:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise InputError(f"the formula has no variable `{unknown[0]}`; it has {', '.join(names) or 'none'}.")
    return [_type(given[name]) if name in given else SCALAR for name in names]


def _type(value: Any) -> TensorType:
    type = type_of(value)
    assert isinstance(type, TensorType)
    return SCALAR if isinstance(value, (bool, int, float)) else type


def _trace_text(text: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> TracedGraph:
    statements = parse(text)
    names = variables(statements)
    given = dict(zip(names, arguments)) | named
    recording = Trace()
    with recording.active():
        types = _variable_types(names, given)
        values: dict[str, Any] = {name: recording.input(type, name) for name, type in zip(names, types)}
        labels = recording.graph.names = {name: value.id for name, value in values.items()}
        result: Any = None
        for name, expression in statements:
            result = evaluate_formula(expression, values)
            if name is not None:
                values[name] = result
                labels[name] = recording.lift(result)
        recording.graph.outputs = [recording.lift(result)]
    return _finish(recording, Structure("tuple", tuple, tuple(names), (LEAF,) * len(names)), LEAF)


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _trace_sympy(expression: Any, named: dict[str, Any]) -> TracedGraph:
    """SymPy's own structure is what is traced: nothing is simplified or reordered first."""
    if not isinstance(expression, sp.Expr):
        raise ParseError(f"a {type(expression).__name__} is no formula; give a SymPy expression.")
    symbols = sorted(expression.free_symbols, key=lambda symbol: _natural(symbol.name))
    names = [symbol.name for symbol in symbols]
    recording = Trace()
    with recording.active():
        inputs = [recording.input(type, name) for name, type in zip(names, _variable_types(names, named))]
        ids = {symbol: value.id for symbol, value in zip(symbols, inputs)}
        like = inputs[0].type if inputs else SCALAR
        recording.graph.outputs = [symbolic.build(recording.builder, expression, ids, like)]
    recording.graph.names = {name: value.id for name, value in zip(names, inputs)}
    return _finish(recording, Structure("tuple", tuple, tuple(names), (LEAF,) * len(names)), LEAF)


def trace_function(
    function: Callable[..., Any], arguments: Sequence[Any], named: dict[str, Any] | None = None
) -> TracedGraph:
    """Call `function` on traced values of the arguments' types and return what it did."""
    if not callable(function):
        raise TraceError(f"a function is traced, not {type(function).__name__}.")
    values, structure = flatten((tuple(arguments), named or {}))
    types = [_type(value) for value in values]
    labels = _labels(function, arguments, named or {})
    recording = Trace()
    with recording.active():
        inputs = [recording.input(type, label) for type, label in zip(types, labels)]
        recording.graph.names = {label: value.id for label, value in zip(labels, inputs)}
        positional, keywords = structure.unflatten(inputs)
        results, result_structure = flatten(function(*positional, **keywords))
        recording.graph.outputs = [recording.lift(_result(value)) for value in results]
    return _finish(recording, structure, result_structure)


def _result(value: Any) -> Any:
    if isinstance(value, TensorType):
        raise TraceError("the traced function returned a spec, not a value.")
    return value


def _finish(recording: Trace, arguments: Structure, results: Structure) -> TracedGraph:
    graph = recording.graph
    traced = TracedGraph(
        graph.table,
        graph.inputs,
        graph.outputs,
        graph.names,
        graph.arrays,
        graph.requirements,
        argument_structure=arguments,
        result_structure=results,
        captured=[recording.captured[id] for id in graph.inputs if id in recording.captured],
        derivations=recording.derivations,
    )
    check_graph(traced, "trace")
    return traced


def _labels(function: Callable[..., Any], arguments: Sequence[Any], named: dict[str, Any]) -> list[str]:
    """A name for each array of the arguments: the parameter's name and the path inside it."""
    labels = []
    for name, argument in zip(argument_names(function, len(arguments)), arguments):
        labels += flatten(argument)[1].paths(name)
    for name, argument in named.items():
        labels += flatten(argument)[1].paths(name)
    return labels


def argument_names(function: Callable[..., Any], count: int) -> list[str]:
    """The names of the first `count` parameters; x1, x2, … by position where there are none."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    kept = [parameter.name for parameter in parameters if parameter.kind in positional][:count]
    return [*kept, *(f"x{position + 1}" for position in range(len(kept), count))]
