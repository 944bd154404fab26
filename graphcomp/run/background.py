"""Work that a thread of its own does while others go on: safe at exit and under fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import ExecutionError

Result = TypeVar("Result")
Given = TypeVar("Given")


class Later(Generic[Given, Result]):
    """What `first` and then `second` make, in a thread that is started at once.

    When the program ends, it waits for the one of the two that is going on, and the other is not begun. A forked
    process does not have the thread, so it starts one of its own when it needs the result.
    """

    def __init__(self, first: Callable[[], Given], second: Callable[[Given], Result]) -> None:
        self._steps = first, second
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = False
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._thread = threading.Thread(
            target=self._run, name="graphcomp compiles"
        )  # no daemon: LLVM cannot be cut off
        self._thread.start()

    def _run(self) -> None:
        try:
            given = self._steps[0]()
            if threading.main_thread().is_alive():
                self._result = self._steps[1](given)
        except BaseException as error:
            self._error = error
        self._done = True

    @property
    def is_done(self) -> bool:
        """Whether the result is there, or the error. In a forked process this starts the work again."""
        if not self._done and self._process != os.getpid():
            self._start()
        return self._done

    def result(self) -> Result:
        """Wait for the result; raises what the work raised."""
        if not self.is_done:
            self._thread.join()
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise ExecutionError("the program has ended, so nothing is compiled any more.")
        return self._result
