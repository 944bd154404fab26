"""Stories over groups: a frame for each value that crosses a group's border, with its shape, statistics and adjoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ...errors import RenderError
from ..account import Part, chain, finish
from ..evaluation import with_held
from ..execution import Execution
from ..output import Story
from ..seeds import Ends, ends
from ..story import Frame, Mode, Sweep
from .forward_groups import ForwardGroups
from .group_account import GroupAccount
from .reverse_groups import ReverseGroups
from .training import Update, titled, with_updates

MOST_SWEEPS, MOST_RESULTS = 8, 32


def tell_groups(
    account: GroupAccount, modes: Sequence[Mode], chosen: Sequence[int], updates: Mapping[int, Update] | None = None
) -> Story:
    """The story of a graph's groups in one mode or several.

    ``chosen``: the inputs whose derivatives are told; each has a card.  ``updates``: what becomes of parameters, where
    the story is that of a training step; it is told after the adjoints.  Raises RenderError where there would
    be more sweeps than anybody follows.
    """
    between = ends(account, [id for id in chosen if id in account.names.inputs])
    check_sweeps(between, modes)
    parts: list[Part] = []
    if "evaluate" in modes:
        parts.append(evaluation(account))
    if "forward" in modes:
        parts.append(ForwardGroups(account, between, known=bool(parts)).part())
    if "reverse" in modes:
        back = ReverseGroups(account, between, known=bool(parts)).part()
        parts.append(with_updates(account, back, updates) if updates else back)
    story = finish(account, parts, between.jacobian(account) if modes != ("evaluate",) else None)
    return titled(account, story) if updates else story


def check_sweeps(between: Ends, modes: Sequence[Mode]) -> None:
    """Raise RenderError for more sweeps than anybody follows."""
    if "reverse" in modes and len(between.outputs) > MOST_RESULTS:
        raise RenderError(
            f"reverse mode makes a sweep for each of {len(between.outputs)} results, and at most {MOST_RESULTS} are "
            "told group by group; explain a function that returns those that you mean. A training step is told as one "
            "if the loss is among its results and its gradients are those of that loss. mode='evaluate' tells it as it "
            "is computed, and graphcomp.render.network.network draws it: forward, backward, update"
        )
    if "forward" in modes and len(between.inputs) > MOST_SWEEPS:
        raise RenderError(
            f"forward mode makes a sweep for each of {len(between.inputs)} inputs, and at most {MOST_SWEEPS} are told "
            "group by group; name some of them in `wrt`, or use reverse mode"
        )


def evaluation(account: GroupAccount) -> Part:
    """A frame for each value that crosses a border."""
    execution = Execution(account.graph, account.inputs)
    execution.begin_sweep()
    frames = []
    for id in account.shown:
        execution.run(id)
        if id in account.graph.outputs:
            execution.keep([id])
        frames.append(replace(value_frame(account, id), cost=execution.cost()))
    sweep = Sweep("value", None, account.say_group("values"))
    return Part("evaluate", with_held(frames, execution), (sweep,))


def value_frame(account: GroupAccount, id: int) -> Frame:
    """One value comes out of its group."""
    node = account.graph.node(id)
    reads = tuple((id, slot) for slot in range(len(account.operands(id))))
    equation = chain(account.symbol(id), account.define(node, [account.operand(each) for each in node.inputs]))
    return Frame(
        "evaluate",
        id,
        reads,
        (account.value_fact(id),),
        (),
        (*equation, account.shown_value(id)),
        value_sentence(account, id),
        0,
        account.source_line(node),
    )


def value_sentence(account: GroupAccount, id: int) -> str:
    """Where a value comes from, and what it looks like."""
    symbol, statistics = account.symbol(id).plain(), account.statistics(account.values[id])
    if id not in account.blocks:
        name = account.names.inputs[id].plain()
        return account.say_group("input", node=symbol, name=name, statistics=statistics)
    operands = [account.symbol(each).plain() for each in account.operands(id)]
    parameters = account.blocks[id].parameters
    entries = sum(int(np.size(account.values[each])) for each in parameters)
    counted = "parameters" if len(parameters) > 1 else "parameter"
    told = account.say_group(
        "group" if operands else "made of parameters",
        group=account.group_name(id),
        node=symbol,
        operands=account.words.listed(operands) if operands else "",
        statistics=statistics,
        parameters=account.say_group(counted, count=len(parameters), entries=f"{entries:,}") if parameters else "",
    )
    if id in account.graph.outputs:
        told += account.say_group("result", node=symbol, result=account.output_symbol(id).plain())
    return told
