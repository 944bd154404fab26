"""Every op of the registry, compiled, against the reference: values in every dtype, derivatives, and domain edges."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import SAMPLED, claimed_dtypes, generator, op_graph, samples
from test_derivatives import DIFFERENTIABLE

import graphcomp as gx
from graphcomp.errors import ExecutionError
from graphcomp.ops import REGISTRY, Elementwise
from graphcomp.trace.tracer import apply
from graphcomp.trace.tree import leaves

ALL_DTYPES = ("float64", "float32", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool")


def compare(f: Callable[..., Any], arguments: Any, labels: list[str], rtol: float, least: float = 0.0) -> None:
    """Compiled and interpreted results: floats to `rtol` of the largest entry (which counts as at least `least` and at
    most 1) or of the entry, all else exactly; NaN and infinities in the same places."""
    compiled = leaves(gx.jit(f)(*arguments))
    with np.errstate(all="ignore"):
        reference = leaves(gx.jit(f, target="numpy")(*arguments))
    assert len(compiled) == len(reference) == len(labels)
    wrong = []
    for label, found, wanted in zip(labels, map(np.asarray, compiled), map(np.asarray, reference)):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), label
        exact = wanted.dtype.kind != "f"
        scale = 0.0 if exact or not wanted.size else float(np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0))
        try:
            np.testing.assert_allclose(
                found, wanted, rtol=0 if exact else rtol, atol=max(least, min(scale, 1.0)) * rtol
            )
        except AssertionError as error:
            wrong.append(f"{label}: {error}")
    assert not wrong, "\n\n".join(wrong)


def program(cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> tuple[Callable[..., Any], list[Any]]:
    """One function that applies many ops, each to its own arguments."""

    def f(*groups: Any) -> list[Any]:
        return [apply(name, *group, **attributes) for (name, _, attributes), group in zip(cases, groups)]

    return f, [arguments for _, arguments, _ in cases]


def labels_of(cases: list[tuple[str, tuple[Any, ...], dict[str, Any]]]) -> list[str]:
    graphs = [(name, op_graph(name, arguments, attributes)) for name, arguments, attributes in cases]
    return [f"{name}, result {place}" for name, graph in graphs for place in range(len(graph.outputs))]


NARROW = ("int16", "int8", "uint32", "uint16")
EVERYTHING = os.environ.get("GRAPHCOMP_TEST_EVERYTHING") == "1"
"""Compiling costs time: without this, each op is compiled in one of the narrow dtypes, and in all of the others."""


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_every_op_in_every_dtype(dtype: str) -> None:
    cases = []
    for count, name in enumerate(SAMPLED):
        op = REGISTRY[name]
        left_out = dtype in NARROW and NARROW[count % len(NARROW)] != dtype and not EVERYTHING
        if dtype in claimed_dtypes(op) and op.arity != 0 and not left_out:
            arguments, attributes = samples(op, dtype)  # type: ignore[misc]
            cases.append((name, arguments, attributes))
    f, arguments = program(cases)
    compare(f, arguments, labels_of(cases), 2e-6 if dtype == "float32" else 1e-13)


def test_ops_without_arguments() -> None:
    def f(x: Any) -> list[Any]:
        made = [apply("iota", shape=(3, 4), axis=1, dtype=dtype) for dtype in ("int64", "float32")]
        filled = [gx.numpy.full_like(x, 2, dtype) for dtype in ALL_DTYPES]
        return [*(x[0, 0] * m for m in made), *filled, x * x.shape[0]]

    compare(f, [np.ones((3, 4))], ["iota", "iota float32", *ALL_DTYPES, "size"], 0)


# edges --------------------------------------------------------------------------------------------------------------

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -2.5, 1e-30, -1e-30, 20.0, -20.0, 90.0, -90.0, 800.0, -800.0,
         1e30, -1e30, np.inf, -np.inf, np.nan]  # fmt: skip


NOT_AT_EDGES = ("convert", "polygamma", "where", "lgamma", "digamma")
"""Elementwise ops whose derivatives are compared at ordinary points instead."""


def edges(op: Elementwise, dtype: str) -> tuple[np.ndarray, ...]:
    values = np.array(EDGES, dtype)
    if op.arity == 1:
        return (values,)
    if op.name == "where":
        return np.arange(len(values)) % 2 == 0, values, values[::-1].copy()
    left, right = (part.ravel() for part in np.meshgrid(values, values))
    if op.name == "clip":
        return left, np.minimum(right, 1), np.maximum(right, 1)
    return left, right


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_elementwise_ops_at_the_edges_of_their_domains(dtype: str) -> None:
    cases = []
    for name in SAMPLED:
        op = REGISTRY[name]
        if isinstance(op, Elementwise) and dtype in claimed_dtypes(op) and name not in ("convert", "polygamma"):
            cases.append((name, edges(op, dtype), {}))
    f, arguments = program(cases)
    compare(f, arguments, [name for name, *_ in cases], 4e-6 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_derivatives_at_the_edges_of_the_domains(dtype: str) -> None:
    names = [n for n in DIFFERENTIABLE if isinstance(REGISTRY[n], Elementwise) and n not in NOT_AT_EDGES]

    def f(*groups: Any) -> list[Any]:
        ones = [np.ones(np.shape(group[0]), dtype) for group in groups]
        return [gx.vjp(lambda *v, n=n: apply(n, *v), *group)[1](one) for n, group, one in zip(names, groups, ones)]

    arguments = [edges(REGISTRY[name], dtype) for name in names]  # type: ignore[arg-type]
    labels = [f"{name} {slot}" for name, group in zip(names, arguments) for slot in range(len(group))]
    compare(f, arguments, labels, 1e-5 if dtype == "float32" else 1e-12)


def test_reductions_of_special_values() -> None:
    x = np.array([[np.nan, 1.0, -np.inf], [np.inf, -np.inf, 0.0], [1e308, 1e308, -1e308], [2.0, 2.0, -0.0]])
    names = ["sum", "prod", "max", "min"]

    def f(x: Any) -> list[Any]:
        along = [apply(name, x, axes=(1,)) for name in names] + [apply(name, x, axes=(0, 1)) for name in names]
        places = [apply(name, x, axis=axis) for name in ("argmax", "argmin") for axis in (0, 1)]
        return [*along, *places, apply("sort", x, axis=1), apply("argsort", x, axis=1), apply("top_k", x, k=2)]

    labels = [*names, *(f"{name} of all" for name in names), *("argmax0", "argmax1", "argmin0", "argmin1")]
    compare(f, [x], [*labels, "sort", "argsort", "top_k", "top_k places"], 1e-15)


# derivatives --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_first_and_second_derivatives_of_every_op(dtype: str) -> None:
    """One program like a training step: the gradient of every differentiable op and, in float64, a product with its
    Hessian. Elementwise ops have their test at the edges of their domains."""
    second = dtype == "float64"
    names = [name for name in DIFFERENTIABLE if not isinstance(REGISTRY[name], Elementwise) or name in NOT_AT_EDGES]
    cases = [(name, *samples(REGISTRY[name], dtype)) for name in names]  # type: ignore[misc]

    def loss(name: str, attributes: dict[str, Any], fixed: tuple[Any, ...], places: list[int]) -> Callable[..., Any]:
        def value(*floats: Any) -> Any:
            filled = list(fixed)
            for place, x in zip(places, floats):
                filled[place] = x
            results = [r for r in leaves(apply(name, *filled, **attributes)) if r.dtype.kind == "f"]
            return gx.numpy.sum(np.sin(results[0]))

        return value

    def f(*groups: Any) -> list[Any]:
        results = []
        for (name, arguments, attributes), group in zip(cases, groups):
            places = [k for k, a in enumerate(arguments) if a.dtype.kind == "f"]
            value = loss(name, attributes, group, places)
            floats = tuple(group[k] for k in places)
            results.append(gx.grad(value, tuple(range(len(places))))(*floats))
            if not second:
                continue
            directions = tuple(generator(name, k).uniform(0.5, 1, arguments[k].shape).astype(dtype) for k in places)
            results.append(gx.hvp(value, floats, directions))
        return results

    labels = [
        f"{name} order {order} slot {slot}"
        for name, arguments, _ in cases
        for order in ((1, 2) if second else (1,))
        for slot in range(sum(a.dtype.kind == "f" for a in arguments))
    ]
    compare(f, [arguments for _, arguments, _ in cases], labels, 2e-5 if dtype == "float32" else 1e-11, least=1.0)


def test_one_program_for_every_batch_size() -> None:
    def step(x: Any, w: Any) -> Any:
        def loss(w: Any) -> Any:
            y = np.tanh(x @ w)
            return gx.numpy.mean(gx.numpy.logsumexp(y, axis=1)) + gx.numpy.mean(y[1:] * y[:-1])

        return gx.value_and_grad(loss)(w)

    rng = generator("batches")
    w = rng.normal(size=(5, 4))
    compiled = gx.jit(step, specs=(gx.spec(("B", 5)), gx.spec((5, 4))))
    for size in (2, 3, 16, 33):
        x = rng.normal(size=(size, 5))
        for found, wanted in zip(leaves(compiled(x, w)), leaves(step(x, w))):
            np.testing.assert_allclose(np.asarray(found), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_integers_at_their_limits(dtype: str) -> None:
    """Sums wrap around, and division by zero gives what NumPy gives."""
    limits = np.iinfo(dtype)
    values = np.array([limits.min, limits.min + 1, 3, 0, 1, 2, 5, limits.max - 1, limits.max], dtype)
    left, right = (part.ravel() for part in np.meshgrid(values, values))
    skipped = ("power", "convert")  # NumPy refuses negative exponents
    names = [n for n in SAMPLED if isinstance(REGISTRY[n], Elementwise) and dtype in claimed_dtypes(REGISTRY[n])]
    names = [n for n in names if n not in skipped and REGISTRY[n].arity in (1, 2)]

    def f(x: Any, y: Any) -> list[Any]:
        results = [apply(name, *(x, y)[: REGISTRY[name].arity]) for name in names]
        return [*results, apply("power", x, gx.numpy.full_like(x, 3)), x.astype("float32"), x.astype("bool")]

    compare(f, [left, right], [*names, "power", "float32", "bool"], 1e-6)


def test_conversions() -> None:
    floats = np.array([0.0, -0.0, 0.5, -0.5, 1.9, -1.9, 100.7])
    compare(lambda x: [x.astype(dtype) for dtype in ALL_DTYPES], [np.abs(floats)], list(ALL_DTYPES), 1e-7)
    signed = [dtype for dtype in ALL_DTYPES if not dtype.startswith("uint")]
    compare(lambda x: [x.astype(dtype) for dtype in signed], [floats], signed, 1e-7)
    whole = np.array([-300, -1, 0, 1, 255, 70000])
    compare(lambda x: [x.astype(dtype) for dtype in ALL_DTYPES], [whole], list(ALL_DTYPES), 1e-7)


@pytest.mark.parametrize("index", [5, -9])
def test_indices_out_of_range_stop_the_program(index: int) -> None:
    x, places = np.arange(3.0), np.array([0, index])
    for f in (
        lambda x, n: x[n],
        lambda x, n: gx.numpy.take_along_axis(x, n, 0),
        lambda x, n: gx.numpy.scatter_add(x[:2], n, 3),
        lambda x, n: gx.grad(lambda x: gx.numpy.sum(x[n] ** 2))(x),
    ):
        with pytest.raises(ExecutionError, match=r"index|range"):
            np.asarray(gx.jit(f)(x, places))


def angle_and_hinge(x):
    """What a user may write: names that only Numba's definitions for NumPy know."""
    return np.arctan2(x, 1.0) + np.logaddexp(x, 0.0)


def test_a_function_of_the_user_may_call_all_that_numba_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    record = Elementwise(
        name="angle_and_hinge",
        summary="a test",
        differentiable=False,
        reference=angle_and_hinge,
        scalar=angle_and_hinge,
    )
    monkeypatch.setitem(REGISTRY, "angle_and_hinge", record)
    function = gx.jit(lambda x: gx.numpy.tanh(apply("angle_and_hinge", x)))
    x = np.linspace(-2, 2, 23)
    np.testing.assert_allclose(np.asarray(function(x)), np.tanh(angle_and_hinge(x)), rtol=1e-13)
    assert "use_everything()" in function.stages(x).source
    assert "use_everything()" not in gx.jit(np.tanh).stages(x).source
