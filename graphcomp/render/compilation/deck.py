"""Composes the slides of a compile story: the title, the picture, beside it the source, and below it the words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..glyphs import text_width
from ..mathematics import Mathematics, Operator, Row
from ..scene import Box, Formula, Primitive, Rectangle, Scene, Words, measure
from ..sentences import Language
from ..style import SMALLEST_TEXT
from .pictures import SMALLEST_SCALE, Card, Drawing, fitting, in_words, legible
from .sourcing import Line
from .steps import Step

WIDTH, HEIGHT, MARGIN = 1280.0, 720.0, 36.0
TITLE_SIZE, TITLE_BASELINE, TOP = 25.0, 47.0, 70.0
SENTENCE_SIZE, EQUATION_SIZE, NUMBER_SIZE, CODE_SIZE = 21.0, 25.0, 19.0, 19.0
LINE, CODE_LINE, INDENT = 29.0, 25.0, 18.0
SOURCE_SHARE, MOST_SOURCE = 0.46, 0.45
MOST_SENTENCE_LINES = 4


def deck(title: str, steps: Sequence[Step], words: Language) -> Scene:
    """Every step's slide in one scene."""
    items: list[Primitive] = [Rectangle("page", Box(0, 0, WIDTH, HEIGHT), "page")]
    heading = cut(title, WIDTH - 200, TITLE_SIZE)
    items.append(Words("caption", MARGIN, TITLE_BASELINE, heading, TITLE_SIZE, "ink", bold=True))
    descriptions: dict[str, str] = {}
    for index, step in enumerate(steps):
        count = f"{index + 1} / {len(steps)}"
        number = Words("caption", WIDTH - MARGIN, TITLE_BASELINE, count, NUMBER_SIZE, "muted", "end")
        for item in (*slide(step), number):
            owner = f"{index}:{item.owner}" if item.owner else ""
            items.append(replace(item, frames=((index, index + 1),), owner=owner))
        descriptions |= {f"{index}:{owner}": text for owner, text in described(step, words).items()}
    return Scene(WIDTH, HEIGHT, title, tuple(items), descriptions)


def described(step: Step, words: Language) -> dict[str, str]:
    """The cards in words."""

    def told(card: Card) -> str:
        text = f"{in_words(card.title)}, {card.detail}"
        return words.say(card.mark, card=text) if card.mark in ("removed", "added", "same") else text

    return {f"{pane.name}:{card.key}": told(card) for pane in step.panes for card in pane.cards}


def slide(step: Step) -> list[Primitive]:
    """One step."""
    words, needed = panel(step)
    top = HEIGHT - needed
    items: list[Primitive] = [Rectangle("panel", Box(0, top, WIDTH, HEIGHT), "panel"), *words_at(words, top)]
    places = picture_and_source(step, top - TOP - 12)
    for drawing, left, down, scale in places:
        items.extend(drawing.moved(left, down, scale))
    return items


def picture_and_source(step: Step, height: float) -> list[tuple[Drawing, float, float, float]]:
    """The picture, and a kernel's source right of it or below it, whichever leaves the picture larger; with places."""
    width = WIDTH - 2 * MARGIN
    if not step.lines:
        drawing, scale = legible(step.panes, (width, height))
        return [centred(drawing, scale, (MARGIN, TOP), (width, height))]
    source = (min(width * SOURCE_SHARE, widest(step.lines)), height)
    room = (width - source[0] - 24, height)
    columns = code_columns(step.lines, (width, height * MOST_SOURCE))
    below = (width, height - columns.height - 10)
    beside, under = legible(step.panes, room), legible(step.panes, below)
    whole, whole_below = (fitting(step.panes, place)[1] >= SMALLEST_SCALE for place in (room, below))
    if whole or (not whole_below and beside[1] >= SMALLEST_SCALE):
        listing = code(step.lines, source)
        return [centred(*beside, (MARGIN, TOP), room), (listing, WIDTH - MARGIN - source[0], TOP, 1.0)]
    return [centred(*under, (MARGIN, TOP), below), (columns, MARGIN, TOP + below[1] + 10, 1.0)]


def centred(
    drawing: Drawing, scale: float, place: tuple[float, float], room: tuple[float, float]
) -> tuple[Drawing, float, float, float]:
    """A drawing in the middle of a room."""
    left = place[0] + (room[0] - drawing.width * scale) / 2
    return drawing, left, place[1] + (room[1] - drawing.height * scale) / 2, scale


