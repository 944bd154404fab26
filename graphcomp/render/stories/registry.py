"""The stories by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...errors import RenderError
from ..compile_story import compile_story
from ..output import Story
from ..sentences import language as language_table
from .costs import matrix_free, swell
from .recurrence import through_time, vanishing, xor
from .sums import fan_out, order, saved


@dataclass(frozen=True)
class Teaching:
    """A story that can be asked for by name, and what it teaches."""

    name: str
    summary: str
    make: Callable[[str], Story]


def compilation(language: str = "en") -> Story:
    """The lecture's example with something to simplify in it."""
    return compile_story("z = log(exp(x1) + exp(x2))*1 + x1*x2", {"x1": 2, "x2": 3}, language=language)


ALL = (
    Teaching("fan-out", "a + a and x · x: two edges, two contributions, one sum", fan_out),
    Teaching("order", "why the order is topological, and what goes wrong otherwise", order),
    Teaching("saved-values", "why values are kept for the way back", saved),
    Teaching("matrix-free", "a chain from R⁴ to R³: vector times matrix against matrix times matrix", matrix_free),
    Teaching("swell", "expression swell, finite differences, and what derivative graphs cost", swell),
    Teaching("through-time", "back-propagation through time: one weight, used at every step", through_time),
    Teaching("vanishing", "why gradients vanish in a deep chain of sigmoids", vanishing),
    Teaching("xor", "one training step of a network for exclusive or", xor),
    Teaching("compile", "from the derived graph by named rewrites to a fused kernel", compilation),
)
STORIES = {teaching.name: teaching for teaching in ALL}


def story(name: str, language: str = "en") -> Story:
    """The story of that name, told in a language.  Raises RenderError if there is none."""
    language_table(language)
    if name not in STORIES:
        raise RenderError(f"there is no story {name!r}; the stories are {', '.join(STORIES)}")
    return STORIES[name].make(language)
