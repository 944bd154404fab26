"""The base class of layers: frozen dataclasses that are called, and name the nodes they trace.

    class Perceptron(nn.Module):
        hidden: nn.Linear
        output: nn.Linear

        def __call__(self, x):
            return self.output(nn.relu(self.hidden(x)))

Arrays in the fields are parameters; numbers, strings and functions are settings. Subclasses become frozen dataclasses
without a decorator. Calling a layer opens a scope with its class's name, or the name of the field that holds it, so
that the graph's nodes carry scopes such as `perceptron/hidden`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, dataclass_transform

from ..graph import TensorType
from ..trace import scope
from ..trace.failures import failing_layer
from ..trace.tracer import type_of
from ..trace.tree import flatten, is_array

_NAMES: ContextVar[dict[int, str]] = ContextVar("names of the layers inside the one being called")


@dataclass_transform(frozen_default=True, eq_default=False)
class Module:
    """A layer or model: a frozen dataclass whose arrays are parameters, with a `__call__` made of traced functions."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        if "__call__" in vars(cls):
            type.__setattr__(cls, "__call__", _in_scope(vars(cls)["__call__"]))

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __call__.")

    def child_names(self) -> dict[int, str]:
        """The scope name of each layer in the fields, by `id`: the field's name, or `field.position` in a sequence."""
        names: dict[int, str] = {}
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, Module):
                names[id(value)] = field.name
            elif isinstance(value, (list, tuple)):
                names |= {id(child): f"{field.name}.{k}" for k, child in enumerate(value) if isinstance(child, Module)}
        return names

    @property
    def takes_key(self) -> bool:
        """Whether `__call__` takes a random `key`, as dropout does."""
        return "key" in inspect.signature(type(self).__call__).parameters

    @property
    def parameter_count(self) -> int:
        """How many numbers the parameters hold."""
        return sum(int(leaf.size) for leaf in flatten(self)[0])

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{f.name}={_short(getattr(self, f.name))}' for f in fields)})"


def _short(value: Any) -> str:
    """A value as `repr` shows it, with arrays as their types."""
    if is_array(value):
        return str(array_type(value))
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(_short, value))})"
    return value.__name__ if inspect.isfunction(value) else repr(value)


def _in_scope(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def scoped(self: Module, *arguments: Any, **options: Any) -> Any:
        names = _NAMES.get({})
        name = names.get(id(self), snake_case(type(self).__name__))
        if name == "":
            return call(self, *arguments, **options)
        token = _NAMES.set({**self.child_names(), id(self): ""})
        try:
            with scope(name), failing_layer(type(self).__name__, (self, *arguments)):
                return call(self, *arguments, **options)
        finally:
            _NAMES.reset(token)

    return scoped


def array_type(value: Any) -> TensorType:
    """The shape and dtype of an array, traced or not."""
    type = type_of(value)
    assert isinstance(type, TensorType)
    return type


def in_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function so that what it traces carries its name as a scope."""

    @functools.wraps(function)
    def scoped(*arguments: Any, **options: Any) -> Any:
        with scope(function.__name__):
            return function(*arguments, **options)

    return scoped


def snake_case(name: str) -> str:
    """MultiHeadAttention to multi_head_attention, LSTMCell to lstm_cell, Conv2d to conv2d."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
