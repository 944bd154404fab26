"""The text of one kernel: loops and statements, with parameters for what may differ between equal kernels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sympy as sp

from ..graph import Graph, Node
from ..ops.index import Index, linear
from ..ops.index import loop as counter
from ..schedule.domain import neutral_text
from ..schedule.program import (
    Assign,
    Buffer,
    CallKernel,
    Choose,
    Compute,
    Gathered,
    Leaf,
    Load,
    Loop,
    Nest,
    Operand,
    Position,
    ProductKernel,
    Reduce,
    Sort,
    Statement,
    Store,
    Transpose,
)
from ..schedule.shares import BOTH
from ..schedule.text import guard_text, index_text, size_name, size_text
from . import transpositions
from .gathered import gathered_row, write_rows
from .routine_calls import routine_call
from .rows import inner_rows, write_inner
from .scalar import scalar_code
from .vectors import SIZES, vector_bits


@dataclass(frozen=True, slots=True)
class Numbering:
    """How the text speaks of a graph's nodes: `%7`, or `%3.7` for node 7 in the body of loop %3.

    The status word names any node of the program by one number; those of this graph count from `first`.
    """

    graph: Graph
    prefix: str = ""
    first: int = 0

    def node(self, id: int) -> Node:
        return self.graph.node(id)

    def comment(self, id: int, word: str = "") -> str:
        return f"%{self.prefix}{id} {word}".rstrip()

    def status(self, id: int) -> int:
        return self.first + id + 1


@dataclass(slots=True)
class Function:
    """The text of one kernel: parameters by role, so that equal kernels have equal text.

    p0, p1, … are its buffers, e0, e1, … the extents of its outer loops, c0, c1, … its constants and those in its
    addresses (the steps of a recurrence differ only there), and `sizes` the named sizes that it uses.
    """

    buffers: list[Buffer] = field(default_factory=list)
    sizes: dict[str, None] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)
    helpers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    extents: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    depth: int = 1

    def pointer(self, buffer: Buffer) -> str:
        if buffer not in self.buffers:
            self.buffers.append(buffer)
        return f"p{self.buffers.index(buffer)}"

    @property
    def signature(self) -> str:
        """What makes two kernels one function: their code without comments, and what is known of their buffers."""
        code, dtypes = (line for line, _ in self.lines), (buffer.type.dtype for buffer in self.buffers)
        return "\n".join([*code, *dtypes, str(self.is_apart)])

    @property
    def is_apart(self) -> bool:
        """Whether each array has memory of its own: no two of them are windows of one."""
        return len({buffer.root.number for buffer in self.buffers}) == len(self.buffers)

    def place(self, buffer: Buffer, address: Index) -> str:
        """An entry of a buffer."""
        moving = index_text(Index(address.terms, 0))
        if address.constant == 0:
            return f"{self.pointer(buffer)}[{moving}]"
        return f"{self.pointer(buffer)}[{moving} + {self.constant(size_text(address.constant))}]"

    def constant(self, text: str) -> str:
        self.constants.append(text)
        return f"c{len(self.constants) - 1}"

    def line(self, text: str, comment: str = "") -> None:
        self.lines.append(("    " * self.depth + text, comment))


def kernel_function(kernel: Leaf, graph: Numbering, sizes: list[sp.Symbol]) -> Function:
    function = Function()
    if isinstance(kernel, ProductKernel):
        _product(function, kernel, graph)
    elif isinstance(kernel, CallKernel):
        _call(function, kernel, graph)
    else:
        function.helpers |= kernel.helpers
        function.extents = [size_text(loop.extent) for loop in kernel.loops]
        _nest(function, kernel.loops, kernel.body, graph, [f"e{slot}" for slot in range(len(kernel.loops))])
    if not function.lines:
        function.line("pass")
    text = "\n".join(line for line, _ in function.lines)
    for symbol in sizes:
        if re.search(rf"\b{size_name(symbol)}\b", text):
            function.sizes.setdefault(size_name(symbol))
    return function


def _nest(
    function: Function, loops: list[Loop], body: list[Statement], graph: Numbering, extents: Sequence[str] = ()
) -> None:
    inner = inner_rows(loops[bool(extents) :], body, vector_bits())
    if inner is not None:
        loops = loops[: len(loops) - len(inner.row.loops)]
    for loop, extent in zip(loops, extents or [size_text(loop.extent) for loop in loops]):
        bounds = f"{extent} - 1, -1, -1" if loop.reverse else extent
        if loop.shared:
            bounds = shared_bounds(extent, function.constant(size_text(loop.unit)))
        function.line(f"for {loop.variable} in range({bounds}):")
        function.depth += 1
    if inner is not None:
        write_inner(function, inner, partial(_statements, function, inner.once, graph), partial(_comment, graph))
    else:
        _statements(function, body, graph)
    function.depth -= len(loops)


def _comment(graph: Numbering, statement: Statement) -> str:
    match statement:
        case Load(buffer=buffer):
            return graph.comment(buffer.node)
        case Compute(node=node) | Reduce(node=node) | Store(node=node):
            return graph.comment(node, graph.node(node).op)
    return ""


def shared_bounds(extent: str, unit: str = "1") -> str:
    """The bounds of a thread's share of a loop."""
    return f"share(thread, threads, {extent}, {unit}), share(thread + 1, threads, {extent}, {unit})"


