"""A scalar graph and its adjoints as lines of JavaScript, printed from the ops' own expressions.

With them a page computes values and adjoints for other inputs.  Where that cannot be done, the reason is given instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from ..derive.reverse import reverse
from ..graph import Graph, Node, TensorType
from ..ops import REGISTRY, Elementwise

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
class LiveProgram:
    """Statements over an array ``v``: the inputs are set first, then the lines run in order.

    ``values`` and ``adjoints`` say at which place of ``v`` a node's value, and its adjoint, then stand.
    """

    inputs: tuple[int, ...]
    seeds: tuple[int, ...]
    lines: tuple[str, ...]
    values: Mapping[int, int]
    adjoints: Mapping[int, int]

    def function(self) -> str:
        """A JavaScript function of the inputs' values and the position of the output explained, which returns v."""
        inputs = "".join(f"v[{place}]=x[{position}];" for position, place in enumerate(self.inputs))
        seeds = "".join(f"v[{place}]=output==={position}?1:0;" for position, place in enumerate(self.seeds))
        return f"(x,output)=>{{const v=[];{inputs}{seeds}{''.join(self.lines)}return v}}"


def live_program(graph: Graph) -> LiveProgram | str:
    """The program of a graph and its reverse sweep, or one sentence that says why there is none."""
    if len(graph) > MOST_NODES:
        return (
            f"The inputs are fixed: the graph has {len(graph)} nodes, and a page computes at most {MOST_NODES} again."
        )
    for node in graph.nodes():
        if not isinstance(node.type, TensorType) or node.type.shape:
            return "The inputs are fixed: a page computes with single numbers only, and this graph holds arrays."
        if node.dtype not in ("float64", "bool"):
            return f"The inputs are fixed: a page computes in double precision, and this graph holds {node.dtype}."
    derived = reverse(graph)
    given = {*(derived.primal[id] for id in graph.inputs), *derived.seeds}
    lines = []
    for node in derived.graph.nodes():
        text = "" if node.id in given else expression(node)
        if text is None:
            return f"The inputs are fixed: {node.op} has no counterpart in a page."
        if text:
            lines.append(f"v[{node.id}]={text};")
    inputs = tuple(derived.primal[id] for id in graph.inputs)
    return LiveProgram(inputs, tuple(derived.seeds), tuple(lines), dict(derived.primal), dict(derived.adjoint))


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
