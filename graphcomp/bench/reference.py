"""What every candidate has to agree with: the same functions in float64, by the reference interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..jacobians import hessian, jacobian
from ..jit import jit
from ..trace.tree import tree_map
from ..transform import value_and_grad
from .ours import OPTIMIZERS, results
from .peers.candidate import TRAINING, Arrays
from .workload import RATES, Problem, named, with_floats

TOLERANCE = 1e-9
"""The largest ‖found - wanted‖ / ‖wanted‖ of a tensor in float64; the two differ in the order of their sums."""

SMALLEST = {"float32": 1e-2, "float64": 1e-3}
"""A tensor whose norm is below this part of the largest tensor's is compared with that: some gradients are zero but for
rounding, such as that of the bias of attention's keys."""


class Reference:
    """One problem's results in float64, each computed when it is first asked for."""

    def __init__(self, problem: Problem, dtype: str) -> None:
        self.problem = problem
        self.dtype = dtype
        self._first: tuple[Any, Any] | None = None

    def _gradient(self) -> tuple[Any, Any]:
        """The model and data in float64 with the loss, and its gradient: what SGD and Adam have in common."""
        if self._first is None:
            model, data = (with_floats(part, "float64") for part in self.problem.inputs("sgd"))
            self._first = value_and_grad(self.problem.loss)(model, data)
        return self._first

    def wanted(self, task: str) -> Arrays:
        """The task's results, as `Candidate.check` names them."""
        model, data = (with_floats(part, "float64") for part in self.problem.inputs(task))
        if task in TRAINING:
            return self._training(task, model, data)
        if task == "gradient":
            return named(self._gradient()[1])
        functions: dict[str, Any] = {
            "infer": self.problem.predict,
            "objective": self.problem.loss,
            "hessian": hessian(self.problem.loss),
            "jacobian": self.problem.vector and jacobian(self.problem.vector),
        }
        return results(task, computed(functions[task], model, data))

    def _training(self, task: str, model: Any, data: Any) -> Arrays:
        value, gradient = self._gradient()
        optimizer = OPTIMIZERS[task](RATES[task])
        after, state = optimizer.update(model, gradient, optimizer.init(model))
        after = tree_map(np.asarray, after)
        loss = computed(self.problem.loss, after, data)
        found = named(state.mean if task == "adam" else after)
        return {"loss": np.asarray(value), "next loss": np.asarray(loss), **found}


def computed(function: Any, model: Any, data: Any) -> Any:
    """A function's value by the interpreter."""
    return jit(function, target="numpy")(model, data)


def disagreement(
    task: str, found: Arrays, wanted: Arrays, parameters: Arrays, dtype: str, tolerance: float = 1e-4
) -> str:
    """Which tensor is not as it must be, and by how much; nothing where all are.

    The new parameters of SGD are compared by what they moved, which is the gradient, up to their own rounding.
    """
    tolerance = TOLERANCE if dtype == "float64" else tolerance
    moved = parameters if task == "sgd" else {}
    changes = {name: array - moved.get(name, 0.0) for name, array in wanted.items()}
    largest = max((float(np.linalg.norm(change)) for change in changes.values()), default=0.0)
    for name, change in changes.items():
        if name not in found:
            return f"there is no `{name}`"
        got = found[name].astype("float64")
        if got.shape != change.shape:
            return f"`{name}` is {got.shape}, not {change.shape}"
        start = moved.get(name, np.zeros(())).astype("float64")
        error = float(np.linalg.norm(got - start - change))
        scale = max(float(np.linalg.norm(change)), SMALLEST[dtype] * largest)
        rounding = float(np.finfo(dtype).eps) * float(np.linalg.norm(start))
        if not error <= tolerance * scale + rounding:
            return f"`{name}` differs from float64 by {error / scale:.1e} of its norm"
    return ""
