"""Adds typed nodes to a graph. Derivative rules and passes are written against this.

A builder promotes nothing and broadcasts nothing: arguments must already have the shapes and dtypes that the op's
record asks for. (The tracer, which users meet, makes promotion and broadcasting explicit before it comes here.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import GraphcompError
from ..graph import Graph, Node, Origin, TensorType
from ..graph.types import Dimension


class Builder:
    """`b.op_name(id, …, attribute=…)` appends a node of that op and returns its id.

    New nodes get the builder's current `scope` and `origin`. `partials[(node, slot)]` remembers the local partial
    derivatives that elementwise ops were asked for; `replaced[node]` is the node that stands for it where a forward
    rule needs more results of it, such as what a loop must save for the way back. `batch_axis` is the name of the axis
    over which a graph is being batched.
    """

    def __init__(self, graph: Graph, records: Callable[[str], Any]) -> None:
        self.graph = graph
        self.scope = ""
        self.origin: Origin | None = None
        self.partials: dict[tuple[int, int], int] = {}
        self.replaced: dict[int, int] = {}
        self.batch_axis = ""
        self._records = records

    def emit(self, name: str, /, *inputs: int, **attributes: Any) -> int:
        types = [self.graph.node(id).type for id in inputs]
        before = len(self.graph.requirements)
        try:
            type = self._records(name).infer(self.graph, types, attributes)
        except GraphcompError as error:
            if self.origin is not None and str(self.origin) not in str(error):
                raise error.__class__(f"{error} At {self.origin}.") from None
            raise
        for index in range(before, len(self.graph.requirements)):
            requirement = self.graph.requirements[index]
            if requirement.origin is None and self.origin is not None:
                self.graph.requirements[index] = requirement.__class__(
                    requirement.left, requirement.right, requirement.reason, self.origin
                )
        return self.graph.add(name, inputs, attributes, type, self.scope, self.origin)

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *inputs, **attributes: self.emit(name, *inputs, **attributes)

    def type(self, id: int) -> TensorType:
        return self.graph.type(id)

    def at(self, node: Node, part: str = "") -> Builder:
        """Take scope and origin from `node` for what is built next: its value, or the named part of its derivative."""
        self.scope, self.origin = node.scope, node.origin
        if part and node.origin is not None:
            self.origin = Origin(node.origin.file, node.origin.line, part)
        return self

    def constant(self, value: float | int | bool, shape: Sequence[Dimension], dtype: str) -> int:
        """An array of `shape` filled with one value."""
        return self.emit("constant", value=value, shape=tuple(shape), dtype=dtype)

    def constant_like(self, id: int, value: float | int | bool) -> int:
        type = self.type(id)
        return self.constant(value, type.shape, type.dtype)

    def zeros_like(self, id: int) -> int:
        return self.constant_like(id, 0.0)

    def constant_value(self, id: int) -> Any:
        """The fill value if `id` is a constant, else None."""
        node = self.graph.node(id)
        return node.attributes["value"] if node.op == "constant" else None

    def scale(self, factor: int, value: int) -> int:
        """factor · value for a tangent or cotangent `value`, without multiplying by a constant one.

        Where `value` is masked, `where(m, v, 0)`, the result is `where(m, factor · v, 0)`: a factor that is infinite
        or NaN outside the mask must not reach the sum as 0 · ∞.
        """
        known = self.constant_value(factor)
        if known == 1:
            return value
        if known == -1:
            return self.emit("negative", value)
        node = self.graph.node(value)
        if node.op == "where" and self.constant_value(node.inputs[2]) == 0:
            mask, inner, zero = node.inputs
            return self.emit("where", mask, self.emit("multiply", factor, inner), zero)
        return self.emit("multiply", factor, value)

    def mask(self, condition: int, value: int) -> int:
        """where(condition, value, 0), with an inner mask of `value` joined to it."""
        node = self.graph.node(value)
        if node.op == "where" and self.constant_value(node.inputs[2]) == 0:
            inner, value, zero = node.inputs
            return self.emit("where", self.emit("logical_and", condition, inner), value, zero)
        return self.emit("where", condition, value, self.zeros_like(value))
