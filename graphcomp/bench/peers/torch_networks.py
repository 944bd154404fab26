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
    parameters out as PyTorch takes them, `unpack` the other way. `images` says that channels-last is worth a try,
    `others` are other ways to write `function`, `vector` is what a Jacobian is taken of, and `extend` adds to the data
    what is made of them once.
    """

    function: Function
    targets: str | None = None
    pack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    unpack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    images: bool = False
    others: dict[str, Function] = field(default_factory=dict)
    vector: Function | None = None
    extend: Callable[[Tensors], Tensors] = dict

    def loss(self, p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
        found = self.function(p, d, s)
        if self.targets is None:
            return found
        if "known" in d:
            found = found.index_select(0, d["known"])
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


# graphs --------------------------------------------------------------------------------------------------------------


class SparseProduct(torch.autograd.Function):
    """A sparse matrix times a dense one; the transposed matrix is at hand, so that the derivative is as fast."""

    @staticmethod
    def forward(context: Any, matrix: Any, transposed: Any, dense: Any) -> Any:
        context.transposed = transposed
        return matrix @ dense

    @staticmethod
    def backward(context: Any, gradient: Any) -> tuple[None, None, Any]:
        return None, None, context.transposed @ gradient


def with_matrices(d: Tensors) -> Tensors:
    """The edges as matrices in CSR form, in both directions."""
    found = dict(d)
    nodes = len(d["nodes"]) if "nodes" in d else len(d["features"])
    for of in ("edge", "feature"):
        if f"{of}_weight" not in d:
            continue
        places = torch.stack([d[f"{of}_target"], d[f"{of}_source"]])
        columns = nodes if of == "edge" else int(d["words"])
        matrix = torch.sparse_coo_tensor(places, d[f"{of}_weight"], (nodes, columns)).coalesce()
        found[f"{of}_matrix"] = matrix.to_sparse_csr()
        found[f"{of}_transposed"] = matrix.t().coalesce().to_sparse_csr()
    return found


def _gathered(x: Any, d: Tensors, of: str) -> Any:
    return SparseProduct.apply(d[f"{of}_matrix"], d[f"{of}_transposed"], x)


def _scattered(x: Any, d: Tensors, of: str) -> Any:
    nodes = len(d["nodes"]) if "nodes" in d else len(d["features"])
    sent = x.index_select(0, d[f"{of}_source"]) * d[f"{of}_weight"][:, None]
    return x.new_zeros(nodes, x.shape[1]).index_add(0, d[f"{of}_target"], sent)


def _convolutions(p: Tensors, d: Tensors, product: Callable[..., Any]) -> Any:
    if "features" in d:
        hidden = d["features"] @ p["first.weight"]
    else:
        hidden = product(p["first.weight"], d, "feature")
    hidden = F.relu(product(hidden, d, "edge") + p["first.bias"])
    return product(hidden @ p["second.weight"], d, "edge") + p["second.bias"]


def convolve(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    return _convolutions(p, d, _gathered)


def convolve_scattered(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    return _convolutions(p, d, _scattered)


def _attention(p: Tensors, name: str, x: Any, d: Tensors, heads: int) -> Any:
    h = (x @ p[f"{name}.weight"]).view(len(x), heads, -1)
    source, target = d["edge_source"], d["edge_target"]
    from_source, to_target = (h * p[f"{name}.source"]).sum(-1), (h * p[f"{name}.target"]).sum(-1)
    scores = F.leaky_relu(from_source.index_select(0, source) + to_target.index_select(0, target), 0.2)
    weights = torch.exp(scores - scores.detach().amax(0))
    total = weights.new_zeros(len(x), heads).index_add(0, target, weights)
    mixed = torch.zeros_like(h).index_add(0, target, h.index_select(0, source) * weights[:, :, None])
    return (mixed / total[:, :, None]).flatten(1) + p[f"{name}.bias"]


def attend(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    hidden = F.elu(_attention(p, "first", d["features"], d, s["heads"]))
    return _attention(p, "second", hidden, d, 1)


def pass_messages(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    state = F.embedding(d["atoms"], p["embedding.table"])
    width = state.shape[1]
    hidden_bias = torch.cat([state.new_zeros(2 * width), p["cell.hidden_bias"]])
    cell = p["cell.input_weight"], p["cell.hidden_weight"], p["cell.bias"], hidden_bias
    for _ in range(s["rounds"]):
        sent = F.relu(linear(p, "message", state)).index_select(0, d["bond_source"])
        received = torch.zeros_like(state).index_add(0, d["bond_target"], sent)
        state = torch.gru_cell(received, state, *cell)
    total = state.new_zeros(len(d["molecules"]), width).index_add(0, d["molecule"], state)
    return linear(p, "output", F.relu(linear(p, "hidden", total)))


# other derivatives ---------------------------------------------------------------------------------------------------


def coupled(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    x = p["x"]
    return torch.tanh(d["couplings"] @ x) * x + torch.sin(x)


def squares(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    return coupled(p, d, s).square().sum()


def mixture(p: Tensors, d: Tensors, s: dict[str, int]) -> Any:
    weights, means, factors = p["weights"], p["means"], p["factors"]
    components, size = means.shape
    logarithms, lower = factors[:, :size], factors[:, size:]
    diagonal = logarithms.exp()
    entries = torch.cat([diagonal, F.pad(lower, (0, 1))], 1)
    matrices = entries.index_select(1, d["places"]).view(components, size, size)
    centred = d["points"][None] - means[:, None]
    scaled = centred @ matrices.transpose(1, 2)
    inner = (weights + logarithms.sum(1))[:, None] - 0.5 * scaled.square().sum(2)
    likelihood = torch.logsumexp(inner, 0).sum() - len(d["points"]) * torch.logsumexp(weights, 0)
    return likelihood + 0.5 * (diagonal.square().sum() + lower.square().sum()) + d["constant"]


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
    "gcn-sparse": Network(convolve, "labels", others={"index_add": convolve_scattered}, extend=with_matrices),
    "gcn-dense": Network(convolve, "labels", others={"index_add": convolve_scattered}, extend=with_matrices),
    "gat": Network(attend, "labels"),
    "molecules": Network(pass_messages, "labels", _MATRICES, _MATRICES),
    "variables": Network(squares, vector=coupled),
    "gmm": Network(mixture),
}
