"""Derivatives against numbers: `check_grads` says which entry of which input is wrong, and why.

Every check is about a function of the inputs with one number as its value. For f with results y₁, y₂, … that is

    φ₀(x) = Σⱼ ⟨wⱼ, yⱼ(x)⟩          with random weights w (1 where f gives just one number), and at the next order
    φₖ(x) = ⟨∇φₖ₋₁(x), vₖ⟩           with a random direction vₖ,

so an entry of ∇φₖ₋₁ is compared with differences of φₖ₋₁. Differences are central ones, Richardson-extrapolated, in
float64 also where the inputs are float32. Forward and reverse mode are compared by ⟨v, J u⟩ = ⟨Jᵀ v, u⟩.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from . import numpy as gnp
from .errors import DerivativeError, InputError
from .run.interpreter import input_name, interpret
from .trace import trace_function
from .trace.tracer import Tracer, convert
from .trace.tree import flatten, leaves
from .transform import grad, jvp, linearize, vjp

Arrays = Sequence[Any]
Scalar = Callable[..., Any]
"""A function of the floating-point inputs, one array each, to one number."""

LEVELS = 6
ATTEMPTS = 3
STEPS = {"float64": 1e-2, "float32": 0.25}
TOLERANCES = {"float64": 1e-6, "float32": 2e-3}
MODES = ("fwd", "rev")


@dataclass(frozen=True, slots=True)
class Difference:
    """A numerical derivative: its value, how far it may be off, and the step it was found with.

    `left` and `right` are the one-sided derivatives; at a kink they disagree however small the step is.
    """

    value: float
    uncertainty: float
    step: float
    left: float
    right: float
    kink: bool


@dataclass(frozen=True, slots=True)
class GradientEntry:
    """The worst of the `checked` entries of one input, in one mode, at one order."""

    input: str
    mode: str
    order: int
    index: tuple[int, ...]
    derived: float
    numerical: float
    absolute: float
    relative: float
    step: float
    kink: bool
    ok: bool
    checked: int
    size: int
    kinks: int
    wrong: int

    @property
    def verdict(self) -> str:
        if not self.ok:
            return f"WRONG ({self.wrong} of {self.checked} entries)"
        return f"ok, {self.kinks} at kinks" if self.kinks else "ok"


@dataclass(frozen=True, slots=True)
class InnerProduct:
    """⟨v, J u⟩ from forward mode and ⟨Jᵀ v, u⟩ from reverse mode, for random u and v."""

    forward: float
    reverse: float
    relative: float
    ok: bool


@dataclass(frozen=True, slots=True)
class GradientReport:
    """What `check_grads` found. `ok` is true where every entry agrees; `str` of it is a table."""

    name: str
    dtype: str
    tolerance: float
    entries: tuple[GradientEntry, ...] = ()
    inner_product: InnerProduct | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        return all(entry.ok for entry in self.entries) and (self.inner_product is None or self.inner_product.ok)

    def raise_if_wrong(self) -> GradientReport:
        """The report itself where all agrees; else `DerivativeError` with the table as its message."""
        if not self.ok:
            raise DerivativeError(str(self))
        return self

    def __str__(self) -> str:
        wrong = sum(not entry.ok for entry in self.entries)
        outcome = f"{wrong} of {len(self.entries)} checks are wrong" if wrong else "derived and numerical values agree"
        lines = [f"derivatives of {self.name}: {outcome} ({self.dtype}, tolerance {self.tolerance:g})"]
        lines += _table(self.entries)
        if self.inner_product is not None:
            found = self.inner_product
            verdict = "ok" if found.ok else "WRONG: forward and reverse mode disagree"
            lines.append(f"<v, J u> = {found.forward:.9g}, <J'v, u> = {found.reverse:.9g}: {verdict}")
        return "\n".join([*lines, *self.notes])


HEADER = ("input", "mode", "order", "worst entry", "derived", "numerical", "rel. error", "step", "verdict")


def _table(entries: Sequence[GradientEntry]) -> list[str]:
    rows = [HEADER]
    for entry in entries:
        index = str(list(entry.index)) if entry.index else "-"
        values = f"{entry.derived:.9g}", f"{entry.numerical:.9g}", f"{entry.relative:.1e}", f"{entry.step:.1e}"
        rows.append((entry.input, entry.mode, str(entry.order), index, *values, entry.verdict))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


# numerical derivatives -----------------------------------------------------------------------------------------------


def difference(function: Callable[[float], float], step: float, epsilon: float) -> Difference:
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


def _along(scalar: Scalar, point: Arrays, which: int, index: tuple[int, ...]) -> Callable[[float], float]:
    """t ↦ φ(x + t·e) for the unit vector e of one entry."""

    def function(t: float) -> float:
        moved = [np.array(array) for array in point]
        moved[which][index] += t
        return float(scalar(*moved))

    return function


# the scalar functions that are checked -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """f as a function of its floating-point inputs alone, and where it is looked at."""

    names: tuple[str, ...]
    point: tuple[np.ndarray, ...]
    results: Callable[..., list[Any]]
    weights: tuple[np.ndarray | float, ...]

    def scalar(self, *inputs: Any) -> Any:
        """φ₀: the weighted sum of all results."""
        total: Any = 0.0
        for weight, result in zip(self.weights, self.results(*inputs)):
            total = total + gnp.sum(_like(weight, result) * result)
        return total


def _like(weight: Any, result: Any) -> Any:
    return weight if isinstance(weight, float) else np.asarray(weight, np.dtype(str(result.dtype)))


def _problem(f: Callable[..., Any], arguments: Sequence[Any], rng: np.random.Generator) -> Problem:
    values, structure = flatten(tuple(arguments))
    values = [np.asarray(v, "float64") if isinstance(v, (bool, int, float)) else np.asarray(v) for v in values]
    traced = trace_function(f, structure.unflatten(values))
    places = [place for place, value in enumerate(values) if value.dtype.kind == "f"]
    if not places:
        raise DerivativeError("there is nothing to differentiate: none of the arguments is a floating-point array.")
    floats = [position for position, id in enumerate(traced.outputs) if traced.type(id).is_float]
    if not floats:
        raise DerivativeError("there is nothing to differentiate: none of the results is a floating-point array.")

    def results(*inputs: Any) -> list[Any]:
        filled = list(values)
        for place, value in zip(places, inputs):
            filled[place] = value
        found = leaves(f(*structure.unflatten(filled)))
        return [found[position] for position in floats]

    shapes = [np.shape(result) for result in results(*(values[place] for place in places))]
    weights: list[Any] = [1.0] if shapes == [()] else [rng.uniform(0.5, 1.5, shape) for shape in shapes]
    names = tuple(input_name(traced, traced.inputs[place]) for place in places)
    return Problem(names, tuple(values[place] for place in places), results, tuple(weights))


def _derivative_along(scalar: Scalar, mode: str, direction: Arrays) -> Scalar:
    """φₖ from φₖ₋₁: the derivative along `direction`, in one mode."""

    def forward_mode(*inputs: Any) -> Any:
        return jvp(scalar, inputs, tuple(_match(v, x) for v, x in zip(direction, inputs)))[1]

    def reverse_mode(*inputs: Any) -> Any:
        total: Any = 0.0
        for slope, v in zip(grad(scalar, tuple(range(len(inputs))))(*inputs), direction):
            total = total + gnp.sum(slope * _like(v, slope))
        return total

    return forward_mode if mode == "fwd" else reverse_mode


def _match(value: Any, like: Any) -> Any:
    dtype = str(like.dtype)
    return convert(value, dtype) if isinstance(value, Tracer) else np.asarray(value, dtype)


def _derived(scalar: Scalar, mode: str, point: Arrays, chosen: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The chosen (flat) entries of ∇φ: one reverse sweep, or one forward sweep for each of them."""
    if mode == "rev":
        slopes = grad(scalar, tuple(range(len(point))))(*point)
        return [np.asarray(slope).reshape(-1)[list(places)] for slope, places in zip(slopes, chosen)]
    _, linear = linearize(scalar, *point)
    slopes = []
    for which, places in enumerate(chosen):
        column = []
        for place in places:
            direction = [np.zeros_like(array) for array in point]
            direction[which].reshape(-1)[place] = 1
            column.append(linear(*direction))
        slopes.append(np.array(column, "float64"))
    return slopes


