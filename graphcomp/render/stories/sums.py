"""Stories about sums: fan-out, the order of the sweep, and the values it needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..explain import explain
from ..mathematics import Mathematics, Operator, Row, multiplied
from ..numerals import UNKNOWN, number, quantity
from ..output import Story
from ..story import Fact, Frame
from .remarks import remark, retitled, say, with_sentences


def fan_out(language: str = "en") -> Story:
    """y = a + a, then y · y: each use of a value is an edge of its own, and hands back its own contribution."""
    story = explain("y = a + a; z = y*y", {"a": 3}, granularity="contribution", language=language)
    total = story.frames[-1]
    last = remark(
        total,
        say(language, "fan-out check"),
        *total.equation,
    )
    return retitled(story, say(language, "fan-out title"), [*story.frames, last])


def order(language: str = "en") -> Story:
    """An adjoint may be handed on only when all of its contributions are there."""
    story = explain("a = x*x; b = sin(a); z = a*b", {"x": 1.2}, granularity="contribution", language=language)
    by_name: dict[str, list[Frame]] = {}
    for frame in story.frames:
        by_name.setdefault(story.node(frame.focus).symbol.plain(), []).append(frame)
    # a has two users, z and b; b comes later, so its contribution is missing if a is handed on at once.
    (start,), (through_sine,) = by_name.pop(symbol_of(story, "output")), by_name.pop("b")
    early_a, late_a = by_name.pop("a")
    x_frames = by_name.popitem()[1]
    first = replace(
        contribution_first(story, early_a, start.focus),
        sentence=say(language, "order wrong"),
    )
    wrong = hasty(story, first, x_frames)
    complete = late_a.facts[-1]
    late = replace(
        late_a,
        sentence=say(language, "order late"),
        facts=(*contributions(story, late_a.focus), complete),
        reads=tuple(fact.target for fact in contributions(story, late_a.focus)),  # type: ignore[misc]
    )
    end = remark(
        x_frames[-1],
        say(language, "order end"),
        *x_frames[-1].equation,
    )
    frames = [start, first, wrong, through_sine, late, *x_frames, end]
    return retitled(story, say(language, "order title"), frames)


def symbol_of(story: Story, role: str) -> str:
    """The symbol of the first card with that role."""
    return next(node.symbol.plain() for node in story.nodes if node.role == role)


def contributions(story: Story, id: int) -> list[Fact]:
    """All contributions to a node, in the order in which they are told."""
    facts = [fact for frame in story.frames if frame.focus == id for fact in frame.facts]
    return list({fact.target: fact for fact in facts if fact.kind == "contribution"}.values())


def contribution_first(story: Story, frame: Frame, user: int) -> Frame:
    """The frame in which only the contribution through ``user`` has reached the node."""
    fact = next(fact for fact in contributions(story, frame.focus) if fact.target[0] == user)  # type: ignore[index]
    adjoint = Fact("adjoint", frame.focus, incomplete(fact.shown), fact.data)
    equation = (frame.equation[0], incomplete(fact.shown))
    return replace(frame, reads=(fact.target,), facts=(fact, adjoint), equation=equation, terms=())  # type: ignore[arg-type]


def incomplete(shown: Mathematics) -> Mathematics:
    """A sum of which a part is missing."""
    return Row((shown, Operator("+"), UNKNOWN))


def hasty(story: Story, before: Frame, frames: list[Frame]) -> Frame:
    """The wrong derivative of x: what is known of a's adjoint, handed on at once."""
    part = before.facts[-1].data
    frame = frames[-1]
    wanted = [fact for fact in frame.facts if fact.kind == "adjoint"][-1]
    partial = wanted.data / [fact for fact in story.frames[-3].facts if fact.kind == "adjoint"][-1].data
    wrong = quantity(np.asarray(part * partial), story.digits)
    terms = multiplied((number(part, story.digits), number(partial, story.digits)))
    return replace(
        frame,
        facts=(Fact("adjoint", frame.focus, Row((wrong, Operator("+"), UNKNOWN)), part * partial),),
        equation=(frame.equation[0], terms, wrong),
        terms=(),
        cells=(),
        sentence=say(story.language, "order hasty"),
    )


def saved(language: str = "en") -> Story:
    """Which values the way back reads again, and how many are held at the same time."""
    story = explain("a = x*x; b = sin(a); z = a*b", {"x": 1.2}, mode="both", wrt="x", language=language)
    frames = with_sentences(story.frames, lambda frame: kept(frame, language))
    held = {
        phase: max(frame.cost.values_held for frame in frames if frame.cost and frame.phase == phase)
        for phase in ("forward", "reverse")
    }
    alone = explain("a = x*x; b = sin(a); z = a*b", {"x": 1.2}, mode="forward")
    forward = max(frame.cost.values_held for frame in alone.frames if frame.cost)
    last = remark(
        frames[-1],
        say(language, "saved end", forward=forward, reverse=held["reverse"]),
        *frames[-1].equation,
    )
    return retitled(story, say(language, "saved title"), [*frames, last])


def kept(frame: Frame, language: str) -> str:
    """What to add where a value is saved."""
    return say(language, "saved kept") if any(fact.kind == "saved" for fact in frame.facts) else ""
