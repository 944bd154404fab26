"""The mathematics tree of a SymPy expression (a local partial in terms of the story's names)."""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from .mathematics import (
    Application,
    Fraction,
    Mathematics,
    Minus,
    Number,
    Operator,
    Parenthesised,
    Power,
    Root,
    Row,
    Space,
    Text,
    factor,
    identifier,
    needs_grouping,
)
from .numerals import number

FUNCTION_NAMES = {
    "log": "ln",
    "Abs": "abs",
    "Max": "max",
    "Min": "min",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
}


def from_sympy(expression: sp.Basic, names: Mapping[sp.Symbol, Mathematics], digits: int = 3) -> Mathematics:
    """The tree of an expression; symbols are looked up in ``names``, anything unknown becomes text."""
    if isinstance(expression, sp.Symbol):
        return names.get(expression) or identifier(expression.name)
    if isinstance(expression, sp.Rational):
        return from_rational(expression)
    if isinstance(expression, sp.Number):
        return number(float(expression), digits)
    if isinstance(expression, sp.Add):
        return from_sum(expression, names, digits)
    if isinstance(expression, sp.Mul):
        return from_product(expression, names, digits)
    if isinstance(expression, sp.Pow):
        return from_power(expression, names, digits)
    if isinstance(expression, sp.exp):
        return Power(Text("e"), from_sympy(expression.args[0], names, digits))
    if isinstance(expression, sp.Function) and expression.args:
        name = type(expression).__name__
        arguments = tuple(from_sympy(argument, names, digits) for argument in expression.args)
        return Application(FUNCTION_NAMES.get(name, name), arguments)
    return Text(str(expression))


def from_rational(value: sp.Rational) -> Mathematics:
    """An integer, or a fraction on one line."""
    sign = "−" if value < 0 else ""
    top, bottom = str(abs(int(value.p))), str(int(value.q))
    return Number(sign + top) if bottom == "1" else Fraction(Number(sign + top), Number(bottom), slashed=True)


def from_sum(expression: sp.Add, names: Mapping[sp.Symbol, Mathematics], digits: int) -> Mathematics:
    """A sum that begins with a positive term if there is one: 1 − w5², not −w5² + 1."""
    terms = list(expression.as_ordered_terms())
    terms.sort(key=lambda term: term.could_extract_minus_sign())
    items: list[Mathematics] = []
    for term in terms:
        negative = term.could_extract_minus_sign()
        tree = from_sympy(-term if negative else term, names, digits)
        if items:
            items.append(Operator("−" if negative else "+"))
        elif negative:
            items.append(Minus())
        items.append(Parenthesised(tree) if isinstance(term, sp.Add) else tree)
    return Row(tuple(items))


def from_product(expression: sp.Mul, names: Mapping[sp.Symbol, Mathematics], digits: int) -> Mathematics:
    """A product; negative powers go below a fraction's line."""
    if expression.could_extract_minus_sign():
        return Row((Minus(), factor(from_sympy(-expression, names, digits))))
    above, below = sp.fraction(expression)
    if below != 1:
        return Fraction(from_sympy(above, names, digits), factored(below, names, digits), slashed=True)
    factors = [from_sympy(part, names, digits) for part in expression.as_ordered_factors()]
    items: list[Mathematics] = []
    for previous, tree in zip([None, *factors], factors, strict=False):
        if previous is not None:
            items.append(Operator("·") if isinstance(previous, Application) or isinstance(tree, Number) else Space())
        items.append(factor(tree))
    return Row(tuple(items))


def factored(expression: sp.Basic, names: Mapping[sp.Symbol, Mathematics], digits: int) -> Mathematics:
    """An expression bracketed unless it is a single quantity, as below a slash."""
    tree = from_sympy(expression, names, digits)
    return Parenthesised(tree) if isinstance(tree, Row) or needs_grouping(tree) else tree


def from_power(expression: sp.Pow, names: Mapping[sp.Symbol, Mathematics], digits: int) -> Mathematics:
    """A root, a reciprocal or a power."""
    base, exponent = expression.args
    if exponent == sp.Rational(1, 2):
        return Root(from_sympy(base, names, digits))
    if exponent.is_number and exponent.could_extract_minus_sign():
        return Fraction(Number("1"), factored(base ** (-exponent), names, digits), slashed=True)
    if base == sp.E:
        return Power(Text("e"), from_sympy(exponent, names, digits))
    return Power(factored(base, names, digits), from_sympy(exponent, names, digits))
