"""Whether a program is faster on the team or on one thread, as measured while it is called.

What two threads gain depends on more than the program: how far apart their processors' caches are, what else runs on
the machine. So from time to time both ways are timed, one after the other. It changes no bit of a result.
"""

from __future__ import annotations

from statistics import median

FEWEST, MOST = 64, 5000
"""Calls between two trials."""

TIMED = 5
"""How many calls of each way are timed in a trial. One before them is not: it may wake the team, or bring arrays into a
processor's cache."""

SPENT = 100
"""So many times what a trial costs is spent on calls before the next one, if that is within the bounds above."""

TO_ONE, TO_TEAM = 0.85, 0.97
"""The team is left for one thread that takes at most this share of its time; to return to it takes less."""


class Pace:
    """`alone` is the way that is taken now, `left` how many calls there are before the next trial."""

    __slots__ = ("alone", "left", "other", "usual")

    def __init__(self) -> None:
        self.alone = False
        self.left = FEWEST
        self.usual: list[float] = []
        """Seconds of the calls of a trial that go the way that is taken now."""
        self.other: list[float] = []
        """The same of those that go the other way."""

    def next_is_alone(self) -> bool:
        """Whether the next call of a trial runs on one thread."""
        return self.alone if len(self.usual) <= TIMED else not self.alone

    def took(self, seconds: float) -> None:
        """How long that call took."""
        (self.usual if len(self.usual) <= TIMED else self.other).append(seconds)
        if len(self.other) > TIMED:
            self._end_trial(median(self.usual[1:]), median(self.other[1:]))

    def _end_trial(self, usual: float, other: float) -> None:
        """Change the way if the other one is faster, and set the time of the next trial."""
        lost = (1 + TIMED) * max(0.0, other - usual)
        self.left = int(min(max(FEWEST, SPENT * lost / usual), MOST))
        if other < (TO_TEAM if self.alone else TO_ONE) * usual:
            self.alone = not self.alone
        self.usual, self.other = [], []
