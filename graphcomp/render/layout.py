"""Places cards, edge labels and edges with Graphviz's dot, run in process.

Each edge label is a node of its own that splits its edge, so that dot keeps it clear of everything else; labels
attached to edges in any other way collide.  Lengths are the scene's pixels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from .scene import Box, Point

Direction = Literal["right", "up"]
Edge = tuple[int, int]
Size = tuple[float, float]
Parts = tuple[tuple[Point, ...], ...]
Gaps = tuple[float, float]
DOTS_PER_INCH = 72.0
WIDEST_SPREAD = 38.0
MARGIN = 6.0
CLEARANCE, NEAR_END = 1.0, 4.0
SPREADS = (1.0, 1.3, 1.7)
STEPS = np.linspace(0, 1, 33)
SAMPLES = np.stack([(1 - STEPS) ** 3, 3 * STEPS * (1 - STEPS) ** 2, 3 * STEPS**2 * (1 - STEPS), STEPS**3], axis=1)


@dataclass(frozen=True)
class Layout:
    """Where everything is: cards by node, labels and curves by edge (user, slot).

    An edge's curves run from the operand to the user: one if it has no label, else one to it and one from it.
    ``crossed`` counts the curves for which there was no way around a card or a label.
    """

    width: float
    height: float
    cards: dict[int, Box]
    labels: dict[Edge, Box]
    curves: dict[Edge, Parts]
    crossed: int = 0


def lay_out(
    cards: Mapping[int, Size],
    edges: Mapping[Edge, int],
    labels: Mapping[Edge, Size],
    direction: Direction = "right",
    gaps: Gaps | None = None,
) -> Layout:
    """Lay out a graph.

    ``cards``: size (width, height) of each node; ``edges``: (user, slot) -> operand; ``labels``: the sizes of the
    labels of those edges that have one; ``gaps``: inches between the cards of a rank, and between ranks.
    """
    attempts = (lay_out_once(cards, edges, labels, direction, gaps, spread) for spread in SPREADS)
    layouts = list(takewhile_crossed(attempts))
    return min(layouts, key=lambda found: found.crossed)


def takewhile_crossed(attempts: Iterator[Layout]) -> Iterator[Layout]:
    """Layouts up to the first in which no edge runs through a card or a label."""
    for attempt in attempts:
        yield attempt
        if not attempt.crossed:
            return


def lay_out_once(
    cards: Mapping[int, Size],
    edges: Mapping[Edge, int],
    labels: Mapping[Edge, Size],
    direction: Direction,
    gaps: Gaps | None,
    spread: float,
) -> Layout:
    """One layout."""
    drawing = build(cards, edges, labels, direction, gaps, spread)
    drawing.layout(prog="dot")
    height = float(str(drawing.graph_attr["bb"]).split(",")[3])
    boxes = {node: place(drawing, f"n{node}", size, height) for node, size in cards.items()}
    chips = {edge: place(drawing, label_name(edge), size, height) for edge, size in labels.items()}
    curves = {}
    for edge, operand in edges.items():
        stops = [boxes[operand], *([chips[edge]] if edge in chips else []), boxes[edge[0]]]
        parts = route(drawing, edge, operand, edge in labels, height)
        curves[edge] = tuple(
            snapped(part, first, last, direction) for part, (first, last) in zip(parts, pairwise(stops), strict=True)
        )
    wished = spread_ends(edges, boxes, curves, direction)
    obstacles = [*boxes.values(), *chips.values()]
    best = {
        edge: tuple(
            smoothest(wish, drawn, obstacles, direction) for wish, drawn in zip(wished[edge], parts, strict=True)
        )
        for edge, parts in curves.items()
    }
    crossed = sum(not is_free(part, obstacles) for parts in best.values() for part in parts)
    return replace(framed(boxes, chips, best), crossed=crossed)


def build(
    cards: Mapping[int, Size],
    edges: Mapping[Edge, int],
    labels: Mapping[Edge, Size],
    direction: Direction,
    gaps: Gaps | None,
    spread: float,
) -> Any:
    """The graph handed to dot: boxes of fixed size, edges that leave and enter at the middle of a side."""
    import pygraphviz

    tail, head, rank = ("e", "w", "LR") if direction == "right" else ("n", "s", "BT")
    between, along = gaps or standard_gaps(labels)
    along *= room_for(edges)
    apart = {"nodesep": str(between * spread), "ranksep": str(along * spread)}
    drawing = pygraphviz.AGraph(directed=True, strict=False, rankdir=rank, splines="true", **apart)
    drawing.node_attr.update(shape="box", fixedsize="true", label="")
    drawing.edge_attr.update(arrowhead="none", tailport=tail, headport=head)
    for node, (width, height) in cards.items():
        drawing.add_node(f"n{node}", width=width / DOTS_PER_INCH, height=height / DOTS_PER_INCH)
    for edge, (width, height) in labels.items():
        drawing.add_node(label_name(edge), width=width / DOTS_PER_INCH, height=height / DOTS_PER_INCH)
    for edge, operand in edges.items():
        stops = [f"n{operand}", *([label_name(edge)] if edge in labels else []), f"n{edge[0]}"]
        for part, (start, stop) in enumerate(pairwise(stops)):
            drawing.add_edge(start, stop, key=curve_name(edge, part), weight=2)
    return drawing


def standard_gaps(labels: Mapping[Edge, Size]) -> Gaps:
    """The gaps of a drawing that asks for none: with labels between the ranks there are twice as many."""
    return (0.36, 0.78) if labels else (0.5, 1.0)


def room_for(edges: Mapping[Edge, int]) -> float:
    """How much wider gaps are where many edges meet at one card: their curves need room to come together."""
    return 1 + 0.1 * max(busiest(edges) - 3, 0)


def busiest(edges: Mapping[Edge, int]) -> int:
    """The most edges that leave one node, up to eight."""
    return min(max(Counter(edges.values()).values(), default=0), 8)


def label_name(edge: Edge) -> str:
    """The name in dot of an edge's label."""
    return f"e{edge[0]}_{edge[1]}"


