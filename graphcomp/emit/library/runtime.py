"""What generated code calls: typed pointers, and sorting."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..mathematics.values import attributes
from .target import compiled


def _make_pointer(dtype: Any) -> Any:
    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        """An address as a typed pointer."""
        result = types.CPointer(dtype)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(result))

        return result(types.int64), generate

    return pointer


pointer_bool = _make_pointer(types.uint8)  # one byte, 0 or 1
pointer_int8 = _make_pointer(types.int8)
pointer_int16 = _make_pointer(types.int16)
pointer_int32 = _make_pointer(types.int32)
pointer_int64 = _make_pointer(types.int64)
pointer_uint8 = _make_pointer(types.uint8)
pointer_uint16 = _make_pointer(types.uint16)
pointer_uint32 = _make_pointer(types.uint32)
pointer_uint64 = _make_pointer(types.uint64)
pointer_float32 = _make_pointer(types.float32)
pointer_float64 = _make_pointer(types.float64)


@intrinsic
def stay_apart(typingctx: Any) -> Any:
    """Keep LLVM from copying the function that this is called in into its callers, once for each call.

    Its loops use vectors of 512 bits where the machine has them; LLVM avoids these on some machines by default.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        attributes(builder.function, "noinline", '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


TINY_IS_ZERO = 0x8040
"""Two bits of an x86 processor's control word: operands and results too small to be normal numbers are taken for 0."""


def _control_word(builder: Any, change: Any) -> Any:
    """The control word of this thread's arithmetic before `change` gave it another one; 0 on other processors."""
    if not binding.get_process_triple().startswith(("x86_64", "i686")):
        return ir.Constant(ir.IntType(32), 0)
    place = cgutils.alloca_once(builder, ir.IntType(32))
    kind = ir.FunctionType(ir.VoidType(), [ir.PointerType()])
    read, write = (
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}") for name in ("stmxcsr", "ldmxcsr")
    )
    builder.call(read, [place])
    before = builder.load(place)
    builder.store(change(before), place)
    builder.call(write, [place])
    return before


@intrinsic
def take_tiny_for_zero(typingctx: Any) -> Any:
    """Let this thread take numbers too small to be normal for 0, which is many times faster; what was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _control_word(builder, lambda before: builder.or_(before, ir.Constant(before.type, TINY_IS_ZERO)))

    return types.int32(), generate


@intrinsic
def take_numbers_as(typingctx: Any, before: Any) -> Any:
    """Let this thread treat numbers as it did before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _control_word(builder, lambda _: arguments[0])
        return context.get_dummy_value()

    return types.void(types.int32), generate


@intrinsic
def own_arrays(typingctx: Any) -> Any:
    """Tell LLVM that no two arguments of the function that this is called in lead to memory which it writes.

    Then its loops do not have to find out, each time they begin, which of their arrays overlap.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for argument in builder.function.args:
            if argument.name.startswith("arg.p"):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def address(typingctx: Any, pointer: Any) -> Any:
    """A typed pointer as an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(pointer), generate


def _make_step(method: str) -> Any:
    @intrinsic
    def step(typingctx: Any, total: Any, value: Any) -> Any:
        """A step of a sum or a product, of which LLVM may form several in a vector, to combine them at the end.

        The order is that of the machine code: equal inputs give equal bits.
        """

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, method)(*arguments, flags=("reassoc",))

        return total(total, total), generate

    return step


add_up, multiply_up = _make_step("fadd"), _make_step("fmul")


def _make_extremum(name: str) -> Any:
    @intrinsic
    def extremum(typingctx: Any, total: Any, value: Any) -> Any:
        """The larger or the smaller of two numbers, NaN if one of them is."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            kind = arguments[0].type
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(kind, [kind, kind]), f"{name}.{kind.intrinsic_name}"
            )
            return builder.call(function, arguments)

        return total(total, total), generate

    return extremum


larger, smaller = _make_extremum("llvm.maximum"), _make_extremum("llvm.minimum")


@compiled
def first_turn(place, step, size):
    """The first turn, from 0 on, of a loop that goes back from a place by steps, which leads to one below `size`."""
    turn = (place - size + step) // step
    return turn if turn > 0 else 0


@compiled
def last_turn(place, step, turns):
    """The turn after the last one of at most so many that leads to no place below 0."""
    end = place // step + 1
    return end if end < turns else turns


@compiled
def comes_before(left, right, descending):
    """Whether `left` stands strictly before `right`. Ascending order has NaN last, descending order first."""
    if descending:
        return (left > right) or (left != left and right == right)
    return (left < right) or (right != right and left == left)


@compiled
def sort_row(values, places, spare, size, descending):
    """Fill `places` with the positions that sort `values`, stably: merge sort from the bottom up."""
    for i in range(size):
        places[i] = i
    width = 1
    while width < size:
        for low in range(0, size, 2 * width):
            middle = min(low + width, size)
            high = min(low + 2 * width, size)
            i = low
            j = middle
            for out in range(low, high):
                take_right = i >= middle or (
                    j < high and comes_before(values[places[j]], values[places[i]], descending)
                )
                if take_right:
                    spare[out] = places[j]
                    j += 1
                else:
                    spare[out] = places[i]
                    i += 1
        for i in range(size):
            places[i] = spare[i]
        width *= 2
