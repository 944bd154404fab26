"""What a call of a compiled function does with its arguments and results, the second time too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.errors import DTypeError, ExecutionError, InputError
from graphcomp.run.arguments import arguments_of, reader
from graphcomp.run.array import Array, address_of, aligned
from graphcomp.trace.packing import MOST_PARTS, packer, unpacker
from graphcomp.trace.tree import flatten

X = np.arange(12.0).reshape(3, 4)


def test_addresses() -> None:
    for array in (X, X[1:], X[:, ::2], X.T, np.zeros(()), np.zeros(0), aligned(7), np.broadcast_to(X, (2, 3, 4))):
        assert address_of(array) == array.ctypes.data


def variants() -> list[Any]:
    locked = X.copy()
    locked.flags.writeable = False
    wide = np.repeat(X, 2, axis=1)
    plain = [X, np.asfortranarray(X), wide[:, ::2], X[::-1][::-1], locked, X.view(np.recarray)]
    return [*plain, *map(Array, plain), Array(X.tolist())]


def test_arrays_of_one_type_in_any_order_in_memory() -> None:
    """All but the first call know the types and do not look at the arrays again."""
    step = gx.jit(lambda x: x * 2 + 1)
    for given in variants() * 2:
        np.testing.assert_array_equal(step(given), X * 2 + 1)
    assert len(step.versions) == 1


def test_an_array_is_a_copy() -> None:
    given = X.copy()
    made = Array(given[::-1])
    given[:] = 0  # neither locked nor shared
    np.testing.assert_array_equal(made, X[::-1])
    assert made.shape == X.shape and made.address == made.numpy().ctypes.data
    with pytest.raises(DTypeError, match="dtype object is not supported"):
        Array([1, "a", None])


def test_numbers_among_arrays() -> None:
    step = gx.jit(lambda x, n: x * n)
    for number in (2.0, 3.0, np.float64(4.0), 5):
        np.testing.assert_array_equal(step(X, number), X * number)
    count = gx.jit(lambda n: n + 1)
    assert [int(count(n)) for n in (1, 2)] == [2, 3]
    with pytest.raises(InputError, match="does not fit"):
        count(2**70)
    assert int(count(3)) == 4


def test_results_that_are_held_stay_as_they_are() -> None:
    step = gx.jit(lambda x: (x + 1, x * 2))
    held = [step(X * k) for k in range(6)]
    views = [np.asarray(step(X * k)[0])[1:] for k in range(6)]
    for k in range(6):
        np.testing.assert_array_equal(held[k][0], X * k + 1)
        np.testing.assert_array_equal(held[k][1], X * k * 2)
        np.testing.assert_array_equal(views[k], (X * k + 1)[1:])


def test_memory_of_results_that_nobody_holds_is_used_again() -> None:
    step = gx.jit(lambda x: x + 1)
    addresses = {step(X).address for _ in range(20)}
    assert len(addresses) <= 3


def test_a_donated_array_is_gone_in_later_calls() -> None:
    step = gx.jit(lambda x: x + 1, donate=0)
    state = step(X)
    for count in range(2, 6):
        before, state = state, step(state)
        np.testing.assert_array_equal(state, X + count)
        with pytest.raises(ExecutionError, match="was donated"):
            step(before)


def test_an_array_that_another_call_consumed_meanwhile() -> None:
    """Its arguments were read before: the memory is still there, but its numbers are no longer the array's."""
    step = gx.jit(lambda x: x + 1, donate=0)
    state = step(X)
    state = step(state)
    executor = step.version(state).executor
    assert executor is not None
    arguments, binding = arguments_of([state]), executor.bind([state])
    after = step(state)
    with pytest.raises(ExecutionError, match="was donated"):
        executor.run(arguments, [0], binding)
    np.testing.assert_array_equal(after, X + 3)


def test_nobody_makes_an_array_that_nobody_looks_at() -> None:
    """Memory is known by its shape and dtype; NumPy's array of it is made when it is asked for."""
    found = gx.jit(lambda x: x + 1)(X)
    assert (found.shape, found.dtype, found.ndim, found.size) == ((3, 4), np.dtype(float), 2, 12)
    assert found.storage.view is None and not found.storage.is_seen
    view = found.numpy()
    assert found.storage.is_seen and not view.flags.writeable
    del view
    assert not found.storage.is_seen


