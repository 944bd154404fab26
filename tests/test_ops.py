"""Every op of the registry: its values in every dtype it claims, its definition to 30 digits, and its errors."""

from __future__ import annotations

import math
import operator
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import sympy as sp
from conftest import SAMPLED, claimed_dtypes, elementwise_samples, generator, op_graph, output_types, samples

import graphcomp as gx
from graphcomp.errors import DTypeError, GraphError, MissingFacetError, ShapeError
from graphcomp.graph import Graph, TensorType
from graphcomp.graph.types import DTYPES
from graphcomp.ops import REGISTRY, Elementwise, Linear, LinearCall, Op, Special, record, symbolic, verify_partials
from graphcomp.ops.random import philox_block, philox_word
from graphcomp.ops.special_functions import polygamma_scalar
from graphcomp.run import interpret
from graphcomp.trace import tracer

DTYPE_CASES = [(name, dtype) for name in SAMPLED for dtype in claimed_dtypes(REGISTRY[name])]
ELEMENTWISE = [name for name in SAMPLED if isinstance(REGISTRY[name], Elementwise)]
DEFINED = [name for name in ELEMENTWISE if REGISTRY[name].expression is not None]  # type: ignore[attr-defined]
SMOOTH = [name for name in DEFINED if REGISTRY[name].accepts != "bool" and REGISTRY[name].differentiable]  # type: ignore[attr-defined]


def test_the_registry_holds_the_ops_that_the_project_promises() -> None:
    promised = (
        "add subtract multiply divide negative power remainder floor_divide equal not_equal less less_equal greater "
        "greater_equal logical_and logical_or logical_xor logical_not absolute sign minimum maximum clip floor ceil "
        "round where exp expm1 log log1p sqrt rsqrt sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh "
        "sigmoid softplus erf erfc lgamma digamma polygamma sum prod max min argmax argmin cumulative_sum reshape "
        "transpose broadcast slice pad concatenate flip matmul einsum unfold fold gather scatter_add take_along_axis "
        "sort top_k random_bits stop_gradient dimension iota convert relu "
        "cholesky triangular_solve lu solve slogdet eigh svd"
    )
    assert set(promised.split()) <= set(REGISTRY)


# values against NumPy, written a second time ------------------------------------------------------------------------


