"""Compile stories: rewrites before and after, exact to the simplifier; kernels linked with their source; the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn, optim, train
from graphcomp.cli import main
from graphcomp.graph import Graph
from graphcomp.render.compilation.record import compiled
from graphcomp.render.compilation.rewrites import Change, Walk
from graphcomp.render.compilation.sourcing import listing
from graphcomp.render.compile_story import CompileStory, compile_story
from graphcomp.render.scene import Formula, Words, collisions
from graphcomp.run import interpret
from graphcomp.schedule.program import ProductKernel, written
from graphcomp.simplify import simplify
from graphcomp.simplify.simplify import rounds
from graphcomp.trace import trace

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
FORMULAS = {
    "lecture": LECTURE,
    "reciprocal": "log(exp(x1) + exp(x2))*1 + x1*x2",
    "stabilised": "log(exp(x)) + 1/(1 + exp(-x))",
    "hostile": "1*x",
}


def training_step() -> tuple[Any, tuple[Any, ...]]:
    """A small convolutional network's step with Adam."""
    model = nn.Sequential(
        nn.Conv2d.create(1, 4, 3, padding=1, key=0), nn.relu, nn.MaxPool2d(2), nn.flatten,
        nn.Linear.create(64, 8, key=1), nn.relu, nn.Linear.create(8, 3, key=2),
    )  # fmt: skip
    optimizer = optim.adam(1e-3)
    step = gx.jit(train.train_step(nn.softmax_cross_entropy, optimizer), donate=(0, 1))
    batch = (np.zeros((2, 1, 8, 8), "float32"), np.zeros(2, "int64"))
    return step, (model, optimizer.init(model), batch)


@pytest.fixture(scope="module")
def network() -> CompileStory:
    return compile_story(*training_step())


@pytest.fixture(scope="module")
def lecture() -> CompileStory:
    return compile_story(LECTURE)


def state_graph(walk: Walk, change: Change, done: bool) -> Graph:
    """The graph just before or just after a change, as a graph that can be run."""
    graph = Graph(arrays=walk.round.before.arrays)
    ids: dict[Any, int] = {}
    keys = walk.needed(change, done) | {walk.resolved(id, change, done) for id in walk.round.before.inputs}
    for key in sorted(keys, key=lambda key: (key[0] == "old", key[1])):
        node = walk.node(key)
        ids[key] = graph.add(
            node.op, tuple(ids[source] for source in walk.inputs(key, change, done)), node.attributes, node.type
        )
    graph.inputs = [ids[walk.resolved(id, change, done)] for id in walk.round.before.inputs]
    graph.outputs = [ids[walk.resolved(id, change, done)] for id in walk.round.before.outputs]
    return graph


@pytest.mark.parametrize("name", FORMULAS)
def test_every_state_between_two_rewrites_computes_the_same(name: str) -> None:
    record = compiled(FORMULAS[name])
    for _, walk in record.walks:
        values = [0.3 + 0.4 * place for place in range(len(walk.round.before.inputs))]
        expected = interpret(walk.round.before, values)
        for change in walk.changes:
            assert change.before in walk.needed(change, False) and change.before not in walk.needed(change, True)
            for done in (False, True):
                found = interpret(state_graph(walk, change, done), values)
                np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_rewrites_are_those_of_the_simplifier() -> None:
    graph = trace(gx.grad(lambda x: np.log(np.exp(x) + np.exp(2 * x)) * 1), 0.3)
    done, told = simplify(graph), list(rounds(graph))
    assert list(told[-1].after.nodes()) == list(done.graph.nodes())
    named = [rewrite for walk in told for placed in walk.placed.values() for rewrite in placed.rewrites]
    assert named == done.history


def test_the_passes_are_listed_with_nodes_and_times(lecture: CompileStory) -> None:
    passes = [(done.name, done.leaves) for done in lecture.compilation.passes]  # type: ignore[union-attr]
    assert passes[:5] == [
        ("trace", "5 nodes"), ("stabilise", "5 nodes"), ("derive", "11 nodes"), ("simplify", "7 nodes"),
        ("schedule", "1 kernel"),
    ]  # fmt: skip
    assert all(done.seconds is not None and done.seconds > 0 for done in lecture.compilation.passes)  # type: ignore
    assert "derive: 11 nodes, simplify: 7 nodes, schedule: 1 kernel," in lecture.frames[0].sentence
    assert re.search(r"derive +│ 11 nodes +│ +[\d.]+ ms", lecture.terminal(width=100))


