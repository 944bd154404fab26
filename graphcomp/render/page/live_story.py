"""A story whose numbers know where a page computes them again.

Each fact's formula is replaced by a number of the page's programs, and so are the equations' sides.  A side is
taken over only if it reads, with the numbers of the story, exactly as it was told: a page never shows a number of
which it does not know what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from ..definitions import definition
from ..live import Fixed, LiveProgram, Pass
from ..mathematics import (
    Application,
    Mathematics,
    Number,
    Operator,
    Parenthesised,
    Row,
    added,
    factor,
    few_added,
    joined,
    shorten,
)
from ..numerals import UNKNOWN, number
from ..sentences import Language
from ..story import Edge, Fact, Frame, StoryContent
from .formulas import Formulas, Live, live, settled

LONGEST_INPUT = 30


@dataclass(frozen=True)
class Computed:
    """A story as a page shows it, with the programs that compute its numbers again, or the reason why there are none.

    ``fixed`` are, for each frame, the sides of its equation that are not computed again.
    """

    story: StoryContent
    program: LiveProgram | None = None
    passes: tuple[Pass, ...] = ()
    fixed: Mapping[int, frozenset[int]] = field(default_factory=dict)
    reason: str = ""

    def functions(self) -> str:
        """The programs as a JavaScript list; sweeps through the same graph share one."""
        if self.program is None:
            return "null"
        return f"[{','.join(dict.fromkeys(one.function() for one in self.passes))}]"

    def data(self, formulas: Formulas) -> dict[str, Any] | None:
        """Each sweep's program and seed, the order of the inputs, and the heading, for the script."""
        if self.program is None:
            return None
        texts = list(dict.fromkeys(one.function() for one in self.passes))
        shown = [node.id for node in self.story.nodes if node.role == "input"]
        sweeps = [
            [texts.index(one.function()), one.starts.index(sweep.seed) if sweep.seed in one.starts else -1]
            for one, sweep in zip(self.passes, self.story.sweeps, strict=True)
        ]
        return {
            "sweeps": sweeps,
            "order": [shown.index(id) for id in self.program.graph.inputs],
            "digits": self.story.digits,
            "names": [self.story.node(id).definition.plain() for id in shown],
            "heading": self.heading(shown),
        }

    def heading(self, inputs: Sequence[int]) -> str:
        """The title up to the inputs' values, if it has them."""
        story = self.story
        texts = (
            f"{story.node(id).definition.plain()} = "
            f"{shorten(story.known['value', id][-1].fact.shown.plain(), LONGEST_INPUT)}"
            for id in inputs
        )
        given = ", ".join(texts)
        return story.title.removesuffix(given) if story.title.endswith(given) else ""


def computed(story: StoryContent, program: LiveProgram, words: Language) -> Computed:
    """The story with numbers that can be computed again, if all of them can."""
    passes = program.passes(story.sweeps)
    if isinstance(passes, Fixed):
        return Computed(story, reason=words.say(passes.reason, **passes.parts))
    telling = LiveTelling(story, program, tuple(passes))
    frames, fixed = [], {}
    for index, frame in enumerate(story.frames):
        told = telling.frame(frame)
        if told is None:
            return Computed(story, reason=words.say("not computed", step=index + 1))
        frames.append(told[0])
        if told[1]:
            fixed[index] = told[1]
    given = tuple(fact for fact in (telling.fact(fact, 0, ()) for fact in story.given) if fact)
    if len(given) < len(story.given):
        return Computed(story, reason=words.say("not computed", step=1))
    return Computed(replace(story, frames=tuple(frames), given=given), program, telling.passes, fixed)


