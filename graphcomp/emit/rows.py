"""Rows of a few dozen numbers by whole vectors, which generated code names itself.

LLVM makes vector code of the innermost loop only, and of a short one it writes out the turns. Where a loop over rows
looks up where each of them lies, and a row is no longer than a few vectors, its loads, ops, sums over neighbours and
stores are written here as calls of `emit/library/lanes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..graph.types import product
from ..ops.index import Index
from ..schedule.groups import made as names_of
from ..schedule.groups import split
from ..schedule.loops import mentioned
from ..schedule.program import Buffer, Compute, Load, Loop, Reduce, Statement, Store, walk
from ..schedule.text import index_text, size_text
from .formulas import has_vector_code
from .lanes import OPERATIONS, PREFIX, op_name
from .vectors import SIZES

MOST_VECTORS = 8
"""Vectors of a row that are in registers at once."""

SHORT = 2
"""A loop of fewer turns than so many vectors hold is short: LLVM would not make good vector code of it."""

LEAST_BYTES = 16
"""The narrowest vectors."""

COMBINING = {"sum": "add", "maximum": "larger"}


@dataclass(frozen=True, slots=True)
class Span:
    """Where an array's entries for a row lie: from `begin` on, each for `times` entries of the row."""

    buffer: Buffer
    begin: Index
    times: int


