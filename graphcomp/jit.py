"""`jit`: a function, compiled for the types of its arguments when it is first called with them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from .errors import InputError, LoweringError, NotFiniteError
from .graph import TensorType
from .run.arguments import Arguments, Read, arguments_of, reader
from .run.array import Array
from .run.background import Later
from .run.executor import Binding, Executor
from .run.finite import interpret_finite
from .run.interpreter import interpret
from .run.key import Lookup, Parts, nearest, version_parts
from .run.pipeline import Lowered, Stages, lower, stages
from .run.report import Report, report
from .run.team import check_threads
from .trace import TracedGraph, trace_function
from .trace.packing import Pack, packer
from .trace.trace import argument_names
from .trace.tracer import Tracer, type_of
from .trace.tree import Structure, flatten
from .transform import run

TARGETS = ("cpu", "numpy")
MOST_CALLS = 1000
"""Sets of shapes that a function remembers; those of named sizes may be many."""

MOST_STRUCTURES = 50
"""Structures of arguments that it remembers."""


@dataclass(frozen=True, slots=True)
class Options:
    """What `jit` was asked for."""

    target: str = "cpu"
    donate: tuple[int, ...] = ()
    specs: tuple[Any, ...] | None = None
    check_finite: bool = False
    threads: int | None = None
    memory_limit: int | None = None
    background: bool = False
    fastmath: bool = False

    def parts(self) -> dict[str, str]:
        """What of it decides about the code, by name."""
        return {"memory_limit": str(self.memory_limit), "fastmath": str(self.fastmath)}


Run: TypeAlias = Callable[[Arguments, Sequence[int], Binding | None], Sequence[Any]]


class Specialisation:
    """One traced version of a function, and how to run it."""

    def __init__(self, traced: TracedGraph, options: Options, parts: Parts, donated: Sequence[int] = ()) -> None:
        self.traced = traced
        self.donated = tuple(donated)
        """The numbers of the inputs that a call consumes."""
        self.parts = parts
        self.options = options
        self._executor: Executor | None = None
        self._later: Later[Lowered, Executor] | None = None
        if options.target == "cpu" and options.background:
            self._later = Later(self._lowered, self._loaded)
        elif options.target == "cpu":
            self._executor = self._loaded(self._lowered())

    @functools.cached_property
    def pack(self) -> Pack:
        """What makes the result of arrays."""
        return packer(self.traced.result_structure)

    def _lowered(self) -> Lowered:
        return lower(self.traced, self.options.memory_limit, self.options.fastmath, self.donated)

    def _loaded(self, lowered: Lowered) -> Executor:
        return Executor(lowered.program, lowered.source, lowered.simplified.graph, self.options.threads, self.parts)

    @property
    def executor(self) -> Executor | None:
        """The compiled program, None for the interpreter; waits until it is compiled."""
        later = self._later
        if later is not None:
            self._executor = later.result()
            self._later = None
        return self._executor

    @property
    def is_ready(self) -> bool:
        """Whether nothing goes on in the background."""
        return self._later is None or self._later.is_done

    def __call__(self, leaves: Sequence[Any], binding: Binding | None = None) -> Any:
        return self.traced.result_structure.unflatten(self.runner(arguments_of(leaves), self.donated, binding))

    @property
    def runner(self) -> Run:
        """What gives the results for arguments, which of them are donated, and what is known of them."""
        if self.options.check_finite:
            return self.run_finite
        return self.run if self._executor is None else self._executor.run

    def run_finite(self, arguments: Arguments, donated: Sequence[int], binding: Binding | None) -> Sequence[Any]:
        given = [np.array(leaf) for leaf in arguments[0]]  # a donated array is gone after the run
        results = self.run(arguments, donated, binding)
        if not all(np.isfinite(result).all() for result in map(np.asarray, results) if result.dtype.kind == "f"):
            interpret_finite(self.traced, given)
            raise NotFiniteError(
                "the compiled function gives a value that is not finite, and the reference interpreter, which rounds "
                "differently, does not; a value lies at the edge of what its dtype can hold."
            )
        return results

    def run(self, arguments: Arguments, donated: Sequence[int], binding: Binding | None = None) -> Sequence[Any]:
        executor = self.executor if self.is_ready else None
        if executor is not None:
            return executor.run(arguments, donated, binding)
        leaves = arguments[0]
        values = [leaf.numpy() if isinstance(leaf, Array) else leaf for leaf in leaves]
        results = [Array(result) for result in interpret(self.traced, values)]
        for leaf in {id(leaf): leaf for leaf in map(leaves.__getitem__, donated)}.values():
            if isinstance(leaf, Array):
                leaf.donate()
        return results


Call: TypeAlias = tuple[Run, Pack, Sequence[int], Binding | None]
"""How a call runs, how its result is made of arrays, which inputs it consumes, and what is known of its sizes."""


@dataclass(slots=True)
class Calls:
    """The calls with arguments of one structure, by the kinds of the arrays."""

    structure: Structure
    read: Read
    found: dict[tuple[Any, ...], Call] = field(default_factory=dict)


class Jitted:
    """A compiled function; see `jit`."""

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.options = options
        self._versions: dict[Any, Specialisation] = {}
        self._calls: list[Calls] = []

    def __call__(self, *arguments: Any) -> Any:
        for calls in self._calls:
            try:
                given = calls.read(arguments)
            except (TypeError, ValueError, AttributeError):  # a setting that cannot be compared, a field that is gone
                continue
            if given is not None:
                found = calls.found.get(given[1])
                if found is not None:
                    run, pack, donated, binding = found
                    return pack(run(given, donated, binding))
        return self._first_call(arguments)

    def _first_call(self, arguments: tuple[Any, ...]) -> Any:
        """A call with arguments of new types; the next one like it needs no look at the containers."""
        leaves, structure = flatten(arguments)
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return self.function(*arguments)
        version = self._version(arguments, leaves, structure)
        if not version.is_ready:
            return version(leaves)
        binding = None if version.executor is None else version.executor.bind(leaves)
        kinds = arguments_of(leaves)[1]
        if None not in kinds:
            self._remember(structure, kinds, (version.runner, version.pack, version.donated, binding))
        return version(leaves, binding)

    def _remember(self, structure: Structure, kinds: tuple[Any, ...], call: Call) -> None:
        calls = next((calls for calls in self._calls if calls.structure == structure), None)
        if calls is None and len(self._calls) < MOST_STRUCTURES:
            calls = Calls(structure, reader(structure))
            self._calls.append(calls)
        if calls is not None and len(calls.found) < MOST_CALLS:
            calls.found[kinds] = call

    @property
    def versions(self) -> dict[Any, Specialisation]:
        """What was compiled so far, by the types of the arguments."""
        return self._versions

    def version(self, *arguments: Any) -> Specialisation:
        """The function compiled for arguments of these types: arrays or specs."""
        leaves, structure = flatten(arguments)
        return self._version(arguments, leaves, structure)

    def _version(self, arguments: tuple[Any, ...], leaves: list[Any], structure: Structure) -> Specialisation:
        types = tuple(self._types(arguments, leaves))
        try:
            key = (structure, types)
            if key in self._versions:
                return self._versions[key]
        except (TypeError, ValueError) as error:
            raise InputError(
                f"a setting among the arguments cannot be compared ({error}); pass arrays or constants."
            ) from None
        traced = trace_function(self.function, structure.unflatten(types))
        names = argument_names(self.function, len(arguments))
        parts = version_parts(_name(self.function), traced, structure, names) | self.options.parts()
        self._versions[key] = Specialisation(traced, self.options, parts, self._donated(arguments))
        return self._versions[key]

    def _types(self, arguments: tuple[Any, ...], leaves: list[Any]) -> list[TensorType]:
        """The types to trace with: the given specs where there are any, else those of the values."""
        found = [_type(leaf) for leaf in leaves]
        specs = self.options.specs
        if specs is None:
            return found
        wanted: list[TensorType] = []
        for position, argument in enumerate(arguments):
            own = found[len(wanted) : len(wanted) + len(flatten(argument)[0])]
            spec = specs[position] if position < len(specs) else None
            wanted += own if spec is None else [_type(leaf) for leaf in flatten(spec)[0]]
        if len(wanted) != len(found):
            raise InputError(f"the specs describe {len(wanted)} arrays, but {len(found)} were given.")
        return wanted

    def _donated(self, arguments: tuple[Any, ...]) -> list[int]:
        """The numbers of the leaves that are donated."""
        last = max(self.options.donate, default=-1)
        if last >= len(arguments):
            raise InputError(f"argument {last} is to be donated, counted from 0, but there are {len(arguments)}.")
        found, first = list[int](), 0
        for position, argument in enumerate(arguments):
            count = flatten(argument)[1].leaf_count()
            found += range(first, first + count) if position in self.options.donate else ()
            first += count
        return found

    def report(self, *arguments: Any) -> Report:
        """What a call with these arguments does, kernel by kernel, with measured times; nothing is donated.

        Raises InputError for a function that is not compiled.
        """
        earlier = [version.parts for version in self._versions.values()]
        version = self.version(*arguments)
        if version.executor is None:
            raise InputError("a function for target='numpy' is not compiled, so there are no kernels to report on.")
        is_new = len(self._versions) > len(earlier)
        memory = nearest(version.parts, reversed(earlier)) if is_new else Lookup(True)
        return report(version.executor, flatten(arguments)[0], memory)

    def stages(self, *arguments: Any) -> Stages:
        """The text of every stage for arguments of these types: traced, derived, simplified, scheduled, source."""
        leaves, structure = flatten(arguments)
        types = self._types(arguments, leaves)
        traced = trace_function(self.function, structure.unflatten(types))
        return stages(traced, self.options.memory_limit, self.options.fastmath, self._donated(arguments))


def _name(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"


def _type(leaf: Any) -> TensorType:
    type = type_of(leaf)
    assert isinstance(type, TensorType)
    return type


def as_function(graph: TracedGraph) -> Callable[..., Any]:
    """A function of the graph's inputs, one argument each, that computes its outputs."""

    def function(*values: Any) -> Any:
        return graph.result_structure.unflatten(run(graph, values))

    return function


