"""A network's page in a real browser: groups that open in place, by mouse and keys, in both themes, and on a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_render_networks import MODELS, gradient, training_step

from graphcomp.render.network import Network, network
from graphcomp.trace import trace

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
    "--no-first-run",
]  # fmt: skip

if BROWSER is None:
    pytest.skip("no Chromium on this machine", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: pip install graphcomp[browser]")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    hostile = trace("z = x * 2", x=1.0)
    hostile.names = {"<script>alert(1)</script> \"' & \u202e": hostile.inputs[0]}
    return {
        "step": network(training_step(), title="A training step"),
        "attention": network(trace(lambda model, x: model(x), *MODELS["attention"])),
        "rnn": network(trace(gradient, *MODELS["rnn"]), overlay=dict.fromkeys(range(3000), 1.0), overlay_name="ones"),
        "hostile": network(hostile, title="</script><script>alert(2)</script>"),
    }


@pytest.fixture(scope="module")
def pages(networks: dict[str, Network], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("networks")
    return {name: one.save(folder / f"{name}.html") for name, one in networks.items()}


@contextmanager
def opened(browser: Any, path: Path, address: str = "", **options: Any) -> Iterator[Any]:
    """A page that must neither complain nor ask for anything but itself."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 720}, **options})
    context.set_default_timeout(8000)
    page = context.new_page()
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri() + address)
    yield page
    context.close()
    assert complaints == []
    assert [url.split("#")[0] for url in requests] == [path.as_uri()]


def face(page: Any, key: str) -> Any:
    return page.locator(f'.face[data-key="{key}"]')


def titles(page: Any) -> list[str]:
    return [str(text) for text in page.locator("#graph .title").all_text_contents()]


BOXES = """() => [...document.querySelectorAll('#graph .member')].map(member => {
  const {x, y, width, height} = member.querySelector(':scope > .face > .box').getBBox();
  const {e, f, a} = member.getCTM(), scale = document.querySelector('#graph svg').getCTM();
  return [member.dataset.key, (e - scale.e) / a + x, (f - scale.f) / a + y, width, height];
})"""
CLICK = "key => document.getElementById('card-' + key).dispatchEvent(new Event('click', {bubbles: true}))"
CROSSED = """() => {
  const boxes = [...document.querySelectorAll('#graph .member > .face > .box')]
    .map(box => [box, box.getBoundingClientRect()]);
  const found = [];
  for (const path of document.querySelectorAll('#graph .flow path')) {
    const matrix = path.getScreenCTM(), length = path.getTotalLength(), points = [];
    for (let k = 0; k <= 60; k += 1) points.push(path.getPointAtLength(length * k / 60).matrixTransform(matrix));
    const holds = (box, point, slack) => box.left + slack < point.x && point.x < box.right - slack
      && box.top + slack < point.y && point.y < box.bottom - slack;
    for (const [element, box] of boxes) {
      const around = [points[0], points.at(-1)].every(point => holds(box, point, -1.5));
      if (!around && points.some(point => holds(box, point, 1))) found.push(element.parentNode.dataset.key);
    }
  }
  return found;
}"""


def overlaps(boxes: list[Any]) -> list[tuple[str, str]]:
    """Cards that meet, unless one stands inside the other."""
    found = []
    for k, (one, left, top, width, height) in enumerate(boxes):
        for other, x, y, across, down in boxes[k + 1 :]:
            meets = (
                left + width > x + 0.5 and x + across > left + 0.5 and top + height > y + 0.5 and y + down > top + 0.5
            )
            within = x >= left - 0.5 and y >= top - 0.5 and x + across <= left + width + 0.5
            if meets and not (within and y + down <= top + height + 0.5):
                found.append((one, other))
    return found


@pytest.mark.parametrize("name", ["step", "attention", "rnn"])
def test_a_page_places_the_cards_as_a_picture_does(
    browser: Any, pages: dict[str, Path], networks: dict[str, Network], name: str
) -> None:
    with opened(browser, pages[name]) as page:
        drawn = {item.owner[7:]: item.box for item in networks[name].scene().primitives if item.role == "card"}
        for key, x, y, width, height in page.evaluate(BOXES):
            box = drawn[key]
            assert (x, y, width, height) == pytest.approx((box.left, box.top, box.width, box.height), abs=0.6)


