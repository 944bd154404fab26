"""Sums over short windows with fewer multiplications: the minimal filtering of Toom, Cook and Winograd.

Along an axis, m neighbouring sums of r products each read m + r - 1 numbers, and so many products are enough for them:
those of the values that two polynomials take at as many points (A. Toom, 1963; S. Winograd, "Arithmetic Complexity of
Computations", 1980; A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).

    y = Aᵀ [(G w) ⊙ (B x)]

for each tile of m sums, with fixed matrices of small numbers. Of the windows of several axes one axis is computed so:
not the last one, which runs along memory. The gradient with respect to w is the transpose, Gᵀ Σ (A dy) ⊙ (B x) over
all tiles; that with respect to x is a correlation again, of padded dy with w turned round.

Rounding errors are two to three times as large. A number that is not finite makes its whole tile not finite.
"""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from ..graph.types import Dimension, magnitude
from ..ops import Builder
from ..ops.products import letter_sizes, split_subscripts
from .pattern import Match, Variable, call

POINTS = (Fraction(0), Fraction(1), Fraction(-1), Fraction(1, 2), Fraction(-2))
"""Where the polynomials are evaluated, besides infinity: the rounding errors of these are small."""

PRODUCTS = len(POINTS) + 1
"""How many products a tile takes, and how many numbers it reads."""

WORTH = 32
"""So many multiplications must be saved for each number that is written and read in between."""

x, y = Variable("x"), Variable("y")
_windows = call.unfold(x).named("windows")
CORRELATIONS = ((0, call.einsum(_windows, y)), (1, call.einsum(y, _windows)))
FOLDED_PRODUCT = call.slice(call.fold(call.einsum(x, y).named("product")).named("fold"))


@dataclass(frozen=True, slots=True)
class Correlation:
    """Windows (letters `lead`, `places`, `offsets`) times `other`, summed to `result`."""

    lead: str
    places: str
    offsets: str
    other: str
    result: str
    sizes: Mapping[str, Dimension]

    @property
    def windows(self) -> str:
        return self.lead + self.places + self.offsets

    def entries(self, letters: str) -> float:
        return math.prod(magnitude(self.sizes[c]) for c in letters)


@dataclass(frozen=True, slots=True)
class Tiling:
    """The axis of a correlation that is cut into `count` tiles of `outputs` places each, `window` entries summed.

    The letters of its places and of its windows' entries; `is_gradient` where the entries are kept and the places
    summed.
    """

    axis: int
    place: str
    offset: str
    window: int
    outputs: int
    count: int
    is_gradient: bool


# which ---------------------------------------------------------------------------------------------------------------


