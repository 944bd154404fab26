"""Draws a story's graph: one card per node, the local partials on the edges, over one fixed layout.

The scene holds the whole story: what changes carries the frames in which it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from .curves import cut_back
from .fitting import cut
from .heat import HEAT_GAP, HeatMap, heat_map, heat_width
from .layout import Direction, Layout
from .mathematics import Mathematics, Number, equals, slashed
from .numerals import UNKNOWN
from .placing import lay_out
from .scene import (
    Arrowhead,
    Box,
    Curve,
    Formula,
    Point,
    Primitive,
    Rectangle,
    Scene,
    Span,
    measure,
)
from .sentences import in_language, language
from .story import Edge, FactKind, StoryContent, StoryEdge, StoryNode, Target
from .style import ROOMY, Style
from .wrap import SLIDE_ROOM, Room, wrapped

DIRECTIONS: tuple[Direction, Direction] = ("right", "up")
HEAD_LENGTH, HEAD_WIDTH = 13.0, 11.0
TONES = {"evaluate": "value", "forward": "tangent", "reverse": "adjoint"}


@dataclass(frozen=True)
class Shown:
    """A formula with the frames in which a place of the picture shows it."""

    formula: Mathematics
    frames: tuple[Span, ...]
    tone: str = ""
    heat: HeatMap | None = None


@dataclass(frozen=True)
class Plan:
    """All that a card or an edge label will ever show, row by row, and the height of each row."""

    rows: tuple[tuple[Shown, ...], ...]
    width: float


def element_name(target: Target) -> str:
    """The name that links what belongs together: ``node:3`` or ``edge:4:0``."""
    return f"node:{target}" if isinstance(target, int) else f"edge:{target[0]}:{target[1]}"


def complement(spans: Iterable[Span], length: int) -> tuple[Span, ...]:
    """The frames of [0, length) outside all spans."""
    gaps, reached = [], 0
    for start, stop in sorted(spans):
        if start > reached:
            gaps.append((reached, start))
        reached = max(reached, stop)
    return (*gaps, (reached, length)) if reached < length else tuple(gaps)


def as_spans(frames: Iterable[int]) -> tuple[Span, ...]:
    """A span for each of these frames."""
    return tuple((frame, frame + 1) for frame in frames)


def quantity_row(
    story: StoryContent, kind: FactKind, target: Target, label: Callable[[Mathematics], Mathematics]
) -> tuple[Shown, ...]:
    """What a quantity's place shows over time: ``?`` until a fact about it is known."""
    facts = story.known.get((kind, target), [])
    shown = [
        Shown(label(heat.scale if heat else known.fact.shown), ((known.start, known.stop),), heat=heat)
        for known in facts
        for heat in [in_language(heat_map(known.fact.data), language(story.language))]
    ]
    gaps = complement([(known.start, known.stop) for known in facts], len(story.frames))
    return (*shown, *((Shown(label(UNKNOWN), gaps),) if gaps else ()))


def heat_maps(story: StoryContent) -> list[HeatMap]:
    """The heat maps of everything that a story shows."""
    known = (fact.fact.data for history in story.known.values() for fact in history)
    return [heat for data in known if (heat := heat_map(data))]


def derivative_row(story: StoryContent, node: StoryNode) -> tuple[Shown, ...]:
    """The tangent's or adjoint's place on a card, with the symbol of the sweep it belongs to."""
    rows: list[Shown] = []
    for (start, stop), sweep in zip(story.sweep_spans(), story.sweeps, strict=True):
        symbol = sweep.symbols.get(node.id)
        if symbol is None or sweep.kind == "value":
            continue
        for shown in quantity_row(story, sweep.kind, node.id, lambda value: value):
            inside = tuple(
                (max(first, start), min(last, stop)) for first, last in shown.frames if first < stop and start < last
            )
            if inside:
                rows.append(Shown(equals(slashed(symbol), shown.formula), inside, sweep.kind, shown.heat))
    return tuple(rows)


def card_plan(story: StoryContent, node: StoryNode, style: Style = ROOMY) -> Plan:
    """A card's rows: definition, value, and in forward and reverse mode the derivative."""
    always = ((0, len(story.frames)),)
    definition = (Shown(equals(node.symbol, node.definition), always),)
    rows = [definition, quantity_row(story, "value", node.id, lambda value: value)]
    if story.mode != "evaluate":
        rows.append(derivative_row(story, node))
    return planned(rows, style.card_sizes, style.card_padding, style.widest_card)


