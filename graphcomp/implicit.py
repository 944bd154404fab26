"""Derivatives of answers: solutions of equations and fixed points, by the implicit function theorem.

Where F(x, θ) = 0 defines x(θ),

    dx = -(∂F/∂x)⁻¹ ∂F/∂θ dθ,

whatever way x was found. M. Blondel et al., "Efficient and modular implicit differentiation", 2022.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import numpy as gnp
from .custom import custom_jvp
from .jacobians import jacfwd
from .loops import array_leaf, while_loop
from .trace.tree import Structure, flatten, tree_map
from .transform import jvp

Function = Callable[..., Any]


def custom_root(residual: Function, solver: Function) -> Function:
    """The solution that `solver(*parameters)` finds of `residual(x, *parameters) = 0`, with its derivative.

    The residual has the containers and shapes of x, so that ∂F/∂x is a square matrix; it is made by forward sweeps and
    solved directly. `solver` is not differentiated: it may be any traced function, loops of unknown length too. The
    derivative is that of the exact solution, so it is as accurate as the solver's answer.
    """

    def rule(parameters: Any, tangents: Any) -> Any:
        x = solver(*parameters)
        leaves, structure = flatten(x)

        def vector(values: Any) -> Any:
            return _as_vector(residual(_from_vector(values, leaves, structure), *parameters))

        matrix = jacfwd(vector)(_as_vector(x))
        moved = _moved(residual, x, parameters, tangents)
        return x, _from_vector(-gnp.linalg.solve(matrix, moved), leaves, structure)

    return functools.wraps(solver)(custom_jvp(solver, rule))


def _moved(residual: Function, x: Any, parameters: Any, tangents: Any) -> Any:
    """∂F/∂θ dθ as a vector, over the parameters that have tangents."""
    leaves, structure = flatten(parameters)
    dots = _leaves_or_none(tangents)
    places = [place for place, dot in enumerate(dots) if dot is not None]

    def of_moving(*values: Any) -> Any:
        given = list(leaves)
        for place, value in zip(places, values):
            given[place] = value
        return _as_vector(residual(x, *structure.unflatten(given)))

    return jvp(of_moving, tuple(leaves[place] for place in places), tuple(dots[place] for place in places))[1]


def _leaves_or_none(value: Any) -> list[Any]:
    if value is None:
        return [None]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in _leaves_or_none(part)]
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves_or_none(part)]
    return flatten(value)[0]


def _as_vector(value: Any) -> Any:
    return gnp.concatenate([gnp.reshape(leaf, (-1,)) for leaf in flatten(value)[0]])


def _from_vector(vector: Any, like: list[Any], structure: Structure) -> Any:
    parts, start = [], 0
    for leaf in like:
        size = int(np.prod(leaf.shape, dtype=int))
        parts.append(gnp.reshape(vector[start : start + size], leaf.shape))
        start += size
    return structure.unflatten(parts)


def fixed_point(
    function: Function, start: Any, *parameters: Any, tolerance: float = 1e-12, max_steps: int | None = None
) -> Any:
    """The x with x = function(x, *parameters), found by repetition from `start`, with its derivative.

    The repetition ends when no entry moves by more than `tolerance` relative to the largest entry (or 1), or after
    `max_steps`. The derivative with respect to the parameters is that of the exact fixed point; `start` has none.
    """

    def solve(begin: Any, *given: Any) -> Any:
        def goes_on(state: Any) -> Any:
            x, before, steps = state
            far = _distance(x, before) > tolerance
            return far if max_steps is None else far & (steps < max_steps)

        def turn(state: Any) -> Any:
            x, _, steps = state
            return function(x, *given), x, steps + 1

        return while_loop(goes_on, turn, (function(begin, *given), begin, np.int64(1)))[0]

    def residual(x: Any, begin: Any, *given: Any) -> Any:
        return tree_map(lambda new, old: new - old, function(x, *given), x)

    return custom_root(residual, solve)(tree_map(array_leaf, start), *parameters)


def _distance(x: Any, before: Any) -> Any:
    """The largest step of an entry, relative to the largest entry or 1."""
    new, old = _as_vector(x), _as_vector(before)
    return gnp.max(gnp.abs(new - old)) / gnp.maximum(gnp.max(gnp.abs(new)), 1.0)
