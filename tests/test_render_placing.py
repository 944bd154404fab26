"""Which layout a graph gets: dot's while it is small, columns with shared lanes when it is large; neither overlaps."""

import random

import pytest

from graphcomp.render import explain, layout, placing
from graphcomp.render.picture import draw
from graphcomp.render.scene import Box, Curve, collisions

LARGE = "; ".join(
    f"a{n} = a{n - 1} * a{max(n - 5, 0)} + sin(a{(7 * n) % n if n < 9 else n // 3})" for n in range(1, 60)
).replace("a0", "x")


def dense(count: int, seed: int = 1) -> tuple[dict[int, tuple[float, float]], dict[tuple[int, int], int]]:
    """Cards of different sizes, each with three operands anywhere before it."""
    chance = random.Random(seed)
    cards = {node: (100.0 + 10 * (node % 7), 90.0) for node in range(count)}
    return cards, {(node, slot): chance.randrange(node) for node in range(1, count) for slot in range(3)}


def test_a_small_graph_is_laid_out_by_dot_and_a_large_one_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = dense(20), dense(300)
    assert placing.lay_out(*small, {}) == layout.lay_out(*small, {})
    monkeypatch.setattr(placing, "lay_out_with_dot", lambda *given: pytest.fail("dot would take minutes"))
    assert set(placing.lay_out(*large, {}).cards) == set(large[0])


def test_what_dot_has_to_place() -> None:
    cards = dict.fromkeys(range(3), (10.0, 10.0))
    edges = {(1, 0): 0, (2, 0): 1, (2, 1): 0}
    assert placing.stops(cards, edges, {}) == 3 + 1  # the long edge passes one rank
    assert placing.stops(cards, edges, dict.fromkeys(edges, (5.0, 5.0))) == 3 + 1 + 1 + 3


@pytest.mark.parametrize("direction", ["right", "up"])
@pytest.mark.parametrize("labelled", [False, True])
def test_columns_keep_cards_labels_and_edges_apart(direction: layout.Direction, labelled: bool) -> None:
    cards, edges = dense(120)
    labels = dict.fromkeys(edges, (60.0, 30.0)) if labelled else {}
    found = placing.lay_out_in_columns(cards, edges, labels, direction, None)
    boxes = {**found.cards, **found.labels}
    assert len(boxes) == len(cards) + len(labels)
    names = list(boxes)
    assert not any(boxes[one].meets(boxes[other], 0.5) for i, one in enumerate(names) for other in names[i + 1 :])
    solid = list(boxes.values())
    assert all(layout.is_free(part, solid) for parts in found.curves.values() for part in parts)
    for edge, operand in edges.items():
        first, last = found.curves[edge][0][0], found.curves[edge][-1][-1]
        assert touches(found.cards[operand], first) and touches(found.cards[edge[0]], last)
    page = Box(0, 0, found.width, found.height)
    assert all(page.holds(box) for box in solid)


def touches(box: Box, point: tuple[float, float]) -> bool:
    return box.left - 0.1 <= point[0] <= box.right + 0.1 and box.top - 0.1 <= point[1] <= box.bottom + 0.1


def test_a_large_flat_story_keeps_clear() -> None:
    story = explain(LARGE, at={"x": 0.5}, mode="evaluate")
    sizes = {node.id: (200.0, 100.0) for node in story.nodes}
    assert placing.stops(sizes, {edge.key: edge.operand for edge in story.edges}, {}) > placing.MOST_STOPS
    for direction in ("right", "up"):
        scene = draw(story, direction)  # type: ignore[arg-type]
        assert collisions(scene, len(story.frames) - 1) == []
        assert any(isinstance(item, Curve) for item in scene.primitives)


def test_edges_of_one_operand_share_their_lanes() -> None:
    cards = dict.fromkeys(range(6), (100.0, 90.0))
    chain = {(node, 0): node - 1 for node in range(1, 6)}
    found = placing.lay_out_in_columns(cards, chain | {(4, 1): 0, (5, 1): 0}, {}, "right", None)
    near, far = found.curves[4, 1][0], found.curves[5, 1][0]
    assert near[:-6] == far[: len(near) - 6]
