"""Measures emitted matrix products against NumPy (OpenBLAS) and PyTorch (MKL), each on one thread: a table in Markdown.

Needs torch. Blocks of the candidates alternate; the figures are GFLOP/s at the median of the blocks' times.

Times are the thread's own processor time, since other programs may keep it waiting.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import threadpoolctl
import torch
from numba import njit, types

from graphcomp.emit import matrix
from graphcomp.emit.vectors import vector_bits

BLOCKS = 15
CASES = [
    # what, batch, m, k, n, A by columns, B by columns
    ("layer, 784 to 256", 1, 64, 784, 256, False, False),
    ("layer, 256 to 128", 1, 64, 256, 128, False, False),
    ("layer, 128 to 10", 1, 64, 128, 10, False, False),
    ("gradient of weights", 1, 784, 64, 256, True, False),
    ("gradient of inputs", 1, 64, 256, 784, False, True),
    ("LSTM step", 1, 32, 128, 512, False, False),
    ("LSTM step, gradient", 1, 32, 512, 128, False, True),
    ("transformer", 1, 768, 128, 512, False, False),
    ("attention", 48, 64, 32, 64, False, False),
    ("attention, B by columns", 48, 64, 32, 64, False, True),
    ("small ones", 4000, 16, 16, 16, False, False),
    ("windows of a convolution", 1, 12544, 25, 6, False, False),
    ("windows of a convolution", 1, 1600, 150, 16, False, False),
    ("graph network", 1, 2708, 1433, 16, False, False),
    ("graph network, gradient", 1, 1433, 2708, 16, True, False),
    ("graph network, gradient", 1, 1433, 2708, 64, True, False),
    ("one example", 1, 1, 784, 256, False, False),
    ("matrix and vector", 1, 256, 784, 1, False, False),
    ("square", 1, 512, 512, 512, False, False),
    ("square, B by columns", 1, 512, 512, 512, False, True),
    ("square", 1, 1024, 1024, 1024, False, False),
    ("square, B by columns", 1, 1024, 1024, 1024, False, True),
]

product = getattr(matrix, matrix.product_name("float32", vector_bits()))


@njit(types.void(*[types.int64] * 12))
def run(batch, m, n, k, a, a_row, a_inner, b, b_inner, b_column, c, c_row):
    for each in range(batch):
        product(m, n, k, a + 4 * each * m * k, a_row, a_inner, b + 4 * each * k * n, b_inner, b_column,
                c + 4 * each * m * n, c_row, 0)  # fmt: skip


def operand(batch: int, rows: int, columns: int, turned: bool) -> np.ndarray:
    shape = (batch, columns, rows) if turned else (batch, rows, columns)
    array = np.random.default_rng(0).random(shape, np.float32)
    return array.swapaxes(1, 2) if turned else array


def rates(work: float, candidates: list[Callable[[], object]]) -> list[float]:
    repeats = max(1, int(1e8 / work))
    times: list[list[float]] = [[] for _ in candidates]
    for _ in range(BLOCKS):
        for candidate, found in zip(candidates, times):
            begin = time.thread_time()
            for _ in range(repeats):
                candidate()
            found.append((time.thread_time() - begin) / repeats)
    return [work / statistics.median(found) / 1e9 for found in times]


def main() -> None:
    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    print("| product | m×k×n | emitted | OpenBLAS | MKL | / faster one |\n| --- | --- | --- | --- | --- | --- |")
    for what, batch, m, k, n, a_turned, b_turned in CASES:
        a, b = operand(batch, m, k, a_turned), operand(batch, k, n, b_turned)
        c = np.zeros((batch, m, n), np.float32)
        left, right, result = a[0] if batch == 1 else a, b[0] if batch == 1 else b, c[0] if batch == 1 else c
        tensors = [torch.from_numpy(array) for array in (left, right, result.copy())]
        steps = [step // 4 for array in (a, b) for step in array.strides[1:]]
        numbers = (batch, m, n, k, a.ctypes.data, *steps[:2], b.ctypes.data, *steps[2:], c.ctypes.data, n)
        candidates = [
            partial(run, *numbers),
            partial(np.matmul, left, right, out=result),
            partial(torch.matmul, *tensors[:2], out=tensors[2]),
        ]
        ours, openblas, mkl = rates(2.0 * batch * m * k * n, candidates)
        size = f"{batch}·({m}×{k}×{n})" if batch > 1 else f"{m}×{k}×{n}"
        best = max(openblas, mkl)
        print(f"| {what} | {size} | {ours:.0f} | {openblas:.0f} | {mkl:.0f} | {ours / best:.2f} |", flush=True)


if __name__ == "__main__":
    main()
