"""The tracer: a value that records what is done to it.

It speaks NumPy's protocols, so `np.sin(x)`, `x @ y` and `x[1:, ::2]` on traced values append nodes to a graph.
Promotion (NumPy 2's, with weak Python numbers) and broadcasting become `convert` and `broadcast` nodes here; no later
layer promotes.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from .. import ops
from ..errors import DTypeError, Failure, InputError, ShapeError, TraceError, failure_of
from ..graph import Dimension, Graph, Origin, TensorType, TupleType, symbol
from ..graph.types import DTYPES, dimension, equal
from .tree import register_leaf

_PACKAGE = str(Path(__file__).parents[1])
_NUMPY = str(Path(np.__file__).parent)

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""NumPy's function names, filled by `functions.py`; the tracer's protocols look names up here."""


class _State(threading.local):
    def __init__(self) -> None:
        self.active: list[Trace] = []
        self.scopes: list[str] = []


_STATE = _State()


class Trace:
    """One graph under construction. `captured` maps inputs to the values of outer traces they stand for."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.builder = ops.build(self.graph)
        self.captured: dict[int, Tracer] = {}
        self.derivations: list[Graph] = []
        self.live = True
        self.depth = 0

    @contextlib.contextmanager
    def active(self) -> Iterator[Trace]:
        _STATE.active.append(self)
        self.depth = len(_STATE.active)
        try:
            yield self
        except Exception as error:
            if failure_of(error) is None:  # the user's own code failed, not a call that was traced
                error.failure = Failure(self.graph, origin=raised_at(error))  # type: ignore[attr-defined]
            raise
        finally:
            _STATE.active.pop()
            self.live = False

    def input(self, type: TensorType, name: str = "") -> Tracer:
        id = self.builder.input(shape=type.shape, dtype=type.dtype, name=name)
        self.graph.inputs.append(id)
        return Tracer(self, id)

    def lift(self, value: Any) -> int:
        """The id that stands for `value` in this graph."""
        if isinstance(value, Tracer):
            return value.id if value.trace is self else self._capture(value)
        if isinstance(value, sp.Expr):
            return self.builder.dimension(size=dimension(value))
        array = np.asarray(value)
        check_dtype(str(array.dtype))
        if array.ndim == 0:
            return self.builder.constant(array.item(), (), str(array.dtype))
        return self.builder.array(key=self.graph.add_array(array))

    def _capture(self, value: Tracer) -> int:
        if not value.trace.live:
            raise TraceError(
                "a traced value was used after its trace had ended. Return it from the traced function instead of "
                "keeping it in a global, a list or an attribute."
            )
        for id, outer in self.captured.items():
            if outer is value or (outer.trace is value.trace and outer.id == value.id):
                return id
        inner = self.input(value.type)
        self.captured[inner.id] = value
        return inner.id


def check_dtype(dtype: str) -> None:
    if dtype not in DTYPES:
        raise DTypeError(f"dtype {dtype} is not supported; the supported ones are {', '.join(DTYPES)}.")


@lru_cache(maxsize=256)
def dtype_name(dtype: Any) -> str:
    """The name of a dtype, which must be a supported one."""
    try:
        name = str(np.dtype(dtype))
    except TypeError:
        name = repr(dtype)
    check_dtype(name)
    return name


@contextlib.contextmanager
def scope(name: str) -> Iterator[None]:
    """Nodes traced inside get `name` added to their scope path, such as `encoder/attention`."""
    _STATE.scopes.append(name)
    try:
        yield
    finally:
        _STATE.scopes.pop()


def current_scope() -> str:
    """The scope path of what is traced now."""
    return "/".join(_STATE.scopes)


def raised_at(error: BaseException) -> Origin | None:
    """The innermost line of the user's code that an error came through."""
    found, trace = None, error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        found = found if file.startswith((_PACKAGE, _NUMPY)) else Origin(file, trace.tb_lineno)
        trace = trace.tb_next
    return found


