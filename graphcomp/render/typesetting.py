"""Formulas with outlines and measures, set from their parts: most are exactly their parts side by side.

Setting a formula as a whole takes milliseconds, and a long story has thousands that are made of the same few parts.
What stands side by side is therefore set part by part, numbers character by character, and a fraction from what is
above and below its line.  Whether that is the same as setting the whole is judged by the first formula of its kind;
where it is not, the whole is set.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree import ElementTree

from .glyphs import Glyph, Rule, Run, Typeset, set_whole
from .mathematics import (
    Application,
    Differential,
    Fraction,
    Identifier,
    Mathematics,
    Number,
    Operator,
    Parenthesised,
    Row,
    Text,
    element,
)

CHARACTERS = "0123456789.−∞"
CLOSE = 0.06
SAMPLE = Fraction(Number("1"), Number("1"))
LEVEL = (Identifier, Number, Operator, Text)
"""Parts that are as large in a fraction as alone."""


@dataclass(frozen=True)
class Sign:
    """A bracket, a slash, or an upright letter, typeset alone."""

    symbol: str
    tag: str = "mo"

    def plain(self) -> str:
        return self.symbol

    def mathml(self) -> ElementTree.Element:
        if self.tag == "mi":
            return element("mi", text=self.symbol, mathvariant="normal")
        return element("mo", text=self.symbol, stretchy="false", lspace="0", rspace="0")

    def latex(self) -> str:
        return self.symbol

    def form(self) -> Typeset:
        """The outlines, with the room that a sign such as ∂ keeps before what follows."""
        return replace(set_whole(self), advance=set_whole(Row((self, Number("1")))).glyphs[-1].x)


OPEN, CLOSED, SLASH = Sign("("), Sign(")"), Sign("/")


@dataclass(frozen=True)
class FunctionName:
    """A function's name with the room that it keeps before its argument."""

    name: str
    bare: bool = False

    def plain(self) -> str:
        return Text(self.name).plain() + (" " if self.bare else "")

    def mathml(self) -> ElementTree.Element:
        return element("mi", text=self.name, mathvariant="normal")

    def latex(self) -> str:
        return self.name

    def form(self) -> Typeset:
        """The outlines of ``sin 1`` without those of what it is applied to."""
        applied = Application(self.name, (Number("1"),))
        whole, body, name = set_whole(applied), set_whole(applied.body()), set_whole(self)
        glyphs = whole.glyphs[: len(whole.glyphs) - len(body.glyphs)]
        width = whole.width - body.width
        return Typeset(width, name.ascent, name.descent, glyphs, (), name.runs, width, whole.left)


@dataclass(frozen=True)
class Gap:
    """The room that a fraction keeps to what stands before it; in MathML it goes without saying."""

    def plain(self) -> str:
        return ""

    def mathml(self) -> ElementTree.Element:
        return element("mspace", width="0em")

    def latex(self) -> str:
        return ""

    def form(self) -> Typeset:
        """Nothing but a width."""
        whole = set_whole(Row((Number("1"), SAMPLE)))
        width = whole.rules[0].x - set_whole(Number("1")).advance - set_whole(SAMPLE).rules[0].x
        return Typeset(width, 0.0, 0.0, (), (), advance=width)


@functools.lru_cache(maxsize=50_000)
def typeset(formula: Mathematics) -> Typeset:
    """The formula's outlines and measures, at ``REFERENCE_SIZE``."""
    parts = side_by_side(formula)
    if len(parts) == 1 and parts[0] is formula:
        return leaf(formula)
    return beside(map(alone, parts)) if all(map(fits, parts, parts[1:])) else set_whole(formula)


def leaf(formula: Mathematics) -> Typeset:
    """What has no parts beside each other: a number by its characters, a fraction by its two parts."""
    if type(formula) is Number and len(formula.text) > 1 and all(sign in CHARACTERS for sign in formula.text):
        return beside(set_whole(Number(sign)) for sign in formula.text)
    if isinstance(formula, Fraction) and all(map(is_level, (formula.numerator, formula.denominator))):
        return fraction(formula) or set_whole(formula)
    return set_whole(formula)


def beside(forms: Iterable[Typeset]) -> Typeset:
    """Typeset parts, each beginning where the one before it ends."""
    width = ascent = descent = place = 0.0
    left = math.inf
    glyphs, rules, runs = list[Glyph](), list[Rule](), list[Run]()
    for form in forms:
        width, left = max(width, place + form.width), min(left, place + form.left)
        ascent, descent = max(ascent, form.ascent), max(descent, form.descent)
        moved = form.moved(place, 0.0)
        glyphs.extend(moved.glyphs)
        rules.extend(moved.rules)
        runs.extend(moved.runs)
        place += form.advance
    return Typeset(width, ascent, descent, tuple(glyphs), tuple(rules), tuple(runs), place, left if glyphs else 0.0)


# fractions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stack:
    """A fraction's kind: how far its parts are moved up and down, its line, and the room behind it."""

    above: float
    below: float
    line: float
    thickness: float
    room: float


