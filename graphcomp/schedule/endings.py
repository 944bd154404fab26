"""Products whose result is only scaled and added to an array: each tile does that before it leaves the registers.

A step of gradient descent, w - rate · xᵀg, and a connection around a layer, x + hw, are of this form (the C = βC + αAB
of the BLAS; Dongarra et al., "A set of level 3 basic linear algebra subprograms", ACM TOMS 16(1), 1990). The result
itself is then neither written nor read, and the array comes and goes while the next tile is computed. Each operation is
rounded as it would be alone, so no bit changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..graph.types import equal, magnitude, product
from .program import (
    Assign,
    Buffer,
    Compute,
    Ending,
    Kernel,
    Load,
    LoopKernel,
    LoopOver,
    Operand,
    ProductKernel,
    Statement,
    Store,
    checks,
    guards,
    leaves,
    used,
    written,
)


def end_in_registers(kernels: list[Kernel], outputs: Sequence[Buffer]) -> list[Kernel]:
    """The kernels, products with their endings where the loops with these were; loops inside are looked at alone."""
    users: dict[int, int] = {}
    for number in [
        *(buffer.root.number for buffer in (*outputs, *guards(kernels))),
        *(number for leaf in leaves(kernels) for number in numbers(used(leaf))),
    ]:
        users[number] = users.get(number, 0) + 1
    return _ended(kernels, {number for number, count in users.items() if count == 2})


@dataclass(frozen=True, slots=True)
class _Placed:
    """A kernel, and the numbers of the buffers that it touches and writes; whether it checks indices."""

    kernel: Kernel
    touched: frozenset[int]
    written: frozenset[int]
    checks: bool

    @classmethod
    def of(cls, kernel: Kernel) -> _Placed:
        return cls(kernel, frozenset(numbers(used(kernel))), frozenset(numbers(written(kernel))), checks(kernel))


def _ended(kernels: list[Kernel], passed_on: set[int]) -> list[Kernel]:
    """`passed_on` are the numbers of buffers that one kernel writes and one reads."""
    found: list[_Placed] = []
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            kernel.kernels = _ended(kernel.kernels, passed_on)
        if not isinstance(kernel, LoopKernel) or not _take_over(found, kernel, passed_on):
            found.append(_Placed.of(kernel))
    return [placed.kernel for placed in found]


def _take_over(before: list[_Placed], kernel: LoopKernel, passed_on: set[int]) -> bool:
    """Let one of the products `before` do what a loop does, if possible.

    It then runs where both may run first, while its operands are near: after the last kernel that touches what it
    writes, or changes what it reads, and after all indices are checked where it changes an input.
    """
    read = {each.buffer.root.number for each in kernel.body if isinstance(each, Load)} & passed_on
    for place, placed in enumerate(before if read else ()):
        each = placed.kernel
        if not isinstance(each, ProductKernel) or each.result.buffer.number not in read or not _is_plain(each):
            continue
        ending = _ending(kernel, each)
        if ending is None:
            continue
        result, base = ending.result.buffer.root, ending.base.buffer.root.number
        between = [
            at
            for at, other in enumerate(before)
            if result.number in other.touched or base in other.written or (other.checks and result.role == "input")
        ]
        then = max([place, *between])
        if then > place and 2 * magnitude(each.result.buffer.size) < _operand_size(each):
            continue  # the operands, which have left the caches by then, are more than what is neither written nor read
        operands = numbers((each.left.buffer, each.right.buffer))
        if result.number not in operands and all(
            operands.isdisjoint(other.written) for other in before[place + 1 : then + 1]
        ):
            ended = replace(each, ending=ending, nodes=[*each.nodes, *kernel.nodes])
            before.insert(then + 1, _Placed.of(ended))
            del before[place]
            return True
    return False


def _operand_size(kernel: ProductKernel) -> float:
    return sum(magnitude(buffer.size) for buffer in (kernel.left.buffer, kernel.right.buffer))


def numbers(buffers: Iterable[Buffer]) -> set[int]:
    return {buffer.root.number for buffer in buffers}


def _is_plain(kernel: ProductKernel) -> bool:
    """Whether the routine of matrices computes the product, and its result fills a buffer of its own."""
    buffer = kernel.result.buffer
    is_matrix = len(kernel.inner) == 1 and not kernel.along_inner and not kernel.limits and kernel.ending is None
    fills = equal(product((*kernel.batch, kernel.m, kernel.n)), buffer.size) is True
    sides = all(isinstance(size, int) and size > 1 for size in (kernel.m, kernel.n))
    return is_matrix and fills and sides and kernel.result.n == 1 and buffer.role == "scratch" and buffer.of is None


# what a loop does ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scaled:
    """`scale` times an entry of what a load reads."""

    load: Load
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """An entry of an array, and a product's added to it."""

    base: Load
    scale: float


def _ending(kernel: LoopKernel, of: ProductKernel) -> Ending | None:
    """The ending that a loop is, if it takes each entry of the product once, and all in the same order in memory."""
    loads = [statement for statement in kernel.body if isinstance(statement, Load)]
    stores = [statement for statement in kernel.body if isinstance(statement, Store)]
    turns = product(loop.extent for loop in kernel.loops)
    if len(loads) != 2 or len(stores) != 1 or stores[0].combine or equal(turns, of.result.buffer.size) is not True:
        return None
    if any(loop.within is not None for loop in kernel.loops):
        return None
    values: dict[str, object] = {}
    for statement in kernel.body:
        if isinstance(statement, Store):
            break
        name = getattr(statement, "target", "")
        values[name] = _value(statement, values, of.result.buffer)
    total = values.get(stores[0].value)
    if not isinstance(total, Sum):
        return None
    touches: list[Load | Store] = [*loads, stores[0]]
    places = [each.buffer.begin + each.address for each in touches]
    dtypes = {each.buffer.type.dtype for each in touches}
    if dtypes != {of.dtype} or any(place != places[0] for place in places):
        return None
    return Ending(_operand(of, total.base.buffer), _operand(of, stores[0].buffer), total.scale)


def _operand(of: ProductKernel, buffer: Buffer) -> Operand:
    """A buffer whose entries lie as those of the product's result."""
    return replace(of.result, buffer=buffer.root)


def _value(statement: Statement, values: dict[str, object], product: Buffer) -> object:
    """What a statement computes: a number, an entry of an array, a multiple of a product's, the sum; None otherwise."""
    if isinstance(statement, Load):
        return Scaled(statement, 1.0 if statement.buffer is product else None)
    if isinstance(statement, Assign):
        try:
            return float(statement.text)
        except ValueError:
            return None
    if not isinstance(statement, Compute) or len(statement.arguments) != 2:
        return None
    first, second = (values.get(name) for name in statement.arguments)
    if statement.op == "multiply":
        for number, entry in ((first, second), (second, first)):
            if isinstance(number, float) and isinstance(entry, Scaled) and entry.scale == 1.0:
                return Scaled(entry.load, number)
    if statement.op in ("add", "subtract"):
        sign = 1.0 if statement.op == "add" else -1.0
        for base, entry in ((first, second), *([(second, first)] if sign > 0 else [])):
            if (
                isinstance(base, Scaled)
                and base.scale is None
                and isinstance(entry, Scaled)
                and entry.scale is not None
            ):
                return Sum(base.load, sign * entry.scale)
    return None
