"""Matrix products whose operands are windows of larger arrays: C = A B or C += A B, read where they lie.

The inner index is counted by three loops with steps of their own, so the entries of a window, which do not lie evenly
in memory, need no copy. In a `nest` neighbouring columns of B and C are neighbours in memory; in `window_dots` the
innermost entries of A's and B's windows are. The sums stay in registers over all three loops.
"""

from __future__ import annotations

import sys
from typing import Any

from ..schedule.program import INNER_LOOPS
from . import dots, routines, tiles, vectors
from .dots import dots_function, dots_shapes
from .tiles import HEIGHTS, VECTORS, Tile, call_tile, tile_function
from .vectors import POINTER, WORD, Code, Vector, word

NEST = [WORD, WORD, POINTER, WORD, POINTER, POINTER, WORD, WORD, *[WORD] * (3 * INNER_LOOPS)]
DOTS = [WORD, WORD, POINTER, WORD, POINTER, WORD, POINTER, WORD, WORD, WORD, *[WORD] * (3 * INNER_LOOPS - 2)]


def write_nest(module: Any, name: str, vector: Vector) -> None:
    """(m, n, a, a_row, b, c, c_row, add, then of each loop over the inner index, from the outermost on: turns, A's
    step, B's step): steps count numbers, not bytes.
    """
    code, (m, n, a, a_row, b, c, c_row, add, *levels) = routines.begin(module, name, NEST, vector)
    builder, heights, widest = code.builder, HEIGHTS[vector.bits], VECTORS[vector.bits]
    a_row, c_row = (code.times(step, vector.bytes) for step in (a_row, c_row))
    levels = in_bytes(code, levels)
    adds = builder.icmp_unsigned("!=", add, word(0))
    functions = {
        (rows, wide): tile_function(module, f"{name}_{rows}x{wide}", vector, Tile(rows, wide, False, INNER_LOOPS))
        for rows in heights
        for wide in range(1, widest + 1)
    }
    count = code.vectors(n)
    with code.pieces(m, heights) as (row, height):
        left, into = code.move(a, builder.mul(row, a_row)), code.move(c, builder.mul(row, c_row))
        with code.chunks(count, code.ceiling(count, word(widest))) as (begin, width):
            place = code.times(begin, vector.size)
            last = code.times(builder.sub(builder.add(begin, width), word(1)), vector.lanes)
            operands = [builder.sub(n, last), adds, left, a_row, code.move(b, place), code.move(into, place), c_row]
            call_tile(code, functions, height, width, [*operands, word(0), *levels])
    builder.ret_void()


def write_dots(module: Any, name: str, vector: Vector) -> None:
    """(m, n, a, a_row, b, b_column, c, c_row, c_column, add, then of each loop over the inner index, from the outermost
    on: turns, A's step, B's step; of the innermost only its turns): steps count numbers, not bytes.
    """
    code, (m, n, a, a_row, b, b_column, c, c_row, c_column, add, *levels) = routines.begin(module, name, DOTS, vector)
    builder = code.builder
    a_row, b_column, c_row, c_column = (code.times(step, vector.bytes) for step in (a_row, b_column, c_row, c_column))
    levels = in_bytes(code, levels)
    adds = builder.icmp_unsigned("!=", add, word(0))
    functions = {
        (rows, wide): dots_function(module, f"{name}_{rows}x{wide}", vector, rows, wide)
        for rows, wide in dots_shapes(vector.bits)
    }
    with code.pieces(m, dots.HEIGHTS) as (row, height):
        left, into = code.move(a, builder.mul(row, a_row)), code.move(c, builder.mul(row, c_row))
        with code.chunks(n, code.ceiling(n, word(dots.COLUMNS[vector.bits]))) as (begin, width):
            right, place = (
                code.move(start, builder.mul(begin, step)) for start, step in ((b, b_column), (into, c_column))
            )
            call_tile(
                code, functions, height, width, [adds, left, a_row, right, b_column, place, c_row, c_column, *levels]
            )
    builder.ret_void()


def in_bytes(code: Code, levels: list[Any]) -> list[Any]:
    """Turns and steps, the steps in bytes."""
    return [code.times(value, code.vector.bytes) if slot % 3 else value for slot, value in enumerate(levels)]


SOURCES = (sys.modules[__name__], dots, tiles, vectors)
NESTS = routines.Family("nest", NEST, write_nest, SOURCES)
WINDOW_DOTS = routines.Family("window_dots", DOTS, write_dots, SOURCES)
