"""Register tiles: the innermost part of a matrix product, a few rows by a few vectors whose sums stay in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from .vectors import NUMBER, POINTER, WORD, Code, Vector, internal_function, word

HEIGHTS = {512: (8, 6, 4, 2, 1), 256: (6, 4, 2, 1), 128: (6, 4, 2, 1)}
"""How many rows a tile may have, by the vectors' width: the last rows of a matrix take the smaller ones."""

VECTORS = {512: 3, 256: 2, 128: 2}
"""The most vectors in a row of a tile: sums, a row of B and a number of A then just fit the 32 or 16 registers."""

BROAD = {512: (4, 6)}
"""Vectors and most rows of the tiles for a matrix of just so many vectors: as two narrow ones they would hold fewer
sums, and read A twice. With 16 registers there is no such tile."""

LINE, MOST_BYTES = 64, 8
"""Bytes of a cache line, and of the largest number."""

LONGEST = 8
"""The most vectors in a tile of one row, where B is read in place: few sums would wait for one another."""

FLAG = ir.IntType(1)

ENDING = [FLAG, NUMBER, POINTER, WORD, POINTER, WORD]
"""Whether a tile ends with D = E + scale · C, the scale, E and its step from row to row, D and its step."""


@dataclass(frozen=True, slots=True)
class Tile:
    """How far a tile reaches, and its operands. Steps are in bytes; the last vector may be partial.

    `full` says that B's vectors are whole in memory: its panels are filled up with zeros. `levels` is how many loops
    the inner index has. One that `fetches` asks for the rows of A that are next. One that `ends` can add its multiple
    to another matrix.
    """

    rows: int
    vectors: int
    full: bool
    levels: int = 1
    fetches: bool = False
    ends: bool = False


def tile_shapes(bits: int) -> list[tuple[int, int]]:
    """Rows and vectors of every tile there is."""
    several = [(rows, wide) for rows in HEIGHTS[bits] for wide in range(1, VECTORS[bits] + 1)]
    wide, most = BROAD.get(bits, (0, 0))
    several += [(rows, wide) for rows in HEIGHTS[bits] if 1 < rows <= most]
    return several + [(1, wide) for wide in range(VECTORS[bits] + 1, LONGEST + 1)]


def tile_function(module: Any, name: str, vector: Vector, tile: Tile) -> Any:
    """A function that computes a tile of C = A B or C += A B.

    (columns of the last vector, whether to add, a, a_row, b, c, c_row, how far ahead it fetches, then of each loop over
    the inner index, from the outermost to the innermost, its turns, A's step and B's step; of one that `ends` then
    ENDING: where the flag is set, D = E + scale · C is stored instead of C)
    """
    ending = ENDING if tile.ends else []
    arguments = [WORD, FLAG, POINTER, WORD, POINTER, POINTER, WORD, WORD, *[WORD] * (3 * tile.levels), *ending]
    function, builder = internal_function(module, name, arguments)
    columns, add, a, a_row, b, c, c_row, ahead, *levels = function.args[: len(arguments) - len(ending)]
    code = Code(builder, vector)
    masks = [None] * (tile.vectors - 1) + [code.mask(columns)]
    lefts = code.steps(a, a_row, tile.rows)
    fetching = (lambda offset: fetch(code, code.move(a, ahead), a_row, offset)) if tile.fetches else None
    totals = _totals(code, lefts, b, [None] * tile.vectors if tile.full else masks, levels, fetching)
    _store(code, totals, code.steps(c, c_row, tile.rows), masks, add, function.args[len(arguments) - len(ending) :])
    builder.ret_void()
    return function


