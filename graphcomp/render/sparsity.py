"""Draws where a Jacobian or Hessian has entries, coloured and marked by the sweep that gives each, and what it is
compressed to: a column for each forward sweep, a row for each reverse sweep.

Forward sweeps carry numbers and reverse sweeps letters, so that nothing is said by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..colouring import Sparsity
from ..errors import RenderError
from ..files import write_whole
from .glyphs import text_width
from .pdf import write_pdf
from .png import write_png
from .scene import Box, Primitive, Rectangle, Scene, Words
from .svg import write_svg

MARGIN, GAP, HEAD = 30.0, 44.0, 104.0
MOST_CELLS, LARGEST_CELL, EXTENT = 96, 30.0, 620.0
TITLE_SIZE, TEXT_SIZE, LINE = 25.0, 19.0, 27.0
SMALLEST_MARKED = 17.0
FILLS = ("value", "adjoint", "tangent", "heat_0", "ink")
SEVERAL = "line"
"""What is filled so stands for entries of several sweeps."""

WRITERS: dict[str, Callable[[Scene], str | bytes]] = {
    ".svg": lambda scene: write_svg(scene, 0),
    ".png": lambda scene: write_png(scene, 0),
    ".pdf": lambda scene: write_pdf(scene, 1),
}
Cells = dict[tuple[int, int], int]
"""For each cell that holds entries the sweep that gives them, or -1 where there are several."""


def plot_sparsity(sparsity: Sparsity, path: str | Path) -> Path:
    """Write the picture of a sparsity (see `graphcomp.sparsity`) as .svg, .png or .pdf.

    A large matrix is drawn in blocks. Raises RenderError for another suffix, OSError where nothing can be written; then
    no file is left behind.
    """
    target = Path(path)
    writer = WRITERS.get(target.suffix.lower())
    if writer is None:
        raise RenderError(f"a sparsity is saved as {', '.join(WRITERS)}, not as {target.name!r}")
    return write_whole(target, writer(sparsity_scene(sparsity)))


def sparsity_scene(sparsity: Sparsity) -> Scene:
    """A sparsity as a picture: the matrix, and beside and below it what the sweeps give."""
    rows, columns = sparsity.pattern.shape
    if not rows or not columns:
        raise RenderError(f"a matrix of {rows} × {columns} has no entries, so there is nothing to draw")
    scale = max(1.0, max(rows, columns) / MOST_CELLS)
    shown = (int(np.ceil(rows / scale)), int(np.ceil(columns / scale)))
    size = min(LARGEST_CELL, EXTENT / max(shown))
    matrix, along, against = _cells(sparsity, scale)
    forward, reverse = sparsity.forward_sweeps, sparsity.reverse_sweeps
    left, top = MARGIN, HEAD
    whole = Box(left, top, left + shown[1] * size, top + shown[0] * size)
    items = list(_table(matrix, whole, size, forward))
    right, bottom = whole.right, whole.bottom
    width = max(size, SMALLEST_MARKED)
    if forward:
        box = Box(right + GAP, top, right + GAP + forward * width, bottom)
        items += _table(along, box, size, forward, across=width)
        right = box.right
    if reverse:
        box = Box(left, bottom + GAP / 2, whole.right, bottom + GAP / 2 + reverse * width)
        items += _table(against, box, size, forward, down=width)
        bottom = box.bottom
    title, lines = _headline(sparsity), _sentences(sparsity, scale)
    items.append(Words("caption", left, MARGIN + TITLE_SIZE, title, TITLE_SIZE, "ink", bold=True))
    items.append(Words("caption", left, MARGIN + TITLE_SIZE + 32, str(sparsity), TEXT_SIZE, "muted"))
    for line in lines:
        bottom += LINE
        items.append(Words("caption", left, bottom + 10, line, TEXT_SIZE, "ink"))
    texts = [text_width(line, TEXT_SIZE) for line in (*lines, str(sparsity))] + [1.05 * text_width(title, TITLE_SIZE)]
    description = " ".join((f"{title}: {sparsity}.", *lines))
    return Scene(max(right, left + max(texts)) + MARGIN, bottom + MARGIN, description, tuple(items))


def _cells(sparsity: Sparsity, scale: float) -> tuple[Cells, Cells, Cells]:
    """The cells of the matrix and of the two compressed tables; reverse sweeps count on after the forward ones."""
    reverse, sweeps, places = sparsity.entries()
    numbers = np.where(reverse, sweeps + sparsity.forward_sweeps, sweeps).tolist()
    rows, columns = sparsity.pattern.tocoo().coords
    matrix, along, against = Cells(), Cells(), Cells()
    for row, column, back, sweep, number, place in zip(
        (rows // scale).astype(int).tolist(), (columns // scale).astype(int).tolist(), reverse.tolist(),
        sweeps.tolist(), numbers, (places // scale).astype(int).tolist(),
    ):  # fmt: skip
        matrix[row, column] = number if matrix.get((row, column), number) == number else -1
        (against if back else along)[(sweep, place) if back else (place, sweep)] = number
    return matrix, along, against


def _table(
    cells: Cells, whole: Box, size: float, forward: int, across: float | None = None, down: float | None = None
) -> Iterator[Primitive]:
    """A table of cells with their marks, where there is room for them."""
    wide, high = across or size, down or size
    yield Rectangle("panel", whole, "panel", "rule", 1.0)
    marked = min(wide, high) >= SMALLEST_MARKED
    for (row, column), sweep in cells.items():
        left, top = whole.left + column * wide, whole.top + row * high
        gap = 1.0 if marked else 0.0
        box = Box(left + gap, top + gap, left + wide - gap, top + high - gap)
        yield Rectangle("content", box, SEVERAL if sweep < 0 else FILLS[sweep % len(FILLS)])
        if marked and sweep >= 0:
            text = mark(sweep, forward)
            letters = min(0.62 * high, 0.8 * wide / max(1, len(text)) / 0.62)
            middle = (box.left + box.right) / 2
            yield Words("content", middle, box.centre[1] + 0.36 * letters, text, letters, "card", "middle")


def mark(sweep: int, forward: int) -> str:
    """``1``, ``2``, … for forward sweeps; ``A``, ``B``, …, ``Z``, ``A2``, … for those after them."""
    if sweep < forward:
        return str(sweep + 1)
    turn, letter = divmod(sweep - forward, 26)
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[letter] + (str(turn + 1) if turn else "")


def _headline(sparsity: Sparsity) -> str:
    count = sparsity.sweeps
    kind = "Hessian" if sparsity.symmetric else "Jacobian"
    return f"A sparse {kind} from {count} sweep{'' if count == 1 else 's'}"


def _sentences(sparsity: Sparsity, scale: float) -> Sequence[str]:
    lines = []
    if sparsity.forward_sweeps:
        lines += ["Numbers: columns of one number share a forward sweep.", "On the right is what these sweeps give."]
    if sparsity.hubs is not None and sparsity.hubs.any():
        lines.append("By symmetry, a full column gives its row as well.")
    if sparsity.reverse_sweeps:
        lines += ["Letters: rows of one letter share a reverse sweep.", "Below is what these sweeps give."]
    if scale > 1:
        lines.append(f"A cell stands for {scale:.3g} × {scale:.3g} entries; it is grey where several sweeps give them.")
    return lines
