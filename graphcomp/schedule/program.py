"""What scheduling produces: buffers, and kernels that fill them, in order.

Three forms of kernel. A `LoopKernel` is a nest of loops over the entries of its result, with a body of statements;
fused elementwise chains, reductions, windows, gathers, scatters and sums over groups are all of this form. A
`ProductKernel` is a matrix product over strided views of buffers, which goes to BLAS. A `CallKernel` calls a routine
for what is computed as a whole, such as a factorisation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import sympy as sp

from ..graph import Dimension, Graph, TensorType
from ..graph.types import product
from ..ops.index import Guard, Index, weighted

START = Index()

INNER_LOOPS = 3
"""How many loops the inner index of a product may have."""

LINE = 16
"""With a step of so many entries, neighbours lie in lines of the cache of their own."""


@dataclass(slots=True)
class Buffer:
    """Memory for one value. `order` lists the logical axes from slowest to fastest; `role` is input, array, output,
    scratch or window.

    A window is a part of the buffer `of` that begins at entry `place`, which may move with the loops around it: what a
    step of a loop reads and writes. One that is narrower than the buffer has the buffer's strides as `steps`.
    """

    number: int
    type: TensorType
    order: tuple[int, ...]
    role: str
    node: int
    key: str = ""
    of: Buffer | None = None
    place: Index = START
    steps: tuple[Dimension, ...] = ()

    @property
    def root(self) -> Buffer:
        """The buffer whose memory this is."""
        return self if self.of is None else self.of.root

    @property
    def begin(self) -> Index:
        """The entry of that buffer where this one begins."""
        return self.place if self.of is None else self.of.begin + self.place

    def become_window(self, target: Buffer) -> None:
        """Lie where the window `target` lies."""
        self.role, self.of, self.place = "window", target.of, target.place
        self.type = self.type.with_dtype(target.type.dtype)

    @property
    def strides(self) -> tuple[Dimension, ...]:
        """The distance in entries between neighbours along each logical axis."""
        if self.steps:
            return self.steps
        strides: list[Dimension] = [1] * self.type.rank
        step: Dimension = 1
        for axis in reversed(self.order):
            strides[axis] = step
            step = step * self.type.shape[axis]
        return tuple(strides)

    @property
    def is_row_major(self) -> bool:
        return self.order == tuple(range(self.type.rank)) and not self.steps

    @property
    def size(self) -> Dimension:
        return product(self.type.shape)

    def address(self, index: tuple[Index, ...]) -> Index:
        """The position in memory of the entry at `index`."""
        return weighted(index, self.strides)

    def __str__(self) -> str:
        order = "" if self.is_row_major else f", axes in memory {self.order}"
        return f"b{self.number}: {self.type} ({self.role} of %{self.node}{order})"


# statements ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Load:
    """`target = buffer[address]`, the address counted in entries."""

    target: str
    buffer: Buffer
    address: Index
    dtype: str


@dataclass(slots=True)
class Compute:
    """`target = op(arguments)` for one entry."""

    target: str
    op: str
    arguments: tuple[str, ...]
    attributes: Any
    argument_dtype: str
    dtype: str
    node: int


@dataclass(slots=True)
class Assign:
    """`target = dtype(text)`; the text is made by an op's record."""

    target: str
    text: str
    dtype: str
    node: int


@dataclass(slots=True)
class Position:
    """A value loaded from an integer array and used as an index into an axis of `extent` entries.

    It is checked, unless it is `known` to lie in range.
    """

    target: str
    value: str
    extent: Dimension
    node: int
    known: bool = False


@dataclass(slots=True)
class Choose:
    """The value of the first branch whose guards hold, else zero."""

    target: str
    dtype: str
    branches: list[tuple[tuple[Guard, ...], list[Statement], str]]
    node: int


@dataclass(slots=True)
class Reduce:
    """Combine `value` over the loops of a box; `combine` as in `ops.record.Contraction`.

    `beside` are reductions that run in the same loops; their bodies are part of this one's.
    One that finds where an extremum stands gives the extremum too, to the variable `extremum` if there is one.
    """

    target: str
    combine: str
    loops: list[Loop]
    body: list[Statement]
    value: str
    value_dtype: str
    dtype: str
    node: int
    beside: list[Reduce] = field(default_factory=list)
    extremum: str = ""


@dataclass(slots=True)
class Store:
    """`buffer[address] = value`, or `+=` (any combine) where `combine` is given."""

    buffer: Buffer
    address: Index
    value: str
    node: int
    combine: str = ""


@dataclass(slots=True)
class Sort:
    """Sort one row: `size` values from position 0 of `values` (scratch) into `places` (scratch), stably."""

    values: Buffer
    places: Buffer
    spare: Buffer
    size: Dimension
    descending: bool
    node: int