def planned(rows: Iterable[tuple[Shown, ...]], sizes: tuple[float, ...], padding: float, most: float) -> Plan:
    """The rows with the width that they need, but no more than ``most``: what is wider is cut."""
    room = most - 2 * padding
    fitted = [
        tuple(replace(shown, formula=cut(shown.formula, room - heat_width(shown.heat), size)) for shown in row)
        for row, size in zip(rows, sizes, strict=False)
    ]
    return Plan(tuple(fitted), widest(fitted, sizes) + 2 * padding)


def chip_plan(story: StoryContent, edge: StoryEdge, style: Style = ROOMY) -> Plan:
    """An edge label's rows: the local partial, and what the edge contributes."""

    def partial(value: Mathematics) -> Mathematics:
        formula = edge.partial or UNKNOWN
        if edge.partial_formula is None:
            return formula if value == UNKNOWN else equals(formula, value)
        return formula if isinstance(formula, Number) or formula == value else equals(formula, value)

    rows = [quantity_row(story, "partial", edge.key, partial), contribution_row(story, edge)]
    return planned(rows, style.label_sizes, style.label_padding, style.widest_label)


def contribution_row(story: StoryContent, edge: StoryEdge) -> tuple[Shown, ...]:
    """The contribution's place in an edge label."""
    return quantity_row(story, "contribution", edge.key, lambda value: value)


def widest(rows: Iterable[tuple[Shown, ...]], sizes: tuple[float, ...]) -> float:
    """The width of the widest formula, each row at its size."""
    widths = [
        measure(shown.formula, size)[0] + heat_width(shown.heat)
        for row, size in zip(rows, sizes, strict=False)
        for shown in row
    ]
    return max(widths, default=0.0)


def row_heights(
    plans: Iterable[Plan], sizes: tuple[float, ...], least: tuple[float, ...], air: float
) -> tuple[float, ...]:
    """A height for each row that suits all plans, so that cards align."""
    heights = list(least)
    for plan in plans:
        for index, row in enumerate(plan.rows):
            for shown in row:
                _, ascent, descent = measure(shown.formula, sizes[index])
                needed = ascent + descent + air * sizes[index]
                heights[index] = max(heights[index], needed, shown.heat.height + HEAT_GAP if shown.heat else 0)
    return tuple(heights)


@dataclass(frozen=True)
class Plans:
    """What all cards and edge labels of a drawing show, and the heights of their rows."""

    cards: dict[int, Plan]
    labels: dict[Edge, Plan]
    card_rows: tuple[float, ...]
    label_rows: tuple[float, ...]


@dataclass(frozen=True)
class Arrangement:
    """Where everything of a drawing is, and what its cards and edge labels show."""

    layout: Layout
    plans: Plans


def planned_story(story: StoryContent, style: Style = ROOMY) -> Plans:
    """All cards and edge labels measured, which is the same in every direction."""
    cards = {node.id: card_plan(story, node, style) for node in story.nodes}
    labelled = [] if story.mode == "evaluate" else [edge for edge in story.edges if edge.partial]
    labels = {edge.key: chip_plan(story, edge, style) for edge in labelled}
    card_rows = row_heights(cards.values(), style.card_sizes, style.card_rows, style.air)
    card_rows = card_rows[:2] if story.mode == "evaluate" else card_rows
    return Plans(cards, labels, card_rows, row_heights(labels.values(), style.label_sizes, style.label_rows, style.air))


def arranged(
    story: StoryContent,
    direction: Direction = "right",
    style: Style = ROOMY,
    room: Room = SLIDE_ROOM,
    unbroken: Collection[Edge] = (),
    plans: Plans | None = None,
) -> Arrangement:
    """Measure a story's graph and lay it out; left to right, it is broken into rows that suit ``room``.

    The edges in ``unbroken`` stay within a row.
    """
    plans = plans or planned_story(story, style)
    widths = common_widths({node: plan.width for node, plan in plans.cards.items()}, style)
    layout = lay_out(
        {node: (widths[node], sum(plans.card_rows)) for node in plans.cards},
        {edge.key: edge.operand for edge in story.edges},
        {edge: (plan.width, sum(plans.label_rows)) for edge, plan in plans.labels.items()},
        direction,
        style.gaps if plans.labels else style.gaps_without_labels,
    )
    layout = wrapped(layout, room, style.smallest_scale, unbroken) if direction == "right" else layout
    return Arrangement(layout, plans)


