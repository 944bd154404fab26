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
from graphcomp.gradcheck.differences import refined
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


# how the numbers are found -------------------------------------------------------------------------------------------


def test_the_complex_step_is_taken_where_the_function_is_analytic() -> None:
    report = gx.check_grads(lambda x: gnp.sum(np.exp(x) * np.sin(x) / (1 + x**2)), (np.array([0.3, 1.7]),), order=3)
    assert {entry.method for entry in report.entries} == {"complex step"}
    assert max(entry.relative for entry in report.entries) < 1e-13
    assert "complex" in str(report)


@pytest.mark.parametrize("f", [np.abs, lambda x: np.abs(x) * np.exp(x), lambda x: x * gnp.sign(x)])
def test_no_complex_step_through_what_is_not_analytic(f: Any) -> None:
    report = gx.check_grads(f, (np.array([-0.3, 1.7]),), order=1)
    assert report.ok and {entry.method for entry in report.entries} == {"extrapolation"}


def test_a_complex_step_that_disagrees_with_the_differences_is_not_believed() -> None:
    found = difference(lambda t: math.exp(t), 1e-2, 2.2e-16)
    assert refined(found, 1.0).method == "complex step" and refined(found, 1.0).value == 1.0
    for wrong in (1.0001, 0.0, math.nan, None):
        assert refined(found, wrong) is found


def test_the_error_falls_with_the_step_where_the_derivative_is_right_and_levels_out_where_it_is_wrong() -> None:
    x = np.array([0.4, 1.1])

    def curve(error: float) -> Any:
        gradient = lambda x: np.cos(x) * (1 + error)  # noqa: E731
        return gx.check_grads(lambda x: np.sum(np.sin(x)), (x,), gradient=gradient).entries[0].curve

    right, wrong = curve(0.0), curve(1e-4)
    tenth, hundredth = 2, 4  # steps of 0.1 and 0.01
    assert right.steps[tenth] / right.steps[hundredth] == pytest.approx(10)
    assert right.central[tenth] / right.central[hundredth] == pytest.approx(100, rel=0.02)
    assert right.one_sided[tenth] / right.one_sided[hundredth] == pytest.approx(10, rel=0.1)
    assert right.extrapolated < 1e-11 and right.complex_step < 1e-15
    assert min(right.central) < 1e-9 < 0.9e-4 < min(wrong.central[4:])
    assert wrong.complex_step == pytest.approx(1e-4, rel=1e-3)


def test_kinks_are_named_with_both_slopes() -> None:
    report = gx.check_grads(lambda x: gnp.sum(3 * gnp.relu(x)), (np.array([1.0, 0.0, 0.0, 0.0, 0.0]),), order=1)
    (first, *others) = report.entries[0].kink_at
    assert (first.index, first.left, first.derived, len(others)) == ((1,), 0, 0, 2)
    assert first.right == pytest.approx(3)
    assert "x[1]: a kink, with slopes 0 from the left, 3 from the right; derived is 0, which lies" in str(report)
    assert "random weights" not in str(report)
    assert "the results were added with random weights" in str(gx.check_grads(gnp.relu, (np.zeros(2),), order=1))
    second = gx.check_grads(gnp.absolute, (0.0,), order=2)
    assert "what is checked jumps here" in str(second)


# somebody else's gradients -------------------------------------------------------------------------------------------


def rosen(x: np.ndarray) -> float:
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def test_somebody_elses_gradient() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    x = np.array([1.2, 0.7, -0.5])
    report = gx.check_grads(optimize.rosen, (x,), gradient=optimize.rosen_der)
    assert report.ok and [(e.input, e.mode, e.order) for e in report.entries] == [("x", "given", 1)]
    assert report.entries[0].method == "complex step"
    assert report.inner_product is not None and "derivative along u" in str(report)

    def off(x: np.ndarray) -> np.ndarray:
        return optimize.rosen_der(x) * np.array([1, 1.01, 1])

    wrong = gx.check_grads(rosen, (x,), gradient=off)
    (entry,) = wrong.entries
    assert not wrong.ok and (entry.index, entry.wrong, entry.checked) == ((1,), 1, 3)
    assert entry.derived == pytest.approx(1.01 * entry.numerical, rel=1e-9)
    assert entry.method == "extrapolation"  # float() has no complex form
    assert wrong.inner_product is not None and not wrong.inner_product.ok


