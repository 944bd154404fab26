"""The one place where an op exists: one record per op, everything else derived from it."""

from ..graph import Graph
from . import (
    arithmetic,
    base,
    collective,
    elementary,
    grouping,
    indexing,
    layout,
    linear_algebra,
    ordering,
    products,
    random,
    reduction,
    special_functions,
)
from .builder import Builder
from .record import REGISTRY, Elementwise, Linear, LinearCall, Multilinear, Op, Special, get, register, verify_partials

__all__ = [
    "REGISTRY",
    "Builder",
    "Elementwise",
    "Linear",
    "LinearCall",
    "Multilinear",
    "Op",
    "Special",
    "arithmetic",
    "base",
    "build",
    "collective",
    "elementary",
    "get",
    "grouping",
    "indexing",
    "layout",
    "linear_algebra",
    "ordering",
    "products",
    "random",
    "reduction",
    "register",
    "special_functions",
    "verify_partials",
]


def build(graph: Graph) -> Builder:
    """A builder that appends to `graph`."""
    return Builder(graph, get)
