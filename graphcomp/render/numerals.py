"""Numbers and small arrays written the way the lecture writes them: 6.909, −0.42, ?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .mathematics import COMMA, Mathematics, Number, Operator, Phrase, Power, Row, Text, joined

MOST_ENTRIES = 4
UNKNOWN = Text("?")


def number(value: Any, digits: int = 3) -> Mathematics:
    """One number with up to ``digits`` decimals, trailing zeros dropped, and a proper minus sign."""
    if isinstance(value, (bool, np.bool_)):
        return Phrase("true", "true") if value else Phrase("false", "false")
    if isinstance(value, (int, np.integer)):
        return (
            Number(str(int(value)).replace("-", "−")) if abs(int(value)) < 10**9 else scientific(float(value), digits)
        )
    real = float(value)
    if math.isnan(real):
        return Text("nan")
    if math.isinf(real):
        return Number("∞" if real > 0 else "−∞")
    if real and (abs(real) >= 1e7 or abs(real) < 0.5 * 10.0**-digits):
        return scientific(real, digits)
    return Number(decimal(real, digits))


def decimal(value: float, digits: int) -> str:
    """Decimals without trailing zeros, and never a minus sign before zero."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def scientific(value: float, digits: int) -> Mathematics:
    """``1.2×10⁻⁵`` for what would otherwise read 0, or fill the card with zeros."""
    mantissa, exponent = f"{value:.{max(digits - 1, 0)}e}".split("e")
    power = Power(Number("10"), Number(str(int(exponent)).replace("-", "−")))
    return Row((Number(decimal(float(mantissa), digits)), Operator("×"), power))


def shape_of(value: Any) -> tuple[int, ...]:
    """A value's shape; a tuple of results has none."""
    return () if isinstance(value, tuple) else np.shape(value)


def shape_text(shape: tuple[int, ...]) -> str:
    """``3×4``; empty for a scalar."""
    return "×".join(str(size) for size in shape)


def quantity(value: Any, digits: int = 3) -> Mathematics:
    """A scalar as a number, a short vector or a 2×2 matrix with its entries, else the shape alone."""
    if isinstance(value, tuple):
        return Phrase(f"{len(value)} results", "results", str(len(value)))
    array = np.asarray(value)
    if array.ndim == 0:
        return number(array[()], digits)
    if array.size == 1 or (array.ndim == 1 and array.size <= MOST_ENTRIES):
        return bracketed(array.reshape(-1), digits)
    if array.ndim == 2 and array.size <= MOST_ENTRIES:
        rows = tuple(bracketed(row, digits) for row in array)
        return Row((Text("["), joined(rows, COMMA), Text("]")))
    strange = int(np.size(array) - np.isfinite(array).sum()) if array.dtype.kind == "f" else 0
    if not strange:
        return shape_phrase(array.shape)
    return Row((shape_phrase(array.shape), Phrase(f", {strange} not finite", "not finite", str(strange))))


def shape_phrase(shape: tuple[int, ...]) -> Phrase:
    """``vector of 5`` or ``3×4 array``."""
    text = shape_text(shape)
    return (
        Phrase(f"vector of {text}", "vector of", text) if len(shape) == 1 else Phrase(f"{text} array", "array of", text)
    )


def is_spelled_out(value: Any) -> bool:
    """Whether ``quantity`` writes all entries of a value."""
    if isinstance(value, tuple):
        return False
    array = np.asarray(value)
    return array.ndim == 0 or array.size == 1 or (array.ndim <= 2 and array.size <= MOST_ENTRIES)


def bracketed(entries: np.ndarray[Any, Any], digits: int) -> Mathematics:
    """``[1, 2, 3]``."""
    numbers = tuple(number(entry, digits) for entry in entries)
    return Row((Text("["), joined(numbers, COMMA), Text("]"))) if numbers else Text("[]")
