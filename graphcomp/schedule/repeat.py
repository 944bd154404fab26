"""Loops: the kernels of a body, run again for each step.

What is carried lies in two halves of one buffer, read from one and written to the other in turn, so nothing is copied
from step to step. Where its values of all steps are asked for, it lies in one array of them: each step reads where the
step before wrote. An entry of a sequence is a window that moves along it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import sympy as sp

from .. import ops
from ..graph import Dimension, Graph, Node
from ..graph.types import dimension, product
from ..ops.index import Index, loop
from ..ops.products import split_subscripts
from .products import view_of
from .program import Buffer, LoopOver

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""


def place_scan(scheduler: Scheduler, node: Node) -> None:
    """A loop over the body of `node`; fills the buffers of its results that are asked for."""
    length, carries, sequences = (node.attributes[name] for name in ("length", "carries", "sequences"))
    body = node.attributes["body"].graph
    step = loop(f"t{scheduler.depth}", length)
    entry = Index((), length - 1) - step if node.attributes["reverse"] else step
    inner = type(scheduler)(body, scheduler.depth + 1, scheduler.all)
    targets: dict[int, Buffer] = {}
    results, made = wanted_results(scheduler, node), list[Node]()
    for slot, (id, place) in enumerate(zip(node.inputs, body.inputs)):
        seen = body.node(place)
        size = product(seen.shape)
        if slot < carries:
            stacked = stacks_of(scheduler, node, slot, results)
            held = states(node, entry, step, bool(stacked))
            state = scheduler.scratch(node, (held.count, *seen.shape), seen.dtype)
            first = scheduler.graph.node(id)
            begin = Index((), held.first * size)
            scheduler.add_entries(first, scheduler.window(first, state, begin), copy=True)
            inner.buffers[place] = scheduler.window(seen, state, held.now * size)
            targets[slot] = scheduler.window(body.node(body.outputs[slot]), state, held.following * size)
            for item in results.get(slot, ()):
                scheduler.buffers[item.id] = scheduler.window(item, state, Index((), held.last * size))
            for position, is_later in stacked.items():
                for item in results.pop(position):
                    begin = Index((), size if is_later else 0)
                    scheduler.buffers[item.id] = scheduler.window(item, state, begin)
                    made.append(item)
        elif slot < carries + sequences:
            inner.buffers[place] = sequence_window(scheduler, id, seen, entry)
        else:
            inner.buffers[place] = constant_window(scheduler, id, seen, body)
    for position, items in results.items():
        made += items
        if position >= carries:
            value, whole = body.node(body.outputs[position]), scheduler.buffer(items[0])
            targets[position] = scheduler.window(value, whole, entry * product(value.shape))
            scheduler.buffers |= dict.fromkeys([item.id for item in items], whole)
    kernel = add_loop(scheduler, node, inner, length, targets)
    for item in made:
        scheduler.ready[scheduler.buffers[item.id].number] = kernel.number


@dataclass(frozen=True, slots=True)
class States:
    """Where the values of what is carried lie, counted in such values: how many there are, the first and the last one,
    what a step reads and what it writes."""

    count: Dimension
    first: Dimension
    last: Dimension
    now: Index
    following: Index


def states(node: Node, entry: Index, step: Index, all: bool) -> States:
    """All values, in the order of the entries that the steps give; or two, which take turns."""
    length = node.attributes["length"]
    if not all:
        return States(2, 0, remainder(length), step % 2, (step + 1) % 2)
    if node.attributes["reverse"]:
        return States(length + 1, length, 0, entry + 1, entry)
    return States(length + 1, 0, length, entry, entry + 1)


def stacks_of(scheduler: Scheduler, node: Node, slot: int, results: Mapping[int, Sequence[Node]]) -> dict[int, bool]:
    """The stacked results that are what is carried before or after each step, by position; whether they begin with the
    second of all values rather than the first. Results of the whole program have memory of their own."""
    body, carries = node.attributes["body"].graph, node.attributes["carries"]
    is_reverse, found = node.attributes["reverse"], dict[int, bool]()
    for position in (p for p in results if p >= carries):
        value = body.outputs[position]
        inside = not any(item.id in scheduler.graph.outputs for item in results[position])
        if inside and value in (body.inputs[slot], body.outputs[slot]):
            found[position] = (value == body.outputs[slot]) != is_reverse
    return found


def place_cond(scheduler: Scheduler, node: Node) -> None:
    """Two loops of at most one turn, one for each branch."""
    results = wanted_results(scheduler, node)
    predicate = stored_by_rows(scheduler, node.inputs[0])
    filled = {position: scheduler.buffer(items[0]) for position, items in results.items()}
    for name, taken in (("if_true", True), ("if_false", False)):
        branch = node.attributes[name].graph
        inner = type(scheduler)(branch, scheduler.depth + 1, scheduler.all)
        for id, place in zip(node.inputs[1:], branch.inputs):
            inner.buffers[place] = constant_window(scheduler, id, branch.node(place))
        targets = {
            position: scheduler.window(branch.node(branch.outputs[position]), whole)
            for position, whole in filled.items()
        }
        add_loop(scheduler, node, inner, 1, targets, (predicate, taken))
    for position, items in results.items():
        scheduler.buffers |= dict.fromkeys([item.id for item in items], filled[position])
        scheduler.ready[filled[position].number] = len(scheduler.kernels) - 1


def place_while(scheduler: Scheduler, node: Node) -> None:
    """The condition, then turns of the body, copies of what it made to the place of what is carried, the condition.

    How many turns there are is known only at the end, so what is carried has one place, not two by turns.
    """
    carries = node.attributes["carries"]
    body, condition = node.attributes["body"].graph, node.attributes["condition"].graph
    goes_on = scheduler.scratch(node, (), "bool")
    state = [scheduler.scratch(node, type.shape, type.dtype) for type in map(body.type, body.inputs[:carries])]
    fresh = [scheduler.scratch(node, held.type.shape, held.type.dtype) for held in state]
    for id, held in zip(node.inputs, state):
        first = scheduler.graph.node(id)
        scheduler.add_entries(first, scheduler.window(first, held), copy=True)
    test = {0: scheduler.window(condition.node(condition.outputs[0]), goes_on)}
    add_loop(scheduler, node, while_part(scheduler, node, condition, state, 1), 1, test)
    inner = while_part(scheduler, node, body, state, 1)
    made = [scheduler.window(body.node(id), new) for id, new in zip(body.outputs, fresh)]
    kernel = add_loop(scheduler, node, inner, None, dict(enumerate(made)), (goes_on, True))
    moves = type(scheduler)(passing(body), scheduler.depth + 2, scheduler.all)
    moves.buffers = {place: scheduler.window(moves.graph.node(place), new) for place, new in enumerate(fresh)}
    targets = {place: scheduler.window(moves.graph.node(place), held) for place, held in enumerate(state)}
    add_loop(inner, node, moves, 1, targets)
    add_loop(inner, node, while_part(scheduler, node, condition, state, 2), 1, test)
    for position, items in wanted_results(scheduler, node).items():
        for item in items:
            scheduler.buffers[item.id] = scheduler.window(item, state[position])
            scheduler.ready[scheduler.buffers[item.id].number] = kernel.number


def while_part(scheduler: Scheduler, node: Node, graph: Graph, state: Sequence[Buffer], deeper: int) -> Scheduler:
    """A scheduler for the condition or the body, with its arguments in their places."""
    part = type(scheduler)(graph, scheduler.depth + deeper, scheduler.all)
    for slot, place in enumerate(graph.inputs):
        seen = graph.node(place)
        is_state = slot < len(state)
        part.buffers[place] = (
            scheduler.window(seen, state[slot]) if is_state else constant_window(scheduler, node.inputs[slot], seen)
        )
    return part


def passing(body: Graph) -> Graph:
    """A graph that gives what it takes, of the types of the body's results."""
    graph = Graph()
    for type in map(body.type, body.outputs):
        graph.add("input", (), {"shape": type.shape, "dtype": type.dtype, "name": ""}, type)
    graph.inputs = graph.outputs = list(range(len(body.outputs)))
    return graph


