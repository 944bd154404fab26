"""The op `scan`: a body repeated along sequences, with values carried from step to step.

    carryₜ₊₁, yₜ = body(carryₜ, xₜ, constants)

Its derivative is a loop like itself. Forward: the body's values are computed once more with what must be saved of them,
and a second loop, linear in the tangents, reads what was saved. Backward: that linear loop, transposed, runs in the
other direction; the cotangents of constants are carried and added up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from ..errors import ShapeError
from ..graph import Dimension, Graph, Node, Subgraph, TensorType, TupleType
from ..ops import Builder, LinearCall, Special, register
from ..ops.batching import spread
from ..ops.record import Attributes, Tangents
from .batch import batch
from .linearized import Linearized, linearized
from .transposed import Transposed, zeros

MOST_STEPS_FOLLOWED = 5_000
"""How many nodes are looked at to find out what the results of a loop depend on."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A scan's attributes, and how its arguments divide: carried values, sequences, constants."""

    body: Graph
    length: Dimension
    carries: int
    sequences: int
    reverse: bool
    save: bool

    @classmethod
    def of(cls, attributes: Attributes) -> Loop:
        return cls(**{**attributes, "body": attributes["body"].graph})

    @property
    def constants(self) -> range:
        """The slots of what every step reads."""
        return range(self.carries + self.sequences, len(self.body.inputs))

    def is_sequence(self, slot: int) -> bool:
        return self.carries <= slot < self.carries + self.sequences

    def step_type(self, slot: int, type: TensorType) -> TensorType:
        """The type of an argument as the body sees it."""
        return type.with_shape(type.shape[1:]) if self.is_sequence(slot) else type


def _shape(
    graph: Graph, *types: TensorType, body: Subgraph, length: Dimension, carries: int, sequences: int, reverse: bool,
    save: bool,
) -> TupleType:  # fmt: skip
    if len(types) != len(body.graph.inputs):
        raise ShapeError(f"the body of a scan takes {len(body.graph.inputs)} values, not {len(types)}.")
    for slot, (given, inner) in enumerate(zip(types, body.input_types)):
        is_sequence = carries <= slot < carries + sequences
        outer = inner.with_shape((length, *inner.shape)) if is_sequence else inner
        _require_type(graph, f"argument {slot} of a scan", given, outer)
    for given, wanted in zip(body.output_types[:carries], body.input_types):
        _require_type(graph, "what a scan carries keeps its type", given, wanted)
    for requirement in body.graph.requirements:
        graph.require_equal(requirement.left, requirement.right, requirement.reason, requirement.origin)
    results = body.output_types
    return TupleType((*results[:carries], *(y.with_shape((length, *y.shape)) for y in results[carries:])))


def _require_type(graph: Graph, what: str, given: TensorType, wanted: TensorType) -> None:
    fits = given.dtype == wanted.dtype and given.rank == wanted.rank
    for left, right in zip(given.shape, wanted.shape):
        if graph.require_equal(left, right, what) is False:
            fits = False
    if not fits:
        raise ShapeError(f"{what}: {wanted} was expected, not {given}.")


def _reference(*arrays: Any, body: Any, length: int, carries: int, sequences: int, reverse: bool, save: bool) -> Any:
    state, constants = list(arrays[:carries]), arrays[carries + sequences :]
    results = [np.zeros((length, *type.shape), type.dtype) for type in body.types[carries:]]
    for step in reversed(range(length)) if reverse else range(length):
        found = body(*state, *(x[step] for x in arrays[carries : carries + sequences]), *constants)
        state = found[:carries]
        for result, entry in zip(results, found[carries:]):
            result[step] = entry
    return (*state, *results)


# forward -------------------------------------------------------------------------------------------------------------


def _tangent(b: Builder, node: Node, tangents: Tangents) -> list[int | None]:
    loop = Loop.of(node.attributes)
    part = _spread(loop, {slot for slot, tangent in enumerate(tangents) if tangent is not None})
    saved = _save(b, node, loop, part)
    result = _linear_loop(b, node, loop, part, tangents, saved)
    found: list[int | None] = [None] * len(loop.body.outputs)
    for position, moving in enumerate(part.moving):
        found[moving] = b.item(result, position=position)
    return found


