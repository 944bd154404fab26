"""Gradients of scalar formulas over many points at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import numpy as gnp
from ..workload import Goal, Problem, Workload

COPY = Goal(1.10, 1.00, "copy")


def lecture(points: Any, data: Any) -> Any:
    """Σ sin(x1) + x1 x2; the gradient of the sum is that of each point's value."""
    x1, x2 = points["x1"], points["x2"]
    return gnp.sum(gnp.sin(x1) + x1 * x2)


def forty_ops(points: Any, data: Any) -> Any:
    """Σ of a formula of forty elementary operations in three variables; peers have the same, line by line."""
    x, y, z = points["x"], points["y"], points["z"]
    a = gnp.sin(x) * y + gnp.cos(z)
    b = gnp.exp(-a * a) * z
    c = gnp.tanh(b - y) * gnp.sqrt(1.5 + b * b)
    d = gnp.log(2.0 + c * c) - a * c
    e = (d + x) * (d - y) / (3.0 + z * z)
    f = gnp.sin(e) * gnp.exp(-d * d)
    g = gnp.log(1.0 + f * f + a * a) * gnp.cos(c - f)
    return gnp.sum(g + b * f)


def make_lecture(generator: np.random.Generator, points: int) -> Problem:
    return Problem({name: generator.uniform(-3, 3, points).astype("float32") for name in ("x1", "x2")}, {}, lecture)


def make_forty_ops(generator: np.random.Generator, points: int) -> Problem:
    return Problem({name: generator.uniform(-1, 1, points).astype("float32") for name in "xyz"}, {}, forty_ops)


WORKLOADS = (
    Workload(
        name="sin",
        title="gradient of sin(x1) + x1 x2 at 10⁶ points",
        make=make_lecture,
        sizes={"points": 1_000_000},
        small={"points": 37},
        tasks={"gradient": COPY},
    ),
    Workload(
        name="formula",
        title="gradient of a formula of 40 operations at 10⁶ points",
        make=make_forty_ops,
        sizes={"points": 1_000_000},
        small={"points": 37},
        tasks={"gradient": COPY},
    ),
)
