"""Compiled ahead of time: programs saved as data, and loaded in a process that neither traces nor derives.

A file is a ZIP archive with `program.json` (format, what goes in and comes out, checksums), `graph.txt` (the simplified
graph's text form) and one `.npy` file for each array constant. It holds no code: the text is parsed, every node is
checked against its op's record, and kernels are made from that.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from . import ops
from .emit import emit_cpu
from .errors import GraphcompError, InputError, LoadError
from .files import write_whole
from .graph import Graph, Subgraph, TensorType, TupleType, check_graph, parse_graph
from .graph.types import DTYPES
from .jit import Jitted, Specialisation
from .run.executor import Executor
from .run.interpreter import input_name
from .schedule import schedule
from .trace.tree import Structure, flatten

FORMAT = "graphcomp program"
VERSION = 1
KINDS = ("leaf", "static", "dict", "list", "tuple", "named", "dataclass")
TEXTS = ("dtype", "name", "subscripts", "key")
"""The attributes whose values are texts."""

DAMAGE = (
    zipfile.BadZipFile,
    KeyError,
    ValueError,
    EOFError,
    OSError,
    TypeError,
    UnicodeDecodeError,
    NotImplementedError,
)


def save(compiled: Jitted, path: str | Path, *arguments: Any) -> None:
    """Write a compiled function to a file.

    ``arguments`` (arrays or specs) say for which types, if it was not compiled for exactly one set of them. Raises
    InputError where that is not clear, or where a result holds a setting that is no number or text.
    """
    if not isinstance(compiled, Jitted):
        raise InputError(f"save takes a function compiled by gx.jit, not {type(compiled).__name__}.")
    version = _chosen(compiled, arguments)
    if version.executor is None:
        raise InputError("a function for target='numpy' is not compiled; save one for the CPU.")
    graph = version.executor.graph
    files = {"graph.txt": str(graph).encode()}
    for key, array in graph.arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        files[f"{key}.npy"] = buffer.getvalue()
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "arguments": [input_name(graph, id) for id in graph.inputs],
        "result": _as_data(version.traced.result_structure),
        "sums": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("program.json", json.dumps(manifest))
        for name, content in files.items():
            archive.writestr(name, content)
    write_whole(Path(path), packed.getvalue())


def _chosen(compiled: Jitted, arguments: Sequence[Any]) -> Specialisation:
    if arguments:
        return compiled.version(*arguments)
    if len(compiled.versions) != 1:
        raise InputError(
            f"the function is compiled for {len(compiled.versions)} sets of types; say for which it shall be saved: "
            "save(compiled, path, *arguments), with arrays or specs."
        )
    return next(iter(compiled.versions.values()))


def _as_data(structure: Structure) -> dict[str, Any]:
    """A container's shape as plain data; of classes, the name."""
    if structure.kind in ("static", "dict") and not all(
        isinstance(k, (str, int, float, bool, type(None))) for k in structure.keys
    ):
        raise InputError(f"a result holds the setting {structure.keys!r}, which cannot be saved as data.")
    named = structure.kind in ("named", "dataclass")
    return {
        "kind": structure.kind,
        "type": f"{structure.type.__module__}.{structure.type.__qualname__}" if named else "",
        "keys": list(structure.keys),
        "children": [_as_data(child) for child in structure.children],
    }


# loading -------------------------------------------------------------------------------------------------------------


class Loaded:
    """A program from a file: called like the function that was saved, on arrays in the same containers.

    `arguments` are the names of the arrays that it takes, `types` their types.
    """

    def __init__(self, arguments: Sequence[str], result: Structure, executor: Executor) -> None:
        self.arguments = tuple(arguments)
        self.types = tuple(map(executor.graph.type, executor.graph.inputs))
        self._result = result
        self._executor = executor

    def __call__(self, *arguments: Any) -> Any:
        leaves, _ = flatten(arguments)
        if len(leaves) != len(self.arguments):
            raise InputError(
                f"the program takes {len(self.arguments)} arrays ({', '.join(self.arguments)}), not {len(leaves)}."
            )
        return self._result.unflatten(self._executor(leaves))


