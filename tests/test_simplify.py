"""Every rewrite rule fires where it should, and keeps values, NaN and infinity (or, where marked, removes overflow)."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp import ops
from graphcomp.errors import GraphError
from graphcomp.graph import Graph
from graphcomp.run import interpret
from graphcomp.simplify import RULES, Rule, simplify, stabilise
from graphcomp.simplify.pattern import Number, Pattern, Variable, call
from graphcomp.simplify.rules import by_op
from graphcomp.trace import trace_function
from graphcomp.trace.tracer import apply

SPECIAL = np.array([[0.0, -0.0, 1.0, -2.5], [np.inf, -np.inf, np.nan, 1e-300], [3.0, 1e300, -1.0, 0.5]])
MILD = np.linspace(-2.0, 3.0, 12).reshape(3, 4)
BOOLEAN = MILD > 0.3
MANY = np.array([0, 2, 2, 1, 0, -1, 2, 2, 0, 1, 1, 2])


def build(b: ops.Builder, pattern: Pattern, inputs: dict[str, int], dtype: str) -> int:
    """The pattern itself as nodes; `c` is a boolean input, the other variables are of `dtype`."""
    if isinstance(pattern, Variable):
        if pattern.name not in inputs:
            kind = "bool" if pattern.name == "c" else dtype
            inputs[pattern.name] = b.input(shape=(3, 4), dtype=kind, name=pattern.name)
            b.graph.inputs.append(inputs[pattern.name])
        return inputs[pattern.name]
    if isinstance(pattern, Number):
        return b.constant(pattern.value, (3, 4), dtype)
    return b.emit(pattern.op, *(build(b, part, inputs, dtype) for part in pattern.arguments))


def same(left: Any, right: Any) -> bool:
    return bool(np.array_equal(left, right, equal_nan=np.asarray(left).dtype.kind == "f"))


PLAIN = [rule for rule in RULES if not callable(rule.replacement) and not rule.stabilising]


@pytest.mark.parametrize("rule", PLAIN, ids=lambda rule: rule.name)
def test_a_plain_rule_keeps_every_value(rule: Rule) -> None:
    dtype = "bool" if rule.pattern.op.startswith("logical") else "float64"
    b = ops.build(Graph())
    b.graph.outputs = [build(b, rule.pattern, {}, dtype)]
    result = simplify(b.graph)
    assert rule.name in [rewrite.rule for rewrite in result.history]
    assert len(result.graph) < len(b.graph)
    for values in (SPECIAL, SPECIAL[::-1], MILD):
        wanted = {"bool": BOOLEAN, "float64": values}
        inputs = [wanted[b.graph.type(id).dtype] for id in b.graph.inputs]
        if len(inputs) == 2 and dtype == "float64":
            inputs[1] = inputs[1][:, ::-1].copy()
        with np.errstate(all="ignore"):
            before, after = interpret(b.graph, inputs)[0], interpret(result.graph, inputs)[0]
        if rule.name == "multiply by a reciprocal":  # y·(1/x) and y/x round differently
            assert np.allclose(before[np.abs(inputs[0]) > 1e-200], after[np.abs(inputs[0]) > 1e-200], equal_nan=True)
        else:
            assert same(before, after), rule


def raw(name: str, *values: Any, **attributes: Any) -> Any:
    """An op as such, where the functions of graphcomp.numpy would already leave it out."""
    return apply(name, *values, **attributes)


WAVES = np.sin(np.arange(64 * 30 * 32.0)).reshape(1, 64, 30, 32)
FILTERS = np.cos(np.arange(64 * 64 * 9.0)).reshape(64, 64, 3, 3)


FUNCTION_RULES: dict[str, Callable[[Any], Any]] = {
    "same dtype": lambda x: raw("convert", x, dtype="float64"),
    "same shape": lambda x: raw("reshape", x, shape=(3, 4)),
    "reshape twice": lambda x: x.reshape(12).reshape(4, 3),
    "nothing to broadcast": lambda x: raw("broadcast", x, shape=(3, 4)),
    "broadcast twice": lambda x: raw("broadcast", raw("broadcast", x, shape=(2, 3, 4)), shape=(5, 2, 3, 4)),
    "axes in order": lambda x: raw("transpose", x, axes=(0, 1)),
    "transpose twice": lambda x: x.T.T,
    "only axes of size 1 move": lambda x: np.transpose(x.reshape(3, 1, 4), (1, 0, 2)),
    "slice of everything": lambda x: raw("slice", x, start=(0, 0), size=(3, 4), step=(1, 1)),
    "nothing to pad": lambda x: raw("pad", x, before=(0, 0), after=(0, 0), between=(0, 0)),
    "nothing to flip": lambda x: raw("flip", x, axes=()),
    "nothing to sum": lambda x: raw("sum", x, axes=()),
    "sum twice": lambda x: np.sum(np.sum(x, axis=0), axis=0),
    "sum of a negative": lambda x: np.sum(-x, axis=1),
    "sum of copies": lambda x: np.sum(raw("broadcast", x, shape=(2, 3, 4)), axis=0),
    "sum of a scatter": lambda x: np.sum(
        raw("scatter_along_axis", x, np.zeros((3, 4), "int64"), axis=1, size=6), axis=1
    ),
    "whole power": lambda x: x**3,
    "matrix product that adds up nothing": lambda x: x[:, :1] @ x[:1],
    "product that adds up nothing": lambda x: gnp.einsum("ia,jb->bij", x[:, :1], x[1:, :2]),
    "sums over short windows": lambda x: gnp.einsum(
        "nchwij,ocij->nohw", gnp.unfold(np.sum(x) * WAVES, (3, 3)), x[2, 1] * FILTERS
    ),
    "windows added up": lambda x: gnp.fold(
        gnp.einsum("ocij,nohw->nchwij", x[2, 1] * FILTERS, np.sum(x) * WAVES), (32, 34)
    )[:, :, 1:-1, 1:-1],
    "side by side": lambda x: np.pad(x, ((0, 0), (1, 5))) + np.pad(np.sin(x), ((0, 0), (5, 1))),
    "sum of a matrix product": lambda x: gnp.sum(gnp.stack([x, 2 * x, x]) @ gnp.stack([x.T, x.T, np.sin(x.T)]), axis=0),
    "sum of a product of arrays": lambda x: gnp.sum(
        gnp.einsum("ija,ika->ijk", gnp.stack([x, 2 * x], 2), gnp.stack([x, np.sin(x)], 2)), axis=0
    ),
    "sum of an outer product": lambda x: gnp.sum(x[:, :, None] * np.sin(x)[:, None, :], axis=0),
    "product of gathered rows": lambda x: np.take(x, MANY, axis=0) @ np.sin(x.T),
    "product with gathered rows": lambda x: np.take(x, MANY, axis=0).T @ np.take(np.cos(x), MANY[::-1], axis=0),
    "sums of a product's rows": lambda x: raw(
        "scatter_add", np.tile(np.cos(x), (4, 1)) @ x.T, np.abs(MANY), axis=0, size=5
    ),
    "the condition is known": lambda x: gnp.where(gnp.zeros_like(x) > 0, x, 2 * x),
}


@pytest.mark.parametrize("name", sorted(FUNCTION_RULES))
def test_a_rule_with_a_condition(name: str) -> None:
    traced = trace_function(FUNCTION_RULES[name], (MILD,))
    result = simplify(traced)
    assert name in [rewrite.rule for rewrite in result.history]
    assert np.allclose(interpret(traced, [MILD])[0], interpret(result.graph, [MILD])[0], rtol=1e-14)


STABLE: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), -800.0, 0.0),
    "softplus": (lambda x: np.log(1 + np.exp(x)), 800.0, 800.0),
    "softplus of log1p": (lambda x: np.log1p(np.exp(x)), 800.0, 800.0),
    "log of 1 + x": (lambda x: np.log(1 + x), 1e-20, 1e-20),
    "exp of x less 1": (lambda x: np.exp(x) - 1, 1e-20, 1e-20),
    "log of sigmoid": (lambda x: np.log(gnp.sigmoid(x)), -800.0, -800.0),
    "log of exp over y": (lambda x: np.log(np.exp(x) / gnp.stop_gradient(x)), 800.0, 800.0 - np.log(800.0)),
    "log of exp": (lambda x: np.log(np.exp(x)), 800.0, 800.0),
    "log-sum-exp": (lambda x: np.log(np.sum(np.exp(x))), np.full(3, 800.0), 800.0 + np.log(3.0)),
    "log-sum-exp, kept axes": (
        lambda x: np.log(np.sum(np.exp(x), axis=0, keepdims=True)), np.full(3, -800.0), np.array([np.log(3.0) - 800.0]),
    ),
    "sum of a squared product": (
        lambda x: np.sum(np.square(np.outer(x, x * np.float32(1e-38))), dtype="float32"),
        np.array([3e19, 4e19], "float32"), np.float32(2.5e39 * 2.5e39 * float(np.float32(1e-38)) ** 2),
    ),
    "softmax": (
        lambda x: np.exp(x) / np.sum(np.exp(x), axis=0, keepdims=True), np.full(4, 800.0), np.full(4, 0.25)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(STABLE))
def test_a_stabilising_rule(name: str) -> None:
    function, point, wanted = STABLE[name]
    traced = trace_function(function, (point,))
    result = simplify(traced)
    assert name in [rewrite.rule for rewrite in result.history]
    assert np.allclose(interpret(result.graph, [point])[0], wanted, rtol=1e-14, atol=0)
    mild = np.asarray(point) * 0 + 0.7
    assert np.allclose(interpret(result.graph, [mild])[0], interpret(traced, [mild])[0], rtol=1e-13)


def test_every_rule_is_tested() -> None:
    named = {rule.name for rule in PLAIN} | set(FUNCTION_RULES) | set(STABLE)
    assert named == {rule.name for rule in RULES}
    assert all((rule.name in STABLE) == rule.stabilising for rule in RULES)


def test_derivatives_are_those_of_the_stable_form() -> None:
    """A cross-entropy written as on the slide: neither it nor its gradient overflows."""

    def loss(logits: Any) -> Any:
        softmax = np.exp(logits) / np.sum(np.exp(logits), axis=-1, keepdims=True)
        return -np.log(softmax)[0, 1]

    value, gradient = gx.value_and_grad(loss)(np.array([[900.0, -900.0, 0.0]]))
    assert value == 1800.0
    assert np.array_equal(gradient, [[1.0, -1.0, 0.0]])
    assert all(rule.stabilising for name in stabilise_rules(loss) for rule in RULES if rule.name == name)


def stabilise_rules(loss: Callable[[Any], Any]) -> set[str]:
    traced = trace_function(loss, (np.zeros((1, 3)),))
    assert len(stabilise(traced)) > 0
    return {rewrite.rule for rewrite in simplify(traced, by_op(r for r in RULES if r.stabilising)).history}


def test_constants_fold_and_equal_nodes_are_shared() -> None:
    traced = trace_function(lambda x: np.sin(x) * np.cos(2.0 + 0 * x) + np.sin(x), (1.0,))
    graph = simplify(traced).graph
    assert [node.op for node in graph.nodes()].count("sin") == 1
    zero = trace_function(lambda x: x + gnp.full_like(x, 0.0) * gnp.full_like(x, 3.0), (MILD,))
    assert [node.op for node in simplify(zero).graph.nodes()] == ["input"]


def test_zero_and_minus_zero_are_not_shared() -> None:
    traced = trace_function(lambda x: (x / gnp.full_like(x, 0.0), x / gnp.full_like(x, -0.0)), (np.ones(2),))
    up, down = interpret(simplify(traced).graph, [np.ones(2)])
    assert np.all(up == np.inf) and np.all(down == -np.inf)


def test_the_mapping_follows_outputs_and_names() -> None:
    traced = gx.trace("y = x*1; z = y + 0")
    result = simplify(traced)
    assert [result.mapping[id] for id in traced.outputs] == result.graph.outputs
    assert result.graph.names["z"] == result.graph.names["x"] == result.graph.inputs[0]


def test_rules_that_go_round_are_named() -> None:
    x, y = Variable("x"), Variable("y")
    there = Rule("there", call.subtract(x, y), call.add(x, call.negative(y)))
    back = Rule("back", call.add(x, call.negative(y)), call.subtract(x, y))
    with pytest.raises(GraphError, match="go round: back, there"):
        simplify(gx.trace("a - b"), by_op([there, back]))


@pytest.mark.parametrize("axes", [(0, 1), (0, 2), (0, 1, 2), (1, 2), (0,)])
@pytest.mark.parametrize("shape", [(4,), (1, 4), (3, 1), (3, 4)])
def test_sums_of_copies_with_axes_in_front(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    """The axes of the sum count from the broadcast shape, which may have more of them than what was broadcast."""
    x = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    graph = trace_function(lambda x: gnp.sum(gnp.broadcast_to(x, (2, 3, 4)), axes), (x,))
    simplified = simplify(graph)
    copied = any((2, 3, 4)[axis] != ((1, 1, *shape)[-3:])[axis] for axis in axes)
    assert ("sum of copies" in {rewrite.rule for rewrite in simplified.history}) == copied
    np.testing.assert_array_equal(interpret(simplified.graph, [x])[0], np.broadcast_to(x, (2, 3, 4)).sum(axes))


@pytest.mark.parametrize(
    ("x", "wanted"), [([-np.inf, -np.inf], -np.inf), ([np.inf, 0.0], np.inf), ([-np.inf, 2.0], 2.0)]
)
def test_log_sum_exp_of_infinities(x: list[float], wanted: float) -> None:
    """The shift is by a finite number only: ∞ - ∞ would be NaN."""
    graph = stabilise(trace_function(lambda x: gnp.log(gnp.sum(gnp.exp(x))), (np.array(x),)))
    assert "max" in {node.op for node in graph.nodes()}
    assert interpret(graph, [np.array(x)])[0] == wanted


@pytest.mark.parametrize("exponent", [-1.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0])
def test_powers_keep_their_value(exponent: float) -> None:
    """Small whole powers become products, of the right number of factors."""
    graph = simplify(trace_function(lambda x: x**exponent, (MILD,))).graph
    assert ("power" in {node.op for node in graph.nodes()}) == (exponent not in (1, 2, 3, 4))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(interpret(graph, [MILD])[0], MILD**exponent, rtol=1e-14)
