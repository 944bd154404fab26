"""Composes slides: the title, the graph, and below it the sentence and equation of each frame.

A slide has a fixed size, and text that never shrinks: a graph too large for it is shown part by part (see
``chapters``) beside a small map of the whole.  ``poster`` is a picture to be looked at alone: it holds the whole
graph, and grows in the same proportions where that needs more room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .chapters import Chapter, chapters, whole
from .fitting import cut_words
from .heat import LEGEND_HEIGHT, legend
from .overview import overview
from .panel import Panels, Place, panels
from .picture import describe, drawn, element_name, heat_maps
from .scene import Box, Curve, Point, Primitive, Rectangle, Scene, Words
from .story import StoryContent
from .wrap import Room

MARGIN, TITLE_SIZE, TITLE_BASELINE = 36.0, 25.0, 47.0
GRAPH_MARGIN, GRAPH_TOP, GRAPH_BOTTOM = 20.0, 70.0, 14.0
NUMBER_SIZE, NUMBER_WIDTH = 19.0, 118.0
MAP_ROOM, MAP_TOP = (330.0, 54.0), 10.0
SMALLEST_SCALE, LARGEST_SCALE = 0.89, 1.3
GOOD_PANEL, MOST_PANEL = 0.3, 0.62
STUB, STUB_PLACES = 15.0, (0.5, 0.28, 0.72, 0.12, 0.88)


@dataclass(frozen=True)
class Page:
    """The size of a slide, and whether it bears the story's title."""

    width: float
    height: float
    titled: bool = True

    def panels(self, story: StoryContent) -> Panels:
        """What stands below the graph in each frame."""
        return panels(story, Place(self.width, MARGIN, GOOD_PANEL * self.height, MOST_PANEL * self.height))

    def room(self, panel_height: float) -> Room:
        """What is left for the graph above a panel."""
        return self.width - 2 * GRAPH_MARGIN, self.height - GRAPH_TOP - panel_height - GRAPH_BOTTOM


SLIDE = Page(1280.0, 720.0)
"""13⅓ × 7½ inches."""


def slide(story: StoryContent, page: Page = SLIDE) -> Scene:
    """Every frame's slide in one scene; all of its text has 14 points or more, the pixel being ¾ point."""
    texts = page.panels(story)
    below = legend_height(story)
    told = chapters(story, lambda start, stop: page.room(texts.height(start, stop) + below), LARGEST_SCALE)
    return composed(story, told, texts, page)


def poster(story: StoryContent, page: Page = SLIDE) -> Scene:
    """The same with the whole graph in every frame, on a page so large that text is as on a slide."""
    texts = page.panels(story)
    below = texts.height(0, len(story.frames)) + legend_height(story)
    chapter = whole(story, page.room(below), LARGEST_SCALE)
    growth = max(1.0, SMALLEST_SCALE / chapter.scale)
    scene = composed(story, [chapter], texts, page)
    items = tuple(item.moved(0, 0, growth) for item in scene.primitives)
    return replace(scene, width=growth * scene.width, height=growth * scene.height, primitives=items)


def composed(story: StoryContent, told: list[Chapter], texts: Panels, page: Page) -> Scene:
    """The slides of chapters."""
    right = page.width - MARGIN - NUMBER_WIDTH
    items: list[Primitive] = [Rectangle("page", Box(0, 0, page.width, page.height), "page")]
    if len(told) > 1:
        items.extend(overview(story, told, (right, MAP_TOP), MAP_ROOM))
        right = min(item.box.left for item in items[1:]) - MARGIN
    if page.titled:
        title = cut_words(story.title, right - MARGIN, TITLE_SIZE)
        items.append(Words("caption", MARGIN, TITLE_BASELINE, title, TITLE_SIZE, "ink", bold=True))
    for chapter in told:
        top = page.height - texts.height(chapter.start, chapter.stop)
        above = top - legend_height(story)
        explained = legend(heat_maps(chapter.story), MARGIN, (above + top) / 2)
        shown = (*panel_items(texts, chapter, page, top), *explained, *graph_items(chapter, page, above))
        items.extend(shown if len(told) == 1 else filter(None, (within(item, chapter) for item in shown)))
    items.extend(page_number(index, len(story.frames), page) for index in range(len(story.frames)))
    descriptions = {element_name(node.id): describe(story, node) for node in story.nodes}
    return Scene(page.width, page.height, story.title, tuple(items), descriptions)


