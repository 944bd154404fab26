"""Small parts of markup: text, formulas by their number, buttons with icons."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ..mathematics import Mathematics, clean
from ..picture import Shown
from .formulas import Formulas, settled

ICONS = {
    "first": '<path d="M4 4h2.4v12H4zM17 4v12L7.5 10z"/>',
    "back": '<path d="M14.5 4v12L5 10z"/>',
    "play": '<path d="M5.5 3.5v13L16 10z"/>',
    "pause": '<path d="M4.5 4h4v12h-4zM11.5 4h4v12h-4z"/>',
    "forward": '<path d="M5.5 4v12L15 10z"/>',
    "last": '<path d="M13.6 4H16v12h-2.4zM3 4v12l9.5-6z"/>',
    "theme": '<path d="M10 2a8 8 0 1 0 0 16a8 8 0 0 0 0-16zm0 1.8v12.4a6.2 6.2 0 0 1 0-12.4z"/>',
}


def text(words: str) -> str:
    """Text that stays text."""
    return escape(clean(words))


def mathematics(formula: Mathematics, formulas: Formulas, extra: str = "") -> str:
    """A formula as plain text under its number: the script puts outlines and MathML in its place."""
    return (
        f'<span class="math" data-formula="{formulas.number(formula)}"{extra}>{text(settled(formula).plain())}</span>'
    )


def heading(scope: str, label: Mathematics, formulas: Formulas) -> str:
    """A heading that is a formula: its alternative is plain text, because some readers pass over MathML there."""
    return f'<th scope="{scope}">{mathematics(label, formulas, " data-label")}</th>'


def over_time(row: Iterable[Shown], formulas: Formulas) -> str:
    """The formulas a place shows, each with its frames; without a script, those that are known."""
    parts = []
    for shown in row:
        frames = " ".join(f"{start}-{stop}" for start, stop in shown.frames)
        unknown = ' class="off"' if shown.formula.plain().endswith("?") else ""
        parts.append(f'<span data-frames="{frames}"{unknown}>{mathematics(shown.formula, formulas)}</span>')
    return " ".join(parts)


def icon(name: str) -> str:
    """A control's drawing."""
    return f'<svg data-icon="{name}" viewBox="0 0 20 20" aria-hidden="true">{ICONS[name]}</svg>'


def button(name: str, label: str, words: str = "", extra: str = "") -> str:
    """A button with an icon."""
    shown = f"<span>{text(words)}</span>" if words else ""
    return f'<button type="button" id="{name}" aria-label="{text(label)}"{extra}>{icon(name)}{shown}</button>'
