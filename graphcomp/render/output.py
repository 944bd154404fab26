"""A story that can be shown and saved: one writer for each suffix, all from one scene."""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import RenderError
from ..files import write_whole
from .gif import write_gif
from .handout import write_handout
from .interchange import graphml_text, json_text, story_network
from .live import Fixed, LiveProgram
from .mathematics import clean
from .mermaid import write_mermaid
from .page.document import write_html
from .pdf import write_pdf
from .png import write_png
from .scene import Scene
from .slide import poster, slide
from .story import StoryContent
from .svg import write_animated_svg, write_svg
from .tables import write_dot, write_markdown, write_terminal
from .terminal import play
from .tikz import write_tex

CELL_HEIGHT = 720
SUFFIXES = {
    ".html": "html",
    ".svg": "svg",
    ".png": "png",
    ".gif": "gif",
    ".pdf": "pdf",
    ".tex": "tex",
    ".md": "markdown",
    ".dot": "dot",
    ".mmd": "mermaid",
    ".json": "json",
    ".graphml": "graphml",
}
"""The method of a story that writes each kind of file."""


@dataclass(frozen=True)
class Story(StoryContent):
    """An explanation of one computation, step by step.

    ``frames`` holds the steps; ``save`` writes them by suffix; ``str`` gives the trace tables for a terminal.
    ``live`` computes it again for other inputs inside a page, or says why a page cannot.
    """

    live: LiveProgram | Fixed | None = None

    @cached_property
    def scene(self) -> Scene:
        """Every frame's slide, as positioned primitives; ``scene.at(frame)`` is one of them."""
        return slide(self)

    @cached_property
    def poster(self) -> Scene:
        """The same with the whole graph in every frame, on a page as large as that takes."""
        return poster(self)

    def svg(self, frame: int | None = None, *, animate: bool = False) -> str:
        """One frame's slide as an SVG document, or all of them, one after the other in time.

        Without a frame, the whole graph as the last one leaves it, on a page as large as that takes.
        """
        if animate:
            return write_animated_svg(self.scene, len(self.frames))
        if frame is None:
            return write_svg(self.poster, self.frame_number(-1))
        return write_svg(self.scene, self.frame_number(frame))

    def png(self, frame: int = -1) -> bytes:
        """One frame's slide as a PNG, twice as many pixels each way as the scene's size."""
        return write_png(self.scene, self.frame_number(frame))

    def gif(self) -> bytes:
        """All frames' slides as an animated GIF."""
        return write_gif(self.scene, len(self.frames))

    def tex(self) -> str:
        """A Beamer document: one frame drawn by TikZ, with an overlay for each of the story's frames."""
        return write_tex(self.scene, len(self.frames))

    def pdf(self, *, handout: bool = False) -> bytes:
        """All frames as a vector deck, a page each; or as a handout, four to an A4 page with blanks, and answers."""
        return write_handout(self) if handout else write_pdf(self.scene, len(self.frames))

    def html(self) -> str:
        """A self-contained page with a player."""
        return write_html(self, self.live)

    def markdown(self) -> str:
        """The trace tables and every step in words."""
        return write_markdown(self)

    def terminal(self, *, colours: bool = False, width: int | None = None) -> str:
        """The trace tables for a terminal, ``width`` characters wide (its own width by default)."""
        return write_terminal(self, colours=colours, width=width)

    def play(self, *, colours: bool = False, width: int | None = None) -> None:
        """Step through the frames in a terminal; where the input is none, all of them one below the other."""
        play(self, colours=colours, width=width)

    def dot(self) -> str:
        """The graph in Graphviz's language."""
        return write_dot(self)

    def mermaid(self) -> str:
        """The graph in Mermaid's language."""
        return write_mermaid(self)

    def json(self) -> str:
        """The graph as networkx's node-link data, with the frames."""
        return json_text(story_network(self))

    def graphml(self) -> str:
        """The same as GraphML."""
        return graphml_text(story_network(self))

    def frame_number(self, frame: int) -> int:
        """A frame's index, counted from the end if negative."""
        return frame % len(self.frames) if self.frames else 0

    def save(self, path: str | Path, *, frames: bool = False, animate: bool = False, handout: bool = False) -> Path:
        """Write by suffix (``SUFFIXES`` lists them); returns the path.

        SVG and PNG hold the last frame, an SVG with the whole graph however large; with ``frames=True`` the path, less
        its suffix, becomes a folder with a file for each frame, and with ``animate=True`` an SVG plays all of them;
        with ``handout=True`` a PDF has four frames on each page with blanks, and the answers.  Raises RenderError for
        an unknown suffix or a path that cannot be written; nothing half-written stays behind.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        check_options(path.name, suffix, frames, animate, handout)
        try:
            if frames:
                return write_folder(path, len(self.frames), self.svg if suffix == ".svg" else self.png)
            if handout:
                return write_whole(path, self.pdf(handout=True))
            return write_whole(path, self.svg(animate=True) if animate else self.content(suffix))
        except OSError as error:
            raise RenderError(f"cannot write {path}: {error.strerror or error}") from error

    def content(self, suffix: str) -> str | bytes:
        """What a file with that suffix holds."""
        writer: Callable[[], str | bytes] = getattr(self, SUFFIXES[suffix])
        return writer()

    def __str__(self) -> str:
        return self.terminal(width=100)

    def _repr_html_(self) -> str:
        """The player inside a notebook's cell, in a frame of its own so that styles do not mix."""
        page, title = html.escape(self.html()), html.escape(clean(self.title))
        style = f"width:100%;height:{CELL_HEIGHT}px;border:0"
        return f'<iframe title="{title}" sandbox="allow-scripts" style="{style}" srcdoc="{page}"></iframe>'


def check_options(name: str, suffix: str, frames: bool, animate: bool, handout: bool) -> None:
    """Raise RenderError for a suffix that no writer has, or options that do not go with it."""
    if suffix not in SUFFIXES:
        raise RenderError(f"cannot write {name!r}: its suffix must be one of {', '.join(SUFFIXES)}")
    if frames and suffix not in (".svg", ".png"):
        raise RenderError(f"frames=True writes a folder of .svg or .png files, not {suffix}")
    if animate and (suffix != ".svg" or frames):
        raise RenderError("animate=True writes one .svg file; .gif files always move")
    if handout and suffix != ".pdf":
        raise RenderError(f"handout=True writes a .pdf file, not {suffix}")


def write_folder(path: Path, frames: int, write: Callable[[int], str | bytes]) -> Path:
    """Write each frame into a folder named like the path without its suffix, all of them or none."""
    folder = path.with_suffix("")
    contents = {f"{index + 1:03}{path.suffix.lower()}": write(index) for index in range(frames)}
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:40]}."))
    try:
        for name, content in contents.items():
            write_whole(temporary / name, content)
        os.chmod(temporary, 0o755)
        folder.mkdir(exist_ok=True)
        for name in contents:
            os.replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
