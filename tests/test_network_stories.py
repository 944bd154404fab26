"""Stories over groups: each value at a group's border with its adjoint, which is what gx.grad gives for that value."""

import re
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp import nn, optim, random, train
from graphcomp.cli import main
from graphcomp.derive import reverse
from graphcomp.errors import RenderError
from graphcomp.render import Story
from graphcomp.render.network import Group
from graphcomp.render.network.blocks import blocks, calls, extract
from graphcomp.render.network.collapse import MOST_CARDS, grouping
from graphcomp.render.network.sentences import TABLES
from graphcomp.render.numerals import number
from graphcomp.render.picture import draw
from graphcomp.render.scene import collisions
from graphcomp.render.sentences import LANGUAGES
from graphcomp.render.story import Fact
from graphcomp.run import evaluate_all, interpret
from graphcomp.trace import trace

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import attention
import cnn
import gnn
import rnn
from test_render_networks import UNROLLED

ROUGH = {"rtol": 2e-4, "atol": 2e-6}
generator = np.random.default_rng(0)


def loss_of(model: Any, *inputs: Any) -> Any:
    """A number that every output has a part in."""
    return gx.numpy.mean(model(*inputs) ** 2)


def images() -> Any:
    return generator.normal(size=(2, 1, 8, 8)).astype("float32")


def sequences() -> tuple[Any, Any]:
    return generator.integers(0, 4, (2, 5)), np.array([3, 5])


MODELS = {
    "cnn": lambda: (cnn.network(), images()),
    "attention": lambda: (attention.network(size=8, heads=2), images()),
    "rnn": lambda: (rnn.network(6), *sequences()),
    "unrolled": lambda: (UNROLLED[0], generator.normal(size=UNROLLED[1].shape).astype("float32")),
    "gnn": lambda: (gnn.network(8, 4), np.eye(8, dtype="float32"), np.full((8, 8), 0.125, "float32")),
}


def facts(story: Story, kind: str) -> dict[Any, Fact]:
    return {fact.target: fact for frame in story.frames for fact in frame.facts if fact.kind == kind}


def from_border(graph: Any, values: Any, border: int) -> Any:
    """The gradient of the result with respect to one value in the middle, which is made an input."""
    inputs = list(dict.fromkeys([border, *graph.inputs]))
    derived = reverse(extract(graph, graph.outputs[0], inputs), wrt=[0])
    seed = np.ones_like(values[graph.outputs[0]])
    return interpret(derived.graph, [*(values[id] for id in inputs), seed])[1]


@pytest.mark.parametrize(
    ("name", "collapse"),
    [
        *product(MODELS, (1, 2)),
        ("attention", "lines"),
        ("attention", 3),
        ("unrolled", "unrolled/step.*"),
    ],
)
def test_the_adjoint_at_a_border_is_the_gradient(name: str, collapse: Any) -> None:
    model, *batch = MODELS[name]()
    story = gx.explain(loss_of, at=[model, *batch], collapse=collapse)
    graph = trace(loss_of, model, *batch)
    values = evaluate_all(graph, [*gx.nn.module.flatten(model)[0], *batch])
    adjoints, contributions = facts(story, "adjoint"), facts(story, "contribution")
    assert len(adjoints) > 1
    edges = {edge.key: edge.operand for edge in story.edges}
    for id, fact in adjoints.items():
        if id not in graph.outputs:
            np.testing.assert_allclose(fact.data, from_border(graph, values, id), **ROUGH)
            arriving = [each.data for key, each in contributions.items() if edges[key] == id]
            np.testing.assert_allclose(sum(arriving), fact.data, **ROUGH)
        assert np.shape(fact.data) == np.shape(values[id])


@pytest.mark.parametrize("name", ["cnn", "attention", "gnn"])
def test_the_tangent_at_a_border_is_the_derivative_along_the_input(name: str) -> None:
    model, *batch = MODELS[name]()
    input = "images" if name != "gnn" else "features"

    def loss(model: Any, images: Any) -> Any:
        return loss_of(model, images)

    def graph_loss(model: Any, features: Any, adjacency: Any) -> Any:
        return loss_of(model, features, adjacency)

    function = graph_loss if name == "gnn" else loss
    story = gx.explain(function, at=[model, *batch], collapse=2, mode="forward", wrt=input)
    _, expected = gx.jvp(lambda x: function(model, x, *batch[1:]), (batch[0],), (np.ones_like(batch[0]),))
    graph = trace(function, model, *batch)
    tangents, contributions = facts(story, "tangent"), facts(story, "contribution")
    np.testing.assert_allclose(tangents[graph.outputs[0]].data, expected, **ROUGH)
    for id, fact in tangents.items():
        arriving = [each.data for key, each in contributions.items() if key[0] == id]
        if arriving:
            np.testing.assert_allclose(sum(arriving), fact.data, **ROUGH)