def _spread(loop: Loop, active: set[int]) -> Linearized:
    """Linearize the body; a carried value that gets a tangent at one step has one at the next."""
    passable = range(loop.carries, len(loop.body.inputs))
    while True:
        carried = [slot for slot in active if slot < loop.carries]
        part = linearized(loop.body, active, passable, loop.constants, carried, loop.save)
        spread = {position for position in part.moving if position < loop.carries}
        if spread <= active:
            return part
        active |= spread


def _save(b: Builder, node: Node, loop: Loop, part: Linearized) -> list[int]:
    """Repeat the loop with the values that the way back needs among its results, one for each step."""
    if not part.saved:
        return []
    full = b.emit("scan", *node.inputs, **{**node.attributes, "body": Subgraph(part.known)})
    b.replaced[node.id] = full
    first = len(loop.body.outputs)
    return [b.item(full, position=first + position) for position in range(part.saved)]


def _linear_loop(b: Builder, node: Node, loop: Loop, part: Linearized, tangents: Tangents, saved: Sequence[int]) -> int:
    """The loop over tangents. Its sequences are tangents, sequences that are read, and saved values."""
    arguments: list[tuple[int, int, int]] = []
    inner = iter(part.linear.inputs)
    for slot in part.active:
        tangent = tangents[slot]
        arguments.append((slot, b.zeros_like(node.inputs[slot]) if tangent is None else tangent, next(inner)))
    arguments += [(slot, node.inputs[slot], next(inner)) for slot in part.passed]
    stacked = [(id, next(inner)) for id in saved]
    carries = [(id, place) for slot, id, place in arguments if slot < loop.carries]
    sequences = [(id, place) for slot, id, place in arguments if loop.is_sequence(slot)] + stacked
    constants = [(id, place) for slot, id, place in arguments if slot in loop.constants]
    ordered = [*carries, *sequences, *constants]
    part.linear.inputs = [place for _, place in ordered]
    return b.emit(
        "scan", *(id for id, _ in ordered), body=Subgraph(part.linear), length=loop.length, carries=len(carries),
        sequences=len(sequences), reverse=loop.reverse, save=loop.save,
    )  # fmt: skip


def _rows_of_step(loop: Loop, slot: int, pattern: Any, step: int) -> Any:
    """The part of an argument's pattern that the body sees at a step."""
    if pattern is None or not loop.is_sequence(slot):
        return pattern
    size = pattern.shape[0] // int(loop.length)
    return pattern[step * size : (step + 1) * size]


# backward ------------------------------------------------------------------------------------------------------------


