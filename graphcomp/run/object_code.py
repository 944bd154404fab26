"""Machine code as it is kept: what it takes and needs, and what it is made for. Nothing here imports Numba."""

from __future__ import annotations

import os
from dataclasses import dataclass

from llvmlite import binding

OPTIMISATION = 2
"""LLVM's level: the code of level 3 runs no faster, and takes a quarter longer to compile."""

WORD, WORDS = "word", "words"
"""The types of arguments of entries: an integer of 64 bits, and the address of several."""


@dataclass(frozen=True, slots=True)
class Code:
    """An object file, and the symbols that it needs from elsewhere."""

    object: bytes
    needs: tuple[str, ...]


def processor() -> tuple[str, str]:
    """LLVM's name of the processor and its features, as Numba is told to see them by its environment variables."""
    name = os.environ.get("NUMBA_CPU_NAME")
    features = os.environ.get("NUMBA_CPU_FEATURES", "" if name is not None and name.lower() == "generic" else None)
    own = binding.get_host_cpu_features().flatten() if features is None else features
    return name or binding.get_host_cpu_name(), own
