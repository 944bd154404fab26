"""PyTorch, eager and through torch.compile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from .candidate import ADAM_BETA1, ADAM_BETA2, ADAM_EPSILON, TRAINING, Arrays, Assignment, Candidate, Unsupported
from .torch_networks import NETWORKS, Function, Network

MEMORY_FORMATS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}
DERIVATIVES: dict[str, Callable[..., Any]] = {"jacobian": torch.func.jacfwd, "hessian": torch.func.hessian}


class Eager(Candidate):
    """PyTorch as it is imported: fused optimizers, inference mode, whichever memory format of images is faster."""

    name = "torch"
    way = ""
    format = "channels first"

    @classmethod
    def version(cls) -> str:
        torch.zeros(1) + 1
        return f"PyTorch {torch.__version__}"

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def prepare(self, assignment: Assignment) -> None:
        if assignment.workload not in NETWORKS:
            raise Unsupported(f"{assignment.workload} is not written for PyTorch.")
        self.given = assignment
        self.network: Network = NETWORKS[assignment.workload]
        torch.set_num_threads(assignment.threads)
        self.ways: dict[str, Function] = {"": self.network.function, **self.network.others}
        self.take("")

    def take(self, way: str) -> None:
        """One of the ways in which the network can be written."""
        network, settings = self.network, self.given.settings
        function = self.ways[way]
        self.way = way
        chosen = Network(function, network.targets)
        self.loss = self.compiled(lambda p, d: chosen.loss(p, d, settings))
        self.outputs = self.compiled(lambda p, d: function(p, d, settings))
        if self.given.task in DERIVATIVES:
            of = network.vector if self.given.task == "jacobian" else function
            if of is None:
                raise Unsupported(f"{self.given.workload} has no {self.given.task}.")
            derive = DERIVATIVES[self.given.task]
            self.derivative = self.compiled(lambda p, d: derive(lambda x: of({"x": x}, d, settings))(p["x"]))

    def variants(self) -> Iterator[str]:
        """Ways of writing the network, memory formats, and one thread, which is faster where there is little to do."""
        for way in self.ways:
            for format in MEMORY_FORMATS if self.network.images else ["channels first"]:
                for threads in sorted({1, self.given.threads}, reverse=True):
                    yield ", ".join(filter(None, (way, format * self.network.images, f"threads {threads}")))

    def choose(self, variant: str) -> None:
        *others, threads = variant.split(", ")
        torch.set_num_threads(int(threads.removeprefix("threads ")))
        self.format = next((part for part in others if part in MEMORY_FORMATS), "channels first")
        way = next((part for part in others if part in self.ways), "")
        if way != self.way:
            self.take(way)

    def tensor(self, array: np.ndarray, trained: bool = False) -> Any:
        tensor = torch.from_numpy(np.array(array))
        if array.dtype == np.int32:
            tensor = tensor.long()
        if array.ndim == 4:
            tensor = tensor.contiguous(memory_format=MEMORY_FORMATS[self.format])
        return tensor.requires_grad_() if trained else tensor

    def reset(self) -> None:
        task = self.given.task
        packed = self.network.pack(self.given.parameters)
        self.parameters = {name: self.tensor(array, task in (*TRAINING, "gradient")) for name, array in packed.items()}
        self.data = self.network.extend({name: self.tensor(array) for name, array in self.given.data.items()})
        tensors = list(self.parameters.values())
        if task == "sgd":
            self.optimizer: Any = torch.optim.SGD(tensors, self.given.rate, fused=True)
        elif task == "adam":
            betas = ADAM_BETA1, ADAM_BETA2
            self.optimizer = torch.optim.Adam(tensors, self.given.rate, betas, ADAM_EPSILON, fused=True)

    def run(self, count: int) -> None:
        task = self.given.task
        if task in TRAINING:
            self.train(count)
        elif task == "infer":
            with torch.inference_mode():
                for _ in range(count):
                    self.outputs(self.parameters, self.data)
        elif task in ("gradient", "objective"):
            for _ in range(count):
                getattr(self, task)()
        else:
            for _ in range(count):
                self.derivative(self.parameters, self.data)

    def train(self, count: int) -> Any:
        for _ in range(count):
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.parameters, self.data)
            loss.backward()
            self.optimizer.step()
        return loss

    def gradient(self) -> tuple[Any, ...]:
        loss = self.loss(self.parameters, self.data)
        return torch.autograd.grad(loss, list(self.parameters.values()))

    def objective(self) -> Any:
        with torch.inference_mode():
            return self.loss(self.parameters, self.data)

    def check(self) -> Arrays:
        task = self.given.task
        if task == "infer":
            with torch.inference_mode():
                return {"output": self.outputs(self.parameters, self.data).numpy()}
        if task == "objective":
            return {"output": self.objective().numpy()}
        if task in DERIVATIVES:
            return {"output": to_numpy(self.derivative(self.parameters, self.data))}
        if task == "gradient":
            return self.network.unpack(dict(zip(self.parameters, map(to_numpy, self.gradient()))))
        first = self.train(1).item()
        after = {
            name: to_numpy(self.optimizer.state[tensor]["exp_avg"] if task == "adam" else tensor)
            for name, tensor in self.parameters.items()
        }
        found = self.network.unpack(after)
        return {"loss": np.float64(first), "next loss": np.float64(self.train(1).item()), **found}  # type: ignore[dict-item]


class Compiled(Eager):
    """PyTorch through torch.compile: forward and backward pass compiled, the optimizer fused."""

    name = "torch-compile"

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        torch._dynamo.reset()
        return torch.compile(function)


def to_numpy(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().contiguous().numpy())
