"""Normalisation layers: subtract a mean, divide by a deviation, then scale and shift."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as gnp
from ..errors import ShapeError
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

    A pure function: `norm(x)` takes the batch's own statistics; `norm(x, statistics)` those of `norm.statistics(batch)`
    for one large batch, or of averages kept by the caller, as prediction needs.
    S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithm 1.
    """

    scale: Any
    shift: Any
    epsilon: float = 1e-5

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
        mean, variance = self.statistics(x) if statistics is None else statistics
        wide = (channels, *(1,) * (len(shape) - 2))
        mean, variance, scale, shift = (gnp.reshape(v, wide) for v in (mean, variance, self.scale, self.shift))
        return _standardize(x, mean, variance, self.epsilon) * scale + shift
