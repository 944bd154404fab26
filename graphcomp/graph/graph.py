"""The graph: a table of nodes that only grows, and the same as a `networkx.MultiDiGraph`.

Node ids are integers in creation order, and a node is added after its inputs, so ascending id is a topological order
and every walk is a loop (a chain of 100,000 nodes must not recurse). In networkx an edge's key is the argument slot it
feeds, so `x*x` keeps both of its edges. Passes do not edit a graph; they build another one and return how ids map.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from ..errors import GraphError
from .types import Dimension, TensorType, Type, equal, symbols_of

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the user's code a node was made, and for what: its value, or ("tangent", "adjoint") its derivative."""

    file: str
    line: int
    part: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Node:
    """One value: the op that makes it, from which inputs (in slot order), and its type."""

    id: int
    op: str
    inputs: tuple[int, ...]
    attributes: Mapping[str, Any]
    type: Type
    scope: str = ""
    origin: Origin | None = None

    @property
    def shape(self) -> tuple[Dimension, ...]:
        return self.tensor.shape

    @property
    def dtype(self) -> str:
        return self.tensor.dtype

    @property
    def tensor(self) -> TensorType:
        if not isinstance(self.type, TensorType):
            raise GraphError(f"%{self.id} {self.op} has several results; take one with `item`.")
        return self.type


@dataclass(frozen=True, slots=True)
class Requirement:
    """Two sizes that must be equal, which only a call's shapes can decide."""

    left: Dimension
    right: Dimension
    reason: str
    origin: Origin | None = None


