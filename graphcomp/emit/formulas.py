"""What an op computes for whole vectors: the code of its record, written once more for numbers side by side.

The code is one expression of Python (`emit/scalar.py`). Both branches of a choice are computed and one is taken, which
is what LLVM makes of it in a vectorised loop.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from llvmlite import ir

from .. import ops
from ..errors import LoweringError
from .mathematics import FORMULAS, ROUNDING
from .mathematics.values import (
    DOUBLE,
    SINGLE,
    Value,
    absolute,
    constant,
    defined,
    negated,
    select,
    square_root,
)
from .scalar import scalar_code
from .vectors import SIZES

PARTS = {"abs": absolute, "sqrt": square_root, **ROUNDING}
"""Functions that are one instruction."""

OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: lambda left, right: left.equals(right),
    ast.NotEq: lambda left, right: left.differs(right),
    ast.And: operator.and_,
    ast.Or: operator.or_,
}


def has_vector_code(op: str, arity: int, attributes: Mapping[str, Any], argument_dtype: str, dtype: str) -> bool:
    """Whether `vector_value` can compute an op for arguments of this dtype, others being truth values."""
    written_out = isinstance(getattr(ops.get(op), "scalar", None), str)  # then attributes are nothing to the code
    if (attributes and not written_out) or not {argument_dtype, dtype} <= {*SIZES, "bool"}:
        return False
    try:
        expression = _expression(op, arity, argument_dtype, dtype)
    except LoweringError:
        return False
    return expression is not None and all(map(_is_known, _parts(expression)))


def code_text(op: str, arity: int, argument_dtype: str, dtype: str) -> str:
    """The code that is written for vectors."""
    return scalar_code(op, [f"x{slot}" for slot in range(arity)], {}, argument_dtype, dtype)[0]


def vector_value(op: str, arguments: list[Value], argument_dtype: str, dtype: str) -> Value:
    """The op's values; truth values are vectors of single bits."""
    expression = _expression(op, len(arguments), argument_dtype, dtype)
    form = DOUBLE if "float64" in (argument_dtype, dtype) else SINGLE
    kind = ir.VectorType(form.real, arguments[0].code.type.count)
    names = {f"x{slot}": argument for slot, argument in enumerate(arguments)}
    return _Writer(names, Value(arguments[0].builder, ir.Constant(kind, None))).typed_value(expression)


@cache
def _expression(op: str, arity: int, argument_dtype: str, dtype: str) -> Any:
    """The tree of an op's code; None where it is more than an expression."""
    code, helpers = scalar_code(op, [f"x{slot}" for slot in range(arity)], {}, argument_dtype, dtype)
    return None if helpers else ast.parse(code, mode="eval").body


def _parts(node: Any) -> list[Any]:
    return [each for each in ast.walk(node) if isinstance(each, (ast.expr, ast.operator, ast.cmpop, ast.boolop))]


def _is_known(node: Any) -> bool:
    if isinstance(node, ast.Call):
        return _called(node) in {*SIZES, *FORMULAS, *PARTS}
    if isinstance(node, ast.Compare):
        return len(node.ops) == 1
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id in ("math", "np")
    return type(node) in OPERATORS or isinstance(
        node, (ast.Name, ast.Constant, ast.BinOp, ast.BoolOp, ast.IfExp, ast.UnaryOp, ast.USub, ast.Not)
    )


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


class _Writer:
    """An expression as LLVM's instructions. Plain numbers in it stay numbers until they meet a value."""

    def __init__(self, names: Mapping[str, Value], zeros: Value) -> None:
        self.names, self.zeros = names, zeros

    def value(self, node: Any) -> Any:
        match node:
            case ast.Name(id=name):
                return self.names[name]
            case ast.Constant(value=number):
                return number
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return negated(self.value(operand))
            case ast.BinOp(left=left, op=sign, right=right) | ast.Compare(left=left, ops=[sign], comparators=[right]):
                return OPERATORS[type(sign)](self.value(left), self.value(right))
            case ast.BoolOp(op=sign, values=[first, *rest]):
                found = self.value(first)
                for each in rest:
                    found = OPERATORS[type(sign)](found, self.value(each))
                return found
            case ast.IfExp(test=test, body=body, orelse=other):
                return select(self.value(test), *map(self.typed_value, (body, other)))
            case ast.Call(args=arguments):
                return self.call(_called(node), list(map(self.value, arguments)))
        raise LoweringError(f"no vector code is known for `{ast.unparse(node)}`.")

    def typed_value(self, node: Any) -> Value:
        return self.typed(self.value(node))

    def typed(self, found: Any) -> Value:
        return found if isinstance(found, Value) else constant(self.zeros, found)

    def call(self, name: str, arguments: list[Any]) -> Any:
        if name in PARTS:
            return PARTS[name](*arguments)
        if name not in SIZES:
            builder, values = self.zeros.builder, list(map(self.typed, arguments))
            lanes = self.zeros.code.type.count
            function = defined(builder.module, name, FORMULAS[name], self.zeros.format, len(values), lanes)
            return Value(builder, builder.call(function, [each.code for each in values]))
        (number,) = arguments
        if isinstance(number, Value) and not number.is_real:  # a truth value as a number
            return select(number, constant(self.zeros, 1.0), self.zeros)
        return number
