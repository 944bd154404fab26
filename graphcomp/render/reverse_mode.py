"""The story of reverse mode: a sweep for each output, in which adjoints come back from users to operands."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..derive import reverse
from .account import Account, chain
from .account import Part as Told
from .chain_rule import Part, Partials, arrive, contributions, local_partials, partial_fact, sums, terms_of
from .derived import Derived, adjoints
from .evaluation import with_held
from .execution import FREE, Execution
from .granularity import by_contribution, told_separately
from .mathematics import Identifier, Mathematics
from .numerals import is_spelled_out, quantity, shape_text
from .product_form import product_form, stops
from .quiz import Piece, ask
from .seeds import Ends, Seed
from .story import Edge, Fact, Frame, Question, Sweep


def reverse_mode(account: Account, ends: Ends, known: bool = False) -> Told:
    """A sweep for each output: its adjoint is 1, and each node's adjoint is the sum over its users.

    ``known``: the values were told before, and are not computed again.
    """
    derived = adjoints(account.graph, account.moving_edges)
    first = derived[ends.outputs[0].id]
    execution = Execution(replace(first.graph, inputs=list(first.inputs)), account.inputs, first.seeds)
    if known:
        execution.know({first.primal[id]: account.values[id] for id in first.primal})
    for id in account.shown:
        execution.run(first.primal[id])
    partials = local_partials(account, first, execution.run)
    given: list[Fact] = [account.value_fact(id) for id in account.shown]
    given.extend(fact for edge in account.edges for fact in partial_fact(account, partials, edge))
    frames: list[Frame] = []
    sweeps: list[Sweep] = []
    for sweep, seed in enumerate(ends.outputs):
        if derived[seed.id].graph is not derived[ends.outputs[sweep - 1].id].graph:
            execution.follow(derived[seed.id].graph, derived[seed.id].seeds)
        execution.begin_sweep([seed.array(account.values[seed.id])])
        symbols = {id: adjoint_symbol(account, id, seed) for id in account.shown}
        told = {id: symbol for id, symbol in symbols.items() if account.is_float(id)}
        label = seed.symbol(account.output_symbol(seed.id)).plain()
        sweeps.append(Sweep("adjoint", seed.id, label, told))
        telling = ReverseTelling(account, sweep, seed, ends, derived[seed.id], execution, partials, symbols)
        for id in reverse_order(account, seed.id, [end.id for end in ends.inputs]):
            frames.extend(telling.frames(id))
    return Told("reverse", with_held(frames, execution), tuple(sweeps), partials.formulas, tuple(given))


def saved_values(account: Account) -> set[int]:
    """The nodes whose values reverse mode reads again."""
    derived = reverse(account.graph)
    owners = {copy: id for id, copy in derived.primal.items()}
    wanted = set(derived.graph.reachable()) - set(owners)
    read = {source for id in wanted for source in derived.graph.node(id).inputs}
    partials = {id for edge, id in derived.partial.items() if edge in account.edges}
    return {owners[id] for id in (read | partials) & set(owners) if derived.graph.node(id).op not in FREE - {"input"}}


def adjoint_symbol(account: Account, id: int, seed: Seed) -> Mathematics:
    """dz/dw3, or w̄3."""
    symbol = account.symbol(id)
    barred = Identifier(symbol.name, symbol.subscript, "bar")
    return account.derivative(seed.symbol(account.output_symbol(seed.id)), symbol, barred)


def reverse_order(account: Account, output: int, chosen: Sequence[int]) -> list[int]:
    """From the output breadth first, argument slots left to right, but no node before all its users.

    Only nodes that lead to a chosen input are told; an input that the output does not use comes last.
    """
    leading = set(chosen)
    for (user, _), operand in account.edges.items():
        if operand in leading and account.passes(user):
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
    seed: Seed
    ends: Ends
    derived: Derived
    execution: Execution
    partials: Partials
    symbols: Mapping[int, Mathematics]

    @property
    def output(self) -> int:
        """The node whose derivatives the sweep finds."""
        return self.seed.id

    def adjoint(self, id: int) -> Any:
        """A node's adjoint: zero where the derived graph has none. An operation with several results has several."""
        value = self.account.values[id]
        if isinstance(value, tuple):
            return value
        if id in self.derived.derivative:
            return self.execution.run(self.derived.derivative[id])
        return np.zeros_like(value)

    def frames(self, id: int) -> list[Frame]:
        """One node's adjoint: the sum of what its users hand back, in one frame or one for each contribution."""
        account, execution = self.account, self.execution
        costs = arrive(self.derived, execution, id, told_separately(account))
        adjoint = self.adjoint(id)
        parts = [self.part(id, edge, so_far) for edge, so_far in self.derived.sums.get(id, ())]
        if id in account.graph.inputs and id in self.derived.derivative:
            execution.keep([self.derived.derivative[id]])
        shown = quantity(adjoint, account.digits)
        sides = self.sides(id, parts)
        frame = Frame(
            "reverse",
            id,
            tuple(part.edge for part in parts),
            (*contributions(account, parts), Fact("adjoint", id, shown, adjoint)),
            terms_of(account, parts, self.partials),
            chain(self.symbols[id], *sides, shown),
            self.sentence(id, parts, adjoint),
            self.sweep,
            account.source_line(account.graph.node(id)),
            self.ends.cells(account, id, adjoint, of=self.seed, by=None),
            question=self.question(id, parts, sides),
        )
        return by_contribution(account, frame, parts, "adjoint", [*costs, execution.cost()])

    def sides(self, id: int, parts: Sequence[Part]) -> list[Mathematics]:
        """The sum with symbols, filled in, and with numbers; of what no edge brings, as it is computed."""
        if parts:
            return sums(self.account, parts, self.partials, 1)
        if id == self.output or id not in self.derived.derivative:
            return []
        form = self.form(id, self.derived.derivative[id])
        return [form] if form else []

    def form(self, id: int, product: int, user: int | None = None) -> Mathematics | None:
        """A derived node as it is computed from the adjoints of other nodes, the user's before all."""
        others = {other: symbol for other, symbol in self.symbols.items() if other not in (id, user)}
        ends = stops(self.account, self.derived, others)
        ends.pop(product, None)  # also another node's adjoint, perhaps, but one that is not told yet
        if user is not None:
            ends |= stops(self.account, self.derived, {user: self.symbols[user]})
        return product_form(self.derived.graph, product, ends, self.account.digits)

    def part(self, id: int, edge: Edge, so_far: int | None) -> Part:
        """What one use of a node hands back to it."""
        account, id_of_product = self.account, self.derived.product[edge]
        product = self.execution.run(id_of_product)
        spelled = edge in self.partials.formulas and is_spelled_out(product)
        return Part(
            edge,
            self.symbols[edge[0]],
            self.adjoint(edge[0]),
            account.derivative(account.symbol(edge[0]), account.symbol(id)),
            product,
            None if spelled else self.form(id, id_of_product, edge[0]),
            None if so_far is None else self.execution.run(so_far),
        )

    def question(self, id: int, parts: Sequence[Part], sides: Sequence[Mathematics]) -> Question | None:
        """What to predict, where all is scalar."""
        account = self.account
        if not account.telling.quiz or not parts or any(np.ndim(part.product) for part in parts):
            return None
        if id == self.output or not all(part.edge in self.partials.values for part in parts):
            return None
        pieces = [
            Piece(
                account.symbol(part.edge[0]).plain(),
                float(part.factor_value),
                float(self.partials.values[part.edge]),
                (float(account.values[part.edge[0]]), float(account.values[id])),
            )
            for part in parts
        ]
        return ask(account, id, "adjoint", self.symbols[id], sides[min(1, len(sides) - 1)], pieces)

    def sentence(self, id: int, parts: Sequence[Part], adjoint: Any) -> str:
        """What happens to one node in reverse mode."""
        account = self.account
        result = self.seed.symbol(account.output_symbol(self.output)).plain()
        users = list(dict.fromkeys(part.edge[0] for part in parts))
        contributions = account.words.count(len(parts))
        return account.say(
            self.sentence_key(id, parts, users, adjoint),
            node=account.symbol(id).plain(),
            result=result,
            entry=result,
            users=account.words.listed([account.symbol(user).plain() for user in users[:4]]) if users else "",
            shape=self.shape(id),
            times=len(parts),
            count=contributions,
            contributions=contributions,
            Count=account.words.count(len(users)).capitalize(),
        )

    def sentence_key(self, id: int, parts: Sequence[Part], users: Sequence[int], adjoint: Any) -> str:
        """Which sentence fits."""
        if id == self.output:
            return self.start_key()
        if not parts:
            return "several results" if np.any(adjoint) else "independent"
        if len(parts) == 1:
            return self.one_user_key(id, parts[0])
        if len(users) == 1:
            return "same user twice" if len(parts) == 2 else "same user"
        return "users"

    def one_user_key(self, id: int, part: Part) -> str:
        """How the adjoint comes back through the one operation that uses a node."""
        if part.edge in self.partials.values:
            return "one user"
        if isinstance(self.account.values[part.edge[0]], tuple):
            return "one user with several results"
        return "one tensor user" if np.ndim(self.account.values[id]) else "one user, one number"

    def shape(self, id: int) -> str:
        """A value's shape: of a vector how many entries it has."""
        if isinstance(self.account.values[id], tuple):
            return ""
        shape = np.shape(self.account.values[id])
        if len(shape) != 1:
            return shape_text(shape)
        return self.account.say("one entry" if shape == (1,) else "entries", count=shape[0])

    def start_key(self) -> str:
        """How a sweep begins."""
        account = self.account
        if self.seed.entry is not None:
            return "start entry"
        if np.ndim(account.values[self.output]):
            return "start everywhere"
        same = account.symbol(self.output).plain() == account.output_symbol(self.output).plain()
        return "start" if same else "start named"
