"""Donated inputs that are updated in place: which ones, and that nobody's numbers change who did not donate them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.errors import ExecutionError, InputError
from graphcomp.schedule.program import checks, updates

THREADS = [1, 2, 3]


def array(shape: tuple[int, ...], seed: int = 0, dtype: str = "float32") -> Any:
    return gx.Array(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def updated(step: Any, *arguments: Any) -> dict[int, int]:
    """For each output that lies in an input's memory, which input."""
    program = step.version(*arguments).executor.program
    return {place: program.updated[b.number] for place, b in enumerate(program.outputs) if b.number in program.updated}


def adam(weight: Any, mean: Any, square: Any, gradient: Any) -> Any:
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.99 * square + 0.01 * gradient**2
    return weight - 0.1 * mean / (gnp.sqrt(square) + 1e-3), mean, square


@pytest.mark.parametrize("threads", THREADS)
def test_a_training_step_updates_in_place(threads: int) -> None:
    def step(state: Any, x: Any) -> Any:
        loss, gradient = gx.value_and_grad(lambda w: np.sum(np.tanh(x @ w) ** 2))(state[0])
        return adam(*state, gradient), loss

    x = np.random.default_rng(1).normal(size=(33, 47)).astype("float32")
    start = [array((47, 70), 2), array((47, 70), 3), gx.Array(np.abs(array((47, 70), 4)))]
    compiled = gx.jit(step, donate=0, threads=threads)
    reference = gx.jit(step, target="numpy")
    state, expected = copy.deepcopy(start), copy.deepcopy(start)
    addresses = [leaf.address for leaf in state]
    for _ in range(4):
        state, loss = compiled(state, x)
        expected, wanted = reference(expected, x)
        assert [leaf.address for leaf in state] == addresses
        np.testing.assert_allclose(loss, wanted, rtol=1e-5)
        for leaf, other in zip(state, expected):
            np.testing.assert_allclose(leaf, other, rtol=2e-4, atol=1e-5)
    assert updated(compiled, state, x) == {0: 0, 1: 1, 2: 2}


ELSEWHERE: dict[str, Callable[[Any], Any]] = {
    "reversed": lambda x: x[::-1] + 1,
    "transposed": lambda x: x.T + x,
    "a sum": lambda x: x - np.sum(x, axis=0),
    "a running sum": lambda x: gnp.cumsum(x, axis=0) * 2,
    "neighbours": lambda x: x + gnp.roll(x, 1, axis=1),
    "a product": lambda x: x @ x,
    "read later": lambda x: (x * 2, np.sum(np.exp(x) @ x)),
    "sorted": lambda x: gnp.sort(x, axis=0),
    "gathered": lambda x: x[np.array([4, 0, 2, 1, 3])],
}


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("threads", THREADS)
def test_what_reads_other_entries_than_it_writes_is_right(name: str, threads: int) -> None:
    function = ELSEWHERE[name]
    for size in (5, 64) if name != "gathered" else (5,):
        given = array((size, size), size)
        values = np.array(given)
        expected = gx.jit(function, target="numpy")(values)
        found = gx.jit(function, donate=0, threads=threads)(given)
        for one, other in zip(*(value if isinstance(value, tuple) else (value,) for value in (found, expected))):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_only_memory_of_the_same_type_is_taken() -> None:
    step = gx.jit(lambda a, b, c: (c * 2, a.sum(axis=0) + 1), donate=(0, 1, 2))
    arguments = array((8, 8)), array((8,)), array((8,), dtype="float64")
    assert updated(step, *arguments) == {0: 2, 1: 1}
    swapped = gx.jit(lambda a, b: (b + 1, a * 2), donate=(0, 1))
    assert updated(swapped, array((4, 3)), array((4, 3))) == {0: 1, 1: 0}


def test_an_array_of_numpy_is_never_written() -> None:
    step = gx.jit(lambda x: x + 1, donate=0)
    mine = np.arange(50.0)
    for _ in range(3):
        np.testing.assert_array_equal(step(mine), np.arange(50.0) + 1)
    np.testing.assert_array_equal(mine, np.arange(50.0))


@pytest.mark.parametrize("look", [np.asarray, lambda x: x.numpy()[2:], lambda x: np.asarray(x).reshape(5, 2)])
def test_who_looks_at_a_donated_array_keeps_the_numbers(look: Callable[[Any], Any]) -> None:
    step = gx.jit(lambda x: x + 1, donate=0)
    state = gx.Array(np.arange(10.0))
    for k in range(4):
        view, before = look(state), look(np.arange(10.0) + k) if look is np.asarray else None
        kept = np.array(view)
        state = step(state)
        np.testing.assert_array_equal(view, kept)
        np.testing.assert_array_equal(state, np.arange(10.0) + k + 1)
        assert before is None or np.array_equal(before, kept)


def test_an_array_given_twice() -> None:
    both = gx.jit(lambda x, y: (x + y, y * 3), donate=(0, 1))
    one = gx.jit(lambda x, y: (x + y[::-1], x * y), donate=0)
    for step in (both, one):
        for _ in range(3):
            given = gx.Array(np.arange(20.0))
            expected = step.function(np.arange(20.0), np.arange(20.0))
            for found, wanted in zip(step(given, given), expected):
                np.testing.assert_array_equal(found, wanted)
            with pytest.raises(ExecutionError, match="was donated"):
                given.numpy()