class _Scan(Special):
    kind: ClassVar[str] = "special"

    def dependencies(self, node: Node, given: Sequence[Any], through: Callable[..., list[Any]]) -> list[Any] | None:
        """Step by step; of a long loop all results may depend on all arguments."""
        loop = Loop.of(node.attributes)
        if not isinstance(loop.length, int) or not 0 < loop.length * len(loop.body) <= MOST_STEPS_FOLLOWED:
            return None
        patterns = list(given)
        ys: list[list[Any]] = []
        for step in reversed(range(loop.length)) if loop.reverse else range(loop.length):
            found = through(loop.body, [_rows_of_step(loop, slot, p, step) for slot, p in enumerate(patterns)])
            patterns[: loop.carries] = found[: loop.carries]
            ys.append(found[loop.carries :])
        ordered = ys[::-1] if loop.reverse else ys
        stacked = [scipy.sparse.csr_array(scipy.sparse.vstack(column, format="csr")) for column in zip(*ordered)]
        return [*patterns[: loop.carries], *stacked]

    def batched(
        self, b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension
    ) -> list[tuple[int, bool]]:
        """The loop over batches; in sequences the batch's axis stands behind that of the steps."""
        loop = Loop.of(node.attributes)
        chosen = {slot for slot, on in enumerate(batched) if on}
        while True:
            body = batch(loop.body, chosen, size, {slot for slot in chosen if slot < loop.carries}, b.batch_axis)
            more = {slot for slot in range(loop.carries) if body.outputs[slot]} - chosen
            if not more:
                break
            chosen |= more
        arguments = []
        for slot, id in enumerate(inputs):
            if slot in chosen:
                id = spread(b, id, batched[slot], size)
            arguments.append(swapped(b, id) if slot in chosen and loop.is_sequence(slot) else id)
        result = b.emit(node.op, *arguments, **{**node.attributes, "body": Subgraph(body.graph)})
        items = [b.item(result, position=position) for position in range(len(body.outputs))]
        return [
            (swapped(b, id) if on and position >= loop.carries else id, on)
            for position, (id, on) in enumerate(zip(items, body.outputs))
        ]

    def executed(self, call: Any, inputs: Sequence[int]) -> list[int]:
        """The body for each step, in the order in which they run."""
        loop = Loop.of(call.node.attributes)
        state, constants = list(inputs[: loop.carries]), [inputs[slot] for slot in loop.constants]
        sequences = inputs[loop.carries : loop.carries + loop.sequences]
        ys: dict[int, list[int]] = {}
        rows: dict[int, list[int]] = {}
        for step in reversed(range(loop.length)) if loop.reverse else range(loop.length):
            part = f"step.{step}" if loop.length > 1 else ""
            entries = [call.entry(sequence, step, part) for sequence in sequences]
            found = call.body(loop.body, [*state, *entries, *constants], part)
            state, ys[step] = found[: loop.carries], found[loop.carries :]
            rows[step] = [call.row(y, part) for y in ys[step]]
        for place, type in enumerate(call.node.type.items[loop.carries :]):
            values = [[made[step][place] for step in range(loop.length)] for made in (ys, rows)]
            state.append(call.stack(*values, type))
        return state

    def pull_back(self, b: Builder, call: LinearCall, cotangent: dict[int, int]) -> dict[int, int]:
        """The loop over cotangents.

        It carries the cotangents of what was carried and the sums for constants, reads the cotangents of the ys and
        what was read before, and gives the cotangents of the sequences.
        """
        loop = Loop.of(call.attributes)
        # What is carried is linear as a whole, also where it starts from zeros instead of a tangent.
        linear = [slot for slot, operand in enumerate(call.operands) if operand is None or slot < loop.carries]
        ys = {position for position in cotangent if position >= loop.carries}
        turned = Transposed(loop.body, linear, {*range(loop.carries), *ys})
        sums = [slot for slot in linear if slot in loop.constants and slot in turned.adjoints]
        sequences = [slot for slot in linear if loop.is_sequence(slot) and slot in turned.adjoints]
        _order(turned, loop, sums, sequences)
        start = [cotangent[slot] if slot in cotangent else zeros(b, call.types[slot]) for slot in range(loop.carries)]
        start += [zeros(b, call.types[slot]) for slot in sums]
        read = [call.operand(slot) for slot in turned.kept if loop.is_sequence(slot)]
        fixed = [call.operand(slot) for slot in turned.kept if slot in loop.constants]
        stacked = [*(cotangent[position] for position in turned.seeds if position in ys), *read]
        result = b.emit(
            "scan", *start, *stacked, *fixed, body=Subgraph(turned.graph), length=loop.length, carries=len(start),
            sequences=len(stacked), reverse=not loop.reverse, save=loop.save,
        )  # fmt: skip
        slots = enumerate((*range(loop.carries), *sums, *sequences))
        return {slot: b.item(result, position=place) for place, slot in slots if call.operands[slot] is None}


def swapped(b: Builder, id: int) -> int:
    """The first two axes exchanged."""
    rank = b.type(id).rank
    return b.transpose(id, axes=(1, 0, *range(2, rank)))


def _order(turned: Transposed, loop: Loop, sums: Sequence[int], sequences: Sequence[int]) -> None:
    """Give the transposed body the inputs and outputs of a loop's body."""
    carried = {slot: seed for slot, seed in turned.seeds.items() if slot < loop.carries}
    before = {slot: turned.input(loop.body.inputs[slot]) for slot in sums}
    stacked = [seed for slot, seed in turned.seeds.items() if slot >= loop.carries]
    read = [place for slot, place in turned.kept.items() if loop.is_sequence(slot)]
    fixed = [place for slot, place in turned.kept.items() if slot in loop.constants]
    turned.graph.inputs = [*carried.values(), *before.values(), *stacked, *read, *fixed]
    after = [turned.adjoint(slot) for slot in carried]
    totals = [turned.b.add(before[slot], turned.adjoint(slot)) for slot in sums]
    turned.graph.outputs = [*after, *totals, *(turned.adjoint(slot) for slot in sequences)]


register(
    _Scan(
        name="scan",
        summary="a body repeated along sequences, with values carried from step to step",
        arity=None,
        shape=_shape,
        reference=_reference,
        tangent_rule=_tangent,
        kernel="scan",
    )
)
