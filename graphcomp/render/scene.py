"""A picture as plain data: positioned rectangles, curves, arrowheads, words and formulas with known boxes.

The unit is a CSS pixel (1/96 inch), y grows downwards.  Colours are names of the palette.  A primitive may be
limited to some frames of a story, so that one scene holds a whole story over one fixed layout: a writer of
pictures takes ``scene.at(frame)``, the page takes everything at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from .glyphs import REFERENCE_SIZE, text_width
from .mathematics import Mathematics
from .typesetting import typeset

Point = tuple[float, float]
Span = tuple[int, int]
Spans = tuple[Span, ...] | None
Role = Literal["card", "label", "edge", "content", "caption", "panel", "page", "map"]
Anchor = Literal["start", "middle", "end"]
ASCENT, DESCENT = 0.76, 0.24


@dataclass(frozen=True)
class Box:
    """A rectangle given by two corners."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def centre(self) -> Point:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def meets(self, other: Box, margin: float = 0.0) -> bool:
        """Whether the boxes overlap by more than ``margin``."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > margin and down > margin

    def holds(self, other: Box, slack: float = 0.0) -> bool:
        """Whether the other box lies inside, up to ``slack``."""
        across = self.left - slack <= other.left and other.right <= self.right + slack
        return across and self.top - slack <= other.top and other.bottom <= self.bottom + slack

    def holds_point(self, point: Point, margin: float = 0.0) -> bool:
        """Whether a point lies inside by more than ``margin``."""
        across = self.left + margin < point[0] < self.right - margin
        return across and self.top + margin < point[1] < self.bottom - margin

    def moved(self, dx: float, dy: float, scale: float = 1.0) -> Box:
        """The box scaled about the origin, then moved."""
        return Box(self.left * scale + dx, self.top * scale + dy, self.right * scale + dx, self.bottom * scale + dy)


@dataclass(frozen=True)
class Primitive:
    """What every primitive has: a role, the element it belongs to (``node:3``, ``edge:4:0``), its frames."""

    role: Role
    owner: str = field(default="", kw_only=True)
    frames: Spans = field(default=None, kw_only=True)

    @property
    def box(self) -> Box:
        raise NotImplementedError

    def moved(self, dx: float, dy: float, scale: float) -> Primitive:
        raise NotImplementedError

    def visible(self, frame: int) -> bool:
        """Whether the primitive is drawn in a frame."""
        return self.frames is None or any(start <= frame < stop for start, stop in self.frames)


@dataclass(frozen=True)
class Rectangle(Primitive):
    """A rectangle, its corners rounded (or only the lower ones); one with a title tells it to who points at it."""

    bounds: Box
    fill: str = ""
    stroke: str = ""
    thickness: float = 0.0
    radius: float = 0.0
    lower_corners_only: bool = False
    title: str = ""

    @property
    def box(self) -> Box:
        return self.bounds

    def moved(self, dx: float, dy: float, scale: float) -> Rectangle:
        bounds = self.bounds.moved(dx, dy, scale)
        return replace(self, bounds=bounds, radius=self.radius * scale, thickness=self.thickness * scale)


@dataclass(frozen=True)
class Curve(Primitive):
    """Cubic Bézier pieces end to end: 3n + 1 points."""

    points: tuple[Point, ...]
    stroke: str
    thickness: float
    dashed: bool = False

    @property
    def box(self) -> Box:
        across, down = [x for x, _ in self.points], [y for _, y in self.points]
        return Box(min(across), min(down), max(across), max(down))

    def moved(self, dx: float, dy: float, scale: float) -> Curve:
        points = tuple((x * scale + dx, y * scale + dy) for x, y in self.points)
        return replace(self, points=points, thickness=self.thickness * scale)

    def samples(self, steps: int = 24) -> Iterator[Point]:
        """Points along the curve."""
        for start in range(0, len(self.points) - 1, 3):
            piece = self.points[start : start + 4]
            for step in range(steps + 1):
                yield bezier(piece, step / steps)


@dataclass(frozen=True)
class Arrowhead(Primitive):
    """A filled triangle: its tip first."""

    corners: tuple[Point, Point, Point]
    fill: str

    @property
    def box(self) -> Box:
        across, down = [x for x, _ in self.corners], [y for _, y in self.corners]
        return Box(min(across), min(down), max(across), max(down))

    def moved(self, dx: float, dy: float, scale: float) -> Arrowhead:
        first, second, third = ((x * scale + dx, y * scale + dy) for x, y in self.corners)
        return replace(self, corners=(first, second, third))


@dataclass(frozen=True)
class Words(Primitive):
    """A line of plain words in the sans serif font, its baseline at (x, y)."""

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: Anchor = "start"
    bold: bool = False

    @property
    def width(self) -> float:
        return text_width(self.text, self.size) * (1.03 if self.bold else 1.0)

    @property
    def box(self) -> Box:
        left = self.x - shift(self.anchor, self.width)
        return Box(left, self.y - ASCENT * self.size, left + self.width, self.y + DESCENT * self.size)

    def moved(self, dx: float, dy: float, scale: float) -> Words:
        return replace(self, x=self.x * scale + dx, y=self.y * scale + dy, size=self.size * scale)


@dataclass(frozen=True)
class Formula(Primitive):
    """A formula, its baseline at (x, y)."""

    x: float
    y: float
    formula: Mathematics
    size: float
    fill: str
    anchor: Anchor = "start"

    @property
    def scale(self) -> float:
        """From typeset units to the scene's."""
        return self.size / REFERENCE_SIZE

    @property
    def left(self) -> float:
        return self.x - shift(self.anchor, typeset(self.formula).width * self.scale)

    @property
    def box(self) -> Box:
        form = typeset(self.formula)
        right = self.left + form.width * self.scale
        return Box(self.left, self.y - form.ascent * self.scale, right, self.y + form.descent * self.scale)

    def moved(self, dx: float, dy: float, scale: float) -> Formula:
        return replace(self, x=self.x * scale + dx, y=self.y * scale + dy, size=self.size * scale)


