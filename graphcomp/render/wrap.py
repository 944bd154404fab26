"""Breaks a long drawing into rows, as a line of text is broken: where only edges cross, between two ranks.

An edge that crosses a break runs to the end of its row and goes on, at the same height, where the next row begins.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from .curves import as_points, divided_where
from .layout import Edge, Layout, Parts
from .scene import Box, Point

Room = tuple[float, float]
SLIDE_ROOM: Room = (1208.0, 440.0)
MOST_ROWS = 5
ROW_GAP, OVERHANG, LEAD = 30.0, 24.0, 20.0
BEHIND, NARROWEST_GAP = 3.0, 12.0
Curve = tuple[Point, ...]


@dataclass(frozen=True)
class Row:
    """A stretch of the long drawing, and where it goes."""

    left: float
    right: float
    top: float
    bottom: float
    down: float

    def moved(self, point: Point) -> Point:
        """A point of the stretch in its row."""
        return point[0] - self.left + OVERHANG, point[1] - self.top + self.down


def scale_of(layout: Layout, room: Room) -> float:
    """How large a drawing can be in a room."""
    return min(room[0] / layout.width, room[1] / layout.height)


def wrapped(layout: Layout, room: Room, scale_wanted: float, unbroken: Collection[Edge] = ()) -> Layout:
    """The layout in as many rows as make it largest in a room; as it is where that is large enough.

    The edges in ``unbroken`` stay within one row.
    """
    across, down = room[0] / layout.width, room[1] / layout.height
    # Rows take at least the height of the whole: they make nothing larger that is too high already.
    if min(across, down) >= scale_wanted or down <= across or not layout.cards:
        return layout
    found, free = [layout], gaps(layout, unbroken)
    for count in range(2, MOST_ROWS + 1):
        cuts = chosen_cuts(layout, count, free)
        if len(cuts) == count - 1:
            found.append(in_rows(layout, cuts))
    return max(found, key=lambda one: scale_of(one, room))


def chosen_cuts(layout: Layout, count: int, free: Sequence[float]) -> list[float]:
    """Where to break into that many rows: in gaps, as evenly as they allow."""
    if not free:
        return []
    wanted = [layout.width * position / count for position in range(1, count)]
    nearest = {min(free, key=lambda gap: abs(gap - place)) for place in wanted}
    return sorted(nearest)


def gaps(layout: Layout, unbroken: Collection[Edge] = ()) -> list[float]:
    """The places where a vertical line meets no card, no label and no edge of ``unbroken``, and other edges once."""
    boxes = sorted([*layout.cards.values(), *layout.labels.values()], key=lambda box: box.left)
    # An edge that never turns back passes any line once.
    looked_at = [
        (edge in unbroken, parts)
        for edge, parts in layout.curves.items()
        if edge in unbroken or any(before[0] > after[0] for part in parts for before, after in pairwise(part))
    ]
    found, reached = [], boxes[0].right
    for box in boxes:
        # Close behind a card or a label, where the edges that leave it still run level.
        cut = reached + BEHIND
        if box.left > reached + NARROWEST_GAP and all(
            crossings(parts, cut) <= (not stays) for stays, parts in looked_at
        ):
            found.append(cut)
        reached = max(reached, box.right)
    return found


def crossings(parts: Parts, cut: float) -> int:
    """How often an edge passes a vertical line."""
    across = [point[0] > cut for part in parts for point in part]
    return sum(one != other for one, other in pairwise(across))


def in_rows(layout: Layout, cuts: Sequence[float]) -> Layout:
    """The layout broken at the cuts."""
    pieces = {edge: [split(part, cuts) for part in parts] for edge, parts in layout.curves.items()}
    rows = row_places(layout, cuts, [piece for parts in pieces.values() for part in parts for piece in part])

    def row_of(across: float) -> Row:
        return rows[bisect_right(cuts, across)]

    def moved_box(box: Box) -> Box:
        left, top = row_of(box.centre[0]).moved((box.left, box.top))
        return Box(left, top, left + box.width, top + box.height)

    def moved_curve(curve: Curve, goes_on: bool, went_on: bool) -> Curve:
        row = row_of((curve[0][0] + curve[-1][0]) / 2)
        moved = tuple(row.moved(point) for point in curve)
        ahead = level(moved[-1], LEAD)[1:] if goes_on else ()
        before = level((moved[0][0] - LEAD, moved[0][1]), LEAD)[:-1] if went_on else ()
        return (*before, *moved, *ahead)

    def moved_part(part: Sequence[Curve]) -> Iterator[Curve]:
        for index, piece in enumerate(part):
            yield moved_curve(piece, index < len(part) - 1, index > 0)

    width = max(row.right - row.left for row in rows) + 2 * OVERHANG
    return Layout(
        width,
        rows[-1].down + rows[-1].bottom - rows[-1].top,
        {node: moved_box(box) for node, box in layout.cards.items()},
        {edge: moved_box(box) for edge, box in layout.labels.items()},
        {edge: tuple(piece for part in parts for piece in moved_part(part)) for edge, parts in pieces.items()},
        layout.crossed,
    )


def level(start: Point, length: float) -> Curve:
    """A short level line, as a curve."""
    return tuple((start[0] + length * step / 3, start[1]) for step in range(4))


def row_places(layout: Layout, cuts: Sequence[float], pieces: Sequence[Curve]) -> list[Row]:
    """Each row's stretch, and how far down it stands."""
    ends = [0.0, *cuts, layout.width]
    rows: list[Row] = []
    down = 0.0
    for left, right in pairwise(ends):
        boxes = [box for box in (*layout.cards.values(), *layout.labels.values()) if left <= box.centre[0] <= right]
        heights = [y for box in boxes for y in (box.top, box.bottom)]
        inside = [piece for piece in pieces if left <= (piece[0][0] + piece[-1][0]) / 2 <= right]
        heights.extend(y for piece in inside for _, y in piece)
        rows.append(Row(left, right, min(heights) - 6, max(heights) + 6, down))
        down += max(heights) - min(heights) + 12 + ROW_GAP
    return rows


def split(curve: Curve, cuts: Sequence[float]) -> list[Curve]:
    """A curve cut wherever it passes one of the vertical lines."""
    found: list[Curve] = []
    current: list[Point] = [curve[0]]
    for start in range(0, len(curve) - 1, 3):
        piece = curve[start : start + 4]
        passed = [cut for cut in cuts if piece[0][0] < cut < piece[-1][0]]
        if not passed:
            current.extend(piece[1:])
            continue
        rest = np.array(piece)
        for cut in passed:
            if rest[0, 0] < cut < rest[-1, 0]:
                before, rest = divided_where(rest, partial(right_of, cut))
                found.append((*current, *as_points(before[1:])))
                current = as_points(rest[:1])
        current.extend(as_points(rest[1:]))
    return [*found, tuple(current)]


def right_of(cut: float, point: np.ndarray) -> bool:
    """Whether a point lies to the right of a vertical line."""
    return bool(point[0] >= cut)
