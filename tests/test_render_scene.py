"""The drawing: nothing overlaps, text is large enough, arrows point the right way, colours keep their contrast."""

import numpy as np
import pytest

from graphcomp.render import explain
from graphcomp.render.palette import TEXT_ON, THEMES, contrast
from graphcomp.render.picture import draw
from graphcomp.render.scene import Arrowhead, Box, Curve, Formula, Rectangle, Words, collisions
from graphcomp.render.wrap import split

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
GALLERY = {
    "lecture": (LECTURE, {"x1": 2, "x2": 3}),
    "baydin": ("log(x1) + x1*x2 - sin(x2)", {"x1": 2, "x2": 5}),
    "square": ("x*x", {"x": 3}),
    "fan-out": ("x + sin(x) + cos(x) + x*x + exp(x) + 1/x", {"x": 2}),
    "chain": ("sigmoid(tanh(w*x + b)*v)", {"w": 1, "x": 2, "b": -1, "v": 3}),
    "dense": ("y = x*x; z = y + y*x + exp(y) + sqrt(x) + tanh(x)*3", {"x": 2}),
    "vectors": ("sum(x*y)", {"x": [1, 2, 3], "y": [4, 5, 6]}),
    "names": ("averyveryverylongvariablename_that_goes_on_and_on_and_on*x", {
        "averyveryverylongvariablename_that_goes_on_and_on_and_on": 1e-9, "x": -123456.789}),
}  # fmt: skip


@pytest.mark.parametrize("mode", ["evaluate", "forward", "reverse"])
@pytest.mark.parametrize("name", GALLERY)
def test_nothing_overlaps_in_any_frame(name: str, mode: str) -> None:
    source, at = GALLERY[name]
    story = explain(source, at=at, mode=mode)  # type: ignore[arg-type]
    for scene in (story.scene, draw(story, "up")):
        for frame in range(len(story.frames)):
            assert collisions(scene, frame) == []


def test_a_collision_is_noticed() -> None:
    scene = draw(explain(LECTURE, at={"x1": 2, "x2": 3}))
    label = next(item for item in scene.primitives if item.role == "label")
    card = next(item for item in scene.primitives if item.role == "card")
    moved = label.moved(card.box.left - label.box.left, card.box.top - label.box.top, 1.0)
    scene = type(scene)(scene.width, scene.height, "", (*scene.primitives, moved), {})
    assert collisions(scene, 0)


@pytest.mark.parametrize("name", ["lecture", "square"])
def test_slides_are_thirteen_inches_with_text_of_fourteen_points(name: str) -> None:
    source, at = GALLERY[name]
    for mode in ("evaluate", "forward", "reverse"):
        scene = explain(source, at=at, mode=mode).scene  # type: ignore[arg-type]
        assert (scene.width, scene.height) == (1280, 720)
        sizes = [item.size for item in scene.primitives if isinstance(item, (Words, Formula))]
        assert min(sizes) * 0.75 >= 14
        page = Box(0, 0, scene.width, scene.height)
        assert all(page.holds(item.box, 0.5) for item in scene.primitives)


def test_panels_hold_their_sentences_and_equations() -> None:
    story = explain("y = x*x; z = y + y*x + exp(y) + sqrt(x) + tanh(x)*3", at={"x": 2})
    for frame in range(len(story.frames)):
        shown = story.scene.at(frame).primitives
        panel = next(item for item in shown if isinstance(item, Rectangle) and item.role == "panel")
        lines = [item for item in shown if item.role == "caption" and item.box.top > panel.box.top]
        assert lines and all(panel.box.holds(item.box, 1.0) for item in lines)


