"""Compute the polynomials of `graphcomp/emit/mathematics/coefficients.py`: `python docs/approximations/make.py`.

Each is the polynomial with the least greatest weighted error on an interval, by Remez' exchange in 40 digits (after
E. Y. Remez, 1934; W. Fraser and J. F. Hart, CACM 5, 1962). Coefficients of float32 are rounded from the lowest degree
up, and those above fitted again, so that rounding costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

TARGET = Path(__file__).parents[2] / "graphcomp" / "emit" / "mathematics" / "coefficients.py"
Function = Callable[[Any], Any]
mp.mp.dps = 40


@dataclass(frozen=True)
class Fit:
    """`target` on [low, high] by a polynomial of so many terms for float32 and for float64 (0: none).

    The error is multiplied by `weight`: with it, that of the polynomial becomes the relative error of the function
    which is computed from it.
    """

    name: str
    summary: str
    target: Function
    weight: Function
    low: Any
    high: Any
    single: int
    double: int
    double_high: Any = None

    def interval(self, dtype: str) -> tuple[Any, Any]:
        return self.low, self.double_high if dtype == "float64" and self.double_high is not None else self.high


def odd_part(function: Function) -> tuple[Function, Function]:
    """P and its weight, with function(x) = x + x³ P(x²)."""

    def target(z: Any) -> Any:
        x = mp.sqrt(z)
        return (function(x) - x) / x**3

    return target, lambda z: mp.sqrt(z) ** 3 / function(mp.sqrt(z))


def scaled_erfc(k: int) -> Function:
    """(1 + 2a)·exp(a²)·erfc(a) as a function of t = (a - k)/(a + k)."""

    def target(t: Any) -> Any:
        a = k * (1 + t) / (1 - t)
        return (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a)

    return target


TINY = mp.mpf("1e-5")
ROOT = mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"))
FITS = [
    Fit("EXP", "exp(r) = 1 + r + r²·P(r), relative to exp(r) - 1", lambda r: (mp.expm1(r) - r) / r**2,
        lambda r: r**2 / mp.expm1(r), -mp.mpf("0.34668"), mp.mpf("0.34668"), 5, 11),
    Fit("LOG", "log(1 + f) = f - f²/2 + f³·P(f)", lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: f**3 / mp.log1p(f), mp.sqrt(0.5) - 1, mp.sqrt(2) - 1, 9, 0),
    Fit("CBRT", "∛m, √½ ≤ m ≤ √2, to begin with", mp.cbrt, lambda m: 1 / mp.cbrt(m), mp.sqrt(0.5), mp.sqrt(2), 0, 4),
    Fit("ATANH", "2 atanh(s) = 2s + s³·P(s²)", lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
        lambda z: z * mp.sqrt(z) / mp.atanh(mp.sqrt(z)) / 2, TINY, mp.mpf("0.02945"), 0, 7),
    Fit("ATANH_TAIL", "atanh(s) = s + s³/3 + s⁵·P(s²)",
        lambda z: (mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1 - z / 3) / z**2, lambda z: z**2, TINY, mp.mpf("0.02945"),
        0, 8),
    Fit("SIN", "sin(r) = r + r³·P(r²), |r| ≤ π/4", *odd_part(mp.sin), TINY, mp.mpf("0.6269"), 3, 6),
    Fit("COS", "cos(r) = 1 - r²/2 + r⁴·P(r²), |r| ≤ π/4",
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2 / mp.cos(mp.sqrt(z)), TINY,
        mp.mpf("0.6269"), 3, 6),
    Fit("TANH", "tanh(x) = x + x³·P(x²), |x| ≤ 0.625", *odd_part(mp.tanh), TINY, mp.mpf("0.390626"), 5, 11),
    Fit("SINH", "sinh(x) = x + x³·P(x²), |x| ≤ 1", *odd_part(mp.sinh), TINY, mp.mpf(1), 4, 8),
    Fit("ATAN", "atan(t) = t + t³·P(t²), |t| ≤ tan(π/8)", *odd_part(mp.atan), TINY, mp.mpf("0.171574"), 5, 12),
    Fit("ASIN", "asin(x) = x + x³·P(x²), |x| ≤ 0.6 in float32, 1/2 in float64", *odd_part(mp.asin), TINY,
        mp.mpf("0.3601"), 6, 13, mp.mpf("0.25")),
    Fit("ERF", "erf(x) = x + x·P(x²), |x| ≤ 1", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
        lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)), TINY, mp.mpf(1), 7, 13),
    Fit("ERF_TAIL", "erf(a) = 1 - exp(-P(a)), 0.9 ≤ a ≤ 3.92", lambda a: -mp.log(mp.erfc(a)),
        lambda a: mp.erfc(a) / mp.erf(a), mp.mpf("0.9"), mp.mpf("3.92"), 8, 0),
    Fit("ERFC", "erfc(a) = exp(-a²)/(1 + 2a)·P((a - 4)/(a + 4))", scaled_erfc(4),
        lambda t: 1 / scaled_erfc(4)(t), mp.mpf(-1), mp.mpf("0.7445"), 0, 23),
    Fit("LGAMMA", "log Γ(1.5 + u) = (u² - 1/4)·P(u), |u| ≤ 1/2",
        lambda u: mp.loggamma(u + mp.mpf("1.5")) / (u**2 - mp.mpf("0.25")), lambda u: mp.mpf(2), mp.mpf("-0.49999"),
        mp.mpf("0.49999"), 0, 22),
    Fit("DIGAMMA", "ψ(1.6 + u) = (1.6 + u - x₀)·P(u), |u| ≤ 0.6, where ψ(x₀) = 0",
        lambda u: mp.digamma(u + mp.mpf("1.6")) / (u + mp.mpf("1.6") - ROOT),
        lambda u: (u + mp.mpf("1.6") - ROOT) / mp.digamma(u + mp.mpf("1.6")), mp.mpf("-0.6"), mp.mpf("0.6"), 0, 23),
]  # fmt: skip


def value(coefficients: Sequence[Any], x: Any) -> Any:
    result = mp.mpf(0)
    for coefficient in reversed(coefficients):
        result = result * x + coefficient
    return result


def remez(target: Sequence[Any], weight: Sequence[Any], points: Sequence[Any], terms: int, first: int) -> list[Any]:
    """The coefficients of degrees first, first + 1, … whose weighted error is least at its greatest on the points."""
    count = len(points)
    places = sorted({round((1 - np.cos(np.pi * k / terms)) / 2 * (count - 1)) for k in range(terms + 1)})
    powers = [[x ** (first + j) for j in range(terms)] for x in points]
    coefficients: list[Any] = []
    for _ in range(12):
        rows = [[*powers[k], (-1) ** i / weight[k]] for i, k in enumerate(places)]
        *coefficients, level = mp.lu_solve(mp.matrix(rows), mp.matrix([target[k] for k in places]))
        errors = [(target[k] - mp.fdot(powers[k], coefficients)) * weight[k] for k in range(count)]
        found = extrema(errors, terms + 1)
        if found is None or found == places or max(map(abs, errors)) < abs(level) * mp.mpf("1.02"):
            break
        places = found
    return coefficients


def extrema(errors: Sequence[Any], wanted: int) -> list[int] | None:
    """Where the error is greatest between its changes of sign: so many places, with the greatest ones among them."""
    runs: list[list[int]] = []
    for k, error in enumerate(errors):
        if not runs or (error > 0) != (errors[runs[-1][0]] > 0):
            runs.append([])
        runs[-1].append(k)
    peaks = [max(run, key=lambda k: abs(errors[k])) for run in runs]
    while len(peaks) > wanted:
        peaks.pop(0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1)
    return peaks if len(peaks) == wanted else None


def fitted(fit: Fit, dtype: str) -> tuple[list[Any], float]:
    """(the coefficients as numbers of the dtype, their greatest weighted error)."""
    terms = fit.single if dtype == "float32" else fit.double
    low, high = fit.interval(dtype)
    count = 24 * terms + 40
    points = [low + (high - low) * (1 - mp.cos(mp.pi * k / count)) / 2 for k in range(count + 1)]
    points = [x if x != 0 else mp.mpf("1e-12") for x in points]
    target, weight = [fit.target(x) for x in points], [abs(fit.weight(x)) for x in points]

    def error_of(coefficients: list[Any]) -> float:
        return float(max(abs((t - value(coefficients, x)) * w) for t, x, w in zip(target, points, weight)))

    plain = [_rounded(c, dtype) for c in remez(target, weight, points, terms, 0)]
    if dtype == "float64":
        return plain, error_of(plain)
    kept: list[Any] = []
    rest = target
    while len(kept) < terms:
        kept.append(_rounded(remez(rest, weight, points, terms - len(kept), len(kept))[0], dtype))
        rest = [t - value(kept, x) for t, x in zip(target, points)]
    best = min(plain, kept, key=error_of)
    return best, error_of(best)


def _rounded(number: Any, dtype: str) -> Any:
    return mp.mpf(float(np.dtype(dtype).type(float(number))))


HEADER = '''"""Polynomials of least greatest error, lowest degree first; written by docs/approximations/make.py."""

'''


def main() -> None:
    lines = []
    for fit in FITS:
        for dtype, terms in (("float32", fit.single), ("float64", fit.double)):
            if terms:
                coefficients, error = fitted(fit, dtype)
                print(f"{fit.name} {dtype} {terms} terms: {error:.2e}", flush=True)
                lines.append(f"# {fit.summary}: error {error:.1e}")
                lines.append(f"{fit.name}_{'SINGLE' if dtype == 'float32' else 'DOUBLE'} = (")
                lines += [*(f"    {float(c)!r}," for c in coefficients), ")"]
    TARGET.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
