"""Derivatives against numbers: `check_grads` says which entry of which input is wrong, and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import InputError
from ..transform import jvp, vjp
from .differences import COMPLEX_STEP, Difference, ErrorCurve, Line, difference, error_curve, refined
from .problem import (
    Arguments,
    Arrays,
    Problem,
    Scalar,
    arguments_of,
    complex_of_graph,
    complex_value,
    derivative_along,
    derived_entries,
    evaluated,
    given_gradient,
    parameter_names,
    plain_scalar,
    problem,
    traced,
)
from .report import GradientEntry, GradientReport, InnerProduct, Kink

ATTEMPTS, NAMED_KINKS = 3, 3
STEPS = {"float64": 1e-2, "float32": 0.25}
TOLERANCES = {"float64": 1e-6, "float32": 2e-3}
MODES = ("fwd", "rev")
GIVEN = "given"


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int | None = None,
    modes: Sequence[str] = MODES,
    seed: int = 0,
    step: float | None = None,
    tolerance: float | None = None,
    entries: int = 100,
    gradient: Callable[..., Any] | None = None,
) -> GradientReport:
    """Compare derivatives of `f` at `args` with numerical ones, up to `order` (2), in forward and reverse mode.

    `f` takes and returns arrays in nested containers; inputs that are not floating point are held fixed. Of an input
    with more than `entries` entries, as many are drawn. `step` is the largest difference step, `tolerance` the largest
    error relative to the larger of the entry and a hundredth of the largest entry of that input's gradient; by default
    they follow the dtype. Numbers come from central differences, Richardson-extrapolated, in float64 also where the
    inputs are float32, and from the complex step where `f` is analytic. Where one-sided differences disagree, the point
    lies at a kink, and any value between them is right.

    With `gradient`, somebody else's: `f` and it are any functions of NumPy arrays. `f` gives one number, `gradient` an
    array for each argument, in a tuple if there are several (None for what is not floating point). Only the first order
    can be checked then.

    Raises InputError for a request that makes no sense and DerivativeError where there is nothing to differentiate.
    """
    _check_request(args, order, modes, gradient)
    rng = np.random.default_rng(seed)
    name = getattr(f, "__name__", type(f).__name__)
    if gradient is not None:
        return _check_given(f, gradient, name, args, rng, step, tolerance, entries)
    task = problem(f, args, rng)
    check = _Check.of(task.arguments, rng, tolerance, entries)
    scalars = dict.fromkeys(modes, task.scalar)
    for level in range(1, (order or 2) + 1):
        graph = traced(scalars[modes[0]], check.exact)
        plain = scalars[modes[0]] if level == 1 else evaluated(graph)
        numbers = Numbers(plain, complex_of_graph(graph), check.exact, step)
        for mode in modes:
            check.judge(mode, level, derived_entries(scalars[mode], mode, task.arguments.point, check.chosen), numbers)
        direction = [rng.uniform(0.5, 1.5, array.shape) for array in check.exact]
        scalars = {mode: derivative_along(scalars[mode], mode, direction) for mode in modes}
    inner = _inner_product(task, rng, check.tolerance) if set(modes) == set(MODES) else None
    plain_sum = all(isinstance(weight, float) for weight in task.weights)
    return check.report(name, inner, () if plain_sum else ("the results were added with random weights",))


def _check_request(args: Any, order: int | None, modes: Sequence[str], gradient: Any) -> None:
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes or (order is not None and order < 1):
        raise InputError(f"modes are 'fwd' and 'rev' and the order is at least 1, not {modes!r} and {order}.")
    if not isinstance(args, (tuple, list)):
        raise InputError(f"args is a tuple of the function's arguments, not a {type(args).__name__}; write (x,).")
    if gradient is not None and order not in (None, 1):
        raise InputError(f"of a given gradient only the first order can be checked, not order {order}.")


def _check_given(
    f: Callable[..., Any],
    gradient: Callable[..., Any],
    name: str,
    args: Sequence[Any],
    rng: np.random.Generator,
    step: float | None,
    tolerance: float | None,
    entries: int,
) -> GradientReport:
    """Compare somebody's gradient with numerical derivatives, and along a random direction for all entries at once."""
    arguments = arguments_of(parameter_names(f, args), args)
    scalar = plain_scalar(f, arguments)
    slopes = given_gradient(gradient, arguments)
    exact = tuple(array.astype("float64") for array in arguments.point)
    numbers = Numbers(scalar, scalar, exact, step)
    check = _Check.of(arguments, rng, tolerance, entries, single=numbers.single)
    check.judge(GIVEN, 1, [slope.reshape(-1)[places] for slope, places in zip(slopes, check.chosen)], numbers)
    u = [rng.standard_normal(array.shape) for array in exact]
    line = numbers.line(lambda t: [array + t * part for array, part in zip(exact, u)])
    found = difference(line, numbers.widest, numbers.epsilon)
    whole, scale = _dot(slopes, u), max(_dot(map(np.abs, slopes), map(np.abs, u)), abs(found.value), 1e-300)
    off = abs(found.value - whole) / scale
    fine = off <= check.tolerance + min(found.uncertainty / scale, 100 * check.tolerance) or found.kink
    return check.report(name, InnerProduct(found.value, whole, off, bool(fine), given=True))


