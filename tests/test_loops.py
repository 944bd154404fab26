"""Loops inside a graph: values, derivatives of any order, compiled and interpreted, for any length."""

from __future__ import annotations

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import GraphcompError, InputError, ShapeError, TraceError
from graphcomp.graph import parse_graph
from graphcomp.run import blas, interpret
from graphcomp.schedule import schedule
from graphcomp.schedule.program import LoopOver, ProductKernel
from graphcomp.schedule.program import leaves as leaves_of
from graphcomp.simplify import simplify
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


# branches ------------------------------------------------------------------------------------------------------------


def branching(x, y):
    first, second = gx.cond(
        gnp.sum(x) > 0, lambda x: (gnp.sin(x) * y, gnp.exp(x * WEIGHT[0, 0])), lambda x: (x * x, x + y * y), x
    )
    return (first * second).sum()


def branching_in_python(x, y):
    first, second = (gnp.sin(x) * y, gnp.exp(x * WEIGHT[0, 0])) if np.sum(x) > 0 else (x * x, x + y * y)
    return (first * second).sum()


@pytest.mark.parametrize("x", [np.array([1.0, 2.0]), np.array([-1.0, -3.0])])
def test_a_branch_and_its_derivatives_are_those_of_the_branch_taken(x: np.ndarray) -> None:
    # Python's `if` is decided by the example: trace that function for each point separately.
    slopes = gx.grad(branching, (0, 1))(x, 2.0)
    assert branching(x, 2.0) == pytest.approx(branching_in_python(x, 2.0), rel=1e-15)
    assert gx.check_grads(branching, (x, 2.0), order=2).ok
    compiled_and_reference(gx.value_and_grad(branching, (0, 1)), x, 2.0)
    compiled_and_reference(gx.hessian(branching), x, 2.0)
    step = 1e-6
    for k in range(2):
        shift = np.eye(2)[k] * step
        difference = (branching_in_python(x + shift, 2.0) - branching_in_python(x - shift, 2.0)) / (2 * step)
        assert slopes[0][k] == pytest.approx(difference, rel=1e-8)


def test_only_the_branch_taken_is_computed() -> None:
    def f(x, i):
        return gx.cond(i < 3, lambda x, i: gnp.take(x, i), lambda x, i: 0.0 * x[0], x, i)

    x = np.arange(3.0)
    for run in (f, gx.jit(f)):
        assert float(run(x, np.int64(2))) == 2
        assert float(run(x, np.int64(9))) == 0  # an index out of range, in the branch that is passed over


def test_mistakes_in_branches_are_explained() -> None:
    with pytest.raises(GraphcompError, match="one truth value"):
        gx.cond(np.array([True, False]), lambda: 1.0, lambda: 2.0)
    with pytest.raises(ShapeError, match=r"result is float64\[\] in one branch and float64\[2\]"):
        gx.cond(np.bool_(True), lambda x: x[0], lambda x: x, np.zeros(2))
    with pytest.raises(TraceError, match="different containers"):
        gx.cond(np.bool_(True), lambda x: (x, x), lambda x: x, np.zeros(2))


# loops of unknown length ---------------------------------------------------------------------------------------------


def square_root(a, max_steps=None):
    def closer(state):
        x, count = state
        return x - (x * x - a) / (2 * x), count + 1

    start = (gnp.ones_like(a), np.int64(0))
    return gx.while_loop(lambda state: gnp.abs(state[0] ** 2 - a) > 1e-13 * a, closer, start, max_steps)


@pytest.mark.parametrize("a", [2.0, 1.0, 1e6])
def test_a_while_loop_goes_on_as_long_as_it_must(a: float) -> None:
    steps = {}
    for run in (square_root, gx.jit(square_root)):
        x, count = run(a)
        assert float(x) == pytest.approx(np.sqrt(a), rel=1e-13)
        steps[run] = int(count)
    assert len(set(steps.values())) == 1
    _, slope = gx.jvp(lambda a: square_root(a)[0] * 1.0, (a,), (1.0,))
    compiled_and_reference(lambda a: gx.jvp(lambda a: square_root(a)[0] * 1.0, (a,), (1.0,)), a)
    if a != 1.0:  # where the start is the answer, the loop does not turn, and its result does not depend on `a`
        assert float(slope) == pytest.approx(0.5 / np.sqrt(a), rel=1e-9)


