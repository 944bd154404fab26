"""An extremum and its position found in one pass: two reductions of the same entries become one."""

from __future__ import annotations

from typing import Any

from ..graph import Dimension
from ..ops.index import Atom, Index
from .loops import is_in_text
from .program import Assign, Choose, Compute, Load, LoopKernel, Nest, Position, Reduce, Statement

POSITIONS = {"maximum": "argmax", "minimum": "argmin"}

Names = dict[str, str]
"""What variables are called where two bodies are compared."""


def join_extrema(kernel: LoopKernel) -> None:
    """Of each extremum, let the reduction that finds its position give it as well."""
    bodies = [kernel.body, *(statement.body for statement in kernel.statements() if isinstance(statement, Nest))]
    for body in bodies:
        for first in [each for each in body if isinstance(each, Reduce) and each.combine in POSITIONS]:
            wanted = same_entries(first)
            for second in body:
                if (
                    isinstance(second, Reduce)
                    and second.combine == POSITIONS[first.combine]
                    and wanted is not None
                    and same_entries(second) == wanted
                ):
                    join(body, first, second)
                    break


def join(body: list[Statement], extremum: Reduce, position: Reduce) -> None:
    """One reduction, where the earlier of the two stands."""
    places = [place for place, each in enumerate(body) if each is extremum or each is position]
    position.extremum = extremum.target
    body[places[0]] = position
    del body[places[1]]


def same_entries(reduction: Reduce) -> Any:
    """What a reduction combines, equal for equal entries in equal order; None where that is not known, and for one that
    others run beside."""
    if reduction.beside or any(is_in_text(loop, reduction.body) for loop in reduction.loops):
        return None
    names = {loop.variable: f"loop{place}" for place, loop in enumerate(reduction.loops)}
    extents = [loop.extent for loop in reduction.loops]
    body = same_body(reduction.body, names)
    return None if body is None else (extents, body, called(reduction.value, names))


def same_body(body: list[Statement], names: Names) -> list[Any] | None:
    """The same for statements; `names` takes what they compute."""
    found: list[Any] = []
    for statement in body:
        match statement:
            case Load(buffer=buffer, address=address, dtype=dtype):
                found.append((buffer.number, same_index(address, names), dtype))
            case Compute(op=op, arguments=arguments, attributes=attributes, dtype=dtype):
                found.append((op, [called(each, names) for each in arguments], attributes, dtype))
            case Assign(text=text, dtype=dtype):
                found.append((text, dtype))
            case Position(value=value, extent=extent):
                found.append((called(value, names), extent))
            case Choose(branches=branches):
                for guards, branch, value in branches:
                    inside = same_body(branch, names)
                    if inside is None:
                        return None
                    conditions = [(same_index(guard.index, names), guard.size) for guard in guards]
                    found.append((conditions, inside, called(value, names)))
            case _:
                return None
        names[statement.target] = f"value{len(names)}"
    return found


def same_index(index: Index, names: Names) -> tuple[Any, Dimension]:
    return sorted((same_atom(atom, names), str(step)) for atom, step in index.terms), index.constant


def same_atom(atom: Atom, names: Names) -> tuple[str, str, str, str]:
    inside = "" if atom.of is None else str(same_index(atom.of, names))
    return atom.kind, called(atom.name, names), inside, str(atom.by)


def called(name: str, names: Names) -> str:
    return names.get(name, name)
