"""What both derivative modes share: local partials, and the sums of products that the chain rule makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import sympy as sp

from ..errors import GraphcompError
from ..trace.symbolic import to_sympy
from .account import Account
from .derived import Derived
from .execution import Execution
from .mathematics import Application, Beside, Mathematics, Operator, Parenthesised, factor, few_added, joined
from .numerals import is_spelled_out, quantity
from .story import Cost, Edge, Fact, Term
from .symbolic_mathematics import from_sympy

LONGEST_PARTIAL = 32
SEVERAL = np.zeros(1000)  # stands for an array that is not written out


@dataclass(frozen=True)
class Partials:
    """The local partials of a graph: their formulas in terms of the story's symbols, and their values."""

    formulas: dict[Edge, Mathematics]
    values: dict[Edge, Any]


def local_partials(account: Account, derived: Derived, run: Callable[[int], Any]) -> Partials:
    """The partials that a derived graph holds; ``run`` gives the value of one of its nodes."""
    symbols = {id: sp.Symbol(f"w_{id}", real=True) for id in account.shown}
    names = {derived.primal[id]: symbol for id, symbol in symbols.items() if id in derived.primal}
    trees = {symbol: account.symbol(id) for id, symbol in symbols.items()}
    formulas: dict[Edge, Mathematics] = {}
    known: dict[Edge, Any] = {}
    for edge in account.edges:
        if edge not in derived.partial:
            continue
        known[edge] = run(derived.partial[edge])
        try:
            formula = from_sympy(
                sp.sympify(to_sympy(derived.graph, derived.partial[edge], names=names)), trees, account.digits
            )
        except (GraphcompError, NotImplementedError):
            continue
        if len(formula.plain()) <= LONGEST_PARTIAL:
            formulas[edge] = formula
    return Partials(formulas, known)


def partial_fact(account: Account, partials: Partials, edge: Edge) -> list[Fact]:
    """That an edge's partial is known, if the derived graph has one."""
    if edge not in partials.values:
        return []
    return [Fact("partial", edge, quantity(partials.values[edge], account.digits), partials.values[edge])]


@dataclass(frozen=True)
class Part:
    """What one edge adds to a sum: factor times partial, with symbols, filled in, and as numbers.

    ``form`` is the product as it is computed, for an edge between tensors that has no single partial; ``so_far`` is
    the sum of the products up to this one, if it is computed.
    """

    edge: Edge
    factor_symbol: Mathematics
    factor_value: Any
    partial_symbol: Mathematics
    product: Any
    form: Mathematics | None = None
    so_far: Any = None


def product_sign(value: Any) -> Operator:
    """The sign between a factor and an elementwise partial: entrywise for tensors."""
    return Operator("⊙" if np.ndim(value) else "·")


def sums(account: Account, parts: Sequence[Part], partials: Partials, order: Literal[1, -1]) -> list[Mathematics]:
    """The sum over the parts with symbols, with its formulas filled in, and with numbers (where all can be shown)."""

    def pair(left: Mathematics, right: Mathematics, sign: Mathematics) -> Mathematics:
        first, second = (left, right)[::order]
        # (cos w1) · 1, since cos w1 · 1 would read as the cosine of a product.
        bare = isinstance(first, Application) and first.bare()
        return joined((Parenthesised(first) if bare else first, second), sign)

    sides = [few_added(tuple(pair(part.factor_symbol, part.partial_symbol, gap(account)) for part in parts))]
    small = all(is_spelled_out(part.factor_value) for part in parts)
    shown = [quantity(part.factor_value, account.digits) if small else part.factor_symbol for part in parts]
    if all(part.edge in partials.formulas or part.form for part in parts):
        pairs = zip(parts, shown, strict=True)
        sides.append(few_added(tuple(filled(part, left, partials, pair) for part, left in pairs)))
    if small and all(is_spelled_out(partials.values.get(part.edge, SEVERAL)) for part in parts):
        numbers = [quantity(partials.values[part.edge], account.digits) for part in parts]
        sides.append(added_products(parts, shown, numbers, pair))
    return sides


def filled(
    part: Part,
    left: Mathematics,
    partials: Partials,
    pair: Callable[[Mathematics, Mathematics, Mathematics], Mathematics],
) -> Mathematics:
    """One product with the partial's formula, or as it is computed."""
    if part.edge not in partials.formulas:
        return part.form or part.partial_symbol
    return pair(factor(left), factor(partials.formulas[part.edge]), product_sign(part.factor_value))


def added_products(
    parts: Sequence[Part],
    left: Sequence[Mathematics],
    right: Sequence[Mathematics],
    pair: Callable[[Mathematics, Mathematics, Mathematics], Mathematics],
) -> Mathematics:
    """The sum of the products of two lists."""
    products = zip(parts, left, right, strict=True)
    return few_added(
        tuple(pair(factor(one), factor(other), product_sign(part.factor_value)) for part, one, other in products)
    )


def gap(account: Account) -> Mathematics:
    """What stands between two derivatives: no sign between fractions, a dot between marked symbols."""
    return Operator("·") if account.notation == "bar" else Beside()


def terms_of(account: Account, parts: Sequence[Part], partials: Partials) -> tuple[Term, ...]:
    """The parts as a frame records them."""
    return tuple(
        Term(
            *part.edge,
            quantity(part.factor_value, account.digits),
            quantity(partials.values[part.edge], account.digits)
            if part.edge in partials.values
            else part.partial_symbol,
            quantity(part.product, account.digits),
        )
        for part in parts
    )


def arrive(derived: Derived, execution: Execution, id: int, separately: bool) -> list[Cost]:
    """Compute what the edges bring to a derivative, one after the other, and then the derivative itself.

    The result is what has been spent after each of them but the last, if they are told separately.
    """
    costs: list[Cost] = []
    edges = derived.sums.get(id, ())
    for position, (edge, so_far) in enumerate(edges, 1):
        execution.run(derived.product[edge])
        if so_far is not None:
            execution.run(so_far)
        if separately and position < len(edges):
            costs.append(execution.cost())
    if id in derived.derivative:
        execution.run(derived.derivative[id])
    return costs


def contributions(account: Account, parts: Sequence[Part]) -> list[Fact]:
    """That each part's product is known."""
    return [Fact("contribution", part.edge, quantity(part.product, account.digits), part.product) for part in parts]