def _statements(function: Function, statements: Sequence[Statement], graph: Numbering, ends: bool = False) -> None:
    """The lines of statements; in a loop that a wrong position `ends`, if it does."""
    for statement in statements:
        _statement(function, statement, graph, ends)


def _statement(function: Function, statement: Statement, graph: Numbering, ends: bool = False) -> None:
    match statement:
        case Load(target=target, buffer=buffer, address=address, dtype=dtype):
            text = function.place(buffer, address)
            text = text if dtype == buffer.type.dtype else f"{dtype}({text})"
            function.line(f"{target} = {text}", graph.comment(buffer.node))
        case Compute():
            code, helpers = scalar_code(
                statement.op, statement.arguments, statement.attributes, statement.argument_dtype, statement.dtype
            )
            function.helpers |= helpers
            function.line(f"{statement.target} = {code}", graph.comment(statement.node, statement.op))
        case Assign(target=target, text=text, dtype=dtype, node=node):
            if graph.node(node).op == "constant":
                text = function.constant(text)
            function.line(f"{target} = {dtype}({text})", graph.comment(node, graph.node(node).op))
        case Position():
            _position(function, statement, graph, ends)
        case Choose():
            _choose(function, statement, graph)
        case Reduce():
            _reduce(function, statement, graph)
        case Store(buffer=buffer, address=address, value=value, node=node, combine=combine):
            place = function.place(buffer, address)
            text = _combined(combine, place, value, buffer.type.dtype) if combine else value
            function.line(f"{place} = {text}", graph.comment(node, graph.node(node).op))
        case Sort(values=values, places=places, spare=spare, size=size, descending=descending, node=node):
            pointers = ", ".join(function.pointer(buffer) for buffer in (values, places, spare))
            code = f"sort_row({pointers}, {size_text(size)}, {descending})"
            function.line(code, graph.comment(node, graph.node(node).op))
        case Transpose():
            _transpose(function, statement, graph)
        case Nest(loops=loops, body=body):
            _nest(function, loops, body, graph)
        case Gathered():
            _gathered(function, statement, graph)


