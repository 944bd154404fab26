"""Draws what a compiled function's time goes into: each kernel's measured time, and in it the floor of this machine.

The floor is that of the roofline model (S. Williams, A. Waterman, D. Patterson, 2009): the longer of the kernel's
floating-point operations at the speed of a large matrix product and its bytes at that of a memory copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..errors import RenderError
from ..files import write_whole
from ..run.report import KernelReport, Report, time_text
from .gradient_plot import fitted, straight
from .pdf import write_pdf
from .png import write_png
from .scene import Box, Primitive, Rectangle, Scene, Words
from .svg import write_svg

WIDTH, MARGIN, LABELS, FIGURES = 1200.0, 30.0, 470.0, 290.0
ROW, BAR, HEAD, FOOT = 34.0, 18.0, 142.0, 54.0
TITLE_SIZE, TEXT_SIZE = 25.0, 19.0
MOST_ROWS = 16
STEPS = (1, 2, 5)

WRITERS: dict[str, Callable[[Scene], str | bytes]] = {
    ".svg": lambda scene: write_svg(scene, 0),
    ".png": lambda scene: write_png(scene, 0),
    ".pdf": lambda scene: write_pdf(scene, 1),
}


def plot_report(report: Report, path: str | Path) -> Path:
    """Write the kernels of a `jit(f).report(…)` as .svg, .png or .pdf: bars of measured time with the floor in them.

    The kernels that take longest come first; of many, the others share the last bar. Raises RenderError for another
    suffix or a report without kernels, OSError where nothing can be written; then no file is left behind.
    """
    target = Path(path)
    writer = WRITERS.get(target.suffix.lower())
    if writer is None:
        raise RenderError(f"a report is drawn to {', '.join(WRITERS)}, not to {target.name!r}.")
    return write_whole(target, writer(report_scene(report)))


def report_scene(report: Report) -> Scene:
    """A report as a picture."""
    if not report.kernels:
        raise RenderError("the report has no kernels, so there is nothing to draw.")
    rows = shown(report.kernels)
    bottom = HEAD + ROW * len(rows)
    inner = Box(MARGIN + LABELS, HEAD, WIDTH - MARGIN - FIGURES, bottom)
    longest = max(row.seconds for row in rows) or 1.0
    title = f"{time_text(report.entry)} in {len(report.kernels)} kernels, on {report.threads} {threads(report)}"
    speeds = (
        f"{report.peak / 1e9:,.0f} GFLOP/s in a large matrix product, {report.speed / 1e9:,.0f} GB/s in a memory copy; "
        f"all floors together {time_text(sum(kernel.floor for kernel in report.kernels))}"
    )
    items: list[Primitive] = [
        Rectangle("page", Box(0, 0, WIDTH, bottom + FOOT), "page"),
        Words("caption", MARGIN, 44, title, TITLE_SIZE, "ink", bold=True),
        Words("caption", MARGIN, 76, speeds, TEXT_SIZE, "muted"),
        *legend(),
        *axis(longest, inner),
    ]
    for position, row in enumerate(rows):
        items.extend(bar(row, position, longest, report, Box(inner.left, HEAD + ROW * position, inner.right, 0)))
    described = {f"kernel:{position}": describe(row) for position, row in enumerate(rows)}
    return Scene(WIDTH, bottom + FOOT, f"{title}. {speeds}", tuple(items), described)


def threads(report: Report) -> str:
    return "thread" if report.threads == 1 else "threads"


def shown(kernels: Sequence[KernelReport]) -> list[KernelReport]:
    """The longest kernels, and all others as one."""
    ordered = sorted(kernels, key=lambda kernel: -kernel.seconds)
    if len(ordered) <= MOST_ROWS:
        return ordered
    rest = ordered[MOST_ROWS - 1 :]
    nodes = tuple(node for kernel in rest for node in kernel.nodes)
    work, moved = sum(kernel.flops for kernel in rest), sum(kernel.bytes for kernel in rest)
    seconds, floor = sum(kernel.seconds for kernel in rest), sum(kernel.floor for kernel in rest)
    return [*ordered[: MOST_ROWS - 1], KernelReport(f"{len(rest)} others", nodes, work, moved, seconds, floor, "")]


def legend() -> Iterator[Primitive]:
    """What the bars are."""
    left = MARGIN
    for text, tone in (("floor", "ink"), ("measured beyond it", "value")):
        yield Rectangle("content", Box(left, 94, left + 34, 94 + BAR), tone)
        words = Words("caption", left + 42, 110, text, TEXT_SIZE, "muted")
        yield words
        left = words.box.right + 28


def axis(longest: float, inner: Box) -> Iterator[Primitive]:
    """Lines for round times."""
    unit = 10.0 ** len(str(int(longest * 1e12)))
    steps = [unit * 1e-12 * step / 1000 for step in (1, 2, 5, 10, 20, 50, 100, 200, 500)]
    step = next(step for step in steps if longest / step <= 5)
    right = -1.0
    for number in range(int(longest / step) + 1):
        across = inner.left + number * step / longest * inner.width
        yield straight([(across, inner.top), (across, inner.bottom)], "rule", 0.8)
        text = time_text(number * step) if number else "0"
        words = Words("caption", across, inner.bottom + 28, text, TEXT_SIZE, "muted", "middle")
        if words.box.left > right + 8:
            right = words.box.right
            yield words


def bar(row: KernelReport, position: int, longest: float, report: Report, place: Box) -> Iterator[Primitive]:
    """One kernel: what it does, its time with the floor in it, and how many floors that is."""
    middle = place.top + ROW / 2
    yield Words(
        "caption", MARGIN, middle + 7, fitted(label(row.text), LABELS - 20, TEXT_SIZE, bold=False), TEXT_SIZE, "ink"
    )
    scale = (place.right - place.left) / longest
    ends = place.left + row.seconds * scale, place.left + min(row.floor, row.seconds) * scale
    owner = f"kernel:{position}"
    yield Rectangle("content", Box(place.left, middle - BAR / 2, ends[0], middle + BAR / 2), "value", owner=owner)
    yield Rectangle("content", Box(place.left, middle - BAR / 2, ends[1], middle + BAR / 2), "ink", owner=owner)
    times = f"{time_text(row.seconds)}, {ratio_text(row.seconds / row.floor)} × {bound(row, report)}"
    yield Words("caption", WIDTH - MARGIN, middle + 7, times, TEXT_SIZE, "ink", "end")


def label(text: str) -> str:
    """The kernel's number and what it does; which thread does what is left out."""
    number, _, rest = text.rpartition(": ")
    rest = re.sub(r"product of b\d+ and b\d+,", "product", rest.split(" = ", 1)[-1])
    rest = re.sub(r", (\w+ )?shared out$", "", rest)
    return f"{number.removeprefix('kernel ')}  {rest}" if number else rest


def ratio_text(ratio: float) -> str:
    """Two digits, all of larger numbers."""
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}"


def bound(row: KernelReport, report: Report) -> str:
    """What bounds a kernel from below."""
    return "arithmetic" if row.flops / report.peak > row.bytes / report.speed else "memory"


def describe(row: KernelReport) -> str:
    """A bar in words."""
    return f"{row.text}: {time_text(row.seconds)}, its floor {time_text(row.floor)}"
