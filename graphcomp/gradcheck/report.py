"""What a derivative check found, as plain data; `str` of a report is a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import DerivativeError
from .differences import ErrorCurve

SHOWN_STEPS = 8
HEADER = ("input", "mode", "order", "worst entry", "derived", "numerical", "rel. error", "step", "verdict")


@dataclass(frozen=True, slots=True)
class Kink:
    """An entry at which the function has a kink: the one-sided derivatives disagree however small the step is.

    Infinite ones stand for a jump, as a derivative has at a kink of the function.
    """

    index: tuple[int, ...]
    left: float
    right: float
    derived: float

    def sentence(self, name: str) -> str:
        """What lies where, in words."""
        where = f"{name}{list(self.index) if self.index else ''}"
        if math.isinf(self.left) or math.isinf(self.right):
            return f"{where}: what is checked jumps here, so no value is wrong; derived is {self.derived:.6g}"
        low, high = sorted((self.left, self.right))
        slack = 1e-5 * max(abs(low), abs(high))  # one-sided slopes are known to no more
        between = low - slack <= self.derived <= high + slack
        slopes = f"{self.left:.6g} from the left, {self.right:.6g} from the right"
        return f"{where}: a kink, with slopes {slopes}; derived is {self.derived:.6g}" + (
            ", which lies between" if between else ", which does not lie between"
        )


@dataclass(frozen=True, slots=True)
class GradientEntry:
    """The worst of the `checked` entries of one input, in one mode, at one order.

    `method` says how `numerical` was found: by extrapolated differences or by the complex step. `curve` is the error
    against the step size; `kink_at` lists the first entries that lie at kinks.
    """

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
    method: str = "extrapolation"
    curve: ErrorCurve | None = None
    kink_at: tuple[Kink, ...] = ()

    @property
    def verdict(self) -> str:
        if not self.ok:
            return f"WRONG ({self.wrong} of {self.checked} entries)"
        return f"ok, {self.kinks} at kinks" if self.kinks else "ok"

    @property
    def place(self) -> str:
        """The entry with its input's name: ``w[1, 0]``."""
        return f"{self.input}{list(self.index) if self.index else ''}"


@dataclass(frozen=True, slots=True)
class InnerProduct:
    """One number found in two ways, on all entries at once.

    For graphcomp's own derivatives: ⟨v, J u⟩ from forward mode and ⟨Jᵀ v, u⟩ from reverse mode, for random u and v.
    For somebody else's gradient: the numerical derivative along a random u, and ⟨gradient, u⟩.
    """

    forward: float
    reverse: float
    relative: float
    ok: bool
    given: bool = False

    def __str__(self) -> str:
        if self.given:
            verdict = "ok" if self.ok else "WRONG: the gradient disagrees with it (u is random)"
            return f"derivative along u = {self.forward:.9g}, <gradient, u> = {self.reverse:.9g}: {verdict}"
        verdict = "ok" if self.ok else "WRONG: forward and reverse mode disagree"
        return f"<v, J u> = {self.forward:.9g}, <J'v, u> = {self.reverse:.9g}: {verdict}"


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

    @property
    def worst(self) -> tuple[GradientEntry, ...]:
        """For each input and order, the mode in which its worst entry is furthest off."""
        found: dict[tuple[str, int], GradientEntry] = {}
        for entry in self.entries:
            key = entry.input, entry.order
            if key not in found or _badness(entry) > _badness(found[key]):
                found[key] = entry
        return tuple(found.values())

    def raise_if_wrong(self) -> GradientReport:
        """The report itself where all agrees; else `DerivativeError` with the table as its message."""
        if not self.ok:
            raise DerivativeError(str(self))
        return self

    def __str__(self) -> str:
        wrong = sum(not entry.ok for entry in self.entries)
        outcome = f"{wrong} of {len(self.entries)} checks are wrong" if wrong else "derived and numerical values agree"
        lines = [f"derivatives of {self.name}: {outcome} ({self.dtype}, tolerance {self.tolerance:g})"]
        lines += table([HEADER, *map(_row, self.entries)])
        lines += _curve_lines(self.worst)
        if self.inner_product is not None:
            lines.append(str(self.inner_product))
        kinks = dict.fromkeys(kink.sentence(entry.input) for entry in self.entries for kink in entry.kink_at)
        return "\n".join([*lines, *kinks, *self.notes])


def _badness(entry: GradientEntry) -> tuple[bool, float]:
    return not entry.ok, entry.relative if math.isfinite(entry.relative) else math.inf


def _row(entry: GradientEntry) -> tuple[str, ...]:
    index = str(list(entry.index)) if entry.index else "-"
    step = "complex" if entry.method == "complex step" else f"{entry.step:.1e}"
    values = f"{entry.derived:.9g}", f"{entry.numerical:.9g}", f"{entry.relative:.1e}", step
    return (entry.input, entry.mode, str(entry.order), index, *values, entry.verdict)


def _curve_lines(entries: Sequence[GradientEntry]) -> list[str]:
    """The errors of central differences against the step, in decades: they say how far a verdict can be trusted."""
    told = [(entry, entry.curve) for entry in entries if entry.curve is not None]
    if not told:
        return []
    places = [2 * decade for decade in range(1, SHOWN_STEPS + 1)]
    rows = [("input", "order", *(f"1e-{place // 2}" for place in places), "extrapolated", "complex step")]
    for entry, curve in told:
        exact = "-" if curve.complex_step is None else f"{curve.complex_step:.0e}"
        errors = (f"{curve.central[place]:.0e}" for place in places)
        rows.append((entry.place, str(entry.order), *errors, f"{curve.extrapolated:.0e}", exact))
    return ["relative error against the step of a central difference:", *table(rows)]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]
