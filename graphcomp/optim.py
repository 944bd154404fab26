"""Optimizers: pure traced functions of parameters, gradients and a state.

They are traced into the training step, so they are drawn, simplified, fused and compiled with it:

    optimizer = optim.adam(1e-3)
    state = optimizer.init(model)
    model, state = optimizer.update(model, gradients, state)

A learning rate is a number, or a function of the step (an int32 from 0) such as `cosine_decay(1e-3, 1000)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from . import numpy as gnp
from .errors import InputError
from .trace import scope
from .trace.tree import leaves, tree_map

Rate = float | Callable[[Any], Any]


@dataclass(frozen=True)
class Optimizer:
    """`init(parameters)` is the first state; `update(parameters, gradients, state)` the next parameters and state."""

    init: Callable[[Any], Any]
    update: Callable[[Any, Any, Any], tuple[Any, Any]]


class MomentumState(NamedTuple):
    """The number of steps taken, and the velocity of each parameter (None without momentum)."""

    step: Any
    velocity: Any


class AdamState(NamedTuple):
    """The number of steps taken, and running means of the gradient and of its square for each parameter."""

    step: Any
    mean: Any
    square: Any


def sgd(learning_rate: Rate, momentum: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Gradient descent: v' = momentum · v + g, p' = p - rate · v'; in Nesterov's form p - rate · (g + momentum · v').

    B. Polyak, 1964; I. Sutskever et al., "On the importance of initialization and momentum …", 2013.
    """
    _check(learning_rate, momentum=momentum)

    def init(parameters: Any) -> MomentumState:
        return MomentumState(_zero_step(), _zeros(parameters) if momentum else None)

    def update(parameters: Any, gradients: Any, state: MomentumState) -> tuple[Any, MomentumState]:
        with scope("sgd"):
            velocity, direction = state.velocity, gradients
            if momentum:
                velocity = tree_map(lambda v, g: v * momentum + g, velocity, gradients)
                direction = tree_map(lambda v, g: g + v * momentum, velocity, gradients) if nesterov else velocity
            rates = _rates(parameters, learning_rate, state.step)
            parameters = tree_map(lambda p, d: p - rates[_name(p)] * d, parameters, direction)
            return parameters, MomentumState(state.step + 1, velocity)

    return Optimizer(init, update)


