"""The workloads in PyTorch: the outputs of each network, and the value of each formula.

`p` are the parameters under graphcomp's names, `d` the data, `s` the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

Tensors = dict[str, Any]
Function = Callable[[Tensors, Tensors, dict[str, int]], Any]


def same(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return arrays


@dataclass(frozen=True)
class Network:
    """How PyTorch does a workload.

    `function` gives the logits (for `targets`, the labels' name in the data) or the loss itself (None). `pack` lays the
    parameters out as PyTorch takes them, `unpack` the other way. `images` says that channels-last is worth a try.
    """

    function: Function
    targets: str | None = None
    pack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    unpack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    images: bool = False
    others: dict[str, Function] = field(default_factory=dict)

    def loss(self, p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
        found = self.function(p, d, s)
        if self.targets is None:
            return found
        return F.cross_entropy(found.reshape(-1, found.shape[-1]), d[self.targets].reshape(-1))


def linear(p: Tensors, name: str, x: Any) -> Any:
    return F.linear(x, p[f"{name}.weight"], p.get(f"{name}.bias"))


def transposed(*names: str) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    """Matrices whose names end so are transposed: PyTorch's linear layers hold [outputs, inputs]."""

    def turn(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            name: np.ascontiguousarray(array.T) if array.ndim == 2 and name.endswith(names) else array
            for name, array in arrays.items()
        }

    return turn


# formulas ------------------------------------------------------------------------------------------------------------


def lecture(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    return (torch.sin(p["x1"]) + p["x1"] * p["x2"]).sum()


def forty_ops(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    x, y, z = p["x"], p["y"], p["z"]
    a = torch.sin(x) * y + torch.cos(z)
    b = torch.exp(-a * a) * z
    c = torch.tanh(b - y) * torch.sqrt(1.5 + b * b)
    d_ = torch.log(2.0 + c * c) - a * c
    e = (d_ + x) * (d_ - y) / (3.0 + z * z)
    f = torch.sin(e) * torch.exp(-d_ * d_)
    g = torch.log(1.0 + f * f + a * a) * torch.cos(c - f)
    return (g + b * f).sum()


# networks ------------------------------------------------------------------------------------------------------------


def mlp(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    x = F.relu(linear(p, "layers[0]", d["images"]))
    return linear(p, "layers[4]", F.relu(linear(p, "layers[2]", x)))


def lenet(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    x = F.conv2d(d["images"], p["layers[0].weight"], p["layers[0].bias"], padding=2)
    x = F.max_pool2d(F.relu(x), 2)
    x = F.max_pool2d(F.relu(F.conv2d(x, p["layers[3].weight"], p["layers[3].bias"])), 2)
    x = F.relu(linear(p, "layers[7]", x.flatten(1)))
    return linear(p, "layers[11]", F.relu(linear(p, "layers[9]", x)))


def _norm(p: Tensors, name: str, x: Any) -> Any:
    held = p.get(f"{name}.mean"), p.get(f"{name}.variance")
    return F.batch_norm(x, *held, p[f"{name}.scale"], p[f"{name}.shift"], training=held[0] is None, eps=1e-5)


def block(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    x = d["images"]
    hidden = F.relu(_norm(p, "first_norm", F.conv2d(x, p["first.weight"], padding=1)))
    hidden = F.relu(_norm(p, "second_norm", F.conv2d(hidden, p["second.weight"], padding=1)) + x)
    return linear(p, "output", hidden.mean((2, 3)))


def _recurrent(kind: str, p: Tensors, d: Tensors) -> Any:
    """One of PyTorch's own layers, which go through the whole sequence in one call."""
    x = F.embedding(d["letters"], p["embedding.table"])
    hidden = p["memory.cell.hidden_weight"].shape[1]
    state = x.new_zeros(1, x.shape[0], hidden)
    input_bias = p["memory.cell.bias"]
    if kind == "lstm":
        flat = [p["memory.cell.input_weight"], p["memory.cell.hidden_weight"], input_bias, torch.zeros_like(input_bias)]
        y = torch.lstm(x, (state, state), flat, True, 1, 0.0, True, False, True)[0]
    else:
        bias = torch.cat([x.new_zeros(2 * hidden), p["memory.cell.hidden_bias"]])
        flat = [p["memory.cell.input_weight"], p["memory.cell.hidden_weight"], input_bias, bias]
        y = torch.gru(x, state, flat, True, 1, 0.0, True, False, True)[0]
    return linear(p, "output", y)


def lstm(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    return _recurrent("lstm", p, d)


def gru(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    return _recurrent("gru", p, d)


def gpt(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    x = F.embedding(d["letters"], p["embedding.table"]) + p["positions"]
    batch, time, width = x.shape
    for number in range(s["layers"]):
        name = f"blocks[{number}]"
        normal = F.layer_norm(x, (width,), p[f"{name}.attention_norm.scale"], p[f"{name}.attention_norm.shift"])
        query, key, value = (
            linear(p, f"{name}.attention.{part}", normal).view(batch, time, s["heads"], -1).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)
        x = x + linear(p, f"{name}.attention.output", mixed.reshape(batch, time, width))
        normal = F.layer_norm(x, (width,), p[f"{name}.feedforward_norm.scale"], p[f"{name}.feedforward_norm.shift"])
        x = x + linear(p, f"{name}.contract", F.gelu(linear(p, f"{name}.expand", normal)))
    return linear(p, "output", F.layer_norm(x, (width,), p["norm.scale"], p["norm.shift"]))


_MATRICES = transposed("weight")
NETWORKS = {
    "sin": Network(lecture),
    "formula": Network(forty_ops),
    "mlp": Network(mlp, "labels", _MATRICES, _MATRICES),
    "lenet": Network(lenet, "labels", _MATRICES, _MATRICES, images=True),
    "resnet": Network(block, "labels", _MATRICES, _MATRICES, images=True),
    "lstm": Network(lstm, "following", _MATRICES, _MATRICES),
    "gru": Network(gru, "following", _MATRICES, _MATRICES),
    "gpt": Network(gpt, "following", _MATRICES, _MATRICES),
}
