"""graphcomp as a candidate: each task as a user writes it, through `jit`."""

from __future__ import annotations

import importlib.metadata
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import optim
from ..jacobians import hessian, jacobian
from ..jit import Jitted, jit
from ..run.array import Array
from ..run.cache import compiler
from ..schedule import plan_arena
from ..storage import entries
from ..trace.tree import flatten
from ..transform import grad, value_and_grad
from .peers.candidate import TRAINING, Arrays, Assignment, Candidate, Unsupported
from .peers.worker import serve
from .workload import Problem, named

PICKLE = ".pickle"
"""The suffix of the file with the problem itself, beside that with its arrays: functions and containers of a model."""


def training_step(problem: Problem, task: str, rate: float) -> Callable[..., Any]:
    """`(model, state, data) → (model, state, loss)`: forward pass, derivative and update as one function."""
    optimizer = OPTIMIZERS[task](rate)

    def step(model: Any, state: Any, data: Any) -> Any:
        value, gradients = value_and_grad(problem.loss)(model, data)
        model, state = optimizer.update(model, gradients, state)
        return model, state, value

    return step


OPTIMIZERS: dict[str, Callable[[float], optim.Optimizer]] = {"sgd": optim.sgd, "adam": optim.adam}


def task_function(problem: Problem, task: str, rate: float) -> Jitted:
    """The compiled function of a task; it takes (model, data), a training step (model, state, data)."""
    if task in TRAINING:
        return jit(training_step(problem, task, rate), donate=(0, 1))
    functions: dict[str, Callable[..., Any] | None] = {
        "infer": problem.predict,
        "objective": problem.loss,
        "gradient": grad(problem.loss),
        "hessian": hessian(problem.loss),
        "jacobian": problem.vector and jacobian(problem.vector),
    }
    function = functions[task]
    if function is None:
        raise Unsupported(f"the workload has no {task}.")
    return jit(function)


class Graphcomp(Candidate):
    """The compiler of this package."""

    name = "graphcomp"

    def __init__(self) -> None:
        if not entries():
            compiler()  # with the other imports, which are no part of a cold start

    @classmethod
    def version(cls) -> str:
        return f"graphcomp {importlib.metadata.version('graphcomp')}"

    def prepare(self, assignment: Assignment) -> None:
        self.given = assignment
        self.problem: Problem = pickle.loads(Path(assignment.file).with_suffix(PICKLE).read_bytes())
        model, _ = self.problem.inputs(assignment.task)
        self.structure = flatten(model)[1]
        self.function = task_function(self.problem, assignment.task, assignment.rate)
        self.data = {name: Array(array) for name, array in assignment.data.items()}

    def reset(self) -> None:
        parameters = self.given.parameters
        self.model = self.structure.unflatten([Array(parameters[name]) for name in self.structure.paths()])
        if self.given.task in TRAINING:
            self.state = OPTIMIZERS[self.given.task](self.given.rate).init(self.model)

    def run(self, count: int) -> None:
        data = self.data
        if self.given.task not in TRAINING:
            for _ in range(count):
                self.function(self.model, data)
            return
        model, state = self.model, self.state
        for _ in range(count):
            model, state, self.loss = self.function(model, state, data)
        self.model, self.state = model, state

    def check(self) -> Arrays:
        task = self.given.task
        if task not in TRAINING:
            return results(task, self.function(self.model, self.data))
        self.run(1)
        first = np.float64(self.loss)
        after = named(self.state.mean if task == "adam" else self.model)
        found = {name: np.array(array) for name, array in after.items()}
        self.run(1)
        return {"loss": first, "next loss": np.float64(self.loss), **found}  # type: ignore[dict-item]

    def memory(self) -> dict[str, int]:
        """Bytes of the arena and of the arguments and results that the program holds at once."""
        inputs = (self.model, self.state, self.data) if self.given.task in TRAINING else (self.model, self.data)
        executor = self.function.version(*inputs).executor
        if executor is None or executor.program.sizes:
            return {}
        arena = plan_arena(executor.program, {}, executor.threads).size
        return {"arena": arena, "arguments": sum(np.asarray(leaf).nbytes for leaf in flatten(inputs)[0])}


def results(task: str, value: Any) -> Arrays:
    """The arrays of a result by name."""
    if task == "gradient":
        return named(value)
    return {"output": np.asarray(flatten(value)[0][0])}


if __name__ == "__main__":
    serve(Graphcomp)
