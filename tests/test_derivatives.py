"""Derivatives: every op in both modes to second order, conventions at kinks, transposes, and functions to functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.special
import sympy as sp
from conftest import SAMPLED, claimed_dtypes, generator, op_graph, samples
from hypothesis import given
from hypothesis import strategies as st
from test_ops import SMOOTH, attributes_of, domain_points

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.derive import forward, reverse
from graphcomp.errors import DerivativeError, InputError
from graphcomp.ops import REGISTRY, Elementwise, record
from graphcomp.run import evaluate_all, interpret
from graphcomp.simplify import simplify
from graphcomp.trace.tracer import apply

OUT = record.OUT


def of_op(name: str, attributes: dict[str, Any]) -> Callable[..., Any]:
    return lambda *values: apply(name, *values, **attributes)


# every op against differences and to 30 digits ----------------------------------------------------------------------

ON_FLOATS = [
    name
    for name in SAMPLED
    if REGISTRY[name].arity != 0 and "float64" in claimed_dtypes(REGISTRY[name]) and name not in ("stop_gradient",)
]


def _has_float_result(name: str) -> bool:
    arguments, attributes = samples(REGISTRY[name], "float64")  # type: ignore[misc]
    graph = op_graph(name, arguments, attributes)
    return any(graph.type(id).is_float for id in graph.outputs) and any(a.dtype.kind == "f" for a in arguments)


DIFFERENTIABLE = [name for name in ON_FLOATS if _has_float_result(name)]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_first_and_second_derivatives_against_differences(name: str) -> None:
    arguments, attributes = samples(REGISTRY[name], "float64")  # type: ignore[misc]
    gx.check_grads(of_op(name, attributes), arguments, order=2, entries=8).raise_if_wrong()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_float32_derivatives_against_differences(name: str) -> None:
    arguments, attributes = samples(REGISTRY[name], "float32")  # type: ignore[misc]
    gx.check_grads(of_op(name, attributes), arguments, order=1, entries=4).raise_if_wrong()


def test_most_ops_are_covered() -> None:
    assert len(DIFFERENTIABLE) >= 65
    assert {"matmul", "einsum", "sort", "top_k", "fold", "scatter_along_axis", "prod", "max"} <= set(DIFFERENTIABLE)


def _columns(op: Any, points: list[tuple[float, ...]]) -> list[np.ndarray]:
    return [np.array(column, "float64") for column in zip(*points)]


def _partial(f: Callable[..., Any], slot: int, mode: str) -> Callable[..., Any]:
    """∂f/∂x_slot of an elementwise function, entry by entry."""

    def derived(*values: Any) -> Any:
        if mode == "fwd":
            return gx.jvp(
                lambda x: f(*values[:slot], x, *values[slot + 1 :]), (values[slot],), (np.ones(len(values[slot])),)
            )[1]
        return gx.vjp(f, *values)[1](np.ones(len(values[slot])))[slot]

    return derived


def _exact(expression: Any, op: Any, point: tuple[float, ...]) -> float:
    return float(expression.subs({s: sp.Float(value, 40) for s, value in zip(op.symbols(), point)}).doit().evalf(30))


@pytest.mark.parametrize("name", SMOOTH)
def test_elementwise_derivatives_to_30_digits(name: str) -> None:
    op: Any = REGISTRY[name]
    for attributes in attributes_of(op):
        f = of_op(name, attributes)
        points = domain_points(op)[:6]
        columns = _columns(op, points)
        for i in range(op.arity):
            first = record._derivative(op.definition(attributes), op.symbols()[i])
            exact = [_exact(first, op, point) for point in points]
            for mode in ("fwd", "rev"):
                np.testing.assert_allclose(_partial(f, i, mode)(*columns), exact, rtol=1e-12, atol=1e-14)
            for j in range(op.arity):
                second = record._derivative(first, op.symbols()[j])
                exact = [_exact(second, op, point) for point in points]
                for outer, inner in (("fwd", "fwd"), ("rev", "rev"), ("fwd", "rev"), ("rev", "fwd")):
                    found = _partial(_partial(f, i, inner), j, outer)(*columns)
                    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-13)


# kinks, conventions and stability -----------------------------------------------------------------------------------


def slopes(f: Callable[..., Any], *values: float) -> list[float]:
    """The partial derivatives at a point; forward and reverse mode must give the same bits."""
    point = tuple(np.float64(value) for value in values)
    backward = gx.grad(f, tuple(range(len(values))))(*point)
    for slot in range(len(point)):
        direction = [np.float64(slot == other) for other in range(len(point))]
        along = float(gx.jvp(f, point, direction)[1])
        assert along == pytest.approx(float(backward[slot]), nan_ok=True)
    return [float(value) for value in backward]


def second(f: Callable[..., Any], x: float) -> float:
    values = [
        float(g(np.float64(x)))
        for g in (gx.grad(gx.grad(f)), gx.hessian(f), gx.jacfwd(gx.jacfwd(f)), gx.jacrev(gx.jacrev(f)))
    ]
    assert values == pytest.approx([values[0]] * 4, nan_ok=True)
    return values[0]


CONVENTIONS: list[tuple[str, Callable[..., Any], tuple[float, ...], list[float]]] = [
    ("relu'(0) = 0", gnp.relu, (0.0,), [0]),
    ("relu'(-0) = 0", gnp.relu, (-0.0,), [0]),
    ("abs'(0) = 0", gnp.absolute, (0.0,), [0]),
    ("sign' = 0", gnp.sign, (2.0,), [0]),
    ("floor' = 0", gnp.floor, (2.5,), [0]),
    ("round' = 0", gnp.round, (2.5,), [0]),
    ("a tie of maximum goes to the first", gnp.maximum, (2.0, 2.0), [1, 0]),
    ("a tie of minimum goes to the first", gnp.minimum, (2.0, 2.0), [1, 0]),
    ("clip at the lower bound", gnp.clip, (-1.0, -1.0, 1.0), [1, 0, 0]),
    ("clip at the upper bound", gnp.clip, (1.0, -1.0, 1.0), [1, 0, 0]),
    ("clip below", gnp.clip, (-2.0, -1.0, 1.0), [0, 1, 0]),
    ("clip above", gnp.clip, (2.0, -1.0, 1.0), [0, 0, 1]),
    ("clip with crossed bounds", gnp.clip, (0.0, 1.0, -1.0), [0, 0, 1]),
    ("power at 0 to the 0", gnp.power, (0.0, 0.0), [0, 0]),
    ("power at 0 to the 1", gnp.power, (0.0, 1.0), [1, 0]),
    ("power at 0 to the 2", gnp.power, (0.0, 2.0), [0, 0]),
    ("x * x", lambda x: x * x, (3.0,), [6]),
    ("x ** 0", lambda x: x**0, (3.0,), [0]),
    ("a negative base", lambda x: x**3, (-2.0,), [12]),
    ("stop_gradient", lambda x: x * gx.stop_gradient(x), (3.0,), [3]),
    ("remainder", gnp.remainder, (5.5, 2.0), [1, -2]),
    ("floor_divide", gnp.floor_divide, (5.5, 2.0), [0, 0]),
    ("sigmoid far below", gnp.sigmoid, (-800.0,), [0]),
    ("sigmoid far above", gnp.sigmoid, (800.0,), [0]),
    ("softplus far below", gnp.softplus, (-800.0,), [0]),
    ("softplus far above", gnp.softplus, (800.0,), [1]),
    ("tanh far out", gnp.tanh, (800.0,), [0]),
    ("sqrt at 0", gnp.sqrt, (0.0,), [math.inf]),
    ("log at 0", gnp.log, (0.0,), [math.inf]),
    ("log1p at -1", gnp.log1p, (-1.0,), [math.inf]),
    ("asin at 1", gnp.asin, (1.0,), [math.inf]),
    ("atan2 on the axis", gnp.atan2, (0.0, 2.0), [0.5, 0]),
]


@pytest.mark.parametrize(("f", "point", "expected"), [c[1:] for c in CONVENTIONS], ids=[c[0] for c in CONVENTIONS])
def test_conventions(f: Callable[..., Any], point: tuple[float, ...], expected: list[float]) -> None:
    assert slopes(f, *point) == expected


def test_second_derivatives_stay_finite_far_out() -> None:
    for x in (-800.0, 800.0):
        assert [second(f, x) for f in (gnp.sigmoid, gnp.softplus, gnp.tanh, gnp.erf, gnp.relu)] == [0] * 5
    assert second(gnp.softplus, -30.0) == pytest.approx(math.exp(-30), rel=1e-12)
    assert second(lambda x: x**2, 0.0) == 2
    assert second(lambda x: x**3, 0.0) == 0


def test_softplus_slope_is_the_sigmoid_to_the_last_digits() -> None:
    x = np.linspace(-700, 40, 50)
    found = gx.vjp(gnp.softplus, x)[1](np.ones(50))[0]
    np.testing.assert_allclose(found, scipy.special.expit(x), rtol=1e-15)


def test_masked_branches_do_not_leak_infinities_or_nan() -> None:
    xlogx = lambda x: gnp.where(x > 0, x * np.log(x), 0.0)  # noqa: E731
    root = lambda x: gnp.where(x > 0, np.sqrt(x), 0.0)  # noqa: E731
    ratio = lambda x: gnp.where(x == 0, 1.0, np.sin(x) / x)  # noqa: E731
    assert slopes(xlogx, 0.0) == [0] and slopes(root, 0.0) == [0] and slopes(root, -1.0) == [0]
    assert slopes(ratio, 0.0) == [0]
    assert second(xlogx, 0.0) == 0 and second(root, 0.0) == 0
    x = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(gx.grad(lambda x: gnp.sum(xlogx(x)))(x), [0, 1 + math.log(0.25), 1])
    np.testing.assert_allclose(gx.grad(lambda x: gnp.sum(gnp.where(x > 0, 3 * root(x), 0.0) ** 2))(x), [0, 9, 9])


def test_both_arms_of_a_selection() -> None:
    f = lambda x, y: gnp.sum(gnp.where(np.array([True, False]), x, y))  # noqa: E731
    left, right = gx.grad(f, (0, 1))(np.ones(2), np.ones(2))
    assert left.tolist() == [1, 0] and right.tolist() == [0, 1]


def test_ties_of_max_min_go_to_the_first_entry() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert gx.grad(lambda x: gnp.sum(gnp.max(x, axis=1)))(x).tolist() == [[0, 1, 0], [1, 0, 0]]
    assert gx.grad(lambda x: gnp.sum(gnp.min(x, axis=1)))(x).tolist() == [[1, 0, 0], [1, 0, 0]]
    assert gx.grad(lambda x: gnp.max(x))(x).tolist() == [[0, 1, 0], [0, 0, 0]]
    assert gx.grad(lambda x: gnp.top_k(x, 2)[0].sum())(x).tolist() == [[0, 1, 1], [1, 1, 0]]


def test_product_with_zeros_is_right_to_second_order() -> None:
    for x in (np.array([2.0, 0.0, 3.0]), np.array([0.0, 0.0, 3.0]), np.zeros(3)):
        others = np.array([np.prod(np.delete(x, i)) for i in range(3)])
        np.testing.assert_array_equal(gx.grad(gnp.prod)(x), others)
        pairs = [[0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(3)] for i in range(3)]
        np.testing.assert_array_equal(gx.hessian(gnp.prod)(x), pairs)


def test_cross_entropy_with_extreme_logits() -> None:
    logits = np.array([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]])

    def loss(z: Any) -> Any:
        return gnp.sum(gnp.logsumexp(z, axis=1) - z[:, 0])

    np.testing.assert_allclose(gx.grad(loss)(logits), [[0, 0, 0], [-2 / 3, 1 / 3, 1 / 3]], atol=1e-15)
    empty = np.array([-np.inf, -np.inf])
    assert gnp.logsumexp(empty) == -np.inf


# transposes ---------------------------------------------------------------------------------------------------------


def assert_transpose(name: str, arguments: tuple[Any, ...], **attributes: Any) -> None:
    """⟨v, A u⟩ = ⟨Aᵀ v, u⟩ in whole numbers, so exactly; and reverse mode is the transpose of forward mode."""
    f = of_op(name, attributes)
    places = [k for k, a in enumerate(arguments) if np.asarray(a).dtype.kind == "f"]

    def linear(*values: Any) -> Any:
        filled = list(arguments)
        for place, value in zip(places, values):
            filled[place] = value
        return f(*filled)

    for turn, slot in enumerate(places):
        if REGISTRY[name].kind != "multilinear" and len(places) > 1 and turn:
            break

        def one(*values: Any, slot: int = slot) -> Any:
            if REGISTRY[name].kind == "multilinear":
                return f(*arguments[:slot], values[0], *arguments[slot + 1 :])
            return linear(*values)

        free = [arguments[slot]] if REGISTRY[name].kind == "multilinear" else [arguments[k] for k in places]
        rng = generator(name, attributes)
        u = [rng.integers(-9, 10, np.shape(a)).astype("float64") for a in free]
        value, pull = gx.vjp(one, *free)
        v = rng.integers(-9, 10, np.shape(value)).astype("float64")
        pushed = gx.jvp(one, tuple(free), tuple(u))[1]
        np.testing.assert_array_equal(pushed, one(*u))
        pulled = pull(v)
        assert np.sum(v * pushed) == sum(np.sum(a * b) for a, b in zip(pulled, u))
        assert [a.shape for a in pulled] == [np.shape(a) for a in free]


def whole(*shape: int) -> np.ndarray:
    return generator(shape).integers(-9, 10, shape).astype("float64")


sizes = st.integers(1, 5)


@given(st.data())
def test_slice_and_pad_transposes(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 3))
    start, size, step, whole_shape = [], [], [], []
    for _ in range(rank):
        a, n, k, rest = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 3), st.integers(0, 2)))
        start.append(a), size.append(n), step.append(k), whole_shape.append(a + max(n - 1, 0) * k + 1 + rest)
    assert_transpose("slice", (whole(*whole_shape),), start=tuple(start), size=tuple(size), step=tuple(step))
    between = tuple(data.draw(st.integers(0, 2)) if n else 0 for n in size)
    after = tuple(data.draw(st.integers(0, 2)) for _ in size)
    assert_transpose("pad", (whole(*size),), before=tuple(start), after=after, between=between)


@given(st.data())
def test_unfold_and_fold_transposes(data: st.DataObject) -> None:
    rank = data.draw(st.integers(1, 2))
    lead = data.draw(st.lists(st.integers(1, 2), max_size=1))
    window = tuple(data.draw(st.integers(1, 3)) for _ in range(rank))
    stride = tuple(data.draw(st.integers(1, 3)) for _ in range(rank))
    dilation = tuple(data.draw(st.integers(1, 3)) for _ in range(rank))
    extents = tuple(d * (w - 1) + 1 + data.draw(st.integers(0, 4)) for w, d in zip(window, dilation))
    assert_transpose("unfold", (whole(*lead, *extents),), window=window, stride=stride, dilation=dilation)
    counts = tuple((n - d * (w - 1) - 1) // s + 1 for n, w, s, d in zip(extents, window, stride, dilation))
    assert_transpose("fold", (whole(*lead, *counts, *window),), sizes=extents, stride=stride, dilation=dilation)


@given(st.data())
def test_einsum_transposes(data: st.DataObject) -> None:
    extent = {letter: data.draw(st.integers(1, 3)) for letter in "ijkl"}
    operands = data.draw(st.lists(st.lists(st.sampled_from("ijkl"), unique=True, max_size=3), min_size=1, max_size=3))
    letters = sorted(set().union(*operands))
    result = data.draw(st.lists(st.sampled_from(letters), unique=True) if letters else st.just([]))
    subscripts = f"{','.join(map(''.join, operands))}->{''.join(result)}"
    assert_transpose("einsum", tuple(whole(*(extent[c] for c in o)) for o in operands), subscripts=subscripts)


@given(st.data())
def test_gather_and_scatter_transposes(data: st.DataObject) -> None:
    shape = data.draw(st.lists(sizes, min_size=1, max_size=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    index_shape = data.draw(st.lists(st.integers(0, 3), max_size=2))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    indices = rng.integers(0, shape[axis], index_shape)
    assert_transpose("gather", (whole(*shape), indices), axis=axis)
    updates = whole(*shape[:axis], *index_shape, *shape[axis + 1 :])
    assert_transpose("scatter_add", (updates, indices), axis=axis, size=shape[axis])
    along = (*shape[:axis], data.draw(sizes), *shape[axis + 1 :])
    places = rng.integers(0, shape[axis], along)
    assert_transpose("take_along_axis", (whole(*shape), places), axis=axis)
    assert_transpose("scatter_along_axis", (whole(*along), places), axis=axis, size=shape[axis])


@given(st.data())
def test_joining_and_moving_transposes(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    axis = data.draw(st.integers(0, len(shape) - 1))
    parts = [whole(*shape[:axis], data.draw(st.integers(0, 3)), *shape[axis + 1 :]) for _ in range(3)]
    assert_transpose("concatenate", tuple(parts), axis=axis)
    x = whole(*shape)
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    some = tuple(sorted(axes[: data.draw(st.integers(0, len(shape)))]))
    assert_transpose("transpose", (x,), axes=axes)
    assert_transpose("flip", (x,), axes=some)
    assert_transpose("sum", (x,), axes=some)
    assert_transpose("cumulative_sum", (x,), axis=axis, reverse=data.draw(st.booleans()))
    assert_transpose("reshape", (x,), shape=(x.size, 1))
    stretched = tuple(3 if n == 1 else n for n in shape)
    assert_transpose("broadcast", (x,), shape=(2, *stretched))
    inner = data.draw(st.integers(1, 3))
    assert_transpose("matmul", (whole(*shape, inner), whole(*shape[:-1], inner, 2)) if len(shape) > 0 else ())


# provenance ---------------------------------------------------------------------------------------------------------


def test_the_maps_of_a_derived_graph_hold_the_lecture_numbers() -> None:
    graph = gx.trace("w3 = x1*x2; w4 = sin(x1); z = w3 + w4")
    w = [graph.names[name] for name in ("x1", "x2", "w3", "w4", "z")]
    back = reverse(graph)
    values = evaluate_all(back.graph, [2.0, 3.0, 1.0])
    adjoints = [float(values[back.adjoint[id]]) for id in w]
    assert adjoints == pytest.approx([3 + math.cos(2), 2, 1, 1, 1])
    contributions = {key: float(values[id]) for key, id in back.contribution.items()}
    assert contributions == pytest.approx(
        {(w[2], 0): 3, (w[2], 1): 2, (w[3], 0): math.cos(2), (w[4], 0): 1, (w[4], 1): 1}
    )
    ahead = forward(graph)
    values = evaluate_all(ahead.graph, [2.0, 3.0, 1.0, 0.0])
    tangents = [float(values[ahead.tangent[id]]) for id in w]
    assert tangents == pytest.approx([1, 0, 3, math.cos(2), 3 + math.cos(2)])
    assert float(values[ahead.partial[w[3], 0]]) == pytest.approx(math.cos(2))


def test_x_times_x_keeps_both_edges() -> None:
    graph = gx.trace("x*x")
    back = reverse(graph)
    product = graph.outputs[0]
    assert {(product, 0), (product, 1)} <= set(back.contribution)
    assert [float(v) for v in interpret(back.graph, [3.0, 1.0])] == [9, 6]


# functions to functions ---------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclass(frozen=True)
class Layer:
    weight: Any
    stride: int = 2


def test_gradients_have_the_containers_shapes_and_dtypes_of_the_arguments() -> None:
    arguments = {"layer": Layer(np.ones((2, 3), "float32")), "pair": Pair(np.float64(2.0), [np.ones(3)]), "n": (1.5,)}

    def loss(p: Any) -> Any:
        return gnp.sum(p["layer"].weight * p["layer"].stride) + p["pair"].a * gnp.sum(p["pair"].b[0]) * p["n"][0]

    value, gradient = gx.value_and_grad(loss)(arguments)
    assert float(value) == 12 + 9
    assert isinstance(gradient["layer"], Layer) and gradient["layer"].stride == 2
    assert gradient["layer"].weight.dtype == np.float32 and gradient["layer"].weight.tolist() == [[2] * 3] * 2
    assert float(gradient["pair"].a) == 4.5 and gradient["pair"].b[0].tolist() == [3] * 3
    assert float(gradient["n"][0]) == 6


def test_argnums_keywords_and_aux() -> None:
    def f(x: Any, y: Any, scale: Any = 1.0) -> Any:
        return x * y * scale, {"sum": x + y}

    gradients, aux = gx.grad(f, argnums=(1, 0), has_aux=True)(2.0, 3.0, scale=np.float64(10.0))
    assert [float(g) for g in gradients] == [20, 30] and float(aux["sum"]) == 5
    with pytest.raises(InputError, match="argnums 5 is out of range for 1 arguments"):
        gx.grad(lambda x: x, argnums=5)(1.0)


def test_what_has_no_derivative_says_so() -> None:
    with pytest.raises(DerivativeError, match="only floating-point inputs"):
        gx.grad(lambda n: gnp.sum(n * 1.0))(np.arange(3))
    with pytest.raises(DerivativeError, match=r"not float64\[3\]; use jacrev"):
        gx.grad(lambda x: x)(np.ones(3))
    with pytest.raises(DerivativeError, match="returns 2 arrays"):
        gx.grad(lambda x: (x, x))(1.0)
    with pytest.raises(DerivativeError, match="not int64"):
        gx.grad(lambda x: gnp.argmax(x))(np.ones(3))
    with pytest.raises(InputError, match="tangent of shape"):
        gx.jvp(np.sin, (np.ones(3),), (np.ones(4),))
    with pytest.raises(InputError, match="expected 1 cotangents, got 2"):
        gx.vjp(np.sin, np.ones(3))[1]([np.ones(3), np.ones(3)])


def test_integer_results_have_no_tangent() -> None:
    value, tangent = gx.jvp(lambda x: (gnp.max(x), gnp.argmax(x)), (np.array([1.0, 5.0]),), (np.array([0.0, 2.0]),))
    assert [float(v) for v in value] == [5, 1] and float(tangent[0]) == 2 and tangent[1] is None


def test_values_that_do_not_depend_on_the_input() -> None:
    assert gx.grad(lambda x: gnp.sum(np.ones(3)) + 0 * x)(2.0) == 0
    assert gx.grad(lambda x: np.float64(3.0) * 1)(np.float64(2.0)) == 0
    assert gx.jvp(lambda x: 3.0, (2.0,), (1.0,))[1] == 0
    assert gx.jacrev(lambda x: x[0:0])(np.ones(3)).shape == (0, 3)


def test_jacobians_and_hessians_against_sympy() -> None:
    a, b, c = sp.symbols("a b c", real=True)
    expressions = [sp.sin(a * b) + c**2, a * sp.exp(c) / b, sp.log(a**2 + b) * c]

    def f(v: Any) -> Any:
        a, b, c = v
        return gnp.stack([np.sin(a * b) + c**2, a * np.exp(c) / b, np.log(a**2 + b) * c])

    point = {a: 0.7, b: 1.3, c: -0.4}
    x = np.array(list(point.values()))
    exact = np.array(sp.Matrix(expressions).jacobian([a, b, c]).subs(point), "float64")
    np.testing.assert_allclose(gx.jacfwd(f)(x), exact, rtol=1e-14)
    np.testing.assert_allclose(gx.jacrev(f)(x), exact, rtol=1e-14)
    total = sum(expressions)
    exact = np.array(sp.hessian(total, [a, b, c]).subs(point), "float64")
    g = lambda v: gnp.sum(f(v))  # noqa: E731
    for hessian in (gx.hessian(g), gx.jacrev(gx.grad(g)), gx.jacrev(gx.jacfwd(g)), gx.jacfwd(gx.jacfwd(g))):
        np.testing.assert_allclose(hessian(x), exact, rtol=1e-13)
    v = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(gx.hvp(g, (x,), (v,)), exact @ v, rtol=1e-13)
    third = gx.jacfwd(gx.hessian(g))(x)
    exact_third = sp.diff(total, a, b, c).subs(point)
    assert third[0, 1, 2] == pytest.approx(float(exact_third))


def test_jacobians_of_containers() -> None:
    def f(p: Any) -> Any:
        return {"y": p["x"] * p["s"], "t": gnp.sum(p["x"])}

    p = {"x": np.array([1.0, 2.0]), "s": np.float64(3.0)}
    for jacobian in (gx.jacfwd(f)(p), gx.jacrev(f)(p)):
        assert jacobian["y"]["x"].tolist() == [[3, 0], [0, 3]]
        assert jacobian["y"]["s"].tolist() == [1, 2]
        assert jacobian["t"]["x"].tolist() == [1, 1] and float(jacobian["t"]["s"]) == 0


def test_derivatives_inside_a_trace_are_inlined_and_close_over_its_values() -> None:
    def outer(x: Any, y: Any) -> Any:
        return gx.grad(lambda z: gnp.sum(z**3 * y))(x)

    x, y = np.array([1.0, 2.0]), np.array([5.0, 7.0])
    graph = gx.trace(outer, x, y)
    np.testing.assert_allclose(interpret(graph, [x, y])[0], 3 * x**2 * y)
    np.testing.assert_allclose(gx.jacrev(outer, 1)(x, y), np.diag(3 * x**2))
    assert {"multiply", "power"} <= {node.op for node in graph.nodes()}


def test_linearize_and_vjp_can_be_called_many_times() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return np.sin(x) * x

    x = np.array([1.0, 2.0])
    _, linear = gx.linearize(f, x)
    value, pull = gx.vjp(f, x)
    exact = np.cos(x) * x + np.sin(x)
    for scale in (1.0, -2.0):
        np.testing.assert_allclose(linear(np.full(2, scale)), scale * exact)
        np.testing.assert_allclose(pull(np.full(2, scale))[0], scale * exact)
    np.testing.assert_allclose(value, np.sin(x) * x)
    assert len(calls) == 2


def test_derivatives_run_for_every_batch_size() -> None:
    x, w = gx.spec(("B", 3), "float64"), gx.spec((3, 2), "float64")

    def loss(x: Any, w: Any) -> Any:
        y = np.tanh(x @ w)
        return gnp.mean(gnp.logsumexp(y, axis=1)) + gnp.mean(x[1:] - x[:-1]) + gnp.var(y)

    back = reverse(gx.trace(loss, x, w))
    rng = generator("batch")
    for size in (2, 5, 33):
        values = rng.normal(size=(size, 3)), rng.normal(size=(3, 2))
        found = interpret(back.graph, [*values, np.float64(1.0)])
        exact = gx.grad(loss, (0, 1))(*values)
        for got, wanted in zip(found[1:], exact):
            np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)
    gx.check_grads(loss, values, order=1, entries=10).raise_if_wrong()


def test_differentiable_flags_match_the_derivatives() -> None:
    for name in DIFFERENTIABLE:
        op = REGISTRY[name]
        if isinstance(op, Elementwise) and not op.differentiable:
            arguments, attributes = samples(op, "float64")  # type: ignore[misc]
            pulled = gx.vjp(of_op(name, attributes), *arguments)[1](np.ones(arguments[0].shape))
            assert not any(np.any(p) for p in pulled)


def test_a_bias_that_is_added_in_several_places_is_summed_in_each() -> None:
    """The sums are added, not the arrays that they are the sums of; the recorded adjoint of the copy is their sum."""

    def f(b: Any, x: Any) -> Any:
        wide = gnp.broadcast_to(b, (7, 5))
        for _ in range(3):
            x = np.tanh(x + wide)
        return gnp.sum(x)

    b, x = np.linspace(-1, 1, 5), np.random.default_rng(0).standard_normal((7, 5))
    graph = simplify(gx.trace(gx.grad(f), b, x)).graph
    assert [node.shape for node in graph.nodes() if node.op == "sum"] == [(5,)] * 3
    gx.check_grads(f, (b, x))
    second = gx.hessian(f)(b, x)
    np.testing.assert_allclose(second, gx.jacobian(gx.grad(f))(b, x), rtol=1e-12)
    traced = gx.trace(f, b, x)
    found = reverse(traced, wrt=[traced.inputs[0]])
    (copy,) = (node.id for node in traced.nodes() if node.op == "broadcast" and node.shape == (7, 5))
    values = evaluate_all(found.graph, [b, x, np.array(1.0)])
    np.testing.assert_allclose(values[found.adjoint[copy]].sum(0), gx.grad(f)(b, x), rtol=1e-12)


def test_integers_have_no_tangents_and_no_cotangents() -> None:
    """Their cotangent is None, their tangent is given as None; a gradient by them is an error (see above)."""

    def pick(table: Any, places: Any, scale: Any) -> Any:
        return gnp.take(table, places) * scale

    arguments = (np.arange(4.0), np.array([1, 1, 3]), 2.0)
    _, pull = gx.vjp(pick, *arguments)
    table, places, scale = pull(np.ones(3))
    assert places is None
    assert np.array_equal(table, [0.0, 4.0, 0.0, 2.0])
    assert scale == 5.0
    _, tangent = gx.jvp(pick, arguments, (np.ones(4), None, 0.0))
    assert np.array_equal(tangent, [2.0, 2.0, 2.0])


@pytest.mark.parametrize("text", ["w = x + 1; z = w*x", "w = x - 1; z = x*w", "w = 1 + x; z = w*w*x"])
def test_a_tangent_that_is_passed_on_has_an_adjoint_of_its_own(text: str) -> None:
    """w = x + 1 has the tangent of x; but in z = w·x the adjoint of w is x, and that of x is x + w."""
    graph = gx.trace(text)
    derived = reverse(graph)
    values = evaluate_all(derived.graph, [3.0, 1.0])
    w = 2.0 if "-" in text else 4.0
    adjoints = (2 * w * 3.0, 2 * w * 3.0 + w * w) if "w*w" in text else (3.0, 3.0 + w)
    found = (values[derived.adjoint[graph.names[name]]] for name in ("w", "x"))
    assert tuple(map(float, found)) == adjoints
