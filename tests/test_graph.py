"""Graphs, types of values, and the text form that parses back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
from conftest import SAMPLED, claimed_dtypes, op_graph, samples
from hypothesis import given
from hypothesis import strategies as st

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.derive import forward, reverse
from graphcomp.errors import GraphcompError, GraphError, InputError, ParseError
from graphcomp.graph import Graph, TensorType, TupleType, check_graph, parse_graph, symbol
from graphcomp.graph.parse import parse_type, parse_value
from graphcomp.graph.types import equal, exact_divide, floor_divide, substitute, symbols_of
from graphcomp.ops import REGISTRY
from graphcomp.run import interpret

B, C = symbol("B"), symbol("C")


def assert_round_trip(graph: Graph, *values: Any) -> Graph:
    """The text reads back as the same graph, which computes the same bits."""
    text = str(graph)
    parsed = parse_graph(text, graph.arrays)
    assert str(parsed) == text
    assert [node.type for node in parsed.nodes()] == [node.type for node in graph.nodes()]
    assert parsed.names == graph.names and parsed.symbols() == graph.symbols()
    for again, once in zip(interpret(parsed, values), interpret(graph, values)):
        np.testing.assert_array_equal(again, once)
    return parsed


# the graph ----------------------------------------------------------------------------------------------------------


def test_x_times_x_keeps_both_edges() -> None:
    graph = gx.trace("x*x")
    assert graph.networkx.number_of_edges() == 2
    assert graph.users(0) == [(1, 0), (1, 1)]
    assert graph.networkx.nodes[1]["op"] == "multiply"


def test_nodes_are_added_after_their_inputs() -> None:
    graph = Graph()
    with pytest.raises(GraphError, match="does not exist yet"):
        graph.add("sin", (0,), {}, TensorType((), "float64"))


def test_names_share_an_id_and_unreachable_nodes_are_left_out() -> None:
    graph = gx.trace("a = x; b = sin(a); c = b")
    assert graph.labels(0) == ["x", "a"] and graph.labels(1) == ["b", "c"]
    graph = gx.trace(lambda x, y: (np.sin(np.cos(x)), x)[1], 1.0, 2.0)
    assert len(graph) == 4 and graph.reachable() == [0, 1]
    assert float(interpret(graph, [3.0, 4.0])[0]) == 3


def test_the_checker_finds_broken_graphs() -> None:
    graph = gx.trace("sin(x)")
    assert check_graph(graph, "test") is graph
    graph.outputs = [7]
    with pytest.raises(GraphError, match="after test: %7 is named"):
        check_graph(graph, "test")
    graph = gx.trace(lambda x: x + np.arange(100.0), np.ones(100))
    graph.arrays.clear()
    with pytest.raises(GraphError, match="side table"):
        check_graph(graph, "test")


def test_equal_arrays_are_kept_once() -> None:
    def f(x: Any) -> Any:
        return x * np.arange(3.0) + np.arange(3.0) - np.arange(3, dtype="float32") + np.arange(3.0).reshape(3, 1)

    assert len(gx.trace(f, np.ones(3)).arrays) == 3


# types --------------------------------------------------------------------------------------------------------------


def test_sizes() -> None:
    assert equal(B + 1 - 1, B) and equal(B, B + 1) is False and equal(B, C) is None and equal(B, 1) is None
    assert equal(2 * B, B) is False
    assert floor_divide(7, 2) == 3 and exact_divide(6, 3) == 2 and exact_divide(7, 3) is None
    assert exact_divide(6 * B, 3) == 2 * B and exact_divide(B, 2) is None and exact_divide(B * C, B) == C
    assert substitute((B, (B + C, "B")), {B: 2, C: 3}) == (2, (5, "B"))
    assert type(substitute(B + 1, {B: 2})) is int
    assert symbols_of([TensorType((B, 3), "bool"), TupleType((TensorType((C,), "int8"),))]) == {B, C}
    assert symbol("B") is B


@pytest.mark.parametrize("name", ["", "2B", "B C", "lambda", "B+1", "floor"])
def test_names_of_sizes_are_plain_names(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        gx.spec((name, 3))


# text ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLED)
def test_every_op_reads_back(name: str) -> None:
    op = REGISTRY[name]
    arguments, attributes = samples(op, claimed_dtypes(op)[0])  # type: ignore[misc]
    assert_round_trip(op_graph(name, arguments, attributes), *arguments)


def test_derivative_graphs_read_back() -> None:
    def f(x: Any, w: Any) -> Any:
        return gnp.mean(np.tanh(x @ w)[::-1, 1:] ** 2) + gnp.max(w) + gnp.top_k(w[0], 1)[0].sum()

    x, w = np.ones((4, 3)), np.arange(6.0).reshape(3, 2)
    graph = gx.trace(f, x, w)
    assert_round_trip(graph, x, w)
    assert_round_trip(forward(graph).graph, x, w, x, w)
    assert_round_trip(reverse(graph).graph, x, w, np.float64(1.0))


def test_named_sizes_and_requirements_read_back() -> None:
    def f(x: Any, y: Any) -> Any:
        return gnp.mean(x[2:-1] + y, axis=0) + x[::3].sum() + x.reshape(-1).sum() / x.size

    graph = gx.trace(f, gx.spec(("B", "C")), gx.spec(("D", 1)))
    parsed = parse_graph(str(graph), graph.arrays)
    assert str(parsed) == str(graph)
    assert [(r.left, r.right, r.reason) for r in parsed.requirements] == [
        (r.left, r.right, r.reason) for r in graph.requirements
    ]
    x, y = np.random.default_rng(0).normal(size=(7, 2)), np.ones((4, 1))
    np.testing.assert_array_equal(interpret(parsed, [x, y])[0], interpret(graph, [x, y])[0])
    np.testing.assert_allclose(interpret(graph, [x, y])[0], f(x, y))


SPECIAL = [math.inf, -math.inf, math.nan, -0.0, 1e-320, 1 / 3, 1e308]


def test_constants_keep_their_bits() -> None:
    for value in SPECIAL:
        graph = gx.trace(lambda x, value=value: x * value, 1.0)
        parsed = assert_round_trip(graph, 1.0)
        (found,) = (node.attributes["value"] for node in parsed.nodes() if node.op == "constant")
        assert np.float64(found).tobytes() == np.float64(value).tobytes() or math.isnan(value)


def test_small_arrays_stand_in_the_text_and_large_ones_beside_it() -> None:
    small = np.array(SPECIAL)
    graph = gx.trace(lambda x: x * small, np.ones(len(small)))
    np.testing.assert_array_equal(next(iter(parse_graph(str(graph)).arrays.values())), small)
    for dtype in ("bool", "uint8", "int64", "float32"):
        values = np.arange(3).astype(dtype)
        graph = gx.trace(lambda x, values=values: x + values, np.ones(3))
        (array,) = parse_graph(str(graph)).arrays.values()
        assert array.dtype == values.dtype and array.tolist() == values.tolist()
    large = np.arange(1000.0)
    graph = gx.trace(lambda x: x * large, np.ones(1000))
    assert len(str(graph)) < 1000
    with pytest.raises(ParseError, match="too large for the text form"):
        parse_graph(str(graph))
    assert str(parse_graph(str(graph), graph.arrays)) == str(graph)


@given(st.text(max_size=12))
def test_any_name_reads_back(name: str) -> None:
    graph = Graph()
    b = gx.ops.build(graph)
    graph.inputs = [b.input(shape=(), dtype="float64", name=name)]
    graph.outputs = [b.sin(*graph.inputs)]
    graph.names = {name: 0}
    parsed = parse_graph(str(graph))
    assert parsed.names == {name: 0} and parsed.node(0).attributes["name"] == name and str(parsed) == str(graph)


def test_names_that_look_like_syntax_read_back() -> None:
    for name in ("%0", "a  # b", "x) = sin(%1", "'", '"', "name 'q' = %3", "\n", "a = %9"):
        test_any_name_reads_back.hypothesis.inner_test(name)  # type: ignore[attr-defined]


def test_origins_are_comments() -> None:
    with_origin = "\n".join(gx.trace(lambda x: np.sin(x), 1.0).lines(origins=True))
    assert "# " in with_origin and "test_graph.py:" in with_origin
    assert str(parse_graph(with_origin)) == str(gx.trace(lambda x: np.sin(x), 1.0))


def test_types_read_back() -> None:
    for type in (
        TensorType((), "bool"),
        TensorType((B, 2 * C + 1, 3), "float32"),
        TensorType((sp.floor((B - 1) / 2) + 1,), "int8"),
    ):
        assert parse_type(str(type)) == type
    pair = TupleType((TensorType((2,), "float32"), TensorType((B,), "int64")))
    assert parse_type(str(pair)) == pair


BAD_TEXT = [
    "%0: float64[] = __import__('os').system('x')",
    "%0: float64[] = sin(__import__('os'))",
    "%0: float64[] = constant(value=open('x'), shape=(), dtype='float64')",
    "%0: float64[] = constant(value=9**9**9**9, shape=(), dtype='float64')",
    "%0: float64[] = constant(value=[1, 2], shape=(), dtype='float64')",
    "%0: float64[] = constant(value=x.y, shape=(), dtype='float64')",
    "%0: float64[] = constant(value=float(1), shape=(), dtype='float64')",
    "%1: float64[] = input(shape=(), dtype='float64', name='')",
    "%0: float64[] = sin(%0)",
    "%0: float64[] = sin(%5)",
    "%0: float64[] = sin(3)",
    "%0: float64[] = sin(",
    "%0: float64 = sin()",
    "%0 = sin()",
    "array k = (float64[2]) (1.0, 2.0)",
    "array k = float64[2] (1.0,)",
    "array k = float64[2]",
    "require B",
    "name x = %0",
    "name 'x' = zero",
    "lambda: 1",
    "%0: float64[] = constant(value=" + "(" * 300 + ")" * 300 + ")",
    "%0: float64[] = constant(value=" + "-" * 100_000 + "1)",
]


@pytest.mark.parametrize("line", BAD_TEXT, ids=lambda line: line[:40])
def test_text_that_is_no_graph(line: str) -> None:
    with pytest.raises(ParseError, match=r"line 2 of the graph's text cannot be read|too large"):
        parse_graph(f"graph():\n  {line}\n  return ")


def test_values_are_plain_data() -> None:
    assert parse_value("(1, -2.5, 'a', True, (None,), ())") == (1, -2.5, "a", True, (None,), ())
    assert parse_value("floor(B/2 - 1/2) + B**2") == sp.floor(B / 2 - sp.Rational(1, 2)) + B**2
    assert parse_value("Max(0, B - 4)") == sp.Max(0, B - 4)
    for text in ("x()", "floor", "floor(1, 2)", "{1: 2}", "f'{x}'", "x[0]", "B ** C", "2 ** 1000000000"):
        with pytest.raises((ValueError, GraphcompError)):
            assert isinstance(parse_value(text), int)
