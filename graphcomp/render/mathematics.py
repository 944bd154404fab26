"""A small mathematics tree, and its writers to plain Unicode, MathML and LaTeX.

Formulas are built from these nodes only.  User text enters at the leaves and is escaped there, once per
format, so a name such as ``<script>`` stays text wherever it is written.  (Converting LaTeX to MathML would
not give this: markup in a name survives such converters.)
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal, Protocol
from xml.etree import ElementTree

Accent = Literal["", "bar", "dot"]

GREEK = {
    name: unicodedata.lookup(f"GREEK SMALL LETTER {unicode_name}")
    for name, unicode_name in {
        "alpha": "ALPHA",
        "beta": "BETA",
        "gamma": "GAMMA",
        "delta": "DELTA",
        "epsilon": "EPSILON",
        "zeta": "ZETA",
        "eta": "ETA",
        "theta": "THETA",
        "kappa": "KAPPA",
        "lambda": "LAMDA",
        "mu": "MU",
        "nu": "NU",
        "xi": "XI",
        "pi": "PI",
        "rho": "RHO",
        "sigma": "SIGMA",
        "tau": "TAU",
        "phi": "PHI",
        "chi": "CHI",
        "psi": "PSI",
        "omega": "OMEGA",
    }.items()
}
SUBSCRIPTS = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
SUPERSCRIPTS = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
LATEX_SPECIALS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}
LATEX_OPERATORS = {"·": r"\cdot", "−": "-", "×": r"\times", "…": r"\dots", "⊙": r"\odot", "ᵀ": r"^{\top}"}
LATEX_FUNCTIONS = {"sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "ln", "log", "max", "min"}
FUNCTION_APPLICATION = "\u2061"
LONGEST_NAME, MOST_TERMS = 24, 4


def clean(text: str) -> str:
    """Text without the characters that XML forbids or that would reorder the text after them."""
    replacement = {"Cc": "\ufffd", "Cs": "\ufffd", "Cn": "\ufffd", "Cf": ""}
    text = re.sub(r"[ \t\n\r\f\v]+", " ", text)
    return "".join(replacement.get(unicodedata.category(character), character) for character in text)


def escape_latex(text: str) -> str:
    """Text with TeX's special characters made literal."""
    return "".join(LATEX_SPECIALS.get(character, character) for character in clean(text))


def shorten(text: str, longest: int = LONGEST_NAME) -> str:
    """Text cut to at most ``longest`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def element(tag: str, *children: ElementTree.Element, text: str = "", **attributes: str) -> ElementTree.Element:
    """A MathML element; ``text`` is cleaned here and escaped when the tree is serialised."""
    result = ElementTree.Element(tag, attributes)
    result.extend(children)
    if text:
        result.text = text if text == FUNCTION_APPLICATION else clean(text)
    return result


class Mathematics(Protocol):
    """What every node of the tree can do."""

    def plain(self) -> str:
        """Unicode text on one line."""

    def mathml(self) -> ElementTree.Element:
        """Presentation MathML."""

    def latex(self) -> str:
        """LaTeX for math mode."""

    def __hash__(self) -> int:
        """Trees are values: equal ones are typeset once."""


@dataclass(frozen=True)
class Identifier:
    """A variable's name, with an optional subscript and an accent (bar: adjoint, dot: tangent)."""

    name: str
    subscript: str = ""
    accent: Accent = ""

    def plain(self) -> str:
        mark = {"": "", "bar": "\u0304", "dot": "\u0307"}[self.accent]
        if not self.subscript:
            return clean(self.name) + mark
        if all(character in "0123456789" for character in self.subscript):
            return clean(self.name) + mark + self.subscript.translate(SUBSCRIPTS)
        return f"{clean(self.name)}{mark}_{clean(self.subscript)}"

    def mathml(self) -> ElementTree.Element:
        base = element("mi", text=self.name)
        if self.accent:
            mark = element("mo", text="¯" if self.accent == "bar" else "˙")
            base = element("mover", base, mark, accent="true")
        if not self.subscript:
            return base
        tag = "mn" if self.subscript.isdigit() else "mi"
        return element("msub", base, element(tag, text=self.subscript))

    def latex(self) -> str:
        base = escape_latex(self.name)
        if len(self.name) > 1:
            base = rf"\mathrm{{{base}}}" if self.name.isalnum() else rf"\text{{{base}}}"
        if self.accent:
            base = rf"\{self.accent}{{{base}}}"
        if not self.subscript:
            return base
        return f"{base}_{{{escape_latex(self.subscript)}}}"


