"""The measure of speed: every workload's derivatives are right in every framework, and what is wrong is not timed."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.bench import WORKLOADS, Bench, Goal, Measured, Problem, Result, Settings, Spread
from graphcomp.bench.command import chosen_peers, interpreters, selected
from graphcomp.bench.count import flops, work_of
from graphcomp.bench.measure import Bench as _Bench
from graphcomp.bench.ours import PICKLE, Graphcomp
from graphcomp.bench.peers import candidate as candidates
from graphcomp.bench.peers.candidate import Assignment
from graphcomp.bench.plot import ratio_scene, write_plot
from graphcomp.bench.process import Process, WorkerError, environment
from graphcomp.bench.reference import Reference, computed, disagreement
from graphcomp.bench.report import markdown, reasons, to_json, warnings
from graphcomp.bench.workload import RATES, Workload, named, with_floats
from graphcomp.cli import main
from graphcomp.errors import InputError, RenderError
from graphcomp.render.scene import Words
from graphcomp.run.machine import copy_seconds, matrix_peak
from graphcomp.trace.tree import leaves, tree_map

TASKS = [(name, task) for name, workload in WORKLOADS.items() for task in workload.tasks]
PEERS = Path(candidates.__file__).parent


@pytest.fixture(autouse=True)
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic data, wherever the tests run."""
    monkeypatch.delenv("GRAPHCOMP_DATA", raising=False)


def assignment(workload: Workload, problem: Problem, task: str, file: Path) -> Assignment:
    model, data = (with_floats(part, workload.dtype) for part in problem.inputs(task))
    file.with_suffix(PICKLE).write_bytes(pickle.dumps(problem))
    rate, settings = RATES.get(task, 0.0), dict(problem.settings)
    return Assignment(str(file), workload.name, task, workload.dtype, 1, rate, settings, named(model), data)


def checked(candidate: candidates.Candidate, name: str, task: str, folder: Path) -> str:
    """What is wrong with a candidate's results for a task of small size, in any of its variants."""
    workload = WORKLOADS[name]
    problem = workload.problem(small=True)
    wanted = Reference(problem, workload.dtype).wanted(task)
    given = assignment(workload, problem, task, folder / "problem.npz")
    candidate.prepare(given)
    for variant in [*candidate.variants()] or [""]:
        if variant:
            candidate.choose(variant)
        candidate.reset()
        wrong = disagreement(task, candidate.check(), wanted, given.parameters, workload.dtype)
        if wrong:
            return f"{variant}: {wrong}"
    return ""


