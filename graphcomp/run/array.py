"""`Array`: what compiled programs return. It owns memory of a device and reads as a NumPy array."""

from __future__ import annotations

import ctypes
import math
import sys
from typing import Any

import numpy as np

from ..errors import ExecutionError
from ..trace.tracer import dtype_name
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


class Kind:
    """A shape and a dtype. There is one object for each such pair, so that comparing two is comparing objects."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype


_KINDS: dict[tuple[tuple[int, ...], np.dtype[Any]], Kind] = {}


def kind_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Kind:
    """The kind of arrays of this shape and dtype."""
    found = _KINDS.get((shape, dtype))
    return _KINDS.setdefault((shape, dtype), Kind(shape, dtype)) if found is None else found


class Storage:
    """The memory of an array. `raw` are the bytes that it lies in; `view` are its entries, for reading: None until
    somebody looks at them.
    """

    __slots__ = ("address", "kind", "raw", "view")

    def __init__(self, kind: Kind | None, address: int, raw: np.ndarray | None) -> None:
        self.kind = kind
        self.address = address
        self.raw = raw
        self.view: np.ndarray | None = None

    @classmethod
    def new(cls, kind: Kind) -> Storage:
        """Uninitialised memory of its own."""
        raw = np.empty(math.prod(kind.shape) * kind.dtype.itemsize + 64, np.uint8)
        address = address_of(raw)
        return cls(kind, address + -address % 64, raw)

    def look(self) -> np.ndarray:
        """The entries, for reading. Raises ExecutionError where the memory was given up."""
        if self.view is None:
            self.view = self._entries()
            self.view.setflags(write=False)
        return self.view

    def write(self, value: Any) -> None:
        """Fill it with entries of its kind."""
        self._entries()[...] = value

    def _entries(self) -> np.ndarray:
        if self.kind is None or self.raw is None:
            raise ExecutionError(DONATED_TEXT)
        return np.ndarray(self.kind.shape, self.kind.dtype, self.raw, self.address - address_of(self.raw))

    @property
    def is_seen(self) -> bool:
        """Whether anybody may look at the entries who does not hold the storage: arrays that share its memory."""
        return self.view is not None and (getrefcount(self.view) > ALONE[0] or getrefcount(self.raw) > ALONE[1])


getrefcount = sys.getrefcount
_SINGLE = Storage.new(kind_of((3,), np.dtype(float)))
_SINGLE.look()
ALONE = getrefcount(_SINGLE.view), getrefcount(_SINGLE.raw)
"""The references to the two arrays of a storage that nobody else looks at."""

DONATED = Storage(None, 0, None)
DONATED_TEXT = "this array was donated to a compiled function; use the array that it returned."


@register_leaf
class Array(np.lib.mixins.NDArrayOperatorsMixin):
    """A copy of a value's entries on a device (for now the host's memory), row by row.

    NumPy functions, operators and `np.asarray` work on it. An array that was donated to a compiled function has given
    its memory away and can no longer be read.
    """

    __slots__ = ("storage",)
    device = "cpu"

    def __init__(self, value: Any) -> None:
        entries = np.asarray(value)
        dtype_name(entries.dtype)  # raises DTypeError for what no graph holds
        self.storage = Storage.new(kind_of(entries.shape, entries.dtype))
        self.storage.write(entries)

    @classmethod
    def of(cls, storage: Storage) -> Array:
        """The array of a storage."""
        array = _new(cls)
        array.storage = storage
        return array

    def numpy(self) -> np.ndarray:
        """The entries as a NumPy array that shares this array's memory (read-only)."""
        return self.storage.view if self.storage.view is not None else self.storage.look()

    def donate(self) -> Storage:
        """Give up the memory."""
        self._kind()
        given, self.storage = self.storage, DONATED
        return given

    @property
    def address(self) -> int:
        """Where the first entry lies, 0 if the memory was given up."""
        return self.storage.address

    def __reduce__(self) -> tuple[Any, ...]:
        return Array, (np.array(self.numpy()),)

    def _kind(self) -> Kind:
        kind = self.storage.kind
        if kind is None:
            raise ExecutionError(DONATED_TEXT)
        return kind

    @property
    def shape(self) -> tuple[int, ...]:
        return self._kind().shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._kind().dtype

    @property
    def ndim(self) -> int:
        return len(self._kind().shape)

    @property
    def size(self) -> int:
        return math.prod(self._kind().shape)

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
        return "Array(donated)" if self.storage is DONATED else repr(self.numpy()).replace("array(", "Array(", 1)


_new = object.__new__
