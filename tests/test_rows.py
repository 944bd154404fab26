"""Short rows by whole vectors: every op that has such code, sums over neighbours, widths, threads, narrower vectors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from conftest import claimed_dtypes, samples

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp import sparse
from graphcomp.emit.formulas import has_vector_code
from graphcomp.emit.lanes import codes, op_name
from graphcomp.ops import REGISTRY, Elementwise
from graphcomp.run import blas
from graphcomp.trace.tracer import apply
from graphcomp.trace.tree import leaves

RNG = np.random.default_rng(11)
ROWS, ENTRIES = 20, 150
PLACES, OTHERS = (sparse.groups(RNG.integers(0, ROWS, ENTRIES), ROWS) for _ in range(2))
WIDTHS = ((8,), (7,), (3,), (8, 8), (3, 4), (2, 16), (5, 2), (4, 1), (1, 8), (2, 2, 2), (6, 20), (3, 64))
"""Rows, and rows of parts whose sums are taken: by twos, and otherwise."""


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """However small the work, a team does it."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    yield


def compared(f: Callable[..., Any], arguments: Any, rtol: float, threads: int = 1) -> list[np.ndarray]:
    """Compiled results, which are those of the reference."""
    found = [np.array(part) for part in leaves(gx.jit(f, threads=threads)(*arguments))]
    with np.errstate(all="ignore"):
        wanted = leaves(gx.jit(f, target="numpy")(*arguments))
    for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol, err_msg=f"result {place}")
    return found


def vectored_ops(dtype: str) -> list[tuple[str, tuple[np.ndarray, ...], dict[str, Any]]]:
    """The ops that have vector code for this dtype, with a matrix for each argument."""
    found = []
    for name, op in REGISTRY.items():
        if not isinstance(op, Elementwise) or dtype not in claimed_dtypes(op):
            continue
        arguments, attributes = samples(op, dtype)  # type: ignore[misc]
        dtypes = {str(each.dtype) for each in arguments}
        if dtypes <= {dtype, "bool"} and has_vector_code(name, len(arguments), attributes, dtype, dtype):
            rows = tuple(np.resize(each, (ROWS, 8)) for each in arguments)
            found.append((name, rows, attributes))
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_op_that_has_vector_code(dtype: str) -> None:
    cases = vectored_ops(dtype)
    assert {"add", "divide", "exp", "where", "maximum", "tanh", "sin", "sqrt", "relu", "power"} <= {c[0] for c in cases}

    def f(*groups: Any) -> list[Any]:
        found = []
        for (name, _, attributes), rows in zip(cases, groups):
            value = apply(name, *(sparse.group_take(each, PLACES) for each in rows), **attributes)
            found.append(gnp.where(value, np.ones((), dtype), 0) if value.dtype == bool else value)
        return found

    arguments = [rows for _, rows, _ in cases]
    compared(f, arguments, 3e-6 if dtype == "float32" else 1e-12)
    called = set(re.findall(rf"lanes_op_\d_{dtype}_(?:{dtype}|bool)_8_(\w+)\(", gx.jit(f).stages(*arguments).source))
    assert {name for name, _, _ in cases} - called <= {"convert"}  # to the dtype that it has


def mixed(x: Any, y: Any) -> Any:
    """A value for each entry of a row, sums and maxima over its last axis, and what is the same for the row."""
    a, b = sparse.group_take(x, PLACES), sparse.group_take(y, OTHERS)
    score = gnp.where(a > b, a, b * 0.5)
    total, largest = gnp.sum(a * b, axis=-1), gnp.max(a - b, axis=-1)
    scale = gnp.reshape(gnp.sum(sparse.group_take(x, OTHERS), tuple(range(1, x.ndim))), (-1, *(1,) * (x.ndim - 1)))
    return score, total, largest, np.exp(-score * score) / (1 + scale * scale), sparse.group_sum(score / 3, PLACES)


@pytest.mark.parametrize("bits", [512, 256, 128])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_many_widths(dtype: str, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHCOMP_VECTOR_BITS", str(bits))
    inputs = [tuple(RNG.normal(size=(ROWS, *width)).astype(dtype) for _ in range(2)) for width in WIDTHS]

    def f(*inputs: Any) -> Any:
        return [mixed(x, y) for x, y in inputs]

    compared(f, inputs, 2e-5 if dtype == "float32" else 1e-12)
    assert "pairs" in gx.jit(f).stages(*inputs).source


@pytest.mark.parametrize("width", [(8, 8), (7,)], ids=str)
def test_the_number_of_threads_changes_no_bit(width: tuple[int, ...], always: None) -> None:
    inputs = [RNG.normal(size=(ROWS, *width)).astype("float32") for _ in range(2)]

    def gradients(x: Any, y: Any) -> Any:
        return gx.value_and_grad(lambda x, y: sum(gnp.sum(np.sin(part)) for part in mixed(x, y)), (0, 1))(x, y)

    first = compared(gradients, inputs, 1e-4)
    for threads in (2, 3, 5):
        for one, other in zip(first, compared(gradients, inputs, 1e-4, threads), strict=True):
            if one.ndim:  # a sum over everything is one of what each thread sums up
                np.testing.assert_array_equal(one, other)


def test_rows_that_are_read_where_they_are_written() -> None:
    """A sum that goes on in its place, and rows that are read turned round, are no rows by vectors."""
    x = RNG.normal(size=(ROWS, 8)).astype("float32")

    def f(x: Any) -> Any:
        taken = sparse.group_take(x, PLACES)
        return gnp.cumsum(taken, axis=1), taken[:, ::-1] * taken, gnp.concatenate([taken, -taken], axis=1)

    compared(f, (x,), 1e-5)


def test_the_key_covers_the_code_of_ops() -> None:
    text = codes([op_name("where", 3, "float32", "float32", 8), "lanes_load_float32_8_8"])
    assert text == "(x1 if x0 else x2)"
