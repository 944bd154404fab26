"""The error function, log Γ and its derivative.

erfc is exp(-a²) times a function that varies little, of t = (a - 4)/(a + 4) (M. Shepherd and J. Laframboise,
Mathematics of Computation 36, 1981); for large arguments log Γ and ψ have Stirling's series (DLMF 5.11).
"""

from __future__ import annotations

import math

from . import coefficients
from .exponential import chosen, exp_normal, exp_times, in_double, log, sum_of_two
from .trigonometric import PI, ratio
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

VANISHED = 27.6
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
    return exp_times(-square, polynomial(t, coefficients.ERFC_DOUBLE) * (1.0 - lost) / fma(a, 2.0, 1.0))


def erfc(x: Value) -> Value:
    return in_double(x, _erfc)


def _erfc(x: Value) -> Value:
    a, z = absolute(x), x * x
    near = 0.5 - (fma(x, polynomial(z, coefficients.ERF_DOUBLE), x) - 0.5)
    result = erfc_of_positive(at_most(a, VANISHED))
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
    there below 10, by the series above. Where both terms of the reflection cancel, they are sums of two numbers."""
    reflected = x < 0.0
    y = select(reflected, 1.0 - x, x)
    large = (y >= 10.0) | y.differs(y)
    z = select(y < 1.0, y + 1.0, select(large, 2.0, y))
    z, steps, steps_low = _steps_down(z)
    small = y < 1.0
    steps, steps_low = select(small, -1.0 / y, steps), select(small, 0.0, steps_low)
    rest = ((z - ZERO[0]) - ZERO[1]) * polynomial(z - 1.6, coefficients.DIGAMMA_DOUBLE)
    steps_first = absolute(steps) > absolute(rest)
    near, near_low = sum_of_two(select(steps_first, steps, rest), select(steps_first, rest, steps))
    r = 1.0 / y
    far = log(y) - fma(r * r, polynomial(r * r, DIGAMMA), 0.5 * r)
    result = select(large, far, near)
    low = select(large | absolute(result).equals(math.inf), 0.0, near_low + steps_low)
    part = x - rounded(x)
    result = select(reflected, _reflected(part, result, low), result + low)
    return select(reflected & part.equals(0.0), math.nan, result)


def _steps_down(z: Value) -> tuple[Value, Value, Value]:
    """(z - k, Σ 1/(z - j) for 1 ≤ j ≤ k, and what rounding took off it), with z - k ≤ 2.2: a quotient of two sums."""
    above, below = constant(z, 0.0), constant(z, 1.0)
    above_low, below_low = constant(z, 0.0), constant(z, 0.0)
    for _ in range(8):
        high = z > 2.2
        z = select(high, z - 1.0, z)
        total, product = fma(above, z, below), below * z
        lost = fma(above, z, below - total)
        above_low = select(high, fma(above_low, z, below_low) + lost, above_low)
        below_low = select(high, fma(below_low, z, fma(below, z, -product)), below_low)
        above, below = select(high, total, above), select(high, product, below)
    quotient = above / below
    return z, quotient, (fma(-quotient, below, above) + (above_low - quotient * below_low)) / below


def _reflected(part: Value, above: Value, above_low: Value) -> Value:
    """ψ(1 - x) - π·cot(π·x)."""
    halves = 2.0 * part + part.format.whole
    turns = fma(halves - part.format.whole, -0.5, part)
    high, low, _ = PI[DOUBLE]
    angle = high * turns
    angle_low = fma(turns, high, -angle) + low * turns
    slope = ratio(angle, bits(halves) + 1)
    slope_low = angle_low * fma(slope, slope, 1.0)
    term = high * slope
    term_low = fma(slope, high, -term) + (low * slope + high * slope_low)
    return above + term + select(absolute(slope) < 1e100, term_low + above_low, 0.0)
