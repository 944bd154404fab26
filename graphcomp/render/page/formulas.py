"""Formulas as data for the page's script: pieces that are set side by side, each of them once.

A formula is a list of tokens: the number of a piece, a number as text, or a place whose number the page may compute
again.  The script sets them side by side, draws their outlines and builds their MathML.  Whatever is not exactly its
parts side by side (a fraction, a root) is a piece of its own, so the script needs no rules of typesetting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

from .. import typesetting
from ..glyphs import Glyph, Typeset
from ..mathematics import Mathematics, Number, Operator, Parenthesised, Power, Root, Text, needs_grouping
from ..numerals import UNKNOWN
from ..svg import glyph_name
from ..typesetting import CHARACTERS, CLOSED, OPEN, advance, alone, fits, is_set_alike, typeset
from .outlines import UNITS, relative

Token = int | str | dict[str, Any]


@dataclass(frozen=True)
class Live(Number):
    """A number that the page can compute again: ``places`` of its programs' results, which are added.

    It reads as ``inner`` does now.  Its text is negative, so that whatever would be bracketed for a negative number
    is; the script leaves the brackets away where they are not needed.
    """

    inner: Mathematics = UNKNOWN
    places: tuple[int, ...] = ()

    def plain(self) -> str:
        return self.inner.plain()

    def mathml(self) -> ElementTree.Element:
        return self.inner.mathml()

    def latex(self) -> str:
        return self.inner.latex()


def live(inner: Mathematics, places: Iterable[int]) -> Live:
    """A number of the page's programs; the first place says in which sweep."""
    return Live("−", inner, tuple(places))


class Formulas:
    """All formulas of a page, each under its number, and the pieces and glyphs that they are made of."""

    def __init__(self, yes: str = "true", no: str = "false") -> None:
        self.signs: dict[str, Mathematics] = {**SIGNS, "true": Text(yes), "false": Text(no)}
        self.numbers: dict[str, int] = {}
        self.pieces: dict[Mathematics, int] = {}
        self.listed: list[list[Any]] = []
        self.glyphs: dict[str, str] = {}
        self.known: dict[Mathematics, int] = {}

    def number(self, formula: Mathematics) -> int:
        """A formula's number on the page."""
        if formula not in self.known:
            tokens = json.dumps(self.tokens(formula), ensure_ascii=False, separators=(",", ":"))
            self.known[formula] = self.numbers.setdefault(tokens, len(self.numbers))
        return self.known[formula]

    def tokens(self, formula: Mathematics) -> list[Token]:
        """The formula's parts side by side, or the whole as one piece where that would not be the same."""
        parts = side_by_side(formula)
        if has_live(formula) or is_side_by_side(formula, parts):
            return [self.token(part) for part in parts]
        return [self.token(formula)]

    def token(self, part: Any) -> Token:
        """One part."""
        if isinstance(part, Bracketed):
            return {**self.hole(part.number), "brackets": 1}
        if isinstance(part, Live):
            return self.hole(part)
        if isinstance(part, Number) and all(character in CHARACTERS for character in part.text):
            return part.text
        if isinstance(part, Power) and has_live(part):
            return {"of": self.tokens(part.base), "up": self.tokens(part.exponent), "rise": rise(part.base)}
        if isinstance(part, Root) and has_live(part):
            return {"root": self.tokens(part.radicand)}
        return self.piece(part)

    def hole(self, number: Live) -> dict[str, Any]:
        """A place for a number: what it shows now, and where the next one comes from."""
        return {"now": self.tokens(number.inner), "from": list(number.places)}

    def piece(self, formula: Mathematics) -> int:
        """The number of what is typeset as one."""
        if formula not in self.pieces:
            self.pieces[formula] = len(self.listed)
            self.listed.append(self.described(formula, alone(formula)))
        return self.pieces[formula]

    def described(self, formula: Mathematics, form: Typeset) -> list[Any]:
        """A piece in words, its MathML, width, height and depth, outlines by size, bars, and text set as words."""
        rules = [[tenth(part) for part in (rule.x, rule.y, rule.width, rule.height)] for rule in form.rules]
        measures = [tenth(part) for part in (advance(formula), form.ascent, form.descent)]
        words = [[run.text, *(tenth(part) for part in (run.x, run.y, run.width, run.size))] for run in form.runs]
        piece = [formula.plain(), encoded(formula.mathml()), *measures, self.runs(form.outlines), rules]
        return [*piece, words] if words else piece

    def runs(self, glyphs: Sequence[Glyph]) -> list[list[Any]]:
        """Glyphs of one size: the scale, then the name and place of each."""
        found: list[list[Any]] = []
        for scale, run in groupby(glyphs, key=lambda glyph: glyph.scale):
            line: list[Any] = [round(scale * UNITS, 6)]
            for glyph in run:
                name = glyph_name(glyph.name)
                if name not in self.glyphs:
                    self.glyphs[name] = relative(glyph.path)
                line.extend((int(name), tenth(glyph.x), tenth(glyph.y)))
            found.append(line)
        return found

    def data(self) -> dict[str, Any]:
        """Everything, for the script."""
        fixed = {
            "characters": {character: self.piece(Number(character)) for character in CHARACTERS},
            "raised": [self.raised(character) for character in CHARACTERS + "()×"],
            "signs": {name: self.piece(sign) for name, sign in self.signs.items()},
            "rise": rise(Number("10")),
            "riseInBrackets": rise(Parenthesised(Number("1"))),
            "root": self.described(Root(Number("0")), typeset(Root(Number("0")))),
        }
        return {
            "formulas": [json.loads(tokens) for tokens in self.numbers],
            **fixed,
            "pieces": self.listed,
            "glyphs": dict(sorted(self.glyphs.items())),
        }

    def raised(self, character: str) -> list[Any]:
        """A character of an exponent: its glyph, scale and advance."""
        base, form = typeset(Text("e")), typeset(Power(Text("e"), Number(character * 2)))
        first, second = form.glyphs[len(base.glyphs) :]
        self.runs([first])
        return [character, int(glyph_name(first.name)), round(first.scale * UNITS, 6), tenth(second.x - first.x)]


