"""Where a workload's arrays come from: the user's data folder, or numbers of the same sizes drawn from the seed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...data import cora, read_idx
from ...errors import DataError

SYNTHETIC = "synthetic data of the same sizes, because GRAPHCOMP_DATA has no {}"


def folder(name: str) -> Path | None:
    """A data set's folder in GRAPHCOMP_DATA, if there is one."""
    root = os.environ.get("GRAPHCOMP_DATA")
    found = Path(root, name) if root else None
    return found if found is not None and found.is_dir() else None


def images(generator: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, str]:
    """MNIST's held-out digits: float32 [N, 1, 28, 28] from 0 to 1, and int32 labels."""
    place = folder("mnist")
    try:
        if place is None:
            raise DataError("there is no folder")
        pixels, labels = (read_idx(place, f"t10k-{name}-ubyte") for name in ("images-idx3", "labels-idx1"))
    except DataError:
        pictures = generator.random((count, 1, 28, 28), "float32")
        return pictures, generator.integers(0, 10, count, "int32"), SYNTHETIC.format("mnist")
    chosen = generator.permutation(len(labels))[:count]
    return (pixels[chosen] / np.float32(255))[:, None], labels[chosen].astype("int32"), "MNIST"


def text(generator: np.random.Generator, batch: int, length: int) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Passages of Shakespeare as int32 letters [N, T], the letters that follow them, and how many kinds there are."""
    place = folder("tinyshakespeare")
    file = place / "input.txt" if place else None
    if file is None or not file.is_file():
        letters = generator.integers(0, 65, 100_000, "int32")
        note, kinds = SYNTHETIC.format("tinyshakespeare"), 65
    else:
        alphabet, letters = np.unique(np.frombuffer(file.read_bytes(), "uint8"), return_inverse=True)
        note, kinds = "tiny Shakespeare", len(alphabet)
    starts = generator.integers(0, len(letters) - length - 1, batch)
    passages = letters[starts[:, None] + np.arange(length + 1)].astype("int32")
    return np.ascontiguousarray(passages[:, :-1]), np.ascontiguousarray(passages[:, 1:]), kinds, note


@dataclass(frozen=True, eq=False)
class Citations:
    """A graph of papers: features [N, F], labels [N], both directions of each citation, papers with known labels."""

    features: np.ndarray
    labels: np.ndarray
    source: np.ndarray
    target: np.ndarray
    known: np.ndarray
    note: str


def citations(generator: np.random.Generator, nodes: int, words: int, links: int) -> Citations:
    """Cora where it is there and these are its sizes; its features in each row add up to 1, as Kipf and Welling take
    them."""
    if folder("cora") is not None and nodes == 2708:
        found = cora()
        source, target = np.nonzero(found.adjacency)
        scaled = found.features / np.maximum(found.features.sum(1, keepdims=True), 1)
        return Citations(scaled.astype("float32"), found.labels, source, target, found.train, "Cora")
    present = generator.random((nodes, words)) < 18.2 / words
    pairs = generator.integers(0, nodes, (links, 2))
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], 1), axis=0)
    source, target = np.concatenate([pairs, pairs[:, ::-1]]).T
    features = (present / np.maximum(present.sum(1, keepdims=True), 1)).astype("float32")
    known = generator.permutation(nodes)[: max(nodes // 19, 2)]
    return Citations(features, generator.integers(0, 7, nodes), source, target, known, SYNTHETIC.format("cora"))


ATOMS = 9
"""The kinds of atoms in MUTAG's file."""


@dataclass(frozen=True, eq=False)
class Molecule:
    """A molecule's atoms as integers, both directions of each bond, and its class."""

    atoms: np.ndarray
    source: np.ndarray
    target: np.ndarray
    label: int


def molecules(generator: np.random.Generator, count: int) -> tuple[list[Molecule], int, str]:
    """Molecules of MUTAG in random order, how many kinds of atoms there are, and where they are from."""
    place = folder("mutag")
    file = place / "MUTAG.txt" if place else None
    if file is None or not file.is_file():
        return [_molecule(generator) for _ in range(count)], ATOMS, SYNTHETIC.format("mutag")
    found = list(_mutag(iter(file.read_text(encoding="ascii").splitlines())))
    return [found[place] for place in generator.permutation(len(found))[:count]], ATOMS, "MUTAG"


def _mutag(lines: Iterator[str]) -> Iterator[Molecule]:
    """Each graph is a line "atoms label", then for each atom "kind degree neighbours …"."""
    for _ in range(int(next(lines))):
        size, label = map(int, next(lines).split())
        rows = [list(map(int, next(lines).split())) for _ in range(size)]
        source = np.array([atom for atom, row in enumerate(rows) for _ in row[2:]])
        target = np.array([other for row in rows for other in row[2:]])
        yield Molecule(np.array([row[0] for row in rows]), source, target, int(label > 0))


def _molecule(generator: np.random.Generator) -> Molecule:
    """A chain of 10 to 28 atoms with a branch or a ring here and there."""
    size = int(generator.integers(10, 29))
    first = np.array([max(atom - int(generator.integers(1, 3)), 0) for atom in range(1, size)])
    second = np.arange(1, size)
    source, target = np.concatenate([first, second]), np.concatenate([second, first])
    atoms = generator.integers(0, ATOMS, size)
    return Molecule(atoms, source, target, int(atoms[0] < atoms[-1]))
