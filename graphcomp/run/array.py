"""`Array`: what compiled programs return. It owns memory of a device and reads as a NumPy array."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ..errors import ExecutionError
from ..trace.tree import register_leaf


def aligned(size: int) -> np.ndarray:
    """Uninitialised bytes whose address is a multiple of 64."""
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]


_HEAD = object.__basicsize__
"""NumPy's C structure of an array holds the address of the data right after the head that every object has."""


def address_of(array: np.ndarray) -> int:
    """Where the first entry lies: what `array.ctypes.data` says, in a tenth of the time."""
    return _word(id(array) + _HEAD).value


def _slow_address_of(array: np.ndarray) -> int:
    return int(array.ctypes.data)


_word = ctypes.c_ssize_t.from_address
_SAMPLE = np.zeros(3)
if address_of(_SAMPLE) != _slow_address_of(_SAMPLE):  # another interpreter, or another NumPy
    address_of = _slow_address_of


@register_leaf
class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on a device (for now the host's memory). NumPy functions, operators and `np.asarray` work on it.

    An array that was donated to a compiled function has given its memory away and can no longer be read.
    """

    __slots__ = ("_block", "_view", "address", "device")

    def __init__(self, view: np.ndarray, block: np.ndarray | None = None, address: int = 0) -> None:
        self._view: np.ndarray | None = view
        self._block = block
        self.address = address or address_of(view)
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
