"""What a compiled program was made of, by name, and in what two of them differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from ..trace import TracedGraph
from ..trace.tree import Structure
from .interpreter import input_name

Parts: TypeAlias = Mapping[str, str]
"""What something is kept under, each part with its name: `x['w'] shape`, `x['w'] dtype`, `Numba`."""

NONE: Parts = MappingProxyType({})
FUNCTION = "function"
CODE, ROUTINES = "generated code", "graphcomp's routines"
HASHES = (CODE, ROUTINES)
"""Parts of which only a hash is kept."""

ABSENT = "absent"
LONGEST = 60
"""Longer texts are cut in a report."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A part of a key that is not as it was earlier."""

    part: str
    earlier: str
    now: str

    def __str__(self) -> str:
        if self.part in HASHES:
            return self.part
        earlier, now = _apart(self.earlier, self.now) if "," in self.now else (self.earlier, self.now)
        return f"{self.part} ({_short(earlier)}, now {_short(now)})"


def _apart(left: str, right: str) -> tuple[str, str]:
    """Two long lists without what is in both."""
    if len(left) <= LONGEST and len(right) <= LONGEST:
        return left, right
    words = left.split(","), right.split(",")
    return ",".join(w for w in words[0] if w not in words[1]), ",".join(w for w in words[1] if w not in words[0])


@dataclass(frozen=True, slots=True)
class Lookup:
    """Whether something was found; if not, in which parts of its key the nearest earlier one differs (None: there is
    no earlier one of this function)."""

    found: bool
    differences: tuple[Difference, ...] | None = ()

    def __str__(self) -> str:
        if self.found:
            return "found"
        if self.differences is None:
            return "not found: nothing of this function was there"
        if not self.differences:
            return "not found: an equal one was damaged or has left"
        return f"not found: the nearest differs in {', '.join(map(str, self.differences))}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def version_parts(name: str, traced: TracedGraph, arguments: Structure, names: Iterable[str]) -> dict[str, str]:
    """The key of a traced version of the function `name`: types of the arrays, settings among the arguments."""
    parts = {FUNCTION: name}
    for id in traced.inputs:
        type = traced.type(id)
        label = input_name(traced, id)
        sizes = ", ".join(map(str, type.shape))
        parts |= {f"{label} shape": f"({sizes})", f"{label} dtype": type.dtype}
    for label, argument in zip(names, arguments.children):
        parts |= {
            path: _lasting(repr(inner.keys[0])) for path, inner in argument.inner(label) if inner.kind == "static"
        }
    return parts


def _lasting(text: str) -> str:
    """What the text of an object says in another process too: not where the object lies."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text)


def nearest(now: Parts, earlier: Iterable[Parts]) -> Lookup:
    """The differences from the one of `earlier` with the fewest; the first of several."""
    found = [differences(parts, now) for parts in earlier if parts.get(FUNCTION) == now[FUNCTION]]
    return Lookup(False, min(found, key=len) if found else None)


def differences(earlier: Parts, now: Parts) -> tuple[Difference, ...]:
    """The parts that are not equal, in the order of the newer key.

    Other arguments need other code; that it differs is told where the arguments are the same.
    """
    names = [name for name in {**now, **earlier} if now.get(name) != earlier.get(name)]
    if CODE in names and names[0] != CODE:
        names.remove(CODE)
    return tuple(Difference(name, earlier.get(name, ABSENT), now.get(name, ABSENT)) for name in names)
