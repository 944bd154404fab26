"""Slides: of a fixed size, their text never below 14 points, whatever the graph; what a frame speaks about is there."""

import io
import re
from collections import defaultdict

import networkx as nx
import pytest
from PIL import Image

from graphcomp.render import Story, explain
from graphcomp.render.chapters import essential, excerpt
from graphcomp.render.curves import cut_back
from graphcomp.render.fitting import broken, cut, cut_words, wrapped_words
from graphcomp.render.glyphs import text_width
from graphcomp.render.handout import BLANK, CELL, LONG_BLANK, blanked
from graphcomp.render.jacobian import known_cells
from graphcomp.render.mathematics import Application, Fraction, Identifier, Number, Operator, Row, Text, added, equals
from graphcomp.render.numerals import UNKNOWN, quantity
from graphcomp.render.panel import Place, equation_lines, lines_at, panel
from graphcomp.render.scene import Box, Curve, Formula, Rectangle, Scene, Words, collisions, measure
from graphcomp.render.slide import slide
from graphcomp.render.stories import STORIES, story

ROSENBROCK = "+".join(f"100*(x{n + 1} - x{n}**2)**2 + (1 - x{n})**2" for n in range(1, 5))
RESIDUALS = "; ".join(
    [f"r{n} = y{n} - a*exp(-(t{n} - m)**2/(2*s**2))" for n in range(1, 4)] + ["z = r1**2 + r2**2 + r3**2"]
)
PRODUCTS = "+".join(f"sin(x{n})*cos(x{n + 1})*exp(x{n}*x{n + 1})" for n in range(1, 6))
LONG = [f"averyveryverylongvariablename_{n}" for n in range(7)]
FORMULAS = {
    "rosenbrock": (ROSENBROCK, {f"x{n}": 0.3 * n for n in range(1, 6)}, "reverse"),
    "residuals": (RESIDUALS, {"a": 1, "m": 0.5, "s": 0.7,
                              **{f"{name}{n}": 0.2 * n for name in "yt" for n in range(1, 4)}}, "reverse"),
    "products": (PRODUCTS, {f"x{n}": 0.3 * n for n in range(1, 7)}, "evaluate"),
    "fan-out": ("+".join(f"tanh(x*{n})" for n in range(1, 15)), {"x": 0.3}, "reverse"),
    "long names": ("+".join(f"{name}*sin({name})/3" for name in LONG), dict.fromkeys(LONG, -123456.789), "reverse"),
    "vectors": ("sum((a*b + c)*(a - b)/(c + d)*tanh(a*d) + a*b*c*d - exp(a)*d*d + sqrt(d)*c*a)",
                {name: [0.123, -0.456, 0.789, 1.234] for name in "abc"} | {"d": [1.5, 2.5, 3.5, 4.5]}, "reverse"),
}  # fmt: skip


@pytest.fixture(scope="module", params=FORMULAS)
def told(request: pytest.FixtureRequest) -> Story:
    source, at, mode = FORMULAS[request.param]
    return explain(source, at=at, mode=mode)  # type: ignore[arg-type]


def points(scene: Scene) -> float:
    """The size of the smallest text on a slide."""
    return min(item.size for item in scene.primitives if isinstance(item, (Words, Formula))) * 0.75


def owners(scene: Scene, frame: int) -> set[str]:
    return {item.owner for item in scene.at(frame).primitives if item.role == "card"}


def test_slides_of_large_formulas_can_be_read(told: Story) -> None:
    assert 20 < len(told.nodes) <= 60
    assert (told.scene.width, told.scene.height) == (1280, 720)
    assert points(told.scene) >= 14
    page = Box(0, 0, 1280, 720)
    assert all(page.holds(item.box, 0.5) for item in told.scene.primitives)
    assert all(collisions(told.scene, frame) == [] for frame in range(len(told.frames)))


def test_every_slide_shows_what_its_frame_is_about(told: Story) -> None:
    for number, frame in enumerate(told.frames):
        shown = owners(told.scene, number)
        if len(frame.reads) <= 3:
            assert {f"node:{id}" for id in essential(told, number)} <= shown
        else:
            assert f"node:{frame.focus}" in shown and len(shown) >= 3
        texts = [item.formula.plain() for item in told.scene.at(number).primitives
                 if isinstance(item, Formula) and item.owner == f"node:{frame.focus}"]  # fmt: skip
        assert len(texts) == (2 if told.mode == "evaluate" else 3)


def test_a_part_knows_what_was_known_before_it(told: Story) -> None:
    middle = len(told.frames) // 2
    part = excerpt(told, [node.id for node in told.nodes], middle, middle + 3)
    for (kind, target), history in told.known.items():
        here = [known.fact.shown for known in history if known.start < middle + 3 and known.stop > middle]
        assert [known.fact.shown for known in part.known.get((kind, target), [])] == here


