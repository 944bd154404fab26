"""Forward mode over groups: the tangent of each value that crosses a border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...derive import Forward, forward
from ...run import interpret
from ..account import Part, chain
from ..derived import tangents
from ..evaluation import with_held
from ..execution import Execution
from ..forward_mode import input_seed, tangent_symbol
from ..mathematics import Mathematics
from ..seeds import Ends, Seed
from ..story import Fact, Frame, Sweep
from .blocks import extract
from .contributions import Contribution, contribution_facts, summed
from .group_account import GroupAccount


class ForwardGroups:
    """A sweep for each chosen input, in which the groups carry its tangent on."""

    def __init__(self, account: GroupAccount, between: Ends, known: bool) -> None:
        self.account, self.between = account, between
        self.derived = tangents(account.graph, account.border_edges)
        graph = replace(self.derived.graph, inputs=list(self.derived.inputs))
        self.execution = Execution(graph, account.inputs, self.derived.seeds)
        self.moving = [id for id in account.graph.inputs if account.is_float(id)]
        if known:
            self.execution.know({copy: account.values[id] for id, copy in self.derived.primal.items()})
        self.parts: dict[int, tuple[Forward, tuple[int, ...]]] = {}

    def part(self) -> Part:
        """All sweeps."""
        account, frames, sweeps = self.account, list[Frame](), list[Sweep]()
        for sweep, seed in enumerate(self.between.inputs):
            self.execution.begin_sweep([input_seed(account, id, seed) for id in self.moving])
            symbols = {id: tangent_symbol(account, id, seed) for id in account.shown if account.is_float(id)}
            changing = seed.symbol(account.names.inputs[seed.id]).plain()
            sweeps.append(Sweep("tangent", seed.id, account.say("sweep of", name=changing), symbols))
            frames.extend(self.frame(id, sweep, seed, symbols) for id in account.shown if id in symbols)
        given = tuple(account.value_fact(id) for id in account.shown if not account.is_float(id))
        return Part("forward", with_held(frames, self.execution), tuple(sweeps), {}, given)

    def tangent(self, id: int) -> Any:
        """A value's tangent: zero where the derived graph has none."""
        if id in self.derived.derivative:
            return self.execution.run(self.derived.derivative[id])
        return np.zeros_like(self.account.values[id])

    def carried(self, result: int, operand: int) -> Any:
        """What one operand's tangent adds to a result's."""
        account = self.account
        if result not in self.parts:
            inputs = (*account.operands(result), *account.blocks[result].parameters)
            self.parts[result] = forward(extract(account.graph, result, inputs)), inputs
        derived, inputs = self.parts[result]
        tangents = [self.tangent(id) if id == operand else np.zeros_like(account.values[id]) for id in inputs]
        moving = [tangent for id, tangent in zip(inputs, tangents, strict=True) if account.is_float(id)]
        return interpret(derived.graph, [*(account.values[id] for id in inputs), *moving])[1]

    def moving_with(self, seed: int) -> set[int]:
        """The cards that depend on an input."""
        moving = {seed}
        for id in self.account.shown:
            if moving & set(self.account.operands(id)):
                moving.add(id)
        return moving

    def frame(self, id: int, sweep: int, seed: Seed, symbols: dict[int, Mathematics]) -> Frame:
        """One value and its tangent."""
        account = self.account
        self.execution.run(self.derived.primal[id])
        tangent = self.tangent(id)
        if id in account.graph.outputs:
            self.execution.keep([self.derived.primal[id], self.derived.derivative.get(id, -1)])
        parts = [
            Contribution(
                (id, slot),
                symbols[operand],
                self.tangent(operand),
                account.derivative(account.symbol(id), account.symbol(operand)),
                self.carried(id, operand),
            )
            for slot, operand in enumerate(account.operands(id))
            if operand in symbols and operand in self.moving_with(seed.id)
        ]
        shown = account.sized(tangent)
        facts = (account.value_fact(id), *contribution_facts(account, parts), Fact("tangent", id, shown, tangent))
        return Frame(
            "forward",
            id,
            tuple(part.edge for part in parts),
            facts,
            tuple(part.term(account) for part in parts),
            chain(symbols[id], *summed(account, parts, lambda part: (part.partial, part.factor_symbol)), shown),
            self.sentence(id, seed, parts, shown),
            sweep,
            account.source_line(account.graph.node(id)),
            self.between.cells(account, id, tangent, of=None, by=seed),
            self.execution.cost(),
        )

    def sentence(self, id: int, seed: Seed, parts: Sequence[Contribution], shown: Mathematics) -> str:
        """How a value moves."""
        account = self.account
        node, name = account.symbol(id).plain(), account.names.inputs[seed.id].plain()
        entry = seed.symbol(account.names.inputs[seed.id]).plain()
        if id == seed.id:
            everywhere = account.say_group("everywhere") if np.ndim(account.values[id]) else ""
            key = "seed" if seed.entry is None else "seed entry"
            return account.say_group(key, node=node, name=name, entry=entry, everywhere=everywhere)
        if not parts:
            return account.say_group("still", node=node, name=entry)
        operands = [account.symbol(account.edges[part.edge]).plain() for part in parts]
        return account.say_group(
            "along",
            group=account.group_name(id),
            operands=account.words.listed(operands),
            node=node,
            size=shown.plain(),
        )
