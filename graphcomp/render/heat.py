"""A tensor as a small heat map: at most 12 by 8 cells, in nine steps from −m to m, m being its largest size.

Each cell is the entry of largest size in its block, so no large entry hides in a mean. Negative cells carry a minus
sign, so that nothing is said by colour alone; a block with a NaN is crossed out, one with an infinity has a triangle
that points up or down. The map's title tells all of this in words, with the values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .glyphs import text_width
from .mathematics import Mathematics, Phrase, Row, Text
from .numerals import is_spelled_out, number, quantity, shape_phrase, shape_text
from .scene import Arrowhead, Box, Curve, Point, Primitive, Rectangle, Span, Words

MOST_ROWS, MOST_COLUMNS, STEPS = 8, 12, 4
CELL, HEAT_GAP = 8.0, 10.0
DIGITS = 2
LEGEND_SIZE, LEGEND_CELL, LEGEND_HEIGHT, LEGEND_GAP = 19.0, 16.0, 30.0, 9.0
NOT_A_NUMBER, PLUS, MINUS = "nan", "+∞", "−∞"
Cell = int | Literal["nan", "+∞", "−∞"]
Frames = tuple[Span, ...] | None


@dataclass(frozen=True)
class HeatMap:
    """Cells row by row: a step from −4 to 4, or a mark for what is not finite; ±4 stand for ± ``largest``.

    ``scale`` is written beside the map; ``joined`` says whether a cell stands for several entries.
    """

    cells: tuple[tuple[Cell, ...], ...]
    largest: float
    scale: Mathematics
    title: str
    joined: bool

    @property
    def height(self) -> float:
        return CELL * len(self.cells)

    @property
    def width(self) -> float:
        return CELL * len(self.cells[0])

    def drawn(self, left: float, middle: float, owner: str, frames: Frames) -> list[Primitive]:
        """The cells as rectangles, runs of equal ones as one; above them all, what tells the title."""
        top = middle - self.height / 2
        items: list[Primitive] = []
        for row, cells in enumerate(self.cells):
            for start, stop, cell in runs(cells):
                box = Box(left + start * CELL, top + row * CELL, left + stop * CELL, top + (row + 1) * CELL)
                items.extend(drawn_cells(cell, box, CELL, owner, frames))
        whole = Box(left, top, left + self.width, top + self.height)
        return [*items, Rectangle("content", whole, title=self.title, owner=owner, frames=frames)]


def drawn_cells(cell: Cell, box: Box, size: float, owner: str = "", frames: Frames = None) -> Iterator[Primitive]:
    """A run of equal cells, and the mark that each of them carries."""

    def line(points: tuple[Point, Point], thickness: float, tone: str, dashed: bool = False) -> Curve:
        (x, y), (u, v) = points
        between = ((x + (u - x) * part, y + (v - y) * part) for part in (0, 1 / 3, 2 / 3, 1))
        return Curve("content", tuple(between), tone, thickness, dashed, owner=owner, frames=frames)

    if isinstance(cell, int):
        yield Rectangle("content", box, f"heat_{cell + STEPS}", owner=owner, frames=frames)
        if cell < 0:  # dashes as long as the gaps: one minus sign in each cell
            middle, inset = box.centre[1], size / 4
            tone = "card" if cell <= -STEPS + 1 else "ink"
            yield line(((box.left + inset, middle), (box.right - inset, middle)), size / 8, tone, dashed=True)
        return
    fill = {NOT_A_NUMBER: "card", PLUS: f"heat_{2 * STEPS}", MINUS: "heat_0"}[cell]
    yield Rectangle("content", box, fill, owner=owner, frames=frames)
    for left in np.arange(box.left, box.right - size / 2, size):
        right, edge = left + size, size / 8
        if cell == NOT_A_NUMBER:
            upper, lower = box.top + edge, box.bottom - edge
            yield line(((left + edge, upper), (right - edge, lower)), size / 6, "adjoint")
            yield line(((left + edge, lower), (right - edge, upper)), size / 6, "adjoint")
        else:
            tip, base = (box.top + edge, box.bottom - edge)[:: 1 if cell == PLUS else -1]
            corners = ((left + size / 2, tip), (left + edge, base), (right - edge, base))
            yield Arrowhead("content", corners, "card", owner=owner, frames=frames)


def runs(cells: tuple[Cell, ...]) -> list[tuple[int, int, Cell]]:
    """(start, stop, cell) of each run of equal cells."""
    found: list[tuple[int, int, Cell]] = []
    for position, cell in enumerate(cells):
        if found and found[-1][2] == cell:
            found[-1] = (found[-1][0], position + 1, cell)
        else:
            found.append((position, position + 1, cell))
    return found


def heat_map(value: Any) -> HeatMap | None:
    """The heat map of an array that is not written out; None for what has no entries to show."""
    if value is None or isinstance(value, tuple) or is_spelled_out(value):
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not array.size:
        return None
    table = array.astype(float).reshape(-1, array.shape[-1])
    blocks = largest_of_blocks(largest_of_blocks(table, MOST_ROWS).T, MOST_COLUMNS).T
    finite = np.abs(table[np.isfinite(table)])
    largest = float(finite.max()) if finite.size else 0.0
    cells = tuple(tuple(cell_of(entry, largest) for entry in row) for row in blocks.tolist())
    return HeatMap(cells, largest, scale(array, largest), title(array, table, blocks), blocks.size < array.size)


def cell_of(entry: float, largest: float) -> Cell:
    """An entry's step, or its mark."""
    if np.isnan(entry):
        return "nan"
    if np.isinf(entry):
        return "+∞" if entry > 0 else "−∞"
    return round(STEPS * entry / largest) if largest else 0


