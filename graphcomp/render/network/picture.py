"""Draws a network's levels, one by one or nested, and writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from pathlib import Path, PurePath
from typing import Any

from ...errors import RenderError
from ...files import write_whole
from ...graph import Graph
from ..columns import HEADER, PADDING, Arrangement, arrange
from ..glyphs import text_width
from ..layout import Layout
from ..mathematics import clean, shorten
from ..pdf import write_pdf
from ..picture import arrow
from ..png import write_png
from ..scene import Box, Primitive, Rectangle, Scene, Words
from ..sentences import Language
from ..sentences import language as language_table
from ..svg import write_svg
from .bodies import open_loops
from .collapse import Closed, Collapse, check_collapse
from .groups import UNSHOWN, Group, fold_repeats, fold_rule, group_by_scope, split_calls, split_components
from .levels import Level, Member, levels
from .overlays import Numbers, Total
from .page import level_data, page_data, write_page

TITLE_SIZE, DETAIL_SIZE = 19.0, 15.0
NARROWEST, WIDEST, CARD_HEIGHT, NUMBER_HEIGHT = 110.0, 300.0, 58.0, 24.0
STEPS, SIGN, CELL_HEIGHT = 4, 24.0, 720
Drawn = tuple[list[Primitive], float, float]


@dataclass
class Network:
    """A graph as groups within groups; ``scene(depth)`` draws the outer levels open, ``save`` writes by suffix.

    In ``graph`` each loop's body is written out once; ``returns`` are the edges back inside.
    """

    graph: Graph
    root: Group
    title: str
    numbers: Numbers = field(default_factory=Numbers)
    language: str = "en"
    returns: Sequence[tuple[int, int]] = ()

    @property
    def words(self) -> Language:
        """The sentences of the page's language."""
        return language_table(self.language)

    @cached_property
    def levels(self) -> dict[str, Level]:
        """What each group shows when it is open, by its path; "" is the outermost."""
        return levels(self.graph, self.root, self.numbers, self.words, self.returns)

    @cached_property
    def largest(self) -> float:
        """The number that fills a card with the strongest colour."""
        numbers = (member.number for level in self.levels.values() for member in level.members.values())
        return max((abs(number) for number in numbers if number is not None), default=0.0)

    def group(self, path: str) -> Group:
        """The group of a path."""
        found = next((group for group in self.root.walk() if group.path == path), None)
        if found is None:
            raise RenderError(f"there is no group {path!r}; the outermost are {', '.join(self.levels[''].members)}")
        return found

    def opened(self, depth: int) -> set[str]:
        """The groups less than ``depth`` levels deep."""
        found, layer = {""}, [self.root]
        for _ in range(depth):
            layer = [child for group in layer for child in group.children]
            found |= {group.path for group in layer}
        return found

    def scene(self, depth: int = 0, path: str = "", opened: Iterable[str] | None = None) -> Scene:
        """A group's inside, with the groups in ``opened`` (or those up to ``depth`` levels below) open too."""
        wanted = set(opened) | {path} if opened is not None else self.opened(depth) | {path}
        items, width, height = self.inside(path, wanted)
        return Scene(width, height, f"{self.title} {path}".strip(), tuple(items), self.descriptions(items))

    def descriptions(self, items: Sequence[Primitive]) -> dict[str, str]:
        """The cards in words."""
        every = {key: member for level in self.levels.values() for key, member in level.members.items()}
        owners = {item.owner for item in items if item.role == "card"}
        return {owner: describe(every[owner[7:]]) for owner in owners if owner[7:] in every}

    def inside(self, path: str, opened: set[str]) -> Drawn:
        """A level's primitives and size, with open groups drawn inside."""
        level = self.levels[path]
        number = {key: position for position, key in enumerate(level.members)}
        groups = [key for key in number if key in opened and level.members[key].kind == "group"]
        inner = {key: self.inside(key, opened) for key in groups}
        layout = self.arrangement(level, inner).layout()
        items: list[Primitive] = []
        for slot, (pair, shapes) in enumerate(level.edges.items()):
            owner, edge = f"flow:{pair[0]}>{pair[1]}", (number[pair[1]], slot)
            items.extend(drawn_edge(layout, edge, owner, sum(shapes.values())))
            if edge in layout.labels:
                items.extend(drawn_flow(layout.labels[edge], flow_text(level, pair, self.words), owner))
        for key, position in number.items():
            items.extend(self.card(level.members[key], layout.cards[position], inner.get(key)))
        return items, layout.width, layout.height

    def arrangement(self, level: Level, inner: Mapping[str, Drawn]) -> Arrangement:
        """A level's columns, with room for what is drawn inside open groups."""
        keys = list(level.members)
        number = {key: position for position, key in enumerate(keys)}
        sizes = {number[key]: self.size(level.members[key], inner.get(key)) for key in keys}
        pairs = [(number[source], number[target]) for source, target in level.edges]
        flows = {slot: flow_text(level, pair, self.words) for slot, pair in enumerate(level.edges)}
        return arrange(sizes, pairs, {slot: flow_size(text) for slot, text in flows.items() if text})

    def size(self, member: Member, inner: Drawn | None) -> tuple[float, float]:
        """A card's width and height."""
        words = max(text_width(shown(member), TITLE_SIZE) * 1.03, text_width(member.detail, DETAIL_SIZE))
        sign = SIGN if member.kind == "group" else 0.0  # a page puts + or − before the name
        width = min(max(words + sign + 2 * PADDING, NARROWEST), WIDEST + SIGN + 2 * PADDING)
        if inner is not None:
            return max(inner[1] + 2 * PADDING, width), inner[2] + HEADER + PADDING
        if member.kind in ("from", "to"):
            return width, 36.0
        return width, CARD_HEIGHT + (NUMBER_HEIGHT if member.number is not None else 0)

    def card(self, member: Member, box: Box, inner: Drawn | None) -> list[Primitive]:
        """A member's card, open or closed; all that stands on it answers a click."""
        owner = f"member:{member.key}"
        own = [replace(item, owner=owner) for item in self.face(member, box, inner is not None)]
        if inner is None:
            return own
        return [*own, *(item.moved(box.left + PADDING, box.top + HEADER, 1.0) for item in inner[0])]

    def face(self, member: Member, box: Box, opened: bool) -> list[Primitive]:
        """What stands on a card itself."""
        middle = box.centre[0]
        if member.kind in ("from", "to"):
            outline = Rectangle("card", box, "panel", radius=18)
            return [outline, Words("content", middle, box.top + 24, shown(member), DETAIL_SIZE, "muted", "middle")]
        radius = 14.0 if member.kind == "group" else 6.0
        items: list[Primitive] = []
        if member.times > 1 and not opened:
            items.extend(Rectangle("content", box.moved(d, d), "card", "line", 1.2, radius) for d in (8.0, 4.0))
        items.append(Rectangle("card", box, "panel" if opened else "card", "line", 1.6, radius))
        if opened:
            title = Words("content", box.left + PADDING, box.top + 26, shown(member), TITLE_SIZE, "ink", bold=True)
            return [*items, title]
        items.append(Words("content", middle, box.top + 26, shown(member), TITLE_SIZE, "ink", "middle", bold=True))
        items.append(Words("content", middle, box.top + 46, member.detail, DETAIL_SIZE, "muted", "middle"))
        if member.number is not None:
            items.extend(self.number(member.number, box))
        return items

    def number(self, number: float, box: Box) -> list[Primitive]:
        """A bar for the overlay's number, and the number."""
        share = abs(number) / self.largest if self.largest else 0.0
        bar = Box(box.left + 8, box.bottom - 20, box.left + 8 + max(share * (box.width - 16) / 2, 2), box.bottom - 8)
        step = STEPS + round(STEPS * share) * (1 if number >= 0 else -1)
        words = Words("content", box.right - 8, box.bottom - 8, f"{number:.3g}", DETAIL_SIZE, "ink", "end")
        return [Rectangle("content", bar, f"heat_{step}"), words]

    def data(self) -> dict[str, Any]:
        """All levels as plain data: members, and edges with their shapes and how many values have them."""
        return {
            path: {
                "members": [member.__dict__ for member in level.members.values()],
                "edges": [[*pair, shapes] for pair, shapes in level.edges.items()],
            }
            for path, level in self.levels.items()
        }

    def html(self, depth: int = 0, collapse: Collapse | None = None) -> str:
        """A page in which every group opens in its place; some are open from the start."""
        found = {path: self.level_page(level) for path, level in self.levels.items()}
        data = page_data(self.root, found, self.wanted(depth, collapse), self.largest)
        return write_page(self.title, self.numbers.label(self.words), self.scene(0), data, self.words, self.language)

    def level_page(self, level: Level) -> dict[str, Any]:
        """One level as the page's script draws it."""
        members = {key: face_data(self.graph, member) for key, member in level.members.items()}
        ways = {pair: edge_data(level, pair, self.words) for pair in level.edges}
        return level_data(level, self.arrangement(level, {}), members, ways)

    def wanted(self, depth: int, collapse: Collapse | None) -> set[str]:
        """The groups that are open: those less than ``depth`` levels deep, or all but those in collapsed ones."""
        if collapse is None:
            return self.opened(depth)
        check_collapse(collapse)
        closed, found, stack = Closed(collapse), {""}, list(self.root.children)
        while stack:
            group = stack.pop()
            if not closed(group):
                found.add(group.path)
                stack.extend(group.children)
        return found

    def save(self, path: str | Path, depth: int = 0, collapse: Collapse | None = None) -> Path:
        """Write ``.html`` (every group can be opened), or ``.svg``, ``.png`` or ``.pdf``.

        Open are the groups less than ``depth`` levels deep; or with ``collapse`` all but the groups from a depth on,
        those of a name ("encoder/*", or several), or those for which a function of a ``Group`` is true.
        """
        path = Path(path)
        opened = self.wanted(depth, collapse)
        writers: dict[str, Callable[[], str | bytes]] = {
            ".html": lambda: self.html(depth, collapse),
            ".svg": lambda: write_svg(self.scene(opened=opened), 0),
            ".png": lambda: write_png(self.scene(opened=opened), 0),
            ".pdf": lambda: write_pdf(self.scene(opened=opened), 1),
        }
        if path.suffix.lower() not in writers:
            raise RenderError(f"cannot write {path.name!r}: its suffix must be one of {', '.join(writers)}")
        content = writers[path.suffix.lower()]()
        try:
            return write_whole(path, content)
        except OSError as error:
            raise RenderError(f"cannot write {path}: {error.strerror or error}") from error

    def _repr_html_(self) -> str:
        """The page inside a notebook's cell, in a frame of its own so that styles do not mix."""
        style = f"width:100%;height:{CELL_HEIGHT}px;border:0"
        title, page = escape(clean(self.title)), escape(self.html())
        return f'<iframe title="{title}" sandbox="allow-scripts" style="{style}" srcdoc="{page}"></iframe>'


