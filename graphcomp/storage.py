"""The folder in which compiled code is kept from process to process: entries of which the least recently used leave.

An entry is a folder of its own inside the cache folder, and whoever reads or writes it holds it meanwhile (a shared
lock). It leaves as a whole: it is renamed, which takes its name away at once, and then removed. An entry that any
process holds stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import platformdirs

from .errors import InputError

try:
    import fcntl
except ImportError:  # not on Windows, where a folder with open files cannot be renamed
    fcntl = None  # type: ignore[assignment]

ENTRIES = "entries"
"""The folder of entries inside the cache folder: nothing else of what lies there is ever removed."""

LEAVING = ".leaving"
SIZE_VARIABLE = "GRAPHCOMP_CACHE_SIZE"
DEFAULT_SIZE = 2**30
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
ROOM = 1 / 8
"""The part of the allowed size that is made free at once, so that not every new entry drives one out."""

LOOK = 1 / 64
"""The part of the allowed size that is stored between two looks at all of the cache, on average."""


# where -------------------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """`GRAPHCOMP_CACHE` if set, else the user's cache folder."""
    chosen = os.environ.get("GRAPHCOMP_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("graphcomp"))


def usable_folder() -> Path:
    """The cache folder; a temporary one of this process where it cannot be written, or where others could write.

    What lies in the folder is executed, so it belongs to this user, and nobody else may write there.
    """
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if others := others_may_write(folder):
            _warn_once(f"{folder} is not used as a cache, because {others}; compiled code is not kept.")
            return _private_folder()
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError:
        return _private_folder()


def others_may_write(folder: Path) -> str:
    """Why somebody else could put files into the folder; nothing where nobody can."""
    if not hasattr(os, "getuid"):
        return ""
    found = folder.stat()
    if found.st_uid != os.getuid():
        return "it belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write there (chmod go-w {folder} changes that)"
    return ""


@lru_cache(maxsize=1)
def _private_folder() -> Path:
    """A folder for this process: what lies in a common one with a known name, others may have put there."""
    return Path(tempfile.mkdtemp(prefix="graphcomp-"))


@cache
def _warn_once(text: str) -> None:
    warnings.warn(text, stacklevel=2)


# entries -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def held(name: str) -> Iterator[Path]:
    """The folder of an entry, made if there is none; it stays while it is held, and counts as used now."""
    folder = usable_folder() / ENTRIES / name
    lock = _lock(folder)
    try:
        yield folder
    finally:
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """A shared lock on the folder that has this name, as an open file; None where there are no locks."""
    while True:
        folder.parent.mkdir(mode=0o700, exist_ok=True)  # the mode of parents that are made along with it would be open
        folder.mkdir(mode=0o700, exist_ok=True)
        if fcntl is None:
            return None
        try:
            lock = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # it left just now
            continue
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(lock, fcntl.LOCK_SH)
        if _has_name(lock, folder):
            with contextlib.suppress(OSError):
                os.utime(folder)
            return lock
        os.close(lock)


def _has_name(lock: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), folder.stat())
    except OSError:
        return False


def entries() -> list[Path]:
    """The entries, least recently used first; those that were on their way out come before all."""
    try:
        with os.scandir(cache_folder() / ENTRIES) as found:
            ages = [(not item.name.startswith(LEAVING), _used(item), item.path) for item in found if item.is_dir()]
    except OSError:
        return []
    return [Path(path) for _, _, path in sorted(ages)]


def _used(item: os.DirEntry[str]) -> int:
    try:
        return item.stat().st_mtime_ns
    except OSError:
        return 0


# size --------------------------------------------------------------------------------------------------------------


def size_limit() -> int:
    """`GRAPHCOMP_CACHE_SIZE` in bytes, such as 500M or 2G, else 1 GiB. Raises InputError if it is something else."""
    given = os.environ.get(SIZE_VARIABLE, "").strip()
    if not given:
        return DEFAULT_SIZE
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", given, re.IGNORECASE)
    if match is None:
        raise InputError(f"{SIZE_VARIABLE} is {given!r}; it is a number of bytes, such as 500000000, 500M or 2G.")
    return int(float(match.group(1)) * UNITS[match.group(2).upper()])


def cache_size() -> int:
    """Bytes in the cache."""
    return sum(map(_size, entries()))


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(place, name)).st_size
    return total


def stored(folder: Path) -> None:
    """An entry was stored: now and then, see to it that the cache is not larger than it may be.

    Looking at thousands of files takes longer than many a compilation, so it is done by chance, as the entry's name (a
    hash) has it: about once for each `LOOK` of the limit that is stored, always where one entry is as large as that.
    """
    limit = size_limit()
    chance = int(hashlib.sha256(folder.name.encode()).hexdigest()[:8], 16) / 2**32
    if _size(folder) >= chance * limit * LOOK:
        trim(limit)


def trim(limit: int) -> None:
    """Where the cache is larger than `limit`, let the entries go that have not been used for longest.

    What is held stays, so the cache may be larger for a while.
    """
    sizes = {folder: _size(folder) for folder in entries()}
    total = sum(sizes.values())
    if total <= limit:
        return
    for folder, size in sizes.items():
        if total <= limit * (1 - ROOM):
            return
        if _let_go(folder):
            total -= size


def _let_go(folder: Path) -> bool:
    """Remove an entry unless somebody holds it; whether it is gone."""
    if fcntl is None:
        return _take_away(folder)
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return not folder.exists()
    try:
        return _is_free(lock) and (not _has_name(lock, folder) or _take_away(folder))
    finally:
        os.close(lock)


def _is_free(lock: int) -> bool:
    """Whether nobody holds the entry; nobody gets hold of it until the lock is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here: who reads the entry just now finds it damaged, and compiles
    return True


def _take_away(folder: Path) -> bool:
    """Take the entry's name away, then what it holds: whoever looks finds all of it or nothing."""
    away = folder.with_name(f"{LEAVING}-{os.getpid()}-{folder.name}")
    try:
        if folder.name.startswith(LEAVING):
            away = folder
        else:
            folder.rename(away)
    except OSError:
        return False
    shutil.rmtree(away, ignore_errors=True)
    return not away.exists()
