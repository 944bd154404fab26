"""Tensors as SymPy: an entry of a node as nested sums over indexed inputs, through the records' index maps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sympy as sp

from .. import ops
from ..errors import TraceError
from ..graph import Graph, Node
from ..ops.index import Guard, Index, Piece, loop
from .numbers import number_of, symbol_name

LETTERS = "ijklmnpqrst"


def indexed(graph: Graph, id: int) -> Any:
    """An entry of node ``id``, its free indices named i, j, … and the indices summed over by the letters after."""
    letters = names()
    shape = graph.type(id).shape
    free = tuple(loop(next(letters), size) for size in shape)
    return Entries(graph, letters).entry(id, free)


def names() -> Iterator[str]:
    """i, j, …, t, i1, j1, …"""
    yield from LETTERS
    number = 0
    while True:
        number += 1
        yield from (f"{letter}{number}" for letter in LETTERS)


def as_expression(index: Index) -> Any:
    """An index as a SymPy expression."""
    total = sp.sympify(index.constant)
    for atom, coefficient in index.terms:
        total += coefficient * atom_expression(atom)
    return total


def atom_expression(atom: Any) -> Any:
    """A loop variable, or the quotient or remainder of an index."""
    if atom.kind == "loop":
        return sp.Symbol(atom.name, integer=True)
    if atom.kind == "quotient":
        return sp.floor(as_expression(atom.of) / sp.sympify(atom.by))
    if atom.kind == "remainder":
        return sp.Mod(as_expression(atom.of), atom.by)
    raise TraceError("an entry that is looked up by a computed position has no form as indexed sums.")


class Entries:
    """Writes entries of a graph's nodes; equal entries are written once."""

    def __init__(self, graph: Graph, letters: Iterator[str]) -> None:
        self.graph, self.letters = graph, letters
        self.known: dict[tuple[int, tuple[Index, ...]], Any] = {}

    def entry(self, id: int, index: tuple[Index, ...]) -> Any:
        """The entry of a node at an index."""
        if (id, index) not in self.known:
            self.known[id, index] = self.written(self.graph.node(id), index)
        return self.known[id, index]

    def written(self, node: Node, index: tuple[Index, ...]) -> Any:
        """An entry by the node's record."""
        record = ops.get(node.op)
        if node.op in ("input", "array"):
            return leaf(self.graph, node, index)
        if node.op == "constant":
            return number_of(node.attributes["value"])
        if node.op == "dimension":
            return sp.sympify(node.attributes["size"])
        if node.op == "where":
            condition, first, second = (self.entry(source, index) for source in node.inputs)
            return sp.Piecewise((first, condition), (second, True))
        if node.op in ("convert", "identity", "stop_gradient"):
            return self.entry(node.inputs[0], index)
        if isinstance(record, ops.Elementwise) and record.expression is not None:
            return record.expression(*(self.entry(source, index) for source in node.inputs), **node.attributes)
        return self.moved(node, record, index)

    def moved(self, node: Node, record: Any, index: tuple[Index, ...]) -> Any:
        """An entry of an op that moves or combines entries."""
        types = [self.graph.type(source) for source in node.inputs]
        if record.subscripts is not None:
            return self.product(node, record.subscripts(types, **node.attributes), index)
        if record.contraction is not None:
            contraction = record.contraction(None, index, types, **node.attributes)
            if contraction.combine not in ("sum", "product"):
                raise self.formless(node)
            box = tuple(loop(next(self.letters), size) for size in contraction.extents)
            parts = [self.pieces(node, pieces) for pieces in contraction.factors(box)]
            over = sp.Sum if contraction.combine == "sum" else sp.Product
            return combined(sp.Mul(*parts), box, contraction.extents, over)
        if record.index_map is not None:
            return self.pieces(node, record.index_map(None, index, types, **node.attributes))
        raise self.formless(node)

    def product(self, node: Node, subscripts: str, index: tuple[Index, ...]) -> Any:
        """A sum of products over the letters that the result does not have."""
        left, _, right = subscripts.partition("->")
        places = dict(zip(right, index, strict=True))
        sizes: dict[str, Any] = {}
        for letters, source in zip(left.split(","), node.inputs, strict=True):
            sizes.update(zip(letters, self.graph.type(source).shape, strict=True))
        inner = [letter for letter in sizes if letter not in places]
        box = tuple(loop(next(self.letters), sizes[letter]) for letter in inner)
        places.update(zip(inner, box, strict=True))
        factors = [
            self.entry(source, tuple(places[letter] for letter in letters))
            for letters, source in zip(left.split(","), node.inputs, strict=True)
        ]
        return combined(sp.Mul(*factors), box, [sizes[letter] for letter in inner], sp.Sum)

    def pieces(self, node: Node, pieces: Sequence[Piece]) -> Any:
        """What the pieces give together; where none holds, zero."""
        total = sp.Integer(0)
        for piece in pieces:
            value = self.entry(node.inputs[piece.slot], piece.index)
            guards = [condition(guard) for guard in piece.guards if not guard.always()]
            total += sp.Piecewise((value, sp.And(*guards)), (0, True)) if guards else value
        return total

    def formless(self, node: Node) -> TraceError:
        """What to say of an op that is no sum."""
        return TraceError(f"{node.op} has no form as indexed sums; give `names` for a value at which to stop.")


def leaf(graph: Graph, node: Node, index: tuple[Index, ...]) -> Any:
    """A scalar input as a symbol, an entry of an array as an indexed symbol."""
    name = symbol_name(graph, node) if node.op == "input" else f"c_{node.attributes['key'][:6]}"
    if not node.tensor.shape:
        return sp.Symbol(name, real=True)
    # The first axis counts where a length-one loop has vanished from the index.
    return sp.IndexedBase(sp.Symbol(name, real=True), shape=node.tensor.shape)[tuple(map(as_expression, index))]


def condition(guard: Guard) -> Any:
    """A guard as a relation."""
    index = as_expression(guard.index)
    if guard.size is None:
        return sp.Eq(index, 0)
    return sp.And(index >= 0, index < guard.size)


def combined(body: Any, box: Sequence[Index], extents: Sequence[Any], over: Any) -> Any:
    """A sum or product over a box; axes of length one have no index."""
    limits = [
        (as_expression(index), 0, sp.sympify(size) - 1) for index, size in zip(box, extents, strict=True) if index.terms
    ]
    return over(body, *limits) if limits else body
