"""What is measured, as plain records: a workload is a problem of given sizes, and the tasks done with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..trace.tree import flatten, tree_map

Arrays = dict[str, np.ndarray]
TRAINING = ("sgd", "adam")
RATES = {"sgd": 1e-2, "adam": 1e-3}
"""The learning rates of training tasks, the same for every candidate."""


@dataclass(frozen=True)
class Goal:
    """The ratio that must be met, the one to reach for, and what the time is divided by.

    `against` is "peer" for the fastest peer's time of the same task, "copy" for copying the task's bytes in memory, or
    the name of another task of the workload.
    """

    must: float
    reach: float
    against: str = "peer"


@dataclass(frozen=True)
class Problem:
    """A workload of given sizes with its arrays, as every candidate gets them.

    `loss(model, data)` is one number; `predict(model, data)` what inference computes; `vector(model, data)` what a
    Jacobian is taken of. `model` is a container of arrays, those that derivatives are taken by. `serving` is the model
    for inference and `single` its data (None: those of training). `settings` are the numbers that peers need besides
    the arrays. `note` says where the data come from.
    """

    model: Any
    data: Arrays
    loss: Callable[[Any, Any], Any]
    predict: Callable[[Any, Any], Any] | None = None
    vector: Callable[[Any, Any], Any] | None = None
    serving: Any = None
    single: Arrays | None = None
    settings: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def inputs(self, task: str) -> tuple[Any, Arrays]:
        """The model and the data that a task works on."""
        if task != "infer":
            return self.model, self.data
        return self.model if self.serving is None else self.serving, self.data if self.single is None else self.single


@dataclass(frozen=True)
class Workload:
    """A name, what it is in words, and how its problem is made: `make(generator, **sizes)`.

    `tasks` are the goals by task: "sgd" and "adam" (a training step), "infer", "gradient", "objective", "jacobian" and
    "hessian". `small` are sizes for tests. `tolerance` is the largest ‖found - wanted‖ / ‖wanted‖ in float32,
    whose rounding gives about 1e-6 (float64 has its own); a workload with another one says why.
    """

    name: str
    title: str
    make: Callable[..., Problem]
    sizes: Mapping[str, int]
    small: Mapping[str, int]
    tasks: Mapping[str, Goal]
    dtype: str = "float32"
    tolerance: float = 1e-4

    def problem(self, small: bool = False, seed: int = 0) -> Problem:
        return self.make(np.random.default_rng(seed), **(self.small if small else self.sizes))


def named(model: Any) -> Arrays:
    """The arrays of a model by their names, such as `memory.cell.bias`."""
    arrays, structure = flatten(model)
    names = structure.paths()
    return {name: np.asarray(array) for name, array in zip(names, arrays)}


def with_floats(tree: Any, dtype: str) -> Any:
    """A container with its floating-point arrays converted."""

    def converted(leaf: Any) -> Any:
        array = np.asarray(leaf)
        return array.astype(dtype) if array.dtype.kind == "f" else array

    return tree_map(converted, tree)
