"""Ops that hold graphs: loops and branches. Their rules derive the graphs inside, so they stand above `derive`."""

from . import scan

__all__ = ["scan"]
