"""Joining neighbouring loops into one where every address steps through memory evenly over both.

Elementwise kernels over arrays of any rank become one loop; then kernels that differ only in the extent of that loop,
such as the updates of all parameters, share their code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..graph.types import equal
from ..ops.index import Atom, Index
from .program import Assign, Choose, Load, Loop, LoopKernel, Nest, Reduce, Statement, Store, walk


def collapse_kernel(kernel: LoopKernel) -> None:
    """Join what can be joined among the kernel's own loops, and among those of its nests and reductions."""
    kernel.loops = collapse(kernel.loops, kernel.body)
    for statement in kernel.statements():
        if isinstance(statement, Nest) or (isinstance(statement, Reduce) and not statement.combine.startswith("arg")):
            statement.loops = collapse(statement.loops, statement.body)


def collapse(loops: list[Loop], body: list[Statement]) -> list[Loop]:
    """The loops, with pairs of neighbours joined from the inside out; changes the addresses in `body`.

    Of a joined loop the threads share out the turns of the outer one, so an inner one that they share out stays.
    """
    joined = list(loops)
    for position in range(len(joined) - 2, -1, -1):
        outer, inner = joined[position], joined[position + 1]
        turning = outer.reverse or inner.reverse or inner.shared
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
