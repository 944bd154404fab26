"""Linear algebra: values against NumPy and SciPy, compiled programs against the reference, derivatives in both modes
against differences and against torch, batches, and what happens where a matrix cannot be factorised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from conftest import generator

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import DTypeError, InputError, ShapeError, TraceError
from graphcomp.run import interpret
from graphcomp.run.blas import factors_large_matrices, uses_blas
from graphcomp.schedule import schedule
from graphcomp.schedule.program import CallKernel
from graphcomp.schedule.program import leaves as kernels_of
from graphcomp.simplify import simplify
from graphcomp.trace import trace_function
from graphcomp.trace.tracer import apply
from graphcomp.trace.tree import leaves

linalg = gnp.linalg


def matrices(*shape: int, dtype: str = "float64", seed: object = 0) -> np.ndarray:
    """Random matrices whose eigenvalues and singular values are well apart; sizes of 1 and 0 too."""
    rng = generator("matrices", shape, seed)
    *lead, rows, columns = shape
    spread = np.zeros((rows, columns))
    np.fill_diagonal(spread, 2 + 1.5 * np.arange(min(rows, columns)))
    return (spread + rng.uniform(-0.5, 0.5, (*lead, rows, columns)) / max(rows, columns, 1)).astype(dtype)


def positive(*shape: int, dtype: str = "float64") -> np.ndarray:
    a = matrices(*shape)
    return (a @ a.swapaxes(-1, -2)).astype(dtype)


def close(found: Any, wanted: Any, rtol: float = 1e-12) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.shape == wanted.shape
    scale = np.max(np.abs(wanted[np.isfinite(wanted)]), initial=0.0)
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=rtol * scale)


SHAPES = [(0, 0), (1, 1), (3, 3), (2, 3, 3), (2, 0, 3, 3), (2, 3, 4, 4)]


# values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_against_numpy(shape: tuple[int, ...], dtype: str) -> None:
    """The functions on plain arrays are the reference of every op; here they are compared with `numpy.linalg`."""
    rtol = 1e-12 if dtype == "float64" else 2e-5
    a, spd = matrices(*shape, dtype=dtype), positive(*shape, dtype=dtype)
    b = generator(shape).normal(size=(*shape[:-1], 2)).astype(dtype)
    pairs = [
        (linalg.solve(a, b), np.linalg.solve(a, b)),
        (linalg.inv(a), np.linalg.inv(a)),
        (linalg.det(a), np.linalg.det(a)),
        (linalg.slogdet(a).sign, np.linalg.slogdet(a).sign),
        (linalg.slogdet(a).logabsdet, np.linalg.slogdet(a).logabsdet),
        (linalg.cholesky(spd), np.linalg.cholesky(spd)),
        (linalg.cholesky(spd, upper=True), np.linalg.cholesky(spd, upper=True)),
        (linalg.eigvalsh(spd), np.linalg.eigvalsh(spd)),
        (linalg.eigvalsh(a, "U"), np.linalg.eigvalsh(a, "U")),
        (linalg.svdvals(a), np.linalg.svd(a, compute_uv=False)),
    ]
    for found, wanted in pairs:
        assert np.asarray(found).dtype == dtype
        close(found, wanted, rtol)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5, 3), (2, 3, 5), (4, 1), (1, 4), (0, 3), (2, 3, 0)], ids=str)
def test_factors_make_the_matrix_again(shape: tuple[int, ...]) -> None:
    a = matrices(*shape)
    u, s, vh = linalg.svd(a, full_matrices=False)
    few = min(shape[-2:])
    assert (u.shape, s.shape, vh.shape) == ((*a.shape[:-1], few), (*a.shape[:-2], few), (*a.shape[:-2], few, shape[-1]))
    close(u @ (s[..., None] * vh), a)
    symmetric = a @ a.swapaxes(-1, -2)
    values, vectors = linalg.eigh(symmetric)
    close(vectors @ (values[..., None] * vectors.swapaxes(-1, -2)), symmetric)
    for columns in (u, vectors):
        for place in np.ndindex(*columns.shape[:-2], columns.shape[-1]):
            column = columns[(*place[:-1], slice(None), place[-1])]
            assert column[np.argmax(np.abs(column) >= 0.9 * np.abs(column).max())] > 0


def test_lu_is_the_factorisation_of_scipy() -> None:
    a = matrices(2, 4, 4)[:, ::-1].copy()
    factors, _, order = apply("lu", a)
    for matrix, packed, rows in zip(a, factors, order):
        _, lower, upper = scipy.linalg.lu(matrix)
        close(np.tril(packed, -1) + np.eye(4), lower)
        close(np.triu(packed), upper)
        close(lower @ upper, matrix[rows])


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("unit", [True, False])
def test_triangular_systems_against_scipy(lower: bool, trans: int, unit: bool) -> None:
    a, b = matrices(3, 3), generator("sides").normal(size=(3, 2))
    options = {"lower": lower, "trans": trans, "unit_diagonal": unit}
    wanted = scipy.linalg.solve_triangular(a, b, **options)
    close(linalg.solve_triangular(a, b, **options), wanted)
    close(gx.jit(lambda a, b: linalg.solve_triangular(a, b, **options))(a, b), wanted)
    gx.check_grads(lambda a, b: linalg.solve_triangular(a, b, **options), (a, b), order=2).raise_if_wrong()


def test_right_hand_sides_broadcast_as_in_numpy() -> None:
    a, b = matrices(2, 3, 3), generator("broadcast").normal(size=(4, 2, 3, 5))
    for left, right in ((a, b), (a[0], b), (a[0], b[0, 0, :, 0]), (a, b[0, 0, :, 0]), (a[:, None], b[0]), (a, b[0, 0])):
        close(linalg.solve(left, right), np.linalg.solve(left, right))
        close(gx.jit(np.linalg.solve)(left, right), np.linalg.solve(left, right))


def test_one_matrix_is_factorised_once_for_many_right_hand_sides() -> None:
    graph = gx.trace(linalg.solve, gx.spec((3, 3)), gx.spec((4, "B", 3, 5)))
    shapes = [(node.op, node.type.items[0].shape if node.op == "lu" else node.shape[0]) for node in graph.nodes()]
    assert ("lu", (3, 3)) in shapes and ("solve", 3) in shapes


def test_a_unit_diagonal_is_not_read() -> None:
    strict, b = np.tril(matrices(3, 3), -1), generator("unit").normal(size=(3, 2))
    wanted = np.linalg.solve(strict + np.eye(3), b)

    def f(a: Any, b: Any) -> Any:
        return linalg.solve_triangular(a, b, lower=True, unit_diagonal=True)

    close(f(strict, b), wanted)
    close(gx.jit(f)(strict, b), wanted)


def test_integers_become_floats() -> None:
    a = np.array([[2, 1], [1, 3]])
    assert linalg.solve(a, np.array([1, 2])).dtype == "float64"
    close(linalg.det(a), 5.0)
    close(linalg.cholesky(a), np.linalg.cholesky(a))


def test_numpy_functions_of_traced_values() -> None:
    def f(a: Any, b: Any) -> Any:
        values, vectors = np.linalg.eigh(a)
        u, s, vh = np.linalg.svd(b, full_matrices=False)
        named = (np.linalg.eigh(a).eigenvalues, np.linalg.slogdet(a).logabsdet, np.linalg.svd(a).S)
        return np.linalg.inv(a), np.linalg.det(a), vectors**2 @ values, (u * s) @ vh, np.linalg.eigvalsh(a), named

    a, b = positive(3, 3), matrices(3, 5)
    for found, wanted in zip(interpret(trace_function(f, (a, b)), [a, b]), leaves(f(a, b))):
        close(found, wanted)


# compiled against the reference --------------------------------------------------------------------------------------


def everything(a: Any, b: Any) -> Any:
    """Every op, of square, tall and wide matrices, with leading axes."""
    symmetric = a @ gnp.swapaxes(a, -1, -2)
    tall = gnp.concatenate([a, 2 * a[..., :1, :]], -2)
    rolled = gnp.concatenate([a[..., 1:, :], a[..., :1, :]], -2)  # so that rows are exchanged, and not in pairs
    return (
        linalg.solve(a, b), linalg.solve(rolled, b), gx.grad(lambda b: gnp.sum(linalg.solve(rolled, b) ** 2))(b),
        linalg.det(rolled), linalg.slogdet(gnp.swapaxes(rolled, -1, -2)), linalg.inv(a), linalg.det(a),
        linalg.slogdet(a),
        linalg.cholesky(symmetric), linalg.eigh(symmetric), linalg.svd(a), linalg.svd(tall, full_matrices=False),
        linalg.svd(gnp.swapaxes(tall, -1, -2), full_matrices=False), linalg.norm(a, 2, axis=(-2, -1)),
        linalg.solve_triangular(a, b, trans=1), linalg.solve_triangular(a, b, lower=True, unit_diagonal=True),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_program_for_all_sizes(dtype: str) -> None:
    compiled = gx.jit(everything, specs=(gx.spec(("B", "n", "n"), dtype), gx.spec(("B", "n", "k"), dtype)))
    rng = generator("sizes", dtype)
    sizes = [(1, 1, 1), (3, 1, 2), (1, 2, 1), *(tuple(int(s) for s in rng.integers(1, 8, 3)) for _ in range(8))]
    for batch, n, columns in sizes:
        a = matrices(batch, n, n, dtype=dtype, seed="sizes")
        b = rng.normal(size=(batch, n, columns)).astype(dtype)
        for found, wanted in zip(leaves(compiled(a, b)), leaves(everything(a, b)), strict=True):
            assert np.asarray(found).dtype == wanted.dtype
            close(found, wanted, 1e-11 if dtype == "float64" else 2e-4)


@pytest.mark.parametrize("shape", [(0, 0), (2, 0, 0), (0, 2, 2)], ids=str)
def test_nothing_to_factorise(shape: tuple[int, ...]) -> None:
    a = matrices(*shape)

    def f(a: Any) -> Any:
        parts = (linalg.inv(a), linalg.slogdet(a), linalg.cholesky(a), linalg.eigh(a), linalg.svd(a))
        return parts, linalg.solve_triangular(a, a)

    for found, wanted in zip(leaves(gx.jit(f)(a)), leaves(f(a)), strict=True):
        close(found, wanted)
    close(linalg.det(a), np.linalg.det(a))


def test_derivatives_of_named_sizes_share_one_factorisation() -> None:
    """The logarithm of a normal density: a system and a determinant of one matrix, and the derivatives of both."""

    def density(cov: Any, x: Any) -> Any:
        return -0.5 * (gnp.sum(x * linalg.solve(cov, x)) + gnp.sum(linalg.slogdet(cov).logabsdet))

    step = gx.grad(density, (0, 1))
    specs = (gx.spec(("B", "n", "n")), gx.spec(("B", "n", 1)))
    graph = simplify(gx.trace(step, *specs)).graph
    assert [node.op for node in graph.nodes()].count("lu") == 1
    compiled = gx.jit(step, specs=specs)
    for batch, n in ((1, 1), (4, 3), (2, 6)):
        cov, x = positive(batch, n, n), generator("x", n).normal(size=(batch, n, 1))
        inverse = np.linalg.inv(cov)
        solved = inverse @ x
        wanted = 0.5 * (solved @ solved.swapaxes(-1, -2) - inverse)
        close(compiled(cov, x)[0], wanted, 1e-10)
        close(compiled(cov, x)[1], -solved, 1e-10)


def test_factorisations_inside_loops() -> None:
    """A covariance that is carried from step to step, with another matrix added in each."""

    def f(start: Any, steps: Any) -> Any:
        def body(cov: Any, step: Any) -> Any:
            factor = linalg.cholesky(cov + step)
            values, vectors = linalg.eigh(cov + step)
            return linalg.inv(cov) + step, (factor, values, vectors**2, linalg.solve(step, factor))

        return gx.scan(body, start, steps)

    start, steps = positive(3, 3), np.stack([positive(3, 3) + k * np.eye(3) for k in range(5)])
    for found, wanted in zip(leaves(gx.jit(f)(start, steps)), leaves(f(start, steps)), strict=True):
        close(found, wanted, 1e-11)

    def loss(start: Any, steps: Any) -> Any:
        carry, (factor, values, squares, solved) = f(start, steps)
        return gnp.sum(carry) + gnp.sum(factor**2) + gnp.sum(values * squares[:, 0]) + gnp.sum(solved)

    wanted = gx.grad(loss, (0, 1))(start, steps)
    for found, part in zip(gx.jit(gx.grad(loss, (0, 1)))(start, steps), wanted, strict=True):
        close(found, part, 1e-10)


def test_what_reads_a_result_runs_after_the_call() -> None:
    """A loop from before the call reads `v` too, and would save reading it again."""

    def f(a: Any, v: Any) -> Any:
        before = np.sin(v)
        return before, v * linalg.eigvalsh(a)

    v = generator("after").normal(size=3)
    for found, wanted in zip(gx.jit(f)(S, v), f(S, v), strict=True):
        close(found, wanted)


def test_calls_count_as_work_for_the_threads() -> None:
    sizes = {"n": 20, "large": 2000}
    for name, threaded in (("n", False), ("large", True)):
        spec = gx.spec((name, name))
        program = schedule(simplify(gx.trace(lambda a: linalg.eigh(a), spec)).graph)
        assert any(isinstance(kernel, CallKernel) for kernel in kernels_of(program.kernels))
        assert uses_blas(program)
        assert factors_large_matrices(program, {program.sizes[0]: sizes[name]}) is threaded


# what cannot be factorised -------------------------------------------------------------------------------------------


def broken(name: str) -> np.ndarray:
    """Three matrices, of which the second cannot be factorised."""
    a = positive(3, 3, 3)
    bad = {"singular": np.ones((3, 3)), "indefinite": np.diag([1.0, -1.0, 2.0]), "nan": np.full((3, 3), np.nan)}
    a[1] = bad[name]
    return a


FAILING: list[tuple[str, Callable[..., Any], str]] = [
    ("solve", lambda a: linalg.solve(a, np.ones(3)), "singular"),
    ("inv", linalg.inv, "singular"),
    ("inv of nan", linalg.inv, "nan"),
    ("cholesky", linalg.cholesky, "indefinite"),
    ("cholesky of nan", linalg.cholesky, "nan"),
    ("eigh", linalg.eigh, "nan"),
    ("svd", linalg.svd, "nan"),
    ("triangular", lambda a: linalg.solve_triangular(gnp.where(a < 0, 0.0, a), np.ones((3, 1))), "indefinite"),
]


@pytest.mark.parametrize(("f", "kind"), [case[1:] for case in FAILING], ids=[case[0] for case in FAILING])
def test_a_failure_is_nan_for_that_matrix_alone(f: Callable[..., Any], kind: str) -> None:
    a = broken(kind)
    for results in (leaves(f(a)), leaves(gx.jit(f)(a))):
        for result in map(np.asarray, results):
            assert np.isnan(result[1]).all()
            assert np.isfinite(result[[0, 2]]).all()


def test_determinants_of_singular_matrices() -> None:
    a = broken("singular")
    for f in (linalg.slogdet, gx.jit(linalg.slogdet)):
        sign, logarithm = map(np.asarray, f(a))
        assert (sign[1], logarithm[1]) == (0, -np.inf)
        close(sign[[0, 2]], [1, 1])
    assert linalg.det(a)[1] == 0
    assert np.isnan(gx.grad(lambda a: linalg.det(a))(a[1])).all()


# derivatives ---------------------------------------------------------------------------------------------------------

A, S, TALL = matrices(2, 3, 3, seed="grads"), positive(3, 3), matrices(4, 2)
SIDES = generator("sides").normal(size=(2, 3, 2))

DERIVED: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "solve": (linalg.solve, (A, SIDES)),
    "solve a vector": (linalg.solve, (A[0], SIDES[0, :, 0])),
    "solve, one matrix for all": (linalg.solve, (A[0], SIDES)),
    "solve, rows exchanged": (linalg.solve, (np.roll(A, 1, 1), SIDES)),
    "inv": (linalg.inv, (A,)),
    "inv of one entry": (linalg.inv, (A[:, :1, :1],)),
    "det": (linalg.det, (A,)),
    "slogdet": (linalg.slogdet, (-A,)),
    "cholesky": (linalg.cholesky, (S,)),
    "cholesky, upper": (lambda a: linalg.cholesky(a, upper=True), (S,)),
    "cholesky of one entry": (linalg.cholesky, (S[:1, :1],)),
    "eigh": (linalg.eigh, (A,)),
    "eigh, upper": (lambda a: linalg.eigh(a, "U"), (A,)),
    "svd, square": (linalg.svd, (A,)),
    "svd, tall": (lambda a: linalg.svd(a, full_matrices=False), (TALL,)),
    "svd, wide": (lambda a: linalg.svd(a, full_matrices=False), (TALL.T.copy(),)),
    "spectral norm": (lambda a: linalg.norm(a, 2), (TALL,)),
    "nuclear norm": (lambda a: linalg.norm(a, "nuc"), (TALL,)),
}


@pytest.mark.parametrize("name", DERIVED)
def test_first_and_second_derivatives_against_differences(name: str) -> None:
    f, arguments = DERIVED[name]
    gx.check_grads(f, arguments, order=2, entries=6).raise_if_wrong()


def test_compiled_derivatives_to_second_order() -> None:
    """Gradients and products with Hessians of every function, in one program."""

    def scalar(f: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values: sum(gnp.sum(np.sin(part)) for part in leaves(f(*values)))

    def f(groups: Any) -> Any:
        found = []
        for (function, _), group in zip(DERIVED.values(), groups):
            directions = tuple(np.ones(np.shape(x)) * 0.3 for x in group)
            places = tuple(range(len(group)))
            found += [gx.grad(scalar(function), places)(*group), gx.hvp(scalar(function), tuple(group), directions)]
        return found

    groups = [arguments for _, arguments in DERIVED.values()]
    for found, wanted in zip(leaves(gx.jit(f)(groups)), leaves(f(groups)), strict=True):
        close(found, wanted, 1e-9)


def test_derivatives_of_eigenvalues_where_some_are_equal() -> None:
    """Sums of functions of eigenvalues are smooth there; single eigenvectors are not."""
    a = np.diag([2.0, 2.0, 5.0])
    close(gx.grad(lambda a: gnp.sum(linalg.eigvalsh(a) ** 3))(a), 3 * np.diag([4.0, 4.0, 25.0]))
    close(gx.grad(lambda a: linalg.norm(a, "nuc"))(a), np.eye(3))
    assert np.isnan(gx.grad(lambda a: linalg.eigh(a).eigenvectors[1, 0])(a)).any()
    rounding = a + np.diag([0, 4e-16, 0])
    assert np.isnan(gx.grad(lambda a: linalg.eigh(a).eigenvectors[1, 0])(rounding)).any()
    apart = a + np.diag([0, 1e-6, 0])
    assert np.isfinite(gx.grad(lambda a: linalg.eigh(a).eigenvectors[1, 0])(apart)).all()


def test_what_does_not_depend_on_equal_eigenvalues_has_derivatives() -> None:
    """The first component of more variables than examples: all eigenvalues but two are zero."""
    x = matrices(5, 2)

    def component(x: Any) -> Any:
        return linalg.eigh(x @ x.T).eigenvectors[:, -1] ** 3

    def left(x: Any) -> Any:
        u, s, _ = linalg.svd(gnp.concatenate([x, x[:, :1]], 1), full_matrices=False)
        return u[:, 0] * s[0]

    for f in (component, left):
        gx.check_grads(f, (x,), order=1, modes=("rev",)).raise_if_wrong()
        slope = gx.grad(lambda x, f=f: gnp.sum(f(x)))
        assert np.isfinite(slope(x)).all()
        close(gx.jit(slope)(x), slope(x), 1e-10)
    assert np.isnan(gx.grad(lambda x: linalg.eigh(x @ x.T).eigenvectors[0, 0])(x)).any()


def test_only_one_triangle_is_read() -> None:
    for f in (linalg.cholesky, linalg.eigvalsh):
        slope = gx.grad(lambda a, f=f: gnp.sum(f(a)))(S)
        close(slope, np.tril(slope))
        assert np.abs(np.diagonal(slope)).min() > 0
        close(f(np.tril(S)), f(S))


TORCH: dict[str, tuple[str, np.ndarray]] = {
    "inv": ("torch.linalg.inv(a)", A),
    "det": ("torch.linalg.det(a)", A),
    "slogdet": ("torch.linalg.slogdet(a)[1]", A),
    "solve": ("torch.linalg.solve(a, b)", A),
    "cholesky": ("torch.linalg.cholesky(a)", S),
    "eigenvalues": ("torch.linalg.eigh(a)[0]", S),
    "eigenvectors": ("torch.linalg.eigh(a)[1] ** 2", S),
    "singular values": ("torch.linalg.svd(a, full_matrices=False)[1]", TALL),
    "left vectors": ("torch.linalg.svd(a, full_matrices=False)[0] ** 2", TALL),
    "right vectors": ("torch.linalg.svd(a, full_matrices=False)[2] ** 2", TALL),
}


@pytest.mark.parametrize("name", TORCH)
def test_gradients_against_torch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    text, a = TORCH[name]
    code = compile(text, name, "eval")
    x = torch.tensor(a, requires_grad=True)
    theirs = eval(code, {"torch": torch, "a": x, "b": torch.tensor(SIDES)})
    weights = generator("torch", name).normal(size=tuple(theirs.shape))
    (theirs * torch.tensor(weights)).sum().backward()
    space = type("space", (), {"linalg": linalg})

    def ours(a: Any) -> Any:
        return gnp.sum(eval(code, {"torch": space, "a": a, "b": SIDES}) * weights)

    found, wanted = gx.grad(ours)(a), x.grad.numpy()
    if a is S:  # torch spreads the derivative of the triangle that is read over both
        found = (found + found.T) / 2
        wanted = (wanted + wanted.T) / 2
    close(found, wanted, 1e-11)


# batches -------------------------------------------------------------------------------------------------------------


def test_vmap_and_gradients_example_by_example() -> None:
    a, b = matrices(5, 3, 3), generator("vmap").normal(size=(5, 3))
    slopes = gx.vmap(gx.grad(lambda a, b: gnp.sum(linalg.solve(a, b) ** 2) + linalg.det(a)))
    for f in (slopes, gx.jit(slopes)):
        found = np.asarray(f(a, b))
        for row in range(5):
            wanted = gx.grad(lambda a, row=row: gnp.sum(linalg.solve(a, b[row]) ** 2) + linalg.det(a))(a[row])
            close(found[row], wanted)


def test_vmap_over_right_hand_sides_factorises_once() -> None:
    a, b = matrices(3, 3), generator("vmap sides").normal(size=(5, 3))
    for solve in (linalg.solve, lambda a, b: linalg.solve_triangular(a, b)):
        each = gx.vmap(solve, (None, 0))
        for found in (each(a, b), gx.jit(each)(a, b)):
            close(found, np.stack([solve(a, row) for row in b]))
    graph = simplify(gx.trace(gx.vmap(linalg.solve, (None, 0)), a, b)).graph
    (node,) = [node for node in graph.nodes() if node.op == "solve"]
    assert node.shape == (3, 5)


def test_vmap_of_factorisations() -> None:
    a = positive(4, 3, 3)
    for f in (linalg.eigh, linalg.svd, linalg.cholesky, linalg.slogdet):
        rows = [leaves(f(matrix)) for matrix in a]
        for found, wanted in zip(leaves(gx.vmap(f)(a)), zip(*rows), strict=True):
            close(found, np.stack(wanted))


# errors --------------------------------------------------------------------------------------------------------------

ERRORS: list[tuple[Callable[..., Any], type, str]] = [
    (lambda a: linalg.inv(a[:2]), ShapeError, r"inv takes square matrices, \[..., n, n\], not float64\[2, 3\]"),
    (lambda a: linalg.eigh(a[0]), ShapeError, "eigh takes square matrices"),
    (lambda a: linalg.svd(a[0]), ShapeError, "svd takes matrices"),
    (lambda a: linalg.solve(a, a[:2]), ShapeError, "takes 3 rows on the right-hand side"),
    (lambda a: linalg.solve(a, 1.0), ShapeError, "takes a vector, or matrices"),
    (lambda a: linalg.svd(a[:2]), InputError, "pass full_matrices=False"),
    (lambda a: linalg.svd(a, hermitian=True), InputError, "use eigh"),
    (lambda a: linalg.eigh(a, "X"), InputError, "UPLO='L' or UPLO='U', not 'X'"),
    (lambda a: linalg.solve_triangular(a, a, trans=2), InputError, "trans=0 or trans=1, not 2"),
    (lambda a: np.linalg.qr(a), TraceError, r"np.linalg.qr cannot be traced"),
    (lambda a: apply("triangular_solve", a, a[:2], lower=True, transposed=False, unit_diagonal=False), ShapeError,
     "triangular_solve takes a right-hand side"),
    (lambda a: apply("slogdet", a, a, np.zeros(3, "int64")), DTypeError, "slogdet takes float32 or float64"),
    (lambda a: apply("slogdet", a, a[:2], np.zeros(3, "int32")), ShapeError, "slogdet takes a matrix and its own"),
]  # fmt: skip


@pytest.mark.parametrize(("f", "kind", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_errors_say_what_is_wrong(f: Callable[..., Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        gx.trace(f, matrices(3, 3))


def test_sizes_that_cannot_be_compared() -> None:
    with pytest.raises(ShapeError, match="name the sizes so that it is known which is smaller"):
        gx.trace(linalg.svdvals, gx.spec(("m", "n")))
    with pytest.raises(ShapeError, match="square matrices"):
        gx.jit(linalg.inv, specs=(gx.spec(("m", "n")),))(matrices(2, 3))
