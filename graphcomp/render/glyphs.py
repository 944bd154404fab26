"""Formulas and words as glyph outlines with measured sizes, the same in every format.

Sizes are in the unit of the font size handed in (pixels of the scene); y grows downwards.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from .mathematics import Mathematics, clean, element

REFERENCE_SIZE = 100.0


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
class Typeset:
    """A formula at ``REFERENCE_SIZE``, its baseline at y = 0 and its left edge at x = 0."""

    width: float
    ascent: float
    descent: float
    glyphs: tuple[Glyph, ...]
    rules: tuple[Rule, ...]


@functools.lru_cache(maxsize=20_000)
def typeset(formula: Mathematics) -> Typeset:
    """The formula's outlines and measures, at ``REFERENCE_SIZE``."""
    from ziamath.zmath import Math

    # An element, not a string: ziamath unescapes strings, which would turn escaped text into markup.
    drawing = Math(element("math", *flattened(formula.mathml())), size=REFERENCE_SIZE)
    canvas = ElementTree.Element("svg")
    drawing.node.draw(0, 0, canvas)
    box = drawing.node.bbox
    symbols = {symbol.attrib["id"]: symbol for symbol in canvas.iter("symbol")}
    glyphs = tuple(placed for use in canvas.iter("use") for placed in placed_glyph(use, symbols))
    rules = tuple(bar(rectangle) for rectangle in canvas.iter("rect"))
    return Typeset(max(box.xmax, 0.0), max(box.ymax, 0.0), max(-box.ymin, 0.0), glyphs, rules)


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
    return float(font.glyph(character).advance()) / float(font.info.layout.unitsperem)


def text_width(text: str, size: float) -> float:
    """The width of a line of words in the scene's sans serif font."""
    return size * sum(character_width(character) for character in clean(text))
