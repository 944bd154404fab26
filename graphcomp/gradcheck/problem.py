"""The functions of one number that are checked: a function's weighted results, and derivatives of them.

For f with results y₁, y₂, … these are

    φ₀(x) = Σⱼ ⟨wⱼ, yⱼ(x)⟩          with random weights w (1 where f gives just one number), and at the next order
    φₖ(x) = ⟨∇φₖ₋₁(x), vₖ⟩           with a random direction vₖ,

so an entry of ∇φₖ₋₁ is compared with differences of φₖ₋₁.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import numpy as gnp
from .. import ops
from ..errors import DerivativeError, GraphcompError, InputError
from ..graph import Graph, TensorType
from ..run.interpreter import input_name, interpret
from ..trace import trace_function
from ..trace.tracer import Tracer, convert
from ..trace.tree import Structure, flatten, leaves
from ..transform import grad, jvp, linearize

Arrays = Sequence[Any]
Scalar = Callable[..., Any]
"""A function of the floating-point inputs, one array each, to one number."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A function's arguments: all leaves with their names, and which of them are floating point."""

    names: tuple[str, ...]
    values: tuple[Any, ...]
    structure: Structure
    places: tuple[int, ...]

    @property
    def point(self) -> tuple[np.ndarray, ...]:
        """The floating-point inputs."""
        return tuple(self.values[place] for place in self.places)

    @property
    def float_names(self) -> tuple[str, ...]:
        return tuple(self.names[place] for place in self.places)

    def filled(self, inputs: Sequence[Any]) -> Any:
        """The arguments with these floating-point inputs."""
        values = list(self.values)
        for place, value in zip(self.places, inputs):
            values[place] = value
        return self.structure.unflatten(values)


def arguments_of(names: Sequence[str], args: Sequence[Any]) -> Arguments:
    """The leaves of a function's arguments; raises DerivativeError if none is floating point."""
    values, structure = flatten(tuple(args))
    values = [np.asarray(v, "float64") if isinstance(v, (bool, int, float)) else np.asarray(v) for v in values]
    places = tuple(place for place, value in enumerate(values) if value.dtype.kind == "f")
    if not places:
        raise DerivativeError("there is nothing to differentiate: none of the arguments is a floating-point array.")
    return Arguments(tuple(names), tuple(values), structure, places)


# functions that graphcomp differentiates -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """f as a function of its floating-point inputs alone, and where it is looked at."""

    arguments: Arguments
    results: Callable[..., list[Any]]
    weights: tuple[np.ndarray | float, ...]

    def scalar(self, *inputs: Any) -> Any:
        """φ₀: the weighted sum of all results."""
        total: Any = 0.0
        for weight, result in zip(self.weights, self.results(*inputs)):
            total = total + gnp.sum(_like(weight, result) * result)
        return total


def _like(weight: Any, result: Any) -> Any:
    return weight if isinstance(weight, float) else np.asarray(weight, np.dtype(str(result.dtype)))


def problem(f: Callable[..., Any], args: Sequence[Any], rng: np.random.Generator) -> Problem:
    """Trace `f` once to see what it gives; raises DerivativeError where nothing can be differentiated."""
    values, structure = flatten(tuple(args))
    values = [np.asarray(v, "float64") if isinstance(v, (bool, int, float)) else np.asarray(v) for v in values]
    traced = trace_function(f, structure.unflatten(values))
    arguments = arguments_of([input_name(traced, id) for id in traced.inputs], args)
    floats = [position for position, id in enumerate(traced.outputs) if traced.type(id).is_float]
    if not floats:
        raise DerivativeError("there is nothing to differentiate: none of the results is a floating-point array.")

    def results(*inputs: Any) -> list[Any]:
        found = leaves(f(*arguments.filled(inputs)))
        return [found[position] for position in floats]

    shapes = [np.shape(result) for result in results(*arguments.point)]
    weights: list[Any] = [1.0] if shapes == [()] else [rng.uniform(0.5, 1.5, shape) for shape in shapes]
    return Problem(arguments, results, tuple(weights))


def derivative_along(scalar: Scalar, mode: str, direction: Arrays) -> Scalar:
    """φₖ from φₖ₋₁: the derivative along `direction`, in one mode."""

    def forward_mode(*inputs: Any) -> Any:
        return jvp(scalar, inputs, tuple(_match(v, x) for v, x in zip(direction, inputs)))[1]

    def reverse_mode(*inputs: Any) -> Any:
        total: Any = 0.0
        for slope, v in zip(grad(scalar, tuple(range(len(inputs))))(*inputs), direction):
            total = total + gnp.sum(slope * _like(v, slope))
        return total

    return forward_mode if mode == "fwd" else reverse_mode


def _match(value: Any, like: Any) -> Any:
    dtype = str(like.dtype)
    return convert(value, dtype) if isinstance(value, Tracer) else np.asarray(value, dtype)


