"""How a node's definition reads on its card: ``w1 w2``, ``sin w1``, ``max(w1, 0)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..graph import Subgraph
from ..ops import REGISTRY
from .mathematics import (
    Application,
    Fraction,
    Identifier,
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
    is_product,
    needs_grouping,
    shorten,
)

FUNCTION_NAMES = {"log": "ln", "maximum": "max", "minimum": "min", "asin": "arcsin", "acos": "arccos", "atan": "arctan"}
COMPARISONS = {
    "less": "<",
    "less_equal": "≤",
    "greater": ">",
    "greater_equal": "≥",
    "equal": "=",
    "not_equal": "≠",
    "logical_and": "∧",
    "logical_or": "∨",
}
HIDDEN_ATTRIBUTES = {"shape", "dtype", "name"}
NEUTRAL_ATTRIBUTES = {
    "step": 1,
    "stride": 1,
    "dilation": 1,
    "between": 0,
    "before": 0,
    "after": 0,
}  # with these an op does not do it at all
LONGEST_ATTRIBUTE = 20


def definition(op: str, operands: Sequence[Mathematics], attributes: Mapping[str, Any]) -> Mathematics:
    """The right-hand side of a node with that op; an op without a notation of its own reads as a function call."""
    if op in ("add", "subtract") and len(operands) == 2:
        return plus_or_minus(op, *operands)
    if op in ("multiply", "matmul") and len(operands) == 2:
        return product(*operands)
    if op == "divide" and len(operands) == 2:
        return Fraction(grouped(operands[0]), grouped(operands[1]), slashed=True)
    if op == "power" and len(operands) == 2:
        return Power(grouped(operands[0]), operands[1])
    if op in COMPARISONS and len(operands) == 2:
        return Row((grouped(operands[0]), Operator(COMPARISONS[op]), grouped(operands[1])))
    if len(operands) == 1 and op in ("negative", "exp", "sqrt", "absolute"):
        return one_operand(op, operands[0])
    if op == "transpose" and attributes.get("axes") in ((1, 0), None):
        return Power(grouped(operands[0]), Text("T"))
    if op == "slice" and {"start", "size", "step"} <= set(attributes):
        return entries_taken(operands[0], attributes)
    if any(isinstance(value, Subgraph) for value in attributes.values()):
        return function_given(op, operands, attributes)
    shown = operands[: REGISTRY[op].shown] if op in REGISTRY else operands
    return Application(FUNCTION_NAMES.get(op, op), (*shown, *attribute_texts(attributes)))


def entries_taken(operand: Mathematics, attributes: Mapping[str, Any]) -> Mathematics:
    """``w1[2:5, ::2]``, as it is written in Python."""
    ranges = zip(attributes["start"], attributes["size"], attributes["step"], strict=True)
    return Row((grouped(operand), Text(f"[{', '.join(range_text(*each) for each in ranges)}]")))


def range_text(start: Any, size: Any, step: Any) -> str:
    """``2:5``; just ``2`` for one entry, which keeps its axis."""
    if size == 1:
        return str(start)
    stop = f"{start}:{start + (size - 1) * step + 1}"
    return stop if step == 1 else f"{stop}:{step}"


def function_given(op: str, operands: Sequence[Mathematics], attributes: Mapping[str, Any]) -> Mathematics:
    """A function that the user gave, by its name; of several results, which one."""
    whole = Application(str(attributes.get("name", op)), tuple(operands))
    several = "body" in attributes and len(attributes["body"].output_types) > 1
    return Row((whole, Text(f"[{attributes['position']}]"))) if several and "position" in attributes else whole


def plus_or_minus(op: str, left: Mathematics, right: Mathematics) -> Mathematics:
    """A sum or a difference; what is subtracted, and a negative number, is bracketed."""
    sign = Operator("+" if op == "add" else "−")
    bracketed = needs_grouping(right) and (op == "subtract" or isinstance(right, Number))
    return Row((left, sign, Parenthesised(right) if bracketed and not isinstance(right, Application) else right))


def product(left: Mathematics, right: Mathematics) -> Mathematics:
    """A product, with a dot where its factors would run together."""
    dot = isinstance(right, Number) or isinstance(left, Application) or starts_with_number(right)
    bare = isinstance(left, Application) and left.bare()
    return Row((Parenthesised(left) if bare else factor(left), Operator("·") if dot else Space(), factor(right)))


def starts_with_number(formula: Mathematics) -> bool:
    """Whether a formula's first sign is a digit."""
    return formula.plain()[:1].isdigit()


def grouped(formula: Mathematics) -> Mathematics:
    """A formula bracketed unless it is a single quantity."""
    return formula if isinstance(formula, Identifier) or not compound(formula) else Parenthesised(formula)


def compound(formula: Mathematics) -> bool:
    """Whether a formula has parts that an operator next to it could tear apart."""
    return isinstance(formula, (Row, Application, Fraction, Power)) or needs_grouping(formula) or is_product(formula)


def one_operand(op: str, operand: Mathematics) -> Mathematics:
    """−w, eʷ, √w and |w|."""
    if op == "negative":
        return Row((Minus(), factor(operand)))
    if op == "exp":
        return Power(Text("e"), operand)
    if op == "sqrt":
        return Root(operand)
    return Row((Text("|"), operand, Text("|")))


def attribute_texts(attributes: Mapping[str, Any]) -> list[Mathematics]:
    """What else an op was told, such as ``axis=0``."""
    return [
        attribute_text(name, value)
        for name, value in attributes.items()
        if name not in HIDDEN_ATTRIBUTES and not is_neutral(name, value)
    ]


def attribute_text(name: str, value: Any) -> Mathematics:
    """``size=3``; of several axes that are just one, ``axis=0``."""
    if name == "axes" and isinstance(value, tuple) and len(value) == 1:
        name, value = "axis", value[0]
    return Text(f"{name}={shorten(str(value), LONGEST_ATTRIBUTE)}")


def is_neutral(name: str, value: Any) -> bool:
    """Whether an attribute says no more than if it were not there, such as ``step=(1, 1)``."""
    return name in NEUTRAL_ATTRIBUTES and isinstance(value, tuple) and set(value) <= {NEUTRAL_ATTRIBUTES[name]}
