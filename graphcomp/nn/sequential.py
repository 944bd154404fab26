"""Layers one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import random
from .functional import dropout
from .module import Module, snake_case


class Sequential(Module):
    """`Sequential(first, second, …)(x)` is … second(first(x)). Layers and plain functions mix.

    A `key` is needed only where a layer takes one (dropout); without it such layers do nothing. Each gets a key of its
    own. Scopes are named after the layer and its place, such as `sequential/conv2d.0`.
    """

    layers: tuple[Callable[..., Any], ...]

    def __init__(self, *layers: Callable[..., Any]) -> None:
        object.__setattr__(self, "layers", layers)

    def child_names(self) -> dict[int, str]:
        places = enumerate(self.layers)
        return {id(x): f"{snake_case(type(x).__name__)}.{k}" for k, x in places if isinstance(x, Module)}

    @property
    def takes_key(self) -> bool:
        return any(isinstance(layer, Module) and layer.takes_key for layer in self.layers)

    def __call__(self, x: Any, key: Any = None) -> Any:
        for position, layer in enumerate(self.layers):
            if key is not None and isinstance(layer, Module) and layer.takes_key:
                x = layer(x, key=random.fold_in(key, position))
            else:
                x = layer(x)
        return x


class Dropout(Module):
    """`dropout` with a fixed rate; does nothing without a key, as in prediction."""

    rate: float

    def __call__(self, x: Any, key: Any = None) -> Any:
        return x if key is None else dropout(x, self.rate, key)
