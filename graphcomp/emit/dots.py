"""A matrix times a vector where both lie along the inner index: sums in the lanes of a vector, added up at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .tiles import FLAG
from .vectors import POINTER, WORD, Code, Vector, internal_function, word

HEIGHTS = (4, 1)
"""Rows at a time: each part of the vector is loaded once for all of them, and their sums wait for one another less."""


def dots_function(module: Any, name: str, vector: Vector) -> Any:
    """(rows, depth, a, a_row, b, c, c_row, add): c (+)= A b; steps in bytes, A's and b's inner numbers side by side."""
    function, builder = internal_function(module, name, [WORD, WORD, POINTER, WORD, POINTER, POINTER, WORD, FLAG])
    m, depth, a, a_row, b, c, c_row, add = function.args
    code = Code(builder, vector)
    with code.pieces(m, HEIGHTS) as (row, height):
        left = code.move(a, builder.mul(row, a_row))
        into = code.move(c, builder.mul(row, c_row))
        several = builder.icmp_unsigned("==", height, word(HEIGHTS[0]))
        with builder.if_else(several) as branches:
            for branch, rows in zip(branches, HEIGHTS):
                with branch:
                    sums = _sums(code, code.steps(left, a_row, rows), b, depth)
                    for total, place in zip(sums, code.steps(into, c_row, rows)):
                        before = builder.load(place, typ=vector.element)
                        value = builder.select(add, builder.fadd(before, total), total)
                        builder.store(value, place)
    builder.ret_void()
    return function


def _sums(code: Code, rows: Sequence[Any], b: Any, depth: Any) -> list[Any]:
    """The sum of products of each row with b: whole vectors first, then what is left."""
    builder, vector = code.builder, code.vector
    rest = code.within(depth)
    whole = code.times(builder.sub(depth, rest), vector.bytes)
    before, body, after = (builder.block, *map(builder.append_basic_block, ("sum", "summed")))
    start = [word(0), *[code.zero()] * len(rows)]
    builder.cbranch(builder.icmp_unsigned("==", whole, word(0)), after, body)
    builder.position_at_end(body)
    state = code.phis(start, before)
    offset = state[0]
    totals = _add_products(code, rows, b, offset, None, state[1:])
    following = [builder.add(offset, word(vector.size)), *totals]
    for phi, value in zip(state, following):
        phi.add_incoming(value, body)
    builder.cbranch(builder.icmp_unsigned("==", following[0], whole), after, body)
    builder.position_at_end(after)
    results = code.phis(start[1:], before)
    for phi, value in zip(results, totals):
        phi.add_incoming(value, body)
    return [code.total(value) for value in _add_products(code, rows, b, whole, code.mask(rest), results)]


def _add_products(code: Code, rows: Sequence[Any], b: Any, offset: Any, mask: Any, totals: Sequence[Any]) -> list[Any]:
    right = code.load(code.move(b, offset), mask)
    return [
        code.multiply_add(code.load(code.move(row, offset), mask), right, total) for row, total in zip(rows, totals)
    ]
