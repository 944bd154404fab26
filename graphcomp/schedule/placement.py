"""Which values get memory of their own.

A value is stored if it is an output, if it combines many entries (a sum, a product of arrays), or if computing it again
for each reader would cost more than reading it back. Everything else is computed where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import ops
from ..graph import Graph, Node, TupleType
from ..graph.types import equal, magnitude
from ..ops.index import loop
from .lower import Body

CUT = 120
"""Longest chain of ops that is computed in one go; longer ones are cut by storing a value."""


FAR_AWAY = 1 << 18
"""A value of so many entries leaves the nearer caches: writing it costs more than a few additions for each entry."""

FEW = 16
"""So many additions cost less than writing an entry there and reading it back."""


def is_source(node: Node) -> bool:
    return node.op in ("input", "array")


def moves_entries(node: Node) -> bool:
    return ops.get(node.op).index_map is not None


def combines(graph: Graph, node: Node) -> bool:
    """Whether an entry is made of several entries of the arguments, or the op is computed as a whole."""
    record = ops.get(node.op)
    if record.subscripts is not None or record.kernel is not None:
        return True
    if record.contraction is None:
        return False
    index = tuple(loop(f"i{axis}", size) for axis, size in enumerate(node.shape))
    return not Body(graph, {}).contraction(node, index).is_single()


def stored_values(graph: Graph) -> set[int]:
    """Ids of the nodes (apart from inputs and arrays) that get a buffer."""
    stored = {node.id for node in graph.nodes() if combines(graph, node) and not isinstance(node.type, TupleType)}
    stored |= {id for id in graph.outputs if not is_source(graph.node(id))}
    weight: dict[int, int] = {}
    for node in graph.nodes():
        if node.id in stored or is_source(node):
            weight[node.id] = 0
            continue
        if _read_often(graph, node, weight) and not _at_hand(graph, node, stored):
            stored.add(node.id)
        weight[node.id] = 0 if node.id in stored else _weight(graph, node, weight)
        if weight[node.id] > CUT:
            stored.add(node.id)
            weight[node.id] = 0
    return stored


def _weight(graph: Graph, node: Node, weight: dict[int, int]) -> int:
    """What computing an entry of the node in place costs, in additions."""
    own = 0 if moves_entries(node) or node.op == "constant" else ops.get(node.op).cost
    return own + sum(weight.get(source, 0) for source in node.inputs)


def _read_often(graph: Graph, node: Node, weight: dict[int, int]) -> bool:
    """Whether the value has several readers, or one that reads its entries repeatedly, and is worth keeping."""
    if moves_entries(node) or node.op == "constant" or isinstance(node.type, TupleType):
        return False
    cost = _weight(graph, node, weight)
    readers, repeats = _readers(graph, node.id)
    return (repeats and cost > 1) or (readers > 1 and cost > 2)


def _at_hand(graph: Graph, node: Node, stored: set[int]) -> bool:
    """Whether reading a large value back is no cheaper than computing it again: few additions, from one such array
    besides those that its readers read as well.
    """
    size = magnitude(node.tensor.size)
    if size < FAR_AWAY or _readers(graph, node.id)[1]:
        return False
    arrays, additions = _made_of(graph, [node.id], stored, size)
    others = [source for user, _ in graph.users(node.id) for source in graph.node(user).inputs if source != node.id]
    return additions <= FEW and len(arrays - _made_of(graph, others, stored, size)[0]) <= 1


def _made_of(graph: Graph, ids: Iterable[int], stored: set[int], size: float) -> tuple[set[int], int]:
    """The arrays of about that size which values are computed from where they are used, and in how many additions."""
    arrays: set[int] = set()
    waiting = list(ids)
    seen, additions = set(waiting), 0
    while waiting:
        id = waiting.pop()
        node = graph.node(id)
        if isinstance(node.type, TupleType) or magnitude(node.tensor.size) * 2 <= size or node.op == "constant":
            continue
        if id in stored or is_source(node):
            arrays.add(id)
            continue
        if not moves_entries(node):
            cost = ops.get(node.op).cost
            additions += cost if cost == 1 else CUT
        waiting += [source for source in node.inputs if source not in seen]
        seen.update(node.inputs)
    return arrays, additions


def _readers(graph: Graph, id: int) -> tuple[int, bool]:
    """(how many nodes read the value, looking through moves; whether any reads an entry more than once)."""
    count, repeats = 0, False
    waiting = [id]
    while waiting:
        current = graph.node(waiting.pop())
        for user_id, _ in graph.users(current.id):
            user = graph.node(user_id)
            record = ops.get(user.op)
            if record.subscripts is not None:
                repeats = True
            if moves_entries(user):
                repeats = repeats or (record.repeats and equal(user.tensor.size, current.tensor.size) is not True)
                waiting.append(user_id)
            else:
                count += 1
    return count, repeats
