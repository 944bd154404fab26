"""Measures convolutions with both their gradients against PyTorch (oneDNN), each on one thread: a table in Markdown.

Needs torch. Blocks of the candidates alternate; times are the thread's own processor time, since other programs may
keep it waiting. PyTorch gets its images and weights channels first and channels last, and the faster one counts. The
images are given row by row, [N, C, H, W], to both: laying them out anew is part of the time.
"""

from __future__ import annotations

import os

os.environ["GRAPHCOMP_THREADS"] = "1"  # read when the package is first asked for threads

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import graphcomp as gx
from graphcomp import numpy as gnp

BLOCKS = 15
CASES = [
    # what, batch, inputs, outputs, size, window, padding
    ("LeNet, first", 64, 1, 6, 28, 5, 2),
    ("LeNet, second", 64, 6, 16, 14, 5, 0),
    ("32 channels", 16, 32, 32, 28, 3, 1),
    ("64 channels", 32, 64, 64, 32, 3, 1),
    ("64 channels, one image", 1, 64, 64, 32, 3, 1),
    ("128 channels", 32, 128, 128, 14, 3, 1),
]


def convolution(weight: Any, x: Any, padding: int) -> Any:
    x = gnp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    return gnp.einsum("ncijpq,ocpq->noij", gnp.unfold(x, weight.shape[2:]), weight)


def ours(weight: np.ndarray, x: np.ndarray, cotangent: np.ndarray, padding: int) -> Callable[[], Any]:
    def step(weight: Any, x: Any, cotangent: Any) -> Any:
        y, pull_back = gx.vjp(lambda weight, x: convolution(weight, x, padding), weight, x)
        return gnp.max(y), *pull_back(cotangent)

    compiled = gx.jit(step, threads=1)
    return lambda: compiled(weight, x, cotangent)


def theirs(weight: np.ndarray, x: np.ndarray, cotangent: np.ndarray, padding: int, last: bool) -> Callable[[], Any]:
    layout = torch.channels_last if last else torch.contiguous_format
    w = torch.from_numpy(weight).to(memory_format=layout).requires_grad_()
    images = torch.from_numpy(x).requires_grad_()
    c = torch.from_numpy(cotangent).to(memory_format=layout)

    def run() -> Any:
        y = torch.nn.functional.conv2d(images.to(memory_format=layout), w, padding=padding)
        return y.max(), *torch.autograd.grad(y, (w, images), c)

    return run


def main() -> None:
    torch.set_num_threads(1)
    generator = np.random.default_rng(0)
    print("| convolution | images | window | graphcomp | PyTorch | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for what, batch, inputs, outputs, size, window, padding in CASES:
        places = size + 2 * padding - window + 1
        weight = generator.standard_normal((outputs, inputs, window, window), "float32")
        x = generator.standard_normal((batch, inputs, size, size), "float32")
        cotangent = generator.standard_normal((batch, outputs, places, places), "float32")
        given = weight, x, cotangent, padding
        candidates = [ours(*given), theirs(*given, False), theirs(*given, True)]
        for found, wanted in zip(candidates[0](), candidates[1]()):
            np.testing.assert_allclose(found, wanted.detach(), rtol=1e-3, atol=1e-3 * float(abs(wanted).max()))
        flops = 6 * batch * inputs * outputs * (window * places) ** 2
        times: list[list[float]] = [[], [], []]
        for _ in range(BLOCKS):
            for candidate, found in zip(candidates, times):
                begin = time.thread_time()
                for _ in range(max(1, int(2e8 / flops))):
                    candidate()
                found.append((time.thread_time() - begin) / max(1, int(2e8 / flops)))
        own, *others = map(statistics.median, times)
        rates = " | ".join(f"{flops / seconds / 1e9:.0f}" for seconds in (own, min(others)))
        shapes = f"{batch}×{inputs}×{size}×{size} | {outputs}×{window}×{window}"
        print(f"| {what} | {shapes} | {rates} | {own / min(others):.2f} |")


if __name__ == "__main__":
    main()
