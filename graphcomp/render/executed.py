"""A graph as it is executed at given inputs: loops written out turn by turn, branches as they were taken.

Stories evaluate node by node, so they are told of this graph. What each op that holds graphs executes is in its record;
where that depends on a value (a condition), the nodes written so far are evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .. import ops
from ..derive import copy_node, extract, needed
from ..errors import RenderError
from ..graph import Graph, Node, Subgraph, TensorType, TupleType
from ..graph.types import substitute
from ..run.interpreter import bind_sizes, check_inputs
from .execution import Execution

MOST_EXECUTED = 20_000  # the story of so many nodes, told by groups, takes about a minute


def executed(graph: Graph, values: Sequence[Any], derivatives: bool = True) -> Graph:
    """The graph of what is executed, with the same inputs, outputs and names; the graph itself if it holds no others.

    Nodes of a loop's turn get the scope ``step.3``. With ``derivatives``, a function that has a derivative rule of its
    own stays one node, as its rule is for the whole of it; without, its body is written out.
    Raises RenderError where more is executed than a story can tell.
    """
    if not graph.subgraphs():
        return graph
    writer = Writer(graph, values, derivatives)
    ids = writer.copy(graph, writer.given, "", "")
    written = extract(writer.graph, writer.graph.inputs, [ids[id] for id in graph.outputs])
    # `extract` numbers the inputs first, then what the outputs need, in order.
    kept = needed(writer.graph, [ids[id] for id in graph.outputs], writer.graph.inputs)
    moved = {id: place for place, id in enumerate((*writer.graph.inputs, *kept))}
    written.names = {name: moved[ids[id]] for name, id in graph.names.items() if ids.get(id) in moved}
    return written


class Writer:
    """Writes what a graph executes, node by node, into ``graph``."""

    def __init__(self, source: Graph, values: Sequence[Any], derivatives: bool) -> None:
        arrays = check_inputs(source, values)
        self.sizes: Mapping[Any, int] = bind_sizes(source, arrays)
        self.derivatives = derivatives
        self.graph = Graph(arrays=dict(source.arrays))
        self.b = ops.build(self.graph)
        self.given = {id: copy_node(self.b, self.concrete(source.node(id)), ()) for id in source.inputs}
        self.graph.inputs = list(self.given.values())
        self.execution = Execution(self.graph, arrays)
        self.stacks: dict[int, list[int]] = {}

    def concrete(self, node: Node) -> Node:
        """A node with numbers for named sizes."""
        attributes = {name: substitute(value, self.sizes) for name, value in node.attributes.items()}
        return replace(node, attributes=attributes, type=substitute(node.type, self.sizes))

    def copy(self, graph: Graph, arguments: Mapping[int, int], old: str, new: str) -> dict[int, int]:
        """Write what a graph's outputs need; scopes below ``old`` become scopes below ``new``.

        The result are the new ids of its nodes (of those with one result).
        """
        ids = dict(arguments)
        parts: dict[int, Sequence[int]] = {}
        for id in needed(graph, graph.outputs, ids):
            node = graph.node(id)
            scope = joined(new, inside(node.scope, old))
            if node.op == "item" and node.inputs[0] in parts:
                ids[id] = parts[node.inputs[0]][node.attributes["position"]]
                continue
            sources = [ids[source] for source in node.inputs]
            call = Call(self, self.concrete(node), node.scope, scope)
            self.b.scope, self.b.origin = scope, node.origin
            results = ops.get(node.op).executed(call, sources) if holds_graphs(node) else None
            if results is None:
                ids[id] = self.add(call.node, sources, scope)
            elif isinstance(node.type, TupleType):
                parts[id] = results
        return ids

    def add(self, node: Node, sources: Sequence[int], scope: str) -> int:
        """Add a node, or find the one that it only passes on."""
        if len(self.graph) >= MOST_EXECUTED:
            raise RenderError(
                f"more than {MOST_EXECUTED} operations are executed at these inputs, with the loops written out; "
                "explain it for a shorter loop, or draw it rolled up with graphcomp.render.network"
            )
        passed = self.passed_on(node, sources)
        if passed is not None:
            return passed
        return self.graph.add(node.op, tuple(sources), node.attributes, node.type, scope, node.origin)

    def passed_on(self, node: Node, sources: Sequence[int]) -> int | None:
        """What a node is that only takes an entry out of a stack, or changes a shape to and fro."""
        if node.op not in ("reshape", "slice"):
            return None
        (source,) = sources
        if node.op == "slice" and source in self.stacks and node.shape == (1, *self.graph.type(source).shape[1:]):
            return self.reshaped(self.stacks[source][node.attributes["start"][0]], node.shape)
        if self.graph.type(source) == node.type:
            return source
        if node.op == "reshape" and self.graph.node(source).op == "reshape":
            return self.reshaped(source, node.shape)
        return None

    def reshaped(self, id: int, shape: Sequence[Any]) -> int:
        """A value in another shape; what a reshape was made of is taken instead of it."""
        while self.graph.node(id).op == "reshape":
            (id,) = self.graph.node(id).inputs
        return id if self.graph.type(id).shape == tuple(shape) else self.b.reshape(id, shape=tuple(shape))


@dataclass(frozen=True)
class Call:
    """What the record of an op that holds graphs writes with: the node, and where its parts go."""

    writer: Writer
    node: Node
    old: str
    scope: str

    @property
    def derivatives(self) -> bool:
        """Whether derivatives will be told."""
        return self.writer.derivatives

    def body(self, graph: Graph, arguments: Sequence[int], part: str = "") -> list[int]:
        """Write a graph inside, as the scope ``part``; its outputs."""
        scope = joined(self.scope, part)
        ids = self.writer.copy(graph, dict(zip(graph.inputs, arguments, strict=True)), self.old, scope)
        self.writer.b.scope, self.writer.b.origin = self.scope, self.node.origin
        return [ids[id] for id in graph.outputs]

    def value(self, id: int) -> Any:
        """The value of a node written so far."""
        return self.writer.execution.run(id)

    def entry(self, id: int, position: int, part: str) -> int:
        """An entry along the first axis."""
        writer = self.writer
        if id in writer.stacks:
            return writer.stacks[id][position]
        type = writer.graph.type(id)
        if type.shape[0] != 1:
            writer.b.scope = joined(self.scope, part)
            rank = type.rank - 1
            start, size = (position, *(0,) * rank), (1, *type.shape[1:])
            id = writer.b.slice(id, start=start, size=size, step=(1,) * (rank + 1))
        return writer.reshaped(id, type.shape[1:])

    def row(self, id: int, part: str) -> int:
        """A value as an array of one entry, made where the value was."""
        self.writer.b.scope = joined(self.scope, part)
        return self.writer.reshaped(id, (1, *self.writer.graph.type(id).shape))

    def stack(self, ids: Sequence[int], rows: Sequence[int], type: TensorType) -> int:
        """Values as the entries of an array along a new first axis; `rows` are theirs."""
        b, self.writer.b.scope = self.writer.b, self.scope
        if not rows:
            return b.constant(0, type.shape, type.dtype)
        if len(rows) == 1:
            return rows[0]
        stacked = b.concatenate(*rows, axis=0)
        self.writer.stacks[stacked] = list(ids)
        return stacked

    def keep(self, op: str, inputs: Sequence[int], **attributes: Any) -> int:
        """Write a node of an op."""
        self.writer.b.scope, self.writer.b.origin = self.scope, self.node.origin
        return self.writer.b.emit(op, *inputs, **attributes)


def holds_graphs(node: Node) -> bool:
    """Whether a node holds graphs."""
    return any(isinstance(value, Subgraph) for value in node.attributes.values())


def joined(scope: str, part: str) -> str:
    """A scope inside another."""
    return f"{scope}/{part}".strip("/")


def inside(scope: str, outer: str) -> str:
    """What of a scope lies within another."""
    return scope[len(outer) + 1 :] if outer and f"{scope}/".startswith(f"{outer}/") else scope