@dataclass(frozen=True)
class Number:
    """A number already written out; a leading minus sign is the typographic one."""

    text: str

    def plain(self) -> str:
        return self.text

    def mathml(self) -> ElementTree.Element:
        if self.text.startswith("−"):
            sign = element("mo", text="−", form="prefix", lspace="0", rspace="0")
            return element("mrow", sign, element("mn", text=self.text[1:]))
        return element("mn", text=self.text)

    def latex(self) -> str:
        return self.text.replace("−", "-").replace("∞", r"\infty ")


@dataclass(frozen=True)
class Operator:
    """An infix sign such as ``=``, ``+`` or ``·``."""

    symbol: str

    def plain(self) -> str:
        return self.symbol if self.symbol in "·×" else f" {self.symbol} "

    def mathml(self) -> ElementTree.Element:
        # Gaps as elements of their own: renderers drop an operator's own space next to fractions.
        gap = element("mspace", width={"=": "0.28em", "·": "0.15em", "×": "0.1em"}.get(self.symbol, "0.22em"))
        return element("mrow", gap, element("mo", text=self.symbol, form="infix", lspace="0", rspace="0"), gap)

    def latex(self) -> str:
        return LATEX_OPERATORS.get(self.symbol) or escape_latex(self.symbol)


@dataclass(frozen=True)
class Minus:
    """The sign before a negated quantity, which needs no gaps."""

    def plain(self) -> str:
        return "−"

    def mathml(self) -> ElementTree.Element:
        return element("mo", text="−", form="prefix", lspace="0", rspace="0")

    def latex(self) -> str:
        return "-"


@dataclass(frozen=True)
class Text:
    """Upright text inside a formula (also where an unknown value shows ``?``)."""

    text: str

    def plain(self) -> str:
        return clean(self.text)

    def mathml(self) -> ElementTree.Element:
        return element("mtext", text=self.text)

    def latex(self) -> str:
        return rf"\text{{{escape_latex(self.text)}}}"


@dataclass(frozen=True)
class Phrase(Text):
    """Text in the words of a story's language: the key of the sentence there, and what fills it in."""

    key: str = ""
    part: str = ""


# With a space that does not vanish where markup collapses spaces.
COMMA = Text(",\u00a0")


@dataclass(frozen=True)
class Row:
    """Nodes side by side."""

    items: tuple[Mathematics, ...]

    def plain(self) -> str:
        return "".join(item.plain() for item in self.items)

    def mathml(self) -> ElementTree.Element:
        return element("mrow", *(item.mathml() for item in self.items))

    def latex(self) -> str:
        return " ".join(item.latex() for item in self.items)


@dataclass(frozen=True)
class Space:
    """The thin gap between the factors of a product written without a sign (with one in plain text)."""

    def plain(self) -> str:
        return "·"

    def mathml(self) -> ElementTree.Element:
        return element("mspace", width="0.17em")

    def latex(self) -> str:
        return r"\,"


@dataclass(frozen=True)
class Beside:
    """A product of two fractions: drawn close together, with a dot where all is on one line."""

    def plain(self) -> str:
        return "·"

    def mathml(self) -> ElementTree.Element:
        return element("mspace", width="0em")

    def latex(self) -> str:
        return r"\,"


