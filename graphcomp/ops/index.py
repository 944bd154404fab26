"""Index expressions: which entry of an argument an entry of the result reads.

An `Index` is affine over atoms: a loop variable, a value loaded from an integer array, or the quotient or remainder of
another index. Ranges are known, so that `(i*W + j) // W` becomes `i`, and `W*(e // W) + e % W` becomes `e`; this is
what makes a reshape of a contiguous array free. Records write their index maps with these; the scheduler composes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import takewhile
from typing import Any

import sympy as sp

from ..graph.types import Dimension, dimension, equal, exact_divide, symbols_of


@dataclass(frozen=True)
class Atom:
    """An indivisible index in `range(extent)`, or of unknown range (None).

    `kind` is loop, value, quotient or remainder.
    """

    kind: str
    name: str
    extent: Dimension | None = field(compare=False)
    of: Index | None = None
    by: Dimension = 1

    @cached_property
    def key(self) -> str:
        """Text that orders atoms the same way in every process."""
        return f"{self.kind} {self.name} {self.by} {self.of.key if self.of else ''}"

    @cached_property
    def _hash(self) -> int:
        return hash((self.kind, self.name, self.of, self.by))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True)
class Index:
    """Σ coefficient · atom + constant: each atom once, in the order of the keys, without zeros, as `make` leaves it."""

    terms: tuple[tuple[Atom, Dimension], ...] = ()
    constant: Dimension = 0

    @cached_property
    def key(self) -> str:
        return " ".join([*(f"{atom.key}*{coefficient}" for atom, coefficient in self.terms), str(self.constant)])

    @cached_property
    def _hash(self) -> int:
        return hash((self.terms, self.constant))

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Index | Dimension) -> Index:
        other = as_index(other)
        constant = self.constant + other.constant
        if not self.terms or not other.terms:
            return Index(self.terms or other.terms, dimension(constant))
        return make((*self.terms, *other.terms), constant)

    def __sub__(self, other: Index | Dimension) -> Index:
        return self + as_index(other) * -1

    def __mul__(self, factor: Dimension) -> Index:
        if factor == 1:
            return self
        if factor == 0:
            return Index()
        terms = tuple((atom, dimension(coefficient * factor)) for atom, coefficient in self.terms)
        return Index(terms, dimension(self.constant * factor))

    def __floordiv__(self, divisor: Dimension) -> Index:
        return divmod(self, divisor)[0]

    def __mod__(self, divisor: Dimension) -> Index:
        return divmod(self, divisor)[1]

    def __divmod__(self, divisor: Dimension) -> tuple[Index, Index]:
        quotient, rest = self._split(divisor)
        if within(rest, divisor):
            return quotient, rest
        low, high = bounds(rest)
        extent = None
        if low is not None and high is not None and at_least(low, 0):
            plain = isinstance(high, int) and isinstance(divisor, int)
            extent = 1 + (high // divisor if plain else dimension(sp.floor(high / sp.sympify(divisor))))
        remainder = single(Atom("remainder", "", divisor, rest, divisor))
        return quotient + single(Atom("quotient", "", extent, rest, divisor)), remainder

    def _split(self, divisor: Dimension) -> tuple[Index, Index]:
        """(q, r) with self = q · divisor + r, where q collects what divides evenly."""
        if divisor == 1:
            return self, Index()
        whole: list[tuple[Atom, Dimension]] = []
        rest: list[tuple[Atom, Dimension]] = []
        for atom, coefficient in self.terms:
            quotient = exact_divide(coefficient, divisor)
            if quotient is None:
                rest.append((atom, coefficient))
            else:
                whole.append((atom, quotient))
        constant, left = self.constant, self.constant
        lowest = bounds(Index(tuple(rest), constant))[0]
        if isinstance(lowest, int) and isinstance(constant, int) and isinstance(divisor, int):
            # The rest shall not be negative, so that its quotient is a plain count.
            constant = lowest // divisor
            left = left - constant * divisor
        else:
            even = exact_divide(constant, divisor) if constant != 0 else 0
            constant, left = (even, 0) if even is not None else (0, constant)
        return Index(tuple(whole), dimension(constant)), Index(tuple(rest), dimension(left))


def as_index(value: Index | Dimension) -> Index:
    return value if isinstance(value, Index) else Index((), value)


def single(atom: Atom) -> Index:
    return Index(((atom, 1),), 0) if atom.extent != 1 or atom.kind == "value" else Index()


@lru_cache(maxsize=65536)
def loop(name: str, extent: Dimension) -> Index:
    """A loop variable running over range(extent); of a single step it is just 0."""
    return single(Atom("loop", name, extent))


def make(terms: Iterable[tuple[Atom, Dimension]], constant: Dimension) -> Index:
    """Collect equal atoms, join quotients with their remainders, drop zeros."""
    collected: dict[Atom, Dimension] = {}
    for atom, coefficient in terms:
        collected[atom] = collected.get(atom, 0) + coefficient
    for atom in [a for a in collected if a.kind == "remainder"]:
        partner = Atom("quotient", "", 0, atom.of, atom.by)
        coefficient = collected.get(atom, 0)
        if coefficient != 0 and partner in collected and equal(collected[partner], coefficient * atom.by):
            assert atom.of is not None
            del collected[partner], collected[atom]
            joined = atom.of * coefficient
            for inner, factor in joined.terms:
                collected[inner] = collected.get(inner, 0) + factor
            constant = constant + joined.constant
    kept = tuple((atom, dimension(c)) for atom, c in collected.items() if c != 0)
    return Index(tuple(sorted(kept, key=lambda term: term[0].key)), dimension(constant))


def weighted(indices: Iterable[Index], factors: Iterable[Dimension]) -> Index:
    """Σ factor · index."""
    scaled = [index * factor for index, factor in zip(indices, factors)]
    return make((term for each in scaled for term in each.terms), sum((each.constant for each in scaled), 0))


def replaced(index: Index, variable: str, value: Index) -> Index:
    """The index with a loop variable replaced by another index, in quotients and remainders too."""
    found = Index((), index.constant)
    for atom, coefficient in index.terms:
        if atom.of is not None:
            inner = replaced(atom.of, variable, value)
            part = inner // atom.by if atom.kind == "quotient" else inner % atom.by
        else:
            part = value if atom.kind == "loop" and atom.name == variable else single(atom)
        found = found + part * coefficient
    return found


def bounds(index: Index) -> tuple[Dimension | None, Dimension | None]:
    """The smallest and largest value, None where a coefficient's sign is unknown."""
    low: Dimension = index.constant
    high: Dimension = index.constant
    for atom, coefficient in index.terms:
        if atom.extent is None:
            return None, None
        reach = coefficient * (atom.extent - 1)
        positive = coefficient > 0 if isinstance(coefficient, int) else coefficient.is_positive
        if positive:
            high = high + reach
        elif positive is False and (isinstance(coefficient, int) or coefficient.is_negative):
            low = low + reach
        else:
            return None, None
    return dimension(low), dimension(high)


