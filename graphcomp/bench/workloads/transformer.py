"""A small GPT that predicts the next letter."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ..workload import Goal, Problem, Workload
from .recurrent import next_letter, read
from .sources import text


class Transformer(nn.Module):
    """Letters [N, T] to logits [N, T, kinds]: A. Radford et al., "Language Models are Unsupervised …", 2019."""

    embedding: nn.Embedding
    positions: Any
    blocks: tuple[nn.TransformerBlock, ...]
    norm: nn.LayerNorm
    output: nn.Linear

    def __call__(self, letters: Any) -> Any:
        x = self.embedding(letters) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x))


def make(generator: np.random.Generator, batch: int, length: int, layers: int, width: int, heads: int) -> Problem:
    letters, following, kinds, note = text(generator, batch, length)
    model = Transformer(
        nn.Embedding.create(kinds, width, key=0, deviation=0.1),
        generator.normal(0, 0.1, (length, width)).astype("float32"),
        tuple(nn.TransformerBlock.create(width, heads, key=1 + layer, causal=True) for layer in range(layers)),
        nn.LayerNorm.create(width),
        nn.Linear.create(width, kinds, bias=False, key=100),
    )
    data = {"letters": letters, "following": following}
    settings = {"layers": layers, "heads": heads}
    return Problem(model, data, next_letter, read, single={"letters": letters[:1]}, settings=settings, note=note)


WORKLOADS = (
    Workload(
        name="gpt",
        title="GPT, 4 layers, width 128, 4 heads, length 64, batch 12, vocabulary 65",
        make=make,
        sizes={"batch": 12, "length": 64, "layers": 4, "width": 128, "heads": 4},
        small={"batch": 2, "length": 5, "layers": 2, "width": 8, "heads": 2},
        tasks={"sgd": Goal(0.80, 0.55), "adam": Goal(0.80, 0.55), "infer": Goal(0.75, 0.35)},
    ),
)