def test_reverse_mode_needs_a_bound_and_works_with_one() -> None:
    with pytest.raises(GraphcompError, match="give `max_steps`"):
        gx.grad(lambda a: square_root(a)[0])(2.0)

    def bounded(a):
        return square_root(a, max_steps=30)[0]

    assert gx.grad(bounded)(2.0) == pytest.approx(0.5 / np.sqrt(2), rel=1e-12)
    assert gx.grad(gx.grad(bounded))(2.0) == pytest.approx(-0.25 * 2**-1.5, rel=1e-10)
    compiled_and_reference(gx.value_and_grad(bounded), 2.0)


@pytest.mark.parametrize("bound", [0, 1, 2, 3, 5])
def test_the_bound_is_kept(bound: int) -> None:
    def counted(x):
        return gx.while_loop(lambda c: c[0] < 100, lambda c: (c[0] + 1, c[1] * x), (np.int64(0), 1.0), bound)

    for run in (counted, gx.jit(counted)):
        count, power = run(3.0)
        assert int(count) == bound
        assert float(power) == 3.0**bound


def test_memory_on_the_way_back_grows_as_the_square_root_of_the_bound() -> None:
    def loop(x, bound):
        def turn(c):
            return c[0] + 1, gnp.sin(c[1] * x)

        return gx.while_loop(lambda c: c[0] < 10**6, turn, (np.int64(0), x), bound)[1].sum()

    def arena(bound: int) -> int:
        step = gx.jit(gx.grad(lambda x: loop(x, bound)))
        step(np.ones(1000))
        (version,) = step._versions.values()
        (binding,) = version.executor._bindings.values()
        return binding.arena.size

    assert arena(6400) < 10.5 * arena(64)  # a hundred times the steps


# all steps at once ---------------------------------------------------------------------------------------------------


def products_of(graph) -> list[int]:
    """How many products each loop's body has, in order."""
    loops = [node for node in graph.nodes() if node.op == "scan"]
    bodies = [node.attributes["body"].graph for node in loops]
    return [sum(node.op in ("matmul", "einsum") for node in body.nodes()) for body in bodies]


def recurrent(inner, outer, bias, start, xs):
    def body(h, x):
        h = gnp.tanh(x @ outer + h @ inner + bias)
        return h, h

    return (gx.scan(body, start, xs)[1] ** 2).sum()


BATCHED = (WEIGHT, RNG.normal(size=(2, 3)) / 2, RNG.normal(size=3), RNG.normal(size=(4, 3)), RNG.normal(size=(6, 4, 2)))


