"""Products of arrays as matrix products over strided views.

The letters of an einsum fall into batch letters (in both operands and the result), rows (left and result), columns
(right and result) and inner letters (both operands). Where an operand's rows and inner letters each step through memory
evenly, BLAS reads it where it lies; otherwise it is packed first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..graph import Dimension, Graph
from ..graph.types import equal, product
from ..ops.index import loop
from ..ops.products import split_subscripts
from .lower import Body
from .program import Buffer, Load, Operand


@dataclass(frozen=True, slots=True)
class Letters:
    batch: str
    rows: str
    columns: str
    inner: str


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
    strides: dict[str, Dimension] = {letter: 0 for letter in letters}
    strides.update({atom.name: coefficient for atom, coefficient in address.terms})
    return View(load.buffer, address.constant, strides)


def by_stride(letters: str, view: View) -> str:
    """The letters from the widest to the narrowest stride (named sizes count as large)."""

    def width(letter: str) -> float:
        stride = view.strides[letter]
        if isinstance(stride, int):
            return stride
        return float(stride.subs({symbol: 1000 for symbol in stride.free_symbols}))

    return "".join(sorted(letters, key=width, reverse=True))


def merged(letters: str, view: View, sizes: Mapping[str, Dimension]) -> Dimension | None:
    """The one stride with which the letters, in this order, step through memory, if there is one."""
    letters = "".join(letter for letter in letters if sizes[letter] != 1)
    if not letters:
        return 1
    for outer, inner in zip(letters, letters[1:]):
        if equal(view.strides[outer], view.strides[inner] * sizes[inner]) is not True:
            return None
    return view.strides[letters[-1]]


def as_matrix(view: View, batch: str, rows: str, columns: str, sizes: Mapping[str, Dimension]) -> Operand | None:
    """The view as a matrix that BLAS can read: one of its two strides must be 1."""
    down, across = merged(rows, view, sizes), merged(columns, view, sizes)
    if down is None or across is None:
        return None
    height, width = (product(sizes[letter] for letter in part) for part in (rows, columns))
    by_rows = across == 1 and _leads(down, width, height)
    by_columns = down == 1 and _leads(across, height, width)
    if not by_rows and not by_columns:
        return None
    steps = tuple(view.strides[letter] for letter in batch)
    return Operand(view.buffer, view.offset, steps, down, across)


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
    """How to run a product: its operands as matrices, and the result's letters in memory order."""

    letters: Letters
    left: Operand
    right: Operand
    result_order: str


def plan_product(
    graph: Graph,
    buffers: Mapping[int, Buffer],
    inputs: Sequence[int],
    subscripts: str,
    letters: Letters,
    sizes: Mapping[str, Dimension],
    pack: Pack,
) -> Plan:
    """Choose the order of the inner letters, and pack the operands that do not fit it."""
    (left_letters, right_letters), _ = split_subscripts(subscripts)
    left = view_of(graph, buffers, inputs[0], left_letters)
    right = view_of(graph, buffers, inputs[1], right_letters)
    guide = left or right
    inner = by_stride(letters.inner, guide) if guide else letters.inner
    rows = by_stride(letters.rows, left) if left else letters.rows
    columns = by_stride(letters.columns, right) if right else letters.columns
    a = as_matrix(left, letters.batch, rows, inner, sizes) if left else None
    b = as_matrix(right, letters.batch, inner, columns, sizes) if right else None
    if a is None and b is None and right:
        inner = by_stride(letters.inner, right)
        b = as_matrix(right, letters.batch, inner, columns, sizes)
    if a is None:
        a = _packed(inputs[0], left_letters, letters.batch, rows, inner, sizes, pack)
    if b is None:
        b = _packed(inputs[1], right_letters, letters.batch, inner, columns, sizes, pack)
    chosen = Letters(letters.batch, rows, columns, inner)
    return Plan(chosen, a, b, letters.batch + rows + columns)


def _packed(
    id: int, letters: str, batch: str, rows: str, columns: str, sizes: Mapping[str, Dimension], pack: Pack
) -> Operand:
    order = batch + rows + columns
    buffer = pack(id, tuple(letters.index(letter) for letter in order))
    view = View(buffer, 0, dict(zip(letters, buffer.strides)))
    matrix = as_matrix(view, batch, rows, columns, sizes)
    assert matrix is not None, "a packed operand is a matrix"
    return matrix


