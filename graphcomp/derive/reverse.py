"""Reverse mode: linearize, then transpose.

The tangent part of a forward graph is a linear program in the tangents. Read backwards, with every op replaced by its
transpose, it takes cotangents of the outputs to cotangents of the inputs; where a value has several users, their
contributions add up:

    x̄ = Σ over users u of  ū · ∂u/∂x
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import ops
from ..graph import Graph, check_graph
from .extract import copy_node
from .forward import Forward, forward


@dataclass(slots=True)
class Reverse:
    """`graph` takes the primal inputs, then a cotangent for each output in `of`; it gives the outputs, then the
    adjoints of the inputs `wrt`. `seeds` are the ids of the cotangent inputs.

    `primal[id]`, `adjoint[id]`, `partial[id, slot]` and `contribution[user, slot]` map ids of the original graph to ids
    of this one. The adjoint of a value with several users is the sum of their contributions, in the order in which the
    users are met when walking back.
    """

    graph: Graph
    wrt: tuple[int, ...]
    of: tuple[int, ...]
    seeds: list[int] = field(default_factory=list)
    primal: dict[int, int] = field(default_factory=dict)
    adjoint: dict[int, int] = field(default_factory=dict)
    partial: dict[tuple[int, int], int] = field(default_factory=dict)
    contribution: dict[tuple[int, int], int] = field(default_factory=dict)


def reverse(graph: Graph, wrt: Iterable[int] | None = None, of: Iterable[int] | None = None) -> Reverse:
    """Reverse mode of the outputs at the positions `of` with respect to the inputs `wrt`.

    By default, all floating-point outputs and inputs.
    """
    return transpose(graph, forward(graph, wrt), of)


def transpose(graph: Graph, linearized: Forward, of: Iterable[int] | None = None) -> Reverse:
    """Transpose the tangent part of `linearized`, the forward graph of `graph`."""
    source = linearized.graph
    if of is None:
        of = (position for position, id in enumerate(graph.outputs) if graph.type(id).is_float)
    arrays, requirements = source.arrays, list(source.requirements)
    result = Reverse(Graph(arrays=arrays, requirements=requirements), linearized.wrt, tuple(of))
    b = ops.build(result.graph)
    kept = _copy_primal(b, linearized)
    cotangent: dict[int, Any] = {}
    _add_seeds(result, b, graph, linearized, cotangent)
    edges = pull_back(b, source, linearized.linear, kept, cotangent)
    result.primal = {id: kept[copy] for id, copy in linearized.primal.items()}
    result.adjoint = {id: cotangent[t] for id, t in linearized.tangent.items() if t in cotangent}
    result.partial = {key: kept[id] for key, id in linearized.partial.items()}
    result.contribution = {
        key: edges[edge] for key, edge in linearized.term.items() if isinstance(edges.get(edge), int)
    }
    _finish(result, b, graph)
    return result


def _copy_primal(b: ops.Builder, linearized: Forward) -> dict[int, int]:
    """Copy what does not depend on the tangents; inputs first, so that they keep their order."""
    source, linear = linearized.graph, linearized.linear
    kept: dict[int, int] = {}
    for id in source.inputs:
        if id not in linear:
            kept[id] = copy_node(b, source.node(id), ())
    b.graph.inputs = list(kept.values())
    for node in source.nodes():
        if node.id not in linear and node.id not in kept:
            kept[node.id] = copy_node(b, node, [kept[input] for input in node.inputs])
    return kept


def _add_seeds(
    result: Reverse,
    b: ops.Builder,
    graph: Graph,
    linearized: Forward,
    cotangent: dict[int, Any],
) -> None:
    """One input for the cotangent of each output in `of`."""
    for position in result.of:
        id = graph.outputs[position]
        type = graph.type(id)
        name = next(iter(graph.labels(id)), "")
        seed = b.input(shape=type.shape, dtype=type.dtype, name=f"{name}_bar" if name else "")
        b.graph.inputs.append(seed)
        result.seeds.append(seed)
        if id in linearized.tangent:
            accumulate(b, cotangent, linearized.tangent[id], seed)


def accumulate(b: ops.Builder, cotangent: dict[int, Any], id: int, value: Any) -> None:
    """Add to a cotangent; that of a value with several results is a table by position."""
    if isinstance(value, dict):
        for position, part in value.items():
            accumulate(b, cotangent.setdefault(id, {}), position, part)
    else:
        cotangent[id] = b.add(cotangent[id], value) if id in cotangent else value


def pull_back(
    b: ops.Builder, source: Graph, linear: Iterable[int], kept: dict[int, int], cotangent: dict[int, Any]
) -> dict[tuple[int, int], Any]:
    """Walk back through the linear nodes of `source`, adding to `cotangent`; what each edge carries, by (user, slot).

    `kept` has the ids in the builder's graph of what is not linear.
    """
    reached = set(linear)
    at_once = {id for id in reached if _is_shared_copy(source, id, reached)}
    edges: dict[tuple[int, int], Any] = {}

    def send_back(id: int, arrived: Any) -> None:
        """Add to the cotangents of a node's arguments what arrived at the node, or a part of that."""
        for slot, value in _transposed(b, source, id, kept, arrived).items():
            target = source.node(id).inputs[slot]
            edges[id, slot] = value
            accumulate(b, cotangent, target, value)
            if target in at_once:
                send_back(target, value)

    for id in sorted(reached, reverse=True):
        if id in cotangent and id not in at_once and source.node(id).op != "input":
            send_back(id, cotangent[id])
    return edges


def _is_shared_copy(source: Graph, id: int, linear: Collection[int]) -> bool:
    """Whether a node repeats a smaller value for several users, as a bias that is added in several places.

    What each of them sends back is then summed up by itself: the sums, which are small, are added, not the large arrays
    that they are the sums of, and each is taken where its array is made.
    """
    node = source.node(id)
    return node.op == "broadcast" and len({user for user, _ in source.users(id) if user in linear}) > 1


def _transposed(b: ops.Builder, source: Graph, id: int, kept: dict[int, int], cotangent: Any) -> dict[int, Any]:
    """What the cotangent of a linear node sends back to its linear arguments, those that are not in `kept`."""
    node = source.node(id)
    b.at(node, "adjoint")
    types = tuple(source.node(input).type for input in node.inputs)
    call = ops.LinearCall(node.attributes, tuple(kept.get(input) for input in node.inputs), types, node.type)
    return ops.get(node.op).pull_back(b, call, cotangent)


def _finish(result: Reverse, b: ops.Builder, graph: Graph) -> None:
    b.scope, b.origin = "", None
    outputs = [result.primal[id] for id in graph.outputs]
    for id in result.wrt:
        outputs.append(result.adjoint[id] if id in result.adjoint else b.zeros_like(result.primal[id]))
    result.graph.outputs = outputs
    result.graph.names = {name: result.primal[id] for name, id in graph.names.items() if id in result.primal}
    check_graph(result.graph, "reverse")
