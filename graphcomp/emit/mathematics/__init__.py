"""Elementary and special functions as vector code: what generated kernels call for the values of such ops.

Each name is a Numba intrinsic on float32 or float64. It adds the LLVM function of its formula to the module that is
compiled, where it is copied into the loop, and takes no time in Numba's own compiler.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from . import coefficients, compiling, exponential, fast, special, trigonometric, values
from .compiling import compiled
from .values import Value

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

ROUNDING: dict[str, Callable[..., Value]] = {"floor": values.floor, "ceil": values.ceiling, "rint": values.rounded}
"""Functions that are one instruction, and for which Numba alone knows no name but NumPy's."""

MODULES = (values, coefficients, exponential, trigonometric, special, compiling, fast)
"""The modules whose text decides about the code."""

FUNCTIONS = {
    name: compiled(name, name, formula, len(inspect.signature(formula).parameters))
    for name, formula in (FORMULAS | ROUNDING).items()
}
"""The intrinsics."""

globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]