@pytest.mark.parametrize("name", ["step", "attention", "rnn"])
def test_groups_open_in_place_and_nothing_meets(browser: Any, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name]) as page:
        for _ in range(3):
            page.click("#deeper")
            boxes = page.evaluate(BOXES)
            assert overlaps(boxes) == []
            assert page.evaluate(CROSSED) == []
        assert len(boxes) > 30
        page.click("#close")
        assert page.locator('[aria-expanded="true"]').count() == 0


def test_a_click_opens_a_group_among_what_surrounds_it(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"]) as page:
        before = titles(page)
        group = face(page, "encoder")
        group.click()
        assert group.get_attribute("aria-expanded") == "true"
        assert len(titles(page)) > len(before) and "+ adam" in titles(page) and "− encoder" in titles(page)
        assert "+ blocks ×12" in titles(page)
        assert page.inner_text("#where") == "encoder" and "196 values to adam" in page.inner_text("#said")
        assert page.url.endswith("#open=encoder")
        group.locator(".title").click()
        assert titles(page) == before and group.get_attribute("aria-expanded") == "false"
    with opened(browser, pages["step"], "#open=encoder,encoder%2Fnorm") as page:
        assert face(page, "encoder/norm").get_attribute("aria-expanded") == "true"


def test_a_loop_opens_to_one_turn(browser: Any, pages: dict[str, Path], networks: dict[str, Network]) -> None:
    loop = "reader/memory/scan"
    with opened(browser, pages["rnn"], "#open=reader,reader%2Fmemory") as page:
        assert "+ scan ×5" in titles(page) and "state[0]" not in titles(page)
        face(page, loop).locator(".title").click()
        assert "− scan ×5" in titles(page) and {"state[0]", "state[1]", "now[0]"} <= set(titles(page))
        drawn = page.locator(f'.member[data-key="{loop}"] .flow').count()
        assert drawn == len(networks["rnn"].levels[loop].edges)
        assert overlaps(page.evaluate(BOXES)) == [] and page.evaluate(CROSSED) == []
        state = next(key for key, one in networks["rnn"].levels[loop].members.items() if one.title == "state[0]")
        page.evaluate(CLICK, state)
        assert "where" in page.inner_text("#said")
        face(page, loop).locator(".title").click()
        assert "+ scan ×5" in titles(page) and "state[0]" not in titles(page)


def test_the_card_that_opens_stays_under_the_pointer(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"], viewport={"width": 700, "height": 500}) as page:
        page.click("#deeper")
        title = face(page, "encoder (backward)/norm").locator(".title")
        title.scroll_into_view_if_needed()
        before = title.bounding_box()
        title.click()
        after = title.bounding_box()
        assert abs(before["x"] - after["x"]) < 40 and abs(before["y"] - after["y"]) < 100


def test_everything_can_be_done_by_keys(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"]) as page:
        assert page.locator('#graph [tabindex="0"]').count() == 1

        def focused() -> str:
            return str(page.evaluate("document.activeElement.dataset.key"))

        page.locator('#graph [tabindex="0"]').focus()
        assert focused() == "encoder"
        page.keyboard.press("ArrowRight")
        assert focused() == "softmax_cross_entropy"
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        assert face(page, "encoder").get_attribute("aria-expanded") == "true" and focused() == "encoder"
        for _ in range(12):
            page.keyboard.press("ArrowDown")
        inner = page.evaluate("document.activeElement.closest('.level .level') !== null")
        assert inner, "the arrows lead into the group"
        page.keyboard.press("Escape")
        assert focused() == "encoder" and face(page, "encoder").get_attribute("aria-expanded") == "false"
        page.keyboard.press(" ")
        assert face(page, "encoder").get_attribute("aria-expanded") == "true"
        page.keyboard.press("Tab")
        assert not page.evaluate("document.activeElement.closest('#graph')")


def test_theme_and_zoom(browser: Any, pages: dict[str, Path]) -> None:
    for scheme in ("light", "dark"):
        with opened(browser, pages["attention"], color_scheme=scheme) as page:
            ground = "getComputedStyle(document.body).backgroundColor"
            before = page.evaluate(ground)
            page.click("#theme")
            assert page.evaluate(ground) != before
            page.click("#theme")
            assert page.evaluate(ground) == before
            wide = page.locator("#graph .paper").bounding_box()["width"]
            page.click("#larger")
            assert page.locator("#graph .paper").bounding_box()["width"] == pytest.approx(1.25 * wide, rel=0.02)
            page.click("#deeper")
            page.click("#deeper")
            page.click("#fit")
            box, place = page.locator("#graph .paper").bounding_box(), page.locator("#graph").bounding_box()
            assert box["x"] >= place["x"] and box["x"] + box["width"] <= place["x"] + place["width"]
            assert box["y"] >= place["y"] and box["y"] + box["height"] <= place["y"] + place["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_no_accessibility_rule_is_broken(browser: Any, pages: dict[str, Path], scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install graphcomp[browser]")
    size = {"width": width, "height": 740}
    for name in ("step", "rnn"):
        with opened(browser, pages[name], color_scheme=scheme, viewport=size) as page:
            page.click("#deeper")
            assert axe.Axe().run(page).response["violations"] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_page_prints_light_and_whole(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"], color_scheme="dark") as page:
        page.click("#deeper")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.is_visible("#deeper")
        assert page.locator("#graph svg").bounding_box()["width"] <= 1280
        pdf = page.pdf(prefer_css_page_size=True)
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1


def test_hostile_names_are_text(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["hostile"]) as page:
        assert page.inner_text("h1") == "</script><script>alert(2)</script>"
        assert any("<script>" in title for title in titles(page))


def test_without_a_script_the_page_shows_the_outermost_level(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"], java_script_enabled=False) as page:
        assert "adam" in page.inner_text("#graph")


def test_numbers_lie_over_the_cards(browser: Any, pages: dict[str, Path], networks: dict[str, Network]) -> None:
    with opened(browser, pages["rnn"]) as page:
        assert "ones, added up for a group" in page.inner_text("header")
        member = networks["rnn"].levels[""].members["reader"]
        assert f"{member.number:.3g}" in page.locator('.face[data-key="reader"] .number').text_content()


def test_every_group_of_a_large_step_opens(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"]) as page:
        page.click("#deeper")
        closed = page.eval_on_selector_all('[aria-expanded="false"]', "all => all.map(one => one.dataset.key)")
        assert closed
        for key in closed:
            page.evaluate(
                "key => document.getElementById('card-' + key).dispatchEvent(new Event('click', {bubbles: true}))", key
            )
            assert page.get_attribute(f'[id="card-{key}"]', "aria-expanded") == "true"


def test_opening_a_group_draws_nothing_else_again(browser: Any, pages: dict[str, Path]) -> None:
    """Cards of other groups only move, and the SVG keeps its size: a new one would lay out every text again."""
    with opened(browser, pages["step"]) as page:
        page.click("#deeper")
        page.evaluate("for (const one of document.querySelectorAll('#graph .box')) one.drawnBefore = true")
        before = page.locator("#graph .box").count()
        size = page.locator("#graph svg").get_attribute("width")
        page.evaluate(CLICK, "encoder (backward)/norm")
        again = page.eval_on_selector_all("#graph .box", "all => all.filter(one => !one.drawnBefore).length")
        inside = page.locator('.member[data-key="encoder (backward)/norm"] .level .box').count()
        assert inside > 3 and page.locator("#graph .box").count() == before + inside
        assert again <= inside + 4  # its own card, and those around that grew with it
        assert page.locator("#graph svg").get_attribute("width") == size


def test_all_closed_is_as_it_was(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["step"]) as page:
        for _ in range(2):
            page.click("#deeper")
        page.click("#close")
        face(page, "encoder").click()
        assert page.locator('#graph [aria-expanded="true"]').count() == 1
        assert page.url.endswith("#open=encoder")


def test_a_network_shows_itself_in_a_notebook(networks: dict[str, Network]) -> None:
    cell = networks["attention"]._repr_html_()
    assert cell.startswith("<iframe") and "&lt;!doctype html&gt;" in cell
