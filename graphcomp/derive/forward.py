"""Forward mode: a graph with a tangent beside every value.

    ẏ = Σᵢ ∂f/∂xᵢ · ẋᵢ

The result computes values and tangents in one pass. Read as a function of the tangents alone it is linear, and
`reverse` transposes just that part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .. import ops
from ..errors import DerivativeError
from ..graph import Graph, Node, TensorType, check_graph
from .extract import copy_node


@dataclass(slots=True)
class Forward:
    """`graph` takes the primal inputs, then a tangent for each input of `wrt`; it gives outputs, then their tangents.

    `primal[id]`, `tangent[id]` and `partial[id, slot]` map ids of the original graph to ids of this one. A value that
    does not depend on `wrt` has no tangent. `linear` are the ids that are linear in the tangents; `term[id, slot]` is
    the (linear node, slot) through which the edge (input `slot` of `id`) enters the tangent of `id`.
    """

    graph: Graph
    wrt: tuple[int, ...]
    primal: dict[int, int] = field(default_factory=dict)
    tangent: dict[int, int] = field(default_factory=dict)
    partial: dict[tuple[int, int], int] = field(default_factory=dict)
    linear: set[int] = field(default_factory=set)
    term: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)


def differentiable(graph: Graph) -> tuple[int, ...]:
    """The inputs that can carry a tangent: the floating-point ones."""
    return tuple(id for id in graph.inputs if graph.type(id).is_float)


def forward(graph: Graph, wrt: Iterable[int] | None = None) -> Forward:
    """Forward mode with respect to the inputs `wrt` (all floating-point ones by default)."""
    wrt = differentiable(graph) if wrt is None else tuple(wrt)
    result = Forward(Graph(arrays=graph.arrays, requirements=list(graph.requirements)), wrt)
    b = ops.build(result.graph)
    parts: dict[int, Sequence[int | None]] = {}
    for id in graph.inputs:
        result.primal[id] = copy_node(b, graph.node(id), ())
    result.graph.inputs = [result.primal[id] for id in graph.inputs]
    for id in wrt:
        _add_tangent_input(result, b, graph, id)
    for id in graph.reachable():
        if id not in result.primal:
            node = graph.node(id)
            result.primal[id] = copy_node(b, node, [result.primal[source] for source in node.inputs])
            _add_tangent(result, b, node, parts)
    _finish(result, b, graph)
    return result


def _add_tangent_input(result: Forward, b: ops.Builder, graph: Graph, id: int) -> None:
    type = graph.type(id)
    if not type.is_float:
        name = next(iter(graph.labels(id)), f"%{id}")
        raise DerivativeError(
            f"cannot differentiate with respect to `{name}`, which is {type}: only floating-point inputs have "
            "derivatives. Convert it to a float, or leave it out."
        )
    name = graph.node(id).attributes.get("name", "")
    tangent = b.input(shape=type.shape, dtype=type.dtype, name=f"d{name}" if name else "")
    result.graph.inputs.append(tangent)
    result.tangent[id] = tangent
    result.linear.add(tangent)


def _add_tangent(result: Forward, b: ops.Builder, node: Node, parts: dict[int, Sequence[int | None]]) -> None:
    """Apply the op's forward rule to the copy of `node`, and note which new nodes are linear in the tangents."""
    tangents = [parts.get(source, result.tangent.get(source)) for source in node.inputs]
    if all(tangent is None for tangent in tangents):
        return
    copy = b.graph.node(result.primal[node.id])
    first_new = len(b.graph)
    b.at(node, "tangent")
    tangent = ops.get(node.op).tangent(b, copy, tangents)  # type: ignore[arg-type]
    if isinstance(tangent, int) and tangent < first_new:
        # A tangent that is passed on unchanged gets a node of its own: its cotangent is not that of its source.
        tangent = b.identity(tangent)
    _note_linear(result, b.graph, node, tangents, first_new)
    result.primal[node.id] = b.replaced.get(copy.id, copy.id)
    for slot in range(len(node.inputs)):
        if (copy.id, slot) in b.partials:
            result.partial[node.id, slot] = b.partials[copy.id, slot]
    if isinstance(tangent, int):
        result.tangent[node.id] = tangent
    elif tangent is not None:
        parts[node.id] = tuple(tangent)


def _note_linear(result: Forward, graph: Graph, node: Node, tangents: Sequence[object], first_new: int) -> None:
    waiting: dict[object, list[int]] = {}
    for slot, tangent in enumerate(tangents):
        waiting.setdefault(tangent, []).append(slot)
    for id in range(first_new, len(graph)):
        new = graph.node(id)
        for slot, source in enumerate(new.inputs):
            if source in result.linear:
                result.linear.add(id)
                if waiting.get(source):
                    result.term[node.id, waiting[source].pop(0)] = (id, slot)


def _finish(result: Forward, b: ops.Builder, graph: Graph) -> None:
    b.scope, b.origin = "", None
    outputs = [result.primal[id] for id in graph.outputs]
    for id in graph.outputs:
        type = graph.node(id).type
        if isinstance(type, TensorType) and type.is_float:
            outputs.append(result.tangent[id] if id in result.tangent else b.zeros_like(result.primal[id]))
    result.graph.outputs = outputs
    result.graph.names = {name: result.primal[id] for name, id in graph.names.items() if id in result.primal}
    check_graph(result.graph, "forward")