def words_at(words: Sequence[Primitive], top: float) -> list[Primitive]:
    """The panel's words in their place."""
    return [item.moved(0, top, 1.0) for item in words]


def panel(step: Step) -> tuple[list[Primitive], float]:
    """The sentence, the rule and its use here, and the height they need."""
    width = WIDTH - 2 * MARGIN
    items: list[Primitive] = []
    baseline = 10.0
    for line in wrapped(step.sentence, width, SENTENCE_SIZE, MOST_SENTENCE_LINES):
        baseline += LINE
        items.append(Words("caption", MARGIN, baseline, line, SENTENCE_SIZE, "ink"))
    top = baseline + 16
    for formula in formulas(step):
        across, ascent, descent = measure(formula, EQUATION_SIZE)
        size = EQUATION_SIZE * min(1.0, width / across)
        if size < SMALLEST_TEXT:  # the sentence says it too
            continue
        items.append(Formula("caption", MARGIN, top + ascent, formula, size, "ink"))
        top += ascent + descent + 12
    return items, top + 6


def formulas(step: Step) -> list[Mathematics]:
    """The rule as mathematics, and what it does here."""
    here = [Row((step.equation[0], Operator("→"), step.equation[1]))] if step.equation else []
    return [*step.rules, *here]


def code_columns(lines: Sequence[Line], room: tuple[float, float]) -> Drawing:
    """Source in two columns, as much of it as fits."""
    most = int(room[1] // CODE_LINE)
    rows = min((len(lines) + 1) // 2, most)
    width = room[0] / 2 - 15
    halves = [lines[:rows], lines[rows:]]
    items: list[Primitive] = []
    for column, half in enumerate(halves):
        items.extend(code(half, (width, rows * CODE_LINE)).moved(column * (width + 30), 0))
    return Drawing(tuple(items), room[0], rows * CODE_LINE)


def code(lines: Sequence[Line], room: tuple[float, float]) -> Drawing:
    """Source with its line numbers, as much of it as fits."""
    most = int(room[1] // CODE_LINE)
    shown = lines if len(lines) <= most else lines[: most - 1]
    least = min((indent(line) for line in lines), default=0)
    items: list[Primitive] = []
    for row, line in enumerate(shown):
        baseline = (row + 0.75) * CODE_LINE
        nodes = " ".join(f"%{node}" for node in line.nodes[:2])
        items.append(Words("caption", 38, baseline, str(line.number), CODE_SIZE, "muted", "end"))
        start = 50 + INDENT * (indent(line) - least) / 4
        end = room[0] - (text_width(nodes, CODE_SIZE) + 12 if nodes else 0)
        text = cut(line.code.strip(), end - start, CODE_SIZE)
        items.append(Words("caption", start, baseline, text, CODE_SIZE, "ink"))
        if nodes:
            items.append(Words("caption", room[0], baseline, nodes, CODE_SIZE, "muted", "end"))
    if len(shown) < len(lines):
        words = f"… {len(lines) - len(shown)} more lines"
        items.append(Words("caption", 50, (len(shown) + 0.75) * CODE_LINE, words, CODE_SIZE, "muted"))
    return Drawing(tuple(items), *room)


def widest(lines: Sequence[Line]) -> float:
    """The width of the widest line."""
    least = min(map(indent, lines))
    return max(
        50 + INDENT * (indent(line) - least) / 4
        + text_width(line.code.strip() + " ".join(f"%{node}" for node in line.nodes[:2]), CODE_SIZE) * 1.03 + 20
        for line in lines
    )  # fmt: skip


def indent(line: Line) -> int:
    """The spaces before a line's text."""
    return len(line.text) - len(line.text.lstrip())


def wrapped(text: str, width: float, size: float, most: int) -> list[str]:
    """Words broken into lines, the last one cut where there are too many."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(cut(word, width, size))
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(" ".join(lines[most - 1 :]), width, size)]
    return lines


def cut(text: str, width: float, size: float) -> str:
    """The text, with an ellipsis where it would be too wide."""
    if text_width(text, size) * 1.03 <= width:
        return text
    while text and text_width(text + "…", size) * 1.03 > width:
        text = text[:-1]
    return text + "…"
