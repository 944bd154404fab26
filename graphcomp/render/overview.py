"""A small map of the whole graph, without text: where the part is that a slide shows, and in it the focus."""

from __future__ import annotations

from .chapters import Chapter
from .picture import TONES
from .placing import lay_out
from .scene import Curve, Point, Primitive, Rectangle, Span
from .story import StoryContent
from .wrap import Room

CARD = (44.0, 28.0)
GAPS = (0.16, 0.36)
LARGEST_SCALE = 0.7


def overview(story: StoryContent, chapters: list[Chapter], corner: Point, room: Room) -> list[Primitive]:
    """The map for all frames, its right upper corner at ``corner``, no larger than ``room``."""
    layout = lay_out(
        {node.id: CARD for node in story.nodes}, {edge.key: edge.operand for edge in story.edges}, {}, gaps=GAPS
    )
    scale = min(room[0] / layout.width, room[1] / layout.height, LARGEST_SCALE)
    tone = TONES[story.mode]
    fill = "panel" if tone == "value" else f"{tone}_fill"
    items: list[Primitive] = [
        Curve("map", points, "rule", 1.4 / scale) for parts in layout.curves.values() for points in parts
    ]
    for node in story.nodes:
        box = layout.cards[node.id]
        items.append(Rectangle("map", box, "page", "rule", 1.4 / scale, 5.0))
        if inside := tuple((chapter.start, chapter.stop) for chapter in chapters if holds(chapter, node.id)):
            items.append(Rectangle("map", box, fill, "line", 2.0 / scale, 5.0, frames=inside))
        if focus := focus_spans(story, node.id):
            items.append(Rectangle("map", box, tone, "ink", 2.0 / scale, 5.0, frames=focus))
    left, top = corner[0] - layout.width * scale, corner[1] + (room[1] - layout.height * scale) / 2
    return [item.moved(left, top, scale) for item in items]


def holds(chapter: Chapter, id: int) -> bool:
    """Whether a chapter draws a node."""
    return id in chapter.arrangement.layout.cards


def focus_spans(story: StoryContent, id: int) -> tuple[Span, ...]:
    """The frames in which a node has the focus."""
    return tuple((index, index + 1) for index, frame in enumerate(story.frames) if frame.focus == id)
