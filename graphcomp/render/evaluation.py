"""The story of an evaluation: a frame per node, in which its operands' values go in and its own comes out."""

from __future__ import annotations

from ..graph import Node
from .account import Account, chain, finish, listed
from .mathematics import factor
from .output import Story
from .story import Frame, Sweep


def value_account(account: Account) -> Story:
    """A story of one frame per node: its operands' values go in, its value comes out."""
    frames = tuple(value_frame(account, node) for node in account.order)
    return finish(account, "evaluate", frames, (Sweep("value", None, "values"),), {}, ())


def value_frame(account: Account, node: Node) -> Frame:
    """One node is computed."""
    value = account.shown_value(node.id)
    symbol = account.symbol(node.id)
    reads = tuple(edge for edge in account.edges if edge[0] == node.id)
    symbols = account.define(node, [account.operand(id) for id in node.inputs])
    if node.id in account.graph.inputs:
        sentence = f"{symbol.plain()} is the input {symbols.plain()}, given as {value.plain()}."
        equation = chain(symbol, symbols, value)
    else:
        filled = account.define(node, [factor(account.operand_value(id)) for id in node.inputs])
        names = listed([account.symbol(id).plain() for id in dict.fromkeys(node.inputs) if id in account.names.symbols])
        sentence = f"{symbol.plain()} is computed from {names}."
        equation = chain(symbol, symbols, filled, value)
    if node.id in account.graph.outputs:
        sentence = sentence[:-1] + f", and is the result {account.output_symbol(node.id).plain()}."
    facts = (account.value_fact(node.id),)
    return Frame("evaluate", node.id, reads, facts, (), equation, sentence, 0, account.source_line(node))
