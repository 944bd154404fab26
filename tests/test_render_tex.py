r"""The Beamer document: readable, safe, and compiled by TeX where there is one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from graphcomp.render import Story, explain
from graphcomp.render.tikz import tex_mathematics, tex_text
from graphcomp.trace import trace

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"


def has_beamer(engine: str) -> bool:
    """Whether this machine has the engine, and the packages that the file uses."""
    if shutil.which(engine) is None or shutil.which("kpsewhich") is None:
        return False
    return all(
        subprocess.run(["kpsewhich", name], capture_output=True).stdout
        for name in ("beamer.cls", "tikz.sty", "lmodern.sty", "amssymb.sty", "fontspec.sty")
    )


@pytest.fixture(scope="module")
def stories() -> dict[str, Story]:
    graph = trace(LECTURE)
    names = ("<script>alert(1)</script>", "\"quote' & ]]> <!--", "L" * 300, "مرحبا \u202e日本 é $x_1$ \\input{a} %|*_")
    graph.names = dict(zip(names, (*graph.inputs, 2, graph.outputs[0]), strict=True))
    return {
        "lecture": explain(LECTURE, at={"x1": 2, "x2": 3}),
        "hostile": explain(graph, at=(2, 3), notation="bar"),
        "large": explain("z = sqrt(abs(a/b)) - exp(-a)**2 + maximum(a, b)", at={"a": 2, "b": 3}, mode="forward"),
    }


def test_the_source_is_readable_ascii_with_overlays(stories: dict[str, Story], tmp_path: Path) -> None:
    text = stories["lecture"].save(tmp_path / "story.tex").read_text(encoding="utf-8")
    assert text.isascii()
    assert r"w_{1} = x_{1}" in text and r"\cos w_{1}" in text
    assert text.count(r"\begin{frame}") == 1
    overlays = {int(number) for spans in re.findall(r"\\only<([^>]*)>", text) for number in re.findall(r"\d+", spans)}
    assert max(overlays) == 5
    assert text.count("% node:") == 5 and text.count("% edge:") >= 5
    assert max(map(len, text.splitlines())) < 400


def test_every_name_is_literal(stories: dict[str, Story]) -> None:
    assert stories["hostile"].tex().isascii()
    assert r"\input{" not in stories["hostile"].tex()
    assert tex_text("a_1 & 50% {x} \\y ~ ^ # $") == (
        r"a\_1 \& 50\% \{x\} \textbackslash{}y \textasciitilde{} \textasciicircum{} \# \$"
    )
    assert tex_text("<!--") == r"\textless{}!-{}-{}"
    assert tex_text("w̄₃ · 日") == r"\ensuremath{\bar{\mathrm{w}}}\ensuremath{_{3}} \ensuremath{\cdot} \sign{65E5}"
    assert tex_mathematics("α") == r"\alpha " and tex_mathematics("w\u0307") == r"\dot{w}"


@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
@pytest.mark.parametrize("name", ["lecture", "hostile", "large"])
def test_tex_makes_a_page_for_each_frame(engine: str, name: str, stories: dict[str, Story], tmp_path: Path) -> None:
    if not has_beamer(engine):
        pytest.skip(f"no {engine} with Beamer on this machine")
    if engine == "lualatex" and name == "large":
        pytest.skip("pdflatex shows the same")
    story = stories[name]
    story.save(tmp_path / "story.tex")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "story.tex"]
    for _ in range(2):
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=240)
        assert run.returncode == 0, run.stdout.decode(errors="replace")[-1500:]
    pages = re.search(rb"Output written on story\.pdf\s*\((\d+)\s*pages?", run.stdout)
    assert pages and int(pages[1]) == len(story.frames)
    assert b"Overfull" not in run.stdout
