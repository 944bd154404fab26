"""The rewrite rules, as a table.

Every rule lowers the number of ops, or their cost, or (the stabilising ones) the chance of overflow. All rules keep NaN
and infinity where they were, except those of short windows, which spread them over the sums of a tile, and the
stabilising ones, which are marked and remove those that only rounding made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from .. import ops
from ..graph import Node
from ..graph.types import Dimension, equal, product
from ..ops import Builder
from ..ops.layout import stretched_axes
from .filtering import CORRELATIONS, FOLDED_PRODUCT, fewer_products, turned_correlation
from .gathered import (
    PRODUCTS_OF_ROWS,
    PRODUCTS_WITH_ROWS,
    SUMS_OF_PRODUCTS,
    product_of_rows,
    product_with_rows,
    sums_of_product,
)
from .pattern import Call, Match, Pattern, Variable, call


@dataclass(frozen=True, slots=True)
class Rule:
    """`pattern` becomes `replacement` (a pattern, or a function that may return None to decline).

    One that adds arrays is not applied to graphs inside others, which take their arrays as inputs.
    """

    name: str
    pattern: Call
    replacement: Pattern | Callable[[Builder, Match], int | None]
    stabilising: bool = False
    adds_arrays: bool = False

    def __str__(self) -> str:
        shown = "…" if callable(self.replacement) else str(self.replacement)
        return f"{self.name}: {self.pattern} -> {shown}"


x, y, z, c = Variable("x"), Variable("y"), Variable("z"), Variable("c")


# layout --------------------------------------------------------------------------------------------------------------


def _same_type(b: Builder, m: Match) -> int | None:
    return m["x"] if b.type(m["x"]) == m.type else None


def _join_transposes(b: Builder, m: Match) -> int:
    inner = m.graph.node(m["inner"]).attributes["axes"]
    return b.transpose(m["x"], axes=tuple(inner[axis] for axis in m.attributes["axes"]))


def _drop_transpose(b: Builder, m: Match) -> int | None:
    axes = m.attributes["axes"]
    return m["x"] if axes == tuple(range(len(axes))) else None


def _transpose_units(b: Builder, m: Match) -> int | None:
    """A transpose that moves only axes of size 1 is a reshape."""
    axes, shape = m.attributes["axes"], b.type(m["x"]).shape
    moved = [axis for axis in axes if shape[axis] != 1]
    return b.reshape(m["x"], shape=m.type.shape) if moved == sorted(moved) else None


def _drop_axes(b: Builder, m: Match) -> int | None:
    return m["x"] if not m.attributes["axes"] else None


def _join_sums(b: Builder, m: Match) -> int:
    inner = m.graph.node(m["inner"])
    source = b.type(m["x"])
    kept = [axis for axis in range(source.rank) if axis not in inner.attributes["axes"]]
    return b.sum(m["x"], axes=tuple(sorted((*inner.attributes["axes"], *(kept[a] for a in m.attributes["axes"])))))


def _sum_of_broadcast(b: Builder, m: Match) -> int | None:
    """Summing n copies is multiplying by n."""
    outer = m.graph.node(m["inner"])
    axes = m.attributes["axes"]
    source = b.type(m["x"])
    stretched = [axis for axis in axes if axis in stretched_axes(source, outer.shape)]
    count = product(outer.shape[axis] for axis in stretched)
    if not stretched or not isinstance(count, int):
        return None
    lead = len(outer.shape) - source.rank
    rest = tuple(axis - lead for axis in axes if axis not in stretched)
    total = b.sum(m["x"], axes=rest)
    scaled = b.multiply(total, b.constant_like(total, float(count) if source.is_float else count))
    left = [axis for axis in range(len(outer.shape)) if axis not in axes]
    kept = {axis for axis in left if axis >= lead and equal(source.shape[axis - lead], outer.shape[axis])}
    scaled = b.reshape(scaled, shape=tuple(outer.shape[axis] if axis in kept else 1 for axis in left))
    return b.broadcast(scaled, shape=m.type.shape)


def _sum_of_scatter(b: Builder, m: Match) -> int | None:
    """The sum over the scattered axis is the sum of the values."""
    axis, axes = m.graph.node(m["inner"]).attributes["axis"], m.attributes["axes"]
    return b.sum(m["x"], axes=axes) if axis in axes else None


# products ------------------------------------------------------------------------------------------------------------


def _outer_product(op: str) -> Callable[[Builder, Match], int | None]:
    """A product of two arrays that adds up nothing is a multiplication."""

    def rule(b: Builder, m: Match) -> int | None:
        operands = (m["x"], m["y"])
        types = [b.type(id) for id in operands]
        subscripts = ops.get(op).subscripts(types, **m.attributes)  # type: ignore[misc]
        letters, result = ops.products.split_subscripts(subscripts)
        sizes = ops.products.letter_sizes(b.graph, types, subscripts)
        if any(sizes[letter] != 1 for names in letters for letter in names if letter not in result):
            return None
        return b.multiply(*(_along(b, id, names, result, m.type.shape) for id, names in zip(operands, letters)))

    return rule


def _along(b: Builder, id: int, names: str, result: str, shape: tuple[Dimension, ...]) -> int:
    """An operand with axes as its names stand in `result`, repeated along the others."""
    sizes = dict(zip(names, b.type(id).shape))
    kept = "".join(name for name in names if name in result)
    value = b.reshape(id, shape=tuple(sizes[name] for name in kept)) if kept != names else id
    ordered = sorted(kept, key=result.index)
    value = b.transpose(value, axes=tuple(kept.index(name) for name in ordered))
    return b.broadcast(b.reshape(value, shape=tuple(sizes.get(name, 1) for name in result)), shape=shape)


def _sum_of_product(op: str) -> Callable[[Builder, Match], int | None]:
    """A sum over axes that both operands of a product have is part of the product."""

    def rule(b: Builder, m: Match) -> int | None:
        operands, inner = (m["x"], m["y"]), m.graph.node(m["inner"])
        subscripts = ops.get(op).subscripts([b.type(id) for id in operands], **inner.attributes)  # type: ignore[misc]
        letters, result = ops.products.split_subscripts(subscripts)
        summed = {result[axis] for axis in m.attributes["axes"]}
        if any(letter not in names for letter in summed for names in letters):
            return None
        kept = "".join(letter for letter in result if letter not in summed)
        return b.einsum(*operands, subscripts=f"{','.join(letters)}->{kept}")

    return rule


def _sum_of_outer_product(b: Builder, m: Match) -> int | None:
    """Σₜ xₜᵢ yₜⱼ, written with repeated entries, is a product of arrays."""
    shape, axes = m.graph.node(m["inner"]).shape, m.attributes["axes"]
    operands, letters = [], []
    for name in "xy":
        source = b.type(m[name])
        lead = len(shape) - source.rank
        kept = [axis for axis in range(lead, len(shape)) if source.shape[axis - lead] != 1]
        operands.append(b.reshape(m[name], shape=tuple(source.shape[axis - lead] for axis in kept)))
        letters.append({axis: chr(ord("a") + axis) for axis in kept})
    left, right = map(set, letters)
    if not set(axes) <= left & right or not left - right or not right - left or len(left | right) < len(shape):
        return None
    result = "".join(chr(ord("a") + axis) for axis in range(len(shape)) if axis not in axes)
    return b.einsum(*operands, subscripts=f"{','.join(''.join(names.values()) for names in letters)}->{result}")


def _side_by_side(b: Builder, m: Match) -> int | None:
    """The sum of two arrays that are padded to stand next to each other is one array, padded where it does not fill.

    It is what adding up the cotangents of the parts of an array gives.
    """
    nodes = [m.graph.node(m["first"]), m.graph.node(m["second"])]
    apart = [axis for axis, (one, other) in enumerate(zip(*map(_ends, nodes))) if one != other]
    if len(apart) != 1 or any(any(node.attributes["between"]) for node in nodes):
        return None
    axis = apart[0]
    known = [size for node in nodes for size in (*_ends(node)[axis], b.type(node.inputs[0]).shape[axis])]
    if not all(isinstance(size, int) for size in known):
        return None
    left, right = sorted(nodes, key=lambda node: node.attributes["before"][axis])
    (start, _), (next_start, end) = _ends(left)[axis], _ends(right)[axis]
    if next_start != start + b.type(left.inputs[0]).shape[axis]:
        return None
    parts = [part for node in (left, right) for part in _parts(b, node.inputs[0], axis)]
    whole = b.concatenate(*parts, axis=axis)
    before, after = list(left.attributes["before"]), list(left.attributes["after"])
    before[axis], after[axis] = start, end
    return b.pad(whole, before=tuple(before), after=tuple(after), between=left.attributes["between"])


def _ends(node: Node) -> list[tuple[Dimension, Dimension]]:
    """How much each axis is padded before and after."""
    return list(zip(node.attributes["before"], node.attributes["after"]))


def _parts(b: Builder, id: int, axis: int) -> Sequence[int]:
    """The parts of a concatenation along the axis."""
    node = b.graph.node(id)
    return node.inputs if node.op == "concatenate" and node.attributes["axis"] == axis else (id,)


def _known_choice(b: Builder, m: Match) -> int | None:
    """What a condition that is known chooses."""
    condition = b.constant_value(m["c"])
    return None if condition is None else m["x"] if condition else m["y"]


def _sum_of_squared_product(b: Builder, m: Match) -> int | None:
    """Σᵢⱼ (aᵢ bⱼ)² = Σᵢ aᵢ² · Σⱼ bⱼ², of float32 in float64, where neither sum can overflow.

    It gives the norm of a gradient δ xᵀ without the gradient.
    """
    axes, inner = m.attributes["axes"], m.graph.node(m["inner"])
    if inner.dtype != "float32":
        return None
    parts = []
    varying = []
    for name in "xy":
        type = b.type(m[name])
        lead = inner.tensor.rank - type.rank
        if any(axis < lead for axis in axes):
            return None
        varying.append({axis for axis in axes if type.shape[axis - lead] != 1})
        wide = b.convert(m[name], dtype="float64")
        total = b.sum(b.multiply(wide, wide), axes=tuple(sorted(axis - lead for axis in axes)))
        parts.append(b.broadcast(total, shape=m.type.shape))
    if varying[0] & varying[1] or varying[0] | varying[1] != set(axes):
        return None
    return b.convert(b.multiply(*parts), dtype="float32")


# arithmetic ----------------------------------------------------------------------------------------------------------


def _whole_power(b: Builder, m: Match) -> int | None:
    """x to a small whole power by multiplication."""
    exponent = b.constant_value(m["y"])
    if exponent is None or exponent not in (2, 3, 4) or not m.type.is_float:
        return None
    square = b.multiply(m["x"], m["x"])
    if exponent == 2:
        return square
    return b.multiply(square, m["x"] if exponent == 3 else square)


def _drop_convert(b: Builder, m: Match) -> int | None:
    return m["x"] if b.type(m["x"]).dtype == m.attributes["dtype"] else None


# stabilising ---------------------------------------------------------------------------------------------------------


def _shifted(b: Builder, values: int, axes: tuple[int, ...]) -> tuple[int, int] | None:
    """(values - m, m) with m the largest finite entry along `axes`, unless that was done before."""
    node = b.graph.node(values)
    if node.op == "subtract" and _comes_from_max(b, node.inputs[1]):
        return None
    type = b.type(values)
    largest = b.max(values, axes=axes)
    finite = b.less(b.absolute(largest), b.constant_like(largest, float("inf")))
    largest = b.where(finite, largest, b.constant_like(largest, 0.0))
    # The shift cancels, so its derivative is zero; said here, it need not be found out.
    largest = b.stop_gradient(largest)
    return b.subtract(values, ops.reduction.expand(b, largest, type, axes)), largest


def _comes_from_max(b: Builder, id: int) -> bool:
    for _ in range(8):
        node = b.graph.node(id)
        if node.op == "max":
            return True
        if node.op == "where":
            id = node.inputs[1]
        elif node.op in ("broadcast", "reshape", "stop_gradient"):
            id = node.inputs[0]
        else:
            return False
    return False


def _log_sum_exp(b: Builder, m: Match) -> int | None:
    axes = m.graph.node(m["sum"]).attributes["axes"]
    shifted = _shifted(b, m["x"], axes)
    if shifted is None:
        return None
    values, largest = shifted
    return b.add(b.log(b.sum(b.exp(values), axes=axes)), largest)


def _log_sum_exp_kept(b: Builder, m: Match) -> int | None:
    result = _log_sum_exp(b, m)
    return None if result is None else b.reshape(result, shape=m.type.shape)


def _softmax(b: Builder, m: Match) -> int | None:
    """eˣ / Σ eˣ without overflow."""
    axes = m.graph.node(m["sum"]).attributes["axes"]
    shifted = _shifted(b, m["x"], axes)
    if shifted is None:
        return None
    powers = b.exp(shifted[0])
    return b.divide(powers, ops.reduction.expand(b, b.sum(powers, axes=axes), b.type(powers), axes))


_outer = call.multiply(call.broadcast(x), call.broadcast(y))
_sum_exp = Call("sum", (call.exp(x),), "sum")

RULES: tuple[Rule, ...] = (
    Rule("pass on", call.identity(x), x),
    Rule("end of stop_gradient", call.stop_gradient(x), x),
    Rule("same dtype", call.convert(x), _drop_convert),
    Rule("same shape", call.reshape(x), _same_type),
    Rule("reshape twice", call.reshape(call.reshape(x)), lambda b, m: b.reshape(m["x"], **m.attributes)),
    Rule("nothing to broadcast", call.broadcast(x), _same_type),
    Rule("broadcast twice", call.broadcast(call.broadcast(x)), lambda b, m: b.broadcast(m["x"], **m.attributes)),
    Rule("axes in order", call.transpose(x), _drop_transpose),
    Rule("transpose twice", call.transpose(call.transpose(x).named("inner")), _join_transposes),
    Rule("only axes of size 1 move", call.transpose(x), _transpose_units),
    Rule("slice of everything", call.slice(x), _same_type),
    Rule("nothing to pad", call.pad(x), _same_type),
    Rule("nothing to flip", call.flip(x), _drop_axes),
    Rule("nothing to sum", call.sum(x), _drop_axes),
    Rule("sum twice", call.sum(call.sum(x).named("inner")), _join_sums),
    Rule("sum of a negative", call.sum(call.negative(x)), lambda b, m: b.negative(b.sum(m["x"], **m.attributes))),
    Rule("sum of copies", call.sum(call.broadcast(x).named("inner")), _sum_of_broadcast),
    Rule("sum of a scatter", call.sum(call.scatter_along_axis(x, y).named("inner")), _sum_of_scatter),
    Rule("matrix product that adds up nothing", call.matmul(x, y), _outer_product("matmul")),
    Rule("product that adds up nothing", call.einsum(x, y), _outer_product("einsum")),
    *(Rule("product of gathered rows", each, product_of_rows) for each in PRODUCTS_OF_ROWS),
    *(Rule("product with gathered rows", each, product_with_rows) for each in PRODUCTS_WITH_ROWS),
    *(Rule("sums of a product's rows", each, sums_of_product) for each in SUMS_OF_PRODUCTS),
    *(Rule("sums over short windows", p, partial(fewer_products, slot=s), adds_arrays=True) for s, p in CORRELATIONS),
    Rule("windows added up", FOLDED_PRODUCT, turned_correlation, adds_arrays=True),
    Rule("side by side", call.add(call.pad(x).named("first"), call.pad(y).named("second")), _side_by_side),
    Rule("sum of a matrix product", call.sum(call.matmul(x, y).named("inner")), _sum_of_product("matmul")),
    Rule("sum of a product of arrays", call.sum(call.einsum(x, y).named("inner")), _sum_of_product("einsum")),
    Rule("sum of an outer product", call.sum(_outer.named("inner")), _sum_of_outer_product),
    Rule(
        "sum of a squared product",
        call.sum(call.multiply(_outer, _outer).named("inner")),
        _sum_of_squared_product,
        stabilising=True,
    ),
    Rule("add zero", call.add(x, 0), x),
    Rule("subtract zero", call.subtract(x, 0), x),
    Rule("subtract from zero", call.subtract(0, x), call.negative(x)),
    Rule("multiply by one", call.multiply(x, 1), x),
    Rule("multiply by minus one", call.multiply(x, -1), call.negative(x)),
    Rule("divide by one", call.divide(x, 1), x),
    Rule("negative twice", call.negative(call.negative(x)), x),
    Rule("add a negative", call.add(x, call.negative(y)), call.subtract(x, y)),
    Rule("subtract a negative", call.subtract(x, call.negative(y)), call.add(x, y)),
    Rule("product of negatives", call.multiply(call.negative(x), call.negative(y)), call.multiply(x, y)),
    Rule("multiply by a reciprocal", call.multiply(call.divide(1, x), y), call.divide(y, x)),
    Rule("power of one", call.power(x, 1), x),
    Rule("whole power", call.power(x, y), _whole_power),
    Rule("the condition is known", call.where(c, x, y), _known_choice),
    Rule("same either way", call.where(c, x, x), x),
    Rule("not twice", call.logical_not(call.logical_not(x)), x),
    Rule("where not", call.where(call.logical_not(c), x, y), call.where(c, y, x)),
    Rule("sigmoid", call.divide(1, call.add(1, call.exp(call.negative(x)))), call.sigmoid(x), stabilising=True),
    Rule("softplus", call.log(call.add(1, call.exp(x))), call.softplus(x), stabilising=True),
    Rule("softplus of log1p", call.log1p(call.exp(x)), call.softplus(x), stabilising=True),
    Rule("log of 1 + x", call.log(call.add(1, x)), call.log1p(x), stabilising=True),
    Rule("exp of x less 1", call.subtract(call.exp(x), 1), call.expm1(x), stabilising=True),
    Rule("log of sigmoid", call.log(call.sigmoid(x)), call.negative(call.softplus(call.negative(x))), stabilising=True),
    Rule("log of exp over y", call.log(call.divide(call.exp(x), y)), call.subtract(x, call.log(y)), stabilising=True),
    Rule("log of exp", call.log(call.exp(x)), x, stabilising=True),
    Rule("log-sum-exp", call.log(_sum_exp), _log_sum_exp, stabilising=True),
    Rule("log-sum-exp, kept axes", call.log(call.reshape(_sum_exp)), _log_sum_exp_kept, stabilising=True),
    Rule("softmax", call.divide(call.exp(x), call.broadcast(call.reshape(_sum_exp))), _softmax, stabilising=True),
)


def by_op(rules: Iterable[Rule]) -> dict[str, tuple[Rule, ...]]:
    """The rules by the op at their pattern's root, in table order."""
    table: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        table[rule.pattern.op] = (*table.get(rule.pattern.op, ()), rule)
    return table
