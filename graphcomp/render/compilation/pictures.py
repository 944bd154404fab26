"""Draws parts of a graph side by side over one layout: what both show stands at the same place in both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from ..glyphs import text_width
from ..layout import Direction, Layout, Parts, lay_out
from ..mathematics import Mathematics
from ..picture import arrow
from ..scene import Anchor, Box, Curve, Formula, Point, Primitive, Rectangle, Words, measure
from ..style import SMALLEST_TEXT

Mark = Literal["", "removed", "added", "same", "stored"]
TONES = {"": "line", "removed": "adjoint", "added": "tangent", "same": "value", "stored": "ink"}
SIGNS = {"removed": "−", "added": "+", "same": "="}
TITLE_SIZE, DETAIL_SIZE, HEADING_SIZE = 22.0, 19.0, 20.0
CARD_HEIGHT, PADDING, NARROWEST, WIDEST, SIGN_WIDTH, RADIUS = 66.0, 15.0, 104.0, 310.0, 26.0, 10.0
LABELLED_HEIGHT, LABEL_GAP, LARGEST_SCALE = 42.0, 12.0, 1.25
HALO, HEADING_HEIGHT, GAP = 13.0, 34.0, 30.0
GAPS = (0.4, 0.62)  # inches: between the cards of a rank, which leaves room for two halos, and between ranks
SMALLEST_SCALE = SMALLEST_TEXT / min(TITLE_SIZE, DETAIL_SIZE, HEADING_SIZE)
FEWER = (18, 14, 11, 9, 7, 5, 4)


Title = Mathematics | str
"""A card's equation, typeset; or in plain words, which takes no time, where there are very many."""


def title_width(title: Title) -> float:
    """The width of a title."""
    return text_width(title, TITLE_SIZE) if isinstance(title, str) else measure(title, TITLE_SIZE)[0]


def in_words(title: Title) -> str:
    """A title on one line of text."""
    return title if isinstance(title, str) else title.plain()


def drawn_title(title: Title, x: float, y: float, anchor: Anchor) -> Primitive:
    """A title in its place."""
    if isinstance(title, str):
        return Words("content", x, y, title, TITLE_SIZE, "ink", anchor)
    return Formula("content", x, y, title, TITLE_SIZE, "ink", anchor)


@dataclass(frozen=True)
class Card:
    """A value: its equation, its type in words, what a change does to it, and whether it only stands beside.

    With a ``label`` the card is a single line, the label behind the equation, and the type is only told in words.
    ``brief`` stands for the equation where there is little room.
    """

    key: str
    title: Title
    detail: str
    mark: Mark = ""
    beside: bool = False
    label: str = ""
    brief: Title | None = None

    @property
    def width(self) -> float:
        """As wide as its words, the sign included."""
        title = title_width(self.title)
        if self.label:
            return title + text_width(self.label, DETAIL_SIZE) + 2 * PADDING + LABEL_GAP
        words = max(title, text_width(self.detail, DETAIL_SIZE))
        return max(words + 2 * PADDING + (SIGN_WIDTH if self.mark else 0), NARROWEST)

    @property
    def height(self) -> float:
        return LABELLED_HEIGHT if self.label else CARD_HEIGHT


@dataclass(frozen=True)
class Link:
    """An edge from one card to an argument slot of another."""

    source: str
    target: str
    slot: int
    mark: Mark = ""


@dataclass(frozen=True)
class Pane:
    """A graph with a heading; ``name`` keeps its elements apart from those of other panes."""

    name: str
    heading: str
    cards: tuple[Card, ...]
    links: tuple[Link, ...]
    regions: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Drawing:
    """Primitives and the room that they take."""

    items: tuple[Primitive, ...]
    width: float
    height: float

    def moved(self, dx: float, dy: float, scale: float = 1.0) -> tuple[Primitive, ...]:
        return tuple(item.moved(dx, dy, scale) for item in self.items)


def draw_panes(panes: Sequence[Pane], direction: Direction) -> list[Drawing]:
    """The panes over one layout."""
    sizes: dict[str, tuple[float, float]] = {}
    for card in (card for pane in panes for card in pane.cards):
        sizes[card.key] = (max(card.width, sizes.get(card.key, (0.0, 0.0))[0]), card.height)
    number = {key: position for position, key in enumerate(sizes)}
    links = list(dict.fromkeys(replace(link, mark="") for pane in panes for link in pane.links))
    edges = {(number[link.target], position): number[link.source] for position, link in enumerate(links)}
    layout = lay_out({number[key]: size for key, size in sizes.items()}, edges, {}, direction, GAPS)
    place = {link: (number[link.target], position) for position, link in enumerate(links)}
    return [draw_pane(pane, layout, number, place) for pane in panes]


