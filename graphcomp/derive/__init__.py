"""Derivatives of graphs, as graphs."""

from .extract import copy_node, extract, inline, needed
from .forward import Forward, forward
from .partition import Partition, depending, partition
from .reverse import Reverse, accumulate, pull_back, reverse, transpose

__all__ = [
    "Forward",
    "Partition",
    "Reverse",
    "accumulate",
    "copy_node",
    "depending",
    "extract",
    "forward",
    "inline",
    "needed",
    "partition",
    "pull_back",
    "reverse",
    "transpose",
]
