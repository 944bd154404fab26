"""Building blocks of emitted vector code: the target's widths, and LLVM instructions on whole vectors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from llvmlite import binding, ir

from ..errors import InputError

SIZES = {"float32": 4, "float64": 8}
"""Bytes of the numbers that vectors hold."""

WORD = ir.IntType(64)
BYTE = ir.IntType(8)
POINTER = ir.PointerType()
NUMBER = ir.DoubleType()
WIDTHS = (512, 256, 128)
READING, NEAREST, DATA = 0, 3, 1
"""What LLVM is told of a fetch ahead: to read, into the first-level cache, data."""

VARIABLE = "GRAPHCOMP_VECTOR_BITS"
"""The environment variable that chooses a narrower vector than the machine's widest."""


@lru_cache(maxsize=1)
def host_features() -> frozenset[str]:
    return frozenset(name for name, present in binding.get_host_cpu_features().items() if present)


def vector_bits() -> int:
    """The width of the vectors in emitted code: the machine's widest, or what the environment asks for.

    Raises InputError if the environment asks for another width than 512, 256 or 128, or a wider one than there is.
    """
    asked = os.environ.get(VARIABLE)
    if asked:
        if asked not in map(str, WIDTHS):
            raise InputError(f"{VARIABLE} is {asked!r}; it must be one of {', '.join(map(str, WIDTHS))}")
        if int(asked) > _widest():
            raise InputError(f"{VARIABLE} is {asked}; this machine's vectors have {_widest()} bits")
        return int(asked)
    return _widest()


def _widest() -> int:
    features = host_features()
    if {"avx512f", "avx512vl", "avx512dq"} <= features:
        return 512
    return 256 if {"avx2", "fma"} <= features else 128


def processor(bits: int) -> tuple[str, str]:
    """LLVM's processor and features for vectors of that width: this machine, or a plainer one of its family."""
    if bits != _widest():
        plainer = {256: "x86-64-v3", 128: "x86-64"}
        return plainer[bits], ""
    return binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()


@dataclass(frozen=True, slots=True)
class Vector:
    """Vectors of `bits` that hold floating-point numbers of `bytes` bytes."""

    bytes: int
    bits: int

    @property
    def lanes(self) -> int:
        return self.bits // (8 * self.bytes)

    @property
    def size(self) -> int:
        """Bytes in a vector."""
        return self.bits // 8

    @property
    def element(self) -> Any:
        return ir.FloatType() if self.bytes == 4 else ir.DoubleType()

    @property
    def type(self) -> Any:
        return ir.VectorType(self.element, self.lanes)

    @property
    def masked(self) -> bool:
        """Whether part of a vector can be loaded in one instruction."""
        return self.bits > 128

    @property
    def suffix(self) -> str:
        return f"v{self.lanes}f{8 * self.bytes}"


def word(value: int) -> Any:
    return WORD(value)


def declared(module: Any, name: str, kind: Any) -> Any:
    """The function of a module by its name; one that is defined elsewhere is declared when it is first asked for."""
    return module.globals[name] if name in module.globals else ir.Function(module, kind, name)


