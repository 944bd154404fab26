"""Ops that only move entries: reshape, transpose, broadcast, slicing, padding, joining, windows. All are linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import ShapeError
from ..graph import Graph, TensorType
from ..graph.types import Dimension, dimension, floor_divide, product
from .batching import batch_broadcast, before_each, last_axes, later_axes, later_axis, permute_batch, with_attributes
from .builder import Builder
from .index import Index, Piece, at_least, inside, reshaped, same
from .record import Contraction, Linear, LinearCall, register

Shape = tuple[Dimension, ...]


def _sample(entries: tuple[int, ...], /, **attributes: Any) -> Any:
    return lambda rng, dtype: ((rng.uniform(-2, 2, entries).astype(dtype),), attributes)


# reshape, transpose, broadcast ---------------------------------------------------------------------------------------


def _reshape_shape(graph: Graph, x: TensorType, *, shape: Shape) -> TensorType:
    if graph.require_equal(x.size, product(shape), "reshape keeps the number of entries") is False:
        raise ShapeError(f"cannot reshape {x} ({x.size} entries) to {shape} ({product(shape)} entries).")
    return x.with_shape(shape)


def _reshape_map(context: Any, index: tuple[Index, ...], types: Any, *, shape: Shape) -> list[Piece]:
    return [Piece(0, reshaped(index, shape, types[0].shape))]


register(
    Linear(
        name="reshape",
        batch=before_each(shape=None),
        summary="the same entries in row-major order, in another shape",
        shape=_reshape_shape,
        reference=lambda x, *, shape: np.reshape(x, shape),
        transposes={0: lambda b, call, ct: b.reshape(ct, shape=call.types[0].shape)},
        index_map=_reshape_map,
        samples=_sample((2, 3, 4), shape=(6, 4)),
    )
)


def _transpose_shape(graph: Graph, x: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    if sorted(axes) != list(range(x.rank)):
        raise ShapeError(f"transpose of {x} takes each of its {x.rank} axes once, not {axes}.")
    return x.with_shape(x.shape[axis] for axis in axes)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(position) for position in range(len(axes)))


register(
    Linear(
        name="transpose",
        batch=with_attributes(permute_batch),
        summary="the axes in another order",
        shape=_transpose_shape,
        reference=lambda x, *, axes: np.transpose(x, axes),
        transposes={0: lambda b, call, ct: b.transpose(ct, axes=_inverse(call.attributes["axes"]))},
        index_map=lambda context, index, types, *, axes: [Piece(0, tuple(index[axis] for axis in _inverse(axes)))],
        samples=_sample((2, 3, 4), axes=(2, 0, 1)),
    )
)


def _broadcast_shape(graph: Graph, x: TensorType, *, shape: Shape) -> TensorType:
    lead = len(shape) - x.rank
    for size, wanted in zip(x.shape, shape[lead:] if lead >= 0 else ()):
        if size != 1 and graph.require_equal(size, wanted, "broadcast stretches only axes of size 1") is False:
            lead = -1
    if lead < 0:
        raise ShapeError(f"cannot broadcast {x} to the shape {shape}: only axes of size 1 stretch.")
    return x.with_shape(shape)


def stretched_axes(x: TensorType, shape: Shape) -> tuple[int, ...]:
    """The axes of `shape` along which a broadcast of `x` repeats."""
    lead = len(shape) - x.rank
    inner = [lead + axis for axis, size in enumerate(x.shape) if size == 1 and shape[lead + axis] != 1]
    return (*range(lead), *inner)


def _broadcast_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    (x,) = call.types
    axes = stretched_axes(x, call.type.shape)
    if not axes:
        return ct
    mask, value = _mask_of(b, ct, x.shape)
    total = b.reshape(b.sum(value, axes=axes), shape=x.shape)
    return total if mask is None else b.mask(mask, total)


def _mask_of(b: Builder, value: int, shape: Shape) -> tuple[int | None, int]:
    """(m, v) of a value `where(m repeated, v, 0)`, with m of the given shape; (None, value) of any other.

    A sum over the axes along which a mask repeats is taken inside it, so that it stays a masked value (see
    `Builder.scale`).
    """
    node = b.graph.node(value)
    if node.op == "where" and b.constant_value(node.inputs[2]) == 0:
        repeated = b.graph.node(node.inputs[0])
        if repeated.op == "broadcast" and b.type(repeated.inputs[0]).shape == shape:
            return repeated.inputs[0], node.inputs[1]
    return None, value


def _broadcast_map(context: Any, index: tuple[Index, ...], types: Any, *, shape: Shape) -> list[Piece]:
    (x,) = types
    tail = index[len(shape) - x.rank :]
    return [Piece(0, tuple(Index() if size == 1 else entry for entry, size in zip(tail, x.shape)))]


register(
    Linear(
        name="broadcast",
        batch=batch_broadcast,
        repeats=True,
        summary="repeat along new leading axes and axes of size 1",
        shape=_broadcast_shape,
        reference=lambda x, *, shape: np.broadcast_to(x, shape),
        transposes={0: _broadcast_transpose},
        index_map=_broadcast_map,
        samples=_sample((3, 1), shape=(2, 3, 4)),
    )
)

# slice, pad, flip, concatenate ---------------------------------------------------------------------------------------


def _slice_shape(graph: Graph, x: TensorType, *, start: Shape, size: Shape, step: tuple[int, ...]) -> TensorType:
    if not len(start) == len(size) == len(step) == x.rank:
        raise ShapeError(f"slice of {x} needs start, size and step for each of its {x.rank} axes.")
    for whole, a, n, k in zip(x.shape, start, size, step):
        if n != 0:
            _require_inside(graph, x, whole, a, n, k)
    return x.with_shape(size)


def _require_inside(
    graph: Graph, x: TensorType, whole: Dimension, start: Dimension, size: Dimension, step: int
) -> None:
    """0 ≤ start, 0 ≤ size and start + (size - 1)·step < whole; where named sizes leave that open, a requirement."""
    room = dimension(whole - start - (size - 1) * step - 1)
    for margin in (start, size, room):
        if isinstance(margin, int):
            if margin < 0:
                raise ShapeError(f"a slice of {size} entries from {start} in steps of {step} does not fit into {x}.")
        elif not at_least(margin, 0):
            reason = f"a slice of {size} entries from {start} in steps of {step} must fit into an axis of {whole}"
            graph.require_equal(sp.Max(margin, 0), margin, reason)


def _slice_reference(x: np.ndarray, *, start: Any, size: Any, step: Any) -> np.ndarray:
    return x[tuple(slice(a, a + max(n - 1, 0) * k + 1 if n else a, k) for a, n, k in zip(start, size, step))]


def _slice_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    start, size, step = (call.attributes[name] for name in ("start", "size", "step"))
    after = tuple(
        dimension(whole - a - (n - 1) * k - 1) for whole, a, n, k in zip(call.types[0].shape, start, size, step)
    )
    return b.pad(ct, before=start, after=after, between=tuple(k - 1 for k in step))


register(
    Linear(
        name="slice",
        batch=before_each(start=0, size=None, step=1),
        summary="every step-th entry from start, size entries along each axis",
        shape=_slice_shape,
        reference=_slice_reference,
        transposes={0: _slice_transpose},
        index_map=lambda context, index, types, *, start, size, step: [
            Piece(0, tuple(i * k + a for i, a, k in zip(index, start, step)))
        ],
        samples=_sample((5, 7), start=(1, 0), size=(3, 3), step=(1, 3)),
    )
)


def _pad_shape(graph: Graph, x: TensorType, *, before: Shape, after: Shape, between: tuple[int, ...]) -> TensorType:
    sizes = (low + high + n + (n - 1) * gap for n, low, high, gap in zip(x.shape, before, after, between))
    return x.with_shape(dimension(size) for size in sizes)


def _pad_reference(x: np.ndarray, *, before: Any, after: Any, between: Any) -> np.ndarray:
    shape = [low + high + n + (n - 1) * gap for n, low, high, gap in zip(x.shape, before, after, between)]
    result = np.zeros(shape, x.dtype)
    places = tuple(slice(low, low + n + (n - 1) * gap, gap + 1) for n, low, gap in zip(x.shape, before, between))
    if x.size:
        result[places] = x
    return result


def _pad_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    between = call.attributes["between"]
    return b.slice(ct, start=call.attributes["before"], size=call.types[0].shape, step=tuple(g + 1 for g in between))


def _pad_map(
    context: Any, index: tuple[Index, ...], types: Any, *, before: Any, after: Any, between: Any
) -> list[Piece]:
    entries, guards = [], []
    for i, n, low, gap in zip(index, types[0].shape, before, between):
        offset = i - low
        if gap:
            guards += [same(offset % (gap + 1), 0), inside(offset, n * (gap + 1))]
            offset = offset // (gap + 1)
        else:
            guards.append(inside(offset, n))
        entries.append(offset)
    return [Piece(0, tuple(entries), tuple(guards))]


register(
    Linear(
        name="pad",
        batch=before_each(before=0, after=0, between=0),
        pads=True,
        summary="zeros before, after and between the entries of each axis",
        shape=_pad_shape,
        reference=_pad_reference,
        transposes={0: _pad_transpose},
        index_map=_pad_map,
        samples=_sample((3, 4), before=(1, 0), after=(0, 2), between=(1, 2)),
    )
)
register(
    Linear(
        name="flip",
        batch=later_axes,
        summary="the entries of some axes in reverse order",
        shape=lambda graph, x, *, axes: x,
        reference=lambda x, *, axes: np.flip(x, axes),
        transposes={0: lambda b, call, ct: b.flip(ct, axes=call.attributes["axes"])},
        index_map=lambda context, index, types, *, axes: [
            Piece(0, tuple(i * -1 + (n - 1) if a in axes else i for a, (i, n) in enumerate(zip(index, types[0].shape))))
        ],
        samples=_sample((3, 4), axes=(0, 1)),
    )
)


def _concatenate_shape(graph: Graph, *types: TensorType, axis: int) -> TensorType:
    first = types[0]
    for other in types[1:]:
        fits = other.rank == first.rank and other.dtype == first.dtype
        for position, (left, right) in enumerate(zip(first.shape, other.shape)):
            if position != axis and graph.require_equal(left, right, "concatenate joins equal shapes") is False:
                fits = False
        if not fits:
            raise ShapeError(f"concatenate along axis {axis}: {first} and {other} differ elsewhere.")
    total = dimension(sum((type.shape[axis] for type in types), 0))
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :]))


def _concatenate_transpose(b: Builder, call: LinearCall, ct: int, slot: int) -> int:
    axis = call.attributes["axis"]
    start: list[Dimension] = [0] * call.type.rank
    start[axis] = dimension(sum((type.shape[axis] for type in call.types[:slot]), 0))
    return b.slice(ct, start=tuple(start), size=call.types[slot].shape, step=(1,) * call.type.rank)


def _concatenate_map(context: Any, index: tuple[Index, ...], types: Any, *, axis: int) -> list[Piece]:
    pieces, start = [], Index()
    for slot, type in enumerate(types):
        place = index[axis] - start
        pieces.append(Piece(slot, (*index[:axis], place, *index[axis + 1 :]), (inside(place, type.shape[axis]),)))
        start = start + type.shape[axis]
    return pieces


register(
    Linear(
        name="concatenate",
        batch=later_axis,
        summary="arrays joined along an axis",
        arity=None,
        linear=None,
        shape=_concatenate_shape,
        reference=lambda *arrays, axis: np.concatenate(arrays, axis),
        transposes={0: _concatenate_transpose},  # type: ignore[dict-item]
        index_map=_concatenate_map,
        samples=lambda rng, dtype: (
            (rng.uniform(-2, 2, (2, 3)).astype(dtype), rng.uniform(-2, 2, (2, 4)).astype(dtype)),
            {"axis": 1},
        ),
    )
)

# windows -------------------------------------------------------------------------------------------------------------


def window_counts(
    sizes: Shape, window: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[Dimension, ...]:
    """How many windows fit along each axis: ⌊(n - d·(w - 1) - 1) / s⌋ + 1."""
    counts = []
    for n, w, s, d in zip(sizes, window, stride, dilation):
        count = dimension(floor_divide(n - d * (w - 1) - 1, s) + 1)
        if isinstance(count, int) and count < 1:
            raise ShapeError(f"a window of {w} entries, {d} apart, does not fit into {n}; pad the array first.")
        counts.append(count)
    return tuple(counts)


def _unfold_shape(graph: Graph, x: TensorType, *, window: Any, stride: Any, dilation: Any) -> TensorType:
    rank = len(window)
    if x.rank < rank:
        raise ShapeError(f"unfold with a {rank}-dimensional window needs at least {rank} axes, not {x}.")
    counts = window_counts(x.shape[x.rank - rank :], window, stride, dilation)
    return x.with_shape((*x.shape[: x.rank - rank], *counts, *window))


def _unfold_reference(x: np.ndarray, *, window: Any, stride: Any, dilation: Any) -> np.ndarray:
    rank = len(window)
    spans = tuple(d * (w - 1) + 1 for w, d in zip(window, dilation))
    views = sliding_window_view(x, spans, axis=tuple(range(x.ndim - rank, x.ndim)))
    places = (slice(None),) * (x.ndim - rank)
    return views[(*places, *(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))]


def _unfold_map(context: Any, index: tuple[Index, ...], types: Any, *, window: Any, stride: Any, dilation: Any) -> Any:
    return [Piece(0, _window_entry(index, len(window), stride, dilation))]


def _window_entry(index: tuple[Index, ...], rank: int, stride: Any, dilation: Any) -> tuple[Index, ...]:
    """The entry that stands at `index` (…, places, offsets) of the windows."""
    lead, places, offsets = index[: -2 * rank], index[-2 * rank : -rank], index[-rank:]
    return (*lead, *(p * s + o * d for p, o, s, d in zip(places, offsets, stride, dilation)))


def _unfold_transpose(b: Builder, call: LinearCall, ct: int) -> int:
    rank = len(call.attributes["window"])
    sizes = call.types[0].shape[call.types[0].rank - rank :]
    return b.fold(ct, sizes=sizes, stride=call.attributes["stride"], dilation=call.attributes["dilation"])


register(
    Linear(
        name="unfold",
        batch=last_axes,
        repeats=True,
        summary="sliding windows over the last axes: [..., sizes] to [..., places, window]",
        shape=_unfold_shape,
        reference=_unfold_reference,
        transposes={0: _unfold_transpose},
        index_map=_unfold_map,
        samples=_sample((2, 5, 6), window=(3, 2), stride=(1, 2), dilation=(1, 2)),
    )
)


def _fold_shape(graph: Graph, x: TensorType, *, sizes: Shape, stride: Any, dilation: Any) -> TensorType:
    rank = len(sizes)
    window = x.shape[x.rank - rank :]
    counts = window_counts(sizes, window, stride, dilation)
    for found, wanted in zip(x.shape[x.rank - 2 * rank : x.rank - rank], counts):
        if graph.require_equal(found, wanted, "fold takes one window per place") is False:
            raise ShapeError(f"fold of {x} to {sizes}: {counts} windows fit there.")
    return x.with_shape((*x.shape[: x.rank - 2 * rank], *sizes))


def _fold_reference(x: np.ndarray, *, sizes: Any, stride: Any, dilation: Any) -> np.ndarray:
    rank = len(sizes)
    counts, window = x.shape[x.ndim - 2 * rank : x.ndim - rank], x.shape[x.ndim - rank :]
    result = np.zeros((*x.shape[: x.ndim - 2 * rank], *sizes), x.dtype)
    for offset in np.ndindex(*window):
        starts = [o * d for o, d in zip(offset, dilation)]
        places: Any = tuple(slice(a, a + (n - 1) * s + 1, s) for a, n, s in zip(starts, counts, stride))
        result[(..., *places)] += x[(..., *offset)]
    return result


def _fold_contraction(
    context: Any, index: tuple[Index, ...], types: Any, *, sizes: Shape, stride: Any, dilation: Any
) -> Contraction:
    rank = len(sizes)
    (x,) = types
    counts, window = x.shape[x.rank - 2 * rank : x.rank - rank], x.shape[x.rank - rank :]
    lead, spots = index[: len(index) - rank], index[len(index) - rank :]
    # Along an axis whose windows do not overlap, an entry has one place: nothing is added up.
    apart = [d == 1 and isinstance(w, int) and w <= s for w, s, d in zip(window, stride, dilation)]

    def factors(box: tuple[Index, ...]) -> list[list[Piece]]:
        places, offsets, guards, rest = [], [], [], iter(box)
        for spot, w, n, s, d, single in zip(spots, window, counts, stride, dilation, apart):
            offset = spot % s if single else next(rest)
            distance = spot if single else spot - offset * d
            guards.append(inside(distance, dimension(n * s)))
            if single:
                guards.append(inside(offset, w))
            elif s != 1:
                guards.append(same(distance % s, 0))
            places.append(distance // s)
            offsets.append(offset)
        return [[Piece(0, (*lead, *places, *offsets), tuple(guards))]]

    return Contraction(tuple(w for w, single in zip(window, apart) if not single), "sum", factors)


register(
    Linear(
        name="fold",
        batch=last_axes,
        summary="add windows back to where unfold took them from",
        shape=_fold_shape,
        reference=_fold_reference,
        transposes={
            0: lambda b, call, ct: b.unfold(
                ct,
                window=call.types[0].shape[call.types[0].rank - len(call.attributes["sizes"]) :],
                stride=call.attributes["stride"],
                dilation=call.attributes["dilation"],
            )
        },
        contraction=_fold_contraction,
        target_map=lambda index, types, *, sizes, stride, dilation: _window_entry(index, len(sizes), stride, dilation),
        samples=_sample((2, 3, 2, 3, 2), sizes=(5, 5), stride=(1, 2), dilation=(1, 2)),
    )
)