def legend_height(story: StoryContent) -> float:
    """The room for the line that explains heat maps, if there are any."""
    return LEGEND_HEIGHT if heat_maps(story) else 0.0


def panel_items(texts: Panels, chapter: Chapter, page: Page, top: float) -> Iterator[Primitive]:
    """The panel with the sentence and equation of each frame of a chapter, and the table."""
    yield Rectangle("panel", Box(0, top, page.width, page.height), "panel")
    for index in range(chapter.start, chapter.stop):
        for item in texts.contents[index]:
            yield replace(item.moved(0, top, 1.0), frames=((index, index + 1),))
    if texts.table:
        for item in texts.table.drawn(page.width - MARGIN - texts.table.width):
            yield item.moved(0, top, 1.0)


def graph_items(chapter: Chapter, page: Page, bottom: float) -> Iterator[Primitive]:
    """The graph of a chapter in the middle of the room above the panel, and the edges that leave it."""
    graph = drawn(chapter.story, chapter.arrangement, chapter.style)
    left = (page.width - graph.width * chapter.scale) / 2
    top = GRAPH_TOP + (bottom - GRAPH_TOP - GRAPH_BOTTOM - graph.height * chapter.scale) / 2
    for item in (*stubs(chapter), *graph.primitives):
        yield later(item.moved(left, top, chapter.scale), chapter.start)


def later(item: Primitive, start: int) -> Primitive:
    """A part of a chapter, whose frames count from its first one, with the story's frames."""
    if item.frames is None or not start:
        return item
    return replace(item, frames=tuple((first + start, last + start) for first, last in item.frames))


def within(item: Primitive, chapter: Chapter) -> Primitive | None:
    """A primitive as far as it is shown in a chapter's frames."""
    spans = ((chapter.start, chapter.stop),) if item.frames is None else item.frames
    inside = [(max(start, chapter.start), min(stop, chapter.stop)) for start, stop in spans]
    shown = tuple((start, stop) for start, stop in inside if start < stop)
    return replace(item, frames=shown) if shown else None


def stubs(chapter: Chapter) -> Iterator[Primitive]:
    """Short dashed lines at the cards from which edges lead to nodes that the chapter leaves out."""
    layout = chapter.arrangement.layout
    ends = sorted(
        {point for parts in layout.curves.values() for point in (parts[0][0], parts[-1][-1])}, key=lambda p: p[1]
    )
    for node, entering in chapter.hidden:
        box = layout.cards[node]
        side = box.left if entering else box.right
        down = free_place(box, [y for x, y in ends if abs(x - side) < 1])
        first: Point = (side - STUB, down) if entering else (side, down)
        third = STUB / 3
        points = (first, (first[0] + third, down), (first[0] + 2 * third, down), (first[0] + STUB, down))
        yield Curve("edge", points, "line", 1.6, dashed=True)


def free_place(box: Box, taken: list[float]) -> float:
    """A height on a card's side away from the edges that end there."""
    places = [box.top + part * box.height for part in STUB_PLACES]
    return max(places, key=lambda place: min((abs(place - other) for other in taken), default=0.0))


def page_number(frame: int, frames: int, page: Page) -> Primitive:
    """``3 / 5``."""
    place = (page.width - MARGIN, TITLE_BASELINE)
    text = f"{frame + 1} / {frames}"
    return Words("caption", *place, text, NUMBER_SIZE, "muted", "end", frames=((frame, frame + 1),))
