"""Sparse matrices and sums over groups: values against SciPy, derivatives against differences, compiled and not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import graphcomp as gx
from graphcomp import nn, sparse
from graphcomp import numpy as gnp
from graphcomp.errors import DTypeError, ExecutionError, InputError, ShapeError
from graphcomp.run.array import address_of
from graphcomp.run.pipeline import lower
from graphcomp.trace.tree import leaves

RNG = np.random.default_rng(5)
WIDTHS = (1, 2, 7, 16, 40, 128, 301)
"""Columns of the right-hand side: less than a vector, one, with a rest, as many as are summed up at once, and more."""


def draw(rows: int, columns: int, stored: int, dtype: str = "float64") -> tuple[sparse.Matrix, np.ndarray]:
    """A matrix with entries at random places, some of them in one place, and the same as an array."""
    places = [RNG.integers(0, size, stored) for size in (rows, columns)]
    values = RNG.normal(size=stored).astype(dtype)
    dense = np.zeros((rows, columns), dtype)
    np.add.at(dense, tuple(places), values)
    return sparse.coo(values, *places, (rows, columns)), dense


def both(function: Callable[..., Any], *arguments: Any, threads: int = 2) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each result, compiled and interpreted."""
    compiled = leaves(gx.jit(function, threads=threads)(*arguments))
    return list(zip(map(np.asarray, compiled), leaves(gx.jit(function, target="numpy")(*arguments)), strict=True))


