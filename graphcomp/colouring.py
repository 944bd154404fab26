"""Which columns and rows of a sparse Jacobian can share one sweep: colouring.

Columns that have no row in common are found by one forward sweep along the sum of their directions; rows that have no
column in common by one reverse sweep. The few rows that are fullest may be taken by reverse sweeps and the rest by
forward ones: forward only and reverse only are the two ends of that. In a symmetric matrix a row is also a column.
A. R. Curtis, M. J. D. Powell, J. K. Reid, "On the Estimation of Sparse Jacobian Matrices", 1974; T. F. Coleman,
A. Verma, "The Efficient Computation of Sparse Jacobian Matrices Using Automatic Differentiation", 1998.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy

Mode = Literal["forward", "reverse"]
MOST_CONFLICTS = 2_000_000
"""How many pairs of columns a graph for the colouring may have."""
MOST_DIVISIONS = 24
NOT_SWEPT = -1


@dataclass(frozen=True, eq=False)
class Sparsity:
    """Where a Jacobian may differ from zero, and the sweeps that give its entries.

    `pattern` is a boolean matrix, entries of the outputs × entries of the argument. Columns of one colour share a
    forward sweep and rows of one colour a reverse sweep; the colour is -1 where there is no such sweep. In a symmetric
    matrix all sweeps are forward ones: the columns of `hubs` are swept in full, and give their rows as well.
    """

    pattern: scipy.sparse.csr_array
    column_colours: np.ndarray
    row_colours: np.ndarray
    symmetric: bool = False
    hubs: np.ndarray | None = None

    @property
    def forward_sweeps(self) -> int:
        return int(self.column_colours.max(initial=NOT_SWEPT)) + 1

    @property
    def reverse_sweeps(self) -> int:
        return int(self.row_colours.max(initial=NOT_SWEPT)) + 1

    @property
    def sweeps(self) -> int:
        """How many sweeps the whole matrix takes."""
        return self.forward_sweeps + self.reverse_sweeps

    @property
    def mode(self) -> str:
        """``forward``, ``reverse`` or ``both``."""
        if self.forward_sweeps and self.reverse_sweeps:
            return "both"
        return "reverse" if self.reverse_sweeps else "forward"

    def __str__(self) -> str:
        rows, columns = self.pattern.shape
        parts = [f"{rows:,} × {columns:,}, {self.pattern.nnz:,} entries"]
        for count, name in ((self.forward_sweeps, "forward"), (self.reverse_sweeps, "reverse")):
            if count:
                parts.append(f"{count} {name} sweep{'' if count == 1 else 's'}")
        return ", ".join(parts)

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each entry of the pattern: whether a reverse sweep gives it, that sweep's number, and the place in it."""
        rows, columns = self.pattern.tocoo().coords
        if self.hubs is not None:
            turned = self.hubs[rows] & ~self.hubs[columns]
            rows, columns = np.where(turned, columns, rows), np.where(turned, rows, columns)
        reverse = self.row_colours[rows] != NOT_SWEPT
        sweeps = np.where(reverse, self.row_colours[rows], self.column_colours[columns])
        return reverse, sweeps, np.where(reverse, columns, rows)


def colour(pattern: scipy.sparse.csr_array, mode: Mode | None = None) -> Sparsity:
    """The sparsity of a Jacobian with a colouring of few sweeps; `mode` asks for sweeps of one kind only."""
    rows, columns = pattern.shape
    if mode == "forward":
        return Sparsity(pattern, shared(pattern), np.full(rows, NOT_SWEPT))
    if mode == "reverse":
        return Sparsity(pattern, np.full(columns, NOT_SWEPT), shared(_turned(pattern)))
    best: Sparsity | None = None
    for bound, full in _divisions(pattern, symmetric=False):
        if best is None or bound < best.sweeps:
            row_colours, column_colours = np.full(rows, NOT_SWEPT), np.full(columns, NOT_SWEPT)
            row_colours[full] = shared(_turned(pattern[full]))
            if not full.all():
                column_colours = shared(pattern[~full])
            found = Sparsity(pattern, column_colours, row_colours)
            best = found if best is None or found.sweeps < best.sweeps else best
    assert best is not None
    return best


def colour_symmetric(pattern: scipy.sparse.csr_array) -> Sparsity:
    """The sparsity of a symmetric matrix, such as a Hessian, with a colouring of few forward sweeps."""
    size = pattern.shape[0]
    best: Sparsity | None = None
    for bound, hubs in _divisions(pattern, symmetric=True):
        if best is None or bound < best.sweeps:
            colours = np.full(size, NOT_SWEPT)
            rest = shared(pattern[~hubs][:, ~hubs])
            colours[~hubs] = rest
            colours[hubs] = shared(pattern[:, hubs]) + rest.max(initial=NOT_SWEPT) + 1
            found = Sparsity(pattern, colours, np.full(size, NOT_SWEPT), symmetric=True, hubs=hubs)
            best = found if best is None or found.sweeps < best.sweeps else best
    assert best is not None
    return best


def _turned(pattern: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(pattern.T)


def _divisions(pattern: scipy.sparse.csr_array, symmetric: bool) -> Iterator[tuple[int, np.ndarray]]:
    """(least number of sweeps, rows to take in full), the most promising first: the rows with more than t entries."""
    counts = np.diff(pattern.indptr)
    levels = np.unique(np.append(counts, 0))
    if len(levels) > MOST_DIVISIONS:
        levels = levels[np.linspace(0, len(levels) - 1, MOST_DIVISIONS).astype(int)]
    found = []
    for level in levels[::-1]:
        full = counts > level
        taken = _largest(np.bincount(pattern[full].indices, minlength=1))
        rest = pattern[~full][:, ~full] if symmetric else pattern[~full]
        found.append((taken + _largest(np.diff(rest.indptr)), full))
    yield from sorted(found, key=lambda division: division[0])


def _largest(counts: np.ndarray) -> int:
    return int(counts.max(initial=0))


def shared(pattern: scipy.sparse.csr_array) -> np.ndarray:
    """A colour for each column such that columns of one colour have no row in common; -1 for empty columns.

    networkx's greedy colouring, by size and by smallest degree last, whichever needs fewer.
    """
    filled = np.bincount(pattern.indices, minlength=pattern.shape[1]) > 0
    colours = np.full(pattern.shape[1], NOT_SWEPT)
    counts = np.diff(pattern.indptr).astype(np.int64)
    if _largest(counts) == filled.sum() or (counts**2).sum() > MOST_CONFLICTS:
        colours[filled] = np.arange(filled.sum())
        return colours
    table = pattern[:, filled].astype(np.int32)
    conflicts = scipy.sparse.triu(table.T @ table, k=1).tocoo()
    import networkx as nx

    graph = nx.empty_graph(int(filled.sum()))
    graph.add_edges_from(zip(*(axis.tolist() for axis in conflicts.coords)))
    tried = [nx.greedy_color(graph, strategy) for strategy in ("largest_first", "smallest_last")]
    chosen = min(tried, key=lambda found: max(found.values()))
    colours[filled] = [chosen[column] for column in range(len(chosen))]
    return colours
