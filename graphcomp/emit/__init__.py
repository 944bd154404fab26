"""Programs to source text."""

from .cpu import FIRST_SIZE, Source, emit_cpu

__all__ = ["FIRST_SIZE", "Source", "emit_cpu"]
