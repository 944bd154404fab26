"""The routines that programs call: which one computes a product, with which arguments, and where each is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..schedule.program import INNER_LOOPS, ProductKernel
from ..schedule.text import size_text
from . import lapack
from .matrix import PRODUCTS
from .nests import NESTS, WINDOW_DOTS
from .routines import Family
from .transpositions import TRANSPOSITIONS
from .vectors import vector_bits

FAMILIES = (PRODUCTS, NESTS, WINDOW_DOTS, TRANSPOSITIONS)
"""All routines in machine code that are written here."""


def family_of(name: str) -> Family:
    """The family of the routine that generated code calls by this name."""
    for family in FAMILIES:
        if family.has(name):
            return family
    raise AttributeError(f"there is no routine {name!r}")


def provide(name: str) -> None:
    """Make known to LLVM what generated code calls by this name: one of our routines, or what one of LAPACK's needs."""
    if lapack.is_routine(name):
        lapack.provide(name)
    else:
        family_of(name).provide(name)


def routine_of(kernel: ProductKernel) -> Family:
    """The routine for a product.

    One loop over the inner index: the product of two matrices. Several: a nest where columns of the right operand lie
    side by side, sums of products of neighbours where the innermost entries of both operands do.
    """
    if len(kernel.inner) == 1 and not kernel.along_inner and not kernel.limits:
        return PRODUCTS
    return WINDOW_DOTS if kernel.along_inner else NESTS


def routine_name(kernel: ProductKernel) -> str:
    """The name of the routine in generated code."""
    return routine_of(kernel).name(kernel.dtype, vector_bits())


def routine_call(kernel: ProductKernel, m: str, n: str, a: str, b: str, c: str, ending: Sequence[str] = ()) -> str:
    """The call: sizes, and each operand's address with its steps, counted in numbers. `ending` holds the addresses of
    the two operands of the kernel's ending."""
    left, right, result, family = kernel.left, kernel.right, kernel.result, routine_of(kernel)
    if family is PRODUCTS:
        first, second = (a, left.m, left.k[0]), (b, right.k[0], right.n)
        place, whole = (c, result.m), kernel.n
        if kernel.m == 1 and right.n != 1:
            # A row times a matrix that lies by columns is that matrix, turned, times the row: nothing has to be packed.
            m, n, first, second, place = n, m, (b, right.n, right.k[0]), (a, left.k[0], left.m), (c, result.n)
            whole = kernel.m
        ended: tuple[Any, ...] = ("0.0", 0, 0, 0, 0)
        if kernel.ending is not None:
            base, into = ending
            ended = (repr(kernel.ending.scale), base, kernel.ending.base.m, into, kernel.ending.result.m)
        return call_text(kernel, m, n, whole, kernel.k, *first, *second, *place, int(kernel.adds), *ended)
    # Loops that are not there turn once.
    missing = INNER_LOOPS - len(kernel.inner)
    once = [(1, 0, 0)] * missing
    turns: list[Any] = list(kernel.inner)
    for limit in kernel.limits:
        turns[limit.inner] = f"(high{limit.inner} - low{limit.inner})"
    levels = [number for level in [*once, *zip(turns, left.k, right.k)] for number in level]
    if family is NESTS:
        return call_text(kernel, m, n, a, left.m, b, c, result.m, int(kernel.adds), *levels)
    return call_text(
        kernel, m, n, a, left.m, b, right.n, c, result.m, result.n, int(kernel.adds), *levels[: 3 * INNER_LOOPS - 2]
    )


def call_text(kernel: ProductKernel, *arguments: object) -> str:
    """A call with texts as they are and sizes as texts."""
    texts = (argument if isinstance(argument, str) else size_text(argument) for argument in arguments)
    return f"{routine_name(kernel)}({', '.join(texts)})"
