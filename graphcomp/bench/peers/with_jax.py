"""JAX: one compiled function for a whole step, with parameters and optimizer state donated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .candidate import (
    ADAM_BETA1,
    ADAM_BETA2,
    ADAM_EPSILON,
    TRAINING,
    Arrays,
    Assignment,
    Candidate,
    Unsupported,
    as_numpy,
)
from .jax_networks import NETWORKS


def sgd(parameters: Any, gradients: Any, state: Any, rate: float) -> tuple[Any, Any]:
    return jax.tree.map(lambda p, g: p - rate * g, parameters, gradients), state


def adam(parameters: Any, gradients: Any, state: Any, rate: float) -> tuple[Any, Any]:
    step, mean, square = state
    step = step + 1
    mean = jax.tree.map(lambda m, g: ADAM_BETA1 * m + (1 - ADAM_BETA1) * g, mean, gradients)
    square = jax.tree.map(lambda s, g: ADAM_BETA2 * s + (1 - ADAM_BETA2) * g * g, square, gradients)
    unbias1, unbias2 = 1 - ADAM_BETA1**step, 1 - ADAM_BETA2**step

    def move(p: Any, m: Any, s: Any) -> Any:
        return p - rate * (m / unbias1) / (jnp.sqrt(s / unbias2) + ADAM_EPSILON)

    return jax.tree.map(move, parameters, mean, square), (step, mean, square)


UPDATES: dict[str, Callable[..., Any]] = {"sgd": sgd, "adam": adam}


class Jax(Candidate):
    """JAX's jit."""

    name = "jax"

    @classmethod
    def version(cls) -> str:
        jnp.zeros(1).block_until_ready()
        return f"JAX {jax.__version__}"

    def prepare(self, assignment: Assignment) -> None:
        if assignment.workload not in NETWORKS:
            raise Unsupported(f"{assignment.workload} is not written for JAX.")
        if assignment.dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        self.given = assignment
        self.network = NETWORKS[assignment.workload]
        self.data = {name: jnp.asarray(array) for name, array in self.network.pack(assignment.data).items()}
        self.function = self.compiled()

    def compiled(self) -> Callable[..., Any]:
        """The task as one function of (parameters, data), a training step also of the state."""
        task, settings, rate = self.given.task, self.given.settings, self.given.rate
        network = self.network

        def loss(parameters: Any, data: Any) -> Any:
            return network.loss(parameters, data, settings)

        if task in TRAINING:

            def step(parameters: Any, state: Any, data: Any) -> Any:
                value, gradients = jax.value_and_grad(loss)(parameters, data)
                return *UPDATES[task](parameters, gradients, state, rate), value

            return jax.jit(step, donate_argnums=(0, 1))
        functions: dict[str, Callable[..., Any]] = {
            "infer": lambda parameters, data: network.function(parameters, data, settings),
            "objective": loss,
            "gradient": jax.grad(loss),
            "jacobian": lambda parameters, data: jax.jacfwd(network.vector)(parameters, data, settings)["x"],
            "hessian": lambda parameters, data: jax.hessian(loss)(parameters, data)["x"]["x"],
        }
        return jax.jit(functions[task])

    def reset(self) -> None:
        packed = self.network.pack(self.given.parameters)
        self.parameters = {name: jnp.array(array) for name, array in packed.items()}
        zeros = [jax.tree.map(jnp.zeros_like, self.parameters) for _ in range(2)]
        self.state: Any = (jnp.zeros((), jnp.int32), *zeros) if self.given.task == "adam" else ()

    def run(self, count: int) -> None:
        if self.given.task not in TRAINING:
            for _ in range(count):
                found = self.function(self.parameters, self.data)
            jax.block_until_ready(found)
            return
        parameters, state = self.parameters, self.state
        for _ in range(count):
            parameters, state, self.loss = self.function(parameters, state, self.data)
        self.parameters, self.state = parameters, state
        jax.block_until_ready(parameters)

    def check(self) -> Arrays:
        task = self.given.task
        if task not in TRAINING:
            found = self.function(self.parameters, self.data)
            return self.network.unpack(as_numpy(found)) if task == "gradient" else {"output": np.array(found)}
        self.run(1)
        first = np.float64(self.loss)
        after = self.network.unpack(as_numpy(self.state[1] if task == "adam" else self.parameters))
        self.run(1)
        return {"loss": first, "next loss": np.float64(self.loss), **after}  # type: ignore[dict-item]
