"""Jacobians and Hessians, dense and sparse: batches of forward or reverse sweeps."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy

from .batching import vmap
from .colouring import NOT_SWEPT, Mode, Sparsity, colour, colour_symmetric
from .errors import DerivativeError, InputError
from .graph import TensorType
from .graph.types import product
from .jit import jit
from .sparsity import jacobian_pattern
from .trace import trace_function
from .trace.functions import moveaxis, reshape
from .trace.tracer import Tracer, type_of
from .trace.tree import Structure, flatten
from .transform import grad, linearize, vjp

Function = Callable[..., Any]


# dense ---------------------------------------------------------------------------------------------------------------


def _inputs(function: Function, arguments: Sequence[Any], argnums: int) -> tuple[list[Any], Structure, Function]:
    """The arrays of the chosen argument, their containers, and the function of that argument alone."""
    if not -len(arguments) <= argnums < len(arguments):
        raise InputError(f"argnums {argnums} is out of range for {len(arguments)} arguments.")
    argnums %= len(arguments)
    leaves, structure = flatten(arguments[argnums])
    leaves = [leaf if hasattr(leaf, "shape") else np.asarray(leaf) for leaf in leaves]
    for leaf, path in zip(leaves, structure.paths()):
        type = type_of(leaf)
        if isinstance(type, TensorType) and not type.is_float:
            raise DerivativeError(
                f"cannot differentiate with respect to `{path or f'argument {argnums}'}`, which is {type}: only "
                "floating-point arrays have derivatives. Convert it to a float, or leave it out."
            )

    def of_one(argument: Any) -> Any:
        return function(*arguments[:argnums], argument, *arguments[argnums + 1 :])

    return leaves, structure, of_one


def _units(leaves: Sequence[Any]) -> list[np.ndarray]:
    """For each array a batch of directions, one for each entry of all arrays: one at that entry, zero elsewhere."""
    for leaf in leaves:
        if not all(isinstance(size, int) for size in leaf.shape):
            raise DerivativeError(f"a Jacobian needs known sizes, not the shape {tuple(leaf.shape)}.")
    sizes = [int(np.prod(leaf.shape)) for leaf in leaves]
    return _directions(np.eye(sum(sizes)), leaves)


def _directions(table: np.ndarray, leaves: Sequence[Any]) -> list[np.ndarray]:
    """The rows of a table, one entry for each of all arrays, as directions: a batch for each array."""
    stops = np.cumsum([int(np.prod(leaf.shape)) for leaf in leaves])
    parts = np.split(table, stops[:-1], axis=1) if leaves else []
    return [
        part.reshape(len(table), *leaf.shape).astype(np.dtype(str(leaf.dtype))) for part, leaf in zip(parts, leaves)
    ]


def _along_first_axis(found: Any, swept: Sequence[Any], other: Any, last: bool) -> list[Any]:
    """A batch of sweeps cut into one block for each array of `swept`, whose axes go first, or last."""
    blocks, start = [], 0
    for leaf in swept:
        stop = start + int(np.prod(leaf.shape))
        block = found[start:stop]
        shape = (*other.shape, *leaf.shape) if last else (*leaf.shape, *other.shape)
        blocks.append(reshape(moveaxis(block, 0, -1) if last else block, shape))
        start = stop
    return blocks


def jacfwd(function: Function, argnums: int = 0) -> Function:
    """The Jacobian by forward sweeps, one for each input entry, as one batch. Entries have the shape (*output, *input).

    For an argument in nested containers, each array of the result becomes such containers. None stands for the
    derivative of a result that is not floating point.
    """

    @functools.wraps(function)
    def derived(*arguments: Any) -> Any:
        inputs, structure, of_one = _inputs(function, arguments, argnums)
        value, linear = linearize(of_one, arguments[argnums])
        outputs, result_structure = flatten(value)
        sweeps = vmap(linear)(structure.unflatten(_units(inputs)))
        found = iter(flatten(sweeps)[0])
        rows = [
            structure.unflatten(_along_first_axis(next(found), inputs, output, True)) if _is_float(output) else None
            for output in outputs
        ]
        return result_structure.unflatten(rows)

    return derived


def jacrev(function: Function, argnums: int = 0) -> Function:
    """The Jacobian by reverse sweeps, one for each output entry, as one batch; otherwise like `jacfwd`."""

    @functools.wraps(function)
    def derived(*arguments: Any) -> Any:
        inputs, structure, of_one = _inputs(function, arguments, argnums)
        value, pull = vjp(of_one, arguments[argnums])
        outputs, result_structure = flatten(value)
        floats = [output for output in outputs if _is_float(output)]
        seeds = iter(_units(floats))
        cotangents = result_structure.unflatten([next(seeds) if _is_float(output) else None for output in outputs])
        found = flatten(vmap(pull)(cotangents)[0])[0]
        columns = [_along_first_axis(one, floats, leaf, False) for one, leaf in zip(found, inputs)]
        rows = iter(zip(*columns))
        return result_structure.unflatten(
            [structure.unflatten(next(rows)) if _is_float(output) else None for output in outputs]
        )

    return derived


def _is_float(value: Any) -> bool:
    type = type_of(value)
    return isinstance(type, TensorType) and type.is_float


# which of them -------------------------------------------------------------------------------------------------------


def jacobian(
    function: Function, argnums: int = 0, sparse: bool = False, mode: Mode | None = None, target: str = "cpu"
) -> Function:
    """The Jacobian with respect to one argument, by whichever sweeps are fewer, or by those of `mode`.

    Dense, it is `jacfwd` or `jacrev`. With `sparse`, a `SparseDerivative`: its result is a SciPy array. ``target``
    says how sparse ones run their sweeps (see `jit`).
    """
    if mode not in (None, "forward", "reverse"):
        raise InputError(f"mode is 'forward', 'reverse' or None, not {mode!r}.")
    if sparse:
        return SparseDerivative(function, argnums, mode, target)
    if mode is not None:
        return jacfwd(function, argnums) if mode == "forward" else jacrev(function, argnums)

    @functools.wraps(function)
    def derived(*arguments: Any) -> Any:
        inputs, structure, of_one = _inputs(function, arguments, argnums)
        traced = trace_function(of_one, (structure.unflatten([type_of(leaf) for leaf in inputs]),))
        outputs = [traced.type(id) for id in traced.outputs]
        forward, reverse = (_count(leaf.shape for leaf in leaves if _is_float(leaf)) for leaves in (inputs, outputs))
        chosen = jacfwd if forward <= reverse else jacrev
        return chosen(function, argnums)(*arguments)

    return derived


def _count(shapes: Iterable[Sequence[Any]]) -> float:
    """How many entries arrays of these shapes have; infinitely many where a size is only named."""
    return sum(size if isinstance(size, int) else np.inf for size in map(product, shapes))


def hessian(function: Function, argnums: int = 0, sparse: bool = False, target: str = "cpu") -> Function:
    """Second derivatives of a scalar function: forward sweeps over its gradient.

    With `sparse`, a `SparseDerivative` that makes use of the symmetry.
    """
    if sparse:
        return SparseDerivative(grad(function, argnums), argnums, None, target, symmetric=True)
    return jacfwd(grad(function, argnums), argnums)


def sparsity(function: Function, argnums: int = 0, mode: Mode | None = None) -> Callable[..., Sparsity]:
    """The pattern and the colouring with which `jacobian(function, argnums, sparse=True, mode=mode)` works.

    For a Hessian's, see the method `sparsity` of `hessian(function, sparse=True)`.
    """
    return SparseDerivative(function, argnums, mode, "numpy").sparsity


# sparse --------------------------------------------------------------------------------------------------------------


class SparseDerivative:
    """The Jacobian of a function as a `scipy.sparse.csr_array`: entries of all results × entries of the argument.

    Entries count in row-major order, those of one array after the other; results that are not floating point are left
    out. What may differ from zero is found from the graph and coloured, once for each set of shapes and of arguments
    that are not floating point; one compiled batch of sweeps computes the entries. (The compilation happens in here, so
    a sparse derivative stands outside of `jit`.) A pattern holds for all values: entries that happen to be zero are
    stored.
    """

    def __init__(
        self, function: Function, argnums: int, mode: Mode | None, target: str, symmetric: bool = False
    ) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function, self.argnums, self.mode, self.symmetric = function, argnums, mode, symmetric
        self._sweeps = jit(self._swept, target)
        self._found: dict[Any, Sparsity] = {}

    def sparsity(self, *arguments: Any) -> Sparsity:
        """The pattern and its colouring for arguments of these shapes."""
        leaves, structure = flatten(arguments)
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            raise InputError(
                "a sparse derivative is a SciPy array, which cannot be traced: call it outside of jit, vmap and other "
                "derivatives (it compiles its sweeps itself), or use sparse=False."
            )
        leaves = [np.asarray(leaf) for leaf in leaves]
        key = (structure, *(_key(leaf) for leaf in leaves))
        if key not in self._found:
            self._found[key] = self._analysed(arguments, leaves)
        return self._found[key]

    def _analysed(self, arguments: Sequence[Any], leaves: Sequence[np.ndarray]) -> Sparsity:
        inputs = _inputs(self.function, arguments, self.argnums)[0]
        start = len(flatten(tuple(arguments[: self.argnums % len(arguments)]))[0])
        traced = trace_function(self.function, arguments)
        pattern = jacobian_pattern(traced, traced.inputs[start : start + len(inputs)], leaves)
        if not self.symmetric:
            return colour(pattern, self.mode)
        return colour_symmetric(scipy.sparse.csr_array(pattern + pattern.T))

    def __call__(self, *arguments: Any) -> scipy.sparse.csr_array:
        found = self.sparsity(*arguments)
        inputs, structure, _ = _inputs(self.function, arguments, self.argnums)
        seeds = [_seeds(found.column_colours, found.forward_sweeps), _seeds(found.row_colours, found.reverse_sweeps)]
        tangents = structure.unflatten(_directions(seeds[0], inputs)) if found.forward_sweeps else None
        along, against = self._sweeps(arguments, tangents, seeds[1] if found.reverse_sweeps else None)
        return _assembled(found, _joined(along), _joined(against))

    def _swept(self, arguments: Sequence[Any], tangents: Any, seeds: Any) -> tuple[Any, Any]:
        """A batch of forward sweeps along `tangents` and one of reverse sweeps from `seeds`; None for none."""
        _, _, of_one = _inputs(self.function, arguments, self.argnums)
        along = against = None
        if tangents is not None:
            along = vmap(linearize(of_one, arguments[self.argnums])[1])(tangents)
        if seeds is not None:
            value, pull = vjp(of_one, arguments[self.argnums])
            against = vmap(lambda row: pull(_like(row, value))[0])(seeds)
        return along, against


def _key(leaf: np.ndarray) -> tuple[Any, ...]:
    content = b"" if leaf.dtype.kind == "f" else leaf.tobytes()
    return leaf.shape, str(leaf.dtype), content


def _seeds(colours: np.ndarray, count: int) -> np.ndarray:
    """A row for each colour: ones where the entries have it."""
    table = np.zeros((count, len(colours)))
    swept = np.flatnonzero(colours != NOT_SWEPT)
    table[colours[swept], swept] = 1
    return table


def _like(row: Any, value: Any) -> Any:
    """A cotangent for all outputs, from one vector with all their entries."""
    outputs, structure = flatten(value)
    parts: list[Any] = []
    start = 0
    for output in outputs:
        stop = start + int(np.prod(output.shape)) * _is_float(output)
        parts.append(reshape(row[start:stop], output.shape).astype(str(output.dtype)) if _is_float(output) else None)
        start = stop
    return structure.unflatten(parts)


def _joined(sweeps: Any) -> np.ndarray | None:
    """The results of a batch of sweeps as one table, a row for each sweep."""
    leaves = [np.asarray(leaf) for leaf in flatten(sweeps)[0]]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1) if leaves else None


def _assembled(found: Sparsity, along: np.ndarray | None, against: np.ndarray | None) -> scipy.sparse.csr_array:
    reverse, sweeps, places = found.entries()
    tables = [table for table in (along, against) if table is not None]
    data = np.zeros(found.pattern.nnz, np.result_type(*tables) if tables else "float64")
    for table, chosen in ((along, ~reverse), (against, reverse)):
        if table is not None:
            data[chosen] = table[sweeps[chosen], places[chosen]]
    indices, pointers = found.pattern.indices.copy(), found.pattern.indptr.copy()
    return scipy.sparse.csr_array((data, indices, pointers), shape=found.pattern.shape)