@dataclass(slots=True)
class Loop:
    """`shared`: the threads of a team share out its turns, `unit` of them (those of loops joined to it) at a time.

    With `within`, two variables, it runs from the value of the first to that of the second, inside of `extent`.
    """

    variable: str
    extent: Dimension
    reverse: bool = False
    unit: Dimension = 1
    shared: bool = False
    within: tuple[str, str] | None = None


@dataclass(slots=True)
class Nest:
    """Loops around statements."""

    loops: list[Loop]
    body: list[Statement]


@dataclass(slots=True)
class Transpose(Nest):
    """A load and its store in two loops: neighbours in memory are read along the first, written along the second."""


@dataclass(slots=True)
class Gathered:
    """A row of a result: for each `member` of a group, `lookups` once, then `body` in `loops` over the row's entries.

    The values that `store` would write are combined over the members and written once; where there are no members,
    what the combination starts from.
    """

    member: Loop
    lookups: list[Statement]
    loops: list[Loop]
    body: list[Statement]
    store: Store
    combine: str
    groups: Dimension

    @property
    def inside(self) -> list[Statement]:
        """What the loops hold."""
        return [*self.body, self.store]


Statement: TypeAlias = Load | Compute | Assign | Position | Choose | Reduce | Store | Sort | Nest | Gathered


Stopped: TypeAlias = "tuple[LoopKernel, str] | None"
"""The last kernel with the same loops that a value could have joined, and why it did not."""


@dataclass(slots=True)
class LoopKernel:
    """Loops around statements. `meets`, of every form of kernel: the threads of a team wait for each other before."""

    number: int
    loops: list[Loop]
    body: list[Statement]
    nodes: list[int]
    domain: tuple[Any, ...] = ()
    helpers: dict[str, Callable[..., Any]] = field(default_factory=dict)
    meets: bool = False
    stopped: Stopped = None

    @property
    def is_shared(self) -> bool:
        """Whether each thread does a share of it; else the first one does it all."""
        nests = [self.loops, *(statement.loops for statement in self.statements() if isinstance(statement, Nest))]
        return any(loop.shared for loops in nests for loop in loops)

    def statements(self) -> Iterator[Statement]:
        yield from walk(self.body)


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix inside a buffer: where it begins, and its steps in entries.

    `batch` holds a step for each batch loop, `m` from row to row of the product, `n` from column to column, and `k` one
    for each loop over the inner index. Two of these are zero or empty: an operand has two sides.
    """

    buffer: Buffer
    offset: Dimension
    batch: tuple[Dimension, ...]
    m: Dimension = 0
    n: Dimension = 0
    k: tuple[Dimension, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """The turns of an inner loop of a product: those where begin + counter - step · turn lies in range(size).

    `inner` says which loop, `batch` which batch loop's counter is meant; None is a counter that stays 0.
    """

    inner: int
    batch: int | None
    begin: Dimension
    step: Dimension
    size: Dimension


@dataclass(frozen=True, slots=True)
class Ending:
    """result[m, n] = base[m, n] + scale · product[m, n]: what becomes of a product's entries."""

    base: Operand
    result: Operand
    scale: float


@dataclass(slots=True)
class ProductKernel:
    """result[m, n] = Σₖ left[m, k] · right[k, n] for every step of the batch loops.

    The inner index has a loop for each of the extents `inner`, the outermost first: several where the operands are
    windows, whose entries do not lie evenly in memory. With `adds` it adds to what is in the result. What lies side by
    side in both operands are entries of the inner index where it is `along_inner`, else the columns.
    `shared` is what the threads of a team share out: batch, rows, columns, batch and rows, or nothing. `limits` are
    those of inner loops that do not make all of their turns everywhere. With an `ending` the result holds no more than
    sums over a part of the inner index, and where that is not needed, nothing.
    """

    number: int
    batch: tuple[Dimension, ...]
    m: Dimension
    n: Dimension
    inner: tuple[Dimension, ...]
    left: Operand
    right: Operand
    result: Operand
    dtype: str
    nodes: list[int]
    adds: bool = False
    along_inner: bool = False
    shared: str = ""
    meets: bool = False
    limits: tuple[Limit, ...] = ()
    ending: Ending | None = None

    @property
    def operands(self) -> list[Operand]:
        """What it reads, and then what it writes."""
        ending = self.ending
        return [self.left, self.right, *([ending.base] if ending else []), *self.results]

    @property
    def results(self) -> list[Operand]:
        """What it writes."""
        return [self.result, *([self.ending.result] if self.ending else [])]

    @property
    def k(self) -> Dimension:
        """The extent of the inner index."""
        return product(self.inner)

    @property
    def is_shared(self) -> bool:
        return bool(self.shared)


