"""Names in any script: drawn where a font has them, in the order of their script, otherwise as boxes with a number."""

import io
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from graphcomp.render import Story, explain
from graphcomp.render.glyphs import covered, units_per_em
from graphcomp.render.lettering import bars, digits, in_visual_order, pieces, visual
from graphcomp.render.mathematics import Fraction, Identifier, Operator, Row, Text
from graphcomp.render.pdf import set_text
from graphcomp.render.png import SVG, boxed, drawable, pixels, trial
from graphcomp.render.tikz import tex_text
from graphcomp.render.typesetting import typeset
from graphcomp.trace import trace

CHINESE, ARABIC, HEBREW, UNKNOWN = "速度", "مرحبا بالعالم", "שלום", "\ua984\ua985"


@pytest.fixture(scope="module")
def story() -> Story:
    graph = trace("w3 = x1*x2; w4 = sin(x1); z = w3 + w4")
    names = (CHINESE, ARABIC, HEBREW, "x" + UNKNOWN)
    graph.names = dict(zip(names, (*graph.inputs, 2, graph.outputs[0]), strict=True))
    return explain(graph, at=(2, 3))


def test_what_the_font_for_formulas_lacks_is_words_in_its_place() -> None:
    form = typeset(Row((Identifier("v", "日"), Operator("="), Fraction(Text(ARABIC), Text("a日b")))))
    assert [run.text for run in form.runs] == ["日", ARABIC, "日"]
    index, upper, lower = form.runs
    assert index.size == pytest.approx(0.7 * upper.size) and upper.size == pytest.approx(100, rel=0.01)
    assert index.y > 0 > upper.y and lower.y > 0
    assert len(form.outlines) == 4 and len(form.glyphs) > 4  # v, =, a, b; the others keep the places
    places = {glyph.x for glyph in form.glyphs if glyph not in form.outlines}
    assert {run.x for run in form.runs} <= places
    assert all(run.x >= 0 and run.x + run.width <= form.width + 1 for run in form.runs)
    assert units_per_em() > 0 and typeset(Text("plain")).runs == ()


def test_signs_that_keep_places_are_themselves_where_a_name_has_them() -> None:
    form = typeset(Text("□日▯"))
    assert "".join(run.text for run in form.runs) == "□日▯"


def test_arabic_and_hebrew_are_put_in_the_order_in_which_they_are_seen() -> None:
    assert visual("abc") == "abc"
    assert visual(HEBREW) == HEBREW[::-1]
    assert in_visual_order(rf"\\text{{{HEBREW}}} = x") == rf"\\text{{{HEBREW[::-1]}}} = x"
    seen = visual(ARABIC)
    assert seen[0] == "\ufee2" and all("\ufe70" <= letter <= "\ufefc" for letter in seen if letter != " ")
    assert all(covered(letter) for letter in seen)


def test_what_has_no_glyph_becomes_a_box_with_its_number() -> None:
    found = pieces("a日\U00020000b")
    assert [(piece.text, piece.boxed) for piece in found] == [
        ("a", False), ("日", True), ("\U00020000", True), ("b", False)
    ]  # fmt: skip
    assert "".join(text for text, *_ in digits(found[1])) == "65E5"
    assert "".join(text for text, *_ in digits(found[2])) == "20000"
    for left, _, width, _ in bars(found[1]):
        assert found[1].left <= left and left + width <= found[1].left + found[1].width


def test_svg_holds_the_names_as_text(story: Story) -> None:
    root = ElementTree.fromstring(story.svg())
    words = [item.text for item in root.iter(f"{{{SVG}}}text")]
    assert {CHINESE, ARABIC, HEBREW, UNKNOWN} <= set(words)
    assert sum(CHINESE in (text or "") for text in words) >= 2  # on the card, and in the title


class Recorded:
    """A canvas that keeps the text and the bars drawn on it."""

    def __init__(self) -> None:
        self.text: list[tuple[str, float]] = []
        self.bars = 0
        self.place = 0.0

    def beginText(self, x: float, y: float) -> "Recorded":
        self.place = x
        return self

    def textOut(self, text: str) -> None:
        self.text.append((text, self.place))

    def rect(self, *box: float, stroke: int, fill: int) -> None:
        self.bars += 1

    def setFont(self, *font: object) -> None: ...

    def setTextRenderMode(self, mode: int) -> None: ...

    def drawText(self, line: object) -> None: ...


def test_pdf_holds_joined_letters_and_boxes(story: Story) -> None:
    canvas = Recorded()
    set_text(canvas, f"a{CHINESE} {ARABIC}", 10)
    assert [text for text, _ in canvas.text] == ["a", "90", "1F", "5E", "A6", f" {visual(ARABIC)}"]
    assert canvas.bars == 8
    places = [place for _, place in canvas.text]
    assert places[0] == 0 and places[1] < places[3] < places[5]
    assert story.pdf() == story.pdf()


def test_png_shows_a_box_for_what_no_font_has() -> None:
    assert drawable("x") and drawable("日") == (trial("日") != trial("\ue000"))
    assert not drawable(UNKNOWN[0])
    plain = f'<svg xmlns="{SVG}" width="200" height="60"><text x="9" y="40" font-size="30">a{UNKNOWN}</text></svg>'
    root = ElementTree.fromstring(boxed(plain))
    assert "".join(item.text or "" for item in root.iter(f"{{{SVG}}}text")).replace("\u202d", "") == "aA984A985"
    assert len(list(root.iter(f"{{{SVG}}}rect"))) == 8
    assert boxed(plain.replace(UNKNOWN, ARABIC)) == plain.replace(UNKNOWN, ARABIC)
    picture = np.asarray(Image.open(io.BytesIO(pixels(boxed(plain), 1.0))).convert("L"))
    assert (picture < 128).sum() > 60


def test_png_and_gif_are_written(story: Story) -> None:
    assert Image.open(io.BytesIO(story.png())).size == (2560, 1440)
    assert Image.open(io.BytesIO(story.gif())).n_frames == len(story.frames)


def test_tex_names_every_letter_in_the_order_in_which_it_is_seen(story: Story) -> None:
    tex = story.tex()
    assert tex.isascii() and r"\sign{901F}\sign{5EA6}" in tex.replace(r"\text{\sign{901F}}\text{\sign{5EA6}}",
                                                                       r"\sign{901F}\sign{5EA6}")  # fmt: skip
    assert tex_text(HEBREW) == "".join(rf"\sign{{{ord(letter):04X}}}" for letter in reversed(HEBREW))
    assert r"\iffontchar" in tex


def test_lualatex_misses_no_character(story: Story, tmp_path: Path) -> None:
    if shutil.which("lualatex") is None:
        pytest.skip("no lualatex on this machine")
    story.save(tmp_path / "story.tex")
    command = ["lualatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "story.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=240)
    log = (tmp_path / "story.log").read_text(encoding="utf-8", errors="replace")
    if "beamer.cls' not found" in log:
        pytest.skip("no Beamer on this machine")
    assert run.returncode == 0 and "Missing character" not in log
