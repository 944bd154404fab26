"""The lower part of a slide: a frame's sentence, its equation in lines, and beside them the Jacobian's table."""

from __future__ import annotations

from dataclasses import dataclass

from .fitting import ELLIPSIS, broken, row_items, wrapped_words
from .jacobian import Table, shows_table
from .mathematics import Mathematics, Operator, Row, Text
from .scene import Formula, Primitive, Words, measure
from .story import Frame, StoryContent

SENTENCE_SIZE, EQUATION_SIZES = 21.0, (26.0, 22.0, 19.0)
LINE_GAP, INDENT, BESIDE = 13.0, 34.0, 30.0
MOST_SENTENCE_LINES = 5
Line = tuple[float, Mathematics]


@dataclass(frozen=True)
class Place:
    """Where a panel's text may stand: how wide it is with its margins, and the most height it may take.

    An equation that needs more than ``good_height`` is set smaller, though never too small to be read.
    """

    width: float
    margin: float
    good_height: float
    most_height: float


@dataclass(frozen=True)
class Panels:
    """What stands in the panel in each frame, its top being 0, how high it is, and the story's table."""

    contents: tuple[tuple[Primitive, ...], ...]
    heights: tuple[float, ...]
    table: Table | None

    def height(self, start: int, stop: int) -> float:
        """A height that suits the frames [start, stop)."""
        return max([*self.heights[start:stop], *([self.table.height] if self.table else [])], default=0.0)


def panels(story: StoryContent, place: Place) -> Panels:
    """The panels of a story."""
    table = Table(story) if shows_table(story) else None
    width = place.width - 2 * place.margin - (table.width + BESIDE if table else 0)
    filled = [panel(frame, width, place) for frame in story.frames]
    return Panels(tuple(tuple(items) for items, _ in filled), tuple(height for _, height in filled), table)


def panel(frame: Frame, width: float, place: Place) -> tuple[list[Primitive], float]:
    """A frame's sentence and equation, and the height they need."""
    items: list[Primitive] = []
    baseline = 16.0
    for line in sentence_lines(frame.sentence, width):
        baseline += 22
        items.append(Words("caption", place.margin, baseline, line, SENTENCE_SIZE, "ink"))
        baseline += 7
    top = baseline + 9
    lines, size = equation_lines(frame.equation, width, place.good_height - top - 10)
    for indent, formula in fewer_lines(lines, place.most_height - top - 10, size):
        _, ascent, descent = measure(formula, size)
        items.append(Formula("caption", place.margin + indent, top + ascent, formula, size, "ink"))
        top += ascent + descent + LINE_GAP
    return items, top + 10


def sentence_lines(sentence: str, width: float) -> list[str]:
    """The sentence in lines; of a very long one the beginning."""
    lines = wrapped_words(sentence, width, SENTENCE_SIZE)
    if len(lines) <= MOST_SENTENCE_LINES:
        return lines
    return [*lines[: MOST_SENTENCE_LINES - 1], f"{lines[MOST_SENTENCE_LINES - 1][:-2].rstrip()}{ELLIPSIS}"]


def equation_lines(sides: tuple[Mathematics, ...], width: float, height: float) -> tuple[list[Line], float]:
    """An equation's lines at the largest size at which they fit into a height, or the smallest size; and the size."""
    for size in EQUATION_SIZES:
        lines = lines_at(sides, width, size)
        if equation_height(lines, size) <= height:
            break
    return lines, size


def lines_at(sides: tuple[Mathematics, ...], width: float, size: float) -> list[Line]:
    """The chain of equalities broken into lines (indent, formula): symbols first, numbers below."""
    if not sides:
        return []
    first = Row((sides[0], Operator("="), sides[1])) if len(sides) > 1 else sides[0]
    lines: list[Line] = [(0.0, first)]
    for side in sides[2:]:
        continued = Row((*row_items(lines[-1][1]), Operator("="), side))
        fits = lines[-1][0] + measure(continued, size)[0] <= width
        if (len(lines) == 1 and len(sides) > 3) or not fits:
            lines.append((INDENT, Row((Operator("="), side))))
        else:
            lines[-1] = (lines[-1][0], continued)
    return [part for indent, line in lines for part in hanging(indent, line, width, size)]


def hanging(indent: float, line: Mathematics, width: float, size: float) -> list[Line]:
    """A line in as many lines as it needs, those after the first set further in."""
    if measure(line, size)[0] <= width - indent:
        return [(indent, line)]
    parts = broken(line, width - indent - 2 * INDENT, size)
    return [(indent + (2 * INDENT if number else 0.0), part) for number, part in enumerate(parts)]


def fewer_lines(lines: list[Line], height: float, size: float) -> list[Line]:
    """As many lines as fit in a height: the first ones and the last, with an ellipsis between them."""
    if equation_height(lines, size) <= height:
        return lines
    for count in range(len(lines) - 2, 0, -1):
        kept = [*lines[:count], (INDENT, Text(ELLIPSIS)), lines[-1]]
        if equation_height(kept, size) <= height:
            return kept
    return lines[-1:]


def equation_height(lines: list[Line], size: float) -> float:
    """The height of an equation's lines."""
    return sum(sum(measure(line, size)[1:]) + LINE_GAP for _, line in lines)
