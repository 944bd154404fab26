"""A graph at given inputs as the stories over groups see it: a card for each value that crosses a group's border."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ...graph import Graph, Node
from ...run.interpreter import bind_sizes, check_inputs
from ..account import Account, Telling
from ..mathematics import COMMA, Application, Mathematics, Parenthesised, Row, Text, joined, shorten
from ..naming import name_nodes
from ..numerals import is_spelled_out, number, quantity, shape_of, shape_text
from ..story import Edge
from .blocks import Block, concrete
from .sentences import say

MOST_OPERANDS, LONGEST_NAME = 4, 26


class GroupAccount(Account):
    """``shown`` holds the inputs with cards of their own and the blocks' results; the others are inside blocks."""

    def __init__(self, graph: Graph, inputs: list[Any], blocks: Sequence[Block], telling: Telling) -> None:
        super().__init__(concrete(graph, bind_sizes(graph, check_inputs(graph, inputs))), inputs, telling)
        self.blocks = {result: block for block in blocks for result in block.results}
        own = {id for block in blocks for id in block.parameters}
        self.shown = [id for id in self.shown if id in self.blocks or (id in graph.inputs and id not in own)]
        self.names = name_nodes(self.graph, self.shown)

    @cached_property
    def edges(self) -> dict[Edge, int]:
        """(user, slot) -> operand, between cards."""
        return {(id, slot): operand for id in self.shown for slot, operand in enumerate(self.operands(id))}

    @cached_property
    def user_edges(self) -> dict[int, list[Edge]]:
        """For each card the edges that leave it, the user computed last first."""
        found: dict[int, list[Edge]] = {id: [] for id in self.shown}
        for edge, operand in self.edges.items():
            found[operand].append(edge)
        return {id: sorted(edges, key=lambda edge: (-edge[0], edge[1])) for id, edges in found.items()}

    @cached_property
    def border_edges(self) -> dict[Edge, int]:
        """The node's own edges (user, slot) -> operand that leave a card: derivatives are told where they pass."""
        return {
            (node.id, slot): operand
            for node in self.graph.nodes()
            for slot, operand in enumerate(node.inputs)
            if operand in self.names.symbols and self.is_float(operand)
        }

    def users(self, id: int) -> list[Edge]:
        """The edges that leave a card, the user computed last first."""
        return self.user_edges[id]

    def operands(self, id: int) -> tuple[int, ...]:
        """The cards that a card's value is made of."""
        return self.blocks[id].operands[id] if id in self.blocks else ()

    def group_name(self, id: int) -> str:
        """What makes a value, in words: a group's name, or the op of a node that is in none."""
        block = self.blocks[id]
        return shorten(block.name, LONGEST_NAME) if block.path else self.graph.node(block.nodes[0]).op

    def operand(self, id: int) -> Mathematics:
        """An operand in a definition; one with several results, inside a block, has no symbol and no one value."""
        return Text("…") if isinstance(self.values[id], tuple) else super().operand(id)

    def define(self, node: Node, operands: Sequence[Mathematics]) -> Mathematics:
        """``blocks.1(w3)``; of several results which one."""
        if node.id not in self.blocks:
            return self.names.inputs[node.id]
        block = self.blocks[node.id]
        if not block.path and len(block.nodes) == 1:
            return super().define(node, operands)
        symbols: list[Mathematics] = [self.symbol(id) for id in self.operands(node.id)]
        if len(symbols) > MOST_OPERANDS:
            symbols = [*symbols[: MOST_OPERANDS - 1], Text(f"… {len(symbols) - MOST_OPERANDS + 1} more")]
        call = Row((Text(self.group_name(node.id)), Parenthesised(joined(tuple(symbols), COMMA)))) if symbols else None
        whole: Mathematics = call or Application(self.group_name(node.id), (Text("…"),))
        if len(block.results) == 1:
            return whole
        return Row((whole, Text(f" [{block.results.index(node.id) + 1}]")))

    def shown_value(self, id: int) -> Mathematics:
        """A value as it is written: a number, or a shape with its norm."""
        return self.sized(self.values[id])

    def sized(self, value: Any) -> Mathematics:
        """A number or a short vector with its entries; of larger arrays the shape and the norm."""
        if isinstance(value, tuple) or is_spelled_out(value) or np.asarray(value).dtype.kind != "f":
            return quantity(value, self.digits)
        return Row((Text(f"{shape_text(shape_of(value))}, "), self.normed(value)))

    def normed(self, value: Any) -> Mathematics:
        """A number or a short vector with its entries; of larger arrays the norm alone."""
        if is_spelled_out(value):
            return quantity(value, self.digits)
        return Row((Text(f"{self.say_group('norm')}\u00a0"), number(norm(value), self.digits)))

    def say_group(self, key: str, /, **parts: object) -> str:
        """A sentence of the stories over groups."""
        return say(self.telling.language, key, **parts)

    def statistics(self, value: Any) -> str:
        """Shape, mean, deviation and extent of an array in words."""
        array = np.asarray(value)
        if is_spelled_out(value) or not array.size or array.dtype.kind not in "fiu":
            return quantity(value, self.digits).plain()
        zeros = round(100 * float(np.mean(array == 0)))
        array = array.astype(float)
        return self.say_group(
            "statistics",
            shape=shape_text(array.shape),
            mean=number(array.mean(), self.digits).plain(),
            deviation=number(array.std(), self.digits).plain(),
            least=number(array.min(), self.digits).plain(),
            most=number(array.max(), self.digits).plain(),
            zeros=self.say_group("zeros", percent=zeros) if zeros else "",
        )

    def title(self, mode: str) -> str:
        """``Reverse mode, group by group: z``."""
        outputs = dict.fromkeys(id for id in self.graph.outputs if id in self.names.symbols)
        result = ", ".join(self.output_symbol(id).plain() for id in outputs)
        return self.say_group("title", mode=self.say(mode), result=result)


def norm(value: Any) -> float:
    """The root of the sum of the squares of all entries."""
    return float(np.linalg.norm(np.asarray(value, "float64").reshape(-1)))
