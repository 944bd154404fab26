"""Whole networks: groups by scope, folded repeats, levels laid out one by one, files that stay small."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn, optim, random
from graphcomp.derive import reverse
from graphcomp.errors import RenderError
from graphcomp.graph import Graph
from graphcomp.render.executed import inside as part_of_scope
from graphcomp.render.network import Network, Numbers, activations, gradient_norms, network, times
from graphcomp.render.network.groups import UNSHOWN
from graphcomp.render.scene import Arrowhead, Box, Curve, Rectangle, Scene, Words
from graphcomp.run import evaluate_all
from graphcomp.trace import trace

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import attention
import cnn
import gnn
import rnn

BLOCKS = 12


class Encoder(nn.Module):
    """Blocks, a norm, and a layer on their mean."""

    blocks: Any
    norm: nn.LayerNorm
    output: nn.Linear

    def __call__(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.output(self.norm(x).mean(1))


def training_step(blocks: int = BLOCKS) -> Graph:
    """A transformer's whole step with Adam: forward, backward, update."""
    keys = random.split(random.key(0), blocks + 1)
    encoder = Encoder(
        tuple(nn.TransformerBlock.create(16, 2, key=keys[k], expansion=2) for k in range(blocks)),
        nn.LayerNorm.create(16),
        nn.Linear.create(16, 10, key=keys[-1]),
    )
    optimizer = optim.adam(1e-3)

    def step(model: Any, state: Any, x: Any, y: Any) -> Any:
        loss, gradient = gx.value_and_grad(lambda model: nn.softmax_cross_entropy(model(x), y))(model)
        model, state = optimizer.update(model, gradient, state)
        return model, state, loss

    x, y = np.zeros((2, 4, 16), "float32"), np.zeros(2, "int64")
    return trace(step, encoder, optimizer.init(encoder), x, y)


def told(graph: Graph) -> list[int]:
    """The nodes that a picture shows: not the numbers written into the program."""
    return [id for id in graph.reachable() if graph.node(id).op not in UNSHOWN]


@pytest.fixture(scope="module")
def step() -> Graph:
    return training_step()


@pytest.fixture(scope="module")
def picture(step: Graph) -> Network:
    return network(step)


def test_forward_backward_and_update_stand_apart(picture: Network) -> None:
    titles = {member.title for member in picture.levels[""].members.values()}
    assert {"encoder", "encoder (backward)", "softmax_cross_entropy", "adam"} <= titles


def test_equal_blocks_are_folded(picture: Network, step: Graph) -> None:
    blocks = [member for member in picture.levels["encoder"].members.values() if "blocks" in member.title]
    assert sum(member.times for member in blocks) == BLOCKS
    assert [member.title for member in blocks] == [f"blocks ×{BLOCKS}"]
    assert picture.root.total() == len(told(step))
    unfolded = network(step, repeats=False)
    names = [member for member in unfolded.levels["encoder"].members.values() if "blocks" in member.title]
    assert len(names) == BLOCKS and len(unfolded.root.all_nodes()) == len(told(step))


def test_edges_carry_the_shapes_that_flow(picture: Network) -> None:
    edges = picture.levels["encoder"].edges
    assert any("float32[2, 4, 16]" in shapes for shapes in edges.values())
    assert any(member.kind == "from" for level in picture.levels.values() for member in level.members.values())


def test_no_level_is_one_layout_of_everything(picture: Network, step: Graph) -> None:
    assert max(len(level.members) for level in picture.levels.values()) < 100 < len(step)


def overlaps(scene: Scene) -> list[tuple[str, str]]:
    """Cards that meet, unless one stands inside the other."""
    cards = [item for item in scene.primitives if item.role == "card"]
    return [
        (one.owner, other.owner)
        for index, one in enumerate(cards)
        for other in cards[index + 1 :]
        if one.box.meets(other.box, 0.5) and not one.box.holds(other.box) and not other.box.holds(one.box)
    ]


def crossings(scene: Scene) -> list[tuple[str, str]]:
    """Edges that run through a card or a label they neither belong to nor lie in."""
    solid = [item for item in scene.primitives if item.role in ("card", "label")]
    found = []
    for edge in (item for item in scene.primitives if isinstance(item, Curve)):
        points = list(edge.samples())
        around = [edge.points[0], edge.points[-1]]
        for item in solid:
            inside = all(item.box.holds_point(end, -2.0) for end in around)
            if not inside and any(item.box.holds_point(point, 1.0) for point in points):
                found.append((edge.owner, item.owner))
    return found