def _transpose(function: Function, statement: Transpose, graph: Numbering) -> None:
    """A call of the routine that turns a matrix: its sizes, and each side's address with its step in numbers."""
    load, store = statement.body
    assert isinstance(load, Load) and isinstance(store, Store)
    columns, rows = statement.loops
    extents, begins = [size_text(columns.extent), size_text(rows.extent)], ["", ""]
    for slot, axis in enumerate((columns, rows)):
        if axis.shared:
            function.line(f"begin, end = {shared_bounds(extents[slot], function.constant(size_text(axis.unit)))}")
            extents[slot], begins[slot] = "(end - begin)", "begin"
    name, arguments, counters = (
        transpositions.TRANSPOSITIONS.name(load.dtype, vector_bits()),
        extents,
        {columns.variable, rows.variable},
    )
    for access, axis in ((load, rows), (store, columns)):
        steps = {atom.name: step for atom, step in access.address.terms}
        place = index_text(Index(tuple(term for term in access.address.terms if term[0].name not in counters), 0))
        for begin, loop in zip(begins, (columns, rows)):
            place += f" + {begin}*{size_text(steps.get(loop.variable, 0))}" if begin else ""
        if access.address.constant != 0:
            place += f" + {function.constant(size_text(access.address.constant))}"
        arguments.append(f"address({function.pointer(access.buffer)}) + ({place})*{SIZES[load.dtype]}")
        arguments.append(size_text(steps.get(axis.variable, 0)))
    function.line(f"{name}({', '.join(arguments)})", graph.comment(store.node, graph.node(store.node).op))


def _combined(combine: str, old: str, new: str, dtype: str) -> str:
    if combine in ("sum", "product"):
        code = f"{old} {'+' if combine == 'sum' else '*'} {new}"
        return code if dtype.startswith("float") else f"{dtype}({code})"
    sign = ">" if combine == "maximum" else "<"
    return f"{new} if ({new} {sign} {old} or {new} != {new}) else {old}"


def _position(function: Function, statement: Position, graph: Numbering, ends: bool) -> None:
    """An index read from an array: out of range is reported through the status word, and reads entry 0 instead, or ends
    the loop around it."""
    name = statement.target
    function.line(f"{name} = int64({statement.value})", graph.comment(statement.node, graph.node(statement.node).op))
    if statement.known:
        return
    function.line(f"if not 0 <= {name} < {size_text(statement.extent)}:")
    function.line(f"    status[0] = {graph.status(statement.node)}")
    function.line("    break" if ends else f"    {name} = 0")


def _choose(function: Function, statement: Choose, graph: Numbering) -> None:
    function.line(
        f"{statement.target} = {_zero(statement.dtype)}", graph.comment(statement.node, graph.node(statement.node).op)
    )
    for number, (guards, body, value) in enumerate(statement.branches):
        if guards:
            condition = " and ".join(guard_text(guard) for guard in guards)
            function.line(f"{'elif' if number else 'if'} {condition}:")
        else:
            function.line("else:" if number else "if True:")
        function.depth += 1
        for inner in body:
            _statement(function, inner, graph)
        function.line(f"{statement.target} = {value}")
        function.depth -= 1


def _zero(dtype: str) -> str:
    return "False" if dtype == "bool" else f"{dtype}(0)"


_STEPS = {"sum": "add_up", "product": "multiply_up", "maximum": "larger", "minimum": "smaller"}
"""Steps of reductions of floats, which become vector code."""


def _reduce(function: Function, statement: Reduce, graph: Numbering) -> None:
    """An accumulator; sums and products of float32 are kept in float64 until the end."""
    if statement.combine in ("argmax", "argmin"):
        _reduce_position(function, statement, graph)
        return
    together = [statement, *statement.beside]
    comments = [graph.comment(each.node, graph.node(each.node).op) for each in together]
    totals = [_start(function, each, comment) for each, comment in zip(together, comments)]
    for loop in statement.loops:
        bounds = ", ".join(loop.within) if loop.within else size_text(loop.extent)
        function.line(f"for {loop.variable} in range({bounds}):")
        function.depth += 1
    for inner in statement.body:
        _statement(function, inner, graph)
    for each, (total, wide), comment in zip(together, totals, comments):
        _step(function, each, total, wide, comment)
    function.depth -= len(statement.loops)
    for each, (total, _), comment in zip(together, totals, comments):
        function.line(f"{each.target} = {each.dtype}({total})", comment)


