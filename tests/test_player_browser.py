"""The page in a real browser: every control, by mouse and by keyboard, in both themes, and on a phone."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphcomp.render import Story, explain
from graphcomp.render.account import Account
from graphcomp.render.derived import adjoints, tangents
from graphcomp.render.live import Fixed, LiveProgram
from graphcomp.render.page.document import shown as shown_story
from graphcomp.render.page.formulas import Formulas
from graphcomp.render.sentences import language
from graphcomp.run import evaluate_all
from graphcomp.trace import trace

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]

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
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    chain = "; ".join(["a1 = sin(x)", *(f"a{n} = sin(a{n - 1})" for n in range(2, 25))])
    stories: dict[str, Story] = {
        "lecture": explain(LECTURE, at={"x1": 2, "x2": 3}),
        "forward": explain(LECTURE, at={"x1": 2, "x2": 3}, mode="forward"),
        "evaluate": explain(LECTURE, at={"x1": 2, "x2": 3}, mode="evaluate"),
        "all": explain("z1 = a*b*c; z2 = sin(a) + c", at={"a": 1, "b": 2, "c": 3}, mode="both"),
        "chain": explain(chain, at={"x": 1}),
        "hostile": hostile(),
    }
    return {name: story.save(folder / f"{name}.html") for name, story in stories.items()}


def hostile() -> Story:
    """The lecture's example with names that no format may take for more than text."""
    graph = trace(LECTURE)
    names = ("<script>alert(1)</script>", "\"quote' & ]]> <!--", "L" * 300, "مرحبا \u202e日本 $x_1$ \\input{a} %|*_")
    graph.names = dict(zip(names, (*graph.inputs, 2, graph.outputs[0]), strict=True))
    return explain(graph, at=(2, 3), notation="bar")


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


def step(page: Any) -> str:
    return str(page.inner_text("#step"))


def shown(page: Any, selector: str) -> list[str]:
    """The formulas that are shown at a place, as plain text."""
    found = page.eval_on_selector_all(
        f"{selector} .math", "all => all.filter(one => !one.closest('.off')).map(one => one.dataset.plain)"
    )
    return [str(text) for text in found]


