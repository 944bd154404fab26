"""Pooling: the largest entry or the mean of sliding windows, channel by channel."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from .. import numpy as gnp
from ..errors import InputError
from .convolution import Sizes, check_image, pad_image, per_axis
from .module import Module, array_type, in_scope


class _Pool(Module):
    window: Sizes
    stride: Sizes | None = None
    padding: Sizes = 0
    rank: ClassVar[int]
    filling: ClassVar[float]

    def windows(self, x: Any) -> Any:
        """[N, C, sizes] to [N, C, places, window]. The stride is the window unless given."""
        check_image(type(self).__name__, x, self.rank)
        window = per_axis(self.window, self.rank, "the window", 1)
        stride = window if self.stride is None else per_axis(self.stride, self.rank, "the stride", 1)
        padding = per_axis(self.padding, self.rank, "the padding", 0)
        if any(2 * p > w for p, w in zip(padding, window)):
            raise InputError(f"the padding {padding} of a pool is at most half its window {window}.")
        return gnp.unfold(pad_image(x, padding, self.filling), window, stride)

    @property
    def window_axes(self) -> tuple[int, ...]:
        return tuple(range(-self.rank, 0))


class _MaxPool(_Pool):
    filling = -math.inf

    def __call__(self, x: Any) -> Any:
        return gnp.max(self.windows(x), self.window_axes)


class _AveragePool(_Pool):
    filling = 0.0

    def __call__(self, x: Any) -> Any:
        return gnp.mean(self.windows(x), self.window_axes)


class MaxPool1d(_MaxPool):
    """The largest entry of each window: [N, C, L] to [N, C, L']. Ties: the gradient goes to the first."""

    rank = 1


class MaxPool2d(_MaxPool):
    """The largest entry of each window: [N, C, H, W] to [N, C, H', W']. Ties: the gradient goes to the first."""

    rank = 2


class AveragePool1d(_AveragePool):
    """The mean of each window, with padded zeros counted: [N, C, L] to [N, C, L']."""

    rank = 1


class AveragePool2d(_AveragePool):
    """The mean of each window, with padded zeros counted: [N, C, H, W] to [N, C, H', W']."""

    rank = 2


@in_scope
def global_average_pool(x: Any) -> Any:
    """The mean of each channel: [N, C, …] to [N, C]."""
    return gnp.mean(x, tuple(range(2, array_type(x).rank)))
