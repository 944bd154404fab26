"""SymPy expressions to nodes and to scalar code.

A SymPy function is translated by the op whose record has it as its definition, so an op is still known in one place.
The records' definitions are looked at when the first SymPy function is met: SymPy takes long to evaluate them all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import sympy as sp
from sympy.logic.boolalg import BooleanFalse, BooleanTrue

from ..errors import ParseError
from ..graph.types import TensorType
from .builder import Builder

OUT = sp.Symbol("out", real=True)

_HEADS: dict[type, str] = {}
_UNREAD: dict[str, tuple[Callable[..., Any], tuple[sp.Symbol, ...]]] = {}

_SPECIAL_POWERS = {sp.Rational(1, 2): "sqrt", sp.Rational(-1, 2): "rsqrt"}
_FOLDED = {sp.Max: "maximum", sp.Min: "minimum", sp.And: "logical_and", sp.Or: "logical_or"}


def note_head(name: str, expression: Callable[..., Any], symbols: tuple[sp.Symbol, ...]) -> None:
    """Remember that `name` is the op for a SymPy function, if its definition is just that function. Of several ops with
    one definition it is the first."""
    _UNREAD[name] = expression, symbols


def read_heads(until: type | None = None) -> None:
    """Look at the definitions that nobody has looked at yet, in their order, until a function is found. Where two
    threads do so at once, both find the same."""
    for name, (expression, symbols) in list(_UNREAD.items()):
        if until in _HEADS:
            return
        try:
            function = _head(expression, symbols)
            if function is not None:
                _HEADS.setdefault(function, name)
        finally:
            _UNREAD.pop(name, None)


def _head(expression: Callable[..., Any], symbols: tuple[sp.Symbol, ...]) -> type | None:
    """The SymPy function that a definition is, None if it is more than that."""
    if any(p.kind is p.KEYWORD_ONLY for p in inspect.signature(expression).parameters.values()):
        return None
    definition = expression(*symbols)
    is_head = isinstance(definition, sp.Basic) and definition.args == symbols and len(definition.args) > 0
    return definition.func if is_head else None


def head_of(function: type) -> str | None:
    """The op for a SymPy function, None where there is none."""
    read_heads(function)
    return _HEADS.get(function)


def stand_in(name: str, definition: Callable[..., Any]) -> Any:
    """A SymPy function by which the partials of one op call another op, where SymPy would only write its definition."""
    function = type(name, (sp.Function,), {"_eval_evalf": lambda self, prec: definition(*self.args)._evalf(prec)})
    _HEADS[function] = name
    return function


def build(b: Builder, expression: Any, values: Mapping[Any, int], like: TensorType) -> int:
    """Nodes for `expression` as written, with `values` for its symbols; constants get the type `like`."""
    done: dict[Any, int] = dict(values)
    stack = [expression]
    while stack:
        children, combine = _plan(stack[-1], like)
        waiting = [child for child in children if child not in done]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        part = stack.pop()
        if part not in done:
            done[part] = combine(b, [done[child] for child in children])
    return done[expression]


Plan: TypeAlias = tuple[Sequence[Any], Callable[[Builder, list[int]], int]]


def _plan(part: Any, like: TensorType) -> Plan:
    """Which sub-expressions `part` needs first, and how to join their nodes."""
    if isinstance(part, (BooleanTrue, BooleanFalse)):
        return (), lambda b, ids: b.constant(bool(part), like.shape, "bool")
    if part.is_number and (not part.args or part.is_Rational):
        if not part.is_extended_real:
            raise ParseError(f"the number {part} is not real; formulas are over real numbers.")
        return (), lambda b, ids: b.constant(float(part), like.shape, like.dtype)
    if isinstance(part, sp.Symbol):
        return (), _unknown(part)
    if isinstance(part, sp.Add):
        return _plan_sum(part)
    if isinstance(part, sp.Mul):
        return _plan_product(part, like)
    if isinstance(part, sp.Pow):
        return _plan_power(part, like)
    if isinstance(part, sp.Piecewise):
        return _plan_piecewise(part)
    if type(part) in _FOLDED:
        name = _FOLDED[type(part)]
        return part.args, lambda b, ids: _fold(b, name, ids)
    if isinstance(part, sp.polygamma):
        order = int(part.args[0])  # SymPy writes digamma(x) as polygamma(0, x)
        return part.args[1:], lambda b, ids: b.polygamma(ids[0], order=order) if order else b.digamma(ids[0])
    head = head_of(type(part))
    if head is not None:
        return part.args, lambda b, ids: b.emit(head, *ids)
    raise ParseError(f"the function `{part.func.__name__}` has no op; `graphcomp ops` lists the known ones.")


def _unknown(part: sp.Symbol) -> Callable[[Builder, list[int]], int]:
    def fail(b: Builder, ids: list[int]) -> int:
        raise ParseError(f"the variable `{part}` has no value here.")

    return fail


def _fold(b: Builder, name: str, ids: list[int]) -> int:
    result = ids[0]
    for id in ids[1:]:
        result = b.emit(name, result, id)
    return result


def _plan_sum(part: Any) -> Plan:
    """Terms in SymPy's printing order, positive ones first; a term with a minus sign is subtracted."""
    terms = sorted(part.as_ordered_terms(), key=_is_negative)
    signs = [_is_negative(term) and index > 0 for index, term in enumerate(terms)]

    def combine(b: Builder, ids: list[int]) -> int:
        result = ids[0]
        for id, negative in zip(ids[1:], signs[1:]):
            result = b.subtract(result, id) if negative else b.add(result, id)
        return result

    return [-term if negative else term for term, negative in zip(terms, signs)], combine


