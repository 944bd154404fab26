"""Whether a program is faster on the team or on one thread, as measured while it is called.

What two threads gain depends on more than the program: how far apart their processors' caches are, what else runs on
the machine. So the other way is tried from time to time. It changes no bit of a result. For programs of less than about
100 us it would take a noticeable part of a call, so they are left out.
"""

from __future__ import annotations

FEWEST, MOST = 64, 2000
"""Calls between two trials."""

TIMED = 4
"""The calls of a trial that are timed. One before them wakes the team, or brings arrays into a processor's cache."""

SPENT = 100
"""So many times what a trial costs is spent on calls before the next one, if that is within the bounds above."""

TO_ONE, TO_TEAM = 0.85, 0.97
"""The team is left for one thread that takes at most this share of its time; to return to it takes less."""

MEMORY = 32
"""About how many calls the time of a call is averaged over."""


class Pace:
    """Seconds of a call on the team and alone, and which of them is the way now."""

    __slots__ = ("alone", "calls", "seconds", "spent", "trial")

    def __init__(self) -> None:
        self.alone = False
        self.calls = 0
        self.trial = FEWEST
        """The call since the last trial with which the next one begins."""
        self.seconds = [0.0, 0.0]
        """On the team, and alone."""
        self.spent = 0.0
        """In the calls of a trial so far."""

    def next_is_alone(self) -> bool:
        """Whether the next call shall run on one thread."""
        self.calls += 1
        return self.alone if self.calls < self.trial else not self.alone

    def took(self, seconds: float) -> None:
        """How long that call took."""
        usual = self.seconds[self.alone]
        if self.calls < self.trial:
            # A call that was interrupted tells little.
            self.seconds[self.alone] = usual + (min(seconds, 3 * usual) - usual) / MEMORY if usual else seconds
        elif self.calls > self.trial:
            self.spent += seconds
            if self.calls == self.trial + TIMED:
                self._end_trial(usual, self.spent / TIMED)

    def _end_trial(self, usual: float, other: float) -> None:
        """Note what it has shown, change the way if that is faster, and set the time of the next one."""
        self.seconds[not self.alone] = other
        lost = (1 + TIMED) * max(0.0, other - usual)
        self.trial = int(min(max(FEWEST, SPENT * lost / usual), MOST))
        self.calls, self.spent = 0, 0.0
        if other < (TO_TEAM if self.alone else TO_ONE) * usual:
            self.alone = not self.alone
