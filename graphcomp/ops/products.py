"""Products of arrays: matmul and einsum. Both are multilinear, and both lower through their einsum subscripts."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError
from ..graph import Graph, TensorType
from ..graph.types import Dimension
from .builder import Builder
from .record import LinearCall, Multilinear, register


def swap_last(b: Builder, x: int) -> int:
    rank = b.type(x).rank
    return b.transpose(x, axes=(*range(rank - 2), rank - 1, rank - 2))


def _matmul_shape(graph: Graph, x: TensorType, y: TensorType) -> TensorType:
    reason = "matmul contracts the last axis of the first with the second-last of the second"
    if x.dtype != y.dtype:
        raise DTypeError(f"matmul takes arguments of one dtype, not {x} and {y}.")
    if x.rank < 2 or x.rank != y.rank or graph.require_equal(x.shape[-1], y.shape[-2], reason) is False:
        raise ShapeError(f"matmul of {x} and {y}: the inner sizes {x.shape[-1:]} and {y.shape[-2:-1]} differ.")
    for left, right in zip(x.shape[:-2], y.shape[:-2]):
        if graph.require_equal(left, right, "matmul takes equal leading axes") is False:
            raise ShapeError(f"matmul of {x} and {y}: the leading axes differ.")
    return x.with_shape((*x.shape[:-1], y.shape[-1]))


def _matmul_subscripts(types: Any) -> str:
    lead = string.ascii_lowercase[: types[0].rank - 2]
    return f"{lead}xy,{lead}yz->{lead}xz"


register(
    Multilinear(
        name="matmul",
        summary="the matrix product over the last two axes",
        arity=2,
        accepts="number",
        shape=_matmul_shape,
        reference=np.matmul,
        transposes={
            0: lambda b, call, ct: b.matmul(ct, swap_last(b, call.operand(1))),
            1: lambda b, call, ct: b.matmul(swap_last(b, call.operand(0)), ct),
        },
        subscripts=_matmul_subscripts,
        samples=lambda rng, dtype: (
            (rng.uniform(-2, 2, (2, 3, 4)).astype(dtype), rng.uniform(-2, 2, (2, 4, 5)).astype(dtype)),
            {},
        ),
    )
)


def split_subscripts(subscripts: str) -> tuple[list[str], str]:
    left, _, right = subscripts.partition("->")
    return left.split(","), right


def letter_sizes(
    graph: Graph, types: tuple[TensorType, ...] | list[TensorType], subscripts: str
) -> dict[str, Dimension]:
    """The size of each letter; raises `ShapeError` where two uses disagree."""
    sizes: dict[str, Dimension] = {}
    operands, result = split_subscripts(subscripts)
    if len(operands) != len(types):
        raise ShapeError(f"einsum {subscripts!r} names {len(operands)} operands, but {len(types)} were given.")
    for letters, type in zip(operands, types):
        if len(letters) != type.rank or len(set(letters)) != len(letters):
            raise ShapeError(f"einsum {subscripts!r}: {letters!r} must name each of the axes of {type} once.")
        for letter, size in zip(letters, type.shape):
            if graph.require_equal(sizes.setdefault(letter, size), size, f"einsum {subscripts}: {letter}") is False:
                raise ShapeError(
                    f"einsum {subscripts!r}: {letter!r} is {sizes[letter]} in one operand and {size} in {type}."
                )
    if unknown := set(result) - set(sizes):
        raise ShapeError(f"einsum {subscripts!r}: {sorted(unknown)} stand only in the result.")
    return sizes


def _einsum_shape(graph: Graph, *types: TensorType, subscripts: str) -> TensorType:
    if len({type.dtype for type in types}) != 1:
        raise DTypeError(f"einsum takes operands of one dtype, not {', '.join(map(str, types))}.")
    sizes = letter_sizes(graph, types, subscripts)
    return types[0].with_shape(sizes[letter] for letter in split_subscripts(subscripts)[1])


class _Einsum(Multilinear):
    def transpose(self, b: Builder, call: LinearCall, slot: int, cotangent: int) -> int:
        """The cotangent of an operand is an einsum of the others with the result's cotangent.

        Letters that only this operand has were summed over, so the cotangent repeats along them.
        """
        operands, result = split_subscripts(call.attributes["subscripts"])
        others = [index for index in range(len(operands)) if index != slot]
        known = set(result).union(*(operands[index] for index in others))
        kept = "".join(letter for letter in operands[slot] if letter in known)
        left = ",".join([*(operands[index] for index in others), result])
        arguments = [*(call.operand(index) for index in others), cotangent]
        partial = b.einsum(*arguments, subscripts=f"{left}->{kept}")
        type = call.types[slot]
        if kept == operands[slot]:
            return partial
        spread = tuple(size if letter in known else 1 for letter, size in zip(operands[slot], type.shape))
        return b.broadcast(b.reshape(partial, shape=spread), shape=type.shape)


register(
    _Einsum(
        name="einsum",
        summary="a sum of products over named axes, such as 'ij,jk->ik'",
        arity=None,
        accepts="number",
        shape=_einsum_shape,
        reference=lambda *arrays, subscripts: np.einsum(subscripts, *arrays, optimize=len(arrays) > 2),
        subscripts=lambda types, *, subscripts: subscripts,
        samples=lambda rng, dtype: (
            (rng.uniform(-2, 2, (3, 4, 2)).astype(dtype), rng.uniform(-2, 2, (4, 5)).astype(dtype)),
            {"subscripts": "ijk,jl->li"},
        ),
    )
)
