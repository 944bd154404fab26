"""Reverse mode over groups: the adjoint of each value that crosses a border, and the gradients of the parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...derive import Reverse, reverse
from ...run import interpret
from ..account import Part, chain
from ..derived import Derived, adjoints
from ..evaluation import with_held
from ..execution import Execution
from ..mathematics import Mathematics
from ..numerals import number
from ..reverse_mode import adjoint_symbol
from ..seeds import Ends, Seed
from ..story import Edge, Fact, Frame, Sweep
from .blocks import extract
from .contributions import Contribution, contribution_facts, summed
from .group_account import GroupAccount, norm


class ReverseGroups:
    """A sweep for each output, in which each value's adjoint comes back through the groups that use it."""

    def __init__(self, account: GroupAccount, between: Ends, known: bool) -> None:
        self.account, self.between = account, between
        self.derived = adjoints(account.graph, account.border_edges)
        self.current: Derived = self.derived[between.outputs[0].id]
        graph = replace(self.current.graph, inputs=list(self.current.inputs))
        self.execution = Execution(graph, account.inputs, self.current.seeds)
        if known:
            self.execution.know({copy: account.values[id] for id, copy in self.current.primal.items()})
        for id in account.shown:
            self.execution.run(self.current.primal[id])
        self.parts: dict[int, tuple[Reverse, tuple[int, ...]]] = {}

    def part(self) -> Part:
        """All sweeps."""
        account, frames, sweeps = self.account, list[Frame](), list[Sweep]()
        for sweep, seed in enumerate(self.between.outputs):
            if self.derived[seed.id] is not self.current:
                self.current = self.derived[seed.id]
                self.execution.follow(self.current.graph, self.current.seeds)
            self.execution.begin_sweep([seed.array(account.values[seed.id])])
            symbols = {id: adjoint_symbol(account, id, seed) for id in account.shown if account.is_float(id)}
            label = seed.symbol(account.output_symbol(seed.id)).plain()
            sweeps.append(Sweep("adjoint", seed.id, label, symbols))
            frames.extend(ReverseSweep(self, sweep, seed, symbols).frames())
        given = tuple(account.value_fact(id) for id in account.shown)
        return Part("reverse", with_held(frames, self.execution), tuple(sweeps), {}, given)

    def adjoint(self, id: int) -> Any:
        """A value's adjoint: zero where the derived graph has none."""
        if id in self.current.derivative:
            return self.execution.run(self.current.derivative[id])
        return np.zeros_like(self.account.values[id])

    def keep(self, ids: Sequence[int]) -> None:
        """Note that the adjoints of inputs belong to the result."""
        self.execution.keep([self.current.derivative[id] for id in ids if id in self.current.derivative])

    def handed_back(self, result: int) -> dict[int, Any]:
        """What one result of a group hands back to each of its operands."""
        account = self.account
        if result not in self.parts:
            inputs = (*account.operands(result), *account.blocks[result].parameters)
            self.parts[result] = reverse(extract(account.graph, result, inputs)), inputs
        derived, inputs = self.parts[result]
        results = interpret(derived.graph, [*(account.values[id] for id in inputs), self.adjoint(result)])
        copies = dict(zip(derived.wrt, results[1:], strict=True))
        return {
            id: copies[copy]
            for copy, id in enumerate(inputs)
            if copy in copies and copy in derived.adjoint and id in account.names.symbols
        }


