"""Patterns over graphs: what a rewrite rule looks for and what it puts there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from .. import ops
from ..graph import Graph
from ..ops import Builder


@dataclass(frozen=True, slots=True)
class Variable:
    """Matches any node; the same variable twice must be the same node."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Number:
    """Matches (or builds) an array filled with one value."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True)
class Call:
    """Matches an op applied to matching arguments; `name` remembers the node."""

    op: str
    arguments: tuple[Pattern, ...]
    name: str = ""

    @cached_property
    def heads(self) -> frozenset[str]:
        """Ops that the arguments of a call must have among them for it to match."""
        fixed = (part for part in self.arguments if not isinstance(part, Variable))
        return frozenset(part.op if isinstance(part, Call) else "constant" for part in fixed)

    def named(self, name: str) -> Call:
        return Call(self.op, self.arguments, name)

    def __str__(self) -> str:
        return f"{self.op}({', '.join(map(str, self.arguments))})"


Pattern: TypeAlias = Variable | Number | Call


class _Calls:
    """`call.add(x, 1)` is the pattern of that call; numbers become `Number`."""

    def __getattr__(self, op: str) -> Callable[..., Call]:
        return lambda *arguments: Call(op, tuple(Number(a) if isinstance(a, (int, float)) else a for a in arguments))


call = _Calls()


@dataclass(slots=True)
class Match:
    """What a pattern found: ids of variables and named calls, and the attributes and shape of the node at the root."""

    graph: Graph
    ids: dict[str, int]
    attributes: Mapping[str, Any]
    type: Any

    def __getitem__(self, name: str) -> int:
        return self.ids[name]


def match(
    pattern: Call, graph: Graph, op: str, inputs: tuple[int, ...], attributes: Mapping[str, Any], type: Any
) -> Match | None:
    """Match the call that is about to be made against `pattern`."""
    ids: dict[str, int] = {}
    if op == pattern.op and _match_arguments(pattern, graph, inputs, ids):
        return Match(graph, ids, attributes, type)
    return None


def _match_arguments(pattern: Call, graph: Graph, inputs: tuple[int, ...], ids: dict[str, int]) -> bool:
    if len(pattern.arguments) != len(inputs):
        return False
    orders = [inputs, inputs[::-1]] if ops.get(pattern.op).commutative else [inputs]
    for order in orders:
        trial = dict(ids)
        if all(_match(part, graph, id, trial) for part, id in zip(pattern.arguments, order)):
            ids.update(trial)
            return True
    return False


def _match(pattern: Pattern, graph: Graph, id: int, ids: dict[str, int]) -> bool:
    if isinstance(pattern, Variable):
        return ids.setdefault(pattern.name, id) == id
    node = graph.node(id)
    if isinstance(pattern, Number):
        return node.op == "constant" and node.attributes["value"] == pattern.value
    if node.op != pattern.op or not _match_arguments(pattern, graph, node.inputs, ids):
        return False
    if pattern.name:
        ids[pattern.name] = id
    return True


def instantiate(pattern: Pattern, b: Builder, found: Match) -> int:
    """Build the nodes of a replacement; numbers get the shape and dtype of the result."""
    if isinstance(pattern, Variable):
        return found[pattern.name]
    if isinstance(pattern, Number):
        return b.constant(pattern.value, found.type.shape, found.type.dtype)
    return b.emit(pattern.op, *(instantiate(part, b, found) for part in pattern.arguments))