def curve_name(edge: Edge, part: int) -> str:
    """The key in dot of a part of an edge."""
    return f"{label_name(edge)}_{part}"


def place(drawing: Any, name: str, size: Size, height: float) -> Box:
    """A node's box, with y turned to grow downwards."""
    across, down = (float(part) for part in str(drawing.get_node(name).attr["pos"]).split(","))
    half_width, half_height = size[0] / 2, size[1] / 2
    middle = height - down
    return Box(across - half_width, middle - half_height, across + half_width, middle + half_height)


def route(drawing: Any, edge: Edge, operand: int, labelled: bool, height: float) -> Parts:
    """An edge's curves as dot drew them."""
    stops = [f"n{operand}", *([label_name(edge)] if labelled else []), f"n{edge[0]}"]
    curves = []
    for part, (start, stop) in enumerate(pairwise(stops)):
        text = str(drawing.get_edge(start, stop, key=curve_name(edge, part)).attr["pos"])
        points = [tuple(float(number) for number in point.split(",")) for point in text.split()]
        curves.append(tuple((x, height - y) for x, y in points))
    return tuple(curves)


def snapped(points: tuple[Point, ...], first: Box, last: Box, direction: Direction) -> tuple[Point, ...]:
    """The curve with its ends exactly on the sides of its boxes; dot rounds them, which would show as a gap."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    if direction == "right":
        return (first.right, y0), *points[1:-1], (last.left, y1)
    return (x0, first.top), *points[1:-1], (x1, last.bottom)


def spread_ends(
    edges: Mapping[Edge, int], boxes: Mapping[int, Box], curves: Mapping[Edge, Parts], direction: Direction
) -> dict[Edge, Parts]:
    """Give the edges that meet at one side of a card ends of their own, in the order in which they arrive.

    Arrowheads would lie on one another otherwise: in reverse mode the contributions of all users arrive there.
    """
    ends: dict[tuple[int, bool], list[Edge]] = defaultdict(list)
    for edge, operand in edges.items():
        ends[operand, True].append(edge)
        ends[edge[0], False].append(edge)
    spread = dict(curves)
    for (node, leaving), meeting in ends.items():
        side = boxes[node].height if direction == "right" else boxes[node].width
        step = min(WIDEST_SPREAD, 0.8 * side / max(len(meeting) - 1, 1))
        for position, edge in enumerate(sorted(meeting, key=lambda edge: far_end(curves[edge], leaving, direction))):
            offset = (position - (len(meeting) - 1) / 2) * step
            spread[edge] = shifted(spread[edge], leaving, offset, direction)
    return spread


def far_end(parts: Parts, leaving: bool, direction: Direction) -> float:
    """Where along the side's axis the part of an edge that touches a card ends at its other end."""
    point = parts[0][-1] if leaving else parts[-1][0]
    return point[1] if direction == "right" else point[0]


