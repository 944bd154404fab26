"""Derivatives of one's own, and values computed again instead of kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import DerivativeError, TraceError
from graphcomp.trace.tree import leaves

TABLE = np.arange(1.0, 4.0)
X = np.array([0.3, 0.4, 0.5])


def value(x: Any, y: Any) -> Any:
    return {"wave": gnp.sin(x) * y, "total": (x * TABLE).sum()}


def slope(arguments: Any, tangents: Any) -> Any:
    (x, y), (dx, dy) = arguments, tangents
    return value(x, y), {"wave": gnp.cos(x) * dx * y + gnp.sin(x) * dy, "total": (dx * TABLE).sum()}


def forward(x: Any, y: Any) -> Any:
    return value(x, y), (x, {"y": y})


def backward(saved: Any, cotangent: Any) -> Any:
    x, y = saved[0], saved[1]["y"]
    wave = cotangent["wave"]
    return gnp.cos(x) * y * wave + cotangent["total"] * TABLE, (gnp.sin(x) * wave).sum()


RULES = {"jvp": gx.custom_jvp(value, slope), "vjp": gx.custom_vjp(value, forward, backward)}


def loss(function: Any) -> Any:
    def total(x: Any, y: Any) -> Any:
        found = function(x, y)
        return (found["wave"] ** 2).sum() * found["total"]

    return total


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_takes_the_place_of_the_derivative(rule: str) -> None:
    own, plain = loss(RULES[rule]), loss(value)
    for derivative in (gx.value_and_grad, lambda f, a: gx.grad(lambda x, y: gx.grad(f, 0)(x, y).sum(), a)):
        wanted = leaves(derivative(plain, (0, 1))(X, 2.0))
        for run in (lambda f: f, gx.jit):
            for found, right in zip(leaves(run(derivative(own, (0, 1)))(X, 2.0)), wanted, strict=True):
                np.testing.assert_allclose(np.asarray(found), right, rtol=1e-12)
    batch = np.stack([X, 2 * X])
    for found, right in zip(*(leaves(gx.vmap(gx.grad(f, (0, 1)), (0, None))(batch, 2.0)) for f in (own, plain))):
        np.testing.assert_allclose(found, right, rtol=1e-12)
    assert gx.check_grads(own, (X, 2.0), modes=("rev",)).ok


def test_the_rule_is_what_is_used_and_numbers_show_a_wrong_one() -> None:
    wrong = gx.custom_jvp(gnp.sin, lambda arguments, tangents: (gnp.sin(arguments[0]), 2 * tangents[0]))
    assert gx.grad(wrong)(0.5) == 2
    assert not gx.check_grads(wrong, (0.5,)).ok


def test_rules_hold_inside_loops() -> None:
    def rolled(function: Any) -> Any:
        def total(x: Any) -> Any:
            def body(c: Any, _: Any) -> Any:
                return function(c, 0.5)["wave"] + function(c, 2.0)["total"], None

            return gx.scan(body, x, length=4)[0].sum()

        return total

    for rule in RULES.values():
        found = gx.grad(rolled(rule))(X / 9)
        np.testing.assert_allclose(found, gx.grad(rolled(value))(X / 9), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(gx.jit(gx.grad(rolled(rule)))(X / 9)), found, rtol=1e-12)


def test_integers_have_no_derivative() -> None:
    power = gx.custom_vjp(
        lambda x, n: x**n,
        lambda x, n: (x**n, (x, n)),
        lambda saved, ct: (ct * saved[1] * saved[0] ** (saved[1] - 1), None),
    )
    assert gx.grad(lambda x: power(x, np.int64(3)))(2.0) == 12


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: gx.jvp(loss(RULES["vjp"]), (X, 2.0), (X, 1.0)),
            DerivativeError,
            "rule for reverse mode only",
        ),
        (
            lambda: gx.grad(lambda x: gx.custom_jvp(lambda y: y * x, lambda a, t: (a[0] * x, t[0]))(1.0))(2.0),
            TraceError,
            "Pass it as an argument",
        ),
        (
            lambda: gx.custom_jvp(gnp.sin, lambda a, t: (gnp.sin(a[0]), t[0].sum()))(X),
            DerivativeError,
            r"gives a tangent of float64\[\]; float64\[3\] is expected",
        ),
        (
            lambda: gx.custom_vjp(gnp.sin, lambda x: (gnp.sin(x), x), lambda s, ct: (ct, ct))(X),
            DerivativeError,
            "returned 2 cotangents for 1 arguments",
        ),
    ],
)
def test_mistakes_are_explained(call: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# checkpoints ---------------------------------------------------------------------------------------------------------


def layers(x: Any, weights: Any, wrap: Any) -> Any:
    def layer(x: Any, weight: Any) -> Any:
        for _ in range(4):
            x = gnp.tanh(gnp.sin(x) * weight + x)
        return x

    for weight in weights:
        x = wrap(layer)(x, weight)
    return x.sum()


def test_a_checkpoint_changes_no_number() -> None:
    x, weights = np.linspace(-1, 1.3, 5), [0.3, 0.7, 1.1]
    found, wanted = (gx.value_and_grad(layers, (0, 1))(x, weights, wrap) for wrap in (gx.checkpoint, lambda f: f))
    for got, right in zip(leaves(found), leaves(wanted), strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-13, atol=1e-15)
    compiled = gx.jit(gx.value_and_grad(lambda x, w: layers(x, w, gx.checkpoint), (0, 1)))(x, weights)
    for got, right in zip(leaves(compiled), leaves(wanted), strict=True):
        np.testing.assert_allclose(np.asarray(got), right, rtol=1e-12, atol=1e-15)


def test_a_checkpoint_saves_memory() -> None:
    def arena(wrap: Any) -> int:
        step = gx.jit(gx.grad(lambda x, w: layers(x, w, wrap)))
        step(np.ones(10_000), [0.1] * 8)
        (version,) = step._versions.values()
        (binding,) = version.executor._bindings.values()
        return binding.arena.size

    assert arena(gx.checkpoint) < 0.75 * arena(lambda f: f)


def test_a_rule_for_reverse_mode_only_is_checked_in_that_mode() -> None:
    """As the error of the other mode says."""
    wrong = gx.custom_vjp(gnp.sin, lambda x: (gnp.sin(x), x), lambda x, c: (1.01 * c * gnp.cos(x),))
    with pytest.raises(DerivativeError, match=r"in check_grads modes=\('rev',\)"):
        gx.check_grads(wrong, (X,))
    report = gx.check_grads(wrong, (X,), modes=("rev",), order=1)
    assert not report.ok and "WRONG" in str(report)
