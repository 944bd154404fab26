"""Emitted transpositions against NumPy: sizes, steps, widths."""

import ctypes

import numpy as np
import pytest

from graphcomp.emit import routines, transpositions
from graphcomp.emit.vectors import WIDTHS, vector_bits

HERE = [bits for bits in WIDTHS if bits <= vector_bits()]


@pytest.mark.parametrize("bits", HERE)
@pytest.mark.parametrize("dtype", routines.SIZES)
def test_a_matrix_is_turned(dtype: str, bits: int) -> None:
    rng = np.random.default_rng(bits)
    address = transpositions.TRANSPOSITIONS.provide(transpositions.TRANSPOSITIONS.name(dtype, bits))
    turn = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(transpositions.ARGUMENTS))(address)
    for _ in range(120):
        rows, columns = (int(n) for n in rng.choice([0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65, 100], 2))
        gap, other = (int(n) for n in rng.integers(0, 9, 2))
        source = np.full((rows + 1, columns + gap), np.nan, dtype)
        source[:rows, :columns] = rng.standard_normal((rows, columns))
        target = np.full((columns + 2, rows + other), 7, dtype)
        place = target.ctypes.data + target.strides[0]
        turn(columns, rows, source.ctypes.data, columns + gap, place, rows + other)
        np.testing.assert_array_equal(target[1:-1, :rows], source[:rows, :columns].T)
        target[1:-1, :rows] = 7
        assert (target == 7).all(), "written outside of the result"
