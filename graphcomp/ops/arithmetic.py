"""Arithmetic, rounding, extrema, comparisons, logic and selection, one value at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from ..graph import Node
from .builder import Builder
from .record import Elementwise, LinearCall, Tangents, register

_ANY = (-3.0, 3.0)
_POSITIVE = (0.5, 3.0)


def _define(name: str, summary: str, **facets: Any) -> None:
    facets.setdefault("domain", (_ANY,) * facets.get("arity", 1))
    facets.setdefault("cost", 1)
    register(Elementwise(name=name, summary=summary, **facets), verify=False)


_define(
    "add",
    "x + y",
    commutative=True,
    arity=2,
    accepts="number",
    expression=lambda x, y: x + y,
    partials=lambda x, y, out: (1, 1),
    reference=np.add,
    scalar="({0} + {1})",
    transposes={0: lambda b, call, ct: ct, 1: lambda b, call, ct: ct},
)
_define(
    "subtract",
    "x - y",
    arity=2,
    accepts="number",
    expression=lambda x, y: x - y,
    partials=lambda x, y, out: (1, -1),
    reference=np.subtract,
    scalar="({0} - {1})",
    transposes={0: lambda b, call, ct: ct, 1: lambda b, call, ct: b.negative(ct)},
)
_define(
    "multiply",
    "x · y",
    commutative=True,
    arity=2,
    accepts="number",
    expression=lambda x, y: x * y,
    partials=lambda x, y, out: (y, x),
    reference=np.multiply,
    scalar="({0} * {1})",
    transposes={
        0: lambda b, call, ct: b.scale(call.operand(1), ct),
        1: lambda b, call, ct: b.scale(call.operand(0), ct),
    },
)


def _no_nan_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """The product rule. The second argument decides in both terms, so it is a tangent or a cotangent that is zero."""
    (x, y), (first, second) = node.inputs, tangents
    terms = [] if first is None else [b.multiply_no_nan(first, y)]
    terms += [] if second is None else [b.multiply_no_nan(x, second)]
    return terms[0] if len(terms) == 1 else b.add(*terms)


_define(
    "multiply_no_nan",
    "x · y, and zero where y is zero, even if x is infinite or NaN",
    arity=2,
    reference=lambda x, y: np.where(y == 0, 0, x * y),
    scalar="({0} * {1} if {1} != 0 else T(0))",
    tangent_rule=_no_nan_tangent,
    transposes={
        0: lambda b, call, ct: b.multiply_no_nan(ct, call.operand(1)),
        1: lambda b, call, ct: b.multiply_no_nan(call.operand(0), ct),
    },
)
_define(
    "divide",
    "x / y",
    cost=4,
    arity=2,
    expression=lambda x, y: x / y,
    partials=lambda x, y, out: (1 / y, -out / y),
    transposes={0: lambda b, call, ct: b.divide(ct, call.operand(1))},
    reference=np.divide,
    scalar="({0} / {1})",
    domain=(_ANY, _POSITIVE),
    kinks="infinite at y = 0",
)
_define(
    "negative",
    "-x",
    accepts="number",
    expression=lambda x: -x,
    partials=lambda x, out: (-1,),
    reference=np.negative,
    scalar="(-{0})",
    transposes={0: lambda b, call, ct: b.negative(ct)},
)
_define(
    "power",
    "x to the power y",
    cost=4,
    arity=2,
    accepts="number",
    expression=lambda x, y: x**y,
    partials=lambda x, y, out: (
        sp.Piecewise((0, sp.Eq(y, 0)), (y * x ** (y - 1), True)),
        sp.Piecewise((0, sp.Eq(x, 0)), (out * sp.log(x), True)),
    ),
    reference=np.power,
    scalar="power({0}, {1})",
    domain=(_POSITIVE, _ANY),
    kinks="the derivative by x is 0 where y = 0, the one by y is 0 where x = 0",
)
_define(
    "remainder",
    "x - y·⌊x/y⌋, with the sign of y",
    cost=4,
    arity=2,
    accepts="number",
    expression=lambda x, y: x - y * sp.floor(x / y),
    partials=lambda x, y, out: (1, -sp.floor(x / y)),
    reference=np.remainder,
    scalar="({0} % {1})",
    domain=((0.3, 0.9), (1.1, 1.7)),
    kinks="jumps where x / y is an integer",
)
_define(
    "floor_divide",
    "⌊x / y⌋",
    cost=4,
    arity=2,
    accepts="number",
    expression=lambda x, y: sp.floor(x / y),
    differentiable=False,
    reference=np.floor_divide,
    scalar="({0} // {1})",
    domain=(_ANY, _POSITIVE),
)
_define(
    "absolute",
    "|x|",
    accepts="signed",
    expression=sp.Abs,
    partials=lambda x, out: (sp.sign(x),),
    reference=np.absolute,
    scalar="abs({0})",
    kinks="derivative 0 at 0",
)
_define(
    "sign",
    "-1, 0 or 1",
    accepts="signed",
    expression=sp.sign,
    differentiable=False,
    reference=np.sign,
    scalar="({0} if {0} != {0} else T({0} > 0) - T({0} < 0))",
)
_define(
    "maximum",
    "the larger of x and y",
    commutative=True,
    arity=2,
    accepts="number",
    expression=sp.Max,
    partials=lambda x, y, out: (
        sp.Piecewise((1, sp.Ge(x, y)), (0, True)),
        sp.Piecewise((0, sp.Ge(x, y)), (1, True)),
    ),
    reference=np.maximum,
    scalar="({0} if ({0} >= {1} or {0} != {0}) else {1})",
    kinks="ties go to the first argument",
)
_define(
    "minimum",
    "the smaller of x and y",
    commutative=True,
    arity=2,
    accepts="number",
    expression=sp.Min,
    partials=lambda x, y, out: (
        sp.Piecewise((1, sp.Le(x, y)), (0, True)),
        sp.Piecewise((0, sp.Le(x, y)), (1, True)),
    ),
    reference=np.minimum,
    scalar="({0} if ({0} <= {1} or {0} != {0}) else {1})",
    kinks="ties go to the first argument",
)
_define(
    "clip",
    "x, not below y and not above z",
    arity=3,
    accepts="number",
    expression=lambda x, low, high: sp.Min(sp.Max(x, low), high),
    partials=lambda x, low, high, out: (
        sp.Piecewise((1, sp.And(sp.Ge(x, low), sp.Le(x, high))), (0, True)),
        sp.Piecewise((1, sp.And(sp.Lt(x, low), sp.Le(low, high))), (0, True)),
        sp.Piecewise((1, sp.Or(sp.Gt(x, high), sp.Gt(low, high))), (0, True)),
    ),
    reference=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    scalar="({0} if {0} != {0} else {1} if {1} != {1} else {2} if {2} != {2} else min(max({0}, {1}), {2}))",
    domain=(_ANY, (-1.5, -0.5), (0.5, 1.5)),
    kinks="at the bounds the derivative belongs to x",
)
_define(
    "relu",
    "max(x, 0)",
    accepts="signed",
    expression=lambda x: sp.Max(x, 0),
    partials=lambda x, out: (sp.Piecewise((1, sp.Gt(x, 0)), (0, True)),),
    reference=lambda x: np.maximum(x, np.zeros((), x.dtype)),
    scalar="({0} if ({0} > 0 or {0} != {0}) else T(0))",
    kinks="derivative 0 at 0",
)
for _name, _symbol, _function in (("floor", "⌊x⌋", sp.floor), ("ceil", "⌈x⌉", sp.ceiling)):
    _define(
        _name,
        _symbol,
        expression=_function,
        differentiable=False,
        reference=getattr(np, _name),
        scalar=f"{_name}({{0}})",
    )
_define(
    "round",
    "the nearest integer, halves to the even one",
    differentiable=False,
    reference=np.rint,
    scalar="rint({0})",
)

_COMPARISONS = {
    "equal": ("x = y", sp.Eq, "=="),
    "not_equal": ("x ≠ y", sp.Ne, "!="),
    "less": ("x < y", sp.Lt, "<"),
    "less_equal": ("x ≤ y", sp.Le, "<="),
    "greater": ("x > y", sp.Gt, ">"),
    "greater_equal": ("x ≥ y", sp.Ge, ">="),
}
for _name, (_summary, _function, _sign) in _COMPARISONS.items():
    _define(
        _name,
        _summary,
        arity=2,
        accepts="any",
        expression=_function,
        differentiable=False,
        result="bool",
        reference=getattr(np, _name),
        commutative=_name in ("equal", "not_equal"),
        scalar=f"({{0}} {_sign} {{1}})",
    )
_LOGIC = {
    "logical_and": ("x and y", 2, sp.And, "({0} and {1})"),
    "logical_or": ("x or y", 2, sp.Or, "({0} or {1})"),
    "logical_xor": ("x or y, not both", 2, sp.Xor, "({0} != {1})"),
    "logical_not": ("not x", 1, sp.Not, "(not {0})"),
}
for _name, (_summary, _arity, _function, _code) in _LOGIC.items():
    _define(
        _name,
        _summary,
        arity=_arity,
        accepts="bool",
        expression=_function,
        differentiable=False,
        reference=getattr(np, _name),
        commutative=_arity == 2,
        scalar=_code,
    )


class _Where(Elementwise):
    """Selection: linear in its second and third arguments together."""

    def infer(self, graph: Any, types: Any, attributes: Any) -> Any:
        condition, *values = types
        result = Elementwise.infer(_VALUES, graph, values, attributes)
        _CONDITION.check_arguments([condition])
        Elementwise.infer(_SHAPES, graph, [condition, condition.with_shape(values[0].shape)], attributes)
        return result


_VALUES = Elementwise(name="where", summary="", arity=2, accepts="any")
_CONDITION = Elementwise(name="where", summary="", accepts="bool")
_SHAPES = Elementwise(name="where", summary="", arity=2, accepts="bool")


def _where_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    _, first, second = tangents
    if first is None and second is None:
        return None
    condition, x, y = node.inputs
    first = b.zeros_like(x) if first is None else first
    second = b.zeros_like(y) if second is None else second
    return b.where(condition, first, second)


def _where_otherwise(b: Builder, call: LinearCall, ct: int) -> int:
    return b.mask(b.logical_not(call.operand(0)), ct)


register(
    _Where(
        name="where",
        summary="y where the condition x holds, else z",
        cost=1,
        arity=3,
        accepts="any",
        reference=np.where,
        scalar="({1} if {0} else {2})",
        tangent_rule=_where_tangent,
        transposes={1: lambda b, call, ct: b.mask(call.operand(0), ct), 2: _where_otherwise},
        domain=(_ANY, _ANY, _ANY),
    ),
    verify=False,
)