def until(holds: Callable[[], bool], seconds: float = 5) -> bool:
    """Whether something comes to hold in time."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.03)
    return holds()


def card(page: Any, node: int) -> Any:
    return page.locator(f'#graph svg:visible [data-owner="node:{node}"]').last


def test_buttons_scrubber_and_speed(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"]) as page:
        assert step(page) == "1 / 5" and page.is_disabled("#back") and "Start at the end" in page.inner_text("#told")
        assert "dz/dw₁ = ?" in shown(page, "#table")
        page.click("#forward")
        assert step(page) == "2 / 5" and page.url.endswith("#step=2")
        page.click("#last")
        assert step(page) == "5 / 5" and page.is_disabled("#forward") and "dz/dw₁ = 2.584" in shown(page, "#table")
        page.click("#back")
        page.click("#first")
        assert step(page) == "1 / 5"
        page.fill("#scrub", "3")
        assert step(page) == "3 / 5" and page.get_attribute("#scrub", "aria-valuetext") == "step 3 of 5"
        page.select_option("#speed", "4")
        page.click("#play")
        assert page.get_attribute("#play", "aria-label") == "Pause"
        playwright.expect(page.locator("#step")).to_have_text("5 / 5")
        assert page.get_attribute("#play", "aria-label") == "Play"


def test_play_starts_again_at_the_end_and_pauses(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], "#step=5") as page:
        page.click("#play")
        assert step(page) == "1 / 5"
        page.click("#play")
        assert page.get_attribute("#play", "aria-label") == "Play"


def test_the_keyboard_alone(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"]) as page:
        keys = {"ArrowRight": "2 / 5", "End": "5 / 5", "ArrowLeft": "4 / 5", "Home": "1 / 5"}
        for key, wanted in keys.items():
            page.keyboard.press(key)
            assert step(page) == wanted
        page.keyboard.press(" ")
        assert page.get_attribute("#play", "aria-pressed") == "true"
        page.keyboard.press(" ")
        assert page.get_attribute("#play", "aria-pressed") == "false"
        reached = []
        for _ in range(30):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        controls = {"theme", "graph", "smaller", "fit", "larger", "play", "forward", "last", "scrub", "speed"}
        assert controls <= set(reached)
        assert reached[: reached.index("speed")].count("graph") == 1
        assert page.evaluate("document.querySelectorAll('#graph [tabindex]').length") == 0


def test_arrows_follow_the_edges_in_the_graph(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], "#step=5") as page:
        page.focus("#graph")
        heard = []
        for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown"):
            page.keyboard.press(key)
            heard.append(page.inner_text("#selected").split(",")[0])
        assert heard[0] == "w₁ = x₁" and heard[2] == "w₅ = w₃ + w₄"
        assert {heard[3], heard[4]} == {"w₃ = w₁·w₂", "w₄ = sin w₁"}
        assert step(page) == "5 / 5"
        page.keyboard.press("Enter")
        assert page.is_visible("#details")
        page.keyboard.press("Escape")
        assert not page.is_visible("#details") and page.inner_text("#selected") == ""


def test_a_card_opens_its_history_and_a_row_goes_to_its_step(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"]) as page:
        card(page, 2).click()
        text = page.inner_text("#details")
        assert "w₃ = w₁·w₂" in text and "from the start: value 6" in text and "step 2: adjoint 1" in text
        assert "chosen" in page.get_attribute('tr[data-owner="node:2"]', "class")
        page.click("#details .history button")
        assert step(page) == "2 / 5"
        page.click("#close")
        assert page.is_hidden("#details")
        page.click('tr[data-owner="node:0"] button')
        assert step(page) == "5 / 5"
        assert page.get_attribute('tr[data-owner="node:0"]', "aria-current") == "step"
        card(page, 1).hover()
        assert "hovered" in page.get_attribute('tr[data-owner="node:1"]', "class")


def test_source_lines_of_a_function(browser: Any, tmp_path: Path) -> None:
    def area(width: Any, height: Any) -> Any:
        return width * height

    path = explain(area, at=(2.0, 3.0)).save(tmp_path / "area.html")
    with opened(browser, path) as page:
        card(page, 2).click()
        assert "return width * height" in page.inner_text("#details")


def test_zoom_and_pan(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"]) as page:

        def width() -> float:
            return float(page.locator("#graph svg:visible").bounding_box()["width"])

        fitted = width()
        page.click("#larger")
        page.click("#larger")
        assert width() > 1.5 * fitted
        assert page.evaluate("graph.scrollWidth > graph.clientWidth")
        before = page.evaluate("graph.scrollLeft")
        page.mouse.move(400, 250)
        page.mouse.down()
        page.mouse.move(300, 250, steps=4)
        page.mouse.up()
        assert page.evaluate("graph.scrollLeft") == pytest.approx(before + 100, abs=2)
        assert page.is_hidden("#details")
        grown = width()
        page.keyboard.down("Control")
        page.mouse.wheel(0, 200)
        page.keyboard.up("Control")
        assert until(lambda: width() < grown)
        page.keyboard.press("0")
        assert width() == pytest.approx(fitted, abs=1)
        page.click("#smaller")
        assert width() < fitted


def test_a_step_can_be_linked_to(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], "#step=3") as page:
        assert step(page) == "3 / 5"
        page.evaluate("location.hash = '#step=99'")
        playwright.expect(page.locator("#step")).to_have_text("5 / 5")


@pytest.mark.parametrize("name", ["lecture", "forward", "evaluate", "all", "chain", "hostile"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_no_accessibility_rule_is_broken(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install graphcomp[browser]")
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, pages[name], "#step=2", **options) as page:
        card(page, 0).click()
        found = axe.Axe().run(page).response["violations"]
        assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in found] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_phone_gets_the_graph_bottom_up(browser: Any, pages: dict[str, Path]) -> None:
    options = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(browser, pages["lecture"], **options) as page:
        assert page.locator("#graph svg:visible").get_attribute("class") == "tall"
        first, last = card(page, 0).bounding_box(), card(page, 4).bounding_box()
        assert first["y"] > last["y"] + last["height"]
        page.tap("#forward")
        assert step(page) == "2 / 5"
        card(page, 0).tap()
        assert page.is_visible("#details")
        small = page.eval_on_selector_all(
            "button", "all => all.filter(one => one.offsetParent && one.offsetHeight < 24).map(one => one.id)"
        )
        assert small == []


def test_both_drawings_show_the_same_facts(browser: Any, pages: dict[str, Path]) -> None:
    """On a phone the cards' shapes are those of the wide drawing, which is not shown there."""
    pictures = []
    for address in ("#step=1", "#step=5"):
        with opened(browser, pages["lecture"], address, viewport={"width": 390, "height": 844}) as page:
            page.wait_for_timeout(400)
            pictures.append(card(page, 0).screenshot())
    assert pictures[0] != pictures[1]


