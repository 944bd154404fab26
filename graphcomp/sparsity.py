"""Which entries of a result depend on which entries of an argument: the sparsity of a Jacobian, read off the graph.

The tangent part of a forward graph is linear, so it is enough to know where each linear op may put an entry, and that
stands in the op's record: ops that move entries, or whose transposes do, are run on the numbers of the entries; ops
entry by entry and products of arrays are taken apart along their axes, with constant factors that are zero left out.
Of anything else every result is taken to depend on every argument. A pattern holds for all values of floating-point
arguments; integers and truth values, such as positions, are part of what it is made for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import scipy

from . import ops
from .derive import Forward, copy_node, depending, extract, forward
from .errors import DerivativeError
from .graph import Graph, Node, TupleType
from .ops.index import Index, loop
from .run.interpreter import interpret
from .simplify import stabilise

MOST_PAIRS = 20_000_000
"""How many pairs of entries one op may join before the answer is called dense."""
MOST_PROBES = 2_048
"""The largest argument of a linear op that is looked at entry by entry."""

Pattern: TypeAlias = Any
"""A boolean `scipy.sparse.csr_array`."""
Pairs: TypeAlias = tuple[np.ndarray, np.ndarray]


def jacobian_pattern(graph: Graph, wrt: Sequence[int], values: Sequence[Any]) -> Pattern:
    """Where ∂outputs/∂inputs may differ from zero: a boolean matrix, entries of all
    floating-point outputs × entries of all `wrt`.

    `graph` has known sizes, `wrt` are ids of inputs and `values` those of all inputs; the floating-point ones are not
    looked at. Entries count in row-major order, one output or input after the other. Raises DerivativeError where the
    pattern is too dense to be worth it.
    """
    stable = stabilise(graph)
    chosen = [stable.inputs[graph.inputs.index(id)] for id in wrt]
    derived = forward(stable, chosen)
    seeds, width = _entries(derived)
    linear = derived.graph
    fixed = {id: value for id, value in zip(linear.inputs, values) if not linear.type(id).is_float}
    flow = _Flow(linear, seeds, _known(linear, seeds, fixed), width)
    tangents = map(flow.of, linear.outputs[len(graph.outputs) :])
    pattern = scipy.sparse.csr_array(scipy.sparse.vstack([flow.none(0), *tangents], format="csr"))
    pattern.sort_indices()
    return pattern


def _entries(derived: Forward) -> tuple[dict[int, Pattern], int]:
    """The patterns of the tangents themselves, and how many entries they have in all."""
    tangents = [derived.tangent[id] for id in derived.wrt]
    sizes = [_size(derived.graph, id) for id in tangents]
    whole = scipy.sparse.csr_array(scipy.sparse.eye_array(sum(sizes), dtype=bool, format="csr"))
    stops = np.cumsum(sizes).tolist()
    return {id: whole[stop - size : stop] for id, size, stop in zip(tangents, sizes, stops)}, sum(sizes)


def _size(graph: Graph, id: int) -> int:
    return int(graph.type(id).size)


def _known(graph: Graph, seeds: Iterable[int], given: Mapping[int, Any]) -> dict[int, np.ndarray]:
    """The values that nodes linear in the seeds read and that depend on no input but those given."""
    moving = depending(graph, [id for id in graph.inputs if id not in given])
    linear = depending(graph, list(seeds))
    read = {source for id in linear for source in graph.node(id).inputs} - moving
    wanted = sorted(id for id in read if not isinstance(graph.node(id).type, TupleType))
    return dict(zip(wanted, interpret(extract(graph, list(given), wanted), list(given.values()))))


class _Flow:
    """What the nodes of a graph depend on that are linear in the seeds: entries × entries of all tangents."""

    def __init__(self, graph: Graph, seeds: Mapping[int, Pattern], known: Mapping[int, np.ndarray], width: int) -> None:
        self.graph = graph
        self.known = known
        self.width = width
        self.linear = depending(graph, list(seeds))
        self.found: dict[int, Any] = dict(seeds)
        self._constants: dict[tuple[int, tuple[int, ...]], dict[int, np.ndarray]] = {}
        for node in graph.nodes():
            if node.id in self.linear and node.id not in seeds:
                self.found[node.id] = self._node(node)

    def of(self, id: int) -> Pattern:
        return self.found.get(id, self.none(_size(self.graph, id)))

    def none(self, size: int) -> Pattern:
        return scipy.sparse.csr_array((size, self.width), dtype=bool)

    def _node(self, node: Node) -> Any:
        if node.op == "item":
            return self.found[node.inputs[0]][node.attributes["position"]]
        if isinstance(node.type, TupleType):
            found = ops.get(node.op).dependencies(node, [self.found.get(id) for id in node.inputs], self.through)
            if found is None:
                union = self._union(node)
                return [self._dense(int(item.size), union) for item in node.type.items]
            return found
        total = self.none(int(node.tensor.size))
        slots = [slot for slot, id in enumerate(node.inputs) if id in self.linear]
        for slot in slots:
            pairs = self._pairs(node, slot, slots)
            if pairs is None:
                return self._dense(int(node.tensor.size), self._union(node))
            source = self.found[node.inputs[slot]]
            _check_count(int(np.diff(source.indptr)[pairs[1]].sum(dtype=np.int64)))
            total = total + _matrix(pairs, (total.shape[0], source.shape[0])) @ source
        return scipy.sparse.csr_array(total)

    def through(self, body: Graph, given: Sequence[Pattern | None]) -> list[Pattern]:
        """What the outputs of an inner graph depend on, from what its inputs do; None is nothing."""
        seeds = {id: pattern for id, pattern in zip(body.inputs, given) if pattern is not None}
        key = (id(body), tuple(seeds))
        if key not in self._constants:
            self._constants[key] = _known(body, seeds, {})
        flow = _Flow(body, seeds, self._constants[key], self.width)
        return [flow.of(output) for output in body.outputs]

    def _union(self, node: Node) -> np.ndarray:
        """The entries on which any argument depends."""
        parts: list[Pattern] = []
        for source in node.inputs:
            found = self.found.get(source, [])
            parts.extend(found if isinstance(found, list) else [found])
        return np.unique(np.concatenate([part.indices for part in parts]))

    def _dense(self, size: int, columns: np.ndarray) -> Pattern:
        _check_count(size * len(columns))
        rows = np.repeat(np.arange(size), len(columns))
        return _matrix((rows, np.tile(columns, size)), (size, self.width))

    def _pairs(self, node: Node, slot: int, linear: Sequence[int]) -> Pairs | None:
        """Which entries of the result (first) read which entries of the argument in `slot`; None if unknown."""
        op = ops.get(node.op)
        graph = self.graph
        given = {place: self.known.get(node.inputs[place]) for place in range(len(node.inputs)) if place not in linear}
        if op.kind == "elementwise":
            return self._entrywise(node, slot, linear, given)
        if op.subscripts is not None:
            types = [graph.type(id) for id in node.inputs]
            return _product_pairs(op.subscripts(types, **node.attributes), types, slot, given)
        if op.index_map is not None:
            return _moved(_alone(graph, node), slot, given)
        if op.kind != "linear" or len(linear) != 1:
            return None
        transposed = _transposed(graph, node, slot)
        if all(ops.get(inner.op).index_map is not None for inner in transposed.nodes() if inner.inputs):
            targets = _moved(transposed, len(node.inputs), given)
            return targets[1], targets[0]
        return self._probed(node, slot, given)

    def _entrywise(self, node: Node, slot: int, linear: Sequence[int], given: Mapping[int, np.ndarray | None]) -> Pairs:
        """Each entry reads its own; not where what it is multiplied with is known to be zero."""
        places = np.arange(int(node.tensor.size))
        if all(value is not None for value in given.values()):
            ones = [given[place] if place in given else np.zeros(node.shape) for place in range(len(node.inputs))]
            ones[slot] = np.ones(node.shape)
            with np.errstate(all="ignore"):
                factor = np.asarray(ops.get(node.op).evaluate(ones, node.attributes))  # type: ignore[arg-type]
            places = np.flatnonzero(factor)
        return places, places

    def _probed(self, node: Node, slot: int, given: Mapping[int, np.ndarray | None]) -> Pairs | None:
        """A small linear op on one entry after the other."""
        shape = self.graph.type(node.inputs[slot]).shape
        size = int(np.prod(shape))
        if size > MOST_PROBES or any(value is None for value in given.values()):
            return None
        rows, columns = [], []
        for entry in range(size):
            arguments: list[Any] = [given.get(place) for place in range(len(node.inputs))]
            arguments[slot] = np.zeros(shape)
            arguments[slot].reshape(-1)[entry] = 1
            rows.append(np.flatnonzero(ops.get(node.op).evaluate(arguments, node.attributes)))
            columns.append(np.full(len(rows[-1]), entry))
        return np.concatenate(rows) if rows else np.zeros(0, int), np.concatenate(columns) if rows else np.zeros(0, int)


def _matrix(pairs: Pairs, shape: tuple[int, int]) -> Pattern:
    rows, columns = pairs
    return scipy.sparse.csr_array((np.ones(len(rows), bool), (rows, columns)), shape=shape)


def _check_count(count: int) -> None:
    if count > MOST_PAIRS:
        raise DerivativeError(
            f"this derivative is not sparse: one step of it joins {count:,} pairs of entries. Use sparse=False."
        )


# ops that move entries -----------------------------------------------------------------------------------------------


def _alone(graph: Graph, node: Node) -> Graph:
    """A node as a graph of its own, for float64 arguments, so that they can hold the numbers of entries."""
    part = Graph()
    b = ops.build(part)
    part.inputs = [_numbered(b, graph.type(id)) for id in node.inputs]
    part.outputs = [copy_node(b, node, part.inputs)]
    return part


def _transposed(graph: Graph, node: Node, slot: int) -> Graph:
    """The transpose of a linear node: the inputs are its arguments, then the cotangent."""
    part = Graph()
    b = ops.build(part)
    part.inputs = [_numbered(b, graph.type(id)) for id in node.inputs]
    cotangent = _numbered(b, node.tensor)
    operands = tuple(None if place == slot else id for place, id in enumerate(part.inputs))
    part.inputs = [*part.inputs, cotangent]
    types = tuple(graph.type(id) for id in node.inputs)
    call = ops.LinearCall(node.attributes, operands, types, node.type)
    part.outputs = [ops.get(node.op).pull_back(b, call, cotangent)[slot]]
    return part


def _numbered(b: ops.Builder, type: Any) -> int:
    return b.input(shape=type.shape, dtype="float64" if type.is_float else type.dtype)


def _moved(graph: Graph, slot: int, given: Mapping[int, np.ndarray | None]) -> Pairs:
    """Which entries of the output (first) read which entries of the input at `slot`, for a graph of moves.

    Positions that are not known may be any: each is tried everywhere.
    """
    types = [graph.type(id) for id in graph.inputs]
    arguments: list[Any] = [np.zeros(type.shape, type.dtype) for type in types]
    arguments = [array if given.get(place) is None else given[place] for place, array in enumerate(arguments)]
    size = int(types[slot].size)
    arguments[slot] = np.arange(1, size + 1, dtype="float64").reshape(types[slot].shape)
    open_places = [place for place, value in given.items() if value is None and types[place].is_integer]
    extent = _extent(graph, open_places)
    _check_count(extent * _size(graph, graph.outputs[0]))
    rows, columns = [], []
    for position in range(extent):
        for place in open_places:
            arguments[place] = np.full_like(arguments[place], position)
        (numbers,) = interpret(graph, arguments)
        reads = np.flatnonzero(numbers)
        rows.append(reads)
        columns.append(numbers.reshape(-1)[reads].astype(np.int64) - 1)
    return np.concatenate(rows), np.concatenate(columns)


def _extent(graph: Graph, places: Iterable[int]) -> int:
    """How many positions the inputs at these places may name: what the index maps say when they load them."""
    ids = {graph.inputs[place] for place in places}
    extents = _Extents()
    for node in graph.nodes():
        if ids & set(node.inputs):
            index = tuple(loop(f"i{axis}", size) for axis, size in enumerate(node.shape))
            rule = ops.get(node.op).index_map
            assert rule is not None
            rule(extents, index, [graph.type(id) for id in node.inputs], **node.attributes)
    return max(extents.sizes, default=1)


class _Extents:
    """Stands for the scheduler where an index map reads positions, and notes how far they may reach."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def load(self, slot: int, index: Any, size: Any) -> Index:
        self.sizes.append(int(size))
        return Index()


