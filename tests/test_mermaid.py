"""What Mermaid itself draws of a .mmd file: every label as it was meant, whatever is in it.

Mermaid comes from npm: `npm install mermaid`, then GRAPHCOMP_MERMAID=…/node_modules/mermaid/dist/mermaid.min.js.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from graphcomp.render import Story, compile_story, explain
from graphcomp.render.mathematics import clean
from graphcomp.render.mermaid import escaped
from graphcomp.trace import trace

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
HOSTILE = (
    "<script>alert(1)</script>", "`code`", "1. list", "- item", "**bold**", "_it_ *a*", "[x](http://a.b)", "%%comment",
    "javascript:alert(1)", "fa:fa-car", "fab:fa-github", "$$x^2$$", ":::end", "&amp; &lt;", "#35; #quot;", "end", "\"'",
    "# head", "> quote", "![i](x)", "~~s~~", "مرحبا", "日本", "a\\nb<br>", "subgraph x", "%%{init: {}}%%", "---",
    "| a |", "http://example.org", "L" * 300,
)  # fmt: skip


def hostile() -> Story:
    graph = trace(" + ".join(f"x{number}" for number in range(len(HOSTILE))))
    graph.names = dict(zip(HOSTILE, graph.inputs, strict=True))
    return explain(graph, at=[1.0] * len(HOSTILE))


def test_no_sign_with_a_meaning_is_left() -> None:
    assert escaped("fa:fa-car") == "fa#58;#8288;fa#45;car"
    assert escaped("$$\\n") == "#36;#8288;#36;#8288;#92;#8288;n"
    assert escaped("w₃ = w₁·w₂") == "w₃ = w₁·w₂"


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    script = Path(os.environ.get("GRAPHCOMP_MERMAID", "node_modules/mermaid/dist/mermaid.min.js"))
    if not script.is_file():
        pytest.skip("no Mermaid here: npm install mermaid, and GRAPHCOMP_MERMAID=…/dist/mermaid.min.js")
    browser = pytest.importorskip("test_player_browser", reason="no browser to draw in")
    with browser.playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=browser.BROWSER, args=browser.FLAGS)
        page = started.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.on("request", lambda request: complaints.append(request.url))
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(path=str(script))
        page.evaluate("mermaid.initialize({startOnLoad: false})")
        yield page
        started.close()
        assert complaints == []


DRAW = """async (text) => {
  const { svg } = await mermaid.render("drawn", text);
  document.body.innerHTML = svg;
  const texts = (selector) => [...document.querySelectorAll(selector)].map((one) => one.innerText || one.textContent);
  return {
    title: document.querySelector("svg title").textContent,
    nodes: texts(".node"),
    edges: texts("g.edgeLabel"),
    tags: [...new Set([...document.querySelectorAll("svg *")].map((one) => one.tagName.toLowerCase()))],
  };
}"""


def words(text: str) -> str:
    """Text as it is seen: without signs that have no width, and with single spaces."""
    return " ".join(clean(text).split())


@pytest.mark.parametrize(
    "make", [lambda: explain(LECTURE, at={"x1": 2, "x2": 3}), hostile, lambda: compile_story(LECTURE)]
)
def test_mermaid_draws_every_label_as_text(page: Any, make: Any) -> None:
    told = make()
    drawn = page.evaluate(DRAW, told.mermaid())
    assert words(drawn["title"]) == words(told.title)
    wanted = {words(f"{node.symbol.plain()} = {node.definition.plain()}") for node in told.nodes}
    cards = [words(text) for text in drawn["nodes"]]
    assert len(cards) == len(told.nodes)
    assert {start for start in wanted if any(card.startswith(start) for card in cards)} == wanted
    assert not {"script", "img", "a", "i", "math", "code", "ul", "ol", "strong", "em"} & set(drawn["tags"])
    if told.mode != "evaluate":
        assert len(drawn["edges"]) == len(told.edges)
