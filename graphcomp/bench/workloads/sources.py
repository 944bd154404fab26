"""Where a workload's arrays come from: the user's data folder, or numbers of the same sizes drawn from the seed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ...data import read_idx
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
