"""Makes the pictures of this folder: `python docs/gallery/make.py`, or with another folder as its argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models import MODELS, failing_model, training_step

from graphcomp.errors import GraphcompError
from graphcomp.render import Story, compile_story, explain, explain_error
from graphcomp.render.stories import STORIES, story

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
AT = {"x1": 2, "x2": 3}


@dataclass(frozen=True)
class Picture:
    """A story, what it shows in a line, its files, and the steps of which there is a picture (by default the end)."""

    name: str
    caption: str
    tell: Callable[[], Story]
    suffixes: tuple[str, ...] = (".svg",)
    steps: tuple[int, ...] = ()


def lecture(mode: str) -> Callable[[], Story]:
    """The lecture's example in one mode."""
    return lambda: explain(LECTURE, at=AT, mode=mode)  # type: ignore[arg-type]


def teaching(name: str) -> Callable[[], Story]:
    """A teaching story."""
    return lambda: story(name)


def failure() -> Story:
    """The picture of a model whose layers do not fit together."""
    try:
        failing_model()
    except GraphcompError as error:
        return explain_error(error)
    raise AssertionError("the model was meant to fail")


GALLERY: dict[str, tuple[Picture, ...]] = {
    "The lecture's example": (
        Picture("lecture-evaluate", "Values, in evaluation order.", lecture("evaluate")),
        Picture("lecture-forward", "Tangents, a sweep for each input.", lecture("forward")),
        Picture(
            "lecture-reverse", "Adjoints, from the output back.", lecture("reverse"),
            (".svg", ".html", ".gif", ".tex", ".mmd"),
        ),
        Picture("lecture-quiz", "The same as a quiz.", lambda: explain(LECTURE, at=AT, quiz=True), (".html",)),
        Picture(
            "baydin", "The example of Baydin et al.",
            lambda: explain("log(x1) + x1*x2 - sin(x2)", at={"x1": 2, "x2": 5}),
        ),
    ),
    "Teaching stories": tuple(
        Picture(name, f"{one.summary[:1].upper()}{one.summary[1:]}.", teaching(name))
        for name, one in STORIES.items()
        if name != "compile"
    ),
    "Networks": tuple(Picture(name, one.caption, one.tell, (".svg", ".html")) for name, one in MODELS.items()),
    "Training": (
        Picture(
            "training-step", "A network's training step with Adam: values, adjoints back from the loss, the update.",
            lambda: explain(*training_step()), (".html",), steps=(24, -1),
        ),
    ),
    "Compilation": (
        Picture("compile", "A formula: a rewrite before and after; its kernel.", teaching("compile"), steps=(1, -1)),
        Picture(
            "compile-network", "A network's training step with Adam: a rewrite of many nodes, and the update's kernel.",
            lambda: compile_story(*training_step()), (".html",), steps=(5, -1),
        ),
    ),
    "Errors": (Picture("error", "A model whose layers do not fit together.", failure, (".svg", ".html")),),
}  # fmt: skip


def save(picture: Picture, folder: Path) -> tuple[list[Path], list[str]]:
    """Write a picture's files; returns them and their lines of the index."""
    told = picture.tell()
    written = [told.save(folder / f"{picture.name}{suffix}") for suffix in picture.suffixes if not picture.steps]
    if picture.steps:
        written.append(told.save(folder / f"{picture.name}.html"))
        written.extend(save_step(told, step, folder / picture.name) for step in picture.steps)
    links = ", ".join(f"[{path.name}]({path.name})" for path in written)
    steps = f"{len(told.frames)} steps" if len(told.frames) > 1 else "1 step"
    lines = [f"### {picture.name}", "", picture.caption, "", f"{steps}: {links}", ""]
    for path in written:
        if path.suffix == ".svg":
            lines.extend((f"![{picture.caption}]({path.name})", ""))
    return written, lines


def save_step(told: Story, step: int, path: Path) -> Path:
    """One step as a file of its own."""
    number = step % len(told.frames) + 1
    file = path.with_name(f"{path.name}-{number}.svg")
    file.write_text(told.svg(step), encoding="utf-8")
    return file


def make(folder: Path) -> list[Path]:
    """Write every picture, and an index of them."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    lines = ["# Gallery", "", "Made by `python docs/gallery/make.py`. The pages (`.html`) are to step through.", ""]
    for heading, pictures in GALLERY.items():
        lines.extend((f"## {heading}", ""))
        for picture in pictures:
            files, index = save(picture, folder)
            written.extend(files)
            lines.extend(index)
    animated = explain(LECTURE, at=AT).save(folder / "lecture-animated.svg", animate=True)
    lines.extend(("## In motion", "", f"![The lecture's example in reverse mode, in motion]({animated.name})", ""))
    (folder / "README.md").write_text("\n".join(lines), encoding="utf-8")
    return [*written, animated]


if __name__ == "__main__":
    for path in make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent):
        print(f"{path.stat().st_size:>9,} bytes  {path.name}")