# numbers -------------------------------------------------------------------------------------------------------------


class Numbers:
    """Numerical derivatives of one function at one point, each worked out once."""

    def __init__(self, scalar: Scalar, complex_scalar: Scalar, point: Arrays, step: float | None) -> None:
        self.scalar, self.complex_scalar, self.point = scalar, complex_scalar, point
        self.single = self.computes_in_single()
        kind = "float32" if self.single else "float64"
        self.epsilon = float(np.finfo(kind).eps)
        self.widest = STEPS[kind] if step is None else step
        self.known: dict[tuple[int, int, int], Difference] = {}
        self.slopes: dict[tuple[int, int], float | None] = {}
        self.is_analytic = not self.single

    def computes_in_single(self) -> bool:
        """Whether the function's values are float32 numbers, whatever it is given and whatever type they come in."""
        values = []
        for move in (0.0, 1e-3, 3e-3):
            with np.errstate(all="ignore"):
                value = np.asarray(self.scalar(*(array + move * (1 + np.abs(array)) for array in self.point)))
            values.append(float(value))
            if value.dtype == np.float32:
                return True
        coarse = all(float(np.float32(value)) == value for value in values)
        return coarse and any(float(np.float16(value)) != value for value in values)  # 0.5 is one by chance

    def line(self, move: Callable[[float], Sequence[np.ndarray]]) -> Line:
        """φ along a path."""

        def function(t: float) -> float:
            with np.errstate(all="ignore"):
                return float(self.scalar(*move(t)))

        return function

    def along(self, which: int, place: int) -> Line:
        """t ↦ φ(x + t·e) for the unit vector e of one entry."""

        def move(t: float) -> list[np.ndarray]:
            moved = [np.array(array) for array in self.point]
            moved[which].reshape(-1)[place] += t
            return moved

        return self.line(move)

    def size(self, which: int, place: int) -> float:
        """How large an entry is."""
        return abs(float(self.point[which].reshape(-1)[place]))

    def __call__(self, which: int, place: int, attempt: int = 0) -> Difference:
        """The derivative by one entry; later attempts take smaller steps, as a kink or a pole nearby needs."""
        key = which, place, attempt
        if key not in self.known:
            size = self.size(which, place)
            step = self.widest * max(1.0, size) * 10.0 ** (-2 * attempt)
            if attempt == ATTEMPTS - 1 and size:
                step = min(step, 0.1 * size)
            found = difference(self.along(which, place), step, self.epsilon)
            self.known[key] = refined(found, self.complex_slope(which, place))
        return self.known[key]

    def complex_slope(self, which: int, place: int) -> float | None:
        """Im φ(x + ih·e) / h, or None where the function takes no complex numbers."""
        if (which, place) not in self.slopes:
            slope = None
            if self.is_analytic:
                moved = [array.astype("complex128") for array in self.point]
                moved[which].reshape(-1)[place] += 1j * COMPLEX_STEP
                value = complex_value(self.complex_scalar, moved)
                self.is_analytic = value is not None
                slope = None if value is None else value.imag / COMPLEX_STEP
            self.slopes[which, place] = slope
        return self.slopes[which, place]

    def curve(self, which: int, place: int, derived: float, scale: float) -> ErrorCurve:
        """The error of `derived` against the step size."""
        found = self(which, place)
        exact = self.complex_slope(which, place) if found.method == "complex step" else None
        plain = difference(self.along(which, place), self.widest * max(1.0, self.size(which, place)), self.epsilon)
        size = max(1.0, self.size(which, place))
        return error_curve(self.along(which, place), derived, scale, size, plain, exact)


# judging -------------------------------------------------------------------------------------------------------------


@dataclass
class _Check:
    """A check as it goes on: what is looked at, by which standard, and what was found."""

    arguments: Arguments
    exact: tuple[np.ndarray, ...]
    chosen: list[list[int]]
    dtype: str
    tolerance: float
    found: list[GradientEntry] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        arguments: Arguments,
        rng: np.random.Generator,
        tolerance: float | None,
        entries: int,
        single: bool = False,
    ) -> _Check:
        """Draw the entries, and choose the standard: that of float32 where an input or the computation has it."""
        point = arguments.point
        dtype = "float32" if single or any(array.dtype == np.float32 for array in point) else "float64"
        chosen = [_choose(array.size, entries, rng) for array in point]
        exact = tuple(array.astype("float64") for array in point)
        return cls(arguments, exact, chosen, dtype, TOLERANCES[dtype] if tolerance is None else tolerance)

    def judge(self, mode: str, order: int, derived: Sequence[np.ndarray], numbers: Numbers) -> None:
        """Compare the chosen entries of every input."""
        for which, name in enumerate(self.arguments.float_names):
            if self.chosen[which]:
                places = self.chosen[which]
                self.found.append(_judge(name, mode, order, which, places, derived[which], numbers, self.tolerance))

    def report(self, name: str, inner: InnerProduct | None, notes: Sequence[str] = ()) -> GradientReport:
        """What was found."""
        drawn = [
            f"{input} has {array.size} entries, of which {len(places)} were drawn"
            for input, array, places in zip(self.arguments.float_names, self.exact, self.chosen)
            if len(places) < array.size
        ]
        return GradientReport(name, self.dtype, self.tolerance, tuple(self.found), inner, (*notes, *drawn))


