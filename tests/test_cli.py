"""The command line: what each command prints and writes, and one sentence with status 2 for every kind of bad input."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphcomp as gx
from graphcomp import cli
from graphcomp.render.output import SUFFIXES

ROOT = Path(__file__).parent.parent
LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
AT = ["--at", "x1=2", "x2=3"]


def run(*arguments: str) -> int:
    try:
        return cli.main(arguments)
    except SystemExit as stop:
        assert isinstance(stop.code, int)
        return stop.code


def separately(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`python -m graphcomp` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-m", "graphcomp", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)


# explain -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("evaluate", ["w₃ = w₁·w₂", "0.909", "6.909"]),
        ("forward", ["dw₅/dx₁", "2.584"]),
        ("reverse", ["dz/dw₁", "2.584"]),
    ],
)
def test_explain_prints_the_trace_tables(capsys: pytest.CaptureFixture[str], mode: str, expected: list[str]) -> None:
    assert run("explain", LECTURE, *AT, "--mode", mode) == 0
    output = capsys.readouterr().out
    assert all(text in output for text in expected)
    assert "\x1b" not in output


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_explain_writes_by_suffix(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    assert run("explain", LECTURE, *AT, "-o", str(path)) == 0
    assert path.stat().st_size > 300
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_explain_writes_a_folder_of_steps(tmp_path: Path) -> None:
    assert run("explain", LECTURE, *AT, "-o", str(tmp_path / "steps.svg"), "--frames") == 0
    assert len(list((tmp_path / "steps").glob("*.svg"))) == 5


def test_explain_writes_a_picture_that_moves(tmp_path: Path) -> None:
    assert run("explain", LECTURE, *AT, "-o", str(tmp_path / "out.svg"), "--animate") == 0
    assert "animat" in (tmp_path / "out.svg").read_text(encoding="utf-8")


def test_explain_asks_before_it_tells(tmp_path: Path) -> None:
    for options in [], ["--quiz", "--granularity", "contribution", "--mode", "both"]:
        assert run("explain", LECTURE, *AT, *options, "-o", str(tmp_path / f"{len(options)}.html")) == 0
    plain, quiz = ((tmp_path / f"{count}.html").read_text(encoding="utf-8") for count in (0, 5))
    assert plain != quiz


def test_explain_takes_arrays_and_signs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "sum(x*x) + y", "--at", "x=[1, 2, 3]", "y=-1e1", "--mode", "evaluate") == 0
    assert "4" in capsys.readouterr().out
    assert run("explain", "-x + 1", "--at", "x=2") == 0


def test_explain_by_some_variables_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", LECTURE, *AT, "--mode", "forward", "--wrt", "x2") == 0
    output = capsys.readouterr().out
    assert "dw₅/dx₂" in output and "dw₅/dx₁" not in output


# check, source, ops, info --------------------------------------------------------------------------------------------


def test_check_reports_agreement(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", LECTURE, *AT) == 0
    output = capsys.readouterr().out
    assert "2.58385316" in output and "WRONG" not in output


def test_check_of_a_wrong_derivative_has_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", "log(x)", "--at", "x=-1") == 1  # the reference has no value there, the derivative rule has one
    assert "WRONG" in capsys.readouterr().out


def test_source_shows_code_that_computes_the_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("source", "sin(x1) + x1*x2") == 0
    source = capsys.readouterr().out
    compile(source, "source", "exec")
    assert "= sin(v" in source and "= cos(v" in source and "step_" in source


def test_source_shows_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("source", "sin(x1) + x1*x2", "--stage", "all") == 0
    output = capsys.readouterr().out
    places = [output.index(f"# {stage}\n") for stage in cli.STAGES]
    assert places == sorted(places)
    assert run("source", "sin(x1) + x1*x2", "--stage", "scheduled") == 0
    assert "kernel 0" in capsys.readouterr().out


def test_ops_lists_every_op_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ops", "--markdown") == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(gx.ops.REGISTRY)
    assert next(row for row in rows if "`tanh`" in row).split("|")[4].strip() == "1 - out\\*\\*2"
    assert run("ops") == 0
    table = capsys.readouterr().out
    assert all(f"│ {name} " in table for name in gx.ops.REGISTRY)


def test_documented_ops_are_up_to_date() -> None:
    written = (ROOT / "docs/ops.md").read_text(encoding="utf-8")
    assert written == cli.ops_markdown(), "run `graphcomp ops --markdown > docs/ops.md`"


def test_info_names_versions_cache_and_devices(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "entries" / "program").mkdir(parents=True)
    (tmp_path / "entries" / "program" / "code").write_bytes(bytes(1500))
    monkeypatch.setenv("GRAPHCOMP_CACHE", str(tmp_path))
    assert run("info") == 0
    output = capsys.readouterr().out
    for name in [
        "graphcomp",
        "python",
        "numpy",
        "numba",
        "sympy",
        "networkx",
        "scipy",
        "BLAS",
        "vectors",
        "CUDA",
        "threads",
    ]:
        assert any(line.startswith(f"{name} ") for line in output.splitlines()), name
    assert f"{tmp_path} (1.5 kB of at most 1.1 GB)" in output


def test_sizes() -> None:
    assert [cli.size_text(size) for size in (0, 999, 1500, 2_500_000, 3 * 10**9, 4 * 10**12)] == [
        "0 bytes", "999 bytes", "1.5 kB", "2.5 MB", "3.0 GB", "4000.0 GB",
    ]  # fmt: skip


# bad input -----------------------------------------------------------------------------------------------------------

MISTAKES = {
    "an unknown name": (["explain", "sin(x1) + q", "--at", "x1=2"], "`q`"),
    "a missing value": (["check", "x1*x2", "--at", "x1=2"], "`x2`"),
    "no values": (["explain", "sin(x)"], "add --at x=1"),
    "a value for another name": (["explain", "sin(x)", "--at", "x=1", "y=2"], "`y`"),
    "a value twice": (["explain", "sin(x)", "--at", "x=1", "--at", "x=2"], "twice"),
    "a bad number": (["explain", "sin(x)", "--at", "x=two"], "'two'"),
    "a bad array": (["explain", "sin(x)", "--at", "x=[1, [2]]"], "x"),
    "an array of texts": (["explain", "sin(x)", "--at", 'x=["a"]'], "x"),
    "an infinite value": (["explain", "sin(x)", "--at", "x=1e400"], "finite"),
    "no equals sign": (["explain", "sin(x)", "--at", "x"], "x1=2"),
    "shapes that do not fit": (["explain", "sum(x*y)", "--at", "x=[1,2]", "y=[1,2,3]"], "2"),
    "code": (["explain", "__import__('os').system('touch executed')"], "not allowed"),
    "code in an argument": (["check", "sin(x)", "--at", "x=__import__('os').system('touch executed')"], "no number"),
    "an attribute": (["source", "x.real"], "x.real"),
    "a lambda": (["source", "(lambda: 1)()"], "not allowed"),
    "a comprehension": (["source", "sum([i for i in x])"], "not allowed"),
    "a text": (["source", "'abc'"], "not allowed"),
    "an unknown function": (["source", "foo(x)"], "`foo`"),
    "too many arguments": (["source", "sin(x, y, z)"], "sin"),
    "a syntax error": (["source", "sin(x"], "cannot be read"),
    "nothing": (["source", ""], "empty"),
    "a null byte": (["source", "x\0y"], "cannot be read"),
    "deep nesting": (["source", "(" * 3000 + "x" + ")" * 3000], ""),
    "a huge number": (["source", "x + " + "9" * 400], "too large"),
    "a condition": (["source", "x < y"], "bool"),
    "nothing to differentiate": (["check", "x < 2", "--at", "x=1"], "differentiate"),
    "a constant": (["check", "1 + 2"], "differentiate"),
    "an unknown suffix": (["explain", "sin(x)", "--at", "x=1", "-o", "out.xyz"], ".xyz"),
    "no suffix": (["explain", "sin(x)", "--at", "x=1", "-o", "out"], "suffix"),
    "an unwritable place": (["explain", "sin(x)", "--at", "x=1", "-o", "missing/out.svg"], "missing"),
    "a folder": (["explain", "sin(x)", "--at", "x=1", "-o", "folder.svg"], "folder.svg"),
    "frames of no file": (["explain", "sin(x)", "--at", "x=1", "--frames"], "-o"),
    "an unknown mode": (["explain", "sin(x)", "--at", "x=1", "--mode", "sideways"], "sideways"),
    "derivatives by no variable": (["explain", "sin(x)", "--at", "x=1", "--wrt", "q"], "q"),
    "too many digits": (["explain", "sin(x)", "--at", "x=1", "--digits", "99"], "digits"),
    "order zero": (["check", "sin(x)", "--at", "x=1", "--order", "0"], "order"),
    "an unknown command": (["differentiate", "x"], "differentiate"),
    "an unknown option": (["ops", "--colour"], "--colour"),
    "no command": ([], "COMMAND"),
    "a demo in a file": (["demo", "-o", "file"], "file"),
    "a demo without epochs": (["demo", "--epochs", "0"], "epoch"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_bad_input_is_one_sentence_and_status_2(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, expected = MISTAKES[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").write_text("mine")
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("graphcomp: ") and captured.err.count("\n") == 1
    assert expected in captured.err and "Traceback" not in captured.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "folder.svg"]
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert run("explain", "sin(x)", "--at", "x=1", "-o", str(tmp_path / "out.svg")) == 2
    assert "cannot write" in capsys.readouterr().err
    tmp_path.chmod(0o700)


# as a process --------------------------------------------------------------------------------------------------------


def test_the_module_runs_as_a_command() -> None:
    result = separately("--version")
    assert (result.returncode, result.stdout.strip()) == (0, f"graphcomp {gx.__version__}")
    result = separately("explain", "sin(x)", "--at", "y=1")
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_a_terminal_without_unicode_shows_other_signs() -> None:
    result = separately("explain", LECTURE, *AT, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert result.returncode == 0 and "6.909" in result.stdout


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{json.dumps(sys.executable)} -m graphcomp ops | head -n 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=environment)
    assert result.stdout and result.stderr == ""


def test_colours_only_on_a_terminal_and_unless_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert not cli.colours()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not cli.colours()


# the demo ------------------------------------------------------------------------------------------------------------


def test_demo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """All of it: 98 % of the digits held out is what it promises."""
    folder = tmp_path / "shown"
    assert run("demo", "--output", str(folder)) == 0
    output = capsys.readouterr().out
    values = [line.split("│")[2].strip() for line in output.splitlines() if line.startswith("│ w")][:5]
    assert values == ["2", "3", "6", "0.909", "6.909"]
    wanted = (
        "= 2.584 ",
        "dz/dw₂ = dz/dw₃·dw₃/dw₂ = 1·w₁ = 1·2 = 2 ",
        "derived and numerical values agree",
        "steps per second",
        str(folder),
    )
    for text in wanted:
        assert text in " ".join(output.split()), text
    for mode in ("evaluate", "forward", "reverse"):
        for suffix in ("html", "pdf", "svg", "png"):
            assert (folder / f"{mode}.{suffix}").stat().st_size > 1000
        assert list((folder / f"{mode}_steps").glob("*.svg"))
    assert (folder / "cnn.safetensors").stat().st_size > 50_000


def test_a_demo_that_does_not_reach_its_promise_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("demo", "--output", str(tmp_path), "--epochs", "1") == 1
    assert "wanted: 98%" in capsys.readouterr().out
