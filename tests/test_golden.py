"""The text of every stage for the lecture's example, compared with files in tests/golden.

After a change that is meant, write them anew with `GRAPHCOMP_UPDATE=1 pytest tests/test_golden.py tests/test_docs.py`.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden"
PROGRAM = """
import json
import graphcomp as gx
from graphcomp.transform import as_function

graph = gx.trace("w3 = x1*x2; w4 = sin(x1); z = w3 + w4")
stages = gx.jit(gx.value_and_grad(as_function(graph), (0, 1))).stages(2.0, 3.0)
print(json.dumps({"formula": str(graph), **dict(stages)}))
"""
STAGES = ("formula", "traced", "derived", "simplified", "scheduled", "source")


def stages(seed: str) -> dict[str, str]:
    """All texts, from a process of its own with its own hash seed; keys, which are content hashes, are left out."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"}
    output = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, encoding="utf-8", env=environment)
    assert output.returncode == 0, output.stderr
    return {name: re.sub(r"(?<=_)[0-9a-f]{24}\b", "KEY", text) for name, text in json.loads(output.stdout).items()}


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return stages("1")


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_as_it_was(texts: dict[str, str], stage: str) -> None:
    path = GOLDEN / f"{stage}.txt"
    if os.environ.get("GRAPHCOMP_UPDATE"):
        path.write_text(texts[stage] + "\n", encoding="utf-8")
    assert texts[stage] + "\n" == path.read_text(encoding="utf-8"), "if this is meant, set GRAPHCOMP_UPDATE=1 once"


def test_the_texts_are_the_same_in_every_process(texts: dict[str, str]) -> None:
    assert stages("2") == texts


def test_no_stage_is_forgotten(texts: dict[str, str]) -> None:
    assert tuple(texts) == STAGES
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(STAGES)
    assert not any(str(ROOT) in text or str(Path.home()) in text for text in texts.values())
