"""The pipeline: one straight line of named passes, each from one value to the next, each with a text form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..emit import Source, emit_cpu
from ..graph import Graph
from ..schedule import Program, fit_into, schedule
from ..simplify import Simplified, simplify
from ..trace import TracedGraph


@dataclass(frozen=True, slots=True)
class Stages:
    """Every stage of one program. `traced` is the function before any derivative was taken in it; `str(stages)` shows
    the texts of all."""

    traced: str
    derived: str
    simplified: str
    scheduled: str
    source: str

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for name in ("traced", "derived", "simplified", "scheduled", "source"):
            yield name, getattr(self, name)

    def __str__(self) -> str:
        return "\n\n".join(f"# {name}\n{text}" for name, text in self)


@dataclass(frozen=True, slots=True)
class Lowered:
    simplified: Simplified
    program: Program
    source: Source


def lower(
    graph: Graph, memory_limit: int | None = None, fastmath: bool = False, donated: Sequence[int] = ()
) -> Lowered:
    """From a derived graph to source text, with an arena of at most `memory_limit` bytes. The memory of the inputs with
    the numbers `donated` may hold outputs."""
    simplified = simplify(graph)
    program = schedule(simplified.graph, donated if memory_limit is None else ())
    if memory_limit is not None:
        program = fit_into(program, memory_limit)
    source = emit_cpu(program, simplified.graph, fastmath=fastmath)
    return Lowered(simplified, program, source)


def stages(
    traced: TracedGraph, memory_limit: int | None = None, fastmath: bool = False, donated: Sequence[int] = ()
) -> Stages:
    """The texts of what `lower` makes, and of what comes before."""
    lowered = lower(traced, memory_limit, fastmath, donated)
    first = "\n\n".join(map(str, traced.derivations)) or str(traced)
    return Stages(first, str(traced), str(lowered.simplified.graph), str(lowered.program), lowered.source.text)