def is_level(formula: Mathematics) -> bool:
    """Whether a formula is as large above or below a line as alone."""
    return all(isinstance(part, (*LEVEL, Sign)) for part in side_by_side(formula))


def fraction(formula: Fraction) -> Typeset | None:
    """A fraction from its typeset parts; None if that is not how it is set."""
    above, below = typeset(formula.numerator), typeset(formula.denominator)
    kind = stack(round(above.descent, 3), round(below.ascent, 3), Pair((formula, (above, below))))
    if kind is None:
        return None
    width = max(above.width, below.width)
    top = above.moved((width - above.width + above.left) / 2, kind.above)
    bottom = below.moved((width - below.width + below.left) / 2, kind.below)
    line = replace(set_whole(SAMPLE).rules[0], y=kind.line, width=width, height=kind.thickness)
    return Typeset(
        width + kind.room, above.ascent - kind.above, below.descent + kind.below, (*top.glyphs, *bottom.glyphs),
        (line,), (*top.runs, *bottom.runs), width + kind.room,
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def stack(depth: float, height: float, first: Pair) -> Stack | None:
    """How fractions are set whose upper part reaches that far down, and the lower that far up."""
    del depth, height
    formula, (above, below) = first.parts
    whole = set_whole(formula)
    if len(whole.rules) != 1 or len(whole.glyphs) != len(above.glyphs) + len(below.glyphs) or not above.glyphs:
        return None
    line, second = whole.rules[0], whole.glyphs[len(above.glyphs)]
    return Stack(
        whole.glyphs[0].y - above.glyphs[0].y,
        second.y - below.glyphs[0].y,
        line.y,
        line.height,
        whole.width - max(above.width, below.width),
    )


# parts ---------------------------------------------------------------------------------------------------------------


def side_by_side(formula: Mathematics) -> list[Any]:
    """A formula's parts from left to right."""
    parts: list[Any] = []
    for part in split(formula):
        if parts and isinstance(part, Fraction):
            parts.append(Gap())
        parts.append(part)
    return parts


def split(formula: Any) -> Iterable[Any]:
    """The parts that stand side by side, from left to right."""
    if isinstance(formula, Row):
        for item in formula.items:
            yield from split(item)
    elif isinstance(formula, Parenthesised):
        yield from (OPEN, *split(formula.inner), CLOSED)
    elif isinstance(formula, Differential):
        yield from (Sign(formula.sign, "mi"), *split(formula.quantity))
    elif isinstance(formula, Fraction) and formula.slashed:
        yield from (*split(formula.numerator), SLASH, *split(formula.denominator))
    elif isinstance(formula, Application):
        yield FunctionName(formula.function, formula.bare())
        yield from split(formula.body())
    else:
        yield formula


def is_set_alike(formula: Mathematics, parts: Sequence[Any]) -> bool:
    """Whether the outlines of the parts, one after the other, are those of the formula as a whole."""
    whole, made = set_whole(formula), beside(map(alone, parts))
    return len(made.glyphs) == len(whole.glyphs) and all(map(same_place, made.glyphs, whole.glyphs))


@dataclass(frozen=True)
class Pair:
    """Two parts, for which others of their kinds may stand."""

    parts: tuple[Any, Any] = field(compare=False)


@functools.lru_cache(maxsize=4096)
def fits_by_kind(left: tuple[Any, ...], right: tuple[Any, ...], pair: Pair) -> bool:
    """Whether parts of two kinds stand side by side as they do alone."""
    del left, right
    return is_set_alike(Row(pair.parts), pair.parts)


def fits(left: Any, right: Any) -> bool:
    """Whether two neighbours stand as they do alone, judged by the first two of their kinds."""
    return fits_by_kind(kind(left), kind(right), Pair((left, right)))


def kind(part: Any) -> tuple[Any, ...]:
    """What decides the room around a part: a single letter leans, a sign has room of its own."""
    name = type(part).__name__
    if isinstance(part, Identifier):
        return name, len(part.name), bool(part.subscript), part.accent
    if isinstance(part, (Number, Text)):
        return name, getattr(part, "text", "")[:1], getattr(part, "text", "")[-1:]
    return (name, part) if isinstance(part, (Operator, Sign, FunctionName, Gap)) else (name, part.plain()[:1])


@functools.lru_cache(maxsize=50_000)
def alone(part: Any) -> Typeset:
    """A part's outlines."""
    return part.form() if isinstance(part, (FunctionName, Gap, Sign)) else leaf(part)


def advance(part: Any) -> float:
    """How far behind a part's begin the next one begins, which is not where its last outline ends."""
    return alone(part).advance


def same_place(one: Glyph, other: Glyph) -> bool:
    """Whether two outlines are the same at the same place."""
    near = abs(one.x - other.x) < CLOSE and abs(one.y - other.y) < CLOSE and abs(one.scale - other.scale) < 1e-3
    return one.name == other.name and near
