"""Products of arrays as matrix products over strided views.

The letters of an einsum fall into batch letters (in both operands and the result), rows (left and result), columns
(right and result) and inner letters (both operands). Where an operand's rows and inner letters each step through memory
evenly, BLAS reads it where it lies; otherwise it is packed first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from .. import ops
from ..graph import Dimension, Graph, Node
from ..graph.types import equal, exact_divide, magnitude, product
from ..ops.index import Guard, at_least, loop
from ..ops.products import split_subscripts
from .lower import Body, Unknowing
from .program import Buffer, Load, Operand, ProductKernel


@dataclass(frozen=True, slots=True)
class Letters:
    batch: str
    rows: str
    columns: str
    inner: str

    @property
    def turned(self) -> Letters:
        """Those of the same product with its operands exchanged: what runs along the result's rows runs down them."""
        return Letters(self.batch, self.columns, self.rows, self.inner)


def classify(subscripts: str) -> Letters | None:
    """The roles of the letters of a two-operand einsum, None where one stands in a single operand only."""
    operands, result = split_subscripts(subscripts)
    if len(operands) != 2:
        return None
    left, right = operands
    if any(letter not in result for letter in set(left) ^ set(right)):
        return None
    return Letters(
        "".join(c for c in result if c in left and c in right),
        "".join(c for c in result if c in left and c not in right),
        "".join(c for c in result if c in right and c not in left),
        "".join(c for c in left if c in right and c not in result),
    )


@dataclass(frozen=True, slots=True)
class View:
    """An operand in memory: a stride for each of its letters."""

    buffer: Buffer
    offset: Dimension
    strides: Mapping[str, Dimension]


def view_of(graph: Graph, buffers: Mapping[int, Buffer], id: int, letters: str) -> View | None:
    """The operand as a strided view of a buffer, if moves of entries are all that lies between them."""
    shape = graph.type(id).shape
    body = Body(graph, buffers)
    index = tuple(loop(letter, size) for letter, size in zip(letters, shape))
    body.value(id, index)
    statements = body.blocks[0]
    if len(statements) != 1 or not isinstance(statements[0], Load):
        return None
    load = statements[0]
    address = load.address
    if any(atom.kind != "loop" for atom, _ in address.terms):
        return None
    strides: dict[str, Dimension] = dict.fromkeys(letters, 0)
    strides.update({atom.name: coefficient for atom, coefficient in address.terms})
    return View(load.buffer, address.constant, strides)


def moved_by(graph: Graph, node: Node) -> list[Dimension] | None:
    """How much further on in its argument each entry of a node is read, along each axis; what lies outside is zero.

    None for a node that is more than a box of its argument's entries, or its argument in a larger box.
    """
    record = ops.get(node.op)
    if record.index_map is None or len(node.inputs) != 1 or graph.type(node.inputs[0]).rank != node.tensor.rank:
        return None
    index = tuple(loop(f"i{axis}", size) for axis, size in enumerate(node.shape))
    source = graph.type(node.inputs[0])
    pieces = record.index_map(Unknowing(node), index, [source], **node.attributes)
    moved = [entry - own for entry, own in zip(pieces[0].index, index)]
    inside = [Guard(entry, size) for entry, size in zip(pieces[0].index, source.shape)]
    if len(pieces) > 1 or any(move.terms for move in moved):
        return None
    return [move.constant for move in moved] if all(g.always() or g in inside for g in pieces[0].guards) else None


def fits(begin: Dimension, size: Dimension, whole: Dimension) -> bool:
    """Whether so many entries from `begin` on lie within an axis."""
    return at_least(begin, 0) and at_least(whole - begin - size, 0)


def by_stride(letters: str, view: View) -> str:
    """The letters from the widest to the narrowest stride (named sizes count as large)."""
    return "".join(sorted(letters, key=lambda letter: magnitude(view.strides[letter]), reverse=True))


def merged(letters: str, view: View, sizes: Mapping[str, Dimension]) -> Dimension | None:
    """The one stride with which the letters, in this order, step through memory, if there is one."""
    letters = "".join(letter for letter in letters if sizes[letter] != 1)
    if not letters:
        return 1
    for outer, inner in pairwise(letters):
        if equal(view.strides[outer], view.strides[inner] * sizes[inner]) is not True:
            return None
    return view.strides[letters[-1]]


@dataclass(frozen=True, slots=True)
class Matrix:
    """A view with one stride for all its rows and one for all its columns."""

    view: View
    batch: tuple[Dimension, ...]
    rows: Dimension
    columns: Dimension

    def left(self) -> Operand:
        """As the left operand of a product."""
        return Operand(self.view.buffer, self.view.offset, self.batch, m=self.rows, k=(self.columns,))

    def right(self) -> Operand:
        """As the right operand of a product."""
        return Operand(self.view.buffer, self.view.offset, self.batch, n=self.columns, k=(self.rows,))