def test_a_compilation_is_told_rewrite_by_rewrite(lecture: CompileStory) -> None:
    rewrites = [frame for frame in lecture.frames[1:] if not frame.region]
    assert [frame.equation[0].plain() for frame in rewrites] == ["w₇ = w₅·1", "w₈ = w₁·1", "w₉ = w₂·1"]
    assert [frame.equation[1].plain() for frame in rewrites] == ["w₅", "w₁", "w₂"]
    assert all("multiply by one" in frame.sentence for frame in rewrites)
    assert [rule.plain() for rule in lecture.steps[1].rules] == ["x·1 → x"]


def test_the_difference_is_marked_by_more_than_colour(lecture: CompileStory) -> None:
    before, after = lecture.steps[1].panes
    assert [card.title.plain() for card in before.cards if card.mark == "removed"] == ["w₇ = w₅·1"]
    assert [card.title.plain() for card in after.cards if card.mark] == ["w₅ = cos w₁"]
    assert {link.mark for link in before.links} == {"", "removed"}
    assert {link.mark for link in after.links} == {"", "added"}
    signs = [item.text for item in lecture.scene.at(1).primitives if isinstance(item, Words) and item.owner]
    assert "−" in signs and "=" in signs


def test_what_both_graphs_show_stands_at_the_same_place(lecture: CompileStory) -> None:
    cards = {item.owner.partition(":")[2]: item.box for item in lecture.scene.at(1).primitives if item.role == "card"}
    shared = [owner[7:] for owner in cards if owner.startswith("before:") and f"after:{owner[7:]}" in cards]
    moves = {(round(a.left - b.left), round(a.top - b.top)) for a, b in ((cards[f"before:{key}"], cards[f"after:{key}"])
                                                                         for key in shared)}  # fmt: skip
    assert len(shared) >= 2 and len(moves) == 1


def test_a_rule_applied_often_is_told_once() -> None:
    told = compile_story(" + ".join(f"a{number}*1" for number in range(1, 9)))
    (step,) = [step for step in told.steps if step.name == "multiply by one" and step.times >= 8]
    assert "8 times (multiply ×8)" in step.sentence or "16 times" in step.sentence
    assert step.panes[0].heading == "Before, around the rewrite"


def test_kernels_are_regions_with_their_source(lecture: CompileStory) -> None:
    step = lecture.steps[-1]
    assert step.kernel == 0 and any("= sin(v" in line.text for line in step.lines)
    assert lecture.frames[-1].region
    inputs = {node.id for node in lecture.nodes if node.role == "input"}
    assert set(lecture.frames[-1].region.nodes) | inputs == {node.id for node in lecture.nodes}
    drawn = {card.key for card in step.panes[0].cards}
    assert set(step.panes[0].regions[0]) <= drawn
    numbered = {line.number: line.text for line in step.lines}
    whole = lecture.compilation.source.text.splitlines()  # type: ignore[union-attr]
    assert all(whole[number - 1] == text for number, text in numbered.items())


def test_every_value_that_a_kernel_stores_has_lines(network: CompileStory) -> None:
    record = network.compilation
    assert record is not None
    found = listing(record.source.text)
    alone = [kernel for kernel in record.program.kernels if found.sharing(kernel.number)[0] == kernel.number]
    assert 5 < len(alone) < len(record.program.kernels)
    for kernel in alone:
        named = {id for line in found.of_kernel(kernel.number) for id in line.nodes}
        stored = {buffer.node for buffer in written(kernel)}
        # A product's line names the op whose value the product is; a transpose of it is only another order in memory.
        assert stored <= named or (isinstance(kernel, ProductKernel) and set(kernel.nodes) & named)
        assert named & set(kernel.nodes)


def test_kernels_that_share_a_function_share_its_lines(network: CompileStory) -> None:
    assert network.compilation is not None
    found = listing(network.compilation.source.text)
    groups = {tuple(found.sharing(number)) for number in found.shared}
    assert any(len(group) > 1 for group in groups)
    for first, *others in groups:
        lines = found.of_kernel(first)
        assert len(lines) > 5 and lines[0].text.startswith(f"def kernel_{first}(")
        assert all(found.of_kernel(other) == lines for other in others)


