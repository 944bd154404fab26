"""What a call needs to know of its arguments: the leaves, their kinds, and where they lie in memory.

It is read by code made for the structure of the containers, in one pass: a function of a few microseconds has no time
for more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..trace.packing import MOST_PARTS, parts, taking
from ..trace.tree import Structure, flatten
from .array import Array, Storage, address_of, kind_of


class Given(NamedTuple):
    """Of a leaf that is no `Array`: what decides how a call with it is compiled, None where that takes a closer look,
    and where its entries lie, 0 where they cannot be read as they are."""

    kind: Any
    address: int


UNKNOWN = Given(None, 0)
NUMBERS = {kind: Given(kind, 0) for kind in (float, int, bool)}


def given(leaf: Any) -> Given:
    """What a call needs to know of a leaf that is no `Array`."""
    kind = type(leaf)
    if kind is np.ndarray:
        return Given(kind_of(leaf.shape, leaf.dtype), address_of(leaf) if leaf.flags.c_contiguous else 0)
    return NUMBERS.get(kind, UNKNOWN)


Arguments: TypeAlias = tuple[Sequence[Any], tuple[Any, ...], Sequence[int], list["Storage | Given"]]
"""The leaves of a call, their kinds and addresses, and what these were read of: another thread may donate an array
before they are used, but its memory stays while it is held here."""

Read: TypeAlias = Callable[[Any], "Arguments | None"]


def arguments_of(leaves: Sequence[Any]) -> Arguments:
    """What a call needs to know of its leaves."""
    holders = [leaf.storage if type(leaf) is Array else given(leaf) for leaf in leaves]
    return leaves, tuple([of.kind for of in holders]), [of.address for of in holders], holders


def reader(structure: Structure) -> Read:
    """A function that reads a value of this structure, and gives None for one of another.

    It raises what the comparison of a setting raises.
    """
    if parts(structure) > MOST_PARTS:
        return lambda value: _read(value, structure)
    lines, leaves = taking(structure, "value")
    lines.objects |= {"Array": Array, "given": given}
    holders = [lines.name() for _ in leaves]
    for holder, leaf in zip(holders, leaves):
        lines.add(f"{holder} = {leaf}.storage if type({leaf}) is Array else given({leaf})")
    kinds, addresses = ("".join(f"{holder}.{field}, " for holder in holders) for field in ("kind", "address"))
    lines.add(f"return [{', '.join(leaves)}], ({kinds}), ({addresses}), [{', '.join(holders)}]")
    return lines.function("value")


def _read(value: Any, structure: Structure) -> Arguments | None:
    leaves, found = flatten(value)
    return arguments_of(leaves) if found == structure else None
