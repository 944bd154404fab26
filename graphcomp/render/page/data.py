"""What the script needs beyond the page's text: frames, nodes with their histories, arrays, words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..heat import heat_map
from ..mathematics import clean, equals
from ..numerals import number, shape_text
from ..picture import element_name
from ..sentences import Language
from ..story import CARD_FACTS, Fact, FactKind, Frame, StoryContent, StoryNode
from .formulas import Formulas

SHOWN_AT_EACH_END = 3


def as_json(data: Mapping[str, Any]) -> str:
    """Data as it may stand inside a script element, which a closing tag would end."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def story_data(story: StoryContent, formulas: Formulas, words: Language) -> dict[str, Any]:
    """Each frame's focus and reads, each node's words, history and edges, and the words of the player."""
    return {
        "mode": story.mode,
        "digits": story.digits,
        "frames": [frame_data(frame) for frame in story.frames],
        "nodes": {element_name(node.id): node_data(story, node, formulas) for node in story.nodes},
        "variables": next((dict(frame.question.variables) for frame in story.frames if frame.question), {}),
        "edges": [[element_name(edge.operand), element_name(edge.user), edge.slot] for edge in story.edges],
        "words": words.of_the_page(),
    }


def frame_data(frame: Frame) -> dict[str, Any]:
    """One frame's focus and the edges it reads."""
    data: dict[str, Any] = {
        "phase": frame.phase,
        "focus": element_name(frame.focus),
        "reads": [element_name(edge) for edge in frame.reads],
    }
    if question := frame.question:
        data["question"] = {
            "answer": question.answer,
            "mistakes": [[mistake.value, clean(mistake.feedback)] for mistake in question.mistakes],
        }
    return data


def node_data(story: StoryContent, node: StoryNode, formulas: Formulas) -> dict[str, Any]:
    """A node in words, where it was written, and which facts about it became known in which frame."""
    history: list[list[Any]] = []
    for kind in CARD_FACTS:
        for known in story.known.get((kind, node.id), ()):
            given = not known.start and is_given(story, kind, node.id)
            entry = [kind, formulas.number(known.fact.shown), -1 if given else known.start, known.stop]
            history.append([*entry, *array_data(known.fact, story.digits)])
    for edge in story.edges:
        for known in story.known.get(("contribution", edge.key), ()) if edge.operand == node.id else ():
            if arrays := array_data(known.fact, story.digits):
                entry = ["contribution", formulas.number(known.fact.shown), known.start, known.stop]
                history.append([*entry, *arrays])
    names = [clean(name) for name in node.names]
    data = {
        "title": formulas.number(equals(node.symbol, node.definition)),
        "names": [name for name in names if name != node.symbol.plain()],
        "shape": shape_text(node.shape),
        "source": clean(node.source_line),
        "history": history,
    }
    return {name: value for name, value in data.items() if value not in ("", [])}


def is_given(story: StoryContent, kind: FactKind, id: int) -> bool:
    """Whether a fact is known before the first frame."""
    return any(fact.kind == kind and fact.target == id for fact in story.given)


def array_data(fact: Fact, digits: int) -> list[Any]:
    """The largest size of an array's entries, and its first and last rows and columns; nothing if it has no map."""
    heat = heat_map(fact.data)
    if heat is None:
        return []
    array = np.asarray(fact.data)
    table = array.reshape(-1, array.shape[-1])
    rows, columns = ends(table.shape[0]), ends(table.shape[1])
    entries = [[number(table[row, column], digits).plain() for column in columns] for row in rows]
    return [{"largest": number(heat.largest, digits).plain(), "rows": rows, "columns": columns, "entries": entries}]


def ends(length: int) -> list[int]:
    """The first and the last positions; all where there are few."""
    if length <= 2 * SHOWN_AT_EACH_END + 1:
        return list(range(length))
    return [*range(SHOWN_AT_EACH_END), *range(length - SHOWN_AT_EACH_END, length)]