def largest_of_blocks(table: np.ndarray[Any, Any], most: int) -> np.ndarray[Any, Any]:
    """The rows joined to at most ``most``, of each column the entry of largest size; a NaN is larger than all."""
    if len(table) <= most:
        return table
    rows = []
    for block in np.array_split(table, most):
        sizes = np.where(np.isnan(block), np.inf, np.abs(block))
        positions = np.where(np.isnan(block).any(axis=0), np.argmax(np.isnan(block), axis=0), np.argmax(sizes, axis=0))
        rows.append(block[positions, np.arange(table.shape[1])])
    return np.stack(rows)


# in words ------------------------------------------------------------------------------------------------------------


def scale(array: np.ndarray[Any, Any], largest: float) -> Mathematics:
    """What is written beside the map, its shape and what the darkest cells stand for: ``3×4 array, ±1.3``."""
    shape = shape_phrase(array.shape)
    if not np.isfinite(array).any():
        return Row((shape, Phrase(", nothing finite", "nothing finite")))
    if np.all(array == array.flat[0]):
        return Row((shape, Phrase(", all ", "all entries"), quantity(array.flat[0], DIGITS)))
    return Row((shape, Text(", ±"), number(rounded(largest), decimals(largest))))


def rounded(value: float) -> float:
    """To two significant digits."""
    return float(f"{value:.{DIGITS - 1}e}")


def decimals(value: float) -> int:
    """How many decimals two significant digits need: with more, 9.3 would read 9.300000000000001."""
    return min(max(DIGITS - 1 - math.floor(math.log10(value)), 0), 15) if value else 0


def title(array: np.ndarray[Any, Any], table: np.ndarray[Any, Any], blocks: np.ndarray[Any, Any]) -> str:
    """A heat map in words: the extremes and where they are, what a cell stands for, and the values of the cells."""
    sentences = [f"{shape_text(array.shape)} array", *extremes(array), *unusual(array)]
    if blocks.size < table.size:
        rows, columns = (
            block_text(count, cells, word)
            for count, cells, word in zip(table.shape, blocks.shape, ("row", "column"), strict=True)
        )
        sentences.append(f"each cell is the entry of largest size among {rows} and {columns}")
    if array.ndim > 2:
        sentences.append("a row for each position along the axes before the last")
    lines = "; ".join(" ".join(f"{entry:.3g}" for entry in row) for row in blocks)
    return f"{', '.join(sentences)}: {lines.replace('-', '−').replace('inf', '∞')}"


def extremes(array: np.ndarray[Any, Any]) -> Iterable[str]:
    """The least and the largest finite entry, with their places."""
    finite = np.isfinite(array)
    for word, places, find in (("least", np.inf, np.argmin), ("largest", -np.inf, np.argmax)):
        if finite.any():
            where = int(find(np.where(finite, array.astype(float), places)))
            index = ", ".join(str(i) for i in np.unravel_index(where, array.shape))
            yield f"{word} {array.flat[where]:.4g} at [{index}]".replace("-", "−")


def unusual(array: np.ndarray[Any, Any]) -> Iterable[str]:
    """How many entries are not finite."""
    if array.dtype.kind == "f":
        counts = {"NaN": np.isnan(array), "∞": np.isposinf(array), "−∞": np.isneginf(array)}
        yield from (f"{int(found.sum())} × {name}" for name, found in counts.items() if found.any())


def block_text(count: int, cells: int, word: str) -> str:
    """``1 column``, ``2 or 3 rows``."""
    least, most = count // cells, -(-count // cells)
    return f"{least} or {most} {word}s" if least != most else f"{least} {word}{'' if least == 1 else 's'}"


def heat_width(heat: HeatMap | None) -> float:
    """The room a heat map takes beside its formula."""
    return heat.width + HEAT_GAP if heat else 0.0


# the legend ----------------------------------------------------------------------------------------------------------


def legend(maps: Iterable[HeatMap], left: float, middle: float) -> list[Primitive]:
    """One line that explains the maps: the scale, and the marks that occur in them. Empty if there is no map."""
    shown = list(maps)
    if not shown:
        return []
    marks = {cell for heat in shown for row in heat.cells for cell in row if not isinstance(cell, int)}
    parts: list[str | tuple[Cell, ...]] = ["−m", tuple(range(-STEPS, STEPS + 1)), "m, the number after ±"]
    for mark, word in ((NOT_A_NUMBER, "NaN"), (PLUS, "∞"), (MINUS, "−∞")):
        parts.extend([(mark,), word] if mark in marks else [])
    if any(heat.joined for heat in shown):
        parts.append("a cell is its block's entry of largest size")
    items: list[Primitive] = []
    for position, part in enumerate(parts):
        if isinstance(part, str):
            text = f"· {part}" if position > 2 and isinstance(parts[position - 1], str) else part
            items.append(Words("caption", left, middle + 0.36 * LEGEND_SIZE, text, LEGEND_SIZE, "muted"))
            left += text_width(text, LEGEND_SIZE) + LEGEND_GAP
        for cell in part if isinstance(part, tuple) else ():
            box = Box(left, middle - LEGEND_CELL / 2, left + LEGEND_CELL, middle + LEGEND_CELL / 2)
            items.extend(drawn_cells(cell, box, LEGEND_CELL))
            left += LEGEND_CELL
        left += LEGEND_GAP if isinstance(part, tuple) else 0
    return items