def _flip(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return x[tuple(slice(None, None, -1) if axis in axes else slice(None) for axis in range(x.ndim))]


def _slice(x: np.ndarray, start: Any, size: Any, step: Any) -> np.ndarray:
    return x[np.ix_(*(a + k * np.arange(n) for a, n, k in zip(start, size, step)))]


def _pad(x: np.ndarray, before: Any, after: Any, between: Any) -> np.ndarray:
    for axis, gap in enumerate(between):
        x = np.insert(x, np.repeat(np.arange(1, x.shape[axis]), gap), 0, axis)
    return np.pad(x, tuple(zip(before, after)))


def _unfold(x: np.ndarray, window: Any, stride: Any, dilation: Any) -> np.ndarray:
    rank = len(window)
    counts = [(n - d * (w - 1) - 1) // s + 1 for n, w, s, d in zip(x.shape[-rank:], window, stride, dilation)]
    result = np.empty((*x.shape[:-rank], *counts, *window), x.dtype)
    for place in np.ndindex(*counts):
        for offset in np.ndindex(*window):
            source = tuple(p * s + o * d for p, s, o, d in zip(place, stride, offset, dilation))
            result[(..., *place, *offset)] = x[(..., *source)]
    return result


def _fold(x: np.ndarray, sizes: Any, stride: Any, dilation: Any) -> np.ndarray:
    rank = len(sizes)
    counts, window = x.shape[-2 * rank : -rank], x.shape[-rank:]
    result = np.zeros((*x.shape[: -2 * rank], *sizes), x.dtype)
    for place in np.ndindex(*counts):
        for offset in np.ndindex(*window):
            target = tuple(p * s + o * d for p, s, o, d in zip(place, stride, offset, dilation))
            result[(..., *target)] += x[(..., *place, *offset)]
    return result


def _scatter_add(updates: np.ndarray, indices: np.ndarray, axis: int, size: int) -> np.ndarray:
    assert axis == 0 and indices.ndim == 1
    return np.stack([updates[indices == k].sum(0, dtype=updates.dtype) for k in range(size)])


def _scatter_along_axis(updates: np.ndarray, indices: np.ndarray, axis: int, size: int) -> np.ndarray:
    assert axis == 1
    rows = [[u[i == k].sum(dtype=u.dtype) for k in range(size)] for u, i in zip(updates, indices)]
    return np.array(rows, updates.dtype)


EXPECTED: Mapping[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "multiply_no_nan": lambda x, y: np.where(y == 0, np.zeros_like(x), x * y),
    "divide": operator.truediv,
    "negative": operator.neg,
    "power": operator.pow,
    "remainder": lambda x, y: x - y * np.floor_divide(x, y),
    "floor_divide": operator.floordiv,
    "absolute": lambda x: np.where(x < 0, -x, x),
    "sign": lambda x: ((x > 0).astype(int) - (x < 0)).astype(x.dtype),
    "maximum": lambda x, y: np.where(x > y, x, y),
    "minimum": lambda x, y: np.where(x < y, x, y),
    "clip": np.clip,
    "relu": lambda x: x * (x > 0),
    "floor": lambda x: np.vectorize(math.floor)(x).astype(x.dtype),
    "ceil": lambda x: np.vectorize(math.ceil)(x).astype(x.dtype),
    "round": lambda x: np.vectorize(round)(x).astype(x.dtype),
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "logical_and": operator.and_,
    "logical_or": operator.or_,
    "logical_xor": operator.xor,
    "logical_not": operator.invert,
    "where": lambda c, x, y: np.choose(c, [y, x]),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(x, np.zeros_like(x)),
    "rsqrt": lambda x: x ** x.dtype.type(-0.5),
    "lgamma": lambda x: np.vectorize(math.lgamma)(x).astype(x.dtype),
    "digamma": scipy.special.digamma,
    "convert": lambda x, dtype: x.astype(dtype),
    "identity": lambda x: x,
    "stop_gradient": lambda x: x,
    "constant": lambda value, shape, dtype: np.full(shape, value).astype(dtype),
    "dimension": lambda size: np.int64(size),
    "iota": lambda shape, axis, dtype: np.indices(shape)[axis].astype(dtype),
    "sum": lambda x, axes: x.sum(axes, dtype=x.dtype),
    "prod": lambda x, axes: x.prod(axes, dtype=x.dtype),
    "max": lambda x, axes: x.max(axes),
    "min": lambda x, axes: x.min(axes),
    "argmax": lambda x, axis: x.argmax(axis),
    "argmin": lambda x, axis: x.argmin(axis),
    "cumulative_sum": lambda x, axis, reverse: np.add.accumulate(x, axis, dtype=x.dtype),
    "reshape": lambda x, shape: x.reshape(shape),
    "transpose": lambda x, axes: np.einsum(x, list(range(x.ndim)), list(axes)),
    "broadcast": lambda x, shape: np.zeros(shape, x.dtype) | x if x.dtype == bool else np.zeros(shape, x.dtype) + x,
    "slice": _slice,
    "pad": _pad,
    "flip": _flip,
    "concatenate": lambda *arrays, axis: np.concatenate(arrays, axis=axis),
    "unfold": _unfold,
    "fold": _fold,
    "matmul": lambda x, y: (x[..., :, :, None] * y[..., None, :, :]).sum(-2, dtype=x.dtype),
    "einsum": lambda x, y, subscripts: np.tensordot(x, y, ([1], [0])).sum(1, dtype=x.dtype).T,
    "gather": lambda x, indices, axis: x[indices],
    "scatter_add": _scatter_add,
    "take_along_axis": lambda x, indices, axis: np.array([row[i] for row, i in zip(x, indices)]),
    "scatter_along_axis": _scatter_along_axis,
    "sort": lambda x, axis: np.array([sorted(row) for row in x.tolist()], x.dtype),
    "argsort": lambda x, axis: np.array([sorted(range(len(row)), key=row.__getitem__) for row in x.tolist()]),
    "top_k": lambda x, k: (np.sort(x)[:, ::-1][:, :k], np.argsort(x)[:, ::-1][:, :k]),
}


def test_the_second_implementations_are_of_known_ops() -> None:
    assert set(EXPECTED) <= set(REGISTRY)


@pytest.mark.parametrize(("name", "dtype"), DTYPE_CASES)
def test_values_in_every_claimed_dtype(name: str, dtype: str) -> None:
    op = REGISTRY[name]
    arguments, attributes = samples(op, dtype)  # type: ignore[misc]
    graph = op_graph(name, arguments, attributes)
    found = interpret(graph, arguments)
    for value, type in zip(found, output_types(graph)):
        assert (str(value.dtype), value.shape) == (type.dtype, type.shape)
    if name in EXPECTED:
        with np.errstate(all="ignore"):
            expected = EXPECTED[name](*arguments, **attributes)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for value, wanted in zip(found, expected):
            np.testing.assert_allclose(value, wanted, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in SAMPLED if REGISTRY[name].arity != 0])
def test_dtypes_that_are_not_claimed_are_refused(name: str) -> None:
    op = REGISTRY[name]
    refused = [dtype for dtype in DTYPES if dtype not in claimed_dtypes(op)]
    if name == "random_bits":
        refused = ["uint64", "float32"]
    for dtype in refused:
        arguments = [np.zeros(np.shape(a), dtype) for a in samples(op, claimed_dtypes(op)[0])[0]]  # type: ignore[index]
        attributes = samples(op, claimed_dtypes(op)[0])[1]  # type: ignore[index]
        with pytest.raises(DTypeError, match=name):
            op_graph(name, tuple(arguments), attributes)


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if REGISTRY[name].arity == 2])
def test_elementwise_ops_take_one_shape_and_one_dtype(name: str) -> None:
    dtypes = claimed_dtypes(REGISTRY[name])
    with pytest.raises(ShapeError, match=name):
        op_graph(name, (np.zeros(3, dtypes[0]), np.zeros(4, dtypes[0])), {})
    with pytest.raises(ShapeError, match=name):
        op_graph(name, (np.zeros(3, dtypes[0]), np.zeros((3, 1), dtypes[0])), {})
    if len(dtypes) > 1:
        with pytest.raises(DTypeError, match=name):
            op_graph(name, (np.zeros(3, dtypes[0]), np.zeros(3, dtypes[1])), {})
    with pytest.raises(ShapeError, match="takes 2 arguments"):
        op_graph(name, (np.zeros(3, dtypes[0]),), {})


