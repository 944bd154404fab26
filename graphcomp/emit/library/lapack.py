"""LAPACK for generated code, by linked symbol: it is SciPy's own.

Every routine takes pointers to buffers, then `count`, how many matrices there are, then sizes. Matrices lie one after
the other. See `schedule/calls.py` for which of them lie by columns. What cannot be computed becomes NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ...ops.linear_algebra import SIGN_SHARE
from ..lapack import LETTERS, is_routine, provide, symbol
from .runtime import compiled

CHARACTER, INTEGER = types.CPointer(types.int8), types.CPointer(types.int32)
NO, YES, LOWER, UPPER, LEFT, RIGHT, UNIT, SMALL = map(ord, "NTLULRUS")
VECTORS = ord("V")
NOT_A_NUMBER = float("nan")


def _by_address(bits: int, kind: Any) -> Any:
    """How LAPACK takes a number: by its address. An intrinsic, so that it lies in the caller's frame."""

    @intrinsic
    def slot(typingctx: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            narrow = builder.trunc(arguments[0], ir.IntType(bits))
            place = cgutils.alloca_once(builder, narrow.type)
            builder.store(narrow, place)
            return place

        return kind(types.int64), generate

    return slot


character, integer = _by_address(8, CHARACTER), _by_address(32, INTEGER)


@intrinsic
def slot(typingctx: Any, value: Any) -> Any:
    """The address of a real number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = cgutils.alloca_once(builder, arguments[0].type)
        builder.store(arguments[0], place)
        return place

    return types.CPointer(value)(value), generate


@intrinsic
def onward(typingctx: Any, pointer: Any, count: Any) -> Any:
    """The pointer to the entry `count` places further on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.int64), generate


@compiled
def fill(values, size, value):
    for i in range(size):
        values[i] = value


@compiled
def has_zero(matrix, n):
    """Whether an entry of the diagonal is zero."""
    found = False
    for i in range(n):
        found = found or matrix[i * (n + 1)] == 0
    return found


@compiled
def leading_sign(vector, size, step):
    """-1 where the first entry that is nearly as large as the largest is negative, else 1."""
    largest = abs(vector[0])
    for i in range(size):
        largest = max(largest, abs(vector[i * step]))
    for i in range(size):
        if abs(vector[i * step]) >= SIGN_SHARE * largest:
            return -1 if vector[i * step] < 0 else 1
    return 1


@compiled
def turn(vector, size, step):
    for i in range(size):
        vector[i * step] = -vector[i * step]


def _routine(name: str, *kinds: Any) -> Any:
    """A function that gives nothing back and takes pointers of these kinds."""
    return types.ExternalFunction(symbol(name), types.void(*kinds))


def _trsm(letter: str, values: Any) -> Any:
    """Triangular systems with many right-hand sides."""
    kinds = (*(CHARACTER,) * 4, INTEGER, INTEGER, values, values, INTEGER, values, INTEGER)
    return _routine(f"{letter}trsm", *kinds)


def _make_cholesky(letter: str, values: Any) -> Any:
    potrf = _routine(f"{letter}potrf", CHARACTER, INTEGER, values, INTEGER, INTEGER)

    @compiled
    def cholesky(matrices, count, n):
        """By rows: the lower triangle is the upper one by columns."""
        for k in range(count):
            matrix = onward(matrices, k * n * n)
            info = integer(0)
            potrf(character(UPPER), integer(n), matrix, integer(max(n, 1)), info)
            failed = info[0] != 0
            for i in range(n):
                failed = failed or matrix[i * (n + 1)] != matrix[i * (n + 1)]
                fill(onward(matrix, i * n + i + 1), n - i - 1, 0)
            if failed:
                fill(matrix, n * n, NOT_A_NUMBER)

    return cholesky


def _make_triangular_solve(letter: str, values: Any, one: Any) -> Any:
    trsm = _trsm(letter, values)

    @compiled
    def triangular_solve(matrices, sides, count, n, columns, lower, transposed, unit_diagonal):
        """By rows, T·x = b is xᵀ·Tᵀ = bᵀ by columns, where Tᵀ is the other triangle."""
        triangle = UPPER if lower else LOWER
        turned = YES if transposed else NO
        diagonal = UNIT if unit_diagonal else NO
        for k in range(count):
            matrix = onward(matrices, k * n * n)
            side = onward(sides, k * n * columns)
            if not unit_diagonal and has_zero(matrix, n):
                fill(side, n * columns, NOT_A_NUMBER)
            else:
                trsm(
                    character(RIGHT), character(triangle), character(turned), character(diagonal), integer(columns),
                    integer(n), slot(one(1)), matrix, integer(max(n, 1)), side, integer(max(columns, 1)),
                )  # fmt: skip

    return triangular_solve


def _make_lu(letter: str, values: Any) -> Any:
    getrf = _routine(f"{letter}getrf", INTEGER, INTEGER, values, INTEGER, INTEGER, INTEGER)

    @compiled
    def lu(factors, swaps, orders, count, n):
        """By columns. Exchanges are counted from zero."""
        for k in range(count):
            swap = onward(swaps, k * n)
            order = onward(orders, k * n)
            getrf(integer(n), integer(n), onward(factors, k * n * n), integer(max(n, 1)), swap, integer(0))
            for i in range(n):
                swap[i] -= 1
                order[i] = i
            for i in range(n):
                order[i], order[swap[i]] = order[swap[i]], order[i]

    return lu