# the mathematics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORKLOADS)
def test_gradients_are_slopes(name: str) -> None:
    """In float64 the gradient along a random direction is the slope of the loss."""
    problem = WORKLOADS[name].problem(small=True)
    model, data = with_floats(problem.model, "float64"), with_floats(problem.data, "float64")
    generator = np.random.default_rng(1)
    direction = tree_map(lambda leaf: generator.standard_normal(leaf.shape), model)

    def at(step: float) -> float:
        moved = tree_map(lambda leaf, along: leaf + step * along, model, direction)
        return float(computed(problem.loss, moved, data))

    gradient = gx.grad(problem.loss)(model, data)
    slope = sum(float(np.vdot(g, along)) for g, along in zip(leaves(gradient), leaves(direction)))
    step = 1e-6  # small, so that no ReLU and no maximum changes sides
    assert (at(step) - at(-step)) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_pytorch_agrees(name: str, task: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from graphcomp.bench.peers.with_torch import Eager

    assert checked(Eager(), name, task, tmp_path) == ""


@pytest.mark.parametrize(("name", "task"), TASKS)
def test_jax_agrees(name: str, task: str, tmp_path: Path) -> None:
    pytest.importorskip("jax")
    from graphcomp.bench.peers.with_jax import Jax

    assert checked(Jax(), name, task, tmp_path) == ""


@pytest.mark.parametrize(("name", "task"), [("sin", "gradient"), ("mlp", "sgd"), ("mlp", "adam"), ("mlp", "infer")])
def test_the_compiled_task_agrees(name: str, task: str, tmp_path: Path) -> None:
    """What is timed is what is compared. (Compiling them all takes minutes; the command does it at every run.)"""
    assert checked(Graphcomp(), name, task, tmp_path) == ""


def test_forty_operations() -> None:
    problem = WORKLOADS["formula"].problem(small=True)
    graph = gx.trace(problem.loss, problem.model, problem.data)
    ops = [gx.ops.REGISTRY[graph.node(id).op] for id in graph.reachable()]
    assert sum(op.kind == "elementwise" for op in ops) == 40


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_seed_gives_the_same_arrays(name: str) -> None:
    first, second = (WORKLOADS[name].problem(small=True, seed=3) for _ in range(2))
    for one, other in zip(leaves((first.model, first.data)), leaves((second.model, second.data))):
        np.testing.assert_array_equal(one, other)


def test_real_data_are_told_from_synthetic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "synthetic" in WORKLOADS["lstm"].problem(small=True).note
    (tmp_path / "tinyshakespeare").mkdir()
    (tmp_path / "tinyshakespeare" / "input.txt").write_text("to be or not to be" * 9)
    monkeypatch.setenv("GRAPHCOMP_DATA", str(tmp_path))
    problem = WORKLOADS["lstm"].problem(small=True)
    assert problem.note == "tiny Shakespeare" and problem.data["letters"].max() < 7
    np.testing.assert_array_equal(problem.data["letters"][:, 1:], problem.data["following"][:, :-1])


# what is wrong is not timed -------------------------------------------------------------------------------------------


def test_a_wrong_gradient_is_named() -> None:
    wanted = {"loss": np.asarray(1.0), "a": np.array([1.0, 2.0]), "b": np.array([3.0])}
    start = {"a": np.array([5.0, 5.0], "float32"), "b": np.array([5.0], "float32")}
    right = {name: value.astype("float32") for name, value in wanted.items()}
    assert disagreement("adam", right, wanted, start, "float32") == ""
    wrong = {**right, "a": np.array([1.0, 2.01], "float32")}
    assert disagreement("adam", wrong, wanted, start, "float32").startswith("`a` differs from float64 by 4.5e-03")
    assert disagreement("adam", {**right, "b": np.array([np.nan])}, wanted, start, "float32").startswith("`b`")
    assert disagreement("adam", {"loss": right["loss"]}, wanted, start, "float32") == "there is no `a`"
    assert disagreement("infer", {**right, "b": np.ones(2)}, wanted, {}, "float32") == "`b` is (2,), not (1,)"


def test_the_step_of_sgd_is_compared_by_what_it_moved() -> None:
    """The parameter itself agrees to four digits, what it moved does not."""
    start = {"a": np.full(4, 1.0, "float32")}
    wanted = {"a": np.full(4, 1.0 - 1e-3)}
    assert disagreement("sgd", {"a": np.full(4, 1.0 - 1e-3, "float32")}, wanted, start, "float32") == ""
    assert disagreement("sgd", {"a": np.full(4, 1.0 - 1.1e-3, "float32")}, wanted, start, "float32") != ""


def test_a_candidate_with_a_wrong_gradient_has_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def off(self: Reference, task: str) -> dict[str, np.ndarray]:
        wanted = truth(self, task)
        return {**wanted, "x2": wanted["x2"] * 1.01}

    truth = Reference.wanted
    monkeypatch.setattr(Reference, "wanted", off)
    (result,) = measured("sin", ["gradient"])
    found = result.measured["graphcomp"]
    assert found.times == [] and result.ratio is None and result.verdict == "unknown"
    assert found.reason.startswith("not timed, because `x2` differs from float64")


# measuring -----------------------------------------------------------------------------------------------------------


def measured(name: str, tasks: list[str], **peers: str) -> list[Result]:
    settings = Settings(peers, sys.executable, 1, rounds=2, block=0.01, pause=0.0, starts=False, small=True)
    return Bench(settings).workload(WORKLOADS[name], tasks)


def test_a_task_is_measured_in_processes_of_its_own() -> None:
    """`sin` by its copy; a peer that is not there is said, and stops nothing."""
    (result,) = measured("sin", ["gradient"], pytensor=sys.executable)
    ours, theirs = result.measured["graphcomp"], result.measured["pytensor"]
    assert len(ours.times) == 2 and min(ours.times) > 0 and ours.version == f"graphcomp {gx.__version__}"
    assert result.rival == "copy" and result.ratio is not None and result.ratio.low <= result.ratio.median
    assert set(ours.memory) == {"peak", "arena", "arguments"} and ours.memory["arguments"] == 2 * 37 * 4
    assert theirs.times == [] and theirs.reason.startswith("not installed (No module named 'pytensor')")
    figures = json.loads(to_json([result], {"threads": 1}))
    assert figures["results"][0]["candidates"]["graphcomp"]["block_seconds"] == ours.times
    assert "--python pytensor=PATH" in next(reasons([result]))


def test_the_gradient_is_compared_with_the_objective() -> None:
    def result(task: str, times: list[float]) -> Result:
        goal = WORKLOADS["gmm"].tasks[task]
        return Result("gmm", task, "", goal, None, 1.0, "", {"graphcomp": Measured("graphcomp", times=times)})  # type: ignore[arg-type]

    from graphcomp.bench.measure import _compare_tasks

    objective, gradient = result("objective", [1.0, 3.0]), result("gradient", [6.0, 6.0])
    _compare_tasks([objective, gradient])
    assert gradient.rival == "objective" and gradient.ratio == Spread(3.0, 3.0, 3.0) and gradient.verdict == "met"
    assert objective.ratio is None


def test_ratios_are_of_the_fastest_peer_within_a_round() -> None:
    from graphcomp.bench.measure import _compare

    times = {"graphcomp": [1.0, 2.0, 9.0], "torch": [2.0, 4.0, 3.0], "jax": [5.0, 5.0, 5.0]}
    found = {name: Measured(name, times=values) for name, values in times.items()}
    result = Result("mlp", "sgd", "", Goal(0.6, 0.3), None, 1.0, "", found)  # type: ignore[arg-type]
    _compare(result, 0.0)
    assert result.rival == "torch" and result.ratio == Spread(0.5, 0.5, 1.75) and result.verdict == "met"


@pytest.mark.parametrize("module", ["graphcomp", "graphcomp.bench.ours"])
def test_a_start_is_not_that_of_packages_which_it_does_not_need(module: str) -> None:
    """All of these are slow, and are imported where something asks for them."""
    slow = ["numba", "networkx", "matplotlib", "scipy.linalg", "scipy.sparse", "scipy.special", "numpy.random"]
    program = f"import sys, {module}; print([name for name in {slow} if name in sys.modules])"
    variables = {**os.environ, "PYTHONPATH": str(Path(gx.__file__).parents[1])}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, env=variables)
    assert found.stdout == "[]\n", found.stdout + found.stderr


