"""From a formula or a network to a story: how its values, tangents or adjoints come about, step by step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import sympy as sp

from ..errors import InputError, RenderError
from ..graph import Graph
from ..nn import Module
from ..trace import trace
from ..trace.tree import flatten
from .account import Account, Part, Telling, finish, varying_nodes
from .evaluation import evaluation
from .executed import executed
from .forward_mode import forward_mode
from .network.blocks import blocks
from .network.collapse import Collapse, check_collapse, chosen_grouping, grouping, wanted_grouping
from .network.group_account import GroupAccount
from .network.story import MOST_SWEEPS, tell_groups
from .network.training import Update, training_step
from .output import Story
from .reverse_mode import reverse_mode, saved_values
from .seeds import ends
from .sentences import language as language_table
from .story import Granularity, Mode, Notation

MODES: dict[str, tuple[Mode, ...]] = {
    "evaluate": ("evaluate",),
    "forward": ("forward",),
    "reverse": ("reverse",),
    "both": ("evaluate", "forward", "reverse"),
}
CHOICES = {
    "mode": tuple(MODES),
    "notation": ("d", "∂", "bar"),
    "granularity": ("node", "contribution"),
    "jacobian_rows": ("outputs", "inputs"),
}
MOST_NODES = 500  # more steps than anybody follows one by one
MOST_WRITTEN_OUT = 120  # of loops written out: groups say more than hundreds of cards that are alike


def explain(
    source: Any,
    at: Mapping[str, Any] | Sequence[Any] | None = None,
    mode: Mode | Literal["both"] = "reverse",
    wrt: str | Sequence[str] | None = None,
    notation: Notation = "d",
    digits: int = 3,
    *,
    granularity: Granularity = "node",
    jacobian_rows: Literal["outputs", "inputs"] = "outputs",
    language: str = "en",
    quiz: bool = False,
    collapse: Collapse | None = None,
) -> Story:
    """Explain a computation step by step.

    ``source``: a formula, assignments ("w3 = x1*x2; z = sin(w3)"), a SymPy expression, a function, a Graph, or a
    model of ``graphcomp.nn``, whose parameters are inputs then.
    ``at``: the inputs' values by name, or in order.  ``mode``: how the values come about ("evaluate"), how fast
    they change with an input ("forward", a sweep for each input in ``wrt``), or how the output depends on all of
    them ("reverse", a sweep for each output; with ``wrt`` only the nodes on the way to those inputs); "both" tells
    the three one after the other.
    ``notation``: derivatives as d z/d w, ∂ z/∂ w, or with bars and dots.  ``digits``: decimals shown.
    ``granularity``: a frame for each node, or for each contribution to a sum.  ``jacobian_rows``: what the rows of
    the table of derivatives stand for.  ``language``: of the sentences.  ``quiz``: whether each frame asks for its
    derivative first.
    ``collapse``: tell groups of nodes as one step each: scopes to a depth (1, 2, …), scopes of a name
    ("encoder/*", or several such patterns), the lines of the user's code ("lines"), the values that assignments name
    ("names"), or the scopes for which a function of a ``Group`` is true.  Then each value that crosses a group's
    border is told, with its shape, statistics and adjoint.  A graph of more than 500 nodes is told by the finest of
    these levels that has few steps.  A whole training step is told by groups as forward pass, adjoints back from the
    loss, and update, in reverse mode; its loss and gradients are found by their values.
    Loops and branches are told as they are executed at these inputs: each step, in the scope ``step.3``, and the
    branch that is taken; above 120 nodes by groups.  With ``collapse`` a loop is one step, if the groups that are asked
    for are not inside of it ("step.*" are).  A function with a derivative rule of its own (``gx.custom_jvp``,
    ``gx.custom_vjp``) is one node with that derivative.
    Raises InputError for missing or unknown inputs, RenderError for an unknown option, for a graph of more than 500
    nodes that nothing divides into groups, or for a ``collapse`` that matches nothing.
    """
    given = {"mode": mode, "notation": notation, "granularity": granularity, "jacobian_rows": jacobian_rows}
    check_choices(given, digits)
    language_table(language)
    graph, values = traced(source, at)
    written = written_out(graph, values, mode, collapse)
    most, graph = MOST_NODES if written is graph else MOST_WRITTEN_OUT, written
    lines = not isinstance(source, (str, sp.Basic))
    telling = Telling(notation, digits, granularity, jacobian_rows, language, quiz, lines)
    flat = collapse is None and len(graph) <= most
    step = training_step(graph, values) if mode == "reverse" and (not flat or many_sweeps(graph)) else None
    if flat and step is None:
        return tell(Account(graph, values, telling), MODES[mode], wrt)
    if step is not None:
        return tell_collapsed(step.graph, step.values, telling, ("evaluate", "reverse"), wrt, collapse, step.updates)
    return tell_collapsed(graph, values, telling, MODES[mode], wrt, collapse)


def many_sweeps(graph: Graph) -> bool:
    """Whether reverse mode would make more sweeps than anybody follows."""
    return sum(graph.type(id).is_float for id in set(graph.outputs)) > MOST_SWEEPS


def written_out(graph: Graph, values: list[Any], mode: str, collapse: Collapse | None) -> Graph:
    """The graph as it is executed; but with loops as single nodes if it has the groups that are asked for so."""
    if collapse is not None:
        check_collapse(collapse)
        if not graph.subgraphs() or grouping(graph, varying_nodes(graph), collapse).paths:
            return graph
    return executed(graph, values, derivatives=mode != "evaluate")


def tell_collapsed(
    graph: Graph,
    values: list[Any],
    telling: Telling,
    modes: Sequence[Mode],
    wrt: str | Sequence[str] | None,
    collapse: Collapse | None,
    updates: Mapping[int, Update] | None = None,
) -> Story:
    """The story of a graph's groups; an input that ``wrt`` names is told by itself.

    ``updates``: of the parameters, where it is the story of a training step.
    """
    if telling.quiz:
        raise RenderError("a quiz asks for each node's derivative, and groups of nodes are told here; leave it out")
    if collapse is not None:
        check_collapse(collapse)
    shown = varying_nodes(graph)
    groups = chosen_grouping(graph, shown) if collapse is None else wanted_grouping(graph, shown, collapse)
    kept = set() if wrt is None else set(chosen_inputs(graph, wrt))
    if updates:
        kept.update(set(graph.inputs) - set(updates))  # a batch is no part of the model, though one layer reads it
    account = GroupAccount(graph, values, blocks(graph, shown, groups, kept), telling)
    check_tellable(account, modes[-1])
    return tell_groups(account, modes, chosen_inputs(graph, wrt), updates)


def tell(account: Account, modes: Sequence[Mode], wrt: str | Sequence[str] | None = None) -> Story:
    """The story of an account in one mode or several."""
    chosen = chosen_inputs(account.graph, wrt)
    check_tellable(account, modes[-1])
    if modes == ("evaluate",):
        return finish(account, [evaluation(account)])
    between, parts = ends(account, chosen), list[Part]()
    if "evaluate" in modes:
        parts.append(evaluation(account, saved_values(account) if "reverse" in modes else ()))
    if "forward" in modes:
        parts.append(forward_mode(account, between, known=bool(parts)))
    if "reverse" in modes:
        parts.append(reverse_mode(account, between, known=bool(parts)))
    return finish(account, parts, between.jacobian(account))


def check_choices(given: Mapping[str, Any], digits: Any) -> None:
    """Raise RenderError for an option that is none of its choices."""
    for name, value in given.items():
        if value not in CHOICES[name]:
            raise RenderError(f"{name} must be one of {', '.join(CHOICES[name])}, not {value!r}")
    if not isinstance(digits, int) or not 0 <= digits <= 15:
        raise RenderError(f"digits must be a whole number from 0 to 15, not {digits!r}")


def check_tellable(account: Account, mode: Mode) -> None:
    """Raise RenderError where there is nothing to tell."""
    outputs = [id for id in account.graph.outputs if id in account.names.symbols]
    if not outputs:
        raise RenderError("the result is a constant: it depends on no input, so there are no steps to explain")
    if mode != "evaluate" and not any(account.is_float(id) for id in outputs):
        raise RenderError(
            f"{mode} mode needs a floating-point result, and this one is {account.graph.type(outputs[0])}"
        )


def traced(source: Any, at: Mapping[str, Any] | Sequence[Any] | None) -> tuple[Graph, list[Any]]:
    """The source's graph, and its inputs' values in order."""
    if isinstance(source, Graph):
        return source, input_values(source, at)
    if isinstance(source, Module):
        return traced(applied(source), [source, *call_arguments(source, at)])
    if callable(source) and not isinstance(source, sp.Basic):
        arguments = call_arguments(source, at)
        graph = trace(source, *arguments)
        return graph, [
            as_value(graph, id, value) for id, value in zip(graph.inputs, flatten(arguments)[0], strict=False)
        ]
    try:
        arrays = {str(name): value for name, value in at.items() if np.ndim(value)} if isinstance(at, Mapping) else {}
    except ValueError:
        raise InputError("a value in `at` is a list whose rows have different lengths") from None
    graph = trace(source, **{name: np.asarray(value, "float64") for name, value in arrays.items()})
    return graph, input_values(graph, at)


def applied(model: Module) -> Callable[..., Any]:
    """A model as a function of its parameters too: their derivatives are told as well."""

    def call(model: Any, *batch: Any) -> Any:
        return model(*batch)

    batch = list(inspect.signature(model).parameters.values())
    first = inspect.Parameter("model", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([first, *batch])  # type: ignore[attr-defined]
    return call


def call_arguments(function: Callable[..., Any], at: Mapping[str, Any] | Sequence[Any] | None) -> tuple[Any, ...]:
    """A function's arguments: ``at`` in order, or by the names of its parameters."""
    if not isinstance(at, Mapping):
        arguments = tuple(() if at is None else at)
        try:
            inspect.signature(function).bind(*arguments)
        except TypeError as error:
            raise InputError(f"the values in `at` do not fit the function: {error}") from None
        return arguments
    names = list(inspect.signature(function).parameters)
    missing = [name for name in names if name not in at]
    unknown = [str(name) for name in at if name not in names]
    if missing or unknown:
        problem = f"no value for {', '.join(missing)}" if missing else f"`at` has no use for {', '.join(unknown)}"
        raise InputError(f"{problem}; the parameters are {', '.join(names)}")
    return tuple(at[name] for name in names)