def test_an_error_outside_the_entries_drawn_is_seen_along_a_random_direction() -> None:
    x = np.linspace(0, 1, 1000)

    def gradient(x: np.ndarray) -> np.ndarray:
        slopes = np.cos(x)
        slopes[~np.isin(np.arange(1000), drawn)] *= 1.5
        return slopes

    rng = np.random.default_rng(0)
    drawn = sorted(rng.choice(1000, 5, replace=False).tolist())
    report = gx.check_grads(lambda x: np.sum(np.sin(x)), (x,), gradient=gradient, entries=5)
    assert report.entries[0].ok and not report.ok


def test_nested_arguments_and_what_is_no_floating_point() -> None:
    def loss(params: Any, n: Any, x: Any) -> Any:
        return np.sum(np.tanh(x @ params["w"] + params["b"])) * n

    def slopes(params: Any, n: Any, x: Any) -> Any:
        inner = n * (1 - np.tanh(x @ params["w"] + params["b"]) ** 2)
        return {"b": inner.sum(0), "w": x.T @ inner}, None, inner @ params["w"].T

    rng = np.random.default_rng(0)
    args = ({"w": rng.normal(size=(3, 2)), "b": rng.normal(size=2)}, np.asarray(3), rng.normal(size=(4, 3)))
    report = gx.check_grads(loss, args, gradient=slopes)
    assert report.ok and [entry.input for entry in report.entries] == ["params.w", "params.b", "x"]
    without_none = gx.check_grads(loss, args, gradient=lambda *args: slopes(*args)[::2])
    assert without_none.ok and without_none.entries == report.entries


@pytest.mark.parametrize("as_number", [True, False])
def test_a_float32_computation_is_judged_as_one_whatever_it_gives(as_number: bool) -> None:
    def f(x: np.ndarray) -> Any:
        result = np.sum(np.sin(x.astype("float32")) ** 2)
        return float(result) if as_number else result

    x = np.linspace(0.1, 1, 5)
    report = gx.check_grads(f, (x,), gradient=lambda x: np.sin(2 * x))
    assert report.dtype == "float32" and report.ok
    assert not gx.check_grads(f, (x,), gradient=lambda x: np.sin(2 * x) * 1.02).ok


def test_functions_that_take_only_their_own_dtype() -> None:
    def strict(x: np.ndarray) -> Any:
        if x.dtype != np.float32:
            raise TypeError("expected float32")
        return np.sum(x**2)

    assert gx.check_grads(strict, (np.ones(3, "float32"),), gradient=lambda x: 2 * x).ok

    def broken(x: np.ndarray) -> Any:
        raise ValueError("what I always say")

    with pytest.raises(ValueError, match="what I always say"):
        gx.check_grads(broken, (np.ones(3),), gradient=lambda x: x)


def test_pytorchs_gradient() -> None:
    torch = pytest.importorskip("torch")

    def f(w: np.ndarray, x: np.ndarray) -> float:
        return float(torch.tanh(torch.from_numpy(x) @ torch.from_numpy(w)).sum())

    def gradient(w: np.ndarray, x: np.ndarray) -> Any:
        leaves = [torch.tensor(value, requires_grad=True) for value in (w, x)]
        torch.tanh(leaves[1] @ leaves[0]).sum().backward()
        return [leaf.grad for leaf in leaves]

    rng = np.random.default_rng(0)
    assert gx.check_grads(f, (rng.normal(size=(3, 2)), rng.normal(size=(4, 3))), gradient=gradient).ok


def test_gradients_that_do_not_fit_are_refused() -> None:
    x, square = np.ones(3), lambda x: np.sum(x**2)
    with pytest.raises(InputError, match=r"has the shape \(2,\), but x has \(3,\)"):
        gx.check_grads(square, (x,), gradient=lambda x: np.ones(2))
    with pytest.raises(InputError, match="None for x"):
        gx.check_grads(square, (x,), gradient=lambda x: None)
    with pytest.raises(InputError, match="only the first order"):
        gx.check_grads(square, (x,), order=2, gradient=lambda x: 2 * x)
    with pytest.raises(InputError, match="one floating-point number"):
        gx.check_grads(lambda x: x**2, (x,), gradient=lambda x: 2 * x)
    with pytest.raises(InputError, match="one entry for each"):
        gx.check_grads(lambda x, y: np.sum(x * y), (x, x), gradient=lambda x, y: y)
    with pytest.raises(InputError, match="no part for 'b'"):
        gx.check_grads(lambda p: np.sum(p["a"] * p["b"]), ({"a": x, "b": x},), gradient=lambda p: {"a": p["b"]})
