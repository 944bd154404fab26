"""PyTensor with its Numba back end: parameters are shared variables, updated by the compiled function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt

from .candidate import ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON, TRAINING, Arrays, Assignment, Candidate, Unsupported
from .pytensor_networks import NETWORKS


class PyTensor(Candidate):
    """A compiled PyTensor function."""

    name = "pytensor"

    @classmethod
    def version(cls) -> str:
        return f"PyTensor {pytensor.__version__}"

    def prepare(self, assignment: Assignment) -> None:
        if assignment.workload not in NETWORKS:
            raise Unsupported(f"{assignment.workload} is not written for PyTensor.")
        self.given = assignment
        network, task, settings = NETWORKS[assignment.workload], assignment.task, assignment.settings
        self.parameters = {name: shared(array) for name, array in assignment.parameters.items()}
        self.moments: list[dict[str, Any]] = [{}, {}]
        data = {
            name: pt.constant(array) if array.ndim == 0 else shared(array) for name, array in assignment.data.items()
        }
        updates: dict[Any, Any] = {}
        if task == "infer":
            outputs = [network.function(self.parameters, data, settings)]
        elif task == "jacobian":
            assert network.vector is not None
            x = self.parameters["x"]
            outputs = [pytensor.gradient.jacobian(network.vector({"x": x}, data, settings), x)]
        else:
            loss = network.loss(self.parameters, data, settings)
            outputs = [loss]
            if task == "hessian":
                outputs = [pytensor.gradient.hessian(loss, self.parameters["x"])]
            elif task != "objective":
                gradients = pt.grad(loss, list(self.parameters.values()))
                outputs = gradients if task == "gradient" else outputs
                updates = self.updates(gradients)
        self.function = pytensor.function([], outputs, updates=updates, mode="NUMBA")

    def updates(self, gradients: list[Any]) -> dict[Any, Any]:
        """The new values of the shared variables after a training step."""
        rate, parameters = self.given.rate, self.parameters
        if self.given.task == "sgd":
            return {p: p - np.float32(rate) * g for p, g in zip(parameters.values(), gradients)}
        if self.given.task != "adam":
            return {}
        self.moments = [
            {name: shared(np.zeros_like(p.get_value())) for name, p in parameters.items()} for _ in range(2)
        ]
        self.step = pytensor.shared(np.float32(0))
        step = self.step + np.float32(1)
        beta1, beta2, one = np.float32(ADAM_BETA1), np.float32(ADAM_BETA2), np.float32(1)
        updates: dict[Any, Any] = {self.step: step}
        unbias1, unbias2 = one - beta1**step, one - beta2**step
        for (name, p), g in zip(parameters.items(), gradients):
            mean = beta1 * self.moments[0][name] + (one - beta1) * g
            square = beta2 * self.moments[1][name] + (one - beta2) * g * g
            change = (mean / unbias1) / (pt.sqrt(square / unbias2) + np.float32(ADAM_EPSILON))
            updates |= {p: p - np.float32(rate) * change, self.moments[0][name]: mean, self.moments[1][name]: square}
        return updates

    def reset(self) -> None:
        for name, variable in self.parameters.items():
            variable.set_value(self.given.parameters[name])
        for moments in self.moments:
            for variable in moments.values():
                variable.set_value(np.zeros_like(variable.get_value()))
        if self.given.task == "adam":
            self.step.set_value(np.float32(0))

    def run(self, count: int) -> None:
        for _ in range(count):
            self.function()

    def check(self) -> Arrays:
        task = self.given.task
        found = [np.array(value) for value in self.function()]
        if task == "gradient":
            return dict(zip(self.parameters, found))
        if task not in TRAINING:
            return {"output": found[0]}
        kept = self.moments[0] if task == "adam" else self.parameters
        after = {name: np.array(variable.get_value()) for name, variable in kept.items()}
        return {"loss": found[0], "next loss": np.array(self.function()[0]), **after}


def shared(array: np.ndarray) -> Any:
    return pytensor.shared(np.array(array))
