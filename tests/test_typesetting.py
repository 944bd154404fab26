"""A formula that is set from its parts is the formula that ziamath sets as a whole: outlines, lines, words, sizes."""

from itertools import chain

import pytest

from graphcomp.render import explain, typesetting
from graphcomp.render.glyphs import Typeset, set_whole
from graphcomp.render.mathematics import Fraction, Identifier, Mathematics, Number, Operator, Power, Root, Row, Text
from graphcomp.render.picture import draw
from graphcomp.render.scene import Formula
from graphcomp.render.typesetting import typeset

SOURCES = [
    ("w3 = x1*x2; w4 = sin(x1); z = w3 + w4", {"x1": 2, "x2": 3}),
    ("f = log(x1) + x1*x2 - sin(x2)/exp(-x1) + sqrt(x1)**3 + sigmoid(x1*x2)", {"x1": 2, "x2": -5e-6}),
    ("Größe = 日本*x_1; delta = Größe/(x_1 + β)", {"日本": 2, "x_1": 3, "β": 1e-12}),
]
W12, PHI = Identifier("w", "12"), Identifier("φ", "", "bar")


def places(form: Typeset) -> list[float]:
    """Every coordinate of a typeset formula."""
    glyphs = ((one.x, one.y, one.scale) for one in form.glyphs)
    rules = ((one.x, one.y, one.width, one.height) for one in form.rules)
    runs = ((one.x, one.y, one.width, one.size) for one in form.runs)
    return [form.width, form.ascent, form.descent, form.advance, *chain(*glyphs, *rules, *runs)]


def assert_same(formula: Mathematics) -> None:
    made, whole = typeset(formula), set_whole(formula)
    assert [one.name for one in made.glyphs] == [one.name for one in whole.glyphs], formula.plain()
    assert places(made) == pytest.approx(places(whole), abs=0.01), formula.plain()
    assert [one.text for one in made.runs] == [one.text for one in whole.runs]


@pytest.mark.parametrize("notation", ["d", "∂", "bar"])
@pytest.mark.parametrize(("source", "at"), SOURCES)
def test_every_formula_of_a_story_is_set_as_a_whole(source: str, at: dict[str, float], notation: str) -> None:
    story = explain(source, at=at, mode="both", notation=notation)  # type: ignore[arg-type]
    formulas = {item.formula for item in draw(story).primitives if isinstance(item, Formula)}
    for formula in formulas | {side for frame in story.frames for side in frame.equation}:
        assert_same(formula)


@pytest.mark.parametrize(
    "formula",
    [
        Fraction(Row((W12, Operator("+"), Power(W12, Number("2")))), W12),
        Fraction(Fraction(W12, PHI), Number("−3.25")),
        Fraction(PHI, Text("日本")),
        Row((Fraction(W12, PHI), Operator("="), Fraction(Number("1"), Number("−17")))),
        Row((Root(Fraction(W12, PHI)), W12, Number("−0.5"), Number("∞"))),
        Row((Text("f"), Text("日"), W12)),
        Number("−1234567890.5"),
    ],
)
def test_formulas_with_parts_that_are_not_beside_each_other(formula: Mathematics) -> None:
    assert_same(formula)


def test_a_long_number_is_set_without_setting_it_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    typeset.cache_clear()
    typesetting.alone.cache_clear()
    wholes: list[str] = []
    monkeypatch.setattr(typesetting, "set_whole", lambda formula: wholes.append(formula.plain()) or set_whole(formula))
    assert typeset(Number("3.14159265")).glyphs
    assert set(wholes) == set("3.14159265")