def draw_pane(pane: Pane, layout: Layout, number: dict[str, int], place: dict[Link, tuple[int, int]]) -> Drawing:
    """One pane's part of the layout, under its heading."""
    curves = {link: layout.curves[place[replace(link, mark="")]] for link in pane.links}
    boxes = {card.key: layout.cards[number[card.key]] for card in pane.cards}
    heading = Words("caption", 0, 20, pane.heading, HEADING_SIZE, "muted", bold=True)
    items: list[Primitive] = [heading] if pane.heading else []
    graph: list[Primitive] = []
    for index, region in enumerate(pane.regions):
        graph.extend(halo(region, boxes, curves, REGION_FILLS[index % len(REGION_FILLS)]))
    for position, (link, parts) in enumerate(curves.items()):
        graph.extend(drawn_link(link, parts, f"{pane.name}:edge{position}"))
    for card in pane.cards:
        graph.extend(drawn_card(card, boxes[card.key], f"{pane.name}:{card.key}"))
    items.extend(item.moved(HALO, HEADING_HEIGHT + HALO, 1.0) for item in graph)
    width = max(layout.width + 2 * HALO, text_width(pane.heading, HEADING_SIZE) * 1.03)
    return Drawing(tuple(items), width, layout.height + HEADING_HEIGHT + 2 * HALO)


REGION_FILLS = ("tangent_fill", "adjoint_fill", "rule")


def halo(region: Sequence[str], boxes: dict[str, Box], curves: dict[Link, Parts], fill: str) -> Iterable[Primitive]:
    """A tinted ground under the cards of a region and the edges between them."""
    for link, parts in curves.items():
        if link.source in region and link.target in region:
            yield from (Curve("content", part, fill, 2 * HALO) for part in parts)
    for key in region:
        box = boxes[key]
        outer = Box(box.left - HALO, box.top - HALO, box.right + HALO, box.bottom + HALO)
        yield Rectangle("content", outer, fill, radius=RADIUS + HALO)


def drawn_link(link: Link, parts: Parts, owner: str) -> Iterable[Primitive]:
    """An edge; one that a change takes away is dashed, one that it adds is strong."""
    thickness = 1.8 if not link.mark else 3.6
    for item in arrow(parts, TONES[link.mark], thickness, owner, ((0, 1),)):
        always = replace(item, frames=None)
        yield replace(always, dashed=link.mark == "removed") if isinstance(always, Curve) else always


def drawn_card(card: Card, box: Box, owner: str) -> list[Primitive]:
    """A card: dashed and with a minus sign if it is removed, strong and with a plus sign if it is added."""
    tone, fill = TONES[card.mark], "panel" if card.beside else "card"
    items: list[Primitive] = [Rectangle("card", box, fill, radius=RADIUS)]
    if card.mark == "removed":
        items.extend(Curve("content", side, tone, 3.0, dashed=True) for side in sides(inset(box, 1.5)))
    else:
        thickness = 4.0 if card.mark else 1.6
        outline = inset(box, thickness / 2)
        items.append(Rectangle("content", outline, "", "rule" if card.beside else tone, thickness, RADIUS))
    if card.label:
        items.append(drawn_title(card.title, box.left + PADDING, box.top + 28, "start"))
        label = (box.right - PADDING, box.top + 28)
        items.append(Words("content", *label, card.label, DETAIL_SIZE, "muted", "end"))
        return [replace(item, owner=owner) for item in items]
    left = box.left
    if card.mark in SIGNS:
        left += SIGN_WIDTH
        place = (box.left + 19, box.centre[1] + 10)
        items.append(Words("content", *place, SIGNS[card.mark], 30, tone, "middle", bold=True))
    middle = (left + box.right) / 2
    items.append(drawn_title(card.title, middle, box.top + 29, "middle"))
    items.append(Words("content", middle, box.top + 55, card.detail, DETAIL_SIZE, "muted", "middle"))
    return [replace(item, owner=owner) for item in items]


def inset(box: Box, by: float) -> Box:
    """A smaller box inside."""
    return Box(box.left + by, box.top + by, box.right - by, box.bottom - by)


def sides(box: Box) -> list[tuple[Point, ...]]:
    """A box's four sides as curves."""
    corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
    return [line(corners[index], corners[(index + 1) % 4]) for index in range(4)]


