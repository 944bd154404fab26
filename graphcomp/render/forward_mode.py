"""The story of forward mode: a sweep for each input, in which tangents follow the values through the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..graph import Node
from .account import Account, Part, chain
from .chain_rule import Part as Term
from .chain_rule import Partials, arrive, contributions, local_partials, partial_fact, sums, terms_of
from .derived import Derived, tangents
from .evaluation import with_held
from .execution import Execution
from .granularity import by_contribution, told_separately
from .mathematics import Identifier, Mathematics
from .numerals import is_spelled_out, quantity
from .product_form import product_form, stops
from .quiz import Piece, ask
from .seeds import Ends, Seed
from .story import Edge, Fact, Frame, Sweep


def forward_mode(account: Account, ends: Ends, known: bool = False) -> Part:
    """A sweep for each input: its tangent is 1, and each node's tangent follows from its operands'.

    ``known``: the values were told before, and are not computed again.
    """
    derived = tangents(account.graph, account.moving_edges)
    moving = [id for id in account.graph.inputs if account.is_float(id)]
    execution = Execution(replace(derived.graph, inputs=list(derived.inputs)), account.inputs, derived.seeds)
    if known:
        execution.know({derived.primal[id]: account.values[id] for id in derived.primal})
    frames: list[Frame] = []
    sweeps: list[Sweep] = []
    formulas: dict[Edge, Mathematics] = {}
    for number, seed in enumerate(ends.inputs):
        execution.begin_sweep([input_seed(account, id, seed) for id in moving])
        symbols = {id: tangent_symbol(account, id, seed) for id in account.shown if account.is_float(id)}
        changing = seed.symbol(account.names.inputs[seed.id]).plain()
        sweeps.append(Sweep("tangent", seed.id, account.say("sweep of", name=changing), symbols))
        telling = ForwardTelling(account, number, seed, ends, derived, execution, formulas, symbols)
        for node in account.order:
            if node.id in symbols:
                frames.extend(telling.frames(node))
    return Part("forward", with_held(frames, execution), tuple(sweeps), formulas, plain_values(account))


def input_seed(account: Account, id: int, seed: Seed) -> Any:
    """The tangent given to an input: zeros unless it is the one that changes."""
    value = account.values[id]
    return seed.array(value) if id == seed.id else np.zeros_like(value)


def plain_values(account: Account) -> tuple[Fact, ...]:
    """The values of what carries no derivative (integers, booleans): they are given."""
    return tuple(account.value_fact(id) for id in account.shown if not account.is_float(id))


def tangent_symbol(account: Account, id: int, seed: Seed) -> Mathematics:
    """dw3/dx2, or ẇ3."""
    symbol = account.symbol(id)
    dotted = Identifier(symbol.name, symbol.subscript, "dot")
    return account.derivative(symbol, seed.symbol(account.names.inputs[seed.id]), dotted)


@dataclass(frozen=True)
class ForwardTelling:
    """Tells the frames of one forward sweep."""

    account: Account
    sweep: int
    seed: Seed
    ends: Ends
    derived: Derived
    execution: Execution
    formulas: dict[Edge, Mathematics]
    symbols: Mapping[int, Mathematics]

    def tangent(self, id: int) -> Any:
        """A node's tangent: zero where the derived graph has none."""
        if id in self.derived.derivative:
            return self.execution.run(self.derived.derivative[id])
        return np.zeros_like(self.account.values[id])

    def frames(self, node: Node) -> list[Frame]:
        """One node's value and tangent, in one frame or one for each argument."""
        account, execution = self.account, self.execution
        execution.run(self.derived.primal[node.id])
        partials = self.partials(node)
        self.formulas.update(partials.formulas)
        costs = arrive(self.derived, execution, node.id, told_separately(account))
        tangent = self.tangent(node.id)
        if node.id in account.graph.outputs:
            execution.keep([self.derived.primal[node.id], self.derived.derivative.get(node.id, -1)])
        parts = [self.part(node, edge, so_far, partials) for edge, so_far in self.derived.sums.get(node.id, ())]
        facts = [account.value_fact(node.id), Fact("tangent", node.id, quantity(tangent, account.digits), tangent)]
        for part in parts:
            facts.extend(partial_fact(account, partials, part.edge))
        sides = self.sides(node, parts, partials)
        frame = Frame(
            "forward",
            node.id,
            tuple(part.edge for part in parts),
            (*facts, *contributions(account, parts)),
            terms_of(account, parts, partials),
            chain(self.symbols[node.id], *sides, quantity(tangent, account.digits)),
            self.sentence(node, parts, partials),
            self.sweep,
            account.source_line(node),
            self.ends.cells(account, node.id, tangent, of=None, by=self.seed),
            question=self.question(node, parts, partials, sides),
        )
        return by_contribution(account, frame, parts, "tangent", [*costs, execution.cost()])

    def partials(self, node: Node) -> Partials:
        """The partials on the node's edges."""
        edges = {edge: id for edge, id in self.derived.partial.items() if edge[0] == node.id}
        return local_partials(self.account, replace(self.derived, partial=edges), self.execution.run)

    def part(self, node: Node, edge: Edge, so_far: int | None, partials: Partials) -> Term:
        """What one argument adds to the tangent."""
        account, operand = self.account, self.account.edges[edge]
        product = self.execution.run(self.derived.product[edge])
        spelled = edge in partials.formulas and is_spelled_out(product)
        return Term(
            edge,
            self.symbols[operand],
            self.tangent(operand),
            account.derivative(account.symbol(node.id), account.symbol(operand)),
            product,
            None if spelled else self.form(node.id, self.derived.product[edge]),
            None if so_far is None else self.execution.run(so_far),
        )

    def form(self, id: int, product: int) -> Mathematics | None:
        """A derived node as it is computed from the tangents of other nodes."""
        ends = stops(self.account, self.derived, self.symbols)
        ends.pop(self.derived.derivative[id], None)
        return product_form(self.derived.graph, product, ends, self.account.digits)

    def sides(self, node: Node, parts: Sequence[Term], partials: Partials) -> list[Mathematics]:
        """The sum with symbols, filled in, and with numbers; of tensors, as it is computed."""
        if parts:
            return sums(self.account, parts, partials, -1)
        if node.id in self.account.graph.inputs or node.id not in self.derived.derivative:
            return []
        form = self.form(node.id, self.derived.derivative[node.id])
        return [form] if form else []

    def question(self, node: Node, parts: Sequence[Term], partials: Partials, sides: Sequence[Mathematics]) -> Any:
        """What to predict, where all is scalar."""
        account = self.account
        if not account.telling.quiz or not parts or any(np.ndim(part.product) for part in parts):
            return None
        if not all(part.edge in partials.values for part in parts):
            return None
        pieces = [
            Piece(
                account.symbol(account.edges[part.edge]).plain(),
                float(part.factor_value),
                float(partials.values[part.edge]),
                (float(account.values[node.id]), float(account.values[account.edges[part.edge]])),
            )
            for part in parts
        ]
        return ask(account, node.id, "tangent", self.symbols[node.id], sides[min(1, len(sides) - 1)], pieces)

    def sentence(self, node: Node, parts: Sequence[Term], partials: Partials) -> str:
        """What happens to one node in forward mode."""
        account = self.account
        symbol, name = account.symbol(node.id).plain(), account.names.inputs[self.seed.id]
        entry = self.seed.symbol(name).plain()
        operands = [account.symbol(account.edges[part.edge]).plain() for part in parts]
        if node.id == self.seed.id and self.seed.entry is not None:
            key = "seed tangent entry"
        elif node.id == self.seed.id:
            key = "seed tangent everywhere" if np.ndim(account.values[node.id]) else "seed tangent"
        elif not parts:
            key = "no tangent" if self.is_still(node) else "tangent of several results"
        elif any(part.edge not in partials.values for part in parts):
            key = "tensor argument"
        else:
            key = "one argument" if len(parts) == 1 else "arguments"
        return account.say(
            key,
            node=symbol,
            name=name.plain() if node.id == self.seed.id else entry,
            entry=entry,
            count=account.words.count(len(parts)),
            operands=account.words.listed(list(dict.fromkeys(operands))) if operands else "",
        )

    def is_still(self, node: Node) -> bool:
        """Whether a node without terms has no tangent: an input that does not change, or what is held fixed."""
        return node.id in self.account.graph.inputs or node.id not in self.derived.derivative
