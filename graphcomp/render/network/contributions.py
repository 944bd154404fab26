"""What the edges between groups add to a derivative, and how a frame writes their sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..chain_rule import gap
from ..mathematics import Mathematics, few_added, joined
from ..numerals import is_spelled_out
from ..story import Edge, Fact, Term
from .group_account import GroupAccount


@dataclass(frozen=True)
class Contribution:
    """What one edge adds to a sum: with its symbols, and as an array."""

    edge: Edge
    factor_symbol: Mathematics
    factor: Any
    partial: Mathematics
    product: Any

    def term(self, account: GroupAccount) -> Term:
        """As a frame records it."""
        return Term(*self.edge, account.sized(self.factor), self.partial, account.sized(self.product))


def contribution_facts(account: GroupAccount, parts: Sequence[Contribution]) -> list[Fact]:
    """That each part's product is known."""
    return [Fact("contribution", part.edge, account.normed(part.product), part.product) for part in parts]


def summed(
    account: GroupAccount,
    parts: Sequence[Contribution],
    pair: Callable[[Contribution], tuple[Mathematics, Mathematics]],
) -> list[Mathematics]:
    """The sum of products in symbols; where numbers can be written out, with those too."""
    if not parts:
        return []
    sides = [few_added(tuple(joined(pair(part), gap(account)) for part in parts))]
    if len(parts) > 1 and all(is_spelled_out(part.product) for part in parts):
        sides.append(few_added(tuple(account.sized(part.product) for part in parts)))
    return sides
