"""Loops made fewer and shorter: neighbours joined into one, and positions looked up outside of what they place.

Loops are joined where every address steps through memory evenly over both. Elementwise kernels over arrays of any rank
become one loop; then kernels that differ only in the extent of that loop, such as the updates of all parameters, share
their code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from ..graph.types import equal, magnitude
from ..ops.index import Atom, Guard, Index, replaced
from ..ops.index import loop as counter
from .program import (
    LINE,
    Assign,
    Choose,
    Gathered,
    Load,
    Loop,
    LoopKernel,
    Nest,
    Position,
    Reduce,
    Sort,
    Statement,
    Store,
    walk,
)


def collapse_kernel(kernel: LoopKernel) -> None:
    """Join what can be joined among the kernel's own loops, and among those of its nests and reductions."""
    kernel.loops = collapse(kernel.loops, kernel.body)
    for statement in kernel.statements():
        if isinstance(statement, Reduce) and not statement.combine.startswith("arg"):
            statement.loops = by_step(statement.loops, statement.body)
        if isinstance(statement, Nest) or (isinstance(statement, Reduce) and not statement.combine.startswith("arg")):
            statement.loops = collapse(statement.loops, statement.body)
        elif isinstance(statement, Gathered):
            statement.loops = collapse(statement.loops, statement.inside)


def by_step(loops: list[Loop], body: list[Statement]) -> list[Loop]:
    """Loops that may run in any order, those over neighbours in memory innermost."""

    def step(loop: Loop) -> float:
        terms = (term for statement in walk(body) if isinstance(statement, Load) for term in statement.address.terms)
        return min((magnitude(by) for atom, by in terms if atom.name == loop.variable), default=0.0)

    return sorted(loops, key=step, reverse=True)


def collapse(loops: list[Loop], body: list[Statement]) -> list[Loop]:
    """The loops, with pairs of neighbours joined from the inside out; changes the addresses in `body`.

    Of a joined loop the threads share out the turns of the outer one, so an inner one that they share out stays.
    """
    joined = list(loops)
    for position in range(len(joined) - 2, -1, -1):
        outer, inner = joined[position], joined[position + 1]
        turning = outer.reverse or inner.reverse or inner.shared or outer.within or inner.within
        if not turning and can_join(outer, inner, body):
            replace(outer, inner, body)
            unit = inner.extent * outer.unit
            extent = outer.extent * inner.extent
            joined[position : position + 2] = [Loop(inner.variable, extent, unit=unit, shared=outer.shared)]
    return joined


def can_join(outer: Loop, inner: Loop, body: list[Statement]) -> bool:
    names = {outer.variable, inner.variable}
    for statement in walk(body):
        if isinstance(statement, Assign) and any(name in statement.text for name in names):
            return False
    for guard in guards(body):
        if names & set(mentioned(guard)):
            return False
    for address in addresses(body):
        coefficients = {atom.name: c for atom, c in address.terms if atom.kind == "loop"}
        nested = [name for atom, _ in address.terms if atom.of is not None for name in mentioned(atom.of)]
        wide, narrow = coefficients.get(outer.variable, 0), coefficients.get(inner.variable, 0)
        if names & set(nested) or equal(wide, narrow * inner.extent) is not True:
            return False
    return True


def replace(outer: Loop, inner: Loop, body: list[Statement]) -> None:
    """Count both loops with the inner variable."""
    for statement in walk(body):
        if isinstance(statement, (Load, Store)):
            statement.address = counted(statement.address, outer, inner)


def counted(address: Index, outer: Loop, inner: Loop) -> Index:
    terms = []
    for atom, coefficient in address.terms:
        if atom.kind == "loop" and atom.name == inner.variable:
            terms.append((Atom("loop", inner.variable, outer.extent * inner.extent), coefficient))
        elif atom.kind != "loop" or atom.name != outer.variable:
            terms.append((atom, coefficient))
    return Index(tuple(terms), address.constant)


def addresses(body: list[Statement]) -> Iterator[Index]:
    return (statement.address for statement in walk(body) if isinstance(statement, (Load, Store)))


def guards(body: list[Statement]) -> Iterator[Index]:
    for statement in walk(body):
        if isinstance(statement, Choose):
            for conditions, _, _ in statement.branches:
                yield from (condition.index for condition in conditions)


def mentioned(index: Index) -> Iterable[str]:
    """Every variable in an index, however deep."""
    for atom, _ in index.terms:
        if atom.of is None:
            yield atom.name
        else:
            yield from mentioned(atom.of)


