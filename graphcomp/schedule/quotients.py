"""Loops whose counter stands in quotients and remainders, as in `i // 2` and `i % 2`, counted by two: one loop for the
quotient, and in it one for the remainder. Every address is then a plain sum, which vectors follow.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..graph import Dimension
from ..graph.types import exact_divide, magnitude
from ..ops.index import Index
from ..ops.index import loop as counter
from .loops import addresses, guards, is_in_text, split
from .program import Gathered, Loop, LoopKernel, Nest, Reduce, Statement
from .shares import candidates


def count_quotients(kernel: LoopKernel) -> None:
    """Do so for the kernel's own loops, and for those of its nests and reductions."""
    if any(isinstance(statement, Gathered) for statement in kernel.statements()):
        return  # in a group, a counter may stand for a position
    kernel.loops = divided(kernel.loops, kernel.body)
    for statement in kernel.statements():
        if isinstance(statement, (Nest, Reduce)):
            statement.loops = divided(statement.loops, statement.body, isinstance(statement, Reduce))


def divided(loops: list[Loop], body: list[Statement], inside: bool = False) -> list[Loop]:
    """The loops, with those counted by two of which quotients are taken; changes the addresses in `body`.

    Loops that threads may share out (those that are not `inside` of such) stay if nothing else could be.
    """
    if not any(atom.of for index in indices(body) for atom, _ in index.terms):
        return loops
    found: list[Loop] = []
    waiting = list(loops)
    while waiting:
        loop = waiting.pop(0)
        inner = new_name(loop, [*found, *waiting])
        parts = next((parts for by in divisors(loop, body) if (parts := counted_by(loop, by, inner, body))), None)
        rest = [*found, *waiting]
        if parts is None or not (inside or can_share([*parts, *rest]) or not can_share([loop, *rest])):
            found.append(loop)
        else:
            split(loop, *parts, body)
            waiting[:0] = parts
    return found


def divisors(loop: Loop, body: list[Statement]) -> list[Dimension]:
    """By what the loop's counter alone is divided somewhere: the largest first, for the others may divide it."""
    found = {
        atom.by: None
        for index in indices(body)
        for atom, _ in index.terms
        if atom.of is not None and atom.of == counter(loop.variable, loop.extent)
    }
    return sorted(found, key=magnitude, reverse=True)


def can_share(loops: list[Loop]) -> bool:
    return any(candidates(loops))


def new_name(loop: Loop, others: list[Loop]) -> str:
    """A variable for the remainders of a loop."""
    name = f"{loop.variable}r"
    while any(other.variable == name for other in others):
        name += "r"
    return name


def counted_by(loop: Loop, by: Dimension, inner: str, body: list[Statement]) -> tuple[Loop, Loop] | None:
    """The two loops, where the second has `by` turns; None where that does not go evenly."""
    turns = exact_divide(loop.extent, by)
    if turns is None or turns == 1 or loop.reverse or loop.within or is_in_text(loop, body):
        return None
    return Loop(loop.variable, turns), Loop(inner, by)


def indices(body: list[Statement]) -> Iterator[Index]:
    yield from addresses(body)
    yield from guards(body)
