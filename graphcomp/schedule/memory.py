"""Where scratch buffers lie in one arena, for given sizes. Buffers whose lifetimes do not meet share memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from ..graph.types import substitute
from .program import Buffer, Kernel, LoopOver, Program, used
from .turns import parts_of

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


@dataclass(frozen=True, slots=True)
class Arena:
    """Byte offsets of the scratch buffers by number, and the arena's size in bytes."""

    offsets: Mapping[int, int]
    size: int


def lifetimes(program: Program) -> dict[int, tuple[int, int]]:
    """(first, last) meeting of the threads around what touches each scratch buffer, counting those inside loops.

    Between two meetings a thread may be ahead of the others, so what is touched there does not share memory. What a
    loop touches and does not make anew in each turn lives as long as the loop.
    """
    return spans(program.kernels, 0)[0]


def spans(kernels: list[Kernel], start: int) -> tuple[dict[int, tuple[int, int]], int]:
    """The lives of scratch buffers over kernels, with meetings counted from `start`, and the last count."""
    found: dict[int, tuple[int, int]] = {}
    position = start
    for kernel in kernels:
        position += kernel.meets
        if isinstance(kernel, LoopOver):
            first = position
            inside, position = spans(kernel.kernels, position)
            whole = (first, position)
            lives = {number: span if number in kernel.locals else whole for number, span in inside.items()}
            if kernel.guard and kernel.guard[0].root.role == "scratch":
                lives[kernel.guard[0].root.number] = whole
        else:
            roots = {buffer.root.number for buffer in used(kernel) if buffer.root.role == "scratch"}
            lives = dict.fromkeys(roots, (position, position))
        for number, (begin, end) in lives.items():
            found[number] = (min(begin, found.get(number, (begin, end))[0]), end)
    return found, position


def plan_arena(program: Program, sizes: Mapping[sp.Symbol, int], threads: int | None = None) -> Arena:
    """Greedy best fit, large buffers first: each at the lowest offset free for its whole life.

    Of what is made turn by turn there is one part for each thread, if it is known how many there are at most.
    """
    lives, parts = lifetimes(program), parts_of(program.kernels)
    bytes = {b.number: bytes_of(b, sizes) for b in program.buffers if b.number in lives}
    for number, count in parts.items():
        if threads is not None and threads < count and number in bytes:
            bytes[number] = -(-bytes[number] * threads // count // ALIGNMENT) * ALIGNMENT
    return fit(lives, bytes)


def fit(lives: Mapping[int, tuple[int, int]], sizes: Mapping[int, int]) -> Arena:
    """The same for lives and sizes in bytes by number."""
    placed: list[tuple[int, int, int, int]] = []
    offsets: dict[int, int] = {}
    for number in sorted(lives, key=lambda n: (-sizes[n], lives[n])):
        first, last = lives[number]
        offset = 0
        for start, end, begin, finish in sorted(placed):
            if begin <= last and first <= finish and start < offset + sizes[number]:
                offset = max(offset, end)
        offsets[number] = offset
        placed.append((offset, offset + sizes[number], first, last))
    return Arena(offsets, max((end for _, end, _, _ in placed), default=0))


def bytes_of(buffer: Buffer, sizes: Mapping[sp.Symbol, int]) -> int:
    """The memory that a buffer takes: whole cache lines."""
    concrete = substitute(buffer.type, sizes)
    count = int(np.prod(concrete.shape, dtype=np.int64)) * np.dtype(concrete.dtype).itemsize
    return max(-(-count // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
