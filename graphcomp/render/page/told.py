"""What the page says of each frame: sentence, equation, source line, cost, and a question if there is one."""

from __future__ import annotations

from collections.abc import Collection

from ..mathematics import Mathematics, Operator, Row
from ..sentences import Language
from ..story import Cost, Frame, Question
from .formulas import Formulas
from .markup import mathematics, text


def equation_parts(frame: Frame) -> list[Mathematics]:
    """A chain of equalities cut before each sign, so that it can wrap on a narrow page."""
    if not frame.equation:
        return []
    if len(frame.equation) == 1:
        return [frame.equation[0]]
    first = Row((frame.equation[0], Operator("="), frame.equation[1]))
    return [first, *(Row((Operator("="), side)) for side in frame.equation[2:])]


def frame_text(index: int, frame: Frame, formulas: Formulas, words: Language, fixed: Collection[int] = ()) -> str:
    """A frame's question if it has one, its sentence, equation, source line and cost.

    ``fixed`` are the sides of the equation that the page cannot write for other inputs.
    """
    parts = [
        mathematics(part, formulas, " data-fixed" if position + 1 in fixed else "")
        for position, part in enumerate(equation_parts(frame))
    ]
    rest = " ".join(parts[1:])
    continued = f' <span class="continued">{rest}</span>' if rest else ""
    equation = f'<p class="equation">{parts[0]}{continued}</p>' if parts else ""
    source = f'<p class="source">{text(frame.source_line)}</p>' if frame.source_line else ""
    cost = f'<p class="cost">{text(cost_text(frame.cost, words))}</p>' if frame.cost else ""
    asked = question_form(index, frame, frame.question, formulas, words) if frame.question else ""
    return (
        f'<div class="frame" data-frames="{index}-{index + 1}">{asked}<div class="solution">'
        f'<p class="sentence">{text(frame.sentence)}</p>{equation}{source}{cost}</div></div>\n'
    )


def cost_text(cost: Cost, words: Language) -> str:
    """``So far: 2 sweeps, 17 multiplications, 6 values held``."""
    counts = (("sweep", cost.sweeps), ("multiplication", cost.multiplications), ("value held", cost.values_held))
    return words.say("cost", counts=", ".join(words.counted(noun, count) for noun, count in counts))


def question_form(index: int, frame: Frame, question: Question, formulas: Formulas, words: Language) -> str:
    """What to predict, a place to answer, and what may be shown as a hint; none of it gives the answer away."""
    parts = equation_parts(frame)
    start = parts[0] if len(parts) > 1 else question.unknown
    hint = mathematics(parts[1], formulas) if len(parts) > 2 else ""
    hint_button = f'<button type="button" class="hint">{text(words.say("hint"))}</button>' if hint else ""
    return (
        '<form class="question" autocomplete="off">'
        f'<p class="sentence"><label for="answer-{index}">{text(question.prompt)}</label></p>'
        f'<p class="equation">{mathematics(start, formulas)}<span class="continued clue" hidden>{hint}</span></p>'
        f'<p class="answer"><input id="answer-{index}" type="text" spellcheck="false" autocapitalize="off">'
        f'<button type="submit">{text(words.say("check"))}</button>{hint_button}'
        f'<button type="button" class="reveal">{text(words.say("show"))}</button></p>'
        '<p class="feedback" role="status"></p></form>'
    )
