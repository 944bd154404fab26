"""The error function, log Γ and its derivative.

erfc is exp(-a²) times a function that varies little, of t = (a - 4)/(a + 4) (M. Shepherd and J. Laframboise,
Mathematics of Computation 36, 1981); for large arguments log Γ and ψ have Stirling's series (DLMF 5.11).
"""

from __future__ import annotations

import math

from . import coefficients
from .exponential import chosen, exp_normal, exp_times, in_double, log
from .trigonometric import ratio
from .values import (
    DOUBLE,
    SINGLE,
    Value,
    absolute,
    at_most,
    below,
    bits,
    constant,
    floor,
    fma,
    polynomial,
    rarely,
    rounded,
    select,
    with_sign,
)

VANISHED = {SINGLE: 10.6, DOUBLE: 27.6}
"""From here on erfc is zero."""

STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
"""B₂ₙ / (2n(2n - 1)): the series of log Γ (DLMF 5.11.1)."""

DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160)
"""B₂ₙ / 2n: the series of ψ (DLMF 5.11.2)."""

ZERO = (float.fromhex("0x1.762d86356be3fp+0"), float.fromhex("0x1.b86a722197829p-54"))
"""Where ψ is zero, in two numbers."""


def erf(x: Value) -> Value:
    form, a, z = x.format, absolute(x), x * x
    small = fma(x, polynomial(z, chosen(form, "ERF")), x)
    if form is SINGLE:
        part = at_most(a, 3.92)
        large = 1.0 - exp_normal(-polynomial(part, coefficients.ERF_TAIL_SINGLE))
    else:
        large = 1.0 - erfc_of_positive(at_most(a, 6.0))
    return select(a < 0.95, small, with_sign(large, bits(x)))


def erfc_of_positive(a: Value) -> Value:
    square = a * a
    lost = fma(a, a, -square)
    t = (a - 4.0) / (a + 4.0)
    return exp_times(-square, polynomial(t, chosen(a.format, "ERFC")) * (1.0 - lost) / fma(a, 2.0, 1.0))


def erfc(x: Value) -> Value:
    form, a, z = x.format, absolute(x), x * x
    near = 0.5 - (fma(x, polynomial(z, chosen(form, "ERF")), x) - 0.5)
    result = erfc_of_positive(at_most(a, VANISHED[form]))
    return select(a < 0.5, near, select(x < 0.0, 2.0 - result, result))


def lgamma(x: Value) -> Value:
    return in_double(x, _lgamma)


def _lgamma(x: Value) -> Value:
    """log Γ(1 + w) = w·(w - 1)·P for 0 ≤ w < 1; from there by Γ(x + 1) = x·Γ(x), and from 8 on Stirling's series."""
    large = x >= 8.0
    w = x - floor(x)
    near = w * (w - 1.0) * polynomial(w - 0.5, coefficients.LGAMMA_DOUBLE)
    product = constant(x, 1.0)
    for j in range(1, 7):
        product = product * select(x >= j + 1.0, x - float(j), 1.0)
    logarithm = log(select(large | (x < 1.0), x, product))
    moderate = near + select(x < 1.0, -logarithm, logarithm)
    r = 1.0 / x
    series = fma(r, polynomial(r * r, STIRLING), 0.5 * math.log(2 * math.pi) - 0.5)
    result = select(large, fma(x - 0.5, logarithm - 1.0, series), moderate)
    result = select(x.equals(math.inf), x, result)
    return rarely(below(0.0), "lgamma", x, result)


def digamma(x: Value) -> Value:
    return in_double(x, _digamma)


def _digamma(x: Value) -> Value:
    """ψ(y) with y = 1 - x for negative x (reflection): about its zero where it is between 1 and 2.2, by recurrence to
    there below 10, by the series above."""
    reflected = x < 0.0
    y = select(reflected, 1.0 - x, x)
    large = y >= 10.0
    z = select(y < 1.0, y + 1.0, select(large, 2.0, y))
    above, below = constant(x, 0.0), constant(x, 1.0)
    for _ in range(8):
        high = z > 2.2
        z = select(high, z - 1.0, z)
        above, below = select(high, fma(above, z, below), above), select(high, below * z, below)
    small = y < 1.0
    above, below = select(small, -1.0, above), select(small, y, below)
    near = ((z - ZERO[0]) - ZERO[1]) * polynomial(z - 1.6, coefficients.DIGAMMA_DOUBLE) + above / below
    r = 1.0 / y
    far = log(y) - fma(r * r, polynomial(r * r, DIGAMMA), 0.5 * r)
    result = select(large | y.differs(y), far, near)
    part = x - rounded(x)
    halves = 2.0 * part + x.format.whole
    rest = math.pi * fma(halves - x.format.whole, -0.5, part)
    result = select(reflected, result + math.pi * ratio(rest, bits(halves) + 1), result)
    return select(reflected & part.equals(0.0), math.nan, result)
