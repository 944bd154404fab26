"""Emitted matrix products against NumPy in higher precision: sizes, steps, widths, shares of rows, the disk."""

import ctypes
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.emit import matrix, routines
from graphcomp.emit.tiles import tile_shapes
from graphcomp.emit.vectors import VARIABLE, WIDTHS, vector_bits
from graphcomp.errors import InputError

HERE = [bits for bits in WIDTHS if bits <= vector_bits()]
KINDS = [(dtype, bits) for dtype in routines.SIZES for bits in HERE]
each_kind = pytest.mark.parametrize(("dtype", "bits"), KINDS)
EXACT = {"float32": np.float64, "float64": np.longdouble}


def multiply(left, right, result, bits, add=False, whole=None, ending=(0.0, 0, 0, 0, 0)):
    """result = left @ right, or result += left @ right, by the emitted routine; `whole` are the columns of the matrix
    that `right` is a part of."""
    size = result.itemsize
    address = matrix.provide_product(matrix.product_name(str(result.dtype), bits))
    routine = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 13, ctypes.c_double, *[ctypes.c_int64] * 4)(address)
    steps = [step // size for array in (left, right) for step in array.strides]
    columns = result.shape[1] if whole is None else whole
    routine(*result.shape, columns, left.shape[1], left.ctypes.data, *steps[:2], right.ctypes.data, *steps[2:],
            result.ctypes.data, result.strides[0] // size, int(add), *ending)  # fmt: skip


def inside(rng, shape, dtype, turned=False, inner=1):
    """Random numbers as part of a larger array whose other entries are NaN."""
    rows, columns = reversed(shape) if turned else shape
    space = np.full((rows + 2, (columns + 3) * inner), np.nan, dtype)
    part = space[1 : rows + 1, inner : inner + columns * inner : inner]
    part[...] = rng.standard_normal(part.shape)
    return part.T if turned else part


def check(left, right, result, bits, add=False):
    before = result.copy()
    multiply(left, right, result, bits, add)
    wide = EXACT[str(result.dtype)]
    expected = left.astype(wide) @ right.astype(wide) + (before if add else 0)
    scale = abs(left).astype(wide) @ abs(right).astype(wide) + (abs(before) if add else 0)
    bound = (left.shape[1] + 2) * np.finfo(result.dtype).eps * scale
    assert (abs(result - expected) <= bound).all()


@each_kind
@pytest.mark.parametrize("add", [False, True])
def test_random_sizes_steps_and_layouts(dtype, bits, add):
    rng = np.random.default_rng(bits + add)
    for round in range(150):
        m, n, k = rng.choice([0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 64, 97], 3)
        k = int(rng.integers(0, 1200)) if round % 10 == 0 else k
        n = int(rng.integers(0, 700)) if round % 10 == 5 else n
        left = inside(rng, (m, k), dtype, turned=round % 2, inner=1 + round % 3 // 2)
        right = inside(rng, (k, n), dtype, turned=round // 2 % 2)
        space = np.full((m + 2, n + 5), 7, dtype)
        result = space[1 : m + 1, 2 : n + 2]
        if add:
            result[...] = rng.standard_normal(result.shape)
        check(left, right, result, bits, add)
        result[...] = 7
        assert (space == 7).all(), "written outside of the result"


@each_kind
def test_blocks_of_every_kind(dtype, bits):
    """So large that B is packed, in several blocks of columns and of inner indices."""
    rng = np.random.default_rng(0)
    for turned in (False, True):
        left, right = inside(rng, (37, 601), dtype), inside(rng, (601, 523), dtype, turned)
        check(left, right, np.full((37, 523), np.nan, dtype), bits)


@each_kind
def test_nothing_to_sum_gives_zeros(dtype, bits):
    result = np.full((9, 20), 7, dtype)
    left, right = np.zeros((9, 0), dtype), np.zeros((0, 20), dtype)
    multiply(left, right, result, bits, add=True)
    assert (result == 7).all()
    multiply(left, right, result, bits)
    assert (result == 0).all()


@each_kind
@pytest.mark.parametrize(("m", "k", "n"), [(67, 300, 40), (70, 900, 130), (90, 64, 1), (41, 700, 300), (64, 1100, 16)])
@pytest.mark.parametrize("turned", [False, True])
def test_rows_do_not_depend_on_their_share(dtype, bits, m, k, n, turned):
    rng = np.random.default_rng(m)
    left, right = inside(rng, (m, k), dtype), inside(rng, (k, n), dtype, turned)
    whole, parts = np.empty((m, n), dtype), np.empty((m, n), dtype)
    multiply(left, right, whole, bits)
    for begin, end in ((0, 1), (1, 3), (3, 36), (36, m)):
        multiply(left[begin:end], right, parts[begin:end], bits)
    assert whole.tobytes() == parts.tobytes()


@each_kind
@pytest.mark.parametrize(("m", "k", "n"), [(1, 784, 256), (4, 2000, 700), (3, 5000, 300), (40, 700, 90), (1, 40, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_columns_do_not_depend_on_their_share(dtype, bits, m, k, n, turned):
    rng = np.random.default_rng(n)
    left, right = inside(rng, (m, k), dtype), inside(rng, (k, n), dtype, turned)
    whole, parts = np.zeros((m, n), dtype), np.zeros((m, n), dtype)
    multiply(left, right, whole, bits)
    for begin, end in ((0, n // 3), (n // 3, n // 3 + 1), (n // 3 + 1, n)):
        multiply(left, right[:, begin:end], parts[:, begin:end], bits, whole=n)
    np.testing.assert_array_equal(parts, whole)


@each_kind
@pytest.mark.parametrize(("pitch", "n"), [(150, 20), (3000, 20), (40_000, 7), (3000, 530)])
def test_a_matrix_by_columns_in_blocks(dtype, bits, pitch, n):
    """However far its columns lie apart, the sums are right, and no bit depends on a row's share."""
    rng, depth = np.random.default_rng(pitch), 2 * matrix.DEPTH + 99
    left, right = (
        rng.standard_normal((depth, pitch), "float32").astype(dtype)[:, 3:64].T,
        inside(rng, (depth, n), dtype),
    )
    whole, parts = np.full((61, n), np.nan, dtype), np.empty((61, n), dtype)
    check(left, right, whole, bits)
    check(left, right, whole.copy(), bits, add=True)
    for begin, end in ((0, 5), (5, 61)):
        multiply(left[begin:end], right, parts[begin:end], bits)
    assert whole.tobytes() == parts.tobytes()


def test_infinities_and_nan_arrive():
    left = np.array([[np.inf, 1], [np.nan, 0], [0, 1]], np.float32)
    result = np.empty((3, 2), np.float32)
    multiply(left, np.ones((2, 2), np.float32), result, vector_bits())
    assert np.isinf(result[0]).all() and np.isnan(result[1]).all() and (result[2] == 1).all()


@each_kind
def test_sums_stay_in_registers(dtype, bits):
    """No loop of a tile touches the stack, and the widest vectors are in use."""
    if "x86" not in routines.binding.get_process_triple():
        pytest.skip("x86 instructions")
    name = matrix.product_name(dtype, bits)
    register = {512: "%zmm", 256: "%ymm", 128: "%xmm"}[bits]
    tiles = re.findall(
        rf"^graphcomp_{name}_rows_\d+x\d+:\n(.*?)^\.Lfunc_end", matrix.product_assembly(name), re.M | re.S
    )
    assert len(tiles) == len(tile_shapes(bits))
    for (rows, _), tile in zip(tile_shapes(bits), tiles, strict=True):
        loops = re.findall(r"^(\.L\w+):[^\n]*\n((?:(?!^\.L).*\n)*?)\s+jne\s+\1\n", tile, re.M)
        sums = [body for _, body in loops if re.search(r"fmadd|mulp[sd]", body)]
        assert len(sums) == 1
        assert register in sums[0]
        assert not re.search(r"p[sd]\s.*\(%r[sb]p\)", sums[0]), "a sum is kept on the stack"
        assert sums[0].count("prefetch") == (rows >= matrix.FETCHING), "one cache line of the next rows for each index"


SCRIPT = """
import numpy as np, graphcomp as gx
from graphcomp.emit import routines
if {stored}:
    def compiled(*arguments):
        raise AssertionError("compiled although it is on the disk")
    routines.compiled = compiled
rng = np.random.default_rng(0)
a, b = (rng.standard_normal(s).astype(np.float32) for s in ((33, 50), (50, 21)))
step = gx.jit(lambda a, b: (a @ b, b.T @ a.T))
straight, turned = step(a, b)
assert np.allclose(straight, a @ b, atol=1e-5) and np.allclose(turned, (a @ b).T, atol=1e-5)
assert "product_float32_{bits}(" in str(step.stages(a, b))
"""


@pytest.mark.parametrize("bits", HERE)
def test_compiled_programs_in_fresh_processes(bits, tmp_path):
    """Each width by the environment; the second process takes everything from the disk, the third repairs it."""
    environment = {**os.environ, "GRAPHCOMP_CACHE": str(tmp_path), VARIABLE: str(bits)}

    def run(stored):
        script = SCRIPT.format(bits=bits, stored=stored)
        subprocess.run([sys.executable, "-c", script], env=environment, check=True)

    run(stored=False)
    run(stored=True)
    (file,) = tmp_path.rglob("code.object")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100] + bytes(100))
    run(stored=False)
    assert file.read_bytes() == whole


def test_a_width_that_is_none(monkeypatch):
    monkeypatch.setenv(VARIABLE, "384")
    with pytest.raises(InputError, match="must be one of 512, 256, 128"):
        gx.jit(lambda a: a @ a)(np.ones((2, 2)))


@pytest.mark.parametrize("dtype", routines.SIZES)
def test_one_row_times_a_matrix_by_columns(dtype):
    rng = np.random.default_rng(0)
    row, weights = rng.standard_normal((1, 70)).astype(dtype), rng.standard_normal((45, 70)).astype(dtype)
    several = rng.standard_normal((3, 1, 70)).astype(dtype)
    product, batch = gx.jit(lambda x, w, y: (x @ w.T, y @ w.T))(row, weights, several)
    bound = 72 * np.finfo(dtype).eps
    assert (abs(product - row @ weights.T) <= bound * (abs(row) @ abs(weights.T))).all()
    assert (abs(batch - several @ weights.T) <= bound * (abs(several) @ abs(weights.T))).all()
