"""Which functions of SciPy's BLAS and LAPACK the routines of `library/lapack.py` call, and where they are."""

from __future__ import annotations

import ctypes
import importlib

from llvmlite import binding

LETTERS = {"float32": "s", "float64": "d"}
"""How the names of functions begin, by dtype."""

CALLED: dict[str, tuple[str, str] | None] = {
    "cholesky": ("lapack", "potrf"),
    "triangular_solve": ("blas", "trsm"),
    "lu": ("lapack", "getrf"),
    "solve": ("blas", "trsm"),
    "slogdet": None,
    "eigh": ("lapack", "syevd"),
    "svd": ("lapack", "gesdd"),
}
"""The library and the function that each routine calls."""


def is_routine(name: str) -> bool:
    """Whether a name such as `cholesky_float64` is that of a routine."""
    routine, _, dtype = name.rpartition("_")
    return routine in CALLED and dtype in LETTERS


def symbol(function: str) -> str:
    """Under which name LLVM knows a function of BLAS or LAPACK."""
    return f"graphcomp_{function}"


def provide(name: str) -> None:
    """Make known to LLVM what a routine calls. This imports SciPy, which takes long to load."""
    routine, _, dtype = name.rpartition("_")
    called = CALLED[routine]
    if called is not None:
        library, function = called[0], LETTERS[dtype] + called[1]
        module = importlib.import_module(f"scipy.linalg.cython_{library}")
        binding.add_symbol(symbol(function), _address(module.__pyx_capi__[function]))


def _address(capsule: object) -> int:
    """The C function in a capsule, whose name is the function's signature."""
    name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    return int(pointer(capsule, name(capsule)))
