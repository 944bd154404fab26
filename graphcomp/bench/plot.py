"""Draws the ratios as bars on a logarithmic scale, with marks at what must be met and what to reach for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import RenderError
from ..files import write_whole
from ..render.gradient_plot import straight
from ..render.pdf import write_pdf
from ..render.png import write_png
from ..render.scene import Box, Primitive, Rectangle, Scene, Words
from ..render.svg import write_svg
from .measure import Result

WIDTH, MARGIN, LABELS, FIGURES = 1000.0, 28.0, 190.0, 190.0
ROW, BAR, HEAD, FOOT = 34.0, 16.0, 104.0, 54.0
TITLE_SIZE, TEXT_SIZE = 25.0, 19.0
TITLE = "Time as a part of that of the fastest peer, or of a memory copy"
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

WRITERS: dict[str, Callable[[Scene], str | bytes]] = {
    ".svg": lambda scene: write_svg(scene, 0),
    ".png": lambda scene: write_png(scene, 0),
    ".pdf": lambda scene: write_pdf(scene, 1),
}


def check_suffix(path: Path) -> None:
    """Raise RenderError for a file that cannot be drawn to."""
    if path.suffix.lower() not in WRITERS:
        raise RenderError(f"ratios are drawn to {', '.join(WRITERS)}, not to {path.name!r}.")


def write_plot(results: Sequence[Result], path: Path) -> Path:
    """Write the ratios to an .svg, .png or .pdf file."""
    check_suffix(path)
    return write_whole(path, WRITERS[path.suffix.lower()](ratio_scene(results)))


def ratio_scene(results: Sequence[Result]) -> Scene:
    """The ratios as a picture."""
    shown = [result for result in results if result.ratio is not None]
    if not shown:
        raise RenderError("no task has a ratio, so there is nothing to draw.")
    height = HEAD + ROW * len(shown) + FOOT
    inner = Box(MARGIN + LABELS, HEAD, WIDTH - MARGIN - FIGURES, HEAD + ROW * len(shown))
    scale = Scale.of(shown, inner)
    items: list[Primitive] = [
        Rectangle("page", Box(0, 0, WIDTH, height), "page"),
        Words("caption", MARGIN, 42, TITLE, TITLE_SIZE, "ink", bold=True),
        *legend(),
        *ticks(scale, inner),
    ]
    for position, result in enumerate(shown):
        items.extend(bar(result, scale, inner.top + ROW * (position + 0.5)))
    described = {f"bar:{result.name}": describe(result) for result in shown}
    return Scene(WIDTH, height, TITLE, tuple(items), described)


class Scale:
    """From ratios to places across."""

    def __init__(self, least: float, most: float, inner: Box) -> None:
        self.least, self.most, self.inner = math.log(least), math.log(most), inner

    @classmethod
    def of(cls, shown: Sequence[Result], inner: Box) -> Scale:
        values = [v for r in shown if r.ratio for v in (r.ratio.low, r.ratio.high, r.goal.must, r.goal.reach, 1.0)]
        least = max((tick for tick in TICKS if tick < min(values)), default=TICKS[0])
        most = min((tick for tick in TICKS if tick > max(values)), default=TICKS[-1])
        return cls(least, most, inner)

    def place(self, ratio: float) -> float:
        part = (math.log(ratio) - self.least) / (self.most - self.least)
        return self.inner.left + min(max(part, 0.0), 1.0) * self.inner.width

    @property
    def shown_ticks(self) -> list[float]:
        return [tick for tick in TICKS if self.least - 1e-9 <= math.log(tick) <= self.most + 1e-9]


def ticks(scale: Scale, inner: Box) -> Iterator[Primitive]:
    """Lines for round ratios, that of 1 the strongest."""
    right = -math.inf
    for tick in scale.shown_ticks:
        across = scale.place(tick)
        tone, thickness = ("line", 1.6) if tick == 1 else ("rule", 0.8)
        yield straight([(across, inner.top), (across, inner.bottom)], tone, thickness)
        words = Words("caption", across, inner.bottom + 26, f"{tick:g}", TEXT_SIZE, "muted", "middle")
        if words.box.left > right + 8:
            right = words.box.right
            yield words


def legend() -> Iterator[Primitive]:
    """What bars and marks are."""
    left = MARGIN
    yield Rectangle("content", Box(left, 64, left + 34, 80), "value")
    words = Words("caption", left + 42, 78, "measured", TEXT_SIZE, "muted")
    yield words
    for text, tone, dashed in (("must be met", "adjoint", False), ("to reach for", "tangent", True)):
        left = words.box.right + 28
        yield straight([(left, 62), (left, 82)], tone, 3.0, dashed)
        words = Words("caption", left + 10, 78, text, TEXT_SIZE, "muted")
        yield words


def bar(result: Result, scale: Scale, middle: float) -> Iterator[Primitive]:
    """One task: its name, its bar from 1, the two marks, and the figure with its rival."""
    assert result.ratio is not None
    tone = "adjoint" if result.verdict == "missed" else "ink"
    owner = f"bar:{result.name}"
    yield Words("caption", MARGIN, middle + 7, result.name, TEXT_SIZE, "ink")
    ends = sorted((scale.place(scale_start(scale)), scale.place(result.ratio.median)))
    yield Rectangle("content", Box(ends[0], middle - BAR / 2, ends[1], middle + BAR / 2), "value", owner=owner)
    for goal, colour, dashed in ((result.goal.must, "adjoint", False), (result.goal.reach, "tangent", True)):
        across = scale.place(goal)
        yield straight([(across, middle - ROW / 2 + 3), (across, middle + ROW / 2 - 3)], colour, 3.0, dashed)
    text = f"{result.ratio.median:.2f} of {result.rival}"
    yield Words("caption", WIDTH - MARGIN, middle + 7, text, TEXT_SIZE, tone, "end", bold=tone == "adjoint")


def scale_start(scale: Scale) -> float:
    """Bars begin at the left border."""
    return math.exp(scale.least)


def describe(result: Result) -> str:
    """A bar in words."""
    assert result.ratio is not None
    return (
        f"{result.name}: {result.ratio.median:.2f} of {result.rival}, must be at most {result.goal.must:g}, "
        f"{result.goal.reach:g} to reach for: {result.verdict}"
    )
