"""The documents are executed: every ```python block, in order, and what it prints is compared with the ```text block
that follows it. "…" or "..." in such a block stands for anything.

GRAPHCOMP_UPDATE=1 writes the blocks anew where they differ.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    "README.md",
    *(
        f"docs/{path.name}"
        for path in sorted((ROOT / "docs").glob("*.md"))
        if "```python" in path.read_text(encoding="utf-8")
    ),
]
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n^```text\n(?P<shown>.*?)^```\n)?", re.MULTILINE | re.DOTALL)

RUNNER = """
import contextlib, io, json, sys
sys.stdout.reconfigure(encoding="utf-8")
names = {"__name__": "document"}
printed = []
for code, where in json.load(sys.stdin):
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, where, "exec"), names)
    printed.append(output.getvalue())
print(json.dumps(printed))
"""


def same(shown: str, printed: str) -> bool:
    wanted, got = (text.rstrip() + "\n" for text in (shown.replace("…", "..."), printed))
    return doctest.OutputChecker().check_output(wanted, got, doctest.ELLIPSIS)


def without_keys(text: str) -> str:
    """Content hashes change with every change of the generated code; a document does not show them."""
    return re.sub(r"\b[0-9a-f]{24}\b|(?<=_)[0-9a-f]{24}\b", "…", text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_runs_and_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    path = ROOT / name
    text = path.read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    assert blocks, "the document has no code"
    codes = [(block["code"], f"{name}:{text[: block.start()].count(chr(10)) + 2}") for block in blocks]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
    result = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(codes), capture_output=True, encoding="utf-8", cwd=tmp_path,
        env=environment, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout.splitlines()[-1])
    if os.environ.get("GRAPHCOMP_UPDATE"):
        path.write_text(updated(text, blocks, printed), encoding="utf-8")
        return
    for block, (_, where), output in zip(blocks, codes, printed):
        if block["shown"] is not None:
            assert same(block["shown"], output), f"{where} printed\n{output}"


def updated(text: str, blocks: list[re.Match[str]], printed: list[str]) -> str:
    for block, output in reversed(list(zip(blocks, printed))):
        if block["shown"] is not None and not same(block["shown"], output):
            text = text[: block.start("shown")] + without_keys(output.rstrip() + "\n") + text[block.end("shown") :]
    return text


@pytest.mark.parametrize("path", [*sorted(ROOT.glob("docs/*.md")), ROOT / "README.md"], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        assert link.startswith("https://") or (path.parent / link).exists(), f"{path.name} links to {link}"


def test_readme_has_the_two_commands_that_ci_runs() -> None:
    commands = re.findall(r"^pip install .*&&.*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["pip install . && graphcomp demo", "pip install -e '.[test]' && pytest"]


def test_readme_trains_the_network_in_ten_lines() -> None:
    codes = [block["code"] for block in BLOCK.finditer((ROOT / "README.md").read_text(encoding="utf-8"))]
    (training,) = [code for code in codes if "train.fit" in code]
    assert len([line for line in training.splitlines() if line.strip()]) <= 10


def test_the_checker_finds_what_differs() -> None:
    assert same("a … c\n", "a b c\n") and not same("a\n", "b\n")
    text = "```python\nprint(1)\n```\n\n```text\n2\n```\n"
    assert updated(text, list(BLOCK.finditer(text)), ["1\n"]).endswith("```text\n1\n```\n")
