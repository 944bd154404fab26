"""Text in any script, for writers that place glyphs themselves: order and joining, and boxes for what has no glyph.

Readers of SVG and HTML have fonts, and order and join letters.  Elsewhere text is put in the order in which it is seen
(Unicode's bidirectional algorithm), Arabic letters are joined, and a character without a glyph becomes a box with its
number in Unicode: it is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .glyphs import RIGHT_TO_LEFT, character_width, covered
from .mathematics import clean

BOX_PADDING, BOX_HEIGHT, BOX_DEPTH, BAR, DIGITS = 0.06, 0.74, 0.16, 0.04, 0.38


@dataclass(frozen=True)
class Piece:
    """Text in the order in which it is seen, or the box of one character; in units of the font size."""

    text: str
    left: float
    width: float
    boxed: bool = False


def visual(text: str) -> str:
    """The text in the order in which it is seen, its Arabic letters joined."""
    if not RIGHT_TO_LEFT.search(text):
        return text
    from arabic_reshaper import ArabicReshaper
    from bidi import get_display

    return str(get_display(ArabicReshaper({"delete_harakat": False}).reshape(text), base_dir="L"))


def in_visual_order(text: str) -> str:
    """Text with markup in it: only what is written from right to left is turned round."""
    return RIGHT_TO_LEFT.sub(lambda found: visual(found[0]), text)


def pieces(text: str, drawable: Callable[[str], bool] = covered) -> list[Piece]:
    """The text as seen, cut where a character must be replaced by a box."""
    found: list[Piece] = []
    for character in visual(clean(text)):
        width = character_width(character)
        left = seen_width(found)
        boxed = not drawable(character)
        if found and not boxed and not found[-1].boxed:
            last = found[-1]
            found[-1] = Piece(last.text + character, last.left, last.width + width)
        else:
            found.append(Piece(character, left, width, boxed))
    return found


def seen_width(found: list[Piece]) -> float:
    """How wide pieces are together: joined letters are narrower than the same ones alone."""
    return found[-1].left + found[-1].width if found else 0.0


def bars(piece: Piece) -> Iterable[tuple[float, float, float, float]]:
    """The four sides of a box: x, y (downwards from the baseline), width and height."""
    left, width = piece.left + BOX_PADDING, piece.width - 2 * BOX_PADDING
    height = BOX_HEIGHT + BOX_DEPTH
    yield left, -BOX_HEIGHT, width, BAR
    yield left, BOX_DEPTH - BAR, width, BAR
    yield left, -BOX_HEIGHT, BAR, height
    yield left + width - BAR, -BOX_HEIGHT, BAR, height


def digits(piece: Piece) -> Iterable[tuple[str, float, float, float]]:
    """The number in a box, in two lines: text, middle, baseline, size."""
    number = f"{ord(piece.text):04X}"
    half = (len(number) + 1) // 2
    size = min(DIGITS, (piece.width - 2 * BOX_PADDING - 3 * BAR) / (half * character_width("0")))
    middle = piece.left + piece.width / 2
    for line, baseline in ((number[:half], -BOX_HEIGHT / 2 + 0.06), (number[half:], BOX_DEPTH - 0.09)):
        yield line, middle, baseline, size