STATE = """() => [...document.querySelectorAll('[data-frames]')].filter((one) => !one.classList.contains('off'))
    .map((one) => (one.closest('[data-owner]')?.dataset.owner || 'told') + one.dataset.frames).sort().join()"""


@pytest.mark.parametrize("name", ["chain", "all"])
def test_steps_one_by_one_show_what_a_leap_shows(browser: Any, pages: dict[str, Path], name: str) -> None:
    with opened(browser, pages[name]) as page:
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        walked = page.evaluate(STATE)
        page.keyboard.press("End")
        last = page.evaluate(STATE)
    with opened(browser, pages[name], "#step=6") as page:
        assert page.evaluate(STATE) == walked != last
    with opened(browser, pages[name], f"#step={page_count(pages[name])}") as page:
        assert page.evaluate(STATE) == last


def page_count(path: Path) -> int:
    """How many steps a page tells."""
    return path.read_text(encoding="utf-8").count('class="frame"')


def test_a_drawing_is_made_when_it_is_first_seen(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], "#step=3") as page:
        drawn = "all => all.map(one => one.childElementCount > 0)"
        assert page.eval_on_selector_all("#graph svg.wide, #graph svg.tall", drawn) == [True, False]
        page.set_viewport_size({"width": 390, "height": 844})
        page.wait_for_timeout(100)
        assert page.eval_on_selector_all("#graph svg.wide, #graph svg.tall", drawn) == [True, True]
        known = "all => all.map(one => one.querySelectorAll('use:not(.off)').length)"
        wide, tall = page.eval_on_selector_all("#graph svg.wide, #graph svg.tall", known)
        assert wide == tall
        card(page, 0).click()
        assert page.is_visible("#details") and card(page, 0).get_attribute("aria-label").startswith("w₁ = x₁, 2")


def test_a_large_flat_story_answers_steps_without_laying_all_of_it_out(browser: Any, tmp_path: Path) -> None:
    sums = "; ".join(["a1 = x*y", *(f"a{n} = sin(a{n - 1})*a{max(n // 2, 1)} + y" for n in range(2, 90))])
    path = explain(sums, at={"x": 0.7, "y": 0.9}).save(tmp_path / "large.html")
    with opened(browser, path) as page:
        page.evaluate("""() => {
            window.touched = new Set();
            new MutationObserver((all) => all.forEach(({ target }) => window.touched.add(target)))
                .observe(document.querySelector('#graph'), { subtree: true, attributes: true });
        }""")
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(100)
        assert 0 < page.evaluate("window.touched.size") < 60
        assert page.eval_on_selector_all("#graph svg.wide *", "all => all.length") > 2000


def test_the_jacobian_fills_and_the_counters_run(browser: Any, tmp_path: Path) -> None:
    def two(a: Any, b: Any) -> Any:
        return a * b, a + b

    path = explain(two, at=(2.0, 3.0)).save(tmp_path / "two.html")
    with opened(browser, path) as page:
        assert set(shown(page, ".jacobian td")) == {"?"} and "0 values" not in page.inner_text(".frame:not(.off) .cost")
        page.keyboard.press("End")
        assert shown(page, ".jacobian td") == ["3", "2", "1", "1"]
        assert "2 sweeps" in page.inner_text(".frame:not(.off) .cost")


def test_themes(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], color_scheme="dark") as page:
        background = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(background) == "rgb(18, 21, 26)"
        page.click("#theme")
        assert page.evaluate(background) == "rgb(255, 255, 255)"
        page.click("#theme")
        assert page.evaluate(background) == "rgb(18, 21, 26)"


def test_reduced_motion_and_no_script(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], reduced_motion="reduce") as page:
        page.click("#forward")
        assert page.evaluate("document.getAnimations().length") == 0
    with opened(browser, pages["lecture"], java_script_enabled=False) as page:
        assert "Two nodes use w₁" in page.inner_text("#told")