def test_a_small_map_shows_where_a_part_is(told: Story) -> None:
    marks = [item for item in told.scene.primitives if item.role == "map" and isinstance(item, Rectangle)]
    alone = owners(told.scene, 0) == {f"node:{node.id}" for node in told.nodes}
    assert bool(marks) != alone
    for frame in range(len(told.frames)) if marks else ():
        shown = [item for item in marks if item.visible(frame)]
        inside = [item for item in shown if item.frames is not None]
        assert sum(item.fill in ("value", "adjoint") for item in inside) == 1  # the focus
        assert len(shown) - len(inside) == len(told.nodes)
        assert len(inside) - 1 == len(owners(told.scene, frame))


def test_edges_that_leave_a_part_are_hinted_at(told: Story) -> None:
    whole = {f"node:{node.id}" for node in told.nodes}
    for frame in range(len(told.frames)):
        hints = [item for item in told.scene.at(frame).primitives if isinstance(item, Curve) and item.dashed]
        assert bool(hints) == (owners(told.scene, frame) != whole)


def test_what_is_added_to_a_part_hangs_together_with_what_it_is_about(told: Story) -> None:
    graph = nx.Graph([(edge.operand, edge.user) for edge in told.edges])
    about: dict[frozenset[str], set[int]] = defaultdict(set)
    for frame in range(len(told.frames)):
        about[frozenset(owners(told.scene, frame))].update(essential(told, frame))
    for shown, wanted in about.items():
        part = graph.subgraph(int(owner.removeprefix("node:")) for owner in shown)
        assert all(component & wanted for component in nx.connected_components(part))


def test_a_part_stays_as_it_is_while_it_is_told(told: Story) -> None:
    def places(frame: int) -> dict[str, Box]:
        return {item.owner: item.box for item in told.scene.at(frame).primitives if item.role == "card"}

    changes = sum(places(frame) != places(frame - 1) for frame in range(1, len(told.frames)))
    assert changes < len(told.frames) / 2


@pytest.mark.parametrize("name", STORIES)
def test_teaching_stories_fit_on_one_layout_where_they_can(name: str) -> None:
    told = story(name)
    alone = [item for item in told.scene.primitives if item.role == "map"] == []
    assert alone == (name != "xor")


def test_a_poster_holds_the_whole_graph() -> None:
    source, at, _ = FORMULAS["residuals"]
    told = explain(source, at=at)
    assert told.poster.width > 1280 and told.poster.width / told.poster.height == pytest.approx(16 / 9)
    assert owners(told.poster, 0) == {f"node:{node.id}" for node in told.nodes}
    assert points(told.poster) >= 14
    assert f'width="{told.poster.width:.2f}' in told.svg()[:200] and 'width="1280"' in told.svg(3)[:200]


SUM = added(tuple(Row((Identifier("w", str(n)), Number(f"−{n}.25"))) for n in range(20)))


def test_long_formulas_are_broken_before_signs() -> None:
    lines = broken(SUM, 300, 26)
    assert len(lines) > 5 and all(measure(line, 26)[0] <= 300 for line in lines)
    assert "".join(line.plain() for line in lines) == SUM.plain()
    assert all(isinstance(line, Row) and line.items[0] == Operator("+") for line in lines[1:])


@pytest.mark.parametrize("formula", [
    Application("f", tuple(Identifier(f"argument{n}") for n in range(20))),
    Fraction(SUM, SUM),
    Row((Text("["), Row(tuple(Number(str(n)) for n in range(60))), Text("]"))),
    Text("L" * 300),
])  # fmt: skip
def test_every_formula_can_be_broken(formula: Application) -> None:
    lines = broken(equals(Identifier("z"), formula), 300, 26)
    assert all(measure(line, 26)[0] <= 300 for line in lines)
    assert lines[-1].plain().endswith((")", "]", "…", "25"))


def test_what_is_too_wide_is_cut_and_says_so() -> None:
    vector = equals(Identifier("w", "15"), quantity([0.457, -0.232, -0.242, 0.835]))
    assert cut(vector, 1000, 20) == vector
    for width in range(40, 300, 7):
        shorter = cut(vector, width, 20)
        assert measure(shorter, 20)[0] <= width
        assert "…" in shorter.plain()
        numbers = [part for part in shorter.plain().replace("…", " ").split() if "." in part]
        assert all(part.strip("[],") in ("0.457", "−0.232", "−0.242", "0.835") for part in numbers)
    assert cut(vector, 260, 20).plain() == "w₁₅ = [0.457, −0.232,\u00a0…]".replace(", −", ",\u00a0−")
    words = wrapped_words(f"a {'L' * 300} b", 400, 21)
    assert [len(words), words[0], words[2]] == [3, "a", "b"] and words[1].endswith("…")
    assert text_width(cut_words("L" * 300, 200, 25), 25) <= 200


