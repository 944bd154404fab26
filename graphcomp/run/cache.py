"""The disk cache of generated sources and machine code.

A program's source is stored under its content hash and never changed, so two processes may write it at once. Numba
keeps machine code beside it; a list of checksums, written last, tells whether those files are whole. Anything damaged
is thrown away and made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numba.core.config
import platformdirs

from ..emit import Source
from ..errors import ExecutionError
from ..files import write_whole

SUMS = "checksums.json"
OPTIMISATION = 2
"""LLVM's level: the code of level 3 runs no faster, and takes a quarter longer to compile."""


def cache_folder() -> Path:
    """`GRAPHCOMP_CACHE` if set, else the user's cache folder."""
    chosen = os.environ.get("GRAPHCOMP_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("graphcomp"))


def cache_size() -> int:
    """Bytes in the cache."""
    folder = cache_folder()
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0


def load_entry(source: Source) -> tuple[Any, bool]:
    """(the compiled entry, whether its machine code came from the cache)."""
    (entry,), from_cache = load_functions(source.key, source.text, (f"step_{source.key}",))
    return entry, from_cache


def load_functions(key: str, text: str, names: Sequence[str]) -> tuple[list[Any], bool]:
    """(the compiled functions of a generated text, whether their machine code came from the cache)."""
    with _LOADING.lock:
        return _load_once(key, text, names)


class _Loading:
    """One thread of a process compiles at a time; a forked process has a lock of its own."""

    def __init__(self) -> None:
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.lock = threading.RLock()


_LOADING = _Loading()


def _load_once(key: str, text: str, names: Sequence[str]) -> tuple[list[Any], bool]:
    folder = _usable_folder() / key
    _discard_if_damaged(folder)
    try:
        return _load(folder, key, text, names)
    except Exception:
        # A file that was damaged while this process looked at it: start afresh, once.
        shutil.rmtree(folder, ignore_errors=True)
        try:
            return _load(folder, key, text, names)
        except OSError as error:
            raise ExecutionError(
                f"machine code cannot be stored in {folder}: {error.strerror}. Make room there, or set GRAPHCOMP_CACHE "
                "to a folder that has some."
            ) from None


def _usable_folder() -> Path:
    """The cache folder, or a temporary one where it cannot be written."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError:
        return _private_folder()


@lru_cache(maxsize=1)
def _private_folder() -> Path:
    """A folder for this process: what lies in a common one with a known name, others may have put there."""
    return Path(tempfile.mkdtemp(prefix="graphcomp-"))


def _load(folder: Path, key: str, text: str, names: Sequence[str]) -> tuple[list[Any], bool]:
    path = folder / f"graphcomp_{key}.py"
    _write_once(path, text)
    module = _import(path)
    functions = [getattr(module, name) for name in names]
    from_cache = all(function.cache_hits for function in functions)
    if not from_cache:
        _write_sums(folder)
    return functions, from_cache


def _write_once(path: Path, text: str) -> None:
    """Write a file whole or not at all; leave an equal one alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return
    write_whole(path, text)


def _import(path: Path) -> ModuleType:
    if path.stem in sys.modules:
        return sys.modules[path.stem]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    level = numba.core.config.OPT
    numba.core.config.OPT = OPTIMISATION
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    finally:
        numba.core.config.OPT = level
    return module


def _machine_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc"))


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_sums(folder: Path) -> None:
    with contextlib.suppress(OSError):
        sums = {path.name: _sum(path) for path in _machine_files(folder)}
        _write_once(folder / SUMS, json.dumps(sums))


def _discard_if_damaged(folder: Path) -> None:
    """Remove machine code that is not as it was written."""
    files = _machine_files(folder) if folder.is_dir() else []
    if not files:
        return
    try:
        sums = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        whole = all(sums.get(path.name) == _sum(path) for path in files) and len(sums) == len(files)
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        for path in files:
            path.unlink(missing_ok=True)
