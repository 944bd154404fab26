"""Derivatives of graphs, as graphs."""

from .forward import Forward, forward
from .partition import Partition, partition
from .reverse import Reverse, reverse, transpose

__all__ = ["Forward", "Partition", "Reverse", "forward", "partition", "reverse", "transpose"]
