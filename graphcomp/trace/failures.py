"""What an error carries away from the trace that it ends: the graph so far, the call that failed and its operands."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import Failure, failure_of
from .tracer import Tracer, current_scope, innermost, type_of, user_origin
from .tree import flatten


def noting_failures(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; an error that leaves it carries a `Failure`. The outermost call, which the user wrote, wins."""

    @functools.wraps(function)
    def called(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except Exception as error:
            note_call(error, function.__name__.rstrip("_"), arguments)
            raise

    return called


def note_call(error: Exception, name: str, arguments: tuple[Any, ...]) -> None:
    """Tell the error which call it came from, if an argument is traced; a trace inside keeps its own failure."""
    values = flatten(arguments)[0]
    trace, known = innermost(values), failure_of(error)
    if trace is None or (known is not None and known.graph is not trace.graph):
        return
    operands = tuple(described(trace, value) for value in values)
    error.failure = Failure(trace.graph, name, operands, user_origin(), current_scope())  # type: ignore[attr-defined]


@dataclass(frozen=True)
class failing_layer:
    """A context: an error that leaves a layer carries it as its `Failure`, if no call inside the layer failed.

    It is a class, because a generator would put a frame of the standard library between here and the user's line.
    """

    name: str
    arguments: tuple[Any, ...]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, Exception) and failure_of(error) is None:
            note_call(error, self.name, self.arguments)


def described(trace: Any, value: Any) -> tuple[int | None, str]:
    """The node that a value is in a trace, and its type in words."""
    try:
        words = repr(value) if isinstance(value, (bool, int, float)) else str(type_of(value))
    except Exception:  # an argument of a kind that has no type may be what is wrong
        words = type(value).__name__
    return value.id if isinstance(value, Tracer) and value.trace is trace else None, words
