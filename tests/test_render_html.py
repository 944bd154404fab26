"""The page: self-contained, whole without its script, and a player that works in a real browser."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from graphcomp.render import Story, explain

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


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
        assert "var(--adjoint)" in drawing[0] and "#a34100" not in drawing[0]
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


PROBE = """
<script>
const seen = [];
const shown = (selector) => [...document.querySelectorAll(selector)].filter((item) => !item.closest(".off"));
const note = (what) => seen.push([what, document.getElementById("step").textContent, location.hash,
  shown("#panel .sentence").map((item) => item.textContent).join("|"),
  shown("tr.focus th .math").map((item) => item.dataset.plain).join("|"),
  shown('#table [data-plain^="dz/dw"]').map((item) => item.dataset.plain).join("|"),
  document.documentElement.dataset.theme || ""]);
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
addEventListener("error", (event) => seen.push(["error", event.message]));
note("start");
for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "Home"]) { press(key); note(key); }
document.querySelector('tr[data-owner="node:0"] button').click(); note("row");
const card = document.querySelector('#graph svg.wide [data-owner="node:4"]');
card.dispatchEvent(new MouseEvent("click", { bubbles: true })); note("card");
const scrub = document.getElementById("scrub");
scrub.value = 3; scrub.dispatchEvent(new Event("input")); note("scrub");
document.getElementById("theme").click(); note("theme");
press("Home"); press(" "); note("playing " + document.getElementById("play").getAttribute("aria-pressed"));
dispatchEvent(new Event("beforeprint")); seen.push(["pages", document.querySelectorAll("#pages .page").length]);
setTimeout(() => {
  note("later");
  seen.push(["label", document.querySelector('#graph svg.wide [data-owner="node:0"]').getAttribute("aria-label")]);
  seen.push(["requests", performance.getEntriesByType("resource").length]);
  seen.push(["wide", document.documentElement.scrollWidth <= innerWidth]);
  document.title = JSON.stringify(seen);
}, 15000);
</script>
"""


def browse(page: str, folder: Path, width: int, address: str = "") -> list[list[object]]:
    (folder / "page.html").write_text(page.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},800", "--virtual-time-budget=20000", "--dump-dom",
        f"file://{folder / 'page.html'}{address}",
    ]  # fmt: skip
    environment = {**os.environ, "HOME": str(folder)}
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment, check=True)
    title = re.search(r"<title>(.*?)</title>", result.stdout, re.S)
    assert title, result.stderr[-500:]
    text = title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return list(json.loads(text))


@needs_browser
def test_the_player_in_a_browser(page: str, tmp_path: Path) -> None:
    notes = {str(what): rest for what, *rest in browse(page, tmp_path, 1280)}
    assert "error" not in notes
    assert notes["start"][0] == "1 / 5" and "Start at the end" in str(notes["start"][2])
    assert notes["start"][4] == "dz/dw₁ = ?|dz/dw₂ = ?|dz/dw₃ = ?|dz/dw₄ = ?|dz/dw₅ = 1"
    assert notes["ArrowRight"][0] == "3 / 5" and notes["ArrowLeft"][0] == "2 / 5"
    assert notes["ArrowLeft"][1] == "#step=2" and notes["ArrowLeft"][3] == "w₃ = w₁·w₂"
    assert notes["End"][0] == "5 / 5" and "dz/dw₁ = 2.584" in str(notes["End"][4])
    assert notes["Home"][0] == "1 / 5"
    assert notes["row"][0] == "5 / 5" and notes["card"][0] == "1 / 5" and notes["scrub"][0] == "3 / 5"
    assert notes["theme"][5] in ("light", "dark")
    assert "playing true" in notes
    assert notes["pages"] == [5]
    assert notes["later"][0] == "5 / 5"
    assert notes["label"] == ["w₁ = x₁, 2, dz/dw₁ = 2.584"]
    assert notes["requests"] == [0]
    assert notes["wide"] == [True]


@needs_browser
def test_a_step_can_be_linked_to_and_a_phone_needs_no_sideways_scrolling(page: str, tmp_path: Path) -> None:
    notes = {str(what): rest for what, *rest in browse(page, tmp_path, 500, "#step=3")}
    assert notes["start"][0] == "3 / 5"
    assert notes["wide"] == [True]
