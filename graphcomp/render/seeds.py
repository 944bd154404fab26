"""Where sweeps start: an input or an output, or each entry of one that is a small vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .account import Account
from .mathematics import Identifier
from .numerals import MOST_ENTRIES, number
from .story import Cell, Jacobian


@dataclass(frozen=True)
class Seed:
    """A node, and which entry of it (as a position in row-major order) if it has several."""

    id: int
    entry: int | None = None

    def array(self, like: Any) -> np.ndarray[Any, Any]:
        """Ones, or a one at the entry."""
        if self.entry is None:
            return np.ones_like(like)
        seed = np.zeros_like(like)
        seed.reshape(-1)[self.entry] = 1
        return seed

    def of(self, value: Any) -> Any:
        """The entry of a value, or the value."""
        return value if self.entry is None else np.asarray(value).reshape(-1)[self.entry]

    def symbol(self, whole: Identifier) -> Identifier:
        """x, or x₂ for the second entry of x."""
        if self.entry is None:
            return whole
        position = str(self.entry + 1)
        return Identifier(whole.name, f"{whole.subscript},{position}" if whole.subscript else position)


def seeds(account: Account, ids: Sequence[int]) -> list[Seed]:
    """A seed for each node, and for each entry of a small vector."""
    found: list[Seed] = []
    for id in dict.fromkeys(ids):
        size, dimensions = np.size(account.values[id]), np.ndim(account.values[id])
        if dimensions and 1 < size <= MOST_ENTRIES:
            found.extend(Seed(id, entry) for entry in range(size))
        else:
            found.append(Seed(id))
    return found


@dataclass(frozen=True)
class Ends:
    """The outputs and inputs between which derivatives are told, entry by entry."""

    outputs: tuple[Seed, ...]
    inputs: tuple[Seed, ...]

    def is_table(self, account: Account) -> bool:
        """Whether every derivative between them is one number."""
        return all(np.size(seed.of(account.values[seed.id])) == 1 for seed in (*self.outputs, *self.inputs))

    def jacobian(self, account: Account) -> Jacobian | None:
        """The table to be filled, if its cells are numbers."""
        if not self.is_table(account):
            return None
        outputs = tuple(seed.symbol(account.output_symbol(seed.id)) for seed in self.outputs)
        inputs = tuple(seed.symbol(account.names.inputs[seed.id]) for seed in self.inputs)
        return Jacobian(outputs, inputs, account.telling.jacobian_rows)

    def cells(self, account: Account, told: int, value: Any, *, of: Seed | None, by: Seed | None) -> tuple[Cell, ...]:
        """What becomes known of the Jacobian with the derivative ``of`` an output by a node, or of a node ``by``."""
        if not self.is_table(account):
            return ()
        across = self.inputs if of is not None else self.outputs
        cells = []
        for position, seed in enumerate(across):
            if seed.id == told:
                entry = seed.of(value)
                row = position if of is None else self.outputs.index(of)
                place = (row, position if by is None else self.inputs.index(by))
                cells.append(Cell(*place, number(np.asarray(entry).reshape(-1)[0], account.digits), entry))
        return tuple(cells)


def ends(account: Account, chosen: Sequence[int]) -> Ends:
    """The floating-point outputs, and the chosen inputs."""
    outputs = [id for id in account.graph.outputs if id in account.names.symbols and account.is_float(id)]
    return Ends(tuple(seeds(account, outputs)), tuple(seeds(account, chosen)))
