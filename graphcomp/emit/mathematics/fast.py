"""Looser functions for those who ask for them: a few units in the last place, and fewer instructions.

The rational function for tanh is that of Eigen (Eigen/src/Core/MathFunctionsImpl.h). Names that are missing here are as
precise as ever. NaN stays NaN, infinities are as they should be; a result that would be subnormal may be zero.
"""

from __future__ import annotations

from collections.abc import Callable

from . import exponential
from .values import DOUBLE, Value, absolute, at_least, at_most, bits, constant, polynomial, select, with_sign

TANH_END = 7.90531110763549805
TANH_ABOVE = (
    4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08, -8.60467152213735e-11,
    2.00018790482477e-13, -2.76076847742355e-16,
)  # fmt: skip
TANH_BELOW = (4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06)
TANH_SCALE = 2.0**8
"""Taken into both polynomials, no product with a small argument is smaller than it, and so too small to be normal."""


def sigmoid(x: Value) -> Value:
    return 1.0 / (1.0 + exponential.exp(-x))


def tanh(x: Value) -> Value:
    """x·p(x²)/q(x²) in float32, up to where it is one."""
    if x.format is DOUBLE:
        return exponential.tanh(x)
    part = at_most(at_least(x, -TANH_END), TANH_END)
    z = part * part
    above, below = (
        polynomial(z, [TANH_SCALE * each for each in coefficients]) for coefficients in (TANH_ABOVE, TANH_BELOW)
    )
    inside = part * above / below
    return select(absolute(x) > TANH_END, with_sign(constant(x, 1.0), bits(x)), inside)


FORMULAS: dict[str, Callable[..., Value]] = {formula.__name__: formula for formula in (sigmoid, tanh)}