def derived_entries(scalar: Scalar, mode: str, point: Arrays, chosen: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The chosen (flat) entries of ∇φ: one reverse sweep, or one forward sweep for each of them."""
    if mode == "rev":
        slopes = grad(scalar, tuple(range(len(point))))(*point)
        return [np.asarray(slope).reshape(-1)[list(places)] for slope, places in zip(slopes, chosen)]
    _, linear = linearize(scalar, *point)
    slopes = []
    for which, places in enumerate(chosen):
        column = []
        for place in places:
            direction = [np.zeros_like(array) for array in point]
            direction[which].reshape(-1)[place] = 1
            column.append(linear(*direction))
        slopes.append(np.array(column, "float64"))
    return slopes


def traced(scalar: Scalar, point: Arrays) -> Graph:
    """The same function, traced once for all evaluations."""
    return trace_function(scalar, tuple(point))


def evaluated(graph: Graph) -> Scalar:
    """A graph of one number as a function."""
    return lambda *inputs: interpret(graph, inputs)[0]


# the complex step ----------------------------------------------------------------------------------------------------


def complex_of_graph(graph: Graph) -> Scalar:
    """A graph as a function of complex inputs; what has no complex form raises."""
    wanted = graph.reachable()

    def function(*inputs: Any) -> Any:
        values: dict[int, Any] = dict(zip(graph.inputs, inputs))
        for id in wanted:
            if id in values:
                continue
            node = graph.node(id)
            if node.op == "array":
                values[id] = graph.arrays[node.attributes["key"]]
                continue
            arguments = [values[source] for source in node.inputs]
            values[id] = arguments[0] if node.op == "convert" else ops.get(node.op).evaluate(arguments, node.attributes)
            moved = any(np.iscomplexobj(value) for value in arguments)
            is_float = isinstance(node.type, TensorType) and node.type.is_float
            if moved and is_float and not np.iscomplexobj(values[id]):
                raise DerivativeError(f"{node.op} leaves the complex plane, so there is no complex step through it")
        return values[graph.outputs[0]]

    return function


def complex_value(function: Scalar, inputs: Arrays) -> complex | None:
    """The value of a function of complex arrays; None where it has none."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error")
            return complex(np.asarray(function(*inputs)).reshape(()))
    except Exception:  # whatever a function not made for it says
        return None


# somebody else's function and gradient -------------------------------------------------------------------------------


def parameter_names(f: Callable[..., Any], args: Sequence[Any]) -> list[str]:
    """A name for each leaf of the arguments, from the function's parameters."""
    try:
        bound = inspect.signature(f).bind(*args).arguments
        names = [
            name if kind is not inspect.Parameter.VAR_POSITIONAL else f"{name}[{place}]"
            for name, value in bound.items()
            for kind in [inspect.signature(f).parameters[name].kind]
            for place in range(len(value) if kind is inspect.Parameter.VAR_POSITIONAL else 1)
        ]
    except (TypeError, ValueError):
        names = [f"x{place}" for place in range(len(args))]
    return [path for name, value in zip(names, args) for path in flatten(value)[1].paths(name)]


def plain_scalar(f: Callable[..., Any], arguments: Arguments) -> Scalar:
    """A function of arrays, whatever computes it, as a function of its floating-point inputs.

    Where it does not take float64, it is given the dtypes that it was called with.
    """

    def exact(*inputs: Any) -> Any:
        return _one_number(f(*arguments.filled(inputs)))

    def narrow(*inputs: Any) -> Any:
        return exact(*(np.asarray(x, own.dtype) for x, own in zip(inputs, arguments.point)))

    try:
        exact(*(np.array(value, "float64") for value in arguments.point))
        return exact
    except GraphcompError:
        raise
    except Exception:
        narrow(*(np.array(value) for value in arguments.point))  # what it says now is for the caller
        return narrow


def _one_number(result: Any) -> Any:
    array = np.asarray(result)
    if array.size != 1 or array.dtype.kind not in "fc":
        raise InputError(
            f"a gradient belongs to a function with one floating-point number as its result; this one gives "
            f"{array.dtype}{list(array.shape)}. Sum its results, or weigh them."
        )
    return array.reshape(())[()]


def given_gradient(gradient: Callable[..., Any], arguments: Arguments) -> list[np.ndarray]:
    """What somebody's gradient gives for each floating-point input; raises InputError where it does not fit."""
    answer = gradient(*arguments.filled([np.array(value) for value in arguments.point]))
    children = arguments.structure.children
    counts = [child.leaf_count() for child in children]
    starts = [sum(counts[:position]) for position in range(len(counts))]
    moving = [  # the arguments that have a floating-point leaf
        position
        for position, (start, count) in enumerate(zip(starts, counts))
        if any(start <= place < start + count for place in arguments.places)
    ]
    alone = len(children) == 1 and not (isinstance(answer, (tuple, list)) and len(answer) == 1)
    parts = (answer,) if alone else answer
    if not isinstance(parts, (tuple, list)) or len(parts) not in (len(children), len(moving)):
        raise InputError(
            f"the gradient gives a {type(answer).__name__} for {len(children)} arguments; it should give a tuple with "
            "one entry for each of them (None for what is not floating point)."
        )
    told = range(len(children)) if len(parts) == len(children) else moving
    found: dict[int, Any] = {}
    for position, part in zip(told, parts):
        found.update(enumerate(_matching(children[position], part), start=starts[position]))
    chosen = [found[place] for place in arguments.places]
    return [_fitting(slope, value, name) for slope, value, name in zip(chosen, arguments.point, arguments.float_names)]


def _matching(structure: Structure, value: Any) -> list[Any]:
    """The parts of a gradient at the places of an argument's leaves; None for all of it where there is none."""
    if structure.kind == "leaf" or value is None:
        return [value] * structure.leaf_count()
    found: list[Any] = []
    for key, child in zip(structure.keys, structure.children):
        try:
            part = getattr(value, key) if structure.kind in ("dataclass", "named") else value[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            raise InputError(f"the gradient has no part for {key!r} of its argument.") from None
        found += _matching(child, part)
    return found


def _fitting(slope: Any, value: np.ndarray, name: str) -> np.ndarray:
    array = np.asarray(0.0 if slope is None else slope, "float64")
    if slope is None:
        raise InputError(f"the gradient gives None for {name}, which is {value.dtype}{list(value.shape)}.")
    if array.shape != value.shape:
        raise InputError(f"the gradient of {name} has the shape {array.shape}, but {name} has {value.shape}.")
    return array