def test_blocks_need_each_other_in_order_only() -> None:
    model, *batch = MODELS["rnn"]()
    graph = trace(loss_of, model, *batch)
    shown = [id for id in graph.reachable() if graph.node(id).op != "constant"]
    for collapse in (1, 2, 3, "lines", ["reader/*"], lambda group: group.name.startswith("step")):
        found = blocks(graph, shown, grouping(graph, shown, collapse), set())
        made: set[int] = set(graph.inputs)
        for block in found:
            assert all(made.issuperset(set(operands) - set(block.results)) for operands in block.operands.values())
            made.update(block.results)
        assert sorted(id for block in found for id in block.nodes) == [id for id in shown if id not in graph.inputs]


def test_the_state_of_a_recurrence_is_told_step_by_step() -> None:
    model, *batch = MODELS["unrolled"]()
    story = gx.explain(loss_of, at=[model, *batch], collapse="unrolled/step.*")
    steps = [node for node in story.nodes if "step." in node.definition.plain()]
    assert len(steps) == 2 * 5 - 1  # two results each, of the last only the one that is read
    weight = next(node for node in story.nodes if node.names == ("model.cell.hidden_weight",))
    told = next(frame for frame in story.frames if frame.focus == weight.id)
    assert len(told.terms) == 9 and "nine contributions" in told.sentence


def test_a_loop_is_told_as_one_step_with_its_results() -> None:
    model, *batch = MODELS["rnn"]()
    story = gx.explain(loss_of, at=[model, *batch], collapse=["reader/embedding", "reader/judge"])
    assert any(node.definition.plain().startswith("scan(") for node in story.nodes)


def test_a_model_too_large_to_tell_is_told_by_groups() -> None:
    keys = random.split(random.key(0), 8)
    model = nn.Sequential(*(nn.TransformerBlock.create(8, 2, key=key, expansion=2) for key in keys))
    story = gx.explain(model, at=[generator.normal(size=(2, 4, 8)).astype("float32")], mode="both")
    definitions = [node.definition.plain() for node in story.nodes]
    assert definitions[0] == "x" and len(definitions) == 9
    assert definitions[1:] == [f"transformer_block.{k}(w{'₁₂₃₄₅₆₇₈'[k]})" for k in range(8)]
    phases = [frame.phase for frame in story.frames]
    assert phases == ["evaluate"] * 9 + ["forward"] * 9 + ["reverse"] * 9
    assert "16 parameters of its own" in story.frames[1].sentence
    assert "gradients of its 16 parameters" in story.frames[18].sentence
    back = [frame.focus for frame in story.frames if frame.phase == "reverse"]
    assert back == sorted(back, reverse=True)


def test_every_frame_says_sizes_and_statistics() -> None:
    model, *batch = MODELS["attention"]()
    story = gx.explain(loss_of, at=[model, *batch], collapse=2, mode="both", wrt="model.positions")
    block = next(frame for frame in story.frames if frame.sentence.startswith("block makes"))
    (value,) = (fact for fact in block.facts if fact.kind == "value")
    assert f"mean {value.data.mean():.3f}" in block.sentence.replace("−", "-")
    assert value.shown.plain() == f"2×8×8, norm\u00a0{np.linalg.norm(value.data):.3f}".rstrip("0")
    gradients = [frame.sentence for frame in story.frames if "gradients of its" in frame.sentence]
    assert any("most of it" in sentence for sentence in gradients)
    costs = [frame.cost for frame in story.frames if frame.cost]
    assert all(one.operations <= other.operations for one, other in pairwise(costs))


