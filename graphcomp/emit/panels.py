"""Packing a block of a matrix into panels: as many columns as a register tile has, one inner index after the other."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .vectors import POINTER, WORD, Code, Vector, internal_function, word


def pack_function(module: Any, name: str, vector: Vector, turned: bool, widest: int) -> Any:
    """(depth, columns, b, b_inner, b_column, panels): steps in bytes; the last vector of a row is filled with zeros.

    `turned` reads vectors along the inner index; otherwise along the columns. `widest` is a panel's number of vectors.
    """
    function, builder = internal_function(module, name, [WORD, WORD, POINTER, WORD, WORD, POINTER])
    write = _write_turned if turned else _write_straight
    _write_panels(Code(builder, vector), write, widest, *function.args)
    builder.ret_void()
    return function


def _write_panels(code: Code, write: Any, widest: int, depth: Any, n: Any, b: Any, b_inner: Any, b_column: Any,
                  panels: Any) -> None:  # fmt: skip
    builder, lanes, size = code.builder, code.vector.lanes, code.vector.bytes
    vectors = code.vectors(n)
    with code.chunks(vectors, code.ceiling(vectors, word(widest))) as (begin, width):
        start = code.move(panels, builder.mul(code.times(begin, lanes * size), depth))
        row = code.times(width, lanes * size)
        with code.counted(width) as vector:
            column = code.times(builder.add(begin, vector), lanes)
            source = code.move(b, builder.mul(column, b_column))
            target = code.move(start, code.times(vector, lanes * size))
            write(code, depth, builder.sub(n, column), source, b_inner, b_column, target, row)


def _write_straight(code: Code, depth: Any, columns: Any, source: Any, b_inner: Any, b_column: Any, target: Any,
                    row: Any) -> None:  # fmt: skip
    builder = code.builder
    mask = code.mask(columns)
    with code.counted(depth) as inner:
        value = code.load(code.move(source, builder.mul(inner, b_inner)), mask)
        code.store(value, code.move(target, builder.mul(inner, row)))


def _write_turned(code: Code, depth: Any, columns: Any, source: Any, b_inner: Any, b_column: Any, target: Any,
                  row: Any) -> None:  # fmt: skip
    """Squares of as many columns as a vector has lanes are loaded along the inner index and turned in registers."""
    builder, lanes = code.builder, code.vector.lanes
    last = code.smaller(builder.sub(columns, word(1)), word(lanes - 1))
    with code.counted(code.ceiling(depth, word(lanes))) as square:
        begin = code.times(square, lanes)
        left = builder.sub(depth, begin)
        mask = code.mask(left)
        corner = code.move(source, code.times(begin, code.vector.bytes))
        vectors = []
        for lane in range(lanes):
            # Beyond the last column, the last one is read again: those columns of C are never stored.
            distance = builder.mul(code.smaller(word(lane), last), b_column)
            vectors.append(code.load(code.move(corner, distance), mask))
        into = code.move(target, builder.mul(begin, row))
        count = code.smaller(left, word(lanes))
        for lane, value in enumerate(turned(code, vectors)):
            with builder.if_then(builder.icmp_unsigned("<", word(lane), count), likely=True):
                code.store(value, code.move(into, code.times(row, lane)))


def turned(code: Code, rows: list[Any]) -> list[Any]:
    """The transpose of a square: in each round, halves of ever larger squares change places."""
    builder, lanes = code.builder, len(rows)
    half = 1
    while half < lanes:
        turned: list[Any] = [None] * lanes
        for row in range(lanes):
            if row & half:
                continue
            low = [lane if not lane & half else lanes + (lane ^ half) for lane in range(lanes)]
            high = [lane ^ half if not lane & half else lanes + lane for lane in range(lanes)]
            for place, pattern in ((row, low), (row | half, high)):
                mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), pattern)
                turned[place] = builder.shuffle_vector(rows[row], rows[row | half], mask)
        rows = turned
        half *= 2
    return rows