def input_name(graph: Graph, id: int) -> str:
    """The name under which ``at`` gives an input's value."""
    labels = graph.labels(id)
    return labels[0] if labels else str(graph.node(id).attributes.get("name", "") or f"x{graph.inputs.index(id) + 1}")


def input_values(graph: Graph, at: Mapping[str, Any] | Sequence[Any] | None) -> list[Any]:
    """The inputs' values in the graph's order, each an array of the input's dtype."""
    names = {name: id for id in graph.inputs for name in (*graph.labels(id), input_name(graph, id))}
    if at is None or isinstance(at, Mapping):
        given = {names[name]: value for name, value in (at or {}).items() if name in names}
        unknown = [str(name) for name in at or {} if name not in names]
        missing = [input_name(graph, id) for id in graph.inputs if id not in given]
    else:
        given = dict(zip(graph.inputs, at, strict=False))
        unknown = [] if len(at) <= len(graph.inputs) else [f"{len(at)} values for {len(graph.inputs)} inputs"]
        missing = [input_name(graph, id) for id in graph.inputs[len(at) :]]
    if unknown:
        known = ", ".join(input_name(graph, id) for id in graph.inputs)
        raise InputError(f"`at` has no use for {', '.join(unknown)}; the inputs are {known}")
    if missing:
        raise InputError(f"no value for {', '.join(missing)}; pass it in `at`")
    return [as_value(graph, id, given[id]) for id in graph.inputs]


def as_value(graph: Graph, id: int, value: Any) -> np.ndarray[Any, Any]:
    """One input's value as an array of the traced dtype."""
    try:
        return np.asarray(value).astype(graph.type(id).dtype)
    except (TypeError, ValueError):
        raise InputError(f"the value of {input_name(graph, id)} is not a number: {value!r}") from None


def chosen_inputs(graph: Graph, wrt: str | Sequence[str] | None) -> list[int]:
    """The inputs that ``wrt`` names; all floating-point ones if it is not given."""
    if wrt is None:
        return [id for id in graph.inputs if graph.type(id).is_float]
    names = {name: id for id in graph.inputs for name in (*graph.labels(id), input_name(graph, id))}
    wanted = [wrt] if isinstance(wrt, str) else list(wrt)
    unknown = [name for name in wanted if name not in names]
    if unknown:
        known = ", ".join(input_name(graph, id) for id in graph.inputs)
        raise InputError(f"`wrt` names {', '.join(map(str, unknown))}; the inputs are {known}")
    return [names[name] for name in wanted]