def test_gradients_of_parameters_are_said_as_gx_grad_finds_them() -> None:
    model, *batch = MODELS["gnn"]()
    story = gx.explain(loss_of, at=[model, *batch], collapse=2)
    gradient = gx.grad(loss_of)(model, *batch)
    whole = np.sqrt(sum(float(np.sum(np.asarray(leaf) ** 2)) for leaf in gx.nn.module.flatten(gradient.second)[0]))
    assert any(f"second now has the gradients of its 2 parameters: norm {whole:.3f}".rstrip("0") in frame.sentence
               for frame in story.frames)  # fmt: skip


def test_a_long_formula_is_told_by_the_names_it_gives() -> None:
    parts = ["h0 = " + " + ".join(f"sin({k}*x)" for k in range(1, 150))]
    parts += ["h1 = " + " + ".join(f"cos({k}*h0)" for k in range(1, 150)), "z = h1*x"]
    story = gx.explain("; ".join(parts), at={"x": 0.1})
    assert [node.symbol.plain() for node in story.nodes] == ["w₁", "h₀", "h₁", "w₂"]
    at = facts(story, "adjoint")[story.nodes[0].id].data
    exact = gx.grad(gx.transform.as_function(trace("; ".join(parts))))(0.1)
    assert at == pytest.approx(float(exact))


def test_a_long_formula_without_names_is_refused_with_what_to_do() -> None:
    with pytest.raises(RenderError, match=r"1600 nodes.*assign intermediate values.*gx\.scope"):
        gx.explain(" + ".join(f"sin(x*{k})" for k in range(2, 402)), at={"x": 1.0})


def test_a_loop_without_scopes_is_a_step_per_turn() -> None:
    def recurrence(w: Any, u: Any, x: Any) -> Any:
        h = np.zeros(4)
        for t in range(6):
            h = gx.numpy.tanh(x[t] @ w + h @ u)
        return gx.numpy.sum(h)

    at = [generator.normal(size=shape) for shape in ((3, 4), (4, 4), (6, 3))]
    story = gx.explain(recurrence, at=at, collapse="lines")
    line = recurrence.__code__.co_firstlineno + 3
    assert sum(node.definition.plain().startswith(f"line {line}(") for node in story.nodes) == 6
    by_scope = calls(trace(lambda x: ((x * 2 + 1) * 2 + 1) * 2 + 1, np.ones(2)), [2, 4, 6, 8, 10, 12])
    assert by_scope == [[2, 4], [6, 8], [10, 12]] or len(by_scope) == 1


def test_groups_are_chosen_by_depth_name_and_function() -> None:
    model, *batch = MODELS["attention"]()
    at = [model, *batch]
    first = {frame.focus for frame in gx.explain(loss_of, at=at, collapse="row_reader/block").frames}
    assert len(first) > 40
    both = gx.explain(loss_of, at=at, collapse=["row_reader/*", "row_reader/block/*"])
    definitions = [node.definition.plain().split("(")[0] for node in both.nodes]
    assert {"embedding", "attention", "expand", "gelu", "norm"} <= set(definitions)

    def large(group: Group) -> bool:
        return len(group.all_nodes()) < 30

    by_size = gx.explain(loss_of, at=at, collapse=large)
    assert {"embedding", "query", "softmax"} & {node.definition.plain().split("(")[0] for node in by_size.nodes}


@pytest.mark.parametrize(
    ("collapse", "message"),
    [(0, "a depth"), (True, "a depth"), ("", "a depth"), ([], "a depth"), (3.5, "a depth"), ("nothing", "its scopes"),
     (9, "its scopes")],
)  # fmt: skip
def test_what_chooses_no_groups_is_refused(collapse: Any, message: str) -> None:
    model, *batch = MODELS["gnn"]()
    with pytest.raises(RenderError, match=message):
        gx.explain(loss_of, at=[model, *batch], collapse=collapse)


def test_what_cannot_be_told_over_groups_is_refused() -> None:
    model, *batch = MODELS["cnn"]()
    with pytest.raises(RenderError, match="quiz"):
        gx.explain(loss_of, at=[model, *batch], collapse=2, quiz=True)
    many = {f"x{k}": float(k) for k in range(12)}
    formula = "h = " + "+".join(many) + "; z = h*h"
    with pytest.raises(RenderError, match="a sweep for each of 12 inputs"):
        gx.explain(formula, at=many, mode="forward", collapse="names")
    assert len(gx.explain(formula, at=many, mode="forward", collapse="names", wrt="x3").frames) == 14
    chain = "; ".join(["h0 = x", *(f"h{k} = sin(h{k - 1})" for k in range(1, MOST_CARDS + 40))])
    with pytest.raises(RenderError, match="go coarser"):
        gx.explain(chain, at={"x": 1.0}, collapse="names")


