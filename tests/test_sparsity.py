"""Sparse Jacobians and Hessians: patterns from the graph, colourings, and values against dense ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as ss
from hypothesis import given
from hypothesis import strategies as st

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.colouring import colour, colour_symmetric, shared
from graphcomp.errors import DerivativeError, InputError, RenderError
from graphcomp.render.scene import Rectangle, Words
from graphcomp.render.sparsity import mark, sparsity_scene

RNG = np.random.default_rng(5)


def rosenbrock(x: Any) -> Any:
    return gnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


# random structured functions ----------------------------------------------------------------------------------------

SIZE = 6
BAND = np.triu(np.tril(np.arange(1.0, 37).reshape(6, 6), 1), -1)
ORDER = np.array([4, 0, 0, 5, 2, 1])
MASK = np.array([True, False, True, True, False, True])

MOVES: dict[str, Callable[[Any], Any]] = {
    "differences": lambda x: gnp.concatenate([x[1:] - x[:-1], x[:1]]),
    "neighbours": lambda x: x * gnp.concatenate([x[1:], x[:1]]),
    "flip": lambda x: x[::-1] * 2,
    "every other": lambda x: gnp.concatenate([x[::2], gnp.sin(x[1::2])]),
    "table": lambda x: gnp.transpose(gnp.reshape(x, (2, 3))).reshape(SIZE) + 1,
    "rows": lambda x: gnp.concatenate([gnp.sum(gnp.reshape(x, (2, 3)), axis=1) ** 2, x[:4]]),
    "gather": lambda x: gnp.exp(x[ORDER] / 9),
    "band": lambda x: BAND @ x / 20,
    "products": lambda x: gnp.einsum("ij,i->j", BAND, x) * x / 20,
    "masked": lambda x: gnp.where(MASK, x**2, x[0]),
    "chosen": lambda x: gnp.where(x > 0.5, gnp.cos(x), x),
    "fixed": lambda x: x * MASK.astype("float64") + gnp.sin(x),
    "running": lambda x: gnp.cumsum(x) / 3,
    "largest": lambda x: gnp.concatenate([gnp.max(gnp.reshape(x, (3, 2)), axis=1), x[3:]]),
    "sorted": lambda x: gnp.concatenate([gnp.sort(x[:3]), x[3:]]),
    "product": lambda x: gnp.concatenate([gnp.prod(gnp.reshape(x, (3, 2)), axis=0), x[2:]]),
    "stopped": lambda x: x * gx.stop_gradient(x[::-1]),
    "rounded": lambda x: gnp.floor(x) + x[0] * x,
    "loop": lambda x: gx.scan(lambda h, a: (gnp.tanh(h + a), h * a), x[0], x)[1],
    "one by one": lambda x: gx.scan(lambda h, a: (h, gnp.sin(a) * h), x[0], x)[1],
    "backwards": lambda x: gx.scan(lambda h, a: (h * a, h), x[5], x, reverse=True)[1],
    "branches": lambda x: gx.cond(x[0] > 0, lambda y: y**2, lambda y: y[::-1] * y, x),
    "norm": lambda x: gnp.concatenate([x[:5], gnp.sum(x[:2] ** 2)[None]]),
    "windows": lambda x: gnp.concatenate([gnp.sum(gnp.unfold(x, (3,)) * np.array([1.0, 0.0, -2.0]), axis=1), x[:2]]),
}
CONVERTED = {"float32": lambda x: x.astype("float32").astype("float64") * x}
"""Not among the random ones, where differences of rounded numbers would need wide tolerances."""

CHAINS = st.lists(st.sampled_from(sorted(MOVES)), min_size=1, max_size=4)
POINTS = st.integers(0, 1000).map(lambda seed: np.random.default_rng(seed).uniform(-1.5, 1.5, SIZE))


def chain(names: list[str]) -> Callable[[Any], Any]:
    def composed(x: Any) -> Any:
        for name in names:
            x = MOVES[name](x)
        return x

    return composed


@given(CHAINS, POINTS)
def test_the_pattern_holds_every_entry_and_the_values_are_those_of_the_dense_jacobian(
    names: list[str], x: np.ndarray
) -> None:
    f = chain(names)
    dense = gx.jacrev(f)(x)
    np.testing.assert_allclose(gx.jacfwd(f)(x), dense, rtol=1e-10, atol=1e-12)
    assert not dense[~gx.sparsity(f)(x).pattern.toarray()].any()
    for mode in (None, "forward", "reverse"):
        found = gx.jacobian(f, sparse=True, mode=mode, target="numpy")(x)
        np.testing.assert_allclose(found.toarray(), dense, rtol=1e-10, atol=1e-12)


@given(CHAINS, POINTS)
def test_hessians_are_those_of_the_dense_ones(names: list[str], x: np.ndarray) -> None:
    def f(x: Any) -> Any:
        return gnp.sum(chain(names)(x) ** 2)

    dense = gx.hessian(f)(x)
    sparse = gx.hessian(f, sparse=True, target="numpy")
    np.testing.assert_allclose(sparse(x).toarray(), dense, rtol=1e-9, atol=1e-11)
    assert sparse.sparsity(x).symmetric


EXACT = {
    "differences": np.eye(6, k=0)[[0, 1, 2, 3, 4, 0]] + np.vstack([np.eye(6)[1:], np.zeros(6)]),
    "flip": np.eye(6)[::-1],
    "gather": np.eye(6)[ORDER],
    "band": BAND,
    "fixed": np.eye(6),
    "running": np.tril(np.ones((6, 6))),
    "loop": np.tril(np.ones((6, 6))),
    "one by one": np.eye(6) + np.outer(np.ones(6), np.eye(6)[0]),
    "backwards": np.triu(np.ones((6, 6)), 1) + np.outer(np.ones(6), np.eye(6)[5]),
    "largest": np.vstack([np.kron(np.eye(3), [1, 1]), np.eye(6)[3:]]),
    "sorted": np.kron(np.diag([1, 0]), np.ones((3, 3))) + np.diag([0, 0, 0, 1, 1, 1]),
    "product": np.vstack([np.tile(np.eye(2), 3), np.eye(6)[2:]]),
    "stopped": np.eye(6),
    "float32": np.eye(6),
    "windows": np.vstack([np.eye(6)[:4] + np.eye(6)[2:], np.eye(6)[:2]]),
}


@pytest.mark.parametrize("name", EXACT)
def test_patterns_are_as_sparse_as_the_ops_allow(name: str) -> None:
    pattern = gx.sparsity((MOVES | CONVERTED)[name])(np.linspace(0.1, 1, SIZE)).pattern
    np.testing.assert_array_equal(pattern.toarray(), EXACT[name] != 0)


def test_what_a_while_loop_gives_may_be_anywhere() -> None:
    """Its counter says where an entry is read."""

    def f(x: Any) -> Any:
        step = lambda state: (state[0] + 1, state[1] * x[1])  # noqa: E731
        count, y = gx.while_loop(lambda state: state[1] < 4.0, step, (0, x[0]))
        return gnp.concatenate([x[count][None] ** 2, y[None] * x[:1]])

    for x in (np.array([1.0, 3.0, 5.0]), np.array([1.0, 8.0, 5.0]), np.array([5.0, 8.0, 5.0])):
        dense = gx.jacfwd(f)(x)
        found = gx.jacobian(f, sparse=True, mode="forward", target="numpy")
        np.testing.assert_allclose(found(x).toarray(), dense, rtol=1e-13)
        assert found.sparsity(x).pattern.toarray()[0].all()


# large ones ----------------------------------------------------------------------------------------------------------


def test_the_hessian_of_a_chained_rosenbrock_function_of_10_000_variables() -> None:
    n = 10_000
    x = RNG.uniform(-2, 2, n)
    sparse = gx.hessian(rosenbrock, sparse=True)
    assert sparse.sparsity(x).sweeps <= 5
    main = np.zeros(n)
    main[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    main[1:] += 200
    exact = ss.diags_array([-400 * x[:-1], main, -400 * x[:-1]], offsets=[-1, 0, 1])
    found = sparse(x)
    assert found.nnz == 3 * n - 2
    assert abs(found - exact).max() <= 1e-12 * abs(exact.tocsr()).max()


def laplacian(u: Any) -> Any:
    inner = gnp.pad(u, 1)
    return inner[2:, 1:-1] + inner[:-2, 1:-1] + inner[1:-1, 2:] + inner[1:-1, :-2] - 4 * u + gnp.exp(u)


def test_a_grid_in_both_modes() -> None:
    u = RNG.normal(size=(30, 40))
    forward, reverse = (gx.jacobian(laplacian, sparse=True, mode=mode) for mode in ("forward", "reverse"))
    assert forward.sparsity(u).sweeps <= 8
    assert forward.sparsity(u).mode == "forward" and reverse.sparsity(u).mode == "reverse"
    assert forward(u).nnz == 5 * 1200 - 2 * 30 - 2 * 40
    assert abs(forward(u) - reverse(u)).max() <= 1e-14
    np.testing.assert_allclose(forward(u).toarray(), gx.jacfwd(laplacian)(u).reshape(1200, 1200), atol=1e-14)


def arrow(x: Any) -> Any:
    return gnp.concatenate([x[:1] * x[1:] ** 2, gnp.sum(gnp.sin(x))[None]])


def test_a_full_row_and_a_full_column_take_sweeps_of_both_kinds() -> None:
    x = RNG.normal(size=500)
    sparse = gx.jacobian(arrow, sparse=True)
    found = sparse.sparsity(x)
    assert found.mode == "both" and (found.forward_sweeps, found.reverse_sweeps) == (2, 1)
    np.testing.assert_allclose(sparse(x).toarray(), gx.jacobian(arrow)(x), rtol=1e-13)


def test_a_variable_that_meets_all_others_costs_a_hessian_one_sweep() -> None:
    x = RNG.normal(size=300)
    sparse = gx.hessian(lambda x: gnp.sum(x[1:] ** 3 * x[0]), sparse=True)
    assert sparse.sparsity(x).sweeps == 2
    np.testing.assert_allclose(sparse(x).toarray(), gx.hessian(lambda x: gnp.sum(x[1:] ** 3 * x[0]))(x), rtol=1e-13)


# colourings ----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 0.6), st.integers(0, 10_000))
def test_colourings_give_every_entry(rows: int, columns: int, density: float, seed: int) -> None:
    """Sweeps over a matrix of numbers, instead of a function."""
    table = np.random.default_rng(seed).normal(size=(rows, columns))
    table[np.random.default_rng(seed + 1).random((rows, columns)) > density] = 0
    symmetric = rows == columns
    if symmetric:
        table = table + table.T
    pattern = ss.csr_array(table != 0)
    tried = [colour(pattern), colour(pattern, "forward"), colour(pattern, "reverse")]
    for found in [*tried, *([colour_symmetric(pattern)] if symmetric else [])]:
        along = np.stack([table @ (found.column_colours == k) for k in range(found.forward_sweeps)] or [np.zeros(rows)])
        against = np.stack(
            [(found.row_colours == k) @ table for k in range(found.reverse_sweeps)] or [np.zeros(columns)]
        )
        reverse, sweeps, places = found.entries()
        values = [(against if back else along)[k][place] for back, k, place in zip(reverse, sweeps, places)]
        np.testing.assert_allclose(values, table[pattern.tocoo().coords], rtol=1e-12)
    assert tried[0].sweeps <= min(tried[1].sweeps, tried[2].sweeps)


def test_columns_of_one_colour_have_no_row_in_common() -> None:
    pattern = ss.csr_array(ss.random_array((200, 150), density=0.02, rng=RNG) != 0)
    colours = shared(pattern)
    table = pattern.toarray().astype(int)
    for each in range(colours.max() + 1):
        assert table[:, colours == each].sum(axis=1).max() <= 1
    conflicts = nx.from_numpy_array(table.T @ table)
    conflicts.remove_edges_from(nx.selfloop_edges(conflicts))
    assert colours.max() + 1 <= max(dict(conflicts.degree).values()) + 1


# containers, dtypes, other arguments ---------------------------------------------------------------------------------


def test_containers_other_arguments_and_results_that_are_not_floating_point() -> None:
    def f(scale: Any, pair: Any, places: Any) -> Any:
        return {"count": gnp.argmax(pair["a"]), "a": pair["a"][places] * scale, "b": [gnp.outer(pair["b"], pair["b"])]}

    pair = {"a": RNG.normal(size=4), "b": RNG.normal(size=3)}
    places = np.array([3, 3, 0])
    sparse = gx.jacobian(f, 1, sparse=True)
    for chosen in (places, places[::-1].copy()):
        blocks = gx.jacobian(f, 1)(2.0, pair, chosen)
        assert blocks["count"] is None
        expected = np.block(
            [
                [blocks["a"]["a"], blocks["a"]["b"]],
                [blocks["b"][0]["a"].reshape(9, 4), blocks["b"][0]["b"].reshape(9, 3)],
            ]
        )
        np.testing.assert_allclose(sparse(2.0, pair, chosen).toarray(), expected, rtol=1e-14)
        assert sparse.sparsity(2.0, pair, chosen).pattern.nnz == 3 + 9 + 6
    assert len(sparse._sweeps._versions) == 1


def test_a_pattern_holds_for_all_values() -> None:
    sparse = gx.hessian(rosenbrock, sparse=True)
    at_zero = sparse.sparsity(np.zeros(8))
    assert sparse.sparsity(RNG.normal(size=8)) is at_zero
    np.testing.assert_allclose(sparse(np.zeros(8)).toarray(), gx.hessian(rosenbrock)(np.zeros(8)))


def test_float32_stays_float32() -> None:
    x = RNG.normal(size=7).astype("float32")
    for mode in ("forward", "reverse"):
        assert gx.jacobian(lambda x: x[1:] * x[:-1], sparse=True, mode=mode)(x).dtype == np.float32
    assert gx.hessian(rosenbrock, sparse=True)(x).dtype == np.float32
    assert gx.jacfwd(lambda x: x[1:] * x[:-1])(x).dtype == np.float32


def test_nothing_in_and_nothing_out() -> None:
    assert gx.jacobian(lambda x: x[:0], sparse=True)(np.ones(3)).shape == (0, 3)
    assert gx.jacobian(lambda x: gnp.concatenate([x, np.ones(2)]), sparse=True)(np.ones(0)).shape == (2, 0)
    constant = gx.jacobian(lambda x: np.ones(2) + gx.stop_gradient(x), sparse=True)(np.ones(2))
    assert constant.shape == (2, 2) and constant.nnz == 0
    assert gx.jacrev(lambda x: x[:0])(np.ones(3)).shape == (0, 3)


# dense ones ----------------------------------------------------------------------------------------------------------


def test_jacobian_chooses_the_sweeps_that_are_fewer() -> None:
    tall, wide = RNG.normal(size=(9, 3)), RNG.normal(size=(3, 9))
    for matrix in (tall, wide):
        x = RNG.normal(size=matrix.shape[1])
        derivative = gx.jacobian(lambda x, m=matrix: m @ gnp.sin(x))
        np.testing.assert_allclose(derivative(x), matrix * np.cos(x), rtol=1e-13)
        (seeds,) = [a for a in gx.trace(derivative, x).arrays.values() if a.shape[0] == a.shape[-1]]
        assert len(seeds) == 3
    # Entries are counted over all arrays: 4 + 2 here, against 5 results.
    pair = [RNG.normal(size=4), RNG.normal(size=2)]
    arrays = gx.trace(gx.jacobian(lambda pair: gnp.sin(gnp.concatenate(pair))[:5]), pair).arrays.values()
    assert max(array.size for array in arrays) == 25
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(gx.jacobian(lambda x: x**2, mode=mode)(np.arange(3.0)), np.diag(2 * np.arange(3.0)))


def test_a_jacobian_of_many_variables_is_a_small_program() -> None:
    small, large = (len(gx.trace(gx.jacfwd(laplacian), np.zeros((n, n)))) for n in (2, 12))
    assert small == large < 100
    x = RNG.normal(size=(5, 5))
    np.testing.assert_allclose(np.asarray(gx.jit(gx.jacobian(laplacian))(x)), gx.jacrev(laplacian)(x), atol=1e-14)


def test_a_named_size_is_swept_by_the_other_mode() -> None:
    def means(x: Any) -> Any:
        return gnp.stack([gnp.mean(x), gnp.mean(x**2)])

    step = gx.jit(gx.jacobian(means), specs=(gx.spec(("B",), "float64"),))
    for size in (3, 7):
        x = RNG.normal(size=size)
        np.testing.assert_allclose(np.asarray(step(x)), np.stack([np.full(size, 1 / size), 2 * x / size]), rtol=1e-13)
    with pytest.raises(DerivativeError, match="known sizes"):
        gx.jit(gx.jacfwd(means), specs=(gx.spec(("B",), "float64"),))(np.ones(3))


def test_masked_values_do_not_leak_from_one_sweep_into_another() -> None:
    """√x is infinitely steep at 0, where it is not chosen."""

    def f(x: Any) -> Any:
        return gnp.where(x > 0, gnp.sqrt(x), 0.0)

    for inner in (gx.jacfwd, gx.jacrev):
        for outer in (gx.jacfwd, gx.jacrev):
            np.testing.assert_array_equal(outer(inner(f))(np.zeros(3)), np.zeros((3, 3, 3)))


# errors --------------------------------------------------------------------------------------------------------------


def test_errors_say_what_to_do() -> None:
    with pytest.raises(InputError, match=r"cannot be traced.*sparse=False"):
        gx.jit(gx.jacobian(lambda x: x**2, sparse=True))(np.ones(3))
    with pytest.raises(InputError, match="mode is 'forward', 'reverse' or None, not 'both'"):
        gx.jacobian(lambda x: x, mode="both")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="argnums 2 is out of range for 1 arguments"):
        gx.jacobian(lambda x: x, 2)(np.ones(3))
    with pytest.raises(DerivativeError, match=r"int64\[3\]: only floating-point arrays have derivatives"):
        gx.jacobian(lambda x: x * 2.0, sparse=True)(np.arange(3))
    with pytest.raises(DerivativeError, match=r"not sparse.*sparse=False"):
        gx.jacobian(lambda x: x / gnp.sum(x), sparse=True)(np.ones(6000))


# pictures ------------------------------------------------------------------------------------------------------------


def texts(scene: Any) -> list[str]:
    return [item.text for item in scene.primitives if isinstance(item, Words)]


def test_a_picture_marks_each_entry_with_its_sweep() -> None:
    found = gx.sparsity(arrow)(np.ones(9))
    scene = sparsity_scene(found)
    marks = [text for text in texts(scene) if len(text) == 1]
    # In the matrix and once more in what the sweeps give.
    assert [marks.count(mark) for mark in "12A"] == [2 * 8, 2 * 8, 2 * 9]
    assert "A sparse Jacobian from 3 sweeps" in texts(scene)
    for item in scene.primitives:
        assert item.box.left >= 0 and item.box.right <= scene.width and item.box.bottom <= scene.height
    cells = [item.box for item in scene.primitives if isinstance(item, Rectangle) and item.role == "content"]
    assert not any(one.meets(other) for index, one in enumerate(cells) for other in cells[index + 1 :])


def test_a_large_matrix_is_drawn_in_blocks() -> None:
    scene = sparsity_scene(gx.hessian(rosenbrock, sparse=True).sparsity(np.ones(500)))
    assert len(scene.primitives) < 96 * 6 + 10
    assert any("A cell stands for 5.21 × 5.21 entries" in text for text in texts(scene))


def test_pictures_are_written_by_suffix(tmp_path: Path) -> None:
    found = gx.sparsity(lambda x: x[1:] * x[:-1])(np.ones(40))
    starts = {"a.svg": b"<?xml", "a.png": b"\x89PNG", "a.pdf": b"%PDF"}
    for name, start in starts.items():
        assert gx.plot_sparsity(found, tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(RenderError, match=r"saved as \.svg, \.png, \.pdf, not as 'a\.gif'"):
        gx.plot_sparsity(found, tmp_path / "a.gif")
    with pytest.raises(RenderError, match="nothing to draw"):
        gx.plot_sparsity(gx.sparsity(lambda x: x[:0])(np.ones(3)), tmp_path / "b.svg")
    assert {path.name for path in tmp_path.iterdir()} == set(starts)
    assert mark(1, 3) == "2" and [mark(3 + n, 3) for n in (0, 25, 26)] == ["A", "Z", "A2"]
