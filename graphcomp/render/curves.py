"""Cubic Bézier curves cut in two (de Casteljau's construction)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from .scene import Point

Piece = np.ndarray
BISECTIONS = 40


def divided(piece: Piece, t: float) -> tuple[Piece, Piece]:
    """A cubic piece (four points as rows) divided at ``t`` in [0, 1]."""
    first = piece[:-1] * (1 - t) + piece[1:] * t
    second = first[:-1] * (1 - t) + first[1:] * t
    third = second[0] * (1 - t) + second[1] * t
    return np.array([piece[0], first[0], second[0], third]), np.array([third, second[1], first[2], piece[3]])


def point_at(points: Sequence[Point], t: float) -> Point:
    """The point of a cubic piece at ``t``: in plain numbers, which are faster than arrays of two."""
    while len(points) > 1:
        points = [(x * (1 - t) + across * t, y * (1 - t) + down * t) for (x, y), (across, down) in pairwise(points)]
    return points[0]


def divided_where(piece: Piece, beyond: Callable[[Point], bool]) -> tuple[Piece, Piece]:
    """A cubic piece divided at the first of its points that is ``beyond`` some place, as its last point is."""
    low, high = 0.0, 1.0
    points = as_points(piece)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if beyond(point_at(points, middle)) else (middle, high)
    return divided(piece, high)


def cut_back(points: tuple[Point, ...], distance: float) -> tuple[Point, ...]:
    """A curve up to the place from which its end is ``distance`` away; nothing but its start if it is shorter."""
    end, kept = points[-1], points
    while len(kept) > 4 and math.dist(kept[-4], end) < distance:
        kept = kept[:-3]
    if math.dist(kept[-4], end) <= distance:
        return (kept[-4],) * 4
    before, _ = divided_where(np.array(kept[-4:]), lambda point: math.dist(point, end) < distance)
    return (*kept[:-4], *as_points(before))


def as_points(rows: Piece) -> list[Point]:
    """Rows as points."""
    return [(float(x), float(y)) for x, y in rows]
