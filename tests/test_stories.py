"""The teaching stories: they run, they are right, and nothing in them overlaps."""

from itertools import pairwise

import numpy as np
import pytest

from graphcomp.cli import main
from graphcomp.errors import RenderError
from graphcomp.render import Story
from graphcomp.render.scene import Formula, Words, collisions
from graphcomp.render.stories import STORIES, story
from graphcomp.render.stories.costs import counted, graph_size, symbolic_size

MADE: dict[str, Story] = {}


def made(name: str) -> Story:
    if name not in MADE:
        MADE[name] = story(name)
    return MADE[name]


def last_adjoint(told: Story, symbol: str) -> np.ndarray:
    (node,) = [node.id for node in told.nodes if node.definition.plain() == symbol]
    return np.asarray(told.known["adjoint", node][-1].fact.data)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_drawn_without_collisions_and_large_enough(name: str) -> None:
    told = made(name)
    assert len(told.frames) > 3 and told.title
    assert (told.scene.width, told.scene.height) == (1280, 720)
    sizes = [item.size for item in told.scene.primitives if isinstance(item, (Words, Formula))]
    assert min(sizes) * 0.75 >= 14
    for frame in range(len(told.frames)):
        assert collisions(told.scene, frame) == []
        assert collisions(told.poster, frame) == []


@pytest.mark.parametrize("name", STORIES)
def test_a_story_can_be_written(name: str) -> None:
    assert made(name).markdown() and made(name).svg()
    assert made(name).frames[-1].sentence in made(name).html().replace("&#x27;", "'")


def test_an_unknown_story_is_refused() -> None:
    with pytest.raises(RenderError, match="fan-out"):
        story("nothing")


def test_fan_out_adds_two_contributions_twice() -> None:
    assert last_adjoint(made("fan-out"), "a") == pytest.approx(24)


def test_the_wrong_order_gives_a_wrong_number_first() -> None:
    told = made("order")
    a = 1.2**2
    wanted = (np.sin(a) + a * np.cos(a)) * 2 * 1.2
    assert last_adjoint(told, "x") == pytest.approx(wanted)
    wrong = [
        fact.data for frame in told.frames for fact in frame.facts if fact.kind == "adjoint" and fact.data is not None
    ]
    assert any(value == pytest.approx(np.sin(a) * 2 * 1.2) for value in wrong)


def test_what_is_saved_is_what_is_read_again() -> None:
    told = made("saved-values")
    symbols = {told.node(f.target).symbol.plain() for frame in told.frames for f in frame.facts if f.kind == "saved"}  # type: ignore[arg-type]
    assert symbols == {"w₁", "a", "b"}


def test_the_products_of_the_matrix_free_chain_are_counted() -> None:
    a, b, c, v = np.ones((5, 4)), np.ones((5, 5)), np.ones((3, 5)), np.ones(3)
    assert counted(lambda v, a, b, c: v @ c @ b @ a, v, a, b, c) == 15 + 25 + 20
    assert counted(lambda a, b, c: c @ b @ a, a, b, c) == 75 + 60
    told = made("matrix-free")
    assert told.jacobian and sum(len(frame.cells) for frame in told.frames) == 12
    costs = [frame.cost.multiplications for frame in told.frames[:-1] if frame.cost]
    assert costs[-1] - costs[0] == 3 * (15 + 25 + 20)


def test_expressions_swell_and_graphs_do_not() -> None:
    sizes = [symbolic_size(n) for n in range(2, 7)]
    assert all(later > 1.8 * earlier for earlier, later in pairwise(sizes))
    graphs = [graph_size(n) for n in range(2, 7)]
    assert len({later - earlier for earlier, later in pairwise(graphs[1:])}) == 1


def test_the_weight_of_the_recurrent_cell_gets_three_contributions() -> None:
    told = made("through-time")
    frames = [frame for frame in told.frames if told.node(frame.focus).definition.plain() == "w" and frame.terms]
    assert len(frames) == 3


def test_the_training_step_lowers_the_loss() -> None:
    told = made("xor")
    was, is_now = (float(word.rstrip(".;")) for word in told.frames[-1].sentence.split() if word[0].isdigit())
    assert is_now < was
    W, b, v, c = np.array([[1.0, -1.0], [0.8, -1.2]]), np.array([0.1, 0.4]), np.array([0.7, -0.9]), 0.1
    ends = [xor_plain(W, b, v, c + move) for move in (1e-6, -1e-6)]
    assert last_adjoint(told, "c") == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def xor_plain(W: np.ndarray, b: np.ndarray, v: np.ndarray, c: float) -> float:
    """The same loss in plain NumPy."""
    hidden = np.tanh(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]) @ W + b)
    return float(np.mean((1 / (1 + np.exp(-(hidden @ v + c))) - [0, 1, 1, 0]) ** 2))


def test_the_command_line_tells_stories(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--story", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in STORIES)
    assert main(["explain", "--story", "fan-out"]) == 0
    assert "24" in capsys.readouterr().out
    for wrong in (["explain", "--story", "nothing"], ["explain"], ["explain", "x*x", "--story", "xor"]):
        assert main(wrong) == 2
    assert "Traceback" not in capsys.readouterr().err
