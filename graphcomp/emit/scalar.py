"""Code for one value of an elementwise op, from its record: with every constant typed.

Numba promotes like NumPy arrays of rank zero: with float32 `x`, `1 - x*x` would become float64.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp

from .. import ops
from ..errors import LoweringError
from ..ops import symbolic
from .mathematics import FORMULAS, ROUNDING

Helpers = dict[str, Callable[..., Any]]


def scalar_code(
    op: str, arguments: Sequence[str], attributes: Mapping[str, Any], argument_dtype: str, dtype: str
) -> tuple[str, Helpers]:
    """(expression of type `dtype`, the Python functions that it calls)."""
    record = ops.get(op)
    if not isinstance(record, ops.Elementwise):
        raise LoweringError(f"{op} does not work entry by entry.")
    if callable(record.scalar):
        values = [*arguments, *(repr(value) for value in attributes.values())]
        return f"{dtype}({record.scalar.__name__}({', '.join(values)}))", {record.scalar.__name__: record.scalar}
    if record.scalar is not None:
        code = re.sub(r"\bT\(", f"{argument_dtype}(", record.scalar).format(*arguments)
    elif record.expression is not None:
        names = dict(zip(record.symbols(), arguments))
        code = _print(record.definition(attributes), names, argument_dtype)
    else:
        raise LoweringError(
            f"{op} has neither `scalar` code nor an `expression` to print it from; add one to its record."
        )
    return (code if has_type(code, argument_dtype, dtype) else f"{dtype}({code})"), {}


_KEEPING = "|".join([*["float32", "float64", "if", "else", "or", "and", "abs", "sqrt"], *FORMULAS, *ROUNDING])
"""Words before a parenthesis that give floats of the dtype that they take."""

_CALL = re.compile(rf"\b(?!(?:{_KEEPING})\b)\w+\(|\*\*|//|%")


def has_type(code: str, argument_dtype: str, dtype: str) -> bool:
    """Whether an expression has its dtype without a conversion, which would cost Numba as much as the op itself.

    Sums, differences, products, quotients, choices and functions of floats of one dtype do; so do comparisons.
    """
    return dtype == "bool" or (dtype.startswith("float") and argument_dtype == dtype and not _CALL.search(code))


def _print(expression: Any, names: Mapping[sp.Symbol, str], dtype: str) -> str:
    """A SymPy expression as code, with the scalar templates of the ops that it is made of."""
    if expression in names:
        return names[expression]
    if (expression.is_number and not expression.args) or expression.is_Rational:
        return f"{dtype}({float(expression)!r})"
    parts = [_print(argument, names, dtype) for argument in expression.args]
    if expression.is_Add:
        return f"({' + '.join(parts)})"
    if expression.is_Mul:
        return f"({' * '.join(parts)})"
    if expression.is_Pow:
        return _print_power(expression, parts[0], parts[1], dtype)
    if isinstance(expression, sp.Piecewise):
        *cases, (last, _) = expression.args
        code = _print(last, names, dtype)
        for value, condition in reversed(cases):
            code = f"({_print(value, names, dtype)} if {_print(condition, names, dtype)} else {code})"
        return code
    head = symbolic.head_of(type(expression))
    record = ops.get(head) if head else None
    if not isinstance(record, ops.Elementwise) or not isinstance(record.scalar, str):
        raise LoweringError(
            f"no scalar code is known for `{type(expression).__name__}`; give the op's record `scalar=`."
        )
    return re.sub(r"\bT\(", f"{dtype}(", record.scalar).format(*parts)


def _print_power(expression: Any, base: str, exponent: str, dtype: str) -> str:
    if expression.exp == -1:
        return f"({dtype}(1.0) / {base})"
    if expression.exp == sp.Rational(1, 2):
        return f"math.sqrt({base})"
    if expression.exp == 2:
        return f"({base} * {base})"
    return f"power({base}, {exponent})"