def as_matrix(view: View, batch: str, rows: str, columns: str, sizes: Mapping[str, Dimension]) -> Matrix | None:
    """The view as a matrix that a product can read: one of its two strides must be 1."""
    down, across = merged(rows, view, sizes), merged(columns, view, sizes)
    if down is None or across is None:
        return None
    height, width = (product(sizes[letter] for letter in part) for part in (rows, columns))
    by_rows = across == 1 and _leads(down, width, height)
    by_columns = down == 1 and _leads(across, height, width)
    if not by_rows and not by_columns:
        return None
    steps = tuple(view.strides[letter] for letter in batch)
    return Matrix(view, steps, down, across)


def _leads(stride: Dimension, length: Dimension, count: Dimension) -> bool:
    """Whether a row of `length` entries fits before the next one starts (of no matter for a single row)."""
    if count == 1:
        return True
    difference = stride - length
    if isinstance(difference, int):
        return difference >= 0
    return bool(difference.is_nonnegative) or equal(stride, length) is True


Pack = Callable[[int, tuple[int, ...]], Buffer]


@dataclass(slots=True)
class Plan:
    """How to run a product: its letters in order, and its operands as matrices (None where one must be packed)."""

    letters: Letters
    left: Matrix | None
    right: Matrix | None

    @property
    def packs(self) -> int:
        return (self.left is None) + (self.right is None)


def plan_product(letters: Letters, left: Sequence[View], right: Sequence[View], sizes: Mapping[str, Dimension]) -> Plan:
    """The plan that packs least, over the places where each operand already lies in memory."""
    plans = [Plan(letters, None, None)]
    for a in (*left, None):
        for b in (*right, None):
            for guide in filter(None, (a, b)):
                inner = by_stride(letters.inner, guide)
                rows = by_stride(letters.rows, a) if a else letters.rows
                columns = by_stride(letters.columns, b) if b else letters.columns
                first = as_matrix(a, letters.batch, rows, inner, sizes) if a else None
                second = as_matrix(b, letters.batch, inner, columns, sizes) if b else None
                plans.append(Plan(Letters(letters.batch, rows, columns, inner), first, second))
    return min(plans, key=lambda plan: plan.packs)


def packed(
    id: int, letters: str, batch: str, rows: str, columns: str, sizes: Mapping[str, Dimension], pack: Pack
) -> Matrix:
    """A copy of an operand that lies as BLAS wants it."""
    order = batch + rows + columns
    buffer = pack(id, tuple(letters.index(letter) for letter in order))
    matrix = as_matrix(stored_view(buffer, letters), batch, rows, columns, sizes)
    assert matrix is not None, "a packed operand is a matrix"
    return matrix


def stored_view(buffer: Buffer, letters: str) -> View:
    return View(buffer, 0, dict(zip(letters, buffer.strides)))


INNER_PARTS = 2
"""In so many parts a long inner index is cut: two, since the result of each part is written and read again."""

LONG_INNER = 512
"""The inner index of a product that is worth cutting has at least so many entries."""


def has_long_columns(kernel: ProductKernel) -> bool:
    """Whether a product AᵀB adds up over long columns of two narrow matrices, as the gradient of weights does.

    Threads that share out its rows or columns each read all of one matrix and parts of all rows of the other, most of
    which other threads have made. Cut along the columns, each reads the rows that it has made itself.
    """
    left, right, sizes = kernel.left, kernel.right, (kernel.m, kernel.n, kernel.k)
    if kernel.batch or not all(isinstance(size, int) for size in sizes) or (left.m, right.n) != (1, 1):
        return False
    m, n, k = (int(magnitude(size)) for size in sizes)
    is_narrow = at_least(left.k[0] - m, 0) and at_least(right.k[0] - n, 0)
    return is_narrow and k >= LONG_INNER and k % INNER_PARTS == 0 and 2 * INNER_PARTS * m * n <= (m + n) * k


def inner_in_parts(kernel: ProductKernel, made: Buffer) -> ProductKernel:
    """The product with its inner index in parts, the result of each in a row of `made`."""
    length = exact_divide(kernel.k, INNER_PARTS)
    assert length is not None, "the parts are of equal length"
    left, right = (replace(part, batch=(part.k[0] * length,)) for part in (kernel.left, kernel.right))
    result = replace(kernel.result, buffer=made, batch=(kernel.result.buffer.size,))
    return replace(kernel, batch=(INNER_PARTS,), inner=(length,), left=left, right=right, result=result)
