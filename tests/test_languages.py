"""Stories in every language: no key is missing, every format follows the language, and nothing stays English."""

from __future__ import annotations

import ast
import html
import json
import re
import string
from pathlib import Path

import numpy as np
import pytest

import graphcomp
import graphcomp as gx
from graphcomp import nn
from graphcomp.cli import main
from graphcomp.errors import RenderError, ShapeError
from graphcomp.render import CompileStory, Story, explain, explain_error
from graphcomp.render.network import network
from graphcomp.render.scene import Words
from graphcomp.render.sentences import LANGUAGES, language
from graphcomp.render.stories import STORIES, story
from graphcomp.render.terminal import frame_in_terminal

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
AT = {"x1": 2, "x2": 3}
ENGLISH_WORDS = re.compile(
    r"\b(the|is|of|and|are|its|it|take|takes|with|not|step|steps|value|values|adjoint|adjoints|tangent|tangents|array|"
    r"vector|node|nodes|contribution|contributions|uses|use|input|result|times|sweeps?|multiplications?|held|show|"
    r"check|hint|speed|play|pause|close|larger|smaller|fit|row|column|page|true|false|named|evaluation|trace|"
    r"derivatives|with|by|at|from|all|more|answers?|before|after)\b",
    re.I,
)
OTHERS = [name for name in LANGUAGES if name != "en"]