def line(start: Point, stop: Point) -> tuple[Point, ...]:
    """A straight line as one cubic piece."""
    (x0, y0), (x1, y1) = start, stop
    third = ((x1 - x0) / 3, (y1 - y0) / 3)
    return start, (x0 + third[0], y0 + third[1]), (x1 - third[0], y1 - third[1]), stop


def beside(drawings: Sequence[Drawing]) -> Drawing:
    """Drawings next to each other."""
    items: list[Primitive] = []
    left = 0.0
    for drawing in drawings:
        items.extend(drawing.moved(left, 0))
        left += drawing.width + GAP
    return Drawing(tuple(items), left - GAP, max(drawing.height for drawing in drawings))


def stacked(drawings: Sequence[Drawing]) -> Drawing:
    """Drawings one below the other."""
    items: list[Primitive] = []
    top = 0.0
    for drawing in drawings:
        items.extend(drawing.moved(0, top))
        top += drawing.height + GAP
    return Drawing(tuple(items), max(drawing.width for drawing in drawings), top - GAP)


@lru_cache(maxsize=4096)
def arranged(panes: tuple[Pane, ...], direction: Direction) -> tuple[Drawing, Drawing]:
    """The panes one below the other, and next to each other."""
    drawings = draw_panes(panes, direction)
    return stacked(drawings), beside(drawings)


def fitting(panes: tuple[Pane, ...], room: tuple[float, float]) -> tuple[Drawing, float]:
    """The panes arranged as they are largest in a room, and their scale there."""
    best: tuple[Drawing, float] | None = None
    directions: tuple[Direction, ...] = ("right", "up")
    for direction in directions:
        for drawing in arranged(panes, direction):
            scale = min(room[0] / drawing.width, room[1] / drawing.height, LARGEST_SCALE)
            if best is None or scale > best[1] + 0.02:
                best = (drawing, scale)
        if best and best[1] >= 1.0:
            break
    assert best is not None
    return best


def legible(panes: tuple[Pane, ...], room: tuple[float, float]) -> tuple[Drawing, float]:
    """The panes in a room with text that can be read, which may mean that they show fewer cards, and say so."""
    best: tuple[Drawing, float] | None = None
    for fewer in attempts(panes):
        found = fitting(fewer, room)
        best = found if best is None or found[1] > best[1] else best
        if found[1] >= SMALLEST_SCALE:
            return found
    assert best is not None
    return best


def attempts(panes: tuple[Pane, ...]) -> Iterator[tuple[Pane, ...]]:
    """The panes; then without what only stands beside; then briefer; then with fewer and fewer cards."""
    yield panes
    order = by_distance(panes)
    inside = tuple(limited(pane, set(order)) for pane in panes)
    brief = tuple(shortened(pane) for pane in inside)
    yield from (candidate for candidate in (inside, brief) if candidate != panes)
    for most in FEWER:
        if most < len(order):
            yield tuple(limited(pane, set(order[:most])) for pane in brief)


def by_distance(panes: tuple[Pane, ...]) -> list[str]:
    """The cards that do not only stand beside a region: first the marked ones, then what they read, and so on."""
    cards = [card for pane in panes for card in pane.cards if not (card.beside and pane.regions)]
    inside = {card.key for card in cards}
    order = dict.fromkeys(card.key for card in cards if card.mark)
    for key in (waiting := list(order)):
        for link in (link for pane in panes for link in pane.links if link.target == key):
            if link.source in inside and link.source not in order:
                order[link.source] = None
                waiting.append(link.source)
    return list(order | dict.fromkeys(card.key for card in cards))


def shortened(pane: Pane) -> Pane:
    """A pane with brief cards."""
    return replace(pane, cards=tuple(replace(card, title=card.brief or card.title) for card in pane.cards))


def limited(pane: Pane, keys: set[str]) -> Pane:
    """A pane with only some cards; the heading says how many of its region's are left."""
    cards = tuple(card for card in pane.cards if card.key in keys)
    links = tuple(link for link in pane.links if link.source in keys and link.target in keys)
    regions = tuple(tuple(key for key in region if key in keys) for region in pane.regions)
    heading, left = pane.heading, sum(map(len, regions))
    whole = sum(map(len, pane.regions)) if pane.regions else len(pane.cards)
    shown = left if pane.regions else len(cards)
    if shown < whole:
        heading = f"{heading}, {shown} of {whole} values".lstrip(", ")
    return Pane(pane.name, heading, cards, links, regions)
