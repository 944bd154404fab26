"""Derivatives of answers: roots, fixed points, and the vertex that tracks come from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp

MATRIX = np.array([[0.2, -0.4], [0.3, 0.1]])


def differences(f: Any, x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    columns = []
    for k in range(x.size):
        shift = np.zeros_like(x)
        shift.reshape(-1)[k] = step
        columns.append((np.asarray(f(x + shift)) - np.asarray(f(x - shift))) / (2 * step))
    return np.stack(columns, -1)


def test_a_fixed_point_and_its_derivatives() -> None:
    def answer(b: Any) -> Any:
        return gx.fixed_point(lambda x, b: gnp.tanh(MATRIX @ x + b), np.zeros(2), b, tolerance=1e-15)

    b = np.array([0.3, -0.5])
    x = answer(b)
    np.testing.assert_allclose(x, np.tanh(MATRIX @ x + b), atol=1e-15)
    for jacobian in (gx.jacrev, gx.jacfwd):
        np.testing.assert_allclose(jacobian(answer)(b), differences(answer, b), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.asarray(gx.jit(gx.jacrev(answer))(b)), gx.jacrev(answer)(b), rtol=1e-12)
    second = gx.hessian(lambda b: answer(b).sum())(b)
    np.testing.assert_allclose(second, differences(gx.grad(lambda b: answer(b).sum()), b), rtol=1e-7, atol=1e-9)
    batch = np.stack([b, -b, 2 * b])
    np.testing.assert_allclose(gx.vmap(answer)(batch), np.stack([answer(row) for row in batch]), atol=1e-14)


def test_the_start_has_no_derivative() -> None:
    def from_start(start: Any) -> Any:
        return gx.fixed_point(lambda x, b: gnp.cos(x) * b, start, 0.8)

    assert gx.grad(from_start)(0.3) == 0


def test_a_root_with_containers() -> None:
    def residual(x: Any, a: Any) -> Any:
        return {"u": x["u"] ** 2 + x["v"] - a[0], "v": x["u"] - x["v"] * a[1]}

    def solver(a: Any) -> Any:
        u = (-1 / a[1] + gnp.sqrt(1 / a[1] ** 2 + 4 * a[0])) / 2
        return {"u": u, "v": u / a[1]}

    a = np.array([2.0, 0.7])
    found = gx.grad(lambda a: gx.custom_root(residual, solver)(a)["u"])(a)
    np.testing.assert_allclose(found, gx.grad(lambda a: solver(a)["u"])(a), rtol=1e-12)


# a vertex fit --------------------------------------------------------------------------------------------------------


def chi_squared(vertex: Any, tracks: Any) -> Any:
    """How far straight tracks pass by a point: offsets over their errors, squared and added.

    A track is y = y₀ + slope · x, with the error of y₀; the tracks are not exact, so they meet in no point.
    """
    offset, slope, error = tracks[:, 0], tracks[:, 1], tracks[:, 2]
    distance = (offset + slope * vertex[0] - vertex[1]) / gnp.sqrt(1 + slope**2)
    return gnp.sum((distance / error) ** 2) + 0.1 * gnp.sum(distance**4)


def fit_vertex(tracks: Any) -> Any:
    """The vertex of least χ²: Newton's steps until the gradient vanishes, differentiated by the implicit function
    theorem."""

    def solve(tracks: Any) -> Any:
        def turn(state: Any) -> Any:
            vertex, steps = state
            slope = gx.grad(chi_squared)(vertex, tracks)
            return vertex - gnp.linalg.solve(gx.hessian(chi_squared)(vertex, tracks), slope), steps + 1

        def goes_on(state: Any) -> Any:
            slope = gx.grad(chi_squared)(state[0], tracks)
            return (gnp.max(gnp.abs(slope)) > 1e-11) & (state[1] < 50)

        return gx.while_loop(goes_on, turn, (gnp.zeros(2), np.int64(0)))[0]

    return gx.custom_root(gx.grad(chi_squared), solve)(tracks)


TRACKS = np.array([[0.1, 0.5, 0.02], [1.9, -0.9, 0.05], [0.62, 0.08, 0.03], [2.7, -1.6, 0.04]])


def test_a_vertex_fit_is_differentiated_with_respect_to_the_tracks() -> None:
    vertex = fit_vertex(TRACKS)
    np.testing.assert_allclose(gx.grad(chi_squared)(vertex, TRACKS), 0, atol=1e-10)
    slopes = gx.jacrev(fit_vertex)(TRACKS)
    assert slopes.shape == (2, 4, 3)
    np.testing.assert_allclose(slopes.reshape(2, 12), differences(fit_vertex, TRACKS, 1e-6), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(np.asarray(gx.jit(gx.jacrev(fit_vertex))(TRACKS)), slopes, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("run", [lambda f: f, gx.jit], ids=["interpreted", "compiled"])
def test_covariances_of_many_vertices_at_once(run: Any) -> None:
    """Error propagation: the vertex moves with the tracks' offsets, for a batch of events."""
    events = np.stack([TRACKS, TRACKS * [1.02, 0.98, 1]])
    found = np.asarray(run(gx.vmap(gx.jacrev(fit_vertex)))(events))
    for row, event in enumerate(events):
        np.testing.assert_allclose(found[row], gx.jacrev(fit_vertex)(event), rtol=1e-8, atol=1e-10)
