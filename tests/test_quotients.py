"""Loops counted by two where quotients are taken of their counters, positions that are known to be small, and extrema
found together with where they stand: against the reference, and in the program.
"""

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn
from graphcomp import numpy as gnp
from graphcomp.errors import ExecutionError
from graphcomp.ops.index import Index
from graphcomp.run import blas
from graphcomp.run.interpreter import interpret
from graphcomp.schedule import Program, schedule
from graphcomp.schedule.loops import addresses, guards
from graphcomp.schedule.program import Choose, Load, LoopKernel, Position, Reduce, Statement
from graphcomp.simplify import simplify
from graphcomp.trace.tracer import apply
from graphcomp.trace.tree import flatten


def program_of(function: Any, *arguments: Any) -> Program:
    return schedule(simplify(gx.trace(function, *arguments)).graph)


def statements(program: Program) -> list[Statement]:
    return [each for kernel in program.kernels if isinstance(kernel, LoopKernel) for each in kernel.statements()]


def is_plain(index: Index) -> bool:
    return all(atom.of is None for atom, _ in index.terms)


def agree(function: Any, *arguments: Any, threads: int = 1, exact: bool = True) -> None:
    """Compiled code gives what the reference gives, and the same bits each time."""
    wanted = interpret(gx.trace(function, *arguments), [np.asarray(each) for each in flatten(arguments)[0]])
    compiled = gx.jit(function, threads=threads)
    found = [np.asarray(each) for each in flatten(compiled(*arguments))[0]]
    for value, expected in zip(found, wanted, strict=True):
        assert value.dtype == expected.dtype
        if exact:
            np.testing.assert_array_equal(value, expected)
        else:
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    again = [np.asarray(each) for each in flatten(compiled(*arguments))[0]]
    assert all(one.tobytes() == two.tobytes() for one, two in zip(found, again, strict=True))