SIGNS: dict[str, Mathematics] = {
    "(": OPEN,
    ")": CLOSED,
    "×": Operator("×"),
    "nan": Text("nan"),
}
"""What numbers that the script writes are made of, beside their characters."""


@dataclass(frozen=True)
class Bracketed:
    """A number of the page's programs that has brackets while it is negative."""

    number: Live


def side_by_side(formula: Mathematics) -> list[Any]:
    """A formula's parts from left to right; a number that is computed again is one part with its brackets."""
    parts = typesetting.side_by_side(formula)
    found: list[Any] = []
    for part in parts:
        found.append(part)
        if part == CLOSED and len(found) > 2 and isinstance(found[-2], Live) and found[-3] == OPEN:
            found[-3:] = [Bracketed(found[-2])]
    return found


def is_side_by_side(formula: Mathematics, parts: Sequence[Any]) -> bool:
    """Whether the parts' outlines and words, one after the other, are those of the formula."""
    if len(parts) == 1:
        return True
    if "".join(part.plain() for part in parts) != formula.plain():
        return False
    # A row is set from left to right, so it is its parts if each two neighbours are; few kinds of these occur.
    return all(map(fits, parts, parts[1:])) or is_set_alike(formula, parts)


def has_live(formula: Any) -> bool:
    """Whether a number in the formula can be computed again."""
    if isinstance(formula, Live):
        return True
    parts = formula if isinstance(formula, tuple) else getattr(formula, "__dict__", {}).values()
    return any(has_live(part) for part in parts if not isinstance(part, (str, int)))


def settled(formula: Any) -> Any:
    """The formula as it reads with the numbers of the story."""
    if isinstance(formula, Live):
        return formula.inner
    if isinstance(formula, Parenthesised) and isinstance(formula.inner, Live):
        inner = formula.inner.inner
        return Parenthesised(inner) if needs_grouping(inner) else inner
    if isinstance(formula, tuple):
        return tuple(settled(part) for part in formula)
    if is_dataclass(formula) and not isinstance(formula, type):
        return replace(formula, **{one.name: settled(getattr(formula, one.name)) for one in fields(formula)})
    return formula


def rise(base: Mathematics) -> list[float]:
    """How far above the baseline an exponent stands: one of a single number, and any other."""
    base = Number("10") if has_live(base) else base
    return [tenth(-typeset(Power(base, Number(exponent))).glyphs[-1].y) for exponent in ("1", "−1")]


def tenth(value: float) -> float | int:
    """A coordinate with one decimal at most."""
    rounded = round(value, 1)
    return int(rounded) if rounded == int(rounded) else rounded


def encoded(tree: ElementTree.Element) -> list[Any]:
    """A MathML element as a list: its tag, its attributes if it has any, its text or its children."""
    attributes = [dict(tree.attrib)] if tree.attrib else []
    content = [tree.text] if tree.text else [encoded(child) for child in tree]
    return [tree.tag, *attributes, *content]