def add_loop(
    scheduler: Scheduler, node: Node, inner: Scheduler, extent: Dimension | None, targets: Mapping[int, Buffer],
    guard: tuple[Buffer, bool] | None = None,
) -> LoopOver:  # fmt: skip
    """A loop over what `inner` makes of its graph, its outputs put where they belong."""
    first_local = len(scheduler.all)
    inner.walk()
    for position, target in targets.items():
        put(inner, inner.graph.outputs[position], target)
    inside = frozenset(buffer.number for buffer in scheduler.all[first_local:] if buffer.of is None)
    kernel = LoopOver(
        len(scheduler.kernels), f"t{scheduler.depth}", extent, inner.kernels, [node.id], inner.graph, inside, guard
    )
    scheduler.kernels.append(kernel)
    return kernel


def sequence_window(scheduler: Scheduler, id: int, seen: Node, entry: Index) -> Buffer:
    """An entry of a sequence: where its numbers lie, in rows that may be far apart, else in a copy of all entries."""
    letters = "".join(chr(ord("a") + axis) for axis in range(scheduler.graph.type(id).rank))
    view = view_of(scheduler.graph, scheduler.buffers, id, letters)
    if view is None or (seen.shape and view.strides[letters[-1]] != 1):
        return scheduler.window(seen, stored_by_rows(scheduler, id), entry * product(seen.shape))
    found = scheduler.window(seen, view.buffer, entry * view.strides[letters[0]] + view.offset)
    steps = tuple(view.strides[letter] for letter in letters[1:])
    if steps != found.strides:
        found.steps = steps
    return found


