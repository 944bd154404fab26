"""The stories by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import RenderError
from ..output import Story
from .costs import matrix_free, swell
from .recurrence import through_time, vanishing, xor
from .sums import fan_out, order, saved


@dataclass(frozen=True)
class Teaching:
    """A story that can be asked for by name, and what it teaches."""

    name: str
    summary: str
    make: Callable[[], Story]


ALL = (
    Teaching("fan-out", "a + a and x · x: two edges, two contributions, one sum", fan_out),
    Teaching("order", "why the order is topological, and what goes wrong otherwise", order),
    Teaching("saved-values", "why values are kept for the way back", saved),
    Teaching("matrix-free", "a chain from R⁴ to R³: vector times matrix against matrix times matrix", matrix_free),
    Teaching("swell", "expression swell, finite differences, and what derivative graphs cost", swell),
    Teaching("through-time", "back-propagation through time: one weight, used at every step", through_time),
    Teaching("vanishing", "why gradients vanish in a deep chain of sigmoids", vanishing),
    Teaching("xor", "one training step of a network for exclusive or", xor),
)
STORIES = {teaching.name: teaching for teaching in ALL}


def story(name: str) -> Story:
    """The story of that name."""
    if name not in STORIES:
        raise RenderError(f"there is no story {name!r}; the stories are {', '.join(STORIES)}")
    return STORIES[name].make()
