"""Numbers laid over a network's cards: any number per node, and the common ones measured here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from ...errors import RenderError
from ...graph import Graph, TensorType
from ..derived import adjoints
from ..execution import Execution
from ..sentences import Language

Total = Literal["sum", "norm", "mean", "largest"]
TOTALS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "sum": np.sum,
    "norm": np.linalg.norm,
    "mean": np.mean,
    "largest": lambda values: values[np.argmax(np.abs(values))],
}


MEASURED = ("seconds", "|gradient|", "statistic")
"""The names that are given here, not by the user."""


@dataclass(frozen=True)
class Numbers:
    """A number for some nodes, and how those of a group's nodes become the group's."""

    values: Mapping[int, float] = field(default_factory=dict)
    name: str = ""
    total: Total = "sum"

    def __post_init__(self) -> None:
        if self.total not in TOTALS:
            raise RenderError(f"the total must be one of {', '.join(TOTALS)}, not {self.total!r}")

    def label(self, words: Language) -> str:
        """What the numbers are, in words; empty if there are none."""
        name = words.sentences.get(self.name, self.name) if self.name in MEASURED else self.name
        return words.say(f"total {self.total}", name=name or words.say("overlay numbers")) if self.values else ""

    def of(self, nodes: Iterable[int]) -> float | None:
        """A group's number; None if no node has one."""
        known = [self.values[id] for id in nodes if id in self.values]
        return float(TOTALS[self.total](np.array(known, "float64"))) if known else None


def times(graph: Graph, inputs: Sequence[Any], repeat: int = 3) -> Numbers:
    """The seconds that each node takes in the reference interpreter, the least of ``repeat`` runs; added up."""
    least: dict[int, float] = {}
    for _ in range(repeat):
        execution = Execution(graph, inputs)
        for id in graph.reachable():
            start = time.perf_counter()
            execution.run(id)
            taken = time.perf_counter() - start
            least[id] = min(taken, least.get(id, taken))
    return Numbers({id: taken for id, taken in least.items() if graph.node(id).inputs}, "seconds")


def gradient_norms(graph: Graph, inputs: Sequence[Any]) -> Numbers:
    """The norm of each node's adjoint, by the sum of the graph's first floating-point output; together, their norm."""
    edges = {
        (node.id, slot): operand
        for node in graph.nodes()
        for slot, operand in enumerate(node.inputs)
        if is_float(graph, operand)
    }
    output = next((id for id in graph.outputs if is_float(graph, id)), None)
    if output is None:
        raise RenderError("the graph has no floating-point output, so there are no gradients to show")
    derived = adjoints(graph, edges)[output]
    execution = Execution(replace(derived.graph, inputs=list(derived.inputs)), inputs, derived.seeds)
    execution.begin_sweep([np.ones_like(execution.run(derived.primal[output]))])
    found = {id: float(np.linalg.norm(execution.run(copy))) for id, copy in derived.derivative.items()}
    return Numbers(found, "|gradient|", "norm")


def activations(graph: Graph, inputs: Sequence[Any], statistic: Callable[[Any], Any], name: str = "") -> Numbers:
    """A statistic of each node's value, such as ``np.mean``; a group's is the mean of its nodes'."""
    execution = Execution(graph, inputs)
    found = {id: float(statistic(execution.run(id))) for id in graph.reachable() if is_float(graph, id)}
    return Numbers(found, name or getattr(statistic, "__name__", "statistic"), "mean")


def is_float(graph: Graph, id: int) -> bool:
    """Whether a node is an array of floating-point numbers."""
    kind = graph.node(id).type
    return isinstance(kind, TensorType) and kind.is_float
