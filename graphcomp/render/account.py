"""A graph at given inputs, with the names and formulas that the stories of all modes need."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal

import numpy as np

from ..graph import Graph, Node
from ..run import evaluate_all
from .definitions import definition
from .live import live_program
from .mathematics import Differential, Fraction, Identifier, Mathematics, shorten
from .naming import Names, name_nodes
from .numerals import quantity, shape_of
from .output import Story
from .sentences import Language, in_language, language
from .story import Cost, Edge, Fact, Frame, Granularity, Jacobian, Mode, Notation, StoryEdge, StoryNode, Sweep

MOST_NODES_IN_TITLE, LONGEST_TITLE = 12, 60


@dataclass(frozen=True)
class Telling:
    """How a story is to be told: the options of ``explain`` that do not say what it is about."""

    notation: Notation = "d"
    digits: int = 3
    granularity: Granularity = "node"
    jacobian_rows: Literal["outputs", "inputs"] = "outputs"
    language: str = "en"
    quiz: bool = False
    source_lines: bool = False  # a formula's nodes all come from the line that asked for the story


@dataclass(frozen=True)
class Part:
    """What one mode has to tell: its frames, numbered from its own first sweep, and what is given beforehand."""

    mode: Mode
    frames: tuple[Frame, ...]
    sweeps: tuple[Sweep, ...]
    formulas: Mapping[Edge, Mathematics] = field(default_factory=dict)
    given: tuple[Fact, ...] = ()


class Account:
    """A graph at given inputs, with the names and formulas that all three modes need.

    Nodes that depend on no input (constants) are written into the definitions that use them, not drawn.
    """

    def __init__(self, graph: Graph, inputs: list[Any], telling: Telling | None = None) -> None:
        self.graph, self.inputs = graph, inputs
        self.telling = telling or Telling()
        self.notation, self.digits = self.telling.notation, self.telling.digits
        self.words: Language = language(self.telling.language)
        self.values: Mapping[int, Any] = evaluate_all(graph, inputs)
        self.shown = varying_nodes(graph)
        self.names: Names = name_nodes(graph, self.shown)

    @cached_property
    def order(self) -> list[Node]:
        """The shown nodes in evaluation order."""
        return [self.graph.node(id) for id in self.shown]

    @cached_property
    def edges(self) -> dict[Edge, int]:
        """(user, slot) -> operand, for the shown nodes."""
        shown = set(self.shown)
        return {
            (node.id, slot): operand
            for node in self.order
            for slot, operand in enumerate(node.inputs)
            if operand in shown
        }

    @cached_property
    def moving_edges(self) -> dict[Edge, int]:
        """The edges along which a derivative can pass."""
        return {edge: operand for edge, operand in self.edges.items() if self.is_float(operand)}

    def users(self, id: int) -> list[Edge]:
        """The edges that leave a node, the user computed last first: in that order reverse mode meets them."""
        edges = [edge for edge in self.graph.users(id) if edge in self.edges]
        return sorted(edges, key=lambda edge: (-edge[0], edge[1]))

    def symbol(self, id: int) -> Identifier:
        """w3."""
        return self.names.symbols[id]

    def output_symbol(self, id: int) -> Identifier:
        """z."""
        return self.names.outputs.get(id, self.symbol(id))

    def shown_value(self, id: int) -> Mathematics:
        """A node's value as it is written."""
        return in_language(quantity(self.values[id], self.digits), self.words)

    def operand(self, id: int) -> Mathematics:
        """An operand in a definition: its symbol, or the constant itself (one number if all entries are equal)."""
        return self.symbol(id) if id in self.names.symbols else self.operand_value(id)

    def operand_value(self, id: int) -> Mathematics:
        """An operand's value in a definition."""
        if isinstance(self.values[id], tuple):
            return quantity(self.values[id])
        value = np.asarray(self.values[id])
        constant = id not in self.names.symbols and value.size > 0 and np.all(value == value.flat[0])
        return quantity(value.flat[0] if constant else value, self.digits)

    def define(self, node: Node, operands: Sequence[Mathematics]) -> Mathematics:
        """A node's right-hand side with the given operands; an input's is its own name."""
        if node.id in self.names.inputs:
            return self.names.inputs[node.id]
        whole = not shape_of(self.values[node.id])  # a sum over all axes need not name them
        attributes = {name: value for name, value in node.attributes.items() if not (whole and name == "axes")}
        return definition(node.op, operands, attributes)

    def is_float(self, id: int) -> bool:
        """Whether a node can carry a tangent or an adjoint."""
        return not isinstance(self.values[id], tuple) and np.asarray(self.values[id]).dtype.kind == "f"

    def passes(self, id: int) -> bool:
        """Whether derivatives go through a node: it carries one, or one of its several results does."""
        value = self.values[id]
        return any(part.dtype.kind == "f" for part in value) if isinstance(value, tuple) else self.is_float(id)

    def story_nodes(self) -> tuple[StoryNode, ...]:
        """The cards."""
        labels = self.graph.all_labels()
        return tuple(
            StoryNode(
                node.id,
                self.symbol(node.id),
                self.define(node, [self.operand(id) for id in node.inputs]),
                tuple(labels.get(node.id, ())),
                shape_of(self.values[node.id]),
                self.source_line(node),
                "input" if node.id in self.graph.inputs else "output" if node.id in self.graph.outputs else "inner",
                self.is_float(node.id),
            )
            for node in self.order
        )

    def derivative(self, of: Identifier, by: Identifier, bar: Mathematics | None = None) -> Mathematics:
        """dz/dw3, ∂z/∂w3, or ``bar`` where the notation has marks instead of fractions."""
        if self.notation == "bar" and bar is not None:
            return bar
        sign = "d" if self.notation == "d" else "∂"
        return Fraction(Differential(sign, of), Differential(sign, by))

    def source_line(self, node: Node) -> str:
        """Where the user wrote a node: ``model.py:12  h = x @ w``."""
        if node.origin is None or not self.telling.source_lines:
            return ""
        text = linecache.getline(node.origin.file, node.origin.line).strip()
        return f"{PurePath(node.origin.file).name}:{node.origin.line}  {shorten(text, 80)}".strip()

    def value_fact(self, id: int) -> Fact:
        """That a node's value is known."""
        return Fact("value", id, self.shown_value(id), self.values[id])

    def say(self, key: str, **parts: object) -> str:
        """A sentence in the story's language."""
        return self.words.say(key, **parts)

    def title(self, mode: str) -> str:
        """``Reverse mode: z = sin x₁ + x₁ x₂ at x₁ = 2, x₂ = 3``, as much of it as stays readable."""
        heading = self.say(mode)
        formula = self.whole_formula()
        outputs = ", ".join(self.output_symbol(id).plain() for id in dict.fromkeys(self.graph.outputs))
        what = f"{outputs} = {formula}" if formula else outputs
        given = ", ".join(
            f"{self.names.inputs[id].plain()} = {shorten(self.shown_value(id).plain(), 30)}"
            for id in self.graph.inputs
            if id in self.names.inputs
        )
        title = f"{heading}: {what}"
        return f"{title} {self.say('at')} {given}" if given and len(given) <= LONGEST_TITLE else title

    def whole_formula(self) -> str:
        """The output in terms of the inputs, on one line; empty if that would be long."""
        if len(self.shown) > MOST_NODES_IN_TITLE or len(self.graph.outputs) != 1:
            return ""
        trees: dict[int, Mathematics] = {}
        for node in self.order:
            operands = [trees[id] if id in trees else self.operand(id) for id in node.inputs]
            trees[node.id] = self.define(node, operands)
            if len(trees[node.id].plain()) > LONGEST_TITLE:
                return ""
        output = self.graph.outputs[0]
        return trees[output].plain() if output in trees else ""


