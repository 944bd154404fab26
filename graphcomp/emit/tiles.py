"""Register tiles: the innermost part of a matrix product, a few rows by a few vectors whose sums stay in registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from .vectors import POINTER, WORD, Code, Vector, internal_function, word

HEIGHTS = {512: (8, 4, 2, 1), 256: (6, 4, 2, 1), 128: (6, 4, 2, 1)}
"""How many rows a tile may have, by the vectors' width: the last rows of a matrix take the smaller ones."""

VECTORS = {512: 3, 256: 2, 128: 2}
"""The most vectors in a row of a tile: sums, a row of B and a number of A then just fit the 32 or 16 registers."""

LONGEST = 8
"""The most vectors in a tile of one row, where B is read in place: few sums would wait for one another."""

FLAG = ir.IntType(1)


@dataclass(frozen=True, slots=True)
class Tile:
    """How far a tile reaches, and its operands. Steps are in bytes; the last vector may be partial.

    `full` says that B's vectors are whole in memory: its panels are filled up with zeros.
    """

    rows: int
    vectors: int
    full: bool


def tile_shapes(bits: int) -> list[tuple[int, int]]:
    """Rows and vectors of every tile there is."""
    several = [(rows, wide) for rows in HEIGHTS[bits] for wide in range(1, VECTORS[bits] + 1)]
    return several + [(1, wide) for wide in range(VECTORS[bits] + 1, LONGEST + 1)]


def tile_function(module: Any, name: str, vector: Vector, tile: Tile) -> Any:
    """A function that computes a tile of C = A B or C += A B.

    (depth, a, a_row, a_inner, b, b_inner, c, c_row, columns of the last vector, whether to add)
    """
    arguments = [WORD, POINTER, WORD, WORD, POINTER, WORD, POINTER, WORD, WORD, FLAG]
    function, builder = internal_function(module, name, arguments)
    depth, a, a_row, a_inner, b, b_inner, c, c_row, columns, add = function.args
    code = Code(builder, vector)
    masks = [None] * (tile.vectors - 1) + [code.mask(columns)]
    lefts = code.steps(a, a_row, tile.rows)
    totals = _totals(code, lefts, a_inner, b, b_inner, [None] * tile.vectors if tile.full else masks, depth)
    _store(code, totals, code.steps(c, c_row, tile.rows), masks, add)
    builder.ret_void()
    return function


def _totals(code: Code, lefts: Sequence[Any], a_inner: Any, b: Any, b_inner: Any, masks: Sequence[Any], depth: Any
            ) -> list[Any]:  # fmt: skip
    """The sums over the inner index, row by row, each from zero on in the order of that index."""
    builder = code.builder
    before, body, after = builder.block, builder.append_basic_block("sum"), builder.append_basic_block("summed")
    start = [depth, word(0), b, *[code.zero()] * (len(lefts) * len(masks))]
    builder.cbranch(builder.icmp_unsigned("==", depth, word(0)), after, body)
    builder.position_at_end(body)
    state = code.phis(start, before)
    left, offset, right, *totals = state
    vectors = [code.load(code.move(right, word(slot * code.vector.size)), mask) for slot, mask in enumerate(masks)]
    for row, pointer in enumerate(lefts):
        number = code.splat(builder.load(code.move(pointer, offset), typ=code.vector.element))
        for slot, vector in enumerate(vectors):
            place = row * len(masks) + slot
            totals[place] = code.multiply_add(number, vector, totals[place])
    left = builder.sub(left, word(1))
    following = [left, builder.add(offset, a_inner), code.move(right, b_inner), *totals]
    for phi, value in zip(state, following):
        phi.add_incoming(value, body)
    builder.cbranch(builder.icmp_unsigned("==", left, word(0)), after, body)
    builder.position_at_end(after)
    results = code.phis(start[3:], before)
    for phi, value in zip(results, totals):
        phi.add_incoming(value, body)
    return results


def _store(code: Code, totals: list[Any], rows: Sequence[Any], masks: Sequence[Any], add: Any) -> None:
    """Write the totals, or add them to what is there."""
    builder, size = code.builder, code.vector.size
    places = [(code.move(row, word(slot * size)), mask) for row in rows for slot, mask in enumerate(masks)]
    before, adding, storing = builder.block, builder.append_basic_block("add"), builder.append_basic_block("store")
    builder.cbranch(add, adding, storing)
    builder.position_at_end(adding)
    sums = [builder.fadd(code.load(*place), total) for place, total in zip(places, totals)]
    added = builder.block
    builder.branch(storing)
    builder.position_at_end(storing)
    values = code.phis(totals, before)
    for place, value, total in zip(places, values, sums):
        value.add_incoming(total, added)
        code.store(value, *place)
