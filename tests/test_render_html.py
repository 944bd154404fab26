"""The page: self-contained, whole without its script, and a player that works in a real browser."""

import html
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from graphcomp.render import Story, explain
from graphcomp.render.page.assets import player_file
from graphcomp.render.page.document import SCRIPTS
from graphcomp.render.page.formulas import is_set_alike, side_by_side
from graphcomp.render.picture import draw
from graphcomp.render.scene import Formula

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"


@pytest.fixture(scope="module")
def story() -> Story:
    return explain(LECTURE, at={"x1": 2, "x2": 3})


@pytest.fixture(scope="module")
def page(story: Story) -> str:
    return story.html()


def test_nothing_is_requested_from_elsewhere(page: str) -> None:
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", page))
    assert addresses <= {"http://www.w3.org/1998/Math/MathML", "http://www.w3.org/2000/svg"}
    assert not re.search(r"<(link|img|iframe|script src|object|embed)", page)
    assert "url(" not in page and "@import" not in page and "fetch(" not in page
    assert "default-src 'none'" in page


def data(page: str) -> Any:
    return json.loads(re.search(r'id="story">(.*?)</script>', page, re.S)[1])  # type: ignore[index]


def test_the_tables_and_steps_carry_the_whole_story_without_the_script(story: Story, page: str) -> None:
    """As text: the graph, the outlines and the MathML are the script's, and hidden or absent without it."""
    rows = re.findall(r'<tr data-owner="(node:\d+)">(.*?)</tr>', page, re.S)
    assert [owner for owner, _ in rows] == [f"node:{node.id}" for node in story.nodes]
    first = rows[0][1]
    assert 'data-frames="4-5"' in first and 'data-frames="0-4" class="off"' in first
    assert ">dz/dw₁ = 2.584</span>" in first and ">dz/dw₁ = ?</span>" in first
    told = re.findall(r'<div class="frame" data-frames="\d+-\d+">(.*?)</div></div>', page, re.S)
    assert len(told) == len(story.frames)
    for frame, text in zip(story.frames, told, strict=True):
        words = html.unescape(re.sub(r"<[^>]*>", "", text))
        assert frame.sentence in words and all(side.plain() in words for side in frame.equation)
    assert '<body class="plain">' in page and ".plain #stage" in page and "<math" not in page


def test_every_formula_is_exactly_its_pieces_side_by_side() -> None:
    """The script only adds advances; what it would not draw as it was typeset is a piece of its own."""
    sources: list[tuple[str, dict[str, float], Any]] = [
        (LECTURE, {"x1": 2, "x2": 3}, "reverse"),
        ("f = log(x1) + x1*x2 - sin(x2)/exp(-x1) + sqrt(x1)**3 + sigmoid(x1*x2)", {"x1": 2, "x2": -5e-6}, "both"),
    ]
    for source, at, mode in sources:
        for notation in ("d", "∂", "bar"):
            told = explain(source, at=at, mode=mode, notation=notation)  # type: ignore[arg-type]
            drawn = {item.formula for item in draw(told).primitives if isinstance(item, Formula)}
            formulas = drawn | {side for frame in told.frames for side in frame.equation}
            assert [one.plain() for one in formulas if not is_set_alike(one, side_by_side(one))] == []


def test_each_formula_and_glyph_is_in_the_page_once(page: str) -> None:
    found = data(page)["mathematics"]
    texts = [json.dumps(tokens) for tokens in found["formulas"]]
    assert len(texts) == len(set(texts))
    used = {name for piece in found["pieces"] for run in piece[5] for name in run[1::3]}
    used |= {glyph[1] for glyph in found["raised"]} | {name for run in found["root"][5] for name in run[1::3]}
    assert {str(name) for name in used} == set(found["glyphs"])
    numbers = {int(number) for number in re.findall(r'data-formula="(\d+)"', page)}
    assert numbers <= set(range(len(texts)))


def test_both_drawings_link_cards_edges_and_table(story: Story, page: str) -> None:
    graph = data(page)["graph"]
    wide, tall = graph["drawings"]
    assert (wide["name"], tall["name"]) == ("wide", "tall")
    cards = {f"node:{node.id}" for node in story.nodes}
    for drawing in (wide, tall):
        assert {group[0] for group in drawing["groups"]} == cards | {
            f"edge:{edge.user}:{edge.slot}" for edge in story.edges
        }
    again = {group[0] for group in tall["groups"] if len(group) == 3}
    assert again >= cards, "what looks the same in both is drawn once"
    assert not any("#" in str(part) for style in graph["styles"] for part in style), "colours are names"
    assert any("adjoint" in style for style in graph["styles"])


def test_frames_and_themes_are_in_the_page(story: Story, page: str) -> None:
    assert [frame["focus"] for frame in data(page)["frames"]] == [f"node:{frame.focus}" for frame in story.frames]
    assert "prefers-color-scheme: dark" in page and "prefers-reduced-motion" in page and "@media print" in page
    assert page.count('class="frame"') == 5
    for control in ("first", "back", "play", "forward", "last", "scrub", "speed", "theme"):
        assert f'id="{control}"' in page
    assert all("aria-label=" in button for button in re.findall(r'<button type="button" id[^>]*>', page))


def chain(length: int) -> Story:
    source = "; ".join(["a1 = sin(x)*x", *(f"a{n} = sin(a{n - 1})*a{n - 1}" for n in range(2, length))])
    return explain(source, at={"x": 1})


def test_size_grows_linearly_with_the_chain() -> None:
    sizes = [len(chain(length).html().encode()) for length in (8, 16, 32)]
    assert sizes[2] - sizes[1] < 2.2 * (sizes[1] - sizes[0])


def test_a_page_weighs_at_most_8_kilobytes_a_node() -> None:
    told = chain(18)
    assert len(told.nodes) == 35
    assert len(told.html().encode()) < 8000 * len(told.nodes)


def test_the_player_is_part_of_the_installed_package() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"
    patterns = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]["graphcomp"]
    for name in (*SCRIPTS, "player.css"):
        assert any(Path(f"render/player/{name}").match(pattern) for pattern in patterns)
        assert player_file(name)
