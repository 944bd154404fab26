"""Composes a slide: the title, the graph, and below it the sentence and equation of each frame.

A slide is 13⅓ × 7½ inches (1280 × 720 pixels); when a graph is too large for that at a readable size, the page
grows in the same proportions instead of the text shrinking below 14 points.
"""

from __future__ import annotations

from dataclasses import replace

from .glyphs import text_width
from .jacobian import Table, shows_table
from .mathematics import Mathematics, Operator, Row
from .scene import Box, Formula, Primitive, Rectangle, Scene, Words, measure
from .story import Frame, StoryContent

WIDTH, HEIGHT = 1280.0, 720.0
MARGIN, TITLE_SIZE, TITLE_BASELINE, GRAPH_TOP = 36.0, 25.0, 47.0, 70.0
SENTENCE_SIZE, EQUATION_SIZE, NUMBER_SIZE = 21.0, 26.0, 19.0
LINE_GAP, INDENT = 13.0, 34.0
SMALLEST_SCALE, LARGEST_SCALE = 0.9, 1.3


def slide(story: StoryContent, graph: Scene) -> Scene:
    """Every frame's slide in one scene; ``graph`` is the story's drawing."""
    table = Table(story) if shows_table(story) else None
    panels = [panel(frame, WIDTH - 2 * MARGIN - (table.width + 30 if table else 0)) for frame in story.frames]
    panel_height = max([height for _, height in panels] + ([table.height] if table else []), default=0.0)
    page = page_scale(graph, panel_height)
    width, height = WIDTH * page, HEIGHT * page
    panel_height, graph_top, margin = panel_height * page, GRAPH_TOP * page, MARGIN * page
    free_width, free_height = width - 2 * margin, height - graph_top - panel_height - 14
    scale = min(free_width / graph.width, free_height / graph.height, LARGEST_SCALE)
    left = (width - graph.width * scale) / 2
    top = graph_top + (free_height - graph.height * scale) / 2
    lower = Box(0, height - panel_height, width, height)
    items: list[Primitive] = [
        Rectangle("page", Box(0, 0, width, height), "page"),
        Rectangle("panel", lower, "panel"),
        Words("caption", MARGIN, TITLE_BASELINE, fitted(story.title, WIDTH - 190), TITLE_SIZE, "ink", bold=True).moved(
            0, 0, page
        ),
    ]
    items.extend(item.moved(left, top, scale) for item in graph.primitives)
    for index, (content, _) in enumerate(panels):
        items.extend(on_frame(item, index, lower.top, page) for item in content)
        items.append(page_number(index, len(panels)).moved(0, 0, page))
    if table:
        items.extend(item.moved(0, lower.top, page) for item in table.drawn(WIDTH - MARGIN - table.width))
    return Scene(width, height, story.title, tuple(items), graph.descriptions)


def page_scale(graph: Scene, panel_height: float) -> float:
    """How much larger than 1280 × 720 a slide is: only where the text of the graph would become too small."""
    across = graph.width * SMALLEST_SCALE / (WIDTH - 2 * MARGIN)
    down = (graph.height * SMALLEST_SCALE + 14) / max(HEIGHT - GRAPH_TOP - panel_height, HEIGHT / 4)
    return max(1.0, across, down)


def on_frame(item: Primitive, frame: int, top: float, scale: float) -> Primitive:
    """A part of a panel, moved to the panel and limited to its frame."""
    return replace(item.moved(0, top, scale), frames=((frame, frame + 1),))


def page_number(frame: int, frames: int) -> Primitive:
    """``3 / 5``."""
    text = f"{frame + 1} / {frames}"
    place = (WIDTH - MARGIN, TITLE_BASELINE)
    return Words("caption", *place, text, NUMBER_SIZE, "muted", "end", frames=((frame, frame + 1),))


def panel(frame: Frame, width: float = WIDTH - 2 * MARGIN) -> tuple[list[Primitive], float]:
    """A frame's sentence and equation, and the height they need."""
    items: list[Primitive] = []
    baseline = 16.0
    for line in wrapped(frame.sentence, width):
        baseline += 22
        items.append(Words("caption", MARGIN, baseline, line, SENTENCE_SIZE, "ink"))
        baseline += 7
    top = baseline + 9
    for indent, formula, size in equation_lines(frame.equation, width):
        _, ascent, descent = measure(formula, size)
        items.append(Formula("caption", MARGIN + indent, top + ascent, formula, size, "ink"))
        top += ascent + descent + LINE_GAP
    return items, top + 10


def equation_lines(sides: tuple[Mathematics, ...], width: float) -> list[tuple[float, Mathematics, float]]:
    """The chain of equalities broken into lines (indent, formula, size): symbols first, numbers below."""
    if not sides:
        return []
    first = Row((sides[0], Operator("="), sides[1])) if len(sides) > 1 else sides[0]
    lines: list[tuple[float, Mathematics]] = [(0.0, first)]
    for side in sides[2:]:
        continued = Row((*row_items(lines[-1][1]), Operator("="), side))
        fits = lines[-1][0] + measure(continued, EQUATION_SIZE)[0] <= width
        if (len(lines) == 1 and len(sides) > 3) or not fits:
            lines.append((INDENT, Row((Operator("="), side))))
        else:
            lines[-1] = (lines[-1][0], continued)
    return [
        (indent, line, EQUATION_SIZE * min(1.0, (width - indent) / measure(line, EQUATION_SIZE)[0]))
        for indent, line in lines
    ]


def row_items(formula: Mathematics) -> tuple[Mathematics, ...]:
    """The items of a row, or the formula alone."""
    return formula.items if isinstance(formula, Row) else (formula,)


def wrapped(text: str, width: float) -> list[str]:
    """Words broken into lines no wider than ``width``; a word that is wider is shortened."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, SENTENCE_SIZE) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted(word, width, SENTENCE_SIZE))
    return lines


def fitted(text: str, width: float, size: float = TITLE_SIZE) -> str:
    """The text, cut with an ellipsis where it would be too wide."""
    if text_width(text, size) * 1.03 <= width:
        return text
    while text and text_width(text + "…", size) * 1.03 > width:
        text = text[:-1]
    return text + "…"
