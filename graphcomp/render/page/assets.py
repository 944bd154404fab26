"""What all pages have in common: the player's files, as short as they can be written, and the palette."""

from __future__ import annotations

import functools
import re
from importlib import resources

from ..palette import THEMES


@functools.lru_cache
def player_file(name: str) -> str:
    """A file of the player, without indents and without comments that have lines of their own."""
    text = resources.files("graphcomp.render").joinpath("player", name).read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S) if name.endswith(".css") else text
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"


def theme_rules() -> str:
    """The palette as custom properties: by the system's preference, or as the reader chose; light in print."""

    def rules(theme: str) -> str:
        colours = "".join(f"--{name.replace('_', '-')}:{colour};" for name, colour in THEMES[theme].items())
        return f"color-scheme:{theme};{colours}"

    return (
        f":root{{{rules('light')}}}\n"
        f"@media (prefers-color-scheme: dark){{:root:not([data-theme=light]){{{rules('dark')}}}}}\n"
        f":root[data-theme=dark]{{{rules('dark')}}}\n"
        f"@media print{{:root:root,:root[data-theme]:root{{{rules('light')}}}}}"
    )