def internal_function(module: Any, name: str, arguments: list[Any]) -> tuple[Any, Any]:
    """A function that only its own module sees and never copies into another one, and a builder at its beginning."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
    function.linkage = "internal"
    function.calling_convention = "fastcc"
    function.attributes.add("nounwind")
    function.attributes.add("noinline")
    return function, ir.IRBuilder(function.append_basic_block("entry"))


class Code:
    """LLVM instructions on vectors of one kind, written through a builder."""

    def __init__(self, builder: Any, vector: Vector) -> None:
        self.builder = builder
        self.vector = vector

    def declare(self, name: str, result: Any, arguments: list[Any]) -> Any:
        return declared(self.builder.module, name, ir.FunctionType(result, arguments))

    def move(self, pointer: Any, distance: Any) -> Any:
        """The pointer moved by so many bytes."""
        return self.builder.gep(pointer, [distance], source_etype=BYTE)

    def steps(self, pointer: Any, distance: Any, count: int) -> list[Any]:
        """Pointers that lie so many bytes apart."""
        pointers = [pointer]
        for _ in range(1, count):
            pointers.append(self.move(pointers[-1], distance))
        return pointers

    def call(self, function: Any, *arguments: Any) -> None:
        self.builder.call(function, arguments, cconv=function.calling_convention)

    def phis(self, values: Sequence[Any], before: Any) -> list[Any]:
        """What has these values if control comes from block `before`."""
        phis = [self.builder.phi(value.type) for value in values]
        for phi, value in zip(phis, values):
            phi.add_incoming(value, before)
        return phis

    def times(self, value: Any, factor: int) -> Any:
        return self.builder.mul(value, word(factor))

    def smaller(self, left: Any, right: Any) -> Any:
        return self.builder.select(self.builder.icmp_unsigned("<", left, right), left, right)

    def larger(self, left: Any, right: Any) -> Any:
        return self.builder.select(self.builder.icmp_unsigned(">", left, right), left, right)

    def ceiling(self, value: Any, divisor: Any) -> Any:
        """The quotient, rounded up."""
        builder = self.builder
        return builder.udiv(builder.add(value, builder.sub(divisor, word(1))), divisor)

    def within(self, numbers: Any) -> Any:
        """How many numbers lie in the last vector if it is not full, else 0."""
        return self.builder.and_(numbers, word(self.vector.lanes - 1))

    def vectors(self, numbers: Any) -> Any:
        """How many vectors hold so many numbers."""
        shift = word(self.vector.lanes.bit_length() - 1)
        return self.builder.lshr(self.builder.add(numbers, word(self.vector.lanes - 1)), shift)

    def repeated(self, count: Any, start: Sequence[Any], body: Callable[[list[Any]], Sequence[Any]]) -> list[Any]:
        """What `body` makes of the values `start` when it has run `count` times, each time on what it made before."""
        builder = self.builder
        before, again, after = builder.block, builder.append_basic_block("again"), builder.append_basic_block("after")
        builder.cbranch(builder.icmp_unsigned("==", count, word(0)), after, again)
        builder.position_at_end(again)
        left, *state = phis = self.phis([count, *start], before)
        # The counter is stepped after the body: before it, LLVM keeps the sums of the largest tile on the stack.
        made = body(state)
        results = [builder.sub(left, word(1)), *made]
        for phi, value in zip(phis, results):
            phi.add_incoming(value, builder.block)
        last = builder.block
        builder.cbranch(builder.icmp_unsigned("==", results[0], word(0)), after, again)
        builder.position_at_end(after)
        found = self.phis(start, before)
        for phi, value in zip(found, results[1:]):
            phi.add_incoming(value, last)
        return found

    def _test(self, body: str) -> tuple[Any, Any, Any, Any]:
        """The beginning of a loop's test: a number that starts from zero, and the blocks of test, body and end."""
        builder, before = self.builder, self.builder.block
        test, inside, done = (builder.append_basic_block(name) for name in ("test", body, "done"))
        builder.branch(test)
        builder.position_at_end(test)
        number = builder.phi(WORD)
        number.add_incoming(word(0), before)
        return number, test, inside, done

    @contextmanager
    def counted(self, count: Any) -> Iterator[Any]:
        """A loop that turns `count` times: the number of the turn, from zero on."""
        builder = self.builder
        turn, test, body, done = self._test("turn")
        builder.cbranch(builder.icmp_signed("<", turn, count), body, done)
        builder.position_at_end(body)
        yield turn
        turn.add_incoming(builder.add(turn, word(1), flags=("nsw",)), builder.block)
        builder.branch(test)
        builder.position_at_end(done)

    @contextmanager
    def chunks(self, total: Any, count: Any) -> Iterator[tuple[Any, Any]]:
        """A loop over `count` nearly equal chunks of `total`: where each begins, and its length."""
        builder = self.builder
        divisor = self.larger(count, word(1))
        base, extra = builder.udiv(total, divisor), builder.urem(total, divisor)
        with self.counted(count) as turn:
            longer = builder.zext(builder.icmp_unsigned("<", turn, extra), WORD)
            begin = builder.add(builder.mul(turn, base), self.smaller(turn, extra))
            yield begin, builder.add(base, longer)

    @contextmanager
    def pieces(self, total: Any, lengths: tuple[int, ...], most: Any = None) -> Iterator[tuple[Any, Any]]:
        """A loop over pieces of `total`, each as long as may be (and as `most`): where each begins, and its length."""
        builder = self.builder
        begin, test, body, done = self._test("piece")
        left = builder.sub(total, begin)
        builder.cbranch(builder.icmp_unsigned("==", left, word(0)), done, body)
        builder.position_at_end(body)
        left = left if most is None else self.smaller(left, most)
        length = word(lengths[-1])
        for each in reversed(lengths[:-1]):
            length = builder.select(builder.icmp_unsigned(">=", left, word(each)), word(each), length)
        yield begin, length
        begin.add_incoming(builder.add(begin, length), builder.block)
        builder.branch(test)
        builder.position_at_end(done)

    def splat(self, value: Any) -> Any:
        builder, kind = self.builder, ir.VectorType(value.type, self.vector.lanes)
        first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.vector.lanes), None)
        return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)

    def zero(self) -> Any:
        return ir.Constant(self.vector.type, None)

    def mask(self, count: Any) -> Any:
        """True in the first `count` lanes; all of them if there are as many or more."""
        lanes, short = self.vector.lanes, ir.IntType(8 * self.vector.bytes)  # as wide as the numbers that it masks
        places = ir.Constant(ir.VectorType(short, lanes), list(range(lanes)))
        count = self.builder.trunc(self.smaller(count, word(lanes)), short)
        return self.builder.icmp_unsigned("<", places, self.splat(count))

    def load(self, pointer: Any, mask: Any = None) -> Any:
        """A vector from memory; lanes that are masked out are 0 and not touched in memory."""
        vector = self.vector
        if mask is None:
            return self.builder.load(pointer, align=vector.bytes, typ=vector.type)
        kind, flags = vector.type, ir.VectorType(ir.IntType(1), vector.lanes)
        function = self.declare(f"llvm.masked.load.{vector.suffix}.p0", kind, [POINTER, ir.IntType(32), flags, kind])
        return self.builder.call(function, [pointer, ir.IntType(32)(vector.bytes), mask, self.zero()])

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        vector = self.vector
        if mask is None:
            self.builder.store(value, pointer, align=vector.bytes)
            return
        flags = ir.VectorType(ir.IntType(1), vector.lanes)
        function = self.declare(
            f"llvm.masked.store.{vector.suffix}.p0", ir.VoidType(), [vector.type, POINTER, ir.IntType(32), flags]
        )
        self.builder.call(function, [value, pointer, ir.IntType(32)(vector.bytes), mask])

    def fetch(self, pointer: Any) -> None:
        """Ask for the cache line at an address, which need not be one of the program's own: nothing can go wrong."""
        flag = ir.IntType(32)
        function = self.declare("llvm.prefetch.p0", ir.VoidType(), [POINTER, flag, flag, flag])
        self.builder.call(function, [pointer, *map(flag, (READING, NEAREST, DATA))])

    def multiply_add(self, left: Any, right: Any, total: Any) -> Any:
        """left * right + total, in one rounding where the machine can."""
        kind = self.vector.type
        function = self.declare(f"llvm.fmuladd.{self.vector.suffix}", kind, [kind] * 3)
        return self.builder.call(function, [left, right, total])

    def total(self, value: Any) -> Any:
        """The sum of a vector's lanes, added in pairs."""
        element, kind = self.vector.element, self.vector.type
        function = self.declare(f"llvm.vector.reduce.fadd.{self.vector.suffix}", element, [element, kind])
        return self.builder.call(function, [ir.Constant(element, 0.0), value], fastmath=("reassoc",))
