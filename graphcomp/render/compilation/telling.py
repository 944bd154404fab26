"""A compile story that can be shown and saved like any other story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from ..mathematics import Mathematics, Text, shorten
from ..output import Story
from ..scene import Scene
from ..sentences import language as language_table
from ..story import Fact, Frame, Region, StoryEdge, StoryNode, Sweep
from ..terminal import play
from .deck import deck
from .page import write_page
from .record import Compilation, compiled
from .rewrites import constant, right_side
from .steps import Step, steps
from .text import frame_text, write_markdown, write_terminal

LONGEST_TITLE = 70


@dataclass(frozen=True)
class CompileStory(Story):
    """The stages of a compilation; its nodes and edges are those of the graph that is left at the end."""

    compilation: Compilation | None = None
    steps: tuple[Step, ...] = ()

    @cached_property
    def scene(self) -> Scene:
        """Every step's slide."""
        return deck(self.title, self.steps, language_table(self.language))

    @cached_property
    def poster(self) -> Scene:
        """The same: a slide shows what a step is about."""
        return self.scene

    def html(self) -> str:
        """A self-contained page with the player, the source beside the graph."""
        assert self.compilation is not None
        return write_page(self.title, self.compilation, self.steps, self.language)

    def markdown(self) -> str:
        """The passes, every step in words, and the source."""
        assert self.compilation is not None
        return write_markdown(self.title, self.compilation, self.steps)

    def terminal(self, *, colours: bool = False, width: int | None = None) -> str:
        """The passes and every step in words."""
        assert self.compilation is not None
        return write_terminal(self.title, self.compilation, self.steps, colours=colours, width=width)

    def play(self, *, colours: bool = False, width: int | None = None) -> None:
        """Step through the frames in a terminal, each kernel with its source."""
        assert self.compilation is not None
        play(self, draw=partial(frame_text, self.title, self.compilation, self.steps, colours=colours, width=width))


def compile_story(
    source: Any, at: Mapping[str, Any] | Sequence[Any] | None = None, *, digits: int = 3, language: str = "en"
) -> CompileStory:
    """How a function becomes kernels: every pass, every rewrite before and after, every kernel and its source.

    ``source``: a function (or a jitted one) with example arguments in ``at``, in order or by name, which is compiled as
    it is: a training step, a model.  A formula, assignments or a SymPy expression are compiled with their gradient
    where the result is one number, and so is a graph of one.
    Nothing is run: arguments may be ``gx.spec(shape, dtype)``.
    Raises InputError for arguments that do not fit, RenderError for an unknown language, and whatever tracing raises.
    """
    words = language_table(language)
    record = compiled(source, at, words)
    told = tuple(steps(record))
    graph = record.simplified
    shown = [graph.node(id) for id in graph.reachable() if graph.node(id).op != "constant"]
    symbols = {node.id: record.symbols.get(node.id, Text(f"%{node.id}")) for node in shown}
    labels = graph.all_labels()
    nodes = tuple(story_node(record, node, symbols, labels.get(node.id, ())) for node in shown)
    edges = tuple(
        StoryEdge(operand, node.id, slot)
        for node in shown
        for slot, operand in enumerate(node.inputs)
        if operand in symbols
    )
    focus = shown[-1].id if shown else 0
    return CompileStory(
        words.say("compiling", what=shorten(record.title, LONGEST_TITLE)),
        "evaluate",
        "d",
        nodes,
        edges,
        tuple(frame(step, focus) for step in told),
        (Sweep("value", None, "compilation"),),
        tuple(Fact("value", node.id, Text(str(node.type))) for node in shown),
        digits,
        modes=("evaluate",),
        language=language,
        compilation=record,
        steps=told,
    )


def frame(step: Step, focus: int) -> Frame:
    """A step as a frame of a story."""
    lines = tuple(line.text.strip() for line in step.lines)
    region = None if step.kernel is None else Region(step.name, step.nodes, lines)
    on = step.nodes[-1] if step.nodes else focus
    return Frame("rewrite", on, (), (), (), step.equation, step.sentence, source_line=step.source_line, region=region)


def story_node(record: Compilation, node: Any, symbols: Mapping[int, Mathematics], labels: Sequence[str]) -> StoryNode:
    """A node of the last graph."""
    graph = record.simplified
    operands = [symbols.get(source) or constant(graph.node(source)) for source in node.inputs]
    shape = tuple(size for size in getattr(node.type, "shape", ()) if isinstance(size, int))
    return StoryNode(
        node.id,
        symbols[node.id],
        right_side(graph, node, operands),
        tuple(labels),
        shape,
        "" if node.origin is None else str(node.origin),
        "input" if node.id in graph.inputs else "output" if node.id in graph.outputs else "inner",
        False,
    )