def test_workers_find_bytecode_as_installed_packages_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of who measures would have every start of ours compile the package's modules anew."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("GRAPHCOMP_TEST_OF_WORKERS", "kept")
    found = environment(1, tmp_path)
    assert "PYTHONDONTWRITEBYTECODE" not in found and found["GRAPHCOMP_TEST_OF_WORKERS"] == "kept"


def test_the_protocol(tmp_path: Path) -> None:
    """A request that fails is answered and the process goes on; one that has ended is an error with its last words."""
    with Process("graphcomp", sys.executable, 1, tmp_path) as process:
        with pytest.raises(WorkerError, match="FileNotFoundError"):
            process.ask({"do": "prepare", "problem": "/nowhere", "workload": "mlp", "task": "sgd", "dtype": "float32",
                         "threads": 1, "rate": 0.1, "settings": {}})  # fmt: skip
        with pytest.raises(WorkerError, match="AttributeError"):
            process.ask({"do": "nonsense"})
    with (
        Process("nobody", sys.executable, 1, tmp_path) as process,
        pytest.raises(WorkerError, match="KeyError: 'nobody'"),
    ):
        process.ask({"do": "memory"})
    with pytest.raises(WorkerError, match="cannot be started"):
        Process("torch", str(tmp_path / "python"), 1, tmp_path)


def test_peers_import_nothing_of_graphcomp() -> None:
    """They run in interpreters that may lack what it needs, and are measured without it."""
    for path in PEERS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1 and not (node.module or "").startswith("graphcomp"), path
            elif isinstance(node, ast.Import):
                assert not any(alias.name.startswith("graphcomp") for alias in node.names), path


# floors --------------------------------------------------------------------------------------------------------------


def test_work_is_counted_from_the_graph() -> None:
    problem = WORKLOADS["mlp"].problem(small=True)
    work = work_of(problem, "infer")
    sizes = [(784, 12), (12, 7), (7, 10)]
    assert work.products == sum(2 * a * b for a, b in sizes)
    assert work.bytes == 4 * (784 + sum(a * b + b for a, b in sizes) + 10)
    step = work_of(problem, "sgd")  # forward, and backward by the weights and by all inputs but the images
    assert step.products == 5 * (3 * work.products - 2 * 784 * 12)


def test_the_body_of_a_loop_counts_for_each_turn() -> None:
    def loop(x: Any, w: Any) -> Any:
        return gx.scan(lambda c, _: (c @ w, None), x, None, length=7)[0]

    graph = gx.trace(loop, np.ones((2, 3)), np.ones((3, 3)))
    assert flops(graph) == (7 * 2 * 2 * 3 * 3, 0.0)


def test_the_machine_is_measured() -> None:
    assert 1e8 < matrix_peak(1) < 1e14
    assert 0 < copy_seconds(1000, 1) < copy_seconds(10_000_000, 1)


# the command ---------------------------------------------------------------------------------------------------------


