"""Emitted products of windows against NumPy in higher precision: sizes, steps, widths, shares, registers."""

import ctypes
import re

import numpy as np
import pytest

from graphcomp.emit import dots, nests, routines
from graphcomp.emit.tiles import HEIGHTS, VECTORS
from graphcomp.emit.vectors import WIDTHS, Vector, vector_bits

HERE = [bits for bits in WIDTHS if bits <= vector_bits()]
KINDS = [(dtype, bits) for dtype in routines.SIZES for bits in HERE]
each_kind = pytest.mark.parametrize(("dtype", "bits"), KINDS)
EXACT = {"float32": np.float64, "float64": np.longdouble}
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 17, 33, 48, 50]


def routine(family, dtype, bits):
    address = family.provide(family.name(dtype, bits))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(family.arguments))(address)


def windows(rng, shape, steps, dtype):
    """An array with these steps (in numbers) inside of a longer one, whose first and last numbers are NaN."""
    length = 1 + sum((size - 1) * step for size, step in zip(shape, steps) if size)
    space = np.full(length + 80, np.nan, dtype)
    space[40 : 40 + length] = rng.standard_normal(length)
    return np.lib.stride_tricks.as_strided(space[40:], shape, [step * space.itemsize for step in steps]), space


def close(result, before, left, right, subscripts, add):
    wide = EXACT[str(result.dtype)]
    expected = np.einsum(subscripts, left.astype(wide), right.astype(wide)) + (before if add else 0)
    scale = np.einsum(subscripts, abs(left).astype(wide), abs(right).astype(wide)) + (abs(before) if add else 0)
    terms = np.prod(left.shape[1:]) + 2
    return (abs(result - expected) <= terms * np.finfo(result.dtype).eps * scale).all()


@each_kind
@pytest.mark.parametrize("add", [0, 1])
def test_columns_that_lie_side_by_side(dtype, bits, add):
    rng = np.random.default_rng(bits + add)
    call = routine(nests.NESTS, dtype, bits)
    for _ in range(150):
        m, n = map(int, rng.choice(SIZES, 2))
        turns = [int(size) for size in rng.choice([0, 1, 2, 3, 5, 8], 3, p=[0.04, 0.16, 0.2, 0.2, 0.2, 0.2])]
        a_steps, b_steps = ([int(step) for step in rng.integers(0, 60, 3)] for _ in range(2))
        a_row, c_row = int(rng.integers(1, 90)), n + int(rng.integers(0, 9))
        left, _keep = windows(rng, (m, *turns), (a_row, *a_steps), dtype)
        right, _keep2 = windows(rng, (*turns, n), (*b_steps, 1), dtype)
        space = np.full(m * c_row + 40, 7, dtype)
        result = np.lib.stride_tricks.as_strided(space[20:], (m, n), (c_row * space.itemsize, space.itemsize))
        before = np.array(rng.standard_normal((m, n)), dtype)
        result[...] = before
        levels = [number for level in zip(turns, a_steps, b_steps) for number in level]
        address = space.ctypes.data + 20 * space.itemsize
        call(m, n, left.ctypes.data, a_row, right.ctypes.data, address, c_row, add, *levels)
        assert close(result, before, left, right, "mxyz,xyzn->mn", add)
        result[...] = 7
        assert (space == 7).all(), "written outside of the result"


@each_kind
@pytest.mark.parametrize("add", [0, 1])
def test_inner_numbers_that_lie_side_by_side(dtype, bits, add):
    rng = np.random.default_rng(bits + add)
    call = routine(nests.WINDOW_DOTS, dtype, bits)
    for _ in range(150):
        m, n, depth = map(int, rng.choice(SIZES, 3))
        turns = [int(size) for size in rng.choice([0, 1, 2, 3, 5], 2, p=[0.04, 0.26, 0.3, 0.2, 0.2])]
        a_steps, b_steps = ([int(step) for step in rng.integers(0, 60, 2)] for _ in range(2))
        a_row, b_column = (int(step) for step in rng.integers(0, 90, 2))
        left, _keep = windows(rng, (m, *turns, depth), (a_row, *a_steps, 1), dtype)
        right, _keep2 = windows(rng, (n, *turns, depth), (b_column, *b_steps, 1), dtype)
        before = np.array(rng.standard_normal((m, n)), dtype)
        space = np.full((m + 2, 2 * n + 6), 7, dtype)
        result = space[1 : m + 1, 3 : 3 + 2 * n : 2]
        result[...] = before
        levels = [number for level in zip(turns, a_steps, b_steps) for number in level]
        call(m, n, left.ctypes.data, a_row, right.ctypes.data, b_column, result.ctypes.data, 2 * n + 6, 2, add, *levels,
             depth)  # fmt: skip
        assert close(result, before, left, right, "mxyz,nxyz->mn", add)
        result[...] = 7
        assert (space == 7).all(), "written outside of the result"


@each_kind
@pytest.mark.parametrize("family", [nests.NESTS, nests.WINDOW_DOTS], ids=["nest", "dots"])
def test_sums_stay_in_registers(family, dtype, bits):
    """No innermost loop of a tile touches the stack."""
    if "x86" not in routines.binding.get_process_triple():
        pytest.skip("x86 instructions")
    if family is nests.NESTS and not Vector(routines.SIZES[dtype], bits).masked:
        pytest.skip("a part of a vector is loaded number by number here, in loops of its own")
    name = family.name(dtype, bits)
    tiles = re.findall(rf"^graphcomp_{name}_\d+x\d+:\n(.*?)^\.Lfunc_end", family.assembly(name), re.M | re.S)
    wanted = len(HEIGHTS[bits]) * VECTORS[bits] if family is nests.NESTS else len(dots.dots_shapes(bits))
    assert len(tiles) == wanted
    for tile in tiles:
        loops = re.findall(r"^(\.L\w+):[^\n]*\n((?:(?!^\.L).*\n)*?)\s+jne\s+\1\n", tile, re.M)
        sums = [body for _, body in loops if re.search(r"fmadd|mulp[sd]", body)]
        assert sums
        assert not any(re.search(r"p[sd]\s.*\(%r[sb]p\)", body) for body in sums), "a sum is kept on the stack"
