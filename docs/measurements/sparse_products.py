"""Measures products of a sparse and a dense matrix against SciPy and PyTorch (MKL), one thread each: a Markdown table.

Needs torch. Matrices of Cora's sizes with entries at random places, float32. Blocks of the candidates alternate; times
are the thread's own processor time, since other programs may keep it waiting.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from operator import matmul
from typing import Any

import numpy as np
import scipy.sparse
import torch

import graphcomp as gx
from graphcomp import sparse

BLOCKS, REPEATS = 15, 40
CASES = [
    # what, rows, columns, stored entries, columns of the dense matrix, transposed
    ("features times weight", 2708, 1433, 49_216, 16, False),
    ("features, transposed, times gradient", 2708, 1433, 49_216, 16, True),
    ("graph times messages", 2708, 2708, 13_264, 16, False),
    ("graph times messages", 2708, 2708, 13_264, 7, False),
    ("graph, transposed, times gradient", 2708, 2708, 13_264, 16, True),
    ("wide", 2708, 2708, 13_264, 256, False),
]


def main() -> None:
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    print("| product | entries × columns | graphcomp | SciPy | PyTorch | / faster one | ns an entry |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for what, rows, columns, stored, width, transposed in CASES:
        places = np.unique(generator.integers(0, rows * columns, stored))
        found = scipy.sparse.csr_array(
            (generator.random(len(places), np.float32), np.unravel_index(places, (rows, columns))),
            shape=(rows, columns),
        )
        dense = generator.random((rows if transposed else columns, width), np.float32)
        matrix, product = sparse.matrix(found), gx.jit(lambda matrix, x: matrix @ x, threads=1)
        by_rows = found.T.tocsr() if transposed else found
        theirs = torch.sparse_csr_tensor(*map(torch.from_numpy, (by_rows.indptr, by_rows.indices, by_rows.data)))
        given = torch.from_numpy(dense)
        if transposed:
            matrix = matrix.T
        candidates: list[Callable[[], Any]] = [
            partial(product, matrix, dense),
            partial(matmul, by_rows, dense),
            partial(matmul, theirs, given),
        ]
        np.testing.assert_allclose(candidates[0](), candidates[1](), rtol=1e-4)
        times: list[list[float]] = [[] for _ in candidates]
        for _ in range(BLOCKS):
            for candidate, each in zip(candidates, times, strict=True):
                begin = time.thread_time()
                for _ in range(REPEATS):
                    candidate()
                each.append((time.thread_time() - begin) / REPEATS * 1e6)
        ours, scipys, torchs = map(statistics.median, times)
        ratio, entry = ours / min(scipys, torchs), ours * 1e3 / len(places)
        figures = f"{ours:.0f} | {scipys:.0f} | {torchs:.0f} | {ratio:.2f} | {entry:.2f}"
        print(f"| {what} | {len(places)} × {width} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
