"""`Array`: what compiled programs return. It owns memory of a device and reads as a NumPy array."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from ..errors import ExecutionError
from ..trace.tree import register_leaf

_HEADER = object.__basicsize__
_WORD = ctypes.c_size_t.from_address


def _slowly(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def _quickly(array: np.ndarray) -> int:
    return _WORD(id(array) + _HEADER).value


def _is_known(array: np.ndarray) -> bool:
    """Whether an array is laid out as NumPy's C interface documents it: the address of its entries comes first."""
    return sys.implementation.name == "cpython" and _quickly(array) == _slowly(array)


address = _quickly if _is_known(np.zeros(3)) else _slowly
"""Where an array's entries lie. NumPy makes a table of all there is to know about the array first, in 1.7 µs."""


def aligned(size: int) -> np.ndarray:
    """Uninitialised bytes whose address is a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


@register_leaf
class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on a device (for now the host's memory). NumPy functions, operators and `np.asarray` work on it.

    An array that was donated to a compiled function has given its memory away and can no longer be read.
    """

    __slots__ = ("_block", "_view", "device", "place")

    def __init__(self, view: np.ndarray, block: np.ndarray | None = None, place: int = 0) -> None:
        self._view: np.ndarray | None = view
        self._block = block
        self.place = place or address(view)
        self.device = "cpu"
        view.setflags(write=False)

    def numpy(self) -> np.ndarray:
        """The entries as a NumPy array that shares this array's memory (read-only)."""
        if self._view is None:
            raise ExecutionError("this array was donated to a compiled function; use the array that it returned.")
        return self._view

    def donate(self) -> np.ndarray | None:
        """Give up the array: its memory block, if it owns one."""
        self.numpy()
        block, self._block, self._view = self._block, None, None
        return block

    @property
    def shape(self) -> tuple[int, ...]:
        return self.numpy().shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.numpy().dtype

    @property
    def ndim(self) -> int:
        return self.numpy().ndim

    @property
    def size(self) -> int:
        return self.numpy().size

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        values = [value.numpy() if isinstance(value, Array) else value for value in inputs]
        return getattr(ufunc, method)(*values, **options)

    def __dlpack__(self, **options: Any) -> Any:
        return self.numpy().copy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.numpy(), name)

    def __getitem__(self, index: Any) -> Any:
        return self.numpy()[index]

    def __len__(self) -> int:
        return len(self.numpy())

    def __float__(self) -> float:
        return float(self.numpy())

    def __int__(self) -> int:
        return int(self.numpy())

    def __bool__(self) -> bool:
        return bool(self.numpy())

    def __repr__(self) -> str:
        return "Array(donated)" if self._view is None else repr(self._view).replace("array(", "Array(", 1)