def fetch(code: Code, rows: Any, a_row: Any, offset: Any) -> None:
    """Ask, at an offset of the inner index, for a cache line of the rows that are next.

    The processor follows a few lines of memory by itself, but neither the many short ones of a matrix that lies by
    columns nor the beginnings of new rows. At each index another row's line is asked for: neighbouring indices share a
    line, so each is asked for once or twice. Where rows are neighbours, that is the line beside the one that is read.
    """
    turn = code.builder.lshr(offset, word(code.vector.bytes.bit_length() - 1))
    row = code.builder.and_(turn, word(LINE // MOST_BYTES - 1))
    code.fetch(code.move(code.move(rows, offset), code.builder.mul(row, a_row)))


def _totals(code: Code, lefts: Sequence[Any], b: Any, masks: Sequence[Any], levels: Sequence[Any],
            fetching: Callable[[Any], None] | None) -> list[Any]:  # fmt: skip
    """The sums over the inner index, row by row, each from zero on in the order of that index."""

    def add_products(offset: Any, right: Any, totals: Sequence[Any]) -> list[Any]:
        added = list(totals)
        if fetching is not None:
            fetching(offset)
        vectors = [code.load(code.move(right, word(slot * code.vector.size)), mask) for slot, mask in enumerate(masks)]
        for row, pointer in enumerate(lefts):
            number = code.splat(code.builder.load(code.move(pointer, offset), typ=code.vector.element))
            for slot, vector in enumerate(vectors):
                place = row * len(masks) + slot
                added[place] = code.multiply_add(number, vector, added[place])
        return added

    zeros = [code.zero()] * (len(lefts) * len(masks))
    return inner_loops(code, levels, word(0), b, zeros, add_products)


def inner_loops(code: Code, levels: Sequence[Any], offset: Any, right: Any, totals: Sequence[Any],
                add_products: Callable[[Any, Any, Sequence[Any]], list[Any]]) -> list[Any]:  # fmt: skip
    """What `add_products` makes of the totals, once for each turn of the loops over the inner index.

    `levels` holds for each loop its turns, A's step and B's; A is followed by its `offset`, B by the pointer `right`.
    """
    if not levels:
        return add_products(offset, right, totals)
    count, a_step, b_step, *rest = levels

    def turn(state: list[Any]) -> list[Any]:
        offset, right, *totals = state
        added = inner_loops(code, rest, offset, right, totals, add_products)
        return [code.builder.add(offset, a_step), code.move(right, b_step), *added]

    return code.repeated(count, [offset, right, *totals], turn)[2:]


def _store(code: Code, totals: list[Any], rows: Sequence[Any], masks: Sequence[Any], add: Any, ending: Sequence[Any]
           ) -> None:  # fmt: skip
    """Write the totals, or add them to what is there; or end with them."""
    builder = code.builder
    places = _places(code, rows, masks)
    before, adding, storing = builder.block, builder.append_basic_block("add"), builder.append_basic_block("store")
    builder.cbranch(add, adding, storing)
    builder.position_at_end(adding)
    sums = [builder.fadd(code.load(*place), total) for place, total in zip(places, totals)]
    added = builder.block
    builder.branch(storing)
    builder.position_at_end(storing)
    values = code.phis(totals, before)
    for value, total in zip(values, sums):
        value.add_incoming(total, added)
    if ending:
        _end(code, values, len(rows), masks, *ending)
    for place, value in zip(places, values):
        code.store(value, *place)


def _end(code: Code, values: list[Any], rows: int, masks: Sequence[Any], ends: Any, scale: Any, base: Any,
         base_row: Any, result: Any, result_row: Any) -> None:  # fmt: skip
    """Return with base + scale · values in the result, if so it `ends`."""
    builder, element = code.builder, code.vector.element
    ending, going_on = builder.append_basic_block("end"), builder.append_basic_block("going_on")
    builder.cbranch(ends, ending, going_on)
    builder.position_at_end(ending)
    factor = code.splat(scale if scale.type == element else builder.fptrunc(scale, element))
    from_, to = (
        _places(code, code.steps(p, step, rows), masks) for p, step in ((base, base_row), (result, result_row))
    )
    for value, source, target in zip(values, from_, to):
        code.store(builder.fadd(code.load(*source), builder.fmul(factor, value)), *target)
    builder.ret_void()
    builder.position_at_end(going_on)


def _places(code: Code, rows: Sequence[Any], masks: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Where the vectors of a tile lie, row by row, and the mask of each."""
    return [(code.move(row, word(slot * code.vector.size)), mask) for row in rows for slot, mask in enumerate(masks)]


def call_tile(code: Code, functions: dict[tuple[int, int], Any], rows: Any, wide: Any, operands: list[Any]) -> None:
    """Call the tile of so many rows and vectors."""
    builder = code.builder
    done = builder.append_basic_block("done")
    switch = builder.switch(builder.add(code.times(rows, LONGEST + 1), wide), done)
    for (height, width), function in functions.items():
        block = builder.append_basic_block("tile")
        switch.add_case(word((LONGEST + 1) * height + width), block)
        builder.position_at_end(block)
        code.call(function, *operands)
        builder.branch(done)
    builder.position_at_end(done)