@dataclass(slots=True)
class CallKernel:
    """A routine of the target, by name, called with buffers and then with sizes and flags.

    It reads `inputs`, fills `outputs` (some hold a copy of an argument before, and are worked on in place) and may use
    `workspace` as it likes. `of` is the type of the batch of matrices, `work` roughly the floating-point operations for
    one of them.
    """

    number: int
    function: str
    inputs: list[Buffer]
    outputs: list[Buffer]
    workspace: list[Buffer]
    sizes: tuple[Dimension, ...]
    of: TensorType
    work: Dimension
    nodes: list[int]
    meets: bool = False
    is_shared: ClassVar[bool] = False

    @property
    def buffers(self) -> list[Buffer]:
        """All buffers, in the order in which the routine takes them."""
        return [*self.inputs, *self.outputs, *self.workspace]


@dataclass(slots=True)
class LoopOver:
    """Kernels that run again for each value of a variable in range(extent). `graph` holds the nodes that they compute.

    `locals` are the numbers of the buffers that hold nothing from one turn to the next. With a `guard` (a buffer of one
    truth value, and which one goes on) it is looked at before each turn; an extent of None is then no bound.
    Of a loop that `is_shared` out each thread does its turns alone, and nobody meets inside.
    """

    number: int
    variable: str
    extent: Dimension | None
    kernels: list[Kernel]
    nodes: list[int]
    graph: Graph
    locals: frozenset[int] = frozenset()
    guard: tuple[Buffer, bool] | None = None
    meets: bool = False
    is_shared: bool = False


Leaf: TypeAlias = LoopKernel | ProductKernel | CallKernel
Kernel: TypeAlias = Leaf | LoopOver


@dataclass(slots=True)
class Program:
    """Kernels in the order they run. `inputs` and `outputs` are buffers in the order of the graph's.

    `repeated` are the numbers of kernels that compute values a second time, to save memory. `updated` tells for outputs
    that lie in the memory of a donated input, by the buffer's number, which input that is.
    """

    buffers: list[Buffer]
    kernels: list[Kernel]
    sizes: list[sp.Symbol]
    inputs: list[Buffer]
    outputs: list[Buffer]
    repeated: frozenset[int] = frozenset()
    updated: Mapping[int, int] = field(default_factory=dict)

    @property
    def table(self) -> list[Buffer]:
        """The buffers in the order in which their addresses stand in the context: the inputs first."""
        numbers = {buffer.number for buffer in self.inputs}
        return [*self.inputs, *(buffer for buffer in self.buffers if buffer.number not in numbers)]

    def __str__(self) -> str:
        lines = [f"program({', '.join(map(str, self.sizes))}):"]
        lines += [f"  {buffer}" for buffer in self.buffers]
        for kernel in self.kernels:
            nodes = " ".join(f"%{node}" for node in kernel.nodes)
            lines += ["  threads meet"] * kernel.meets
            again = ", again" if kernel.number in self.repeated else ""
            lines.append(f"  {describe(kernel)}{shared_text(kernel)}{again}  # {nodes}")
            if isinstance(kernel, LoopOver):
                lines += [f"    {line}" for line in inner_lines(kernel)]
        inputs, outputs = (", ".join(f"b{buffer.number}" for buffer in part) for part in (self.inputs, self.outputs))
        return "\n".join([*lines, f"  inputs {inputs}", f"  outputs {outputs}"])


def inner_lines(loop: LoopOver) -> Iterator[str]:
    """The kernels inside a loop, one a line."""
    for kernel in loop.kernels:
        if kernel.meets:
            yield "threads meet"
        yield f"{describe(kernel)}{'' if loop.is_shared else shared_text(kernel)}"
        if isinstance(kernel, LoopOver):
            yield from (f"  {line}" for line in inner_lines(kernel))


def shared_text(kernel: Kernel) -> str:
    """What of a kernel the threads share out, or that the first thread does it all."""
    if isinstance(kernel, LoopOver):
        return ", shared out" if kernel.is_shared else ""
    if isinstance(kernel, ProductKernel):
        return f", {kernel.shared} shared out" if kernel.shared else ", by the first thread"
    return ", shared out" if kernel.is_shared else ", by the first thread"


def leaves(kernels: list[Kernel]) -> Iterator[Leaf]:
    """The kernels that compute something, in order, those inside loops too."""
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            yield from leaves(kernel.kernels)
        else:
            yield kernel