@dataclass(frozen=True)
class ReverseSweep:
    """Tells the frames of one sweep back."""

    groups: ReverseGroups
    number: int
    seed: Seed
    symbols: dict[int, Mathematics]

    def frames(self) -> list[Frame]:
        """A frame for each value, in the order in which adjoints become known."""
        account = self.groups.account
        order = self.order([end.id for end in self.groups.between.inputs])
        handed: dict[int, dict[int, Any]] = {}
        waiting = [id for id in order if id in account.blocks]
        frames = []
        for id in order:
            edges = [edge for edge in account.users(id) if id in handed.get(edge[0], {})]
            parts = [self.contribution(edge, handed[edge[0]][id]) for edge in edges]
            frames.append(self.frame(id, parts, waiting))
            if id in account.blocks:
                waiting.remove(id)
                handed[id] = self.groups.handed_back(id)
        return frames

    @cached_property
    def reached(self) -> set[int]:
        """The cards that the output depends on, itself included."""
        found, stack = set[int](), [self.seed.id]
        while stack:
            id = stack.pop()
            if id not in found:
                found.add(id)
                stack.extend(self.groups.account.operands(id))
        return found

    def order(self, chosen: Sequence[int]) -> list[int]:
        """From the output breadth first, but no value before all its users; only what leads to a chosen input.

        A group's own parameters are always told with it, so every group that has some is told.
        """
        account = self.groups.account
        leading = set(chosen) | {id for id, block in account.blocks.items() if block.parameters}
        for id in account.shown:
            if account.is_float(id) and leading & set(account.operands(id)):
                leading.add(id)
        waiting = {id: sum(user in self.reached for user, _ in account.users(id)) for id in self.reached}
        queue, order = deque([self.seed.id]), []
        while queue:
            id = queue.popleft()
            order.append(id)
            for operand in account.operands(id):
                waiting[operand] -= 1
                if not waiting[operand]:
                    queue.append(operand)
        told = [id for id in order if account.is_float(id) and (id in leading or id == self.seed.id)]
        return told + [id for id in chosen if id not in self.reached]

    def contribution(self, edge: Edge, product: Any) -> Contribution:
        """What comes back along one edge."""
        account = self.groups.account
        partial = account.derivative(account.symbol(edge[0]), account.symbol(account.edges[edge]))
        return Contribution(edge, self.symbols[edge[0]], self.groups.adjoint(edge[0]), partial, product)

    def frame(self, id: int, parts: Sequence[Contribution], waiting: Sequence[int]) -> Frame:
        """One value's adjoint becomes known, and with it perhaps the gradients of a group's parameters."""
        account = self.groups.account
        adjoint = self.groups.adjoint(id)
        if id in account.graph.inputs:
            self.groups.keep([id])
        shown = account.sized(adjoint)
        facts = [*contribution_facts(account, parts), Fact("adjoint", id, shown, adjoint)]
        sides = summed(account, parts, lambda part: (part.factor_symbol, part.partial))
        sentence = self.sentence(id, parts, adjoint) + self.gradients(id, waiting)
        return Frame(
            "reverse",
            id,
            tuple(part.edge for part in parts),
            tuple(facts),
            tuple(part.term(account) for part in parts),
            chain(self.symbols[id], *sides, shown),
            sentence,
            self.number,
            account.source_line(account.graph.node(id)),
            self.groups.between.cells(account, id, adjoint, of=self.seed, by=None),
            self.groups.execution.cost(),
        )

    def sentence(self, id: int, parts: Sequence[Contribution], adjoint: Any) -> str:
        """Which groups hand back how much."""
        account = self.groups.account
        node, result = account.symbol(id).plain(), self.seed.symbol(account.output_symbol(self.seed.id)).plain()
        if id == self.seed.id:
            everywhere = account.say_group("everywhere") if np.ndim(adjoint) else ""
            key = "start entry" if self.seed.entry is not None else "start"
            return account.say_group(key, node=node, result=result, everywhere=everywhere)
        if not parts:
            return account.say_group("independent", node=node, result=result)
        size, count = account.sized(adjoint).plain(), account.words.count(len(parts))
        groups = list(dict.fromkeys(account.group_name(part.edge[0]) for part in parts))
        norms = account.words.listed([account.normed(part.product).plain() for part in parts[:3]])
        key = ("back" if len(parts) == 1 else "back results") if len(groups) == 1 else "back again"
        return account.say_group(
            "back many" if len(parts) > 3 else key,
            groups=account.words.listed(groups),
            node=node,
            count=count,
            Count=count.capitalize(),
            norms=norms,
            size=size,
        )

    def gradients(self, id: int, waiting: Sequence[int]) -> str:
        """What a group's parameters get, once the adjoints of all its results are known."""
        account = self.groups.account
        block = account.blocks.get(id)
        if block is None or not block.parameters or any(other != id and other in waiting for other in block.results):
            return ""
        found = {parameter: self.groups.adjoint(parameter) for parameter in block.parameters}
        self.groups.keep(block.parameters)
        norms = {parameter: norm(gradient) for parameter, gradient in found.items()}
        most = max(norms, key=lambda parameter: norms[parameter])
        return account.say_group(
            "gradients" if len(found) > 1 else "gradient",
            group=account.group_name(id),
            count=len(found),
            norm=number(float(np.hypot.reduce(list(norms.values()))), account.digits).plain(),
            most=number(norms[most], account.digits).plain(),
            name=next(iter(account.graph.labels(most)), ""),
        )