def test_lit_edges_turn_round_in_reverse_mode() -> None:
    for mode, backwards in (("reverse", True), ("forward", False)):
        story = explain(LECTURE, at={"x1": 2, "x2": 3}, mode=mode)  # type: ignore[arg-type]
        scene = draw(story)
        frame = next(index for index, frame in enumerate(story.frames) if len(frame.reads) == 2)
        user, slot = story.frames[frame].reads[0]
        shown = [item for item in scene.at(frame).primitives if item.owner == f"edge:{user}:{slot}"]
        (head,) = [item for item in shown if isinstance(item, Arrowhead)]
        cards = {item.owner: item.box for item in scene.primitives if item.role == "card"}
        operand = next(edge.operand for edge in story.edges if edge.key == (user, slot))
        tip = head.corners[0][0]
        wanted = cards[f"node:{operand}"].right if backwards else cards[f"node:{user}"].left
        assert tip == pytest.approx(wanted, abs=0.6)
        assert min(item.thickness for item in shown if isinstance(item, Curve)) > 3


def test_edges_touch_their_cards_and_labels() -> None:
    story = explain(LECTURE, at={"x1": 2, "x2": 3})
    scene = draw(story).at(0)
    boxes = {item.owner: item.box for item in scene.primitives if item.role in ("card", "label")}
    for edge in story.edges:
        owner = f"edge:{edge.user}:{edge.slot}"
        first, second = (item for item in scene.primitives if isinstance(item, Curve) and item.owner == owner)
        assert first.points[0][0] == pytest.approx(boxes[f"node:{edge.operand}"].right, abs=0.6)
        assert first.points[-1][0] == pytest.approx(boxes[owner].left, abs=0.6)
        assert second.points[0][0] == pytest.approx(boxes[owner].right, abs=0.6)


def test_unknowns_show_a_question_mark_until_they_are_known() -> None:
    story = explain(LECTURE, at={"x1": 2, "x2": 3})
    scene = draw(story)
    focus = story.frames[-1].focus

    def texts(frame: int) -> list[str]:
        return [item.formula.plain() for item in scene.at(frame).primitives
                if isinstance(item, Formula) and item.owner == f"node:{focus}"]  # fmt: skip

    assert texts(0) == ["w₁ = x₁", "2", "dz/dw₁ = ?"]
    assert texts(4) == ["w₁ = x₁", "2", "dz/dw₁ = 2.584"]


@pytest.mark.parametrize("theme", THEMES)
def test_text_contrast(theme: str) -> None:
    colours = THEMES[theme]
    for text, backgrounds in TEXT_ON.items():
        for background in backgrounds:
            assert contrast(colours[text], colours[background]) >= 4.5, (theme, text, background)
    for line in ("line", "adjoint", "tangent", "value"):
        assert contrast(colours[line], colours["page"]) >= 3


def test_a_larger_graph_keeps_clear() -> None:
    def network(a, b, c):  # type: ignore[no-untyped-def]
        hidden = np.tanh(a @ b + c)
        return np.sum(hidden * hidden + np.exp(hidden) * a[:, 0])

    rng = np.random.default_rng(1)
    story = explain(network, at=(rng.normal(size=(3, 3)), rng.normal(size=3), rng.normal(size=3)))
    assert all(not collisions(story.scene, frame) for frame in range(len(story.frames)))


def test_a_long_chain_is_broken_into_rows() -> None:
    lines = [f"a{n} = sigmoid({'x' if n == 1 else f'a{n - 1}'})" for n in range(1, 13)]
    story = explain("; ".join(lines), at={"x": 0.5})
    scene = draw(story)
    assert scene.width / scene.height < 4
    tops = {item.box.top for item in scene.primitives if item.role == "card"}
    assert len(tops) >= 3
    assert all(collisions(scene, frame) == [] for frame in range(len(story.frames)))
    starts = [item.points[0] for item in scene.primitives if isinstance(item, Curve)]
    assert len(starts) > 4 * len(story.edges)  # an edge that crosses a break has a piece on either side of it


def test_a_curve_is_split_where_it_passes_a_line() -> None:
    curve = ((0.0, 0.0), (50.0, 0.0), (50.0, 100.0), (100.0, 100.0))
    first, second = split(curve, [30.0])
    assert first[-1] == pytest.approx(second[0]) and first[-1][0] == pytest.approx(30)
    whole = [point for piece in (first, second) for point in Curve("edge", piece, "line", 1).samples(200)]
    original = list(Curve("edge", curve, "line", 1).samples(2000))
    assert all(min(abs(x - a) + abs(y - b) for a, b in original) < 0.3 for x, y in whole)
