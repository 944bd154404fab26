"""The mathematics tree and its writers."""

from xml.etree import ElementTree

import numpy as np
import pytest
import sympy as sp

from graphcomp.render.glyphs import text_width
from graphcomp.render.mathematics import (
    Application,
    Differential,
    Fraction,
    Identifier,
    Number,
    Text,
    added,
    equals,
    identifier,
    multiplied,
    to_string,
)
from graphcomp.render.numerals import number, quantity
from graphcomp.render.symbolic_mathematics import from_sympy
from graphcomp.render.typesetting import typeset

W1, W2 = Identifier("w", "1"), Identifier("w", "2")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.909297, "0.909"),
        (6.909297, "6.909"),
        (-0.416147, "−0.416"),
        (2.0, "2"),
        (-0.0001, "−1×10⁻⁴"),
        (0.0, "0"),
        (-0.0, "0"),
        (1e9, "1×10⁹"),
        (float("inf"), "∞"),
        (float("nan"), "nan"),
        (True, "true"),
        (-3, "−3"),
    ],
)
def test_numbers_read_as_on_the_slides(value: float, shown: str) -> None:
    assert number(value).plain() == shown


def test_digits_are_decimals() -> None:
    assert number(-0.416147, 2).plain() == "−0.42"
    assert number(2.583853, 2).plain() == "2.58"
    assert number(2.583853, 0).plain() == "3"


def test_small_tensors_show_entries_and_large_ones_their_shape() -> None:
    assert quantity(np.array([1.0, 2.5])).plain() == "[1,\u00a02.5]"
    assert quantity(np.zeros((2, 2))).plain() == "[[0,\u00a00],\u00a0[0,\u00a00]]"
    assert quantity(np.zeros((3, 4))).plain() == "3×4 array"
    assert quantity(np.zeros(7)).plain() == "vector of 7"


def test_the_lecture_equation_in_three_notations() -> None:
    z, sides = Identifier("z"), (Identifier("w", "4"), Identifier("w", "3"))
    left = Fraction(Differential("d", z), Differential("d", W1))
    equation = equals(left, added(tuple(multiplied((Number("1"), side)) for side in sides)), number(2.5839, 2))
    assert equation.plain() == "dz/dw₁ = 1·w₄ + 1·w₃ = 2.58"
    assert equation.latex().startswith(r"\frac{\mathrm{d} z}{\mathrm{d} w_{1}} =")
    root = ElementTree.fromstring(to_string(equation))
    assert len(list(root.iter("{http://www.w3.org/1998/Math/MathML}mfrac"))) == 1


def test_negative_factors_are_bracketed() -> None:
    assert multiplied((Number("1"), Number("−0.42"))).plain() == "1·(−0.42)"


def test_functions_bracket_sums_only() -> None:
    assert Application("sin", (W1,)).plain() == "sin w₁"
    assert Application("sin", (added((W1, W2)),)).plain() == "sin(w₁ + w₂)"
    assert Application("sigmoid", (W1,)).plain() == "sigmoid(w₁)"


def test_identifiers_take_subscripts_greek_and_accents() -> None:
    assert identifier("w3").plain() == "w₃"
    assert identifier("alpha_2").plain() == "α₂"
    assert identifier("x_max").plain() == "x_max"
    assert Identifier("w", "1", "bar").plain() == "w\u0304₁"
    assert Identifier("w", "1", "dot").latex() == r"\dot{w}_{1}"
    assert len(identifier("L" * 300).plain()) <= 24


def test_sympy_partials_use_the_storys_names() -> None:
    a, b = sp.symbols("a b", real=True)
    names = {a: W1, b: W2}
    assert from_sympy(sp.cos(a), names).plain() == "cos w₁"
    assert from_sympy(1 - b**2, names).plain() == "1 − w₂²"
    assert from_sympy(-b / a, names).plain() == "−w₂/w₁"
    assert from_sympy(2 * a, names).plain() == "2·w₁"
    assert from_sympy(sp.Rational(1, 2) / a, names).plain() == "1/(2·w₁)"
    assert from_sympy(sp.sqrt(a), names).plain() == "√w₁"


HOSTILE = (
    "<script>alert(1)</script>",
    "a\"b'c&d",
    "]]>",
    "\\input{x} $y$ % # _ ^ ~",
    "\x00\x1b[31m",
    "\u202eabc",
    "日本 🎉",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name: str) -> None:
    for leaf in (Identifier(name), Text(name), Identifier("w", name)):
        root = ElementTree.fromstring(to_string(leaf, name))
        tags = {child.tag.split("}")[1] for child in root.iter()}
        assert tags <= {"math", "mi", "mtext", "msub", "mn", "mrow"}
        assert typeset(leaf).width > 0
        assert "\x1b" not in leaf.plain() and "\u202e" not in leaf.plain()
        latex = leaf.latex()
        assert "\\input" not in latex and not any(f"{sign}" in latex.replace(f"\\{sign}", "") for sign in "$%#&")


def test_typesetting_measures_grow_with_the_formula() -> None:
    assert typeset(added((W1, W2))).width > typeset(W1).width
    tall = typeset(Fraction(W1, W2))
    assert tall.ascent + tall.descent > typeset(W1).ascent + typeset(W1).descent
    assert tall.rules and len(tall.glyphs) == 4
    assert text_width("wide", 20) == pytest.approx(2 * text_width("wide", 10))


def test_deeply_nested_rows_are_typeset_quickly() -> None:
    formula = W1
    for _ in range(60):
        formula = added((formula, W2))  # type: ignore[assignment]
    assert len(typeset(formula).glyphs) == 61 * 2 + 60
