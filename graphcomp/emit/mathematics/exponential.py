"""Exponentials, logarithms, powers, and the functions made of them.

The reductions follow W. J. Cody and W. Waite, Software Manual for the Elementary Functions (1980), and for logarithms
Sun's fdlibm (e_log.c, s_log1p.c); powers carry the logarithm in two numbers (T. J. Dekker, 1971).
"""

from __future__ import annotations

import math

from . import coefficients
from .values import (
    DOUBLE,
    SINGLE,
    Format,
    Value,
    absolute,
    at_least,
    at_most,
    bits,
    constant,
    flipped,
    floor,
    fma,
    narrowed,
    negated,
    number,
    polynomial,
    power_of_two,
    rounded,
    select,
    square_root,
    whole,
    widened,
    with_sign,
)

LN2 = {SINGLE: (float.fromhex("0x1.62e430p-1"), float.fromhex("-0x1.05c610p-29")),
       DOUBLE: (float.fromhex("0x1.62e42fefa39efp-1"), float.fromhex("0x1.abc9e3b39803fp-56"))}  # fmt: skip
"""log 2 = high + low."""

RANGE = {SINGLE: (-104.0, 90.0), DOUBLE: (-746.0, 711.0)}
"""Below, exp is zero; above, its half is infinite."""

SATURATED = {SINGLE: 10.0, DOUBLE: 20.0}
"""From here on tanh is one."""

ROOT_HALF = math.sqrt(0.5)


def chosen(form: Format, name: str) -> tuple[float, ...]:
    """The coefficients for a format."""
    found: tuple[float, ...] = getattr(coefficients, f"{name}_{'SINGLE' if form is SINGLE else 'DOUBLE'}")
    return found


def exp_reduced(x: Value) -> tuple[Value, Value, Value]:
    """(exp(r) - 1, n, n as an integer in the low bits of a larger one), with x = n·log 2 + r and |r| ≤ log(2)/2."""
    form = x.format
    high, low = LN2[form]
    shifted = fma(x, 1 / math.log(2), form.whole)
    n = shifted - form.whole
    r = fma(n, -low, fma(n, -high, x))
    return fma(r * r, polynomial(r, chosen(form, "EXP")), r), n, bits(shifted)


def exp2(x: Value) -> Value:
    """2ˣ = 2ⁿ·exp(r) with r = (x - n)·log 2, exact where x is whole."""
    form = x.format
    low, high = (bound / math.log(2) for bound in RANGE[form])
    x = at_most(at_least(x, low), high)
    shifted = x + form.whole
    part = x - (shifted - form.whole)
    r = fma(part, LN2[form][1], part * LN2[form][0])
    n = bits(shifted)
    half = n >> 1
    result = 1.0 + fma(r * r, polynomial(r, chosen(form, "EXP")), r)
    return result * power_of_two(half) * power_of_two(n - half)


def exp_times(x: Value, factor: Value | float, halvings: int = 0) -> Value:
    """factor·exp(x)·2⁻ʰ, rounded once where it is subnormal: two steps of scaling reach all results."""
    low, high = RANGE[x.format]
    q, _, n = exp_reduced(at_most(at_least(x, low), high))
    half = n >> 1
    mantissa = 1.0 + q if isinstance(factor, float) and factor == 1.0 else (1.0 + q) * factor
    return mantissa * power_of_two(half) * power_of_two(n - half - halvings)


def exp_normal(x: Value) -> Value:
    """exp(x) of an x whose exponential is neither subnormal nor too large."""
    q, _, n = exp_reduced(x)
    return (1.0 + q) * power_of_two(n)


def exp(x: Value) -> Value:
    return exp_times(x, 1.0)


def expm1(x: Value) -> Value:
    """2·(2ⁿ⁻¹·(exp(r) - 1) + (2ⁿ⁻¹ - 1/2))."""
    form = x.format
    q, _, n = exp_reduced(at_most(at_least(x, -60.0), RANGE[form][1] - 1.0))
    scale = power_of_two(n - 1)
    result = 2.0 * fma(scale, q, scale - 0.5)
    return select(absolute(x) < 2.0**-form.fraction, x, result)


