"""The derivative of a subgraph in two parts: its values, with what must be kept of them, and what is linear."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .. import ops
from ..derive import Forward, depending, extract, forward
from ..graph import Graph, TensorType
from ..graph.types import equal


@dataclass(frozen=True, slots=True)
class Linearized:
    """`known` takes the subgraph's inputs and gives its outputs, then the values to save.

    `linear` takes the tangents of the inputs at `active`, the inputs at `passed`, then the saved values, and gives the
    tangents of the outputs at `moving`. All are positions, ascending.
    """

    known: Graph
    linear: Graph
    active: tuple[int, ...]
    passed: tuple[int, ...]
    moving: tuple[int, ...]

    @property
    def saved_inputs(self) -> list[int]:
        """The inputs of `linear` that are saved values."""
        return self.linear.inputs[len(self.active) + len(self.passed) :]

    @property
    def saved(self) -> int:
        """How many values are saved."""
        return len(self.saved_inputs)


def linearized(
    graph: Graph,
    active: Collection[int],
    passable: Collection[int],
    invariant: Collection[int] = (),
    required: Collection[int] = (),
    save: bool = True,
) -> Linearized:
    """Differentiate a subgraph with respect to its inputs at `active`.

    The linear part may read the inputs at `passable` directly; other values that it needs are saved, or computed again
    if that is cheap, if they depend on `invariant` inputs alone, or always where `save` is False. The outputs at
    `required` get tangents even where these are zero.
    """
    derived = forward(graph, [graph.inputs[position] for position in sorted(active)])
    tangents = output_tangents(graph, derived)
    moving = sorted({*required, *(p for p, id in enumerate(graph.outputs) if id in derived.tangent)})
    wanted = [tangents[position] for position in moving]
    inputs = {derived.primal[id]: position for position, id in enumerate(graph.inputs)}
    varying = depending(derived.graph, [id for id, position in inputs.items() if position not in invariant])
    passed, saved = _leaves(derived, wanted, inputs, passable, varying, save)
    values = derived.graph.inputs[: len(graph.inputs)]
    known = extract(derived.graph, values, [*derived.graph.outputs[: len(graph.outputs)], *saved])
    given = [derived.tangent[graph.inputs[position]] for position in sorted(active)]
    linear = extract(derived.graph, [*given, *(values[position] for position in passed), *saved], wanted)
    return Linearized(known, linear, tuple(sorted(active)), tuple(passed), tuple(moving))


def output_tangents(graph: Graph, derived: Forward) -> dict[int, int]:
    """The tangent of each floating-point output, by position; zeros where it does not depend on the inputs."""
    floats = [position for position, id in enumerate(graph.outputs) if graph.type(id).is_float]
    return dict(zip(floats, derived.graph.outputs[len(graph.outputs) :]))


def _leaves(
    derived: Forward,
    wanted: Sequence[int],
    inputs: dict[int, int],
    passable: Collection[int],
    varying: set[int],
    save: bool,
) -> tuple[list[int], list[int]]:
    """Where the linear part begins: the positions of inputs that it reads, and the ids of values to save."""
    graph, primal = derived.graph, set(derived.primal.values())
    passed, saved, seen = set[int](), set[int](), set[int]()
    waiting = list(wanted)
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        if id in inputs and inputs[id] in passable:
            passed.add(inputs[id])
        elif id in derived.linear or (
            id not in inputs and (not save or id not in varying or is_cheap(graph, id, id in primal))
        ):
            waiting.extend(graph.node(id).inputs)
        else:
            saved.add(id)
    return sorted(passed), sorted(saved)


def is_cheap(graph: Graph, id: int, is_primal: bool) -> bool:
    """Whether to compute a value again rather than to save it.

    That is so for what is filled from nothing, for moves that do not make a value smaller, and, among what only the
    derivative needs (local partials), for all that goes entry by entry.
    """
    node = graph.node(id)
    if not isinstance(node.type, TensorType) or node.op == "item":
        return False
    record = ops.get(node.op)
    if not node.inputs or (record.kind == "elementwise" and not is_primal):
        return True
    sizes = [graph.type(source).size for source in node.inputs]
    return (
        record.index_map is not None
        and len(sizes) == 1
        and (record.repeats or equal(node.tensor.size, sizes[0]) is True)
    )
