"""Whole networks: groups by scope, folded repeats, levels laid out one by one, files that stay small."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn, optim, random
from graphcomp.errors import RenderError
from graphcomp.graph import Graph
from graphcomp.render.network import Network, network
from graphcomp.render.network.picture import UNSHOWN
from graphcomp.render.scene import Curve, Scene, Words
from graphcomp.trace import trace

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
    assert any(member.title == f"blocks ×{BLOCKS - 1}" for member in blocks)
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


def test_a_training_step_is_a_small_file_soon(tmp_path: Path) -> None:
    network(training_step(1)).save(tmp_path / "warm.html")
    start = time.perf_counter()
    graph = training_step()
    path = network(graph).save(tmp_path / "step.html")
    taken = time.perf_counter() - start
    assert len(graph) > 7000
    assert path.stat().st_size < 5_000_000
    assert taken < 10  # five seconds alone; the tests share their processors


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
