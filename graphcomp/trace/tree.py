"""Nested containers of arrays: flatten to a list of leaves and back.

Containers are dicts, lists, tuples, named tuples and dataclasses. Leaves are arrays, traced values, specs and Python
numbers; but a Python number inside a dataclass is a setting (a stride, a rate), part of the structure, not a leaf.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..graph import TensorType


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a container: `kind` is leaf, static, dict, list, tuple, named or dataclass."""

    kind: str
    type: Any = None
    keys: tuple[Any, ...] = ()
    children: tuple[Structure, ...] = ()

    def leaf_count(self) -> int:
        return 1 if self.kind == "leaf" else sum(child.leaf_count() for child in self.children)

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """Put `leaves` back, in order."""
        if len(leaves) != self.leaf_count():
            raise InputError(f"expected {self.leaf_count()} arrays, got {len(leaves)}.")
        return self.build(iter(leaves))

    def build(self, leaves: Iterator[Any]) -> Any:
        """The container with the next leaves."""
        if self.kind == "leaf":
            return next(leaves)
        if self.kind == "static":
            return self.keys[0]
        values = [child.build(leaves) for child in self.children]
        if self.kind == "dict":
            return dict(zip(self.keys, values))
        if self.kind == "named":
            return self.type(*values)
        if self.kind == "dataclass":
            return rebuild(self.type, dict(zip(self.keys, values)))
        return self.type(values)

    def paths(self, prefix: str = "") -> list[str]:
        """Where each leaf stands, such as `params.layers[0].weight`."""
        return [path for path, inner in self.inner(prefix) if inner.kind == "leaf"]

    def inner(self, prefix: str) -> Iterator[tuple[str, Structure]]:
        """The leaves and settings, each with its path."""
        if self.kind in ("leaf", "static"):
            yield prefix, self
            return
        for key, child in zip(self.keys, self.children):
            if self.kind in ("dataclass", "named") or (isinstance(key, str) and key.isidentifier()):
                step = f"{prefix}.{key}" if prefix else str(key)
            else:
                step = f"{prefix}[{key!r}]"
            yield from child.inner(step)


LEAF = Structure("leaf")


def rebuild(type: Any, fields: dict[str, Any]) -> Any:
    """A dataclass from its fields, without running `__init__` or `__post_init__` (they may check or make arrays)."""
    value = object.__new__(type)
    for name, field in fields.items():
        object.__setattr__(value, name, field)
    return value


_EXTRA_LEAVES: list[type] = []


def register_leaf(kind: type) -> type:
    """Declare a class as an array-like leaf (the tracer and the device array do)."""
    _EXTRA_LEAVES.append(kind)
    return kind


def is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, np.generic, TensorType, *_EXTRA_LEAVES))


def is_leaf(value: Any) -> bool:
    return is_array(value) or isinstance(value, (bool, int, float))


def flatten(value: Any) -> tuple[list[Any], Structure]:
    leaves: list[Any] = []
    return leaves, _flatten(value, leaves, is_leaf)


def _flatten(value: Any, leaves: list[Any], leaf: Callable[[Any], bool]) -> Structure:
    if leaf(value):
        leaves.append(value)
        return LEAF
    if isinstance(value, dict):
        children = tuple(_flatten(child, leaves, leaf) for child in value.values())
        return Structure("dict", dict, tuple(value), children)
    if isinstance(value, (list, tuple)):
        kind, keys = type(value).__name__, tuple(range(len(value)))
        if hasattr(value, "_fields"):
            kind, keys = "named", value._fields
        return Structure(kind, type(value), keys, tuple(_flatten(child, leaves, leaf) for child in value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = tuple(field.name for field in dataclasses.fields(value))
        children = tuple(_flatten(getattr(value, name), leaves, is_array) for name in names)
        return Structure("dataclass", type(value), names, children)
    return Structure("static", type(value), (value,))


def leaves(value: Any) -> list[Any]:
    return flatten(value)[0]


def tree_map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply `function` to the leaves of containers of one structure."""
    first, structure = flatten(tree)
    rest = []
    for other in others:
        values = flatten(other)[0]
        if len(values) != len(first):
            raise InputError(f"tree_map over containers with {len(first)} and {len(values)} leaves.")
        rest.append(values)
    return structure.unflatten([function(*group) for group in zip(first, *rest)])