def jit(
    function: Callable[..., Any] | TracedGraph,
    target: str = "cpu",
    donate: int | Sequence[int] = (),
    specs: Sequence[Any] | None = None,
    check_finite: bool = False,
    threads: int | None = None,
    memory_limit: int | None = None,
    background: bool = False,
    fastmath: bool = False,
) -> Jitted:
    """`function`, compiled: arrays or nested containers of arrays in, the same with `Array` leaves out.

    It is traced and compiled once for each set of argument shapes and dtypes. `specs` gives types for arguments (None
    for "as given"), so that named sizes compile once for all: `specs=(None, gx.spec(("B", 784), "float32"))`.
    Arguments whose positions are in `donate` are consumed: their memory is reused, as for a training state.
    `target="numpy"` is the reference interpreter. Inside a trace the function is inlined. A traced graph compiles as
    the function of its inputs, for the types it was traced with. With `check_finite` a result with a NaN or an infinity
    raises NotFiniteError, which says where it was born, as `debug` does; this costs a look at each result.
    `threads` are the most threads that it runs on; by default as many as there are processors, or `GRAPHCOMP_THREADS`.
    `memory_limit` is the most bytes that its temporary values may take: where they would take more, some are computed
    a second time, with the same results; LoweringError says how little is possible where it is too little.
    With `background` the reference interpreter runs the calls while the function is being compiled: the first call
    returns sooner, and results may differ by rounding until then. An error of compiling is raised by the next call.
    `fastmath` allows sums and products in another order, fused, and a looser `tanh` and `sigmoid`: a few units in the
    last place for less time; numbers too small to be normal are taken for 0 (on x86 processors). NaN and infinity keep
    their meaning.
    """
    if target not in TARGETS:
        raise LoweringError(f"there is no target {target!r}; the targets are {', '.join(TARGETS)}.")
    if not callable(function) and not isinstance(function, TracedGraph):
        raise InputError(f"jit compiles a function or a traced graph, not {type(function).__name__}.")
    positions = tuple(donate) if isinstance(donate, Sequence) else (donate,)
    if not all(isinstance(position, int) and position >= 0 for position in positions):
        raise InputError(f"donate holds the positions of arguments, counted from 0, not {donate!r}.")
    if threads is not None:
        threads = check_threads(threads, "threads")
    if memory_limit is not None and (not isinstance(memory_limit, int) or memory_limit < 0):
        raise InputError(f"memory_limit is a number of bytes, not {memory_limit!r}.")
    given = None if specs is None else tuple(specs)
    if isinstance(function, TracedGraph):
        given, function = tuple(map(function.type, function.inputs)), as_function(function)
    return Jitted(
        function, Options(target, positions, given, check_finite, threads, memory_limit, background, fastmath)
    )


def debug(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, run node by node: the first NaN or infinity of a run, forward or backward, raises NotFiniteError.

    The error says which op gave it, at which line of your code, and from which operands; `gx.explain_error` draws the
    graph up to there. For derivatives, debug the derivative: `debug(grad(f))`.
    """

    @functools.wraps(function)
    def watched(*arguments: Any) -> Any:
        traced = trace_function(function, arguments)
        results = interpret_finite(traced, [_plain(leaf) for leaf in flatten(arguments)[0]])
        return traced.result_structure.unflatten(results)

    return watched


def _plain(leaf: Any) -> Any:
    return leaf.numpy() if isinstance(leaf, Array) else leaf
