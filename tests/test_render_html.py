"""The page: self-contained, whole without its script, and a player that works in a real browser."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from graphcomp.render import Story, explain

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


def test_the_table_carries_the_whole_story_without_the_script(story: Story, page: str) -> None:
    rows = re.findall(r'<tr data-owner="(node:\d+)">(.*?)</tr>', page, re.S)
    assert [owner for owner, _ in rows] == [f"node:{node.id}" for node in story.nodes]
    first = rows[0][1]
    assert 'data-frames="4-5"' in first and 'data-frames="0-4"' in first
    assert 'data-plain="dz/dw₁ = 2.584"' in first and 'data-plain="dz/dw₁ = ?"' in first
    assert first.count("<math") == first.count("data-plain=")


def test_both_drawings_link_cards_edges_and_table(story: Story, page: str) -> None:
    for name in ("wide", "tall"):
        drawing = re.search(rf'<svg class="{name}".*?</svg>', page, re.S)
        assert drawing
        owners = set(re.findall(r'data-owner="([^"]+)"', drawing[0]))
        assert owners == {f"node:{node.id}" for node in story.nodes} | {
            f"edge:{edge.user}:{edge.slot}" for edge in story.edges
        }
        assert "#a34100" not in drawing[0]
        assert ("var(--adjoint)" in drawing[0]) or name == "tall"
    wide = re.search(r'<svg class="wide".*?</svg>', page, re.S)[0]  # type: ignore[index]
    again = re.findall(r'<use href="#(c-\d+)"', page)
    assert len(again) >= len(story.nodes) and set(again) == set(re.findall(r'id="(c-\d+)"', wide))
    used = set(re.findall(r'href="#(g-\d+)"', page))
    assert used == set(re.findall(r'<path id="(g-\d+)"', page))


def test_frames_and_themes_are_in_the_page(story: Story, page: str) -> None:
    data = json.loads(re.search(r'id="story">(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert [frame["focus"] for frame in data["frames"]] == [f"node:{frame.focus}" for frame in story.frames]
    assert "prefers-color-scheme: dark" in page and "prefers-reduced-motion" in page and "@media print" in page
    assert page.count('class="frame"') == 5
    for control in ("first", "back", "play", "forward", "last", "scrub", "speed", "theme"):
        assert f'id="{control}"' in page
    assert all("aria-label=" in button for button in re.findall(r'<button type="button" id[^>]*>', page))


def test_size_grows_linearly_with_the_chain() -> None:
    sizes = []
    for length in (8, 16, 32):
        source = "; ".join([f"a1 = sin(x)", *(f"a{n} = sin(a{n - 1})" for n in range(2, length))])  # noqa: F541
        sizes.append(len(explain(source, at={"x": 1}).html()))
    assert sizes[2] - sizes[1] < 2.6 * (sizes[1] - sizes[0])


def test_the_player_is_part_of_the_installed_package() -> None:
    project = Path(__file__).parent.parent / "pyproject.toml"
    patterns = tomllib.loads(project.read_text())["tool"]["setuptools"]["package-data"]["graphcomp"]
    assert any(Path("render/player/player.js").match(pattern) for pattern in patterns)
    assert any(Path("render/player/player.css").match(pattern) for pattern in patterns)