# blocks --------------------------------------------------------------------------------------------------------------

BLOCK = 1 << 13
"""How many entries a block has room for: its lines stay in the first-level cache, since each is touched many times."""

PIVOT = 64
"""The most turns of the loop around the innermost ones of a block."""

FEWEST_IN_BLOCK = 4
"""A part of a loop with fewer turns is not worth a loop of its own."""

WAYS, PAGE, LINE_BYTES = 8, 4096, 64
"""A first-level cache has eight places for the lines that lie a whole number of pages apart."""

FAR = 1024
"""A step of so many entries meets another page, and the same few places of the cache, each time."""


def block_transposition(kernel: LoopKernel) -> None:
    """Turn the loops of a kernel that writes along one axis and reads a large array along another one in blocks.

    Inside is a run along the side whose other steps are far, around it a few turns along the other side: what is
    touched of both then stays in the cache until all of it is used.
    """
    if len(kernel.loops) < 2 or any(isinstance(s, (Nest, Reduce, Sort)) for s in kernel.body):
        return
    if not all(isinstance(loop.extent, int) and not loop.reverse for loop in kernel.loops):
        return
    innermost = kernel.loops[-1]
    found = next(read_along(kernel), None)
    if found is None:
        return
    along, step, lines = found
    pivot = innermost if step >= FAR else along
    around = [loop for loop in kernel.loops if loop is not pivot]
    if pivot is innermost and around[-1] is not along:
        return
    turns = part_of(pivot, PIVOT, kernel.body)
    room, inside = BLOCK // turns, list[tuple[Loop, int]]()
    room = room if pivot is innermost else min(room, lines)
    while around and room > 1:
        loop = around.pop()
        inside.insert(0, (loop, part_of(loop, room, kernel.body)))
        room = room // inside[0][1] if inside[0][1] == loop.extent else 0
    if min(inside[-1][1], turns) >= FEWEST_IN_BLOCK:
        (before, pivot), parts = part(pivot, turns, kernel.body), [part(*each, kernel.body) for each in inside]
        kernel.loops = [*around, *parts[0][0], *before, pivot, *(inner for _, inner in parts)]


def number(loop: Loop) -> int:
    assert isinstance(loop.extent, int)
    return loop.extent


def read_along(kernel: LoopKernel) -> Iterator[tuple[Loop, int, int]]:
    """The loops along which a load of what the nearest cache cannot hold goes in steps of one, and its step along the
    innermost loop, where that is long; and how many lines with that step between them the first-level cache keeps."""
    *loops, innermost = kernel.loops
    for statement in walk(kernel.body):
        if isinstance(statement, Load) and magnitude(statement.buffer.size) > BLOCK:
            steps = {atom.name: by for atom, by in statement.address.terms if atom.kind == "loop"}
            step = int(magnitude(steps.get(innermost.variable, 0)))
            lines = kept_lines(step * np.dtype(statement.buffer.type.dtype).itemsize)
            yield from ((loop, step, lines) for loop in loops if steps.get(loop.variable) == 1 and step >= LINE)


