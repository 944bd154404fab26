"""Every format is written whole, is valid, holds what it should, and takes hostile names as text."""

import io
import itertools
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest
from PIL import Image

import graphcomp as gx
from graphcomp.errors import ParseError, RenderError
from graphcomp.graph import Graph
from graphcomp.render import Story, explain
from graphcomp.render.handout import CELL, GREY, blanked
from graphcomp.render.interchange import (
    read_graph,
    read_network,
    story_network,
    write_graph,
    write_graph_as_graphml,
)
from graphcomp.render.palette import TEXT_ON, contrast
from graphcomp.render.scene import Formula
from graphcomp.render.slide import slide
from graphcomp.render.terminal import CLEAR, frame_in_terminal, play
from graphcomp.trace import trace

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def story() -> Story:
    return explain(LECTURE, at={"x1": 2, "x2": 3})


@pytest.fixture(scope="module")
def hostile() -> Story:
    graph = trace(LECTURE)
    names = ("<script>alert(1)</script>", "\"quote' & ]]> <!--", "L" * 300, "مرحبا \u202e日本 $x_1$ \\input{a} %|*_")
    graph.names = dict(zip(names, (*graph.inputs, 2, graph.outputs[0]), strict=True))
    return explain(graph, at=(2, 3))


def test_svg_is_xml_with_arrowheads_glyphs_and_alternatives(story: Story, tmp_path: Path) -> None:
    root = ElementTree.parse(story.save(tmp_path / "story.svg")).getroot()
    assert (root.get("width"), root.get("height")) == ("1280", "720")
    assert root.find(f"{SVG}title").text == story.title  # type: ignore[union-attr]
    assert len(root.findall(f".//{SVG}polygon")) == len(story.edges)
    labels = {item.get("aria-label") for item in root.iter(f"{SVG}g")}
    assert "dz/dw₁ = 2.584" in labels and "w₃ = w₁·w₂" in labels
    defined = {item.get("id") for item in root.iter(f"{SVG}path") if item.get("id")}
    used = {item.get("href", "").lstrip("#") for item in root.iter(f"{SVG}use")}
    assert used and used <= defined
    words = " ".join(item.text or "" for item in root.iter(f"{SVG}text"))
    assert "Two nodes use w₁" in words and "5 / 5" in words


def test_svg_frames_go_to_a_folder(story: Story, tmp_path: Path) -> None:
    folder = story.save(tmp_path / "steps.svg", frames=True)
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["001.svg", "002.svg", "003.svg", "004.svg", "005.svg"]
    assert "Start at the end" in files[0].read_text(encoding="utf-8")
    assert "dz/dw₁ = ?" in files[0].read_text(encoding="utf-8")
    assert "dz/dw₁ = ?" not in files[4].read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == ["steps"]


def test_an_animated_svg_shows_each_part_in_its_frames_and_rests_where_motion_is_unwanted(
    story: Story, tmp_path: Path
) -> None:
    root = ElementTree.parse(story.save(tmp_path / "story.svg", animate=True)).getroot()
    style = root.find(f"{SVG}style").text  # type: ignore[union-attr]
    classes = {item.get("class") for item in root.iter() if item.get("class")}
    assert classes == set(re.findall(r"@keyframes (\S+?)\{", style))  # type: ignore[arg-type]
    assert "prefers-reduced-motion:reduce" in style and "infinite" in style  # type: ignore[operator]
    assert re.search(r"\.t4-5\{visibility:visible", style)  # type: ignore[arg-type]
    assert re.search(r"\.t0-1\{visibility:hidden", style)  # type: ignore[arg-type]
    assert not root.findall(".//*[@data-frames]")
    with pytest.raises(RenderError, match="animate=True"):
        story.save(tmp_path / "story.gif", animate=True)


def test_gif_has_a_picture_for_each_frame(story: Story, tmp_path: Path) -> None:
    image = Image.open(story.save(tmp_path / "story.gif"))
    assert (image.format, image.size, image.n_frames) == ("GIF", (1280, 720), len(story.frames))
    assert image.info["loop"] == 0
    pictures = []
    for frame in range(image.n_frames):
        image.seek(frame)
        pictures.append(np.asarray(image.convert("RGB")))
    assert all((one != other).any() for one, other in itertools.pairwise(pictures))
    assert image.info["duration"] > 2000  # the last is held
    # Headings and cards are sharp: black and the colours of the palette are there.
    assert (pictures[-1] == (0xA3, 0x41, 0x00)).all(axis=2).any()


def test_png_has_twice_the_pixels_and_is_drawn(story: Story, tmp_path: Path) -> None:
    image = Image.open(story.save(tmp_path / "story.png")).convert("RGB")
    assert image.size == (2560, 1440)
    colours = {colour for _, colour in image.getcolors(1 << 20)}  # type: ignore[misc]
    assert {(0xA3, 0x41, 0x00), (0x0B, 0x5A, 0x94), (0xFF, 0xF1, 0xDE), (0xFF, 0xFF, 0xFF)} <= colours
    title = image.crop((60, 40, 1200, 110))
    assert min(title.convert("L").getdata()) < 60


