"""The op `cond`: one of two graphs, as a condition says.

Its derivative is that of the branch that was taken: what the way back needs is saved in that branch, and zeros stand
for what only the other one would save.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..derive import inline
from ..errors import DTypeError, ShapeError
from ..graph import Dimension, Graph, Node, Subgraph, TensorType, TupleType
from ..ops import Builder, LinearCall, Special, register
from ..ops.record import Tangents
from .batch import batch
from .linearized import Linearized, linearized
from .transposed import Transposed, zeros

BRANCHES = ("if_true", "if_false")


def _shape(graph: Graph, predicate: TensorType, *types: TensorType, if_true: Subgraph, if_false: Subgraph) -> TupleType:
    if predicate != TensorType((), "bool"):
        raise DTypeError(f"cond takes one truth value as its condition, not {predicate}; compare, or use any or all.")
    for branch in (if_true, if_false):
        for given, wanted in zip(types, branch.input_types, strict=True):
            _require_type(graph, "an operand of cond", given, wanted)
        for requirement in branch.graph.requirements:
            graph.require_equal(requirement.left, requirement.right, requirement.reason, requirement.origin)
    for first, second in zip(if_true.output_types, if_false.output_types, strict=True):
        _require_type(graph, "the branches of cond give results of one type", first, second)
    return TupleType(if_true.output_types)


def _require_type(graph: Graph, what: str, given: TensorType, wanted: TensorType) -> None:
    fits = given.dtype == wanted.dtype and given.rank == wanted.rank
    for left, right in zip(given.shape, wanted.shape):
        if graph.require_equal(left, right, what) is False:
            fits = False
    if not fits:
        raise ShapeError(f"{what}: {given} and {wanted} differ.")


def _reference(predicate: Any, *operands: Any, if_true: Any, if_false: Any) -> Any:
    return tuple((if_true if predicate else if_false)(*operands))


def _branches(node: Node | LinearCall) -> list[Graph]:
    return [node.attributes[name].graph for name in BRANCHES]


# forward -------------------------------------------------------------------------------------------------------------


def _tangent(b: Builder, node: Node, tangents: Tangents) -> list[int | None]:
    active = {slot - 1 for slot, tangent in enumerate(tangents) if tangent is not None}
    everything = range(len(node.inputs) - 1)
    branches = _branches(node)
    moving = {position for branch in branches for position in linearized(branch, active, everything).moving}
    parts = [linearized(branch, active, everything, required=moving) for branch in branches]
    types = [[part.linear.type(id) for id in part.saved_inputs] for part in parts]
    saved = _save(b, node, parts, types)
    passed = sorted({position for part in parts for position in part.passed})
    arguments = [tangent for tangent in tangents[1:] if tangent is not None]
    arguments += [node.inputs[position + 1] for position in passed]
    bodies = {
        name: Subgraph(_widened(part, number, passed, types))
        for number, (name, part) in enumerate(zip(BRANCHES, parts))
    }
    result = b.emit("cond", node.inputs[0], *arguments, *saved, **bodies)
    found: list[int | None] = [None] * len(branches[0].outputs)
    for place, position in enumerate(parts[0].moving):
        found[position] = b.item(result, position=place)
    return found


def _save(b: Builder, node: Node, parts: Sequence[Linearized], types: Sequence[Sequence[TensorType]]) -> list[int]:
    """Take the branch with what the way back needs among its results: first what one branch saves, then the other."""
    if not any(part.saved for part in parts):
        return []
    count = len(parts[0].known.outputs) - parts[0].saved
    bodies = {}
    for number, (name, part) in enumerate(zip(BRANCHES, parts)):
        inner = ops.build(part.known)
        others = [zeros(inner, type) for type in types[1 - number]]
        own = part.known.outputs[count:]
        part.known.outputs = [*part.known.outputs[:count], *(own + others if number == 0 else others + own)]
        bodies[name] = Subgraph(part.known)
    full = b.emit("cond", *node.inputs, **bodies)
    b.replaced[node.id] = full
    return [b.item(full, position=count + place) for place in range(sum(map(len, types)))]


def _widened(part: Linearized, number: int, passed: Sequence[int], types: Sequence[Sequence[TensorType]]) -> Graph:
    """A branch's linear part with the inputs of both: tangents, what either reads, what either saved (of `types`)."""
    graph = part.linear
    b = ops.build(graph)
    places = dict(zip(part.passed, graph.inputs[len(part.active) :]))
    for position in passed:
        if position not in places:
            places[position] = _input(b, part.known.type(part.known.inputs[position]))
    saved = [part.saved_inputs, part.saved_inputs]
    saved[1 - number] = [_input(b, type) for type in types[1 - number]]
    tangents = graph.inputs[: len(part.active)]
    graph.inputs = [*tangents, *(places[position] for position in passed), *saved[0], *saved[1]]
    return graph