def within(index: Index, size: Dimension) -> bool:
    """Whether 0 ≤ index < size for certain."""
    low, high = bounds(index)
    return low is not None and high is not None and at_least(low, 0) and at_least(size - 1 - high, 0)


def at_least(value: Any, bound: int) -> bool:
    difference = value - bound
    if not symbols_of(difference):
        return bool(difference >= 0)
    if difference.is_nonnegative:
        return True
    # Named sizes are at least 1: write each as 1 + (something not negative) and look again.
    shifted = sp.expand(difference.subs({s: s + 1 for s in difference.free_symbols}))
    if not shifted.free_symbols:
        return bool(shifted >= 0)
    if not shifted.is_polynomial(*shifted.free_symbols):
        return False
    return all(c.is_nonnegative for c in sp.Poly(shifted, *shifted.free_symbols).coeffs())


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on an index: `0 ≤ index < size`, or `index == 0` where `size` is None."""

    index: Index
    size: Dimension | None

    def always(self) -> bool:
        return self.index == Index() if self.size is None else within(self.index, self.size)


def inside(index: Index, size: Dimension) -> Guard:
    return Guard(index, size)


def same(index: Index, other: Index | Dimension) -> Guard:
    return Guard(index - other, None)


@dataclass(frozen=True, slots=True)
class Piece:
    """Read argument `slot` at `index` where all guards hold; entries no piece covers are zero."""

    slot: int
    index: tuple[Index, ...]
    guards: tuple[Guard, ...] = ()


def linear(index: Iterable[Index], shape: Iterable[Dimension]) -> Index:
    """The row-major position of `index` in an array of `shape`."""
    position = Index()
    for entry, size in zip(index, shape):
        position = position * size + entry
    return position


def reshaped(index: tuple[Index, ...], shape: tuple[Dimension, ...], to: tuple[Dimension, ...]) -> tuple[Index, ...]:
    """The entry of an array of shape `to` at the row-major position of `index` in an array of `shape`.

    Axes in front and at the end that both have stay as they are, if the index lies in range.
    """
    if not all(map(within, index, shape)):
        return unravel(linear(index, shape), to)
    front = shared_axes(shape, to)
    end = shared_axes(shape[front:][::-1], to[front:][::-1])
    middle = slice(front, len(shape) - end)
    inner = unravel(linear(index[middle], shape[middle]), to[front : len(to) - end])
    return (*index[:front], *inner, *index[len(index) - end :])


def shared_axes(shape: Sequence[Dimension], other: Sequence[Dimension]) -> int:
    """How many axes in front two shapes share."""
    return sum(1 for _ in takewhile(lambda sizes: sizes[0] == sizes[1], zip(shape, other)))


def unravel(position: Index, shape: tuple[Dimension, ...]) -> tuple[Index, ...]:
    """The entries of a row-major position in an array of `shape`."""
    entries: list[Index] = []
    for size in (1 if size == 0 else size for size in reversed(shape[1:])):  # of an empty array, no entry is read
        position, entry = divmod(position, size)
        entries.append(entry)
    return (position, *reversed(entries)) if shape else ()