def _start(function: Function, statement: Reduce, comment: str) -> tuple[str, str]:
    """The line that begins a combination; the variable that holds it, and its dtype."""
    total, combine = f"a_{statement.target}", statement.combine
    wide = "float64" if statement.dtype == "float32" and combine in ("sum", "product") else statement.dtype
    function.line(f"{total} = {neutral_text(combine, wide)}", comment)
    return total, wide


def _step(function: Function, statement: Reduce, total: str, wide: str, comment: str) -> None:
    """The line that takes one more value in."""
    if wide.startswith("float"):
        text = f"{_STEPS[statement.combine]}({total}, {statement.value})"
    else:
        text = _combined(statement.combine, total, f"{wide}({statement.value})", wide)
    function.line(f"{total} = {text}", comment)


def _gathered(function: Function, statement: Gathered, graph: Numbering) -> None:
    """A row of sums over the members of a group: in registers, or one number, or in its place in memory.

    A wrong position ends the loop over the members, so LLVM does not write out several of its turns, with a second loop
    for what is left of a group: groups are small, and the ends of both would be guessed wrong.
    """
    store, member, combine = statement.store, statement.member, statement.combine
    comment = graph.comment(store.node, graph.node(store.node).op)
    row = gathered_row(statement, vector_bits())
    if row is not None:
        write_rows(
            function, statement, row, partial(_statements, function, statement.lookups, graph, ends=True), comment
        )
        return
    assert member.within is not None
    dtype = store.buffer.type.dtype
    header = f"for {member.variable} in range({', '.join(member.within)}):"
    if not statement.loops:
        reduced = Reduce(f"{store.value}", combine, [], [], store.value, dtype, dtype, store.node)
        total, wide = _start(function, reduced, comment)
        function.line(header)
        function.depth += 1
        _statements(function, [*statement.lookups, *statement.body], graph, ends=True)
        _step(function, reduced, total, wide, comment)
        function.depth -= 1
        function.line(f"{function.place(store.buffer, store.address)} = {dtype}({total})", comment)
        return
    empty = Store(store.buffer, store.address, neutral_text(combine, dtype), store.node)
    _nest(function, statement.loops, [empty], graph)
    function.line(header)
    function.depth += 1
    _statements(function, statement.lookups, graph, ends=True)
    again = Store(store.buffer, store.address, store.value, store.node, combine)
    _nest(function, statement.loops, [*statement.body, again], graph)
    function.depth -= 1


def _reduce_position(function: Function, statement: Reduce, graph: Numbering) -> None:
    total, comment = f"a_{statement.target}", graph.comment(statement.node, graph.node(statement.node).op)
    extremum = "maximum" if statement.combine == "argmax" else "minimum"
    sign = "<=" if statement.combine == "argmax" else ">="
    function.line(f"{total} = {neutral_text(extremum, statement.value_dtype)}", comment)
    function.line(f"{statement.target} = int64(0)")
    for loop in statement.loops:
        function.line(f"for {loop.variable} in range({size_text(loop.extent)}):")
        function.depth += 1
    for inner in statement.body:
        _statement(function, inner, graph)
    value = statement.value
    place = linear(map(_counter, statement.loops), [loop.extent for loop in statement.loops])
    function.line(f"if not {value} {sign} {total} and {total} == {total}:", comment)
    function.line(f"    {total} = {value}")
    function.line(f"    {statement.target} = int64({index_text(place)})")
    function.depth -= len(statement.loops)
    if statement.extremum:
        function.line(f"{statement.extremum} = {total}", comment)


def _counter(loop: Loop) -> Index:
    return counter(loop.variable, loop.extent)