def test_only_what_needs_the_step_before_stays_in_the_loop() -> None:
    graph = gx.trace(gx.grad(recurrent, (0, 1, 2, 3, 4)), *BATCHED)
    assert products_of(graph) == [2, 4], "forward: for x and h; backward: for all four operands"
    simplified = simplify(graph).graph
    assert products_of(simplified) == [1, 1], "h @ inner, and its way back"
    contracted = [n.attributes["subscripts"] for n in simplified.nodes() if n.op == "einsum"]
    assert len(contracted) == 4, "the inputs' product, its way back, and the gradients of both weights over all steps"
    for found, wanted in zip(interpret(simplified, BATCHED), interpret(graph, BATCHED), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    compiled_and_reference(gx.grad(recurrent, (0, 1, 2, 3, 4)), *BATCHED, rtol=1e-11)


def test_a_checkpoint_keeps_its_work_in_the_loop() -> None:
    def loop(inner, outer, start, xs):
        return gx.scan(lambda h, x: (gnp.tanh(x @ outer + h @ inner), None), start, xs, checkpoint=True)[0].sum()

    inner, outer, _, start, xs = BATCHED
    simplified = simplify(gx.trace(gx.grad(loop, (0, 1)), inner, outer, start, xs)).graph
    assert all(
        node.attributes["body"].graph.type(id).size <= 64 for node in simplified.nodes() if node.op == "scan"
        for id in node.attributes["body"].graph.outputs
    )  # fmt: skip
    compiled_and_reference(gx.grad(loop, (0, 1)), inner, outer, start, xs, rtol=1e-11)


def test_a_sum_that_steps_read_stays_in_the_loop() -> None:
    def loop(weight, xs):
        def body(total, x):
            total = total + gnp.einsum("i,j->ij", x, x @ weight)
            return total, (total**2).sum()

        total, ys = gx.scan(body, np.zeros((3, 3)), xs)
        return total.sum() + ys.sum()

    graph = gx.trace(loop, WEIGHT, SEQUENCE)
    simplified = simplify(graph).graph
    for found, wanted in zip(interpret(simplified, [WEIGHT, SEQUENCE]), interpret(graph, [WEIGHT, SEQUENCE])):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
    compiled_and_reference(gx.grad(loop, (0, 1)), WEIGHT, SEQUENCE, rtol=1e-11)


def test_a_sum_of_products_that_only_the_end_wants_is_one_product() -> None:
    def covariance(xs):
        return gx.scan(lambda total, x: (total + gnp.einsum("i,j->ij", x, x), None), np.ones((3, 3)), xs)[0]

    simplified = simplify(gx.trace(covariance, SEQUENCE)).graph
    assert not simplified.subgraphs()
    np.testing.assert_allclose(interpret(simplified, [SEQUENCE])[0], 1 + SEQUENCE.T @ SEQUENCE, rtol=1e-14)
    named = gx.jit(covariance, specs=(gx.spec(("T", 3)),))
    for length in (1, 5, 9):
        xs = RNG.normal(size=(length, 3))
        np.testing.assert_allclose(np.asarray(named(xs)), 1 + xs.T @ xs, rtol=1e-13)


def loops_of(program) -> list[LoopOver]:
    return [kernel for kernel in program.kernels if isinstance(kernel, LoopOver)]


@pytest.mark.parametrize("batch", [1, 4, 20])
def test_a_weight_that_each_step_reads_turned_is_turned_once(batch: int) -> None:
    """The way back multiplies by the weight's transpose in every step: it lies as those products read it, but for a
    single row, which is multiplied from the other side."""

    def loop(weight, start, xs):
        return gx.scan(lambda h, x: (gnp.tanh(h @ weight + x), None), start, xs)[0].sum()

    start, xs = RNG.normal(size=(batch, 3)), RNG.normal(size=(6, batch, 3))
    gradient = gx.grad(loop, (0, 1, 2))
    program = schedule(simplify(gx.trace(gradient, WEIGHT, start, xs)).graph)
    forward, back = loops_of(program)
    rights = [each.right for loop in (forward, back) for each in leaves_of([loop]) if isinstance(each, ProductKernel)]
    assert [right.n for right in rights] == ([1, 1] if batch > 1 else [1, 3])
    compiled_and_reference(gradient, WEIGHT, start, xs, rtol=1e-11)


def test_a_weight_that_steps_read_both_ways_stays_as_it_is() -> None:
    def loop(weight, start, xs):
        return gx.scan(lambda h, x: (gnp.tanh(h @ weight @ weight.T + x), None), start, xs)[0].sum()

    start, xs = RNG.normal(size=(4, 3)), RNG.normal(size=(6, 4, 3))
    program = schedule(simplify(gx.trace(loop, WEIGHT, start, xs)).graph)
    (only,) = loops_of(program)
    assert [each.right.n for each in leaves_of([only]) if isinstance(each, ProductKernel)] == [1, 3]
    compiled_and_reference(gx.grad(loop, (0, 1, 2)), WEIGHT, start, xs, rtol=1e-11)


@pytest.mark.parametrize("length", [0, 1, 2, 7])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_values_of_all_steps_are_carried_where_they_are_kept(
    length: int, reverse: bool, threads: int, monkeypatch
) -> None:
    """What is carried before each step and after it, and both: one array of all values holds what is carried too."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)

    def loop(weight, start, xs):
        def body(carried, x):
            h, c, total = carried
            new = gnp.tanh(h @ weight + c * x)
            later = c * 0.5 + new
            return (new, later, total * 0.9 + new[0, 0]), (new, h, c, new * x)

        carried = (start, start * 2.0, np.float64(0.0))
        (h, c, total), (after, before, first, mixed) = gx.scan(body, carried, xs, reverse=reverse)
        parts = [after * 2.0, before * gnp.cos(before), first[::-1], mixed]
        return h, c + total, [gnp.sum(part * part, 0) for part in parts]

    start, xs = RNG.normal(size=(20, 3)), RNG.normal(size=(length, 20, 3))
    found = leaves(gx.jit(loop, threads=threads)(WEIGHT, start, xs))
    for value, wanted in zip(found, interpret(gx.trace(loop, WEIGHT, start, xs), [WEIGHT, start, xs]), strict=True):
        np.testing.assert_allclose(np.asarray(value), wanted, rtol=1e-12, atol=1e-13)
    if length == 7:
        program = schedule(simplify(gx.trace(loop, WEIGHT, start, xs)).graph)
        shapes = [buffer.type.shape for buffer in program.buffers if buffer.role == "scratch"]
        assert shapes.count((8, 20, 3)) == 2 and shapes.count((2,)) == 1 and (7, 20, 3) in shapes
        assert len(loops_of(program)[0].kernels) <= 3
        compiled_and_reference(lambda *given: loop(*given)[:2], WEIGHT, start, xs)
        wanted = gx.jit(gx.grad(lambda *given: loop(*given)[2][1].sum(), (0, 1, 2)), target="numpy")
        gradient = gx.jit(gx.grad(lambda *given: loop(*given)[2][1].sum(), (0, 1, 2)), threads=threads)
        for value, right in zip(gradient(WEIGHT, start, xs), wanted(WEIGHT, start, xs), strict=True):
            np.testing.assert_allclose(np.asarray(value), np.asarray(right), rtol=1e-10, atol=1e-12)


def test_values_of_all_steps_that_the_program_gives_away_have_memory_of_their_own() -> None:
    def loop(start, xs):
        return gx.scan(lambda h, x: (gnp.sin(h + x), (h, gnp.sin(h + x))), start, xs)

    arguments = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 3, 4))
    program = schedule(simplify(gx.trace(loop, *arguments)).graph)
    assert not any(buffer.type.shape == (6, 3, 4) for buffer in program.buffers)
    compiled_and_reference(loop, *arguments)
    named = gx.jit(lambda start, xs: gnp.sum(loop(start, xs)[1][0] ** 2, 0), specs=(
        gx.spec((3, 4), "float64"), gx.spec(("T", 3, 4), "float64")))  # fmt: skip
    for length in (1, 5):
        start, xs = arguments[0], arguments[1][:length]
        wanted = np.asarray(loop(start, xs)[1][0])
        np.testing.assert_allclose(np.asarray(named(start, xs)), np.sum(wanted**2, 0), rtol=1e-12)


@pytest.mark.parametrize(
    "turned",
    [
        lambda x: gnp.moveaxis(x, 1, 0),
        lambda x: x[::-1],
        lambda x: gnp.moveaxis(x[:, 1:], 2, 0)[:, :, ::1],
        lambda x: gnp.transpose(x, (2, 1, 0)),
        lambda x: gnp.repeat(x[:1], 5, 0),
        lambda x: gnp.sin(gnp.moveaxis(x, 1, 0)),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_entries_of_a_sequence_are_read_where_they_lie(turned, threads: int, monkeypatch) -> None:
    """Also by what takes them further: products, sums, solvers, and loops that go through an entry or hold it."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)

    def loop(x):
        def body(total, entry):
            square = entry @ entry.T + 5.0 * gnp.eye(entry.shape[0])
            inner, rows = gx.scan(lambda s, row: (s * 0.5 + gnp.sum(row), row * s), total, entry)
            held = gx.scan(lambda s, _: (s + gnp.sum(gnp.cos(entry) * s), None), total, None, length=2)[0]
            solved = np.linalg.solve(square, entry)
            return 0.1 * inner + 0.01 * held + gnp.sum(solved) + gnp.sum(np.linalg.cholesky(square)), rows

        return gx.scan(body, np.float64(0.3), turned(x))

    x = RNG.normal(size=(4, 5, 3))
    wanted = interpret(gx.trace(loop, x), [x])
    for value, expected in zip(leaves(gx.jit(loop, threads=threads)(x)), wanted, strict=True):
        np.testing.assert_allclose(np.asarray(value), expected, rtol=1e-11)
    slope = gx.grad(lambda x: loop(x)[0])
    (expected,) = interpret(gx.trace(slope, x), [x])
    np.testing.assert_allclose(np.asarray(gx.jit(slope, threads=threads)(x)), expected, rtol=1e-9, atol=1e-11)


def test_a_sequence_in_another_order_is_not_copied() -> None:
    def loop(x):
        return gx.scan(lambda total, row: (gnp.sin(total) + row, None), x[:, 0] * 0.0, gnp.moveaxis(x, 1, 0))[0]

    x = RNG.normal(size=(4, 5, 3))
    program = schedule(simplify(gx.trace(loop, x)).graph)
    assert not any(buffer.type.size == 60 for buffer in program.buffers if buffer.role == "scratch")
    compiled_and_reference(loop, x)
