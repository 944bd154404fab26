"""What the frames say: one table of sentences for each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import RenderError

ENGLISH = {
    "input": "{node} is the input {name}, given as {value}.",
    "computed": "{node} is computed from {operands}.",
    "computed result": "{node} is computed from {operands}, and is the result {result}.",
    "input result": "{node} is the input {name}, given as {value}, and is the result {result}.",
    "seed tangent": "{node} is {name}, the input that changes: its tangent is 1.",
    "seed tangent everywhere": "{node} is {name}, the input that changes: its tangent is 1 in every entry.",
    "seed tangent entry": "{node} is {name}, of which {entry} changes: its tangent is 1 there and 0 elsewhere.",
    "no tangent": "{node} does not change when {name} does: its tangent is 0.",
    "one argument": ("{node} has one argument that can change: take its tangent times the local partial on the edge."),
    "arguments": "{node} has {count} arguments: take each one's tangent times the local partial, and add.",
    "tensor argument": "{node} changes with {operands}: put the tangent in its place in the same operation.",
    "tangent of several results": "The tangent of {node} comes through an operation with several results.",
    "start": "Start at the end: {node} is the result, so its adjoint is 1.",
    "start named": "Start at the end: {node} is the result {result}, so its adjoint is 1.",
    "start everywhere": "Start at the end: {node} is the result {result}, so its adjoint is 1 in every entry.",
    "start entry": "Start at the end: {node} is the result, and {entry} is explained: its adjoint is 1, the others' 0.",
    "several results": "The adjoint of {node} comes through an operation with several results.",
    "independent": "{result} does not depend on {node}: its adjoint is 0.",
    "one user": "Only {users} uses {node}: take its adjoint times the local partial on the edge.",
    "one tensor user": "Only {users} uses {node}: the product hands its adjoint back in the shape of {node}, {shape}.",
    "same user twice": "{users} uses {node} twice, so {count} contributions arrive. Add them.",
    "same user": "{users} uses {node} {times} times, so {count} contributions arrive. Add them.",
    "users": "{Count} nodes use {node}, so {contributions} contributions arrive. Add them.",
    "contribution": "Contribution {position} of {count} to {node}, through {users}: add it to what is there.",
    "sweep of": "{name} changes, the other inputs do not",
    "values": "values",
    "ask tangent": "Your turn: what is the tangent of {node}? Type a number or a formula.",
    "ask adjoint": "Your turn: what arrives at {node}? Type a number or a formula.",
    "missing term": "A term is missing: what comes through {users} counts as well.",
    "sign": "The size is right, the sign is not.",
    "sign of term": "The sign of the term through {users} is wrong.",
    "value for partial": "A value stands where the local partial belongs: on the edge to {users} it is {partial}.",
    "missing factor": "That is the local partial alone: multiply by {factor}.",
    "product for sum": "What arrives along several edges is added, not multiplied.",
    "evaluate": "Evaluation",
    "forward": "Forward mode",
    "reverse": "Reverse mode",
    "both": "Evaluation, forward and reverse mode",
    "and": "and",
    "at": "at",
}
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Language:
    """A table of sentences with places to fill in, and the words of small numbers."""

    sentences: Mapping[str, str]
    numbers: Sequence[str] = field(default=NUMBER_WORDS)

    def say(self, key: str, **parts: object) -> str:
        """One sentence, filled in."""
        return self.sentences[key].format(**parts)

    def count(self, quantity: int) -> str:
        """``two``, or the digits of a larger number."""
        return self.numbers[quantity] if quantity < len(self.numbers) else str(quantity)

    def listed(self, words: Sequence[str]) -> str:
        """``a, b and c``."""
        conjunction = f" {self.sentences['and']} "
        return conjunction.join(part for part in (", ".join(words[:-1]), words[-1]) if part)


LANGUAGES: dict[str, Language] = {"en": Language(ENGLISH)}


def language(name: str) -> Language:
    """The table of a language; add another to ``LANGUAGES`` and it can be asked for."""
    if name not in LANGUAGES:
        raise RenderError(f"language must be one of {', '.join(LANGUAGES)}, not {name!r}")
    return LANGUAGES[name]