def every(kernels: Sequence[Kernel]) -> Iterator[Kernel]:
    """All kernels, loops before what they hold."""
    for kernel in kernels:
        yield kernel
        if isinstance(kernel, LoopOver):
            yield from every(kernel.kernels)


def walk(body: list[Statement]) -> Iterator[Statement]:
    """Every statement, outer ones before what they hold."""
    for statement in body:
        yield statement
        if isinstance(statement, (Nest, Reduce)):
            yield from walk(statement.body)
        elif isinstance(statement, Gathered):
            yield from walk(statement.lookups)
            yield from walk(statement.inside)
        elif isinstance(statement, Choose):
            for _, branch, _ in statement.branches:
                yield from walk(branch)


def guards(kernels: list[Kernel]) -> Iterator[Buffer]:
    """The buffers that loops look at before each turn."""
    for kernel in kernels:
        if isinstance(kernel, LoopOver):
            if kernel.guard:
                yield kernel.guard[0]
            yield from guards(kernel.kernels)


def written(kernel: Kernel) -> list[Buffer]:
    """Every buffer that the kernel writes."""
    found: dict[int, Buffer] = {}
    for leaf in leaves([kernel]):
        if isinstance(leaf, ProductKernel):
            found |= {part.buffer.number: part.buffer for part in leaf.results}
        elif isinstance(leaf, CallKernel):
            found |= {buffer.number: buffer for buffer in leaf.outputs}
        else:
            found |= {s.buffer.number: s.buffer for s in leaf.statements() if isinstance(s, Store)}
    return list(found.values())


def checks(kernel: Kernel) -> bool:
    """Whether a kernel may find that something is wrong with the numbers: an index out of range."""
    return any(
        isinstance(leaf, CallKernel)
        or (isinstance(leaf, LoopKernel) and any(isinstance(s, Position) for s in leaf.statements()))
        for leaf in leaves([kernel])
    )


def updates(kernel: Kernel) -> bool:
    """Whether a kernel overwrites an input."""
    return any(buffer.root.role == "input" for buffer in written(kernel))


def used(kernel: Kernel) -> list[Buffer]:
    """Every buffer that the kernel reads or writes."""
    found: dict[int, Buffer] = {buffer.number: buffer for buffer in guards([kernel])}
    for leaf in leaves([kernel]):
        if isinstance(leaf, ProductKernel):
            found |= {part.buffer.number: part.buffer for part in leaf.operands}
            continue
        if isinstance(leaf, CallKernel):
            found |= {buffer.number: buffer for buffer in leaf.buffers}
            continue
        for statement in leaf.statements():
            if isinstance(statement, (Load, Store)):
                found[statement.buffer.number] = statement.buffer
            elif isinstance(statement, Sort):
                for buffer in (statement.values, statement.places, statement.spare):
                    found[buffer.number] = buffer
    return list(found.values())


def describe(kernel: Kernel) -> str:
    """One line about a kernel: its number, its extents, and what it writes."""
    names = [f"b{buffer.number}" for buffer in written(kernel)]
    targets = ", ".join(names if len(names) <= 6 else [*names[:5], f"… ({len(names)} buffers)"])
    if isinstance(kernel, LoopOver):
        turns = "" if kernel.extent is None else f"for {kernel.variable} in {kernel.extent}, "
        if kernel.guard:
            turns += f"while b{kernel.guard[0].number} is {kernel.guard[1]}, "
        return f"kernel {kernel.number}: {turns}{len(kernel.kernels)} kernels"
    if isinstance(kernel, ProductKernel):
        batch = f"{list(kernel.batch)} × " if kernel.batch else ""
        ending = kernel.ending
        if ending is not None:
            sign = "-" if ending.scale < 0 else "+"
            targets = f"b{ending.result.buffer.number} = b{ending.base.buffer.number} {sign} {abs(ending.scale):.3g} ×"
        return (
            f"kernel {kernel.number}: {targets}{' =' if ending is None else ''} product of "
            f"b{kernel.left.buffer.number} and b{kernel.right.buffer.number}, {batch}({kernel.m} × {kernel.k}) · "
            f"({kernel.k} × {kernel.n})"
        )
    if isinstance(kernel, CallKernel):
        return f"kernel {kernel.number}: {targets} = {kernel.function} of {kernel.of}"
    extents = " × ".join(str(loop.extent) for loop in kernel.loops) or "once"
    count = sum(1 for _ in kernel.statements())
    turned = next((statement.loops for statement in kernel.statements() if isinstance(statement, Transpose)), [])
    turning = f", turning {' × '.join(str(loop.extent) for loop in turned)}" if turned else ""
    return f"kernel {kernel.number}: {targets} = loop {extents}, {count} statements{turning}"
