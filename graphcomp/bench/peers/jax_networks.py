"""The workloads in JAX: the outputs of each network, and the value of each formula, as `torch_networks` has them.

Images are [N, H, W, C] and windows [H, W, C, O], the layout that XLA's CPU kernels take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Arrays = dict[str, Any]
Function = Callable[[Arrays, Arrays, dict[str, int]], Any]


def same(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return arrays


@dataclass(frozen=True)
class Network:
    """How JAX does a workload.

    `function` gives the logits (for `targets`, the labels' name in the data) or the loss itself (None). `pack` lays
    parameters and data out as JAX takes them, `unpack` the other way. `vector` is what a Jacobian is taken of.
    """

    function: Function
    targets: str | None = None
    pack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    unpack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]] = same
    vector: Function | None = None

    def loss(self, p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
        found = self.function(p, d, s)
        if self.targets is None:
            return found
        return cross_entropy(found[d["known"]] if "known" in d else found, d[self.targets])


def cross_entropy(logits: Any, labels: Any) -> Any:
    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)
    return -chosen.mean()


def channels_last(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Images from [N, C, H, W], windows from [O, C, H, W]."""

    def turned(name: str, array: np.ndarray) -> np.ndarray:
        if array.ndim != 4:
            return array
        return array.transpose((0, 2, 3, 1) if name == "images" else (2, 3, 1, 0))

    return {name: np.ascontiguousarray(turned(name, array)) for name, array in arrays.items()}


def channels_first(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Windows back to [O, C, H, W]."""
    return {name: array.transpose(3, 2, 0, 1) if array.ndim == 4 else array for name, array in arrays.items()}


def linear(p: Arrays, name: str, x: Any) -> Any:
    bias = p.get(f"{name}.bias")
    product = x @ p[f"{name}.weight"]
    return product if bias is None else product + bias


# formulas ------------------------------------------------------------------------------------------------------------


def lecture(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    return (jnp.sin(p["x1"]) + p["x1"] * p["x2"]).sum()


def forty_ops(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    x, y, z = p["x"], p["y"], p["z"]
    a = jnp.sin(x) * y + jnp.cos(z)
    b = jnp.exp(-a * a) * z
    c = jnp.tanh(b - y) * jnp.sqrt(1.5 + b * b)
    d_ = jnp.log(2.0 + c * c) - a * c
    e = (d_ + x) * (d_ - y) / (3.0 + z * z)
    f = jnp.sin(e) * jnp.exp(-d_ * d_)
    g = jnp.log(1.0 + f * f + a * a) * jnp.cos(c - f)
    return (g + b * f).sum()


# networks ------------------------------------------------------------------------------------------------------------


def mlp(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    x = jax.nn.relu(linear(p, "layers[0]", d["images"]))
    return linear(p, "layers[4]", jax.nn.relu(linear(p, "layers[2]", x)))


def _convolution(x: Any, weight: Any, padding: int) -> Any:
    around = ((padding, padding), (padding, padding))
    return jax.lax.conv_general_dilated(x, weight, (1, 1), around, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _max_pool(x: Any) -> Any:
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def lenet(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    x = _max_pool(jax.nn.relu(_convolution(d["images"], p["layers[0].weight"], 2) + p["layers[0].bias"]))
    x = _max_pool(jax.nn.relu(_convolution(x, p["layers[3].weight"], 0) + p["layers[3].bias"]))
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    x = jax.nn.relu(linear(p, "layers[7]", x))
    return linear(p, "layers[11]", jax.nn.relu(linear(p, "layers[9]", x)))


def _norm(p: Arrays, name: str, x: Any) -> Any:
    mean: Any = p.get(f"{name}.mean")
    variance: Any = p.get(f"{name}.variance")
    if mean is None:
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p[f"{name}.scale"] + p[f"{name}.shift"]


def block(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    x = d["images"]
    hidden = jax.nn.relu(_norm(p, "first_norm", _convolution(x, p["first.weight"], 1)))
    hidden = jax.nn.relu(_norm(p, "second_norm", _convolution(hidden, p["second.weight"], 1)) + x)
    return linear(p, "output", hidden.mean((1, 2)))


def _read(p: Arrays, d: Arrays, step: Callable[[Any, Any], tuple[Any, Any]], state: Any) -> Any:
    """The products with the inputs for all steps at once, then a loop."""
    x = p["embedding.table"][d["letters"].T]
    projected = x @ p["memory.cell.input_weight"] + p["memory.cell.bias"]
    _, hidden = jax.lax.scan(step, state, projected)
    return linear(p, "output", hidden.swapaxes(0, 1))


def _zeros(p: Arrays, d: Arrays) -> Any:
    weight = p["memory.cell.hidden_weight"]
    return jnp.zeros((d["letters"].shape[0], weight.shape[0]), weight.dtype)


def lstm(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    def step(state: Any, now: Any) -> tuple[Any, Any]:
        hidden, memory = state
        write, keep, candidate, show = jnp.split(now + hidden @ p["memory.cell.hidden_weight"], 4, -1)
        memory = jax.nn.sigmoid(keep) * memory + jax.nn.sigmoid(write) * jnp.tanh(candidate)
        hidden = jax.nn.sigmoid(show) * jnp.tanh(memory)
        return (hidden, memory), hidden

    return _read(p, d, step, (_zeros(p, d), _zeros(p, d)))


def _gru_step(now: Any, state: Any, weight: Any, bias: Any) -> Any:
    reset_input, update_input, candidate_input = jnp.split(now, 3, -1)
    reset_state, update_state, candidate_state = jnp.split(state @ weight, 3, -1)
    reset, update = jax.nn.sigmoid(reset_input + reset_state), jax.nn.sigmoid(update_input + update_state)
    candidate = jnp.tanh(candidate_input + reset * (candidate_state + bias))
    return candidate + update * (state - candidate)


def gru(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    def step(state: Any, now: Any) -> tuple[Any, Any]:
        state = _gru_step(now, state, p["memory.cell.hidden_weight"], p["memory.cell.hidden_bias"])
        return state, state

    return _read(p, d, step, _zeros(p, d))


def _layer_norm(p: Arrays, name: str, x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * p[f"{name}.scale"] + p[f"{name}.shift"]


def gpt(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    x = p["embedding.table"][d["letters"]] + p["positions"]
    batch, time, width = x.shape
    mask = jnp.tril(jnp.ones((time, time), bool))
    for number in range(s["layers"]):
        name = f"blocks[{number}]"
        normal = _layer_norm(p, f"{name}.attention_norm", x)
        query, key, value = (
            linear(p, f"{name}.attention.{part}", normal).reshape(batch, time, s["heads"], -1)
            for part in ("query", "key", "value")
        )
        scores = jnp.einsum("bthd,bshd->bhts", query, key) * query.shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf))
        mixed = jnp.einsum("bhts,bshd->bthd", weights, value).reshape(batch, time, width)
        x = x + linear(p, f"{name}.attention.output", mixed)
        normal = _layer_norm(p, f"{name}.feedforward_norm", x)
        hidden = jax.nn.gelu(linear(p, f"{name}.expand", normal), approximate=False)
        x = x + linear(p, f"{name}.contract", hidden)
    return linear(p, "output", _layer_norm(p, "norm", x))


# graphs --------------------------------------------------------------------------------------------------------------


def _gathered(x: Any, d: Arrays, of: str) -> Any:
    nodes = len(d["nodes"]) if "nodes" in d else len(d["features"])
    return _added(x[d[f"{of}_source"]] * d[f"{of}_weight"][:, None], d[f"{of}_target"], nodes)


def _added(x: Any, places: Any, count: int) -> Any:
    return jax.ops.segment_sum(x, places, count, indices_are_sorted=True)


def convolve(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    if "features" in d:
        hidden = d["features"] @ p["first.weight"]
    else:
        hidden = _gathered(p["first.weight"], d, "feature")
    hidden = jax.nn.relu(_gathered(hidden, d, "edge") + p["first.bias"])
    return _gathered(hidden @ p["second.weight"], d, "edge") + p["second.bias"]


def _attention(p: Arrays, name: str, x: Any, d: Arrays, heads: int) -> Any:
    h = (x @ p[f"{name}.weight"]).reshape(len(x), heads, -1)
    source, target = d["edge_source"], d["edge_target"]
    from_source, to_target = (h * p[f"{name}.source"]).sum(-1), (h * p[f"{name}.target"]).sum(-1)
    scores = jax.nn.leaky_relu(from_source[source] + to_target[target], 0.2)
    weights = jnp.exp(scores - jax.lax.stop_gradient(scores.max(0)))
    total = _added(weights, target, len(x))
    mixed = _added(h[source] * weights[:, :, None], target, len(x))
    return (mixed / total[:, :, None]).reshape(len(x), -1) + p[f"{name}.bias"]


def attend(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    hidden = jax.nn.elu(_attention(p, "first", d["features"], d, s["heads"]))
    return _attention(p, "second", hidden, d, 1)


def pass_messages(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    state = p["embedding.table"][d["atoms"]]
    for _ in range(s["rounds"]):
        sent = jax.nn.relu(linear(p, "message", state))[d["bond_source"]]
        received = _added(sent, d["bond_target"], len(d["atoms"]))
        now = received @ p["cell.input_weight"] + p["cell.bias"]
        state = _gru_step(now, state, p["cell.hidden_weight"], p["cell.hidden_bias"])
    total = _added(state, d["molecule"], len(d["molecules"]))
    return linear(p, "output", jax.nn.relu(linear(p, "hidden", total)))


# other derivatives ---------------------------------------------------------------------------------------------------


def coupled(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    x = p["x"]
    return jnp.tanh(d["couplings"] @ x) * x + jnp.sin(x)


def squares(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    return jnp.square(coupled(p, d, s)).sum()


def mixture(p: Arrays, d: Arrays, s: dict[str, int]) -> Any:
    weights, means, factors = p["weights"], p["means"], p["factors"]
    components, size = means.shape
    logarithms, lower = factors[:, :size], factors[:, size:]
    diagonal = jnp.exp(logarithms)
    entries = jnp.concatenate([diagonal, jnp.pad(lower, ((0, 0), (0, 1)))], 1)
    matrices = entries[:, d["places"]].reshape(components, size, size)
    centred = d["points"][None] - means[:, None]
    scaled = centred @ matrices.swapaxes(1, 2)
    inner = (weights + logarithms.sum(1))[:, None] - 0.5 * jnp.square(scaled).sum(2)
    logsumexp = jax.scipy.special.logsumexp
    likelihood = logsumexp(inner, 0).sum() - len(d["points"]) * logsumexp(weights, 0)
    return likelihood + 0.5 * (jnp.square(diagonal).sum() + jnp.square(lower).sum()) + d["constant"]


NETWORKS = {
    "sin": Network(lecture),
    "formula": Network(forty_ops),
    "mlp": Network(mlp, "labels"),
    "lenet": Network(lenet, "labels", channels_last, channels_first),
    "resnet": Network(block, "labels", channels_last, channels_first),
    "lstm": Network(lstm, "following"),
    "gru": Network(gru, "following"),
    "gpt": Network(gpt, "following"),
    "gcn-sparse": Network(convolve, "labels"),
    "gcn-dense": Network(convolve, "labels"),
    "gat": Network(attend, "labels"),
    "molecules": Network(pass_messages, "labels"),
    "variables": Network(squares, vector=coupled),
    "gmm": Network(mixture),
}