def test_names() -> None:
    assert selected(["mlp/adam", "sin", "mlp/sgd"]) == {"sin": ["gradient"], "mlp": ["sgd", "adam"]}
    assert list(selected([])) == list(WORKLOADS)
    assert chosen_peers("jax,torch") == ["jax", "torch"] and chosen_peers("none") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing"], "there is no workload 'nothing'; there are sin, formula, mlp"),
        (["mlp/nothing"], "mlp has no task 'nothing'; it has sgd, adam, infer"),
        (["mlp", "--peers", "theano"], "there is no peer 'theano'; there are torch, torch-compile, jax, pytensor"),
        (["mlp", "--python", "theano=/bin/sh"], "there is no peer 'theano'"),
        (["mlp", "--python", "torch=/nowhere/python"], "'/nowhere/python' is no interpreter"),
        (["mlp", "--threads", "0"], "--threads is from 1 to"),
        (["mlp", "--rounds", "0"], "--rounds is at least 1"),
        (["mlp", "--plot", "a.gif"], "ratios are drawn to .svg, .png, .pdf"),
        (["mlp", "--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at"),
    ],
)
def test_bad_options_are_one_sentence(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert told in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_interpreters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GRAPHCOMP_BENCH_PYTHON", raising=False)
    assert interpreters(["torch"], []) == {"torch": sys.executable}
    monkeypatch.setenv("GRAPHCOMP_BENCH_PYTHON", "/bin/sh jax=/bin/cat")
    assert interpreters(["torch", "jax"], []) == {"torch": "/bin/sh", "jax": "/bin/cat"}
    assert interpreters(["jax"], ["jax=/bin/ls"]) == {"jax": "/bin/ls"}
    with pytest.raises(InputError):
        interpreters(["jax"], ["jax="])


def test_the_command_writes_what_it_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("graphcomp.bench.command.Bench", lambda settings, tell: _Bench(small(settings), tell))
    files = [tmp_path / name for name in ("a.json", "a.svg", "a.md")]
    options = ["bench", "sin", "--peers", "none", "--quick", "--rounds", "1", "--threads", "1"]
    assert main([*options, "--json", str(files[0]), "--plot", str(files[1]), "--markdown", str(files[2])]) == 0
    assert "sin/gradient" in capsys.readouterr().out
    figures = json.loads(files[0].read_text())
    assert figures["machine"]["threads"] == 1 and figures["results"][0]["must"] == 1.1
    assert "sin/gradient" in files[1].read_text() and files[2].read_text().startswith("| task | time | floor |")


def small(settings: Settings) -> Settings:
    return Settings(settings.peers, settings.interpreter, 1, 1, 0.01, 0.0, starts=False, small=True)


def test_the_list_of_workloads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(WORKLOADS) and lines[2].split()[0] == "mlp" and "(sgd, adam, infer)" in lines[2]


# the picture and the tables ------------------------------------------------------------------------------------------


def result(ratio: float | None, **changes: Any) -> Result:
    found = {"graphcomp": Measured("graphcomp", times=[1e-3]), "torch": Measured("torch", reason="it is not there.")}
    spread = None if ratio is None else Spread(ratio, ratio * 0.9, ratio * 1.1)
    work = work_of(WORKLOADS["sin"].problem(small=True), "gradient")
    values = {"busy": 0.0, "rival": "torch", "ratio": spread, **changes}
    return Result("mlp", "sgd", "MLP", Goal(0.6, 0.3), work, 1e-4, "MNIST", found, **values)


def test_the_picture_has_no_words_over_one_another(tmp_path: Path) -> None:
    scene = ratio_scene([result(ratio) for ratio in (0.011, 0.5, 3.0, 70.0)])
    words = [item for item in scene.primitives if isinstance(item, Words)]
    for index, one in enumerate(words):
        assert one.box.left >= 0 and one.box.right <= scene.width
        assert not any(one.box.meets(other.box, 0.5) for other in words[index + 1 :])
    for suffix in (".svg", ".png", ".pdf"):
        assert write_plot([result(0.5)], tmp_path / f"ratios{suffix}").stat().st_size > 1000
    with pytest.raises(RenderError, match="nothing to draw"):
        ratio_scene([result(None)])


def test_the_table() -> None:
    lines = markdown([result(0.5), result(None, busy=1.5)]).splitlines()
    assert lines[2] == "| mlp/sgd | 1 ms | 100 µs | torch | – | 0.50 | 0.45–0.55 | 0.60 | 0.30 | met |"
    assert "- torch (mlp/sgd, mlp/sgd): it is not there." in lines and "- mlp: MNIST" in lines
    assert next(warnings([result(None, busy=1.5)])).startswith("Other programs were running (mlp/sgd)")
    assert not list(warnings([result(None)]))


@pytest.mark.parametrize("found", [[], [Path("a program")]])
def test_the_import_of_the_compiler_is_no_part_of_a_cold_start(
    found: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    imports: list[bool] = []
    monkeypatch.setattr("graphcomp.bench.ours.entries", lambda: found)
    monkeypatch.setattr("graphcomp.bench.ours.compiler", lambda: imports.append(True))
    Graphcomp()
    assert imports == [True] * (not found)
