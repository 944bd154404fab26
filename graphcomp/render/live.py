"""A scalar graph and its derived graphs as lines of JavaScript, printed from the ops' own expressions.

With them a page computes a story again for other inputs.  Where that cannot be done, the reason is given instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy as sp

from ..graph import Graph, Node, TensorType
from ..ops import REGISTRY, Elementwise
from .derived import Derived, adjoints, tangents
from .story import Edge, Sweep

MOST_NODES = 200
# Ops whose expressions JavaScript has no names for, or computes less exactly.
PRINTED = {
    "where": "({0} ? {1} : {2})",
    "softplus": "(Math.max({0}, 0) + Math.log1p(Math.exp(-Math.abs({0}))))",
    "log1p": "Math.log1p({0})",
    "expm1": "Math.expm1({0})",
    "identity": "{0}",
    "stop_gradient": "{0}",
    "convert": "Number({0})",
    **{
        name: f"({{0}} {sign} {{1}})"
        for name, sign in {
            "equal": "===",
            "not_equal": "!==",
            "less": "<",
            "less_equal": "<=",
            "greater": ">",
            "greater_equal": ">=",
        }.items()
    },
}


@dataclass(frozen=True)
class Fixed:
    """Why a page cannot compute a story again: the key of a sentence, and what fills it in."""

    reason: str
    parts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Pass:
    """Statements over an array ``v``: inputs and seeds are set first, then the lines run in order.

    The maps say at which place of ``v`` a quantity then stands; ``starts`` are the nodes to which the seeds belong.
    """

    inputs: tuple[int, ...]
    seeds: tuple[int, ...]
    starts: tuple[int, ...]
    lines: tuple[str, ...]
    values: Mapping[int, int]
    derivatives: Mapping[int, int] = field(default_factory=dict)
    partials: Mapping[Edge, int] = field(default_factory=dict)
    contributions: Mapping[Edge, int] = field(default_factory=dict)

    def function(self) -> str:
        """A JavaScript function of the inputs' values and the number of the seed that is 1, which returns v."""
        inputs = "".join(f"v[{place}]=x[{position}];" for position, place in enumerate(self.inputs))
        seeds = "".join(f"v[{place}]=start==={position}?1:0;" for position, place in enumerate(self.seeds))
        return f"(x,start)=>{{const v=[];{inputs}{seeds}{''.join(self.lines)}return v}}"


@dataclass(frozen=True)
class LiveProgram:
    """A graph whose values and derivatives a page can compute again."""

    graph: Graph
    edges: Mapping[Edge, int]

    def passes(self, sweeps: Sequence[Sweep]) -> list[Pass] | Fixed:
        """The statements of each sweep, or the op that has none."""
        graph = self.graph
        by_output: Mapping[int, Derived] = {}
        forward: Derived | None = None
        found = []
        for sweep in sweeps:
            if sweep.kind == "adjoint" and sweep.seed is not None:
                by_output = by_output or adjoints(graph, self.edges)
                made = derived_pass(by_output[sweep.seed], (sweep.seed,))
            elif sweep.kind == "tangent":
                forward = forward or tangents(graph, self.edges)
                made = derived_pass(forward, tuple(id for id in graph.inputs if graph.type(id).is_float))
            else:
                values = {node.id: node.id for node in graph.nodes()}
                made = with_lines(graph, Pass(tuple(graph.inputs), (), (), (), values))
            if isinstance(made, Fixed):
                return made
            found.append(made)
        return found


def live_program(graph: Graph, edges: Mapping[Edge, int]) -> LiveProgram | Fixed:
    """The program of a graph, or why there is none; ``edges`` are those along which derivatives pass."""
    if len(graph) > MOST_NODES:
        return Fixed("too many nodes", {"count": len(graph), "most": MOST_NODES})
    for node in graph.nodes():
        if not isinstance(node.type, TensorType) or node.type.shape:
            return Fixed("arrays")
        if node.dtype not in ("float64", "bool") or (node.id in graph.inputs and node.dtype != "float64"):
            return Fixed("precision", {"dtype": node.dtype})
        if node.id not in graph.inputs and expression(node) is None:
            return Fixed("no counterpart", {"op": node.op})
    return LiveProgram(graph, edges)


def derived_pass(derived: Derived, starts: tuple[int, ...]) -> Pass | Fixed:
    """A derived graph's statements."""
    places = Pass(
        derived.inputs, derived.seeds, starts, (),
        derived.primal, derived.derivative, derived.partial, derived.product,
    )  # fmt: skip
    return with_lines(derived.graph, places)


def with_lines(graph: Graph, places: Pass) -> Pass | Fixed:
    """The pass with a statement for each node that is not given."""
    given = {*places.inputs, *places.seeds}
    lines = []
    for node in graph.nodes():
        text = "" if node.id in given else expression(node)
        if text is None:
            return Fixed("no counterpart", {"op": node.op})
        if text:
            lines.append(f"v[{node.id}]={text};")
    return replace(places, lines=tuple(lines))


def expression(node: Node) -> str | None:
    """The right-hand side of a node's statement; None for an op that has none."""
    operands = [f"v[{id}]" for id in node.inputs]
    if node.op == "constant":
        return constant(node.attributes["value"])
    if node.op in PRINTED:
        return PRINTED[node.op].format(*operands)
    op = REGISTRY[node.op]
    if not isinstance(op, Elementwise) or op.expression is None:
        return None
    return printed(op, node, operands)


def printed(op: Elementwise, node: Node, operands: Sequence[str]) -> str | None:
    """An op's expression as JavaScript."""
    names = dict(zip(op.symbols(), (sp.Symbol(operand, real=True) for operand in operands), strict=True))
    try:
        definition = sp.sympify(op.definition(node.attributes)).xreplace(names)
        return f"({sp.jscode(definition)})"
    except (NotImplementedError, TypeError, ValueError):
        return None


def constant(value: float | bool) -> str:
    """A number as JavaScript reads it, every digit of it."""
    text = repr(float(value))
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, f"({text})")
