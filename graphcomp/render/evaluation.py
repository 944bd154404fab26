"""The story of an evaluation: a frame per node, in which its operands' values go in and its own comes out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..graph import Node
from .account import Account, Part, chain
from .execution import Execution
from .mathematics import factor
from .story import Fact, Frame, Sweep


def evaluation(account: Account, saved: Collection[int] = ()) -> Part:
    """A frame per node: its operands' values go in, its value comes out; ``saved`` are read again by a sweep."""
    execution = Execution(account.graph, account.inputs)
    execution.begin_sweep()
    frames = []
    for node in account.order:
        execution.run(node.id)
        if node.id in saved or node.id in account.graph.outputs:
            execution.keep([node.id])
        frames.append(replace(value_frame(account, node, node.id in saved), cost=execution.cost()))
    sweep = Sweep("value", None, account.say("values"))
    return Part("evaluate", with_held(frames, execution), (sweep,))


def with_held(frames: Sequence[Frame], execution: Execution) -> tuple[Frame, ...]:
    """The frames with the number of values held after each: only now is it known what is read later."""
    return tuple(
        replace(frame, cost=replace(frame.cost, values_held=execution.held(step))) if frame.cost else frame
        for step, frame in enumerate(frames)
    )


def value_frame(account: Account, node: Node, saved: bool = False) -> Frame:
    """One node is computed."""
    value = account.shown_value(node.id)
    symbol = account.symbol(node.id)
    reads = tuple(edge for edge in account.edges if edge[0] == node.id)
    symbols = account.define(node, [account.operand(id) for id in node.inputs])
    if node.id in account.graph.inputs:
        equation = chain(symbol, symbols, value)
    else:
        filled = account.define(node, [factor(account.operand_value(id)) for id in node.inputs])
        equation = chain(symbol, symbols, filled, value)
    facts = [account.value_fact(node.id)]
    if saved:
        facts.append(Fact("saved", node.id, value, account.values[node.id]))
    sentence, line = value_sentence(account, node), account.source_line(node)
    return Frame("evaluate", node.id, reads, tuple(facts), (), equation, sentence, 0, line)


def value_sentence(account: Account, node: Node) -> str:
    """Where a node's value comes from."""
    key = "input" if node.id in account.graph.inputs else "computed"
    shown = [account.symbol(id).plain() for id in dict.fromkeys(node.inputs) if id in account.names.symbols]
    return account.say(
        f"{key} result" if node.id in account.graph.outputs else key,
        node=account.symbol(node.id).plain(),
        name=account.names.inputs[node.id].plain() if key == "input" else "",
        value=account.shown_value(node.id).plain(),
        operands=account.words.listed(shown) if shown else "",
        result=account.output_symbol(node.id).plain(),
    )
