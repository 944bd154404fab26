"""A linear subgraph read backwards: from cotangents of its outputs to cotangents of its linear inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .. import ops
from ..derive import accumulate, copy_node, depending, pull_back
from ..graph import Graph
from ..ops import Builder


class Transposed:
    """`graph` takes the cotangents of the outputs at `seeded`, and the inputs of `body` that are not `linear`.

    `seeds` and `kept` are those inputs, by position; `adjoints` the cotangents of the linear inputs by position, those
    left out that are zero. Whoever asks for it says which inputs and outputs, in which order, the graph shall have.
    """

    def __init__(self, body: Graph, linear: Sequence[int], seeded: Collection[int]) -> None:
        self.body = body
        self.graph = Graph()
        self.b = ops.build(self.graph)
        self.seeds = {position: self.input(body.outputs[position]) for position in sorted(seeded)}
        fixed = [position for position in range(len(body.inputs)) if position not in linear]
        self.kept = {position: self.input(body.inputs[position]) for position in fixed}
        reach = depending(body, [body.inputs[position] for position in linear])
        found = self._walk(reach)
        pairs = ((position, found.get(body.inputs[position])) for position in linear)
        self.adjoints: dict[int, int] = {position: id for position, id in pairs if id is not None}

    def _walk(self, reach: set[int]) -> dict[int, Any]:
        """The cotangents of the linear nodes."""
        ids = {self.body.inputs[position]: id for position, id in self.kept.items()}
        for node in self.body.nodes():
            if node.id not in reach and node.id not in ids:
                ids[node.id] = copy_node(self.b, node, [ids[source] for source in node.inputs])
        found: dict[int, Any] = {}
        for position, seed in self.seeds.items():
            if self.body.outputs[position] in reach:
                accumulate(self.b, found, self.body.outputs[position], seed)
        pull_back(self.b, self.body, reach, ids, found)
        return found

    def input(self, id: int) -> int:
        """A new input of the type of a node of the body."""
        type = self.body.type(id)
        return self.b.input(shape=type.shape, dtype=type.dtype)

    def adjoint(self, position: int) -> int:
        """The cotangent of a linear input, zeros where there is none."""
        if position not in self.adjoints:
            self.adjoints[position] = zeros(self.b, self.body.type(self.body.inputs[position]))
        return self.adjoints[position]


def zeros(b: Builder, type: Any) -> int:
    """Zeros of a type."""
    return b.constant(0.0, type.shape, type.dtype)
