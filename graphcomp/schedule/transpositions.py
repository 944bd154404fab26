"""Copies of what lies the other way in memory: the two loops along memory become one transposition.

Where zeros stand around what is copied, they are written first, and the loops then run over the inside only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..graph import Dimension
from ..graph.types import magnitude
from ..ops.index import Atom, Index, loop, make
from .loops import BLOCK
from .program import LINE, Choose, Load, Loop, LoopKernel, Nest, Statement, Store, Transpose
from .shares import FEWEST_TURNS, many

FEWEST = 8
"""Of fewer neighbours in memory, on either side, loops are as fast."""


@dataclass(frozen=True, slots=True)
class Turning:
    """A copy: neighbours are read along one loop and written along another one. `insides` are where, along a loop, the
    part begins that is not zero, and how long it is.
    """

    load: Load
    store: Store
    along: Loop
    across: Loop
    insides: Mapping[str, tuple[int, int]]


def find_transposition(kernel: LoopKernel) -> Turning | None:
    """The transposition that a kernel is, zeros around it included; None for any other kernel."""
    if len(kernel.body) != 2 or len(kernel.loops) < 2 or any(each.reverse or each.within for each in kernel.loops):
        return None
    made, store = kernel.body
    insides: dict[str, tuple[int, int]] | None = {}
    if isinstance(made, Choose) and len(made.branches) == 1 and len(made.branches[0][1]) == 1:
        insides = insides_of(made, kernel)
        made = made.branches[0][1][0]
    if insides is None or not isinstance(made, Load) or not isinstance(store, Store) or store.combine:
        return None
    across = kernel.loops[-1]
    read, written = steps_of(made.address), steps_of(store.address)
    if read is None or written is None or written.get(across.variable) != 1:
        return None
    along = next((each for each in kernel.loops if read.get(each.variable) == 1), None)
    is_long = all(each is not None and magnitude(each.extent) >= FEWEST for each in (along, across))
    is_far = magnitude(read.get(across.variable, 0)) >= LINE and magnitude(made.buffer.size) > BLOCK
    first = next((each.variable for each in kernel.loops if many(each.extent, FEWEST_TURNS)), "")
    if along is None or not is_long or not is_far or first in insides or made.dtype not in ("float32", "float64"):
        return None
    return Turning(made, store, along, across, insides)


def steps_of(address: Index) -> dict[str, Dimension] | None:
    """The step of each loop; None where anything else is in the address."""
    if any(atom.kind != "loop" for atom, _ in address.terms):
        return None
    return {atom.name: step for atom, step in address.terms}


def insides_of(choose: Choose, kernel: LoopKernel) -> dict[str, tuple[int, int]] | None:
    """The parts of the loops in which all guards hold, if each guard is about one loop that counts one by one."""
    extents = {each.variable: each.extent for each in kernel.loops}
    found: dict[str, tuple[int, int]] = {}
    for guard in choose.branches[0][0]:
        steps, shift, size = steps_of(guard.index), guard.index.constant, guard.size
        if steps is None or list(steps.values()) != [1] or not isinstance(shift, int) or not isinstance(size, int):
            return None
        (variable,) = steps
        extent = extents.get(variable)
        if not isinstance(extent, int) or variable in found:
            return None
        begin = max(0, -shift)
        found[variable] = (begin, max(0, min(extent, size - shift) - begin))
    return found


def transpose(kernel: LoopKernel) -> None:
    """Write a copy as a transposition, if it is one; changes the kernel."""
    found = find_transposition(kernel)
    if found is None:
        return
    inner = {found.along.variable, found.across.variable, *found.insides}
    outer = [each for each in kernel.loops if each.variable not in inner]
    inside = [each for each in kernel.loops if each.variable in inner]
    if any(each.shared for each in kernel.loops if each.variable in found.insides):
        return  # a thread would have other turns of the loop over the inside than of the whole one
    load = replace(found.load, address=moved(found.load.address, found.insides))
    store = replace(found.store, address=moved(found.store.address, found.insides), value=load.target)
    shorter = {each.variable: shortened(each, found.insides) for each in inside}
    copy: list[Statement] = [Transpose([shorter[found.along.variable], shorter[found.across.variable]], [load, store])]
    around = [shorter[each.variable] for each in inside if each is not found.along and each is not found.across]
    body: list[Statement] = [Nest(around, copy)] if around else copy
    if found.insides:
        zero = f"{load.dtype}(0)"
        body.insert(0, Nest([replace(each) for each in inside], [replace(found.store, value=zero)]))
    kernel.loops, kernel.body[:] = outer, body


def shortened(each: Loop, insides: Mapping[str, tuple[int, int]]) -> Loop:
    return replace(each, extent=insides[each.variable][1]) if each.variable in insides else replace(each)


def moved(address: Index, insides: Mapping[str, tuple[int, int]]) -> Index:
    """An address counted from where the insides begin."""
    terms: list[tuple[Atom, Dimension]] = []
    constant = address.constant
    for atom, step in address.terms:
        begin, extent = insides.get(atom.name, (0, atom.extent))
        constant = constant + step * begin
        terms += [(each, by * step) for each, by in loop(atom.name, extent).terms] if extent is not None else []
    return make(terms, constant)
