"""Random numbers as pure functions of an explicit key, from the Philox 4x32-10 counter-based generator.

A key is a uint32[2]. The same key gives the same numbers at once, traced, and on every back end: bits and uniforms are
identical, normals differ by at most a few units in the last place. Never draw twice with one key: `split` it.

    key = random.key(0)
    first, second = random.split(key)
    weights = random.normal(first, (784, 128))

The four words of Philox's counter are (block low, block high, stream 0, stream 1). Draws use the stream (0, 0); `split`
and `fold_in` use other constant second words, so that derived keys never repeat a draw.
J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import numpy as gnp
from .errors import DTypeError, InputError, ShapeError, TraceError
from .graph import Dimension, TensorType
from .graph.types import dimension
from .trace.tracer import Tracer, apply, dtype_name, type_of

Shape = Sequence[Dimension] | Dimension

_DRAW, _SPLIT, _FOLD = 0, 1, 2
KEY_TYPE = TensorType((2,), "uint32")


def key(seed: int) -> np.ndarray:
    """The key uint32[2] of a seed 0 ≤ seed < 2⁶⁴."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InputError(f"a seed is an integer from 0 to 2**64 - 1, not {seed!r}.")
    return np.array([int(seed) & 0xFFFFFFFF, int(seed) >> 32], "uint32")


def as_key(value: Any) -> Any:
    """A key as it is, or the key of an integer seed."""
    if isinstance(value, (int, np.integer)):
        return key(int(value))
    if type_of(value) != KEY_TYPE:
        raise InputError(f"a key is uint32[2], made by random.key(seed); this is {type_of(value)}.")
    return value


def _words(key: Any, stream: Any, shape: Shape) -> Any:
    sizes = (shape,) if not isinstance(shape, (tuple, list)) else tuple(shape)
    sizes = tuple(dimension(size) for size in sizes)
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise ShapeError(f"random numbers cannot fill the shape {sizes}: a size is not negative.")
    if not isinstance(key, Tracer) and not all(isinstance(size, int) for size in sizes):
        raise TraceError(f"random numbers of the shape {sizes} need their key as an argument of the traced function.")
    return apply("random_bits", as_key(key), stream, shape=sizes)


def bits(key: Any, shape: Shape = ()) -> Any:
    """32 independent fair bits for each entry: uint32 of `shape`, a function of the key and the row-major position."""
    return _words(key, np.array([0, _DRAW], "uint32"), shape)


def split(key: Any, count: int = 2) -> Any:
    """`count` new keys, uint32[count, 2]; iterate over them or index them."""
    return _words(key, np.array([0, _SPLIT], "uint32"), (count, 2))


def fold_in(key: Any, number: Any) -> Any:
    """A new key from a key and an integer below 2³², which may be traced: a step counter, the position of a layer."""
    if isinstance(number, int):
        number = np.asarray(number, "uint32")
    if np.dtype(number.dtype).kind not in "iu" or tuple(number.shape) != ():
        raise InputError(f"fold_in takes one integer, not {type_of(number)}.")
    words = [gnp.astype(number, "uint32"), np.asarray(_FOLD, "uint32")]
    return _words(key, gnp.stack(words), (2,))


def uniform(key: Any, shape: Shape = (), low: float = 0.0, high: float = 1.0, dtype: Any = "float32") -> Any:
    """Uniform on [low, high): float32 from the top 24 bits of a word, float64 from 53 bits of two words."""
    name = _float_name(dtype)
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if name == "float32":
        unit = gnp.astype(gnp.floor_divide(bits(key, sizes), 2**8), "float32") * 2.0**-24
    else:
        pair = bits(key, (*sizes, 2))
        upper = gnp.astype(gnp.floor_divide(pair[..., 0], 2**5), "float64")
        lower = gnp.astype(gnp.floor_divide(pair[..., 1], 2**6), "float64")
        unit = (upper * 2.0**26 + lower) * 2.0**-53
    return unit if (low, high) == (0.0, 1.0) else unit * (high - low) + low


def normal(key: Any, shape: Shape = (), mean: float = 0.0, deviation: float = 1.0, dtype: Any = "float32") -> Any:
    """Normal numbers: √(-2 ln(1 - u)) cos 2πv of two uniforms.

    Worked out in float64 and rounded once at the end, so that back ends with other elementary functions agree.
    G. Box, M. Muller, "A Note on the Generation of Random Normal Deviates", 1958.
    """
    name = _float_name(dtype)
    sizes = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    pair = gnp.astype(uniform(key, (2, *sizes), dtype=name), "float64")
    radius = gnp.sqrt(-2.0 * gnp.log(1.0 - pair[0]))
    standard = radius * gnp.cos(2.0 * math.pi * pair[1])
    return gnp.astype(standard * deviation + mean, name)


def bernoulli(key: Any, probability: Any, shape: Shape = ()) -> Any:
    """True with the given probability: bool of `shape`."""
    return gnp.less(uniform(key, shape), probability)


def permutation(key: Any, values: Any) -> Any:
    """The numbers 0 … n - 1 for an integer n, or the entries of an array's first axis, in random order."""
    if isinstance(values, int):
        return gnp.argsort(bits(key, (values,)))
    shape = np.shape(values) if not isinstance(values, Tracer) else values.shape
    if not shape:
        raise ShapeError("a permutation takes an integer, or an array with at least one axis.")
    return gnp.take(values, gnp.argsort(bits(key, (shape[0],))), 0)


def _float_name(dtype: Any) -> str:
    name = dtype_name(dtype)
    if name not in ("float32", "float64"):
        raise DTypeError(f"uniform and normal numbers are float32 or float64, not {name}.")
    return name
