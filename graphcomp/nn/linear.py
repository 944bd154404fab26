"""Layers that multiply by a matrix, or look its rows up."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as gnp
from .. import random
from ..errors import DTypeError, ShapeError
from .initializers import glorot_uniform
from .module import Module, array_type


def check_last_axis(layer: str, x: Any, size: int) -> None:
    shape = array_type(x).shape
    if not shape or shape[-1] != size:
        raise ShapeError(f"{layer} takes [..., {size}], not {array_type(x)}.")


class Linear(Module):
    """y = x W + b: float [..., inputs] to [..., outputs]. W is [inputs, outputs], b [outputs] or None."""

    weight: Any
    bias: Any = None

    @classmethod
    def create(cls, inputs: int, outputs: int, *, key: Any, bias: bool = True, dtype: Any = "float32") -> Linear:
        """Weights by Glorot and Bengio's rule, the bias zero."""
        weight = glorot_uniform(key, (inputs, outputs), inputs, outputs, dtype)
        return cls(weight, np.zeros(outputs, dtype) if bias else None)

    def __call__(self, x: Any) -> Any:
        check_last_axis("Linear", x, self.weight.shape[0])
        product = gnp.matmul(x, self.weight)
        return product if self.bias is None else product + self.bias


class Embedding(Module):
    """Rows of a table: integers [...] below `count` to float [..., size]."""

    table: Any

    @classmethod
    def create(cls, count: int, size: int, *, key: Any, deviation: float = 1.0, dtype: Any = "float32") -> Embedding:
        """Rows drawn from a normal distribution."""
        return cls(np.asarray(random.normal(key, (count, size), 0.0, deviation, dtype=dtype)))

    def __call__(self, indices: Any) -> Any:
        if not array_type(indices).is_integer:
            raise DTypeError(f"Embedding takes integer positions of its table, not {array_type(indices)}.")
        return gnp.take(self.table, indices, 0)
