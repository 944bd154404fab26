"""Chooses how a graph is laid out: by dot while that is quick, and in columns with lanes where it is not.

Dot draws the better picture of a small graph.  Its time grows with the ranks that all edges pass, and much faster than
they do; the columns' time is proportional to the lanes, which the edges of one operand share.
"""

from __future__ import annotations

from collections.abc import Mapping

from .columns import arrange, ranks
from .layout import DOTS_PER_INCH, Box, Direction, Edge, Gaps, Layout, Point, Size, framed, room_for, standard_gaps
from .layout import lay_out as lay_out_with_dot

MOST_STOPS = 800


def lay_out(
    cards: Mapping[int, Size],
    edges: Mapping[Edge, int],
    labels: Mapping[Edge, Size],
    direction: Direction = "right",
    gaps: Gaps | None = None,
) -> Layout:
    """Lay out a graph; see ``layout.lay_out``.  ``cards`` are in the order of the computation."""
    chosen = lay_out_with_dot if stops(cards, edges, labels) <= MOST_STOPS else lay_out_in_columns
    return chosen(cards, edges, labels, direction, gaps)


def stops(cards: Mapping[int, Size], edges: Mapping[Edge, int], labels: Mapping[Edge, Size]) -> int:
    """How many things dot has to place: the cards, and each edge once more in every rank that it passes.

    Labels are placed in ranks of their own, between those of the cards.
    """
    number = {node: place for place, node in enumerate(cards)}
    pairs = [(number[operand], number[user]) for (user, _), operand in edges.items()]
    rank = ranks(number.values(), pairs)
    step = 2 if labels else 1
    return len(cards) + sum(max(step * (rank[user] - rank[operand]) - 1, 0) for operand, user in pairs)


def lay_out_in_columns(
    cards: Mapping[int, Size],
    edges: Mapping[Edge, int],
    labels: Mapping[Edge, Size],
    direction: Direction,
    gaps: Gaps | None,
) -> Layout:
    """The layout in columns from left to right; from the bottom up it is that one turned round."""
    number = {node: place for place, node in enumerate(cards)}
    turned = direction == "up"
    pairs = [(number[operand], number[user]) for (user, _), operand in edges.items()]
    sizes = {number[node]: size[::-1] if turned else size for node, size in cards.items()}
    chips = {place: labels[edge] for place, edge in enumerate(edges) if edge in labels}
    chips = {place: size[::-1] if turned else size for place, size in chips.items()}
    _, along = gaps or standard_gaps(labels)
    found = arrange(sizes, pairs, chips, shared=True).layout(along * DOTS_PER_INCH * room_for(edges))
    boxes = {node: turn(found.cards[number[node]]) if turned else found.cards[number[node]] for node in cards}
    placed: dict[Edge, Box] = {}
    curves = {}
    for place, (edge, (_, target)) in enumerate(zip(edges, pairs, strict=True)):
        parts = found.curves[target, place]
        curves[edge] = tuple(tuple(map(turn_point, part)) for part in parts) if turned else parts
        if place in chips:
            box = found.labels[target, place]
            placed[edge] = turn(box) if turned else box
    return framed(boxes, placed, curves)


def turn(box: Box) -> Box:
    """A box of a drawing that ran to the right and now runs up."""
    return Box(box.top, -box.right, box.bottom, -box.left)


def turn_point(point: Point) -> Point:
    """A point of such a drawing."""
    return point[1], -point[0]
