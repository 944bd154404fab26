"""Ops that hold graphs: loops and branches. Their rules derive the graphs inside, so they stand above `derive`."""

from . import batch, cond, custom, scan, while_loop

__all__ = ["batch", "cond", "custom", "scan", "while_loop"]
