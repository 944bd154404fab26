"""Passes over the kernels of a program."""

from __future__ import annotations

from .parts import reduce_in_parts
from .program import (
    Buffer,
    CallKernel,
    Kernel,
    Load,
    LoopKernel,
    LoopOver,
    ProductKernel,
    Sort,
    Store,
    every,
    guards,
    leaves,
    used,
    written,
)


def remove_unread(
    kernels: list[Kernel], buffers: list[Buffer], outputs: list[Buffer]
) -> tuple[list[Kernel], list[Buffer]]:
    """Drop stores that only registers were read from, then kernels that store nothing."""
    read: set[int] = {buffer.root.number for buffer in (*outputs, *guards(kernels))}
    for kernel in leaves(kernels):
        if isinstance(kernel, ProductKernel):
            read |= {operand.buffer.root.number for operand in kernel.operands if operand not in kernel.results}
        elif isinstance(kernel, CallKernel):
            read |= {buffer.root.number for buffer in kernel.buffers}
        else:
            read |= {s.buffer.root.number for s in kernel.statements() if isinstance(s, Load)}
            for s in kernel.statements():
                if isinstance(s, Sort):
                    read |= {s.values.number, s.places.number, s.spare.number}
    for kernel in leaves(kernels):
        if isinstance(kernel, LoopKernel):
            kernel.body[:] = [s for s in kernel.body if not isinstance(s, Store) or s.buffer.root.number in read]
    kept = numbered(storing(kernels))
    live = {b.root.number for k in kept for b in used(k)} | {b.root.number for b in outputs}
    return kept, [b for b in buffers if b.of is None and (b.number in live or b.role == "input")]


def numbered(kernels: list[Kernel]) -> list[Kernel]:
    for number, each in enumerate(every(kernels)):
        each.number = number
    return kernels


def in_parts(kernels: list[Kernel], buffers: list[Buffer], all: list[Buffer]) -> list[Kernel]:
    """The kernels with long reductions in parts; adds what is between them to the buffers."""
    before = len(all)
    found = reduce_in_parts(kernels, all)
    buffers += all[before:]
    return numbered(found)


def address_from_begin(kernel: LoopKernel) -> None:
    """Windows at a fixed place are addressed from where their buffer begins: LLVM then sees that parts of one buffer do
    not overlap, and looks for fewer overlaps with others when the loop begins."""
    for statement in kernel.statements():
        if isinstance(statement, (Load, Store)):
            while statement.buffer.of is not None and not statement.buffer.place.terms:
                statement.address = statement.address + statement.buffer.place
                statement.buffer = statement.buffer.of


def storing(kernels: list[Kernel]) -> list[Kernel]:
    """The kernels that store something."""
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            kernel.kernels = storing(kernel.kernels)
    return [kernel for kernel in kernels if written(kernel)]