SHAPES = [(30, 20, 90), (400, 300, 9000), (5, 1, 4), (1, 6, 9), (1, 1, 1), (9, 4, 0), (0, 3, 0), (40, 8, 3)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_of_many_shapes(shape: tuple[int, int, int], dtype: str) -> None:
    matrix, dense = draw(*shape, dtype)
    columns = [RNG.normal(size=(shape[1], width)).astype(dtype) for width in WIDTHS]
    rows = RNG.normal(size=(3, shape[0])).astype(dtype)
    vector = RNG.normal(size=shape[1]).astype(dtype)

    def products(matrix: Any, vector: Any, rows: Any, *columns: Any) -> Any:
        return [matrix @ vector, rows @ matrix, *(matrix @ x for x in columns)]

    wanted = [dense @ vector, rows @ dense, *(dense @ x for x in columns)]
    results = {threads: both(products, matrix, vector, rows, *columns, threads=threads) for threads in (1, 2)}
    tolerance = 3e-5 if dtype == "float32" else 1e-11
    for place, expected in enumerate(wanted):
        for found, reference in (results[1][place], results[2][place]):
            assert found.dtype == np.dtype(dtype)
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
            np.testing.assert_allclose(found, reference, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(results[1][place][0], results[2][place][0])


@pytest.mark.parametrize("bits", [256, 128])
def test_narrower_vectors(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHCOMP_VECTOR_BITS", str(bits))
    matrix, dense = draw(30, 20, 200, "float32")
    columns = [RNG.normal(size=(20, width)).astype("float32") for width in WIDTHS]

    def products(matrix: Any, *columns: Any) -> Any:
        return [matrix @ x for x in columns]

    for (found, _), x in zip(both(products, matrix, *columns), columns, strict=True):
        np.testing.assert_allclose(found, dense @ x, rtol=1e-4, atol=1e-5)


def test_a_row_for_each_entry_is_never_stored() -> None:
    matrix, _ = draw(50, 40, 700, "float32")

    def loss(values: Any, x: Any, matrix: Any) -> Any:
        return gnp.sum(np.tanh(matrix.with_values(values) @ x))

    traced = gx.trace(gx.value_and_grad(loss, (0, 1)), matrix.values, np.zeros((40, 24), "float32"), matrix)
    program = lower(traced).program
    sizes = [buffer.size for buffer in program.buffers if buffer.role == "scratch"]
    assert sizes and max(sizes) <= 50 * 24


def test_derivatives_of_a_product() -> None:
    matrix, _ = draw(12, 9, 40)

    def product(values: Any, x: Any, rows: Any) -> Any:
        changed = matrix.with_values(values)
        return np.sin(changed @ x), np.cos(rows @ changed), changed.T @ (changed @ x)

    point = (np.asarray(matrix.values), RNG.normal(size=(9, 3)), RNG.normal(size=(2, 12)))
    gx.check_grads(product, point, order=2, entries=6).raise_if_wrong()

    def loss(*arguments: Any) -> Any:
        return sum(gnp.sum(part * part) for part in product(*arguments))

    for found, wanted in both(gx.grad(loss, (0, 1, 2)), *point):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


def test_the_derivative_by_the_values_is_a_product_at_their_places() -> None:
    matrix, _ = draw(12, 9, 40)
    x, y = RNG.normal(size=(9, 5)), RNG.normal(size=(12, 5))
    gradient = gx.grad(lambda values: gnp.sum(y * (matrix.with_values(values) @ x)))(matrix.values)
    np.testing.assert_allclose(gradient, (y @ x.T)[matrix.rows.of, matrix.columns.of], rtol=1e-12)
    _, pull = gx.vjp(lambda x: matrix @ x, x)
    np.testing.assert_allclose(pull(y)[0], matrix.T @ y, rtol=1e-12)


def test_one_compilation_for_graphs_of_all_sizes() -> None:
    def pooled(matrix: Any, x: Any, of: Any) -> Any:
        return sparse.group_sum(nn.relu(matrix @ x), of), matrix.sum(1)

    places = sparse.Groups(gx.spec(("N",), "int32"), sparse.spec(("G", "N"), "N").rows.starts)
    f = gx.jit(pooled, specs=(sparse.spec(("N", "N"), "E"), gx.spec(("N", 10), "float32"), places))
    for nodes, edges, graphs in ((30, 90, 4), (7, 20, 1), (40, 1, 9)):
        matrix, dense = draw(nodes, nodes, edges, "float32")
        x, of = RNG.normal(size=(nodes, 10)).astype("float32"), np.sort(RNG.integers(0, graphs, nodes))
        total, sums = f(matrix, x, sparse.groups(of, graphs))
        hidden = np.maximum(dense @ x, 0)
        np.testing.assert_allclose(total, [hidden[of == g].sum(0) for g in range(graphs)], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(sums, dense.sum(1), rtol=1e-4, atol=1e-5)
    assert len(f.versions) == 1


def test_parts_of_a_matrix() -> None:
    matrix, dense = draw(6, 5, 17)
    rows, columns = RNG.normal(size=6), RNG.normal(size=5)

    def parts(matrix: Any, rows: Any, columns: Any) -> Any:
        scaled = (2 * matrix).scale_rows(rows).scale_columns(columns) * 0.5
        return matrix.todense(), matrix.sum(), matrix.sum(0), matrix.sum(-1), scaled.todense(), scaled.T.todense()

    changed = rows[:, None] * dense * columns
    wanted = [dense, dense.sum(), dense.sum(0), dense.sum(1), changed, changed.T]
    for (found, reference), expected in zip(both(parts, matrix, rows, columns), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(reference, expected, rtol=1e-12, atol=1e-13)
    assert matrix.shape == matrix.T.T.shape == (6, 5) and matrix.ndim == 2 and matrix.dtype == "float64"
    assert str(matrix) == "a sparse matrix float64[6, 5] of 17 values"


def test_matrices_are_made_of_what_there_is() -> None:
    found = scipy.sparse.random(8, 6, 0.4, format="csr", random_state=0)
    for made in (
        sparse.matrix(found),
        sparse.matrix(found.tocsc()),
        sparse.matrix(found.toarray()),
        sparse.csr(found.data, found.indices, found.indptr, found.shape),
    ):
        np.testing.assert_array_equal(made.todense(), found.toarray())
    shuffled = np.array([3, 0, 3, 1])
    made = sparse.coo(np.arange(4.0), shuffled, np.array([0, 1, 1, 0]), (5, 2))
    np.testing.assert_array_equal(made.rows.of, [0, 1, 3, 3])
    np.testing.assert_array_equal(made.values, [1, 3, 0, 2])
    assert made.rows.members is None and made.columns.members is not None


def test_groups() -> None:
    of = np.array([2, 0, 2, 4, 0, 2])
    x = RNG.normal(size=(6, 3))
    x[4] = x[1]
    found = sparse.groups(of, 5)

    def combined(x: Any) -> Any:
        shares = sparse.group_softmax(x, found)
        return sparse.group_sum(x, found), sparse.group_max(x, found), shares, sparse.group_sum(shares, found)

    total, largest, shares, ones = (pair[0] for pair in both(combined, x))
    for group in range(5):
        members = x[of == group]
        np.testing.assert_allclose(total[group], members.sum(0), rtol=1e-13)
        np.testing.assert_array_equal(largest[group], members.max(0, initial=-np.inf))
        exponentials = np.exp(members)
        np.testing.assert_allclose(shares[of == group], exponentials / exponentials.sum(0), rtol=1e-12)
        np.testing.assert_allclose(ones[group], len(members) > 0, rtol=1e-12)
    gradient = gx.grad(lambda x: gnp.sum(sparse.group_max(x, found)[0]))(x)
    np.testing.assert_array_equal(gradient, np.eye(6)[1][:, None] * np.ones(3))  # the first of two equal ones
    gx.check_grads(lambda x: sparse.group_softmax(x, found), (x,), order=2, entries=6).raise_if_wrong()


def test_weights_of_several_heads() -> None:
    """A weight for each entry and head, of rows that are made of heads: one pass, in registers."""
    of, places = np.sort(RNG.integers(0, 30, 200)), RNG.integers(0, 20, 200)
    to, source = sparse.groups(of, 30), sparse.groups(places, 20)
    cases = [(8, 8), (3, 7), (2, 16), (1, 5), (5, 1), (2, 20), (4, 40)]
    inputs = [(RNG.normal(size=(200, h)).astype("float32"), RNG.normal(size=(20, h, d)).astype("float32"))
              for h, d in cases]  # fmt: skip

    def mixed(*inputs: Any) -> Any:
        return [sparse.group_sum(sparse.group_take(x, source) * w[:, :, None], to) for w, x in inputs]

    for (found, _), (w, x) in zip(both(mixed, *inputs), inputs, strict=True):
        wanted = np.zeros((30, *x.shape[1:]))
        np.add.at(wanted, of, x[places] * w[:, :, None].astype("float64"))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_what_is_summed_up_may_be_any_expression() -> None:
    of, places = sparse.groups(np.sort(RNG.integers(0, 9, 60)), 9), sparse.groups(RNG.integers(0, 7, 60), 7)
    x, y, w = RNG.normal(size=(7, 20)), RNG.normal(size=(9, 20)), RNG.normal(size=60)

    def combined(x: Any, y: Any, w: Any) -> Any:
        sent, got = sparse.group_take(x, places), sparse.group_take(y, of)
        plain = sparse.group_sum(sent - got * w[:, None], of)
        return plain, sparse.group_sum(np.tanh(sent) * got, of), sparse.group_max(-sent - 2 * got, of)

    for found, wanted in both(combined, x, y, w):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


def test_batches() -> None:
    matrix, dense = draw(6, 5, 17)
    x = RNG.normal(size=(3, 5, 2))
    np.testing.assert_allclose(gx.vmap(lambda x: matrix @ x)(x), dense @ x, rtol=1e-12)
    values = RNG.normal(size=(3, 17))
    found = gx.vmap(lambda values: matrix.with_values(values) @ x[0])(values)
    np.testing.assert_allclose(found, [matrix.with_values(v) @ x[0] for v in values], rtol=1e-12)
    np.testing.assert_allclose(gx.jacfwd(lambda x: matrix @ x)(x[0, :, 0]), dense, rtol=1e-12)


def test_convolutions_take_sparse_graphs_and_features() -> None:
    nodes = 20
    source, target = RNG.integers(0, nodes, (2, 45))
    edges = nn.normalized_edges(source, target, nodes, dtype="float64")
    features = RNG.normal(size=(nodes, 6)) * (RNG.random((nodes, 6)) < 0.3)
    layer = nn.GraphConvolution.create(6, 4, key=0, dtype="float64")
    wanted = layer(features, edges)
    graph = edges.matrix(nodes)
    np.testing.assert_allclose(layer(features, graph), wanted, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer(sparse.matrix(features), graph), wanted, rtol=1e-12, atol=1e-13)
    with pytest.raises(ShapeError, match=r"\[20, 20\], not a sparse matrix float64\[21, 21\]"):
        layer(features, edges.matrix(nodes + 1))


def test_attention_node_by_node() -> None:
    nodes, heads, size = 9, 3, 4
    places = np.unique(
        np.concatenate([RNG.integers(0, nodes - 1, (20, 2)), np.arange(nodes - 1)[:, None].repeat(2, 1)]), axis=0
    )
    graph = sparse.coo(np.ones(len(places)), *places.T, (nodes, nodes))  # nobody, not even itself, sends to the last
    layer = nn.GraphAttention.create(5, heads, size, key=1, dtype="float64")
    layer = replace(layer, bias=RNG.normal(size=heads * size))
    x = RNG.normal(size=(nodes, 5))
    found = gx.jit(lambda layer, x, graph: layer(x, graph))(layer, x, graph)
    hidden = (x @ layer.weight).reshape(nodes, heads, size)
    for node in range(nodes):
        neighbours = [source for target, source in places if target == node]
        for head in range(heads):
            own = hidden[node, head] @ layer.target[head]
            scores = np.array([hidden[other, head] @ layer.source[head] + own for other in neighbours])
            shares = np.exp(np.where(scores > 0, scores, 0.2 * scores))
            wanted = (shares / shares.sum()) @ hidden[neighbours, head] if neighbours else np.zeros(size)
            part = slice(head * size, (head + 1) * size)
            np.testing.assert_allclose(np.asarray(found)[node, part], wanted + layer.bias[part], rtol=1e-10)
    gx.check_grads(lambda w, x: replace(layer, weight=w)(x, graph), (layer.weight, x), entries=8).raise_if_wrong()
    with pytest.raises(ShapeError, match=r"a graph of 8 nodes is \[8, 8\]"):
        layer(x[:8], graph)


GOOD = {"values": np.ones(3), "rows": np.array([0, 1, 1]), "columns": np.array([2, 0, 1]), "shape": (2, 3)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"values": np.ones(2)}, InputError, "of one length"),
        ({"values": np.ones(3, "int64")}, DTypeError, "floating-point numbers, not int64"),
        ({"rows": np.array([0, 2, 1])}, InputError, "there is a group 2, but the groups are 0 … 1"),
        ({"rows": np.array([0.0, 1.0, 1.0])}, InputError, "integers"),
        ({"columns": np.array([0, -1, 1])}, InputError, "there is a group -1"),
    ],
)
def test_entries_that_make_no_matrix(change: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        sparse.coo(**GOOD | change)


def test_mistakes_are_explained() -> None:
    matrix, _ = draw(4, 3, 5)
    with pytest.raises(
        ShapeError, match=r"float64\[4, 3\] of 5 values times float64\[4, 2\]: the product takes 3 rows"
    ):
        matrix @ np.ones((4, 2))
    with pytest.raises(ShapeError, match="the product takes 4 columns"):
        np.ones((2, 3)) @ matrix
    with pytest.raises(ShapeError, match="scale_rows"):
        matrix * np.ones(4)
    with pytest.raises(ShapeError, match="holds 5 values"):
        matrix.with_values(np.ones(4))
    with pytest.raises(InputError, match="ascending integers from 0 to 3"):
        sparse.csr(np.ones(3), np.zeros(3, int), np.array([0, 2, 1, 3]), (3, 1))
    with pytest.raises(ShapeError, match="two axes, not 1"):
        sparse.matrix(np.ones(3))


@pytest.mark.parametrize("broken", ["of", "starts", "members", "across"])
def test_compiled_programs_stay_inside_their_arrays(broken: str) -> None:
    """Groupings are checked when they are made; one changed since stops the program at the edge of an array."""
    matrix, _ = draw(6, 5, 17)
    wrong = {name: np.array(getattr(matrix.columns, name)) for name in ("of", "starts", "members", "across")}
    wrong[broken][2] = 1000
    f = gx.jit(lambda matrix, x: (matrix @ x[:5], matrix.T @ x))
    with pytest.raises(ExecutionError, match="out of range"):
        f(sparse.Matrix(matrix.values, matrix.rows, sparse.Groups(**wrong)), np.ones((6, 4)))


def test_sizes_that_do_not_fit_a_compilation_for_all_are_named() -> None:
    f = gx.jit(lambda matrix, x: matrix @ x, specs=(sparse.spec(("N", "M"), "E"), gx.spec(("M", 3), "float32")))
    matrix, _ = draw(9, 5, 20, "float32")
    with pytest.raises(InputError, match="the size M is 5 elsewhere but 6"):
        f(matrix, np.ones((6, 3), "float32"))
    empty = sparse.Matrix(matrix.values, sparse.Groups(matrix.rows.of, np.zeros(1, "int32")), matrix.columns)
    with pytest.raises(InputError, match="the named size N is at least 1"):
        f(empty, np.ones((5, 3), "float32"))


def test_addresses_of_arrays() -> None:
    """What is read off an array's header is what NumPy says; views, parts and empty arrays too."""
    base = np.arange(24.0).reshape(4, 6)
    frozen = np.ones(3)
    frozen.flags.writeable = False
    for array in (base, base[1:, 2:], base.T, base[:0], frozen, np.float32(2)[None], np.empty(0, bool)):
        assert address_of(array) == array.__array_interface__["data"][0]
