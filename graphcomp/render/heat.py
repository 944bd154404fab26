"""A tensor as a small heat map: at most 12 by 8 cells, each the largest entry of its block, in nine steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .numerals import is_spelled_out
from .scene import Box, Rectangle, Span

MOST_ROWS, MOST_COLUMNS, STEPS = 8, 12, 4
CELL, HEAT_GAP = 7.0, 10.0


@dataclass(frozen=True)
class HeatMap:
    """Steps from −4 to 4, row by row; ``largest`` is the entry that ±4 stands for."""

    steps: tuple[tuple[int, ...], ...]
    largest: float

    @property
    def height(self) -> float:
        return CELL * len(self.steps)

    @property
    def width(self) -> float:
        return CELL * len(self.steps[0])

    def drawn(self, left: float, middle: float, owner: str, frames: tuple[Span, ...]) -> list[Rectangle]:
        """The cells as rectangles, runs of equal ones as one."""
        top = middle - self.height / 2
        items = []
        for row, steps in enumerate(self.steps):
            for start, stop, step in runs(steps):
                upper, lower = top + row * CELL, top + (row + 1) * CELL
                box = Box(left + start * CELL, upper, left + stop * CELL, lower)
                items.append(Rectangle("content", box, f"heat_{step + STEPS}", owner=owner, frames=frames))
        return items


def runs(steps: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(start, stop, step) of each run of equal steps."""
    found: list[tuple[int, int, int]] = []
    for position, step in enumerate(steps):
        if found and found[-1][2] == step:
            found[-1] = (found[-1][0], position + 1, step)
        else:
            found.append((position, position + 1, step))
    return found


def heat_map(value: Any) -> HeatMap | None:
    """The heat map of an array that is not written out; None for what has no entries to show."""
    if value is None or isinstance(value, tuple) or is_spelled_out(value):
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or not array.size:
        return None
    table = np.nan_to_num(array.astype(float).reshape(-1, array.shape[-1]), posinf=0, neginf=0)
    blocks = largest_of_blocks(largest_of_blocks(table, MOST_ROWS).T, MOST_COLUMNS).T
    largest = float(np.max(np.abs(blocks)))
    steps = np.rint(STEPS * blocks / largest if largest else blocks).astype(int)
    return HeatMap(tuple(tuple(row) for row in steps.tolist()), largest)


def largest_of_blocks(table: np.ndarray[Any, Any], most: int) -> np.ndarray[Any, Any]:
    """The rows joined to at most ``most``, of each column the entry that is largest in size."""
    if len(table) <= most:
        return table
    rows = []
    for block in np.array_split(table, most):
        positions = np.argmax(np.abs(block), axis=0)
        rows.append(block[positions, np.arange(table.shape[1])])
    return np.stack(rows)


def heat_width(heat: HeatMap | None) -> float:
    """The room a heat map takes beside its formula."""
    return heat.width + HEAT_GAP if heat else 0.0