def _choose(size: int, limit: int, rng: np.random.Generator) -> list[int]:
    return list(range(size)) if size <= limit else sorted(rng.choice(size, limit, replace=False).tolist())


@dataclass(frozen=True, slots=True)
class _Judged:
    """One entry beside its numerical derivative."""

    place: int
    value: float
    found: Difference
    error: float
    scale: float
    ok: bool
    kink: bool

    @property
    def badness(self) -> tuple[bool, bool, float]:
        """What is wrong comes before what is not, and kinks last."""
        relative = self.error / self.scale
        return not self.ok, not self.kink, relative if math.isfinite(relative) else math.inf


def _judge(
    name: str,
    mode: str,
    order: int,
    which: int,
    places: Sequence[int],
    derived: np.ndarray,
    numbers: Numbers,
    tolerance: float,
) -> GradientEntry:
    """Compare the entries of one input's gradient and keep the worst."""
    values = [numbers(which, place).value for place in places]
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    judged = [
        _judge_entry(which, place, value, largest, numbers, tolerance)
        for place, value in zip(places, map(float, derived))
    ]
    worst = max(judged, key=lambda entry: entry.badness)
    shape = numbers.point[which].shape
    found, relative = worst.found, worst.error / worst.scale
    kinks = [entry for entry in judged if entry.kink]
    named = tuple(
        Kink(_index(entry.place, shape), entry.found.left, entry.found.right, entry.value)
        for entry in kinks[:NAMED_KINKS]
    )
    wrong = sum(not entry.ok for entry in judged)
    return GradientEntry(
        name, mode, order, _index(worst.place, shape), worst.value, found.value, worst.error, relative, found.step,
        worst.kink, wrong == 0, len(places), int(np.prod(shape)), len(kinks), wrong, found.method,
        numbers.curve(which, worst.place, worst.value, worst.scale), named,
    )  # fmt: skip


def _index(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(place, shape))


def _judge_entry(which: int, place: int, value: float, largest: float, numbers: Numbers, tolerance: float) -> _Judged:
    """Compare one entry, with smaller steps where it disagrees."""
    errors: list[float] = []
    for attempt in range(ATTEMPTS):
        found = numbers(which, place, attempt)
        scale = max(abs(value), abs(found.value), 0.01 * largest, 1e-300)
        error = abs(value - found.value)
        allowed = tolerance * scale + min(found.uncertainty, 100 * tolerance * scale)
        ok = error <= allowed or _same_special(value, found)
        errors.append(error)
        if ok:
            break
    ok = ok or _vanishing(errors)
    kink = not ok and found.kink
    if kink:
        low, high = sorted((found.left, found.right))
        slack = tolerance * max(abs(low), abs(high))
        ok = low - slack <= value <= high + slack
    return _Judged(place, value, found, error, scale, ok, kink)


def _vanishing(errors: Sequence[float]) -> bool:
    """Whether differences approach the derived value as the step shrinks by a hundred at a time, if only slowly."""
    return all(later <= 0.2 * earlier for earlier, later in pairwise(errors))


def _same_special(value: float, found: Difference) -> bool:
    """An infinite slope that both sides see as infinite."""
    return math.isinf(value) and (value == found.value or value == found.left or value == found.right)


def _inner_product(task: Problem, rng: np.random.Generator, tolerance: float) -> InnerProduct:
    """⟨v, J u⟩ = ⟨Jᵀ v, u⟩ for random u and v, on all results at once."""

    def listed(*inputs: Any) -> list[Any]:
        return task.results(*inputs)

    point = task.arguments.point
    u = tuple(rng.standard_normal(array.shape).astype(array.dtype) for array in point)
    results, pushed = jvp(listed, point, u)
    v = [rng.standard_normal(np.shape(result)).astype(np.asarray(result).dtype) for result in results]
    pulled = vjp(listed, *point)[1](v)
    forward, reverse = _dot(v, pushed), _dot(pulled, u)
    scale = max(_dot(map(np.abs, v), map(np.abs, pushed)), _dot(map(np.abs, pulled), map(np.abs, u)), 1e-300)
    relative = abs(forward - reverse) / scale
    same = forward == reverse or (math.isnan(forward) and math.isnan(reverse))
    return InnerProduct(forward, reverse, relative, same or relative <= tolerance)


def _dot(left: Any, right: Any) -> float:
    with np.errstate(all="ignore"):
        return float(sum(np.sum(np.asarray(a, "float64") * np.asarray(b, "float64")) for a, b in zip(left, right)))
