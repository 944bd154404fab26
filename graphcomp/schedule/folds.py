"""Products that are added back to where windows came from, computed entry by entry of what they are added to.

Where windows begin at every place (a stride of one), an entry `y` along an axis is the sum over the offsets `o` of a
window of what the product has at place `y - o·dilation`, as far as there is such a place. So the offsets become loops
over the inner index, in registers, whose turns are those that lead to a place. Nothing is filled with zeros before, and
no entry is read back to be added to. What a slice leaves out is not computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .. import ops
from ..graph import Dimension, Graph, Node
from ..graph.types import product
from .products import Letters, View, fits, moved_by, stored_view
from .program import INNER_LOOPS, Limit, ProductKernel
from .windows import (
    Loops,
    Places,
    as_operand,
    counts,
    find_places,
    folded,
    innermost,
    operand_view,
    packed_view,
    plan_loops,
    spread,
)

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis along which windows are added up: a product's letters for their places and for their offsets.

    An entry of the axis is `begin` further on than the entry of what is kept of it.
    """

    place: str
    offset: str
    step: Dimension
    begin: Dimension


@dataclass(frozen=True, slots=True)
class Fold:
    """A product that is folded: `into` is the node that is kept, `entries` the letters that count its axes.

    The operand in slot `moving` holds what lies at the places, the other one the entries of the windows.
    """

    places: Places
    moving: int
    axes: list[Axis]
    into: Node
    entries: str


def find_fold(graph: Graph, node: Node) -> Fold | None:
    """A product whose fold can be computed entry by entry."""
    if ops.get(node.op).subscripts is None or folded(graph, node) is None:
        return None
    places = find_places(graph, node)
    if places is None or places.windows.slot >= 0:
        return None
    moving = next((slot for slot in (0, 1) if places.vector not in places.operands[1 - slot]), None)
    if moving is None:
        return None
    there, other = places.operands[moving], places.operands[1 - moving]
    into, begins = kept(graph, graph.node(places.windows.base))
    axes, entries = [], ""
    for entry, begin in zip(places.windows.index, begins):
        letters = dict.fromkeys(counts(entry) or ())
        steps = {atom.name: step for atom, step in entry.terms}
        place = next((c for c in letters if len(letters) == 1 or (c in there and c not in other)), None)
        if place is None or steps[place] != 1 or entry.constant != 0:
            return None
        if len(letters) > 1:
            (offset,) = (c for c in letters if c != place)
            if offset in there or offset not in other or place == places.vector:
                return None
            axes.append(Axis(place, offset, steps[offset], begin))
        elif begin != 0:
            return None
        entries += place
    return Fold(places, moving, axes, into, entries)


def kept(graph: Graph, fold: Node) -> tuple[Node, Sequence[Dimension]]:
    """What is kept of a fold, and where it begins along each axis: a part of it, if nothing else reads it."""
    users = graph.users(fold.id)
    if len(users) == 1 and fold.id not in graph.outputs:
        user = graph.node(users[0][0])
        begins = moved_by(graph, user)
        if begins is not None and all(map(fits, begins, user.shape, fold.shape)):
            return user, begins
    return fold, [0] * fold.tensor.rank


def place_fold(scheduler: Scheduler, node: Node) -> bool:
    """Place a product and its fold; False for any other product."""
    fold = find_fold(scheduler.graph, node)
    if fold is None:
        return False
    places, moving = fold.places, fold.moving
    counted = {axis.place: fold.into.shape[fold.entries.index(axis.place)] for axis in fold.axes}
    sizes = {**places.sizes, **counted}
    letters, offsets = roles(fold), [axis.offset for axis in fold.axes if sizes[axis.offset] != 1]
    right = at_entries(operand_view(scheduler, node, places, moving), fold.axes)
    left = operand_view(scheduler, node, places, 1 - moving)
    order = innermost(fold.entries.index(places.vector), len(fold.entries))
    target = scheduler.buffer(fold.into, order)
    into = stored_view(target, fold.entries)
    loops = plan_loops(letters, places.vector, (left, right, into), sizes)
    loops.inner[:0] = offsets
    if loops.adds or len(loops.inner) > INNER_LOOPS:
        return False
    if spread(left, replace(loops, inner=loops.inner[len(offsets) :]), sizes):
        left = packed_view(scheduler, node.inputs[1 - moving], places.operands[1 - moving], loops)
    batch, inner = (tuple(product(sizes[c] for c in part) for part in parts) for parts in (loops.batch, loops.inner))
    m, n = (product(sizes[c] for c in part) for part in (loops.rows, loops.columns))
    a, b, c = (as_operand(view, loops) for view in (left, right, into))
    number, nodes = len(scheduler.kernels), list(dict.fromkeys([node.id, places.windows.base, fold.into.id]))
    kernel = ProductKernel(number, batch, m, n, inner, a, b, c, node.dtype, nodes, limits=limits_of(fold, loops))
    scheduler.kernels.append(kernel)
    scheduler.ready[target.number] = number
    scheduler.buffers[fold.into.id] = target
    scheduler.stored.discard(places.windows.base)
    return True


def roles(fold: Fold) -> Letters:
    """Which letters count the batch, the rows, the columns and, apart from offsets, the inner index.

    Places are left to the loops around: how many offsets there are differs from place to place.
    """
    there, other = fold.places.operands[fold.moving], fold.places.operands[1 - fold.moving]
    around = {axis.place for axis in fold.axes}
    return Letters(
        "".join(c for c in fold.entries if c in around or (c in there and c in other)),
        "".join(c for c in fold.entries if c in other and c not in there),
        "".join(c for c in fold.entries if c in there and c not in other and c not in around),
        "".join(c for c in there if c in other and c not in fold.entries),
    )


def at_entries(view: View, axes: Sequence[Axis]) -> View:
    """What lies at the places, counted by entries and offsets: each offset leads back."""
    strides, offset = dict(view.strides), view.offset
    for axis in axes:
        strides[axis.offset] = strides[axis.place] * axis.step * -1
        offset = offset + strides[axis.place] * axis.begin
    return View(view.buffer, offset, strides)


def limits_of(fold: Fold, loops: Loops) -> tuple[Limit, ...]:
    """Between which turns the loops over offsets lead to a place."""
    found = []
    for axis in fold.axes:
        if axis.offset in loops.inner:
            batch = loops.batch.index(axis.place) if axis.place in loops.batch else None
            size = fold.places.sizes[axis.place]
            found.append(Limit(loops.inner.index(axis.offset), batch, axis.begin, axis.step, size))
    return tuple(found)
