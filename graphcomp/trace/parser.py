"""Formulas and assignments as text, read through Python's syntax tree. Nothing is ever evaluated as Python code."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from .. import ops
from ..errors import GraphcompError, ParseError
from .functions import find
from .tracer import FUNCTIONS, Tracer

_OPERATORS: Mapping[type, str] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "divide",
    ast.Pow: "power",
    ast.Mod: "remainder",
    ast.FloorDiv: "floor_divide",
    ast.MatMult: "matmul",
    ast.USub: "negative",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
}
CONSTANTS = {"pi": np.pi, "inf": np.inf}
_ALIASES = {"ln": "log", "arctan": "atan", "arcsin": "asin", "arccos": "acos", "arctan2": "atan2", "abs": "absolute"}
_COMPOSED = ("sum", "mean", "prod", "square", "logsumexp")


def functions() -> dict[str, Callable[..., Any]]:
    """The functions a formula may call."""
    names = [op.name for op in ops.REGISTRY.values() if op.kind == "elementwise" and op.name != "convert"]
    known = {name: function for name in (*names, *_COMPOSED) if (function := find(name)) is not None}
    return known | {alias: FUNCTIONS[name] for alias, name in _ALIASES.items()}


def parse(text: str) -> list[tuple[str | None, ast.expr]]:
    """(name, expression) of each assignment; a plain formula is one expression with the name None."""
    try:
        # x^2 is a power, as on paper; as Python's ^ it would bind more weakly than +.
        lines = [part.strip() for part in text.replace("^", "**").replace(";", "\n").splitlines()]
        with warnings.catch_warnings(action="ignore"):  # such as that of an unknown escape in a string
            body = ast.parse("\n".join(filter(None, lines))).body
    except SyntaxError as error:
        raise ParseError(
            f"the formula {_short(text)!r} cannot be read: {error.msg} at column {error.offset}."
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ParseError(f"the formula {_short(text)!r} is nested too deeply; split it into assignments.") from None
    statements: list[tuple[str | None, ast.expr]] = []
    for index, statement in enumerate(body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                statements.append((name, value))
            case ast.Expr(value=value) if index == len(body) - 1:
                statements.append((None, value))
            case _:
                raise ParseError(
                    f"`{_written(statement)}` is no formula; write an expression such as sin(x1) + x1*x2, "
                    "or assignments such as w3 = x1*x2; z = w3 + 1."
                )
    if not statements:
        raise ParseError("the formula is empty; write an expression such as sin(x1) + x1*x2.")
    _check_names(statements)
    return statements


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _written(node: ast.AST) -> str:
    try:
        return _short(" ".join(ast.unparse(node).split()))
    except RecursionError:
        return "…"


def _check_names(statements: list[tuple[str | None, ast.expr]]) -> None:
    assigned = [name for name, _ in statements if name is not None]
    known = functions()
    for name in dict.fromkeys(assigned):
        if assigned.count(name) > 1:
            raise ParseError(f"`{name}` is assigned twice; give each value its own name.")
        if name in CONSTANTS or name in known:
            raise ParseError(f"`{name}` is the name of a function or constant; choose another one for your value.")
    later = list(assigned)
    for target, expression in statements:
        for used in _names_in(expression):
            if used in later:
                raise ParseError(f"`{used}` is used before it is assigned.")
            if used in known:
                raise ParseError(f"`{used}` is a function: call it, as in {used}(x), or choose another name.")
        if target is not None:
            later.remove(target)


def _names_in(expression: ast.expr) -> list[str]:
    called = {id(node.func) for node in ast.walk(expression) if isinstance(node, ast.Call)}
    names = [n for n in ast.walk(expression) if isinstance(n, ast.Name) and id(n) not in called]
    return [node.id for node in sorted(names, key=lambda node: (node.lineno, node.col_offset))]


def variables(statements: list[tuple[str | None, ast.expr]]) -> list[str]:
    """The formula's free variables in order of first appearance."""
    assigned = {name for name, _ in statements}
    found: dict[str, None] = {}
    for _, expression in statements:
        for name in _names_in(expression):
            if name not in assigned and name not in CONSTANTS:
                found.setdefault(name)
    return list(found)


def evaluate(expression: ast.expr, values: Mapping[str, Any]) -> Any:
    """Apply the formula to traced values. Numbers stay Python floats, which take the dtype of what they meet."""
    known = functions()
    done: dict[int, Any] = {}
    stack = [expression]
    while stack:
        children, combine = _plan(stack[-1], values, known)
        waiting = [child for child in children if id(child) not in done]
        if waiting:
            stack.extend(reversed(waiting))
            continue
        done[id(stack.pop())] = combine(*(done[id(child)] for child in children))
    return done[id(expression)]


def _plan(
    node: ast.expr, values: Mapping[str, Any], known: Mapping[str, Callable[..., Any]]
) -> tuple[list[ast.expr], Callable[..., Any]]:
    """Which parts of the formula `node` needs first, and how to join their values."""
    match node:
        case ast.Constant(value=bool() | int() | float() as value):
            return [], lambda: _number(value)
        case ast.Name(id=name):
            return [], lambda: values[name] if name in values else CONSTANTS[name]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return [left, right], partial(_call, _OPERATORS[type(op)])
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return [left, right], partial(_call, _OPERATORS[type(op)])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return [operand], partial(_call, "negative")
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return [operand], lambda value: value
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in known:
                raise ParseError(f"unknown function `{name}`; a formula may call {', '.join(sorted(known))}.")
            return arguments, partial(_call, name)
    raise ParseError(f"`{_written(node)}` is not allowed in a formula: use numbers, names, + - * / ** and functions.")


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ParseError("a number in the formula is too large for float64.") from None


def _call(name: str, *arguments: Any) -> Any:
    function = FUNCTIONS[_ALIASES.get(name, name)]
    try:
        result = function(*arguments)
    except (TypeError, ValueError) as error:
        if isinstance(error, GraphcompError):
            raise
        raise ParseError(f"`{name}` cannot take {len(arguments)} arguments of these kinds.") from None
    return result if isinstance(result, Tracer) else np.asarray(result).item()