def kept_lines(step: int) -> int:
    """How many lines so many bytes apart a cache keeps of which each line has a few places, by its last bits."""
    return WAYS * (PAGE // max(math.gcd(step, PAGE), LINE_BYTES))


def part_of(loop: Loop, most: int, body: list[Statement]) -> int:
    """The largest part of a loop's turns that divides them and is at most so large; all where it cannot be divided."""
    extent = number(loop)
    return extent if is_nested(loop, body) else next(b for b in range(min(most, extent), 0, -1) if extent % b == 0)


def part(loop: Loop, block: int, body: list[Statement]) -> tuple[list[Loop], Loop]:
    """A loop as a loop around one of so many turns; there is nothing around it if these are all of its turns."""
    if block == loop.extent:
        return [], loop
    outer, inner = Loop(loop.variable, number(loop) // block), Loop(f"{loop.variable}b", block)
    split(loop, outer, inner, body)
    return [outer], inner


def is_nested(loop: Loop, body: list[Statement]) -> bool:
    """Whether the loop's counter stands in a text, or in a quotient or remainder."""
    if is_in_text(loop, body):
        return True
    inside = (atom.of for index in [*addresses(body), *guards(body)] for atom, _ in index.terms)
    return any(loop.variable in mentioned(index) for index in inside if index is not None)


def is_in_text(loop: Loop, body: list[Statement]) -> bool:
    """Whether an op's own code names the loop's counter."""
    return any(isinstance(statement, Assign) and loop.variable in statement.text for statement in walk(body))


def split(loop: Loop, outer: Loop, inner: Loop, body: list[Statement]) -> None:
    """Count a loop by two."""
    value = counter(outer.variable, outer.extent) * inner.extent + counter(inner.variable, inner.extent)
    for statement in walk(body):
        if isinstance(statement, (Load, Store)):
            statement.address = replaced(statement.address, loop.variable, value)
        elif isinstance(statement, Choose):
            statement.branches = [
                (tuple(Guard(replaced(g.index, loop.variable, value), g.size) for g in guards), branch, result)
                for guards, branch, result in statement.branches
            ]


# positions -----------------------------------------------------------------------------------------------------------


def place_positions(kernel: LoopKernel) -> None:
    """Look up a position of a gather or scatter once, before the loop over the entries that it places.

    The look and its check then stand outside of the innermost loop, which can become vector code.
    """
    written = {s.buffer.root.number for s in kernel.statements() if isinstance(s, Store)}
    lift_positions(kernel.body, written)
    for statement in kernel.body:
        if isinstance(statement, Nest):
            statement.loops, statement.body = split_at_positions(statement.loops, statement.body, written)
    if not any(isinstance(statement, Nest) for statement in kernel.body):
        loops, body = split_at_positions(kernel.loops, kernel.body, written)
        kernel.loops = loops
        kernel.body[:] = body


def lift_positions(body: list[Statement], written: set[int]) -> None:
    """Take look-ups out of reductions that they do not change in; changes `body`."""
    place = 0
    while place < len(body):
        statement = body[place]
        if isinstance(statement, (Nest, Reduce)):
            lift_positions(statement.body, written)
        elif isinstance(statement, Gathered):
            lift_positions(statement.lookups, written)
            lift_positions(statement.body, written)
        if isinstance(statement, Reduce):
            lifted = constant_positions(statement, written)
            statement.body[:] = [each for each in statement.body if not any(each is other for other in lifted)]
            body[place:place] = lifted
            place += len(lifted)
        place += 1


def constant_positions(reduction: Reduce, written: set[int]) -> list[Statement]:
    """The look-ups in a reduction's body that are the same in each of its turns, and the loads that they need."""
    changing = {loop.variable for loop in reduction.loops}
    kept: list[Load | Position] = []
    for each in reduction.body:
        if isinstance(each, Load) and each.buffer.root.number not in written:
            constant = not changing & set(mentioned(each.address))
        else:
            constant = isinstance(each, Position) and each.value not in changing
        if constant:
            kept.append(each)  # type: ignore[arg-type]
        elif hasattr(each, "target"):
            changing.add(each.target)
    wanted = {each.value for each in kept if isinstance(each, Position)}
    return [each for each in kept if isinstance(each, Position) or each.target in wanted]


def split_at_positions(
    loops: list[Loop], body: list[Statement], written: set[int]
) -> tuple[list[Loop], list[Statement]]:
    """The outer loops, and a body that holds the look-ups and then the inner loops with the rest."""
    depth = {loop.variable: place for place, loop in enumerate(loops, start=1)}
    ready: dict[int, int] = {}  # the loop, counted from the outside, in which a look-up and what it needs are known
    made: dict[str, int] = {}
    for place, statement in enumerate(body):
        if isinstance(statement, Load) and statement.buffer.root.number not in written:
            names = list(mentioned(statement.address))
        elif isinstance(statement, Position):
            names = [statement.value]
        else:
            continue
        level = max((depth.get(name, made.get(name, len(loops))) for name in names), default=0)
        ready[place] = made[statement.target] = level
    moved = [place for place, level in ready.items() if isinstance(body[place], Position) and 0 < level < len(loops)]
    if not moved:
        return loops, body
    level = max(ready[place] for place in moved)
    wanted = {statement.value for place in moved if isinstance(statement := body[place], Position)}
    first: list[Statement] = []
    rest: list[Statement] = []
    for place, statement in enumerate(body):
        is_wanted = place in moved or (isinstance(statement, Load) and statement.target in wanted)
        (first if is_wanted and ready.get(place, len(loops)) <= level else rest).append(statement)
    return loops[:level], [*first, Nest(loops[level:], rest)]
