"""The story of reverse mode: a sweep for each output, in which adjoints come back from users to operands."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..derive import reverse
from ..run import evaluate_all
from .account import Account, chain, count, finish, listed
from .chain_rule import (
    Part,
    Partials,
    contributions,
    derivatives,
    everywhere,
    local_partials,
    partial_fact,
    sums,
    terms_of,
)
from .mathematics import Identifier, Mathematics, added
from .numerals import number, quantity
from .output import Story
from .story import Edge, Fact, Frame, Sweep


def reverse_account(account: Account, chosen: Sequence[int]) -> Story:
    """A sweep for each output: its adjoint is 1, and each node's adjoint is the sum over its users."""
    derived = reverse(account.graph)
    outputs = [
        id for id in dict.fromkeys(account.graph.outputs) if id in account.names.symbols and account.is_float(id)
    ]
    frames: list[Frame] = []
    sweeps: list[Sweep] = []
    formulas: dict[Edge, Mathematics] = {}
    given: list[Fact] = [account.value_fact(id) for id in account.shown]
    for sweep, output in enumerate(outputs):
        values = evaluate_all(derived.graph, [*account.inputs, *output_seeds(account, output)])
        partials = local_partials(account, derived, values)
        formulas.update(partials.formulas)
        if not sweep:
            given.extend(fact for edge in account.edges for fact in partial_fact(account, partials, edge))
        adjoints = derivatives(account, derived.adjoint, values)
        passed = {
            edge: values[id] for edge, id in derived.contribution.items() if id is not None and edge in account.edges
        }
        symbols = {id: adjoint_symbol(account, id, output) for id in account.shown if account.is_float(id)}
        sweeps.append(Sweep("adjoint", output, account.output_symbol(output).plain(), symbols))
        telling = ReverseTelling(account, sweep, output, adjoints, passed, partials, symbols)
        frames.extend(telling.frame(id) for id in reverse_order(account, output, chosen))
    return finish(account, "reverse", tuple(frames), tuple(sweeps), formulas, tuple(given))


def output_seeds(account: Account, output: int) -> list[Any]:
    """The outputs' cotangents: ones for the output explained, zeros for the others."""
    places = [id for id in account.graph.outputs if account.is_float(id)]
    return [
        np.ones_like(account.values[id]) if place == places.index(output) else np.zeros_like(account.values[id])
        for place, id in enumerate(places)
    ]


def adjoint_symbol(account: Account, id: int, output: int) -> Mathematics:
    """dz/dw3, or w̄3."""
    symbol = account.symbol(id)
    barred = Identifier(symbol.name, symbol.subscript, "bar")
    return account.derivative(account.output_symbol(output), symbol, barred)


def reverse_order(account: Account, output: int, chosen: Sequence[int]) -> list[int]:
    """From the output breadth first, argument slots left to right, but no node before all its users.

    Only nodes that lead to a chosen input are told; an input that the output does not use comes last.
    """
    leading = set(chosen)
    for (user, _), operand in account.edges.items():
        if operand in leading and account.is_float(user):
            leading.add(user)
    reached = ancestors(account, output)
    waiting = {id: sum(edge[0] in reached for edge in account.users(id)) for id in reached}
    queue, order = deque([output]), []
    while queue:
        id = queue.popleft()
        order.append(id)
        for operand in account.graph.node(id).inputs:
            if operand in waiting:
                waiting[operand] -= 1
                if not waiting[operand]:
                    queue.append(operand)
    told = [id for id in order if account.is_float(id) and (id in leading or id == output)]
    return told + [id for id in account.graph.inputs if id in leading and id not in reached]


def ancestors(account: Account, output: int) -> set[int]:
    """The shown nodes that an output depends on, itself included."""
    reached: set[int] = set()
    stack = [output]
    while stack:
        id = stack.pop()
        if id not in reached:
            reached.add(id)
            stack.extend(operand for operand in account.graph.node(id).inputs if operand in account.names.symbols)
    return reached


@dataclass(frozen=True)
class ReverseTelling:
    """Tells the frames of one reverse sweep."""

    account: Account
    sweep: int
    output: int
    adjoints: Mapping[int, Any]
    passed: Mapping[Edge, Any]
    partials: Partials
    symbols: Mapping[int, Mathematics]

    def frame(self, id: int) -> Frame:
        """One node's adjoint: the sum of what its users hand back."""
        account = self.account
        reached = ancestors(account, self.output)
        parts = [
            self.part(id, edge)
            for edge in account.users(id)
            if edge[0] in reached and edge in self.passed and edge[0] in self.symbols
        ]
        adjoint = quantity(self.adjoints[id], account.digits)
        sides = sums(account, parts, self.partials, 1) if parts else []
        if id == self.output and parts:
            sides = [added((number(1), side)) for side in sides]
        facts = (*contributions(account, parts), Fact("adjoint", id, adjoint, self.adjoints[id]))
        return Frame(
            "reverse",
            id,
            tuple(part.edge for part in parts),
            facts,
            terms_of(account, parts, self.partials),
            chain(self.symbols[id], *sides, adjoint),
            self.sentence(id, parts),
            self.sweep,
            account.source_line(account.graph.node(id)),
        )

    def part(self, id: int, edge: Edge) -> Part:
        """What one use of a node hands back to it."""
        partial = self.account.derivative(self.account.symbol(edge[0]), self.account.symbol(id))
        return Part(edge, self.symbols[edge[0]], self.adjoints[edge[0]], partial, self.passed[edge])

    def sentence(self, id: int, parts: Sequence[Part]) -> str:
        """What happens to one node in reverse mode."""
        symbol, result = self.account.symbol(id).plain(), self.account.output_symbol(self.output).plain()
        if id == self.output:
            named = f"{symbol} is the result {result}" if symbol != result else f"{symbol} is the result"
            return f"Start at the end: {named}, so its adjoint is 1{everywhere(self.account, id)}."
        if not parts and np.any(self.adjoints[id]):
            return f"The adjoint of {symbol} comes through an operation with several results."
        if not parts:
            return f"{result} does not depend on {symbol}: its adjoint is 0."
        users = list(dict.fromkeys(part.edge[0] for part in parts))
        names = listed([self.account.symbol(user).plain() for user in users[:4]])
        if len(parts) == 1:
            return f"Only {names} uses {symbol}: take its adjoint times the local partial on the edge."
        arriving = f"{count(len(parts), 'contribution').lower()} arrive. Add them."
        if len(users) == 1:
            return f"{names} uses {symbol} {'twice' if len(parts) == 2 else f'{len(parts)} times'}, so {arriving}"
        return f"{count(len(users), 'node')} use {symbol}, so {arriving}"