def test_a_panel_never_takes_the_whole_slide() -> None:
    frame = explain("x*x", at={"x": 2}).frames[-1]
    long = type(frame)(
        **{**frame.__dict__, "equation": (Text("z"), SUM, SUM, SUM, Number("2")), "sentence": "so " * 400}
    )
    _, height = panel(long, 500, Place(600, 36, 200, 330))
    assert height <= 330
    items, _ = panel(long, 500, Place(600, 36, 200, 330))
    lines = [item.formula.plain() for item in items if isinstance(item, Formula)]
    assert lines[-1].strip() == "= 2" and lines[-2] == "…"
    wide = [line.plain() for _, line in lines_at(frame.equation, 1000, 26)]
    assert wide == ["dz/dw₁ = dz/dw₂·dw₂/dw₁ + dz/dw₂·dw₂/dw₁", " = 1·w₁ + 1·w₁ = 1·2 + 1·2 = 4"]
    assert [equation_lines(frame.equation, 1000, height)[1] for height in (120, 105, 10)] == [26, 22, 19]


def test_arrows_follow_their_curve_to_the_head() -> None:
    curve = ((0.0, 0.0), (20.0, 0.0), (20.0, 100.0), (40.0, 100.0))
    shorter = cut_back(curve, 15)
    assert sum((a - b) ** 2 for a, b in zip(shorter[-1], curve[-1])) ** 0.5 == pytest.approx(15)
    whole = list(Curve("edge", curve, "line", 1).samples(2000))
    for x, y in Curve("edge", shorter, "line", 1).samples(50):
        assert min(abs(x - a) + abs(y - b) for a, b in whole) < 0.2
    assert cut_back(curve, 500) == ((0.0, 0.0),) * 4


PRINTED = 383.9 / CELL.width  # points on paper for each pixel of a handout's frame


@pytest.mark.parametrize("name", ["through-time", "xor", "matrix-free"])
def test_a_handout_can_be_read_on_paper(name: str) -> None:
    told = story(name)
    for content in (told, blanked(told)):
        scene = slide(content, CELL)
        sizes = [item.size * PRINTED for item in scene.primitives if isinstance(item, (Words, Formula))]
        assert min(sizes) >= 7
        assert max(item.size * PRINTED for item in scene.primitives if isinstance(item, Formula)) > 10
        assert all(collisions(scene, frame) == [] for frame in range(len(told.frames)))


def test_a_handout_leaves_blank_what_a_frame_finds_out_and_nothing_else(told: Story) -> None:
    sheet = blanked(told)
    for (kind, target), history in told.known.items():
        later = sheet.known[kind, target]
        for known in history:
            if known.start == 0 and known.fact in told.given:
                assert later[0].fact == known.fact
                continue
            (blank,) = [one for one in later if one.start == known.start and one.fact.shown == BLANK]
            assert blank.stop == min(known.start + 1, len(told.frames))
            after = [one.fact.shown for one in later if one.start == known.start + 1 < known.stop]
            assert after == ([known.fact.shown] if known.start + 1 < known.stop else [])
    for frame, given in zip(told.frames, sheet.frames):
        assert len(given.equation) == len(frame.equation) and given.equation[:1] == frame.equation[:1]
        assert all(side == LONG_BLANK for side in given.equation[2:])


def test_a_handouts_jacobian_is_filled_in_a_frame_late() -> None:
    told = explain(lambda x, y: (x * y, x + y), at=(2, 3), mode="reverse")
    first = next(index for index, frame in enumerate(told.frames) if frame.cells)
    (cell, *_) = told.frames[first].cells
    assert told.jacobian
    shown = known_cells(blanked(told))[told.jacobian.place(cell)]
    blank, filled = [(formula, span) for formula, span in shown if formula != UNKNOWN]
    assert blank == (BLANK, (first, first + 1))
    assert filled == (cell.shown, (first + 1, len(told.frames)))


def test_every_format_of_slides_shows_the_same_parts() -> None:
    told = story("xor")
    assert re.search(rb"/MediaBox \[ 0 0 960 540 \]", told.pdf())
    assert Image.open(io.BytesIO(told.gif())).size == (1280, 720)
    first = told.svg(0)
    assert 'width="1280" height="720"' in first
    shown = set(re.findall(r'data-owner="(node:\d+)"', first))
    assert shown == owners(told.scene, 0) and len(shown) < len(told.nodes)
    sizes = [float(size) for size in re.findall(r"\\(?:words|formula)\[.*?\]\{.*?\}\{([\d.]+)\}", told.tex())]
    # Beamer's page is 160 mm wide, to be shown 13⅓ inches wide.
    assert len(sizes) > 100 and min(sizes) * (40 / 3 * 25.4) / 160 >= 14 * 72.27 / 72 * 0.99
