"""Elementary and special functions for generated kernels: the formulas of `emit/mathematics` as intrinsics.

Each name is a function of float32 or float64. It adds the LLVM function of its formula to the module that is compiled,
where it is copied into the loop, and takes no time in Numba's own compiler.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

from numba import types
from numba.extending import intrinsic

from ..mathematics import FORMULAS, ROUNDING
from ..mathematics.values import DOUBLE, SINGLE, Value, defined

_FORMATS = {types.float32: SINGLE, types.float64: DOUBLE}


def compiled(name: str, symbol: str, formula: Callable[..., Value], arity: int) -> Any:
    """The intrinsic of a formula; `symbol` is the name of its LLVM function."""

    def signature_and_code(kind: Any) -> Any:
        if kind not in _FORMATS:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.call(defined(builder.module, symbol, formula, _FORMATS[kind], arity), arguments)

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
    name: compiled(name, name, formula, len(inspect.signature(formula).parameters))
    for name, formula in (FORMULAS | ROUNDING).items()
}
globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]
