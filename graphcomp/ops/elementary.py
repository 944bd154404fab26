"""Elementary functions: exponentials, roots, trigonometric and hyperbolic functions, and the logistic family.

The names in `scalar` templates are those of the compiler's own vector functions (`emit/mathematics`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
import sympy as sp

from .record import Elementwise, register
from .symbolic import stand_in

_ANY = (-2.0, 2.0)
_POSITIVE = (0.4, 3.0)
_UNIT = (-0.8, 0.8)


def _define(name: str, summary: str, **facets: Any) -> None:
    facets.setdefault("domain", (_ANY,))
    facets.setdefault("reference", getattr(np, name, None))
    facets.setdefault("scalar", f"{name}({{0}})")
    register(Elementwise(name=name, summary=summary, **facets), verify=False)


_define("exp", "eˣ", expression=sp.exp, partials=lambda x, out: (out,))
_define("expm1", "eˣ - 1, accurate near 0", expression=lambda x: sp.exp(x) - 1, partials=lambda x, out: (out + 1,))
_define(
    "exp2",
    "2ˣ",
    expression=lambda x: 2**x,
    partials=lambda x, out: (out * sp.log(2),),
)
_define("log", "the natural logarithm", expression=sp.log, domain=(_POSITIVE,))
_define(
    "log1p",
    "log(1 + x), accurate near 0",
    expression=lambda x: sp.log(1 + x),
    partials=lambda x, out: (1 / (1 + x),),
    domain=((-0.6, 2.0),),
)
for _name, _base in (("log2", 2), ("log10", 10)):
    _define(
        _name,
        f"the logarithm to the base {_base}",
        expression=lambda x, _base=_base: sp.log(x) / sp.log(_base),
        partials=lambda x, out, _base=_base: (1 / (x * sp.log(_base)),),
        domain=(_POSITIVE,),
    )
_define(
    "sqrt",
    "the square root",
    expression=sp.sqrt,
    partials=lambda x, out: (sp.Rational(1, 2) / out,),
    scalar="math.sqrt({0})",
    domain=(_POSITIVE,),
)
_define(
    "rsqrt",
    "1 / √x",
    expression=lambda x: 1 / sp.sqrt(x),
    partials=lambda x, out: (-out / (2 * x),),
    reference=lambda x: np.ones((), x.dtype) / np.sqrt(x),
    scalar="(T(1) / math.sqrt({0}))",
    domain=(_POSITIVE,),
)
_define(
    "cbrt",
    "the real cube root, also of negative numbers",
    expression=lambda x: sp.sign(x) * sp.Abs(x) ** sp.Rational(1, 3),
    partials=lambda x, out: (1 / (3 * out**2),),
    domain=(_POSITIVE,),
    kinks="infinite at 0",
)
_define(
    "hypot",
    "√(x² + y²), without overflow",
    arity=2,
    commutative=True,
    expression=lambda x, y: sp.sqrt(x**2 + y**2),
    partials=lambda x, y, out: tuple(sp.Piecewise((0, sp.Eq(out, 0)), (part / out, True)) for part in (x, y)),
    scalar="hypot({0}, {1})",
    domain=(_ANY, _POSITIVE),
    kinks="derivative 0 at (0, 0)",
)
_define("sin", "the sine", expression=sp.sin)
_define("cos", "the cosine", expression=sp.cos)
_define("tan", "the tangent", expression=sp.tan, partials=lambda x, out: (1 + out**2,), domain=((-1.2, 1.2),))
_define("asin", "the inverse sine", expression=sp.asin, domain=(_UNIT,))
_define("acos", "the inverse cosine", expression=sp.acos, domain=(_UNIT,))
_define("atan", "the inverse tangent", expression=sp.atan)
_define(
    "atan2",
    "the angle of the point (y, x), in radians",
    arity=2,
    expression=sp.atan2,
    partials=lambda y, x, out: (x / (x**2 + y**2), -y / (x**2 + y**2)),
    reference=np.arctan2,
    scalar="atan2({0}, {1})",
    domain=(_ANY, _POSITIVE),
    kinks="jumps by 2π across the negative x axis",
)
_define("sinh", "the hyperbolic sine", expression=sp.sinh)
_define("cosh", "the hyperbolic cosine", expression=sp.cosh)
_define("tanh", "the hyperbolic tangent", expression=sp.tanh, partials=lambda x, out: (1 - out**2,))
_define("asinh", "the inverse hyperbolic sine", expression=sp.asinh)
_define("acosh", "the inverse hyperbolic cosine", expression=sp.acosh, domain=((1.2, 3.0),))
_define("atanh", "the inverse hyperbolic tangent", expression=sp.atanh, domain=(_UNIT,))
_define(
    "sigmoid",
    "1 / (1 + e⁻ˣ)",
    expression=lambda x: 1 / (1 + sp.exp(-x)),
    partials=lambda x, out: (out * (1 - out),),
    reference=lambda x: scipy.special.expit(x),
    scalar="sigmoid({0})",
)
_SIGMOID = stand_in("sigmoid", lambda x: 1 / (1 + sp.exp(-x)))
_define(
    "softplus",
    "log(1 + eˣ)",
    expression=lambda x: sp.log(1 + sp.exp(x)),
    partials=lambda x, out: (_SIGMOID(x),),
    reference=lambda x: np.maximum(x, np.zeros((), x.dtype)) + np.log1p(np.exp(-np.abs(x))),
    scalar="softplus({0})",
)
_define(
    "logaddexp",
    "log(eˣ + eʸ), without overflow",
    arity=2,
    commutative=True,
    expression=lambda x, y: sp.log(sp.exp(x) + sp.exp(y)),
    partials=lambda x, y, out: (_SIGMOID(x - y), _SIGMOID(y - x)),
    scalar="logaddexp({0}, {1})",
    domain=(_ANY, _ANY),
)