# the check -----------------------------------------------------------------------------------------------------------


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = MODES,
    seed: int = 0,
    step: float | None = None,
    tolerance: float | None = None,
    entries: int = 100,
) -> GradientReport:
    """Compare derivatives of `f` at `args` with numerical ones, up to `order`, in forward and reverse mode.

    `f` takes and returns arrays in nested containers; inputs that are not floating point are held fixed. Of an input
    with more than `entries` entries, as many are drawn. `step` is the largest difference step, `tolerance` the largest
    error relative to the larger of the entry and a hundredth of the largest entry of that input's gradient; by default
    they follow the dtype. Where one-sided differences disagree, the point lies at a kink, and any value between them
    is right.
    """
    unknown = [mode for mode in modes if mode not in MODES]
    if unknown or not modes or order < 1:
        raise InputError(f"modes are 'fwd' and 'rev' and the order is at least 1, not {modes!r} and {order}.")
    if not isinstance(args, (tuple, list)):
        raise InputError(f"args is a tuple of the function's arguments, not a {type(args).__name__}; write (x,).")
    rng = np.random.default_rng(seed)
    problem = _problem(f, args, rng)
    chosen = [_choose(array.size, entries, rng) for array in problem.point]
    exact = tuple(array.astype("float64") for array in problem.point)
    dtype = "float32" if any(array.dtype == np.float32 for array in problem.point) else "float64"
    tolerance = TOLERANCES[dtype] if tolerance is None else tolerance
    found: list[GradientEntry] = []
    scalars = dict.fromkeys(modes, problem.scalar)
    for level in range(1, order + 1):
        first = scalars[modes[0]]
        plain = first if level == 1 else _traced(first, exact)
        epsilon, widest = _precision(plain, exact)
        numerical = _Numerical(plain, exact, widest if step is None else step, epsilon)
        for mode in modes:
            derived = _derived(scalars[mode], mode, problem.point, chosen)
            for which, name in enumerate(problem.names):
                if chosen[which]:
                    found.append(_judge(name, mode, level, which, chosen[which], derived[which], numerical, tolerance))
        direction = [rng.uniform(0.5, 1.5, array.shape) for array in exact]
        scalars = {mode: _derivative_along(scalars[mode], mode, direction) for mode in modes}
    inner = _inner_product(problem, rng, tolerance) if set(modes) == set(MODES) else None
    drawn = [
        f"{name} has {array.size} entries, of which {len(places)} were drawn"
        for name, array, places in zip(problem.names, exact, chosen)
        if len(places) < array.size
    ]
    return GradientReport(getattr(f, "__name__", type(f).__name__), dtype, tolerance, tuple(found), inner, tuple(drawn))


