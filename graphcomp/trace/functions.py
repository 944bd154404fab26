"""NumPy's names over traced values. With plain arrays the same functions compute at once.

Compositions here are the only definition of their mathematics; the compiler makes them fast.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import sympy as sp

from .. import ops
from ..errors import DTypeError, InputError, ShapeError, TraceError
from ..graph import Dimension
from ..graph.types import dimension, exact_divide, product
from ..graph.types import floor_divide as divide_size
from ..ops.products import split_subscripts
from .failures import noting_failures
from .tracer import (
    FUNCTIONS,
    Tracer,
    apply,
    broadcast_shapes,
    broadcast_to,
    convert,
    dtype_name,
    elementwise,
    innermost,
    result_dtype,
    type_of,
)

pi, e, inf, nan, newaxis = np.pi, np.e, np.inf, np.nan, None
Axis = int | Sequence[int] | None


def public(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function known to the tracer's protocols under its own name, which nothing else may have."""
    name = function.__name__.rstrip("_")
    if name in FUNCTIONS:
        raise InputError(f"there is a function `{name}` already; give the new one another name.")
    FUNCTIONS[name] = noted = noting_failures(function)
    return noted


# elementwise ---------------------------------------------------------------------------------------------------------


def _lift_op(name: str) -> Callable[..., Any]:
    record = ops.get(name)

    def function(*values: Any, **attributes: Any) -> Any:
        if len(values) != record.arity:
            raise InputError(f"{name} takes {record.arity} arguments, not {len(values)}.")
        return elementwise(name, *values, **attributes)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{record.summary}, entry by entry, after promotion and broadcasting."
    return public(function)


for _op in list(ops.REGISTRY.values()):
    if _op.kind == "elementwise" and _op.name not in ("convert", "clip", "polygamma"):
        globals()[_op.name] = _lift_op(_op.name)


def find(name: str) -> Callable[..., Any] | None:
    """The function of that name; for an elementwise op that was registered since, it is made now."""
    if name not in FUNCTIONS and name != "convert" and getattr(ops.REGISTRY.get(name), "kind", "") == "elementwise":
        _lift_op(name)
    return FUNCTIONS.get(name)


_ALIASES = {
    "abs": "absolute", "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
    "arccosh": "acosh", "arctanh": "atanh", "true_divide": "divide", "mod": "remainder", "rint": "round",
    "pow": "power", "fabs": "absolute",
}  # fmt: skip
for _alias, _name in _ALIASES.items():
    globals()[_alias] = FUNCTIONS[_alias] = FUNCTIONS[_name]
_BOOLEAN = {"add": "logical_or", "multiply": "logical_and", "bitwise_and": "logical_and", "bitwise_or": "logical_or",
            "bitwise_xor": "logical_xor", "invert": "logical_not"}  # fmt: skip


def _on_booleans(name: str) -> Callable[..., Any]:
    """NumPy's arithmetic and bit operators on booleans are the logical ones."""
    number = FUNCTIONS.get(name)

    def function(*values: Any) -> Any:
        if result_dtype(values) == "bool":
            return FUNCTIONS[_BOOLEAN[name]](*values)
        if number is None:
            raise DTypeError(f"{name} takes booleans here, not {result_dtype(values)}.")
        return number(*values)

    function.__name__ = name
    function.__doc__ = f"{name} of numbers; of booleans, {_BOOLEAN[name]}."
    FUNCTIONS.pop(name, None)  # it calls the one for numbers
    return public(function)


for _name in _BOOLEAN:
    globals()[_name] = _on_booleans(_name)

sin, cos, exp, log, sqrt, tanh = (FUNCTIONS[n] for n in ("sin", "cos", "exp", "log", "sqrt", "tanh"))
add, subtract, multiply, divide, negative = (
    FUNCTIONS[n] for n in ("add", "subtract", "multiply", "divide", "negative")
)
where, equal, less, greater_equal, not_equal = (
    FUNCTIONS[n] for n in ("where", "equal", "less", "greater_equal", "not_equal")
)
maximum, minimum, absolute, power, sign = (FUNCTIONS[n] for n in ("maximum", "minimum", "absolute", "power", "sign"))


