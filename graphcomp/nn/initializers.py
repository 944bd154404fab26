"""Initial values of parameters, from an explicit key (or an integer seed)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import random
from ..errors import ShapeError


def glorot_uniform(key: Any, shape: Sequence[int], fan_in: int, fan_out: int, dtype: Any = "float32") -> np.ndarray:
    """Uniform on ±√(6 / (fan_in + fan_out)): keeps variances alike forward and backward for tanh-like layers.

    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 16.
    """
    _check_sizes(shape)
    limit = math.sqrt(6 / (fan_in + fan_out))
    return np.asarray(random.uniform(key, tuple(shape), -limit, limit, dtype=dtype))


def he_normal(key: Any, shape: Sequence[int], fan_in: int, dtype: Any = "float32") -> np.ndarray:
    """Normal with deviation √(2 / fan_in): keeps variances alike through layers of rectifiers.

    K. He, X. Zhang, S. Ren, J. Sun, "Delving Deep into Rectifiers", 2015, eq. 10.
    """
    _check_sizes(shape)
    return np.asarray(random.normal(key, tuple(shape), 0.0, math.sqrt(2 / fan_in), dtype=dtype))


def _check_sizes(shape: Sequence[int]) -> None:
    if not all(isinstance(size, (int, np.integer)) and size >= 1 for size in shape):
        raise ShapeError(f"a layer's sizes are whole numbers of at least 1, not {', '.join(map(str, shape))}.")
