"""Stories about networks: back-propagation through time, vanishing gradients, a training step for exclusive or."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...numpy import sigmoid
from ..explain import explain
from ..mathematics import Identifier, Mathematics, Operator, Row, Text, multiplied
from ..numerals import number, quantity
from ..output import Story
from ..story import Fact
from .remarks import remark, retitled, say

LAYERS, RATE = 5, 0.5
SUPERSCRIPT = "⁵"


def through_time(language: str = "en") -> Story:
    """A recurrent cell unrolled over three steps: its weight is used three times."""
    steps = ("h1 = tanh(w*h0)", "h2 = tanh(w*h1)", "h3 = tanh(w*h2)")
    at = {"w": 0.8, "h0": 0.5}
    story = explain("; ".join(steps), at, wrt="w", granularity="contribution", language=language)
    end = remark(
        story.frames[-1],
        say(language, "through-time end"),
        *story.frames[-1].equation,
    )
    return retitled(story, say(language, "through-time title"), [*story.frames, end])


def vanishing(language: str = "en") -> Story:
    """A deep chain of sigmoids: each hands back at most a quarter."""
    lines = [f"a{n} = sigmoid({'x' if n == 1 else f'a{n - 1}'})" for n in range(1, LAYERS + 1)]
    story = explain("; ".join(lines), {"x": 0.5}, language=language)
    adjoints = [float(fact.data) for frame in story.frames for fact in frame.facts if fact.kind == "adjoint"]
    shrinking = ", ".join(number(value, 5).plain() for value in adjoints)
    end = remark(
        story.frames[-1],
        say(
            language,
            "vanishing end",
            shrinking=shrinking,
            layers=LAYERS,
            power=SUPERSCRIPT,
            bound=number(0.25**LAYERS, 5).plain(),
        ),
        *story.frames[-1].equation,
    )
    return retitled(story, say(language, "vanishing title", layers=LAYERS), [*story.frames, end])


def xor_loss(W: Any, b: Any, v: Any, c: Any) -> Any:
    """Mean squared error of two hidden units on the four cases of exclusive or."""
    hidden = np.tanh(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]) @ W + b)
    error = sigmoid(hidden @ v + c) - np.array([0.0, 1, 1, 0])
    return np.sum(error * error) / 4


def xor(language: str = "en") -> Story:
    """Loss, gradients, and a step of gradient descent."""
    at = {"W": [[1.0, -1.0], [0.8, -1.2]], "b": [0.1, 0.4], "v": [0.7, -0.9], "c": 0.1}
    values = {name: np.asarray(value, float) for name, value in at.items()}
    story = explain(xor_loss, values, notation="∂", language=language)
    frames = list(story.frames)
    moved = {}
    for node in story.nodes:
        if node.role == "input":
            name = node.definition.plain()
            gradient = adjoint_of(story, node.id).data
            moved[name] = values[name] - RATE * gradient
            new = quantity(moved[name], story.digits)
            rule = updated(node.definition, node.symbol, story)
            frames.append(remark(frames[-1], say(language, "xor update", name=name), rule, new))
            frames[-1] = at_node(frames[-1], node.id)
    before, after = (explain(xor_loss, point, mode="evaluate").frames[-1].facts[0] for point in (values, moved))
    frames.append(remark(frames[-1], say(language, "xor loss", before=before.shown.plain(), after=after.shown.plain())))
    return retitled(story, say(language, "xor title"), frames)


def adjoint_of(story: Story, id: int) -> Fact:
    """The adjoint that a node ends with."""
    return story.known["adjoint", id][-1].fact


def at_node(frame: Any, id: int) -> Any:
    """The frame with another node in focus."""
    return type(frame)(**{**frame.__dict__, "focus": id})


def updated(name: Mathematics, symbol: Mathematics, story: Story) -> Mathematics:
    """W − 0.5 ∂z/∂w₁."""
    sweep = story.sweeps[-1]
    derivative = next(formula for id, formula in sweep.symbols.items() if story.node(id).symbol == symbol)
    left = Row((name, Text(" ← "), name)) if isinstance(name, Identifier) else name
    return Row((left, Operator("−"), multiplied((number(RATE), derivative))))