# definitions to 30 digits -------------------------------------------------------------------------------------------


def domain_points(op: Any) -> list[tuple[float, ...]]:
    """Points inside the domain of an op, and its corners."""
    inside = list(zip(*(values.ravel()[:6].tolist() for values in elementwise_samples(op, "float64"))))
    corners = np.stack(np.meshgrid(*op.domain), -1).reshape(-1, len(op.domain))
    return [*inside, *map(tuple, corners.tolist())]


def attributes_of(op: Op) -> list[dict[str, Any]]:
    return [{"order": order} for order in (1, 2, 3)] if op.name == "polygamma" else [{}]


@pytest.mark.parametrize("dtype", ["float64", "float32", "bool"])
@pytest.mark.parametrize("name", DEFINED)
def test_values_follow_the_definition_to_30_digits(name: str, dtype: str) -> None:
    op: Any = REGISTRY[name]
    if dtype not in claimed_dtypes(op) or (dtype == "bool" and op.accepts != "bool"):
        return
    digits = 2e-6 if dtype == "float32" else 2e-14
    for attributes in attributes_of(op):
        definition = op.definition(attributes)
        for point in domain_points(op):
            arrays = [np.asarray(value > 0 if dtype == "bool" else value, dtype) for value in point]
            exact: Any
            if dtype == "bool":
                exact = bool(definition.subs(dict(zip(op.symbols(), (sp.sympify(bool(a)) for a in arrays)))))
            else:
                exact = definition.subs({s: sp.Float(float(a), 40) for s, a in zip(op.symbols(), arrays)})
                exact = bool(exact) if op.result == "bool" else float(exact.evalf(30))
            with np.errstate(all="ignore"):
                found = op.evaluate(arrays, attributes)
            assert found == pytest.approx(exact, rel=digits, abs=digits / 10), point


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_partials_given_by_hand_are_derivatives(name: str) -> None:
    op: Any = REGISTRY[name]
    for attributes in attributes_of(op):
        verify_partials(op, points=5, attributes=attributes)


