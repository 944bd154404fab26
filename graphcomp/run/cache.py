"""The disk cache of generated sources and machine code.

An entry of `storage` holds a program's source, which is never changed, so two processes may write it at once. Numba
keeps machine code beside it; a list of checksums, written last, tells whether those files are whole. Anything damaged
is thrown away and made again. What the entry was made of stands there too, by name, so that a report can say why a
program was not found.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import llvmlite
import numba
import numba.core.config
from llvmlite import binding

from .. import storage
from ..emit import Source
from ..errors import ExecutionError
from ..files import write_whole
from .key import CODE, NONE, ROUTINES, Lookup, Parts, nearest

SUMS = "checksums.json"
PARTS = "parts.json"
OPTIMISATION = 2
"""LLVM's level: the code of level 3 runs no faster, and takes a quarter longer to compile."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Compiled functions, whether their machine code was there, the name of its entry, and what that was made of."""

    functions: tuple[Any, ...]
    from_cache: bool
    entry: str
    parts: Parts

    def lookup(self) -> Lookup:
        """Whether the machine code was there; if not, what is different from the most similar that was."""
        return Lookup(True) if self.from_cache else nearest(self.parts, earlier_entries(self.entry))


def load_entry(source: Source, parts: Parts) -> Loaded:
    """The compiled entry of a program; `parts` tell what it was made of, if anybody shall know."""
    whole = {**parts, CODE: source.hashes[0], ROUTINES: source.hashes[1]} if parts else parts
    return load_functions(source.key, source.text, (f"step_{source.key}",), whole)


def load_functions(key: str, text: str, names: Sequence[str], parts: Parts = NONE) -> Loaded:
    """The compiled functions of a generated text, whose content hash is `key`."""
    parts = {**parts, **environment()} if parts else parts
    entry = hashlib.sha256("\0".join([key, *environment().values()]).encode()).hexdigest()[:24]
    with _LOADING.lock, storage.held(entry) as folder:
        functions, from_cache = _load_once(folder, text, names)
        if not from_cache and parts:
            with contextlib.suppress(OSError):
                _write_once(folder / PARTS, json.dumps(dict(parts)))
    if not from_cache:
        storage.stored(folder)
    return Loaded(tuple(functions), from_cache, entry, parts)


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """What decides about machine code beside the program, by name."""
    config = numba.core.config
    features = config.CPU_FEATURES
    return {
        "Python": ".".join(map(str, sys.version_info[:3])),
        "Numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "processor": config.CPU_NAME or binding.get_host_cpu_name(),
        "instructions": binding.get_host_cpu_features().flatten() if features is None else features,
        "optimisation": str(OPTIMISATION),
    }


def earlier_entries(entry: str) -> Iterator[Parts]:
    """What the other programs in the cache were made of that were stored before this one, latest first."""
    folder = storage.usable_folder() / storage.ENTRIES
    found = []
    for path in folder.glob(f"*/{PARTS}"):
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    own = next((time for time, path in found if path.parent.name == entry), None)
    for time, path in sorted(found, reverse=True):
        if path.parent.name != entry and (own is None or time <= own):
            with contextlib.suppress(OSError, ValueError):
                parts = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(parts, dict):
                    yield {str(name): str(value) for name, value in parts.items()}


class _Loading:
    """One thread of a process compiles at a time; a process is not forked meanwhile, since the child could never
    compile: Numba's own lock would be held by a thread that it does not have."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.acquire, after_in_parent=self.release, after_in_child=self.renew)

    def acquire(self) -> None:
        self.lock.acquire()

    def release(self) -> None:
        self.lock.release()

    def renew(self) -> None:
        self.lock = threading.RLock()


_LOADING = _Loading()


def _load_once(folder: Path, text: str, names: Sequence[str]) -> tuple[list[Any], bool]:
    _discard_if_damaged(folder)
    try:
        return _load(folder, text, names)
    except Exception:
        # A file that was damaged while this process looked at it: start afresh, once.
        storage.empty(folder)
        try:
            return _load(folder, text, names)
        except OSError as error:
            raise ExecutionError(
                f"machine code cannot be stored in {folder}: {error.strerror}. Make room there, or set GRAPHCOMP_CACHE "
                "to a folder that has some."
            ) from None


def _load(folder: Path, text: str, names: Sequence[str]) -> tuple[list[Any], bool]:
    path = folder / f"graphcomp_{folder.name}.py"
    known = sys.modules.get(path.stem)
    if known is not None and known.__file__ == str(path):
        return [getattr(known, name) for name in names], True
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
