"""What pip installs: the files, the entry point and the dependencies that the code imports."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from setuptools import build_meta

import graphcomp

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "graphcomp"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DISTRIBUTIONS = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "resvg_py": "resvg-py",
    "bidi": "python-bidi",
    "arabic_reshaper": "arabic-reshaper",
}
"""Names to install where they differ from those to import."""


def test_version() -> None:
    assert PROJECT["version"] == graphcomp.__version__ == importlib.metadata.version("graphcomp")


def test_every_import_is_declared() -> None:
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                imported.add(node.module.split(".")[0])
    needed = {DISTRIBUTIONS.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"graphcomp"}}
    declared = {re.split(r"[<>=\[ ]", text)[0] for text in PROJECT["dependencies"]}
    compared = {re.split(r"[<>=\[ ]", text)[0] for text in PROJECT["optional-dependencies"]["bench"]}
    assert needed == declared | compared | {"pytensor"}  # which needs an environment of its own


def test_entry_point() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="graphcomp")
    assert entry.load() is graphcomp.cli.main  # type: ignore[attr-defined]


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules, the player's assets and py.typed; the licence; and no tests."""
    source = tmp_path / "source"
    copy(source)
    monkeypatch.chdir(source)
    (tmp_path / "wheel").mkdir()
    name = build_meta.build_wheel(str(tmp_path / "wheel"))
    held = set(zipfile.ZipFile(tmp_path / "wheel" / name).namelist())
    wanted = {path.relative_to(source).as_posix() for path in (source / "graphcomp").rglob("*") if path.is_file()}
    assert {name for name in held if name.startswith("graphcomp/")} == wanted
    assert {"graphcomp/py.typed", "graphcomp/render/player/player.js"} <= held
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert not any(name.startswith(("tests", "examples", "docs")) for name in held)


def copy(target: Path) -> None:
    """The files that a build needs, as they are in the working tree."""
    paths = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in (*paths, ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "LICENSE"):
        place = target / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())


def test_licence_is_complete() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text


# what is loaded -----------------------------------------------------------------------------------------------------

STEP = """
import sys
import numpy as np
import graphcomp as gx

step = gx.jit(gx.value_and_grad(lambda w, x: gx.numpy.sum(gx.numpy.tanh(x @ w) ** 2)))
step(np.ones((3, 2)), np.ones((4, 3)))
print(*sorted(sys.modules))
"""


def test_pictures_and_data_are_loaded_when_they_are_asked_for() -> None:
    """A compiled step needs none of them, and neither networkx."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, env=environment, check=True)
    loaded = set(output.stdout.split())
    assert {"numpy", "sympy", "graphcomp.jit"} <= loaded
    unwanted = {
        "networkx",
        "pygraphviz",
        "ziamath",
        "reportlab",
        "PIL",
        "rich",
        "sklearn",
        "scipy.special",
        "scipy.sparse",
    }
    own = {"graphcomp.render", "graphcomp.data", "graphcomp.train", "graphcomp.gradcheck", "graphcomp.bench"}
    assert loaded & (unwanted | own) == set()


def test_every_public_name_is_there() -> None:
    check = "import graphcomp as gx; print([name for name in gx.__all__ if getattr(gx, name, None) is None], dir(gx))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=environment, check=True)
    assert output.stdout.startswith("[] ") and "'explain'" in output.stdout and "'vjp'" in output.stdout
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        graphcomp.nothing  # noqa: B018