def places(sentence: str) -> set[str]:
    return {name.casefold() for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("name", OTHERS)
def test_a_language_has_every_sentence_with_the_same_places(name: str) -> None:
    english, other = language("en").sentences, language(name).sentences
    assert set(other) == set(english)
    assert {key: places(sentence) for key, sentence in other.items()} == {
        key: places(sentence) for key, sentence in english.items()
    }
    assert len(language(name).numbers) == len(language("en").numbers)
    kept = {key for key in english if english[key] == other[key] and re.search("[A-Za-z]{3}", places_out(english[key]))}
    assert kept == set(), "sentences that were not translated"


def places_out(sentence: str) -> str:
    return re.sub(r"\{\w+\}", "", sentence)


def test_every_sentence_that_is_asked_for_is_in_the_table() -> None:
    asked = set()
    for path in (Path(graphcomp.__file__).parent / "render").rglob("*.py"):
        if "network" in path.parts:
            continue  # stories over groups have a table of their own
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "say":
                asked |= {one.value for one in node.args if isinstance(one, ast.Constant)}
    assert len(asked) > 60
    assert asked <= set(language("en").sentences)


def told(name: str) -> dict[str, Story]:
    """Stories that say most of what there is to say."""

    def layer(W: np.ndarray, x: np.ndarray) -> np.ndarray:
        return np.sum(np.tanh(W @ x) > 0) + np.sum(np.tanh(W @ x))

    matrix, vector = np.linspace(-1, 1, 20).reshape(4, 5), np.linspace(0, 1, 5)
    return {
        "both": explain(LECTURE, at=AT, mode="both", language=name),
        "quiz": explain(LECTURE, at=AT, quiz=True, language=name),
        "parts": explain("z = x*x*x + x; y = x", at={"x": 2}, granularity="contribution", language=name),
        "tensors": explain(layer, at=(matrix, vector), mode="both", language=name),
        "comparison": explain("where(x > 1, x, 2*x)", at={"x": 2}, mode="forward", language=name),
    }


def visible(page: str) -> str:
    """What a reader sees or hears of a page: its text, its labels, and what its script says."""
    body = page.split("<body", 1)[1]
    data = json.loads(re.search(r'id="story">(.*?)</script>', body, re.S)[1])  # type: ignore[index]
    body = re.sub(r"<script.*?</script>", " ", body, flags=re.S)
    labels = re.findall(r'(?:aria-label|title)="([^"]*)"', body)
    said = [*data["words"].values(), *(piece[0] for piece in data["mathematics"]["pieces"])]
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", body), *labels, *said]))


def english_in(text: str) -> list[str]:
    """English words, those aside that are names of operations, of places to fill in, or of files."""
    text = re.sub(r"\{\w+\}|\w+\.py:\d+[^\n<]*|·?\w+\(|axes=\S*", " ", text)
    return [match[0] for match in ENGLISH_WORDS.finditer(text)]


@pytest.mark.parametrize("kind", ["both", "quiz", "parts", "tensors", "comparison"])
def test_nothing_in_a_german_story_is_english(kind: str) -> None:
    story_told = told("de")[kind]
    page = story_told.html()
    assert '<html lang="de">' in page
    assert english_in(visible(page)) == []
    assert english_in(story_told.markdown()) == []
    assert english_in(story_told.terminal(width=200)) == []
    assert english_in(frame_in_terminal(story_told, 0, width=200)) == []
    assert english_in(" ".join(story_told.scene.descriptions.values())) == []


def test_the_words_of_the_english_stories_would_be_found() -> None:
    for story_told in told("en").values():
        assert len(english_in(visible(story_told.html()))) > 20
        assert len(english_in(story_told.markdown())) > 5


@pytest.mark.parametrize("name", [name for name in STORIES if name != "compile"])  # whose page shows source code
def test_teaching_stories_are_told_in_german(name: str) -> None:
    german, english = story(name, "de"), story(name)
    assert german.language == "de" and len(german.frames) == len(english.frames)
    assert english_in(visible(german.html())) == []
    assert german.title != english.title
    assert all(one.sentence != other.sentence for one, other in zip(german.frames, english.frames, strict=True))
    words = " ".join(item.text for item in german.scene.primitives if isinstance(item, Words))
    assert german.frames[-1].sentence.split()[0] in words


def said_in_page(page: str) -> str:
    """A page's text, labels and sentences of the script, without source code and the quoted names of rules."""
    body = page.split("<body", 1)[1]
    data = re.search(r'type="application/json"[^>]*>(.*?)</script>', body, re.S)
    words = json.loads(data[1])["words"]  # type: ignore[index]
    body = re.sub(
        r"<script.*?</script>|<code>.*?</code>|<p class=\"source\">.*?</p>|<math.*?</math>", " ", body, flags=re.S
    )
    labels = re.findall(r'aria-label="([^"]*)"', body)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", body), *labels, *words.values()]))


def test_compile_stories_are_told_in_german() -> None:
    german, english = story("compile", "de"), story("compile")
    assert isinstance(german, CompileStory) and isinstance(english, CompileStory)
    assert german.language == "de" and german.title != english.title
    assert all(one.sentence != other.sentence for one, other in zip(german.frames, english.frames, strict=True))
    rules = {name for step in english.steps for name in re.sub(r" \(.*\)$", "", step.name).split(", then ")}
    told_there = " ".join([said_in_page(german.html()), german.terminal(width=200), german.markdown().split("```")[0]])
    for rule in sorted(rules, key=len, reverse=True):  # the names of rules are names
        told_there = told_there.replace(rule, " ")
    told_there = re.sub(r"(?i)\btrace\b", " ", told_there)  # the pass is called so
    heading = r"(product|loop)[^<\n]*statements?|loop \w+"
    assert english_in(re.sub(heading, " ", told_there)) == []
    assert len(english_in(said_in_page(english.html()))) > 20
    assert english_in(re.sub(r"\btrace\b", " ", " ".join(german.scene.descriptions.values()))) == []


def test_pictures_of_errors_are_told_in_german() -> None:
    def model(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        h = np.tanh(x)
        return h @ w

    with pytest.raises(ShapeError) as caught:
        gx.trace(model, np.ones((2, 3)), np.ones((2, 3)))
    german, english = (explain_error(caught.value, language=name) for name in ("de", "en"))
    assert german.language == "de" and "scheitert hier" in german.html() and "fails here" in english.html()
    assert german.title.startswith("ShapeError in ")
    with pytest.raises(RenderError, match="en, de"):
        explain_error(caught.value, language="tlh")


def test_pages_of_networks_are_told_in_german() -> None:
    class Layer(nn.Module):
        w: np.ndarray

        def __call__(self, x: np.ndarray) -> np.ndarray:
            return np.tanh(x @ self.w)

    graph = gx.trace(
        gx.value_and_grad(lambda layer, x: nn.softmax_cross_entropy(layer(x), [0, 1])),
        Layer(np.ones((2, 2))),
        np.ones((2, 2)),
    )
    pages = {name: network(graph, overlay={3: 1.0}, language=name).html() for name in ("de", "en")}
    assert '<html lang="de">' in pages["de"]
    ops = {node.op for node in graph.nodes()}
    told_there = {
        name: " ".join(word for word in said_in_page(page).split() if word not in ops) for name, page in pages.items()
    }
    assert english_in(told_there["de"]) == [] and len(english_in(told_there["en"])) > 20
    levels = network(graph, language="de").levels
    titles = [member.title for level in levels.values() for member in level.members.values()]
    assert any("rückwärts" in title for title in titles) and not any(" to " in f" {title}" for title in titles)


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(RenderError, match="en, de"):
        explain(LECTURE, at=AT, language="tlh")
    with pytest.raises(RenderError, match="en, de"):
        story("order", "tlh")


def test_the_command_line_tells_stories_in_german(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--story", "vanishing", "--language", "de"]) == 0
    assert "Sigmoide" in capsys.readouterr().out
