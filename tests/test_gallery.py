"""The gallery: nothing overlaps in any of its pictures, its text can be read, and its index names every file."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from graphcomp.render import Story
from graphcomp.render.scene import Formula, Words, collisions

FOLDER = Path(__file__).parents[1] / "docs" / "gallery"
SMALLEST_TEXT, MOST_BYTES = 14.0, 6_000_000


def gallery() -> Any:
    """The script that makes the gallery, as a module."""
    sys.path.insert(0, str(FOLDER))
    try:
        found = importlib.util.spec_from_file_location("gallery_make", FOLDER / "make.py")
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules["gallery_make"] = module
        found.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(FOLDER))


MAKE = gallery()
# The teaching stories have this test of their own, in test_stories.py.
PICTURES = {one.name: one for heading, group in MAKE.GALLERY.items() if heading != "Teaching stories" for one in group}
TOLD: dict[str, Story] = {}


def told(name: str) -> Story:
    if name not in TOLD:
        TOLD[name] = PICTURES[name].tell()
    return TOLD[name]


def test_what_the_gallery_promises_is_there() -> None:
    teaching = {one.name for one in MAKE.GALLERY["Teaching stories"]}
    assert {
        "lecture-evaluate",
        "lecture-forward",
        "lecture-reverse",
        "mlp",
        "lenet",
        "lstm",
        "attention",
        "gcn",
    } <= set(PICTURES)
    assert {"compile", "compile-network", "error"} <= set(PICTURES) and len(teaching) >= 8


@pytest.mark.parametrize("name", PICTURES)
def test_no_label_meets_another_a_card_or_a_foreign_edge(name: str) -> None:
    story = told(name)
    for frame in range(len(story.frames)):
        assert collisions(story.scene, frame) == []
    last = len(story.frames) - 1
    assert collisions(story.poster, last) == []


@pytest.mark.parametrize("name", PICTURES)
def test_text_on_slides_can_be_read(name: str) -> None:
    scene = told(name).scene
    assert (scene.width, scene.height) == (1280, 720)
    sizes = [item.size for item in scene.primitives if isinstance(item, (Words, Formula))]
    assert min(sizes) * 0.75 >= SMALLEST_TEXT - 1e-6


def test_the_index_names_every_file_and_no_other() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([^)]+)\)", index))
    files = {path.name for path in FOLDER.iterdir() if path.suffix not in (".py", ".md") and path.is_file()}
    assert linked == files
    for name in PICTURES:
        assert f"### {name}\n" in index


def test_the_files_are_small_and_name_no_place_of_a_machine() -> None:
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for path in files:
        if path.suffix in (".svg", ".html"):
            assert str(FOLDER.parents[1]) not in path.read_text(encoding="utf-8")
    assert "models.py:" in (FOLDER / "error.svg").read_text(encoding="utf-8")
