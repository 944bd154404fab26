"""Draws a derivative check: for each input's worst entry the error of numerical derivatives against the step size.

Of a right derivative the error falls with the step until rounding takes over, and the curve is a V; of a wrong one it
levels out above the tolerance. Dashes, places and words tell the curves apart, not only colours.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from ..errors import RenderError
from ..files import write_whole
from ..gradcheck import ErrorCurve, GradientEntry, GradientReport
from .pdf import write_pdf
from .png import write_png
from .scene import Box, Curve, Point, Primitive, Rectangle, Scene, Words
from .svg import write_svg

WIDTH, MARGIN, GAP = 1120.0, 30.0, 34.0
COLUMNS, MOST_PLOTS = 2, 12
PLOT_HEIGHT, PLOT_TOP, PLOT_BOTTOM, PLOT_LEFT = 330.0, 62.0, 46.0, 66.0
TITLE_SIZE, NAME_SIZE, TEXT_SIZE = 25.0, 21.0, 19.0
HEAD = 108.0
LEAST, MOST, LEAST_STEP, MOST_STEP = -17.0, 1.0, -12.0, 0.0
POWERS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
CENTRAL, ONE_SIDED, EXTRAPOLATED, EXACT = "adjoint", "value", "tangent", "ink"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{margin:1.5rem auto;max-width:72rem;padding:0 1rem;font-family:system-ui,sans-serif;background:#fff;
color:#14171c}}svg{{width:100%;height:auto}}pre{{overflow-x:auto;background:#f5f7f9;padding:1rem}}</style></head>
<body>{drawing}<pre tabindex="0">{text}</pre></body></html>
"""

WRITERS: dict[str, Callable[[GradientReport], str | bytes]] = {
    ".svg": lambda report: write_svg(gradient_scene(report), 0),
    ".png": lambda report: write_png(gradient_scene(report), 0),
    ".pdf": lambda report: write_pdf(gradient_scene(report), 1),
    ".html": lambda report: page(report),
}


def plot_gradient_check(report: GradientReport, path: str | Path) -> Path:
    """Write the error curves of a `check_grads` report as .svg, .png, .pdf or .html (with the report's table).

    There is a plot for each input and order, of the worst entry. Raises RenderError for another suffix or for a report
    without curves, OSError where nothing can be written; then no file is left behind.
    """
    target = Path(path)
    writer = WRITERS.get(target.suffix.lower())
    if writer is None:
        raise RenderError(f"a derivative check is saved as {', '.join(WRITERS)}, not as {target.name!r}")
    return write_whole(target, writer(report))


def page(report: GradientReport) -> str:
    """The drawing and the table in one self-contained page."""
    drawing = write_svg(gradient_scene(report), 0).split("?>", 1)[-1]
    return PAGE.format(title=html.escape(headline(report)), drawing=drawing, text=html.escape(str(report)))


def headline(report: GradientReport) -> str:
    """What the check found, in one line."""
    wrong = sum(not entry.ok for entry in report.entries)
    verdict = f"{wrong} of {len(report.entries)} checks are wrong" if wrong else "derived and numerical values agree"
    return f"Derivatives of {report.name}: {verdict}"


def gradient_scene(report: GradientReport) -> Scene:
    """A report as a picture."""
    told = sorted((entry for entry in report.worst if entry.curve), key=lambda entry: entry.ok)
    if not told:
        raise RenderError("the report has no entries, so there is nothing to draw")
    shown = told[:MOST_PLOTS]
    columns = min(COLUMNS, len(shown))
    width = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS if columns > 1 else WIDTH - 2 * MARGIN
    height = HEAD + math.ceil(len(shown) / columns) * (PLOT_HEIGHT + GAP)
    items: list[Primitive] = [
        Rectangle("page", Box(0, 0, WIDTH, height), "page"),
        Words("caption", MARGIN, 42, fitted(headline(report), WIDTH - 2 * MARGIN), TITLE_SIZE, "ink", bold=True),
        *legend(),
    ]
    for position, entry in enumerate(shown):
        row, column = divmod(position, columns)
        left, top = MARGIN + column * (width + GAP), HEAD + row * (PLOT_HEIGHT + GAP)
        items.extend(plot(entry, report.tolerance, Box(left, top, left + width, top + PLOT_HEIGHT)))
    if len(told) > len(shown):
        items.append(Words("caption", MARGIN, height - 8, f"… {len(told) - len(shown)} more", TEXT_SIZE, "muted"))
    described = {f"entry:{position}": describe(entry) for position, entry in enumerate(shown)}
    return Scene(WIDTH, height, headline(report), tuple(items), described)


def describe(entry: GradientEntry) -> str:
    """A plot in words."""
    return (
        f"{entry.place}, order {entry.order}: {entry.verdict}; derived {entry.derived:.6g}, numerical "
        f"{entry.numerical:.6g}, relative error {entry.relative:.1e}"
    )


def fitted(text: str, width: float, size: float = TITLE_SIZE, bold: bool = True) -> str:
    """As much of a text as there is room for."""
    while text and Words("caption", 0, 0, text, size, "ink", bold=bold).width > width:
        text = text[:-2].rstrip() + "…"
    return text


