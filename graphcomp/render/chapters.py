"""Divides a story into chapters, each told over a part of the graph that can be drawn at a readable size.

A story whose whole graph fits is one chapter.  Otherwise a chapter takes frames, one after the other, as long as
the nodes they speak about still fit together; the room that is left goes to the neighbours of those nodes.  Within
a chapter the layout is fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from .picture import Arrangement, arranged
from .story import Edge, Fact, Frame, StoryContent
from .style import COMPACT, ROOMY, Style
from .wrap import Room, scale_of

MOST_REFUSALS = 3
MeasureRoom = Callable[[int, int], Room]


@dataclass(frozen=True)
class Chapter:
    """The frames [start, stop) as a story about some of the nodes, and how these are arranged.

    ``scale`` is how large the arrangement is drawn; ``hidden`` are the ends of edges that leave the part: the node
    that is drawn, and whether the edge enters it.
    """

    start: int
    stop: int
    story: StoryContent
    arrangement: Arrangement
    style: Style
    scale: float
    hidden: tuple[tuple[int, bool], ...] = ()


def chapters(story: StoryContent, room: MeasureRoom, largest_scale: float) -> list[Chapter]:
    """The story in as few chapters as its frames in order allow; ``room(start, stop)``: what these leave the graph."""
    for style in (ROOMY, COMPACT):
        if whole_story := fitted(story, room(0, len(story.frames)), style, largest_scale):
            return [Chapter(0, len(story.frames), story, *whole_story)]
    frames = range(max(len(story.frames), 1))
    found: list[Chapter] = []
    while not found or found[-1].stop < len(frames):
        found.append(next_chapter(story, found[-1].stop if found else 0, len(frames), room, largest_scale))
    # One size of text for all of them.
    common = min(chapter.scale for chapter in found)
    return [replace(chapter, scale=common) for chapter in found]


def whole(story: StoryContent, room: Room, largest_scale: float) -> Chapter:
    """The whole story as one chapter, as large as the room allows, be its text ever so small."""
    arrangement = arranged(story, "right", ROOMY, room)
    layout = arrangement.layout
    scale = min(scale_of(layout, room), largest_scale)
    return Chapter(0, len(story.frames), story, arrangement, ROOMY, scale)


def fitted(
    story: StoryContent, room: Room, style: Style, largest_scale: float, unbroken: Collection[Edge] = ()
) -> tuple[Arrangement, Style, float] | None:
    """The story arranged in a style with nothing overlapping, if its text is then large enough."""
    arrangement = arranged(story, "right", style, room, unbroken)
    layout = arrangement.layout
    scale = min(scale_of(layout, room), largest_scale)
    return (arrangement, style, scale) if scale >= style.smallest_scale and not layout.crossed else None


def next_chapter(story: StoryContent, start: int, stop: int, room: MeasureRoom, largest_scale: float) -> Chapter:
    """The chapter that begins with a frame: with as many frames after it, and then as many neighbours, as fit."""

    def attempt(nodes: Iterable[int], last: int, in_one_row: bool = True) -> Chapter | None:
        part = excerpt(story, nodes, start, last)
        # What a frame reads is seen at one glance.
        unbroken = {key for frame in part.frames for key in frame.reads} if in_one_row else ()
        found = fitted(part, room(start, last), COMPACT, largest_scale, unbroken)
        return Chapter(start, last, part, *found, hidden_ends(story, part)) if found else None

    wanted = essential(story, start)
    tries = ((count, in_one_row) for count in range(len(wanted), 0, -1) for in_one_row in (True, False))
    found = (attempt(wanted[:count], start + 1, in_one_row) for count, in_one_row in tries)
    best = next(filter(None, found), None) or single(story, wanted[0], start, room(start, start + 1))
    nodes = [node.id for node in best.story.nodes]
    for frame in range(start + 1, stop):
        more = [*nodes, *(id for id in essential(story, frame) if id not in nodes)]
        longer = attempt(more, frame + 1)
        if longer is None:
            break
        best, nodes = longer, more
    refused: list[int] = []
    while len(refused) < MOST_REFUSALS and (neighbour := nearest(story, nodes, refused)) is not None:
        if richer := attempt([*nodes, neighbour], best.stop):
            best = richer
            nodes.append(neighbour)
        else:
            refused.append(neighbour)
    return best


def single(story: StoryContent, node: int, start: int, room: Room) -> Chapter:
    """One card alone, which a style that cuts what is too wide can always draw."""
    part = excerpt(story, [node], start, start + 1)
    arrangement = arranged(part, "right", COMPACT, room)
    return Chapter(start, start + 1, part, arrangement, COMPACT, 1.0, hidden_ends(story, part))


def essential(story: StoryContent, frame: int) -> list[int]:
    """The nodes that a frame is about, most important first: the focus, the ends of what it reads, its region."""
    if not story.frames:
        return [node.id for node in story.nodes]
    told: Frame = story.frames[frame]
    operands = {edge.key: edge.operand for edge in story.edges if edge.key in set(told.reads)}
    ends = [id for key in told.reads if key in operands for id in (key[0], operands[key])]
    region = told.region.nodes if told.region else ()
    return list(dict.fromkeys((told.focus, *ends, *region)))


def nearest(story: StoryContent, nodes: Sequence[int], refused: Sequence[int]) -> int | None:
    """The operand or user of the first of these nodes that has another one which was not refused."""
    beside: dict[int, list[int]] = {node.id: [] for node in story.nodes}
    for edge in story.edges:
        beside[edge.user].append(edge.operand)
        beside[edge.operand].append(edge.user)
    known = {*nodes, *refused}
    return next((other for id in nodes for other in beside[id] if other not in known), None)


def excerpt(story: StoryContent, nodes: Iterable[int], start: int, stop: int) -> StoryContent:
    """The frames [start, stop) as a story about some of the nodes; what was known before is given."""
    kept = set(nodes)
    edges = tuple(edge for edge in story.edges if edge.operand in kept and edge.user in kept)
    targets: set[int | Edge] = {*kept, *(edge.key for edge in edges)}
    return replace(
        story,
        nodes=tuple(node for node in story.nodes if node.id in kept),
        edges=edges,
        frames=story.frames[start:stop],
        given=tuple(fact for fact in known_before(story, start) if fact.target in targets),
    )


def known_before(story: StoryContent, start: int) -> Iterable[Fact]:
    """The facts that a frame finds already known."""
    if not start:
        return story.given
    return [known.fact for history in story.known.values() for known in history if known.start < start < known.stop]


def hidden_ends(story: StoryContent, part: StoryContent) -> tuple[tuple[int, bool], ...]:
    """The sides of the part's nodes where edges lead to nodes that it leaves out."""
    kept = {node.id for node in part.nodes}
    entering = ((edge.user, True) for edge in story.edges if edge.user in kept and edge.operand not in kept)
    leaving = ((edge.operand, False) for edge in story.edges if edge.operand in kept and edge.user not in kept)
    return tuple(dict.fromkeys((*entering, *leaving)))
