"""Ops that hold graphs: loops and branches. Their rules derive the graphs inside, so they stand above `derive`."""

from . import cond, scan, while_loop

__all__ = ["cond", "scan", "while_loop"]
