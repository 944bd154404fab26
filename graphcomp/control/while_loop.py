"""The op `while_loop`: a body repeated while a condition on what it carries holds.

How often is not known before it runs, so there is no place to save what a way back would need: forward mode carries
tangents beside the values, reverse mode is refused. A loop with a bound is made of `scan` and `cond` instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import ops
from ..derive import copy_node, forward, inline
from ..errors import DerivativeError, DTypeError, ShapeError
from ..graph import Dimension, Graph, Node, Subgraph, TensorType, TupleType
from ..ops import Builder, LinearCall, Special, register
from ..ops.batching import spread
from ..ops.record import Tangents
from .batch import Batched, batch
from .cond import choose


def _shape(graph: Graph, *types: TensorType, condition: Subgraph, body: Subgraph, carries: int) -> TupleType:
    if condition.output_types != (TensorType((), "bool"),):
        raise DTypeError(
            f"the condition of a while_loop is one truth value, not {', '.join(map(str, condition.output_types))}."
        )
    for given, wanted in zip(types, body.input_types, strict=True):
        if given != wanted:
            raise ShapeError(f"an argument of a while_loop: {wanted} was expected, not {given}.")
    for given, wanted in zip(body.output_types, body.input_types[:carries], strict=True):
        if given != wanted:
            raise ShapeError(f"what a while_loop carries keeps its type: it comes in as {wanted}, goes out as {given}.")
    for inner in (condition, body):
        for requirement in inner.graph.requirements:
            graph.require_equal(requirement.left, requirement.right, requirement.reason, requirement.origin)
    return TupleType(body.output_types)


def _reference(*arrays: Any, condition: Any, body: Any, carries: int) -> Any:
    state, constants = list(arrays[:carries]), arrays[carries:]
    while condition(*state, *constants)[0]:
        state = body(*state, *constants)
    return tuple(state)


def _tangent(b: Builder, node: Node, tangents: Tangents) -> list[int | None]:
    """A loop that carries the values and their tangents; the tangents are taken from it, the values are not."""
    carries = node.attributes["carries"]
    body, condition = node.attributes["body"].graph, node.attributes["condition"].graph
    active = {slot for slot, tangent in enumerate(tangents) if tangent is not None}
    while True:
        derived = forward(body, [body.inputs[slot] for slot in sorted(active)])
        spread = {slot for slot in range(carries) if body.outputs[slot] in derived.tangent}
        if spread <= active:
            break
        active |= spread
    carried = sorted(slot for slot in active if slot < carries)
    fixed = sorted(slot for slot in active if slot >= carries)
    floats = [position for position, id in enumerate(body.outputs) if body.type(id).is_float]
    slopes = dict(zip(floats, derived.graph.outputs[carries:]))
    given = [derived.tangent[body.inputs[slot]] for slot in (*carried, *fixed)]
    values = derived.graph.inputs[: len(body.inputs)]
    split = len(carried)
    derived.graph.inputs = [*values[:carries], *given[:split], *values[carries:], *given[split:]]
    derived.graph.outputs = [*derived.graph.outputs[:carries], *(slopes[slot] for slot in carried)]
    types = [body.type(body.inputs[slot]) for slot in (*carried, *fixed)]
    test = _with_inputs(condition, carries, types[:split], types[split:])
    dots = [given_or_zeros(b, node, tangents, slot) for slot in (*carried, *fixed)]
    arguments = [*node.inputs[:carries], *dots[:split], *node.inputs[carries:], *dots[split:]]
    result = b.emit(
        "while_loop", *arguments, condition=Subgraph(test), body=Subgraph(derived.graph), carries=carries + split
    )
    found: list[int | None] = [None] * carries
    for place, slot in enumerate(carried):
        found[slot] = b.item(result, position=carries + place)
    return found


def given_or_zeros(b: Builder, node: Node, tangents: Tangents, slot: int) -> int:
    """The tangent of an argument."""
    tangent = tangents[slot]
    return b.zeros_like(node.inputs[slot]) if tangent is None else tangent


def _with_inputs(graph: Graph, carries: int, carried: list[TensorType], fixed: list[TensorType]) -> Graph:
    """The condition with further inputs, which it does not read: after what is carried, and at the end."""
    wider = Graph(requirements=list(graph.requirements))
    b = ops.build(wider)
    ids = {id: copy_node(b, graph.node(id), ()) for id in graph.inputs}
    more = [[b.input(shape=type.shape, dtype=type.dtype) for type in types] for types in (carried, fixed)]
    for node in graph.nodes():
        if node.id not in ids:
            ids[node.id] = copy_node(b, node, [ids[source] for source in node.inputs])
    own = [ids[id] for id in graph.inputs]
    wider.inputs = [*own[:carries], *more[0], *own[carries:], *more[1]]
    wider.outputs = [ids[id] for id in graph.outputs]
    return wider


class _While(Special):
    def batched(
        self, b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension
    ) -> list[tuple[int, bool]]:
        """Turns for the whole batch while any of it goes on; what has come to its end stays as it is."""
        carries = node.attributes["carries"]
        condition, body = node.attributes["condition"].graph, node.attributes["body"].graph
        chosen = {slot for slot, on in enumerate(batched) if on}
        while True:
            found = batch(body, chosen, size, (), b.batch_axis)
            more = {slot for slot in range(carries) if found.outputs[slot]}
            if batch(condition, chosen, size, (), b.batch_axis).outputs[0]:
                more |= set(range(carries))
            if more <= chosen:
                break
            chosen |= more
        turn = batch(body, chosen, size, {slot for slot in chosen if slot < carries}, b.batch_axis)
        test = batch(condition, chosen, size, (), b.batch_axis)
        if test.outputs[0]:
            turn, test = _each_on_its_own(turn.graph, test.graph, carries)
        arguments = [spread(b, id, batched[slot], size) if slot in chosen else id for slot, id in enumerate(inputs)]
        bodies = {"condition": Subgraph(test.graph), "body": Subgraph(turn.graph)}
        result = b.emit("while_loop", *arguments, **bodies, carries=carries)
        return [(b.item(result, position=slot), slot in chosen) for slot in range(carries)]

    def executed(self, call: Any, inputs: Sequence[int]) -> list[int]:
        """The body for as many turns as the condition holds."""
        carries = call.node.attributes["carries"]
        condition, body = call.node.attributes["condition"].graph, call.node.attributes["body"].graph
        state, constants = list(inputs[:carries]), inputs[carries:]
        turn = 0
        while call.value(call.body(condition, [*state, *constants], f"step.{turn}")[0]):
            state = call.body(body, [*state, *constants], f"step.{turn}")
            turn += 1
        return state

    def pull_back(self, b: Builder, call: LinearCall, cotangent: Any) -> dict[int, int]:
        where = f" At {b.origin}." if b.origin else ""
        raise DerivativeError(
            "reverse mode goes back through every step of a while_loop, and this one has no bound: give "
            f"`max_steps`, or use forward mode (jvp, jacfwd).{where}"
        )


def _each_on_its_own(turn: Graph, test: Graph, carries: int) -> tuple[Batched, Batched]:
    """A body that moves only those of the batch whose condition holds, and a condition that asks for any of them."""
    b = ops.build(test)
    count = b.sum(b.convert(test.outputs[0], dtype="int64"), axes=(0,))
    inner = ops.build(turn)
    (holds,) = inline(inner, test, turn.inputs)
    moved = [choose(inner, holds, new, old) for new, old in zip(turn.outputs, turn.inputs)]
    turn.outputs = moved
    test.outputs = [b.greater(count, b.constant(0, (), "int64"))]
    return Batched(turn, (True,) * carries), Batched(test, (False,))


register(
    _While(
        name="while_loop",
        summary="a body repeated while a condition on what it carries holds",
        arity=None,
        shape=_shape,
        reference=_reference,
        tangent_rule=_tangent,
        kernel="while_loop",
    )
)
