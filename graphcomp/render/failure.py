"""Draws where tracing stopped: the graph up to the call that failed, its operands lit, and the message."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from ..errors import Failure, RenderError, failure_of
from ..graph import Graph, Node
from ..ops import REGISTRY
from .definitions import definition
from .mathematics import Application, Mathematics, Text, identifier, shorten
from .naming import label_of, name_nodes
from .numerals import UNKNOWN, number, quantity
from .output import Story
from .sentences import language as language_table
from .story import Fact, Frame, StoryEdge, StoryNode, Sweep

MOST_NODES, LONGEST_LINE, LONGEST_TYPE = 16, 80, 36


def explain_error(error: BaseException | None = None, *, language: str = "en") -> Story:
    """The graph that was traced before an error, the call that failed, its operands and the message, as a story.

    ``error``: an exception that was raised while a formula, a function or a model was traced; by default the last one
    that a session or a notebook showed.  Of a large graph only what stands closest before the failure is drawn.
    The message itself stays as it was raised; all else is in ``language``.
    Raises RenderError if the error was not raised while tracing, and for an unknown language.
    """
    error = error if error is not None else getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if error is None:
        raise RenderError("no error has been shown yet; pass the exception: explain_error(error)")
    failure = failure_of(error)
    if failure is None:
        raise RenderError(f"this {type(error).__name__} was not raised while tracing, so there is no graph to draw")
    return Drawn.of(failure, language).story(type(error).__name__, str(error))


@dataclass(frozen=True)
class Drawn:
    """What is drawn of a failure: nodes by id, and the failed call as a node of its own behind them."""

    failure: Failure
    graph: Graph
    shown: tuple[int, ...]
    symbols: dict[int, Mathematics]
    language: str = "en"

    @classmethod
    def of(cls, failure: Failure, language: str = "en") -> Drawn:
        """The nodes closest before the failure, and their names."""
        language_table(language)
        graph: Graph = failure.graph
        starts = [id for id, _ in failure.operands if id is not None] or [len(graph) - 1] * bool(len(graph))
        named = name_nodes(graph, [node.id for node in graph.nodes() if node.op != "constant"])
        return cls(failure, graph, tuple(sorted(nearest(graph, starts))), dict(named.symbols), language)

    def say(self, key: str, /, **parts: object) -> str:
        """A sentence in the story's language."""
        return language_table(self.language).say(key, **parts)

    @property
    def failed(self) -> int:
        """The id of the failed call."""
        return len(self.graph)

    def symbol(self, id: int) -> Mathematics:
        """A node as an operand: its name, or the constant itself."""
        return self.symbols[id] if id in self.symbols else number(self.graph.node(id).attributes["value"])

    def story(self, kind: str, message: str) -> Story:
        """One frame: the failed call in focus, the edges to it lit."""
        arrays = self.arrays()
        cards = [self.card(self.graph.node(id)) for id in self.shown]
        cards.extend(StoryNode(id, Text(self.say("array outside")), Text(words), role="input") for id, words in arrays)
        cards.append(self.failed_card())
        edges = [edge for id in self.shown for edge in self.edges(self.graph.node(id))]
        lit = list(self.lit(arrays))
        facts = [Fact("value", id, self.value(id)) for id in self.shown]
        facts.extend(Fact("value", id, Text(self.say("not traced"))) for id, _ in arrays)
        made = self.failure.made
        fails = Fact("value", self.failed, Text(self.say("fails here")) if made is None else quantity(made))
        where = self.say("failed scope", scope=self.failure.scope) if self.failure.scope else ""
        origin = self.failure.origin
        if origin is not None:  # a picture is passed on: the file's name is enough
            line = f"{PurePath(origin.file).name}:{origin.line}"
            message = message.replace(str(origin), line)
            where += "" if line in message else self.say("failed line", line=line)
        sentence = f"{kind}: {message.rstrip('.')}.{where}{self.left_out()}"
        frame = Frame(
            "evaluate", self.failed, tuple(edge.key for edge in lit), (fails,), (), (), sentence,
            source_line=self.source_line(),
        )  # fmt: skip
        return Story(
            self.say("failed in", kind=kind, call=self.failure.call or self.say("failed function")),
            "evaluate",
            "d",
            tuple(cards),
            (*edges, *lit),
            (frame,),
            (Sweep("value", None, "tracing"),),
            tuple(facts),
            modes=("evaluate",),
            language=self.language,
        )

    def value(self, id: int) -> Mathematics:
        """What a card shows of a node: its value, where it is known, else its type."""
        if id in self.failure.values:
            return quantity(self.failure.values[id])
        return Text(shorten(str(self.graph.node(id).type), LONGEST_TYPE))

    def arrays(self) -> list[tuple[int, str]]:
        """The operands that are arrays outside the graph, with an id for each."""
        words = [words for id, words in self.failure.operands if id is None and "[" in words]
        return [(self.failed + 1 + place, text) for place, text in enumerate(words)]

    def card(self, node: Node) -> StoryNode:
        """A traced node."""
        role = "input" if node.op == "input" else "inner"
        operands = [self.symbol(source) for source in node.inputs]
        if node.op == "input":
            defined: Mathematics = identifier(
                label_of(self.graph, node.id) or self.say("unnamed input", number=node.id)
            )
        else:
            defined = definition(node.op, operands, {})
        line = line_of(node.origin)
        names = tuple(self.graph.labels(node.id))
        return StoryNode(node.id, self.symbol(node.id), defined, names, (), line, role, False)  # type: ignore[arg-type]

    def failed_card(self) -> StoryNode:
        """The call that failed, or the place in the user's code."""
        operands = [self.operand(id, words) for id, words in self.failure.operands]
        call = self.failure.call
        if not call:
            defined: Mathematics = Text(self.say("your code"))
        elif call in REGISTRY:
            defined = definition(call, operands, {})
        else:
            defined = Application(call, tuple(operands))
        return StoryNode(self.failed, UNKNOWN, defined, (), (), self.source_line(), "output", False)

    def operand(self, id: int | None, words: str) -> Mathematics:
        """An operand of the failed call: a node's name, an array's, or a number."""
        if id is not None:
            return self.symbol(id)
        return Text(self.say("array outside") if "[" in words else words)

    def edges(self, node: Node) -> Iterable[StoryEdge]:
        """The edges from drawn nodes to one of them."""
        drawn = set(self.shown)
        return [StoryEdge(source, node.id, slot) for slot, source in enumerate(node.inputs) if source in drawn]

    def lit(self, arrays: Sequence[tuple[int, str]]) -> Iterable[StoryEdge]:
        """The edges from the operands to the failed call."""
        outside = iter(arrays)
        for slot, (id, words) in enumerate(self.failure.operands):
            source = id if id is not None else next(outside)[0] if "[" in words else None
            if source is not None and (id is None or id in self.shown):
                yield StoryEdge(source, self.failed, slot)

    def left_out(self) -> str:
        """How much of the graph is not drawn."""
        traced = sum(node.op != "constant" for node in self.graph.nodes())
        more = traced - len(self.shown)
        return self.say("drawn of", shown=len(self.shown), traced=traced) if more > 0 else ""

    def source_line(self) -> str:
        """The user's line, with its text."""
        return line_of(self.failure.origin)


def nearest(graph: Graph, starts: Sequence[int]) -> list[int]:
    """Some nodes and what they are computed from, nearest first, up to as many as can be read."""
    found = list(dict.fromkeys(id for id in starts if graph.node(id).op != "constant"))
    for id in found:
        for source in graph.node(id).inputs:
            if source not in found and graph.node(source).op != "constant" and len(found) < MOST_NODES:
                found.append(source)
    return found


def line_of(origin: Any) -> str:
    """``model.py:12  h = x @ w``."""
    if origin is None:
        return ""
    text = linecache.getline(origin.file, origin.line).strip()
    return f"{PurePath(origin.file).name}:{origin.line}  {shorten(text, LONGEST_LINE)}".strip()
