"""The looser functions for those who ask for them, as intrinsics: a program imports them on top of the others."""

from __future__ import annotations

from ..mathematics.fast import FORMULAS
from .mathematics import compiled

FUNCTIONS = {name: compiled(name, f"fast_{name}", formula, 1) for name, formula in FORMULAS.items()}
globals().update(FUNCTIONS)
__all__ = [*FUNCTIONS]