def load(path: str | Path, classes: Sequence[type] = ()) -> Loaded:
    """A program that `save` wrote.

    Nothing in the file is executed. Dataclasses and named tuples in the result are made of ``classes``, found by name;
    those not given there come as dicts. Raises LoadError for a file that is damaged, of another version, or holds what
    this version does not know.
    """
    path = Path(path)
    try:
        manifest, files = _read(path)
        graph = _graph(files)
        result = _structure(manifest["result"], {f"{c.__module__}.{c.__qualname__}": c for c in classes})
        arguments = [str(name) for name in manifest["arguments"]]
    except LoadError:
        raise
    except (GraphcompError, *DAMAGE) as error:
        raise LoadError(f"{path} is no program that this version can read: {error}") from None
    if len(arguments) != len(graph.inputs) or result.leaf_count() != len(graph.outputs):
        raise LoadError(f"{path} is damaged: its graph does not have the inputs and outputs that it names.")
    program = schedule(graph)
    return Loaded(arguments, result, Executor(program, emit_cpu(program, graph), graph))


def _read(path: Path) -> tuple[Mapping[str, Any], dict[str, bytes]]:
    """The manifest and the other files, whole and of this version."""
    if not path.is_file():
        raise LoadError(f"there is no file {path}.")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("program.json"))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise LoadError(f"{path} is no program that graphcomp saved.")
    if manifest.get("version") != VERSION:
        raise LoadError(
            f"{path} has version {manifest.get('version')} of the format, and this graphcomp reads version {VERSION}; "
            "save the function again."
        )
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    if sums != manifest["sums"]:
        raise LoadError(f"{path} is damaged: its contents are not what was saved.")
    return manifest, files


def _graph(files: Mapping[str, bytes]) -> Graph:
    """The graph, checked node by node: the text decides nothing that an op's record would not say too."""
    arrays = {
        name.removesuffix(".npy"): np.load(io.BytesIO(content), allow_pickle=False)
        for name, content in files.items()
        if name.endswith(".npy")
    }
    graph = parse_graph(files["graph.txt"].decode(), arrays)
    _check(graph)
    return check_graph(graph, "load")


def _check(graph: Graph) -> None:
    for inner in graph.subgraphs().values():
        _check(inner.graph)
    for node in graph.nodes():
        for name, value in node.attributes.items():
            if not _is_plain(value, name):
                raise LoadError(f"%{node.id} {node.op} has the attribute {name}={value!r}, which is not known here.")
        given: list[Any] = [graph.node(id).type for id in node.inputs]
        for type in _tensors(node.type):
            if type.dtype not in DTYPES:
                raise LoadError(f"%{node.id} {node.op} has the dtype {type.dtype}, which is not known here.")
        if ops.get(node.op).infer(graph, given, node.attributes) != node.type:
            raise LoadError(f"%{node.id} {node.op} does not give the type {node.type} that stands beside it.")


def _tensors(type: Any) -> Sequence[TensorType]:
    return type.items if isinstance(type, TupleType) else (type,)


def _is_plain(value: Any, name: str) -> bool:
    """Whether an attribute is a number, a size, a truth value, a graph, tuples of them, or a text where one belongs."""
    if isinstance(value, tuple):
        return all(_is_plain(part, name) for part in value)
    if isinstance(value, str):
        return name in TEXTS
    return isinstance(value, (bool, int, float, sp.Expr, Subgraph))


def _structure(data: Any, classes: Mapping[str, type]) -> Structure:
    kind, keys = data["kind"], tuple(data["keys"])
    if kind not in KINDS:
        raise LoadError(f"a result of kind {kind!r} is not known here.")
    children = tuple(_structure(child, classes) for child in data["children"])
    if kind in ("named", "dataclass"):
        found = classes.get(data["type"])
        is_right = found is not None and (is_dataclass(found) if kind == "dataclass" else hasattr(found, "_fields"))
        return Structure(kind, found, keys, children) if is_right else Structure("dict", dict, keys, children)
    return Structure(kind, {"dict": dict, "list": list, "tuple": tuple}.get(kind), keys, children)
