"""Whether the team or one thread runs a program: what is faster as measured, with few trials of the other."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.emit.team import HAS_SEMAPHORES
from graphcomp.run.pace import FEWEST, MOST, TIMED, Pace
from graphcomp.run.team import Entry


def ways(pace: Pace, calls: int, seconds: Callable[[bool, int], float]) -> list[bool]:
    """For each call, whether it ran alone."""
    found = []
    for call in range(calls):
        if pace.left:
            pace.left -= 1
            found.append(pace.alone)
        else:
            found.append(pace.next_is_alone())
            pace.took(seconds(found[-1], call))
    return found


@pytest.mark.parametrize("team", [0.5, 0.95])
def test_what_is_faster_alone_runs_alone_until_that_changes(team: float) -> None:
    pace = Pace()
    found = ways(pace, 1000, lambda alone, _: 1.0 if alone else 3.0)
    assert not any(found[: FEWEST + 1 + TIMED]) and all(found[FEWEST + 1 + TIMED : 2 * FEWEST])
    assert sum(found[100:]) > 0.95 * 900
    found = ways(pace, 2 * MOST, lambda alone, _: 1.0 if alone else team)
    assert sum(found[MOST:]) < 0.1 * MOST


@pytest.mark.parametrize("slower", [1.0, 1.5, 2.0, 8.0])
def test_trials_cost_little(slower: float) -> None:
    found = ways(Pace(), 20_000, lambda alone, _: slower if alone else 1.0)
    assert sum(found) > 0 and sum(found) * (slower - 1) <= 0.02 * len(found)


def test_an_interrupted_call_changes_nothing() -> None:
    found = ways(Pace(), 20_000, lambda alone, call: 1000.0 if call % 7 == 0 else 2.0 if alone else 1.0)
    assert sum(found) < 0.015 * len(found)


def test_ways_of_about_the_same_speed_do_not_alternate() -> None:
    pace = Pace()
    found = ways(pace, 20_000, lambda alone, call: (0.95 if alone else 1.0) * (1.05 if call % 3 else 0.95))
    changes = sum(left != right for left, right in itertools.pairwise(found))
    assert sum(found) < 0.1 * len(found) and not pace.alone
    assert changes <= 2 * (len(found) // FEWEST + 1)


@pytest.mark.skipif(not HAS_SEMAPHORES, reason="this system has no semaphores for a team")
def test_a_program_that_a_team_only_slows_down_runs_alone_and_gives_the_same_bits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, threads = Entry.run, []

    def slowed(self: Entry, words: Any, place: int, count: int, wakes: bool = True) -> None:
        threads.append(count)
        time.sleep(0.002 * (count > 1))
        run(self, words, place, count, wakes)

    monkeypatch.setattr(Entry, "run", slowed)
    x = np.random.default_rng(0).standard_normal((300, 200)).astype("float32")
    step = gx.jit(lambda x: np.tanh(x @ x.T) @ np.sin(x), threads=2)
    results = [np.asarray(step(x)).tobytes() for _ in range(2 * FEWEST)]
    assert len(set(results)) == 1
    assert set(threads[: FEWEST + 1 + TIMED]) == {2} and set(threads[FEWEST + 1 + TIMED : 2 * FEWEST]) == {1}
