"""How many threads a program runs on, and how many SciPy's BLAS uses while it runs.

A program has a team of threads, and the first of them calls LAPACK, whose BLAS has threads of its own: inside a team
it would be many times slower with them. The number is set for the time of a call and put back after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import sympy as sp
import threadpoolctl

from ..graph.types import substitute
from ..schedule import Program
from ..schedule.program import CallKernel, leaves
from ..schedule.work import work

THREADED_FLOPS = 2**27
"""A factorisation with more floating-point operations than this uses all of BLAS's threads, and the program no team."""

WORTH_A_TEAM = 25_000
"""The least work, in statements of a vectorised loop, that is faster on a team whose workers are awake: about 8 µs."""

WAKING = 16
"""As many times that work, about 100 µs, is worth waking workers that sleep: twice what waking them takes."""


@lru_cache(maxsize=1)
def libraries() -> tuple[Any, ...]:
    """The BLAS libraries of this process (NumPy and SciPy bring one each)."""
    import scipy.linalg.cython_blas  # noqa: F401 (so that its library is loaded)

    return tuple(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


def uses_blas(program: Program) -> bool:
    """Whether a program calls LAPACK, which calls BLAS; products are code of our own."""
    return any(isinstance(kernel, CallKernel) for kernel in leaves(program.kernels))


def factors_large_matrices(program: Program, sizes: Mapping[sp.Symbol, int]) -> bool:
    """Whether any factorisation of the program is large enough to be worth several threads of BLAS."""
    calls = [kernel for kernel in leaves(program.kernels) if isinstance(kernel, CallKernel)]
    return any(substitute(call.work, sizes) > THREADED_FLOPS for call in calls)


def worth_a_team(program: Program, sizes: Mapping[sp.Symbol, int]) -> bool:
    """Whether several threads run the program: not where it does little, or where BLAS has threads of its own."""
    return work(program.kernels, sizes) >= WORTH_A_TEAM and not factors_large_matrices(program, sizes)


def worth_waking(program: Program, sizes: Mapping[sp.Symbol, int]) -> bool:
    """Whether such a program is long enough to wake workers that sleep."""
    return work(program.kernels, sizes) >= WAKING * WORTH_A_TEAM


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """BLAS with one thread inside."""
    changed = [(library, library.get_num_threads()) for library in libraries()]
    for library, _ in changed:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, before in changed:
            library.set_num_threads(before)
