"""A team of threads as it lies in memory, and what its functions call of the system.

The team's memory is a table of 64-bit words. The first cache lines hold what all meet at, then each worker has a slot:
a job number, the entry and the context of the job, whether it sleeps, and its semaphore. The functions are those of
`library/team.py`.
"""

from __future__ import annotations

import ctypes
import sys

from llvmlite import binding

ARRIVED, TURN, FIRST_SLOT = 0, 16, 32
"""Words of the team's memory: how many have arrived, which meeting it is, and where the slots of workers begin."""

SLOT = 32
JOB, ENTRY, THREAD, CONTEXT, SLEEPING, SEMAPHORE = 0, 1, 2, 3, 16, 24
"""Words of a worker's slot, and of what is in it. What the two sides write lies in cache lines of its own."""

HAS_SEMAPHORES = sys.platform == "linux"
if HAS_SEMAPHORES:
    _libc = ctypes.CDLL(None)
    for _name in ("sem_wait", "sem_post", "sched_yield"):
        binding.add_symbol(f"graphcomp_{_name}", ctypes.cast(getattr(_libc, _name), ctypes.c_void_p).value)
