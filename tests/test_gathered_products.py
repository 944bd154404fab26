"""Products with gathered rows of a small table: taken for the table's rows, with equal values and derivatives."""

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import ExecutionError
from graphcomp.graph import Graph
from graphcomp.run import blas
from graphcomp.run.interpreter import interpret
from graphcomp.simplify import simplify
from graphcomp.trace.tree import flatten

RULES = {"product of gathered rows", "product with gathered rows", "sums of a product's rows"}


def values_of(tree: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in flatten(tree)[0]]


def rows_of_products(graph: Graph) -> list[Any]:
    """How many rows each product of the graph has, and how many entries each of its sums has."""
    found = [node for node in graph.nodes() if node.op == "matmul"]
    return [(*node.shape, graph.type(node.inputs[0]).shape[-1]) for node in found]


def loss(table: Any, weight: Any, places: Any) -> Any:
    """The rows may be gathered with any number of axes."""
    product = np.take(table, places, axis=0) @ weight
    return gnp.sum(np.sin(product) * gnp.arange(product.size).reshape(product.shape))


@pytest.mark.parametrize("shape", [(40,), (5, 8), (3, 2, 9)])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_value_and_the_derivatives(shape: tuple[int, ...], threads: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    rng = np.random.default_rng(len(shape))
    table, weight = rng.standard_normal((7, 5)), rng.standard_normal((5, 4))
    places = rng.integers(-6, 6, shape)  # the last row is gathered only by its negative place, one row by none
    step = gx.value_and_grad(loss, (0, 1))
    traced = gx.trace(step, table, weight, places)
    result = simplify(traced)
    assert {rewrite.rule for rewrite in result.history} >= RULES
    assert all(places.size not in sizes for sizes in rows_of_products(result.graph))
    wanted = interpret(traced, [table, weight, places])
    compiled = gx.jit(step, threads=threads)
    for found in (interpret(result.graph, [table, weight, places]), values_of(compiled(table, weight, places))):
        for value, expected in zip(found, wanted, strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)
    again = values_of(compiled(table, weight, places))
    assert [one.tobytes() for one in values_of(compiled(table, weight, places))] == [two.tobytes() for two in again]


@pytest.mark.parametrize("count", [1, 7, 13])
def test_few_gathered_rows_are_multiplied_as_they_are(count: int) -> None:
    """Fewer than twice the rows of the table: the product of them is not more work."""
    table, weight = np.ones((7, 5)), np.ones((5, 4))
    result = simplify(gx.trace(gx.grad(loss, (0, 1)), table, weight, np.zeros(count, "int64")))
    assert not RULES & {rewrite.rule for rewrite in result.history}


def test_columns_and_other_axes_are_left_alone() -> None:
    table, weight = np.ones((6, 5)), np.ones((6, 4))
    places = np.zeros(20, "int64")
    for function in (
        lambda table, weight: np.take(table, places, axis=1).T @ weight,
        lambda table, weight: np.take(table, places, axis=0).reshape(10, 10) @ gnp.ones((10, 3)),
        lambda table, weight: gnp.stack([np.take(table, places, axis=0)] * 2) @ gnp.ones((2, 5, 3)),
    ):
        traced = gx.trace(function, table, weight)
        result = simplify(traced)
        assert not RULES & {rewrite.rule for rewrite in result.history}
        assert np.array_equal(interpret(result.graph, [table, weight])[0], interpret(traced, [table, weight])[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_stay_where_they_were(bad: float) -> None:
    """A row that nobody gathers gives nothing to anybody, whatever is in it, and gets nothing."""
    rng = np.random.default_rng(0)
    table, weight = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    places = np.array([0, 1, 1, 3, 0, 0, 3, 1, 1, 0])
    for broken in ((np.full(3, bad), 2), (np.array([1.0, bad, 0.0]), 1)):
        table[broken[1]] = broken[0]
        traced = gx.trace(gx.value_and_grad(loss, (0, 1)), table, weight, places)
        assert {rewrite.rule for rewrite in simplify(traced).history} >= RULES
        with np.errstate(all="ignore"):
            wanted = interpret(traced, [table, weight, places])
        for value, expected in zip(values_of(gx.jit(gx.value_and_grad(loss, (0, 1)))(table, weight, places)), wanted):
            np.testing.assert_array_equal(np.isfinite(value), np.isfinite(expected))
    weight[1, 1] = bad
    traced = gx.trace(gx.grad(loss), table, weight, places)
    found = np.asarray(gx.jit(gx.grad(loss))(table, weight, places))
    with np.errstate(all="ignore"):
        (expected,) = interpret(traced, [table, weight, places])
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    assert np.isfinite(found[2]).all()


def test_a_place_out_of_range_is_refused() -> None:
    table, weight = np.ones((3, 2)), np.ones((2, 2))
    for place in (3, -4):
        with pytest.raises(ExecutionError, match="out of range"):
            gx.jit(gx.grad(loss, (0, 1)))(table, weight, np.array([0, 1, 2, 0, 1, 2, place]))


def test_a_named_number_of_places() -> None:
    """It is taken to be large; few places, or none, are as right."""

    def loss(table: Any, weight: Any, places: Any) -> Any:
        return gnp.sum(np.sin(np.take(table, places, axis=0) @ weight))

    specs = (gx.spec((3, 2), "float64"), gx.spec((2, 2), "float64"), gx.spec(("N",), "int64"))
    step = gx.grad(loss, (0, 1))
    assert {rewrite.rule for rewrite in simplify(gx.trace(step, *specs)).history} >= RULES
    compiled = gx.jit(step, specs=specs)
    arguments = np.arange(6.0).reshape(3, 2), np.array([[0.1, 0.4], [0.3, -0.2]])
    for n in (1, 4, 30):
        places = np.arange(n) % 3
        wanted = interpret(gx.trace(step, *arguments, places), [*arguments, places])
        for found, expected in zip(values_of(compiled(*arguments, places)), wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
