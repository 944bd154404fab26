"""Whole networks: groups by scope, folded repeats, levels laid out one by one, files that stay small."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn, optim, random
from graphcomp.derive import reverse
from graphcomp.errors import RenderError
from graphcomp.graph import Graph
from graphcomp.render.network import Network, Numbers, activations, gradient_norms, network, times
from graphcomp.render.network.picture import UNSHOWN
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
