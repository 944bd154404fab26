"""A matrix copied to where its columns are rows: squares of as many numbers as a vector has are turned in registers.

Of what is read and what is written whole lines of the cache are used up at once, so nothing has to stay in it.
"""

from __future__ import annotations

import sys
from typing import Any

from . import panels, routines, vectors
from .panels import turned
from .vectors import POINTER, WORD, Code, Vector, word

ARGUMENTS = [WORD, WORD, POINTER, WORD, POINTER, WORD]

SQUARES = 16
"""How many squares are read along a row before the next rows: a run that the processor reads ahead."""


def write_turn(module: Any, name: str, vector: Vector) -> None:
    """(columns, rows, from, its step from row to row, to, its step from column to column): target[column, row] =
    source[row, column]; steps count numbers, not bytes.
    """
    code, (columns, rows, source, source_step, target, target_step) = routines.begin(module, name, ARGUMENTS, vector)
    builder, lanes, size = code.builder, vector.lanes, vector.bytes
    source_step, target_step = code.times(source_step, size), code.times(target_step, size)
    run = SQUARES * lanes
    with code.counted(code.ceiling(columns, word(run))) as strip:
        first = code.times(strip, run)
        length = code.smaller(builder.sub(columns, first), word(run))
        with code.counted(code.ceiling(rows, word(lanes))) as band:
            row = code.times(band, lanes)
            left = builder.sub(rows, row)
            with code.counted(code.ceiling(length, word(lanes))) as square:
                inside = code.times(square, lanes)
                column = builder.add(first, inside)
                corner = code.move(code.move(source, builder.mul(row, source_step)), code.times(column, size))
                into = code.move(code.move(target, builder.mul(column, target_step)), code.times(row, size))
                there = builder.sub(length, inside)
                is_whole = builder.and_(
                    builder.icmp_unsigned(">=", left, word(lanes)), builder.icmp_unsigned(">=", there, word(lanes))
                )
                with builder.if_else(is_whole, likely=True) as (whole, partial):
                    with whole:
                        loaded = [code.load(pointer) for pointer in code.steps(corner, source_step, lanes)]
                        for value, pointer in zip(turned(code, loaded), code.steps(into, target_step, lanes)):
                            code.store(value, pointer)
                    with partial:
                        write_edge(code, left, there, corner, source_step, into, target_step)
    builder.ret_void()


def write_edge(code: Code, rows: Any, columns: Any, corner: Any, source_step: Any, into: Any, target_step: Any) -> None:
    """A square of which only some rows and columns are there."""
    builder, lanes = code.builder, code.vector.lanes
    last = code.smaller(builder.sub(rows, word(1)), word(lanes - 1))
    across, along = code.mask(columns), code.mask(rows)
    places = (builder.mul(code.smaller(word(lane), last), source_step) for lane in range(lanes))
    loaded = [code.load(code.move(corner, place), across) for place in places]  # beyond the last row, that row again
    for lane, value in enumerate(turned(code, loaded)):
        with builder.if_then(builder.icmp_unsigned("<", word(lane), columns), likely=True):
            code.store(value, code.move(into, code.times(target_step, lane)), along)


SOURCES = (sys.modules[__name__], panels, vectors)
TRANSPOSITIONS = routines.Family("turn", ARGUMENTS, write_turn, SOURCES)
