"""Kernels of ops that are no loop over independent entries: updates at positions, running sums, sorting."""

from __future__ import annotations

from typing import Any, TypeAlias

from .. import ops
from ..graph import Node, TupleType
from ..ops.index import Index, loop
from .domain import domain_loops, index_from, index_value, neutral_text
from .lower import Body
from .program import Buffer, Load, Loop, Nest, Sort, Store

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""


def place_item(scheduler: Scheduler, node: Node) -> None:
    """Results of ops with several are filled by the op's own kernel, when the first of them is met."""
    if node.id in scheduler.buffers:
        return
    source = scheduler.graph.node(node.inputs[0])
    scheduler.place(source)


def place_scatter_add(scheduler: Scheduler, node: Node) -> None:
    """Zeros, then every update in ascending order."""
    target = scheduler.buffer(node)
    body = Body(scheduler.graph, scheduler.buffers)
    loops, index = domain_loops(target)
    body.add(Nest(loops, [Store(target, target.address(index), neutral_text("sum", node.dtype), node.id)]))
    axis, rank = node.attributes["axis"], scheduler.graph.type(node.inputs[1]).rank
    update_loops, place = body.loops(scheduler.graph.type(node.inputs[0]).shape)
    with body.block() as inner:
        from_index = place[axis : axis + rank]
        position = index_from(body, node, from_index, node.shape[axis])
        value = body.value(node.inputs[0], place)
        where = (*place[:axis], position, *place[axis + rank :])
        body.add(Store(target, target.address(where), value, node.id, "sum"))
    body.add(Nest(update_loops, inner))
    body.nodes.setdefault(node.id)
    scheduler.ready[target.number] = scheduler.new_kernel(body, []).number
    scheduler.buffers[node.id] = target


def place_cumulative_sum(scheduler: Scheduler, node: Node) -> None:
    """Each entry is the one before plus its own value."""
    target = scheduler.buffer(node)
    axis, reverse = node.attributes["axis"], node.attributes["reverse"]
    body = Body(scheduler.graph, scheduler.buffers)
    loops, index = domain_loops(target)
    along = {atom.name for atom, _ in index[axis].terms}
    outer = [item for item in loops if item.variable not in along]
    with body.block() as first:
        start = Index((), node.shape[axis] - 1 if reverse else 0)
        begin = (*index[:axis], start, *index[axis + 1 :])
        body.add(Store(target, target.address(begin), body.value(node.inputs[0], begin), node.id))
    body.add(Nest(outer, first))
    step_loop = Loop("s", node.shape[axis] - 1, reverse)
    step = loop("s", node.shape[axis] - 1)
    here = (*index[:axis], step if reverse else step + 1, *index[axis + 1 :])
    before = (*index[:axis], here[axis] + (1 if reverse else -1), *index[axis + 1 :])
    with body.block() as rest:
        previous = body.name()
        body.add(Load(previous, target, target.address(before), node.dtype))
        value = body.value(node.inputs[0], here)
        total = body.compute_sum(node, previous, value)
        body.add(Store(target, target.address(here), total, node.id))
    before_axis = {atom.name for entry in index[:axis] for atom, _ in entry.terms}
    place = sum(item.variable in before_axis for item in outer)
    body.add(Nest([*outer[:place], step_loop, *outer[place:]], rest))
    body.nodes.setdefault(node.id)
    scheduler.ready[target.number] = scheduler.new_kernel(body, []).number
    scheduler.buffers[node.id] = target


def place_sort(scheduler: Scheduler, node: Node) -> None:
    """Sort rows of positions, then write what the op asks for: values, positions, or the first k of both."""
    source = scheduler.graph.type(node.inputs[0])
    axis = node.attributes.get("axis", source.rank - 1)
    length = source.shape[axis]
    values = scheduler.scratch(node, (length,), source.dtype)
    places, spare = (scheduler.scratch(node, (length,), "int64") for _ in range(2))
    body = Body(scheduler.graph, scheduler.buffers)
    names = [body.name("i") for _ in source.shape]
    index = [loop(name, size) for name, size in zip(names, source.shape)]
    rows = [Loop(n, s) for position, (n, s) in enumerate(zip(names, source.shape)) if position != axis]
    with body.block() as row:
        with body.block() as read:
            value = body.value(node.inputs[0], tuple(index))
            body.add(Store(values, index[axis], value, node.id))
        body.add(Nest([Loop(names[axis], length)], read))
        body.add(Sort(values, places, spare, length, ops.get(node.op).kernel == "top_k", node.id))
        write_sorted(scheduler, body, node, index, axis, values, places)
    body.add(Nest(rows, row))
    body.nodes.setdefault(node.id)
    kernel = scheduler.new_kernel(body, [])
    for statement in kernel.statements():
        if isinstance(statement, Store):
            scheduler.ready[statement.buffer.number] = kernel.number


def write_sorted(
    scheduler: Scheduler, body: Body, node: Node, index: list[Index], axis: int, values: Buffer, places: Buffer
) -> None:
    wanted = node.attributes.get("k", node.type.items[0].shape[axis] if isinstance(node.type, TupleType) else None)
    count = wanted if wanted is not None else node.shape[axis]
    targets = sort_targets(scheduler, node)
    name = body.name("i")
    index[axis] = loop(name, count)
    with body.block() as write:
        place, value = body.name("j"), body.name()
        body.add(Load(place, places, index[axis], "int64"))
        at = index_value(place, values.type.shape[0])
        body.add(Load(value, values, at, values.type.dtype))
        for target, is_place in targets:
            body.add(Store(target, target.address(tuple(index)), place if is_place else value, target.node))
    body.add(Nest([Loop(name, count)], write))


def sort_targets(scheduler: Scheduler, node: Node) -> list[tuple[Buffer, bool]]:
    """(buffer, whether it takes positions) for each result that is asked for."""
    if not isinstance(node.type, TupleType):
        scheduler.buffers[node.id] = scheduler.buffer(node)
        return [(scheduler.buffers[node.id], ops.get(node.op).kernel == "argsort")]
    targets = []
    for user, _ in scheduler.graph.users(node.id):
        item = scheduler.graph.node(user)
        scheduler.buffers[user] = scheduler.buffer(item)
        targets.append((scheduler.buffers[user], item.attributes["position"] == 1))
    return targets


TEMPLATES: dict[str, Any] = {
    "scatter_add": place_scatter_add,
    "cumulative_sum": place_cumulative_sum,
    "sort": place_sort,
    "argsort": place_sort,
    "top_k": place_sort,
    "item": place_item,
}
"""The templates by the name in an op's record."""
