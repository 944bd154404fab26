"""Calls a compiled program: binds the named sizes, lays out the arena, fills the context table, runs the entry."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections import Counter
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
from .arguments import Arguments, arguments_of
from .array import DONATED, Array, Kind, Storage, address_of, aligned, getrefcount, kind_of
from .blas import factors_large_matrices, single_threaded, uses_blas, worth_a_team, worth_waking
from .cache import load_entry
from .interpreter import bind_sizes, check_inputs
from .key import NONE, Parts
from .pace import Pace
from .team import Entry, default_threads

REMEMBERED = 2
"""How many values of an output are looked after, so that their memory is used again when nobody holds them any more."""

ONLY_HELD = 3
"""The references to a storage while they are counted: those of the list that holds it, a variable, and the count."""

new = object.__new__
UNCHANGED = contextlib.nullcontext()

PAUSE, MANY = 50e-6, 10
"""Seconds between calls that follow one another closely, and how many of them are many."""


Output: TypeAlias = tuple[int, int | None, Kind, list[Storage]]
"""Where an output's address stands, the input whose memory holds it, if any, its kind, and the memory of its last
values: who calls may hold those of the last call when the next begins."""


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
        self.calls_blas = uses_blas(program) and not factors_large_matrices(program, sizes)
        self.threads = threads if worth_a_team(program, sizes) else 1
        self.is_long = worth_waking(program, sizes)
        self.pace = Pace()
        self.is_simple = self.threads == 1 and not self.calls_blas
        """Whether the entry needs no more than its table."""
        self.outputs = [self._output(program, buffer, sizes) for buffer in program.outputs]
        self.updated = [input for _, input, _, _ in self.outputs if input is not None]
        """The inputs whose memory holds an output."""
        self.context[2] = 1  # thread
        self.words = memoryview(self.context)  # type: ignore[arg-type]
        self.place = address_of(self.context)

    def _bind(self, buffer: Buffer, graph: Graph, offsets: Any) -> None:
        slot = self.word[buffer.number]
        if buffer.role == "scratch":
            self.context[slot] = address_of(self.arena) + offsets[buffer.number]
        elif buffer.role == "array":
            self.constants.append(np.asarray(graph.arrays[buffer.key], order="C"))
            self.context[slot] = address_of(self.constants[-1])

    def _output(self, program: Program, buffer: Buffer, sizes: dict[sp.Symbol, int]) -> Output:
        kind = kind_of(substitute(buffer.type.shape, sizes), np.dtype(buffer.type.dtype))
        return self.word[buffer.root.number], program.updated.get(buffer.number), kind, []


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
        self._lock = threading.Lock()
        self.entry_seconds = 0.0
        """How long the entry ran in the last call."""
        self._ended = 0.0
        self._quick = 0
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

    def __call__(self, values: Sequence[Any]) -> list[Array]:
        """Run on arrays in the order of the graph's inputs; nothing is donated."""
        return self.run(arguments_of(values))

    def run(self, arguments: Arguments, donated: Sequence[int] = (), binding: Binding | None = None) -> list[Array]:
        """Run on arrays in the order of the graph's inputs. `donated` are the numbers of those that may be consumed:
        `Array`s among them are updated in place or give their memory to later results.

        `binding` is that of a run on arrays of these types and shapes, which are then not looked at again.
        """
        given, _, addresses, holders = arguments
        leaves = given
        if binding is None:
            binding = self.bind(leaves)
        with self._lock:
            if 0 in addresses:
                leaves, addresses = self._readable(leaves, addresses)
            is_shared = False
            if donated or binding.updated:
                is_shared = self._is_shared(given, holders, addresses, donated)
                if is_shared:
                    leaves, addresses = self._apart(leaves, addresses, donated)
            words = binding.words
            binding.write_addresses(words, binding.inputs, *addresses)
            results: list[Array] = []
            for slot, updated, kind, held in binding.outputs:
                if updated is None:
                    for storage in held:
                        if getrefcount(storage) <= ONLY_HELD and (storage.view is None or not storage.is_seen):
                            break
                    else:
                        storage = self._storage(kind, held)
                    words[slot] = storage.address
                else:
                    storage = leaves[updated].storage
                array = new(Array)
                array.storage = storage
                results.append(array)
            pace, is_trial = binding.pace, False
            start = time.perf_counter()
            if binding.is_simple:
                self.entry.alone(0, binding.place)
            else:
                with single_threaded() if binding.calls_blas else UNCHANGED:
                    wakes = binding.is_long or self._is_one_of_many(start)
                    if pace.left:
                        pace.left -= 1
                        alone = pace.alone
                    else:
                        is_trial = wakes
                        alone = is_trial and pace.next_is_alone()
                    self.entry.run(words, binding.place, 1 if alone else binding.threads, wakes)
            self._ended = end = time.perf_counter()
            if is_trial:
                pace.took(end - start)
            self.entry_seconds = end - start
            if words[0]:
                self._raise(words)
            for updated in binding.updated:
                leaves[updated].storage = DONATED
            if is_shared or len(donated) > len(binding.updated):
                self._reclaim([given[place] for place in donated], holders)
        return results

    def _is_one_of_many(self, start: float) -> bool:
        """Whether calls have followed one another so closely that the next will find workers awake who wake now."""
        self._quick = self._quick + 1 if start - self._ended < PAUSE else 0
        return self._quick >= MANY

    def _is_shared(
        self, leaves: Sequence[Any], holders: list[Any], addresses: Sequence[int], donated: Sequence[int]
    ) -> bool:
        """Whether anybody else may look at what the entry updates.

        Raises ExecutionError where another call consumed a donated array since the arguments were read.
        """
        for place in donated:
            leaf = leaves[place]
            if type(leaf) is Array and leaf.storage is not holders[place]:
                leaf.numpy()
        if not donated or len(set(addresses)) < len(addresses):
            return bool(self._updated)
        for place in self._updated:
            holder = holders[place]
            if type(holder) is not Storage or (holder.view is not None and holder.is_seen):
                return True
        return False

    def _readable(self, leaves: Sequence[Any], addresses: Sequence[int]) -> tuple[list[Any], list[int]]:
        """The arguments, those that the entry cannot read as they are replaced by arrays, and where they lie."""
        leaves, addresses = list(leaves), list(addresses)
        for place, address in enumerate(addresses):
            if address == 0:
                leaves[place] = array = self._given(leaves, place)
                addresses[place] = address_of(array)
        return leaves, addresses

    def _given(self, values: Sequence[Any], place: int) -> np.ndarray:
        """An argument that is no `Array`, or was donated before, as an array that the entry can read."""
        try:
            return np.asarray(_view(values[place]), self._dtypes[place], order="C")
        except OverflowError:  # an integer too large: the error is told where values are checked
            check_inputs(self.graph, [_view(value) for value in values])
            raise

    def _apart(
        self, leaves: Sequence[Any], addresses: Sequence[int], donated: Sequence[int]
    ) -> tuple[list[Any], list[int]]:
        """The arguments with a copy of each that is updated, unless it is donated and lies in memory of its own."""
        leaves, addresses, seen = list(leaves), list(addresses), Counter(map(id, leaves))
        for place in self._updated:
            leaf = leaves[place]
            is_single = type(leaf) is Array and not leaf.storage.is_seen and seen[id(leaf)] == 1
            if place not in donated or not is_single:
                array = np.asarray(_view(leaf), self._dtypes[place])
                storage = self._spare(kind_of(array.shape, array.dtype))
                storage.write(array)
                leaves[place], addresses[place] = Array.of(storage), storage.address
        return leaves, addresses

    def _binding(self, sizes: dict[sp.Symbol, int]) -> Binding:
        key = tuple(sizes[symbol] for symbol in self.program.sizes)
        if key not in self._bindings:
            self._bindings[key] = binding = Binding(self.program, self.graph, sizes, self.threads)
            binding.words[len(binding.context) - 1] = address_of(self.stamps)
        return self._bindings[key]

    def _storage(self, kind: Kind, held: list[Storage]) -> Storage:
        """Memory for a result, looked after from now on instead of the oldest one of `held`."""
        storage = self._spare(kind)
        held.append(storage)
        if len(held) > REMEMBERED:
            del held[0]
        return storage

    def _spare(self, kind: Kind) -> Storage:
        """Memory that was donated, if there is any; fresh memory costs its page faults."""
        storages = self._pool.get(kind)
        return storages.pop() if storages else Storage.new(kind)

    def _reclaim(self, donated: list[Array], holders: list[Any]) -> None:
        """Keep the memory of donated arrays for later results, unless somebody still looks at it, or it is looked
        after as that of an earlier result."""
        holders.clear()
        for array in donated:
            if type(array) is not Array or array.storage is DONATED:
                continue  # NumPy's, updated in place, or given twice
            storage = array.donate()
            if getrefcount(storage) < ONLY_HELD and not storage.is_seen and storage.kind is not None:
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
