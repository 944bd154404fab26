"""Matrix products in machine code: C = A B or C += A B, with sizes and steps known only when they run.

Each entry of C is a sum over the inner index from zero on; where C is added to, so is each block of that index, once.
The order is the same whatever the number of rows, and the blocks are those of the whole matrix where only some of its
columns are computed, so threads may share out rows or columns without a change in any bit. B is read where it lies if
its rows do not lie so far apart that they crowd one another out of the caches; else a block of it is packed, into
memory on the stack.

The scheme (a tile in registers, packed panels, blocks for the caches) is that of Goto and van de Geijn, "Anatomy of
high-performance matrix multiplication", ACM TOMS 34(3), 2008.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir

from . import dots, panels, routines, tiles, vectors
from .dots import dots_function
from .panels import pack_function
from .tiles import BROAD, ENDING, FLAG, HEIGHTS, LINE, LONGEST, VECTORS, Tile, call_tile, tile_function, tile_shapes
from .vectors import POINTER, WORD, Code, Vector, internal_function, word

BLOCK_BYTES = 1 << 18
"""How much of B is packed at once: it stays in the second-level cache while A's rows pass by."""

DEPTH = 256
"""The inner indices that a block has at least, so that C is read and written seldom; and at most where the rows of A
lie nearer than its inner indices: each row leaves parts of as many cache lines, which the next ones have to find near.
"""

NEAR_BYTES = 1 << 19
"""A block of B that spans fewer bytes is read where it lies, in the second-level cache."""

FETCHING = 4
"""Tiles of so many rows fetch A ahead: see `tiles.fetch`. In lower ones an instruction more would be felt."""

PACKED_ROWS = 32
"""With fewer rows than this, packing a block of B costs more than it saves."""

ARGUMENTS = [WORD, WORD, WORD, WORD, POINTER, WORD, WORD, POINTER, WORD, WORD, POINTER, WORD, WORD, *ENDING[1:]]


def write_product(module: Any, name: str, vector: Vector) -> None:
    """(m, n, whole, k, a, a_row, a_inner, b, b_inner, b_column, c, c_row, add, scale, e, e_row, d, d_row): steps count
    numbers, not bytes. `n` are the columns to be computed, `whole` those of the matrix that they are part of: these
    decide about blocks. With an address `e` what is stored is D = E + scale · (A B), or E + scale · (C + A B); C then
    holds the sums of all but the last block of the inner index. That takes more than one row and more than one column.
    """
    code, arguments = routines.begin(module, name, ARGUMENTS, vector)
    product = _Product(code, *arguments)
    with code.builder.if_else(product.is_dots()) as (then, otherwise):
        with then:
            product.write_dots()
        with otherwise:
            product.write()
    code.builder.ret_void()


