"""Measures what it costs that arrays change hands between two threads, and prints a line a second: a virtual machine's
processors may move from one core to another meanwhile.

`handover` is the time from one thread's writing a word to the other's reading it; then, in ns for each cache line of an
array of so many KB: what a thread reads that it wrote itself, what it reads that the other one wrote, what it writes
that the other one wrote, and what it writes that it wrote itself and the other one has read. The last column is the
time of arithmetic on both threads at once over that on one: near 2 where both run on one core.
"""

from __future__ import annotations

import argparse
import threading
import time

import numpy as np
from numba import njit

from graphcomp.emit.library.team import add_to_word, cycles, load_word, pause, store_word
from graphcomp.run.array import aligned

LINE, TURNS, ROUNDS = 8, 500, 5
"""Words in a cache line, handovers that are timed, and how often all is measured."""


@njit(nogil=True)
def meet(words, meeting):
    add_to_word(words, 1)
    while load_word(words) < 2 * meeting:
        pause()


@njit(nogil=True)
def read(numbers):
    total = 0
    for place in range(0, numbers.size, LINE):
        total += numbers[place]
    return total


@njit(nogil=True)
def write(numbers, value):
    for place in range(numbers.size):
        numbers[place] = value


@njit(nogil=True)
def calculate(turns):
    a, b, c, d = 1.0, 2.0, 3.0, 4.0
    for _ in range(turns):
        a, b, c, d = a * 0.5 + 1.0, b * 0.5 + 1.0, c * 0.5 + 1.0, d * 0.5 + 1.0
    return a + b + c + d


@njit(nogil=True)
def measure(me, words, own, other, found, sink):
    """Fill a row of `found` with clock cycles: alone, together, a handover, and four ways to touch an array."""
    meeting = 0
    for turn in range(found.shape[0]):
        meeting += 1
        meet(words, meeting)
        begin = cycles()
        if me == 0:
            calculate(20000)
        found[turn, 0] = cycles() - begin
        meeting += 1
        meet(words, meeting)
        begin = cycles()
        calculate(20000)
        found[turn, 1] = cycles() - begin
        meeting += 1
        meet(words, meeting)
        begin = cycles()
        for step in range(TURNS):
            while load_word(words + 128) != 2 * (turn * TURNS + step) + me:
                pass
            store_word(words + 128, 2 * (turn * TURNS + step) + me + 1)
        found[turn, 2] = (cycles() - begin) / (2 * TURNS)
        write(own, turn)
        for way in range(4):
            meeting += 1
            meet(words, meeting)
            begin = cycles()
            if way == 0:
                sink[0] += read(own)
            elif way == 1:
                sink[0] += read(other)
            elif way == 2:
                write(own, turn)
            else:
                write(other, turn)
            found[turn, (3, 4, 6, 5)[way]] = cycles() - begin


@njit
def count():
    return cycles()


def clock_rate() -> float:
    """Cycles of `cycles` in a second."""
    begin, start = count(), time.perf_counter()
    time.sleep(0.05)
    return (count() - begin) / (time.perf_counter() - start)


CLOCK_RATE = clock_rate()


def once(kilobytes: int, rounds: int = ROUNDS) -> list[float]:
    """ns of a handover; ns for each line read that is the thread's own, or another's, or written that another wrote, or
    that another has read; and the time of arithmetic on both threads over that on one.
    """
    words = aligned(256).view(np.int64)
    words[:] = 0
    arrays = [aligned(1024 * kilobytes).view(np.int64) for _ in range(2)]
    found = np.zeros((2, rounds, 7))
    arguments = [
        (me, words.ctypes.data, arrays[me], arrays[1 - me], found[me], np.zeros(1, np.int64)) for me in range(2)
    ]
    threads = [threading.Thread(target=measure, args=each) for each in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone, together, handover, *ways = np.median(found[0, 1:], 0) / CLOCK_RATE * 1e9
    return [handover, *(way / (1024 * kilobytes // 64) for way in ways), together / alone]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kilobytes", type=int, default=128)
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args()
    print("handover   own  other's  write other's  write what was read   together / alone")
    for _ in range(options.lines):
        handover, own, others, written, asked, slower = once(options.kilobytes)
        print(f"{handover:5.0f} ns {own:5.1f} {others:8.1f} {written:14.1f} {asked:20.1f} {slower:18.2f}")
        time.sleep(0.9)


if __name__ == "__main__":
    main()