def draw(story: StoryContent, direction: Direction = "right", style: Style = ROOMY, room: Room = SLIDE_ROOM) -> Scene:
    """The whole story's graph as one scene of its natural size."""
    return drawn(story, arranged(story, direction, style, room), style)


def draw_both(story: StoryContent) -> tuple[Scene, Scene]:
    """The graph from left to right, and from the bottom up."""
    plans = planned_story(story)
    wide, tall = (drawn(story, arranged(story, direction, plans=plans)) for direction in DIRECTIONS)
    return wide, tall


def drawn(story: StoryContent, arrangement: Arrangement, style: Style = ROOMY) -> Scene:
    """A story's graph where it was arranged."""
    layout, plans = arrangement.layout, arrangement.plans
    primitives = [
        *(item for edge in story.edges for item in draw_edge(story, edge, layout)),
        *(
            item
            for edge, plan in plans.labels.items()
            for item in draw_chip(story, edge, plan, layout, plans.label_rows, style)
        ),
        *(
            item
            for node in story.nodes
            for item in draw_card(story, node, plans.cards[node.id], layout, plans.card_rows, style)
        ),
    ]
    descriptions = {element_name(node.id): describe(story, node) for node in story.nodes}
    return Scene(layout.width, layout.height, story.title, tuple(primitives), descriptions)


def common_widths(widths: dict[int, float], style: Style) -> dict[int, float]:
    """One width for all cards unless some are much wider than the others."""
    widest_card = max([style.narrowest_card, *widths.values()])
    common = widest_card if widest_card <= style.common_width else style.narrowest_card
    return {node: max(width, common) for node, width in widths.items()}


def describe(story: StoryContent, node: StoryNode) -> str:
    """A card in words, in its final state: ``w3 = w1 w2, value 6, dz/dw3 = 1``."""
    parts, words = [equals(node.symbol, node.definition).plain()], language(story.language)
    parts.extend(f"{words.say(kind)} {shown.plain()}" for kind, shown in story.last_on_card(node.id).items())
    names = [name for name in node.names if name != node.symbol.plain()]
    return ", ".join(parts + ([words.say("named", names=", ".join(names))] if names else []))


def draw_card(
    story: StoryContent, node: StoryNode, plan: Plan, layout: Layout, heights: tuple[float, ...], style: Style
) -> list[Primitive]:
    """A card with its rows; its frame thickens while it is in focus, and is coloured while it is read."""
    box, owner, tone = layout.cards[node.id], element_name(node.id), TONES[story.mode]
    focus, source = (as_spans(frames.get(node.id, ())) for frames in (story.focused, story.sources))
    rest = complement((*focus, *source), len(story.frames))
    items: list[Primitive] = [Rectangle("card", box, "card", radius=style.card_radius, owner=owner)]
    if story.mode != "evaluate" and node.differentiable:
        items.extend(strip(box, heights[-1], tone + "_fill", style.card_radius, owner))
    outlines = (("line", 1.6, rest), (tone, 3.0, source), ("ink", 4.5, focus))
    for stroke, thickness, frames in outlines:
        if frames:
            outline = Rectangle("content", box, "", stroke, thickness, style.card_radius, owner=owner, frames=frames)
            items.append(outline)
    return items + draw_rows(plan, box, heights, style.card_sizes, ("ink", "value", tone), owner)


def strip(box: Box, height: float, fill: str, radius: float, owner: str) -> list[Primitive]:
    """The tinted lower part of a card or an edge label, with a line above it."""
    lower = Box(box.left, box.bottom - height, box.right, box.bottom)
    line = Box(box.left, lower.top - 0.5, box.right, lower.top + 0.5)
    return [
        Rectangle("content", lower, fill, radius=radius, lower_corners_only=True, owner=owner),
        Rectangle("content", line, "rule", owner=owner),
    ]


