"""Derivatives other than a network's gradient: a Jacobian, a Hessian, and ADBench's Gaussian mixture."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from ... import numpy as gnp
from ..workload import Goal, Problem, Workload


def coupled(model: Any, data: Any) -> Any:
    """tanh(A x) · x + sin(x): each of its values depends on all variables."""
    x = model["x"]
    return gnp.tanh(data["couplings"] @ x) * x + gnp.sin(x)


def squares(model: Any, data: Any) -> Any:
    return gnp.sum(gnp.square(coupled(model, data)))


def make_variables(generator: np.random.Generator, variables: int) -> Problem:
    couplings = generator.normal(0, variables**-0.5, (variables, variables)).astype("float32")
    model = {"x": generator.uniform(-1, 1, variables).astype("float32")}
    return Problem(model, {"couplings": couplings}, squares, vector=coupled)


# F. Šrajer, Z. Kukelova, A. Fitzgibbon, "A Benchmark of Selected Algorithmic Differentiation Tools …", 2018, GMM.


def mixture(model: Any, data: Any) -> Any:
    """The log posterior of a mixture of Gaussians with a Wishart prior.

    `factors` hold, for each of K components, the logarithms of the diagonal of a lower triangular matrix Q and then its
    other entries, column by column; Q Qᵀ is the inverse covariance.
    """
    weights, means, factors = model["weights"], model["means"], model["factors"]
    components, size = means.shape
    logarithms = factors[:, :size]
    diagonal, lower = gnp.exp(logarithms), factors[:, size:]
    entries = gnp.concatenate([diagonal, gnp.pad(lower, ((0, 0), (0, 1)))], 1)
    matrices = gnp.reshape(gnp.take(entries, data["places"], 1), (components, size, size))
    centred = gnp.expand_dims(data["points"], 0) - gnp.expand_dims(means, 1)
    scaled = gnp.einsum("kij,knj->kni", matrices, centred)
    constant = weights + gnp.sum(logarithms, 1)
    inner = gnp.expand_dims(constant, 1) - 0.5 * gnp.sum(gnp.square(scaled), 2)
    count = data["points"].shape[0]
    likelihood = gnp.sum(gnp.logsumexp(inner, 0)) - count * gnp.logsumexp(weights, 0)
    prior = 0.5 * (gnp.sum(gnp.square(diagonal)) + gnp.sum(gnp.square(lower)))
    return likelihood + prior + data["constant"]


def make_mixture(generator: np.random.Generator, size: int, components: int, points: int) -> Problem:
    """`constant` is what no parameter changes, for the prior's γ = 1 and m = 0."""
    lower = size * (size - 1) // 2
    places = np.full((size, size), size + lower, "int32")
    columns, rows = np.triu_indices(size, 1)
    places[rows, columns] = size + np.arange(lower)
    places[np.diag_indices(size)] = np.arange(size)
    freedom = size + 1
    constant = -points * size * 0.5 * np.log(2 * np.pi)
    constant -= components * (-0.5 * freedom * size * np.log(2) - scipy.special.multigammaln(0.5 * freedom, size))
    model = {
        "weights": generator.normal(size=components),
        "means": generator.uniform(size=(components, size)),
        "factors": generator.normal(0, 0.3, (components, size + lower)),
    }
    data = {
        "points": generator.normal(size=(points, size)), "places": places.ravel(), "constant": np.asarray(constant)
    }  # fmt: skip
    return Problem(model, data, mixture)


WORKLOADS = (
    Workload(
        name="variables",
        title="Jacobian and Hessian of a formula in 100 variables",
        make=make_variables,
        sizes={"variables": 100},
        small={"variables": 7},
        tasks={"jacobian": Goal(0.80, 0.40), "hessian": Goal(0.80, 0.40)},
    ),
    Workload(
        name="gmm",
        title="ADBench's Gaussian mixture, d 64, K 25, N 1000, float64",
        make=make_mixture,
        sizes={"size": 64, "components": 25, "points": 1000},
        small={"size": 3, "components": 2, "points": 6},
        tasks={"objective": Goal(1.0, 1.0), "gradient": Goal(4.0, 2.5, "objective")},
        dtype="float64",
    ),
)