def test_a_wrong_partial_is_found_when_an_op_is_registered() -> None:
    wrong = Elementwise(
        name="half", summary="", expression=lambda x: x / 2, partials=lambda x, out: (out,), domain=((1.0, 2.0),)
    )
    with pytest.raises(MissingFacetError, match=r"op `half`: the partial for argument 0 is .* correct `partials=`"):
        record.register(wrong)
    assert "half" not in REGISTRY


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("x", [1e-2, 0.7, 3.0, 30.0])
def test_scalar_polygamma(x: float, order: int) -> None:
    assert polygamma_scalar(x, order) == pytest.approx(float(sp.polygamma(order, sp.Float(x, 40)).evalf(30)), rel=1e-12)


# random bits --------------------------------------------------------------------------------------------------------

PHILOX = [  # known answers of Random123's kat_vectors for philox4x32-10: counter, key, result
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), PHILOX)
def test_philox_published_vectors(counter: Any, key: Any, result: Any) -> None:
    columns = (np.array(words, "uint32")[:, None] for words in (counter, key))
    assert philox_block(*columns)[:, 0].tolist() == list(result)


def test_philox_one_word_at_a_time() -> None:
    key, stream = np.array([3, 0xFFFFFFFF], "uint32"), np.array([7, 9], "uint32")
    bits = REGISTRY["random_bits"].evaluate((key, stream), {"shape": (3, 5)})
    with np.errstate(over="ignore"):
        words = [int(philox_word(*key, *stream, np.uint64(position))) for position in range(15)]
    assert bits.ravel().tolist() == words


# facets that are missing say so -------------------------------------------------------------------------------------


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> Callable[[Op], str]:
    """Register a record for one test."""

    def add(op: Op) -> str:
        monkeypatch.setitem(REGISTRY, op.name, op)
        record.partial_expressions.cache_clear()
        return op.name

    return add


def test_missing_facets_name_the_op_the_facet_and_the_remedy(blank: Callable[[Op], str]) -> None:
    x = np.ones(3)
    with pytest.raises(MissingFacetError, match="`bare` has no SymPy expression; pass `expression=` in its record"):
        tracer.evaluate(blank(Elementwise(name="bare", summary="")), (x,), {})
    with pytest.raises(MissingFacetError, match="`shapeless` has no shape rule; pass `shape=`"):
        tracer.evaluate(blank(Linear(name="shapeless", summary="")), (x,), {})
    with pytest.raises(MissingFacetError, match="`shapeless2` has no shape rule; pass `shape=`"):
        tracer.evaluate(blank(Special(name="shapeless2", summary="")), (x,), {})
    opaque = blank(Linear(name="opaque", summary="", shape=lambda graph, type: type))
    with pytest.raises(MissingFacetError, match="`opaque` has no NumPy reference; pass `reference=`"):
        tracer.evaluate(opaque, (x,), {})
    one_way = blank(Linear(name="one_way", summary="", shape=lambda graph, type: type, reference=lambda x: x))
    with pytest.raises(MissingFacetError, match=r"`one_way` has no transpose for argument 0; pass `transposes="):
        gx.vjp(lambda x: tracer.apply(one_way, x), x)
    assert gx.jvp(lambda x: tracer.apply(one_way, x), (x,), (2 * x,))[1].tolist() == [2, 2, 2]
    with pytest.raises(MissingFacetError, match="no op named `nothing`"):
        gx.ops.get("nothing")
    call = LinearCall({}, (None,), (TensorType((3,), "float64"),), TensorType((3,), "float64"))
    with pytest.raises(MissingFacetError, match="argument 0 is a tangent"):
        call.operand(0)
    with pytest.raises(MissingFacetError, match="registered already"):
        record.register(REGISTRY["sin"])


