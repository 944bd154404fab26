"""The graph as data for the page's script: left to right and bottom up, what looks the same in both only once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from ..scene import Arrowhead, Curve, Formula, Primitive, Rectangle, Scene, Words
from .formulas import Formulas, tenth

SMALLEST_SCALE = 0.5
Shape = list[Any]


class Drawing:
    """Both drawings of a story's graph.

    A drawing has a size and groups; a group is an owner with its shapes, or, in the second drawing, with the way by
    which the first one's group is moved.  A shape is its style's number, its place, and the frames that show it.
    """

    def __init__(self, formulas: Formulas) -> None:
        self.formulas = formulas
        self.styles: dict[tuple[Any, ...], int] = {}
        self.spans: dict[Any, int] = {}

    def data(self, wide: Scene, tall: Scene) -> dict[str, Any]:
        """Everything, for the script."""
        first, second = runs(wide), runs(tall)
        groups: tuple[list[Any], list[Any]] = ([], [])
        for (owner, items), (_, others) in zip(first, second, strict=True):
            start, end = items[0].box, others[0].box
            shapes = self.shapes(items, start.left, start.top)
            again = self.shapes(others, end.left, end.top)
            groups[0].append([owner, tenth(start.left), tenth(start.top), shapes])
            place = [owner, tenth(end.left), tenth(end.top)]
            groups[1].append(place if again == shapes else [*place, again])
        return {
            "styles": list(self.styles),
            "spans": [[list(span) for span in spans] for spans in self.spans],
            "drawings": [
                {"name": name, "width": tenth(scene.width), "height": tenth(scene.height), "groups": content}
                for name, scene, content in (("wide", wide, groups[0]), ("tall", tall, groups[1]))
            ],
        }

    def shapes(self, items: Sequence[Primitive], left: float, top: float) -> list[Shape]:
        """Primitives in coordinates of their group."""
        moved = [item.moved(-left, -top, 1) for item in items]
        shapes: list[Shape] = []
        for is_map, run in groupby(in_maps(moved), key=lambda entry: entry[0]):
            members = [item for _, item in run]
            shapes.extend(self.heat(members) if is_map else map(self.shape, members))
        return shapes

    def heat(self, items: Sequence[Primitive]) -> Iterator[Shape]:
        """A heat map: its cells as a digit each, row by row, then the marks in them, lines of one kind as one."""
        cells = [item for item in items if heat_of(item)]
        size = min(cell.box.height for cell in cells)
        left, top = min(cell.box.left for cell in cells), min(cell.box.top for cell in cells)
        rows: dict[int, str] = {}
        for cell in cells:
            row, column = round((cell.box.top - top) / size), round((cell.box.left - left) / size)
            rows[row] = rows.get(row, "").ljust(column, ".") + heat_of(cell) * round(cell.box.width / size)
        digits = " ".join(rows.get(row, ".") for row in range(max(rows) + 1))
        yield self.styled(("heat", tenth(size)), [tenth(left), tenth(top), digits], items[0])
        lines: dict[tuple[Any, ...], str] = {}
        for item in items:
            if isinstance(item, Curve):
                style, line = described(item, self.formulas)
                lines[style] = lines.get(style, "") + line
        for style, line in lines.items():
            yield self.styled(style, line, items[0])
        yield from (self.shape(item) for item in items if not isinstance(item, Curve) and item not in cells)

    def styled(self, style: tuple[Any, ...], place: Any, like: Primitive) -> Shape:
        """A shape; what is shown only in some frames says in which."""
        number = self.styles.setdefault(style, len(self.styles))
        return [number, place, *([] if like.frames is None else [self.spans.setdefault(like.frames, len(self.spans))])]

    def shape(self, item: Primitive) -> Shape:
        """One primitive; what is shown only in some frames says in which."""
        return self.styled(*described(item, self.formulas), item)


def in_maps(items: Sequence[Primitive]) -> Iterator[tuple[int, Primitive]]:
    """Each primitive with the number of the heat map it belongs to, from the first cell to the map's title; or 0."""
    maps, inside, frames = 0, False, None
    for item in items:
        inside = inside and item.frames == frames
        if heat_of(item) and not inside:
            maps, inside, frames = maps + 1, True, item.frames
        yield (maps if inside else 0), item
        inside = inside and not (isinstance(item, Rectangle) and bool(item.title))


def heat_of(item: Primitive) -> str:
    """The step of a heat map's cell as a digit; empty for everything else."""
    return item.fill.removeprefix("heat_") if isinstance(item, Rectangle) and item.fill.startswith("heat_") else ""


def described(item: Primitive, formulas: Formulas) -> tuple[tuple[Any, ...], Any]:
    """A primitive's style, and its place."""
    if isinstance(item, Rectangle):
        box = item.bounds
        if item.title:
            return ("titled",), [*(tenth(part) for part in (box.left, box.top, box.width, box.height)), item.title]
        name = "lower" if item.lower_corners_only else "rectangle"
        look = (name, item.fill, item.stroke, tenth(item.thickness), tenth(item.radius))
        return look, [tenth(part) for part in (box.left, box.top, box.width, box.height)]
    if isinstance(item, Curve):
        return ("curve", "", item.stroke, round(item.thickness, 2), int(item.dashed)), path(item.points)
    if isinstance(item, Arrowhead):
        return ("head", item.fill), " ".join(f"{tenth(x)},{tenth(y)}" for x, y in item.corners)
    if isinstance(item, Words):
        words = ("words", item.fill, item.anchor, tenth(item.size), int(item.bold))
        return words, [item.text, tenth(item.x), tenth(item.y)]
    if isinstance(item, Formula):
        return ("formula", item.fill, round(item.scale, 4)), [
            formulas.number(item.formula),
            tenth(item.left),
            tenth(item.y),
        ]
    raise TypeError(f"no way to draw {type(item).__name__}")


def path(points: Iterable[tuple[float, float]]) -> str:
    """Cubic pieces as path data, each relative to where it begins; those that are level are lines."""
    (x, y), *others = ((round(10 * x), round(10 * y)) for x, y in points)
    found = [f"M{tens(x)} {tens(y)}"]
    for index in range(0, len(others), 3):
        piece = others[index : index + 3]
        if all(down == y for _, down in piece):
            found.append(f"h{tens(piece[-1][0] - x)}")
        else:
            found.append("c" + " ".join(f"{tens(across - x)} {tens(down - y)}" for across, down in piece))
        x, y = piece[-1]
    return "".join(found).replace(" -", "-")


def tens(tenths: int) -> str:
    """A number of tenths, as short as it can be written."""
    whole, rest = divmod(abs(tenths), 10)
    return f"{'-' if tenths < 0 else ''}{whole}" + (f".{rest}" if rest else "")


def runs(scene: Scene) -> list[tuple[str, list[Primitive]]]:
    """What belongs together, from back to front; the owner is taken off, because the group carries it."""
    return [
        (owner, [replace(item, owner="") for item in items])
        for owner, items in groupby(scene.primitives, key=lambda item: item.owner)
    ]
