"""The names of the functions by which generated code has vectors as values; they are those of `library/lanes.py`.

A function such as `lanes_load_float32_16_10` loads sixteen lanes, of which the first ten are read and the others are
zero.
"""

from __future__ import annotations

from collections.abc import Iterable

from .formulas import code_text

PREFIX = "lanes_"

OPERATIONS = {"add": ("fadd", 2), "subtract": ("fsub", 2), "multiply": ("fmul", 2), "negative": ("fneg", 1)}
"""What can be done with vectors, by the names of ops: the instruction, and of how many."""


def op_name(op: str, arity: int, argument_dtype: str, dtype: str, lanes: int) -> str:
    """The function that computes an op for vectors."""
    return f"{PREFIX}op_{arity}_{argument_dtype}_{dtype}_{lanes}_{op}"


def is_op(name: str) -> bool:
    """Whether `op_name` has made a name."""
    return name.startswith(f"{PREFIX}op_")


def op_parts(name: str) -> tuple[str, int, str, str, int]:
    """What `op_name` has put together."""
    arity, argument_dtype, dtype, lanes, op = name.removeprefix(f"{PREFIX}op_").split("_", 4)
    return op, int(arity), argument_dtype, dtype, int(lanes)


def codes(names: Iterable[str]) -> str:
    """The code of the ops that functions of these names compute, which is part of what a program does."""
    return "\n".join(code_text(*op_parts(name)[:4]) for name in sorted(names) if is_op(name))