@public
def square(x: Any) -> Any:
    return multiply(x, x)


@public
def reciprocal(x: Any) -> Any:
    return divide(1.0, x)


@public
def positive(x: Any) -> Any:
    return x


@public
def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """x, not below `a_min` and not above `a_max`; None leaves that side open."""
    if a_min is None or a_max is None:
        x = x if a_min is None else maximum(x, a_min)
        return x if a_max is None else minimum(x, a_max)
    return elementwise("clip", x, a_min, a_max)


@public
def polygamma(order: int, x: Any) -> Any:
    """The derivative of digamma of the given order ≥ 0 (a Python integer)."""
    if order == 0:
        return FUNCTIONS["digamma"](x)
    return apply("polygamma", convert(x, result_dtype((x,), at_least_float=True)), order=int(order))


@public
def isnan(x: Any) -> Any:
    return not_equal(x, x)


@public
def isfinite(x: Any) -> Any:
    return less(absolute(x), math.inf)


@public
def isinf(x: Any) -> Any:
    return equal(absolute(x), math.inf)


@public
def astype(x: Any, dtype: Any) -> Any:
    return convert(x, dtype)


@public
def stop_gradient(x: Any) -> Any:
    """x, taken as a constant by every derivative."""
    return apply("stop_gradient", _array(x))


# making arrays -------------------------------------------------------------------------------------------------------


def _array(x: Any) -> Any:
    if isinstance(x, Tracer):
        return x
    if isinstance(x, (list, tuple)) and innermost(_flat(x)) is not None:
        return stack([_array(item) for item in x])
    return np.asarray(x)


def _flat(x: Any) -> list[Any]:
    return [leaf for item in x for leaf in _flat(item)] if isinstance(x, (list, tuple)) else [x]


@public
def asarray(x: Any, dtype: Any = None) -> Any:
    x = _array(x)
    return x if dtype is None else convert(x, dtype)


array = FUNCTIONS["array"] = asarray


def _sizes(shape: Any) -> tuple[Dimension, ...]:
    shape = (shape,) if isinstance(shape, (int, np.integer, sp.Expr)) else tuple(shape)
    return tuple(dimension(size) for size in shape)


@public
def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """An array filled with one value. The shape may hold named sizes of a trace in which the result is used."""
    value = convert(fill_value, dtype) if dtype is not None else _array(fill_value)
    sizes = _sizes(shape)
    if builtins.all(isinstance(size, int) for size in sizes) or isinstance(value, Tracer):
        return broadcast_to(value, sizes)
    raise TraceError(f"the shape {sizes} has named sizes; use full_like or zeros_like of a traced value.")


@public
def zeros(shape: Any, dtype: Any = "float64") -> Any:
    return full(shape, 0, dtype)


@public
def ones(shape: Any, dtype: Any = "float64") -> Any:
    return full(shape, 1, dtype)


@public
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Any:
    type = type_of(x)
    name = dtype_name(dtype) if dtype is not None else type.dtype  # type: ignore[union-attr]
    trace = innermost((x,))
    if trace is None:
        return np.full(type.shape, fill_value, name)  # type: ignore[union-attr]
    exact = np.asarray(fill_value).astype(name).item()
    return Tracer(trace, trace.builder.constant(exact, type.shape, name))  # type: ignore[union-attr]


@public
def zeros_like(x: Any, dtype: Any = None) -> Any:
    return full_like(x, 0, dtype)


@public
def ones_like(x: Any, dtype: Any = None) -> Any:
    return full_like(x, 1, dtype)


def arange(*bounds: Any, dtype: Any = None) -> Any:
    return np.arange(*bounds, dtype=dtype)


def linspace(start: float, stop: float, num: int = 50, dtype: Any = None) -> Any:
    return np.linspace(start, stop, num, dtype=dtype)


def eye(n: int, dtype: Any = "float64") -> Any:
    return np.eye(n, dtype=dtype)