def test_a_training_step_is_told_and_drawn(network: CompileStory) -> None:
    stages = {step.stage.partition(",")[0] for step in network.steps}
    assert {"passes", "simplify", "kernels"} <= stages
    assert all(collisions(network.scene, frame) == [] for frame in range(len(network.frames)))
    sizes = [item.size for item in network.scene.primitives if isinstance(item, (Words, Formula))]
    assert min(sizes) * 0.75 >= 14 and (network.scene.width, network.scene.height) == (1280, 720)
    assert len(network.html().encode()) < 5_000_000
    shared = [step for step in network.steps if step.kernel is not None and step.times > 1]
    assert shared and all("share one function" in step.sentence for step in shared)


def test_a_thousand_nodes_are_told_by_a_few_examples() -> None:
    lines = ["a0 = x*1", *(f"a{number} = sin(a{number - 1})*1" for number in range(1, 300))]
    told = compile_story("; ".join(lines))
    assert told.compilation is not None and len(told.compilation.walks[-1][1].position) > 800
    assert len(told.frames) < 40 and max(step.times for step in told.steps) >= 300
    cards = [card for step in told.steps for pane in step.panes for card in pane.cards]
    assert max(sum(len(pane.cards) for pane in step.panes) for step in told.steps) <= 80
    assert any(isinstance(card.title, str) for card in cards)  # typesetting all of them would take most of the time
    assert all(collisions(told.scene, frame) == [] for frame in range(len(told.frames)))


def test_slides_have_room_for_their_text(lecture: CompileStory) -> None:
    for index in range(len(lecture.frames)):
        assert collisions(lecture.scene, index) == []
        assert all(item.box.left >= -1 and item.box.right <= 1281 for item in lecture.scene.at(index).primitives)
    sizes = [item.size for item in lecture.scene.primitives if isinstance(item, (Words, Formula))]
    assert min(sizes) * 0.75 >= 14


@pytest.mark.parametrize("suffix", [".html", ".svg", ".png", ".pdf", ".md", ".mmd", ".dot", ".json", ".gif", ".tex"])
def test_every_format_is_written(lecture: CompileStory, tmp_path: Path, suffix: str) -> None:
    assert lecture.save(tmp_path / f"story{suffix}").stat().st_size > 300


def test_models_and_named_sizes_are_compiled_as_they_are() -> None:
    layer = nn.Linear.create(4, 2, key=0)
    assert compile_story(layer, [np.ones((3, 4), "float32")]).title == "Compiling Linear"
    told = compile_story(lambda x, w: np.tanh(x @ w), (gx.spec(("B", 4), "float32"), gx.spec((4, 2), "float32")))
    assert "2*B" in told.steps[-1].panes[0].heading


def test_bad_input_is_refused() -> None:
    with pytest.raises(gx.errors.InputError, match="do not fit"):
        compile_story(lambda x, y: x + y, [1.0])
    with pytest.raises(gx.errors.ParseError):
        compile_story("x +")


def test_the_command_line_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    assert main(["source", LECTURE, "-o", str(page)]) == 0
    assert "multiply by one" in page.read_text(encoding="utf-8")
    assert main(["source", LECTURE, "-o", str(tmp_path / "page.txt")]) == 2
    assert main(["source", "x1 +* 2", "-o", str(tmp_path / "other.html")]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert main(["explain", "--story", "compile", "--play"]) == 0
    assert "v0_0 = b0[0]" in capsys.readouterr().out


def test_hostile_names_stay_text() -> None:
    graph = trace("a*1 + b")
    graph.names = {"<script>alert(1)</script>": graph.inputs[0], "\"'&%$": graph.inputs[1]}
    told = compile_story(graph)
    assert "<script>alert" not in told.html() and "<script>alert" not in told.svg()
    assert "<script>alert" not in told.markdown()


def test_a_graph_of_a_whole_step_is_compiled_as_it_is() -> None:
    def step(weights: dict[str, Any], x: Any) -> Any:
        loss, gradient = gx.value_and_grad(lambda weights: ((x @ weights["w"]) ** 2).sum())(weights)
        return loss, {"w": weights["w"] - 0.1 * gradient["w"]}

    graph = gx.trace(step, {"w": np.ones(3)}, np.ones((2, 3)))
    story = compile_story(graph)
    assert story.compilation is not None and "stabilise" in [done.name for done in story.compilation.passes]
    assert story.title == "Compiling a graph"
    assert compile_story(gx.trace("x*sin(y)")).title == "Compiling the value and gradient of a graph"
