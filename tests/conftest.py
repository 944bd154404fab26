"""What the tests share: running a function through the trace, and sampling ops from their records."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import settings

import graphcomp as gx
from graphcomp.graph import Graph, TensorType, TupleType
from graphcomp.ops.record import ACCEPTS, Op
from graphcomp.run import interpret
from graphcomp.trace import trace_function
from graphcomp.trace.tree import leaves

settings.register_profile("graphcomp", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("graphcomp")


def traced(f: Callable[..., Any], *arguments: Any, rtol: float = 1e-12, like: Callable[..., Any] | None = None) -> Any:
    """Trace `f`, interpret the graph, and compare with `f` (or `like`) on the arrays themselves, dtypes included."""
    graph = trace_function(f, arguments)
    found = interpret(graph, leaves(arguments))
    with np.errstate(all="ignore"):
        expected = [np.asarray(value) for value in leaves((like or f)(*arguments))]
    assert len(found) == len(expected)
    for got, wanted in zip(found, expected):
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=1e-300 if wanted.dtype.kind == "f" else 0)
    return graph.result_structure.unflatten(found)


def generator(*parts: object) -> np.random.Generator:
    """A seeded generator of its own for each test case."""
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))


def claimed_dtypes(op: Op) -> tuple[str, ...]:
    """The dtypes that an op's record says it accepts."""
    return ACCEPTS[op.accepts]


def elementwise_samples(op: Any, dtype: str, shape: tuple[int, ...] = (3, 4)) -> tuple[np.ndarray, ...]:
    """Arguments from the op's domain; integers are small and positive, so that every op is defined for them."""
    rng = generator(op.name, dtype)
    if np.dtype(dtype).kind == "f":
        values = [rng.uniform(low, high, shape).astype(dtype) for low, high in op.domain]
    else:
        values = [rng.integers(*((0, 2) if dtype == "bool" else (1, 5)), shape).astype(dtype) for _ in op.domain]
    if op.name == "where":
        values[0] = rng.integers(0, 2, shape).astype(bool)
    return tuple(values)


def samples(op: Op, dtype: str) -> tuple[tuple[np.ndarray, ...], dict[str, Any]] | None:
    """Arguments and attributes to try an op with; None for ops that only make sense inside a graph."""
    if op.samples is not None:
        return op.samples(generator(op.name, dtype), dtype)
    if isinstance(op, gx.ops.Elementwise):
        return elementwise_samples(op, dtype), {}
    if op.name in ("identity", "stop_gradient"):
        return (generator(op.name, dtype).integers(0, 2, (3, 4)).astype(dtype),), {}
    return None


SAMPLED = sorted(name for name, op in gx.ops.REGISTRY.items() if samples(op, claimed_dtypes(op)[0]) is not None)
"""Every op that can be tried on its own: all but input, array and item."""


def op_graph(name: str, arguments: tuple[np.ndarray, ...], attributes: dict[str, Any]) -> Graph:
    """A graph of one op, with all of its results as outputs."""
    graph = Graph()
    b = gx.ops.build(graph)
    graph.inputs = [b.input(shape=a.shape, dtype=str(a.dtype)) for a in map(np.asarray, arguments)]
    id = b.emit(name, *graph.inputs, **attributes)
    type = graph.node(id).type
    if isinstance(type, TupleType):
        graph.outputs = [b.item(id, position=k) for k in range(len(type.items))]
    else:
        graph.outputs = [id]
    return graph


def output_types(graph: Graph) -> list[TensorType]:
    return [graph.type(id) for id in graph.outputs]
