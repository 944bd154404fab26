"""What happens when a function is compiled: every pass with what it leaves and its time, and every rewrite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import sympy as sp

from ...emit import Source, emit_cpu
from ...graph import Graph, TensorType
from ...jit import Jitted
from ...nn import Module
from ...schedule import Program, schedule
from ...simplify.simplify import ALL, STABILISING, Round, rounds
from ...trace import TracedGraph, trace
from ...transform import as_function, value_and_grad
from ..explain import applied, call_arguments
from ..sentences import LANGUAGES, Language
from .rewrites import Walk, first_names, fresh_names

Result = TypeVar("Result")


@dataclass(frozen=True)
class Pass:
    """A pass: its name, what it leaves in words, and how long it took (None where that is part of the pass before)."""

    name: str
    leaves: str
    seconds: float | None = None


@dataclass(frozen=True)
class Compilation:
    """Every stage of one program; ``walks`` are the rewriting passes by name, in order.

    ``from_code``: whether the nodes' origins are lines that the user wrote, which a formula does not have.
    """

    title: str
    passes: tuple[Pass, ...]
    walks: tuple[tuple[str, Walk], ...]
    simplified: Graph
    symbols: Mapping[int, Any]
    program: Program
    source: Source
    from_code: bool = True
    words: Language = LANGUAGES["en"]

    @property
    def seconds(self) -> float:
        """All passes together."""
        return sum(done.seconds or 0.0 for done in self.passes)


@dataclass(frozen=True)
class Begun:
    """A traced source: the graph before derivatives, the graph to compile, and the seconds for each."""

    title: str
    traced: Sequence[Graph]
    derived: TracedGraph
    trace_seconds: float
    derive_seconds: float | None


def compiled(
    source: Any, at: Mapping[str, Any] | Sequence[Any] | None = None, words: Language = LANGUAGES["en"]
) -> Compilation:
    """Compile up to the generated source, which is where Numba takes over, and keep every stage."""
    begun = begin(source, at, words)

    def nodes(number: int) -> str:
        return words.counted("node", number)

    stabilised: list[tuple[str, Walk]] = []
    seconds, found = timed(lambda: [list(rounds(graph, STABILISING)) for graph in begun.traced])
    for graph, done in zip(begun.traced, found, strict=True):
        stabilised.extend(("stabilise", walk) for walk in walks(graph, done)[0])
    simplify_seconds, simplified = timed(lambda: list(rounds(begun.derived, ALL)))
    told, symbols = walks(begun.derived, simplified)
    graph = simplified[-1].after
    schedule_seconds, program = timed(lambda: schedule(graph))
    emit_seconds, text = timed(lambda: emit_cpu(program, graph))
    passes = [Pass("trace", nodes(sum(map(len, begun.traced)) or len(begun.derived)), begun.trace_seconds)]
    if begun.traced:
        stable = sum(len(done[-1].after) for done in found)
        passes.append(Pass("stabilise", nodes(stable), seconds))
        passes.append(Pass("derive", nodes(len(begun.derived)), begun.derive_seconds))
    passes += [
        Pass("simplify", nodes(len(graph)), simplify_seconds),
        Pass("schedule", words.counted("kernel", len(program.kernels)), schedule_seconds),
        Pass("emit", words.counted("line", len(text.text.splitlines())), emit_seconds),
    ]
    return Compilation(
        begun.title,
        tuple(passes),
        (*stabilised, *(("simplify", walk) for walk in told)),
        graph,
        symbols,
        program,
        text,
        not isinstance(source, (str, sp.Basic)),
        words,
    )


def walks(graph: Graph, done: Sequence[Round]) -> tuple[list[Walk], Mapping[int, Any]]:
    """The walks with a name for every value, and the names in the last graph."""
    names, fresh = first_names(graph), fresh_names(graph)
    found: list[Walk] = []
    for walk in done:
        found.append(Walk(walk, names, fresh))
        names = found[-1].names_after()
    return found, names


def begin(source: Any, at: Mapping[str, Any] | Sequence[Any] | None, words: Language) -> Begun:
    """Trace a source: a function as it is, a formula with its gradient."""
    if isinstance(source, Jitted):
        return begin(source.function, at, words)
    if isinstance(source, Module):
        values = [source, *call_arguments(source, at)]
        seconds, graph = timed(lambda: trace(applied(source), *values))
        return Begun(type(source).__name__, graph.derivations, graph, seconds, None)
    if callable(source) and not isinstance(source, (sp.Basic, Graph)):
        arguments = call_arguments(source, at)
        seconds, graph = timed(lambda: trace(source, *arguments))
        title = words.say("the function", name=getattr(source, "__name__", "")).strip()
        return Begun(title, graph.derivations, graph, seconds, None)
    seconds, graph = timed(lambda: trace(source, **types_of(at)))
    count = tuple(range(len(graph.inputs)))
    title = words.say("a graph") if isinstance(source, Graph) else str(source)
    if not has_gradient(graph):
        return Begun(title, graph.derivations, graph, seconds, None)
    types = [graph.type(id) for id in graph.inputs]
    derive_seconds, derived = timed(lambda: trace(value_and_grad(as_function(graph), count), *types))
    return Begun(words.say("value and gradient", what=title), derived.derivations, derived, seconds, derive_seconds)


def has_gradient(graph: TracedGraph) -> bool:
    """Whether a graph is of one number, made of floating-point values: a formula, not a whole training step."""
    result = [graph.node(id).type for id in graph.outputs]
    single = len(result) == 1 and isinstance(result[0], TensorType) and result[0].is_float and not result[0].shape
    named = all(path.isidentifier() for path in graph.argument_structure.paths())
    return single and named and bool(graph.inputs) and all(graph.type(id).is_float for id in graph.inputs)


def types_of(at: Mapping[str, Any] | Sequence[Any] | None) -> dict[str, Any]:
    """Examples for a formula's arrays; its numbers need none."""
    if not isinstance(at, Mapping):
        return {}
    return {str(name): np.asarray(value, "float64") for name, value in at.items() if np.ndim(value)}


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """How long some work takes, and what it gives."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def passes_in_words(passes: Sequence[Pass]) -> Iterator[str]:
    """``simplify: 7 nodes``."""
    return (f"{done.name}: {done.leaves}" for done in passes)