def _is_negative(term: Any) -> bool:
    return bool(term.could_extract_minus_sign()) and (term.is_Mul or term.is_number)


def _plan_product(part: Any, like: TensorType) -> Plan:
    """(product of the factors) / (product of the factors with power -1), with a factor -1 as negation."""
    factors = [factor for factor in part.args if factor is not sp.S.NegativeOne]
    below = [f.base for f in factors if isinstance(f, sp.Pow) and f.exp is sp.S.NegativeOne]
    above = [f for f in factors if not (isinstance(f, sp.Pow) and f.exp is sp.S.NegativeOne)]
    negative = len(factors) < len(part.args)

    def combine(b: Builder, ids: list[int]) -> int:
        tops, bottoms = ids[: len(above)], ids[len(above) :]
        result = _fold(b, "multiply", tops) if tops else b.constant(1.0, like.shape, like.dtype)
        for divisor in bottoms:
            result = b.divide(result, divisor)
        return b.negative(result) if negative else result

    return [*above, *below], combine


def _plan_power(part: Any, like: TensorType) -> Plan:
    if part.exp in _SPECIAL_POWERS:
        name = _SPECIAL_POWERS[part.exp]
        return [part.base], lambda b, ids: b.emit(name, *ids)
    if part.exp is sp.S.NegativeOne:
        return [part.base], lambda b, ids: b.divide(b.constant(1.0, like.shape, like.dtype), *ids)
    if part.exp == 2:
        return [part.base], lambda b, ids: b.multiply(ids[0], ids[0])
    if part.base is sp.E:
        return [part.exp], lambda b, ids: b.exp(*ids)
    return [part.base, part.exp], lambda b, ids: b.power(*ids)


def _plan_piecewise(part: Any) -> Plan:
    """Nested `where`, from the last case to the first; the last case is taken to hold otherwise."""
    *cases, (last, _) = part.args
    children = [last, *(child for value, condition in reversed(cases) for child in (condition, value))]

    def combine(b: Builder, ids: list[int]) -> int:
        result = ids[0]
        for condition, value in zip(ids[1::2], ids[2::2]):
            result = b.where(condition, value, result)
        return result

    return children, combine
