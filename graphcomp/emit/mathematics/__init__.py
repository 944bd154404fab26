"""Elementary and special functions as vector code: what generated kernels call for the values of such ops.

Each name is a Numba intrinsic on float32 or float64. It adds the LLVM function of its formula to the module that is
compiled, where it is copied into the loop, and takes no time in Numba's own compiler.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from . import coefficients, exponential, special, trigonometric, values
from .values import DOUBLE, SINGLE, Value, defined

FORMULAS: dict[str, Callable[..., Value]] = {
    formula.__name__: formula
    for formula in (
        exponential.exp,
        exponential.exp2,
        exponential.expm1,
        exponential.log,
        exponential.log1p,
        exponential.log2,
        exponential.log10,
        exponential.logaddexp,
        exponential.cbrt,
        exponential.hypot,
        exponential.softplus,
        exponential.sigmoid,
        exponential.tanh,
        exponential.sinh,
        exponential.cosh,
        exponential.asinh,
        exponential.acosh,
        exponential.atanh,
        exponential.power,
        trigonometric.sin,
        trigonometric.cos,
        trigonometric.tan,
        trigonometric.asin,
        trigonometric.acos,
        trigonometric.atan,
        trigonometric.atan2,
        special.erf,
        special.erfc,
        special.lgamma,
        special.digamma,
    )
}
"""Every formula by its name in generated code."""

MODULES = (values, coefficients, exponential, trigonometric, special)
"""The modules whose text decides about the code."""

_FORMATS = {types.float32: SINGLE, types.float64: DOUBLE}


def _compiled(name: str, formula: Callable[..., Value], arity: int) -> Any:
    def signature_and_code(kind: Any) -> Any:
        if kind not in _FORMATS:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.call(defined(builder.module, name, formula, _FORMATS[kind], arity), arguments)

        return kind(*[kind] * arity), generate

    def of_one(typingctx: Any, x: Any) -> Any:
        return signature_and_code(x)

    def of_two(typingctx: Any, x: Any, y: Any) -> Any:
        if name == "power" and isinstance(x, types.Integer):
            return _integer_power(typingctx, x, y)
        return signature_and_code(x) if x == y else None

    function = of_one if arity == 1 else of_two
    function.__name__ = name
    function.__doc__ = formula.__doc__
    return intrinsic(function)


def _integer_power(typingctx: Any, x: Any, y: Any) -> Any:
    """Numba's own."""
    signature = typingctx.resolve_function_type(operator.pow, (x, y), {})

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_function(operator.pow, signature)(builder, arguments)

    return signature, generate


FUNCTIONS = {
    name: _compiled(name, formula, len(inspect.signature(formula).parameters)) for name, formula in FORMULAS.items()
}
"""The intrinsics."""

globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]