def _make_solve(letter: str, values: Any, one: Any) -> Any:
    trsm = _trsm(letter, values)

    @compiled
    def exchange(side, swap, n, columns, forward):
        for step in range(n):
            i = step if forward else n - 1 - step
            j = swap[i]
            if i != j:
                for c in range(columns):
                    side[c * n + i], side[c * n + j] = side[c * n + j], side[c * n + i]

    @compiled
    def by_triangle(matrix, side, n, columns, triangle, turned, diagonal):
        trsm(
            character(LEFT), character(triangle), character(turned), character(diagonal), integer(n), integer(columns),
            slot(one(1)), matrix, integer(max(n, 1)), side, integer(max(n, 1)),
        )  # fmt: skip

    @compiled
    def solve(factors, swaps, sides, count, n, columns, transposed):
        """By columns: P·A = L·U."""
        for k in range(count):
            matrix = onward(factors, k * n * n)
            swap = onward(swaps, k * n)
            side = onward(sides, k * n * columns)
            if has_zero(matrix, n):
                fill(side, n * columns, NOT_A_NUMBER)
            elif transposed:
                by_triangle(matrix, side, n, columns, UPPER, YES, NO)
                by_triangle(matrix, side, n, columns, LOWER, YES, UNIT)
                exchange(side, swap, n, columns, False)
            else:
                exchange(side, swap, n, columns, True)
                by_triangle(matrix, side, n, columns, LOWER, NO, UNIT)
                by_triangle(matrix, side, n, columns, UPPER, NO, NO)

    return solve


@compiled
def slogdet(factors, swaps, signs, logarithms, count, n):
    """From the diagonal of U, and whether the number of exchanges is odd."""
    for k in range(count):
        sign = 1.0
        total = 0.0
        for i in range(n):
            entry = factors[k * n * n + i * (n + 1)]
            if (entry < 0) != (swaps[k * n + i] != i):
                sign = -sign
            if entry == 0:
                sign = 0.0
            if entry != entry:
                sign = NOT_A_NUMBER
            total += math.log(abs(entry))
        signs[k] = sign
        logarithms[k] = total


def _make_eigh(letter: str, values: Any) -> Any:
    syevd = _routine(
        f"{letter}syevd", CHARACTER, CHARACTER, INTEGER, values, INTEGER, values, values, INTEGER, INTEGER,
        INTEGER, INTEGER,
    )  # fmt: skip

    @compiled
    def eigh(eigenvalues, vectors, work, places, count, n, size, places_size):
        """By columns. The matrix, of which the lower triangle is read, becomes the eigenvectors."""
        for k in range(count):
            matrix = onward(vectors, k * n * n)
            found = onward(eigenvalues, k * n)
            finite = True
            for j in range(n):
                for i in range(j, n):
                    finite = finite and math.isfinite(matrix[j * n + i])
            info = integer(0)
            if finite:
                syevd(
                    character(VECTORS), character(LOWER), integer(n), matrix, integer(max(n, 1)), found, work,
                    integer(size), places, integer(places_size), info,
                )  # fmt: skip
            if not finite or info[0] != 0:
                fill(matrix, n * n, NOT_A_NUMBER)
                fill(found, n, NOT_A_NUMBER)
            for j in range(n):
                if leading_sign(onward(matrix, j * n), n, 1) < 0:
                    turn(onward(matrix, j * n), n, 1)

    return eigh


def _make_svd(letter: str, values: Any) -> Any:
    gesdd = _routine(
        f"{letter}gesdd", CHARACTER, INTEGER, INTEGER, values, INTEGER, values, values, INTEGER, values,
        INTEGER, values, INTEGER, INTEGER, INTEGER,
    )  # fmt: skip

    @compiled
    def svd(lefts, singular, rights, matrices, work, places, count, rows, columns, few, size):
        """By rows: the transpose by columns, so that left and right change places."""
        for k in range(count):
            matrix = onward(matrices, k * rows * columns)
            left = onward(lefts, k * rows * few)
            found = onward(singular, k * few)
            right = onward(rights, k * few * columns)
            finite = True
            for i in range(rows * columns):
                finite = finite and math.isfinite(matrix[i])
            info = integer(0)
            if finite:
                gesdd(
                    character(SMALL), integer(columns), integer(rows), matrix, integer(max(columns, 1)), found, right,
                    integer(max(columns, 1)), left, integer(max(few, 1)), work, integer(size), places, info,
                )  # fmt: skip
            if not finite or info[0] != 0:
                fill(left, rows * few, NOT_A_NUMBER)
                fill(found, few, NOT_A_NUMBER)
                fill(right, few * columns, NOT_A_NUMBER)
            for i in range(few):
                if leading_sign(onward(left, i), rows, few) < 0:
                    turn(onward(left, i), rows, few)
                    turn(onward(right, i * columns), columns, 1)

    return svd


_ROUTINES: dict[str, Callable[[str, Any, Any], Any]] = {
    "cholesky": lambda letter, values, one: _make_cholesky(letter, values),
    "triangular_solve": _make_triangular_solve,
    "lu": lambda letter, values, one: _make_lu(letter, values),
    "solve": _make_solve,
    "slogdet": lambda letter, values, one: slogdet,
    "eigh": lambda letter, values, one: _make_eigh(letter, values),
    "svd": lambda letter, values, one: _make_svd(letter, values),
}


@cache
def __getattr__(name: str) -> Any:
    """`cholesky_float64` and the like, made when generated code imports it."""
    if not is_routine(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    provide(name)
    routine, _, dtype = name.rpartition("_")
    number = getattr(types, dtype)
    return _ROUTINES[routine](LETTERS[dtype], types.CPointer(number), number)
