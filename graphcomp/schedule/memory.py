"""Where scratch buffers lie in one arena, for given sizes. Buffers whose lifetimes do not meet share memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp

from ..graph.types import substitute
from .program import Program, used

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector."""


@dataclass(frozen=True, slots=True)
class Arena:
    """Byte offsets of the scratch buffers by number, and the arena's size in bytes."""

    offsets: Mapping[int, int]
    size: int


def lifetimes(program: Program) -> dict[int, tuple[int, int]]:
    """(first, last) kernel that touches each scratch buffer."""
    spans: dict[int, tuple[int, int]] = {}
    for position, kernel in enumerate(program.kernels):
        for buffer in used(kernel):
            if buffer.role == "scratch":
                first, _ = spans.get(buffer.number, (position, position))
                spans[buffer.number] = (first, position)
    return spans


def plan_arena(program: Program, sizes: Mapping[sp.Symbol, int]) -> Arena:
    """Greedy best fit, large buffers first: each at the lowest offset free for its whole life."""
    spans = lifetimes(program)
    bytes_of = {b.number: _bytes(b.type, sizes) for b in program.buffers if b.number in spans}
    placed: list[tuple[int, int, int, int]] = []
    offsets: dict[int, int] = {}
    for number in sorted(spans, key=lambda n: (-bytes_of[n], spans[n])):
        first, last = spans[number]
        offset = 0
        for start, end, begin, finish in sorted(placed):
            if begin <= last and first <= finish and start < offset + bytes_of[number]:
                offset = max(offset, end)
        offsets[number] = offset
        placed.append((offset, offset + bytes_of[number], first, last))
    return Arena(offsets, max((end for _, end, _, _ in placed), default=0))


def _bytes(type: object, sizes: Mapping[sp.Symbol, int]) -> int:
    concrete = substitute(type, sizes)
    count = int(np.prod(concrete.shape, dtype=np.int64)) * np.dtype(concrete.dtype).itemsize
    return max(-(-count // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