def draw_rows(
    plan: Plan, box: Box, heights: tuple[float, ...], sizes: tuple[float, ...], fills: tuple[str, ...], owner: str
) -> list[Primitive]:
    """The formulas of a card or an edge label, centred in their rows."""
    items: list[Primitive] = []
    top = box.top
    for row, height, size, fill in zip(plan.rows, heights, sizes, fills, strict=False):
        for shown in row:
            baseline = row_baseline(shown.formula, size, top, height)
            middle = box.centre[0] + heat_width(shown.heat) / 2
            if shown.heat:
                left = middle - measure(shown.formula, size)[0] / 2 - heat_width(shown.heat)
                items.extend(shown.heat.drawn(left, top + height / 2, owner, shown.frames))
            items.append(
                Formula(
                    "content", middle, baseline, shown.formula, size, shown.tone or fill, "middle",
                    owner=owner, frames=shown.frames,
                )
            )  # fmt: skip
        top += height
    return items


def row_baseline(formula: Mathematics, size: float, top: float, height: float) -> float:
    """A common baseline for ordinary rows; tall formulas (fractions) are centred by their own measures."""
    _, ascent, descent = measure(formula, size)
    if ascent <= size and descent <= 0.4 * size:
        return top + height / 2 + 0.3 * size
    return top + (height + ascent - descent) / 2


def draw_chip(
    story: StoryContent, edge: Edge, plan: Plan, layout: Layout, heights: tuple[float, ...], style: Style
) -> list[Primitive]:
    """An edge label: the partial above, the contribution below; outlined in colour while the edge is read."""
    box, owner, tone = layout.labels[edge], element_name(edge), TONES[story.mode]
    lit = as_spans(story.read.get(edge, ()))
    rest = complement(lit, len(story.frames))
    items: list[Primitive] = [Rectangle("label", box, "card", radius=style.label_radius, owner=owner)]
    items.extend(strip(box, heights[1], tone + "_fill", style.label_radius, owner))
    for stroke, thickness, frames in (("rule", 1.2, rest), (tone, 3.0, lit)):
        if frames:
            radius = style.label_radius
            items.append(Rectangle("content", box, "", stroke, thickness, radius, owner=owner, frames=frames))
    return items + draw_rows(plan, box, heights, style.label_sizes, ("ink", tone), owner)


def draw_edge(story: StoryContent, edge: StoryEdge, layout: Layout) -> list[Primitive]:
    """An edge as it rests and as it is lit; in reverse mode the lit edge points from the user to its operand."""
    parts, owner = layout.curves[edge.key], element_name(edge.key)
    lit = as_spans(story.read.get(edge.key, ()))
    rest = complement(lit, len(story.frames))
    backwards = tuple(tuple(reversed(part)) for part in reversed(parts))
    lit_parts = backwards if story.mode == "reverse" else parts
    return [
        *arrow(parts, "line", 1.6, owner, rest),
        *arrow(lit_parts, TONES[story.mode], 3.6, owner, lit),
    ]


def arrow(
    parts: tuple[tuple[Point, ...], ...], tone: str, thickness: float, owner: str, frames: tuple[Span, ...]
) -> list[Primitive]:
    """Curves with one arrowhead at the end of the last."""
    if not frames:
        return []
    length = HEAD_LENGTH + 1.5 * thickness
    shortened, head = with_head(parts[-1], length, HEAD_WIDTH + 1.5 * thickness)
    curves = [Curve("edge", part, tone, thickness, owner=owner, frames=frames) for part in (*parts[:-1], shortened)]
    return [*curves, Arrowhead("edge", head, tone, owner=owner, frames=frames)]


def with_head(
    points: tuple[Point, ...], length: float, width: float
) -> tuple[tuple[Point, ...], tuple[Point, Point, Point]]:
    """A curve cut back to the base of an arrowhead at its end, and the head's corners."""
    tip, base = points[-1], cut_back(points, length)[-1]
    distance = math.dist(tip, base)
    along = ((tip[0] - base[0]) / distance, (tip[1] - base[1]) / distance)
    side = (-along[1] * width / 2, along[0] * width / 2)
    corners = (tip, (base[0] + side[0], base[1] + side[1]), (base[0] - side[0], base[1] - side[1]))
    # The line goes a little into the head, so that no gap shows between them.
    return cut_back(points, length - 2), corners
