"""A multilayer perceptron over MNIST's digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ..workload import Goal, Problem, Workload
from .sources import images


def classify(model: Any, data: Any) -> Any:
    """The model's logits for the images."""
    return model(data["images"])


def cross_entropy(model: Any, data: Any) -> Any:
    return nn.softmax_cross_entropy(model(data["images"]), data["labels"])


def make(generator: np.random.Generator, batch: int, first: int, second: int) -> Problem:
    pictures, labels, note = images(generator, batch)
    model = nn.Sequential(
        nn.Linear.create(784, first, key=0),
        nn.relu,
        nn.Linear.create(first, second, key=1),
        nn.relu,
        nn.Linear.create(second, 10, key=2),
    )
    flat = pictures.reshape(batch, 784)
    data = {"images": flat, "labels": labels}
    return Problem(model, data, cross_entropy, classify, single={"images": flat[:1]}, note=note)


WORKLOADS = (
    Workload(
        name="mlp",
        title="MLP 784-256-128-10, batch 64",
        make=make,
        sizes={"batch": 64, "first": 256, "second": 128},
        small={"batch": 5, "first": 12, "second": 7},
        tasks={"sgd": Goal(0.60, 0.33), "adam": Goal(0.60, 0.33), "infer": Goal(0.75, 0.35)},
    ),
)
