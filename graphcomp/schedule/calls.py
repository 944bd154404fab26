"""Linear algebra as calls of LAPACK's routines.

LAPACK counts by columns, the program by rows. What lies by rows is, read by columns, the transpose: a routine that
reads one triangle is told the other one, and A = U S Vᵀ is found as Aᵀ = V S Uᵀ. Where no such turn exists, a buffer's
axes are swapped in memory, which the copy into it does in passing. Routines work in place, so each gets a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ..graph import Dimension, Node, TensorType
from ..graph.types import dimension, product
from ..ops.linear_algebra import smaller
from .program import Buffer, CallKernel
from .repeat import wanted_results

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""


def by_rows(rank: int) -> tuple[int, ...]:
    return tuple(range(rank))


def by_columns(rank: int) -> tuple[int, ...]:
    """The order of axes with the rows of each matrix next to each other in memory."""
    return (*range(rank - 2), rank - 1, rank - 2)


Order: TypeAlias = Callable[[int], tuple[int, ...]]


def result(scheduler: Scheduler, node: Node, order: Order = by_rows) -> Buffer:
    """Memory for the one result of a node."""
    made = scheduler.buffer(node, order(node.tensor.rank))
    scheduler.buffers[node.id] = made
    return made


def results(scheduler: Scheduler, node: Node, orders: Mapping[int, Order] = {}) -> list[Buffer]:
    """Memory for each of a node's results, also for those that nobody asks for."""
    items = wanted_results(scheduler, node)
    made = []
    for position, type in enumerate(node.type.items):  # type: ignore[union-attr]
        buffer = scheduler.scratch(node, type.shape, type.dtype)
        buffer.order = orders.get(position, by_rows)(type.rank)
        for item in items.get(position, ()):
            buffer.node = item.id
            scheduler.buffers[item.id] = buffer
        made.append(buffer)
    return made


def copied(scheduler: Scheduler, id: int, target: Buffer) -> Buffer:
    """`target`, filled with a value."""
    scheduler.add_entries(scheduler.graph.node(id), target, copy=True)
    return target


def stored(scheduler: Scheduler, id: int, order: Order = by_rows) -> Buffer:
    """A value in memory, its axes in this order: where it lies, or a copy."""
    wanted = order(scheduler.graph.type(id).rank)
    found = scheduler.buffers.get(id)
    lies_so = found is not None and found.order == wanted and not found.steps
    return found if lies_so else scheduler.pack(id, wanted)


def add_call(
    scheduler: Scheduler,
    node: Node,
    outputs: Sequence[Buffer],
    sizes: Sequence[Dimension],
    work: Dimension,
    inputs: Sequence[Buffer] = (),
    workspace: Sequence[Buffer] = (),
) -> None:
    """A call after all that was placed so far."""
    of: TensorType = scheduler.graph.type(node.inputs[0])
    name, number = node.op, len(scheduler.kernels)
    count = product(of.shape[:-2])
    scheduler.kernels.append(
        CallKernel(
            number, name, [*inputs], [*outputs], [*workspace], (count, *map(dimension, sizes)), of, work, [node.id]
        )
    )
    scheduler.ready |= {buffer.number: number for buffer in outputs}


# templates -----------------------------------------------------------------------------------------------------------


def place_cholesky(scheduler: Scheduler, node: Node) -> None:
    n = node.shape[-1]
    add_call(scheduler, node, [copied(scheduler, node.inputs[0], result(scheduler, node))], (n,), n**3)


def place_triangular_solve(scheduler: Scheduler, node: Node) -> None:
    *_, n, columns = node.shape
    matrix = stored(scheduler, node.inputs[0])
    target = copied(scheduler, node.inputs[1], result(scheduler, node))
    flags = (int(node.attributes[name]) for name in ("lower", "transposed", "unit_diagonal"))
    add_call(scheduler, node, [target], (n, columns, *flags), n**2 * columns, [matrix])


def place_lu(scheduler: Scheduler, node: Node) -> None:
    n = scheduler.graph.type(node.inputs[0]).shape[-1]
    factors, swaps, order = results(scheduler, node, {0: by_columns})
    copied(scheduler, node.inputs[0], factors)
    add_call(scheduler, node, [factors, swaps, order], (n,), n**3)


def place_solve(scheduler: Scheduler, node: Node) -> None:
    *_, n, columns = node.shape
    _, factors, swaps, side = node.inputs
    known = [stored(scheduler, factors, by_columns), stored(scheduler, swaps)]
    target = copied(scheduler, side, result(scheduler, node, by_columns))
    flag = int(node.attributes["transposed"])
    add_call(scheduler, node, [target], (n, columns, flag), 2 * n**2 * columns, known)


def place_slogdet(scheduler: Scheduler, node: Node) -> None:
    n = scheduler.graph.type(node.inputs[0]).shape[-1]
    known = [stored(scheduler, node.inputs[1], by_columns), stored(scheduler, node.inputs[2])]
    add_call(scheduler, node, results(scheduler, node), (n,), n, known)


def place_eigh(scheduler: Scheduler, node: Node) -> None:
    """The workspace is what LAPACK's documentation of `syevd` asks for."""
    type = scheduler.graph.type(node.inputs[0])
    n = type.shape[-1]
    values, vectors = results(scheduler, node, {1: by_columns})
    copied(scheduler, node.inputs[0], vectors)
    sizes = dimension(1 + 6 * n + 2 * n**2), dimension(3 + 5 * n)
    workspace = [scheduler.scratch(node, (size,), dtype) for size, dtype in zip(sizes, (type.dtype, "int32"))]
    add_call(scheduler, node, [values, vectors], (n, *sizes), 9 * n**3, workspace=workspace)


def place_svd(scheduler: Scheduler, node: Node) -> None:
    """The workspace covers what each version of LAPACK's `gesdd` asks for."""
    type = scheduler.graph.type(node.inputs[0])
    rows, columns = type.shape[-2:]
    few = smaller(rows, columns)
    matrix = copied(scheduler, node.inputs[0], scheduler.scratch(node, type.shape, type.dtype))
    sizes = dimension(4 * few**2 + 7 * few + rows + columns + 1), dimension(8 * few + 1)
    workspace = [scheduler.scratch(node, (size,), dtype) for size, dtype in zip(sizes, (type.dtype, "int32"))]
    work = 14 * rows * columns * few
    outputs = results(scheduler, node)
    add_call(scheduler, node, outputs, (rows, columns, few, sizes[0]), work, workspace=[matrix, *workspace])


CALLS: dict[str, Any] = {
    "cholesky": place_cholesky,
    "triangular_solve": place_triangular_solve,
    "lu": place_lu,
    "solve": place_solve,
    "slogdet": place_slogdet,
    "eigh": place_eigh,
    "svd": place_svd,
}
"""Templates by the name in the op's record."""
