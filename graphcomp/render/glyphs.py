"""Formulas and words as glyph outlines with measured sizes, the same in every format.

Sizes are in the unit of the font size handed in (pixels of the scene); y grows downwards.  What the font for formulas
lacks (names may be in any script) is words inside the formula, set in the sans serif font by each writer.
"""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree

from .mathematics import Mathematics, Text, clean, element

REFERENCE_SIZE = 100.0
MARKS = WIDE_MARK, NARROW_MARK = "□▯"
LETTER = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]"
RIGHT_TO_LEFT = re.compile(rf"{LETTER}(?:[^A-Za-z\\{{}}$]*{LETTER})?")
"""A stretch of text written from right to left, with the spaces, signs and digits in it; no markup of TeX."""


@dataclass(frozen=True)
class Glyph:
    """One outline of the font (SVG path data), placed at (x, y) and scaled."""

    name: str
    path: str
    x: float
    y: float
    scale: float


@dataclass(frozen=True)
class Rule:
    """A filled bar: a fraction's line, or the top of a root."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Run:
    """Text inside a formula that its font lacks: in the order of reading, centred in a place, its baseline at y."""

    text: str
    x: float
    y: float
    width: float
    size: float


@dataclass(frozen=True)
class Typeset:
    """A formula at ``REFERENCE_SIZE``, its baseline at y = 0 and its left edge at x = 0.

    ``advance`` is where what follows begins; ``left`` where the ink begins.
    """

    width: float
    ascent: float
    descent: float
    glyphs: tuple[Glyph, ...]
    rules: tuple[Rule, ...]
    runs: tuple[Run, ...] = ()
    advance: float = 0.0
    left: float = 0.0

    def moved(self, dx: float, dy: float) -> Typeset:
        """The same at another place."""
        return replace(
            self,
            glyphs=tuple(Glyph(one.name, one.path, one.x + dx, one.y + dy, one.scale) for one in self.glyphs),
            rules=tuple(Rule(one.x + dx, one.y + dy, one.width, one.height) for one in self.rules),
            runs=tuple(Run(one.text, one.x + dx, one.y + dy, one.width, one.size) for one in self.runs),
        )

    @property
    def outlines(self) -> tuple[Glyph, ...]:
        """The glyphs without the signs that keep the places of ``runs``: for writers that draw these."""
        return tuple(glyph for glyph in self.glyphs if glyph_number(glyph) not in marks()) if self.runs else self.glyphs


@functools.lru_cache(maxsize=20_000)
def set_whole(formula: Mathematics) -> Typeset:
    """The formula's outlines and measures, at ``REFERENCE_SIZE``, as ziamath sets it."""
    from ziamath.zmath import Math

    # An element, not a string: ziamath unescapes strings, which would turn escaped text into markup.
    tree = element("math", *flattened(formula.mathml()))
    texts = [text for leaf in tree.iter() for text in reserve(leaf)]
    drawing = Math(tree, size=REFERENCE_SIZE)
    canvas = ElementTree.Element("svg")
    drawing.node.draw(0, 0, canvas)
    box = drawing.node.bbox
    symbols = {symbol.attrib["id"]: symbol for symbol in canvas.iter("symbol")}
    glyphs = tuple(placed for use in canvas.iter("use") for placed in placed_glyph(use, symbols))
    rules = tuple(bar(rectangle) for rectangle in canvas.iter("rect"))
    runs = in_places(texts, [glyph for glyph in glyphs if glyph_number(glyph) in marks()]) if texts else ()
    measures = max(box.xmax, 0.0), max(box.ymax, 0.0), max(-box.ymin, 0.0)
    return Typeset(*measures, glyphs, rules, runs, float(drawing.node.xadvance()), float(box.xmin))


def reserve(leaf: ElementTree.Element) -> list[str]:
    """Put marks in the place of text that the font for formulas lacks, one for each letter; returns these texts."""
    text = leaf.text or ""
    lacking = [not available(character) for character in text]
    if not any(lacking):
        return []
    for found in RIGHT_TO_LEFT.finditer(text):
        # What stands between words written from right to left is one text with them.
        lacking[found.start() : found.end()] = [True] * len(found[0])
    groups = itertools.groupby(zip(text, lacking, strict=True), key=lambda one: one[1])
    parts = [("".join(character for character, _ in group), gone) for gone, group in groups]
    leaf.text = "".join("".join(map(mark, part)) or NARROW_MARK if gone else part for part, gone in parts)
    return [part for part, gone in parts if gone]


