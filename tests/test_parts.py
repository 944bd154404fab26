"""Long reductions in parts: against the reference, with equal bits for any number of threads."""

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.run import blas
from graphcomp.run.interpreter import interpret
from graphcomp.schedule import Program, parts, schedule
from graphcomp.schedule.parts import PARTS
from graphcomp.schedule.program import Gathered, LoopKernel, LoopOver, Reduce, leaves, written
from graphcomp.simplify import simplify
from graphcomp.trace.tree import flatten


@pytest.fixture(autouse=True)
def short_ones_too(monkeypatch: Any) -> None:
    """Reductions of fifty entries are long, and every program is worth a team."""
    monkeypatch.setattr(parts, "LONG", 50)
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)


def program_of(function: Any, *arguments: Any) -> Program:
    return schedule(simplify(gx.trace(function, *arguments)).graph)


def values_of(tree: Any) -> list[np.ndarray]:
    return [np.asarray(each) for each in flatten(tree)[0]]


def agree(function: Any, *arguments: Any, rtol: float = 1e-12) -> None:
    """Every number of threads gives the same bits, and they are those of the reference but for rounding."""
    wanted = interpret(gx.trace(function, *arguments), values_of(arguments))
    first: list[np.ndarray] = []
    for threads in (1, 2, 3, 5):
        compiled = gx.jit(function, threads=threads)
        for _ in range(3):  # a race shows now and then
            found = values_of(compiled(*arguments))
            first = first or found
            assert [each.tobytes() for each in found] == [each.tobytes() for each in first]
    for value, expected in zip(first, wanted, strict=True):
        assert value.dtype == expected.dtype
        np.testing.assert_allclose(value, expected, rtol=rtol, atol=rtol)


def split(program: Program) -> list[LoopKernel]:
    """The kernels for parts."""
    found = [kernel for kernel in leaves(program.kernels) if isinstance(kernel, LoopKernel)]
    return [kernel for kernel in found if kernel.loops and kernel.loops[0].variable == parts.PART]


