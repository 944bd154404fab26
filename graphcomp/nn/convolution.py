"""Convolutions as sums of products over sliding windows.

Like the field, "convolution" means the cross-correlation y[p] = Σ_k w[k] · x[p·stride + k·dilation]. The windows are
`unfold`'s; the compiler need not store them. The transposed convolution is the exact transpose: `fold` of products.
V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from .. import numpy as gnp
from ..errors import InputError, ShapeError
from .initializers import he_normal
from .module import Module, array_type

Sizes = int | Sequence[int]
_AXES = {1: ("w", "i"), 2: ("hw", "ij")}


def per_axis(value: Sizes, rank: int, what: str, least: int) -> tuple[int, ...]:
    """One integer for each spatial axis, from one for all or a sequence."""
    sizes = tuple(value) if isinstance(value, Sequence) else (value,) * rank
    if len(sizes) != rank or not all(isinstance(size, (int, np.integer)) and size >= least for size in sizes):
        raise InputError(f"{what} is one integer ≥ {least} or {rank} of them, not {value!r}.")
    return tuple(map(int, sizes))


def check_image(layer: str, x: Any, rank: int, channels: int | None = None) -> None:
    """Raise unless x is [N, C, sizes …]."""
    shape = array_type(x).shape
    if len(shape) != rank + 2 or channels not in (None, shape[1]):
        wanted = f"[N, {channels or 'C'}, {'L' if rank == 1 else 'H, W'}]"
        raise ShapeError(f"{layer} takes {wanted}, not {array_type(x)}.")


def pad_image(x: Any, padding: tuple[int, ...], value: float = 0.0) -> Any:
    """`padding` entries of one value on both sides of each spatial axis."""
    if not any(padding):
        return x
    return gnp.pad(x, ((0, 0), (0, 0), *((width, width) for width in padding)), constant_values=value)


class _Windowed(Module):
    """What a convolution and its transpose have in common: their fields, and how they are made."""

    weight: Any
    bias: Any = None
    stride: Sizes = 1
    padding: Sizes = 0
    dilation: Sizes = 1
    groups: int = 1
    rank: ClassVar[int]

    @classmethod
    def create(
        cls,
        inputs: int,
        outputs: int,
        window: Sizes,
        *,
        key: Any,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = "float32",
        **others: Sizes,
    ) -> Self:
        """`inputs` channels to `outputs` channels; weights by He's rule, the bias zero. `others` are further fields."""
        if groups < 1 or inputs % groups or outputs % groups:
            raise InputError(f"{groups} groups do not divide {inputs} input and {outputs} output channels.")
        channels = cls.weight_channels(inputs, outputs, groups)
        sizes = per_axis(window, cls.rank, "the window", 1)
        weight = he_normal(key, (*channels, *sizes), inputs // groups * math.prod(sizes), dtype)
        return cls(weight, np.zeros(outputs, dtype) if bias else None, stride, padding, dilation, groups, **others)

    @staticmethod
    def weight_channels(inputs: int, outputs: int, groups: int) -> tuple[int, int]:
        """The first two sizes of the weight."""
        raise NotImplementedError

    def settings(self) -> tuple[tuple[int, ...], ...]:
        """Stride, padding and dilation of each axis."""
        return (
            per_axis(self.stride, self.rank, "the stride", 1),
            per_axis(self.padding, self.rank, "the padding", 0),
            per_axis(self.dilation, self.rank, "the dilation", 1),
        )

    def with_bias(self, y: Any) -> Any:
        return y if self.bias is None else y + gnp.reshape(self.bias, (-1, *(1,) * self.rank))


class _Convolution(_Windowed):
    @staticmethod
    def weight_channels(inputs: int, outputs: int, groups: int) -> tuple[int, int]:
        return outputs, inputs // groups

    def __call__(self, x: Any) -> Any:
        _, inputs, *window = self.weight.shape
        check_image(type(self).__name__, x, self.rank, inputs * self.groups)
        stride, padding, dilation = self.settings()
        windows = gnp.unfold(pad_image(x, padding), window, stride, dilation)
        return self.with_bias(_correlate(windows, self.weight, self.groups, self.rank))


def _correlate(windows: Any, weight: Any, groups: int, rank: int) -> Any:
    """windows [N, C, places, window] and weight [O, C/groups, window] to [N, O, places]."""
    places, offsets = _AXES[rank]
    if groups == 1:
        return gnp.einsum(f"nc{places}{offsets},oc{offsets}->no{places}", windows, weight)
    batch, channels, *rest = windows.shape
    windows = gnp.reshape(windows, (batch, groups, channels // groups, *rest))
    weight = gnp.reshape(weight, (groups, weight.shape[0] // groups, *weight.shape[1:]))
    y = gnp.einsum(f"ngc{places}{offsets},goc{offsets}->ngo{places}", windows, weight)
    return gnp.reshape(y, (batch, -1, *rest[:rank]))


class Conv1d(_Convolution):
    """Convolution [N, C, L] to [N, O, L']: weight [O, C/groups, window], bias [O] or None.

    L' = ⌊(L + 2·padding - dilation·(window - 1) - 1) / stride⌋ + 1.
    """

    rank = 1


class Conv2d(_Convolution):
    """Convolution [N, C, H, W] to [N, O, H', W']: weight [O, C/groups, height, width], bias [O] or None.

    H' = ⌊(H + 2·padding - dilation·(height - 1) - 1) / stride⌋ + 1, and W' likewise.
    """

    rank = 2


class _TransposedConvolution(_Windowed):
    output_padding: Sizes = 0

    @staticmethod
    def weight_channels(inputs: int, outputs: int, groups: int) -> tuple[int, int]:
        return inputs, outputs // groups

    def __call__(self, x: Any) -> Any:
        check_image(type(self).__name__, x, self.rank, self.weight.shape[0])
        stride, padding, dilation = self.settings()
        extra = per_axis(self.output_padding, self.rank, "the output padding", 0)
        _check_extra(extra, stride)
        windows = _spread(x, self.weight, self.groups, self.rank)
        sizes = _transposed_sizes(x.shape[2:], self.weight.shape[2:], stride, dilation, extra)
        whole = gnp.fold(windows, sizes, stride, dilation)
        return self.with_bias(whole[(..., *(slice(p, size - p) for p, size in zip(padding, sizes)))])


def _check_extra(extra: tuple[int, ...], stride: tuple[int, ...]) -> None:
    if any(e >= s for e, s in zip(extra, stride)):
        raise InputError(f"the output padding {extra} must be below the stride {stride}.")


def _transposed_sizes(sizes: Any, window: Any, stride: Any, dilation: Any, extra: Any) -> tuple[Any, ...]:
    return tuple((n - 1) * s + d * (w - 1) + 1 + e for n, w, s, d, e in zip(sizes, window, stride, dilation, extra))


def _spread(x: Any, weight: Any, groups: int, rank: int) -> Any:
    """x [N, C, places] and weight [C, O/groups, window] to windows [N, O, places, window]."""
    places, offsets = _AXES[rank]
    if groups == 1:
        return gnp.einsum(f"nc{places},co{offsets}->no{places}{offsets}", x, weight)
    batch, channels, *sizes = x.shape
    x = gnp.reshape(x, (batch, groups, channels // groups, *sizes))
    weight = gnp.reshape(weight, (groups, channels // groups, *weight.shape[1:]))
    windows = gnp.einsum(f"ngc{places},gco{offsets}->ngo{places}{offsets}", x, weight)
    return gnp.reshape(windows, (batch, -1, *sizes, *weight.shape[3:]))


class TransposedConv1d(_TransposedConvolution):
    """The transpose of Conv1d's map: [N, C, L] to [N, O, L'], weight [C, O/groups, window], bias [O] or None.

    L' = (L - 1)·stride - 2·padding + dilation·(window - 1) + output_padding + 1.
    """

    rank = 1


class TransposedConv2d(_TransposedConvolution):
    """The transpose of Conv2d's map: [N, C, H, W] to [N, O, H', W'], weight [C, O/groups, height, width].

    H' = (H - 1)·stride - 2·padding + dilation·(height - 1) + output_padding + 1, and W' likewise.
    """

    rank = 2