@pytest.mark.parametrize("threads", THREADS)
def test_an_index_out_of_range_leaves_a_donated_state_as_it_was(threads: int) -> None:
    def step(table: Any, places: Any) -> Any:
        value, gradient = gx.value_and_grad(lambda t: np.sum(np.tanh(t[places]) ** 2))(table)
        return table - 0.1 * gradient, value

    compiled = gx.jit(step, donate=0, threads=threads)
    reference = gx.jit(step, target="numpy")
    table, places = array((400, 65)), np.arange(300)
    assert updated(compiled, table, places) == {0: 0}
    for bad in (0, 299):
        table, _ = compiled(table, places)
        kept, wrong = np.array(table), places.copy()
        wrong[bad] = 400
        with pytest.raises(ExecutionError, match="out of range"):
            compiled(table, wrong)
        np.testing.assert_array_equal(table, kept)
        np.testing.assert_allclose(compiled(copy.deepcopy(table), places)[0], reference(kept, places)[0], rtol=1e-5)


def test_nothing_is_updated_before_all_indices_are_checked() -> None:
    """An update that comes first keeps its own memory; one that comes later waits for all threads' checks."""
    arguments = array((500,)), array((900,)), np.arange(500)

    def early(x: Any, table: Any, places: Any) -> Any:
        return x + 1, table[places]

    def late(x: Any, table: Any, places: Any) -> Any:
        taken = table[places]
        return x + 1, taken

    first, last = gx.jit(early, donate=0), gx.jit(late, donate=0)
    assert updated(first, *arguments) == {}
    assert updated(last, *arguments) == {0: 0}
    kernels = last.version(*arguments).executor.program.kernels
    (place,) = (place for place, kernel in enumerate(kernels) if updates(kernel))
    before = max(place for place, kernel in enumerate(kernels) if checks(kernel))
    assert any(kernel.meets for kernel in kernels[before + 1 : place + 1])
    kept = np.array(arguments[0])
    for step in (first, last):
        with pytest.raises(ExecutionError, match="out of range"):
            step(*arguments[:2], np.full(500, 900))
        np.testing.assert_array_equal(arguments[0], kept)


def test_a_report_consumes_nothing() -> None:
    step = gx.jit(lambda x: x + 1, donate=0)
    state = step(array((100,)))
    kept = np.array(state)
    assert updated(step, state) == {0: 0}
    assert step.report(state).kernels
    np.testing.assert_array_equal(state, kept)


def test_named_sizes_and_a_memory_limit() -> None:
    step = gx.jit(lambda x: x + 1, donate=0, specs=(gx.spec(("n",), "float32"),))
    for size in (3, 1, 40):
        state = array((size,))
        kept, address = np.array(state), state.address
        found = step(state)
        np.testing.assert_array_equal(found, kept + 1)
        assert found.address == address
    limited = gx.jit(lambda x: x + 1, donate=0, memory_limit=10_000)
    np.testing.assert_array_equal(limited(gx.Array(np.ones(5))), np.full(5, 2.0))


OPERATIONS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: a + b,
    lambda a, b: np.tanh(a) * b,
    lambda a, b: a @ b * 0.1,
    lambda a, b: a - np.mean(b, axis=0),
    lambda a, b: a.T + b,
    lambda a, b: np.sin(a) + b[::-1],
]


@pytest.mark.parametrize("seed", range(12))
def test_random_steps(seed: int) -> None:
    """Outputs in any order, made of donated and other arrays that are read early and late."""
    random = np.random.default_rng(seed)
    size, count = int(random.choice([3, 17, 40])), 4
    plan = [(int(random.integers(len(OPERATIONS))), *random.integers(0, count + k, 2)) for k in range(8)]
    results = random.permutation(count + 8)[:5]

    def step(values: Any, other: Any) -> Any:
        made = [*values, other]
        for operation, left, right in plan:
            made.append(OPERATIONS[operation](made[left], made[right]))
        return [made[k] for k in results]

    start, other = (
        [array((size, size), 10 * seed + k) for k in range(count - 1)],
        np.array(array((size, size), 99 + seed)),
    )
    expected = gx.jit(step, target="numpy")(copy.deepcopy(start), other)
    for threads in THREADS:
        compiled = gx.jit(step, donate=0, threads=threads)
        for _ in range(2):
            found = compiled(copy.deepcopy(start), other)
            for one, wanted in zip(found, expected):
                np.testing.assert_allclose(one, wanted, rtol=1e-4, atol=1e-4)


def test_copies_have_memory_of_their_own() -> None:
    first = array((7,))
    for made in (copy.deepcopy(first), copy.copy(first), pickle.loads(pickle.dumps(first))):
        np.testing.assert_array_equal(made, first)
        assert made.address != first.address
        kept = np.array(first)
        np.testing.assert_array_equal(gx.jit(lambda x: x + 1, donate=0)(made), kept + 1)
        np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("donate", [-1, "a", (0, None), 1.0])
def test_what_is_no_position(donate: Any) -> None:
    with pytest.raises(InputError, match="donate holds the positions of arguments"):
        gx.jit(lambda x: x + 1, donate=donate)


def test_an_argument_that_is_not_there_cannot_be_donated() -> None:
    with pytest.raises(InputError, match="argument 2 is to be donated, counted from 0, but there are 2"):
        gx.jit(lambda x, y: x + y, donate=(0, 2))(np.ones(3), np.ones(3))
