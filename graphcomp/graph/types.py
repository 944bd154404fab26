"""Types of values: a shape and a dtype. Dimensions are Python integers or SymPy expressions over named sizes.

Shape rules use the helpers of this module only. They keep concrete sizes as Python integers and never call
`sympy.simplify`: cached SymPy arithmetic costs microseconds, simplification milliseconds.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from ..errors import InputError

Dimension: TypeAlias = int | sp.Expr

FLOATS = ("float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
DTYPES = (*FLOATS, *INTEGERS, "bool")


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape (integers or SymPy sizes) and dtype (NumPy's name) of one array value."""

    shape: tuple[Dimension, ...]
    dtype: str

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dimension:
        return product(self.shape)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_integer(self) -> bool:
        return self.dtype in INTEGERS

    def with_shape(self, shape: Iterable[Dimension]) -> TensorType:
        return TensorType(tuple(shape), self.dtype)

    def with_dtype(self, dtype: str) -> TensorType:
        return TensorType(self.shape, dtype)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class TupleType:
    """Type of an op with several results; `item` nodes take them out."""

    items: tuple[TensorType, ...]

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.items))})"


Type: TypeAlias = TensorType | TupleType


@cache
def symbol(name: str) -> sp.Symbol:
    """The named size `name`: a positive integer."""
    if not name.isidentifier() or keyword.iskeyword(name) or name in ("floor", "float", "Max"):
        raise InputError(f"{name!r} is no name for a size; use letters, digits and underscores, such as 'B'.")
    return sp.Symbol(name, integer=True, positive=True)


def dimension(value: Any) -> Dimension:
    """`value` as a dimension: SymPy integers become Python ones."""
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, sp.Integer):
        return int(value)
    if isinstance(value, sp.Expr):
        return value
    raise TypeError(f"a dimension is an integer or a named size, not {value!r}")


def product(dimensions: Iterable[Dimension]) -> Dimension:
    result: Dimension = 1
    for size in dimensions:
        result = result * size
    return dimension(result)


@lru_cache(maxsize=65536)
def equal(left: Dimension, right: Dimension) -> bool | None:
    """True or False where it can be decided for every value of the named sizes, else None."""
    if isinstance(left, int) and isinstance(right, int):
        return left == right
    difference = sp.expand(left - right)
    if difference == 0:
        return True
    if difference.is_positive or difference.is_negative:
        return False
    return None


@lru_cache(maxsize=65536)
def floor_divide(numerator: Dimension, denominator: int) -> Dimension:
    if isinstance(numerator, int):
        return numerator // denominator
    return dimension(sp.floor(numerator / sp.Integer(denominator)))


@lru_cache(maxsize=65536)
def exact_divide(numerator: Dimension, denominator: Dimension) -> Dimension | None:
    """numerator / denominator where that is an integer for all sizes, else None."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator // denominator if denominator and numerator % denominator == 0 else None
    quotient = sp.cancel(sp.sympify(numerator) / sp.sympify(denominator))
    return dimension(quotient) if sp.fraction(quotient)[1] == 1 else None


def symbols_of(value: Any) -> set[sp.Symbol]:
    """The named sizes that occur anywhere in a type, a shape or an attribute."""
    if isinstance(value, TensorType):
        return symbols_of(value.shape)
    if isinstance(value, TupleType):
        return symbols_of(value.items)
    if isinstance(value, (tuple, list)):
        return set().union(*map(symbols_of, value)) if value else set()
    if isinstance(value, sp.Expr):
        return set(value.free_symbols)
    return set()


def substitute(value: Any, sizes: Mapping[sp.Symbol, int]) -> Any:
    """`value` (a dimension, a type, or nested tuples of them) with its named sizes replaced by numbers."""
    if isinstance(value, TensorType):
        return TensorType(substitute(value.shape, sizes), value.dtype)
    if isinstance(value, TupleType):
        return TupleType(substitute(value.items, sizes))
    if isinstance(value, tuple):
        return tuple(substitute(item, sizes) for item in value)
    if isinstance(value, sp.Expr):
        return dimension(value.subs(sizes))
    return value


LARGE = 1000
"""What a named size is taken for where sizes are compared before they are known."""


def magnitude(size: Dimension) -> float:
    """A size as a number, with LARGE for each named size."""
    return size if isinstance(size, int) else float(size.subs(dict.fromkeys(size.free_symbols, LARGE)))
