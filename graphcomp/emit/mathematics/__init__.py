"""Elementary and special functions as formulas that write vector code: what generated kernels call for such ops."""

from __future__ import annotations

from collections.abc import Callable

from . import exponential, special, trigonometric, values
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
