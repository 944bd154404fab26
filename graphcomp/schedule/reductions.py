"""Several reductions over the same entries in one pass over memory: their loops become one and share what they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from ..ops.index import Atom, Index, make
from .groups import made, needed
from .program import Assign, Compute, Load, LoopKernel, Reduce, Statement, Store

Plain: TypeAlias = Load | Compute | Assign


def join_reductions(kernel: LoopKernel) -> None:
    """Let each reduction of the kernel take in the later ones that could have run with it; changes the body."""
    written = {s.buffer.root.number for s in kernel.statements() if isinstance(s, Store)}
    body, place = kernel.body, 0
    while place < len(body):
        first = body[place]
        for later in body[place + 1 :]:
            if not (isinstance(first, Reduce) and isinstance(later, Reduce) and alike(first, later)):
                continue
            wanted = wanted_before(body, place, later, written)
            if wanted is not None:
                moving = {id(each) for each in (*wanted, later)}
                body[place:] = [*wanted, *(each for each in body[place:] if id(each) not in moving)]
                place += len(wanted)
                take_in(first, later)
        place += 1


def alike(first: Reduce, other: Reduce) -> bool:
    """Whether two reductions are over equal boxes, of what is computed by plain statements."""
    extents = [[loop.extent for loop in each.loops] for each in (first, other)]
    return extents[0] == extents[1] and is_plain(first) and is_plain(other)


def is_plain(reduction: Reduce) -> bool:
    if reduction.combine.startswith("arg"):
        return False
    counters = {loop.variable for loop in reduction.loops}
    return all(
        isinstance(each, (Load, Compute)) or (isinstance(each, Assign) and not counters & needed(each))
        for each in reduction.body
    )


def wanted_before(body: list[Statement], place: int, later: Reduce, written: set[int]) -> list[Statement] | None:
    """The statements between a reduction and a later one that the latter needs; None if they cannot go before both."""
    between = body[place : next(at for at, each in enumerate(body) if each is later)]
    wanted: list[Statement] = []
    names = {*needed(later), *(name for each in later.body for name in needed(each))}
    for each in reversed(between):
        if names & made(each):
            is_movable = isinstance(each, (Compute, Assign)) or (
                isinstance(each, Load) and each.buffer.root.number not in written
            )
            if not is_movable:
                return None
            wanted.insert(0, each)
            names |= needed(each)
    return wanted


def take_in(first: Reduce, later: Reduce) -> None:
    """Compute what a later reduction combines in the loops of the first one; what both compute, once."""
    counters = {own.variable: loop.variable for own, loop in zip(later.loops, first.loops)}
    names: dict[str, str] = {}
    known = {content(each): each.target for each in first.body if isinstance(each, Plain)}
    for each in (each for each in later.body if isinstance(each, Plain)):
        moved = renamed(each, counters, names)
        name = known.setdefault(content(moved), each.target)
        if name != each.target:
            names[each.target] = name
        else:
            first.body.append(moved)
    first.beside.append(replace(later, loops=[], body=[], value=names.get(later.value, later.value)))


def content(statement: Plain) -> Any:
    """What two statements have in common that compute the same."""
    match statement:
        case Load(buffer=buffer, address=address):
            return buffer.number, address
        case Compute(op=op, arguments=arguments, attributes=attributes, dtype=dtype, argument_dtype=argument):
            return op, arguments, repr(attributes), dtype, argument
        case Assign(text=text, dtype=dtype):
            return text, dtype


def renamed(statement: Plain, counters: Mapping[str, str], names: Mapping[str, str]) -> Plain:
    """A statement with other names for counters and for values."""
    match statement:
        case Load(address=address):
            return replace(statement, address=renamed_index(address, counters))
        case Compute(arguments=arguments):
            return replace(statement, arguments=tuple(names.get(name, name) for name in arguments))
    return statement


def renamed_index(index: Index, counters: Mapping[str, str]) -> Index:
    terms = []
    for atom, step in index.terms:
        of = None if atom.of is None else renamed_index(atom.of, counters)
        terms.append((Atom(atom.kind, counters.get(atom.name, atom.name), atom.extent, of, atom.by), step))
    return make(terms, index.constant)
