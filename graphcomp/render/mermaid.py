"""Writes a story's graph in Mermaid's language, which many documents and forges draw."""

from __future__ import annotations

from .mathematics import clean
from .sentences import language
from .story import StoryContent, StoryNode

HARMLESS = set(" .,·=+−/()²³⁻∂̄̇")
BEGINS = set(":$\\")
"""Mermaid looks for these once it has put characters in the place of their numbers: an icon (fa:fa-car), a formula
($$x$$), the end of a line (\\n). A sign without width after them keeps it from finding any."""
JOINER = "#8288;"


def write_mermaid(story: StoryContent) -> str:
    """The graph in its final state: cards with their facts, and the local partials on the edges."""
    lines = ["flowchart LR", f"  accTitle: {escaped(story.title)}"]
    lines.extend(f'  n{node.id}["{card(story, node)}"]' for node in story.nodes)
    for edge in story.edges:
        label = f'|"{escaped(edge.partial.plain())}"|' if edge.partial and story.mode != "evaluate" else ""
        lines.append(f"  n{edge.operand} -->{label} n{edge.user}")
    return "\n".join((*lines, ""))


def card(story: StoryContent, node: StoryNode) -> str:
    """A card's definition and facts, a line each."""
    rows = [f"{node.symbol.plain()} = {node.definition.plain()}"]
    words = language(story.language)
    rows.extend(f"{words.say(kind)} {shown.plain()}" for kind, shown in story.last_on_card(node.id).items())
    return "<br>".join(map(escaped, rows))


def escaped(text: str) -> str:
    """Text without effect in Mermaid or HTML: all but letters, digits and a few signs by their numbers."""
    return "".join(
        character
        if character.isalnum() or character in HARMLESS
        else f"#{ord(character)};{JOINER if character in BEGINS else ''}"
        for character in clean(text)
    )
