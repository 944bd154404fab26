"""Generated source, line by line: which nodes a line computes, and to which kernels it belongs."""

from __future__ import annotations

import re
from dataclasses import dataclass

KERNEL = re.compile(r"# kernel (\d+):")
FUNCTION = re.compile(r"(?:def )?(kernel_\d+)\(")
NODES = re.compile(r"%(\d+)")


@dataclass(frozen=True)
class Line:
    """A line of source, numbered from 1; ``kernel`` is its kernel, or None."""

    number: int
    text: str
    nodes: tuple[int, ...]
    kernel: int | None

    @property
    def code(self) -> str:
        """The line without the comment that names its nodes."""
        return self.text.split("  # ")[0].rstrip() if self.nodes else self.text


@dataclass(frozen=True)
class Listing:
    """All lines, and for each kernel that shares its function with others the kernel whose lines that function has."""

    lines: tuple[Line, ...]
    shared: dict[int, int]

    def of_kernel(self, kernel: int) -> list[Line]:
        """A kernel's own lines; of one that only calls a shared function, that function's lines."""
        number = self.shared.get(kernel, kernel)
        return [line for line in self.lines if line.kernel == number]

    def sharing(self, kernel: int) -> list[int]:
        """The kernels that run the same function."""
        function = self.shared.get(kernel, kernel)
        return [other for other, number in self.shared.items() if number == function] or [kernel]


def listing(source: str) -> Listing:
    """Read the comments that the emitter writes."""
    lines: list[Line] = []
    functions: dict[str, int] = {}
    shared: dict[int, int] = {}
    current: int | None = None
    for number, text in enumerate(source.splitlines(), 1):
        start, function = KERNEL.search(text), FUNCTION.match(text.strip())
        if start and text.startswith("def ") and function:
            current = functions[function[1]] = int(start[1])
        elif start and function:
            shared[int(start[1])] = functions[function[1]]
            current = int(start[1])
        elif start:
            current = int(start[1])
        elif not text.startswith(" ") or text.strip() == "return":
            current = None
        lines.append(Line(number, text, nodes_of(text), current))
        if start and function and not text.startswith("def "):
            current = None
    return Listing(tuple(lines), shared)


def nodes_of(line: str) -> tuple[int, ...]:
    """The nodes that a line's comment names."""
    _, _, comment = line.partition("  # ")
    return tuple(dict.fromkeys(int(id) for id in NODES.findall(comment)))
