"""Places the members of a graph in columns, with a lane for every edge that passes a column.

Between two columns there is nothing but edges, and inside a column each edge runs level in its lane, so no edge can
meet a card that it does not belong to.  Members and lanes are ordered by the mean height of what they are joined to,
and then moved as near to it as the others allow.  An edge has lanes of its own, or shares them with the other edges
of its source, as the branches of a tree share its trunk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .layout import Layout, Parts
from .scene import Box, Point

GAP_ACROSS, GAP_LABELLED, GAP_DOWN, LANE, MARGIN = 58.0, 30.0, 18.0, 12.0, 8.0
HEADER, PADDING = 44.0, 16.0  # of a group that is open
MOST_SPREAD, LANE_WEIGHT, SWEEPS = 16.0, 4.0, 8
Pair = tuple[int, int]
Size = tuple[float, float]
Curve = tuple[Point, ...]


@dataclass(eq=False)
class Item:
    """A member of the level, or the place where an edge passes a column (with the edge's label, if it is wide)."""

    rank: int
    width: float
    height: float
    member: bool = False
    weight: float = 1.0
    before: list[Item] = field(default_factory=list, repr=False)
    after: list[Item] = field(default_factory=list, repr=False)
    middle: float = 0.0
    left: float = 0.0

    @property
    def box(self) -> Box:
        """Where it is."""
        top = self.middle - self.height / 2
        return Box(self.left, top, self.left + self.width, top + self.height)


@dataclass
class Way:
    """An edge: from one member through its lanes to another; ``back`` if it runs against the columns' order."""

    source: Item
    target: Item
    lanes: list[Item]
    label: Item | None
    back: bool


@dataclass
class Arrangement:
    """What stands in which column, from top to bottom, and the way of each edge; where it all stands comes next."""

    items: dict[int, Item]
    pairs: Sequence[Pair]
    ways: list[Way]
    columns: list[list[Item]]
    labelled: bool
    shared: bool = False

    def layout(self, across: float | None = None) -> Layout:
        """Boxes and curves; ``across`` is the width of the gaps between columns."""
        for sweep in range(SWEEPS):
            settle(self.columns, forwards=sweep % 2 == 0)
        gap = across or (GAP_LABELLED if self.labelled else GAP_ACROSS)
        return framed(self, set_across(self.columns, gap))


def place(sizes: Mapping[int, Size], pairs: Sequence[Pair], labels: Mapping[int, Size]) -> Layout:
    """Boxes and curves for members 0, 1, … and the edges (source, target); see ``arrange``."""
    return arrange(sizes, pairs, labels).layout()


def arrange(
    sizes: Mapping[int, Size], pairs: Sequence[Pair], labels: Mapping[int, Size], shared: bool = False
) -> Arrangement:
    """The columns for members 0, 1, … and the edges (source, target), which may go round in circles.

    A member's number is its place in the order of the computation: edges to an earlier one (or to itself) lead back.
    ``labels``: the sizes of what stands on some edges, by their position.  ``shared``: whether the edges that leave
    a member share their lanes; then a label stands where its edge has left them, just before its target.
    """
    items, ways = arranged(sizes, pairs, labels, shared)
    columns: dict[int, list[Item]] = defaultdict(list)
    for item in every_item(items, ways):
        columns[item.rank].append(item)
    ordered = [columns[rank] for rank in sorted(columns)]
    for sweep in range(SWEEPS):
        sort_columns(ordered, forwards=sweep % 2 == 0)
    return Arrangement(items, pairs, ways, ordered, bool(labels), shared)


def every_item(items: Mapping[int, Item], ways: Sequence[Way]) -> list[Item]:
    """Members and lanes, each once."""
    found = [*items.values(), *(lane for way in ways for lane in way.lanes)]
    return list({id(item): item for item in found}.values())


def arranged(
    sizes: Mapping[int, Size], pairs: Sequence[Pair], labels: Mapping[int, Size], shared: bool
) -> tuple[dict[int, Item], list[Way]]:
    """Members and lanes with their ranks and neighbours; where there are labels, every other column is theirs."""
    step = 2 if labels else 1
    found = ranks(sizes, pairs)
    items = {member: Item(step * found[member], *sizes[member], member=True) for member in sizes}
    ways = []
    trunks: dict[int, list[Item]] = defaultdict(list)
    for slot, (one, other) in enumerate(pairs):
        source, target = items[one], items[other]
        back = target.rank <= source.rank
        between = range(source.rank, target.rank - 1, -1) if back else range(source.rank + 1, target.rank)
        if shared and not back:
            lanes = branch(trunks[one], between, slot in labels)
        else:
            lanes = [lane_at(rank) for rank in between]
        label = None
        if slot in labels:
            label = lanes[-1 if shared else 0]
            label.width, label.height = labels[slot]
        ways.append(Way(source, target, lanes, label, back))
        join(ways[-1])
    return items, ways


def lane_at(rank: int) -> Item:
    """A lane through a column."""
    return Item(rank, 0.0, LANE, weight=LANE_WEIGHT)


def branch(trunk: list[Item], between: range, own_end: bool) -> list[Item]:
    """The lanes of an edge that shares its source's trunk, which grows as far as it is needed; or all but the last."""
    length = len(between) - own_end
    trunk.extend(lane_at(rank) for rank in between[len(trunk) : length])
    return [*trunk[:length], *(lane_at(rank) for rank in between[length:])]


def join(way: Way) -> None:
    """Make the stops of an edge neighbours of each other; along a shared trunk they are it already."""
    stops = list(reversed(way.lanes)) if way.back else [way.source, *way.lanes, way.target]
    for one, other in pairwise(stops):
        if other.member or other not in one.after:
            one.after.append(other)
            other.before.append(one)


def ranks(members: Collection[int], pairs: Sequence[Pair]) -> dict[int, int]:
    """The length of the longest way to each member; what leads nowhere else moves up to what it leads to."""
    before: dict[int, list[int]] = defaultdict(list)
    after: dict[int, list[int]] = defaultdict(list)
    for source, target in pairs:
        if source < target:
            before[target].append(source)
            after[source].append(target)
    found: dict[int, int] = {}
    for member in sorted(members):
        found[member] = max((found[source] + 1 for source in before[member]), default=0)
    for member in sorted(members, reverse=True):
        if after[member] and not before[member]:
            found[member] = min(found[target] for target in after[member]) - 1
    return found


def sort_columns(columns: Sequence[list[Item]], forwards: bool) -> None:
    """Order each column by the mean place of what its items are joined to on one side."""
    places = {id(item): position for column in columns for position, item in enumerate(column)}
    for column in columns if forwards else reversed(columns):
        wished = {}
        for position, item in enumerate(column):
            near = item.before if forwards else item.after
            lowest = 0 if item.member or near else len(column)  # a lane that only turns round goes to the bottom
            mean = sum(places[id(other)] for other in near) / len(near) if near else position + lowest
            wished[id(item)] = mean
        column.sort(key=lambda item: wished[id(item)])
        places.update({id(item): position for position, item in enumerate(column)})


def settle(columns: Sequence[list[Item]], forwards: bool) -> None:
    """Move each column's items as near as they can to the mean height of their neighbours, keeping their order."""
    for column in columns if forwards else reversed(columns):
        wished, weights = [], []
        for item in column:
            near = [*item.before, *item.after]
            wished.append(sum(other.middle for other in near) / len(near) if near else item.middle)
            weights.append(item.weight if near else 0.1)
        for item, middle in zip(column, kept_apart(column, wished, weights), strict=True):
            item.middle = middle


def kept_apart(column: Sequence[Item], wished: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The heights nearest to those wished for (least weighted squares) at which the items do not meet."""
    offsets, offset = [], 0.0
    for position, item in enumerate(column):
        if position:
            above = column[position - 1]
            gap = GAP_DOWN if item.member or above.member else GAP_DOWN / 2
            offset += (above.height + item.height) / 2 + gap
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # (mean, weight, how many)
    for want, weight, shift in zip(wished, weights, offsets, strict=True):
        pools.append((want - shift, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, heavy, many), (other, light, few) = pools[-2], pools[-1]
            pools[-2:] = [((mean * heavy + other * light) / (heavy + light), heavy + light, many + few)]
    means = [mean for mean, _, many in pools for _ in range(many)]
    return [mean + shift for mean, shift in zip(means, offsets, strict=True)]


def set_across(columns: Sequence[list[Item]], gap: float) -> dict[int, tuple[float, float]]:
    """Put the columns one right of the other; gives the left and the right edge of each rank's column."""
    edges: dict[int, tuple[float, float]] = {}
    left = MARGIN
    for column in columns:
        width = max(item.width for item in column)
        for item in column:
            item.left = left + (width - item.width) / 2
        edges[column[0].rank] = left, left + width
        left += width + gap
    return edges


def framed(arrangement: Arrangement, columns: Mapping[int, tuple[float, float]]) -> Layout:
    """The layout with its top at the margin."""
    items, pairs, ways = arrangement.items, arrangement.pairs, arrangement.ways
    every = every_item(items, ways)
    up = min((item.box.top for item in every), default=0.0) - MARGIN
    for item in every:
        item.middle -= up
    ends = end_heights(ways, arrangement.shared)
    curves: dict[Pair, Parts] = {}
    labels: dict[Pair, Box] = {}
    for slot, ((_, target), way) in enumerate(zip(pairs, ways, strict=True)):
        curves[target, slot] = tuple(drawn(way, *ends[slot], columns))
        if way.label is not None:
            labels[target, slot] = way.label.box
    width = max((right for _, right in columns.values()), default=0.0)
    turns = GAP_ACROSS / 2 if any(way.back for way in ways) else 0.0
    cards = {member: item.box for member, item in items.items()}
    height = max((item.box.bottom for item in every), default=0.0)
    return shifted(Layout(width + turns + MARGIN, height + MARGIN, cards, labels, curves), turns)


def shifted(layout: Layout, right: float) -> Layout:
    """The layout moved to the right, where an edge turns round before the first column."""
    if not right:
        return layout
    return Layout(
        layout.width + right,
        layout.height,
        {key: box.moved(right, 0) for key, box in layout.cards.items()},
        {key: box.moved(right, 0) for key, box in layout.labels.items()},
        {key: tuple(tuple((x + right, y) for x, y in part) for part in parts) for key, parts in layout.curves.items()},
    )


def end_heights(ways: Sequence[Way], shared: bool) -> list[tuple[float, float]]:
    """The heights at which each edge leaves and arrives: edges that share a side of a card are spread along it.

    Those that share their lanes leave as one.
    """
    found = [[way.source.middle, way.target.middle] for way in ways]
    sides: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    for slot, way in enumerate(ways):
        first, last = (way.lanes[0], way.lanes[-1]) if way.lanes else (way.target, way.source)
        if not shared:
            sides[id(way.source), 0].append((first.middle, slot))
        sides[id(way.target), 1].append((last.middle, slot))
    heights = {id(item): item.height for way in ways for item in (way.source, way.target)}
    for (item, end), meeting in sides.items():
        step = min(MOST_SPREAD, 0.7 * heights[item] / max(len(meeting) - 1, 1))
        for position, (_, slot) in enumerate(sorted(meeting)):
            found[slot][end] += (position - (len(meeting) - 1) / 2) * step
    return [(leaves, arrives) for leaves, arrives in found]


def drawn(way: Way, leaves: float, arrives: float, columns: Mapping[int, tuple[float, float]]) -> Iterator[Curve]:
    """An edge's curves: one, or one to its label and one from there."""
    points: list[Point] = [(way.source.box.right, leaves)]
    level(points, columns[way.source.rank][1])
    for lane in way.lanes:
        near, far = columns[lane.rank][::-1] if way.back else columns[lane.rank]
        turn_to(points, (near, lane.middle), way.back and lane is way.lanes[0], 1)
        if lane is way.label:
            level(points, lane.box.right if way.back else lane.box.left)
            yield tuple(points)
            points = [(lane.box.left if way.back else lane.box.right, lane.middle)]
        level(points, far)
    turn_to(points, (columns[way.target.rank][0], arrives), way.back, -1)
    level(points, way.target.box.left)
    yield tuple(points)


def level(points: list[Point], across: float) -> None:
    """Go on level to a place."""
    (x, y) = points[-1]
    if abs(across - x) > 0.01:
        third = (across - x) / 3
        points.extend(((x + third, y), (x + 2 * third, y), (across, y)))


def turn_to(points: list[Point], end: Point, turns: bool, side: int) -> None:
    """Go to a point across a gap in an even S, or turn round within the gap at one side of a column."""
    (x, y), (across, down) = points[-1], end
    if turns:
        reach = side * 0.62 * GAP_LABELLED
        points.extend(((x + reach, y), (across + reach, down), end))
    elif abs(across - x) > 0.01:
        half = (x + across) / 2
        points.extend(((half, y), (half, down), end))
