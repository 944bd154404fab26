"""The derivative check: it passes what is right, and says which entry is wrong and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sympy as sp

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import DerivativeError, InputError
from graphcomp.gradcheck import difference
from graphcomp.ops import REGISTRY, Elementwise, Linear, record
from graphcomp.trace import tracer


@pytest.fixture
def wrong_ops() -> Iterator[None]:
    """Ops with mistakes: a wrong partial, a wrong transpose, and a second derivative that is off."""
    before = dict(REGISTRY)
    record.register(
        Elementwise(
            name="wrong_partial",
            summary="",
            expression=lambda x: sp.sin(x),
            partials=lambda x, out: (sp.Piecewise((sp.cos(x), sp.Lt(x, 2)), (sp.cos(x) * sp.Float(1.001), True)),),
            domain=((-1.0, 1.0),),
        ),
        verify=False,
    )
    record.register(
        Linear(
            name="wrong_transpose",
            summary="",
            shape=lambda graph, x: x,
            reference=lambda x: 2 * x,
            transposes={0: lambda b, call, ct: b.multiply(b.constant_like(ct, 3.0), ct)},
        ),
        verify=False,
    )
    record.register(
        Elementwise(
            name="wrong_second",
            summary="",
            expression=lambda x: x**3,
            tangent_rule=lambda b, node, tangents: b.multiply(
                b.multiply(b.stop_gradient(node.inputs[0]), node.inputs[0]),
                b.multiply(b.constant_like(node.id, 3.0), tangents[0]),
            ),
            domain=((-1.0, 1.0),),
        ),
        verify=False,
    )
    yield
    for name in set(REGISTRY) - set(before):
        del REGISTRY[name]
    record.partial_expressions.cache_clear()


def model(params: Any, x: Any, labels: Any) -> Any:
    hidden = np.tanh(x @ params["w"] + params["b"])
    return {"loss": gnp.mean(gnp.logsumexp(hidden, axis=1) - hidden[:, 0]), "norm": hidden * labels[:, None]}


def arguments(dtype: str = "float64") -> tuple[Any, ...]:
    rng = np.random.default_rng(1)
    params = {"w": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=4).astype(dtype)}
    return params, rng.normal(size=(5, 3)).astype(dtype), np.arange(5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_derivatives_pass(dtype: str) -> None:
    report = gx.check_grads(model, arguments(dtype), order=2)
    assert report.ok and report.raise_if_wrong() is report
    assert [(e.input, e.mode, e.order) for e in report.entries] == [
        (name, mode, order) for order in (1, 2) for mode in ("fwd", "rev") for name in ("params.w", "params.b", "x")
    ]
    worst = max(entry.relative for entry in report.entries)
    assert worst < (1e-8 if dtype == "float64" else 1e-4)
    assert report.dtype == dtype and report.inner_product is not None and report.inner_product.ok


def test_the_same_seed_gives_the_same_report() -> None:
    reports = [str(gx.check_grads(np.tanh, (np.linspace(-1, 1, 4),), seed=seed)) for seed in (3, 3, 4)]
    assert reports[0] == reports[1] != reports[2]


def test_any_order() -> None:
    report = gx.check_grads(lambda x: np.exp(-x) * np.sin(3 * x), (np.array([0.5, 1.0, 2.0]),), order=4)
    assert report.ok and max(entry.order for entry in report.entries) == 4


def test_a_wrong_partial_is_named(wrong_ops: None) -> None:
    x = np.array([[0.5, 1.0], [3.0, -1.0]])
    report = gx.check_grads(lambda p: tracer.elementwise("wrong_partial", p["a"]), ({"a": x},), order=1)
    assert not report.ok
    for entry in report.entries:
        assert (entry.input, entry.index, entry.wrong, entry.checked, entry.kink) == ("p.a", (1, 0), 1, 4, False)
        assert entry.relative == pytest.approx(1e-3, rel=0.01)
        assert entry.derived == pytest.approx(1.001 * entry.numerical, rel=1e-9)
    text = str(report)
    assert "p.a" in text and "[1, 0]" in text and "WRONG (1 of 4 entries)" in text and "2 of 2 checks are wrong" in text
    with pytest.raises(DerivativeError, match=r"WRONG \(1 of 4 entries\)"):
        report.raise_if_wrong()


def test_a_wrong_transpose_is_named_by_both_tests(wrong_ops: None) -> None:
    report = gx.check_grads(lambda x: tracer.apply("wrong_transpose", x), (np.ones(3),), order=1)
    assert {entry.mode: entry.ok for entry in report.entries} == {"fwd": True, "rev": False}
    assert report.inner_product is not None and not report.inner_product.ok
    assert "forward and reverse mode disagree" in str(report)
    assert report.inner_product.reverse == pytest.approx(1.5 * report.inner_product.forward)
    only_forward = gx.check_grads(lambda x: tracer.apply("wrong_transpose", x), (np.ones(3),), order=1, modes=("fwd",))
    assert only_forward.ok and only_forward.inner_product is None


def test_a_wrong_second_derivative_is_found_at_order_two(wrong_ops: None) -> None:
    report = gx.check_grads(lambda x: tracer.elementwise("wrong_second", x), (np.array([0.5, 2.0]),), order=2)
    assert {(entry.order, entry.ok) for entry in report.entries} == {(1, True), (2, False)}


def test_stop_gradient_is_seen() -> None:
    assert not gx.check_grads(lambda x: x * gx.stop_gradient(x), (np.ones(2),), order=1).ok


def test_kinks_are_recognised_and_said() -> None:
    x = np.array([-1.0, 0.0, 2.0])
    for f in (gnp.relu, gnp.absolute, lambda x: gnp.maximum(x, 0.0), lambda x: gnp.clip(x, 0.0, 1.5)):
        report = gx.check_grads(f, (x,), order=1)
        assert report.ok and all(entry.kinks <= 1 for entry in report.entries)
    report = gx.check_grads(gnp.relu, (x,), order=1)
    assert report.entries[0].kinks == 1 and "ok, 1 at kinks" in str(report)
    assert gx.check_grads(lambda x: np.sum(x**2), (np.zeros(3),)).entries[0].kinks == 0
    assert gx.check_grads(lambda x: np.abs(x) ** 3, (np.zeros(3),)).ok


def test_points_near_kinks_and_poles() -> None:
    x = np.array([1e-3, -1e-5, 0.3])
    report = gx.check_grads(gnp.relu, (x,), order=2)
    assert report.ok and report.entries[0].kinks == 0
    assert gx.check_grads(lambda x: np.log(x) + np.sqrt(x) + 1 / x, (np.array([1e-8, 1e-3, 5.0]),), order=2).ok


def test_a_value_outside_the_one_sided_slopes_is_wrong_at_a_kink_too(wrong_ops: None) -> None:
    def f(x: Any) -> Any:
        return 3 * gx.stop_gradient(gnp.relu(x)) - 2 * gnp.relu(x) + 2 * x - gx.stop_gradient(2 * x)

    report = gx.check_grads(f, (np.array([0.0]),), order=1)
    assert not report.ok


def test_scale_does_not_matter() -> None:
    for scale in (1e-12, 1.0, 1e12):
        assert gx.check_grads(lambda x, s=scale: s * np.sin(x), (np.array([0.3, 1.0]),)).ok
        assert not gx.check_grads(
            lambda x, s=scale: s * (np.sin(x) + 1e-4 * gx.stop_gradient(x)), (np.array([0.3]),)
        ).ok


def test_what_computes_in_float32_is_judged_by_float32_standards() -> None:
    def f(x: Any) -> Any:
        return gnp.sum(np.sin(gnp.astype(x, "float32")) ** 2)

    assert gx.check_grads(f, (np.linspace(0.1, 1, 5),), order=1, tolerance=1e-3).ok


def test_large_inputs_are_drawn_from() -> None:
    report = gx.check_grads(lambda x: gnp.sum(np.sin(x)), (np.linspace(0, 1, 5000),), order=1, entries=7)
    assert report.ok and report.entries[0].checked == 7 and report.entries[0].size == 5000
    assert "x has 5000 entries, of which 7 were drawn" in str(report)


def test_empty_inputs_integers_and_python_numbers() -> None:
    report = gx.check_grads(lambda x, n, e: x * 3 + n.sum() + gnp.sum(e), (2.0, np.arange(3), np.zeros((0, 2))))
    assert report.ok and {entry.input for entry in report.entries} == {"x"}


def test_requests_that_make_no_sense() -> None:
    with pytest.raises(InputError, match="modes are 'fwd' and 'rev'"):
        gx.check_grads(np.sin, (1.0,), modes=("backward",))
    with pytest.raises(InputError, match="order is at least 1"):
        gx.check_grads(np.sin, (1.0,), order=0)
    with pytest.raises(InputError, match=r"write \(x,\)"):
        gx.check_grads(np.sin, np.ones(3))  # type: ignore[arg-type]
    with pytest.raises(DerivativeError, match="none of the arguments"):
        gx.check_grads(lambda n: n * 1.0, (np.arange(3),))
    with pytest.raises(DerivativeError, match="none of the results"):
        gx.check_grads(lambda x: x > 0, (np.ones(3),))


def test_richardson_extrapolation_is_accurate() -> None:
    found = difference(lambda t: math.exp(t) * math.sin(1 + t), 1e-2, 2.2e-16)
    assert found.value == pytest.approx(math.sin(1) + math.cos(1), rel=1e-12)
    assert found.uncertainty < 1e-10 and not found.kink
    kink = difference(abs, 1e-2, 2.2e-16)
    assert kink.kink and (kink.left, kink.right) == (-1, 1)
    jump = difference(lambda t: float(t >= 0), 1e-2, 2.2e-16)
    assert jump.kink


@pytest.mark.parametrize("formula", ["abs(x)", "relu(x)", "maximum(x, 0)"])
def test_the_derivative_of_a_kink_is_no_error(formula):
    """At 0 the derivative itself jumps, so to second order there is nothing that could be wrong."""
    report = gx.check_grads(gx.transform.as_function(gx.trace(formula)), (0.0,), order=2)
    assert report.ok
    assert all(entry.kink for entry in report.entries if entry.order == 2)