def log_split(x: Value) -> tuple[Value, Value]:
    """(m, n) with x = m·2ⁿ and √½ ≤ m < √2, for finite x > 0."""
    form = x.format
    tiny = x < 2.0**form.exponent
    up = float(form.fraction + 1)
    i = bits(select(tiny, x * 2.0**up, x)) - form.bits(ROOT_HALF)
    mantissa = (i & ((1 << form.fraction) - 1)) + form.bits(ROOT_HALF)
    return number(mantissa), whole(i >> form.fraction) - select(tiny, constant(x, up), 0.0)


def log_joined(f: Value, n: Value) -> Value:
    """n·log 2 + log(1 + f)."""
    form = f.format
    high, low = LN2[form]
    square = 0.5 * f * f
    if form is SINGLE:
        tail = fma(n, low, f * (f * f) * polynomial(f, coefficients.LOG_SINGLE))
        return fma(n, high, f - (square - tail))
    s = f / (2.0 + f)
    z = s * s
    tail = fma(s, fma(z, polynomial(z, coefficients.ATANH_DOUBLE), square), n * low)
    return fma(n, high, f - (square - tail))


def log_ends(x: Value, result: Value) -> Value:
    """-∞ at 0, NaN below; ∞ and NaN as they are."""
    result = select(x < math.inf, result, x)
    result = select(x < 0.0, math.nan, result)
    return select(x.equals(0.0), -math.inf, result)


def log(x: Value) -> Value:
    m, n = log_split(x)
    return log_ends(x, log_joined(m - 1.0, n))


LOG2_E = {SINGLE: (float.fromhex("0x1.715476p+0"), float.fromhex("0x1.4ae0cp-26")),
          DOUBLE: (float.fromhex("0x1.71547652b82fep+0"), float.fromhex("0x1.777d0ffda0d24p-56"))}  # fmt: skip
"""1 / log 2 = high + low."""

LOG10_E = {SINGLE: (float.fromhex("0x1.bcb7b2p-2"), float.fromhex("-0x1.5b235ep-27")),
           DOUBLE: (float.fromhex("0x1.bcb7b1526e50ep-2"), float.fromhex("0x1.95355baaafad3p-57"))}  # fmt: skip
"""1 / log 10 = high + low."""

LOG10_2 = {SINGLE: (float.fromhex("0x1.344p-2"), float.fromhex("0x1.3509f8p-18")),
           DOUBLE: (float.fromhex("0x1.34413509f60p-2"), float.fromhex("0x1.9fef311f12b36p-42"))}  # fmt: skip
"""log 2 / log 10 = high + low; whole numbers times the first are exact."""


def log2(x: Value) -> Value:
    """n + log(m)/log 2, exact for powers of two."""
    m, n = log_split(x)
    high, low = LOG2_E[x.format]
    part = log_joined(m - 1.0, constant(x, 0.0))
    return log_ends(x, fma(part, high, n) + part * low)


def log10(x: Value) -> Value:
    """n·(log 2/log 10) + log(m)/log 10."""
    m, n = log_split(x)
    (high, low), (two, two_low) = LOG10_E[x.format], LOG10_2[x.format]
    part = log_joined(m - 1.0, constant(x, 0.0))
    return log_ends(x, fma(n, two, fma(part, high, fma(n, two_low, part * low))))


def cbrt(x: Value) -> Value:
    return in_double(x, _cbrt)


def _cbrt(x: Value) -> Value:
    """2^q·∛t with t = m·2^j, j from -1 to 1: a polynomial of m, a step of Halley's, and a step of Newton's."""
    a = absolute(x)
    m, n = log_split(a)
    q = rounded(n * (1 / 3))
    j = n - 3.0 * q
    up, down = j > 0.5, j < -0.5
    t = m * select(up, 2.0, select(down, constant(x, 0.5), 1.0))
    root = polynomial(m, coefficients.CBRT_DOUBLE) * select(
        up, 2 ** (1 / 3), select(down, constant(x, 2 ** (-1 / 3)), 1.0)
    )
    cube = root * root * root
    root = root * (cube + 2.0 * t) / (2.0 * cube + t)
    square = root * root
    over = fma(square, root, -t) + fma(root, root, -square) * root
    root = root - over / (3.0 * square)
    result = with_sign(root * power_of_two(bits(q + DOUBLE.whole)), bits(x))
    return select(x.equals(0.0) | negated(a < math.inf), x, result)