@public
def positions_like(x: Any, axis: int, dtype: Any = "int64") -> Any:
    """0, 1, 2, … along one axis of an array of x's shape."""
    type = type_of(x)
    axis = _axis(axis, type.rank)  # type: ignore[union-attr]
    trace = innermost((x,))
    attributes = {"shape": type.shape, "axis": axis, "dtype": dtype_name(dtype)}  # type: ignore[union-attr]
    if trace is None:
        return apply("iota", **attributes)
    return Tracer(trace, trace.builder.iota(**attributes))


# axes and sizes ------------------------------------------------------------------------------------------------------


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} is out of range for an array of {rank} axes.")
    return int(axis) % rank


def _axes(axis: Axis, rank: int) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(rank))
    if isinstance(axis, (int, np.integer)):
        return (_axis(int(axis), rank),)
    return tuple(sorted(_axis(entry, rank) for entry in axis))


def _shape(x: Any) -> tuple[Dimension, ...]:
    return type_of(x).shape  # type: ignore[union-attr]


def _dtype(x: Any) -> str:
    return type_of(x).dtype  # type: ignore[union-attr]


def _size(x: Any, axis: int | None = None) -> Dimension:
    """The number of entries, or the length of one axis."""
    return product(_shape(x)) if axis is None else _shape(x)[_axis(axis, len(_shape(x)))]


FUNCTIONS |= {"shape": _shape, "ndim": lambda x: len(_shape(x)), "size": _size, "copy": positive}


def _reduce(name: str, x: Any, axis: Axis, keepdims: bool) -> Any:
    x = _array(x)
    shape = _shape(x)
    axes = _axes(axis, len(shape))
    result = apply(name, x, axes=axes)
    if keepdims:
        result = reshape(result, tuple(1 if a in axes else size for a, size in enumerate(shape)))
    return result


