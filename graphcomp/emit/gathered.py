"""Rows summed up in registers: the text of a `Gathered` statement by whole vectors, where its loops allow that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..schedule.domain import neutral_text
from ..schedule.program import Gathered
from .rows import COMBINING, MOST_VECTORS, Row, is_vectored, place_text, row_of, vector_lines


def gathered_row(statement: Gathered, bits: int) -> Row | None:
    """The row that a statement sums up by vectors; None where its entries do not lie side by side, or it does other
    things with them than vectors can."""
    row = row_of(statement.loops, statement.store.buffer.type.dtype, bits)
    if row is None or statement.combine not in COMBINING or not is_vectored(row, statement.body, {}):
        return None
    target = row.span(statement.store)
    return row if target is not None and target.times == 1 else None


def write_rows(function: Any, statement: Gathered, row: Row, write_lookups: Callable[[], None], comment: str) -> None:
    """The lines of a statement by vectors. Rows that are longer than the registers are taken in parts."""
    part = MOST_VECTORS * row.lanes
    whole = row.width // part * part
    if whole > part:
        function.line(f"for x0 in range(0, {whole}, {part}):")
        function.depth += 1
        write_part(function, statement, row, "x0 + ", 0, part, write_lookups, comment)
        function.depth -= 1
    elif whole:
        write_part(function, statement, row, "", 0, part, write_lookups, comment)
    if row.width > whole:
        write_part(function, statement, row, "", whole, row.width, write_lookups, comment)


def write_part(function: Any, statement: Gathered, row: Row, moved: str, begin: int, end: int,
               write_lookups: Callable[[], None], comment: str) -> None:  # fmt: skip
    """The lines for the entries of a row from `begin` to `end`, all in registers."""
    pieces = row.between(begin, end)
    combine = row.call(COMBINING[statement.combine])
    value = statement.store.value
    sums = [f"a_{value}l{number}" for number in range(len(pieces))]
    for each in sums:
        function.line(f"{each} = {row.call('fill')}({neutral_text(statement.combine, row.dtype)})", comment)
    member = statement.member
    assert member.within is not None
    function.line(f"for {member.variable} in range({member.within[0]}, {member.within[1]}):")
    function.depth += 1
    write_lookups()
    known: set[str] = set()
    for line, made, _ in vector_lines(function, row, statement.body, moved, pieces, contracts=True):
        function.line(line)
        known.add(made)
    for number, each in enumerate(sums):
        last = f"{value}l{number}" if f"{value}l{number}" in known else f"{row.call('fill')}({value})"
        function.line(f"{each} = {combine}({each}, {last})", comment)
    function.depth -= 1
    target = row.span(statement.store)
    assert target is not None
    for each, (first, after) in zip(sums, pieces):
        place = place_text(function, target, moved, first)
        pointer = function.pointer(target.buffer)
        function.line(f"{row.call('store', after - first)}({pointer}, {place}, {each})", comment)
