"""Attention and the transformer block. A. Vaswani et al., "Attention Is All You Need", 2017."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import numpy as gnp
from .. import random
from ..errors import InputError, ShapeError
from .functional import gelu, masked_fill, softmax
from .linear import Linear, check_last_axis
from .module import Module, array_type, in_scope
from .normalization import LayerNorm


@in_scope
def dot_product_attention(query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    """softmax(Q Kᵀ / √d) V (Vaswani et al., eq. 1): [..., T, d], [..., S, d], [..., S, e] to [..., T, e].

    `mask`, bool and broadcast to [..., T, S], is true where a query may look.
    """
    width = array_type(query).shape[-1]
    if array_type(key).shape[-1] != width:
        raise ShapeError(f"queries {array_type(query)} and keys {array_type(key)} differ in their last axis.")
    scores = gnp.matmul(query, gnp.swapaxes(key, -1, -2)) * (1 / math.sqrt(width))
    if mask is not None:
        scores = masked_fill(scores, mask, scores.dtype)
    return gnp.matmul(softmax(scores), value)


def causal_mask(queries: int, keys: int) -> np.ndarray:
    """bool [T, S], true where the key is not after the query."""
    return np.tri(queries, keys, dtype=bool)


class MultiHeadAttention(Module):
    """Attention in several subspaces at once (Vaswani et al., section 3.2.2): [N, T, size] to [N, T, size].

    Keys and values come from `context` [N, S, size], or from x itself. `causal` hides later positions; `mask`, bool and
    broadcast to [N, heads, T, S], is true where a query may look.
    """

    query: Linear
    key: Linear
    value: Linear
    output: Linear
    heads: int

    @classmethod
    def create(
        cls, size: int, heads: int, *, key: Any, bias: bool = True, dtype: Any = "float32"
    ) -> MultiHeadAttention:
        """`heads` must divide `size`."""
        if heads < 1 or size % heads:
            raise InputError(f"{heads} heads do not divide the size {size}.")
        keys = random.split(random.as_key(key), 4)
        query, key, value, output = (Linear.create(size, size, key=k, bias=bias, dtype=dtype) for k in keys)
        return cls(query, key, value, output, heads)

    def _split(self, x: Any) -> Any:
        """[N, T, heads·d] to [N, heads, T, d]."""
        batch, time, size = array_type(x).shape
        return gnp.transpose(gnp.reshape(x, (batch, time, self.heads, size // self.heads)), (0, 2, 1, 3))

    def __call__(self, x: Any, context: Any = None, *, causal: bool = False, mask: Any = None) -> Any:
        context = x if context is None else context
        for sequence in (x, context):
            check_last_axis("MultiHeadAttention", sequence, self.query.weight.shape[0])
            if array_type(sequence).rank != 3:
                raise ShapeError(f"MultiHeadAttention takes [N, T, size], not {array_type(sequence)}.")
        if causal:
            allowed = causal_mask(array_type(x).shape[1], array_type(context).shape[1])
            mask = allowed if mask is None else gnp.logical_and(mask, allowed)
        heads = [self._split(layer(s)) for layer, s in ((self.query, x), (self.key, context), (self.value, context))]
        joined = gnp.transpose(dot_product_attention(*heads, mask=mask), (0, 2, 1, 3))
        return self.output(gnp.reshape(joined, array_type(x).shape))


class TransformerBlock(Module):
    """x + attention(norm(x)), then x + feedforward(norm(x)): [N, T, size] to the same.

    Normalised before each part: R. Xiong et al., "On Layer Normalization in the Transformer Architecture", 2020.
    """

    attention_norm: LayerNorm
    attention: MultiHeadAttention
    feedforward_norm: LayerNorm
    expand: Linear
    contract: Linear
    causal: bool = False

    @classmethod
    def create(
        cls, size: int, heads: int, *, key: Any, expansion: int = 4, causal: bool = False, dtype: Any = "float32"
    ) -> TransformerBlock:
        """The feedforward part is `expansion` times as wide as the sequence."""
        keys = random.split(random.as_key(key), 3)
        return cls(
            LayerNorm.create(size, dtype=dtype),
            MultiHeadAttention.create(size, heads, key=keys[0], dtype=dtype),
            LayerNorm.create(size, dtype=dtype),
            Linear.create(size, expansion * size, key=keys[1], dtype=dtype),
            Linear.create(expansion * size, size, key=keys[2], dtype=dtype),
            causal,
        )

    def __call__(self, x: Any, mask: Any = None) -> Any:
        x = x + self.attention(self.attention_norm(x), causal=self.causal, mask=mask)
        return x + self.contract(gelu(self.expand(self.feedforward_norm(x))))