@dataclass(frozen=True)
class Fraction:
    """A fraction; ``slashed`` writes it on one line, as the narrow cards need it."""

    numerator: Mathematics
    denominator: Mathematics
    slashed: bool = False

    def plain(self) -> str:
        return f"{group(self.numerator)}/{group(self.denominator)}"

    def mathml(self) -> ElementTree.Element:
        if self.slashed:
            slash = element("mo", text="/", lspace="0", rspace="0")
            return element("mrow", self.numerator.mathml(), slash, self.denominator.mathml())
        return element("mfrac", self.numerator.mathml(), self.denominator.mathml())

    def latex(self) -> str:
        if self.slashed:
            return f"{self.numerator.latex()} / {self.denominator.latex()}"
        return rf"\frac{{{self.numerator.latex()}}}{{{self.denominator.latex()}}}"


@dataclass(frozen=True)
class Differential:
    """``dw1`` or ``∂w1``: an upright d (or ∂) before a quantity."""

    sign: str
    quantity: Mathematics

    def plain(self) -> str:
        return self.sign + self.quantity.plain()

    def mathml(self) -> ElementTree.Element:
        return element("mrow", element("mi", text=self.sign, mathvariant="normal"), self.quantity.mathml())

    def latex(self) -> str:
        sign = r"\partial" if self.sign == "∂" else r"\mathrm{d}"
        return f"{sign} {self.quantity.latex()}"


@dataclass(frozen=True)
class Power:
    """``base`` raised to ``exponent``."""

    base: Mathematics
    exponent: Mathematics

    def plain(self) -> str:
        exponent = self.exponent.plain()
        if exponent == "T":
            return group(self.base) + "ᵀ"
        if all(character in "0123456789-−" for character in exponent):
            return group(self.base) + exponent.translate(SUPERSCRIPTS)
        return f"{group(self.base)}^{group(self.exponent)}"

    def mathml(self) -> ElementTree.Element:
        return element("msup", self.base.mathml(), self.exponent.mathml())

    def latex(self) -> str:
        return f"{{{self.base.latex()}}}^{{{self.exponent.latex()}}}"


@dataclass(frozen=True)
class Root:
    """A square root."""

    radicand: Mathematics

    def plain(self) -> str:
        return f"√({self.radicand.plain()})" if needs_grouping(self.radicand) else f"√{self.radicand.plain()}"

    def mathml(self) -> ElementTree.Element:
        return element("msqrt", self.radicand.mathml())

    def latex(self) -> str:
        return rf"\sqrt{{{self.radicand.latex()}}}"


@dataclass(frozen=True)
class Parenthesised:
    """``inner`` in round brackets."""

    inner: Mathematics

    def plain(self) -> str:
        return f"({self.inner.plain()})"

    def mathml(self) -> ElementTree.Element:
        bracket = {"stretchy": "false"}
        opening, closing = element("mo", text="(", **bracket), element("mo", text=")", **bracket)
        return element("mrow", opening, self.inner.mathml(), closing)

    def latex(self) -> str:
        return rf"\left({self.inner.latex()}\right)"


@dataclass(frozen=True)
class Application:
    """A function applied to arguments: ``sin w1``, but ``max(w1, w2)`` and ``sin(w1 + w2)``."""

    function: str
    arguments: tuple[Mathematics, ...]

    def bare(self) -> bool:
        """Whether the argument can stand without brackets."""
        return self.function in LATEX_FUNCTIONS and len(self.arguments) == 1 and not needs_grouping(self.arguments[0])

    def body(self) -> Mathematics:
        """The arguments, in brackets unless they can stand without."""
        if self.bare():
            return self.arguments[0]
        return Parenthesised(joined(self.arguments, COMMA))

    def plain(self) -> str:
        return clean(self.function) + (" " if self.bare() else "") + self.body().plain()

    def mathml(self) -> ElementTree.Element:
        name = element("mi", text=self.function, mathvariant="normal")
        if self.bare():
            return element("mrow", name, self.body().mathml())
        return element("mrow", name, element("mo", text=FUNCTION_APPLICATION), self.body().mathml())

    def latex(self) -> str:
        if self.function in LATEX_FUNCTIONS:
            return rf"\{self.function} {self.body().latex()}"
        return rf"\operatorname{{{escape_latex(self.function)}}}{self.body().latex()}"