def pool(rng: np.random.Generator) -> tuple[Any, np.ndarray]:
    """A random pool of any kind, and images with equal entries, infinities and numbers that are none."""
    rank = int(rng.integers(1, 3))
    window = tuple(int(size) for size in rng.integers(1, 4, rank))
    stride = window if rng.integers(2) else tuple(int(size) for size in rng.integers(1, 4, rank))
    padding = tuple(int(rng.integers(0, size // 2 + 1)) for size in window)
    kind = getattr(nn, f"{rng.choice(['Max', 'Max', 'Average'])}Pool{rank}d")
    sizes = [int(size * rng.integers(1, 6) + rng.integers(0, 2) + 3) for size in window]
    x = rng.integers(-3, 4, (int(rng.choice([1, 3, 16, 20])), int(rng.integers(1, 4)), *sizes)).astype("float64")
    if kind.filling != 0:
        x[rng.random(x.shape) < 0.05] = -np.inf
        x[rng.random(x.shape) < 0.02] = np.nan
    return kind(window, stride, padding), x


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_any_pool_and_its_gradient(seed: int, threads: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    layer, x = pool(np.random.default_rng(seed))

    def step(x: Any) -> Any:
        value, back = gx.vjp(lambda x: gnp.maximum(layer(x), -1.0), x)
        return value, back(np.cos(value) * 0 + 1.0 + gnp.arange(value.size).reshape(value.shape))

    agree(step, x, threads=threads, exact=not np.isnan(x).any())


def training(weight: Any, x: Any) -> Any:
    images = gnp.einsum("ncijpq,ocpq->noij", gnp.unfold(x, weight.shape[2:]), weight)
    return gnp.sum(np.sin(nn.MaxPool2d(2)(gnp.maximum(images, 0.0))))


@pytest.mark.parametrize("batch", [2, 32])
def test_the_loops_of_a_pool_s_gradient_have_plain_addresses(batch: int) -> None:
    """Whether the batch or a row of the image runs along memory."""
    program = program_of(gx.grad(training, 0), np.ones((3, 2, 3, 3)), np.ones((batch, 2, 18, 18)))
    kernels = [kernel for kernel in program.kernels if isinstance(kernel, LoopKernel)]
    indices = [index for kernel in kernels for index in [*addresses(kernel.body), *guards(kernel.body)]]
    assert any(isinstance(each, Choose) for each in statements(program))  # the gradient goes to one entry of a window
    assert all(is_plain(index) for index in indices)


def test_a_loop_that_does_not_divide_keeps_its_quotients() -> None:
    """Seven entries in windows of two: the last one is in none."""
    program = program_of(gx.grad(lambda x: gnp.sum(np.sin(nn.MaxPool1d(2)(x)))), np.ones((2, 2, 7)))
    kernels = [kernel for kernel in program.kernels if isinstance(kernel, LoopKernel)]
    assert not all(is_plain(index) for kernel in kernels for index in addresses(kernel.body))
    agree(gx.grad(lambda x: gnp.sum(np.sin(nn.MaxPool1d(2)(x)))), np.arange(28.0).reshape(2, 2, 7) % 5)


def test_a_loop_that_only_threads_can_share_out_stays_whole() -> None:
    """Fourteen rows can be shared out, twice seven cannot; of twice eight, the outer loop can."""

    def double(x: Any) -> Any:
        return gnp.repeat(x, 2, 0)

    for rows, extents in ((7, [14, 3]), (8, [8, 2, 3])):
        (kernel,) = program_of(double, np.ones((rows, 3))).kernels
        assert isinstance(kernel, LoopKernel) and [loop.extent for loop in kernel.loops] == extents
        assert kernel.is_shared
        agree(double, np.arange(3.0 * rows).reshape(rows, 3))


def test_quotients_of_quotients() -> None:
    """A loop counted by two whose second part is counted by two again; a reversed and a strided read."""

    def step(x: Any) -> Any:
        fine = gnp.repeat(gnp.repeat(x, 2, 0), 3, 1)
        return fine[::-1] * gnp.repeat(fine[::2, ::3], 2, 0).repeat(3, 1)

    agree(step, np.random.default_rng(0).standard_normal((6, 8)))
    agree(lambda x: np.abs(x).reshape(4, 6).T.reshape(8, 3) + x.reshape(8, 3), np.arange(24.0))


def test_positions_are_kept_as_narrow_as_they_can_be() -> None:
    """What `argmax` gives inside a program is small; what the program gives away is NumPy's."""

    def sizes(n: int) -> set[str]:
        program = program_of(gx.grad(lambda x: gnp.sum(np.sin(gnp.max(x, 1)))), np.ones((4, n)))
        return {buffer.type.dtype for buffer in program.buffers} - {"float64"}

    assert sizes(128) == {"int8"}
    assert sizes(129) == {"int16"}
    assert sizes((1 << 15) + 1) == {"int32"}
    x = np.random.default_rng(3).standard_normal((7, 300))
    x[:, 299] = 9.0  # the last position is the largest that there is
    agree(gx.grad(lambda x: gnp.sum(np.sin(gnp.max(x, 1)) ** 2)), x)
    agree(lambda x: (gnp.argmax(x, 1), gnp.max(x, 1), gnp.argmax(x, 1)[::-1] * 3), x)


def test_a_position_that_is_known_is_not_checked_and_any_other_is() -> None:
    def best(x: Any, y: Any) -> Any:
        return at(y, gnp.argmax(x, 1).reshape(4, 1))

    def at(y: Any, places: Any) -> Any:
        return apply("take_along_axis", y, places, axis=1)

    table, short = np.arange(24.0).reshape(4, 6), np.arange(20.0).reshape(4, 5)
    assert [each.known for each in statements(program_of(best, table, table)) if isinstance(each, Position)] == [True]
    assert [each.known for each in statements(program_of(best, table, short)) if isinstance(each, Position)] == [False]
    agree(best, -table, short)
    with pytest.raises(ExecutionError, match="out of range"):
        gx.jit(best)(table, short)
    with pytest.raises(ExecutionError, match="out of range"):
        gx.jit(at)(table, np.full((4, 1), 6))


def test_positions_are_carried_out_of_loops() -> None:
    """The gradient of a loop keeps the positions of every step."""

    def loss(x: Any) -> Any:
        def step(total: Any, row: Any) -> Any:
            best = gnp.max(row * total, 1)
            return total + 0.1 * gnp.sum(best), best

        total, rows = gx.scan(step, np.float64(1.0), x)
        return total + gnp.sum(np.sin(rows))

    x = np.random.default_rng(1).standard_normal((5, 3, 4))
    agree(gx.value_and_grad(loss), x, exact=False)


@pytest.mark.parametrize("name", ["max", "min"])
def test_an_extremum_and_its_position_are_found_in_one_pass(name: str) -> None:
    extremum, position = getattr(gnp, name), getattr(gnp, f"arg{name}")

    def step(x: Any) -> Any:
        windows = np.sin(x).reshape(5, 4, 6)
        return extremum(windows, (1, 2)), position(windows.reshape(5, 24), 1)

    program = program_of(step, np.ones((5, 24)))
    assert [each.combine for each in statements(program) if isinstance(each, Reduce)] == [f"arg{name}"]
    x = np.arange(120.0).reshape(5, 24) % 7
    x[1, 3] = x[1, 9] = np.nan
    x[2] = 1.0
    agree(lambda x: (extremum(x, 1), position(x, 1)), x)
    agree(lambda x: (extremum(x, 1), position(x, 1)), np.full((2, 3), -np.inf if name == "max" else np.inf))
    agree(lambda x: (extremum(x, 1), position(x, 1)), np.arange(12).reshape(3, 4) % 5)


def test_an_extremum_that_runs_beside_a_sum_stays_there() -> None:
    x = np.arange(60.0).reshape(4, 15) % 7
    agree(lambda x: (gnp.sum(x, 1), gnp.max(x, 1), gnp.argmax(x, 1)), x)
    agree(lambda x: (gnp.max(x, 1), gnp.argmax(x, 1), gnp.sum(x, 1)), x)


def test_extrema_of_other_entries_stay_apart() -> None:
    """Of another array, along another axis, in another order: two passes."""
    x = np.random.default_rng(2).standard_normal((6, 6))
    for step in (
        lambda x: (gnp.max(x, 1), gnp.argmax(x + 1.0, 1)),
        lambda x: (gnp.max(x, 0), gnp.argmax(x, 1)),
        lambda x: (gnp.max(x, 1), gnp.argmax(x[:, ::-1], 1)),
        lambda x: (gnp.max(x, 1), gnp.argmin(x, 1)),
    ):
        reduced = [each.combine for each in statements(program_of(step, x)) if isinstance(each, Reduce)]
        assert len(reduced) == 2, reduced
        agree(step, x)


def test_loads_of_narrow_positions_are_integers_of_the_graph() -> None:
    program = program_of(gx.grad(lambda x: gnp.sum(np.sin(gnp.max(x, 1)))), np.ones((4, 9)))
    loads = [each for each in statements(program) if isinstance(each, Load) and each.buffer.type.dtype == "int8"]
    assert loads and all(each.dtype == "int64" for each in loads)
