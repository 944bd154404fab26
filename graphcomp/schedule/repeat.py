"""Loops: the kernels of a body, run again for each step.

What is carried lies in two halves of one buffer, read from one and written to the other in turn, so nothing is copied
from step to step. An entry of a sequence is a window that moves along it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import sympy as sp

from ..graph import Dimension, Node
from ..graph.types import dimension, product
from ..ops.index import Index, loop
from .program import Buffer, LoopOver

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""


def place_scan(scheduler: Scheduler, node: Node) -> None:
    """A loop over the body of `node`; fills the buffers of its results that are asked for."""
    length, carries, sequences = (node.attributes[name] for name in ("length", "carries", "sequences"))
    body = node.attributes["body"].graph
    variable = f"t{scheduler.depth}"
    step = loop(variable, length)
    entry = Index((), length - 1) - step if node.attributes["reverse"] else step
    inner = type(scheduler)(body, scheduler.depth + 1, scheduler.all)
    targets: dict[int, Buffer] = {}
    results = wanted_results(scheduler, node)
    for slot, (id, place) in enumerate(zip(node.inputs, body.inputs)):
        seen = body.node(place)
        size = product(seen.shape)
        if slot < carries:
            halves = scheduler.scratch(node, (2, *seen.shape), seen.dtype)
            first = scheduler.graph.node(id)
            scheduler.add_entries(first, scheduler.window(first, halves), copy=True)
            inner.buffers[place] = scheduler.window(seen, halves, (step % 2) * size)
            targets[slot] = scheduler.window(body.node(body.outputs[slot]), halves, ((step + 1) % 2) * size)
            for item in results.get(slot, ()):
                scheduler.buffers[item.id] = scheduler.window(item, halves, Index((), remainder(length) * size))
        elif slot < carries + sequences:
            inner.buffers[place] = scheduler.window(seen, stored_by_rows(scheduler, id), entry * size)
        else:
            whole = scheduler.buffers.get(id) or scheduler.pack(id, tuple(range(len(seen.shape))))
            inner.buffers[place] = scheduler.window(seen, whole, order=whole.order)
    for position, items in results.items():
        if position >= carries:
            made = body.node(body.outputs[position])
            stacked = scheduler.buffer(items[0])
            targets[position] = scheduler.window(made, stacked, entry * product(made.shape))
            scheduler.buffers |= dict.fromkeys([item.id for item in items], stacked)
    first_local = len(scheduler.all)
    inner.walk()
    for position, target in targets.items():
        put(inner, body.outputs[position], target)
    inside = [buffer.number for buffer in scheduler.all[first_local:] if buffer.of is None]
    kernel = LoopOver(len(scheduler.kernels), variable, length, inner.kernels, [node.id], body, frozenset(inside))
    scheduler.kernels.append(kernel)
    for items in results.values():
        for item in items:
            scheduler.ready[scheduler.buffers[item.id].number] = kernel.number


def wanted_results(scheduler: Scheduler, node: Node) -> dict[int, list[Node]]:
    """The nodes that take a result out, by its position."""
    found: dict[int, list[Node]] = {}
    for user, _ in scheduler.graph.users(node.id):
        item = scheduler.graph.node(user)
        found.setdefault(item.attributes["position"], []).append(item)
    return dict(sorted(found.items()))


def stored_by_rows(scheduler: Scheduler, id: int) -> Buffer:
    """The value in row-major order: where it lies, or a copy."""
    found = scheduler.buffers.get(id)
    if found is not None and found.is_row_major:
        return found
    return scheduler.pack(id, tuple(range(scheduler.graph.type(id).rank)))


def put(inner: Scheduler, id: int, target: Buffer) -> None:
    """Let the body write a result where it belongs: at once where that is the only place for it, else by a copy."""
    found = inner.buffers.get(id)
    if found is not None and found.role == "scratch" and found.is_row_major:
        found.become_window(target)
    else:
        inner.add_entries(inner.graph.node(id), target, copy=True)


def remainder(length: Dimension) -> Dimension:
    """Which half holds the last carry: the length modulo two."""
    if isinstance(length, int):
        return length % 2
    return dimension(length - 2 * sp.floor(length / sp.Integer(2)))