def find_tiling(of: Correlation, stride: Sequence[Any], dilation: Sequence[Any]) -> Tiling | None:
    """The axis along which most multiplications are saved, if they are worth what is written and read in between."""
    found = []
    for axis, (place, offset) in enumerate(zip(of.places[:-1], of.offsets)):
        window, places = of.sizes[offset], of.sizes[place]
        if not isinstance(window, int) or not isinstance(places, int) or (stride[axis], dilation[axis]) != (1, 1):
            continue
        is_gradient = _roles(place, offset, of.other, of.result)
        if 1 < window < PRODUCTS and (is_gradient or _roles(place, offset, of.result, of.other)):
            outputs = PRODUCTS + 1 - window
            found.append(Tiling(axis, place, offset, window, outputs, -(-places // outputs), is_gradient))
    return max((each for each in found if saved(of, each) > 0), key=lambda each: saved(of, each), default=None)


def _roles(place: str, offset: str, holds_places: str, holds_offsets: str) -> bool:
    return (
        place in holds_places and offset not in holds_places and offset in holds_offsets and place not in holds_offsets
    )


def saved(of: Correlation, tiling: Tiling) -> float:
    """The multiplications that are saved, less what is between is worth."""
    share = PRODUCTS * tiling.count / (tiling.window * magnitude(of.sizes[tiling.place]))
    multiplications = of.entries("".join(dict.fromkeys(of.windows + of.other)))
    tiled = PRODUCTS * tiling.count
    between = of.entries(of.lead + of.places.replace(tiling.place, "")) * tiled
    for letters in (of.other, of.result):
        per = tiled if tiling.place in letters else PRODUCTS
        between += of.entries(letters.replace(tiling.place, "").replace(tiling.offset, "")) * per
    return multiplications * (1 - share) - WORTH * between


# the matrices --------------------------------------------------------------------------------------------------------


@cache
def matrices(window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aᵀ [outputs, PRODUCTS], G [PRODUCTS, window] and B [PRODUCTS, PRODUCTS], in float64.

    B is the inverse of the transposed matrix of all powers of the points, its rows made whole numbers; G takes the
    factors that this needs.
    """
    inverse = _inverse(_transposed(_powers(PRODUCTS)))
    factors = [_factor(row) for row in inverse]
    b = [[value * factor for value in row] for row, factor in zip(inverse, factors)]
    g = [[value / factor for value in row] for row, factor in zip(_powers(window), factors)]
    a = _transposed(_powers(PRODUCTS + 1 - window))
    return np.array(a, "float64"), np.array(g, "float64"), np.array(b, "float64")


def _factor(row: Sequence[Fraction]) -> Fraction:
    """What makes a row whole numbers without a common divisor."""
    scale = math.lcm(*(value.denominator for value in row))
    return Fraction(scale, math.gcd(*(int(value * scale) for value in row)))


def _transposed(matrix: Sequence[Sequence[Fraction]]) -> list[list[Fraction]]:
    return [list(column) for column in zip(*matrix)]


def _powers(count: int) -> list[list[Fraction]]:
    """The first powers of each point, in a row; of infinity the last one."""
    infinity = [Fraction(int(power == count - 1)) for power in range(count)]
    return [*([point**power for power in range(count)] for point in POINTS), infinity]


def _inverse(matrix: list[list[Fraction]]) -> list[list[Fraction]]:
    """By Gauss and Jordan, exactly."""
    size = len(matrix)
    rows = [[*row, *(Fraction(int(i == j)) for j in range(size))] for i, row in enumerate(matrix)]
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row][column] != 0)
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column][column]
        rows[column] = [value / head for value in rows[column]]
        for row in range(size):
            if row != column:
                by = rows[row][column]
                rows[row] = [value - by * other for value, other in zip(rows[row], rows[column])]
    return [row[size:] for row in rows]


# the rewriting -------------------------------------------------------------------------------------------------------


def fewer_products(b: Builder, m: Match, slot: int) -> int | None:
    """A correlation by tiles; None where no axis is worth it. The windows are the product's operand `slot`."""
    windows = m.graph.node(m["windows"])
    operands, result = split_subscripts(m.attributes["subscripts"])
    types = [b.type(windows.id), b.type(m["y"])]
    if not m.type.is_float:
        return None
    sizes = letter_sizes(m.graph, types if slot == 0 else types[::-1], m.attributes["subscripts"])
    of = _correlation(operands[slot], operands[1 - slot], result, len(windows.attributes["window"]), sizes)
    tiling = find_tiling(of, windows.attributes["stride"], windows.attributes["dilation"])
    if tiling is None:
        return None
    writer = _Writer(b, of, tiling, m.type.dtype)
    tiles = writer.tiles(windows.inputs[0], windows.attributes)
    return (writer.gradient if tiling.is_gradient else writer.sums)(tiles, m["y"])


def turned_correlation(b: Builder, m: Match) -> int | None:
    """What is kept of a product that is added back to where windows came from: a correlation of the padded operand that
    holds the places with the other one turned round, if that saves multiplications.
    """
    fold, whole = m.graph.node(m["fold"]), m.graph.node(m["product"])
    rank, (operands, result) = len(fold.attributes["sizes"]), split_subscripts(whole.attributes["subscripts"])
    lead, places, offsets = result[: -2 * rank], result[-2 * rank : -rank], result[-rank:]
    slot = 0 if operands[0].endswith(places) else 1
    there, other = operands[slot], operands[1 - slot]
    plain = {*fold.attributes["stride"], *fold.attributes["dilation"], *m.attributes["step"]} == {1}
    if not plain or not there.endswith(places) or set(places) & set(other) or set(offsets) & set(there):
        return None
    before_lead, begin = m.attributes["start"][:-rank], m.attributes["start"][-rank:]
    sizes = {**dict(zip(result, whole.shape)), **_sizes_of(b, m, operands)}
    kept, windows = m.attributes["size"][-rank:], [sizes[c] for c in offsets]
    low = [w - 1 - start for w, start in zip(windows, begin)]
    high = [size + start - sizes[c] for size, start, c in zip(kept, begin, places)]
    if any(before_lead) or m.type.shape[:-rank] != fold.shape[:-rank]:
        return None
    if not all(isinstance(size, int) and size >= 0 for size in (*low, *high)) or not m.type.is_float:
        return None
    of = _correlation(there + offsets, other, lead + places, rank, sizes | dict(zip(places, kept)))
    if find_tiling(of, (1,) * rank, (1,) * rank) is None:
        return None
    none = (0,) * (len(there) - rank)
    image = b.pad(m[("x", "y")[slot]], before=(*none, *low), after=(*none, *high), between=(0,) * len(there))
    weight = b.flip(m[("x", "y")[1 - slot]], axes=tuple(sorted(other.index(c) for c in offsets)))
    ones = (1,) * rank
    unfolded = b.unfold(image, window=tuple(windows), stride=ones, dilation=ones)
    return b.einsum(unfolded, weight, subscripts=f"{there}{offsets},{other}->{lead}{places}")


def _sizes_of(b: Builder, m: Match, operands: Sequence[str]) -> dict[str, Dimension]:
    return {c: size for id, names in zip((m["x"], m["y"]), operands) for c, size in zip(names, b.type(id).shape)}


def _correlation(windows: str, other: str, result: str, rank: int, sizes: Mapping[str, Dimension]) -> Correlation:
    return Correlation(windows[: -2 * rank], windows[-2 * rank : -rank], windows[-rank:], other, result, sizes)


class _Writer:
    """Writes the parts of a tiled correlation.

    Tiles and points have axes of their own, which stand outside of those that are summed over: what one product reads
    lies together. `shared` are the letters that windows and places have in common.
    """

    def __init__(self, b: Builder, of: Correlation, tiling: Tiling, dtype: str) -> None:
        self.b, self.of, self.tiling, self.dtype = b, of, tiling, dtype
        free = (c for c in string.ascii_letters if c not in of.windows + of.other)
        self.tile, self.point, self.entry = next(free), next(free), next(free)
        holder = of.other if tiling.is_gradient else of.result
        self.shared = "".join(c for c in of.lead if c in holder)

    def sums(self, windows: int, weight: int) -> int:
        """The sums at all places: Aᵀ [(G w) ⊙ windows of tiles]."""
        a, g, _ = matrices(self.tiling.window)
        other, result, place = self.of.other, self.of.result, self.tiling.place
        points = self.point + without(other, self.tiling.offset)
        weight = self.applied(g, weight, other.replace(self.tiling.offset, self.entry), points)
        products = self.tiled(result)
        found = self.b.einsum(windows, weight, subscripts=f"{self.windows},{points}->{products}")
        found = self.turned(a, found, products, result.replace(place, self.tile + self.entry))
        return self.joined(found, result.index(place))

    def gradient(self, windows: int, cotangent: int) -> int:
        """The sums for each entry of a window: Gᵀ Σ (A dy) ⊙ windows of tiles."""
        a, g, _ = matrices(self.tiling.window)
        other, result, offset = self.of.other, self.of.result, self.tiling.offset
        there = self.divided(cotangent, other.index(self.tiling.place))
        letters = self.tiled(other)
        there = self.applied(a.T, there, other.replace(self.tiling.place, self.tile + self.entry), letters)
        points = self.point + without(result, offset)
        found = self.b.einsum(windows, there, subscripts=f"{self.windows},{letters}->{points}")
        return self.turned(g.T, found, points, result.replace(offset, self.entry))

    def tiles(self, image: int, attributes: Mapping[str, Any]) -> int:
        """B times the entries of each tile, and the windows of the other axes in it."""
        of, tiling, rank = self.of, self.tiling, len(self.of.places)
        image = padded(self.b, image, len(of.lead) + tiling.axis, self.missing)
        units = [1] * rank
        window, stride = ([*units[: tiling.axis], n, *units[tiling.axis + 1 :]] for n in (PRODUCTS, tiling.outputs))
        tiles = self.b.unfold(image, window=tuple(window), stride=tuple(stride), dilation=tuple(units))
        tiles = self.b.reshape(tiles, shape=(*self.b.type(tiles).shape[:-rank], PRODUCTS))
        letters = of.lead + of.places.replace(tiling.place, self.tile) + self.entry
        tiles = self.applied(matrices(tiling.window)[2], tiles, letters, self.tile_letters)
        rest = {name: tuple(v for n, v in enumerate(values) if n != tiling.axis) for name, values in attributes.items()}
        return self.b.unfold(tiles, **rest)

    @property
    def tile_letters(self) -> str:
        rest = "".join(c for c in self.of.lead if c not in self.shared)
        return f"{self.shared}{self.point}{rest}{self.of.places.replace(self.tiling.place, self.tile)}"

    @property
    def windows(self) -> str:
        return self.tile_letters + without(self.of.offsets, self.tiling.offset)

    def tiled(self, letters: str) -> str:
        """The letters of what has places, with those of tiles and points instead."""
        rest = "".join(c for c in letters if c not in self.shared)
        return f"{self.shared}{self.point}{rest.replace(self.tiling.place, self.tile)}"

    def applied(self, matrix: np.ndarray, id: int, letters: str, result: str) -> int:
        """A matrix [point, entry] times the entries."""
        return self._product(matrix, f"{self.point}{self.entry}", id, letters, result)

    def turned(self, matrix: np.ndarray, id: int, letters: str, result: str) -> int:
        """A matrix [entry, point] times the points' values."""
        return self._product(matrix, f"{self.entry}{self.point}", id, letters, result)

    def _product(self, matrix: np.ndarray, names: str, id: int, letters: str, result: str) -> int:
        key = self.b.graph.add_array(matrix.astype(self.dtype))
        return self.b.einsum(self.b.array(key=key), id, subscripts=f"{names},{letters}->{result}")

    @property
    def missing(self) -> int:
        """How many places the tiles have beyond those there are."""
        return self.tiling.count * self.tiling.outputs - int(magnitude(self.of.sizes[self.tiling.place]))

    def divided(self, id: int, axis: int) -> int:
        """An axis of places as one of tiles and one of the places in each."""
        id = padded(self.b, id, axis, self.missing)
        shape = self.b.type(id).shape
        return self.b.reshape(id, shape=(*shape[:axis], self.tiling.count, self.tiling.outputs, *shape[axis + 1 :]))

    def joined(self, id: int, axis: int) -> int:
        """An axis of tiles and one of the places in each as one axis of the places there are."""
        shape = self.b.type(id).shape
        places = self.tiling.count * self.tiling.outputs
        whole = (*shape[:axis], places, *shape[axis + 2 :])
        id = self.b.reshape(id, shape=whole)
        if not self.missing:
            return id
        size = (*whole[:axis], places - self.missing, *whole[axis + 1 :])
        return self.b.slice(id, start=(0,) * len(whole), size=size, step=(1,) * len(whole))


def without(letters: str, letter: str) -> str:
    return letters.replace(letter, "")


def padded(b: Builder, id: int, axis: int, missing: int) -> int:
    """Zeros after the entries of an axis; what has zeros around it gets more of them."""
    if not missing:
        return id
    node, rank = b.graph.node(id), b.type(id).rank
    more = [missing if place == axis else 0 for place in range(rank)]
    if node.op == "pad":
        after = tuple(map(sum, zip(node.attributes["after"], more)))
        return b.pad(node.inputs[0], **{**node.attributes, "after": after})
    return b.pad(id, before=(0,) * rank, after=tuple(more), between=(0,) * rank)
