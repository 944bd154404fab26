"""Glyph outlines as short as they can be written: relative steps, in units of the font."""

from __future__ import annotations

import re

UNITS = 12 / 1000
"""The size of the font's unit in the paths that the typesetter gives."""


def relative(path: str) -> str:
    """Path data of lines and curves with relative coordinates in the font's units, which are whole or half numbers."""
    written: list[str] = []
    here = begin = (0.0, 0.0)
    before = ""
    for command, text in re.findall(r"([A-Z])([^A-Z]*)", path):
        numbers = [round(float(part) / UNITS, 1) for part in re.findall(r"-?[\d.]+", text)]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "Z":
            here = begin
        elif command == "L" and points[0] == here:
            continue
        steps = [part for x, y in points for part in (x - here[0], y - here[1])]
        # A command that repeats goes without saying.
        written.append(joined("" if command == before and command != "M" else command.lower(), steps))
        before = command
        here = points[-1] if points else here
        begin = here if command == "M" else begin
    return "".join(written)


def joined(command: str, numbers: list[float]) -> str:
    """A command and its numbers, with a space only where two numbers would run together."""
    text = command
    for number in numbers:
        word = short(number)
        text += word if word.startswith("-") or (text == command and command) else f" {word}"
    return text


def short(number: float) -> str:
    """A number with one decimal at most, and no zero before the point."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text.replace("0.", ".") if text.lstrip("-").startswith("0.") else text
