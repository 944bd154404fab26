r"""Writes a scene as LaTeX: one Beamer frame with an overlay for each step, drawn by TikZ at the scene's coordinates.

Formulas are LaTeX mathematics and words are text, so that both can be edited; nothing is an outline.  Both pdfLaTeX
and LuaLaTeX take the file, in two runs, because the picture is placed relative to the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from .lettering import in_visual_order
from .mathematics import GREEK, clean, escape_latex
from .palette import LIGHT
from .scene import Arrowhead, Curve, Formula, Point, Primitive, Rectangle, Scene, Words

PAGE_WIDTH, PAGE_HEIGHT = 160.0, 90.0  # millimetres: Beamer's page for aspectratio=169
POINTS_PER_MILLIMETRE = 72.27 / 25.4
ANCHORS = {"start": "base west", "middle": "base", "end": "base east"}

# How TeX's mathematics writes the signs that stories use; every other sign outside ASCII is set by its number.
SIGNS = {
    **{letter: f"\\{name} " for name, letter in GREEK.items() if name != "omicron"},
    "·": r"\cdot ", "×": r"\times ", "−": "-", "–": r"\text{--}", "…": r"\dots ", "⊙": r"\odot ", "∂": r"\partial ",
    "√": r"\surd ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "→": r"\to ",
    "←": r"\gets ", "↑": r"\uparrow ", "↓": r"\downarrow ", "∧": r"\wedge ", "∨": r"\vee ", "Σ": r"\Sigma ",
    "∑": r"\sum ", "ᵀ": r"^{\top}", "ẋ": r"\dot{x}", "°": r"^{\circ}", "′": "'", "½": r"\tfrac{1}{2}",
    **{sign: f"_{{{digit}}}" for sign, digit in zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True)},
    **{sign: f"^{{{digit}}}" for sign, digit in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True)},
    "\u00a0": "~",
}  # fmt: skip
# The braces after a hyphen keep TeX from joining two of them into a dash.
LITERAL = {"-": "-{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}"}
MARKS = {"\u0304": "bar", "\u0307": "dot"}
MARKED = re.compile(f"(.)([{''.join(MARKS)}])")

PREAMBLE = r"""% {title}
% Made by graphcomp.  Compile twice with pdflatex or lualatex.
\documentclass[aspectratio=169]{{beamer}}
\usefonttheme[onlymath]{{serif}}
\usepackage[T1]{{fontenc}}
\usepackage{{lmodern}}
\usepackage{{amsmath,amssymb,tikz,iftex}}
\setbeamertemplate{{navigation symbols}}{{}}
% A sign that this file can only name by its number: where there is no font for it, as in pdfTeX, the number.
\ifTUTeX
  \usepackage{{fontspec}}
  \IfFontExistsTF{{DejaVu Sans}}{{\setsansfont{{DejaVu Sans}}[Scale=0.9]}}{{}}
  \newcommand{{\sign}}[1]{{\iffontchar\font"#1 \char"#1 \else{{\tiny[U+#1]}}\fi}}
\else
  \newcommand{{\sign}}[1]{{{{\tiny[U+#1]}}}}
\fi
% \fit{{width}}{{content}}: no wider than the place it was measured for.
\newsavebox{{\fitted}}
\newcommand{{\fit}}[2]{{\sbox{{\fitted}}{{#2}}%
  \ifdim\wd\fitted>#1 \resizebox{{#1}}{{!}}{{\usebox{{\fitted}}}}\else\usebox{{\fitted}}\fi}}
% \formula[anchor]{{x,y}}{{points}}{{width}}{{colour}}{{mathematics}}, and the same for words.
\newcommand{{\formula}}[6][base]{{\node[anchor=#1, inner sep=0pt, text=#5, font=\fontsize{{#3}}{{#3}}\selectfont]
  at (#2) {{\fit{{#4}}{{$\displaystyle #6$}}}};}}
\newcommand{{\words}}[6][base west]{{\node[anchor=#1, inner sep=0pt, text=#5,
  font=\sffamily\fontsize{{#3}}{{#3}}\selectfont] at (#2) {{\fit{{#4}}{{#6}}}};}}
{colours}
\begin{{document}}
\begin{{frame}}[plain]
% The unit is the scene's pixel; y grows downwards.
\begin{{tikzpicture}}[remember picture, overlay, shift={{(current page.north west)}}, x={unit}mm, y=-{unit}mm]
"""
ENDING = r"""\end{tikzpicture}
\end{frame}
\end{document}
"""


def write_tex(scene: Scene, frames: int) -> str:
    """A Beamer document of one frame with an overlay for each of the story's frames."""
    unit = min(PAGE_WIDTH / scene.width, PAGE_HEIGHT / scene.height)
    colours = "\n".join(
        f"\\definecolor{{{colour_name(name)}}}{{HTML}}{{{colour[1:].upper()}}}" for name, colour in LIGHT.items()
    )
    title = "".join(character if " " <= character <= "~" else "?" for character in clean(scene.title))
    parts = [PREAMBLE.format(title=title, colours=colours, unit=number(unit, 5))]
    if frames:
        parts.append(f"\\only<1-{frames}>{{}}\n")
    for owner, items in groupby(scene.primitives, key=lambda item: item.owner):
        parts.extend((f"% {owner}\n" if owner else "", *(f"{line}\n" for line in drawn(items, unit))))
    return "".join((*parts, ENDING))


def drawn(items: Iterable[Primitive], unit: float) -> list[str]:
    """A line for each primitive, limited to its overlays."""
    return [overlaid(item, draw_one(item, unit)) for item in items]


def overlaid(item: Primitive, command: str) -> str:
    """The command, in ``\\only`` with Beamer's numbers from 1 if the primitive has frames."""
    if item.frames is None:
        return command
    spans = ",".join(str(start + 1) if stop == start + 1 else f"{start + 1}-{stop}" for start, stop in item.frames)
    return f"\\only<{spans}>{{{command}}}"


def draw_one(item: Primitive, unit: float) -> str:
    """One primitive as a TikZ command."""
    if isinstance(item, Rectangle):
        return draw_rectangle(item, unit)
    if isinstance(item, Curve):
        dashed = ", dashed" if item.dashed else ""
        return f"\\draw[{colour_name(item.stroke)}, line width={length(item.thickness, unit)}{dashed}] {path(item)};"
    if isinstance(item, Arrowhead):
        return f"\\fill[{colour_name(item.fill)}] {' -- '.join(map(place, item.corners))} -- cycle;"
    if isinstance(item, Words):
        return draw_text("words", item, length(item.width * 1.02, unit), tex_text(item.text, item.bold), unit)
    if isinstance(item, Formula):
        width = item.box.width * 1.06
        return draw_text("formula", item, length(width, unit), tex_mathematics(item.formula.latex()), unit)
    raise TypeError(f"no way to draw {type(item).__name__}")


def draw_text(command: str, item: Words | Formula, width: str, content: str, unit: float) -> str:
    """A formula or a line of words."""
    size = number(item.size * unit * POINTS_PER_MILLIMETRE, 2)
    where, fill = place((item.x, item.y)).strip("()"), colour_name(item.fill)
    return f"\\{command}[{ANCHORS[item.anchor]}]{{{where}}}{{{size}}}{{{width}}}{{{fill}}}{{{content}}}"


def draw_rectangle(item: Rectangle, unit: float) -> str:
    """A rectangle with round corners, all four or the lower two."""
    box, options = item.bounds, []
    if item.fill:
        options.append(f"fill={colour_name(item.fill)}")
    if item.stroke:
        options.extend((f"draw={colour_name(item.stroke)}", f"line width={length(item.thickness, unit)}"))
    corners = f"rounded corners={length(item.radius, unit)}"
    upper_left, lower_right = place((box.left, box.top)), place((box.right, box.bottom))
    if not item.lower_corners_only:
        options.extend((corners,) if item.radius else ())
        return f"\\path[{', '.join(options)}] {upper_left} rectangle {lower_right};"
    upper_right, lower_left = place((box.right, box.top)), place((box.left, box.bottom))
    lower = f"[{corners}] -- {lower_right} -- {lower_left} [sharp corners]"
    return f"\\path[{', '.join(options)}] {upper_left} -- {upper_right} {lower} -- cycle;"


def path(item: Curve) -> str:
    """Cubic pieces."""
    text = place(item.points[0])
    for start in range(1, len(item.points), 3):
        first, second, end = item.points[start : start + 3]
        text += f" .. controls {place(first)} and {place(second)} .. {place(end)}"
    return text


def place(point: Point) -> str:
    """``(12.5,40)``."""
    return f"({number(point[0])},{number(point[1])})"


def number(value: float, digits: int = 1) -> str:
    """A number without needless zeros."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def length(value: float, unit: float) -> str:
    """A length of the scene in millimetres."""
    return f"{value * unit:.3f}mm"


def colour_name(name: str) -> str:
    """A colour of the palette as xcolor takes it."""
    return name.replace("_", "")


def tex_mathematics(latex: str) -> str:
    """LaTeX of a formula in ASCII: signs by their commands, or by their numbers."""
    latex = MARKED.sub(lambda found: rf"\{MARKS[found[2]]}{{{found[1]}}}", in_visual_order(latex))
    return "".join(sign_in_mathematics(character) for character in latex)


def sign_in_mathematics(character: str) -> str:
    """One character of a formula."""
    if character.isascii():
        return character
    return SIGNS.get(character) or rf"\text{{{sign_by_number(character)}}}"


def tex_text(text: str, bold: bool = False) -> str:
    """Words in ASCII with TeX's special characters made literal."""
    text = in_visual_order(clean(text))
    pieces, end = [], 0
    for found in MARKED.finditer(text):
        pieces.append(plain_text(text[end : found.start()]))
        pieces.append(rf"\ensuremath{{\{MARKS[found[2]]}{{\mathrm{{{tex_mathematics(escape_latex(found[1]))}}}}}}}")
        end = found.end()
    pieces.append(plain_text(text[end:]))
    return rf"\textbf{{{''.join(pieces)}}}" if bold else "".join(pieces)


def plain_text(text: str) -> str:
    """Words without combining marks."""
    return "".join(sign_in_text(character) for character in text)


def sign_in_text(character: str) -> str:
    """One character of a line of words."""
    if character.isascii():
        return LITERAL.get(character) or escape_latex(character)
    known = SIGNS.get(character)
    return rf"\ensuremath{{{known.strip()}}}" if known else sign_by_number(character)


def sign_by_number(character: str) -> str:
    """A character for which TeX has no name of its own."""
    return rf"\sign{{{ord(character):04X}}}"
