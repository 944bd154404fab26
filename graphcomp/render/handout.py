"""Writes a story as a handout: four frames on each A4 page with blanks to fill in, then the answers; in grey.

What a frame finds out is left blank, and only the symbols of its equation are given.  The answers are the same frames
filled in.  Frames are composed as slides are, on a smaller page: so their text is larger on paper.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from .mathematics import Mathematics, Text, clean
from .palette import LIGHT, luminance
from .pdf import FONT, draw, new_canvas
from .scene import Scene
from .sentences import language
from .slide import Page, slide
from .story import Cell, Fact, Frame, StoryContent

PAGE = (841.89, 595.28)  # A4, landscape, in points
MARGIN, GAP, HEADING = 30.0, 14.0, 22.0
BLANK, LONG_BLANK = Text("\u2009______\u2009"), Text("\u2009______________\u2009")
CELL = Page(960.0, 624.0, titled=False)
LASTING = ("value", "partial", "saved")
"""The kinds of facts that a new sweep does not make unknown again."""


def grey(colour: str) -> str:
    """The grey as bright as a colour; what is brighter than half becomes paler still, so that it copies well."""
    level = 1.055 * luminance(colour) ** (1 / 2.4) - 0.055
    value = round(255 * min(1.0, max(0.0, level)))
    return f"#{value:02x}{value:02x}{value:02x}"


GREY = {name: grey(colour) for name, colour in LIGHT.items()}


def write_handout(story: StoryContent) -> bytes:
    """The pages to fill in, and the answer key."""
    buffer = io.BytesIO()
    answers = slide(story, CELL)
    canvas = new_canvas(buffer, PAGE, answers)
    forms: dict[Mathematics, str] = {}
    sheets(canvas, slide(blanked(story), CELL), len(story.frames), "", forms)
    sheets(canvas, answers, len(story.frames), language(story.language).say("answers"), forms)
    canvas.save()
    return buffer.getvalue()


def sheets(canvas: Any, scene: Scene, frames: int, heading: str, forms: dict[Mathematics, str]) -> None:
    """Pages of two by two frames under a heading."""
    width, height = (PAGE[0] - 2 * MARGIN - GAP) / 2, (PAGE[1] - 2 * MARGIN - HEADING - GAP) / 2
    scale = min(width / scene.width, height / scene.height)
    for first in range(0, max(frames, 1), 4):
        canvas.setFont(FONT, 11)
        canvas.setLineWidth(0.6)
        canvas.drawString(MARGIN, PAGE[1] - MARGIN - 6, clean(heading + scene.title)[:110])
        for place in range(min(4, frames - first)):
            left = MARGIN + place % 2 * (width + GAP)
            top = PAGE[1] - MARGIN - HEADING - place // 2 * (height + GAP)
            canvas.saveState()
            canvas.transform(scale, 0, 0, -scale, left, top)
            for item in scene.at(first + place).primitives:
                draw(canvas, item, forms, GREY)
            canvas.restoreState()
            canvas.rect(left, top - scene.height * scale, scene.width * scale, scene.height * scale)
        canvas.showPage()


def blanked(story: StoryContent) -> StoryContent:
    """The story with blanks for what each frame finds out; the frame after it fills them in."""
    frames = [blanked_frame(story, index, frame) for index, frame in enumerate(story.frames)]
    for index, (before, frame) in enumerate(pairwise(story.frames), 1):
        told = frames[index]
        late = (*late_facts(before, frame), *told.facts)
        frames[index] = replace(told, facts=late, cells=(*before.cells, *told.cells))
    return replace(story, frames=tuple(frames))


def blanked_frame(story: StoryContent, index: int, frame: Frame) -> Frame:
    """A frame that gives nothing away."""
    facts = tuple(blank_fact(fact) if is_new(story, index, fact) else fact for fact in frame.facts)
    cells = tuple(Cell(cell.output, cell.input, BLANK) for cell in frame.cells)
    return replace(frame, facts=facts, cells=cells, equation=blanked_equation(frame.equation))


def is_new(story: StoryContent, index: int, fact: Fact) -> bool:
    """Whether a fact of a frame was not known before it."""
    return any(known.start == index for known in story.known[fact.kind, fact.target])


def blank_fact(fact: Fact) -> Fact:
    """A place to fill in."""
    return Fact(fact.kind, fact.target, BLANK)


def late_facts(before: Frame, frame: Frame) -> Iterator[Fact]:
    """What the frame before has found out, as far as it still holds and nothing newer is known."""
    newer = {(fact.kind, fact.target) for fact in frame.facts}
    for fact in before.facts:
        if (fact.kind, fact.target) not in newer and (before.sweep == frame.sweep or fact.kind in LASTING):
            yield fact


def blanked_equation(sides: tuple[Mathematics, ...]) -> tuple[Mathematics, ...]:
    """An equation's symbols, and a blank for each further side; all but the left side if there are no symbols."""
    given = 2 if len(sides) > 1 and any(character.isalpha() for character in sides[1].plain()) else 1
    return (*sides[:given], *(LONG_BLANK for _ in sides[given:]))
