"""What stories say: a table of sentences for each language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from operator import is_ as is_same
from typing import TypeVar

from ..errors import RenderError
from .languages import english, german
from .mathematics import Phrase


@dataclass(frozen=True)
class Language:
    """A table of sentences with places to fill in, the words of small numbers, and which sentences pages need."""

    sentences: Mapping[str, str]
    numbers: Sequence[str]
    page: Sequence[str] = ()

    def say(self, key: str, /, **parts: object) -> str:
        """One sentence, filled in."""
        return self.sentences[key].format(**parts)

    def count(self, quantity: int) -> str:
        """``two``, or the digits of a larger number."""
        return self.numbers[quantity] if quantity < len(self.numbers) else str(quantity)

    def counted(self, noun: str, quantity: int) -> str:
        """``1 sweep``, ``2 sweeps``; both forms of the noun are in the table."""
        first, *others = noun.split(" ")
        return f"{quantity} {self.say(noun if quantity == 1 else ' '.join((first + 's', *others)))}"

    def listed(self, words: Sequence[str]) -> str:
        """``a, b and c``."""
        conjunction = f" {self.sentences['and']} "
        return conjunction.join(part for part in (", ".join(words[:-1]), words[-1]) if part)

    def of_the_page(self) -> dict[str, str]:
        """What the page's script says, with its places to fill in."""
        return {key: self.sentences[key] for key in self.page}


SCRIPTED = (
    "value",
    "tangent",
    "adjoint",
    "contribution fact",
    "play",
    "pause",
    "step of",
    "from the start",
    "at a step",
    "shape",
    "array",
    "row",
    "column",
    "computed again",
    "not a number",
    "right",
    "first try",
    "shown",
    "not yet",
    "unreadable",
)
"""The sentences that a page's script fills in."""
LANGUAGES: dict[str, Language] = {
    name: Language(
        {
            **module.SENTENCES,
            **module.PHRASES,
            **module.TABLES,
            **module.REMARKS,
            **module.PAGE,
            **module.COMPILATION,
            **module.FAILURES,
            **module.NETWORKS,
        },
        module.NUMBERS,
        SCRIPTED,
    )
    for name, module in (("en", english), ("de", german))
}


def language(name: str) -> Language:
    """The table of a language; add another to ``LANGUAGES`` and it can be asked for.  Raises RenderError."""
    if name not in LANGUAGES:
        raise RenderError(f"language must be one of {', '.join(LANGUAGES)}, not {name!r}")
    return LANGUAGES[name]


Told = TypeVar("Told")


def in_language(told: Told, words: Language) -> Told:
    """A story, or a part of it, with its phrases in a language; the numbers themselves are left alone."""
    if isinstance(told, Phrase):
        return replace(told, text=words.say(told.key, part=told.part))
    if isinstance(told, tuple):
        parts = tuple(in_language(part, words) for part in told)
        return told if all(map(is_same, parts, told)) else parts  # type: ignore[return-value]
    if not is_dataclass(told) or isinstance(told, type):
        return told
    values = {one.name: getattr(told, one.name) for one in fields(told) if one.name not in ("data", "live")}
    changed = {name: new for name, value in values.items() if (new := in_language(value, words)) is not value}
    return replace(told, **changed) if changed else told