def test_print_has_a_page_for_each_frame(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"]) as page:
        data = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", data)) == 5


def test_two_players_in_one_notebook_page(browser: Any, tmp_path: Path) -> None:
    cells = [explain(LECTURE, at={"x1": 2, "x2": 3}, mode=mode)._repr_html_() for mode in ("reverse", "forward")]  # type: ignore[arg-type]
    path = tmp_path / "notebook.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{''.join(cells)}</body>", encoding="utf-8")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(path.as_uri())
        first, second = page.frames[1], page.frames[2]
        first.click("#forward")
        assert (first.inner_text("#step"), second.inner_text("#step")) == ("2 / 5", "1 / 10")


@pytest.fixture(scope="module")
def quiz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    story = explain(LECTURE, at={"x1": 2, "x2": 3}, quiz=True)
    return story.save(tmp_path_factory.mktemp("quiz") / "quiz.html")


def test_a_quiz_hides_the_answer_and_names_the_mistake(browser: Any, quiz: Path) -> None:
    with opened(browser, quiz, "#step=5") as page:
        assert "Your turn" in page.inner_text("#told") and "2.584" not in shown(page, "#told")
        assert "dz/dw₁ = ?" in shown(page, "#table") and "dz/dw₂ = 2" in shown(page, "#table")
        field, feedback = page.locator("#answer-4"), page.locator(".frame:not(.off) .feedback")
        for answer, said in (
            ("cos(w1", "neither a number nor a formula"),
            ("alert(1)", "neither a number nor a formula"),
            ("3", "A term is missing"),
            ("-2.584", "the sign is not"),
            ("17", "Not yet"),
        ):
            field.fill(answer)
            field.press("Enter")
            playwright.expect(feedback).to_contain_text(said)
            assert "dz/dw₁ = ?" in shown(page, "#table")
        assert page.is_hidden(".frame:not(.off) .clue")
        page.click(".frame:not(.off) .hint")
        assert page.is_visible(".frame:not(.off) .clue")
        field.fill("1·cos(w₁) + w2")
        page.click(".frame:not(.off) button[type=submit]")
        playwright.expect(feedback).to_contain_text("Right")
        assert "dz/dw₁ = 2.584" in shown(page, "#table") and page.is_visible(".frame:not(.off) .solution")


def test_play_waits_for_an_answer_and_show_gives_it(browser: Any, quiz: Path) -> None:
    with opened(browser, quiz) as page:
        page.select_option("#speed", "4")
        page.click("#play")
        page.wait_for_selector(".frame.pending:not(.off) input")
        assert page.get_attribute("#play", "aria-pressed") == "false"
        asked = step(page)
        page.focus(".frame:not(.off) input")
        page.keyboard.press("ArrowRight")
        assert step(page) == asked
        page.click(".frame:not(.off) .reveal")
        assert page.is_visible(".frame:not(.off) .solution")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_quiz_breaks_no_accessibility_rule(browser: Any, quiz: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install graphcomp[browser]")
    with opened(browser, quiz, "#step=5", color_scheme=scheme, reduced_motion="reduce") as page:
        assert axe.Axe().run(page).response["violations"] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2.58", 2.58), ("2,58", 2.58), ("-3", -3), ("−w1^2", -4), ("2w1 w2", 12), ("w₁·w_2 + 1e-3", 6.001),
        ("sin w1 + cos(w2)", -0.0806950695), ("max(w1, w2)/2", 1.5), ("2**-1", 0.5), ("(1+2)(3)", 9),
    ],
)  # fmt: skip
def test_formulas_that_readers_type(browser: Any, quiz: Path, text: str, value: float) -> None:
    with opened(browser, quiz) as page:
        found = page.evaluate("text => graphcompExpression.evaluate(text, {w1: 2, w2: 3})", text)
        assert found == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "constructor", "w1.x", "__proto__", "f(1)", "1)", "((1)", "1/0", "(" * 500, "w9"])
def test_what_is_no_formula_is_refused(browser: Any, quiz: Path, text: str) -> None:
    script = "text => { try { return graphcompExpression.evaluate(text, {w1: 2}); } catch (error) { return null; } }"
    with opened(browser, quiz) as page:
        assert page.evaluate(script, text) is None


