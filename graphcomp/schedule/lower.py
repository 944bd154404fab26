"""From a node and an index to statements: what one entry of a value costs to compute.

A value is read from its buffer where it has one; otherwise it is computed in place, by following the records: an
elementwise op needs the same entry of its arguments, an index map another entry of them, a contraction many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .. import ops
from ..errors import LoweringError
from ..graph import Dimension, Graph, Node
from ..graph.types import magnitude
from ..ops.index import Atom, Index, Piece, at_least, loop
from ..ops.record import Contraction, Elementwise
from .program import LINE, Assign, Buffer, Choose, Compute, Load, Loop, Nest, Position, Reduce, Statement, Store
from .text import index_text, size_text

Key = tuple[int, tuple[Index, ...]]


@dataclass(frozen=True, slots=True)
class State:
    """What a kernel under construction knew when it had so many statements."""

    size: int
    known: dict[Any, str]
    nodes: dict[int, None]
    fixed: set[str]
    count: int
    reused: int


class Body:
    """The statements of one kernel under construction.

    `known` holds what has been computed so far, one dict for each open block: a value made inside a branch or a
    reduction is not available outside it.
    """

    def __init__(self, graph: Graph, buffers: Mapping[int, Buffer]) -> None:
        self.graph = graph
        self.buffers = buffers
        self.blocks: list[list[Statement]] = [[]]
        self.known: list[dict[Any, str]] = [{}]
        self.helpers: dict[str, Callable[..., Any]] = {}
        self.nodes: dict[int, None] = {}
        self.count = 0
        self.reused = 0
        """How often a value was found that had been loaded or computed before, other than the fixed ones."""
        self.asked: set[Key] = set()
        """The values that were looked for."""
        self.fixed: set[str] = set()
        """Variables that hold the same for every entry: loaded from one place, or computed from such."""
        self.copies: Mapping[int, list[Buffer]] = {}
        """Where entries of a node lie a second time, in another order."""
        self.innermost = ""
        """The loop along which it is best to read neighbours in memory."""

    # blocks ----------------------------------------------------------------------------------------------------------

    def name(self, prefix: str = "v") -> str:
        self.count += 1
        return f"{prefix}{self.count - 1}"

    def add(self, statement: Statement) -> None:
        self.blocks[-1].append(statement)

    @contextmanager
    def block(self) -> Iterator[list[Statement]]:
        self.blocks.append([])
        self.known.append({})
        try:
            yield self.blocks[-1]
        finally:
            self.blocks.pop()
            self.known.pop()

    def state(self) -> State:
        """What `restore` goes back to, while no block is open."""
        known, nodes, fixed = dict(self.known[0]), dict(self.nodes), set(self.fixed)
        return State(len(self.blocks[0]), known, nodes, fixed, self.count, self.reused)

    def restore(self, state: State) -> None:
        """Forget what was added since."""
        del self.blocks[0][state.size :]
        self.known[0], self.nodes, self.fixed = state.known, state.nodes, state.fixed
        self.count, self.reused = state.count, state.reused

    def find(self, key: Any) -> str | None:
        for known in reversed(self.known):
            if key in known:
                return known[key]
        return None

    def has(self, key: Key) -> bool:
        """Whether a value is at hand everywhere in the kernel, and not a fixed one."""
        return key in self.known[0] and self.known[0][key] not in self.fixed

    def loops(self, extents: tuple[Dimension, ...]) -> tuple[list[Loop], tuple[Index, ...]]:
        """Fresh loop variables over a box."""
        names = [self.name("r") for _ in extents]
        return [Loop(name, size) for name, size in zip(names, extents)], tuple(map(loop, names, extents))

    # values ----------------------------------------------------------------------------------------------------------

    def value(self, id: int, index: tuple[Index, ...]) -> str:
        """The name of a variable that holds entry `index` of node `id`."""
        key: Key = (id, index)
        self.asked.add(key)
        found = self.find(key)
        if found is None:
            found = self._load(id, index) if id in self.buffers else self.compute(id, index)
            self.known[-1][key] = found
        elif found not in self.fixed:
            self.reused += 1
        return found

    def _load(self, id: int, index: tuple[Index, ...]) -> str:
        target = self.name()
        buffer, address = self.nearest(id, index)
        self.add(Load(target, buffer, address, self.graph.type(id).dtype))
        if not address.terms:
            self.fixed.add(target)
        return target

    def nearest(self, id: int, index: tuple[Index, ...]) -> tuple[Buffer, Index]:
        """The buffer to read an entry from, and its address: a copy whose neighbours the innermost loop reads, where
        those of the value itself are far apart.
        """
        found = self.buffers[id], self.buffers[id].address(index)
        if id in self.copies and self._step(found[1]) > LINE:
            places = ((copy, copy.address(index)) for copy in self.copies[id])
            return next((place for place in places if self._step(place[1]) == 1), found)
        return found

    def _step(self, address: Index) -> float:
        """How far apart the entries lie that the innermost loop reads one after the other."""
        return next((magnitude(by) for atom, by in address.terms if atom.name == self.innermost), 0)

    def compute(self, id: int, index: tuple[Index, ...]) -> str:
        """Compute an entry, whether or not the node has a buffer."""
        node = self.graph.node(id)
        record = ops.get(node.op)
        self.nodes.setdefault(id)
        context = Context(self, node)
        if isinstance(record, Elementwise):
            return self._elementwise(node, index)
        if record.index_map is not None:
            types = [self.graph.type(source) for source in node.inputs]
            return self.pieces(node, record.index_map(context, index, types, **node.attributes))
        if record.generate is not None:
            target = self.name()
            self.add(Assign(target, record.generate(context, index, **node.attributes), node.dtype, id))
            if node.op == "constant":
                self.fixed.add(target)
            return target
        contraction = self.contraction(node, index)
        if contraction.is_single():
            return self.factors(node, contraction, tuple(Index() for _ in contraction.extents))
        return self._reduce(node, contraction)

    def contraction(self, node: Node, index: tuple[Index, ...]) -> Contraction:
        record = ops.get(node.op)
        types = [self.graph.type(source) for source in node.inputs]
        if record.contraction is not None:
            return record.contraction(Context(self, node), index, types, **node.attributes)
        if record.subscripts is not None:
            return product_contraction(record.subscripts(types, **node.attributes), types, index)
        raise LoweringError(
            f"{node.op} of {node.type} cannot be compiled for the CPU: its record has no `index_map`, `contraction`, "
            "`generate`, `scalar` or known `kernel`. Use target='numpy', or add the facet."
        )

    def _elementwise(self, node: Node, index: tuple[Index, ...]) -> str:
        arguments = tuple(self.value(source, index) for source in node.inputs)
        dtype = self.graph.type(node.inputs[-1]).dtype
        target = self.name()
        self.add(Compute(target, node.op, arguments, node.attributes, dtype, node.dtype, node.id))
        if self.fixed.issuperset(arguments):
            self.fixed.add(target)
        return target

    def pieces(self, node: Node, pieces: list[Piece]) -> str:
        """The value of the piece whose guards hold."""
        pieces = [Piece(p.slot, p.index, tuple(g for g in p.guards if not g.always())) for p in pieces]
        if len(pieces) == 1 and not pieces[0].guards:
            return self.value(node.inputs[pieces[0].slot], pieces[0].index)
        branches: list[tuple[Any, list[Statement], str]] = []
        for piece in pieces:
            with self.block() as body:
                value = self.value(node.inputs[piece.slot], piece.index)
            branches.append((piece.guards, body, value))
        target = self.name()
        self.add(Choose(target, self.graph.type(node.inputs[pieces[0].slot]).dtype, branches, node.id))
        return target

    def factors(self, node: Node, contraction: Contraction, box: tuple[Index, ...]) -> str:
        """The product of a contraction's factors at one entry of its box."""
        values = [self.pieces(node, pieces) for pieces in contraction.factors(box)]
        result = values[0]
        dtype = self.graph.type(node.inputs[0]).dtype
        for value in values[1:]:
            target = self.name()
            self.add(Compute(target, "multiply", (result, value), {}, dtype, dtype, node.id))
            result = target
        return result

    def _reduce(self, node: Node, contraction: Contraction) -> str:
        loops, box = self.loops(contraction.extents)
        with self.block() as body:
            value = self.factors(node, contraction, box)
        target = self.name()
        dtype = self.graph.type(node.inputs[0]).dtype
        self.add(Reduce(target, contraction.combine, loops, body, value, dtype, node.dtype, node.id))
        return target

    def compute_sum(self, node: Node, left: str, right: str) -> str:
        target = self.name()
        self.add(Compute(target, "add", (left, right), {}, node.dtype, node.dtype, node.id))
        return target

    # whole results ---------------------------------------------------------------------------------------------------

    def store(self, id: int, index: tuple[Index, ...], buffer: Buffer, value: str | None = None) -> None:
        """Compute entry `index` of a node and write it to its buffer."""
        computed = self.find((id, index))
        if computed is None:
            computed = self.compute(id, index) if value is None else value
            self.known[-1][id, index] = computed
        self.nodes.setdefault(id)
        self.add(Store(buffer, buffer.address(index), computed, id))

    def accumulate(self, id: int, buffer: Buffer, outer: tuple[Index, ...], contraction: Contraction, order: list[Loop],
                   box: tuple[Index, ...]) -> None:  # fmt: skip
        """The push form of a contraction: first fill with the neutral element, then add every entry of the box."""
        node = self.graph.node(id)
        self.nodes.setdefault(id)
        with self.block() as body:
            value = self.factors(node, contraction, box)
            self.add(Store(buffer, buffer.address(outer), value, id, contraction.combine))
        self.add(Nest(order, body))


