"""Random compositions of ops: forward mode, reverse mode, the reference, the text form and compiled code agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.graph import parse_graph
from graphcomp.run import interpret
from graphcomp.simplify import simplify

# Every step maps values of moderate size to values of moderate size, so that compositions stay well conditioned.
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "tanh": np.tanh,
    "sigmoid": gnp.sigmoid,
    "softplus": gnp.softplus,
    "exp of minus square": lambda x: np.exp(-x * x),
    "root": lambda x: np.sqrt(x * x + 1),
    "log": lambda x: np.log(x * x + 0.5),
    "quotient": lambda x: x / (1 + x * x),
    "cube": lambda x: np.clip(x, -2.0, 2.0) ** 3 / 4,
    "halves": lambda x: np.where(x > 0.1, x, 0.5 * x),
    "relu": lambda x: gnp.relu(x - 0.05),
    "distance": lambda x: np.abs(x - 0.3),
    "centre": lambda x: x - gnp.mean(x, axis=0),
    "softmax": lambda x: np.exp(x - gnp.logsumexp(x, axis=1, keepdims=True)),
    "running sum": lambda x: np.cumsum(x, axis=1) / 3,
    "reverse": lambda x: x[::-1, ::-1],
    "transpose twice": lambda x: np.sin(x.T).T,
    "shift": lambda x: np.pad(x, ((1, 0), (0, 1)))[:-1, 1:],
    "largest": lambda x: x + gnp.max(x, axis=1, keepdims=True),
    "sort": lambda x: np.sort(x, axis=1),
    "pick": lambda x: np.take(x, np.array([2, 0, 2]), axis=0),
    "windows": lambda x: gnp.fold(gnp.unfold(x, (2,)), (x.shape[1],)) / 2,
    "stop": lambda x: x + gx.stop_gradient(np.sin(x)),
    "reshape": lambda x: np.tanh(x.reshape(4, 3)).reshape(3, 4),
    "spread": lambda x: x / np.sqrt(gnp.var(x, axis=1, keepdims=True) + 1),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: np.tanh(x) * y,
    "divide": lambda x, y: x / (2 + np.cos(y)),
    "largest": np.maximum,
    "angle": lambda x, y: np.arctan2(x, y * y + 0.5),
    "matmul": lambda x, y: np.tanh(x @ y.T) @ y / 2,
    "einsum": lambda x, y: np.einsum("ij,kj,kl->il", x, y, x) / 8,
    "row": lambda x, y: x + y[1],
    "column": lambda x, y: x * np.sin(y[:, :1]),
    "join": lambda x, y: np.concatenate([x[:1], y[1:]]),
    "select": lambda x, y: np.where(x > y, np.sin(x), y),
}
SHAPE = (3, 4)


@dataclass(frozen=True)
class Composition:
    """Each step takes earlier values by position; the result is the sum of the last ones."""

    steps: tuple[tuple[str, tuple[int, ...]], ...]

    def __call__(self, x: Any, y: Any) -> Any:
        values = [x, y]
        for name, places in self.steps:
            taken = [values[place] for place in places]
            values.append(UNARY[name](*taken) if len(taken) == 1 else BINARY[name](*taken))
        return values[-1] + 0.5 * values[-2]


@st.composite
def compositions(draw: st.DrawFn, longest: int = 8) -> Composition:
    steps: list[tuple[str, tuple[int, ...]]] = []
    for count in range(2, 2 + draw(st.integers(1, longest))):
        place = st.integers(0, count - 1)
        unary = st.tuples(st.sampled_from(sorted(UNARY)), st.tuples(place))
        binary = st.tuples(st.sampled_from(sorted(BINARY)), st.tuples(place, place))
        steps.append(draw(unary | binary))
    return Composition(tuple(steps))


def point(seed: int, dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=SHAPE).astype(dtype), rng.normal(size=SHAPE).astype(dtype)


def close(found: Any, wanted: Any, rtol: float = 1e-10) -> None:
    scale = max(1.0, float(np.max(np.abs(wanted))))
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * scale)


@given(compositions(), st.integers(0, 10**6))
@settings(max_examples=150)
def test_modes_agree(f: Composition, seed: int) -> None:
    primals = point(seed)
    tangents, cotangent = point(seed + 1), point(seed + 2)[0]
    value, pushed = gx.jvp(f, primals, tangents)
    again, pull = gx.vjp(f, *primals)
    np.testing.assert_array_equal(value, again)
    close(value, f(*primals), 1e-12)
    left = np.sum(cotangent * pushed)
    right = sum(np.sum(a * b) for a, b in zip(pull(cotangent), tangents))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9 * (1 + np.sum(np.abs(cotangent * pushed))))


@given(compositions(), st.integers(0, 10**6))
@settings(max_examples=100)
def test_graphs_derived_simplified_and_read_back_agree(f: Composition, seed: int) -> None:
    primals = point(seed)
    graph = gx.trace(f, *primals)
    close(interpret(graph, primals)[0], f(*primals), 1e-12)
    derived = gx.trace(gx.grad(lambda x, y: gnp.sum(np.sin(f(x, y))), (0, 1)), *primals)
    expected = interpret(derived, primals)
    simplified = simplify(derived).graph
    assert len(simplified) <= len(derived)
    for other in (simplified, parse_graph(str(derived), derived.arrays)):
        for found, wanted in zip(interpret(other, primals), expected):
            close(found, wanted)


@given(compositions(longest=5), st.integers(0, 10**6))
@settings(max_examples=30)
def test_second_derivatives_agree_in_every_order_of_modes(f: Composition, seed: int) -> None:
    primals, u, v = point(seed), point(seed + 1), point(seed + 2)

    def g(x: Any, y: Any) -> Any:
        return gnp.sum(np.sin(f(x, y)))

    def along(direction: Any) -> Callable[..., Any]:
        return lambda x, y: gx.jvp(g, (x, y), direction)[1]

    forward_forward = gx.jvp(along(u), primals, v)[1]
    forward_reverse = sum(np.sum(a * b) for a, b in zip(gx.hvp(g, primals, u), v))
    reverse_forward = sum(np.sum(a * b) for a, b in zip(gx.grad(along(u), (0, 1))(*primals), v))
    slopes = gx.grad(lambda x, y: sum(gnp.sum(a * b) for a, b in zip(gx.grad(g, (0, 1))(x, y), u)), (0, 1))(*primals)
    reverse_reverse = sum(np.sum(a * b) for a, b in zip(slopes, v))
    for found in (forward_reverse, reverse_forward, reverse_reverse):
        close(found, forward_forward, 1e-8)


@given(compositions(longest=6), st.integers(0, 10**6))
@settings(max_examples=12)
def test_derivatives_agree_with_differences(f: Composition, seed: int) -> None:
    assume(all(name != "stop" for name, _ in f.steps))
    report = gx.check_grads(f, point(seed), order=1, entries=4, seed=seed)
    assert report.ok, str(report)


@given(compositions(longest=6), st.integers(0, 10**6))
@settings(max_examples=10)
def test_compiled_code_agrees_with_the_reference(f: Composition, seed: int) -> None:
    primals = point(seed)
    derived = gx.value_and_grad(lambda x, y: gnp.sum(np.sin(f(x, y))), (0, 1))
    value, slopes = gx.jit(derived)(*primals)
    expected, expected_slopes = derived(*primals)
    close(np.asarray(value), expected)
    for found, wanted in zip(slopes, expected_slopes):
        close(np.asarray(found), wanted)