@dataclass(frozen=True, slots=True)
class Row:
    """The entries of some loops, in vectors of so many lanes."""

    loops: tuple[Loop, ...]
    dtype: str
    lanes: int

    @property
    def width(self) -> int:
        return int(product([loop.extent for loop in self.loops]))

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Where each of its vectors begins and ends."""
        return self.between(0, self.width)

    def between(self, begin: int, end: int) -> list[tuple[int, int]]:
        return list(pairwise([*range(begin, end, self.lanes), end]))

    def within(self, loops: Sequence[Loop]) -> Row:
        """The row of all that is inside of each entry."""
        return Row((*self.loops, *loops), self.dtype, self.lanes)

    def call(self, word: str, *numbers: int) -> str:
        return "_".join([f"{PREFIX}{word}", self.dtype, str(self.lanes), *map(str, numbers)])

    def span(self, access: Any) -> Span | None:
        """What a load or a store touches for the row, if its address steps evenly through memory."""
        variables = [loop.variable for loop in self.loops]
        steps = {
            atom.name: step for atom, step in access.address.terms if atom.kind == "loop" and atom.name in variables
        }
        rest = Index(
            tuple(term for term in access.address.terms if term[0].name not in steps or term[0].kind != "loop"),
            access.address.constant,
        )
        if set(variables) & set(mentioned(rest)):
            return None
        extents = [int(loop.extent) for loop in self.loops]
        wanted = [steps.get(variable, 0) for variable in variables]
        for count in range(len(extents) + 1):  # how many of the loops, from the outside, move the address
            even = [product(extents[place + 1 : count]) for place in range(count)]
            if wanted == [*even, *[0] * (len(extents) - count)]:
                return Span(access.buffer, rest, int(product(extents[count:])))
        return None


def row_of(loops: Sequence[Loop], dtype: str, bits: int) -> Row | None:
    """The row that loops go over, in vectors no wider than it needs; None where its width is not known."""
    if dtype not in SIZES or not loops or not all(isinstance(loop.extent, int) for loop in loops):
        return None
    width = Row(tuple(loops), dtype, 1).width
    least, most = LEAST_BYTES // SIZES[dtype], bits // (8 * SIZES[dtype])
    return Row(tuple(loops), dtype, min(most, max(least, 1 << (width - 1).bit_length()))) if width else None


# what can be done by vectors -----------------------------------------------------------------------------------------


def is_vectored(row: Row, body: Sequence[Statement], made: dict[str, tuple[Loop, ...]]) -> bool:
    """Whether vectors can compute statements for a row; adds what they make to `made`, with the loops that it is for.

    All that they use and that is not made by them is the same for the whole row.
    """
    for each in body:
        match each:
            case Load(dtype=dtype):
                span = row.span(each)
                if dtype != row.dtype or span is None:
                    return False
                if row.width > MOST_VECTORS * row.lanes and span.times not in (1, row.width):
                    return False
            case Compute(op=op, arguments=names, argument_dtype=argument_dtype, dtype=dtype):
                if not {argument_dtype, dtype} <= {row.dtype, "bool"}:
                    return False
                if not has_vector_code(op, len(names), each.attributes, argument_dtype, dtype):
                    return False
                if any(made.get(name, row.loops) != row.loops for name in names):
                    return False
            case Reduce():
                if not is_total(row, each, made):
                    return False
                made |= {other.target: row.loops for other in each.beside}
            case _:
                return False
        made[each.target] = row.loops
    return True


def is_total(row: Row, reduction: Reduce, made: dict[str, tuple[Loop, ...]]) -> bool:
    """Whether neighbours can be combined in pairs until a row is left."""
    if not all(isinstance(loop.extent, int) for loop in reduction.loops):
        return False
    inner, together = row.within(reduction.loops), (reduction, *reduction.beside)
    times = inner.width // row.width
    if times & (times - 1) or inner.width > MOST_VECTORS * row.lanes:
        return False
    if any(each.dtype != row.dtype or each.combine not in COMBINING for each in together):
        return False
    return is_vectored(inner, reduction.body, made) and all(made.get(each.value) == inner.loops for each in together)


# text ----------------------------------------------------------------------------------------------------------------


def vector_lines(
    function: Any, row: Row, body: Sequence[Statement], moved: str, pieces: list[tuple[int, int]], contracts: bool
) -> Iterator[tuple[str, str, Statement]]:
    """The lines of statements for each vector of a row, the variable that each sets, and the statement.

    What begins `moved` further is written as a text. With `contracts`, a product and a sum may be one instruction.
    """
    made = {name for each in body for name in names_of(each)}
    filled: set[str] = set()
    for each in body:
        if isinstance(each, Reduce):
            inner = row.within(each.loops)
            yield from vector_lines(function, inner, each.body, "", inner.pieces, contracts)
            for total in (each, *each.beside):
                for number, text in enumerate(totals(row, inner, total)):
                    yield f"{total.target}l{number} = {text}", f"{total.target}l{number}", total
            continue
        if isinstance(each, Compute):
            for name in each.arguments:
                if name not in made | filled:  # the same for the whole row
                    filled.add(name)
                    yield f"{name}l0 = {row.call('fill')}({name})", f"{name}l0", each
        for number, (first, after) in enumerate(pieces):
            target = f"{each.target}l{number}"  # type: ignore[union-attr]
            if isinstance(each, Load):
                span = row.span(each)
                assert span is not None
                yield f"{target} = {load_text(function, row, span, moved, first, after)}", target, each
            elif isinstance(each, Compute):
                vectors = ", ".join(f"{name}l{0 if name in filled else number}" for name in each.arguments)
                yield f"{target} = {op_call(row, each, contracts)}({vectors})", target, each


def op_call(row: Row, statement: Compute, contracts: bool) -> str:
    if contracts and statement.op in OPERATIONS:
        return row.call(statement.op)
    arity = len(statement.arguments)
    return op_name(statement.op, arity, statement.argument_dtype, statement.dtype, row.lanes)


def totals(row: Row, inner: Row, reduction: Reduce) -> list[str]:
    """The vectors of a row, each entry combined of neighbours in the vectors of a wider one."""
    found = [f"{reduction.value}l{number}" for number in range(len(inner.pieces))]
    times, pairs = inner.width // row.width, row.call(f"{COMBINING[reduction.combine]}pairs")
    while times > 1:
        found += found[-1:] * (len(found) % 2)
        found = [f"{pairs}({left}, {right})" for left, right in zip(found[::2], found[1::2])]
        times //= 2
    return found[: len(row.pieces)]


def load_text(function: Any, row: Row, span: Span, moved: str, first: int, after: int) -> str:
    """The vector of the entries `first` to `after` of a row."""
    pointer, times = function.pointer(span.buffer), span.times
    if times == 1:
        return f"{row.call('load', after - first)}({pointer}, {place_text(function, span, moved, first)})"
    if times == row.width:
        return f"{row.call('repeat', 0, row.lanes, row.lanes)}({pointer}, {place_text(function, span, '', 0)})"
    call = row.call("repeat", first % times, times, after - first)
    return f"{call}({pointer}, {place_text(function, span, '', first // times)})"


def place_text(function: Any, span: Span, moved: str, offset: int) -> str:
    """An index of an array: where a row begins there, and so much further."""
    text = moved + index_text(Index(span.begin.terms, 0))
    if span.begin.constant != 0:
        text += f" + {function.constant(size_text(span.begin.constant))}"
    return f"{text} + {offset}" if offset else text


# loops ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inner:
    """The innermost loops of a nest by vectors: what is the same for a whole row, and what is not."""

    row: Row
    once: list[Statement]
    body: list[Statement]
    stores: list[Store]


def inner_rows(loops: Sequence[Loop], body: Sequence[Statement], bits: int) -> Inner | None:
    """The most of the innermost loops that vectors can do; None where none can be, or where LLVM does as well."""
    for count in range(len(loops), 0, -1):
        chosen = loops[-count:]
        if not any(loop.shared or loop.reverse or loop.within for loop in chosen):
            found = inner_row(chosen, body, bits)
            if found is not None:
                return found
    return None


def inner_row(loops: Sequence[Loop], body: Sequence[Statement], bits: int) -> Inner | None:
    """These loops by vectors."""
    stores = [each for each in body if isinstance(each, Store)]
    others = [each for each in body if not isinstance(each, Store)]
    row = row_of(loops, stores[0].buffer.type.dtype, bits) if stores else None
    if row is None or row.width > MOST_VECTORS * row.lanes or not all(map(row.span, stores)):
        return None
    reductions = [each for each in others if isinstance(each, Reduce)]
    full = bits // (8 * SIZES[row.dtype])
    if reductions:  # which may fill more vectors than the row does
        row = Row(row.loops, row.dtype, full)
    elif int(loops[-1].extent) >= SHORT * full:
        return None
    once, inside = split(others, {loop.variable for loop in loops})
    if any(store.combine or row.span(store).times != 1 for store in stores):  # type: ignore[union-attr]
        return None
    return Inner(row, once, inside, stores) if is_vectored(row, inside, {}) and in_order(stores, others) else None


def in_order(stores: Sequence[Store], others: Sequence[Statement]) -> bool:
    """Whether nothing changes if a whole row is read before it is written: what is read is what is then written."""
    written = {store.buffer.root.number: store for store in stores}
    for each in walk(list(others)):
        store = written.get(each.buffer.root.number) if isinstance(each, Load) else None
        if store is not None and (each.buffer, each.address) != (store.buffer, store.address):  # type: ignore[union-attr]
            return False
    return len(written) == len(stores)


def write_inner(function: Any, inner: Inner, write_once: Callable[[], None], comment: Callable[[Any], str]) -> None:
    """The lines of the innermost loops, by vectors."""
    write_once()
    row = inner.row
    for line, _, statement in vector_lines(function, row, inner.body, "", row.pieces, contracts=False):
        function.line(line, comment(statement))
    moving = {name for each in inner.body for name in names_of(each)}
    for store in inner.stores:
        span = row.span(store)
        assert span is not None
        pointer = function.pointer(span.buffer)
        for number, (first, after) in enumerate(row.pieces):
            value = f"{store.value}l{number}" if store.value in moving else f"{row.call('fill')}({store.value})"
            call = f"{row.call('store', after - first)}({pointer}, {place_text(function, span, '', first)}, {value})"
            function.line(call, comment(store))