def _choose(size: int, limit: int, rng: np.random.Generator) -> list[int]:
    return list(range(size)) if size <= limit else sorted(rng.choice(size, limit, replace=False).tolist())


def _traced(scalar: Scalar, point: Arrays) -> Scalar:
    """The same function, traced once for all evaluations."""
    graph = trace_function(scalar, tuple(point))
    return lambda *inputs: interpret(graph, inputs)[0]


def _precision(scalar: Scalar, point: Arrays) -> tuple[float, float]:
    """(rounding error, first step): of float64, unless the function computes in float32 whatever it is given."""
    with np.errstate(all="ignore"):
        result = scalar(*point)
    name = "float32" if np.asarray(result).dtype == np.float32 else "float64"
    return float(np.finfo(name).eps), STEPS[name]


class _Numerical:
    """Numerical derivatives of one function at one point, each worked out once."""

    def __init__(self, scalar: Scalar, point: Arrays, step: float, epsilon: float) -> None:
        self.scalar, self.point, self.step, self.epsilon = scalar, point, step, epsilon
        self.known: dict[tuple[int, int, int], Difference] = {}

    def __call__(self, which: int, place: int, attempt: int = 0) -> Difference:
        """The derivative by one entry; later attempts take smaller steps, as a kink or a pole nearby needs."""
        key = which, place, attempt
        if key not in self.known:
            array = self.point[which]
            index = tuple(int(i) for i in np.unravel_index(place, array.shape))
            size = abs(float(array[index]))
            step = self.step * max(1.0, size) * 10.0 ** (-2 * attempt)
            if attempt == ATTEMPTS - 1 and size:
                step = min(step, 0.1 * size)
            with np.errstate(all="ignore"):
                self.known[key] = difference(_along(self.scalar, self.point, which, index), step, self.epsilon)
        return self.known[key]


