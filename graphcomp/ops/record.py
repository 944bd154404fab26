"""One record per op. Everything else about an op is derived from its record.

Four kinds: `Elementwise` (a SymPy expression is the definition), `Linear` (a shape rule, a NumPy reference and a
transpose), `Multilinear` (one transpose per argument) and `Special` (a forward rule written in ops). Reverse mode is
not a facet: it is linearize, then transpose, so only ops that are linear in a slot carry a transpose for that slot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, TypeAlias

import numpy as np
import sympy as sp

from ..errors import DTypeError, MissingFacetError, ShapeError
from ..graph import Graph, Node, TensorType
from ..graph.types import DTYPES, FLOATS, INTEGERS, Dimension, Type, equal, product
from .batching import BatchRule, batch_product, last_axes
from .builder import Builder
from .index import Index, Piece
from .symbolic import OUT, note_head, read_heads
from .symbolic import build as build_expression

Attributes: TypeAlias = Mapping[str, Any]
Tangents: TypeAlias = Sequence[int | None]

ACCEPTS: Mapping[str, tuple[str, ...]] = {
    "float": FLOATS,
    "integer": INTEGERS,
    "number": FLOATS + INTEGERS,
    "signed": tuple(name for name in FLOATS + INTEGERS if not name.startswith("uint")),
    "bool": ("bool",),
    "any": DTYPES,
}


@dataclass(frozen=True, slots=True)
class LinearCall:
    """A call of an op in the tangent graph, seen by the op's transpose rule.

    `operands[slot]` is the id of an argument that is not linear, None where the argument is a tangent; `types` are the
    types of all arguments and `type` that of the result.
    """

    attributes: Attributes
    operands: tuple[int | None, ...]
    types: tuple[Any, ...]
    type: Any

    def operand(self, slot: int) -> int:
        id = self.operands[slot]
        if id is None:
            raise MissingFacetError(f"argument {slot} is a tangent, so its value is not available to the transpose")
        return id


@dataclass(frozen=True, slots=True)
class Contraction:
    """An entry of the result as a combination over a box of entries.

    `extents` are the box's sizes, `combine` is sum, product, maximum, minimum, argmax or argmin, and `factors(box
    index)` gives one list of pieces per factor of the product that is combined.
    """

    extents: tuple[Dimension, ...]
    combine: str
    factors: Callable[[tuple[Index, ...]], list[list[Piece]]]

    def is_single(self) -> bool:
        """Whether the result is just the one entry in the box, as when a maximum's gradient is put in its place."""
        return not self.combine.startswith("arg") and equal(product(self.extents), 1) is True


TransposeRule: TypeAlias = Callable[[Builder, LinearCall, int], int]
ShapeRule: TypeAlias = Callable[..., Type]


@dataclass(frozen=True, kw_only=True)
class Op:
    """What every record holds. `name` is NumPy's name where NumPy has one; `summary` is one sentence."""

    kind: ClassVar[str] = "op"
    name: str
    summary: str
    accepts: str = "any"
    arity: int | None = 1
    reference: Callable[..., Any] | None = None
    transposes: Mapping[int, TransposeRule] = field(default_factory=dict)
    samples: Callable[[np.random.Generator, str], tuple[tuple[np.ndarray, ...], dict[str, Any]]] | None = None
    """Arguments and attributes for the generated tests, from a generator and a dtype."""
    index_map: Callable[..., list[Piece]] | None = None
    """How an entry of the result reads the arguments: (context, index, types, **attributes) -> pieces."""
    generate: Callable[..., str] | None = None
    """Code for an entry that depends only on its index: (context, index, **attributes) -> expression."""
    contraction: Callable[..., Contraction] | None = None
    """How an entry of the result combines many entries: (context, index, types, **attributes) -> Contraction."""
    target_map: Callable[..., tuple[Index, ...]] | None = None
    """Where an op that only adds entries up puts an entry of its argument: (index, types, **attributes) -> index."""
    subscripts: Callable[..., str] | None = None
    """For a product of arrays, its einsum subscripts: (types, **attributes) -> "ij,jk->ik"."""
    kernel: str | None = None
    """The name of the kernel template that computes the op whole, for what is no loop over entries."""
    batch: BatchRule | None = None
    """How the op works on a batch (see `batching`); without it, on one after the other, in a loop."""
    bound: Callable[..., Dimension] | None = None
    """For integers that are positions: every entry lies in range(bound): (types, **attributes) -> size."""
    cost: int = 4
    """How many additions computing one entry costs, roughly: whether to compute a value again or to store it."""
    commutative: bool = False
    repeats: bool = False
    """Whether the index map may read an entry of an argument more than once."""
    pads: bool = False
    """Whether some entries are zeros that stand in no argument."""
    shown: int | None = None
    """How many of the arguments a formula shows, where the others only say once more what these say."""

    def infer(self, graph: Graph, types: Sequence[TensorType], attributes: Attributes) -> Type:
        """The result's type; sizes that must be equal go through `graph.require_equal`."""
        raise self.missing("a shape rule", "pass `shape=`")

    def evaluate(self, arguments: Sequence[np.ndarray], attributes: Attributes) -> Any:
        """The reference: NumPy arrays in, NumPy array out."""
        if self.reference is None:
            raise self.missing("a NumPy reference", "pass `reference=`, a function of arrays")
        return self.reference(*arguments, **attributes)

    def tangent(self, b: Builder, node: Node, tangents: Tangents) -> Any:
        """The tangent of `node` from the tangents of its inputs (None is zero). At least one is not None."""
        raise self.missing("a forward rule", "pass `tangent_rule=`, written in ops")

    def transpose(self, b: Builder, call: LinearCall, slot: int, cotangent: int) -> int:
        """The cotangent of the argument in `slot`."""
        if slot not in self.transposes:
            raise self.missing(f"a transpose for argument {slot}", "pass `transposes={slot: rule}`")
        return self.transposes[slot](b, call, cotangent)

    def batched(self, b: Builder, node: Node, inputs: Sequence[int], batched: Sequence[bool], size: Dimension) -> Any:
        """The batch of results; None where there is no rule. Several results are a list of (id, whether a batch)."""
        if self.subscripts is not None:
            types = [item.with_shape(item.shape[1:]) if on else item for item, on in zip(map(b.type, inputs), batched)]
            return batch_product(b, self.subscripts(types, **node.attributes), inputs, batched)
        return None if self.batch is None else self.batch(b, node, inputs, batched, size)

    def pull_back(self, b: Builder, call: LinearCall, cotangent: Any) -> dict[int, Any]:
        """The cotangents of the linear arguments by slot; arguments that get none are left out.

        The cotangent of a value with several results maps positions to ids, with those left out that are zero.
        """
        slots = [slot for slot, operand in enumerate(call.operands) if operand is None]
        return {slot: self.transpose(b, call, slot, cotangent) for slot in slots}

    def dependencies(self, node: Node, given: Sequence[Any], through: Callable[..., list[Any]]) -> list[Any] | None:
        """For an op with several linear results: which entries of each depend on what; None where each may on all.

        Patterns are boolean `scipy.sparse` arrays with a row for each entry. `given` are those of the arguments, None
        where there is none, and `through(graph, patterns)` gives those of an inner graph's outputs.
        """
        return None

    def executed(self, call: Any, inputs: Sequence[int]) -> list[int] | None:
        """For an op that holds graphs: write what it executes (`call` is that of `render.executed`); its results.

        None where the op is one step of its own.
        """
        return None

    def missing(self, facet: str, remedy: str) -> MissingFacetError:
        return MissingFacetError(f"op `{self.name}` has no {facet.removeprefix('a ')}; {remedy} in its record.")

    def check_arguments(self, types: Sequence[TensorType]) -> None:
        if self.arity is not None and len(types) != self.arity:
            raise ShapeError(f"{self.name} takes {self.arity} arguments, not {len(types)}.")
        for type in types:
            if type.dtype not in ACCEPTS[self.accepts]:
                allowed = ", ".join(ACCEPTS[self.accepts])
                raise DTypeError(f"{self.name} does not accept {type.dtype} (it accepts {allowed}); convert it first.")


@dataclass(frozen=True, kw_only=True)
class Elementwise(Op):
    """A scalar function lifted over arrays of one shape. The SymPy expression is its definition.

    `partials(*arguments, out)` gives numerically stable partial derivatives in terms of the arguments and the result;
    without it SymPy differentiates the expression. `scalar` is the code for one value: a template with `{0}`, `{1}`
    for the arguments and `T` for the dtype's constructor, or a Python function that Numba can compile; without it,
    the code is printed from the expression.
    """

    kind: ClassVar[str] = "elementwise"
    accepts: str = "float"
    batch: BatchRule | None = last_axes
    expression: Callable[..., Any] | None = None
    partials: Callable[..., Sequence[Any]] | None = None
    differentiable: bool = True
    result: str | None = None
    scalar: str | Callable[..., Any] | None = None
    domain: tuple[tuple[float, float], ...] = ()
    kinks: str = ""
    tangent_rule: Callable[[Builder, Node, Tangents], int | None] | None = None

    def infer(self, graph: Graph, types: Sequence[TensorType], attributes: Attributes) -> TensorType:
        self.check_arguments(types)
        first = types[0]
        for other in types[1:]:
            require_same_shape(graph, self.name, first, other)
            if other.dtype != first.dtype:
                raise DTypeError(f"{self.name} takes arguments of one dtype, not {first} and {other}.")
        return TensorType(first.shape, self.result or first.dtype)

    def symbols(self) -> tuple[sp.Symbol, ...]:
        return argument_symbols(self.arity or 1)

    def definition(self, attributes: Attributes | None = None) -> Any:
        if self.expression is None:
            raise self.missing("a SymPy expression", "pass `expression=`")
        return self.expression(*self.symbols(), **(attributes or {}))

    def partial_expressions(self, attributes: Attributes | None = None) -> tuple[sp.Expr, ...]:
        """One partial derivative per argument, over `symbols()` and the symbol `out` for the result."""
        if self.partials is not None:
            return tuple(sp.sympify(p) for p in self.partials(*self.symbols(), OUT, **(attributes or {})))
        definition = self.definition(attributes)
        return tuple(sp.diff(definition, symbol).subs(definition, OUT) for symbol in self.symbols())

    def evaluate(self, arguments: Sequence[np.ndarray], attributes: Attributes) -> Any:
        if self.reference is not None:
            return self.reference(*arguments, **attributes)
        function = sp.lambdify(self.symbols(), self.definition(attributes), modules=["scipy", "numpy"])
        return function(*arguments)

    def partial(self, b: Builder, node: Node, slot: int) -> int:
        """The local partial derivative ∂f/∂x_slot at `node`, as a node; remembered in `b.partials`."""
        if (node.id, slot) not in b.partials:
            values = dict(zip(self.symbols(), node.inputs)) | {OUT: node.id}
            expression = partial_expressions(self.name, tuple(node.attributes.items()))[slot]
            b.partials[node.id, slot] = build_expression(b, expression, values, b.type(node.inputs[slot]))
        return b.partials[node.id, slot]

    def tangent(self, b: Builder, node: Node, tangents: Tangents) -> int | None:
        """Σᵢ ∂f/∂xᵢ · ẋᵢ over the arguments that carry a tangent."""
        if not self.differentiable:
            return None
        if self.tangent_rule is not None:
            return self.tangent_rule(b, node, tangents)
        total: int | None = None
        for slot, tangent in enumerate(tangents):
            if tangent is not None:
                term = b.scale(self.partial(b, node, slot), tangent)
                total = term if total is None else b.add(total, term)
        return total


@dataclass(frozen=True, kw_only=True)
class Linear(Op):
    """Linear in the arguments `linear` taken together (the others, such as indices, are held fixed)."""

    kind: ClassVar[str] = "linear"
    shape: ShapeRule | None = None
    linear: tuple[int, ...] | None = (0,)

    def infer(self, graph: Graph, types: Sequence[TensorType], attributes: Attributes) -> Type:
        self.check_arguments(types)
        if self.shape is None:
            raise self.missing("a shape rule", "pass `shape=`")
        return self.shape(graph, *types, **attributes)

    def tangent(self, b: Builder, node: Node, tangents: Tangents) -> int | None:
        linear = range(len(node.inputs)) if self.linear is None else self.linear
        if all(tangents[slot] is None for slot in linear):
            return None
        arguments = list(node.inputs)
        for slot in linear:
            tangent = tangents[slot]
            arguments[slot] = b.zeros_like(arguments[slot]) if tangent is None else tangent
        return b.emit(self.name, *arguments, **node.attributes)

    def transpose(self, b: Builder, call: LinearCall, slot: int, cotangent: int) -> int:
        if self.linear is None:  # any number of arguments: one rule, told which
            return self.transposes[0](b, call, cotangent, slot)  # type: ignore[call-arg]
        return super().transpose(b, call, slot, cotangent)


@dataclass(frozen=True, kw_only=True)
class Multilinear(Linear):
    """Linear in each argument on its own: the forward rule is the product rule."""

    kind: ClassVar[str] = "multilinear"

    def tangent(self, b: Builder, node: Node, tangents: Tangents) -> int | None:
        total: int | None = None
        for slot, tangent in enumerate(tangents):
            if tangent is None:
                continue
            arguments = [*node.inputs[:slot], tangent, *node.inputs[slot + 1 :]]
            term = b.emit(self.name, *arguments, **node.attributes)
            total = term if total is None else b.add(total, term)
        return total


@dataclass(frozen=True, kw_only=True)
class Special(Op):
    """Anything else: the forward rule is written in ops, or the derivative is zero (`tangent_rule=None`)."""

    kind: ClassVar[str] = "special"
    shape: ShapeRule | None = None
    tangent_rule: Callable[[Builder, Node, Tangents], Any] | None = None

    def infer(self, graph: Graph, types: Sequence[TensorType], attributes: Attributes) -> Type:
        self.check_arguments(types)
        if self.shape is None:
            raise self.missing("a shape rule", "pass `shape=`")
        return self.shape(graph, *types, **attributes)

    def tangent(self, b: Builder, node: Node, tangents: Tangents) -> Any:
        return None if self.tangent_rule is None else self.tangent_rule(b, node, tangents)


@cache
def argument_symbols(arity: int) -> tuple[sp.Symbol, ...]:
    names = "xyz" if arity <= 3 else "abcdefgh"
    return tuple(sp.Symbol(name, real=True) for name in names[:arity])


REGISTRY: dict[str, Op] = {}


def register(op: Op, verify: bool = True) -> Op:
    """Add a record. Partials given by hand are compared with SymPy's derivative first.

    The package registers its own ops without that comparison, which costs import time; the tests make it for them.
    """
    if op.name in REGISTRY:
        raise MissingFacetError(f"an op named `{op.name}` is registered already; choose another name.")
    if verify and isinstance(op, Elementwise):
        verify_partials(op)
    REGISTRY[op.name] = op
    if isinstance(op, Elementwise) and op.expression is not None and op.arity is not None:
        note_head(op.name, op.expression, op.symbols())
        if verify:
            read_heads()  # what SymPy says of the expression is said here
    return op


def get(name: str) -> Op:
    if name not in REGISTRY:
        raise MissingFacetError(f"there is no op named `{name}`; `graphcomp ops` lists them.")
    return REGISTRY[name]


@cache
def partial_expressions(name: str, attributes: tuple[tuple[str, Any], ...]) -> tuple[sp.Expr, ...]:
    op = get(name)
    assert isinstance(op, Elementwise)
    return op.partial_expressions(dict(attributes))


def verify_partials(op: Elementwise, points: int = 3, attributes: Attributes | None = None) -> None:
    """Compare hand-written partials with SymPy's derivative at `points` points of the op's domain, to 20 digits."""
    if op.partials is None or not op.differentiable or op.expression is None:
        return
    definition = op.definition(attributes)
    for index in range(points):
        fractions = [(0.37 + 0.271 * index + 0.113 * slot) % 1 for slot in range(op.arity or 1)]
        point = {
            symbol: sp.Float(low + (high - low) * fraction, 30)
            for symbol, (low, high), fraction in zip(op.symbols(), op.domain, fractions)
        }
        out = definition.subs(point).evalf(30)
        for slot, partial in enumerate(op.partial_expressions(attributes)):
            given = partial.subs(OUT, out).subs(point).evalf(30)
            derived = _derivative(definition, op.symbols()[slot]).subs(point).doit().evalf(30)
            if abs(given - derived) > sp.Float("1e-18") * (1 + abs(derived)):
                raise MissingFacetError(
                    f"op `{op.name}`: the partial for argument {slot} is {given} at {list(point.values())}, but "
                    f"SymPy's derivative of the expression is {derived}; correct `partials=`."
                )


def _derivative(definition: Any, symbol: sp.Symbol) -> Any:
    """SymPy's derivative, with that of steps (floor, ceiling) zero, as it is wherever it exists."""
    steps = (sp.floor, sp.ceiling)
    derivative = sp.diff(definition, symbol)
    return derivative.replace(lambda e: isinstance(e, (sp.Derivative, sp.Subs)) and e.has(*steps), lambda e: sp.S.Zero)


def require_same_shape(graph: Graph, name: str, first: TensorType, other: TensorType) -> None:
    reason = f"{name} takes arguments of one shape"
    if len(first.shape) != len(other.shape):
        raise ShapeError(f"{reason}, not {first} and {other}.")
    for left, right in zip(first.shape, other.shape):
        if graph.require_equal(left, right, reason) is False:
            raise ShapeError(f"{reason}, not {first} and {other}.")
