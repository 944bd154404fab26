"""Losses: the mean over all examples, one number."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as gnp
from ..errors import DTypeError, ShapeError
from ..trace.tracer import apply
from .functional import log_softmax
from .module import array_type, in_scope


@in_scope
def softmax_cross_entropy(logits: Any, labels: Any) -> Any:
    """Mean of -log softmax(logits)[label]: logits float [..., C], labels integers [...] from 0 to C - 1.

    The gradient with respect to the logits is (softmax - one-hot) / count. C. Bishop, "Pattern Recognition and Machine
    Learning", 2006, eq. 4.108.
    """
    shape, wanted = array_type(logits).shape, array_type(labels).shape
    if not array_type(labels).is_integer:
        raise DTypeError(f"labels are integer class numbers, not {array_type(labels)}.")
    if shape[:-1] != wanted or not shape:
        raise ShapeError(f"softmax_cross_entropy takes logits [..., C] and labels [...], not {shape} and {wanted}.")
    # The op itself refuses a negative label; gnp.take_along_axis would count it from the end, as NumPy does.
    places = gnp.expand_dims(labels, len(wanted))
    return -gnp.mean(apply("take_along_axis", log_softmax(logits), places, axis=len(wanted)))


@in_scope
def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any:
    """Mean of -t log σ(x) - (1 - t) log(1 - σ(x)) = softplus(x) - t x, for targets t from 0 to 1 (or bool)."""
    _same_shape("binary_cross_entropy_with_logits", logits, targets)
    return gnp.mean(gnp.softplus(logits) - gnp.astype(targets, np.dtype(logits.dtype)) * logits)


@in_scope
def mean_squared_error(predictions: Any, targets: Any) -> Any:
    """Mean of (prediction - target)²."""
    _same_shape("mean_squared_error", predictions, targets)
    return gnp.mean(gnp.square(predictions - targets))


@in_scope
def mean_absolute_error(predictions: Any, targets: Any) -> Any:
    """Mean of |prediction - target|."""
    _same_shape("mean_absolute_error", predictions, targets)
    return gnp.mean(gnp.absolute(predictions - targets))


@in_scope
def huber(predictions: Any, targets: Any, width: float = 1.0) -> Any:
    """Mean of d²/2 where |d| ≤ width, else width (|d| - width/2). P. Huber, 1964."""
    _same_shape("huber", predictions, targets)
    distance = gnp.absolute(predictions - targets)
    near = gnp.minimum(distance, width)
    return gnp.mean(near * (distance - 0.5 * near))


def _same_shape(name: str, left: Any, right: Any) -> None:
    shapes = array_type(left).shape, array_type(right).shape
    if shapes[0] != shapes[1]:
        raise ShapeError(f"{name} takes two arrays of one shape, not {shapes[0]} and {shapes[1]}; reshape one of them.")