@pytest.mark.parametrize("shape", [(50,), (53,), (1009,), (3, 61), (7, 5, 17), (2, 2, 64, 3)])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
def test_one_number_of_a_whole_array(shape: tuple[int, ...], name: str, dtype: str) -> None:
    x = (np.random.default_rng(0).integers(2, 6, shape) / (4 if dtype.startswith("float") else 1)).astype(dtype)
    whole = getattr(gnp, name)
    assert len(split(program_of(whole, x))) == 1
    agree(whole, x, rtol=1e-12 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("shape", [(3, 100), (5, 7, 20), (2, 3, 4, 67)])
@pytest.mark.parametrize("axes", [(0,), (-1,), (0, -1)])
def test_few_sums_of_many(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).standard_normal(shape)
    agree(lambda x: gnp.sum(np.sin(x) * x, axes), x)
    agree(lambda x: np.exp(-gnp.max(x * 2.0, axes)) + gnp.mean(x, axes), x)


@pytest.mark.parametrize("shape", [(50, 1), (61, 5), (40, 7), (257, 16), (40, 3, 7), (1009, 2, 1)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_sums_of_rows_that_are_short(shape: tuple[int, ...], dtype: str) -> None:
    """Too few columns to share out: the rows are, each part added up in registers."""
    x, weights = (np.random.default_rng(5).standard_normal(each).astype(dtype) for each in (shape, shape[0]))

    def sums(x: Any, weights: Any) -> Any:
        return gnp.sum(np.sin(x) * weights.reshape(-1, *[1] * (len(shape) - 1)), 0)

    program = program_of(sums, x, weights)
    (part,) = split(program)
    assert part.is_shared and (shape[1:] == (1,) or any(isinstance(each, Gathered) for each in part.statements()))
    agree(sums, x, weights, rtol=1e-12 if dtype == "float64" else 3e-5)


@pytest.mark.parametrize("rows, columns, in_parts", [(1186, 192, True), (512, 64, True), (400, 192, False)])
def test_sums_of_many_rows_that_a_thread_has_made_itself(rows: int, columns: int, in_parts: bool) -> None:
    """The columns could be shared out, but rows are what each thread has just made."""
    x, w = (np.random.default_rng(6).standard_normal(shape) for shape in ((rows, 20), (20, columns)))

    def sums(x: Any, w: Any) -> Any:
        return gnp.sum(np.tanh(x @ w), 0)

    assert len(split(program_of(sums, x, w))) == in_parts
    agree(sums, x, w)


def test_sums_of_any_number_of_short_rows() -> None:
    """With fewer rows than parts, some parts have none."""
    sums = gx.jit(lambda x: gnp.sum(np.sin(x), 0), threads=2, specs=(gx.spec(("B", 5), "float64"),))
    assert len(split(sums.version(np.ones((3, 5))).executor.program)) == 1
    for rows in (1, 3, 31, 33, 1000):
        x = np.random.default_rng(rows).standard_normal((rows, 5))
        np.testing.assert_allclose(sums(x), np.sin(x).sum(0), rtol=1e-12, atol=1e-12)


def test_threads_share_the_parts_and_the_first_one_adds_them_up() -> None:
    program = program_of(lambda x: gnp.sum(np.sin(x), (1, 2)) * 2.0, np.ones((3, 8, 40)))
    part, rest = program.kernels
    assert isinstance(part, LoopKernel) and isinstance(rest, LoopKernel)
    assert [loop.extent for loop in part.loops] == [PARTS, 3] and part.is_shared
    assert not rest.is_shared and rest.meets and [loop.extent for loop in rest.loops] == [3]
    (reduced,) = (each for each in rest.statements() if isinstance(each, Reduce))
    assert [loop.extent for loop in reduced.loops] == [PARTS]


def test_sums_that_run_side_by_side_have_their_parts_side_by_side() -> None:
    def moments(x: Any) -> Any:
        return gnp.sum(x), gnp.sum(x * x), gnp.max(x)

    x = np.random.default_rng(4).standard_normal(777).astype("float32")
    program = program_of(moments, x)
    (part,) = split(program)
    assert sorted(buffer.type.dtype for buffer in written(part)) == ["float32", "float64", "float64"]
    agree(moments, x, rtol=1e-6)


def test_what_threads_share_out_anyway_stays_whole() -> None:
    assert not split(program_of(lambda x: gnp.sum(np.sin(x), 1), np.ones((8, 300))))
    assert not split(program_of(lambda x: gnp.sum(np.sin(x), 1), np.ones((2, 40))))


def test_parts_are_added_up_as_late_as_possible() -> None:
    """After what does not need them, before what does."""

    def step(x: Any, y: Any, z: Any) -> Any:
        total = gnp.sum(np.sin(x))
        return total, np.sqrt(y), np.cos(z) * total

    x, y, z = np.linspace(0, 1, 200), np.linspace(1, 2, 80), np.linspace(1, 2, 90)
    program = program_of(step, x, y, z)
    (part,) = split(program)
    places = {buffer.number: kernel.number for kernel in program.kernels for buffer in written(kernel)}
    total, root, product = (places[buffer.number] for buffer in program.outputs)
    assert part.number < root < total < product
    agree(step, x, y, z)
    assert written(program_of(lambda *given: step(*given)[:2], x, y, z).kernels[-1])[0].type.rank == 0
    agree(lambda *given: step(*given)[:2], x, y, z)


def test_sums_of_what_other_sums_gave() -> None:
    """The second one needs the first: it is taken in one go, or in parts of its own."""
    x = np.random.default_rng(2).standard_normal(333)
    agree(lambda x: gnp.sum((x - gnp.mean(x)) ** 2) / gnp.sum(np.abs(x)), x)
    agree(gx.value_and_grad(lambda x: np.log(gnp.sum(np.exp(x - gnp.max(x))))), x)


def test_long_sums_inside_loops() -> None:
    def grow(total: Any, row: Any) -> Any:
        total = total * 0.5 + gnp.sum(np.sin(row * total))
        return total, total

    x = np.random.default_rng(3).standard_normal((6, 120))
    program = program_of(lambda x: gx.scan(grow, np.float64(1.0), x), x)
    (loop,) = (kernel for kernel in program.kernels if isinstance(kernel, LoopOver))
    assert len(split(program)) == 1 and {b.number for k in split(program) for b in written(k)} <= loop.locals
    agree(lambda x: gx.scan(grow, np.float64(1.0), x), x)
    agree(gx.grad(lambda x: gx.scan(grow, np.float64(1.0), x)[0]), x, rtol=1e-10)

    agree(lambda x: gx.while_loop(lambda s: gnp.sum(np.abs(s)) > 20.0, lambda s: s * 0.9, x), x[0])


def test_named_sizes() -> None:
    """Of a size that is known only when it runs, the parts are ranges then."""

    def total(x: Any) -> Any:
        return gnp.sum(np.sin(x))

    compiled = {threads: gx.jit(total, threads=threads, specs=(gx.spec(("N", 7), "float64"),)) for threads in (1, 3)}
    for n in (1, 5, 31, 33, 100):
        x = np.linspace(0, 1, 7 * n).reshape(n, 7)
        one, three = (np.asarray(compiled[threads](x)) for threads in (1, 3))
        assert one.tobytes() == three.tobytes()
        np.testing.assert_allclose(one, np.sin(x).sum(), rtol=1e-12)
