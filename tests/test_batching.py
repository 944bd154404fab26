"""vmap: every op's rule for batches, and batching together with the other transformations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import claimed_dtypes, op_graph, samples

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.control.batch import batch
from graphcomp.errors import InputError, ShapeError
from graphcomp.ops.record import REGISTRY
from graphcomp.run import interpret
from graphcomp.trace.tree import leaves

RNG = np.random.default_rng(11)
SIZE = 3


def varied(array: np.ndarray, step: int) -> np.ndarray:
    """Another array of the same shape with entries of the same kind."""
    return np.roll(array, step).copy() if array.ndim else array


BATCHABLE = [op for op in REGISTRY.values() if op.samples is not None or op.kind == "elementwise"]


@pytest.mark.parametrize("op", BATCHABLE, ids=lambda op: op.name)
def test_every_op_computes_a_batch_as_one_after_the_other(op: Any) -> None:
    found = samples(op, "float64" if "float64" in claimed_dtypes(op) else claimed_dtypes(op)[0])
    if found is None or not found[0]:
        pytest.skip("the op takes no arguments")
    arguments, attributes = found
    graph = op_graph(op.name, arguments, attributes)
    for mask in range(1, 2 ** len(arguments)):
        chosen = [slot for slot in range(len(arguments)) if mask >> slot & 1]
        rows = [[varied(a, row) if slot in chosen else a for slot, a in enumerate(arguments)] for row in range(SIZE)]
        expected = [interpret(graph, row) for row in rows]
        given = [np.stack(column) if slot in chosen else column[0] for slot, column in enumerate(zip(*rows))]
        batched = batch(graph, chosen, SIZE)
        results = interpret(batched.graph, given)
        for place, result in enumerate(results):
            wanted = np.stack([row[place] for row in expected])
            assert batched.outputs[place]
            assert result.dtype == wanted.dtype
            np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-14)


def model(weights: Any, x: Any) -> Any:
    hidden = gnp.tanh(x @ weights[0] + weights[1])
    return gnp.sum(hidden @ weights[2]) ** 2


WEIGHTS = [RNG.normal(size=(4, 5)), RNG.normal(size=5), RNG.normal(size=(5, 2))]
EXAMPLES = RNG.normal(size=(6, 4))


def test_gradients_example_by_example() -> None:
    each = gx.vmap(gx.grad(model), (None, 0))
    found = each(WEIGHTS, EXAMPLES)
    for row, x in enumerate(EXAMPLES):
        for got, wanted in zip(found, gx.grad(model)(WEIGHTS, x)):
            np.testing.assert_allclose(got[row], wanted, rtol=1e-12, atol=1e-14)
    compiled = gx.jit(each)(WEIGHTS, EXAMPLES)
    for got, wanted in zip(compiled, found):
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-12, atol=1e-14)


def test_the_gradient_of_a_batch_is_the_sum_over_its_examples() -> None:
    total = gx.grad(lambda w: gx.vmap(model, (None, 0))(w, EXAMPLES).sum())(WEIGHTS)
    each = gx.vmap(gx.grad(model), (None, 0))(WEIGHTS, EXAMPLES)
    for got, parts in zip(total, each):
        np.testing.assert_allclose(got, parts.sum(0), rtol=1e-12, atol=1e-13)


def test_axes_may_stand_anywhere_and_containers_nest() -> None:
    def f(pair: Any, scale: Any) -> Any:
        return {"product": pair["a"] * scale, "matrix": gnp.outer(pair["a"], pair["b"])}

    a, b = RNG.normal(size=(3, 6)), RNG.normal(size=(6, 2))
    found = gx.vmap(f, ({"a": 1, "b": 0}, None), {"product": 1, "matrix": 2})({"a": a, "b": b}, 2.0)
    np.testing.assert_allclose(found["product"], 2 * a)
    np.testing.assert_allclose(found["matrix"], np.einsum("in,nj->ijn", a, b))


def test_batches_nest() -> None:
    x, y = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4))
    table = gx.vmap(lambda a: gx.vmap(lambda b: gnp.sum(a * gnp.exp(b)))(y))(x)
    np.testing.assert_allclose(table, x @ np.exp(y).T, rtol=1e-12)


def test_the_size_of_the_batch_may_be_named() -> None:
    step = gx.jit(gx.vmap(gx.grad(model), (None, 0)), specs=(None, gx.spec(("B", 4), "float64")))
    for size in (2, 5, 1):
        found = step(WEIGHTS, EXAMPLES[:size])
        for got, wanted in zip(found, gx.vmap(gx.grad(model), (None, 0))(WEIGHTS, EXAMPLES[:size])):
            np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-12, atol=1e-14)
    assert len(step._versions) == 1


def rolled(start: Any, xs: Any, scale: Any) -> Any:
    h, ys = gx.scan(lambda h, x: (gnp.tanh(h * scale + x), h * x), start, xs)
    return h + (ys**2).sum()


@pytest.mark.parametrize("axes", [(0, None, None), (None, 0, None), (None, None, 0), (0, 0, 0), (0, 1, None)])
def test_loops_run_for_a_batch(axes: tuple[int | None, ...]) -> None:
    start, xs, scale = RNG.normal(size=4), RNG.normal(size=(4, 4)), RNG.normal(size=4)
    given = [a if on is not None else a[0] for a, on in zip((start, xs, scale), axes)]
    derivative = gx.value_and_grad(rolled, (0, 1, 2))
    found = gx.vmap(derivative, axes)(*given)
    for row in range(4):
        one = [np.take(a, row, on) if on is not None else a for a, on in zip(given, axes)]
        for got, wanted in zip(leaves(found), leaves(derivative(*one))):
            np.testing.assert_allclose(got[row], wanted, rtol=1e-12, atol=1e-14)
    for got, wanted in zip(leaves(gx.jit(gx.vmap(derivative, axes))(*given)), leaves(found)):
        np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-12, atol=1e-14)


def test_branches_are_taken_by_each_example() -> None:
    def f(x: Any, y: Any) -> Any:
        return gx.cond(x > 0, lambda: gnp.sqrt(x) * y, lambda: x * x)

    x = np.array([4.0, -3.0, 1.0])
    found = gx.vmap(gx.value_and_grad(f), (0, None))(x, 2.0)
    np.testing.assert_allclose(found[0], [4, 9, 2])
    np.testing.assert_allclose(found[1], [0.5, -6, 1])
    whole = gx.vmap(lambda y: gx.cond(x[0] > 0, lambda: y * x[0], lambda: y))(np.arange(3.0))
    np.testing.assert_allclose(whole, 4 * np.arange(3.0))


def test_each_example_leaves_a_loop_when_its_own_condition_fails() -> None:
    def halvings(x: Any) -> Any:
        return gx.while_loop(lambda s: s[0] > 1, lambda s: (s[0] / 2, s[1] + 1), (x, np.int64(0)))[1]

    values = np.array([1.0, 5.0, 1024.0, 0.5])
    for run in (gx.vmap(halvings), gx.jit(gx.vmap(halvings))):
        np.testing.assert_array_equal(np.asarray(run(values)), [0, 3, 10, 0])


def test_an_op_without_a_rule_is_repeated_in_a_loop() -> None:
    keys = RNG.integers(0, 2**32, (3, 2), dtype=np.uint32)
    found = gx.vmap(lambda key: gx.random.uniform(key, (4,)))(keys)
    for row, key in enumerate(keys):
        np.testing.assert_array_equal(found[row], gx.random.uniform(key, (4,)))


def test_a_hessian_by_batches_of_directions() -> None:
    def f(x: Any) -> Any:
        return gnp.sum(gnp.sin(x) * gnp.cumsum(x))

    x = RNG.normal(size=4)
    found = gx.vmap(lambda direction: gx.hvp(f, (x,), (direction,)))(np.eye(4))
    np.testing.assert_allclose(found, gx.hessian(f)(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: gx.vmap(lambda x, y: x + y)(np.zeros(3), np.zeros(4)),
            ShapeError,
            "different sizes: .* has 3, .* has 4",
        ),
        (lambda: gx.vmap(lambda x: x)(np.float64(1)), ShapeError, r"has the shape \(\), and so no axis 0"),
        (lambda: gx.vmap(lambda x: x, None)(np.zeros(3)), InputError, "there is no batch"),
        (lambda: gx.vmap(lambda x: x, (0, 0))(np.zeros(3)), InputError, "does not fit the values"),
        (lambda: gx.vmap(lambda x: x, 0, None)(np.zeros(3)), InputError, "differs from example to example"),
    ],
)
def test_mistakes_are_explained(call: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# looking at the whole batch ------------------------------------------------------------------------------------------


def test_examples_see_the_whole_batch() -> None:
    def normalised(x: Any) -> Any:
        mean = gx.batch_mean(x)
        variance = gx.batch_mean((x - mean) ** 2)
        return (x - mean) / gnp.sqrt(variance + 1e-3)

    x = RNG.normal(size=(5, 3))

    def whole(x: Any) -> Any:
        mean = x.mean(0)
        return (x - mean) / gnp.sqrt(((x - mean) ** 2).mean(0) + 1e-3)

    np.testing.assert_allclose(gx.vmap(normalised)(x), whole(x), rtol=1e-12)
    for f in (normalised, lambda x: x / gx.batch_max(gnp.abs(x)), lambda x: x * gx.batch_sum(2.0)):
        loss = lambda x, f=f: gnp.sum(gnp.sin(gx.vmap(f)(x)))  # noqa: E731
        assert gx.check_grads(loss, (x,)).ok
        np.testing.assert_allclose(np.asarray(gx.jit(gx.grad(loss))(x)), gx.grad(loss)(x), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gx.vmap(lambda x: x * gx.batch_sum(2.0))(x), 10 * x)


def test_nested_batches_are_told_apart_by_name() -> None:
    table = RNG.normal(size=(3, 4))

    def entry(x: Any) -> Any:
        return gx.batch_sum(x, "rows") + 10 * gx.batch_max(x, "columns")

    found = gx.vmap(gx.vmap(entry, axis_name="columns"), axis_name="rows")(table)
    np.testing.assert_allclose(found, table.sum(0) + 10 * table.max(1, keepdims=True), rtol=1e-12)


def test_examples_see_the_batch_from_inside_loops_and_branches() -> None:
    def f(x: Any) -> Any:
        looped, _ = gx.scan(lambda c, _: (c + gx.batch_sum(x * c), None), x, length=2)
        return gx.cond(gnp.sum(x) > -100, lambda: looped * gx.batch_mean(x), lambda: looped)

    x = RNG.normal(size=(3, 2))
    c = x
    for _ in range(2):
        c = c + (x * c).sum(0)
    np.testing.assert_allclose(gx.vmap(f)(x), c * x.mean(0), rtol=1e-12)


def test_without_a_batch_there_is_nothing_to_see() -> None:
    with pytest.raises(InputError, match="there is no batch named 'batch' here"):
        gx.batch_sum(np.ones(3))