def adam(learning_rate: Rate = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Optimizer:
    """Steps along the running mean of the gradient, divided by the root of that of its square, both unbiased.

    D. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1.
    """
    return _adam("adam", learning_rate, beta1, beta2, epsilon, 0.0)


def adamw(
    learning_rate: Rate = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 1e-2,
) -> Optimizer:
    """Adam with the weights shrunk by rate · decay at each step, apart from the gradient.

    I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", 2019, algorithm 2.
    """
    return _adam("adamw", learning_rate, beta1, beta2, epsilon, weight_decay)


def _adam(name: str, learning_rate: Rate, beta1: float, beta2: float, epsilon: float, decay: float) -> Optimizer:
    _check(learning_rate, beta1=beta1, beta2=beta2)
    _check_not_negative(epsilon=epsilon, weight_decay=decay)

    def init(parameters: Any) -> AdamState:
        return AdamState(_zero_step(), _zeros(parameters), _zeros(parameters))

    def update(parameters: Any, gradients: Any, state: AdamState) -> tuple[Any, AdamState]:
        with scope(name):
            step = state.step + 1
            mean = tree_map(lambda m, g: m * beta1 + g * (1 - beta1), state.mean, gradients)
            square = tree_map(lambda s, g: s * beta2 + g * g * (1 - beta2), state.square, gradients)
            scales = _per_dtype(parameters, partial(_scales, learning_rate, (beta1, beta2), state.step))

            def move(p: Any, m: Any, s: Any) -> Any:
                rate, step_length, unbias = scales[_name(p)]
                change = step_length * m / (gnp.sqrt(s) * unbias + epsilon)
                return p - (change + rate * decay * p if decay else change)

            return tree_map(move, parameters, mean, square), AdamState(step, mean, square)

    return Optimizer(init, update)


def clip_by_global_norm(gradients: Any, limit: float) -> Any:
    """The gradients, scaled down together where their joint Euclidean norm is above `limit`.

    R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.
    """
    with scope("clip_by_global_norm"):
        total: Any = 0.0
        for gradient in leaves(gradients):
            total = total + gnp.sum(gnp.square(gradient))
        scale = limit / gnp.maximum(gnp.sqrt(total), limit)
        return tree_map(lambda g: g * gnp.astype(scale, _name(g)), gradients)


def cosine_decay(peak: float, steps: int, warmup: int = 0) -> Callable[[Any], Any]:
    """A learning rate that rises evenly for `warmup` steps, then falls along half a cosine to zero at `steps`.

    I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", 2017, eq. 5.
    """
    if not 0 <= warmup < steps:
        raise InputError(f"warmup {warmup} must be at least 0 and below the number of steps {steps}.")

    _check_not_negative(peak=peak)

    def rate(step: Any) -> Any:
        time = gnp.astype(step, "float32")
        progress = gnp.clip((time - warmup) / (steps - warmup), 0.0, 1.0)
        falling = peak * 0.5 * (1.0 + gnp.cos(math.pi * progress))
        return falling if warmup == 0 else gnp.minimum(peak * (time + 1.0) / warmup, falling)

    return rate


def _check(learning_rate: Rate, **factors: float) -> None:
    if not callable(learning_rate) and not (isinstance(learning_rate, Real) and learning_rate > 0):
        raise InputError(f"the learning rate is a number above 0 or a function of the step, not {learning_rate!r}.")
    for name, factor in factors.items():
        if not (isinstance(factor, Real) and 0 <= factor < 1):
            raise InputError(f"{name} is at least 0 and below 1, not {factor!r}.")


def _check_not_negative(**numbers: float) -> None:
    for name, number in numbers.items():
        if not (isinstance(number, Real) and 0 <= number < math.inf):
            raise InputError(f"{name} is a number of at least 0, not {number!r}.")


def _zero_step() -> np.ndarray:
    return np.zeros((), "int32")


def _zeros(parameters: Any) -> Any:
    return tree_map(gnp.zeros_like, parameters)


def _name(leaf: Any) -> str:
    return str(np.dtype(leaf.dtype))


def _per_dtype(parameters: Any, value: Callable[[str], Any]) -> dict[str, Any]:
    """`value` once for each dtype among the parameters."""
    return {name: value(name) for name in sorted({_name(leaf) for leaf in leaves(parameters)})}


def _rates(parameters: Any, learning_rate: Rate, step: Any) -> dict[str, Any]:
    rate = learning_rate(step) if callable(learning_rate) else learning_rate
    return _per_dtype(parameters, lambda name: rate if isinstance(rate, (int, float)) else gnp.astype(rate, name))


def _scales(learning_rate: Rate, factors: tuple[float, float], step: Any, name: str) -> tuple[Any, Any, Any]:
    """(rate, rate / (1 - β₁ᵗ), 1 / √(1 - β₂ᵗ)) at step t - 1: what makes the means unbiased, once for all entries."""
    rate = learning_rate(step) if callable(learning_rate) else learning_rate
    rate = rate if isinstance(rate, (int, float)) else gnp.astype(rate, name)
    first, second = (_one_minus_power(factor, gnp.astype(step + 1, name)) for factor in factors)
    return rate, rate / first, 1.0 / gnp.sqrt(second)


def _one_minus_power(factor: float, step: Any) -> Any:
    """1 - factorᵗ as -expm1(t ln factor), exact where the power is near one; 1 for the factor 0."""
    return gnp.ones_like(step) if factor == 0 else -gnp.expm1(step * math.log(factor))