class _Product:
    """The outermost function, as it is written."""

    def __init__(self, code: Code, m: Any, n: Any, whole: Any, k: Any, a: Any, a_row: Any, a_inner: Any, b: Any,
                 b_inner: Any, b_column: Any, c: Any, c_row: Any, add: Any, scale: Any, base: Any, base_row: Any,
                 result: Any, result_row: Any) -> None:  # fmt: skip
        self.code = code
        self.m, self.n, self.whole, self.k = m, n, whole, k
        self.a, self.b, self.c, self.base, self.result, self.scale = a, b, c, base, result, scale
        steps = (a_row, a_inner, b_inner, b_column, c_row, base_row, result_row)
        (self.a_row, self.a_inner, self.b_inner, self.b_column, self.c_row, self.base_row, self.result_row) = (
            code.times(step, code.vector.bytes) for step in steps
        )
        self.ends = code.builder.icmp_unsigned("!=", code.builder.ptrtoint(base, WORD), word(0))
        # Here, at the beginning of the function, it is part of the frame.
        self.block = code.builder.alloca(ir.ArrayType(code.vector.type, BLOCK_BYTES // code.vector.size))
        self.block.align = 64
        self.add = code.builder.icmp_unsigned("!=", add, word(0))
        self.straight = code.builder.icmp_unsigned("==", b_column, word(1))
        module, name, widest = code.builder.module, code.builder.function.name, VECTORS[code.vector.bits]
        self.dots = {
            (rows, 1): dots_function(module, f"{name}_dots_{rows}", code.vector, rows, 1) for rows in dots.HEIGHTS
        }
        self.rows = _rows_function(module, f"{name}_rows", code.vector)
        self.pack = pack_function(module, f"{name}_pack", code.vector, False, widest)
        self.pack_turned = pack_function(module, f"{name}_pack_turned", code.vector, True, widest)

    def is_dots(self) -> Any:
        """Whether the product is of a matrix and a vector that lie along the inner index."""
        builder, bytes = self.code.builder, word(self.code.vector.bytes)
        along = (builder.icmp_unsigned("==", step, bytes) for step in (self.a_inner, self.b_inner))
        return builder.and_(builder.icmp_unsigned("==", self.whole, word(1)), builder.and_(*along))

    def write_dots(self) -> None:
        code, builder, bytes = self.code, self.code.builder, word(self.code.vector.bytes)
        once = [word(1), word(0), word(0)]
        with code.pieces(self.m, dots.HEIGHTS) as (row, height):
            left, into = (
                code.move(self.a, builder.mul(row, self.a_row)),
                code.move(self.c, builder.mul(row, self.c_row)),
            )
            operands = [self.add, left, self.a_row, self.b, word(0), into, self.c_row, bytes, *once, *once, self.k]
            call_tile(code, self.dots, height, word(1), operands)

    def write(self) -> None:
        """Blocks of the inner index: as deep as a block of all columns may be, but not less than DEPTH."""
        code, builder, vector = self.code, self.code.builder, self.code.vector
        width = code.times(code.vectors(code.larger(self.whole, word(1))), vector.size)
        deepest = code.larger(builder.udiv(word(BLOCK_BYTES), width), word(DEPTH))
        by_columns = builder.icmp_unsigned("<", self.a_row, self.a_inner)
        deepest = builder.select(by_columns, word(DEPTH), deepest)
        with code.chunks(self.k, code.larger(code.ceiling(self.k, deepest), word(1))) as (inner, depth):
            left = code.move(self.a, builder.mul(inner, self.a_inner))
            right = code.move(self.b, builder.mul(inner, self.b_inner))
            add = builder.or_(self.add, builder.icmp_unsigned("!=", inner, word(0)))
            ends = builder.and_(self.ends, builder.icmp_unsigned("==", builder.add(inner, depth), self.k))
            with builder.if_else(self.reads_in_place(depth)) as (then, otherwise):
                with then:
                    code.call(self.rows, self.m, self.n, depth, left, self.a_row, self.a_inner, right, word(1),
                              self.b_inner, self.c, self.c_row, add, *self.ending(ends, word(0)))  # fmt: skip
                with otherwise:
                    self.write_packed(left, right, depth, add, ends)

    def ending(self, ends: Any, distance: Any) -> list[Any]:
        """What is done at the end, for columns so many bytes on."""
        base, result = (self.code.move(pointer, distance) for pointer in (self.base, self.result))
        return [ends, self.scale, base, self.base_row, result, self.result_row]

    def reads_in_place(self, depth: Any) -> Any:
        code, builder = self.code, self.code.builder
        near = builder.icmp_unsigned("<=", builder.mul(depth, self.b_inner), word(NEAR_BYTES))
        few = builder.icmp_unsigned("<", self.m, word(PACKED_ROWS))
        possible = self.straight
        if not code.vector.masked:
            possible = builder.and_(possible, builder.icmp_unsigned("==", code.within(self.n), word(0)))
        return builder.and_(possible, builder.or_(near, few))

    def write_packed(self, left: Any, right: Any, depth: Any, add: Any, ends: Any) -> None:
        code, builder, vector = self.code, self.code.builder, self.code.vector
        panel = vector.lanes * VECTORS[vector.bits]
        broadest = BLOCK_BYTES // vector.bytes // DEPTH // panel * panel
        with code.chunks(self.n, code.ceiling(self.n, word(broadest))) as (column, width):
            part = code.move(right, builder.mul(column, self.b_column))
            with builder.if_else(self.straight) as (then, otherwise):
                for branch, pack in ((then, self.pack), (otherwise, self.pack_turned)):
                    with branch:
                        code.call(pack, depth, width, part, self.b_inner, self.b_column, self.block)
            distance = code.times(column, vector.bytes)
            code.call(self.rows, self.m, width, depth, left, self.a_row, self.a_inner, self.block, depth, word(0),
                      code.move(self.c, distance), self.c_row, add, *self.ending(ends, distance))  # fmt: skip


def _rows_function(module: Any, name: str, vector: Vector) -> Any:
    """All rows of C for a block of B.

    (rows, columns, depth, a, a_row, a_inner, b, b_panel, b_inner, c, c_row, add, then ENDING): a panel of B begins at
    its first column times `b_panel`; `b_inner` is 0 where the panels are packed.
    """
    arguments = [WORD, WORD, WORD, POINTER, WORD, WORD, POINTER, WORD, WORD, POINTER, WORD, FLAG, *ENDING]
    function, builder = internal_function(module, name, arguments)
    m, n, depth, a, a_row, a_inner, b, b_panel, b_inner, c, c_row, add, *ending = function.args
    ends, scale, base, base_row, result, result_row = ending
    code = Code(builder, vector)
    functions = {
        (rows, wide): tile_function(
            module, f"{name}_{rows}x{wide}", vector, Tile(rows, wide, not vector.masked, 1, rows >= FETCHING, True)
        )
        for rows, wide in tile_shapes(vector.bits)
    }
    count = code.vectors(n)
    packed = builder.icmp_unsigned("==", b_inner, word(0))
    highest, widest = word(HEIGHTS[vector.bits][0]), word(VECTORS[vector.bits])
    if vector.bits in BROAD:
        wide, most = map(word, BROAD[vector.bits])
        broad = builder.and_(builder.icmp_unsigned("==", count, wide), builder.not_(packed))
        highest, widest = builder.select(broad, most, highest), builder.select(broad, wide, widest)
    with code.pieces(m, HEIGHTS[vector.bits], highest) as (row, height):
        left = code.move(a, builder.mul(row, a_row))
        into = code.move(c, builder.mul(row, c_row))
        single = builder.icmp_unsigned("==", height, word(1))
        long = builder.and_(single, builder.not_(packed))
        most = builder.select(long, word(LONGEST), widest)
        with code.chunks(count, code.ceiling(count, most)) as (begin, width):
            place = code.times(begin, vector.size)
            right = code.move(b, builder.mul(place, b_panel))
            step = builder.select(packed, code.times(width, vector.size), b_inner)
            last = code.times(builder.sub(builder.add(begin, width), word(1)), vector.lanes)
            columns, target = builder.sub(n, last), code.move(into, place)
            final = builder.icmp_unsigned("==", builder.add(begin, width), count)
            ahead = builder.select(final, code.larger(builder.mul(height, a_row), word(LINE)), word(0))
            ended = [ends, scale]
            for pointer, down in ((base, base_row), (result, result_row)):
                ended += [code.move(pointer, builder.add(builder.mul(row, down), place)), down]
            operands = [columns, add, left, a_row, right, target, c_row, ahead, depth, a_inner, step, *ended]
            call_tile(code, functions, height, width, operands)
    builder.ret_void()
    return function


PRODUCTS = routines.Family("product", ARGUMENTS, write_product, (sys.modules[__name__], dots, panels, tiles, vectors))
product_name, provide_product, product_assembly = PRODUCTS.name, PRODUCTS.provide, PRODUCTS.assembly
