"""Loops inside a graph: values, derivatives of any order, compiled and interpreted, for any length."""

from __future__ import annotations

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import GraphcompError, InputError, ShapeError, TraceError
from graphcomp.graph import parse_graph
from graphcomp.trace.tree import leaves

RNG = np.random.default_rng(3)
WEIGHT = RNG.normal(size=(3, 3)) / 2
SEQUENCE = RNG.normal(size=(5, 3))
START = RNG.normal(size=3)


def compiled_and_reference(f, *arguments, rtol: float = 1e-12) -> None:
    for found, wanted in zip(leaves(gx.jit(f)(*arguments)), leaves(f(*arguments)), strict=True):
        np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=1e-14)


def network(weight, start, xs, **options):
    def body(h, x):
        h = gnp.tanh(h @ weight + x)
        return h, (h * h).sum()

    h, ys = gx.scan(body, start, xs, **options)
    return h.sum() + (ys * (gnp.cumsum(gnp.ones_like(ys)) - 1)).sum()


def written_out(weight, h, xs, reverse=False):
    total = 0.0
    for step in reversed(range(len(xs))) if reverse else range(len(xs)):
        h = gnp.tanh(h @ weight + xs[step])
        total = total + step * (h * h).sum()
    return h.sum() + total


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_value_gradient_and_hessian_are_those_of_the_loop_written_out(reverse: bool, checkpoint: bool) -> None:
    def loop(*arguments):
        return network(*arguments, reverse=reverse, checkpoint=checkpoint)

    def steps(*arguments):
        return written_out(*arguments, reverse=reverse)

    arguments = (WEIGHT, START, SEQUENCE)
    value, slopes = gx.value_and_grad(loop, (0, 1, 2))(*arguments)
    expected, wanted = gx.value_and_grad(steps, (0, 1, 2))(*arguments)
    assert value == pytest.approx(expected, rel=1e-14)
    for found, right in zip(slopes, wanted):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gx.hessian(loop)(*arguments), gx.hessian(steps)(*arguments), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(gx.jacfwd(loop)(*arguments), wanted[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("reverse", [False, True])
def test_compiled_loops_equal_the_reference(length: int, reverse: bool) -> None:
    xs = RNG.normal(size=(length, 3))
    compiled_and_reference(gx.value_and_grad(lambda *a: network(*a, reverse=reverse), (0, 1, 2)), WEIGHT, START, xs)


def test_the_length_may_be_named() -> None:
    step = gx.jit(gx.value_and_grad(network, (0, 1, 2)), specs=(None, None, gx.spec(("T", 3), "float64")))
    for length in (4, 1, 7):
        xs = RNG.normal(size=(length, 3))
        value, slopes = step(WEIGHT, START, xs)
        expected, wanted = gx.value_and_grad(network, (0, 1, 2))(WEIGHT, START, xs)
        np.testing.assert_allclose(float(value), expected, rtol=1e-13)
        for found, right in zip(slopes, wanted):
            np.testing.assert_allclose(np.asarray(found), right, rtol=1e-12, atol=1e-14)
    assert len(step._versions) == 1


def test_the_graph_does_not_grow_with_the_length() -> None:
    def size(length: int) -> int:
        graph = gx.trace(gx.grad(network), WEIGHT, START, np.zeros((length, 3)))
        return sum(1 for _ in graph.deep_nodes())

    assert size(1000) == size(10)


@pytest.mark.parametrize("unroll", [2, 3, 5, 9])
@pytest.mark.parametrize("reverse", [False, True])
def test_unrolled_steps_compute_the_same(unroll: int, reverse: bool) -> None:
    def loop(*arguments, unroll):
        return network(*arguments, reverse=reverse, unroll=unroll)

    arguments = (WEIGHT, START, SEQUENCE)
    found = gx.grad(lambda *a: loop(*a, unroll=unroll))(*arguments)
    np.testing.assert_allclose(found, gx.grad(lambda *a: loop(*a, unroll=1))(*arguments), rtol=1e-12, atol=1e-14)


def test_loops_nest() -> None:
    def rows(matrix, scale):
        def row(total, x):
            inner, parts = gx.scan(lambda c, entry: (gnp.sin(c * scale + entry), c * entry), total, x)
            return inner, parts.sum()

        total, parts = gx.scan(row, 0.5, matrix)
        return total + parts.sum()

    def plain(matrix, scale):
        c, parts = 0.5, 0.0
        for i in range(3):
            for j in range(4):
                parts = parts + c * matrix[i, j]
                c = gnp.sin(c * scale + matrix[i, j])
        return c + parts

    matrix = RNG.normal(size=(3, 4))
    found, wanted = (gx.value_and_grad(f, (0, 1))(matrix, 0.7) for f in (rows, plain))
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-13)
    np.testing.assert_allclose(found[1][0], wanted[1][0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[1][1], wanted[1][1], rtol=1e-12)
    compiled_and_reference(gx.value_and_grad(rows, (0, 1)), matrix, 0.7)


def test_what_is_carried_may_change_places() -> None:
    def fibonacci(a, b):
        (_, last), _ = gx.scan(lambda pair, _: ((pair[1], pair[0] + pair[1]), None), (a, b), length=10)
        return last

    assert fibonacci(0.0, 1.0) == 89
    assert float(gx.jit(fibonacci)(0.0, 1.0)) == 89
    assert gx.grad(fibonacci, (0, 1))(0.0, 1.0) == (55, 89)


def test_integers_are_carried_without_derivatives() -> None:
    def counted(x):
        (count, total), _ = gx.scan(lambda c, y: ((c[0] + 1, c[1] + c[0] * y), None), (np.int64(0), 0.0), x)
        return total + count

    x = RNG.normal(size=4)
    np.testing.assert_allclose(gx.grad(counted)(x), [0, 1, 2, 3])
    compiled_and_reference(gx.grad(counted), x)


def test_array_constants_and_outer_values_reach_the_body() -> None:
    table = RNG.normal(size=(4, 3))

    def f(scale):
        _, ys = gx.scan(lambda c, i: (c, (gnp.take(table, i, 0) * scale).sum()), 0.0, np.arange(4))
        return (ys * ys).sum()

    np.testing.assert_allclose(gx.grad(f)(2.0), 4 * (table.sum(1) ** 2).sum(), rtol=1e-12)
    compiled_and_reference(gx.grad(f), 2.0)


def test_the_text_form_reads_back() -> None:
    graph = gx.trace(gx.grad(network), WEIGHT, START, SEQUENCE)
    assert str(parse_graph(str(graph))) == str(graph)
    assert "subgraph" in str(graph)


def test_an_index_out_of_range_inside_a_loop_is_named() -> None:
    def f(x):
        return gx.scan(lambda c, i: (c + gnp.take(x, i), None), 0.0, np.array([0, 7]))[0]

    for run in (f, gx.jit(f)):
        with pytest.raises(GraphcompError, match=r"out of range.*test_loops"):
            run(np.zeros(3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gx.scan(lambda c, x: (c, c), 0.0), InputError, "give xs, or length"),
        (lambda: gx.scan(lambda c, x: (c, c), 0.0, (np.zeros(3), np.zeros(4))), ShapeError, "different lengths, 3, 4"),
        (lambda: gx.scan(lambda c, x: c, 0.0, np.zeros(3)), TraceError, r"returns \(carry, y\)"),
        (lambda: gx.scan(lambda c, x: ((c, c), x), 0.0, np.zeros(3)), TraceError, "containers in which it came"),
        (lambda: gx.scan(lambda c, x: (c + x, x), np.zeros(()), np.zeros((3, 2))), ShapeError, "keeps its type"),
        (lambda: gx.scan(lambda c, x: (c, x), 0.0, np.float64(3)), ShapeError, "needs a first axis"),
    ],
)
def test_mistakes_are_explained(call, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
