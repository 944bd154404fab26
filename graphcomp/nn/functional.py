"""Functions of arrays that networks are made of, each a composition of `graphcomp.numpy` functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import numpy as gnp
from .. import random
from ..errors import InputError, ShapeError
from .module import array_type, in_scope


@in_scope
def relu(x: Any) -> Any:
    """max(x, 0), entry by entry; the derivative at 0 is 0."""
    return gnp.relu(x)


@in_scope
def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where positive, else slope · x. A. Maas, A. Hannun, A. Ng, "Rectifier Nonlinearities …", 2013."""
    return gnp.where(gnp.greater(x, 0), x, x * slope)


@in_scope
def elu(x: Any, scale: float = 1.0) -> Any:
    """x where positive, else scale · (eˣ - 1). D. Clevert et al., "… Exponential Linear Units", 2016, eq. 15."""
    return gnp.where(gnp.greater(x, 0), x, scale * gnp.expm1(gnp.minimum(x, 0)))


@in_scope
def gelu(x: Any, approximate: bool = False) -> Any:
    """x Φ(x) with the normal distribution function Φ; `approximate` takes its tanh form.

    D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2.
    """
    if approximate:
        return 0.5 * x * (1.0 + gnp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + gnp.erf(x * math.sqrt(0.5)))


@in_scope
def silu(x: Any) -> Any:
    """x σ(x), also called swish. S. Elfwing, E. Uchibe, K. Doya, 2018, eq. 9."""
    return x * gnp.sigmoid(x)


@in_scope
def sigmoid(x: Any) -> Any:
    """σ(x) = 1 / (1 + e⁻ˣ)."""
    return gnp.sigmoid(x)


@in_scope
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return gnp.tanh(x)


@in_scope
def softplus(x: Any) -> Any:
    """log(1 + eˣ), without overflow."""
    return gnp.softplus(x)


@in_scope
def softmax(x: Any, axis: int = -1) -> Any:
    """eˣ / Σ eˣ along one axis, shifted by the largest entry so that nothing overflows."""
    exponentials = gnp.exp(x - gnp.stop_gradient(gnp.max(x, axis, keepdims=True)))
    return exponentials / gnp.sum(exponentials, axis, keepdims=True)


@in_scope
def log_softmax(x: Any, axis: int = -1) -> Any:
    """x - log Σ eˣ along one axis: the logarithm of `softmax`, exact where that underflows."""
    shifted = x - gnp.stop_gradient(gnp.max(x, axis, keepdims=True))
    return shifted - gnp.log(gnp.sum(gnp.exp(shifted), axis, keepdims=True))


@in_scope
def flatten(x: Any) -> Any:
    """[N, …] to [N, entries]: all axes but the first in one."""
    shape = array_type(x).shape
    if not shape:
        raise ShapeError("flatten takes an array with a batch axis, not a single number.")
    return gnp.reshape(x, (shape[0], -1))


@in_scope
def dropout(x: Any, rate: float, key: Any) -> Any:
    """Each entry is zero with probability `rate`, else divided by 1 - rate, so that the expectation stays.

    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """
    if not 0 <= rate < 1:
        raise InputError(f"the dropout rate is at least 0 and below 1, not {rate}.")
    if rate == 0:
        return x
    kept = random.bernoulli(key, 1 - rate, array_type(x).shape)
    return gnp.where(kept, x / (1 - rate), 0.0)


def masked_fill(x: Any, keep: Any, dtype: Any) -> Any:
    """x where `keep` holds, else a number so low that its exponential is zero; finite, so that no row becomes NaN."""
    return gnp.where(keep, x, float(np.finfo(np.dtype(dtype)).min) / 2)