def shifted(parts: Parts, leaving: bool, offset: float, direction: Direction) -> Parts:
    """An edge with its end, and the control point next to it, moved along the card's side."""
    dx, dy = (0.0, offset) if direction == "right" else (offset, 0.0)
    points = list(parts[0] if leaving else parts[-1])
    for index in (0, 1) if leaving else (-1, -2):
        points[index] = (points[index][0] + dx, points[index][1] + dy)
    return (tuple(points), *parts[1:]) if leaving else (*parts[:-1], tuple(points))


def smoothest(
    wished: tuple[Point, ...], drawn: tuple[Point, ...], obstacles: list[Box], direction: Direction
) -> tuple[Point, ...]:
    """The best of four curves that meets nothing: an even S or dot's own curve, with the ends wished or dot's."""
    candidates = (s_shape(wished, direction), wished, s_shape(drawn, direction))
    return next((curve for curve in candidates if is_free(curve, obstacles)), drawn)


def s_shape(points: tuple[Point, ...], direction: Direction) -> tuple[Point, ...]:
    """One even S-shaped piece with the same ends."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    across, down = (x0 + x1) / 2, (y0 + y1) / 2
    if direction == "right":
        return (x0, y0), (across, y0), (across, y1), (x1, y1)
    return (x0, y0), (x0, down), (x1, down), (x1, y1)


def is_free(curve: tuple[Point, ...], obstacles: list[Box]) -> bool:
    """Whether a curve stays outside all boxes; it may touch them at its ends."""
    if not obstacles:
        return True
    points = np.array(curve)
    path = np.concatenate([SAMPLES @ points[start : start + 4] for start in range(0, len(curve) - 1, 3)])
    far = [np.hypot(*(path - end).T) > NEAR_END for end in (points[0], points[-1])]
    x, y = path[far[0] & far[1]].T[:, :, None]
    left, top, right, bottom = np.array([(box.left, box.top, box.right, box.bottom) for box in obstacles]).T
    across = (left - CLEARANCE < x) & (x < right + CLEARANCE)
    return not bool(np.any(across & (top - CLEARANCE < y) & (y < bottom + CLEARANCE)))


def framed(cards: dict[int, Box], labels: dict[Edge, Box], curves: dict[Edge, Parts]) -> Layout:
    """Move everything so that it starts at a small margin, and measure the whole."""
    points = [point for parts in curves.values() for part in parts for point in part]
    boxes = [*cards.values(), *labels.values()]
    left = min([box.left for box in boxes] + [x for x, _ in points], default=0.0) - MARGIN
    top = min([box.top for box in boxes] + [y for _, y in points], default=0.0) - MARGIN
    right = max([box.right for box in boxes] + [x for x, _ in points], default=0.0) + MARGIN
    bottom = max([box.bottom for box in boxes] + [y for _, y in points], default=0.0) + MARGIN
    moved = {
        edge: tuple(tuple((x - left, y - top) for x, y in part) for part in parts) for edge, parts in curves.items()
    }
    return Layout(
        right - left,
        bottom - top,
        {node: box.moved(-left, -top) for node, box in cards.items()},
        {edge: box.moved(-left, -top) for edge, box in labels.items()},
        moved,
    )