def face_data(graph: Graph, member: Member) -> dict[str, Any]:
    """A card as the page draws and says it."""
    data: dict[str, Any] = {
        "key": member.key,
        "title": shown(member),
        "detail": clean(member.detail),
        "kind": member.kind,
        "times": member.times,
        "number": member.number,
        "said": describe(member),
    }
    if member.name:
        data["name"] = shorten(clean(member.name), 28)
    if member.number is not None:
        data["shown"] = f"{member.number:.3g}"
    origin = graph.node(int(member.key[1:])).origin if member.kind == "node" else None
    if origin is not None:
        data["source"] = f"{PurePath(origin.file).name}:{origin.line}"
    return data


def edge_data(level: Level, pair: tuple[str, str], words: Language) -> list[Any]:
    """An edge's strength, what stands on it, and what flows along it in words."""
    return [strength(sum(level.edges[pair].values())), flow_text(level, pair, words), flow_words(level, pair, words)]


def shown(member: Member) -> str:
    """A member's title as it is drawn."""
    return shorten(clean(member.title), 28)


def describe(member: Member) -> str:
    """A card in words."""
    number = f", {member.number:.3g}" if member.number is not None else ""
    return f"{clean(member.title)}, {member.detail}{number}".strip(", ")


def flow_text(level: Level, pair: tuple[str, str], words: Language) -> str:
    """What stands on an edge between two groups: nothing stands on those of single nodes."""
    told = pair[0] == pair[1] or all(level.members[key].kind == "group" for key in pair)
    return flow_words(level, pair, words) if told else ""


