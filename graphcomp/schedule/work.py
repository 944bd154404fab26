"""How much a program has to do, for given sizes: what decides whether several threads are worth waking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import sympy as sp

from ..graph import Dimension
from ..graph.types import product, substitute
from .program import (
    CallKernel,
    Choose,
    Compute,
    Gathered,
    Kernel,
    LoopOver,
    Nest,
    ProductKernel,
    Reduce,
    Statement,
    Store,
    used,
)

Sizes = Mapping[sp.Symbol, int]

PRODUCT_SPEED = 16
"""Floating-point operations of a product that take as long as one statement of a vectorised loop."""

UNKNOWN_TURNS = 16
"""Taken for a loop whose number of turns is known only when it has run."""


def work(kernels: Sequence[Kernel], sizes: Sizes) -> int:
    """Executed statements, roughly: products and factorisations count as the statements that take as long."""
    return sum(kernel_work(kernel, sizes) for kernel in kernels)


def kernel_work(kernel: Kernel, sizes: Sizes) -> int:
    """The same for one kernel."""
    if isinstance(kernel, LoopOver):
        turns = UNKNOWN_TURNS if kernel.extent is None else number(kernel.extent, sizes)
        return turns * work(kernel.kernels, sizes)
    if isinstance(kernel, ProductKernel):
        return 2 * number(product((*kernel.batch, kernel.m, kernel.n, kernel.k)), sizes) // PRODUCT_SPEED
    if isinstance(kernel, CallKernel):
        return number(kernel.work, sizes) * number(kernel.sizes[0], sizes) // PRODUCT_SPEED
    return number(product([loop.extent for loop in kernel.loops]), sizes) * body_work(kernel.body, sizes)


def body_work(body: Sequence[Statement], sizes: Sizes) -> int:
    """The statements that one turn executes."""
    total = 0
    for statement in body:
        if isinstance(statement, (Nest, Reduce)):
            total += number(product([loop.extent for loop in statement.loops]), sizes) * body_work(
                statement.body, sizes
            )
        elif isinstance(statement, Gathered):
            inside = number(product([loop.extent for loop in statement.loops]), sizes)
            once = body_work(statement.lookups, sizes) + inside * body_work(statement.inside, sizes)
            total += members(statement, sizes) * once
        elif isinstance(statement, Choose):
            total += max((body_work(branch, sizes) for _, branch, _ in statement.branches), default=0)
        else:
            total += 1
    return total


def flops(kernel: Kernel, sizes: Sizes) -> int:
    """Floating-point operations: two for each multiplication and addition of a product, one for an entry of an op."""
    if isinstance(kernel, LoopOver):
        turns = 1 if kernel.extent is None else number(kernel.extent, sizes)
        return turns * sum(flops(inner, sizes) for inner in kernel.kernels)
    if isinstance(kernel, ProductKernel):
        return 2 * number(product((*kernel.batch, kernel.m, kernel.n, kernel.k)), sizes)
    if isinstance(kernel, CallKernel):
        return number(kernel.work, sizes) * number(kernel.sizes[0], sizes)
    return number(product([loop.extent for loop in kernel.loops]), sizes) * body_flops(kernel.body, sizes)


def body_flops(body: Sequence[Statement], sizes: Sizes) -> int:
    """The operations of one turn; a reduction adds one for each entry."""
    total = 0
    for statement in body:
        if isinstance(statement, (Nest, Reduce)):
            turns = number(product([loop.extent for loop in statement.loops]), sizes)
            steps = 1 + len(statement.beside) if isinstance(statement, Reduce) else 0
            total += turns * (body_flops(statement.body, sizes) + steps)
        elif isinstance(statement, Gathered):
            inside = number(product([loop.extent for loop in statement.loops]), sizes)
            once = body_flops(statement.lookups, sizes) + inside * (body_flops(statement.body, sizes) + 1)
            total += members(statement, sizes) * once
        elif isinstance(statement, Choose):
            total += max((body_flops(branch, sizes) for _, branch, _ in statement.branches), default=0)
        else:
            total += isinstance(statement, Compute) or (isinstance(statement, Store) and bool(statement.combine))
    return total


def members(statement: Gathered, sizes: Sizes) -> int:
    """How many members a group has on average, rounded up."""
    return -(-number(statement.member.extent, sizes) // max(number(statement.groups, sizes), 1))


def traffic(kernel: Kernel, sizes: Sizes) -> int:
    """Bytes of the values that a kernel reads and writes, each once in a turn of the loops around it."""
    if isinstance(kernel, LoopOver):
        turns = 1 if kernel.extent is None else number(kernel.extent, sizes)
        if kernel.is_shared:  # what is the same in each turn counts once
            buffers = [b for inner in kernel.kernels for b in used(inner)]
            return sum(
                (turns if b.of else 1) * number(b.size, sizes) * np.dtype(b.type.dtype).itemsize for b in buffers
            )
        return turns * sum(traffic(inner, sizes) for inner in kernel.kernels)
    return sum(number(b.size, sizes) * np.dtype(b.type.dtype).itemsize for b in used(kernel))


def number(size: Dimension, sizes: Sizes) -> int:
    return int(substitute(size, sizes))