def needs_grouping(formula: Mathematics) -> bool:
    """Whether a formula must be bracketed to be a factor, a base or the part of a slashed fraction."""
    if isinstance(formula, Number):
        return formula.text.startswith("−")
    return isinstance(formula, (Row, Fraction, Application)) and not is_product(formula)


def is_product(formula: Mathematics) -> bool:
    """Whether a formula is a product, which may stand inside another product as it is."""
    if not isinstance(formula, Row):
        return False
    signs = {item.symbol for item in formula.items if isinstance(item, Operator)}
    return signs <= {"·", "×", "⊙"} and not (formula.items and isinstance(formula.items[0], Minus))


def group(formula: Mathematics) -> str:
    """Plain text, bracketed where the one-line form would be ambiguous."""
    text = formula.plain()
    return f"({text})" if needs_grouping(formula) or isinstance(formula, Row) else text


def factor(formula: Mathematics) -> Mathematics:
    """The formula as a factor of a product: sums and negative numbers get brackets."""
    if isinstance(formula, (Application, Fraction)):
        return formula
    return Parenthesised(formula) if needs_grouping(formula) else formula


def joined(items: tuple[Mathematics, ...], separator: Mathematics) -> Mathematics:
    """The items with a separator between each two."""
    row: list[Mathematics] = []
    for item in items:
        row.extend((separator, item) if row else (item,))
    return row[0] if len(row) == 1 else Row(tuple(row))


def added(terms: tuple[Mathematics, ...]) -> Mathematics:
    """A sum."""
    return joined(terms, Operator("+"))


def few_added(terms: tuple[Mathematics, ...]) -> Mathematics:
    """A sum; of more than four terms the first three are written, and how many more there are."""
    if len(terms) <= MOST_TERMS:
        return added(terms)
    return added((*terms[: MOST_TERMS - 1], more(len(terms) - MOST_TERMS + 1)))


def more(count: int) -> Phrase:
    """``… (3 more)``: what a sum leaves out."""
    return Phrase(f"… ({count} more)", "more", str(count))


def multiplied(factors: tuple[Mathematics, ...]) -> Mathematics:
    """A product with a dot between its factors."""
    return joined(tuple(factor(item) for item in factors), Operator("·"))


def slashed(formula: Mathematics) -> Mathematics:
    """A fraction on one line, for the cards."""
    return replace(formula, slashed=True) if isinstance(formula, Fraction) else formula


def equals(*sides: Mathematics) -> Mathematics:
    """An equation with any number of sides."""
    return joined(sides, Operator("="))


def identifier(name: str, accent: Accent = "") -> Identifier:
    """An identifier from a program's name: ``w3`` and ``w_3`` get a subscript, ``alpha`` becomes α."""
    name = shorten(name)
    match = re.fullmatch(r"([A-Za-z]+)_?(\d+)", name) or re.fullmatch(r"([A-Za-z])_(\w+)", name)
    base, subscript = match.groups() if match else (name, "")
    return Identifier(GREEK.get(base, base), subscript, accent)


def to_string(formula: Mathematics, alternative: str = "") -> str:
    """A complete ``<math>`` element as text, escaped."""
    root = element("math", formula.mathml(), xmlns="http://www.w3.org/1998/Math/MathML")
    if alternative:
        root.set("alttext", clean(alternative))
    return ElementTree.tostring(root, encoding="unicode")
