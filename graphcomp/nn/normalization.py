"""Normalisation layers: subtract a mean, divide by a deviation, then scale and shift."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import numpy as gnp
from ..errors import InputError, ShapeError
from .linear import check_last_axis
from .module import Module, array_type


def _standardize(x: Any, mean: Any, variance: Any, epsilon: float) -> Any:
    return (x - mean) * gnp.rsqrt(variance + epsilon)


def moments(x: Any, axes: tuple[int, ...]) -> tuple[Any, Any]:
    """Mean and (biased) variance over `axes`, which keep size 1."""
    mean = gnp.mean(x, axes, keepdims=True)
    return mean, gnp.mean(gnp.square(x - mean), axes, keepdims=True)


class LayerNorm(Module):
    """Normalise the last axis of [..., size], then scale and shift each of its entries.

    J. Ba, J. Kiros, G. Hinton, "Layer Normalization", 2016, eq. 4.
    """

    scale: Any
    shift: Any
    epsilon: float = 1e-5

    @classmethod
    def create(cls, size: int, *, epsilon: float = 1e-5, dtype: Any = "float32") -> LayerNorm:
        """Scale one, shift zero."""
        return cls(np.ones(size, dtype), np.zeros(size, dtype), epsilon)

    def __call__(self, x: Any) -> Any:
        check_last_axis("LayerNorm", x, self.scale.shape[0])
        mean, variance = moments(x, (-1,))
        return _standardize(x, mean, variance, self.epsilon) * self.scale + self.shift


class BatchNorm(Module):
    """Normalise each channel of [N, C, …] over the batch and all positions, then scale and shift it.

    Without `mean` and `variance` it takes those of the batch at hand, as training needs. A prediction must not depend
    on what else is in its batch: `train.with_population_statistics` gives the model whose norms hold averages over the
    training set. Held statistics are constants: no gradient reaches them. `norm(x, statistics)` takes others.
    S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithms 1 and 2.
    """

    scale: Any
    shift: Any
    epsilon: float = 1e-5
    mean: Any = None
    variance: Any = None

    @classmethod
    def create(cls, channels: int, *, epsilon: float = 1e-5, dtype: Any = "float32") -> BatchNorm:
        """Scale one, shift zero."""
        return cls(np.ones(channels, dtype), np.zeros(channels, dtype), epsilon)

    def statistics(self, x: Any) -> tuple[Any, Any]:
        """Mean and variance of each channel, [C] both."""
        mean, variance = moments(x, (0, *range(2, array_type(x).rank)))
        return gnp.ravel(mean), gnp.ravel(variance)

    def __call__(self, x: Any, statistics: tuple[Any, Any] | None = None) -> Any:
        shape = array_type(x).shape
        channels = self.scale.shape[0]
        if len(shape) < 2 or shape[1] != channels:
            raise ShapeError(f"BatchNorm takes [N, {channels}, …], not {array_type(x)}.")
        mean, variance = self._held() or self._measured(x) if statistics is None else statistics
        wide = (channels, *(1,) * (len(shape) - 2))
        mean, variance, scale, shift = (gnp.reshape(v, wide) for v in (mean, variance, self.scale, self.shift))
        return _standardize(x, mean, variance, self.epsilon) * scale + shift

    def _held(self) -> tuple[Any, Any] | None:
        if self.mean is None:
            return None
        return gnp.stop_gradient(self.mean), gnp.stop_gradient(self.variance)

    def _measured(self, x: Any) -> tuple[Any, Any]:
        mean, variance = self.statistics(x)
        measured = _MEASURED.get()
        if measured is not None:
            count = math.prod(size for axis, size in enumerate(array_type(x).shape) if axis != 1)
            if count == 1:
                raise ShapeError(f"{array_type(x)} has one entry for each channel; its variance needs two.")
            measured.setdefault(id(self), []).append(gnp.stack([mean, variance * count / (count - 1)]))
        return mean, variance


_MEASURED: ContextVar[dict[int, list[Any]] | None] = ContextVar("what the batch norms being called met", default=None)


def batch_statistics(model: Any, *inputs: Any) -> list[Any]:
    """[2, C] for each `BatchNorm` of a model, in their order: mean and unbiased variance of what it is given."""
    measured: dict[int, list[Any]] = {}
    token = _MEASURED.set(measured)
    try:
        model(*inputs)
    finally:
        _MEASURED.reset(token)
    found: list[Any] = []

    def note(layer: BatchNorm) -> BatchNorm:
        if id(layer) not in measured:
            raise InputError(f"the model has a layer that it does not use: {layer}.")
        found.append(gnp.mean(gnp.stack(measured[id(layer)]), 0))
        return layer

    map_batch_norms(note, model)
    return found


def map_batch_norms(function: Callable[[BatchNorm], BatchNorm], value: Any) -> Any:
    """A model, or any container, with `function` applied to each `BatchNorm` in it."""
    if isinstance(value, BatchNorm):
        return function(value)
    if isinstance(value, dict):
        return {key: map_batch_norms(function, part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [map_batch_norms(function, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if not isinstance(value, Module):
        return value
    mapped = copy.copy(value)
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        object.__setattr__(mapped, field.name, map_batch_norms(function, getattr(value, field.name)))
    return mapped