def legend() -> Iterator[Primitive]:
    """What the curves are, in the order in which they usually lie above one another."""
    left = MARGIN
    kinds = (
        ("one-sided", ONE_SIDED, 2.4, True),
        ("central differences", CENTRAL, 3.2, False),
        ("extrapolated", EXTRAPOLATED, 2.0, False),
        ("complex step", EXACT, 2.0, True),
        ("tolerance", "line", 1.2, False),
    )
    for text, tone, thickness, dashed in kinds:
        yield straight([(left, 74.0), (left + 34, 74.0)], tone, thickness, dashed)
        words = Words("caption", left + 42, 80, text, TEXT_SIZE, "muted")
        yield words
        left = words.box.right + 26


def plot(entry: GradientEntry, tolerance: float, box: Box) -> Iterator[Primitive]:
    """One entry's curves over their axes."""
    assert entry.curve is not None
    verdict = "adjoint" if not entry.ok else "muted"
    name = fitted(f"{entry.place}, order {entry.order}", 0.5 * box.width, NAME_SIZE)
    yield Words("caption", box.left, box.top + 22, name, NAME_SIZE, "ink", bold=True)
    text = fitted(entry.verdict, 0.46 * box.width, TEXT_SIZE, bold=False)
    yield Words("caption", box.right, box.top + 22, text, TEXT_SIZE, verdict, "end", bold=not entry.ok)
    values = f"derived {entry.derived:.6g}, numerical {entry.numerical:.6g}".replace("-", "−")
    values = fitted(values, box.width, TEXT_SIZE, bold=False)
    yield Words("caption", box.left, box.top + 48, values, TEXT_SIZE, "muted")
    inner = Box(box.left + PLOT_LEFT, box.top + PLOT_TOP, box.right - 8, box.bottom - PLOT_BOTTOM)
    yield from axes(inner)
    yield from curves(entry.curve, tolerance, inner)


def axes(inner: Box) -> Iterator[Primitive]:
    """The frame, a line for every fourth power of ten, and what the axes are."""
    yield Rectangle("content", inner, "", "rule", 1.2)
    for exponent in range(-16, 1, 4):
        across, down = inner.left, place_of(10.0**exponent, 1.0, inner)[1]
        yield straight([(across, down), (inner.right, down)], "rule", 0.8)
        yield Words("caption", across - 8, down + 6, power(exponent), TEXT_SIZE, "muted", "end")
    for exponent in range(int(LEAST_STEP), int(MOST_STEP) + 1, 4):
        across = place_of(1.0, 10.0**exponent, inner)[0]
        yield straight([(across, inner.top), (across, inner.bottom)], "rule", 0.8)
        anchor = {LEAST_STEP: "start", MOST_STEP: "end"}.get(exponent, "middle")
        yield Words("caption", across, inner.bottom + 22, power(exponent), TEXT_SIZE, "muted", anchor)  # type: ignore[arg-type]
    middle = (inner.left + inner.right) / 2
    yield Words("caption", middle, inner.bottom + 44, "relative error, against the step", TEXT_SIZE, "muted", "middle")


def power(exponent: int) -> str:
    """10⁻⁴, and 1."""
    return f"10{str(exponent).translate(POWERS)}" if exponent else "1"


def curves(curve: ErrorCurve, tolerance: float, inner: Box) -> Iterator[Primitive]:
    """The errors of one entry, the exact ones as lines across."""
    steps = [step / curve.steps[0] for step in curve.steps]
    yield across(tolerance, inner, "line", 1.2, False)
    yield from joined(steps, curve.one_sided, inner, ONE_SIDED, 2.4, True)
    yield from joined(steps, curve.central, inner, CENTRAL, 3.2, False)
    if math.isfinite(curve.extrapolated):
        yield across(curve.extrapolated, inner, EXTRAPOLATED, 2.0, False)
    if curve.complex_step is not None:
        yield across(curve.complex_step, inner, EXACT, 2.0, True)


def across(error: float, inner: Box, tone: str, thickness: float, dashed: bool) -> Primitive:
    """An error that belongs to no step."""
    down = place_of(error, 1.0, inner)[1]
    return straight([(inner.left, down), (inner.right, down)], tone, thickness, dashed)


def joined(
    steps: Sequence[float], errors: Sequence[float], inner: Box, tone: str, thickness: float, dashed: bool
) -> Iterator[Primitive]:
    """A curve through the errors, broken where one is not finite."""
    run: list[Point] = []
    for step, error in [*zip(steps, errors), (1.0, math.nan)]:
        if math.isfinite(error):
            run.append(place_of(error, step, inner))
            continue
        if len(run) > 1:
            yield straight(run, tone, thickness, dashed)
        run = []


def place_of(error: float, step: float, inner: Box) -> Point:
    """Where an error at a step lies; what is outside the axes lies on their border."""
    exponent = math.log10(error) if error > 0 else LEAST
    height = (min(max(exponent, LEAST), MOST) - LEAST) / (MOST - LEAST)
    width = (math.log10(step) - LEAST_STEP) / (MOST_STEP - LEAST_STEP)
    return inner.left + width * inner.width, inner.bottom - height * inner.height


def straight(points: Iterable[Point], tone: str, thickness: float, dashed: bool = False) -> Curve:
    """Straight lines from point to point."""
    corners = list(points)
    found = corners[:1]
    for (x, y), (u, v) in pairwise(corners):
        found += [(x + (u - x) / 3, y + (v - y) / 3), (x + 2 * (u - x) / 3, y + 2 * (v - y) / 3), (u, v)]
    return Curve("content", tuple(found), tone, thickness, dashed)
