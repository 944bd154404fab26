"""Random bits from a counter-based generator: Philox 4x32-10 (Salmon et al., SC 2011).

The bits are a function of the key, the stream and the row-major position alone, so every back end gives the same ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DTypeError
from ..graph import Graph, TensorType
from ..graph.types import Dimension
from .index import Index, linear
from .record import Special, register

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox_block(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Ten rounds: counter uint32[4, n] and key uint32[2, n] to uint32[4, n]."""
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    k0, k1 = (word.astype(np.uint64) for word in key)
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _LOW, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def _bits_reference(key: np.ndarray, stream: np.ndarray, *, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape))
    blocks = np.arange(-(-size // 4), dtype=np.uint64)
    rows = [blocks & _LOW, blocks >> _SHIFT, np.full_like(blocks, stream[0]), np.full_like(blocks, stream[1])]
    keys = np.stack([np.full_like(blocks, key[0]), np.full_like(blocks, key[1])])
    return philox_block(np.stack(rows), keys).T.reshape(-1)[:size].reshape(shape)


def philox_word(key0, key1, stream0, stream1, position):
    """Word `position % 4` of the block `position // 4`: the same ten rounds for one entry."""
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    block = np.uint64(position) >> np.uint64(2)
    c0 = block & low
    c1 = block >> shift
    c2 = np.uint64(stream0)
    c3 = np.uint64(stream1)
    k0 = np.uint64(key0)
    k1 = np.uint64(key1)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0 = (p1 >> shift) ^ c1 ^ k0
        c1 = p1 & low
        c2 = (p0 >> shift) ^ c3 ^ k1
        c3 = p0 & low
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    word = np.uint64(position) & np.uint64(3)
    if word == np.uint64(0):
        return c0
    if word == np.uint64(1):
        return c1
    if word == np.uint64(2):
        return c2
    return c3


def _bits_shape(graph: Graph, key: TensorType, stream: TensorType, *, shape: tuple[Dimension, ...]) -> TensorType:
    for type in (key, stream):
        if type != TensorType((2,), "uint32"):
            raise DTypeError(f"random_bits takes a key and a stream of type uint32[2], not {type}.")
    return TensorType(tuple(shape), "uint32")


def _bits_code(context: Any, index: tuple[Index, ...], *, shape: tuple[Dimension, ...]) -> str:
    words = [context.value(slot, (Index((), word),)) for slot in (0, 1) for word in (0, 1)]
    position = context.position(linear(index, shape))
    return context.cast(f"{context.helper(philox_word)}({', '.join([*words, position])})", "uint32")


register(
    Special(
        name="random_bits",
        summary="32 random bits per entry from a key and a stream (Philox 4x32-10)",
        arity=2,
        shape=_bits_shape,
        reference=_bits_reference,
        generate=_bits_code,
        samples=lambda rng, dtype: (
            (rng.integers(0, 2**32, 2, dtype=np.uint32), rng.integers(0, 2**32, 2, dtype=np.uint32)),
            {"shape": (3, 5)},
        ),
    )
)
