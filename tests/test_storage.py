"""The cache folder: entries leave as a whole, the least recently used first, and none that anybody holds."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import storage
from graphcomp.emit import routines
from graphcomp.errors import InputError

ROOT = Path(__file__).parent.parent


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAPHCOMP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(name: str, size: int = 1000, age: int = 0) -> Path:
    """An entry of two files, in a folder of its own, used so many seconds ago."""
    with storage.held(name) as folder:
        (folder / "deep").mkdir()
        (folder / "source").write_bytes(bytes(size // 2))
        (folder / "deep" / "code").write_bytes(bytes(size - size // 2))
    time = folder.stat().st_mtime - age
    os.utime(folder, (time, time))
    return folder


def names() -> list[str]:
    return [folder.name for folder in storage.entries()]


def test_the_least_recently_used_leave_as_a_whole(cache: Path) -> None:
    for age, name in enumerate("edcba"):
        fill(name, age=100 * age + 100)
    assert names() == list("abcde") and storage.cache_size() == 5000
    storage.trim(5000)
    assert names() == list("abcde")
    with storage.held("a"):  # used now
        pass
    storage.trim(4000)  # makes room for an eighth more
    assert names() == ["d", "e", "a"]
    assert sorted(path.name for path in (cache / "entries").iterdir()) == ["a", "d", "e"]


def test_a_held_entry_stays(cache: Path) -> None:
    fill("old", age=100)
    fill("new")
    with storage.held("old") as folder:
        os.utime(folder, (0, 0))
        storage.trim(1000)
        assert (folder / "deep" / "code").exists() and names() == ["old"]
    storage.trim(0)
    assert names() == []


HOLD = """
import sys
from graphcomp import storage
with storage.held("old"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_an_entry_that_another_process_holds_stays(cache: Path) -> None:
    folder = fill("old", age=100)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    storage.trim(0)
    assert (folder / "source").exists()
    holder.communicate("\n", timeout=60)
    storage.trim(0)
    assert not folder.exists()


def test_nothing_but_entries_is_removed(cache: Path) -> None:
    fill("entry")
    (cache / "mine").write_text("mine")
    (cache / "also").mkdir()
    storage.trim(0)
    assert sorted(path.name for path in cache.iterdir()) == ["also", "entries", "mine"] and names() == []


def test_what_was_left_behind_on_the_way_out_goes_first(cache: Path) -> None:
    fill("old", age=100)
    folder = fill("new")
    folder.rename(folder.with_name(".leaving-1-new"))
    assert names() == [".leaving-1-new", "old"]
    storage.trim(1500)
    assert names() == ["old"]


def test_an_entry_that_left_while_it_was_waited_for_is_made_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening the folder and locking it, somebody else took it away."""
    folder = fill("entry")
    real, calls = storage._has_name, []

    def gone(lock: int, place: Path) -> bool:
        if not calls:
            calls.append(place)
            assert storage._take_away(place)
        return real(lock, place)

    monkeypatch.setattr(storage, "_has_name", gone)
    with storage.held("entry") as found:
        assert found == folder and list(found.iterdir()) == [] and calls == [folder]


@pytest.mark.parametrize(
    "text, size", [("5000", 5000), ("2K", 2048), ("1.5 MB", 3 * 2**19), ("2GiB", 2**31), ("0", 0), ("", 2**30)]
)
def test_sizes(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("GRAPHCOMP_CACHE_SIZE", text)
    assert storage.size_limit() == size


@pytest.mark.parametrize("text", ["much", "-1", "3 X", "1e"])
def test_what_is_no_size(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GRAPHCOMP_CACHE_SIZE", text)
    with pytest.raises(InputError, match="a number of bytes, such as"):
        storage.size_limit()


def test_a_small_cache_keeps_no_more_than_it_may(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs compiled one after the other, each larger than a look's worth: the results stay right."""
    monkeypatch.setenv("GRAPHCOMP_CACHE_SIZE", "60K")
    x = np.arange(4.0)
    for factor in range(1, 6):
        np.testing.assert_array_equal(gx.jit(lambda x, factor=factor: factor * x)(x), factor * x)
    assert 0 < storage.cache_size() <= 60 * 1024


def test_looks_are_rare_where_entries_are_small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(storage, "trim", looks.append)
    monkeypatch.setenv("GRAPHCOMP_CACHE_SIZE", "1M")
    for number in range(300):
        storage.stored(fill(f"small {number}", 1000))
    assert 5 <= len(looks) <= 60  # a 16th of them: 1000 bytes are a 16th of what is stored between two looks
    storage.stored(fill("large", 20_000))
    assert looks[-1] == 2**20


# who may write -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users")
@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757])
def test_a_folder_where_others_may_write_is_not_used(cache: Path, mode: int) -> None:
    cache.mkdir()
    cache.chmod(mode)
    storage._warn_once.cache_clear()
    with pytest.warns(UserWarning, match=f"others may write there .chmod go-w {cache}"):
        used = storage.usable_folder()
    assert used != cache and stat.S_IMODE(used.stat().st_mode) == 0o700
    with storage.held("entry") as folder:
        assert used in folder.parents
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users")
def test_a_folder_of_another_user_is_not_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)
    storage._warn_once.cache_clear()
    with pytest.warns(UserWarning, match="it belongs to another user"):
        assert storage.usable_folder() != cache


def test_routines_lie_in_the_same_folder(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o777)
    storage._warn_once.cache_clear()

    def write(module: object) -> None:
        from llvmlite import ir

        function = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "graphcomp_test_nothing")
        ir.IRBuilder(function.append_basic_block()).ret_void()

    with pytest.warns(UserWarning, match="is not used as a cache"):
        routines.provide("graphcomp_test_nothing", ("", ""), write, ())
    assert list(cache.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users")
def test_a_new_folder_is_the_users_own(cache: Path) -> None:
    before = os.umask(0)
    try:
        folder = fill("entry")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(place.stat().st_mode) for place in (cache, cache / "entries", folder)} == {0o700}
