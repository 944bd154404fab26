"""Formulas and words cut to a width or broken into lines, where the text must not shrink."""

from __future__ import annotations

from .glyphs import text_width
from .mathematics import (
    COMMA,
    Application,
    Fraction,
    Mathematics,
    Number,
    Operator,
    Parenthesised,
    Row,
    Text,
    factor,
    joined,
)
from .scene import measure

ELLIPSIS = "…"
BOLD = 1.03


def cut(formula: Mathematics, width: float, size: float) -> Mathematics:
    """The formula, or as much of its beginning as fits in ``width``, an ellipsis, and the brackets that close it."""
    if measure(formula, size)[0] <= width:
        return formula
    leaves = flat(formula)
    closing = tuple(leaf for leaf in leaves[-2:] if leaf == Text("]"))
    kept: list[Mathematics] = []
    for leaf in leaves:
        if measure(Row((*kept, leaf, Text(ELLIPSIS), *closing)), size)[0] > width:
            break
        kept.append(leaf)
    if not kept:
        return cut_text(formula, width, size)
    room = width - measure(Row((*kept, *closing)), size)[0]
    return Row((*kept, cut_text(leaves[len(kept)], room, size), *closing))


def flat(formula: Mathematics) -> list[Mathematics]:
    """The parts of a row, and of the rows in it; any other formula alone."""
    return [leaf for item in formula.items for leaf in flat(item)] if isinstance(formula, Row) else [formula]


def cut_text(formula: Mathematics, width: float, size: float) -> Mathematics:
    """What cannot be taken apart: the beginning of its text, upright; of a number nothing, it would be another one."""
    text = "" if isinstance(formula, (Number, Operator)) else formula.plain()
    while text and measure(Text(text + ELLIPSIS), size)[0] > width:
        text = text[:-1]
    return Text(text.rstrip() + ELLIPSIS)


def row_items(formula: Mathematics) -> tuple[Mathematics, ...]:
    """The items of a row, or the formula alone."""
    return formula.items if isinstance(formula, Row) else (formula,)


def broken(formula: Mathematics, width: float, size: float) -> list[Mathematics]:
    """The formula in lines no wider than ``width``: broken before signs, else between any two of its parts."""
    if measure(formula, size)[0] <= width:
        return [formula]
    lines: list[tuple[Mathematics, ...]] = []
    for piece in pieces(formula, width, size):
        longer = (*lines[-1], *piece) if lines else piece
        if lines and measure(Row(longer), size)[0] <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return [Row(line) for line in lines]


def pieces(formula: Mathematics, width: float, size: float) -> list[tuple[Mathematics, ...]]:
    """The parts that a line is filled with, one after the other; each begins with a sign where it can."""
    found: list[tuple[Mathematics, ...]] = []
    for item in row_items(formula):
        # A sign opens a piece, and what follows it belongs to it.
        opens = isinstance(item, Operator) or not (found and isinstance(found[-1][-1], Operator))
        inner = (*found[-1], item) if found and not opens else (item,)
        if opens:
            found.append(inner)
        elif measure(Row(inner), size)[0] <= width:
            found[-1] = inner
        else:
            found.extend(pieces(item, width, size))
    return [narrow for piece in found for narrow in narrowed(piece, width, size)]


def narrowed(piece: tuple[Mathematics, ...], width: float, size: float) -> list[tuple[Mathematics, ...]]:
    """A piece that is too wide taken apart once more, or cut if it has no parts."""
    if measure(Row(piece), size)[0] <= width:
        return [piece]
    whole = taken_apart(piece[0]) if len(piece) == 1 else Row(piece)
    return pieces(whole, width, size) if isinstance(whole, Row) else [(cut(whole, width, size),)]


def taken_apart(formula: Mathematics) -> Mathematics:
    """The parts of a bracket, a function's application or a fraction in a row; any other formula as it is."""
    if isinstance(formula, Parenthesised):
        return Row((Text("("), *row_items(formula.inner), Text(")")))
    if isinstance(formula, Application):
        return Row((Text(formula.function), Text("("), *row_items(joined(formula.arguments, COMMA)), Text(")")))
    if isinstance(formula, Fraction):
        return Row((factor(formula.numerator), Operator("/"), factor(formula.denominator)))
    return formula


def wrapped_words(text: str, width: float, size: float) -> list[str]:
    """Words broken into lines no wider than ``width``; a word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(cut_words(word, width, size))
    return lines


def cut_words(text: str, width: float, size: float) -> str:
    """The text, cut with an ellipsis where it would be too wide (in bold)."""
    if text_width(text, size) * BOLD <= width:
        return text
    while text and text_width(text + ELLIPSIS, size) * BOLD > width:
        text = text[:-1]
    return text + ELLIPSIS