def user_origin() -> Origin | None:
    """The innermost source line outside this package and NumPy."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((_PACKAGE, _NUMPY)):
            return Origin(file, frame.f_lineno)
        frame = frame.f_back
    return None


_signature = lru_cache(inspect.signature)


@register_leaf
class Tracer(np.lib.mixins.NDArrayOperatorsMixin):
    """A traced array: `shape` (integers or named sizes), `dtype`, NumPy's operators, methods and functions."""

    __slots__ = ("id", "trace")

    def __init__(self, trace: Trace, id: int) -> None:
        self.trace = trace
        self.id = id

    @property
    def type(self) -> TensorType:
        return self.trace.graph.type(self.id)

    @property
    def shape(self) -> tuple[Dimension, ...]:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.type.dtype)

    @property
    def ndim(self) -> int:
        return self.type.rank

    @property
    def size(self) -> Dimension:
        return self.type.size

    @property
    def T(self) -> Tracer:
        return FUNCTIONS["transpose"](self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if out is not None:
            raise TraceError(f"np.{ufunc.__name__}(…, out=) writes in place; a traced value cannot be changed.")
        if method == "reduce" and ufunc.__name__ in _REDUCTIONS:
            return FUNCTIONS[_REDUCTIONS[ufunc.__name__]](*inputs, **{"axis": 0, **options})
        if method != "__call__" or ufunc.__name__ not in FUNCTIONS or options:
            raise TraceError(f"np.{ufunc.__name__} ({method}) has no op; see `graphcomp ops` for what can be traced.")
        return FUNCTIONS[ufunc.__name__](*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = f"{function.__module__}.{function.__name__}".removeprefix("numpy.")
        if name not in FUNCTIONS:
            raise TraceError(f"np.{name} cannot be traced; compose it of the functions in graphcomp.numpy.")
        try:
            _signature(FUNCTIONS[name]).bind(*args, **kwargs)
        except TypeError as error:
            raise TraceError(f"np.{name} of a traced value: {error}.") from None
        return FUNCTIONS[name](*args, **kwargs)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TraceError(
            f"a traced value ({self.type}) was turned into a NumPy array. Its numbers are not known while tracing; "
            f"use the functions of graphcomp.numpy, or move this code out of the traced function. {_here()}"
        )

    def __bool__(self) -> bool:
        raise TraceError(
            f"a traced value ({self.type}) was used as a condition. Its value is not known while tracing; "
            f"use graphcomp.numpy.where(condition, a, b). {_here()}"
        )

    def _concrete(self, kind: str) -> Any:
        raise TraceError(
            f"a traced value ({self.type}) was turned into a Python {kind}, but is not known while tracing. {_here()}"
        )

    def __float__(self) -> float:
        return self._concrete("float")

    def __int__(self) -> int:
        return self._concrete("int")

    def __index__(self) -> int:
        return self._concrete("index")

    def __hash__(self) -> int:
        return id(self)

    def __len__(self) -> int:
        if not self.shape or not isinstance(self.shape[0], int):
            raise TraceError(f"{self.type} has no length that is known while tracing.")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return iter([self[index] for index in range(len(self))])

    def __getitem__(self, index: Any) -> Any:
        return FUNCTIONS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TraceError(
            "a traced value cannot be changed in place; build a new one with where, concatenate or scatter_add."
        )

    def __getattr__(self, name: str) -> Any:
        if name in _METHODS:
            return lambda *args, **kwargs: FUNCTIONS[name](self, *args, **kwargs)
        raise AttributeError(f"a traced value has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"Tracer(%{self.id}: {self.type})"


_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
_METHODS = frozenset(
    [
        "sum",
        "prod",
        "max",
        "min",
        "mean",
        "var",
        "std",
        "argmax",
        "argmin",
        "cumsum",
        "reshape",
        "ravel",
        "flatten",
        "transpose",
        "swapaxes",
        "squeeze",
        "astype",
        "clip",
        "dot",
        "sort",
        "argsort",
        "take",
        "round",
        "all",
        "any",
        "repeat",
        "copy",
    ]
)


# applying ops --------------------------------------------------------------------------------------------------------


def type_of(value: Any) -> TensorType | TupleType:
    if isinstance(value, Tracer):
        return value.type
    if isinstance(value, TensorType):
        return value
    array = np.asarray(value)
    check_dtype(str(array.dtype))
    return TensorType(array.shape, str(array.dtype))


def spec(shape: Sequence[int | str | Dimension] | int | str, dtype: Any = "float64") -> TensorType:
    """A shape and a dtype to trace with. A size given as a string is a named one: `spec(("B", 784), "float32")`."""
    sizes = (shape,) if isinstance(shape, (int, str)) else tuple(shape)
    name = dtype_name(dtype)
    for size in sizes:
        if isinstance(size, str) and not (size.isidentifier() and size.isascii()):
            raise InputError(f"a named size is a plain name such as 'B', not {size!r}.")
        if isinstance(size, (int, np.integer)) and size < 0:
            raise ShapeError(f"a size is not negative, but {size} was given in the shape {sizes}.")
    return TensorType(tuple(symbol(size) if isinstance(size, str) else dimension(size) for size in sizes), name)


def innermost(values: Sequence[Any]) -> Trace | None:
    """The trace that records what is done with the values: the innermost one in progress if any of them is traced.

    A branch or a loop's body holds all that is written in it, also what it does with values from outside alone.
    """
    traces = [value.trace for value in values if isinstance(value, Tracer)]
    if not traces:
        return None
    deepest = max(traces, key=lambda trace: trace.depth)
    return _STATE.active[-1] if deepest in _STATE.active else deepest


def lifted(value: Any) -> Any:
    """The value as a traced one if a trace is in progress, so that what is done with it is recorded."""
    if isinstance(value, Tracer) or not _STATE.active:
        return value
    trace = _STATE.active[-1]
    return Tracer(trace, trace.lift(value))


def apply(name: str, /, *values: Any, **attributes: Any) -> Any:
    """Apply an op to values of fitting shapes and dtypes: append a node if any is traced, else compute at once."""
    trace = innermost(values)
    if trace is None:
        return evaluate(name, values, attributes)
    if not trace.live:
        trace._capture(next(value for value in values if isinstance(value, Tracer) and value.trace is trace))
    builder = trace.builder
    builder.scope = current_scope()
    builder.origin = user_origin()
    id = builder.emit(name, *(trace.lift(value) for value in values), **attributes)
    type = trace.graph.node(id).type
    if isinstance(type, TupleType):
        return tuple(Tracer(trace, builder.item(id, position=k)) for k in range(len(type.items)))
    return Tracer(trace, id)


def evaluate(name: str, values: Sequence[Any], attributes: dict[str, Any]) -> Any:
    """The reference value of one op."""
    record = ops.get(name)
    arrays = [np.asarray(value) for value in values]
    type = record.infer(Graph(), [type_of(array) for array in arrays], attributes)  # type: ignore[misc]
    with np.errstate(all="ignore"):
        result = record.evaluate(arrays, attributes)
    if isinstance(type, TupleType):
        return tuple(np.asarray(part, dtype=item.dtype) for part, item in zip(result, type.items))
    return np.asarray(result, dtype=type.dtype)


def is_weak(value: Any) -> bool:
    """Python numbers and sizes take the dtype of what they meet."""
    return isinstance(value, (bool, int, float, sp.Expr)) and not isinstance(value, np.generic)


def result_dtype(values: Sequence[Any], at_least_float: bool = False) -> str:
    """NumPy 2's promotion of the values' dtypes."""
    kinds = tuple(_weak_kind(v) if is_weak(v) else type_of(v).dtype for v in values)  # type: ignore[union-attr]
    return _promoted(kinds, at_least_float)


def _weak_kind(value: Any) -> type:
    return next((kind for kind in (bool, float) if isinstance(value, kind)), int)


@lru_cache(maxsize=4096)
def _promoted(kinds: tuple[str | type, ...], at_least_float: bool) -> str:
    """The common dtype of dtypes and types of Python numbers; the values of those do not matter."""
    dtype = np.result_type(*(np.dtype(kind) if isinstance(kind, str) else kind(0) for kind in kinds))
    if at_least_float and dtype.kind != "f":
        dtype = np.dtype("float64")
    check_dtype(str(dtype))
    return str(dtype)


def broadcast_shapes(*shapes: tuple[Dimension, ...]) -> tuple[Dimension, ...]:
    """NumPy's rule, with named sizes: sizes that cannot be decided equal are checked when the op is built."""
    rank = max(map(len, shapes), default=0)
    result: list[Dimension] = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, start=rank - len(shape)):
            if result[axis] == 1:
                result[axis] = size
            elif size != 1 and equal(result[axis], size) is False:
                raise ShapeError(f"the shapes {' and '.join(map(str, shapes))} do not broadcast together. {_here()}")
    return tuple(result)


def _here() -> str:
    origin = user_origin()
    return f"At {origin}." if origin else ""


def convert(value: Any, dtype: Any) -> Any:
    """`value` in another dtype; the same object where nothing changes."""
    dtype = dtype_name(dtype)
    if not is_weak(value) and type_of(value).dtype == dtype:  # type: ignore[union-attr]
        return value
    if isinstance(value, sp.Expr):
        raise InputError(f"the size {value} is not an array; multiply it by one.")
    if is_weak(value):
        return np.asarray(value, dtype)
    if dtype == "bool":
        return FUNCTIONS["not_equal"](value, 0)
    return apply("convert", value, dtype=dtype)


def broadcast_to(value: Any, shape: tuple[Dimension, ...]) -> Any:
    if type_of(value).shape == shape:  # type: ignore[union-attr]
        return value
    return apply("broadcast", value, shape=tuple(shape))


def fit(values: Sequence[Any], dtype: str, trace: Trace | None) -> list[Any]:
    """All values in one dtype, broadcast to one shape. Python numbers become constants of that shape."""
    shape = broadcast_shapes(*(type_of(v).shape for v in values if not is_weak(v)))  # type: ignore[union-attr]
    fitted = []
    for value in values:
        if isinstance(value, sp.Expr) and trace is not None:
            size = Tracer(trace, trace.builder.dimension(size=dimension(value)))
            fitted.append(broadcast_to(convert(size, dtype), shape))
        elif is_weak(value) and trace is not None:
            try:
                exact = np.asarray(value, dtype).item()
            except OverflowError:
                raise DTypeError(
                    f"{value} does not fit into {dtype}; convert the array it meets first. {_here()}"
                ) from None
            fitted.append(Tracer(trace, trace.builder.constant(exact, shape, dtype)))
        else:
            if trace is not None and not isinstance(value, Tracer):
                value = Tracer(trace, trace.lift(value))
            fitted.append(broadcast_to(convert(value, dtype), shape))
    return fitted


def elementwise(name: str, *values: Any, **attributes: Any) -> Any:
    """Apply an elementwise op after promotion and broadcasting."""
    record = ops.get(name)
    values = tuple(value if is_weak(value) or isinstance(value, Tracer) else np.asarray(value) for value in values)
    if name == "where":
        return _where(*values)
    if record.accepts == "bool":
        dtype = "bool"
    else:
        dtype = result_dtype(values, at_least_float=record.accepts == "float")
    return apply(name, *fit(values, dtype, innermost(values)), **attributes)


def _where(condition: Any, x: Any, y: Any) -> Any:
    trace = innermost((condition, x, y))
    dtype = result_dtype((x, y))
    shapes = [type_of(value).shape for value in (condition, x, y) if not is_weak(value)]  # type: ignore[union-attr]
    shape = broadcast_shapes(*shapes)
    arms = fit((x, y), dtype, trace)
    condition = convert(condition, "bool")
    if trace is not None and not isinstance(condition, Tracer):
        condition = Tracer(trace, trace.lift(condition))
    condition = broadcast_to(condition, shape)
    return apply("where", condition, *(broadcast_to(arm, shape) for arm in arms))