FORMULAS = [
    "sin(x) + x*y",
    "log(x) + x*y - sin(y)",
    "sigmoid(x)**2.5 * exp(-y) / sqrt(x + 3)",
    "tanh(x*y) - softplus(x - y) + abs(x - 2)**3",
    "maximum(x, y) * relu(x) + where(x > y, x, y*y)",
    "x**y + log1p(x) * expm1(y) + atan2(x, y)",
    "z1 = a*b*c; z2 = sin(a) + c - 4*exp(-a)*sqrt(b)",
]


def quantities(account: Account, story: Story) -> Iterator[tuple[int, int, float]]:
    """Every number that the page computes: its sweep, its place, and what the reference interpreter gives."""
    assert isinstance(story.live, LiveProgram)
    passes = story.live.passes(story.sweeps)
    assert isinstance(passes, list)
    backwards = adjoints(account.graph, account.moving_edges)
    forwards = tangents(account.graph, account.moving_edges)
    for number, (one, sweep) in enumerate(zip(passes, story.sweeps, strict=True)):
        seeds = [np.float64(1) if start == sweep.seed else np.float64(0) for start in one.starts]
        graph = account.graph
        if sweep.kind != "value":
            graph = forwards.graph if sweep.kind == "tangent" else backwards[sweep.seed].graph  # type: ignore[index]
        values = evaluate_all(graph, [*account.inputs, *seeds])
        tables: tuple[Mapping[Any, int], ...] = (one.values, one.derivatives, one.partials, one.contributions)
        for table in tables:
            yield from ((number, place, float(values[place])) for place in table.values())


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_page_computes_what_the_interpreter_computes(browser: Any, formula: str) -> None:
    graph = trace(formula)
    rng = np.random.default_rng(len(formula))
    with browser.new_context() as context:
        page = context.new_page()
        for _ in range(3):
            at = rng.uniform(0.2, 3, len(graph.inputs))
            story = explain(graph, at=at, mode="both")
            told = shown_story(story, story.live, language("en"))
            live = told.data(Formulas())
            assert live
            each = "return sweeps.map(([one, start]) => run[one](inputs, start));"
            script = f"([inputs, sweeps]) => {{ const run = {told.functions()}; {each} }}"
            found = page.evaluate(script, [at.tolist(), live["sweeps"]])
            checked = list(quantities(Account(graph, list(at)), story))
            assert len(checked) > 20
            for sweep, place, value in checked:
                assert found[sweep][place] == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_what_a_page_cannot_compute_is_said(browser: Any, tmp_path: Path) -> None:
    long = "; ".join(["a0 = x", *(f"a{n} = sin(a{n - 1})" for n in range(1, 220))])
    for source, at, reason in (
        (lambda x: x + x, [np.ones(3)], "this graph holds arrays"),
        (lambda x: x + x, [np.float32(2)], "this graph holds float32"),
        (long, {"x": 1}, "at most 200"),
        ("lgamma(x)", {"x": 2}, "lgamma has no counterpart"),
    ):
        story = explain(source, at=at, mode="evaluate")
        assert isinstance(story.live, Fixed)
        assert reason in language("en").say(story.live.reason, **story.live.parts)
    story = replace(story, live=Fixed("no counterpart", {"op": "<b>why</b>"}))
    with opened(browser, story.save(tmp_path / "fixed.html")) as page:
        assert "<b>why</b>" in page.inner_text(".fixed")


def facts_of(page: Any) -> list[Any]:
    """All that each step shows, in words, and all that its graph draws."""
    words = """() => [...document.querySelectorAll('#told .math, #table .math')]
        .filter(one => !one.closest('.off') && getComputedStyle(one).display !== 'none')
        .map(one => one.dataset.plain)"""
    outlines = """() => [...document.querySelectorAll('#graph svg.wide use')]
        .filter(one => !one.closest('.off') && one.getAttribute('href').startsWith('#f-'))
        .map(one => document.querySelector(one.getAttribute('href')).innerHTML)"""
    found: list[Any] = [page.inner_text("h1")]
    if page.is_enabled("#first"):
        page.click("#first")
    while True:
        labels = page.eval_on_selector_all("#graph svg.wide [role=img]", "all => all.map(one => one.ariaLabel)")
        found.append((page.evaluate(words), page.evaluate(outlines), labels))
        if page.is_disabled("#forward"):
            return found
        page.click("#forward")


