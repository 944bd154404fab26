"""Formulas cut to a width, where there is no more room and the text must not shrink."""

from __future__ import annotations

from .mathematics import Mathematics, Row, Text
from .scene import measure

ELLIPSIS = "…"


def cut(formula: Mathematics, width: float, size: float) -> Mathematics:
    """The formula, or as much of its beginning as fits in ``width``, and an ellipsis."""
    if measure(formula, size)[0] <= width:
        return formula
    if not isinstance(formula, Row):
        return cut_text(formula, width, size)
    kept: tuple[Mathematics, ...] = ()
    for item in formula.items:
        if measure(Row((*kept, item, Text(ELLIPSIS))), size)[0] > width:
            rest = width - (measure(Row(kept), size)[0] if kept else 0.0)
            part = cut(item, rest, size)
            return Row((*kept, part))
        kept = (*kept, item)
    return Row((*kept[:-1], Text(ELLIPSIS)))


def cut_text(formula: Mathematics, width: float, size: float) -> Mathematics:
    """What cannot be taken apart: the beginning of its text, upright."""
    text = formula.plain()
    while text and measure(Text(text + ELLIPSIS), size)[0] > width:
        text = text[:-1]
    return Text(text.rstrip() + ELLIPSIS)