def _input(b: Builder, type: TensorType) -> int:
    return b.input(shape=type.shape, dtype=type.dtype)


# backward ------------------------------------------------------------------------------------------------------------


class _Cond(Special):
    def batched(
        self, b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension
    ) -> list[tuple[int, bool]]:
        """One branch for the whole batch; where the condition is a batch too, both, and a choice for each."""
        chosen = {slot - 1 for slot, on in enumerate(batched) if on and slot}
        branches = _branches(node)
        found = [batch(branch, chosen, size, (), b.batch_axis) for branch in branches]
        either = {place for part in found for place, on in enumerate(part.outputs) if on or batched[0]}
        parts = [batch(branch, chosen, size, either, b.batch_axis) for branch in branches]
        if not batched[0]:
            bodies = {name: Subgraph(part.graph) for name, part in zip(BRANCHES, parts)}
            result = b.emit("cond", *inputs, **bodies)
            return [(b.item(result, position=place), on) for place, on in enumerate(parts[0].outputs)]
        results = [inline(b, part.graph, inputs[1:]) for part in parts]
        return [(choose(b, inputs[0], one, other), True) for one, other in zip(*results)]

    def executed(self, call: Any, inputs: Sequence[int]) -> list[int]:
        """The branch that is taken."""
        name = BRANCHES[0] if call.value(inputs[0]) else BRANCHES[1]
        found: list[int] = call.body(call.node.attributes[name].graph, inputs[1:], name)
        return found

    def pull_back(self, b: Builder, call: LinearCall, cotangent: dict[int, int]) -> dict[int, int]:
        linear = [slot - 1 for slot, operand in enumerate(call.operands) if operand is None]
        turned = [Transposed(branch, linear, cotangent) for branch in _branches(call)]
        reached = sorted({position for branch in turned for position in branch.adjoints})
        for branch in turned:
            branch.graph.inputs = [*branch.seeds.values(), *branch.kept.values()]
            branch.graph.outputs = [branch.adjoint(position) for position in reached]
        seeds = [cotangent[position] for position in turned[0].seeds]
        kept = [call.operand(position + 1) for position in turned[0].kept]
        bodies = {name: Subgraph(branch.graph) for name, branch in zip(BRANCHES, turned)}
        result = b.emit("cond", call.operand(0), *seeds, *kept, **bodies)
        return {position + 1: b.item(result, position=place) for place, position in enumerate(reached)}


def choose(b: Builder, conditions: int, one: int, other: int) -> int:
    """For each of a batch, its entry of `one` where its condition holds, else that of `other`."""
    shape = b.type(one).shape
    mask = b.reshape(conditions, shape=(shape[0], *(1 for _ in shape[1:])))
    return b.where(b.broadcast(mask, shape=shape), one, other)


register(
    _Cond(
        name="cond",
        summary="the results of one of two graphs, as a condition says",
        arity=None,
        shape=_shape,
        reference=_reference,
        tangent_rule=_tangent,
        kernel="cond",
    )
)