def test_an_index_out_of_range_spoils_no_later_call() -> None:
    step = gx.jit(lambda x, places: x[places])
    np.testing.assert_array_equal(step(X, np.array([2, 0])), X[[2, 0]])
    for _ in range(2):
        with pytest.raises(ExecutionError, match="an index is out of range"):
            step(X, np.array([2, 7]))
        np.testing.assert_array_equal(step(X, np.array([1, 1])), X[[1, 1]])


def test_containers_of_results() -> None:
    step = gx.jit(lambda tree: {"a": (tree["x"] + 1, [tree["x"] * 2]), "b": "text", "c": ()})
    for k in range(3):
        found = step({"x": X * k})
        assert found["b"] == "text" and found["c"] == ()
        np.testing.assert_array_equal(found["a"][0], X * k + 1)
        np.testing.assert_array_equal(found["a"][1][0], X * k * 2)


@dataclass
class Scaled:
    weight: Any
    factor: Any = 2
    name: str = "a"


@dataclass
class Other(Scaled):
    pass


class Pair(NamedTuple):
    first: Any
    second: Any


STRUCTURES: list[Any] = [
    Scaled(X),
    Scaled(X, 3),
    Scaled(X, 3.0),
    Scaled(X, True),
    Scaled(X, X),
    Scaled(X, 2, "b"),
    Other(X),
    [X],
    [X, X],
    (X, X),
    [[X], X],
    Pair(X, X),
    {"first": X, "second": X},
    {"second": X, "first": X},
    {1: X, (2, 3): Scaled(X)},
    {},
    [],
    (X,),
    None,
    "text",
    Scaled([X, {"a": (1, X)}], (1, 2)),
    Scaled([X, {"a": (2, X)}], (1, 2)),
]


def test_structures_that_differ_are_not_taken_for_each_other() -> None:
    """Whatever came before, the function sees the containers and the settings that it is given."""

    def described(value: Any) -> Any:
        leaves, structure = flatten(value)
        return str(structure), [leaf * 1.0 for leaf in leaves], value

    step = gx.jit(described)
    for _ in range(3):
        for value in STRUCTURES:
            text, leaves, same = step(value)
            expected = flatten(value)
            assert text == str(expected[1])
            assert flatten(same)[1] == expected[1]
            assert len(leaves) == len(expected[0]) == len(flatten(same)[0])
    assert len(step.versions) == len(STRUCTURES)


def test_code_for_containers_does_what_the_general_functions_do() -> None:
    for value in STRUCTURES:
        leaves, structure = flatten(value)
        for other in STRUCTURES:
            found = unpacker(structure)(other)
            same = flatten(other)[1] == structure
            assert not same or (
                found is not None and all(a is b for a, b in zip(found, flatten(other)[0], strict=True))
            )
            assert same or found is None or not all(isinstance(leaf, np.ndarray) for leaf in found)
        assert flatten(packer(structure)(leaves))[1] == structure
        read, expected = reader(structure)(value), arguments_of(leaves)
        assert read is not None and all(list(a) == list(b) for a, b in zip(read[1:], expected[1:], strict=True))
        assert all(a is b for a, b in zip(read[0], leaves, strict=True))


def test_large_containers() -> None:
    """More parts than code is written for."""
    step = gx.jit(lambda values: [values[0] + values[-1], *values[:3]])
    numbers = [np.float64(k) for k in range(MOST_PARTS + 10)]
    for _ in range(2):
        assert [float(x) for x in step(numbers)] == [MOST_PARTS + 9, 0, 1, 2]


def test_a_setting_that_cannot_be_compared() -> None:
    class Stubborn:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

        def __hash__(self) -> int:
            return 7

    step = gx.jit(lambda value: value.weight + 1)
    np.testing.assert_array_equal(step(Scaled(X, Stubborn())), X + 1)
    with pytest.raises(InputError, match="cannot be compared"):
        step(Scaled(X, Stubborn()))