def hypot(x: Value, y: Value) -> Value:
    """√(x² + y²), in float32 by way of float64; infinite where an argument is, whatever the other one is."""
    result = narrowed(_hypot(widened(x), widened(y)), x.format)
    infinite = absolute(x).equals(math.inf) | absolute(y).equals(math.inf)
    return select(infinite, constant(x, math.inf), result)


def _hypot(x: Value, y: Value) -> Value:
    """Scaled by powers of two where squares would be too large or lose digits."""
    a, b = absolute(x), absolute(y)
    huge = (a > 2.0**510) | (b > 2.0**510)
    tiny = (a < 2.0**-450) & (b < 2.0**-450)
    scale = select(huge, 2.0**-600, select(tiny, constant(x, 2.0**600), 1.0))
    back = select(huge, 2.0**600, select(tiny, constant(x, 2.0**-600), 1.0))
    a, b = a * scale, b * scale
    large = a > b
    first, second = select(large, a, b), select(large, b, a)
    return square_root(fma(first, first, second * second)) * back


def logaddexp(x: Value, y: Value) -> Value:
    """log(eˣ + eʸ) = the larger + log(1 + exp(-distance))."""
    distance = select(x.equals(y), 0.0, -absolute(x - y))
    return select(x > y, x, y) + log1p_of_part(exp(distance))


def log1p(x: Value) -> Value:
    """The logarithm of 1 + x = u + c, where u is a number and c what it leaves out."""
    form = x.format
    u = 1.0 + x
    back = u - 1.0
    c = (1.0 - (u - back)) + (x - back)
    m, n = log_split(u)
    near = n.equals(0.0)
    scale = power_of_two(bits(form.whole - at_most(n, 100.0)))
    f = select(near, x, fma(c, scale, m - 1.0))
    result = log_ends(u, log_joined(f, n))
    return select(absolute(x) < 2.0**-form.fraction, x, result)


def log1p_of_part(t: Value) -> Value:
    """log(1 + t) for 0 ≤ t ≤ 1."""
    upper = t > math.sqrt(2) - 1
    return log_joined(select(upper, 0.5 * (t - 1.0), t), select(upper, constant(t, 1.0), 0.0))


def softplus(x: Value) -> Value:
    return select(x > 0.0, x, 0.0) + log1p_of_part(exp(-absolute(x)))


def sigmoid(x: Value) -> Value:
    """t/(1 + t) or 1/(1 + t), corrected by what the rounding of 1 + t took off."""
    t = exp(-absolute(x))
    below = 1.0 + t
    lost = t - (below - 1.0)
    positive = x >= 0.0
    result = select(positive, 1.0, t) / below
    return result - result * lost * select(positive, result, 1.0 - result)


def tanh(x: Value) -> Value:
    """A polynomial up to 0.625 (Cephes, tanhf.c), from there 1 - 2/(exp(2a) + 1)."""
    form, a, z = x.format, absolute(x), x * x
    small = fma(a * z, polynomial(z, chosen(form, "TANH")), a)
    large = 1.0 - 2.0 / (exp_normal(2.0 * at_most(a, SATURATED[form])) + 1.0)
    return with_sign(select(a < 0.625, small, large), bits(x))


def sinh(x: Value) -> Value:
    form, a, z = x.format, absolute(x), x * x
    small = fma(a * z, polynomial(z, chosen(form, "SINH")), a)
    half = exp_times(a, 1.0, halvings=1)
    return with_sign(select(a < 1.0, small, half - 0.25 / half), bits(x))


def cosh(x: Value) -> Value:
    half = exp_times(absolute(x), 1.0, halvings=1)
    return half + 0.25 / half