@pytest.mark.parametrize("name", [name for name in SAMPLED if not isinstance(REGISTRY[name], Elementwise)])
def test_every_linear_slot_has_a_transpose(name: str) -> None:
    op = REGISTRY[name]
    if isinstance(op, Linear) and type(op).transpose in (Linear.transpose, Op.transpose):
        assert set(op.transposes) >= set(op.linear or (0,))


def test_inputs_and_items_have_no_value_of_their_own() -> None:
    with pytest.raises(GraphError, match="no value of its own"):
        REGISTRY["input"].evaluate((), {"shape": (), "dtype": "float64"})
    graph = op_graph("sin", (np.ones(3),), {})
    with pytest.raises(GraphError, match="several results"):
        gx.ops.build(graph).item(graph.outputs[0], position=0)


def test_definitions_are_looked_at_when_a_function_is_met() -> None:
    """SymPy takes long to evaluate all of them, so that the import does not; of two equal ones the first counts."""
    program = """
import sympy as sp
import graphcomp as gx
from graphcomp.ops import record, symbolic

x = sp.Symbol("x", real=True)
twice = record.Elementwise(name="second_sine", summary="", expression=lambda x: sp.sin(x), domain=((-1.0, 1.0),))
record.register(twice, verify=False)
assert symbolic._UNREAD and sp.sin not in symbolic._HEADS
assert symbolic.head_of(sp.sin) == "sin" and symbolic.head_of(sp.Derivative) is None
assert not symbolic._UNREAD
assert "sigmoid(%" in str(gx.trace(symbolic.stand_in("sigmoid", lambda x: x)(x)))
record.register(record.Elementwise(name="own", summary="", expression=lambda x: sp.airyai(x), domain=((-1.0, 1.0),)))
assert symbolic._HEADS[sp.airyai] == "own"
wrong = record.Elementwise(name="wrong", summary="", expression=lambda x: 1 / 0, domain=((-1.0, 1.0),))
try:
    record.register(wrong)
except ZeroDivisionError:
    print(symbolic.head_of(sp.cos))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(gx.__file__).parents[1])}
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, env=environment
    )
    assert found.stdout == "cos\n", found.stderr


def test_a_new_op_needs_one_record_and_nothing_else(blank: Callable[[Op], str]) -> None:
    blank(Elementwise(name="gauss", summary="exp(-x²)", expression=lambda x: sp.exp(-(x**2)), domain=((-1.0, 1.0),)))

    def f(x: Any) -> Any:
        return tracer.elementwise("gauss", x)

    x = np.linspace(-1, 1, 5)
    np.testing.assert_allclose(f(x), np.exp(-x * x), rtol=1e-14)
    np.testing.assert_allclose(gx.jvp(f, (x,), (np.ones(5),))[1], -2 * x * np.exp(-x * x), rtol=1e-13)
    gx.check_grads(f, (x,), order=3).raise_if_wrong()
    assert gx.trace(f, 1.0).to_sympy() == sp.exp(-(sp.Symbol("x", real=True) ** 2))


# shape rules --------------------------------------------------------------------------------------------------------

BAD_SHAPES: list[tuple[str, list[tuple[int, ...]], dict[str, Any], str]] = [
    ("reshape", [(2, 3)], {"shape": (4,)}, r"cannot reshape float64\[2, 3\] \(6 entries\)"),
    ("transpose", [(2, 3)], {"axes": (0, 0)}, "each of its 2 axes once"),
    ("broadcast", [(2, 3)], {"shape": (3, 3)}, "only axes of size 1"),
    ("broadcast", [(2, 3)], {"shape": (3,)}, "only axes of size 1"),
    ("slice", [(5,)], {"start": (3,), "size": (3,), "step": (1,)}, "does not fit"),
    ("slice", [(5,)], {"start": (-1,), "size": (3,), "step": (1,)}, "does not fit"),
    ("slice", [(5, 5)], {"start": (0,), "size": (3,), "step": (1,)}, "each of its 2 axes"),
    ("concatenate", [(2, 3), (3, 3)], {"axis": 1}, "differ elsewhere"),
    ("unfold", [(3,)], {"window": (4,), "stride": (1,), "dilation": (1,)}, "does not fit into 3"),
    ("unfold", [(3,)], {"window": (1, 1), "stride": (1, 1), "dilation": (1, 1)}, "at least 2 axes"),
    ("fold", [(3, 2)], {"sizes": (3,), "stride": (1,), "dilation": (1,)}, "windows fit"),
    ("sum", [(2, 3)], {"axes": (2,)}, "distinct axes"),
    ("sum", [(2, 3)], {"axes": (0, 0)}, "distinct axes"),
    ("matmul", [(2, 3), (4, 2)], {}, "inner sizes"),
    ("matmul", [(2, 3), (3,)], {}, "matmul of"),
    ("matmul", [(2, 3, 4), (3, 4, 2)], {}, "leading axes"),
    ("einsum", [(2, 3), (4, 2)], {"subscripts": "ij,jk->ik"}, "'j' is 3 in one operand and 4"),
    ("einsum", [(2, 3)], {"subscripts": "ij,jk->ik"}, "names 2 operands"),
    ("einsum", [(2, 2)], {"subscripts": "ii->i"}, "name each of the axes"),
    ("einsum", [(2, 3)], {"subscripts": "ij->k"}, "only in the result"),
    ("top_k", [(2, 3)], {"k": 4}, "1 ≤ k"),
]


@pytest.mark.parametrize(("name", "shapes", "attributes", "message"), BAD_SHAPES)
def test_shapes_that_do_not_fit(name: str, shapes: Any, attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        op_graph(name, tuple(np.zeros(shape) for shape in shapes), attributes)


def test_indices_are_integers() -> None:
    for name, attributes in (("gather", {"axis": 0}), ("take_along_axis", {"axis": 0})):
        with pytest.raises(DTypeError, match="integer indices"):
            op_graph(name, (np.zeros(3), np.zeros(3)), attributes)


def test_zero_size_arrays() -> None:
    empty = np.zeros((0, 3))
    assert tracer.evaluate("sum", (empty,), {"axes": (0,)}).tolist() == [0, 0, 0]
    assert tracer.evaluate("pad", (empty,), {"before": (1, 0), "after": (2, 0), "between": (1, 0)}).shape == (2, 3)
    assert tracer.evaluate("slice", (np.ones((4, 3)),), {"start": (4, 0), "size": (0, 3), "step": (2, 1)}).shape == (
        0,
        3,
    )
    assert generator("a").random() == generator("a").random() != generator("b").random()
    assert Graph().outputs == []


def test_of_several_ops_with_one_definition_the_first_is_meant() -> None:
    function, argument = sp.Function("function_of_a_test"), sp.Symbol("argument_of_a_test", real=True)
    try:
        for name in ("first", "second"):
            symbolic.note_head(name, function, (argument,))
        symbolic.note_head("more than the function", lambda x: 2 * function(x), (argument,))
        assert symbolic.head_of(function) == "first"
        symbolic.read_heads()
        assert symbolic.head_of(function) == "first"
    finally:
        symbolic._HEADS.pop(function, None)
