"""What a compiled function says about its kernels."""

from __future__ import annotations

import numpy as np
import pytest

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import InputError

RNG = np.random.default_rng(0)
X, W, V = (RNG.normal(size=shape).astype("float32") for shape in ((64, 30), (30, 20), (20, 5)))


def loss(w, v, x):
    return gnp.sum(np.tanh(np.tanh(x @ w) @ v) ** 2)


def test_a_report_lists_every_kernel_with_its_work() -> None:
    step = gx.jit(gx.grad(loss, (0, 1)))
    found = step.report(W, V, X)
    program = step.version(W, V, X).executor.program
    assert [kernel.nodes for kernel in found.kernels] == [tuple(kernel.nodes) for kernel in program.kernels]
    products = [kernel for kernel in found.kernels if "product" in kernel.text]
    forward, backward = 2 * 64 * (30 * 20 + 20 * 5), 2 * 64 * (5 * 20 + 20 * 5 + 30 * 20)
    assert sum(kernel.flops for kernel in products) == forward + backward
    assert products[0].bytes == 4 * (64 * 30 + 30 * 20 + 64 * 20)
    assert all(kernel.seconds >= 0 and kernel.floor > 0 for kernel in found.kernels)
    assert found.call >= found.entry > 0
    assert sum(kernel.seconds for kernel in found.kernels) == pytest.approx(found.entry)
    text = str(found)
    assert text.count("\n") >= len(found.kernels) and "product of b" in text and "on 1 threads" in text


def test_a_report_says_why_a_kernel_stands_apart() -> None:
    found = gx.jit(lambda x: np.tanh(x) - gnp.cumsum(np.tanh(x), 0)[::-1]).report(X)
    reasons = [kernel.stopped for kernel in found.kernels if kernel.stopped]
    assert any("it reads entries that are not yet made there" in reason for reason in reasons), str(found)
    found = gx.jit(lambda x, y: (np.sin(x), np.cos(y))).report(X, X[::-1].copy())
    assert [kernel.stopped for kernel in found.kernels] == [
        "", "not in kernel 0: it reads nothing that is read or made there"
    ]  # fmt: skip


def test_a_loop_is_counted_with_its_turns_and_a_report_gives_nothing_away() -> None:
    def powers(w, x):
        return gx.scan(lambda h, _: (np.tanh(h @ w), None), x, length=9)[0]

    weight = RNG.normal(size=(30, 30)).astype("float32")
    compiled = gx.jit(powers, donate=1)
    state = gx.jit(lambda x: x + 1)(X)
    found = compiled.report(weight, state)
    (over,) = (kernel for kernel in found.kernels if "for t0 in 9" in kernel.text)
    assert over.flops == 9 * (2 * 64 * 30 * 30 + 64 * 30)
    np.testing.assert_allclose(np.asarray(state), X + 1)


def test_the_reference_has_no_kernels() -> None:
    with pytest.raises(InputError, match="is not compiled"):
        gx.jit(loss, target="numpy").report(W, V, X)