def pdf_pages(data: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", data))


def test_pdf_is_a_vector_deck_with_a_page_for_each_frame(story: Story, tmp_path: Path) -> None:
    data = story.save(tmp_path / "story.pdf").read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert pdf_pages(data) == 5
    assert re.search(rb"/MediaBox \[ 0 0 960 540 \]", data)
    assert b"/Subtype /Image" not in data
    assert b"/FontFile2" in data
    assert story.pdf() == data


def test_a_handout_has_four_frames_on_a_page_with_blanks_and_the_answers_in_grey(story: Story, tmp_path: Path) -> None:
    data = story.save(tmp_path / "handout.pdf", handout=True).read_bytes()
    assert pdf_pages(data) == 4  # 5 frames to fill in on two pages, and 5 answers on two more
    assert re.search(rb"/MediaBox \[ 0 0 841\.89 595\.28 \]", data)
    sheet = slide(blanked(story), CELL).at(4)
    hidden = [item.formula.plain() for item in sheet.primitives if isinstance(item, Formula)]
    assert "dz/dw₁ = \u2009______\u2009" in hidden and "dz/dw₂ = 2" in hidden
    assert not any("2.584" in text or "1·cos" in text for text in hidden)
    assert {colour[1:3] == colour[3:5] == colour[5:7] for colour in GREY.values()} == {True}
    for ink, fills in TEXT_ON.items():
        assert all(contrast(GREY[ink], GREY[fill]) >= 4.5 for fill in fills)
    with pytest.raises(RenderError, match="handout=True"):
        story.save(tmp_path / "story.svg", handout=True)


def test_markdown_is_the_trace_table_and_the_steps(story: Story, tmp_path: Path) -> None:
    text = story.save(tmp_path / "story.md").read_text(encoding="utf-8")
    assert "| Evaluation trace ↓ | Value | Reverse adjoint trace ↑ |" in text
    assert "| w₂ = x₂ | 3 | dz/dw₂ = dz/dw₃·dw₃/dw₂ = 1·w₁ = 1·2 = 2 |" in text
    assert "5. Two nodes use w₁" in text


def test_dot_can_be_laid_out_again(story: Story, tmp_path: Path) -> None:
    import pygraphviz

    graph = pygraphviz.AGraph(str(story.save(tmp_path / "story.dot")))
    assert len(graph.nodes()) == 5 and len(graph.edges()) == 5
    assert "adjoint 2.584" in str(graph.get_node("n0").attr["label"])


def test_mermaid_has_the_cards_and_the_partials(story: Story, tmp_path: Path) -> None:
    lines = story.save(tmp_path / "story.mmd").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "flowchart LR"
    assert '  n0["w₁ = x₁<br>value 2<br>adjoint 2.584"]' in lines
    assert '  n0 -->|"cos w₁"| n3' in lines


def test_a_story_goes_to_networkx_and_back(story: Story, hostile: Story, tmp_path: Path) -> None:
    for one in (story, hostile):
        for suffix in (".json", ".graphml"):
            network = read_network(one.save(tmp_path / f"story{suffix}"))
            assert nx.utils.graphs_equal(network, story_network(one))
    network = story_network(story)
    assert network.nodes[0]["adjoint"] == "2.584" and network.edges[0, 3, 0]["contribution"] == "−0.416"
    assert [frame["focus"] for frame in json.loads(network.graph["frames"])] == [4, 2, 3, 1, 0]


def square_sum(x: object) -> object:
    return gx.numpy.sum(x * x @ np.arange(6.0).reshape(3, 2))  # type: ignore[operator]


@pytest.fixture(scope="module", params=["formula", "arrays", "names"])
def graph(request: pytest.FixtureRequest) -> Graph:
    if request.param == "arrays":
        return trace(square_sum, np.ones((2, 3)))
    graph = trace(LECTURE)
    if request.param == "names":
        graph.names = {"<script>\x00\u202e\"'&": 0, "L" * 300: 1}
    return graph


@pytest.mark.parametrize("suffix", [".json", ".graphml"])
def test_a_graph_read_back_equals_the_one_written(graph: Graph, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_text((write_graph if suffix == ".json" else write_graph_as_graphml)(graph), encoding="utf-8")
    read = read_graph(path)
    assert read.table == graph.table and read.names == graph.names
    assert list(read.lines(origins=True)) == list(graph.lines(origins=True))
    assert all((read.arrays[key] == array).all() for key, array in graph.arrays.items())


@pytest.mark.parametrize("text", ["", "{}", "<graphml/>", '{"nodes": [{"id": 0}], "edges": []}', "[]"])
@pytest.mark.parametrize("suffix", [".json", ".graphml"])
def test_what_is_no_graph_is_refused(text: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"graph{suffix}"
    path.write_text(text)
    with pytest.raises(ParseError, match="graph"):
        read_graph(path)


def test_the_terminal_shows_the_same_table(story: Story) -> None:
    text = str(story)
    assert "\x1b" not in text
    assert "6.909" in text and "Reverse adjoint trace ↑" in text
    assert "dz/dw₂ = dz/dw₃·dw₃/dw₂ = 1·w₁ = 1·2 = 2" in text


def test_a_story_plays_in_a_terminal(story: Story, hostile: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    play(story, output=output, keys=iter([" ", "\x1b[C", "b", "?", "G", "g", "q", " "]), width=100)
    screens = output.getvalue().split(CLEAR)[1:]
    numbers = [re.search(r"\((\d) / 5\)", screen)[1] for screen in screens]  # type: ignore[index]
    assert numbers == ["1", "2", "3", "2", "2", "5", "1"]
    assert "▶" in screens[0] and "Start at the end" in screens[0] and "2.584" not in screens[0]
    assert "2.584" in screens[5] and "\x1b" not in screens[5]
    assert "\x1b" in frame_in_terminal(story, 4, colours=True)
    written = io.StringIO()
    play(hostile, output=written, width=80)
    assert written.getvalue().count("▶") == len(hostile.frames) and "\u202e" not in written.getvalue()


def test_a_notebook_gets_the_player_in_a_frame_of_its_own(story: Story) -> None:
    cell = story._repr_html_()
    assert cell.startswith("<iframe") and 'sandbox="allow-scripts"' in cell
    assert "<script" not in cell


def test_unknown_suffixes_and_unwritable_paths_leave_nothing(story: Story, tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"suffix must be one of \.html"):
        story.save(tmp_path / "story.docx")
    with pytest.raises(RenderError, match="cannot write"):
        story.save(tmp_path / "missing" / "story.svg")
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(RenderError, match="cannot write"):
        story.save(tmp_path / "taken.svg")
    with pytest.raises(RenderError, match="frames=True"):
        story.save(tmp_path / "story.pdf", frames=True)
    assert os.listdir(tmp_path) == ["taken.svg"]


def test_a_failed_write_keeps_the_old_file(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "story.svg"
    path.write_text("old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RenderError, match="No space left"):
        story.save(path)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["story.svg"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.handlers.extend(name for name, _ in attrs if name.startswith("on"))


def test_hostile_names_are_text_in_html(hostile: Story) -> None:
    page = hostile.html()
    tags = Tags()
    tags.feed(page)
    assert tags.names.count("script") == 2 and not tags.handlers
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_hostile_names_are_text_in_the_other_formats(hostile: Story) -> None:
    root = ElementTree.fromstring(hostile.svg())
    assert not list(root.iter(f"{SVG}script"))
    assert any("<script>alert(1)" in (item.get("aria-label") or "") for item in root.iter())
    assert "\u202e" not in hostile.svg()
    markdown = hostile.markdown()
    assert "<script>" not in markdown and "&lt;script&gt;" in markdown
    assert all(line.count("|") - line.count("\\|") == 4 for line in markdown.splitlines() if line.startswith("|"))
    assert pdf_pages(hostile.pdf()) == len(hostile.frames)
    assert Image.open(io.BytesIO(hostile.png())).size[0] >= 2560
    import pygraphviz

    assert len(pygraphviz.AGraph(hostile.dot()).nodes()) == len(hostile.nodes)
    assert str(hostile)


def test_hostile_names_are_text_in_mermaid_and_graphml(hostile: Story) -> None:
    assert "<script" not in hostile.mermaid() and "#60;script#62;" in hostile.mermaid()
    assert all(line.count('"') in (0, 2) for line in hostile.mermaid().splitlines())
    ElementTree.fromstring(hostile.graphml())
    root = ElementTree.fromstring(hostile.svg(animate=True))
    assert not list(root.iter(f"{SVG}script"))
    assert Image.open(io.BytesIO(hostile.gif())).n_frames == len(hostile.frames)


def test_each_table_of_both_modes_is_headed_by_its_own_sweep() -> None:
    text = explain("x*y + x", at={"x": 2, "y": 3}, mode="both").markdown()
    headings = [line for line in text.splitlines() if line.startswith("| Evaluation trace")]
    assert headings == [
        "| Evaluation trace ↓ | Value |",
        "| Evaluation trace ↓ | Value | Forward tangent trace ↓ |",
        "| Evaluation trace ↓ | Value | Forward tangent trace ↓ |",
        "| Evaluation trace ↓ | Value | Reverse adjoint trace ↑ |",
    ]
