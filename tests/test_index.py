"""Index expressions: what they print is what they mean, for every value of their variables."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphcomp.ops.index import Index, bounds, linear, loop, reshaped, unravel, weighted, within
from graphcomp.schedule.text import index_text


def values(index: Index, extents: dict[str, int]) -> list[int]:
    """The printed index, evaluated over the box of its loop variables."""
    code = index_text(index)
    box = itertools.product(*(range(n) for n in extents.values()))
    return [eval(code, {}, dict(zip(extents, point))) for point in box]


@given(
    extents=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    coefficients=st.lists(st.integers(-6, 6), min_size=3, max_size=3),
    constant=st.integers(-9, 40),
    divisors=st.lists(st.integers(1, 6), min_size=1, max_size=3),
)
@settings(max_examples=150, deadline=None)
def test_quotients_and_remainders_mean_what_they_say(extents, coefficients, constant, divisors):
    names = [f"i{axis}" for axis in range(len(extents))]
    sizes = dict(zip(names, extents))
    index = Index((), constant)
    for name, extent, coefficient in zip(names, extents, coefficients):
        index = index + loop(name, extent) * coefficient
    wanted = np.array(values(index, sizes))
    for divisor in divisors:
        quotient, remainder = index // divisor, index % divisor
        assert values(quotient, sizes) == list(wanted // divisor)
        assert values(remainder, sizes) == list(wanted % divisor)
        assert quotient * divisor + remainder == index
        for part in (quotient, remainder):
            low, high = bounds(part)
            if low is not None:
                found = values(part, sizes)
                assert low <= min(found) and max(found) <= high
        index, wanted = quotient, wanted // divisor


@pytest.mark.parametrize("flipped", [False, True])
def test_a_reshape_back_and_forth_is_nothing(flipped):
    shape = (3, 4, 5)
    index = tuple(loop(f"i{axis}", size) for axis, size in enumerate(shape))
    if flipped:
        index = tuple(entry * -1 + (size - 1) for entry, size in zip(index, shape))
    position = linear(index, shape)
    assert unravel(position, shape) == index
    assert linear(unravel(position, (6, 10)), (6, 10)) == position
    assert within(position, 60) and not within(position, 59)


@pytest.mark.parametrize(
    "to", [(2, 3, 4, 5), (2, 12, 5), (6, 20), (2, 3, 20), (6, 4, 5), (2, 2, 6, 5), (1, 120), (120,)]
)
@pytest.mark.parametrize("moved", [0, 1], ids=["in range", "out of range"])
def test_a_reshape_that_keeps_axes_reads_the_same_entry(to, moved):
    shape = (2, 3, 4, 5)
    extents = {f"i{axis}": size for axis, size in enumerate(shape)}
    index = tuple(loop(name, size) + moved * (axis == 2) for axis, (name, size) in enumerate(extents.items()))
    found, plain = reshaped(index, shape, to), unravel(linear(index, shape), to)
    assert [values(entry, extents) for entry in found] == [values(entry, extents) for entry in plain]
    if not moved and to == shape:
        assert found == index


def test_a_weighted_sum_is_what_adding_one_by_one_gives():
    i, j = loop("i", 6), loop("j", 5)
    indices, factors = (i // 4, i % 4, j, Index((), 3)), (4, 1, -2, 7)
    one_by_one = Index()
    for index, factor in zip(indices, factors):
        one_by_one = one_by_one + index * factor
    assert weighted(indices, factors) == one_by_one == i - j * 2 + 21
    assert weighted((i, j), (0, 0)) == Index()
