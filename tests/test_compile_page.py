"""The page of a compile story in a real browser: steps, the link between nodes and lines, keyboard, access, print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_compile_story import training_step
from test_player_browser import BROWSER, FLAGS, opened, playwright, until

from graphcomp.render.compilation.sourcing import listing
from graphcomp.render.compile_story import CompileStory, compile_story


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def network() -> CompileStory:
    return compile_story(*training_step())


@pytest.fixture(scope="module")
def page_file(network: CompileStory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return network.save(tmp_path_factory.mktemp("compile") / "network.html")


def kernel_frame(told: CompileStory, needed: str) -> int:
    return next(index for index, step in enumerate(told.steps) if step.kernel is not None
                and any(needed in line.text for line in step.lines))  # fmt: skip


def test_steps_play_and_the_list_follows(browser: Any, page_file: Path, network: CompileStory) -> None:
    with opened(browser, page_file) as page:
        total = len(network.steps)
        assert page.inner_text("#step") == f"1 / {total}" and page.is_hidden("#source")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#step") == f"2 / {total}" and page.url.endswith("#step=2")
        assert network.steps[1].sentence[:30] in page.inner_text("#told")
        page.keyboard.press("End")
        assert page.inner_text("#step") == f"{total} / {total}" and page.is_visible("#source")
        assert page.locator("tr.focus").count() == 1 and "kernel" in page.inner_text("tr.focus")
        page.locator("tr[data-step='2'] button").click()
        assert page.inner_text("#step") == f"3 / {total}"
        assert page.locator("#graph svg.wide:visible").count() == 1
        page.select_option("#speed", "4")
        page.click("#play")
        assert until(lambda: page.inner_text("#step") == f"4 / {total}")
        page.click("#play")


def test_a_node_lights_its_lines_and_a_line_its_nodes(browser: Any, page_file: Path, network: CompileStory) -> None:
    at = kernel_frame(network, "math.sqrt")
    line = next(line for line in network.steps[at].lines if "math.sqrt" in line.text)
    with opened(browser, page_file, f"#step={at + 1}") as page:
        card = page.locator(f'#graph svg.wide:visible [data-owner="{at}:kernel:value:{line.nodes[0]}"]').first
        card.click()
        lit = page.eval_on_selector_all("#source li.lit", "all => all.map(one => one.id)")
        assert f"line-{line.number}" in lit
        assert all(page.inner_text(f"#{name}").rstrip().find(f"%{line.nodes[0]}") >= 0 for name in lit)
        page.click(f"#line-{line.number - 1}")
        owners = page.eval_on_selector_all("#graph svg.wide .lit", "all => all.map(one => one.dataset.owner)")
        wanted = {f"value:{id}" for id in listing(network.compilation.source.text).lines[line.number - 2].nodes}  # type: ignore
        assert {owner.split("kernel:")[1] for owner in owners} <= wanted and owners


def test_the_link_works_by_keyboard(browser: Any, page_file: Path, network: CompileStory) -> None:
    at = kernel_frame(network, "math.sqrt")
    with opened(browser, page_file, f"#step={at + 1}") as page:
        page.focus("#graph")
        page.keyboard.press("ArrowRight")
        assert page.locator("#graph svg.wide .lit").count() == 1 and page.inner_text("#selected")
        page.focus("#source ol")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.locator("#source li.lit").count() == 1
        assert page.get_attribute("#source ol", "aria-activedescendant")
        assert page.inner_text("#step").startswith(f"{at + 1} /")


def test_a_line_of_another_kernel_goes_to_its_step(browser: Any, page_file: Path, network: CompileStory) -> None:
    first, last = (step for step in (network.steps[kernel_frame(network, "# kernel 0:")], network.steps[-1]))
    with opened(browser, page_file, f"#step={len(network.steps)}") as page:
        page.locator(f"#line-{first.lines[1].number}").evaluate("one => one.click()")
        assert page.inner_text("#step").startswith(f"{network.steps.index(first) + 1} /")
        assert first is not last


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}])
def test_the_page_is_accessible(browser: Any, page_file: Path, network: CompileStory, options: dict[str, Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for at in (1, 2, len(network.steps)):
        with opened(browser, page_file, f"#step={at}", **options) as page:
            found = axe.Axe().run(page).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:120]) for one in found] == []


def test_print_has_a_page_for_each_step(browser: Any, page_file: Path, network: CompileStory) -> None:
    with opened(browser, page_file) as page:
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("#pages .page").count() == len(network.steps)
        pictures = "all => all.map(page => page.querySelectorAll('svg.wide:not(.off)').length)"
        shown = page.eval_on_selector_all("#pages .page", pictures)
        assert set(shown) == {1}
