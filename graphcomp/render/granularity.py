"""A frame for each contribution instead of one for the whole sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .account import Account, chain
from .chain_rule import Part
from .mathematics import Mathematics, Operator, Row, added
from .numerals import UNKNOWN, is_spelled_out, quantity
from .story import Cost, Fact, FactKind, Frame


def by_contribution(
    account: Account, frame: Frame, parts: Sequence[Part], kind: FactKind, costs: Sequence[Cost]
) -> list[Frame]:
    """The frame itself, or a frame for each of its terms, the last of which holds the sum.

    ``costs`` is what has been spent after each of them.
    """
    if len(costs) == 1:
        return [replace(frame, cost=costs[0])]
    early = [
        replace(partial_sum(account, frame, parts, kind, position), cost=cost)
        for position, cost in enumerate(costs[:-1])
    ]
    last = parts[-1].edge
    facts = tuple(fact for fact in frame.facts if concerns(fact, last) or fact.kind in ("value", kind))
    return [*early, replace(frame, reads=(last,), facts=facts, cost=costs[-1])]


def told_separately(account: Account) -> bool:
    """Whether each contribution has a frame of its own."""
    return account.telling.granularity == "contribution"


def concerns(fact: Fact, edge: tuple[int, int]) -> bool:
    """Whether a fact is about an edge."""
    return fact.target == edge


def partial_sum(account: Account, frame: Frame, parts: Sequence[Part], kind: FactKind, position: int) -> Frame:
    """One term has arrived and more will come: ``−0.416 + ?``."""
    edge = parts[position].edge
    so_far = parts[position].so_far
    shown = running(account, so_far)
    value = [fact for fact in frame.facts if fact.kind == "value"]
    facts = [*value, *(fact for fact in frame.facts if concerns(fact, edge)), Fact(kind, frame.focus, shown, so_far)]
    through = edge[0] if frame.phase == "reverse" else account.edges[edge]
    sentence = account.say(
        "contribution",
        position=position + 1,
        count=len(parts),
        node=account.symbol(frame.focus).plain(),
        users=account.symbol(through).plain(),
    )
    products = tuple(arrived(account, part) for part in parts[: position + 1])
    return replace(
        frame,
        reads=(edge,),
        facts=tuple(facts),
        terms=frame.terms[: position + 1],
        equation=chain(frame.equation[0], frame.equation[1], added((*products, UNKNOWN))),
        sentence=sentence,
        cells=(),
        question=None,
    )


def arrived(account: Account, part: Part) -> Mathematics:
    """A product that is known: its number or entries, or of a larger array how it is computed."""
    if is_spelled_out(part.product) or part.form is None:
        return quantity(part.product, account.digits)
    return part.form


def running(account: Account, so_far: Any) -> Mathematics:
    """A sum that is not complete."""
    if so_far is None or not is_spelled_out(so_far):
        return UNKNOWN
    return Row((quantity(so_far, account.digits), Operator("+"), UNKNOWN))