def product_contraction(subscripts: str, types: Any, index: tuple[Index, ...]) -> Contraction:
    """Any einsum as a plain sum of products."""
    left, _, result = subscripts.partition("->")
    operands = left.split(",")
    sizes = {letter: size for letters, type in zip(operands, types) for letter, size in zip(letters, type.shape)}
    summed = [letter for letter in sizes if letter not in result]
    outer = dict(zip(result, index))

    def factors(box: tuple[Index, ...]) -> list[list[Piece]]:
        entries = outer | dict(zip(summed, box))
        return [[Piece(slot, tuple(entries[letter] for letter in letters))] for slot, letters in enumerate(operands)]

    return Contraction(tuple(sizes[letter] for letter in summed), "sum", factors)


def bound_of(graph: Graph, id: int) -> Dimension | None:
    """A size that no entry of an integer value reaches, none being below zero, where its op knows one."""
    node = graph.node(id)
    while ops.get(node.op).index_map is not None and len(node.inputs) == 1:  # moves keep it, and fill with zeros
        node = graph.node(node.inputs[0])
    rule = ops.get(node.op).bound
    return None if rule is None else rule([graph.type(source) for source in node.inputs], **node.attributes)


class Context:
    """What a record's index map, generator or contraction may ask for."""

    def __init__(self, body: Body, node: Node) -> None:
        self.body = body
        self.node = node

    def load(self, slot: int, index: tuple[Index, ...], extent: Dimension) -> Index:
        """An entry of an integer argument, as an index into an axis of `extent` entries (checked when it runs)."""
        source = self.node.inputs[slot]
        key = ("position", source, index, extent)
        name = self.body.find(key)
        if name is None:
            value = self.body.value(source, index)
            name = self.body.name("j")
            bound = bound_of(self.body.graph, source)
            known = bound is not None and at_least(extent - bound, 0)
            self.body.add(Position(name, value, extent, self.node.id, known))
            self.body.known[-1][key] = name
        return Index(((Atom("value", name, extent), 1),), 0)

    def value(self, slot: int, index: tuple[Index, ...]) -> str:
        return self.body.value(self.node.inputs[slot], index)

    def position(self, index: Index) -> str:
        return index_text(index)

    def size(self, size: Dimension) -> str:
        return size_text(size)

    def literal(self, value: Any, dtype: str) -> str:
        if isinstance(value, bool) or dtype == "bool":
            return str(bool(value))
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
            return f"{'-' if value < 0 else ''}math.{'nan' if value != value else 'inf'}"
        return repr(float(value) if dtype.startswith("float") else int(value))

    def cast(self, text: str, dtype: str) -> str:
        return f"{dtype}({text})"

    def helper(self, function: Callable[..., Any]) -> str:
        """Make a Python function available to the kernel; Numba compiles it."""
        self.body.helpers[function.__name__] = function
        return function.__name__


class Unknowing(Context):
    """For index maps by themselves: an entry of an integer argument is an index that nobody knows.

    `loaded` keeps which entries of integer arguments were asked for: (slot, index).
    """

    def __init__(self, node: Node) -> None:
        self.node = node
        self.loaded: list[tuple[int, tuple[Index, ...]]] = []

    def load(self, slot: int, index: tuple[Index, ...], extent: Dimension) -> Index:
        self.loaded.append((slot, index))
        return Index(((Atom("value", f"argument {slot}", extent), 1),), 0)