def constant_window(scheduler: Scheduler, id: int, seen: Node, body: Graph | None = None) -> Buffer:
    """A value of the graph around it, as the body sees it; turned if products in `body` would turn it each time."""
    order, found = order_for_products(body, seen.id) if body else (), scheduler.buffers.get(id)
    if found is not None and order in ((), found.order):
        whole = found
    else:
        whole = scheduler.pack(id, order or tuple(range(len(seen.shape))))
    window = scheduler.window(seen, whole, order=whole.order)
    window.steps = whole.steps
    return window


def order_for_products(graph: Graph, id: int) -> tuple[int, ...]:
    """The order in memory of a matrix of which all readers are products that want its columns along memory, but which
    lies by columns if it is row-major; nothing for any other value."""
    if graph.type(id).rank != 2 or id in graph.outputs:
        return ()
    waiting: list[tuple[int, tuple[int, ...]]] = [(id, (0, 1))]
    found = False
    while waiting:
        place, axes = waiting.pop()
        for user, slot in graph.users(place):
            node = graph.node(user)
            if node.op == "transpose" and user not in graph.outputs:
                waiting.append((user, tuple(axes[axis] for axis in node.attributes["axes"])))
            elif slot != 1 or not lies_by_columns(graph, node, axes):
                return ()
            else:
                found = True
    return (1, 0) if found else ()


def lies_by_columns(graph: Graph, node: Node, axes: Sequence[int]) -> bool:
    """Whether the second axis of a row-major matrix is the inner index of a product, of which it is the right operand.

    `axes` are the matrix's axes in the order in which the product sees them.
    """
    record = ops.get(node.op)
    if record.subscripts is None or len(node.inputs) != 2:
        return False
    types = [graph.type(source) for source in node.inputs]
    (left, right), result = split_subscripts(record.subscripts(types, **node.attributes))
    rows = [size for letter, size in zip(left, types[0].shape) if letter in result and letter not in right]
    return right[axes.index(1)] not in result and product(rows) != 1  # a single row is multiplied from the left


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
