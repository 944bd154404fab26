"""Trigonometric functions and their inverses.

The reduction subtracts multiples of π, which is given as a sum of three numbers (W. J. Cody and W. Waite, 1980); each
step is rounded once, and the first not at all. Arguments so large that this is not enough go to the C library.
The inverse functions follow Cephes (S. L. Moshier: atan.c, asin.c).
"""

from __future__ import annotations

import math
from itertools import zip_longest

from .exponential import chosen, in_double
from .values import (
    DOUBLE,
    SINGLE,
    Value,
    absolute,
    beyond,
    bits,
    constant,
    flipped,
    fma,
    polynomial,
    rarely,
    select,
    square_root,
    with_sign,
)

PI = {
    SINGLE: tuple(map(float.fromhex, ("0x1.921fb4p+1", "0x1.4442d0p-23", "0x1.846988p-47"))),
    DOUBLE: tuple(map(float.fromhex, ("0x1.921fb54442d18p+1", "0x1.1a62633145c06p-53", "0x1.c1cd129024e08p-106"))),
}
"""π as a sum of three numbers, all positive."""

LARGE = {SINGLE: 1e5, DOUBLE: 2.0**30}
"""From here on the C library reduces."""

TANGENT = math.tan(math.pi / 8)


def sin_reduced(r: Value) -> Value:
    """sin(r) for |r| ≤ π/4."""
    z = r * r
    return fma(r * z, polynomial(z, chosen(r.format, "SIN")), r)


def cos_reduced(r: Value) -> Value:
    """cos(r) for |r| ≤ π/4."""
    z = r * r
    return fma(z * z, polynomial(z, chosen(r.format, "COS")), fma(z, -0.5, 1.0))


def quarter(a: Value) -> tuple[Value, Value]:
    """(r, k) with a = k·π/2 + r and |r| ≤ π/4; k stands in the low bits of an integer."""
    shifted = fma(a, 2 / math.pi, a.format.whole)
    n = shifted - a.format.whole
    for part in PI[a.format]:
        a = fma(n, -part / 2, a)
    return a, bits(shifted)


def is_odd(k: Value) -> Value:
    return (k & 1).equals(1)


def sin_at(r: Value, k: Value) -> Value:
    """sin(k·π/2 + r) = ±(r + r·z·P(z)) or ±(1 + z·(-1/2 + z·Q(z))), with z = r².

    Choosing coefficients costs less than computing both polynomials to choose between them.
    """
    form, odd, z = r.format, is_odd(k), r * r
    sine, cosine = chosen(form, "SIN"), (-0.5, *chosen(form, "COS"))
    pairs = zip_longest(cosine, sine, fillvalue=0.0)
    first = select(odd, constant(r, 1.0), r)
    result = fma(z * first, polynomial(z, [select(odd, constant(r, c), s) for c, s in pairs]), first)
    return flipped(result, k << (form.integer.width - 2))


def sin(x: Value) -> Value:
    result = flipped(sin_at(*quarter(absolute(x))), bits(x))
    return rarely(beyond(LARGE[x.format]), "sin", x, result)


def cos(x: Value) -> Value:
    r, k = quarter(absolute(x))
    return rarely(beyond(LARGE[x.format]), "cos", x, sin_at(r, k + 1))


def ratio(r: Value, k: Value) -> Value:
    """tan(k·π/2 + r)."""
    sine, cosine = sin_reduced(r), cos_reduced(r)
    return select(is_odd(k), -cosine, sine) / select(is_odd(k), sine, cosine)


def tan(x: Value) -> Value:
    """In float64: the rounding of the angle, of both parts and of the quotient would come to more than two units."""
    return rarely(beyond(LARGE[x.format]), "tan", x, in_double(x, _tan))


def _tan(x: Value) -> Value:
    return flipped(ratio(*quarter(absolute(x))), bits(x))


def angle(y: Value, x: Value) -> Value:
    """The angle of (x, y), both ≥ 0 and not both zero or infinite: from 0 to π/2."""
    high, low, _ = PI[x.format]
    steep = y > x
    small, large = select(steep, x, y), select(steep, y, x)
    middle = small > TANGENT * large
    t = select(middle, small - large, small) / select(middle, small + large, large)
    z = t * t
    result = fma(t * z, polynomial(z, chosen(x.format, "ATAN")), t)
    result = select(middle, high / 4 + (result + low / 4), result)
    return select(steep, high / 2 - (result - low / 2), result)


def atan(x: Value) -> Value:
    return with_sign(angle(absolute(x), constant(x, 1.0)), bits(x))


def atan2(y: Value, x: Value) -> Value:
    """With the special cases of C (annex F.9.1.4)."""
    form = x.format
    high, low, _ = PI[form]
    up, across = absolute(y), absolute(x)
    huge = (up > 2.0 ** (-form.exponent - 1)) | (across > 2.0 ** (-form.exponent - 1))
    up, across = select(huge, 0.25 * up, up), select(huge, 0.25 * across, across)
    both = up.equals(math.inf) & across.equals(math.inf)
    none = up.equals(0.0) & across.equals(0.0)
    result = angle(select(both, 1.0, up), select(both | none, 1.0, across))
    result = select((bits(x) >> (form.integer.width - 1)).equals(0), result, high - (result - low))
    return with_sign(result, bits(y))


STEEP = {SINGLE: 0.6, DOUBLE: 0.5}
"""Up to here the arcsine is a polynomial; twice one of half the distance to 1 beyond it rounds more coarsely."""


def arcsine_parts(x: Value) -> tuple[Value, Value]:
    """(whether |x| > STEEP, asin(|x|) or else asin(√((1 - |x|)/2)))."""
    a = absolute(x)
    large = a > STEEP[x.format]
    z = select(large, 0.5 * (1.0 - a), a * a)
    s = select(large, square_root(z), a)
    return large, fma(s * z, polynomial(z, chosen(x.format, "ASIN")), s)


def asin(x: Value) -> Value:
    high, low, _ = PI[x.format]
    large, part = arcsine_parts(x)
    return with_sign(select(large, high / 2 - (2.0 * part - low / 2), part), bits(x))


def acos(x: Value) -> Value:
    high, low, _ = PI[x.format]
    large, part = arcsine_parts(x)
    near = high / 2 - (flipped(part, bits(x)) - low / 2)
    far = select(x > 0.0, 2.0 * part, high - (2.0 * part - low))
    return select(large, far, near)
