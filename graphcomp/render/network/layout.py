"""Places the members of one level: dot for small levels, ranks in columns for large ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from ..layout import Layout, Parts, lay_out
from ..scene import Box

MOST_FOR_DOT = 40
GAP_ACROSS, GAP_DOWN, MARGIN = 70.0, 18.0, 6.0
Pair = tuple[int, int]
Size = tuple[float, float]


def place(sizes: Mapping[int, Size], pairs: Sequence[Pair], labels: Mapping[int, Size]) -> Layout:
    """Boxes and curves for members 0, 1, … and the edges (source, target), which may go round in circles.

    ``labels``: the sizes of what stands on some edges, by their position; large levels leave it out.
    """
    edges = {(target, slot): source for slot, (source, target) in enumerate(pairs)}
    if len(sizes) <= MOST_FOR_DOT and len(pairs) <= 2 * MOST_FOR_DOT:
        return lay_out(sizes, edges, {edge: labels[edge[1]] for edge in edges if edge[1] in labels})
    return in_columns(sizes, edges)


def ranks(sizes: Mapping[int, Size], edges: Mapping[Pair, int]) -> dict[int, int]:
    """The length of the longest way to each member; edges against the order of the members are not followed."""
    before: dict[int, list[int]] = defaultdict(list)
    for (target, _), source in edges.items():
        if source < target:
            before[target].append(source)
    found: dict[int, int] = {}
    for member in sorted(sizes):
        found[member] = max((found[source] + 1 for source in before[member]), default=0)
    return found


def in_columns(sizes: Mapping[int, Size], edges: Mapping[Pair, int]) -> Layout:
    """A column for each rank; within a column, members stand near what they read."""
    columns: dict[int, list[int]] = defaultdict(list)
    for member, rank in ranks(sizes, edges).items():
        columns[rank].append(member)
    reads: dict[int, list[int]] = defaultdict(list)
    for (target, _), source in edges.items():
        reads[target].append(source)
    boxes: dict[int, Box] = {}
    left = MARGIN
    for rank in sorted(columns):
        width = max(sizes[member][0] for member in columns[rank])
        top = MARGIN
        for member in sorted(columns[rank], key=lambda member: middle(reads[member], boxes)):
            boxes[member] = Box(left, top, left + sizes[member][0], top + sizes[member][1])
            top += sizes[member][1] + GAP_DOWN
        left += width + GAP_ACROSS
    curves: dict[Pair, Parts] = {edge: (curve(boxes[source], boxes[edge[0]]),) for edge, source in edges.items()}
    height = max(box.bottom for box in boxes.values()) + MARGIN
    return Layout(left - GAP_ACROSS + MARGIN, height, boxes, {}, curves)


def middle(sources: Sequence[int], boxes: Mapping[int, Box]) -> float:
    """The mean height of what a member reads, as far as it is placed."""
    heights = [boxes[source].centre[1] for source in sources if source in boxes]
    return sum(heights) / len(heights) if heights else 0.0


def curve(source: Box, target: Box) -> tuple[tuple[float, float], ...]:
    """An S from one box to another."""
    start, end = (source.right, source.centre[1]), (target.left, target.centre[1])
    half = (start[0] + end[0]) / 2
    return start, (half, start[1]), (half, end[1]), end