def available(character: str) -> bool:
    """Whether the font for formulas has a character, or it needs no glyph."""
    if unicodedata.category(character) in ("Cf", "Zs"):
        return True
    return character not in MARKS and bool(math_font().glyphindex(character))


def mark(character: str) -> str:
    """A sign about as wide as a character that it stands for; none for what is put over another character."""
    if not covered(character):
        return WIDE_MARK  # Chinese, Japanese, Korean, or a box
    return "" if unicodedata.combining(character) else NARROW_MARK


def in_places(texts: list[str], places: list[Glyph]) -> tuple[Run, ...]:
    """The texts in the places that marks kept for them, in the same order."""
    runs, used = [], 0
    for text in texts:
        count = len("".join(map(mark, text)) or NARROW_MARK)
        first, last = places[used], places[used + count - 1]
        advance = character_advance(marks()[glyph_number(last)])
        size = first.scale * units_per_em()
        runs.append(Run(text, first.x, first.y, last.x + advance * size - first.x, size))
        used += count
    return tuple(runs)


@functools.lru_cache(maxsize=1)
def marks() -> dict[int, str]:
    """The numbers of the marks' glyphs."""
    return {math_font().glyphindex(sign): sign for sign in MARKS}


@functools.lru_cache(maxsize=1)
def units_per_em() -> float:
    """The size of the font for formulas in the units of its outlines."""
    return REFERENCE_SIZE / set_whole(Text("x")).glyphs[0].scale


def character_advance(character: str) -> float:
    """A character's advance in the font for formulas, as a fraction of the font size."""
    return float(math_font().glyph(character).advance()) / float(math_font().info.layout.unitsperem)


def glyph_number(glyph: Glyph) -> int:
    """A glyph's number in its font."""
    return int(glyph.name.rsplit("_", 1)[-1])


def flattened(tree: ElementTree.Element) -> list[ElementTree.Element]:
    """The tree with rows directly inside rows spliced: ziamath's time doubles with each level of them."""
    parts = [flattened(child) for child in tree]
    if tree.tag == "mrow":
        return [part for spliced in parts for part in spliced]
    # A fraction or an index takes each of its parts as one element.
    tree[:] = [one_element(spliced) for spliced in parts]
    return [tree]


def one_element(parts: list[ElementTree.Element]) -> ElementTree.Element:
    """The only element of the list, or a row of all."""
    return parts[0] if len(parts) == 1 else element("mrow", *parts)


def placed_glyph(use: ElementTree.Element, symbols: dict[str, ElementTree.Element]) -> list[Glyph]:
    """The glyph a ``<use>`` places: none for white space, which has no outline."""
    symbol = symbols[use.attrib["href"].lstrip("#")]
    outline = symbol.find("path")
    if outline is None:
        return []
    left, top, _, height = (float(part) for part in symbol.attrib["viewBox"].split())
    scale = float(use.attrib["height"]) / height
    x, y = float(use.attrib["x"]) - left * scale, float(use.attrib["y"]) - top * scale
    return [Glyph(symbol.attrib["id"], outline.attrib["d"].strip(), x, y, scale)]


def bar(rectangle: ElementTree.Element) -> Rule:
    """A fraction's line."""
    x, y, width, height = (float(rectangle.attrib[name]) for name in ("x", "y", "width", "height"))
    return Rule(x, y, width, height)


@functools.lru_cache(maxsize=1)
def math_font() -> Any:
    """The font for formulas that comes with ziamath (STIX Two Math)."""
    from ziamath.zmath import Math

    return Math(element("math")).font


@functools.lru_cache(maxsize=1)
def text_font() -> Any:
    """The sans serif font that comes with ziafont (DejaVu Sans)."""
    from ziafont.font import Font

    return Font()


def text_font_file() -> str:
    """The path of that font's file, for the writers that embed it."""
    return str(text_font().info.filename)


@functools.lru_cache(maxsize=4096)
def character_width(character: str) -> float:
    """A character's advance, as a fraction of the font size."""
    font = text_font()
    if not covered(character):
        return 1.0
    return float(font.glyph(character).advance()) / float(font.info.layout.unitsperem)


@functools.lru_cache(maxsize=4096)
def covered(character: str) -> bool:
    """Whether the font for words has a character."""
    return bool(text_font().glyphindex(character))


def text_width(text: str, size: float) -> float:
    """The width of a line of words in the scene's sans serif font."""
    return size * sum(character_width(character) for character in clean(text))
