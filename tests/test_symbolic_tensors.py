"""Gradients of networks in closed form: as sums over indices, and as matrix expressions."""

import itertools
from typing import Any

import numpy as np
import pytest
import sympy as sp

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import TraceError

ROWS, FEATURES, HIDDEN = 4, 2, 3
i, j, k, l, m, n, p = sp.symbols("i j k l m n p", integer=True)


def logistic(U: Any, u: Any, x: Any, y: Any) -> Any:
    """Cross-entropy of a network with one hidden layer."""
    h = gnp.sigmoid(x @ U.T) @ u
    return np.sum(gnp.softplus(h) - y * h)


def logistic_arguments() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    shapes = ((HIDDEN, FEATURES), (HIDDEN,), (ROWS, FEATURES))
    return (*(rng.normal(size=shape) for shape in shapes), rng.integers(0, 2, ROWS).astype(float))


def evaluate(expression: Any, arrays: dict[str, np.ndarray], **indices: int) -> float:
    """A closed form at arrays and free indices, without anything of this package."""
    fixed = expression.subs({sp.Symbol(name, integer=True): value for name, value in indices.items()}).doit()
    entries = {entry: arrays[str(entry.base)][tuple(map(int, entry.indices))] for entry in fixed.atoms(sp.Indexed)}
    return float(fixed.xreplace(entries))


def central(f: Any, arguments: tuple[np.ndarray, ...], slot: int, place: tuple[int, ...], step: float = 1e-6) -> float:
    """A central difference in one entry."""
    ends = []
    for move in (step, -step):
        moved = [np.array(value) for value in arguments]
        moved[slot][place] += move
        ends.append(float(gx.jit(f, target="numpy")(*moved)))
    return (ends[0] - ends[1]) / (2 * step)


def sigmoid(value: Any) -> Any:
    return 1 / (1 + sp.exp(-value))


def test_the_logistic_networks_gradient_in_closed_form() -> None:
    arguments = logistic_arguments()
    by_weights, by_outputs = gx.trace(gx.grad(logistic, argnums=(0, 1)), *arguments).to_sympy()
    U, u, x, y = (sp.IndexedBase(sp.Symbol(name, real=True)) for name in "Uuxy")

    # By u_i: Σ over examples j of (σ(h_j) − y_j) σ(U x_j)_i
    hidden = sigmoid(sp.Sum(U[i, k] * x[j, k], (k, 0, FEATURES - 1)))
    inner = sigmoid(sp.Sum(U[l, m] * x[j, m], (m, 0, FEATURES - 1)))
    output = sp.Sum(u[l] * inner, (l, 0, HIDDEN - 1))
    wanted = sp.Sum((sigmoid(output) - y[j]) * hidden, (j, 0, ROWS - 1))
    assert str(by_outputs) == str(wanted)

    # By U_ij: Σ over examples k of (σ(h_k) − y_k) u_i s (1 − s) x_kj with s = σ(U x_k)_i
    hidden = sigmoid(sp.Sum(U[i, l] * x[k, l], (l, 0, FEATURES - 1)))
    inner = sigmoid(sp.Sum(U[n, p] * x[k, p], (p, 0, FEATURES - 1)))
    output = sp.Sum(u[n] * inner, (n, 0, HIDDEN - 1))
    wanted = sp.Sum((sigmoid(output) - y[k]) * u[i] * hidden * (1 - hidden) * x[k, j], (k, 0, ROWS - 1))
    assert str(by_weights) == str(wanted)


def test_the_closed_form_equals_central_differences() -> None:
    arguments = logistic_arguments()
    arrays = dict(zip(("U", "u", "x", "y"), arguments, strict=True))
    by_weights, by_outputs = gx.trace(gx.grad(logistic, argnums=(0, 1)), *arguments).to_sympy()
    for a, b in itertools.product(range(HIDDEN), range(FEATURES)):
        assert evaluate(by_weights, arrays, i=a, j=b) == pytest.approx(
            central(logistic, arguments, 0, (a, b)), rel=1e-6
        )
    for a in range(HIDDEN):
        assert evaluate(by_outputs, arrays, i=a) == pytest.approx(central(logistic, arguments, 1, (a,)), rel=1e-6)


def test_back_propagation_in_matrices() -> None:
    def loss(V: Any, W: Any, x: Any, y: Any) -> Any:
        error = W @ np.tanh(V @ x) - y
        return 0.5 * np.sum(error * error)

    rng = np.random.default_rng(1)
    arguments = tuple(rng.normal(size=shape) for shape in ((3, 2), (2, 3), (2, 5), (2, 5)))
    graph = gx.trace(gx.grad(loss, argnums=(0, 1)), *arguments)
    forms = graph.to_sympy("matrices")
    V, W, x, y = (sp.MatrixSymbol(name, *value.shape) for name, value in zip("VWxy", arguments, strict=True))
    values = dict(zip((V, W, x, y), map(sp.Matrix, arguments), strict=True))
    hidden = np.tanh(arguments[0] @ arguments[2])
    error = arguments[1] @ hidden - arguments[3]
    wanted = (((arguments[1].T @ error) * (1 - hidden**2)) @ arguments[2].T, error @ hidden.T)
    for form, expected in zip(forms, wanted, strict=True):
        found = np.array(form.as_explicit().xreplace(values).doit().tolist(), dtype=float)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    tanh = "Lambda(_x, tanh(_x))"
    assert str(forms[1]) == f"1.0*(W*{tanh}.(V*x) - y)*{tanh}.(x.T*V.T)"  # δ hᵀ


def test_every_linear_op_has_an_entry() -> None:
    def f(x: Any) -> Any:
        y = np.concatenate([x.T, np.flip(x.T, 0)], axis=0)[1::2]
        return np.sum(np.pad(y, 1).reshape(-1) ** 2) + np.sum(np.broadcast_to(x[0], (2, 3)))

    value = np.arange(6.0).reshape(2, 3)
    expression = gx.trace(f, value).to_sympy()
    name = next(iter(expression.atoms(sp.IndexedBase)))
    assert evaluate(expression, {str(name): value}) == pytest.approx(float(gx.jit(f, target="numpy")(value)))


def test_what_is_no_sum_says_so() -> None:
    with pytest.raises(TraceError, match="no form"):
        gx.trace(lambda x: np.sort(x), np.ones(3)).to_sympy()
    with pytest.raises(TraceError, match="no matrix"):
        gx.trace(lambda x: np.sum(x), np.ones((2, 2, 2))).to_sympy("matrices")


def test_scalars_are_written_as_before() -> None:
    assert str(gx.trace("sin(x1) + x1*x2").to_sympy()) == "x1*x2 + sin(x1)"
