"""Vectors as values of generated code: loaded, combined and stored whole, and kept in registers over a loop.

LLVM makes vector code of the innermost loop only. Where sums over an outer loop should stay in registers, the code
names the vectors itself, by functions such as `lanes_load_float32_16_10`: sixteen lanes, of which the first ten are
read and the others are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.extending import intrinsic, register_model

from .vectors import SIZES, Code, Vector

PREFIX = "lanes_"


class Lanes(types.Type):
    """A vector of so many numbers."""

    def __init__(self, dtype: str, count: int) -> None:
        self.vector = Vector(SIZES[dtype], 8 * SIZES[dtype] * count)
        super().__init__(name=f"lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, kind.vector.type)


@cache
def _kind(dtype: str, count: int) -> Lanes:
    return Lanes(dtype, count)


def _place(builder: Any, pointer: Any, place: Any, kind: Any) -> Any:
    return builder.bitcast(builder.gep(pointer, [place]), kind.as_pointer())


def _constant_mask(vector: Vector, count: int) -> Any:
    """None where all lanes are meant."""
    if count == vector.lanes:
        return None
    return ir.Constant(ir.VectorType(ir.IntType(1), vector.lanes), [int(lane < count) for lane in range(vector.lanes)])


def _loaded(builder: Any, pointer: Any, place: Any, vector: Vector, count: int) -> Any:
    if count == 1:
        number = builder.load(builder.gep(pointer, [place]))
        return builder.insert_element(ir.Constant(vector.type, None), number, ir.IntType(32)(0))
    address, mask = _place(builder, pointer, place, vector.type), _constant_mask(vector, count)
    if mask is None:
        return builder.load(address, align=vector.bytes)
    return Code(builder, vector).load(address, mask)


def _make_load(dtype: str, lanes: int, count: int) -> Any:
    kind = _kind(dtype, lanes)

    @intrinsic
    def load(typingctx: Any, pointer: Any, place: Any) -> Any:
        """The numbers from `place` on."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer, place = arguments
            return _loaded(builder, pointer, place, kind.vector, count)

        return kind(pointer, types.int64), generate

    return load


def _make_repeat(dtype: str, lanes: int, first: int, times: int, count: int) -> Any:
    """The first `count` lanes hold numbers `times` times each, of the first one only what `first` repeats leave."""
    kind = _kind(dtype, lanes)
    places = [(first + min(lane, count - 1)) // times for lane in range(lanes)]

    @intrinsic
    def repeat(typingctx: Any, pointer: Any, place: Any) -> Any:
        """The numbers from `place` on, each several times."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer, place = arguments
            few = _loaded(builder, pointer, place, kind.vector, places[-1] + 1)
            pattern = ir.Constant(ir.VectorType(ir.IntType(32), lanes), places)
            return builder.shuffle_vector(few, ir.Constant(kind.vector.type, ir.Undefined), pattern)

        return kind(pointer, types.int64), generate

    return repeat


def _make_store(dtype: str, lanes: int, count: int) -> Any:
    kind = _kind(dtype, lanes)

    @intrinsic
    def store(typingctx: Any, pointer: Any, place: Any, value: Any) -> Any:
        """Write the first lanes from `place` on."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointer, place, value = arguments
            address, mask = _place(builder, pointer, place, kind.vector.type), _constant_mask(kind.vector, count)
            if mask is None:
                builder.store(value, address, align=kind.vector.bytes)
            else:
                Code(builder, kind.vector).store(value, address, mask)
            return context.get_dummy_value()

        return types.void(pointer, types.int64, kind), generate

    return store


def _make_fill(dtype: str, lanes: int) -> Any:
    kind = _kind(dtype, lanes)

    @intrinsic
    def fill(typingctx: Any, number: Any) -> Any:
        """The same number in all lanes."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return Code(builder, kind.vector).splat(arguments[0])

        return kind(getattr(types, dtype)), generate

    return fill


def _make_operation(method: str, arity: int) -> Callable[..., Any]:
    def make(dtype: str, lanes: int) -> Any:
        kind = _kind(dtype, lanes)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            if method.startswith("llvm."):
                shape = ir.FunctionType(kind.vector.type, [kind.vector.type] * arity)
                function = cgutils.get_or_insert_function(builder.module, shape, f"{method}.{kind.vector.suffix}")
                return builder.call(function, arguments)
            # A product and a sum may be one instruction, which rounds once.
            return getattr(builder, method)(*arguments, flags=("contract",))

        if arity == 1:

            @intrinsic
            def alone(typingctx: Any, value: Any) -> Any:
                """A vector from one, lane by lane."""
                return kind(kind), generate

            return alone

        @intrinsic
        def together(typingctx: Any, left: Any, right: Any) -> Any:
            """A vector from two, lane by lane."""
            return kind(kind, kind), generate

        return together

    return make


OPERATIONS = {"add": ("fadd", 2), "subtract": ("fsub", 2), "multiply": ("fmul", 2), "negative": ("fneg", 1)}
"""What can be done with vectors, by the names of ops."""

_MAKERS: dict[str, Callable[..., Any]] = {
    "load": _make_load,
    "repeat": _make_repeat,
    "store": _make_store,
    "fill": _make_fill,
    "larger": _make_operation("llvm.maximum", 2),
    **{name: _make_operation(*how) for name, how in OPERATIONS.items()},
}


@cache
def _function(name: str) -> Any:
    word, dtype, *numbers = name.removeprefix(PREFIX).split("_")
    return _MAKERS[word](dtype, *map(int, numbers))


def __getattr__(name: str) -> Any:
    """`lanes_add_float32_16` and the like: what generated code imports is made when it is asked for."""
    if not name.startswith(PREFIX):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _function(name)
