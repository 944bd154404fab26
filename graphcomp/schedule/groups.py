"""Sums over groups: one loop over the groups, which threads share out, and in it one over the members of each.

What is summed up is computed member by member, so nothing as large as all members' rows is ever stored. What is the
same for a whole row of a member, such as where it stands and its weight, is looked up once before the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from ..graph import Node
from ..ops.index import Index, loop
from .loops import mentioned
from .lower import Body, Context
from .program import (
    Assign,
    Choose,
    Compute,
    Gathered,
    Load,
    Loop,
    LoopKernel,
    Position,
    Reduce,
    Statement,
    Store,
    walk,
)

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""


MEMBERS, OTHER, ACROSS = 3, 4, 5
"""The arguments of a grouping that may be left out: see `ops.grouping`."""


def place_group_sum(scheduler: Scheduler, node: Node) -> None:
    place_combined(scheduler, node, "sum")


def place_group_max(scheduler: Scheduler, node: Node) -> None:
    place_combined(scheduler, node, "maximum")


def place_combined(scheduler: Scheduler, node: Node, combine: str) -> None:
    """A kernel that fills the node's result, row by row."""
    target = scheduler.buffer(node)
    body = Body(scheduler.graph, scheduler.buffers)
    count, *row = node.shape
    entries = scheduler.graph.type(node.inputs[1]).shape[0]
    rows = [Loop("i0", count), *(Loop(f"i{axis}", size) for axis, size in enumerate(row, start=1))]
    group, *place = (loop(each.variable, each.extent) for each in rows)
    begin, end = (Context(body, node).load(2, (group + ahead,), entries + 1) for ahead in (0, 1))
    member = Loop(body.name("r"), entries, within=(_name(begin), _name(end)))
    with body.block() as found:
        entry: Index = loop(member.variable, entries)
        if len(node.inputs) > MEMBERS:
            entry = Context(body, node).load(MEMBERS, (entry,), entries)
        if len(node.inputs) > ACROSS:
            at_hand = body.value(node.inputs[ACROSS], (loop(member.variable, entries),))
            body.known[-1][node.inputs[OTHER], (entry,)] = at_hand
        body.known[-1]["position", node.inputs[1], (entry,), count] = rows[0].variable  # the group that it is in
        value = body.value(node.inputs[0], (entry, *place))
    loops = [each for each in rows[1:] if each.extent != 1]
    lookups, inside = split(found, {each.variable for each in loops})
    store = Store(target, target.address((group, *place)), value, node.id)
    body.add(Gathered(member, lookups, loops, inside, store, combine, count))
    body.nodes.setdefault(node.id)
    kernel = LoopKernel(len(scheduler.kernels), rows[:1], body.blocks[0], list(body.nodes), (), body.helpers)
    scheduler.kernels.append(kernel)
    scheduler.ready[target.number] = kernel.number
    scheduler.buffers[node.id] = target


GROUPS: dict[str, Any] = {"group_sum": place_group_sum, "group_max": place_group_max}
"""Templates by the name in the op's record."""


def _name(position: Index) -> str:
    ((atom, _),) = position.terms
    return atom.name


def split(found: Sequence[Statement], variables: set[str]) -> tuple[list[Statement], list[Statement]]:
    """The statements that do not depend on these variables, and those that do."""
    moving = set(variables)
    outside: list[Statement] = []
    inside: list[Statement] = []
    for statement in found:
        if needed(statement) & moving:
            moving |= made(statement)
            inside.append(statement)
        else:
            outside.append(statement)
    return outside, inside


def made(statement: Statement) -> set[str]:
    """The variables that a statement sets, those inside it too."""
    beside = [each for reduction in walk([statement]) if isinstance(reduction, Reduce) for each in reduction.beside]
    return {each.target for each in (*walk([statement]), *beside) if hasattr(each, "target")}


def needed(statement: Statement) -> set[str]:
    """The variables that a statement reads, those inside it too."""
    names: set[str] = set()
    for each in walk([statement]):
        match each:
            case Load(address=address):
                names |= set(mentioned(address))
            case Compute(arguments=arguments):
                names |= set(arguments)
            case Assign(text=text):
                names |= set(_words(text))
            case Reduce(value=value, beside=beside):
                names |= {value, *(other.value for other in beside)}
            case Position(value=value):
                names.add(value)
            case Choose(branches=branches):
                for conditions, _, value in branches:
                    names.add(value)
                    for condition in conditions:
                        names |= set(mentioned(condition.index))
    return names


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()