@pytest.mark.parametrize(
    ("formula", "at", "other", "options"),
    [
        (LECTURE, {"x1": 2, "x2": 3}, {"x1": -1.5, "x2": 0.0625}, {}),
        (LECTURE, {"x1": 2, "x2": 3}, {"x1": 3e7, "x2": -1.25e-7}, {"mode": "both", "notation": "∂"}),
        (LECTURE, {"x1": 2, "x2": 3}, {"x1": float("nan"), "x2": float("-inf")}, {"mode": "forward"}),
        (FORMULAS[6], {"a": 1, "b": 2, "c": 3}, {"a": 0.5, "b": 0.7, "c": -1e-5}, {"mode": "both"}),
        (FORMULAS[6], {"a": 1, "b": 2, "c": 3}, {"a": -0.5, "b": 0.7, "c": 4}, {"granularity": "contribution"}),
        (FORMULAS[5], {"x": 0.5, "y": 1.25}, {"x": 1.75, "y": -0.3}, {"mode": "both", "notation": "bar"}),
        (FORMULAS[4], {"x": 0.5, "y": 1.25}, {"x": 1.75, "y": -0.3}, {"mode": "both"}),
    ],
)
def test_other_inputs_give_the_page_that_is_told_at_them(
    browser: Any, tmp_path: Path, formula: str, at: Any, other: Any, options: Any
) -> None:
    """Cards, edges, table, equations, Jacobian, heading and text alternatives, in words and in outlines."""
    paths = [explain(formula, at=values, **options).save(tmp_path / f"{number}.html")
             for number, values in enumerate((at, other))]  # fmt: skip
    with opened(browser, paths[0], reduced_motion="reduce") as page:
        before = facts_of(page)
        page.click("#live summary")
        for number, value in enumerate(other.values()):
            page.fill(f"#live input >> nth={number}", repr(value))
        found = facts_of(page)
        page.click("#live button[type=reset]")
        page.wait_for_timeout(50)
        assert facts_of(page) == before
    with opened(browser, paths[1], reduced_motion="reduce") as page:
        wanted = facts_of(page)
    assert found != before and len(found) == len(wanted)
    for one, (there, here) in enumerate(zip(wanted, found, strict=True)):
        assert here == there, f"step {one}"


def test_inputs_may_be_formulas_and_what_is_no_number_is_said(browser: Any, pages: dict[str, Path]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install graphcomp[browser]")
    with opened(browser, pages["lecture"], "#step=5", reduced_motion="reduce") as page:
        page.click("#live summary")
        page.fill("#live input >> nth=0", "pi/2")
        assert "w₄ = sin w₁" in shown(page, "#table") and "1" in shown(page, 'tr[data-owner="node:3"] td.value')
        assert page.inner_text("h1").endswith("x₁ = 1.571, x₂ = 3")
        page.fill("#live input >> nth=0", "<b>")
        assert "<b> is not a number" in page.inner_text(".said")
        assert page.get_attribute("#live input >> nth=0", "aria-invalid") == "true"
        assert page.inner_text("h1").endswith("x₁ = 1.571, x₂ = 3")
        assert axe.Axe().run(page).response["violations"] == []


def test_a_long_number_stays_inside_its_card(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"], "#step=5", viewport={"width": 1600, "height": 900}) as page:
        page.click("#live summary")
        page.fill("#live input >> nth=0", "-123456.789")
        page.fill("#live input >> nth=1", "-0.00012345")
        room = """() => [...document.querySelectorAll('#graph svg.wide [data-owner]')].map(group => {
            const frame = (group.querySelector('rect') || group).getBoundingClientRect();
            return [...group.querySelectorAll('use')].filter(one => !one.closest('.off'))
                .map(one => one.getBoundingClientRect())
                .map(box => Math.min(box.left - frame.left, frame.right - box.right));
        }).flat()"""
        boxes = page.evaluate(room)
        assert len(boxes) > 20 and min(boxes) > 0


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def layer(W: Any, x: Any) -> Any:
        return np.sum(np.tanh(W @ x))

    W = np.arange(600.0).reshape(30, 20) / 100 - 3
    W[0, 1] = np.nan
    story = explain(layer, at=(W, np.linspace(-1, 1, 20)))
    return story.save(tmp_path_factory.mktemp("arrays") / "arrays.html")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "dark")])
