"""Programs to Python source that Numba compiles for the CPU.

One entry `step(thread, context)` runs every kernel; each thread of a team calls it, and does its share. `context` is a
table of 64-bit integers: a status word, the team's memory and number, the named sizes, then the addresses of all
buffers. No address is baked into the code, so the compiled code can be cached on disk.
Where the status word says that an index was out of range, no input is updated in place.
Kernels with the same body share one function.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp

from ..graph import Graph
from ..ops.index import Index
from ..schedule.program import (
    Buffer,
    Kernel,
    Leaf,
    LoopKernel,
    LoopOver,
    Program,
    checks,
    describe,
    leaves,
    updates,
)
from ..schedule.text import index_text, size_name, size_text
from ..schedule.turns import inside_shared, part_name
from .imports import deciding_text, header, imported
from .kernels import Function, Numbering, kernel_function, shared_bounds

PART_LENGTH = 150
"""Lines in one function: compile time grows faster than linearly with a function's length."""

MANY_ARRAYS = 12
"""A kernel of more arrays is a function of its own, which need not find out at run time whether they overlap."""

SHORT_LOOP = 256
"""The same for the innermost of several loops, which would find it out each time that it begins."""

FIRST_SIZE = 3
"""The words of the context before the named sizes: the status, the address of the team's memory, how many threads."""

JIT = "@compiled"


@dataclass(slots=True)
class Source:
    """The text of a program and what its context table holds: FIRST_SIZE words, `sizes`, then a word for each buffer,
    the inputs first.

    `numberings` resolve the nodes that the status word names.
    """

    text: str
    key: str
    sizes: list[sp.Symbol]
    buffers: list[Buffer]
    numberings: list[Numbering]
    routines: tuple[str, ...]
    """The routines in machine code that it calls."""
    hashes: tuple[str, str]
    """What the key is made of: the text, and that of the modules which it calls."""
    stamps: int = 0
    """How many times the entry notes, in a table whose address is one more word of the context."""
    fastmath: bool = False
    """Whether LLVM may reorder and contract the program's arithmetic."""