@public
def sum(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    x = _array(x)
    return _reduce("sum", convert(x, dtype or _accumulator(x)), axis, keepdims)


def _accumulator(x: Any) -> str:
    """The dtype in which NumPy adds up and multiplies: integers narrower than 64 bits and booleans are widened."""
    dtype = np.dtype(_dtype(x))
    if dtype.kind in "biu" and dtype.itemsize < 8:
        return "uint64" if dtype.kind == "u" else "int64"
    return str(dtype)


@public
def prod(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    x = _array(x)
    return _reduce("prod", convert(x, dtype or _accumulator(x)), axis, keepdims)


@public
def max(x: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return _reduce("max", x, axis, keepdims)


@public
def min(x: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return _reduce("min", x, axis, keepdims)


amax = FUNCTIONS["amax"] = max
amin = FUNCTIONS["amin"] = min


@public
def any(x: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return not_equal(sum(convert(not_equal(x, 0), "int64"), axis, keepdims=keepdims), 0)


@public
def all(x: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    return equal(sum(convert(equal(x, 0), "int64"), axis, keepdims=keepdims), 0)


@public
def mean(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False) -> Any:
    x = convert(_array(x), dtype or result_dtype((_array(x),), at_least_float=True))
    count = product(_shape(x)[a] for a in _axes(axis, len(_shape(x))))
    return divide(sum(x, axis, keepdims=keepdims), count)


@public
def var(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False) -> Any:
    x = convert(_array(x), dtype or result_dtype((_array(x),), at_least_float=True))
    count = product(_shape(x)[a] for a in _axes(axis, len(_shape(x))))
    squares = sum(square(subtract(x, mean(x, axis, keepdims=True))), axis, keepdims=keepdims)
    return divide(squares, count - ddof)


@public
def std(x: Any, axis: Axis = None, dtype: Any = None, out: None = None, ddof: int = 0, keepdims: bool = False) -> Any:
    return sqrt(var(x, axis, dtype, ddof=ddof, keepdims=keepdims))


@public
def argmax(x: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    return _position("argmax", x, axis, keepdims)


@public
def argmin(x: Any, axis: int | None = None, out: None = None, keepdims: bool = False) -> Any:
    return _position("argmin", x, axis, keepdims)


def _position(name: str, x: Any, axis: int | None, keepdims: bool) -> Any:
    x = _array(x)
    rank = len(_shape(x))
    if axis is None:
        result = apply(name, ravel(x), axis=0)
        return reshape(result, (1,) * rank) if keepdims else result
    axis = _axis(axis, rank)
    result = apply(name, x, axis=axis)
    return expand_dims(result, axis) if keepdims else result


@public
def cumsum(x: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    x = _array(x)
    x = convert(x, dtype or _accumulator(x))
    if axis is None:
        x, axis = ravel(x), 0
    return apply("cumulative_sum", x, axis=_axis(axis, len(_shape(x))), reverse=False)


@public
def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log Σ eˣ, shifted by the largest entry so that nothing overflows."""
    shift = stop_gradient(max(x, axis, keepdims=True))
    shift = where(isfinite(shift), shift, 0.0)
    total = add(log(sum(exp(subtract(x, shift)), axis, keepdims=True)), shift)
    return total if keepdims else squeeze(total, _axes(axis, len(_shape(x))))


# layout --------------------------------------------------------------------------------------------------------------


@public
def reshape(x: Any, *shape: Any) -> Any:
    """One size may be -1, to be worked out from the others."""
    x = _array(x)
    sizes = _sizes(shape[0] if len(shape) == 1 else shape)
    if -1 in sizes:
        known = product(size for size in sizes if size != -1)
        missing = exact_divide(product(_shape(x)), known)
        if missing is None or sizes.count(-1) > 1:
            raise ShapeError(f"cannot reshape {type_of(x)} to {sizes}: -1 cannot be worked out.")
        sizes = tuple(missing if size == -1 else size for size in sizes)
    return x if sizes == _shape(x) else apply("reshape", x, shape=sizes)


@public
def ravel(x: Any) -> Any:
    return reshape(x, (product(_shape(_array(x))),))


flatten = FUNCTIONS["flatten"] = ravel


@public
def transpose(x: Any, *order: Any, axes: Any = None) -> Any:
    """The axes in another order, reversed by default: `transpose(x, (1, 0))` or, as a method, `x.transpose(1, 0)`."""
    x = _array(x)
    rank = len(_shape(x))
    order = order if axes is None else (axes,)
    order = order[0] if len(order) == 1 and not isinstance(order[0], int) else order
    order = tuple(reversed(range(rank))) if not order else tuple(_axis(axis, rank) for axis in order)
    return x if order == tuple(range(rank)) else apply("transpose", x, axes=order)


@public
def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(len(_shape(x))))
    first, second = _axis(axis1, len(order)), _axis(axis2, len(order))
    order[first], order[second] = order[second], order[first]
    return transpose(x, tuple(order))


@public
def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    rank = len(_shape(x))
    sources = [_axis(a, rank) for a in ([source] if isinstance(source, int) else source)]
    targets = [_axis(a, rank) for a in ([destination] if isinstance(destination, int) else destination)]
    order = [axis for axis in range(rank) if axis not in sources]
    for target, axis in sorted(zip(targets, sources)):
        order.insert(target, axis)
    return transpose(x, tuple(order))


@public
def expand_dims(x: Any, axis: int | Sequence[int]) -> Any:
    x = _array(x)
    rank = len(_shape(x)) + (1 if isinstance(axis, int) else len(axis))
    places, rest = _axes(axis, rank), iter(_shape(x))
    return reshape(x, tuple(1 if a in places else next(rest) for a in range(rank)))


@public
def squeeze(x: Any, axis: Axis = None) -> Any:
    shape = _shape(x)
    axes = _axes(axis, len(shape)) if axis is not None else [a for a, size in enumerate(shape) if size == 1]
    for a in axes:
        if shape[a] != 1:
            raise ShapeError(f"squeeze of axis {a} of {type_of(x)}: only axes of size 1 can be dropped.")
    return reshape(x, tuple(size for a, size in enumerate(shape) if a not in axes))


@public
def broadcast_to_(x: Any, shape: Any) -> Any:
    return broadcast_to(_array(x), _sizes(shape))


@public
def broadcast_arrays(*arrays: Any) -> list[Any]:
    shape = broadcast_shapes(*(_shape(_array(x)) for x in arrays))
    return [broadcast_to(_array(x), shape) for x in arrays]


@public
def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    arrays = [_array(x) for x in arrays]
    if axis is None:
        arrays, axis = [ravel(x) for x in arrays], 0
    dtype = result_dtype(arrays)
    axis = _axis(axis, len(_shape(arrays[0])))
    return arrays[0] if len(arrays) == 1 else apply("concatenate", *(convert(x, dtype) for x in arrays), axis=axis)


@public
def stack(arrays: Sequence[Any], axis: int = 0) -> Any:
    arrays = [_array(x) for x in arrays]
    axis = _axis(axis, len(_shape(arrays[0])) + 1)
    return concatenate([expand_dims(x, axis) for x in arrays], axis)


@public
def split(x: Any, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Any]:
    x = _array(x)
    axis = _axis(axis, len(_shape(x)))
    size = _shape(x)[axis]
    if isinstance(indices_or_sections, int):
        part = exact_divide(size, indices_or_sections)
        if part is None:
            raise ShapeError(f"axis {axis} of {type_of(x)} does not split into {indices_or_sections} equal parts.")
        cuts: list[Dimension] = [part * k for k in range(indices_or_sections + 1)]
    else:
        cuts = [0, *indices_or_sections, size]
    return [_slice_axis(x, axis, a, dimension(b - a), 1) for a, b in pairwise(cuts)]


def _slice_axis(x: Any, axis: int, start: Dimension, size: Dimension, step: int) -> Any:
    shape = _shape(x)
    starts, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
    starts[axis], sizes[axis], steps[axis] = start, size, step
    if tuple(sizes) == shape and step == 1 and start == 0:
        return x
    return apply("slice", x, start=tuple(starts), size=tuple(sizes), step=tuple(steps))


@public
def flip(x: Any, axis: Axis = None) -> Any:
    return apply("flip", _array(x), axes=_axes(axis, len(_shape(x))))


@public
def roll(x: Any, shift: int | Sequence[int], axis: Axis = None) -> Any:
    """Entries moved on by `shift` places, those beyond the end back to the start; several shifts, one for each axis."""
    x = _array(x)
    if axis is None:
        return reshape(roll(ravel(x), shift, 0), _shape(x))
    if not isinstance(axis, int) or not isinstance(shift, int):
        for places, along in np.broadcast(shift, axis):
            x = roll(x, int(places), int(along))
        return x
    size = _shape(x)[_axis(axis, len(_shape(x)))]
    if not isinstance(size, int):
        raise TraceError("roll needs a known size along its axis.")
    first, second = split(x, [size - shift % size], axis)
    return concatenate([second, first], axis)


@public
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: float = 0.0) -> Any:
    """Pad with one constant value; `pad_width` is (before, after), or one such pair for each axis."""
    x = _array(x)
    if mode != "constant":
        raise InputError(f"pad knows the mode 'constant', not {mode!r}.")
    rank = len(_shape(x))
    widths = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    before, after = tuple(w[0] for w in widths), tuple(w[1] for w in widths)
    attributes = {"before": before, "after": after, "between": (0,) * rank}
    padded = apply("pad", x, **attributes)
    if constant_values == 0:
        return padded
    covered = apply("pad", ones_like(x, "int8"), **attributes)
    return where(equal(covered, 1), padded, constant_values)


@public
def repeat(x: Any, repeats: int, axis: int | None = None) -> Any:
    x = _array(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = _axis(axis, len(_shape(x)))
    shape = _shape(x)
    wide = broadcast_to(expand_dims(x, axis + 1), (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    return reshape(wide, (*shape[:axis], dimension(shape[axis] * repeats), *shape[axis + 1 :]))


@public
def tril(x: Any, k: int = 0) -> Any:
    rank = len(_shape(x))
    keep = greater_equal(add(positions_like(x, rank - 2), k), positions_like(x, rank - 1))
    return where(keep, x, zeros_like(x))


@public
def triu(x: Any, k: int = 0) -> Any:
    rank = len(_shape(x))
    keep = greater_equal(positions_like(x, rank - 1), add(positions_like(x, rank - 2), k))
    return where(keep, x, zeros_like(x))


# windows -------------------------------------------------------------------------------------------------------------


@public
def unfold(
    x: Any, window: Sequence[int], stride: Sequence[int] | None = None, dilation: Sequence[int] | None = None
) -> Any:
    """Sliding windows over the last len(window) axes: [..., sizes] to [..., places, window]."""
    ones = (1,) * len(window)
    return apply(
        "unfold", _array(x), window=tuple(window), stride=tuple(stride or ones), dilation=tuple(dilation or ones)
    )


@public
def fold(
    x: Any, sizes: Sequence[Dimension], stride: Sequence[int] | None = None, dilation: Sequence[int] | None = None
) -> Any:
    """The transpose of `unfold`: add windows [..., places, window] up to [..., sizes]."""
    ones = (1,) * len(sizes)
    return apply("fold", _array(x), sizes=tuple(sizes), stride=tuple(stride or ones), dilation=tuple(dilation or ones))


# products ------------------------------------------------------------------------------------------------------------


@public
def matmul(x: Any, y: Any) -> Any:
    """NumPy's rule: vectors get an axis that is dropped again, leading axes broadcast."""
    dtype = result_dtype((_array(x), _array(y)))
    x, y = convert(_array(x), dtype), convert(_array(y), dtype)
    if not _shape(x) or not _shape(y):
        raise ShapeError("matmul takes arrays of at least one axis; multiply by a number with *.")
    row, column = len(_shape(x)) == 1, len(_shape(y)) == 1
    x = expand_dims(x, 0) if row else x
    y = expand_dims(y, 1) if column else y
    if len(_shape(y)) == 2 and len(_shape(x)) > 2:  # one matrix for all leading axes: a single, larger product
        *leading, inner = _shape(x)
        wide = apply("matmul", reshape(x, (product(leading), inner)), y)
        result = reshape(wide, (*leading, _shape(y)[1]))
        return squeeze(result, len(leading)) if column else result
    lead = broadcast_shapes(_shape(x)[:-2], _shape(y)[:-2])
    result = apply("matmul", broadcast_to(x, (*lead, *_shape(x)[-2:])), broadcast_to(y, (*lead, *_shape(y)[-2:])))
    dropped = [len(lead)] * row + [len(_shape(result)) - 1] * column
    return squeeze(result, dropped) if dropped else result


@public
def dot(x: Any, y: Any) -> Any:
    if not _shape(_array(x)) or not _shape(_array(y)):
        return multiply(x, y)
    if len(_shape(y)) <= 2:
        return matmul(x, y)
    return tensordot(x, y, ([len(_shape(x)) - 1], [len(_shape(y)) - 2]))


@public
def inner(x: Any, y: Any) -> Any:
    """The product over the last axes of both."""
    if not _shape(_array(x)) or not _shape(_array(y)):
        return multiply(x, y)
    return tensordot(x, y, ([-1], [-1]))


@public
def outer(x: Any, y: Any) -> Any:
    return multiply(expand_dims(ravel(x), 1), expand_dims(ravel(y), 0))


@public
def tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    x, y = _array(x), _array(y)
    m, n = len(_shape(x)), len(_shape(y))
    left, right = (list(range(m - axes, m)), list(range(axes))) if isinstance(axes, int) else map(list, axes)
    letters = "abcdefghijklmnopqrstuvwxyz"
    first = list(letters[:m])
    second = list(letters[m : m + n])
    for a, b in zip(left, right):
        second[_axis(b, n)] = first[_axis(a, m)]
    shared = {first[_axis(a, m)] for a in left}
    result = [c for c in first + second if c not in shared]
    return einsum(f"{''.join(first)},{''.join(second)}->{''.join(result)}", x, y)


@public
def einsum(subscripts: str, *operands: Any) -> Any:
    """`einsum("ij,jk->ik", x, y)`. Without an arrow the result's letters are those used once, sorted."""
    subscripts = subscripts.replace(" ", "")
    if "->" not in subscripts:
        once = sorted(c for c in set(subscripts) - {","} if subscripts.count(c) == 1)
        subscripts = f"{subscripts}->{''.join(once)}"
    letters = "".join(split_subscripts(subscripts)[0]) + split_subscripts(subscripts)[1]
    if not letters.isalpha() and letters:
        raise InputError(f"einsum {subscripts!r}: use one letter for each axis (no ellipsis).")
    arrays = [_array(x) for x in operands]
    dtype = result_dtype(arrays)
    return apply("einsum", *(convert(x, dtype) for x in arrays), subscripts=subscripts)


# reading and writing at positions ------------------------------------------------------------------------------------


def _wrap(x: Any, indices: Any, size: Dimension) -> Any:
    """Positions along an axis of x; negative ones count from the end."""
    trace = innermost((x, indices))
    if not isinstance(indices, Tracer):
        indices = np.asarray(indices)
        if isinstance(size, int):
            if indices.size and not (-size <= indices.min() and indices.max() < size):
                raise InputError(f"an index is out of range for an axis of size {size}.")
            return np.where(indices < 0, indices + size, indices)
        if trace is None or not np.any(indices < 0):
            return indices
        indices = Tracer(trace, trace.lift(indices))
    return where(less(indices, 0), add(indices, size), indices)


@public
def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    x = _array(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = _axis(axis, len(_shape(x)))
    return apply("gather", x, _wrap(x, _array(indices), _shape(x)[axis]), axis=axis)


@public
def take_along_axis(x: Any, indices: Any, axis: int) -> Any:
    x = _array(x)
    axis = _axis(axis, len(_shape(x)))
    indices = _wrap(x, _array(indices), _shape(x)[axis])
    outer = [(*_shape(part)[:axis], 1, *_shape(part)[axis + 1 :]) for part in (x, indices)]
    shape = broadcast_shapes(*outer)
    x, indices = (broadcast_to(p, (*shape[:axis], _shape(p)[axis], *shape[axis + 1 :])) for p in (x, indices))
    return apply("take_along_axis", x, indices, axis=axis)


@public
def scatter_add(updates: Any, indices: Any, size: Dimension, axis: int = 0) -> Any:
    """Zeros of `size` along `axis`, with `updates` added at `indices`: the transpose of `take`."""
    updates = _array(updates)
    indices = _wrap(updates, _array(indices), size)
    return apply("scatter_add", updates, indices, axis=_axis(axis, len(_shape(updates))), size=dimension(size))


segment_sum = FUNCTIONS["segment_sum"] = scatter_add


@public
def one_hot(indices: Any, size: int, dtype: Any = "float64") -> Any:
    """1 at the given position of a new last axis of `size`, else 0."""
    indices = _array(indices)
    wide = broadcast_to(expand_dims(indices, len(_shape(indices))), (*_shape(indices), size))
    return convert(equal(wide, positions_like(wide, -1, _dtype(wide))), dtype)


@public
def sort(x: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """Ascending along an axis, NaN last. It is stable, whatever is asked for."""
    return _sorted("sort", x, axis)


@public
def argsort(x: Any, axis: int | None = -1, kind: str | None = None, *, stable: bool | None = None) -> Any:
    """The positions of the sorted entries. Equal entries keep their order, whatever is asked for."""
    return _sorted("argsort", x, axis)


def _sorted(name: str, x: Any, axis: int | None) -> Any:
    x = _array(x)
    if axis is None:
        x, axis = ravel(x), 0
    return apply(name, x, axis=_axis(axis, len(_shape(x))))


@public
def top_k(x: Any, k: int) -> tuple[Any, Any]:
    """The k largest entries of the last axis in descending order, and their positions."""
    values, places = apply("top_k", _array(x), k=int(k))
    return values, places


@public
def getitem(x: Any, index: Any) -> Any:
    """NumPy's indexing: integers, slices, None, Ellipsis and integer arrays."""
    entries = index if isinstance(index, tuple) else (index,)
    taken = builtins.sum(1 for entry in entries if entry is not None and entry is not Ellipsis)
    rank = len(_shape(x))
    if taken > rank:
        raise ShapeError(f"{taken} indices for {type_of(x)}, which has {rank} axes.")
    position = [k for k, entry in enumerate(entries) if entry is Ellipsis]
    cut = position[0] if position else len(entries)
    entries = (*entries[:cut], *(slice(None),) * (rank - taken), *entries[cut + 1 :])
    return _getitem(x, entries)


def _getitem(x: Any, entries: tuple[Any, ...]) -> Any:
    starts, sizes, steps, flips = [], [], [], []
    keep: list[Dimension | str] = []
    gathers: list[tuple[int, Any]] = []
    axis = 0
    for entry in entries:
        if entry is None:
            keep.append("new")
            continue
        size = _shape(x)[axis]
        if isinstance(entry, slice):
            start, count, step = _slice_bounds(entry, size)
            flips += [axis] if step < 0 else []
            start = start if step > 0 else dimension(start + (count - 1) * step)
            part = (start, count, builtins.abs(step))
            keep.append(count)
        elif isinstance(entry, (int, np.integer)) and not isinstance(entry, bool):
            if isinstance(size, int) and not -size <= entry < size:
                raise InputError(f"index {entry} is out of range for axis {axis} of {type_of(x)}.")
            part = (dimension(entry + size if entry < 0 else int(entry)), 1, 1)
        else:
            gathers.append((axis, entry))
            part = (0, size, 1)
            keep.append(size)
        starts.append(part[0])
        sizes.append(part[1])
        steps.append(part[2])
        axis += 1
    if (tuple(sizes), set(steps)) != (_shape(x), {1}) and sizes:
        x = apply("slice", x, start=tuple(starts), size=tuple(sizes), step=tuple(steps))
    if flips:
        x = flip(x, tuple(flips))
    if gathers:
        return _gather_axes(x, gathers, entries)
    return reshape(x, tuple(1 if size == "new" else size for size in keep))


def _slice_bounds(entry: slice, size: Dimension) -> tuple[Dimension, Dimension, int]:
    """(start, count, step). With a named size, bounds count from the start (or, negative, from the end)."""
    if isinstance(size, int):
        start, stop, step = entry.indices(size)
        return start, len(range(start, stop, step)), step
    step = 1 if entry.step is None else int(entry.step)
    low, high = (0, size) if step > 0 else (size - 1, -1)
    start = low if entry.start is None else entry.start + (size if _is_negative(entry.start) else 0)
    stop = high if entry.stop is None else entry.stop + (size if _is_negative(entry.stop) else 0)
    distance = dimension((stop - start) if step > 0 else (start - stop))
    return dimension(start), dimension(divide_size(distance - 1, builtins.abs(step)) + 1), step


def _is_negative(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and int(value) < 0


def _gather_axes(x: Any, gathers: list[tuple[int, Any]], entries: tuple[Any, ...]) -> Any:
    """Integer arrays: one, or several on neighbouring axes, which join into one position."""
    if builtins.any(entry is None or isinstance(entry, (int, np.integer)) for entry in entries):
        raise TraceError("mix integer arrays only with slices; index in two steps, such as x[0][:, indices].")
    for _, entry in gathers:
        if _dtype(_array(entry)) == "bool":
            raise TraceError("a boolean mask gives a size that depends on values; use where(mask, x, 0) instead.")
    axes = [axis for axis, _ in gathers]
    if axes != list(range(axes[0], axes[0] + len(axes))):
        raise TraceError("integer arrays must stand on neighbouring axes; transpose first.")
    shape, first = _shape(x), axes[0]
    indices = broadcast_arrays(*(_wrap(x, _array(entry), shape[axis]) for axis, entry in gathers))
    place = indices[0]
    for axis, entry in zip(axes[1:], indices[1:]):
        place = add(multiply(place, shape[axis]), entry)
    joined = product(shape[axis] for axis in axes)
    x = reshape(x, (*shape[:first], joined, *shape[axes[-1] + 1 :]))
    return apply("gather", x, place, axis=first)
