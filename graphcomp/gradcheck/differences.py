"""Numerical derivatives of a function of one number at 0: extrapolated differences, the complex step, error curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

Line = Callable[[float], float]
"""t ↦ φ(x + t·e), for the unit vector e of one entry."""

LEVELS = 6
COMPLEX_STEP = 1e-30
CURVE = tuple(10.0 ** (-exponent / 2) for exponent in range(25))
"""The steps of an error curve, relative to the entry: 1, 0.32, 0.1, … 10⁻¹²."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A numerical derivative: its value, how far it may be off, and the step it was found with.

    `left` and `right` are the one-sided derivatives; at a kink they disagree however small the step is. `method` is
    "extrapolation" or "complex step".
    """

    value: float
    uncertainty: float
    step: float
    left: float
    right: float
    kink: bool
    method: str = "extrapolation"


@dataclass(frozen=True, slots=True)
class ErrorCurve:
    """How far numerical derivatives of one entry are from a derived one, against the step: relative errors.

    Of a right derivative the error of central differences falls with the square of the step, that of one-sided ones
    with the step, until rounding, which grows as the step shrinks, takes over. Of a wrong one all of them level out
    where it is wrong. `extrapolated` is the error of the extrapolated differences, `complex_step` that of the complex
    step, or None where the function has none.
    """

    steps: tuple[float, ...]
    central: tuple[float, ...]
    one_sided: tuple[float, ...]
    extrapolated: float
    complex_step: float | None


def difference(function: Line, step: float, epsilon: float) -> Difference:
    """The derivative at 0 of a function of one number, by Richardson extrapolation (Ridders' table).

    Central differences at h, h/2, h/4, … are the first column; each further column removes one more power of h²:

        T[i][j] = T[i][j-1] + (T[i][j-1] - T[i-1][j-1]) / (4ʲ - 1)

    and the entry that differs least from its neighbours is taken. `epsilon` is the relative rounding error of the
    function's values.
    """
    steps = [step / 2**level for level in range(LEVELS)]
    center = function(0.0)
    rights, lefts = [], []
    previous: list[float] = []
    best = (math.nan, math.inf, steps[-1])
    for h in steps:
        above, below = function(h), function(-h)
        rights.append((above - center) / h)
        lefts.append((center - below) / h)
        noise = epsilon * max(abs(above), abs(below)) / h
        row = [(above - below) / (2 * h)]
        for column, older in enumerate(previous, start=1):
            row.append(row[-1] + (row[-1] - older) / (4**column - 1))
            off = max(abs(row[-1] - row[-2]), abs(row[-1] - older)) + noise
            if off < best[1]:  # false for NaN
                best = (row[-1], off, h)
        previous = row
    jumps = [abs(right - left) for right, left in zip(rights, lefts)]
    noise = 16 * epsilon * abs(center) / steps[-1]
    kink = jumps[-1] > noise and jumps[-1] > 0.5 * jumps[-3]  # of a smooth function, a quarter
    if any(_jumps(slopes, noise) for slopes in (lefts, rights)):
        return Difference(*best, -math.inf, math.inf, True)
    return Difference(*best, lefts[-1], rights[-1], kink)


def _jumps(slopes: Sequence[float], noise: float) -> bool:
    """Whether the function jumps at the point: its one-sided slope doubles whenever the step is halved.

    So do the slopes of a derivative at a kink of the function, as of |x|' at 0; no value of it is wrong.
    """
    grows = all(abs(later) > 1.9 * abs(earlier) for earlier, later in pairwise(slopes[-4:]))
    return grows and abs(slopes[-1]) > noise


def refined(found: Difference, complex_slope: float | None) -> Difference:
    """The complex step's derivative, Im φ(x + ih) / h, where it agrees with the differences as far as they reach.

    It has no cancellation, so it is exact to rounding. Where it disagrees, the function is not analytic there.
    """
    if complex_slope is None or not math.isfinite(complex_slope) or found.kink:
        return found
    close = max(10 * found.uncertainty, 1e-9 * abs(complex_slope))
    if not abs(complex_slope - found.value) <= close:
        return found
    uncertainty = min(found.uncertainty, 1e-14 * abs(complex_slope))
    return replace(found, value=complex_slope, uncertainty=uncertainty, step=COMPLEX_STEP, method="complex step")


def error_curve(function: Line, derived: float, scale: float, size: float, found: Difference, exact: float | None):
    """The errors of differences of one entry against `derived`, relative to `scale`; the entry's size is `size`."""
    center = function(0.0)
    steps = tuple(size * step for step in CURVE)
    values = [(function(h), function(-h)) for h in steps]
    return ErrorCurve(
        steps,
        tuple(abs((above - below) / (2 * h) - derived) / scale for h, (above, below) in zip(steps, values)),
        tuple(abs((above - center) / h - derived) / scale for h, (above, _) in zip(steps, values)),
        abs(found.value - derived) / scale,
        None if exact is None else abs(exact - derived) / scale,
    )