def _judge(
    name: str,
    mode: str,
    order: int,
    which: int,
    places: Sequence[int],
    derived: np.ndarray,
    numerical: _Numerical,
    tolerance: float,
) -> GradientEntry:
    """Compare the entries of one input's gradient and keep the worst, one that is wrong before one that is not."""
    values = [numerical(which, place).value for place in places]
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    worst: tuple[Any, ...] = ()
    kinks = wrong = 0
    for place, value in zip(places, map(float, derived)):
        errors: list[float] = []
        for attempt in range(ATTEMPTS):
            found = numerical(which, place, attempt)
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
        kinks, wrong = kinks + kink, wrong + (not ok)
        badness = (not ok, not kink, error / scale if math.isfinite(error) else math.inf)
        if not worst or badness > worst[0]:
            worst = badness, place, value, found, error, scale, kink
    _, place, value, found, error, scale, kink = worst
    shape = numerical.point[which].shape
    index = tuple(int(i) for i in np.unravel_index(place, shape))
    return GradientEntry(
        name, mode, order, index, value, found.value, error, error / scale, found.step, kink, wrong == 0,
        len(places), int(np.prod(shape)), kinks, wrong,
    )  # fmt: skip


def _vanishing(errors: Sequence[float]) -> bool:
    """Whether differences approach the derived value as the step shrinks by a hundred at a time, if only slowly."""
    return all(later <= 0.2 * earlier for earlier, later in pairwise(errors))


def _same_special(value: float, found: Difference) -> bool:
    """An infinite slope that both sides see as infinite."""
    return math.isinf(value) and (value == found.value or value == found.left or value == found.right)


def _inner_product(problem: Problem, rng: np.random.Generator, tolerance: float) -> InnerProduct:
    """⟨v, J u⟩ = ⟨Jᵀ v, u⟩ for random u and v, on all results at once."""

    def listed(*inputs: Any) -> list[Any]:
        return problem.results(*inputs)

    u = tuple(rng.standard_normal(array.shape).astype(array.dtype) for array in problem.point)
    results, pushed = jvp(listed, problem.point, u)
    v = [rng.standard_normal(np.shape(result)).astype(np.asarray(result).dtype) for result in results]
    pulled = vjp(listed, *problem.point)[1](v)
    forward, reverse = _dot(v, pushed), _dot(pulled, u)
    scale = max(_dot(map(np.abs, v), map(np.abs, pushed)), _dot(map(np.abs, pulled), map(np.abs, u)), 1e-300)
    relative = abs(forward - reverse) / scale
    same = forward == reverse or (math.isnan(forward) and math.isnan(reverse))
    return InnerProduct(forward, reverse, relative, same or relative <= tolerance)


def _dot(left: Any, right: Any) -> float:
    with np.errstate(all="ignore"):
        return float(sum(np.sum(np.asarray(a, "float64") * np.asarray(b, "float64")) for a, b in zip(left, right)))
