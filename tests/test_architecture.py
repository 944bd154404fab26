"""The package's layers: each imports only what stands above it, without cycles, and never inside a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

import graphcomp
from graphcomp.emit import imports, routine_calls

PACKAGE = Path(graphcomp.__file__).parent

LAYERS: list[set[str]] = [
    {"errors", "files", "storage"},
    {"graph"},
    {"ops"},
    {"trace", "numpy"},
    {"derive"},
    {"control"},
    {"simplify"},
    {"schedule"},
    {"emit"},
    {"run"},
    {"transform", "loops", "batching", "custom", "sparsity", "colouring"},
    {"jit"},
    {"ahead"},
    {"random", "nn", "optim", "data", "train", "gradcheck", "jacobians", "implicit", "sparse"},
    {"render"},
    {"bench"},
    {"cli", "demo", "__main__"},
]
"""In the order data flows. Within one set, modules may import each other as long as there is no cycle."""

RENDERING = {"render", "bench", "cli", "demo", "__main__", ""}
"""Who may import the pictures; the empty name is the package itself."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def layer(module: str) -> str:
    return module.split(".")[0]


def imported(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules of this package that an import statement names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names if layer(alias.name) == "graphcomp"]
        yield from (name.removeprefix("graphcomp").removeprefix(".") for name in names)
        return
    if node.level == 0:
        if layer(node.module or "") != "graphcomp":
            return
        base = (node.module or "").removeprefix("graphcomp").removeprefix(".")
    else:
        is_package = MODULES[module].name == "__init__.py"
        parts = module.split(".") if module else []
        parts = parts[: len(parts) - node.level + is_package]
        base = ".".join([*parts, *(node.module or "").split(".")]).strip(".")
    for alias in node.names:
        inner = f"{base}.{alias.name}".strip(".")
        yield inner if inner in MODULES else base


def statements(module: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement, and whether it stands inside a function."""
    stack: list[tuple[ast.AST, bool]] = [(ast.parse(MODULES[module].read_text(encoding="utf-8")), False)]
    while stack:
        node, inside = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, inside
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        stack.extend((child, inside) for child in ast.iter_child_nodes(node))


EDGES = {(module, target) for module in MODULES for node, _ in statements(module) for target in imported(module, node)}


def test_every_module_has_a_layer() -> None:
    assert {layer(module) for module in MODULES} - {""} <= set().union(*LAYERS)


def test_the_imports_are_found() -> None:
    assert ("ops.record", "graph") in EDGES and ("gradcheck.problem", "numpy") in EDGES and ("ops", "ops.base") in EDGES
    assert ("derive.reverse", "derive.forward") in EDGES and ("derive.forward", "ops") in EDGES


def test_layers_import_only_layers_above() -> None:
    rank = {name: position for position, names in enumerate(LAYERS) for name in names}
    upward = [(a, b) for a, b in EDGES if layer(a) and rank[layer(b) or "cli"] > rank[layer(a)]]
    assert upward == []


def test_there_are_no_cycles() -> None:
    graph = nx.DiGraph((a, b) for a, b in EDGES if a and a != b)
    # A package's __init__ imports its modules; a module that imports a sibling through the package would be a cycle.
    assert list(nx.simple_cycles(graph)) == []


@pytest.mark.parametrize("module", MODULES)
def test_no_module_of_the_package_is_imported_inside_a_function(module: str) -> None:
    hidden = [node.lineno for node, inside in statements(module) if inside and list(imported(module, node))]
    assert hidden == []


def test_only_the_command_line_imports_pictures() -> None:
    assert {layer(a) for a, b in EDGES if layer(b) == "render"} <= RENDERING


# what generated code imports ------------------------------------------------------------------------------------------

LIBRARY = {module for module in MODULES if module.startswith("emit.library.")}
COMPILING = LIBRARY | {"run.machine_code"}
OWN_KEY = {
    "emit.routine_calls": "names routines, whose machine code has a key of its own",
    "emit.scalar": "its code of each op that is used is part of the hash",
}
"""What the library imports and the hash of a program need not cover, and why."""


def reached(module: str, within: str) -> set[str]:
    """The modules of a layer that a module imports, and those that these import."""
    found, waiting = set(), [module]
    while waiting:
        targets = {b for a, b in EDGES if a == waiting[-1] and layer(b) == within} - found - {within}
        waiting.pop()
        found |= targets
        waiting += targets - set(OWN_KEY)
    return found


def test_numba_is_imported_only_to_compile() -> None:
    """By modules that no other imports in a statement: a process that finds its code in the cache needs neither."""
    needed = {
        module
        for module in MODULES
        for node, _ in statements(module)
        for name in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if name.split(".")[0] == "numba" and not (isinstance(node, ast.ImportFrom) and node.level)
    }
    assert {"emit.library.runtime", "run.machine_code"} <= needed <= COMPILING
    assert {(a, b) for a, b in EDGES if b in COMPILING and a not in COMPILING} == set()


@pytest.mark.parametrize("module", sorted(LIBRARY))
def test_the_hash_of_a_program_covers_what_the_library_imports(module: str) -> None:
    """A change in any of these modules makes other machine code, which must not be taken for that of before."""
    name = module.rpartition(".")[2]
    covered = {*imports.ALWAYS, *imports.DECIDING.get(name, ())}
    wanted = {module, *reached(module, "emit")} - set(OWN_KEY)
    assert {f"graphcomp.{each}" for each in wanted} <= covered


@pytest.mark.parametrize("family", routine_calls.FAMILIES, ids=lambda family: family.prefix)
def test_the_key_of_a_routine_covers_what_writes_it(family: routine_calls.Family) -> None:
    module = family.module.removeprefix("graphcomp.")
    wanted = {module, *reached(module, "emit")} - {"emit.routines"}  # how object files are kept
    assert {f"graphcomp.{each}" for each in wanted} <= {source.__name__ for source in family.sources}
