"""Containers of one structure, by code made for it: the leaves out of one, and one from leaves.

`flatten` finds out what a container is. A function that is called again and again gets containers of the same structure
each time; then a test and an attribute, an item or an unpacking for each part are enough. That code is written here as
Python's source, a line or two for each part, as `dataclasses` writes an `__init__`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

from .tree import Structure, flatten, rebuild

MOST_PARTS = 5000
"""Containers with more parts than this are flattened as if they were new: their code would take long to compile."""

Unpack: TypeAlias = Callable[[Any], "list[Any] | None"]
Pack: TypeAlias = Callable[[Sequence[Any]], Any]


class Lines:
    """The source of a function, and the objects that it names."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.objects: dict[str, Any] = {"rebuild": rebuild, "new": object.__new__, "put": object.__setattr__}
        self.count = 0

    def add(self, text: str) -> None:
        self.texts.append(f"    {text}")

    def name(self) -> str:
        """A new name of a variable."""
        self.count += 1
        return f"v{self.count}"

    def object(self, value: Any) -> str:
        """The name of an object."""
        name = f"o{len(self.objects)}"
        self.objects[name] = value
        return name

    def function(self, parameter: str) -> Callable[[Any], Any]:
        exec("\n".join([f"def function({parameter}):", *self.texts]), self.objects)
        found: Callable[[Any], Any] = self.objects["function"]
        return found


def unpacker(structure: Structure) -> Unpack:
    """A function that gives the leaves of a value in the order of `flatten`, or None if its structure is another one.

    Where a leaf stands it takes whatever is there. It raises what the comparison of a setting raises.
    """
    if parts(structure) > MOST_PARTS:
        return lambda value: _flattened(value, structure)
    lines, leaves = taking(structure, "value")
    lines.add(f"return [{', '.join(leaves)}]")
    return lines.function("value")


def taking(structure: Structure, name: str) -> tuple[Lines, list[str]]:
    """The lines that take a value apart, or return None if its structure is another one, and the leaves' names."""
    lines, leaves = Lines(), list[str]()
    _take(structure, name, lines, leaves)
    return lines, leaves


def packer(structure: Structure) -> Pack:
    """A function that makes a container of a list of leaves, as `Structure.build` does."""
    if parts(structure) > MOST_PARTS:
        return lambda leaves: structure.build(iter(leaves))
    lines, leaves = Lines(), list[str]()
    whole = _make(structure, lines, leaves)
    unpacked = [f"    [{', '.join(leaves)}] = leaves"] if leaves else []
    lines.texts = [*unpacked, *lines.texts]
    lines.add(f"return {whole}")
    return lines.function("leaves")


def parts(structure: Structure) -> int:
    """How many containers, settings and leaves there are."""
    return 1 + sum(map(parts, structure.children))


def _flattened(value: Any, structure: Structure) -> list[Any] | None:
    leaves, found = flatten(value)
    return leaves if found == structure else None


def _take(structure: Structure, name: str, lines: Lines, leaves: list[str]) -> None:
    """The lines that test the value `name` and name its leaves."""
    if structure.kind == "leaf":
        leaves.append(name)
        return
    if structure.kind == "static":
        kind, setting = lines.object(structure.type), lines.object(structure.keys[0])
        lines.add(f"if {name} is not {setting} and (type({name}) is not {kind} or {name} != {setting}): return None")
        return
    names = [lines.name() for _ in structure.children]
    if structure.kind == "dict":
        lines.add(f"if not isinstance({name}, dict) or tuple({name}) != {lines.object(structure.keys)}: return None")
        lines.add(f"[{', '.join(names)}] = {name}.values()")
    elif structure.kind == "dataclass":
        lines.add(f"if type({name}) is not {lines.object(structure.type)}: return None")
        for inner, key in zip(names, structure.keys):
            lines.add(f"{inner} = {name}.{key}")
    else:
        kind = lines.object(structure.type)
        lines.add(f"if type({name}) is not {kind} or len({name}) != {len(names)}: return None")
        lines.add(f"[{', '.join(names)}] = {name}")
    for inner, child in zip(names, structure.children):
        _take(child, inner, lines, leaves)


def _make(structure: Structure, lines: Lines, leaves: list[str]) -> str:
    """The lines that make a container; the name of it."""
    if structure.kind == "leaf":
        leaves.append(lines.name())
        return leaves[-1]
    if structure.kind == "static":
        return lines.object(structure.keys[0])
    inner = [_make(child, lines, leaves) for child in structure.children]
    name, listed = lines.name(), ", ".join(inner)
    if structure.kind in ("dict", "dataclass"):
        keys = [repr(key) if type(key) is str else lines.object(key) for key in structure.keys]
        listed = f"{{{', '.join(f'{key}: {value}' for key, value in zip(keys, inner))}}}"
    if structure.kind == "dict":
        lines.add(f"{name} = {listed}")
    elif structure.kind == "dataclass":
        kind = lines.object(structure.type)
        if structure.type.__dictoffset__ and not has_descriptors(structure.type):
            lines.add(f"{name} = new({kind}); put({name}, '__dict__', {listed})")
        else:
            lines.add(f"{name} = rebuild({kind}, {listed})")
    elif structure.kind == "named":
        lines.add(f"{name} = {lines.object(structure.type)}({listed})")
    elif structure.type is list:
        lines.add(f"{name} = [{listed}]")
    else:
        items = f"({listed}{',' * (len(inner) == 1)})"
        lines.add(
            f"{name} = {items}" if structure.type is tuple else f"{name} = {lines.object(structure.type)}({items})"
        )
    return name


def has_descriptors(kind: type) -> bool:
    """Whether setting one of a dataclass's fields does more than put it into the object's dictionary."""
    return any(hasattr(getattr(kind, field.name, None), "__set__") for field in fields(kind))
