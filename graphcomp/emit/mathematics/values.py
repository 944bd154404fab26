"""Numbers while code for them is written: with these, a formula in plain Python writes LLVM instructions.

A function of `Value`s says what is to be computed, without branches: of numbers, of which LLVM's loop vectoriser makes
vector code, or of whole vectors.
Python's own control flow (the loop of `polynomial`, a choice by dtype) happens while the code is written.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llvmlite import ir

from ..vectors import declared


@dataclass(frozen=True, eq=False)
class Format:
    """A binary floating-point format (IEEE 754)."""

    dtype: str
    real: Any
    integer: Any
    fraction: int
    """Bits of the fraction."""
    exponent: int
    """The exponent of the smallest normal number, and that of the largest number less one, with the other sign."""
    codes: str

    @cached_property
    def whole(self) -> float:
        """Added to a number and taken off, this leaves the nearest integer, which its low bits hold meanwhile."""
        return 1.5 * 2.0**self.fraction

    @cached_property
    def sign(self) -> int:
        return 1 << (self.integer.width - 1)

    def bits(self, number: float) -> int:
        return int(struct.unpack(self.codes[1], struct.pack(self.codes[0], number))[0])

    def rounded(self, number: float) -> float:
        return float(struct.unpack(self.codes[0], struct.pack(self.codes[0], number))[0])


SINGLE = Format("float32", ir.FloatType(), ir.IntType(32), 23, -126, "fI")
DOUBLE = Format("float64", ir.DoubleType(), ir.IntType(64), 52, -1022, "dQ")


class Value:
    """A number, an integer or a truth value that the code computes, or a vector of such.

    Plain numbers beside it take its type.
    """

    __slots__ = ("builder", "code")

    def __init__(self, builder: Any, code: Any) -> None:
        self.builder = builder
        self.code = code

    @property
    def format(self) -> Format:
        return SINGLE if self.element in (SINGLE.real, SINGLE.integer) else DOUBLE

    @property
    def element(self) -> Any:
        """The type of the number, or of the numbers in the vector."""
        return self.code.type.element if _is_vector(self.code.type) else self.code.type

    @property
    def is_real(self) -> bool:
        return self.element in (SINGLE.real, DOUBLE.real)

    def shaped(self, element: Any) -> Any:
        """The type of as many of another kind."""
        return ir.VectorType(element, self.code.type.count) if _is_vector(self.code.type) else element

    def like(self, other: Value | float) -> Any:
        """The code of another value; a plain number as a constant of this value's type."""
        if isinstance(other, Value):
            return other.code
        return _constant(self.code.type, self.format.rounded(other) if self.is_real else int(other))

    def _made(self, real: str, integer: str, other: Value | float, turned: bool = False) -> Value:
        operands = [self.code, self.like(other)]
        method = getattr(self.builder, real if self.is_real else integer)
        return Value(self.builder, method(*(operands[::-1] if turned else operands)))

    def _compared(self, sign: str, other: Value | float) -> Value:
        if self.is_real:
            compare = self.builder.fcmp_unordered if sign == "!=" else self.builder.fcmp_ordered
        else:
            compare = self.builder.icmp_signed
        return Value(self.builder, compare(sign, self.code, self.like(other)))

    def __add__(self, other: Value | float) -> Value:
        return self._made("fadd", "add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self._made("fsub", "sub", other)

    def __rsub__(self, other: float) -> Value:
        return self._made("fsub", "sub", other, turned=True)

    def __mul__(self, other: Value | float) -> Value:
        return self._made("fmul", "mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self._made("fdiv", "sdiv", other)

    def __rtruediv__(self, other: float) -> Value:
        return self._made("fdiv", "sdiv", other, turned=True)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Value:
        return Value(self.builder, self.builder.fneg(self.code))

    def __and__(self, other: Value | int) -> Value:
        return self._made("and_", "and_", other)

    def __or__(self, other: Value | int) -> Value:
        return self._made("or_", "or_", other)

    def __xor__(self, other: Value | int) -> Value:
        return self._made("xor", "xor", other)

    def __lshift__(self, other: int) -> Value:
        return self._made("shl", "shl", other)

    def __rshift__(self, other: int) -> Value:
        return self._made("ashr", "ashr", other)

    def __lt__(self, other: Value | float) -> Value:
        return self._compared("<", other)

    def __le__(self, other: Value | float) -> Value:
        return self._compared("<=", other)

    def __gt__(self, other: Value | float) -> Value:
        return self._compared(">", other)

    def __ge__(self, other: Value | float) -> Value:
        return self._compared(">=", other)

    def equals(self, other: Value | float) -> Value:
        return self._compared("==", other)

    def differs(self, other: Value | float) -> Value:
        return self._compared("!=", other)


def fma(x: Value, y: Value | float, z: Value | float) -> Value:
    """x·y + z, rounded once."""
    return Value(x.builder, _intrinsic(x.builder, "llvm.fma", x.code, x.like(y), x.like(z)))


def _intrinsic(builder: Any, name: str, *arguments: Any) -> Any:
    """LLVM's function of numbers or of vectors. (llvmlite has no names for those of vectors.)"""
    kind = arguments[0].type
    suffix = f"v{kind.count}{kind.element.intrinsic_name}" if _is_vector(kind) else kind.intrinsic_name
    shape = ir.FunctionType(kind, [kind] * len(arguments))
    return builder.call(declared(builder.module, f"{name}.{suffix}", shape), arguments)


def _unary(name: str, x: Value) -> Value:
    return Value(x.builder, _intrinsic(x.builder, name, x.code))


def absolute(x: Value) -> Value:
    return _unary("llvm.fabs", x)


def square_root(x: Value) -> Value:
    return _unary("llvm.sqrt", x)


def floor(x: Value) -> Value:
    return _unary("llvm.floor", x)


def ceiling(x: Value) -> Value:
    return _unary("llvm.ceil", x)


def rounded(x: Value) -> Value:
    """The nearest integer, halves to the even one."""
    return _unary("llvm.rint", x)


def constant(like: Value, number: float) -> Value:
    """A plain number in the type of a value."""
    return Value(like.builder, like.like(number))


def negated(condition: Value) -> Value:
    return Value(condition.builder, condition.builder.not_(condition.code))


def select(condition: Value, x: Value | float, y: Value | float) -> Value:
    """x where the condition holds, else y; one of them is a value."""
    typed = x if isinstance(x, Value) else y
    assert isinstance(typed, Value)
    return Value(typed.builder, typed.builder.select(condition.code, typed.like(x), typed.like(y)))


def at_most(x: Value, bound: float) -> Value:
    """The smaller of the two; NaN stays."""
    return select(x > bound, bound, x)


def at_least(x: Value, bound: float) -> Value:
    """The larger of the two; NaN stays."""
    return select(x < bound, bound, x)


def bits(x: Value) -> Value:
    """The integer that is stored as the number is."""
    return Value(x.builder, x.builder.bitcast(x.code, x.shaped(x.format.integer)))


def number(x: Value) -> Value:
    """The number that is stored as the integer is."""
    return Value(x.builder, x.builder.bitcast(x.code, x.shaped(x.format.real)))


def with_sign(x: Value, signs: Value) -> Value:
    """x ≥ 0 with the sign bit of an integer."""
    return number(bits(x) | (signs & x.format.sign))


def flipped(x: Value, signs: Value) -> Value:
    """x with its sign changed where the sign bit of an integer is set."""
    return number(bits(x) ^ (signs & x.format.sign))


def power_of_two(exponent: Value) -> Value:
    """2ⁿ as a number, of the low bits of an integer n."""
    form = exponent.format
    return number((exponent << form.fraction) + form.bits(1.0))


def whole(n: Value) -> Value:
    """A small integer as a number."""
    form = n.format
    return number(n + form.bits(form.whole)) - form.whole


def widened(x: Value) -> Value:
    return Value(x.builder, x.builder.fpext(x.code, x.shaped(DOUBLE.real))) if x.format is SINGLE else x


def narrowed(x: Value, form: Format) -> Value:
    return Value(x.builder, x.builder.fptrunc(x.code, x.shaped(SINGLE.real))) if form is SINGLE else x


def polynomial(x: Value, coefficients: Sequence[Value | float]) -> Value:
    """c₀ + c₁x + c₂x² + …, by Horner's rule."""
    result: Value | float = coefficients[-1]
    for coefficient in coefficients[-2::-1]:
        result = fma(x, result, coefficient)
    assert isinstance(result, Value)
    return result


# functions of a module ----------------------------------------------------------------------------------------------

LANES = (2, 4, 8, 16)
"""Vectors for which rare cases have code."""


def attributes(function: Any, *names: str) -> None:
    """Attributes of LLVM functions, also those which llvmlite has no word for."""
    for name in names:
        set.add(function.attributes, name)


def defined(module: Any, name: str, formula: Callable[..., Value], form: Format, arity: int, lanes: int = 1) -> Any:
    """The LLVM function of a formula, made once for each module and copied to wherever it is called.

    With more than one of `lanes` it is a function of vectors.
    """
    name = f"graphcomp_{name}_{form.dtype}{f'_{lanes}' * (lanes > 1)}"
    if name not in module.globals:
        kind = ir.VectorType(form.real, lanes) if lanes > 1 else form.real
        function = ir.Function(module, ir.FunctionType(kind, [kind] * arity), name)
        function.linkage = "internal"
        attributes(function, "alwaysinline", "nounwind")
        builder = ir.IRBuilder(function.append_basic_block())
        builder.ret(formula(*(Value(builder, argument) for argument in function.args)).code)
    return module.globals[name]


def rarely(condition: Callable[[Any, Any], Any], name: str, x: Value, otherwise: Value) -> Value:
    """The C library's function of x where the condition holds.

    `condition` writes the test of numbers, or of vectors of numbers. In a vectorised loop this is one test for each
    vector: the entries concerned are computed one by one. (LLVM calls the function for vectors which the attribute
    `vector-function-abi-variant` names.)
    """
    function = _rare(x.builder.module, condition, name + ("f" if x.format is SINGLE else ""), x.format)
    if _is_vector(x.code.type):
        function = x.builder.module.globals[f"{function.name}_{x.code.type.count}"]
    return Value(x.builder, x.builder.call(function, [x.code, otherwise.code]))


_PURE = ("nounwind", "willreturn", "memory(none)")


def _rare(module: Any, condition: Callable[[Any, Any], Any], name: str, form: Format) -> Any:
    """A function of x and the usual result, and the same for vectors."""
    own = f"graphcomp_rare_{name}"
    if own in module.globals:
        return module.globals[own]
    kind = ir.FunctionType(form.real, [form.real])
    library = module.globals[name] if name in module.globals else ir.Function(module, kind, name)
    function = ir.Function(module, ir.FunctionType(form.real, [form.real] * 2), own)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    x, usual = function.args
    with builder.if_then(condition(builder, x), likely=False):
        builder.ret(builder.call(library, [x]))
    builder.ret(usual)
    variants = [_lanes(module, condition, library, own, form, lanes) for lanes in LANES]
    names = ",".join(f"_ZGV_LLVM_N{n}vv_{own}({variant.name})" for n, variant in zip(LANES, variants))
    attributes(function, "noinline", *_PURE, f'"vector-function-abi-variant"="{names}"')
    _keep(module, variants)
    return function


def _lanes(module: Any, condition: Callable[[Any, Any], Any], library: Any, own: str, form: Format, lanes: int) -> Any:
    """The function of vectors.

    The loop over the entries stands apart, so that a vector of ordinary ones costs a test. This function is copied into
    the vectorised loop where that is linked with the program's entry.
    """
    vector, word = ir.VectorType(form.real, lanes), ir.IntType(lanes)
    function = ir.Function(module, ir.FunctionType(vector, [vector, vector]), f"{own}_{lanes}")
    function.linkage = "internal"
    attributes(function, "alwaysinline", *_PURE)
    x, usual = function.args
    entry, some, done = (function.append_basic_block(label) for label in ("entry", "some", "done"))
    builder = ir.IRBuilder(entry)
    wanted = builder.bitcast(condition(builder, x), word)
    builder.cbranch(builder.icmp_unsigned("==", wanted, word(0)), done, some).set_weights([1 << 20, 1])
    builder.position_at_end(some)
    changed = builder.call(_one_by_one(module, library, own, vector, word), [x, usual, wanted])
    builder.branch(done)
    builder.position_at_end(done)
    result = builder.phi(vector)
    result.add_incoming(usual, entry)
    result.add_incoming(changed, some)
    builder.ret(result)
    return function


def _one_by_one(module: Any, library: Any, own: str, vector: Any, word: Any) -> Any:
    """The usual results, and the scalar function of each entry whose bit is set in a word that is not zero."""
    function = ir.Function(module, ir.FunctionType(vector, [vector, vector, word]), f"{own}_some_{word.width}")
    function.linkage = "internal"
    attributes(function, "noinline", "cold", *_PURE)
    entry, each, done = (function.append_basic_block(label) for label in ("entry", "each", "done"))
    x, usual, wanted = function.args
    ir.IRBuilder(entry).branch(each)
    builder = ir.IRBuilder(each)
    rest, values = builder.phi(word), builder.phi(vector)
    place = builder.cttz(rest, ir.IntType(1)(1))
    changed = builder.insert_element(values, builder.call(library, [builder.extract_element(x, place)]), place)
    fewer = builder.and_(rest, builder.sub(rest, word(1)))
    for phi, first, later in ((rest, wanted, fewer), (values, usual, changed)):
        phi.add_incoming(first, entry)
        phi.add_incoming(later, each)
    builder.cbranch(builder.icmp_unsigned("==", fewer, word(0)), done, each)
    builder.position_at_end(done)
    builder.ret(changed)
    return function


def beyond(bound: float) -> Callable[[Any, Any], Any]:
    """The test |x| ≥ bound of a number or a vector."""
    return lambda builder, x: builder.fcmp_ordered(">=", _intrinsic(builder, "llvm.fabs", x), _constant(x.type, bound))


def _is_vector(kind: Any) -> bool:
    return isinstance(kind, ir.VectorType)


def below(bound: float) -> Callable[[Any, Any], Any]:
    """The test x ≤ bound of a number or a vector."""
    return lambda builder, x: builder.fcmp_ordered("<=", x, _constant(x.type, bound))


def _constant(kind: Any, number: float) -> Any:
    return kind([kind.element(number)] * kind.count) if _is_vector(kind) else kind(number)


def _keep(module: Any, functions: Sequence[Any]) -> None:
    """Keep functions that only an attribute names, until the loops have been vectorised."""
    pointer = ir.IntType(8).as_pointer()
    name = "llvm.compiler.used"
    kept = list(module.globals[name].initializer.constant) if name in module.globals else []
    kept += [function.bitcast(pointer) for function in functions]
    kind = ir.ArrayType(pointer, len(kept))
    if name not in module.globals:
        used = ir.GlobalVariable(module, kind, name)
        used.linkage, used.section = "appending", "llvm.metadata"
    module.globals[name].value_type = kind
    module.globals[name].initializer = ir.Constant(kind, kept)
