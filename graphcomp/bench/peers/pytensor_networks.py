"""The workloads in PyTensor, as `torch_networks` has them: formulas, perceptrons, recurrent networks and mixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytensor
import pytensor.tensor as pt

Variables = dict[str, Any]
Function = Callable[[Variables, Variables, dict[str, int]], Any]


@dataclass(frozen=True)
class Network:
    """How PyTensor does a workload.

    `function` gives the logits (for `targets`, the labels' name in the data) or the loss itself (None); `vector` is
    what a Jacobian is taken of.
    """

    function: Function
    targets: str | None = None
    vector: Function | None = None

    def loss(self, p: Variables, d: Variables, s: dict[str, int]) -> Any:
        found = self.function(p, d, s)
        if self.targets is None:
            return found
        if "known" in d:
            found = found[d["known"]]
        rows = found.reshape((-1, found.shape[-1]))
        labels = d[self.targets].flatten()
        return -pt.special.log_softmax(rows, axis=-1)[pt.arange(labels.shape[0]), labels].mean()


def linear(p: Variables, name: str, x: Any) -> Any:
    return pt.dot(x, p[f"{name}.weight"]) + p[f"{name}.bias"]


def lecture(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    return (pt.sin(p["x1"]) + p["x1"] * p["x2"]).sum()


def forty_ops(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    x, y, z = p["x"], p["y"], p["z"]
    a = pt.sin(x) * y + pt.cos(z)
    b = pt.exp(-a * a) * z
    c = pt.tanh(b - y) * pt.sqrt(1.5 + b * b)
    d_ = pt.log(2.0 + c * c) - a * c
    e = (d_ + x) * (d_ - y) / (3.0 + z * z)
    f = pt.sin(e) * pt.exp(-d_ * d_)
    g = pt.log(1.0 + f * f + a * a) * pt.cos(c - f)
    return (g + b * f).sum()


def mlp(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    x = pt.maximum(linear(p, "layers[0]", d["images"]), 0)
    return linear(p, "layers[4]", pt.maximum(linear(p, "layers[2]", x), 0))


def _read(p: Variables, d: Variables, step: Callable[..., Any], states: int) -> Any:
    """The products with the inputs for all steps at once, then a loop."""
    x = p["embedding.table"][d["letters"].T]
    projected = pt.dot(x, p["memory.cell.input_weight"]) + p["memory.cell.bias"]
    zeros = pt.zeros((d["letters"].shape[0], p["memory.cell.hidden_weight"].shape[0]), dtype=x.dtype)
    found = pytensor.scan(step, sequences=[projected], outputs_info=[zeros] * states, return_updates=False)
    hidden = found[0] if states > 1 else found
    return linear(p, "output", hidden.dimshuffle(1, 0, 2))


def _split(x: Any, count: int) -> list[Any]:
    size = x.shape[1] // count
    return [x[:, part * size : (part + 1) * size] for part in range(count)]


def lstm(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    def step(now: Any, hidden: Any, memory: Any) -> list[Any]:
        write, keep, candidate, show = _split(now + pt.dot(hidden, p["memory.cell.hidden_weight"]), 4)
        memory = pt.sigmoid(keep) * memory + pt.sigmoid(write) * pt.tanh(candidate)
        return [pt.sigmoid(show) * pt.tanh(memory), memory]

    return _read(p, d, step, 2)


def gru(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    def step(now: Any, state: Any) -> Any:
        reset_input, update_input, candidate_input = _split(now, 3)
        reset_state, update_state, candidate_state = _split(pt.dot(state, p["memory.cell.hidden_weight"]), 3)
        reset, update = pt.sigmoid(reset_input + reset_state), pt.sigmoid(update_input + update_state)
        candidate = pt.tanh(candidate_input + reset * (candidate_state + p["memory.cell.hidden_bias"]))
        return candidate + update * (state - candidate)

    return _read(p, d, step, 1)


def coupled(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    x = p["x"]
    return pt.tanh(pt.dot(d["couplings"], x)) * x + pt.sin(x)


def squares(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    return pt.sqr(coupled(p, d, s)).sum()


def mixture(p: Variables, d: Variables, s: dict[str, int]) -> Any:
    weights, means, factors = p["weights"], p["means"], p["factors"]
    components, size = means.shape
    logarithms, lower = factors[:, :size], factors[:, size:]
    diagonal = pt.exp(logarithms)
    entries = pt.concatenate([diagonal, lower, pt.zeros((components, 1), dtype=diagonal.dtype)], axis=1)
    matrices = entries[:, d["places"]].reshape((components, size, size))
    centred = d["points"][None] - means[:, None]
    scaled = pt.matmul(centred, matrices.dimshuffle(0, 2, 1))
    inner = (weights + logarithms.sum(1))[:, None] - 0.5 * pt.sqr(scaled).sum(2)
    likelihood = pt.logsumexp(inner, axis=0).sum() - d["points"].shape[0] * pt.logsumexp(weights)
    return likelihood + 0.5 * (pt.sqr(diagonal).sum() + pt.sqr(lower).sum()) + d["constant"]


NETWORKS = {
    "sin": Network(lecture),
    "formula": Network(forty_ops),
    "mlp": Network(mlp, "labels"),
    "lstm": Network(lstm, "following"),
    "gru": Network(gru, "following"),
    "variables": Network(squares, vector=coupled),
    "gmm": Network(mixture),
}