def asinh(x: Value) -> Value:
    """log(1 + a + a²/(1 + √(a² + 1))); where a² is lost or too large, log a + log 2."""
    a = absolute(x)
    large = a > 2.0**x.format.fraction
    part = at_most(a, 2.0**x.format.fraction)
    square = part * part
    argument = part + square / (1.0 + square_root(square + 1.0))
    near = log1p(select(large, a, argument))
    return with_sign(near + select(large, constant(x, math.log(2)), 0.0), bits(x))


def acosh(x: Value) -> Value:
    large = x > 2.0**x.format.fraction
    t = at_most(x, 2.0**x.format.fraction) - 1.0
    near = log1p(select(large, x, t + square_root(t * (t + 2.0))))
    return select(x < 1.0, math.nan, near + select(large, constant(x, math.log(2)), 0.0))


def atanh(x: Value) -> Value:
    a = absolute(x)
    return with_sign(0.5 * log1p(2.0 * a / (1.0 - a)), bits(x))


def in_double(x: Value, formula: object) -> Value:
    """A formula of float64 for either dtype: float32 comes out rounded once more."""
    assert callable(formula)
    result: Value = narrowed(formula(widened(x)), x.format)
    return result


def power(x: Value, y: Value) -> Value:
    """xʸ = exp(y·log|x|), with the sign and the special cases of C (annex F.9.4.4)."""
    form = x.format
    base, exponent = widened(x), widened(y)
    size = absolute(base)
    result = narrowed(_power_of_positive(size, exponent, form), form)
    integer = floor(exponent).equals(exponent)
    halved = 0.5 * exponent
    odd = integer & floor(halved).differs(halved)
    result = select(odd, flipped(result, bits(x)), result)
    result = select((base < 0.0) & negated(integer) & (size < math.inf), math.nan, result)
    return select(base.equals(1.0) | exponent.equals(0.0), 1.0, result)


def _power_of_positive(x: Value, y: Value, form: Format) -> Value:
    """In float64; for a result in float32 one number is enough for the logarithm."""
    if form is SINGLE:
        m, n = log_split(x)
        found = exp_times(y * log_joined(m - 1.0, n), 1.0)
    else:
        high, low = _log_in_two(x)
        product = y * high
        rest = fma(y, low, fma(y, high, -product))
        found = exp_times(product, 1.0 + select(absolute(rest) < 1.0, rest, 0.0))
    growing = (x > 1.0) & (y > 0.0) | (x < 1.0) & (y < 0.0)
    extreme = select(growing, constant(x, math.inf), 0.0)
    found = select(x.equals(0.0) | x.equals(math.inf) | absolute(y).equals(math.inf), extreme, found)
    found = select(x.equals(1.0), 1.0, found)
    return select(x.equals(x) & y.equals(y), found, x + y)


def _log_in_two(x: Value) -> tuple[Value, Value]:
    """log x as a sum of two numbers, to about 70 bits: 2s + 2s³/3 + … with s = f/(2 + f) in two numbers as well."""
    m, n = log_split(x)
    f = m - 1.0
    below = 2.0 + f
    s = f / below
    s_low = (fma(-s, below, f) - s * (f - (below - 2.0))) / below
    z = s * s
    z_low = fma(s, s, -z) + 2.0 * (s * s_low)
    third = z * (1 / 3)
    third_low = fma(z, 1 / 3, -third) + (z * (1 / 3 * 2.0**-54) + z_low * (1 / 3))
    third_low = third_low + z * z * polynomial(z, coefficients.ATANH_TAIL_DOUBLE)
    term = s * third
    term_low = fma(s, third, -term) + (s * third_low + s_low * third)
    first, first_low = sum_of_two(s, term)
    first_low = first_low + (s_low + term_low)
    high, low = LN2[DOUBLE]
    product = n * high
    total, total_low = sum_of_two(product, 2.0 * first)
    total_low = total_low + (fma(n, high, -product) + n * low + 2.0 * first_low)
    return sum_of_two(total, total_low)


def sum_of_two(large: Value, small: Value) -> tuple[Value, Value]:
    """A sum and what rounding took off, for |large| ≥ |small| or large = 0 (T. J. Dekker)."""
    total = large + small
    return total, small - (total - large)
