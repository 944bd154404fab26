"""The graph as data for the page's script: left to right and bottom up, what looks the same in both only once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        for is_map, run in groupby(moved, key=lambda item: heat_of(item) and item.frames):
            members = list(run)
            shapes.extend([self.heat(members)] if is_map else map(self.shape, members))
        return shapes

    def heat(self, cells: Sequence[Primitive]) -> Shape:
        """A heat map's cells, as a digit each: row by row, the cell's size being the least height."""
        boxes = [cell.box for cell in cells]
        size = min(box.height for box in boxes)
        rows: dict[float, str] = {}
        for cell, box in zip(cells, boxes, strict=True):
            rows[box.top] = rows.get(box.top, "") + heat_of(cell) * round(box.width / size)
        style = self.styles.setdefault(("heat", tenth(size)), len(self.styles))
        place = [tenth(min(box.left for box in boxes)), tenth(boxes[0].top), " ".join(rows.values())]
        frames = cells[0].frames
        return [style, place, *([] if frames is None else [self.spans.setdefault(frames, len(self.spans))])]

    def shape(self, item: Primitive) -> Shape:
        """One primitive; what is shown only in some frames says in which."""
        style, place = described(item, self.formulas)
        number = self.styles.setdefault(style, len(self.styles))
        frames = [] if item.frames is None else [self.spans.setdefault(item.frames, len(self.spans))]
        return [number, place, *frames]


def heat_of(item: Primitive) -> str:
    """The step of a heat map's cell as a digit; empty for everything else."""
    return item.fill.removeprefix("heat_") if isinstance(item, Rectangle) and item.fill.startswith("heat_") else ""


def described(item: Primitive, formulas: Formulas) -> tuple[tuple[Any, ...], Any]:
    """A primitive's style, and its place."""
    if isinstance(item, Rectangle):
        box = item.bounds
        name = "lower" if item.lower_corners_only else "rectangle"
        look = (name, item.fill, item.stroke, tenth(item.thickness), tenth(item.radius))
        return look, [tenth(part) for part in (box.left, box.top, box.width, box.height)]
    if isinstance(item, Curve):
        return ("curve", "", item.stroke, tenth(item.thickness), int(item.dashed)), path(item.points)
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
    """Cubic pieces as path data."""
    first, *others = (f"{tenth(x)} {tenth(y)}" for x, y in points)
    return f"M{first}C{' '.join(others)}"


def runs(scene: Scene) -> list[tuple[str, list[Primitive]]]:
    """What belongs together, from back to front; the owner is taken off, because the group carries it."""
    return [
        (owner, [replace(item, owner="") for item in items])
        for owner, items in groupby(scene.primitives, key=lambda item: item.owner)
    ]