@dataclass(slots=True)
class Graph:
    """A traced or derived computation.

    `table` holds the nodes by id; `inputs` and `outputs` are ids. `names` maps the user's names to ids (several names
    may share one id). `arrays` is the side table of array constants, by content hash. `requirements` are checked when
    sizes are known.
    """

    table: list[Node] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    requirements: list[Requirement] = field(default_factory=list)
    _networkx: nx.MultiDiGraph | None = field(default=None, init=False, repr=False, compare=False)
    _users: list[list[tuple[int, int]]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def networkx(self) -> nx.MultiDiGraph:
        """The graph in networkx: node data `op` and `node`; the key of an edge is the argument slot it feeds.

        It takes several times the memory of the table, so it is made when first asked for, and grows from then on.
        """
        if self._networkx is None:
            import networkx as nx

            self._networkx = nx.MultiDiGraph()
        for id in range(len(self._networkx), len(self.table)):
            node = self.table[id]
            self._networkx.add_node(id, op=node.op, node=node)
            self._networkx.add_edges_from((source, id, slot) for slot, source in enumerate(node.inputs))
        return self._networkx

    def add(
        self,
        op: str,
        inputs: tuple[int, ...],
        attributes: Mapping[str, Any],
        type: Type,
        scope: str = "",
        origin: Origin | None = None,
    ) -> int:
        """Append a node and return its id. `inputs` are ids of this graph."""
        id = len(self.table)
        for source in inputs:
            if not 0 <= source < id:
                raise GraphError(f"node %{id} {op}: input %{source} does not exist yet")
        self.table.append(Node(id, op, inputs, attributes, type, scope, origin))
        return id

    def node(self, id: int) -> Node:
        return self.table[id]

    def type(self, id: int) -> TensorType:
        return self.table[id].tensor

    def nodes(self) -> Iterator[Node]:
        """Every node in creation order, which is a topological order."""
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def users(self, id: int) -> list[tuple[int, int]]:
        """(user id, slot) of every edge that leaves `id`, in creation order."""
        for user in range(len(self._users), len(self.table)):
            self._users.append([])
            for slot, source in enumerate(self.table[user].inputs):
                self._users[source].append((user, slot))
        return self._users[id]

    def labels(self, id: int) -> list[str]:
        """The names that the user gave to this node."""
        return [name for name, named in self.names.items() if named == id]

    def all_labels(self) -> dict[int, list[str]]:
        """The same for every node that has a name: for walks over many nodes."""
        found: dict[int, list[str]] = {}
        for name, id in self.names.items():
            found.setdefault(id, []).append(name)
        return found

    def add_array(self, array: np.ndarray) -> str:
        """Put an array into the side table and return its key."""
        array = np.asarray(array, order="C")
        text = f"{array.dtype}{array.shape}".encode()
        key = hashlib.sha256(text + array.tobytes()).hexdigest()[:16]
        self.arrays.setdefault(key, array)
        return key

    def symbols(self) -> list[sp.Symbol]:
        """The named sizes of the inputs, in order of first use."""
        found: dict[sp.Symbol, None] = {}
        for id in self.inputs:
            for size in self.type(id).shape:
                for name in sorted(symbols_of((size,)), key=str):
                    found.setdefault(name)
        return list(found)

    def require_equal(
        self, left: Dimension, right: Dimension, reason: str, origin: Origin | None = None
    ) -> bool | None:
        """Whether two sizes are equal; where that cannot be decided yet, record it for the call."""
        decided = equal(left, right)
        if decided is None:
            requirement = Requirement(left, right, reason, origin)
            if requirement not in self.requirements:
                self.requirements.append(requirement)
        return decided

    def subgraphs(self) -> dict[str, Subgraph]:
        """The graphs that nodes of this one hold as attributes, by key, in order of first use."""
        held = (value for node in self.table for value in node.attributes.values() if isinstance(value, Subgraph))
        return {inner.key: inner for inner in held}

    def deep_nodes(self) -> Iterator[Node]:
        """Every node of this graph and of the graphs inside it."""
        yield from self.table
        for inner in self.subgraphs().values():
            yield from inner.graph.deep_nodes()

    def reachable(self) -> list[int]:
        """Ids that the outputs depend on, and all inputs, ascending."""
        seen = set(self.inputs)
        stack = list(self.outputs)
        while stack:
            id = stack.pop()
            if id not in seen:
                seen.add(id)
                stack.extend(self.node(id).inputs)
        return sorted(seen)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, origins: bool = False) -> Iterator[str]:
        """The text form, one equation per line; `parse_graph` reads it back.

        With `origins`, each line ends with the scope and the user's source line as a comment.
        """
        yield f"graph({', '.join(f'%{id}' for id in self.inputs)}):"
        for key in sorted(self.arrays):
            yield f"  array {key} = {_array_text(self.arrays[key])}"
        for requirement in self.requirements:
            yield f"  require {requirement.left} == {requirement.right}  # {requirement.reason}"
        for key, inner in self.subgraphs().items():
            yield f"  subgraph {key}:"
            yield from (f"    {line}" for line in inner.graph.lines(origins))
        for node in self.nodes():
            text = f"  %{node.id}: {node.type} = {equation_text(node)}"
            where = " ".join(str(part) for part in (node.scope, node.origin) if part)
            yield f"{text}  # {where}" if origins and where else text
        for name, id in self.names.items():
            yield f"  name {name!r} = %{id}"
        yield f"  return {', '.join(f'%{id}' for id in self.outputs)}"


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A graph as an attribute of a node: what a loop repeats, or what a branch computes.

    It is closed: all it needs are its inputs, array constants too. Subgraphs of equal text are equal.
    """

    graph: Graph

    @cached_property
    def key(self) -> str:
        return hashlib.sha256(str(self.graph).encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Subgraph) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def input_types(self) -> tuple[TensorType, ...]:
        return tuple(map(self.graph.type, self.graph.inputs))

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        return tuple(map(self.graph.type, self.graph.outputs))


def equation_text(node: Node) -> str:
    """The right-hand side of a node's line, such as `sum(%3, axes=(0,))`."""
    arguments = [f"%{source}" for source in node.inputs]
    arguments += [f"{name}={value_text(value)}" for name, value in node.attributes.items()]
    return f"{node.op}({', '.join(arguments)})"


def value_text(value: Any) -> str:
    """An attribute's value as text that `parse_value` reads back."""
    if isinstance(value, tuple):
        inner = ", ".join(map(value_text, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, float) and not np.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, sp.Expr):
        return str(value)
    if isinstance(value, Subgraph):
        return f"subgraph({value.key!r})"
    return repr(value)


def _array_text(array: np.ndarray, limit: int = 64) -> str:
    header = f"{array.dtype}[{', '.join(map(str, array.shape))}]"
    if array.size > limit:
        return header
    return f"{header} {value_text(tuple(array.ravel().tolist()))}"