@pytest.mark.parametrize("suffix", [".html", ".svg", ".pdf", ".md", ".tex", ".json", ".dot"])
def test_a_story_over_groups_is_written_in_every_format(suffix: str, tmp_path: Path) -> None:
    model, *batch = MODELS["gnn"]()
    path = gx.explain(loss_of, at=[model, *batch], collapse=2, mode="both", wrt="x2").save(tmp_path / f"s{suffix}")
    assert path.stat().st_size > 1000


def test_every_language_has_every_sentence_with_the_same_places() -> None:
    places = {key: set(re.findall(r"{(\w+)}", text)) for key, text in TABLES["en"].items()}
    assert set(TABLES) == set(LANGUAGES)
    for table in TABLES.values():
        assert table.keys() == places.keys()
        assert all(set(re.findall(r"{(\w+)}", text)) <= places[key] | {"count"} for key, text in table.items())
    model, *batch = MODELS["rnn"]()
    story = gx.explain(loss_of, at=[model, *batch], collapse=2, language="de")
    assert story.title.startswith("Rückwärtsmodus über Gruppen")
    assert "gibt dessen Adjungierte zurück" in story.frames[1].sentence


def test_a_graph_with_named_sizes_is_told_at_the_sizes_given() -> None:
    def f(x: Any, w: Any) -> Any:
        with gx.scope("layer"):
            h = gx.numpy.tanh(x @ w)
        with gx.scope("loss"):
            return gx.numpy.mean(h * h)

    graph = gx.trace(f, gx.spec(("B", 3), "float64"), gx.spec((3, 2), "float64"))
    x, w = generator.normal(size=(5, 3)), generator.normal(size=(3, 2))
    story = gx.explain(graph, at=[x, w], collapse=1, mode="both")
    adjoints = facts(story, "adjoint")
    np.testing.assert_allclose(adjoints[graph.inputs[1]].data, gx.grad(f, 1)(x, w))


def test_the_command_line_collapses_to_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "h = sin(x)*x + x; z = h*h", "--at", "x=2", "--collapse", "names"]) == 0
    assert "h(w1)" in capsys.readouterr().out.translate(str.maketrans("₁", "1"))


def loss_of_layers(layers: Any, x: Any) -> Any:
    for layer in layers:
        x = gnp.tanh(layer(x))
    return (x**2).sum()


def a_step(optimizer: Any, prepare: Any = lambda gradient: gradient, count: int = 20) -> tuple[Any, list[Any]]:
    """A training step, and what it is called with."""
    layers = tuple(nn.Linear.create(2, 2, key=key) for key in range(count))

    def step(layers: Any, state: Any, x: Any) -> Any:
        value, gradient = gx.value_and_grad(loss_of_layers)(layers, x)
        layers, state = optimizer.update(layers, prepare(gradient), state)
        return layers, state, value

    return step, [layers, optimizer.init(layers), np.array([[0.5, -1], [0.2, 0.3], [1, 1]], "float32")]


