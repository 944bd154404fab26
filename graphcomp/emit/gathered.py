"""Rows summed up in registers: the text of a `Gathered` statement by whole vectors, where its loops allow that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..graph.types import product
from ..ops.index import Index
from ..schedule.loops import mentioned
from ..schedule.program import Buffer, Compute, Gathered, Load
from ..schedule.schedule import neutral_text
from ..schedule.text import index_text, size_text
from .lanes import OPERATIONS, PREFIX
from .vectors import SIZES

MOST_VECTORS = 8
"""Vectors of a row that are summed up at once; longer rows are taken in parts."""

COMBINING = {"sum": "add", "maximum": "larger"}


@dataclass(frozen=True, slots=True)
class Span:
    """Where an array's entries for a row lie: from `begin` on, each for `times` entries of the row."""

    buffer: Buffer
    begin: Index
    times: int


@dataclass(frozen=True, slots=True)
class RowForm:
    """A statement by vectors: how wide the row is, and what each load of it reads."""

    statement: Gathered
    width: int
    lanes: int
    loads: Mapping[str, Span]
    target: Span

    @property
    def dtype(self) -> str:
        return self.statement.store.buffer.type.dtype

    def call(self, word: str, *numbers: int) -> str:
        return "_".join([f"{PREFIX}{word}", self.dtype, str(self.lanes), *map(str, numbers)])


def row_form(statement: Gathered, bits: int) -> RowForm | None:
    """How to compute a statement by vectors; None where its entries do not lie side by side, or it does other things
    with them than vectors can."""
    dtype = statement.store.buffer.type.dtype
    extents = [loop.extent for loop in statement.loops]
    if dtype not in SIZES or not extents or not all(isinstance(extent, int) for extent in extents):
        return None
    width, lanes = int(product(extents)), bits // (8 * SIZES[dtype])
    loads: dict[str, Span] = {}
    for each in statement.body:
        if isinstance(each, Load) and each.dtype == dtype:
            span = span_of(statement, each)
            if span is None or (width > MOST_VECTORS * lanes and span.times not in (1, width)):
                return None
            loads[each.target] = span
        elif not (isinstance(each, Compute) and each.op in OPERATIONS and each.dtype == each.argument_dtype == dtype):
            return None
    target = span_of(statement, statement.store)
    if width == 0 or target is None or target.times != 1 or statement.combine not in COMBINING:
        return None
    return RowForm(statement, width, lanes, loads, target)


def span_of(statement: Gathered, access: Any) -> Span | None:
    """What a load or a store touches for a row, if its address steps evenly through memory."""
    variables = [loop.variable for loop in statement.loops]
    steps = {atom.name: step for atom, step in access.address.terms if atom.kind == "loop" and atom.name in variables}
    rest = Index(
        tuple(term for term in access.address.terms if term[0].name not in steps or term[0].kind != "loop"),
        access.address.constant,
    )
    if set(variables) & set(mentioned(rest)):
        return None
    extents = [int(loop.extent) for loop in statement.loops]
    wanted = [steps.get(variable, 0) for variable in variables]
    for count in range(len(extents) + 1):  # how many of the loops, from the outside, move the address
        even = [product(extents[place + 1 : count]) for place in range(count)]
        if wanted == [*even, *[0] * (len(extents) - count)]:
            return Span(access.buffer, rest, int(product(extents[count:])))
    return None


def write_rows(function: Any, form: RowForm, write_lookups: Callable[[], None], comment: str) -> None:
    """The lines of a statement by vectors."""
    part = MOST_VECTORS * form.lanes
    whole = form.width // part * part
    if whole > part:
        function.line(f"for x0 in range(0, {whole}, {part}):")
        function.depth += 1
        write_part(function, form, "x0 + ", 0, part, write_lookups, comment)
        function.depth -= 1
    elif whole:
        write_part(function, form, "", 0, part, write_lookups, comment)
    if form.width > whole:
        write_part(function, form, "", whole, form.width, write_lookups, comment)


def write_part(function: Any, form: RowForm, moved: str, begin: int, end: int, write_lookups: Callable[[], None],
               comment: str) -> None:  # fmt: skip
    """The lines for the entries of a row from `begin` to `end`, all in registers."""
    statement, dtype = form.statement, form.dtype
    pieces = list(pairwise([*range(begin, end, form.lanes), end]))
    combine = form.call(COMBINING[statement.combine])
    value = statement.store.value
    totals = [f"a_{value}l{number}" for number in range(len(pieces))]
    for total in totals:
        function.line(f"{total} = {form.call('fill')}({neutral_text(statement.combine, dtype)})", comment)
    member = statement.member
    assert member.within is not None
    function.line(f"for {member.variable} in range({member.within[0]}, {member.within[1]}):")
    function.depth += 1
    write_lookups()
    known: set[str] = set()
    for line, made in vector_lines(function, form, moved, pieces):
        function.line(line)
        known.add(made)
    for number, total in enumerate(totals):
        last = f"{value}l{number}" if f"{value}l{number}" in known else f"{form.call('fill')}({value})"
        function.line(f"{total} = {combine}({total}, {last})", comment)
    function.depth -= 1
    for total, (first, after) in zip(totals, pieces):
        place = place_text(function, form.target, moved, first)
        pointer = function.pointer(form.target.buffer)
        function.line(f"{form.call('store', after - first)}({pointer}, {place}, {total})", comment)


def vector_lines(function: Any, form: RowForm, moved: str, pieces: list[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """The body's lines for each vector of a row, and the variable that each sets."""
    made = {each.target for each in form.statement.body if isinstance(each, (Load, Compute))}
    filled: set[str] = set()
    for each in form.statement.body:
        if isinstance(each, Compute):
            for name in each.arguments:
                if name not in made | filled:  # the same for the whole row
                    filled.add(name)
                    yield f"{name}l0 = {form.call('fill')}({name})", f"{name}l0"
        for number, (first, after) in enumerate(pieces):
            target = f"{each.target}l{number}"  # type: ignore[union-attr]
            if isinstance(each, Load):
                yield f"{target} = {load_text(function, form, form.loads[each.target], moved, first, after)}", target
            elif isinstance(each, Compute):
                vectors = ", ".join(f"{name}l{0 if name in filled else number}" for name in each.arguments)
                yield f"{target} = {form.call(each.op)}({vectors})", target


def load_text(function: Any, form: RowForm, span: Span, moved: str, first: int, after: int) -> str:
    """The vector of the entries `first` to `after` of a row."""
    pointer, times = function.pointer(span.buffer), span.times
    if times == 1:
        return f"{form.call('load', after - first)}({pointer}, {place_text(function, span, moved, first)})"
    if times == form.width:
        return f"{form.call('repeat', 0, form.lanes, form.lanes)}({pointer}, {place_text(function, span, '', 0)})"
    call = form.call("repeat", first % times, times, after - first)
    return f"{call}({pointer}, {place_text(function, span, '', first // times)})"


def place_text(function: Any, span: Span, moved: str, offset: int) -> str:
    """An index of an array: where a row begins there, and so much further."""
    text = moved + index_text(Index(span.begin.terms, 0))
    if span.begin.constant != 0:
        text += f" + {function.constant(size_text(span.begin.constant))}"
    return f"{text} + {offset}" if offset else text
