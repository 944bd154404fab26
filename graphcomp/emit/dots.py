"""Tiles of A Bᵀ whose operands both lie along the inner index: sums in the lanes of vectors, added up at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..schedule.program import INNER_LOOPS
from .tiles import FLAG, inner_loops
from .vectors import POINTER, WORD, Code, Vector, internal_function, word

HEIGHTS = (4, 3, 2, 1)
"""How many rows a tile may have: each vector of B is loaded once for all of them."""

COLUMNS = {512: 5, 256: 2, 128: 2}
"""The most columns of a tile, by the vectors' width: sums and vectors just fit the registers."""


def dots_shapes(bits: int) -> list[tuple[int, int]]:
    """Rows and columns of every tile there is."""
    return [(rows, wide) for rows in HEIGHTS for wide in range(1, COLUMNS[bits] + 1)]


def dots_function(module: Any, name: str, vector: Vector, rows: int, columns: int) -> Any:
    """A function that computes so many rows and columns of C = A Bᵀ or C += A Bᵀ; steps in bytes.

    (whether to add, a, a_row, b, b_column, c, c_row, c_column, then of each loop over the inner index, from the
    outermost on, its turns, A's step and B's step; of the innermost only its turns, over neighbours in memory)
    """
    arguments = [FLAG, POINTER, WORD, POINTER, WORD, POINTER, WORD, WORD, *[WORD] * (3 * INNER_LOOPS - 2)]
    function, builder = internal_function(module, name, arguments)
    add, a, a_row, b, b_column, c, c_row, c_column, *levels, depth = function.args
    code = Code(builder, vector)
    lefts, rights = code.steps(a, a_row, rows), [builder.mul(b_column, word(place)) for place in range(columns)]

    def add_run(offset: Any, right: Any, totals: Sequence[Any]) -> list[Any]:
        starts = [code.move(left, offset) for left in lefts], [code.move(right, distance) for distance in rights]
        return _add_run(code, *starts, depth, totals)

    totals = inner_loops(code, levels, word(0), b, [code.zero()] * (rows * columns), add_run)
    for row, target in enumerate(code.steps(c, c_row, rows)):
        for column, place in enumerate(code.steps(target, c_column, columns)):
            total = code.total(totals[row * columns + column])
            before = builder.load(place, typ=vector.element)
            builder.store(builder.select(add, builder.fadd(before, total), total), place)
    builder.ret_void()
    return function


def _add_run(code: Code, lefts: Sequence[Any], rights: Sequence[Any], depth: Any, totals: Sequence[Any]) -> list[Any]:
    """The totals and the products of numbers that lie side by side: whole vectors first, then what is left."""
    builder, size = code.builder, word(code.vector.size)
    rest = code.within(depth)
    whole = builder.lshr(depth, word(code.vector.lanes.bit_length() - 1))

    def turn(state: list[Any]) -> list[Any]:
        return [builder.add(state[0], size), *_add_products(code, lefts, rights, state[0], None, state[1:])]

    offset, *totals = code.repeated(whole, [word(0), *totals], turn)
    mask = code.mask(rest)
    some = builder.zext(builder.icmp_unsigned("!=", rest, word(0)), WORD)
    return code.repeated(some, totals, lambda sums: _add_products(code, lefts, rights, offset, mask, sums))


def _add_products(code: Code, lefts: Sequence[Any], rights: Sequence[Any], offset: Any, mask: Any, totals: Sequence[Any]
                  ) -> list[Any]:  # fmt: skip
    vectors = [code.load(code.move(right, offset), mask) for right in rights]
    places = iter(totals)
    added = []
    for left in lefts:
        values = code.load(code.move(left, offset), mask)
        added += [code.multiply_add(values, vector, next(places)) for vector in vectors]
    return added