@dataclass(frozen=True)
class LiveTelling:
    """Puts numbers that can be computed again in the place of those that were told."""

    story: StoryContent
    program: LiveProgram
    passes: tuple[Pass, ...]

    def places(self, kind: str, target: Any, sweep: int) -> tuple[int, ...] | None:
        """Where a quantity stands: its sweep and the places to add (none for a derivative that is zero)."""
        one = self.passes[sweep]
        if kind in ("tangent", "adjoint"):
            return (sweep, one.derivatives[target]) if target in one.derivatives else (sweep,)
        nodes: dict[str, Mapping[Any, int]] = {"value": one.values, "saved": one.values}
        table = nodes.get(kind) or (one.partials if kind == "partial" else one.contributions)
        return (sweep, table[target]) if target in table else None

    def number(self, kind: str, target: Any, sweep: int, shown: Mathematics) -> Live | None:
        """A quantity as a number of the programs."""
        places = self.places(kind, target, sweep)
        return None if places is None else live(shown, places)

    def fact(self, fact: Fact, sweep: int, so_far: Sequence[Edge]) -> Fact | None:
        """The fact with such a number; a sum that is not complete adds what its edges have brought."""
        if fact.shown == UNKNOWN:
            return fact
        if isinstance(fact.shown, Row) and fact.shown.items[-1] == UNKNOWN:
            found = [self.places("contribution", edge, sweep) for edge in so_far]
            places = [place for one in found if one for place in one[1:]]
            partial = live(fact.shown.items[0], (sweep, *places))
            return replace(fact, shown=Row((partial, *fact.shown.items[1:]))) if None not in found else None
        shown = self.number(fact.kind, fact.target, sweep, fact.shown)
        return None if shown is None else replace(fact, shown=shown)

    def frame(self, frame: Frame) -> tuple[Frame, frozenset[int]] | None:
        """The frame with such numbers, and the sides of its equation that have none."""
        so_far = [(term.user, term.slot) for term in frame.terms]
        facts = [self.fact(fact, frame.sweep, so_far) for fact in frame.facts]
        kind = "adjoint" if frame.phase == "reverse" else "tangent"
        cells = [
            replace(cell, shown=self.number(kind, frame.focus, frame.sweep, cell.shown) or cell.shown)
            for cell in frame.cells
        ]
        if None in facts:
            return None
        told = replace(frame, facts=tuple(fact for fact in facts if fact), cells=tuple(cells))
        sides, fixed = list(frame.equation), set[int]()
        for position, side in enumerate(sides[1:], 1):
            candidates = {settled(one).plain(): one for one in reversed([*self.sides(told, side)])}
            if side.plain() in candidates:
                sides[position] = candidates[side.plain()]
            elif has_number(without_start(side)):
                fixed.add(position)
        return replace(told, equation=tuple(sides)), frozenset(fixed)

    def sides(self, frame: Frame, side: Mathematics) -> Iterator[Mathematics]:
        """All that a side of a frame's equation may say, in numbers of the programs."""
        yield self.story.node(frame.focus).definition
        yield from (fact.shown for fact in frame.facts if fact.kind in ("tangent", "adjoint") and has_live(fact.shown))
        if not frame.terms:
            yield from (fact.shown for fact in frame.facts if fact.kind == "value")
            yield from self.filled_definition(frame)
            return
        terms = [self.term(frame, (term.user, term.slot), term.factor, term.partial) for term in frame.terms]
        products = [self.product(frame, left, right) for left, right, _ in terms if left and right]
        # An edge without a formula hands on what is computed, and that is told in symbols.
        symbols = summands(without_start(side), len(terms))
        filled = [
            self.product(frame, left, formula) if left and formula else told
            for (left, _, formula), told in zip(terms, symbols, strict=False)
        ]
        brought = [
            self.number("contribution", (term.user, term.slot), frame.sweep, term.product) for term in frame.terms
        ]
        for parts in (products, filled):
            if len(parts) == len(terms):
                yield few_added(tuple(parts))
                # The output itself starts with 1, and other users may add to it.
                yield added((number(1), few_added(tuple(parts))))
        if None not in brought:
            yield added((*(part for part in brought if part), UNKNOWN))

    def term(
        self, frame: Frame, edge: Edge, shown: Mathematics, partial: Mathematics
    ) -> tuple[Mathematics | None, Mathematics | None, Mathematics | None]:
        """One term's factor, and its partial as a number and as a formula."""
        known = next((one for one in self.story.edges if one.key == edge), None)
        if known is None or known.partial is None:
            return None, None, None
        kind, target = ("adjoint", edge[0]) if frame.phase == "reverse" else ("tangent", known.operand)
        return (
            self.number(kind, target, frame.sweep, shown),
            self.number("partial", edge, frame.sweep, partial),
            known.partial_formula,
        )

    def product(self, frame: Frame, left: Mathematics, right: Mathematics) -> Mathematics:
        """Adjoint times partial, or partial times tangent, as the chain rule writes them."""
        first, second = (left, right) if frame.phase == "reverse" else (right, left)
        first, second = factor(first), factor(second)
        bare = isinstance(first, Application) and first.bare()
        return joined((Parenthesised(first) if bare else first, second), Operator("·"))

    def filled_definition(self, frame: Frame) -> Iterator[Mathematics]:
        """A node's definition with its operands' values."""
        graph, values = self.program.graph, self.story.known
        node = graph.node(frame.focus)
        operands: list[Mathematics] = []
        for id in node.inputs:
            shown: Mathematics | None
            if ("value", id) in values:
                shown = self.number("value", id, frame.sweep, values["value", id][-1].fact.shown)
            else:
                constant = graph.node(id)
                shown = number(constant.attributes["value"], self.story.digits) if constant.op == "constant" else None
            if shown is None:
                return
            operands.append(factor(shown))
        if operands:
            yield definition(
                node.op, operands, {name: value for name, value in node.attributes.items() if name != "axes"}
            )


def without_start(side: Mathematics) -> Mathematics:
    """What is added to the 1 that an output's adjoint starts with, or the whole side."""
    starts = isinstance(side, Row) and side.items[:2] == (number(1), Operator("+"))
    return Row(side.items[2:]) if isinstance(side, Row) and starts else side


def summands(side: Mathematics, count: int) -> list[Mathematics]:
    """The terms of a sum of so many terms, or nothing if it is none; of a long sum only the first are written."""
    if count == 1:
        return [side]
    items = side.items if isinstance(side, Row) else ()
    return list(items[::2]) if len(items) == 2 * count - 1 and set(items[1::2]) == {Operator("+")} else []


def has_live(formula: Any) -> bool:
    """Whether a number of the formula is one of the programs'."""
    return any(isinstance(part, Live) for part in parts_of(formula))


def has_number(formula: Any) -> bool:
    """Whether a number is written in the formula."""
    return any(isinstance(part, Number) for part in parts_of(formula))


def parts_of(formula: Any) -> Iterator[Any]:
    """The formula and all that it is made of."""
    yield formula
    if isinstance(formula, tuple):
        for part in formula:
            yield from parts_of(part)
    elif is_dataclass(formula) and not isinstance(formula, type):
        for one in fields(formula):
            yield from parts_of(getattr(formula, one.name))