def flow_words(level: Level, pair: tuple[str, str], words: Language) -> str:
    """The shape that flows along an edge, or how many values do."""
    shapes = level.edges[pair]
    itself = pair[0] == pair[1]
    links = max(level.members[pair[0]].times - 1, 1) if itself else 1
    if len(shapes) > 1:
        flow = words.say("several values", count=round(sum(shapes.values()) / links))
    else:
        (shape, times), *_ = shapes.items()
        inner = shape.partition("[")[2].rstrip("]").replace(", ", "×") or words.say("one number")
        times = round(times / links)
        flow = words.say("several of shape", count=times, shape=inner) if times > 1 else inner
    return words.say("to the next", flow=flow) if itself else flow


def flow_size(text: str) -> tuple[float, float]:
    """The room for the words on an edge."""
    return text_width(text, DETAIL_SIZE) + 14, 26.0


def drawn_flow(box: Box, text: str, owner: str) -> list[Primitive]:
    """The words on an edge."""
    words = Words("content", box.centre[0], box.top + 18, text, DETAIL_SIZE, "value", "middle", owner=owner)
    return [Rectangle("label", box, "page", radius=8, owner=owner), words]


def drawn_edge(layout: Layout, edge: tuple[int, int], owner: str, values: int) -> list[Primitive]:
    """An edge; the more values flow along it, the stronger."""
    return arrow(layout.curves[edge], "line", strength(values), owner, ((0, 1),))