OPTIMIZERS = {
    "sgd": (optim.sgd(0.1), lambda gradient: gradient),
    "momentum": (optim.sgd(0.1, momentum=0.9, nesterov=True), lambda gradient: gradient),
    "adam": (optim.adam(1e-2), lambda gradient: gradient),
    "adamw": (optim.adamw(1e-2, weight_decay=0.1), lambda gradient: gradient),
    "clipped": (optim.adam(1e-2), lambda gradient: optim.clip_by_global_norm(gradient, 1e-2)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_is_told_forward_backward_and_updated(name: str) -> None:
    step, at = a_step(*OPTIMIZERS[name])
    story = gx.explain(step, at=at, collapse=1)
    phases = "".join(frame.phase[0] for frame in story.frames)
    assert re.fullmatch("e+r+e{20}", phases)
    gradient, new = gx.grad(loss_of_layers)(at[0], at[2]), step(*at)[0]
    adjoint = facts(story, "adjoint")
    assert adjoint[next(node.id for node in story.nodes if node.names == ("x",))].data == pytest.approx(
        np.asarray(gx.grad(loss_of_layers, 1)(at[0], at[2])), rel=1e-3, abs=1e-6
    )
    for place, frame in enumerate(story.frames[-20:]):
        changes = zip(*(nn.module.flatten(one[place])[0] for one in (at[0], new, gradient)), strict=True)
        parts = [(before, after - before, by) for before, after, by in (map(np.asarray, one) for one in changes)]
        sizes = [np.sqrt(sum(float((part**2).sum()) for part in several)) for several in zip(*parts, strict=True)]
        before, moved, by = (shown_number(size) for size in sizes)
        assert (
            f"the 2 parameters of linear, of norm {before}, by {moved}. The norm of their gradients is {by}."
            in frame.sentence
        )
        assert frame.sentence.startswith("sgd" if name == "momentum" else "adam" if name == "clipped" else name)
    assert story.frames[-1].facts == () and not any(collisions(draw(story), 0))


def shown_number(value: float) -> str:
    return number(value).plain()


def test_a_training_step_of_a_transformer_is_told_in_few_cards(tmp_path: Path) -> None:
    keys = random.split(random.key(0), 3)
    model = nn.Sequential(*(nn.TransformerBlock.create(8, 2, key=key, expansion=2) for key in keys))
    optimizer = optim.adam(1e-3)

    def step(model: Any, state: Any, x: Any) -> Any:
        value, gradient = gx.value_and_grad(lambda model: (model(x) ** 2).mean())(model)
        return *optimizer.update(model, gradient, state), value

    x = generator.normal(size=(2, 4, 8)).astype("float32")
    story = gx.explain(step, at=[model, optimizer.init(model), x], language="de")
    assert len(story.nodes) < 40 and story.title == "Ein Trainingsschritt über Gruppen: z"
    assert sum("adam verschiebt die " in frame.sentence for frame in story.frames) > 3
    for suffix in ("html", "md", "tex", "pdf"):
        assert story.save(tmp_path / f"step.{suffix}").stat().st_size > 1000


def test_a_small_training_step_is_told_as_one_where_it_has_many_results() -> None:
    model = nn.Sequential(nn.Conv2d.create(1, 2, 3, key=0), nn.relu, nn.flatten, nn.Linear.create(72, 3, key=1))
    optimizer = optim.adam(1e-2)
    state = optimizer.init(model)
    step = train.train_step(nn.softmax_cross_entropy, optimizer)
    story = gx.explain(step, at=[model, state, (images(), np.array([0, 2]))])
    assert story.title.startswith("A training step") and len(story.sweeps) == 2
    assert story.nodes[0].names == ("batch[0]",)  # only one layer reads it, but it is none of its parameters
    assert sum(frame.sentence.startswith("adam moves the 2 parameters") for frame in story.frames) == 2

    def few(w: Any, x: Any) -> Any:
        value, slope = gx.value_and_grad(lambda w: gnp.sin(w * x))(w)
        return w - 0.1 * slope, value

    assert len(gx.explain(few, at=[0.5, 2.0]).sweeps) == 2  # few enough to tell each result's

    def plain(ws: Any, x: Any) -> Any:
        value, slopes = gx.value_and_grad(lambda ws: sum((gnp.sin(w * x) for w in ws), 0.0))(ws)
        return [w - 0.1 * slope for w, slope in zip(ws, slopes, strict=True)], value

    told = gx.explain(plain, at=[[0.1 * k for k in range(1, 11)], 2.0])
    assert [frame.sentence.split(",")[0] for frame in told.frames[-10:]] == [
        f"The update moves ws[{k}]" for k in range(10)
    ]


def test_what_is_no_training_step_is_told_or_refused_as_it_is() -> None:
    step, at = a_step(optim.sgd(0.1))
    told = gx.explain(step, at=at, collapse=1, mode="evaluate")
    assert any("sgd" in node.definition.plain() for node in told.nodes)
    without_loss = lambda *given: step(*given)[:2]  # noqa: E731
    with pytest.raises(RenderError, match="if the loss is among its results"):
        gx.explain(without_loss, at=at, collapse=1)

    def another(layers: Any, state: Any, x: Any) -> Any:
        return *step(layers, state, -2 * x)[:2], loss_of_layers(layers, x)

    with pytest.raises(RenderError, match="its gradients are those of that loss"):
        gx.explain(another, at=at, collapse=1)
    assert "training" not in gx.explain(loss_of_layers, at=[at[0], at[2]], collapse=1).title
