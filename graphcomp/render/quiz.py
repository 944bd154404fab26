"""Questions: predict the next tangent or adjoint; each wrong answer that one can expect betrays a mistake."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .account import Account
from .mathematics import Mathematics
from .numerals import number
from .story import Mistake, Question, close


@dataclass(frozen=True)
class Piece:
    """One term of the sum to predict, in numbers: through which node, factor times partial, and nearby values."""

    through: str
    factor: float
    partial: float
    values: tuple[float, ...]


def ask(
    account: Account, id: int, kind: str, unknown: Mathematics, formula: Mathematics, pieces: Sequence[Piece]
) -> Question:
    """The question about one node's derivative, which is the sum over the pieces."""
    answer = math.fsum(piece.factor * piece.partial for piece in pieces)
    prompt = account.say(f"ask {kind}", node=account.symbol(id).plain())
    mistakes = distinct(answer, expected_mistakes(account, answer, pieces))
    return Question(prompt, unknown, answer, formula, mistakes, variables(account))


def variables(account: Account) -> dict[str, float]:
    """The values of the names in a formula: scalar nodes and inputs, as they are typed."""
    scalars = {id: value for id, value in account.values.items() if not isinstance(value, tuple) and not np.ndim(value)}
    found: dict[str, float] = {}
    for id, symbol in (*account.names.symbols.items(), *account.names.inputs.items(), *account.names.outputs.items()):
        if id in scalars:
            found[symbol.name + symbol.subscript] = float(scalars[id])
    return found


def expected_mistakes(account: Account, answer: float, pieces: Sequence[Piece]) -> Iterator[Mistake]:
    """The wrong answers, the most telling first."""
    products = [piece.factor * piece.partial for piece in pieces]
    if len(pieces) > 1:
        for piece, product in zip(pieces, products, strict=True):
            yield Mistake("missing term", answer - product, account.say("missing term", users=piece.through))
    yield Mistake("sign", -answer, account.say("sign"))
    for piece, product in zip(pieces, products, strict=True):
        others = answer - product
        if len(pieces) > 1:
            yield Mistake("sign", others - product, account.say("sign of term", users=piece.through))
        shown = number(piece.partial, account.digits).plain()
        for value in piece.values:
            feedback = account.say("value for partial", users=piece.through, partial=shown)
            yield Mistake("value for partial", others + piece.factor * value, feedback)
        factor = number(piece.factor, account.digits).plain()
        yield Mistake("missing factor", others + piece.partial, account.say("missing factor", factor=factor))
    if len(pieces) > 1:
        yield Mistake("product for sum", math.prod(products), account.say("product for sum"))


def distinct(answer: float, mistakes: Iterator[Mistake]) -> tuple[Mistake, ...]:
    """The mistakes whose answer is wrong, each answer once."""
    kept: list[Mistake] = []
    for mistake in mistakes:
        taken = [answer, *(other.value for other in kept)]
        if math.isfinite(mistake.value) and not any(close(mistake.value, value) for value in taken):
            kept.append(mistake)
    return tuple(kept)
