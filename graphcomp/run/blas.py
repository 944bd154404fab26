"""How many threads SciPy's BLAS uses while a program runs.

A product that is too small for two threads is slower with them: the second one has to be woken, and where other work
keeps it from running, the first waits. The number is set for the time of a call and put back after it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import scipy.linalg.cython_blas
import sympy as sp
import threadpoolctl

from ..graph.types import product, substitute
from ..schedule import Program
from ..schedule.program import CallKernel, ProductKernel, leaves

THREADED_FLOPS = 2**27
"""A single product or factorisation with more floating-point operations than this uses all of BLAS's threads."""


@lru_cache(maxsize=1)
def libraries() -> tuple[Any, ...]:
    """The BLAS libraries of this process (NumPy and SciPy bring one each)."""
    assert scipy.linalg.cython_blas  # imported, so that its library is loaded
    return tuple(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


def uses_blas(program: Program) -> bool:
    return any(isinstance(kernel, (ProductKernel, CallKernel)) for kernel in leaves(program.kernels))


def needs_threads(program: Program, sizes: Mapping[sp.Symbol, int]) -> bool:
    """Whether any product or factorisation of the program is large enough to be worth several threads."""
    kernels = list(leaves(program.kernels))
    work = [2 * product((k.m, k.n, k.k)) for k in kernels if isinstance(k, ProductKernel)]
    work += [k.work for k in kernels if isinstance(k, CallKernel)]
    return any(substitute(each, sizes) > THREADED_FLOPS for each in work)


@contextlib.contextmanager
def single_threaded(wanted: bool) -> Iterator[None]:
    """BLAS with one thread inside, if `wanted`."""
    changed = [(library, library.get_num_threads()) for library in libraries()] if wanted else []
    for library, _ in changed:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, before in changed:
            library.set_num_threads(before)
