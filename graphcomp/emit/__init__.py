"""Programs to source text."""

from .cpu import Source, emit_cpu

__all__ = ["Source", "emit_cpu"]
