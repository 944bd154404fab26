"""The story of forward mode: a sweep for each input, in which tangents follow the values through the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..derive import forward
from ..graph import Node
from ..run import evaluate_all
from .account import Account, chain, count, finish
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
from .mathematics import Identifier, Mathematics
from .numerals import quantity
from .output import Story
from .story import Edge, Fact, Frame, Sweep


def forward_account(account: Account, chosen: Sequence[int]) -> Story:
    """A sweep for each chosen input: its tangent is 1, and each node's tangent follows from its operands'."""
    derived = forward(account.graph)
    frames: list[Frame] = []
    sweeps: list[Sweep] = []
    formulas: dict[Edge, Mathematics] = {}
    for sweep, seed in enumerate(chosen):
        seeds = [np.ones_like(value) if id == seed else np.zeros_like(value) for id, value in floats(account)]
        values = evaluate_all(derived.graph, [*account.inputs, *seeds])
        partials = local_partials(account, derived, values)
        formulas.update(partials.formulas)
        tangents = derivatives(account, derived.tangent, values)
        symbols = {id: tangent_symbol(account, id, seed) for id in account.shown if account.is_float(id)}
        label = f"{account.names.inputs[seed].plain()} changes, the other inputs do not"
        sweeps.append(Sweep("tangent", seed, label, symbols))
        frames.extend(
            tangent_frame(account, node, sweep, seed, tangents, partials, symbols)
            for node in account.order
            if node.id in symbols
        )
    return finish(account, "forward", tuple(frames), tuple(sweeps), formulas, plain_values(account))


def plain_values(account: Account) -> tuple[Fact, ...]:
    """The values of what carries no derivative (integers, booleans): they are given."""
    return tuple(account.value_fact(id) for id in account.shown if not account.is_float(id))


def floats(account: Account) -> list[tuple[int, Any]]:
    """The floating-point inputs, which have tangents, and their values."""
    pairs = zip(account.graph.inputs, account.inputs, strict=True)
    return [(id, value) for id, value in pairs if account.is_float(id)]


def tangent_symbol(account: Account, id: int, seed: int) -> Mathematics:
    """dw3/dx2, or ẇ3."""
    symbol = account.symbol(id)
    dotted = Identifier(symbol.name, symbol.subscript, "dot")
    return account.derivative(symbol, account.names.inputs[seed], dotted)


def tangent_frame(
    account: Account,
    node: Node,
    sweep: int,
    seed: int,
    tangents: Mapping[int, Any],
    partials: Partials,
    symbols: Mapping[int, Mathematics],
) -> Frame:
    """One node's value and tangent."""
    parts = [
        Part(
            edge,
            symbols[operand],
            tangents[operand],
            account.derivative(account.symbol(node.id), account.symbol(operand)),
            tangents[operand] * partials.values[edge] if edge in partials.values else tangents[node.id],
        )
        for edge, operand in account.edges.items()
        if edge[0] == node.id and operand in symbols
    ]
    tangent = quantity(tangents[node.id], account.digits)
    sides = sums(account, parts, partials, -1) if parts else []
    facts = [account.value_fact(node.id), Fact("tangent", node.id, tangent, tangents[node.id])]
    for part in parts:
        facts.extend(partial_fact(account, partials, part.edge))
    return Frame(
        "forward",
        node.id,
        tuple(part.edge for part in parts),
        (*facts, *contributions(account, parts)),
        terms_of(account, parts, partials),
        chain(symbols[node.id], *sides, tangent),
        tangent_sentence(account, node, seed, len(parts)),
        sweep,
        account.source_line(node),
    )


def tangent_sentence(account: Account, node: Node, seed: int, parts: int) -> str:
    """What happens to one node in forward mode."""
    symbol, moving = account.symbol(node.id).plain(), account.names.inputs[seed].plain()
    if node.id == seed:
        return f"{symbol} is {moving}, the input that changes: its tangent is 1{everywhere(account, seed)}."
    if not parts:
        return f"{symbol} does not change when {moving} does: its tangent is 0."
    if parts == 1:
        return f"{symbol} has one argument that can change: take its tangent times the local partial on the edge."
    return f"{symbol} has {count(parts, 'argument').lower()}: take each one's tangent times the local partial, and add."
