"""Calls a compiled program: binds the named sizes, lays out the arena, fills the context table, runs the entry."""

from __future__ import annotations

import struct
import sys
import threading
import time
from collections import Counter, deque
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
from .array import DONATED, Array, Kind, Storage, address_of, aligned, kind_of
from .blas import factors_large_matrices, single_threaded, uses_blas, worth_a_team
from .cache import load_entry
from .interpreter import bind_sizes, check_inputs
from .key import NONE, Parts
from .team import Entry, default_threads

REMEMBERED = 2
"""The results of how many calls are looked after: those of the last one are still held when the next begins."""

REFERENCES = 2
"""Those to a storage that only a list holds, while they are counted."""


class Binding:
    """A program for given sizes: the arena, and the context table with all that does not change from call to call."""

    def __init__(self, program: Program, graph: Graph, sizes: dict[sp.Symbol, int], threads: int) -> None:
        self.sizes = sizes
        plan = plan_arena(program, sizes, threads)
        self.arena = aligned(plan.size)
        self.constants: list[np.ndarray] = []
        first = FIRST_SIZE + len(program.sizes)
        self.context = np.zeros(first + len(program.buffers) + 1, np.int64)  # the last word is for a table of times
        self.word = {b.number: slot for slot, b in enumerate(program.table, start=first)}
        for slot, symbol in enumerate(program.sizes, start=FIRST_SIZE):
            self.context[slot] = sizes[symbol]
        for buffer in program.buffers:
            self._bind(buffer, graph, plan.offsets)
        self.write_addresses = struct.Struct(f"{len(program.inputs)}q").pack_into
        """Fills in the addresses of the inputs, whose words come first."""
        self.inputs = 8 * first
        self.one_thread = uses_blas(program) and not factors_large_matrices(program, sizes)
        self.worth_a_team = worth_a_team(program, sizes)
        self.outputs = [self._output(program, buffer, sizes) for buffer in program.outputs]
        self.updated = [(place, input) for place, (_, _, input) in enumerate(self.outputs) if input is not None]
        """Which outputs lie in the memory of which inputs."""
        self.words = memoryview(self.context)  # type: ignore[arg-type]
        self.place = address_of(self.context)

    def _bind(self, buffer: Buffer, graph: Graph, offsets: Any) -> None:
        slot = self.word[buffer.number]
        if buffer.role == "scratch":
            self.context[slot] = address_of(self.arena) + offsets[buffer.number]
        elif buffer.role == "array":
            self.constants.append(np.asarray(graph.arrays[buffer.key], order="C"))
            self.context[slot] = address_of(self.constants[-1])

    def _output(self, program: Program, buffer: Buffer, sizes: dict[sp.Symbol, int]) -> tuple[int, Kind, int | None]:
        """Where an output's address stands, its kind, and the input whose memory holds it, if any."""
        kind = kind_of(substitute(buffer.type.shape, sizes), np.dtype(buffer.type.dtype))
        return self.word[buffer.root.number], kind, program.updated.get(buffer.number)


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
        self._pool: dict[Kind, list[Storage]] = {}
        self._issued: deque[list[Storage]] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()
        self.entry_seconds = 0.0
        """How long the entry ran in the last call."""
        self.stamps = np.zeros(source.stamps, np.int64)
        self._dtypes = [np.dtype(graph.type(id).dtype) for id in graph.inputs]
        self._updated = sorted(program.updated.values())

    @property
    def from_cache(self) -> bool:
        """Whether the machine code was on the disk."""
        return self.loaded.from_cache

    def bind(self, values: Sequence[Any]) -> Binding:
        """What a run on arrays of these shapes needs; checks them. They are in the order of the graph's inputs."""
        arrays = check_inputs(self.graph, [_view(value) for value in values])
        with self._lock:
            return self._binding(bind_sizes(self.graph, arrays))

    def __call__(
        self, values: Sequence[Any], donated: Sequence[int] = (), binding: Binding | None = None
    ) -> list[Array]:
        """Run on arrays in the order of the graph's inputs. `donated` are the numbers of those that may be consumed:
        `Array`s among them are updated in place or give their memory to later results.

        `binding` is that of a run on arrays of these types and shapes, which are then not looked at again.
        """
        if binding is None:
            binding = self.bind(values)
        with self._lock:
            words = binding.words
            self._collect()
            issued: list[Storage] = []
            self._issued.append(issued)
            given, (values, addresses) = values, self._addressed(values)
            is_shared = bool(self._updated) and self._is_shared(values, addresses, donated)
            if is_shared:
                values, addresses = self._addressed(self._apart(values, donated, issued))
            binding.write_addresses(words, binding.inputs, *addresses)
            results: list[Any] = []
            for slot, kind, updated in binding.outputs:
                if updated is None:
                    storage = self._storage(kind, issued)
                    words[slot] = storage.address
                    results.append(Array.of(storage))
                else:
                    results.append(values[updated])
            threads = self.threads if binding.worth_a_team else 1
            start = time.perf_counter()
            if binding.one_thread:
                with single_threaded():
                    self.entry.run(words, binding.place, threads)
            else:
                self.entry.run(words, binding.place, threads)
            self.entry_seconds = time.perf_counter() - start
            if words[0]:
                self._raise(words)
            for place, updated in binding.updated:
                consumed = values[updated]
                results[place], consumed.storage = Array.of(consumed.storage), DONATED
            if is_shared or len(donated) > len(self._updated):
                self._reclaim([given[place] for place in donated if type(given[place]) is Array])
        return results

    def _is_shared(self, values: Sequence[Any], addresses: Sequence[int], donated: Sequence[int]) -> bool:
        """Whether anybody else may look at what the entry updates."""
        if not donated or len(set(addresses)) < len(addresses):
            return True
        return any(type(values[place]) is not Array or values[place].storage.is_seen for place in self._updated)

    def _addressed(self, values: Sequence[Any]) -> tuple[Sequence[Any], list[int]]:
        """The arguments as arrays that the entry can read, and where they lie."""
        addresses = [value.storage.address if type(value) is Array else 0 for value in values]
        if 0 in addresses:
            values = list(values)
            for place, address in enumerate(addresses):
                if address == 0:
                    values[place] = array = self._given(values, place)
                    addresses[place] = address_of(array)
        return values, addresses

    def _given(self, values: Sequence[Any], place: int) -> np.ndarray:
        """An argument that is no `Array`, or was donated before, as an array that the entry can read."""
        value, dtype = values[place], self._dtypes[place]
        if type(value) is np.ndarray and value.dtype is dtype and value.flags.c_contiguous:
            return value
        try:
            return np.asarray(_view(value), dtype, order="C")
        except OverflowError:  # an integer too large: the error is told where values are checked
            check_inputs(self.graph, [_view(value) for value in values])
            raise

    def _apart(self, values: Sequence[Any], donated: Sequence[int], issued: list[Storage]) -> list[Any]:
        """The arguments with a copy of each that is updated, unless it is donated and lies in memory of its own."""
        copies, seen = list(values), Counter(map(id, values))
        for place in self._updated:
            value, dtype = values[place], self._dtypes[place]
            is_single = type(value) is Array and not value.storage.is_seen and seen[id(value)] == 1
            if place not in donated or not is_single:
                array = np.asarray(_view(value), dtype)
                storage = self._storage(kind_of(array.shape, dtype), issued)
                storage.write(array)
                copies[place] = Array.of(storage)
        return copies

    def _binding(self, sizes: dict[sp.Symbol, int]) -> Binding:
        key = tuple(sizes[symbol] for symbol in self.program.sizes)
        if key not in self._bindings:
            self._bindings[key] = binding = Binding(self.program, self.graph, sizes, self.threads)
            binding.words[len(binding.context) - 1] = address_of(self.stamps)
        return self._bindings[key]

    def _storage(self, kind: Kind, issued: list[Storage]) -> Storage:
        """Memory for a result: that of an earlier one, if there is any."""
        storages = self._pool.get(kind)
        storage = storages.pop() if storages else Storage.new(kind)
        issued.append(storage)
        return storage

    def _collect(self) -> None:
        """Take back the memory of earlier results that nobody holds any more; fresh memory costs its page faults."""
        for storages in self._issued:
            for place in reversed(range(len(storages))):
                if sys.getrefcount(storages[place]) <= REFERENCES and not storages[place].is_seen:
                    storage = storages.pop(place)
                    assert storage.kind is not None
                    self._pool.setdefault(storage.kind, []).append(storage)

    def _reclaim(self, donated: list[Array]) -> None:
        """Keep the memory of donated arrays for later results, unless somebody still looks at it, or it is taken back
        before the next run anyway because it is of one of the last ones."""
        for array in donated:
            if array.storage is DONATED:
                continue  # updated in place, or given twice
            storage = array.donate()
            if sys.getrefcount(storage) <= REFERENCES and not storage.is_seen and storage.kind is not None:
                self._pool.setdefault(storage.kind, []).append(storage)

    def _raise(self, words: Any) -> None:
        """Say what the entry stopped at; its table is as before the call."""
        status, words[0] = int(words[0]), 0
        numbering = next(n for n in reversed(self.numberings) if n.first < status)
        node = numbering.node(status - numbering.first - 1)
        where = f" At {node.origin}." if node.origin else ""
        raise ExecutionError(f"{node.op} ({numbering.comment(node.id)}): an index is out of range for its axis.{where}")


def _view(value: Any) -> Any:
    return value.numpy() if isinstance(value, Array) else value
