"""The picture of an error: the graph up to the failing call, its operands lit, in every format and from the shell."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn
from graphcomp.cli import main
from graphcomp.errors import RenderError
from graphcomp.render import Story, explain_error
from graphcomp.render.scene import Words, collisions


class Net(nn.Module):
    first: nn.Linear
    second: nn.Linear

    def __call__(self, x: Any) -> Any:
        return self.second(nn.relu(self.first(x)))


def wrong_model() -> None:
    model = Net(nn.Linear.create(4, 8, key=0), nn.Linear.create(9, 2, key=1))
    gx.jit(lambda model, x: model(x))(model, np.ones((3, 4), "float32"))


def wrong_formula() -> None:
    gx.explain("w3 = a*b; w4 = w3 + sum(a); z = w4 + c", at={"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3, 4]})


def wrong_array() -> None:
    gx.trace(lambda x: np.concatenate([np.sin(x), np.ones((2, 2))], 0), np.ones((3, 4)))


def wrong_code() -> None:
    def function(x: Any) -> Any:
        y = np.exp(x)
        return [1, 2][5] * y

    gx.trace(function, 1.0)


def deep() -> None:
    def function(x: Any, w: Any) -> Any:
        for _ in range(400):
            x = np.tanh(x @ w)
        return x.reshape(7, 7)

    gx.trace(function, np.ones((3, 4)), np.ones((4, 4)))


def story_of(fails: Callable[[], None]) -> Story:
    with pytest.raises(Exception) as caught:
        fails()
    return explain_error(caught.value)


@pytest.mark.parametrize("fails", [wrong_model, wrong_formula, wrong_array, wrong_code, deep])
def test_the_picture_is_legible(fails: Callable[[], None]) -> None:
    told = story_of(fails)
    assert collisions(told.scene, 0) == [] and len(told.nodes) <= 20
    assert any("fails here" in item.formula.plain() for item in told.scene.primitives if hasattr(item, "formula"))


def test_the_failing_layer_and_its_operands_are_lit() -> None:
    told = story_of(wrong_model)
    (frame,) = told.frames
    failed = told.node(frame.focus)
    assert (
        failed.definition.plain().startswith("Linear(") and "Linear takes [..., 9], not float32[3, 8]" in frame.sentence
    )
    operands = {edge.operand for edge in told.edges if edge.key in frame.reads}
    shapes = {told.known["value", id][-1].fact.shown.plain() for id in operands}
    assert shapes == {"float32[9, 2]", "float32[2]", "float32[3, 8]"}
    assert "return self.second(nn.relu(self.first(x)))" in frame.source_line
    assert "net/second" in frame.sentence


def test_a_formula_keeps_its_names() -> None:
    told = story_of(wrong_formula)
    failed = told.node(told.frames[0].focus)
    assert failed.definition.plain() == "w₄ + w₅" and "(3,) and (4,)" in told.frames[0].sentence


def test_an_array_that_is_not_traced_is_an_operand() -> None:
    told = story_of(wrong_array)
    assert "array = float64[2, 2]" in {f"{node.symbol.plain()} = {node.definition.plain()}" for node in told.nodes}
    assert len(told.frames[0].reads) == 2


def test_the_users_own_mistake_has_its_line() -> None:
    told = story_of(wrong_code)
    assert told.title == "IndexError in the function"
    assert "return [1, 2][5] * y" in told.frames[0].source_line
    assert [node.definition.plain() for node in told.nodes][1:] == ["e^w₁", "your code"]


def test_of_a_deep_model_the_end_is_drawn() -> None:
    told = story_of(deep)
    assert "closest of 802 traced nodes" in told.frames[0].sentence
    assert any(node.definition.plain().startswith("tanh") for node in told.nodes)


@pytest.mark.parametrize("suffix", [".html", ".svg", ".png", ".pdf", ".mmd", ".md"])
def test_one_call_writes_it(tmp_path: Path, suffix: str) -> None:
    told = story_of(wrong_model)
    assert told.save(tmp_path / f"wrong{suffix}").stat().st_size > 200
    assert "iframe" in told._repr_html_()


def test_the_message_is_in_the_picture() -> None:
    words = " ".join(item.text for item in story_of(wrong_model).scene.primitives if isinstance(item, Words))
    assert "ShapeError: Linear takes [..., 9], not float32[3, 8]." in words


def test_the_last_error_of_a_session_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys, "last_exc", raising=False)
    monkeypatch.delattr(sys, "last_value", raising=False)
    with pytest.raises(RenderError, match="no error has been shown"):
        explain_error()
    with pytest.raises(gx.errors.ShapeError) as caught:
        wrong_model()
    monkeypatch.setattr(sys, "last_value", caught.value, raising=False)
    assert explain_error().title == "ShapeError in Linear"


def test_other_errors_have_no_picture() -> None:
    with pytest.raises(RenderError, match="not raised while tracing"):
        explain_error(ValueError("something else"))


def test_the_command_line_draws_it_beside_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["explain", "w3 = a*b; z = w3 + c", "--at", "a=[1,2]", "b=[3,4]", "c=[1,2,3]"]
    assert main([*given, "-o", str(tmp_path / "out.svg")]) == 2
    message = capsys.readouterr().err
    assert "do not broadcast" in message and "out.error.svg" in message and "Traceback" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["out.error.svg"]
    assert "fails here" in (tmp_path / "out.error.svg").read_text(encoding="utf-8")


def test_what_was_there_before_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "out.html"
    page.write_text("as it was", encoding="utf-8")
    assert main(["explain", "a + b", "--at", "a=[1,2]", "b=[1,2,3]", "-o", str(page)]) == 2
    assert page.read_text(encoding="utf-8") == "as it was"
    assert main(["explain", "a + b", "--at", "a=[1,2]", "b=[1,2,3]", "-o", str(tmp_path / "no" / "out.html")]) == 2
    assert main(["explain", "a +", "-o", str(tmp_path / "other.html")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.error.html", "out.html"]
    assert "Traceback" not in capsys.readouterr().err