def strength(values: int) -> float:
    """How thick an edge is."""
    return min(1.4 + 0.2 * values, 4.0)


def network(
    graph: Graph,
    *,
    title: str = "",
    fold: Sequence[str] = (),
    repeats: bool | str | Sequence[str] = True,
    overlay: Numbers | Mapping[int, float] | None = None,
    overlay_name: str = "",
    overlay_total: Total = "sum",
    language: str = "en",
) -> Network:
    """A graph of any size as groups that can be opened.

    Nodes are grouped by scope, those of the backward pass apart; a loop is a group of what one turn does, and branches
    are groups.  ``fold``: rules such as ``Conv > BatchNorm > ReLU`` that make one group of neighbours.  ``repeats``:
    whether equal blocks are shown once, with their number (a recurrence rolled up, its state an edge back to itself),
    or the names of those that are, such as "encoder/blocks.*".
    ``overlay``: a number for some nodes, shown on the cards: any of your own, with a name and how a group's is made
    of its nodes' ("sum", "norm", "mean" or "largest"), or what ``times``, ``gradient_norms`` or ``activations`` of
    ``graphcomp.render.network`` measured.  ``language``: of the words on cards, edges and the page.
    """
    words = language_table(language)
    numbers = overlay if isinstance(overlay, Numbers) else Numbers(overlay or {}, overlay_name, overlay_total)
    opened = open_loops(graph, grouped)
    graph, root = opened.graph, opened.root
    numbers = replace(numbers, values={opened.places[id]: n for id, n in numbers.values.items() if id in opened.places})
    title = title or words.say("nodes in", count=root.total())
    for rule in fold:
        fold_rule(root, rule, lambda one, other: feeds(graph, one, other))
    if repeats:
        closed = Closed(repeats) if not isinstance(repeats, bool) else None
        fold_repeats(graph, root, lambda group: closed is None or closed(group))
    return Network(graph, root, title, numbers, language, opened.returns)


def grouped(graph: Graph, ids: Sequence[int]) -> Group:
    """Some nodes by scope and call."""
    root = group_by_scope(graph, [id for id in ids if graph.node(id).op not in UNSHOWN])
    split_calls(graph, root)
    split_components(graph, root)
    return root


def feeds(graph: Graph, one: Group, other: Group) -> bool:
    """Whether a value goes from one group to another."""
    inside = set(one.all_nodes())
    return any(source in inside for id in other.all_nodes() for source in graph.node(id).inputs)
