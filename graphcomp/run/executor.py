"""Calls a compiled program: binds the named sizes, lays out the arena, fills the context table, runs the entry."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from ..emit import FIRST_SIZE, Source
from ..errors import ExecutionError
from ..graph import Graph
from ..graph.types import substitute
from ..schedule import Program, plan_arena
from ..schedule.program import Buffer
from .array import Array, address_of, aligned
from .blas import factors_large_matrices, single_threaded, uses_blas, worth_a_team
from .cache import load_entry
from .interpreter import bind_sizes, check_inputs
from .key import NONE, Parts
from .team import Entry, default_threads

REMEMBERED = 2
"""The results of how many calls are looked after: those of the last one are still held when the next begins."""


Block: TypeAlias = tuple[np.ndarray, int]
"""Memory of a result, and its address."""


class Binding:
    """A program for given sizes: the arena, and the context table with all that does not change from call to call."""

    def __init__(self, program: Program, graph: Graph, sizes: dict[sp.Symbol, int], threads: int) -> None:
        self.sizes = sizes
        plan = plan_arena(program, sizes, threads)
        self.arena = aligned(plan.size)
        self.constants: list[np.ndarray] = []
        first = FIRST_SIZE + len(program.sizes)
        self.context = np.zeros(first + len(program.buffers) + 1, np.int64)  # the last word is for a table of times
        self.word = {b.number: slot for slot, b in enumerate(program.buffers, start=first)}
        for slot, symbol in enumerate(program.sizes, start=FIRST_SIZE):
            self.context[slot] = sizes[symbol]
        for buffer in program.buffers:
            self._bind(buffer, graph, plan.offsets)
        self.inputs = [self.word[buffer.number] for buffer in program.inputs]
        self.one_thread = uses_blas(program) and not factors_large_matrices(program, sizes)
        self.worth_a_team = worth_a_team(program, sizes)
        self.outputs = [self._output(buffer, sizes) for buffer in program.outputs]
        self.words = memoryview(self.context)  # type: ignore[arg-type]
        self.place = address_of(self.context)

    def _bind(self, buffer: Buffer, graph: Graph, offsets: Any) -> None:
        slot = self.word[buffer.number]
        if buffer.role == "scratch":
            self.context[slot] = address_of(self.arena) + offsets[buffer.number]
        elif buffer.role == "array":
            self.constants.append(np.asarray(graph.arrays[buffer.key], order="C"))
            self.context[slot] = address_of(self.constants[-1])

    def _output(self, buffer: Buffer, sizes: dict[sp.Symbol, int]) -> tuple[int, tuple[int, ...], np.dtype[Any], int]:
        shape = substitute(buffer.type.shape, sizes)
        dtype = np.dtype(buffer.type.dtype)
        return self.word[buffer.number], shape, dtype, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


class Executor:
    """A compiled program. The memory that its entry uses belongs to it, and it to whoever calls it."""

    def __init__(
        self, program: Program, source: Source, graph: Graph, threads: int | None = None, parts: Parts = NONE
    ) -> None:
        self.program = program
        self.threads = default_threads() if threads is None else threads
        self.graph = graph
        self.numberings = source.numberings
        self.fastmath = source.fastmath
        self.loaded = load_entry(source, parts)
        self.entry = Entry(self.loaded.functions[0])
        self._bindings: dict[tuple[int, ...], Binding] = {}
        self._pool: dict[int, list[Block]] = {}
        self._issued: deque[list[Block]] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()
        self.entry_seconds = 0.0
        """How long the entry ran in the last call."""
        self.stamps = np.zeros(source.stamps, np.int64)
        self._dtypes = [np.dtype(graph.type(id).dtype) for id in graph.inputs]

    @property
    def from_cache(self) -> bool:
        """Whether the machine code was on the disk."""
        return self.loaded.from_cache

    def bind(self, values: Sequence[Any]) -> Binding:
        """What a run on arrays of these shapes needs; checks them. They are in the order of the graph's inputs."""
        arrays = check_inputs(self.graph, [_view(value) for value in values])
        with self._lock:
            return self._binding(bind_sizes(self.graph, arrays))

    def __call__(self, values: Sequence[Any], donated: Sequence[bool], binding: Binding | None = None) -> list[Array]:
        """Run on arrays in the order of the graph's inputs; donated `Array`s give their memory to later results.

        `binding` is that of a run on arrays of these types and shapes, which are then not looked at again.
        """
        if binding is None:
            binding = self.bind(values)
        with self._lock:
            words = binding.words
            kept = self._place(values, binding)
            self._collect()
            self._issued.append([])
            results = [self._result(words, *output) for output in binding.outputs]
            threads = self.threads if binding.worth_a_team else 1
            start = time.perf_counter()
            if binding.one_thread:
                with single_threaded():
                    self.entry.run(words, binding.place, threads)
            else:
                self.entry.run(words, binding.place, threads)
            self.entry_seconds = time.perf_counter() - start
            del kept
            if words[0]:
                self._raise(words)
            if True in donated:
                for value, given in zip(values, donated):
                    if given and isinstance(value, Array):
                        self._reclaim(value)
        return results

    def _place(self, values: Sequence[Any], binding: Binding) -> list[np.ndarray]:
        """Write the addresses of the arguments; the arrays that are to be kept until the entry has run."""
        words, kept = binding.words, []
        try:
            for slot, value, dtype in zip(binding.inputs, values, self._dtypes, strict=True):
                array = value.numpy() if type(value) is Array else value  # refuses what was donated before
                if type(array) is not np.ndarray or array.dtype is not dtype or not array.flags.c_contiguous:
                    array = np.asarray(_view(array), dtype, order="C")
                    kept.append(array)
                words[slot] = address_of(array)
        except OverflowError:  # an integer too large: the error is told where values are checked
            check_inputs(self.graph, [_view(value) for value in values])
            raise
        return kept

    def _binding(self, sizes: dict[sp.Symbol, int]) -> Binding:
        key = tuple(sizes[symbol] for symbol in self.program.sizes)
        if key not in self._bindings:
            self._bindings[key] = binding = Binding(self.program, self.graph, sizes, self.threads)
            binding.words[len(binding.context) - 1] = address_of(self.stamps)
        return self._bindings[key]

    def _result(self, words: Any, slot: int, shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> Array:
        blocks = self._pool.get(size)
        block, address = blocks.pop() if blocks else _block(size)
        self._issued[-1].append((block, address))
        words[slot] = address
        return Array(np.ndarray(shape, dtype, block), block, address)

    def _collect(self) -> None:
        """Take back the memory of earlier results that nobody holds any more; fresh memory costs its page faults."""
        for blocks in self._issued:
            held = []
            for found in blocks:
                if sys.getrefcount(found[0].base) <= 2:
                    self._pool.setdefault(found[0].size, []).append(found)
                else:
                    held.append(found)
            blocks[:] = held

    def _reclaim(self, value: Array) -> None:
        """Keep a donated array's memory for a later result, unless somebody still looks at it."""
        address, block = value.address, value.donate()
        if block is None or any(block is other for blocks in self._issued for other, _ in blocks):
            return  # one of its own results: taken back before the next run
        if block.base is not None and sys.getrefcount(block.base) <= 2:
            self._pool.setdefault(block.size, []).append((block, address))

    def _raise(self, words: Any) -> None:
        """Say what the entry stopped at; its table is as before the call."""
        status, words[0] = int(words[0]), 0
        numbering = next(n for n in reversed(self.numberings) if n.first < status)
        node = numbering.node(status - numbering.first - 1)
        where = f" At {node.origin}." if node.origin else ""
        raise ExecutionError(f"{node.op} ({numbering.comment(node.id)}): an index is out of range for its axis.{where}")


def _block(size: int) -> Block:
    found = aligned(size)
    return found, address_of(found)


def _view(value: Any) -> Any:
    return value.numpy() if isinstance(value, Array) else value