def _product(function: Function, kernel: ProductKernel, graph: Numbering) -> None:
    """A call of the routine for this machine's vectors: each operand's address, and its steps in numbers."""
    m, n = size_text(kernel.m), size_text(kernel.n)
    moves: list[tuple[str, str]] = []
    if kernel.shared in ("rows", "columns"):
        function.line(f"begin, end = {shared_bounds(m if kernel.shared == 'rows' else n)}")
        moves.append(("begin", "m" if kernel.shared == "rows" else "n"))
        m, n = ("(end - begin)", n) if kernel.shared == "rows" else (m, "(end - begin)")
    for number, extent in enumerate(kernel.batch):
        count = size_text(extent)
        groups = f"group_begin(thread, threads, {count}), group_end(thread, threads, {count})"
        bounds = {"batch": shared_bounds(count), BOTH: groups}
        function.line(f"for q{number} in range({bounds.get(kernel.shared, count) if number == 0 else count}):")
        function.depth += 1
        if kernel.shared == BOTH and number == 0:
            shares = (f"group_share(thread, {ahead}, threads, {count}, q0, {m})" for ahead in (0, 1))
            function.line(f"begin, end = {', '.join(shares)}")
            moves, m = [("begin", "m")], "(end - begin)"
        _limit_turns(function, kernel, number)
    _limit_turns(function, kernel, None)
    begins = [limit.inner for limit in kernel.limits]
    ending = [kernel.ending.base, kernel.ending.result] if kernel.ending else []
    a, b, c, *ends = (
        _address(function, part, kernel.dtype, moves, begins)
        for part in (kernel.left, kernel.right, kernel.result, *ending)
    )
    comment = " ".join(graph.comment(node, graph.node(node).op) for node in kernel.nodes)
    function.line(routine_call(kernel, m, n, a, b, c, ends), comment)
    function.depth -= len(kernel.batch)


def _limit_turns(function: Function, kernel: ProductKernel, batch: int | None) -> None:
    """Between which turns the inner loops run that this batch loop limits: those to a place that there is."""
    for limit in kernel.limits:
        if limit.batch == batch:
            place = size_text(limit.begin) if batch is None else f"q{batch} + {size_text(limit.begin)}"
            step, size, turns = map(size_text, (limit.step, limit.size, kernel.inner[limit.inner]))
            function.line(f"low{limit.inner} = first_turn({place}, {step}, {size})")
            function.line(f"high{limit.inner} = last_turn({place}, {step}, {turns})")


def _address(
    function: Function, operand: Operand, dtype: str, moves: Sequence[tuple[str, str]], begins: Sequence[int]
) -> str:
    """Where a product begins to read or write an operand, `moves` further along a side than the operand begins, and at
    the first turns of the inner loops `begins`.
    """
    pointer = f"address({function.pointer(operand.buffer)})"
    steps = [f"{count}*{size_text(getattr(operand, side))}" for count, side in moves if getattr(operand, side) != 0]
    steps += [f"q{number}*{size_text(step)}" for number, step in enumerate(operand.batch) if step != 0]
    steps += [f"low{inner}*{size_text(operand.k[inner])}" for inner in begins if operand.k]
    steps += [size_text(operand.offset)] if operand.offset != 0 else []
    return f"{pointer} + ({' + '.join(steps)})*{SIZES[dtype]}" if steps else pointer


def _call(function: Function, kernel: CallKernel, graph: Numbering) -> None:
    """One call of a routine, whose name says for which dtype it is."""
    numbers = (f"int64({size_text(size)})" for size in kernel.sizes)
    arguments = ", ".join([*map(function.pointer, kernel.buffers), *numbers])
    comment = " ".join(graph.comment(node, graph.node(node).op) for node in kernel.nodes)
    function.line(f"{kernel.function}_{kernel.of.dtype}({arguments})", comment)
