"""Sizes and indices as Python expressions over loop variables and size names."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import sympy as sp

from ..graph import Dimension
from ..ops.index import Atom, Guard, Index, bounds


def size_name(symbol: sp.Symbol) -> str:
    """The variable that holds a named size; the prefix keeps it apart from all others."""
    return f"n_{symbol.name}"


@lru_cache(maxsize=4096)
def size_text(size: Dimension) -> str:
    """A size as integer arithmetic: rationals only occur inside floor, where they become `//`."""
    if isinstance(size, int):
        return str(size)
    return _size(sp.expand(size))


def _size(size: Any) -> str:
    if isinstance(size, sp.Symbol):
        return size_name(size)
    if isinstance(size, sp.floor):
        numerator, denominator = sp.fraction(sp.together(size.args[0]))
        return f"({_size(sp.expand(numerator))} // {_size(denominator)})"
    if isinstance(size, sp.Add):
        return "(" + " + ".join(_size(part) for part in size.args) + ")"
    if isinstance(size, sp.Mul):
        numerator, denominator = sp.fraction(size)
        if denominator != 1:
            return f"({_size(numerator)} // {_size(denominator)})"
        return "*".join(_size(part) for part in size.args)
    if isinstance(size, sp.Pow) and size.exp.is_Integer and size.exp > 0:
        return "*".join([_size(size.base)] * int(size.exp))
    return f"({size})" if size.is_number and size < 0 else str(size)


def index_text(index: Index) -> str:
    parts = []
    for atom, coefficient in index.terms:
        text = atom_text(atom)
        if coefficient == 1:
            parts.append(text)
        elif coefficient == -1:
            parts.append(f"-{text}")
        else:
            parts.append(f"{text}*{size_text(coefficient)}")
    if index.constant != 0 or not parts:
        parts.append(size_text(index.constant))
    return " + ".join(parts).replace("+ -", "- ")


def atom_text(atom: Atom) -> str:
    if atom.of is None:
        return atom.name
    sign = "//" if atom.kind == "quotient" else "%"
    return f"(({index_text(atom.of)}) {sign} {size_text(atom.by)})"


def narrow_parts(index: Index) -> tuple[Index, Index] | None:
    """A loaded position and what it equals where `index` is zero, if both fit into 32 bits.

    Then vectors hold as many of them as of 32-bit numbers.
    """
    values = [(atom, step) for atom, step in index.terms if atom.kind == "value"]
    if len(values) != 1 or values[0][1] not in (1, -1):
        return None
    position = Index(((values[0][0], 1),))
    rest = position - index if values[0][1] == 1 else position + index
    limits = [limit for part in (position, rest) for limit in bounds(part)]
    fits = all(isinstance(limit, int) and abs(limit) < 2**31 for limit in limits)
    return (position, rest) if fits else None


def guard_text(guard: Guard) -> str:
    if guard.size is None and (parts := narrow_parts(guard.index)):
        return " == ".join(f"int32({index_text(part)})" for part in parts)
    text = index_text(guard.index)
    if guard.size is None:
        return f"{text} == 0"
    return f"0 <= {text} < {size_text(guard.size)}"
