"""Vectors as values of generated code: loaded, combined and stored whole, and kept in registers over a loop.

LLVM makes vector code of the innermost loop only. Where sums over an outer loop should stay in registers, the code
names the vectors itself. The functions are made when generated code imports them (see `emit/lanes.py` for their names).
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

from ..formulas import vector_value
from ..lanes import OPERATIONS, PREFIX, is_op, op_parts
from ..mathematics.values import Value
from ..vectors import SIZES, Code, Vector


class Lanes(types.Type):
    """A vector of so many numbers, or of truth values."""

    def __init__(self, dtype: str, count: int) -> None:
        self.count = count
        self.vector = Vector(SIZES.get(dtype, 1), 8 * SIZES.get(dtype, 1) * count)
        self.code = self.vector.type if dtype in SIZES else ir.VectorType(ir.IntType(1), count)
        super().__init__(name=f"lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, kind.code)


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
        """The same number in all lanes, or the same truth value, which is a byte if it comes from memory."""
        is_true = isinstance(number, (types.Boolean, types.Integer))

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (number,) = arguments
            if is_true and number.type != ir.IntType(1):
                number = builder.icmp_unsigned("!=", number, number.type(0))
            return Code(builder, kind.vector).splat(number)

        return (_kind("bool", lanes)(number) if is_true else kind(getattr(types, dtype))), generate

    return fill


def _make_operation(method: str, arity: int) -> Callable[..., Any]:
    def make(dtype: str, lanes: int) -> Any:
        kind = _kind(dtype, lanes)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            # A product and a sum may be one instruction, which rounds once.
            return combined(builder, kind.vector, method, arguments, ("contract",))

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


def _make_op(op: str, arity: int, argument_dtype: str, dtype: str, lanes: int) -> Any:
    """The values of an op, as its record says."""
    kind = _kind(dtype, lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [Value(builder, argument) for argument in arguments]
        return vector_value(op, values, argument_dtype, dtype).code

    def of_one(typingctx: Any, x: Any) -> Any:
        return kind(x), generate

    def of_two(typingctx: Any, x: Any, y: Any) -> Any:
        return kind(x, y), generate

    def of_three(typingctx: Any, x: Any, y: Any, z: Any) -> Any:
        return kind(x, y, z), generate

    return intrinsic((of_one, of_two, of_three)[arity - 1])


def _make_pairs(method: str) -> Callable[..., Any]:
    def make(dtype: str, lanes: int) -> Any:
        kind = _kind(dtype, lanes)

        @intrinsic
        def pairs(typingctx: Any, left: Any, right: Any) -> Any:
            """Each lane with the one beside it, combined: those of the first vector, then those of the second."""

            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                index = ir.VectorType(ir.IntType(32), lanes)
                sides = [
                    builder.shuffle_vector(*arguments, ir.Constant(index, list(range(side, 2 * lanes, 2))))
                    for side in (0, 1)
                ]
                return combined(builder, kind.vector, method, sides, ())

            return kind(kind, kind), generate

        return pairs

    return make


def combined(builder: Any, vector: Vector, method: str, arguments: Any, flags: tuple[str, ...]) -> Any:
    """Two vectors, lane by lane: by an instruction, or by one of LLVM's functions."""
    if not method.startswith("llvm."):
        return getattr(builder, method)(*arguments, flags=flags)
    shape = ir.FunctionType(vector.type, [vector.type] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, shape, f"{method}.{vector.suffix}")
    return builder.call(function, arguments)


_MAKERS: dict[str, Callable[..., Any]] = {
    "load": _make_load,
    "repeat": _make_repeat,
    "store": _make_store,
    "fill": _make_fill,
    "larger": _make_operation("llvm.maximum", 2),
    "addpairs": _make_pairs("fadd"),
    "largerpairs": _make_pairs("llvm.maximum"),
    **{name: _make_operation(*how) for name, how in OPERATIONS.items()},
}


@cache
def _function(name: str) -> Any:
    if is_op(name):
        return _make_op(*op_parts(name))
    word, dtype, *numbers = name.removeprefix(PREFIX).split("_")
    return _MAKERS[word](dtype, *map(int, numbers))


def __getattr__(name: str) -> Any:
    """`lanes_add_float32_16` and the like: what generated code imports is made when it is asked for."""
    if not name.startswith(PREFIX):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _function(name)