# products of arrays --------------------------------------------------------------------------------------------------


def _product_pairs(subscripts: str, types: Sequence[Any], slot: int, given: Mapping[int, np.ndarray | None]) -> Pairs:
    """The pairs of a sum of products over named axes, without those whose known factors are zero."""
    left, _, result = subscripts.partition("->")
    operands = left.split(",")
    sizes = {letter: int(size) for names, type in zip(operands, types) for letter, size in zip(names, type.shape)}
    letters = "".join(sizes)
    factors = [(operands[place], value != 0) for place, value in given.items() if value is not None]
    read = set(operands[slot]) | set(result)
    inner = "".join(letter for letter in letters if letter in read or any(letter in names for names, _ in factors))
    _check_count(int(np.prod([sizes[letter] for letter in inner])))
    mask = np.ones([sizes[letter] for letter in inner], bool)
    for names, factor in factors:
        mask &= _spread(factor, names, inner)
    places = np.nonzero(mask)
    by_letter = dict(zip(inner, places))
    return _numbers(result, by_letter, sizes, len(places[0])), _numbers(
        operands[slot], by_letter, sizes, len(places[0])
    )


def _spread(factor: np.ndarray, names: str, letters: str) -> np.ndarray:
    """The factor with its axes in the order of `letters`, and axes of size 1 for the others."""
    order = [names.index(letter) for letter in letters if letter in names]
    moved = factor.transpose(order)
    return moved[tuple(slice(None) if letter in names else None for letter in letters)]


def _numbers(names: str, places: Mapping[str, np.ndarray], sizes: Mapping[str, int], count: int) -> np.ndarray:
    """The row-major numbers of entries, from their places along each axis."""
    numbers = np.zeros(count, np.int64)
    for letter in names:
        numbers = numbers * sizes[letter] + places[letter]
    return numbers
