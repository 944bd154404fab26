"""Makes the pictures of this folder: `python docs/gallery/make.py`, or with another folder as its argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from graphcomp.render import Story, explain
from graphcomp.render.stories import STORIES, story

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
AT = {"x1": 2, "x2": 3}


def lecture(mode: str) -> Callable[[], Story]:
    """The lecture's example in one mode."""
    return lambda: explain(LECTURE, at=AT, mode=mode)  # type: ignore[arg-type]


def teaching(name: str) -> Callable[[], Story]:
    """A teaching story."""
    return lambda: story(name)


PICTURES: dict[str, tuple[Callable[[], Story], tuple[str, ...]]] = {
    "lecture-evaluate": (lecture("evaluate"), (".svg",)),
    "lecture-forward": (lecture("forward"), (".svg",)),
    "lecture-reverse": (lecture("reverse"), (".svg", ".html", ".gif", ".tex", ".mmd")),
    "lecture-quiz": (lambda: explain(LECTURE, at=AT, quiz=True), (".html",)),
    "baydin": (lambda: explain("log(x1) + x1*x2 - sin(x2)", at={"x1": 2, "x2": 5}), (".svg",)),
    **{name: (teaching(name), (".svg",)) for name in STORIES},
}


def make(folder: Path) -> list[Path]:
    """Write every picture, and an index of them."""
    folder.mkdir(parents=True, exist_ok=True)
    written, lines = [], ["# Gallery", "", "Made by `python docs/gallery/make.py`.", ""]
    for name, (tell, suffixes) in PICTURES.items():
        told = tell()
        written.extend(told.save(folder / f"{name}{suffix}") for suffix in suffixes)
        links = ", ".join(f"[{suffix[1:]}]({name}{suffix})" for suffix in suffixes)
        lines.extend((f"## {name}", "", f"{len(told.frames)} steps: {links}", ""))
        if ".svg" in suffixes:
            lines.extend((f"![{name}]({name}.svg)", ""))
    animated = explain(LECTURE, at=AT).save(folder / "lecture-animated.svg", animate=True)
    lines.extend(("## lecture-animated", "", f"![the same, in motion]({animated.name})", ""))
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
    return [*written, animated]


if __name__ == "__main__":
    for path in make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent):
        print(f"{path.stat().st_size:>9,} bytes  {path.name}")