def gradient(model: Any, *batch: Any) -> Any:
    return gx.grad(lambda model, *batch: gx.numpy.mean(model(*batch) ** 2))(model, *batch)


class Unrolled(nn.Module):
    """An LSTM cell whose steps are written out, [N, T, F] to the last hidden state."""

    cell: nn.LSTMCell

    def __call__(self, x: Any) -> Any:
        state = self.cell.initial(self.cell.project(x)[:, 0])
        for turn in range(x.shape[1]):
            with gx.scope(f"step.{turn}"):
                state = self.cell(x[:, turn], state)
        return self.cell.output(state)


UNROLLED = (Unrolled(nn.LSTMCell.create(3, 8, key=random.key(0))), np.ones((2, 5, 3), "float32"))
MODELS: dict[str, tuple[Any, ...]] = {
    "unrolled": UNROLLED,
    "cnn": (cnn.network(), np.zeros((2, 1, 8, 8), "float32")),
    "attention": (attention.network(), np.zeros((2, 1, 8, 8), "float32")),
    "rnn": (rnn.network(8), np.zeros((2, 5), "int64"), np.array([3, 5])),
    "gnn": (gnn.network(8, 4), np.eye(8, dtype="float32"), np.eye(8, dtype="float32")),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("repeats", [False, True])
def test_edges_go_round_the_cards_of_others(name: str, backward: bool, repeats: bool) -> None:
    function = gradient if backward else lambda model, *batch: model(*batch)
    drawn = network(trace(function, *MODELS[name]), repeats=repeats)
    for scene in (*(drawn.scene(path=path, opened=()) for path in drawn.levels), drawn.scene(9)):
        assert crossings(scene) == [] and overlaps(scene) == []
        heads = [item.owner for item in scene.primitives if isinstance(item, Arrowhead)]
        assert sorted(set(heads)) == sorted({item.owner for item in scene.primitives if isinstance(item, Curve)})
        assert all(item.size >= 15 for item in scene.primitives if isinstance(item, Words))


def test_an_edge_through_a_card_is_found() -> None:
    card = Rectangle("card", Box(40, 0, 60, 20), "card", owner="b")
    edge = Curve("edge", ((0, 10), (30, 10), (70, 10), (100, 10)), "line", 1, owner="a")
    assert crossings(Scene(100, 20, "", (card, edge))) == [("a", "b")]


def test_a_recurrence_is_rolled_up_with_its_state_going_back() -> None:
    graph = trace(lambda model, *batch: model(*batch), *UNROLLED)
    rolled = network(graph).levels["unrolled"]
    (step,) = [member for member in rolled.members.values() if member.title.startswith("step")]
    assert step.title == "step ×5" and step.times == 5
    assert rolled.edges[step.key, step.key] == {"float32[2, 8]": 2 * 4}  # hidden and memory, four times over
    scene = network(graph).scene(1)
    assert any(isinstance(item, Words) and item.text == "2 values, 2×8 to the next" for item in scene.primitives)
    unrolled = network(graph, repeats=False).levels["unrolled"]
    assert sum(member.title.startswith("step") for member in unrolled.members.values()) == 5
    assert not any(one == other for one, other in unrolled.edges)
    inside = network(graph).levels[step.key].members
    assert "to the next" in inside


def test_a_loop_inside_the_graph_is_one_card_with_its_state_going_back() -> None:
    drawn = network(trace(lambda model, *batch: model(*batch), *MODELS["rnn"]))
    memory = drawn.levels["reader/memory"]
    (loop,) = [member for member in memory.members.values() if member.title.startswith("scan")]
    assert loop.title == "scan ×5" and memory.edges[loop.key, loop.key] == {"float32[2, 8]": 8}
    scene = drawn.scene(2)
    assert any(isinstance(item, Words) and item.text == "2 values, 2×8 to the next" for item in scene.primitives)
    assert not [member for level in drawn.levels.values() for key, member in level.members.items() if "%" in key
                and member.title.startswith("scan")]  # fmt: skip


def cards(drawn: Network, path: str) -> dict[str, str]:
    """The titles of a level's members by their keys."""
    return {key: member.title for key, member in drawn.levels[path].members.items()}


def flows(drawn: Network, path: str) -> list[tuple[str, str]]:
    """A level's edges by the titles of their ends."""
    title = cards(drawn, path)
    return sorted((title[one], title[other]) for one, other in drawn.levels[path].edges)


def test_a_loop_opens_to_one_turn_with_its_state_going_back() -> None:
    model = nn.LSTM.create(3, 8, key=random.key(0))
    drawn = network(trace(lambda model, x: model(x)[0], model, np.ones((2, 40, 3), "float32")))
    (around,) = [path for path in drawn.levels if f"{path}/scan" in drawn.levels]
    inside = drawn.levels[f"{around}/scan"]
    assert drawn.levels[around].members[f"{around}/scan"].title == "scan ×40"
    types = {member.title: member.detail for member in inside.members.values()}
    assert types["state[0]"] == types["state[1]"] == "float32[2, 8]" and types["now[0]"] == "float32[2, 32]"
    title = cards(drawn, inside.path)
    ops = Counter(name for name in title.values() if "[" not in name and " " not in name)
    assert ops == {"matmul": 1, "add": 2, "slice": 4, "sigmoid": 3, "tanh": 2, "multiply": 3}
    assert {title[other] for one, other in inside.edges if one == "from transpose"} == {"now[0]"}
    assert inside.edges["from transpose", next(key for key in title if title[key] == "now[0]")] == {
        "float32[40, 2, 32]": 1  # what comes from outside; a turn reads an entry of it
    }
    assert {title[other] for one, other in inside.edges if one.endswith("hidden_weight")} == {"matmul"}
    back = [(title[one], title[other]) for one, other in inside.edges if title[other].startswith("state")]
    assert sorted(back) == [("add", "state[1]"), ("multiply", "state[0]")]
    assert ("state[0]", "matmul") in flows(drawn, inside.path)
    results = [shapes for (one, other), shapes in drawn.levels[around].edges.items() if other != one == inside.path]
    assert results == [{"float32[40, 2, 8]": 1}]


def test_each_value_from_outside_leads_to_what_reads_it_inside_a_loop() -> None:
    drawn = network(trace(lambda model, *batch: model(*batch), *MODELS["rnn"]))
    outside = [pair for pair in flows(drawn, "reader/memory/scan") if pair[0].startswith("from ")]
    assert outside == [
        ("from iota", "now[1]"),
        ("from model.memory.cell.hidden_weight", "matmul"),
        ("from transpose", "now[0]"),
        ("from x3", "greater"),
    ]


def test_loops_in_loops_and_conditions_open_too() -> None:
    def turn(state: Any, row: Any) -> Any:
        inner, _ = gx.scan(lambda a, v: (a * v, None), state[0], row)
        return (inner, gx.numpy.sin(state[0]), state[2]), gx.numpy.sum(row)

    def outer(x: Any) -> Any:
        start = gx.numpy.sum(x)
        state = gx.scan(turn, (start, gx.numpy.cos(start), gx.numpy.exp(start)), x)[0]
        return gx.while_loop(lambda s: s[0] < 9, lambda s: (s[0] + s[1], s[2], s[1]), state)

    drawn = network(trace(outer, np.ones((3, 40), "float32")))
    assert {"", "scan", "scan/scan", "while_loop", "while_loop/condition"} == set(drawn.levels)
    assert drawn.levels["scan"].members["scan/scan"].title == "scan ×40"
    assert drawn.levels["scan"].edges["scan/scan", "scan/scan"] == {"float32[]": 39}
    assert {("sin", "state[1]"), ("state[2]", "state[2]"), ("item", "state[0]")} <= set(flows(drawn, "scan"))
    carried = {("s[2]", "s[1]"), ("s[1]", "s[2]"), ("add", "s[0]")}
    assert carried | {("s[0]", "condition")} <= set(flows(drawn, "while_loop"))
    assert drawn.levels[""].members["while_loop"].title == "while_loop"  # nobody knows how often
    assert {one for one, other in flows(drawn, "") if other == "while_loop"} == {"item", "while_loop"}
    for scene in (drawn.scene(1), drawn.scene(9)):
        assert overlaps(scene) == [] and crossings(scene) == []


def test_branches_open_and_meet_at_the_choice() -> None:
    def choose(x: Any) -> Any:
        return gx.cond(x > 0, lambda x: gx.numpy.sin(x) * 2, lambda x: -x, x)

    drawn = network(trace(choose, np.float32(1)))
    assert set(drawn.levels) == {"", "cond", "cond/if_true", "cond/if_false"}
    assert {("x", "cond"), ("greater", "cond"), ("cond", "item")} <= set(flows(drawn, ""))
    inside = {(one.removeprefix("from "), other) for one, other in flows(drawn, "cond")}
    assert {("x", "if_true"), ("x", "if_false")} <= inside
    assert {("greater", "cond"), ("if_true", "cond"), ("if_false", "cond")} <= inside
    assert overlaps(drawn.scene(9)) == [] and crossings(drawn.scene(9)) == []


def test_equal_layers_with_loops_are_folded_with_one_loop_inside() -> None:
    class Stack(nn.Module):
        """Two recurrent layers."""

        layers: tuple[nn.LSTM, ...]

        def __call__(self, x: Any) -> Any:
            for layer in self.layers:
                x, _ = layer(x)
            return x

    model = Stack(tuple(nn.LSTM.create(8, 8, key=key) for key in random.split(random.key(0), 2)))
    x = np.ones((2, 40, 8), "float32")
    graph = trace(lambda model, x: model(x), model, x)
    inputs = [np.ones(graph.type(id).shape, graph.type(id).dtype) for id in graph.inputs]
    taken = times(graph, inputs)
    drawn = network(graph, overlay=taken)
    assert [path for path in drawn.levels if path.endswith("scan")] == ["stack/layers.0/scan"]
    assert drawn.levels["stack"].members["stack/layers.0"].title == "layers ×2"
    assert drawn.levels["stack"].members["stack/layers.0"].number == pytest.approx(sum(taken.values.values()))
    (loop, _) = [node.id for node in graph.nodes() if node.op == "scan"]
    inside = drawn.levels["stack/layers.0"].members
    assert inside["stack/layers.0/scan"].number == pytest.approx(taken.values[loop])
    values = {member.title: member.number for member in inside.values()}
    gate = next(node.id for node in graph.nodes() if node.op == "transpose" and node.id > loop)
    assert values["transpose"] in (taken.values[gate], taken.values[graph.node(loop).inputs[2]])
    assert all(member.number is None for member in drawn.levels["stack/layers.0/scan"].members.values())
    backward = network(trace(gradient, model, x))
    loops = [path.partition("/")[0] for path in backward.levels if path.endswith("scan")]
    assert loops == ["stack", "stack (backward)"]


def test_scopes_inside_a_body_are_groups_inside_the_loop() -> None:
    def turn(state: Any, x: Any) -> Any:
        with gx.scope("cell"):
            return gx.numpy.tanh(state + x), None

    def run(x: Any) -> Any:
        with gx.scope("model"):
            return gx.scan(turn, gx.numpy.sum(x), x)[0] + gx.scan(turn, gx.numpy.prod(x), x)[0]

    drawn = network(trace(run, np.ones(40)))
    assert {"model/scan/cell", "model/scan.2/cell"} <= set(drawn.levels)
    assert set(cards(drawn, "model/scan").values()) >= {"state", "x", "cell"}
    assert {("cell", "state"), ("state", "cell"), ("x", "cell")} <= set(flows(drawn, "model/scan"))
    assert [part_of_scope(scope, "a/b") for scope in ("a/b", "a/b/c", "a/bc")] == ["", "c", "a/bc"]


def test_only_the_repeats_asked_for_are_folded(step: Graph) -> None:
    drawn = network(step, repeats=["adam/part*"])
    assert sum(member.kind == "group" for member in drawn.levels["encoder"].members.values()) >= BLOCKS
    assert any(member.times > 100 for member in drawn.levels["adam"].members.values())


def test_measured_numbers_lie_over_the_cards() -> None:
    graph = trace(lambda model, *batch: gx.numpy.mean(model(*batch) ** 2), *MODELS["gnn"])
    inputs = [np.ones(graph.type(id).shape, graph.type(id).dtype) for id in graph.inputs]
    taken = times(graph, inputs)
    assert all(value > 0 for value in taken.values.values())
    drawn = network(graph, overlay=taken)
    groups = [member.number for member in drawn.levels[""].members.values()]
    assert sum(filter(None, groups)) == pytest.approx(sum(taken.values.values()))
    gradients = gradient_norms(graph, inputs)
    exact = reverse(graph)
    values = evaluate_all(exact.graph, [*inputs, np.ones((), "float32")])
    for id in graph.inputs:
        if graph.type(id).is_float:
            assert gradients.values[id] == pytest.approx(np.linalg.norm(values[exact.adjoint[id]]), rel=1e-4)
    means = activations(graph, inputs, np.mean)
    known = evaluate_all(graph, inputs)
    assert all(means.values[id] == pytest.approx(float(np.mean(known[id]))) for id in means.values)
    assert Numbers({1: 3.0, 2: -4.0}, "", "norm").of([1, 2, 3]) == 5
    assert Numbers({1: 3.0, 2: -4.0}, "", "largest").of([1, 2, 3]) == -4
    assert Numbers({}).of([1]) is None
    with pytest.raises(RenderError, match="total"):
        network(graph, overlay={}, overlay_total="most")  # type: ignore[arg-type]


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_cards_do_not_meet(picture: Network, depth: int) -> None:
    scene = picture.scene(depth)
    assert overlaps(scene) == []
    assert any(isinstance(item, Curve) for item in scene.primitives)
    page = scene.primitives
    assert all(item.box.right <= scene.width + 1 and item.box.bottom <= scene.height + 1 for item in page)


def test_every_level_fits_its_words(picture: Network) -> None:
    for path in picture.levels:
        scene = picture.scene(path=path, opened=())
        assert overlaps(scene) == []
        boxes = [item.box for item in scene.primitives if item.role in ("card", "label")]
        words = [item.box for item in scene.primitives if isinstance(item, Words)]
        assert all(any(box.holds(word, 1.0) for box in boxes) for word in words)


def test_numbers_lie_over_the_cards(step: Graph) -> None:
    picture = network(step, overlay=dict.fromkeys(step.reachable(), 1.0), overlay_name="time")
    member = picture.levels[""].members["encoder"]
    assert member.number and member.number > 100
    assert any(isinstance(item, Words) and item.text == f"{member.number:.3g}" for item in picture.scene().primitives)


def test_a_rule_folds_neighbours() -> None:
    class Vision(nn.Module):
        """A convolution, its norm and its activation, twice."""

        conv1: Any
        conv2: Any

        def __call__(self, x: Any) -> Any:
            return nn.relu(self.conv2(nn.relu(self.conv1(x))))

    keys = random.split(random.key(0), 2)
    model = Vision(nn.Conv2d.create(1, 2, 3, key=keys[0]), nn.Conv2d.create(2, 2, 3, key=keys[1]))
    graph = trace(lambda m, x: m(x), model, np.zeros((1, 1, 8, 8), "float32"))
    names = [child.name for child in network(graph, repeats=False).root.children[0].children]
    assert names == ["conv1", "relu.1", "conv2", "relu.2"]
    folded = network(graph, fold=["Conv > ReLU"], repeats=False)
    assert [child.name for child in folded.root.children[0].children] == ["Conv > ReLU", "Conv > ReLU"]
    assert all(overlaps(folded.scene(depth)) == [] for depth in range(3))


def test_a_training_step_is_a_small_file(tmp_path: Path) -> None:
    graph = training_step()
    path = network(graph).save(tmp_path / "step.html")
    assert len(graph) > 7000
    assert path.stat().st_size < 5_000_000


def test_pictures_are_written_and_unknown_suffixes_refused(picture: Network, tmp_path: Path) -> None:
    for suffix in (".svg", ".png", ".pdf"):
        assert picture.save(tmp_path / f"step{suffix}", depth=1).stat().st_size > 1000
    with pytest.raises(RenderError, match="suffix"):
        picture.save(tmp_path / "step.doc")
    with pytest.raises(RenderError, match="no group"):
        picture.group("nowhere")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    graph = trace(f"z = {'x'} * 2", x=1.0)
    graph.names[hostile] = graph.inputs[0]
    page = network(graph, title=hostile).save(tmp_path / "x.html").read_text(encoding="utf-8")
    assert hostile not in page
