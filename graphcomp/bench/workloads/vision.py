"""Convolutional networks: LeNet, and the basic block of a residual network."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ... import nn
from ..workload import Goal, Problem, Workload
from .dense import classify, cross_entropy
from .sources import images

INFERENCE = Goal(0.75, 0.35)


def make_lenet(generator: np.random.Generator, batch: int, width: int) -> Problem:
    """Y. LeCun et al., 1998, with ReLU and max-pooling."""
    pictures, labels, note = images(generator, batch)
    model = nn.Sequential(
        nn.Conv2d.create(1, width, 5, padding=2, key=0),
        nn.relu,
        nn.MaxPool2d(2),
        nn.Conv2d.create(width, 16, 5, key=1),
        nn.relu,
        nn.MaxPool2d(2),
        nn.flatten,
        nn.Linear.create(400, 120, key=2),
        nn.relu,
        nn.Linear.create(120, 84, key=3),
        nn.relu,
        nn.Linear.create(84, 10, key=4),
    )
    data = {"images": pictures, "labels": labels}
    return Problem(model, data, cross_entropy, classify, single={"images": pictures[:1]}, note=note)


class BasicBlock(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x)))))), then a mean over all places and a linear layer to ten classes.

    K. He et al., "Deep Residual Learning for Image Recognition", 2016, figure 5.
    """

    first: nn.Conv2d
    first_norm: nn.BatchNorm
    second: nn.Conv2d
    second_norm: nn.BatchNorm
    output: nn.Linear

    def __call__(self, x: Any) -> Any:
        hidden = nn.relu(self.first_norm(self.first(x)))
        hidden = nn.relu(self.second_norm(self.second(hidden)) + x)
        return self.output(nn.global_average_pool(hidden))


def make_block(generator: np.random.Generator, batch: int, channels: int, size: int) -> Problem:
    def convolution(key: int) -> nn.Conv2d:
        return nn.Conv2d.create(channels, channels, 3, padding=1, bias=False, key=key)

    def norm() -> nn.BatchNorm:
        return nn.BatchNorm.create(channels)

    def held(norm: nn.BatchNorm) -> nn.BatchNorm:
        mean, variance = generator.normal(0, 0.1, channels), generator.uniform(0.5, 1.5, channels)
        return dataclasses.replace(norm, mean=mean.astype("float32"), variance=variance.astype("float32"))

    output = nn.Linear.create(channels, 10, key=2)
    model = BasicBlock(convolution(0), norm(), convolution(1), norm(), output)
    serving = dataclasses.replace(model, first_norm=held(model.first_norm), second_norm=held(model.second_norm))
    pictures = generator.standard_normal((batch, channels, size, size), "float32")
    data = {"images": pictures, "labels": generator.integers(0, 10, batch, "int32")}
    return Problem(
        model, data, cross_entropy, classify, serving=serving, single={"images": pictures[:1]}, note="random images"
    )


WORKLOADS = (
    Workload(
        name="lenet",
        title="LeNet, batch 64",
        make=make_lenet,
        sizes={"batch": 64, "width": 6},
        small={"batch": 2, "width": 3},
        tasks={"sgd": Goal(0.30, 0.12), "adam": Goal(0.30, 0.12), "infer": INFERENCE},
    ),
    Workload(
        name="resnet",
        title="ResNet basic block, 64 channels, 32 × 32, batch 32",
        make=make_block,
        sizes={"batch": 32, "channels": 64, "size": 32},
        small={"batch": 3, "channels": 4, "size": 6},
        tasks={"sgd": Goal(0.85, 0.60), "adam": Goal(0.85, 0.60), "infer": INFERENCE},
        # Of four million arguments of ReLU a few lie within float32's rounding of zero. One that changes sides moves
        # the gradient of the first convolution, a sum of two million terms of all signs, by 1/√2,000,000 = 7e-4.
        tolerance=3e-3,
    ),
)
