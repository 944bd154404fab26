"""The disk cache of generated sources and machine code.

An entry of `storage` holds a program's source and object files, which are the same whoever writes them, so two
processes may do so at once. A list of checksums, written last, tells whether they are whole. Anything damaged is thrown
away and made again. What the entry was made of stands there too, by name, so that a report can say why a program was
not found.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import llvmlite
from llvmlite import binding

from .. import storage
from ..emit import Source
from ..emit.routine_calls import provide
from ..emit.routines import engine_of
from ..errors import ExecutionError
from ..files import write_whole
from .key import CODE, NONE, ROUTINES, Lookup, Parts, nearest
from .object_code import OPTIMISATION, WORD, WORDS, Code, processor

LIST = "functions.json"
PARTS = "parts.json"
Signatures: TypeAlias = Mapping[str, tuple[str, ...]]
"""The types of the arguments of functions by name."""


@dataclass(frozen=True, slots=True)
class Function:
    """A compiled function: its address, and what holds its code, which is gone without it."""

    address: int
    engine: Any


@dataclass(frozen=True, slots=True)
class Loaded:
    """Compiled functions, whether their machine code was there, the name of its entry, and what that was made of."""

    functions: tuple[Function, ...]
    from_cache: bool
    entry: str
    parts: Parts

    def lookup(self) -> Lookup:
        """Whether the machine code was there; if not, what is different from the most similar that was."""
        return Lookup(True) if self.from_cache else nearest(self.parts, earlier_entries(self.entry))


def load_entry(source: Source, parts: Parts) -> Loaded:
    """The compiled entry of a program; `parts` tell what it was made of, if anybody shall know."""
    whole = {**parts, CODE: source.hashes[0], ROUTINES: source.hashes[1]} if parts else parts
    for name in source.routines:
        provide(name)
    return load_functions(source.key, source.text, {f"step_{source.key}": (WORD, WORDS)}, whole, source.fastmath)


def load_functions(key: str, text: str, signatures: Signatures, parts: Parts = NONE, fastmath: bool = False) -> Loaded:
    """The compiled functions of a generated text, whose content hash is `key`; texts tell whether they are fast."""
    parts = {**parts, **environment()} if parts else parts
    entry = hashlib.sha256("\0".join([key, *environment().values()]).encode()).hexdigest()[:24]
    with _LOADING.lock, storage.held(entry) as folder:
        functions, from_cache = _load_once(folder, text, signatures, fastmath)
        if not from_cache and parts:
            with contextlib.suppress(OSError):
                write_whole(folder / PARTS, json.dumps(dict(parts)))
    if not from_cache:
        storage.stored(folder)
    return Loaded(tuple(functions), from_cache, entry, parts)


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """What decides about machine code beside the program, by name."""
    name, features = processor()
    return {
        "Python": ".".join(map(str, sys.version_info[:3])),
        "Numba": importlib.metadata.version("numba"),
        "llvmlite": llvmlite.__version__,
        "processor": name,
        "instructions": features,
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


LOADED: dict[Path, list[Function]] = {}
"""The code of this process by entry. It stays: a worker may be on its way out of what nobody holds any more."""


def _load_once(folder: Path, text: str, signatures: Signatures, fastmath: bool) -> tuple[list[Function], bool]:
    if folder in LOADED:
        return LOADED[folder], True
    found, from_cache = _stored(folder, text, signatures), True
    if found is None:
        from_cache = False
        try:
            path = folder / f"graphcomp_{folder.name}.py"
            write_whole(path, text)
            found = compiler().compiled(path, signatures, fastmath)
            _store(folder, text, found)
        except OSError as error:
            raise ExecutionError(
                f"machine code cannot be stored in {folder}: {error.strerror}. Make room there, or set GRAPHCOMP_CACHE "
                "to a folder that has some."
            ) from None
    LOADED[folder] = [_function(name, code) for name, code in found.items()]
    return LOADED[folder], from_cache


def compiler() -> Any:
    """The module that compiles. It imports Numba, which takes 0.2 s, where all that a compiled function needs takes
    0.5 s; so a process that finds its code in the cache does without."""
    return importlib.import_module(".machine_code", __package__)


def _function(name: str, code: Code) -> Function:
    engine = engine_of(code.object)
    return Function(engine.get_function_address(name), engine)


def _store(folder: Path, text: str, found: Mapping[str, Code]) -> None:
    """Object files, then the list of them with their checksums: what is not in it is not looked at."""
    for name, code in found.items():
        write_whole(folder / f"{name}.object", code.object)
    listed = {name: {"needs": code.needs, "sum": _sum(code.object)} for name, code in found.items()}
    write_whole(folder / LIST, json.dumps({"text": _sum(text.encode()), "functions": listed}))


def _stored(folder: Path, text: str, signatures: Signatures) -> dict[str, Code] | None:
    """The machine code of an entry, if all of it is there as it was written and LLVM knows the symbols it needs."""
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        source = (folder / f"graphcomp_{folder.name}.py").read_bytes()
        if listed["text"] != _sum(text.encode()) or listed["text"] != _sum(source):
            return None
        found = {}
        for name in signatures:
            code = Code((folder / f"{name}.object").read_bytes(), tuple(listed["functions"][name]["needs"]))
            if _sum(code.object) != listed["functions"][name]["sum"] or not all(
                map(binding.address_of_symbol, code.needs)
            ):
                return None
            found[name] = code
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
