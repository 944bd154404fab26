"""Stories about costs: products with a vector against products of matrices, and expressions that swell."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from ...graph import Graph
from ...trace import trace
from ..execution import Execution
from ..explain import explain
from ..mathematics import Mathematics, Number, Text, multiplied
from ..numerals import number
from ..output import Story
from .remarks import remark, retitled, say

STEPS = (1, 2, 3, 4, 5, 6)
TOLD = 3


def matrix_free(language: str = "en") -> Story:
    """A chain from R⁴ to R³ of three linear maps: one sweep never builds a Jacobian."""
    rng = np.random.default_rng(0)
    shapes = {"A": (5, 4), "B": (5, 5), "C": (3, 5)}
    matrices = {name: np.round(rng.normal(size=shape), 1) for name, shape in shapes.items()}

    def chain(x: Any) -> Any:
        return matrices["C"] @ (matrices["B"] @ (matrices["A"] @ x))

    at = {"x": np.array([[1.0], [2], [3], [4]])}
    story = explain(chain, at, wrt="x", notation="bar", language=language)
    first, last = story.frames[0].cost, story.frames[-1].cost
    sweep = (last.multiplications - first.multiplications) // len(story.sweeps) if first and last else 0
    vector = counted(lambda v, a, b, c: v @ c @ b @ a, np.ones(3), *matrices.values())
    matrix = counted(lambda a, b, c: c @ b @ a, *matrices.values())
    end = remark(
        story.frames[-1],
        say(language, "matrix-free end", sweep=sweep, vector=vector, matrix=matrix),
        product("vC", "B", "A"),
        Number(str(vector)),
    )
    return retitled(story, say(language, "matrix-free title"), [*story.frames, end])


def product(*names: str) -> Mathematics:
    """A product of names."""
    return multiplied(tuple(Text(name) for name in names))


def counted(function: Any, *arguments: Any) -> int:
    """The multiplications executed in a function."""
    graph: Graph = trace(function, *arguments)
    execution = Execution(graph, [np.asarray(value) for value in arguments])
    for id in graph.outputs:
        execution.run(id)
    return execution.multiplications


def iterated(steps: int) -> str:
    """The logistic map, applied again and again."""
    lines = ["a1 = x", *(f"a{n} = 4*a{n - 1}*(1 - a{n - 1})" for n in range(2, steps + 1))]
    return "; ".join(lines)


def swell(language: str = "en") -> Story:
    """The logistic map again and again: its derivative as one expression grows, the derivative graph does not."""
    story = explain(iterated(TOLD), {"x": 0.3}, language=language)
    frames = list(story.frames)
    symbolic = [symbolic_size(steps) for steps in STEPS]
    executed = [graph_size(steps) for steps in STEPS]
    end = frames[-1]
    frames.append(
        remark(
            end,
            say(language, "swell symbolic", steps=STEPS[-1], counts=", ".join(map(str, symbolic))),
        )
    )
    frames.append(
        remark(
            end,
            say(language, "swell graph", counts=", ".join(map(str, executed))),
        )
    )
    errors = ", ".join(
        say(language, "swell error", error=error(step).plain(), step=number(step, 1).plain())
        for step in (1e-2, 1e-6, 1e-13)
    )
    frames.append(
        remark(
            end,
            say(language, "swell differences", errors=errors),
        )
    )
    return retitled(story, say(language, "swell title"), frames)


def symbolic_size(steps: int) -> int:
    """The operations in the expanded derivative of the iterated map."""
    x = sp.Symbol("x", real=True)
    value: Any = x
    for _ in range(steps - 1):
        value = 4 * value * (1 - value)
    return int(sp.count_ops(sp.diff(value, x)))


def graph_size(steps: int) -> int:
    """The operations executed for value and derivative of the iterated map."""
    if steps == 1:
        return 0
    cost = explain(iterated(steps), {"x": 0.3}).frames[-1].cost
    return cost.operations if cost else 0


def error(step: float) -> Mathematics:
    """How far a one-sided difference is off."""

    def value(x: float) -> float:
        for _ in range(TOLD - 1):
            x = 4 * x * (1 - x)
        return x

    story = explain(iterated(TOLD), {"x": 0.3})
    exact = float(story.frames[-1].facts[-1].data)
    return number(abs((value(0.3 + step) - value(0.3)) / step - exact), 2)