def test_the_numbers_of_an_array_open_by_click_and_by_key(browser: Any, arrays: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install graphcomp[browser]")
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "reduced_motion": "reduce"}
    with opened(browser, arrays, "#step=7", **options) as page:
        assert page.is_visible("#legend") and page.locator("#legend .scale span").count() == 9
        assert page.locator("#graph svg:visible .heat rect").count() + page.locator("#graph use").count() > 20
        card(page, 0).click()
        value = page.locator(".values").first
        assert "the scale goes from −3 to 3" in value.inner_text()
        rows = [row.split("\t") for row in value.locator("tbody").inner_text().split("\n")]
        assert rows[0] == ["1", "−3", "nan", "−2.98", "…", "−2.83", "−2.82", "−2.81"]
        assert rows[3] == ["…"] * 8 and rows[-1] == ["30", "2.8", "2.81", "2.82", "…", "2.97", "2.98", "2.99"]
        assert axe.Axe().run(page).response["violations"] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Escape")
        assert page.is_hidden("#details")
        page.focus("#graph")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator(".values").count() > 0
        page.click("#first")
        card(page, 0).click()
        assert page.locator(".values").count() == 1, "the adjoint is not known yet"


def test_a_story_without_arrays_has_no_legend(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["lecture"]) as page:
        assert page.locator("#legend").count() == 0
        card(page, 0).click()
        assert page.locator(".values").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_a_german_page_speaks_german_to_the_end(browser: Any, tmp_path: Path, width: int) -> None:
    """Also what the script says: buttons, the scrubber, histories, the quiz's feedback."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install graphcomp[browser]")
    path = explain(LECTURE, at={"x1": 2, "x2": 3}, quiz=True, language="de").save(tmp_path / "de.html")
    with opened(browser, path, "#step=5", viewport={"width": width, "height": 800}, reduced_motion="reduce") as page:
        assert page.evaluate("document.documentElement.lang") == "de"
        field, feedback = page.locator("#answer-4"), page.locator(".frame:not(.off) .feedback")
        for answer, said in (("cos(", "weder eine Zahl"), ("3", "fehlt ein Summand"), ("17", "Noch nicht")):
            field.fill(answer)
            field.press("Enter")
            playwright.expect(feedback).to_contain_text(said)
        field.fill("cos(w1) + w2")
        field.press("Enter")
        playwright.expect(feedback).to_contain_text("Richtig. Bisher 0 auf Anhieb.")
        assert page.get_attribute("#scrub", "aria-valuetext") == "Schritt 5 von 5"
        card(page, 2).click()
        assert "von Anfang an: Wert 6" in page.inner_text("#details")
        assert "Schritt 2: Adjungierte 1" in page.inner_text("#details")
        assert axe.Axe().run(page).response["violations"] == []
        cut = "one => one.scrollWidth > one.clientWidth + 1"
        assert page.eval_on_selector_all("#controls button", f"all => all.filter({cut}).map(one => one.id)") == []


def test_inputs_in_a_notebook_cell(browser: Any, tmp_path: Path) -> None:
    cell = explain(LECTURE, at={"x1": 2, "x2": 3}, mode="forward")._repr_html_()
    path = tmp_path / "cell.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><body>{cell}</body>", encoding="utf-8")
    with browser.new_context(viewport={"width": 1000, "height": 900}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        inside = page.frames[1]
        inside.click("#live summary")
        inside.fill("#live input >> nth=1", "-4")
        inside.click("#last")
        assert "−4" in shown(inside, 'tr[data-owner="node:1"] td.value')
        assert inside.locator("#graph svg.wide [data-owner]").count() > 8


def test_hostile_names_stay_text_where_the_script_writes_them(browser: Any, pages: dict[str, Path]) -> None:
    with opened(browser, pages["hostile"], "#step=5") as page:
        assert page.locator("#graph script, #table script, #details script, h1 *").count() == 0
        card(page, 0).click()
        assert "<script>alert(1)</script>" in page.inner_text("#details")
        page.click("#live summary")
        page.fill("#live input >> nth=0", "-1")
        assert "<script>" in page.inner_text(".said") and page.locator("#panel script").count() == 0
        assert page.locator("math mi", has_text="<script>").count() > 0
