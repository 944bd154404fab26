"""Functions with derivatives of their user's own.

`custom_call` computes a graph; its derivative with respect to its first `arguments` (constants follow them) is another
graph, given with it. The rule is either for forward mode
(tangents of the results from arguments and their tangents), or for reverse mode: a graph with what is to be saved among
its results, and one that takes that and cotangents to cotangents. In the second case the tangent is a node that has
only a transpose, `custom_tangent`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..derive import forward, inline
from ..errors import DerivativeError
from ..graph import Dimension, Graph, Node, Subgraph, TensorType, TupleType
from ..ops import Builder, LinearCall, Special, register
from ..ops.batching import spread_all
from ..ops.record import Tangents
from .batch import batch
from .transposed import zeros


def _call_shape(
    graph: Graph, *types: TensorType, name: str, arguments: int, body: Subgraph, **rules: Subgraph
) -> TupleType:
    for inner in (body, *rules.values()):
        for requirement in inner.graph.requirements:
            graph.require_equal(requirement.left, requirement.right, requirement.reason, requirement.origin)
    return TupleType(body.output_types)


def _call_reference(*arrays: Any, name: str, arguments: int, body: Any, **rules: Any) -> Any:
    return tuple(body(*arrays))


def _call_tangent(b: Builder, node: Node, tangents: Tangents) -> Sequence[int | None]:
    attributes = node.attributes
    floats = [slot for slot in range(attributes["arguments"]) if b.type(node.inputs[slot]).is_float]
    dots = [_given(b, node, tangents, slot) for slot in floats]
    if "forward" in attributes:
        return _by_reverse_rule(b, node, dots)
    if "tangent" in attributes:
        found = iter(inline(b, attributes["tangent"].graph, [*node.inputs, *dots]))
    else:  # what a rule for reverse mode computes on the way forward, derived once more: an ordinary function
        body = attributes["body"].graph
        derived = forward(body, [body.inputs[slot] for slot in floats]).graph
        found = iter(inline(b, derived, [*node.inputs, *dots])[len(body.outputs) :])
    return [next(found) if type.is_float else None for type in attributes["body"].output_types]


def _by_reverse_rule(b: Builder, node: Node, dots: Sequence[int]) -> list[int | None]:
    """Compute what is to be saved, and a tangent that can only be transposed."""
    attributes = node.attributes
    results = attributes["body"].output_types
    rest = {name: value for name, value in attributes.items() if name not in ("forward", "backward")}
    full = b.emit("custom_call", *node.inputs, **{**rest, "body": attributes["forward"]})
    b.replaced[node.id] = full
    count = len(attributes["forward"].output_types)
    saved = [b.item(full, position=place) for place in range(len(results), count)]
    tangent = _transposable(b, node, saved, dots)
    places = iter(range(len(results)))
    return [b.item(tangent, position=next(places)) if type.is_float else None for type in results]


def _transposable(b: Builder, node: Node, saved: Sequence[int], dots: Sequence[int]) -> int:
    backward, name = node.attributes["backward"], node.attributes["name"]
    return b.emit("custom_tangent", *saved, *dots, name=name, backward=backward, saved=len(saved))


def _given(b: Builder, node: Node, tangents: Tangents, slot: int) -> int:
    tangent = tangents[slot]
    return b.zeros_like(node.inputs[slot]) if tangent is None else tangent


class _Call(Special):
    def batched(
        self, b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension
    ) -> list[tuple[int, bool]]:
        """Every graph for a batch of all that it takes and gives."""
        attributes = {
            name: whole(value, size) if isinstance(value, Subgraph) else value
            for name, value in node.attributes.items()
        }
        result = b.emit(node.op, *spread_all(b, inputs, batched, size), **attributes)
        assert isinstance(node.type, TupleType)
        return [(b.item(result, position=place), True) for place in range(len(node.type.items))]

    def executed(self, call: Any, inputs: Sequence[int]) -> list[int]:
        """The body; but a node for each result where derivatives are told: the rule is for the body as a whole."""
        attributes = call.node.attributes
        if call.derivatives and set(attributes) & {"tangent", "forward"}:
            count = len(attributes["body"].output_types)
            return [call.keep("custom_value", inputs, position=place, **attributes) for place in range(count)]
        found: list[int] = call.body(attributes["body"].graph, inputs, attributes["name"])
        return found


def whole(inner: Subgraph, size: Dimension) -> Subgraph:
    """A subgraph for a batch in all its inputs and outputs."""
    graph = inner.graph
    return Subgraph(batch(graph, range(len(graph.inputs)), size, range(len(graph.outputs))).graph)


register(
    _Call(
        name="custom_call",
        summary="a function with a derivative of its user's own",
        arity=None,
        shape=_call_shape,
        reference=_call_reference,
        tangent_rule=_call_tangent,
        kernel="custom_call",
    )
)


def _value_shape(graph: Graph, *types: TensorType, position: int, **attributes: Any) -> TensorType:
    type: TensorType = _call_shape(graph, *types, **attributes).items[position]
    return type


def _value_tangent(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """By the rule, of which all but the tangent asked for is dropped."""
    attributes, position = node.attributes, node.attributes["position"]
    results = attributes["body"].output_types
    if "forward" not in attributes:
        scalar = not any(b.type(id).shape for id in (node.id, *node.inputs))
        return _by_partials(b, node, tangents) if scalar else _call_tangent(b, node, tangents)[position]
    floats = [place for place, type in enumerate(results) if type.is_float]
    if position not in floats:
        return None
    slots = [slot for slot in range(attributes["arguments"]) if b.type(node.inputs[slot]).is_float]
    full = inline(b, attributes["forward"].graph, node.inputs)
    b.replaced[node.id] = full[position]
    tangent = _transposable(b, node, full[len(results) :], [_given(b, node, tangents, slot) for slot in slots])
    return b.item(tangent, position=floats.index(position))


def _by_partials(b: Builder, node: Node, tangents: Tangents) -> int | None:
    """Between numbers: what the rule makes of a tangent of one is the partial derivative, shown on its edge."""
    total: int | None = None
    for slot, tangent in enumerate(tangents):
        if tangent is None or slot >= node.attributes["arguments"]:
            continue
        ones = [b.constant_like(id, 1.0) if place == slot else None for place, id in enumerate(node.inputs)]
        partial = _call_tangent(b, node, ones)[node.attributes["position"]]
        if partial is not None:
            b.partials[node.id, slot] = partial
            term = b.scale(partial, tangent)
            total = term if total is None else b.add(total, term)
    return total


register(
    Special(
        name="custom_value",
        summary="one result of a function with a derivative of its user's own, as a story shows it",
        arity=None,
        shape=_value_shape,
        reference=lambda *arrays, body, position, **attributes: body(*arrays)[position],
        tangent_rule=_value_tangent,
    )
)


def _tangent_shape(graph: Graph, *types: TensorType, name: str, backward: Subgraph, saved: int) -> TupleType:
    return TupleType(backward.input_types[saved:])


def _no_tangent(*arrays: Any, name: str, **attributes: Any) -> Any:
    raise DerivativeError(
        f"{name} has a rule for reverse mode only (custom_vjp), so it has no forward mode; use grad, vjp or jacrev "
        "(in check_grads modes=('rev',)), or give it a rule by custom_jvp."
    )


class _Tangent(_Call):
    def pull_back(self, b: Builder, call: LinearCall, cotangent: dict[int, int]) -> dict[int, int]:
        saved = call.attributes["saved"]
        backward = call.attributes["backward"].graph
        types = [backward.type(id) for id in backward.inputs[saved:]]
        seeds = [cotangent[place] if place in cotangent else zeros(b, type) for place, type in enumerate(types)]
        found = inline(b, backward, [*map(call.operand, range(saved)), *seeds])
        slots = range(saved, len(call.operands))
        return {slot: id for slot, id in zip(slots, found) if call.operands[slot] is None}


register(
    _Tangent(
        name="custom_tangent",
        summary="the tangent of a function with a rule for reverse mode: it can only be transposed",
        arity=None,
        shape=_tangent_shape,
        reference=_no_tangent,
        kernel="custom_tangent",
    )
)