def varying_nodes(graph: Graph) -> list[int]:
    """The nodes that depend on an input and that an output needs, and all inputs."""
    needed = set(graph.reachable())
    varying: set[int] = set(graph.inputs)
    for node in graph.nodes():
        if node.id in needed and any(id in varying for id in node.inputs):
            varying.add(node.id)
    return sorted(varying)


def chain(*sides: Mathematics) -> tuple[Mathematics, ...]:
    """The sides of an equation without repetitions (1 · 1 filled in reads like its numbers)."""
    kept = list(sides[:1])
    for side in sides[1:]:
        if side.plain() != kept[-1].plain():
            kept.append(side)
    return tuple(kept)


def finish(account: Account, parts: Sequence[Part], jacobian: Jacobian | None = None) -> Story:
    """Put a story together from what its modes tell, one after the other."""
    modes = tuple(part.mode for part in parts)
    formulas = {edge: formula for part in parts for edge, formula in part.formulas.items()}
    derivatives = modes != ("evaluate",)
    edges = tuple(
        StoryEdge(
            operand,
            *edge,
            account.derivative(account.symbol(edge[0]), account.symbol(operand))
            if not derivatives or (account.is_float(operand) and account.is_float(edge[0]))
            else None,
            formulas.get(edge),
        )
        for edge, operand in account.edges.items()
    )
    story = Story(
        account.title(modes[0] if len(modes) == 1 else "both"),
        modes[-1],
        account.notation,
        account.story_nodes(),
        edges,
        renumbered(parts),
        tuple(sweep for part in parts for sweep in part.sweeps),
        parts[0].given,
        account.digits,
        jacobian=jacobian,
        modes=modes,
        language=account.telling.language,
        live=live_program(account.graph, account.moving_edges),
    )
    return in_language(story, account.words)


def renumbered(parts: Sequence[Part]) -> tuple[Frame, ...]:
    """The frames of all parts, their sweeps counted through and their costs added up."""
    frames: list[Frame] = []
    before = 0
    for part in parts:
        spent = frames[-1].cost if frames else None
        for frame in part.frames:
            cost = replace(frame.cost, **added_cost(spent, frame.cost)) if spent and frame.cost else frame.cost
            frames.append(replace(frame, sweep=frame.sweep + before, cost=cost))
        before += len(part.sweeps)
    return tuple(frames)


def added_cost(spent: Cost, cost: Cost) -> dict[str, int]:
    """The counters that add up from one part to the next; what is held does not."""
    names = ("multiplications", "additions", "operations", "sweeps")
    return {name: getattr(spent, name) + getattr(cost, name) for name in names}
