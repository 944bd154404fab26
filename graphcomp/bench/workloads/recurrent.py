"""Recurrent networks that predict the next letter."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ..workload import Goal, Problem, Workload
from .sources import text


class Reader(nn.Module):
    """Letters [N, T] to logits [N, T, kinds]."""

    embedding: nn.Embedding
    memory: nn.Recurrent
    output: nn.Linear

    def __call__(self, letters: Any) -> Any:
        return self.output(self.memory(self.embedding(letters))[0])


def read(model: Any, data: Any) -> Any:
    """The logits for the letters."""
    return model(data["letters"])


def next_letter(model: Any, data: Any) -> Any:
    return nn.softmax_cross_entropy(model(data["letters"]), data["following"])


def make(
    layer: type[nn.LSTM] | type[nn.GRU], generator: np.random.Generator, batch: int, length: int, hidden: int
) -> Problem:
    letters, following, kinds, note = text(generator, batch, length)
    model = Reader(
        nn.Embedding.create(kinds, 64, key=0),
        layer.create(64, hidden, key=1),
        nn.Linear.create(hidden, kinds, key=2),
    )
    data = {"letters": letters, "following": following}
    return Problem(model, data, next_letter, read, single={"letters": letters[:1]}, note=note)


def make_lstm(generator: np.random.Generator, **sizes: int) -> Problem:
    return make(nn.LSTM, generator, **sizes)


def make_gru(generator: np.random.Generator, **sizes: int) -> Problem:
    return make(nn.GRU, generator, **sizes)


TASKS = {"sgd": Goal(0.75, 0.45), "adam": Goal(0.75, 0.45), "infer": Goal(0.75, 0.35)}
SIZES = {"batch": 32, "length": 64, "hidden": 128}
SMALL = {"batch": 2, "length": 5, "hidden": 6}
TITLE = "{}, hidden 128, batch 32, 64 steps, vocabulary 65"
WORKLOADS = (
    Workload("lstm", TITLE.format("LSTM"), make_lstm, SIZES, SMALL, TASKS),
    Workload("gru", TITLE.format("GRU"), make_gru, SIZES, SMALL, TASKS),
)
