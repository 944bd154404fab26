"""Calls a compiled program: binds the named sizes, lays out the arena, fills the context table, runs the entry."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp

from ..emit import FIRST_SIZE, Source
from ..errors import ExecutionError
from ..graph import Graph
from ..graph.types import substitute
from ..schedule import Program, plan_arena
from ..schedule.program import Buffer
from .array import Array, address, aligned
from .blas import factors_large_matrices, single_threaded, uses_blas, worth_a_team
from .cache import load_entry
from .interpreter import bind_sizes, check_inputs
from .key import NONE, Parts
from .team import Entry, default_threads

REMEMBERED = 2
"""The results of how many calls are looked after: those of the last one are still held when the next begins."""


class Binding:
    """A program for given sizes: the arena, and the context table with all that does not change from call to call."""

    def __init__(self, program: Program, graph: Graph, sizes: dict[sp.Symbol, int]) -> None:
        self.sizes = sizes
        plan = plan_arena(program, sizes)
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

    def _bind(self, buffer: Buffer, graph: Graph, offsets: Any) -> None:
        slot = self.word[buffer.number]
        if buffer.role == "scratch":
            self.context[slot] = self.arena.ctypes.data + offsets[buffer.number]
        elif buffer.role == "array":
            self.constants.append(np.asarray(graph.arrays[buffer.key], order="C"))
            self.context[slot] = self.constants[-1].ctypes.data

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
        self._pool: dict[int, list[np.ndarray]] = {}
        self._issued: deque[list[np.ndarray]] = deque(maxlen=REMEMBERED)
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
        try:
            arrays = [
                np.asarray(_view(value), dtype, order="C") for value, dtype in zip(values, self._dtypes, strict=True)
            ]
        except OverflowError:  # an integer too large: the error is told where values are checked
            arrays = check_inputs(self.graph, [_view(value) for value in values])
        with self._lock:
            context = binding.context.copy()
            context[-1] = address(self.stamps)
            for slot, array in zip(binding.inputs, arrays):
                context[slot] = address(array)
            self._collect()
            self._issued.append([])
            results = [self._result(context, *output) for output in binding.outputs]
            threads = self.threads if binding.worth_a_team else 1
            start = time.perf_counter()
            if binding.one_thread:
                with single_threaded():
                    self.entry.run(context, threads)
            else:
                self.entry.run(context, threads)
            self.entry_seconds = time.perf_counter() - start
            self._check(int(context[0]))
            del arrays
            for value, given in zip(values, donated):
                if given and isinstance(value, Array):
                    self._reclaim(value)
        return results

    def _binding(self, sizes: dict[sp.Symbol, int]) -> Binding:
        key = tuple(sizes[symbol] for symbol in self.program.sizes)
        if key not in self._bindings:
            self._bindings[key] = Binding(self.program, self.graph, sizes)
        return self._bindings[key]

    def _result(self, context: np.ndarray, slot: int, shape: tuple[int, ...], dtype: np.dtype[Any], size: int) -> Array:
        blocks = self._pool.get(size)
        block = blocks.pop() if blocks else aligned(size)
        self._issued[-1].append(block)
        context[slot] = address(block)
        return Array(block.view(dtype).reshape(shape), block)

    def _collect(self) -> None:
        """Take back the memory of earlier results that nobody holds any more; fresh memory costs its page faults."""
        for blocks in self._issued:
            held = []
            for block in blocks:
                if sys.getrefcount(block.base) <= 2:
                    self._pool.setdefault(block.size, []).append(block)
                else:
                    held.append(block)
            blocks[:] = held

    def _reclaim(self, value: Array) -> None:
        """Keep a donated array's memory for a later result, unless somebody still looks at it."""
        block = value.donate()
        if block is None or any(block is other for blocks in self._issued for other in blocks):
            return  # one of its own results: taken back before the next run
        if block.base is not None and sys.getrefcount(block.base) <= 2:
            self._pool.setdefault(block.size, []).append(block)

    def _check(self, status: int) -> None:
        if status == 0:
            return
        numbering = next(n for n in reversed(self.numberings) if n.first < status)
        node = numbering.node(status - numbering.first - 1)
        where = f" At {node.origin}." if node.origin else ""
        raise ExecutionError(f"{node.op} ({numbering.comment(node.id)}): an index is out of range for its axis.{where}")


def _view(value: Any) -> Any:
    return value.numpy() if isinstance(value, Array) else value
