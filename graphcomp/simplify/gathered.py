"""Products with the gathered rows of a table of fewer rows, such as words' vectors: taken for the rows of the table.

    T[i] W           (T W)[i]
    T[i]ᵀ D          Tᵀ S, where S has the sum of the rows of D that belong to each row of T
    S of D W         S W

What the second and third rule add are zeros: rows of the table that nobody gathers. They are masked, so that a number
that is not finite stays where it was.
"""

from __future__ import annotations

from ..graph import Node
from ..graph.types import Dimension, equal, magnitude, product
from ..ops import Builder
from .pattern import Match, Variable, call

FEWER = 2
"""How many times as many rows as the table has must be gathered."""

x, y, z = Variable("x"), Variable("y"), Variable("z")

rows = call.gather(x, z).named("gather")
flat_rows = call.reshape(rows).named("rows")
"""The same where the positions have several axes, which are joined."""


def positions(b: Builder, m: Match) -> int | None:
    """Where the rows stand in the table, as one axis; None where this is no product of matrices, or where the table
    has not far fewer rows."""
    table, places = b.type(m["x"]), b.type(m["z"])
    gathered = m.graph.node(m["gather"])
    rows = m.graph.node(m.ids.get("rows", gathered.id))
    is_product = table.rank == b.type(m["y"]).rank == 2 and table.is_float
    if not is_product or gathered.attributes["axis"] != 0 or not are_rows(rows, table.shape[1]):
        return None
    return joined(b, m["z"]) if is_worth(places.size, table.shape[0]) else None


def are_rows(node: Node, width: Dimension) -> bool:
    """Whether a node is a matrix of rows of this width."""
    return node.tensor.rank == 2 and equal(node.shape[1], width) is True


def is_worth(count: Dimension, size: Dimension) -> bool:
    """Whether so many rows are gathered that products of all rows are less work; named sizes are taken to be large."""
    return magnitude(count) >= FEWER * magnitude(size)


def joined(b: Builder, places: int) -> int:
    """Positions as one axis."""
    return b.reshape(places, shape=(product(b.type(places).shape),))


def product_of_rows(b: Builder, m: Match) -> int | None:
    """The rows of a product instead of a product of rows."""
    places = positions(b, m)
    if places is None:
        return None
    return b.gather(b.matmul(m["x"], m["y"]), places, axis=0)


def product_with_rows(b: Builder, m: Match) -> int | None:
    """Gathered rows that stand in the columns of a product's first operand: what belongs to each is added up first."""
    places = positions(b, m)
    if places is None or m.graph.node(m["turned"]).attributes["axes"] != (1, 0):
        return None
    sums = b.scatter_add(m["y"], places, axis=0, size=b.type(m["x"]).shape[0])
    table = masked(b, m["x"], places)
    return b.matmul(b.transpose(table, axes=(1, 0)), sums)


def sums_of_product(b: Builder, m: Match) -> int | None:
    """The product of sums of rows instead of the sums of a product's rows."""
    size, inner = m.attributes["size"], m.graph.node(m["product"])
    is_sum = m.attributes["axis"] == 0 and m.type.rank == b.type(m["y"]).rank == 2 and m.type.is_float
    if not is_sum or not are_rows(inner, m.type.shape[1]) or not is_worth(b.type(m["z"]).size, size):
        return None
    places = joined(b, m["z"])
    sums = b.scatter_add(m["x"], places, axis=0, size=size)
    return masked(b, b.matmul(sums, m["y"]), places)


def masked(b: Builder, table: int, places: int) -> int:
    """A table with zeros in the rows at which no position points."""
    type = b.type(table)
    ones = b.constant(1.0, b.type(places).shape, type.dtype)
    count = b.scatter_add(ones, places, axis=0, size=type.shape[0])
    is_used = b.less(b.constant_like(count, 0.0), count)
    is_used = b.broadcast(b.reshape(is_used, shape=(type.shape[0], 1)), shape=type.shape)
    return b.where(is_used, table, b.constant_like(table, 0.0))


PRODUCTS_OF_ROWS = (call.matmul(rows, y), call.matmul(flat_rows, y))
PRODUCTS_WITH_ROWS = tuple(call.matmul(call.transpose(form).named("turned"), y) for form in (rows, flat_rows))
_product = call.matmul(x, y).named("product")
SUMS_OF_PRODUCTS = (call.scatter_add(_product, z), call.scatter_add(call.reshape(_product), z))
