"""One exception class for each kind of mistake.

Every message says what happened, with which shapes, at which line of the user's code, and what to do. The command line
prints a `GraphcompError` as one sentence and leaves with status 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Failure:
    """Where tracing stopped, as plain data that `render` can draw.

    `graph` is the `Graph` traced up to there. `call` is the function that failed, or empty where the user's own code
    did. `operands` are what it was given: the id of a node, or None for a value that is not part of the graph, and the
    value's type in words. `origin` is the user's source line, `scope` the part of the model. `values` are those of
    nodes that are known, where it was not tracing that stopped but a run; `made` is what the call gave.
    """

    graph: Any
    call: str = ""
    operands: tuple[tuple[int | None, str], ...] = ()
    origin: Any = None
    scope: str = ""
    values: Mapping[int, Any] = field(default_factory=dict)
    made: Any = None


def failure_of(error: BaseException) -> Failure | None:
    """Where tracing stopped, if the error was raised while a function or formula was traced."""
    found = getattr(error, "failure", None)
    return found if isinstance(found, Failure) else None


class GraphcompError(Exception):
    """Base class of every error that graphcomp raises on purpose."""


class TraceError(GraphcompError, TypeError):
    """A traced value was used where only a concrete one will do, or outside the trace that made it."""


class ParseError(GraphcompError):
    """A formula, an assignment list or a graph's text could not be read."""


class ShapeError(GraphcompError):
    """The shapes of an op's arguments do not fit together."""


class DTypeError(GraphcompError):
    """An op does not accept the dtype of an argument."""


class InputError(GraphcompError):
    """The values given for a graph's inputs are missing, unknown, or of the wrong shape or dtype."""


class DerivativeError(GraphcompError):
    """A derivative was asked for that does not exist, such as one with respect to integers."""


class MissingFacetError(GraphcompError):
    """An op's record lacks what a stage needs from it."""


class GraphError(GraphcompError):
    """A graph breaks one of its own rules; this points at a fault in a pass, not in the user's code."""


class LoweringError(GraphcompError):
    """An op or dtype cannot be compiled for the target. Nothing falls back to a slower path silently."""


class ExecutionError(GraphcompError):
    """A compiled program stopped, for example because an index was out of range."""


class NotFiniteError(ExecutionError):
    """A value became infinite or not a number."""


class LoadError(GraphcompError):
    """A saved program is damaged, of another version, or holds what this version does not know."""


class RenderError(GraphcompError):
    """A picture could not be made or written."""


class DataError(GraphcompError):
    """A data set is missing or cannot be read."""
