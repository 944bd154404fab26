"""Networks small enough to read: each a function of its parameters, with values to explain it at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphcomp import jit, nn, optim, train
from graphcomp import numpy as gnp
from graphcomp.render import Story, explain

rng = np.random.default_rng(7)


def numbers(*shape: int) -> np.ndarray:
    """Values with one decimal, which a reader can follow."""
    return np.round(rng.normal(size=shape), 1)


def mlp() -> Story:
    """Two layers and the squared error: the gradients of all weights."""

    def two_layers(x: Any, W: Any, b: Any, V: Any, y: Any) -> Any:
        h = np.tanh(x @ W + b)
        return np.sum((h @ V - y) ** 2)

    at = {"x": numbers(4, 3), "W": numbers(3, 2), "b": numbers(2), "V": numbers(2, 1), "y": numbers(4, 1)}
    return explain(two_layers, at, wrt=("W", "b", "V"), notation="bar")


def lenet() -> Story:
    """A convolution, ReLU, pooling, a layer, and cross-entropy: a step of LeNet, on an image of 6 × 6."""
    image, label = numbers(1, 1, 6, 6), np.array([1])

    def lenet_step(kernel: Any, weight: Any) -> Any:
        maps = nn.relu(nn.Conv2d(kernel)(image))
        features = gnp.reshape(nn.MaxPool2d(2)(maps), (1, 8))
        return nn.softmax_cross_entropy(features @ weight, label)

    return explain(lenet_step, {"kernel": numbers(2, 1, 3, 3), "weight": numbers(8, 3)}, notation="bar")


def lstm() -> Story:
    """One step of a long short-term memory: the four gates, the cell and the hidden state."""

    def lstm_cell(x: Any, h: Any, c: Any, W: Any, U: Any, b: Any) -> Any:
        return np.sum(nn.LSTMCell(W, U, b)(x, (h, c))[0])

    state = {"x": numbers(1, 3), "h": numbers(1, 2), "c": numbers(1, 2)}
    return explain(lstm_cell, {**state, "W": numbers(3, 8), "U": numbers(2, 8), "b": numbers(8)}, notation="bar")


def attention() -> Story:
    """One head: softmax(Q Kᵀ/√d) V, and how the sum of its outputs depends on queries, keys and values."""

    def head(Q: Any, K: Any, V: Any) -> Any:
        return np.sum(nn.dot_product_attention(Q, K, V))

    return explain(head, {"Q": numbers(3, 4), "K": numbers(5, 4), "V": numbers(5, 2)}, notation="bar")


def gcn() -> Story:
    """A graph convolution on a path of four nodes: Â x W + b."""
    path = nn.normalized_adjacency(np.eye(4, k=1) + np.eye(4, k=-1), "float64")

    def graph_convolution(A: Any, x: Any, W: Any, b: Any) -> Any:
        return np.sum(nn.relu(nn.GraphConvolution(W, b)(x, A)))

    at = {"A": path, "x": numbers(4, 3), "W": numbers(3, 2), "b": numbers(2)}
    return explain(graph_convolution, at, wrt=("x", "W", "b"), notation="bar")


def training_step() -> tuple[Any, tuple[Any, ...]]:
    """A small convolutional network's training step, and its arguments."""
    model = nn.Sequential(
        nn.Conv2d.create(1, 8, 3, padding=1, key=0), nn.relu, nn.MaxPool2d(2),
        nn.Conv2d.create(8, 16, 3, padding=1, key=1), nn.relu, nn.MaxPool2d(2),
        nn.flatten, nn.Linear.create(64, 10, key=2),
    )  # fmt: skip
    optimizer = optim.adam(3e-3)
    batch = (numbers(16, 1, 8, 8).astype("float32"), np.arange(16) % 10)
    return jit(train.train_step(nn.softmax_cross_entropy, optimizer)), (model, optimizer.init(model), batch)


def failing_model() -> None:
    """A model whose second layer does not take what the first one gives."""
    model = nn.Sequential(nn.Linear.create(4, 8, key=0), nn.relu, nn.Linear.create(9, 2, key=1))
    jit(lambda model, x: model(x))(model, numbers(3, 4).astype("float32"))


@dataclass(frozen=True)
class Model:
    """A network to explain, and what the story shows."""

    title: str
    caption: str
    explained: Callable[[], Story]

    def tell(self) -> Story:
        """The story under its own title."""
        return replace(self.explained(), title=self.title)


MODELS = {
    "mlp": Model(
        "A network of two layers: the gradients of its weights",
        "A network of two layers and its squared error: W̄ and V̄ are products, never Jacobians.",
        mlp,
    ),
    "lenet": Model(
        "A step of LeNet: convolution, ReLU, pooling, a layer, cross-entropy",
        "A step of LeNet on an image of 6 × 6: convolution, ReLU, pooling, a layer, cross-entropy.",
        lenet,
    ),
    "lstm": Model(
        "A cell of a long short-term memory",
        "A cell of a long short-term memory: four gates, cell and hidden state.",
        lstm,
    ),
    "attention": Model(
        "A head of attention: softmax(QKᵀ/√d) V",
        "A head of attention, and what its output takes from Q, K and V.",
        attention,
    ),
    "gcn": Model(
        "A graph convolution: ReLU(A x W + b)",
        "A graph convolution on a path of four nodes, A its normalised adjacency matrix.",
        gcn,
    ),
}  # fmt: skip