def emit_cpu(program: Program, graph: Graph, timed: bool = False, fastmath: bool = False) -> Source:
    """The source of a program, and its content hash, which covers the modules that it calls: machine code of older ones
    must not be found in the cache.

    Kernels with equal bodies share one function. The others are written one after the other into parts, because Numba
    and LLVM take a fixed time for each function. What a loop holds has parts of its own, which take its variable.
    With `timed` the threads meet after every kernel and the first one notes the time. `fastmath` is for looser
    mathematics.
    """
    emission = _Emission(program, graph, timed)
    parts = emission.block(program.kernels, ())
    texts = [
        *map(_helper_text, emission.helpers.values()),
        *emission.texts,
        *emission.part_texts,
        _entry(parts, fastmath),
    ]
    body = "".join(texts)
    names = imported(program, body)
    text = "\n\n".join([header(names, fastmath, bool(emission.helpers) or "np." in body), *texts])
    hashes = _hash(text), _hash(deciding_text(names))
    key = _hash("".join(hashes))
    routines = tuple(name for module in ("lapack", "routines") for name in names.get(module, ()))
    whole = text.replace("@@KEY@@", key)
    return Source(
        whole, key, program.sizes, program.table, emission.numberings, routines, hashes, emission.stamps, fastmath
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(slots=True)
class _Part:
    """A function of the entry: lines, and the buffers that they use."""

    lines: list[str] = field(default_factory=list)
    buffers: dict[int, Buffer] = field(default_factory=dict)


class _Emission:
    """The functions of a program as they are written: shared kernels, and parts."""

    def __init__(self, program: Program, graph: Graph, timed: bool = False) -> None:
        self.stamps = len(program.kernels) + 1 if timed else 0
        self.table = FIRST_SIZE + len(program.sizes) + len(program.buffers)
        self.sizes = program.sizes
        self.checks = any(map(checks, program.kernels))
        self.position = {b.number: slot for slot, b in enumerate(program.table, start=FIRST_SIZE + len(program.sizes))}
        self.texts: list[str] = []
        self.part_texts: list[str] = []
        self.helpers: dict[str, Callable[..., Any]] = {}
        self.numberings: list[Numbering] = []
        self.shared: dict[str, str] = {}
        self.functions: dict[int, Function] = {}
        self.alone = inside_shared(program.kernels)
        self.prepare(program.kernels, Numbering(graph))
        self.repeats = Counter(self.functions[kernel.number].signature for kernel in leaves(program.kernels))

    def prepare(self, kernels: Sequence[Kernel], numbering: Numbering) -> None:
        """Write every kernel as a function, to see which are equal."""
        self.numberings.append(numbering)
        self.prepare_kernels(kernels, numbering)

    def prepare_kernels(self, kernels: Sequence[Kernel], numbering: Numbering) -> None:
        for kernel in kernels:
            if isinstance(kernel, LoopOver) and kernel.is_shared:
                self.prepare_kernels(kernel.kernels, numbering)
            elif isinstance(kernel, LoopOver):
                last = self.numberings[-1]
                prefix = f"{numbering.prefix}{kernel.nodes[0]}."
                self.prepare(kernel.kernels, Numbering(kernel.graph, prefix, last.first + len(last.graph)))
            else:
                self.functions[kernel.number] = kernel_function(kernel, numbering, self.sizes)
                self.helpers |= self.functions[kernel.number].helpers

    def block(self, kernels: Sequence[Kernel], variables: tuple[str, ...]) -> list[str]:
        """Kernels that run one after the other inside the loops over `variables`; the calls that run them."""
        timed = bool(self.stamps) and not variables
        parts = [_Part([self.stamp(0)] if timed else [])]
        for place, kernel in enumerate(kernels, start=1):
            lines, buffers = self.lines(kernel, variables)
            lines += [self.stamp(place)] * timed
            if len(parts[-1].lines) + len(lines) + len(parts[-1].buffers | buffers) > PART_LENGTH:
                parts.append(_Part())
            parts[-1].lines += lines
            parts[-1].buffers |= buffers
        return [self.write_part(part, variables) for part in parts]

    def stamp(self, place: int) -> str:
        """The line that notes the time after so many kernels."""
        return f"    stamp(context, {self.table}, {place}, thread, threads)"

    def lines(self, kernel: Kernel, variables: tuple[str, ...]) -> tuple[list[str], dict[int, Buffer]]:
        """The lines that run a kernel, and the buffers they name."""
        if isinstance(kernel, LoopOver):
            return self.loop(kernel, variables)
        function = self.functions[kernel.number]
        buffers = {buffer.number: buffer for buffer in function.buffers}
        if self.repeats[function.signature] == 1 and not asks_often(kernel, function):
            inlined = _inlined(function, kernel.number)
            return self.by_threads(kernel, [f"    # {describe(kernel)}"], inlined), buffers
        if function.signature not in self.shared:
            self.shared[function.signature] = f"kernel_{kernel.number}"
            self.texts.append(_function_text(self.shared[function.signature], function, describe(kernel)))
        numbers = map(_typed, [*function.extents, *function.constants])
        call = ", ".join(
            ["thread", "threads", "context", *map(_buffer_name, function.buffers), *numbers, *function.sizes]
        )
        lines = [f"    {self.shared[function.signature]}({call})  # {describe(kernel)}"]
        return self.by_threads(kernel, [], lines), buffers

    def by_threads(self, kernel: Leaf, heading: list[str], lines: Iterable[str]) -> list[str]:
        """The lines of a kernel for a team: who runs them, and whether the threads meet before."""
        if kernel.meets:
            heading = [*heading, "    meet(context, threads)"]
        if self.checks and updates(kernel):
            heading = [*heading, "    if context[0] != 0:", "        return"]
        if kernel.is_shared or kernel.number in self.alone:
            return [*heading, *lines]
        return [*heading, "    if thread == 0:", *(f"    {line}" for line in lines)]

    def loop(self, kernel: LoopOver, variables: tuple[str, ...]) -> tuple[list[str], dict[int, Buffer]]:
        """A loop over the parts of what it holds."""
        if kernel.is_shared:
            return self.shared_loop(kernel, variables), {}
        calls = self.block(kernel.kernels, (*variables, kernel.variable))
        summary = f"  # {describe(kernel)}"
        meeting = ["    meet(context, threads)"] if kernel.meets else []
        lines = [*meeting, f"    for {kernel.variable} in range({size_text(kernel.extent or 0)}):{summary}"]
        inside = [f"        {call}" for call in calls]
        if kernel.guard is None:
            return lines + inside, {}
        guard, wanted = kernel.guard
        test = f"{_buffer_name(guard)}[0] {'!=' if wanted else '=='} 0"
        if kernel.extent is None:
            start, step = f"    {kernel.variable} = 0", f"        {kernel.variable} += 1"
            lines = [*meeting, start, f"    while True:{summary}"]
            ends = ["        meet(context, threads)", f"        if not {test}:", "            break"]
            inside = [*ends, *inside, step]
        else:
            inside = ["        meet(context, threads)", f"        if {test}:", *(f"    {line}" for line in inside)]
        return lines + inside, {guard.number: guard}

    def shared_loop(self, kernel: LoopOver, variables: tuple[str, ...]) -> list[str]:
        """A loop of which each thread does its share of the turns."""
        extent, part = size_text(kernel.extent or 0), part_name(kernel.variable)
        calls = self.block(kernel.kernels, (*variables, kernel.variable, part))
        return [
            *["    meet(context, threads)"] * kernel.meets,
            f"    for {kernel.variable} in range({shared_bounds(extent)}):  # {describe(kernel)}",
            f"        {part} = thread if threads < {extent} else {kernel.variable}",
            *(f"        {call}" for call in calls),
        ]

    def write_part(self, part: _Part, variables: tuple[str, ...]) -> str:
        """A function of the lines of a part; the call that runs it."""
        call = f"part_{len(self.part_texts)}({', '.join(('thread', 'threads', 'context', *variables))})"
        reads = [
            f"    {size_name(symbol)} = context[{slot}]" for slot, symbol in enumerate(self.sizes, start=FIRST_SIZE)
        ]
        pointers = map(self.pointer, part.buffers.values())
        lines = [JIT, f"def {call}:", "    stay_apart()", *reads, *pointers, *part.lines, "    return"]
        self.part_texts.append("\n".join(lines))
        return call

    def pointer(self, buffer: Buffer) -> str:
        """Where a buffer lies; a window moves with the loops around it."""
        place = f"context[{self.position[buffer.root.number]}]"
        if buffer.begin != Index():
            place += f" + ({index_text(buffer.begin)})*{np.dtype(buffer.type.dtype).itemsize}"
        return f"    {_buffer_name(buffer)} = pointer_{buffer.type.dtype}({place})"


def asks_often(kernel: Leaf, function: Function) -> bool:
    """Whether finding out at run time which arrays overlap would take long."""
    loops = kernel.loops if isinstance(kernel, LoopKernel) else []
    turns = loops[-1].extent if len(loops) > 1 else None
    is_short = isinstance(turns, int) and turns <= SHORT_LOOP and len(function.buffers) > 2
    return len(function.buffers) > MANY_ARRAYS or (is_short and function.is_apart)


def _typed(number: str) -> str:
    """An argument that Numba does not specialise the function for, as it does for literal integers."""
    return f"int64({number})" if re.fullmatch(r"-?\d+", number) else number


def _buffer_name(buffer: Buffer) -> str:
    return f"b{buffer.number}"


def _helper_text(function: Callable[..., Any]) -> str:
    return f"{JIT}\n{textwrap.dedent(inspect.getsource(function)).rstrip()}"


def _function_text(name: str, function: Function, summary: str) -> str:
    """A kernel as a function, which says so where each array has memory of its own."""
    own = ["    own_arrays()"] if function.is_apart else []
    names = [f"p{slot}" for slot in range(len(function.buffers))]
    extents = [f"e{slot}" for slot in range(len(function.extents))]
    constants = [f"c{slot}" for slot in range(len(function.constants))]
    parameters = ", ".join(["thread", "threads", "status", *names, *extents, *constants, *function.sizes])
    lines = [f"{line}  # {comment}" if comment else line for line, comment in function.lines]
    return "\n".join([JIT, f"def {name}({parameters}):  # {summary}", "    stay_apart()", *own, *lines])


def _inlined(function: Function, number: int) -> Iterator[str]:
    """The lines of a kernel with its own names: buffers by number, variables marked with the kernel's number."""

    def rename(match: re.Match[str]) -> str:
        word = match.group(0)
        if word == "status":
            return "context"
        if word.startswith((" + c", "c")):
            value = function.constants[int(word.rpartition("c")[2])]
            if word[0] == "c":
                return value
            return f" - {value[1:]}" if value.startswith("-") else f" + {value}"
        if word[0] == "e":
            return function.extents[int(word[1:])]
        return _buffer_name(function.buffers[int(word[1:])]) if word[0] == "p" else f"{word}_{number}"

    for line, comment in function.lines:
        text = re.sub(r" \+ c\d+\b|\b([cpe]\d+|(a_)?[vj]\d+(l\d+)?|status)\b", rename, line)
        yield f"{text}  # {comment}" if comment else text


def _entry(calls: Sequence[str], fastmath: bool) -> str:
    """The function that runs the parts."""
    lines = ["    threads = context[2]", *(f"    {call}" for call in calls), "    meet(context, threads)"]
    if fastmath:
        lines = ["    before = take_tiny_for_zero()", *lines, "    take_numbers_as(before)"]
    return "\n".join([JIT, "def step_@@KEY@@(thread, context):", *lines, ""])