@dataclass(frozen=True)
class Scene:
    """A picture: its size, what it shows in words, and its primitives from back to front."""

    width: float
    height: float
    title: str
    primitives: tuple[Primitive, ...]
    descriptions: dict[str, str] = field(default_factory=dict)

    def at(self, frame: int) -> Scene:
        """The picture of one frame."""
        return replace(self, primitives=tuple(item for item in self.primitives if item.visible(frame)))


def shift(anchor: Anchor, width: float) -> float:
    """How far left of its anchor a text of that width begins."""
    return {"start": 0.0, "middle": width / 2, "end": width}[anchor]


def measure(formula: Mathematics, size: float) -> tuple[float, float, float]:
    """Width, ascent and descent of a formula."""
    form, scale = typeset(formula), size / REFERENCE_SIZE
    return form.width * scale, form.ascent * scale, form.descent * scale


def bezier(piece: tuple[Point, ...], t: float) -> Point:
    """The point at ``t`` in [0, 1] of one cubic piece."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    across = sum(weight * point[0] for weight, point in zip(weights, piece, strict=True))
    return across, sum(weight * point[1] for weight, point in zip(weights, piece, strict=True))


def collisions(scene: Scene, frame: int) -> list[tuple[str, str]]:
    """Pairs that must not touch but do: labels, cards, contents that leave their box, edges through either."""
    shown = scene.at(frame).primitives
    solid = [item for item in shown if item.role in ("card", "label")]
    pairs = [
        (one.owner, other.owner)
        for index, one in enumerate(solid)
        for other in solid[index + 1 :]
        if one.owner != other.owner and one.box.meets(other.box, 0.5)
    ]
    homes = {item.owner: item.box for item in solid}
    for item in shown:
        if item.role == "content" and item.owner in homes and not homes[item.owner].holds(item.box, 0.5):
            pairs.append((item.owner, "its own box"))
        if isinstance(item, Curve) and item.role == "edge":
            pairs.extend((item.owner, owner) for owner in crossed(item, homes))
    return pairs


def crossed(edge: Curve, homes: dict[str, Box]) -> list[str]:
    """The cards and labels an edge runs through; it only ever touches the borders of its own ends."""
    points = list(edge.samples())
    return [owner for owner, box in homes.items() if any(box.holds_point(point, 2.0) for point in points)]
