"""What scheduling promises: fusion, products read where they lie, memory that is shared but never at the same time."""

import re
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp import optim
from graphcomp.emit import emit_cpu
from graphcomp.emit.cpu import PART_LENGTH
from graphcomp.emit.kernels import Function
from graphcomp.errors import ExecutionError, InputError, LoweringError
from graphcomp.graph import Graph, TensorType
from graphcomp.ops import Special, register
from graphcomp.ops.record import REGISTRY
from graphcomp.run.blas import libraries, single_threaded
from graphcomp.schedule import Program, plan_arena, schedule
from graphcomp.schedule.memory import lifetimes
from graphcomp.schedule.program import Buffer, Choose, LoopKernel, Nest, ProductKernel, Store, used, written
from graphcomp.schedule.schedule import KERNEL_LIMIT
from graphcomp.simplify import simplify
from graphcomp.trace import trace_function
from graphcomp.trace.tracer import apply


def lowered(function: Any, *arguments: Any) -> tuple[Program, Graph]:
    graph = simplify(trace_function(function, arguments)).graph
    return schedule(graph), graph


def test_an_elementwise_chain_is_one_loop() -> None:
    program, _ = lowered(lambda x, y: np.exp(np.sin(x) * y + 2.0) / (y * y), np.ones((7, 5)), np.ones((7, 5)))
    (kernel,) = program.kernels
    assert isinstance(kernel, LoopKernel)
    assert [loop.extent for loop in kernel.loops] == [35]
    assert [buffer.role for buffer in program.buffers] == ["input", "input", "output"]


def test_the_gradient_of_a_formula_is_one_loop() -> None:
    """z, ∂z/∂x1 and ∂z/∂x2 over a million points: read two arrays, write three."""
    step = gx.value_and_grad(lambda x1, x2: gnp.sum(np.sin(x1) + x1 * x2), (0, 1))
    program, _ = lowered(lambda x1, x2: step(x1, x2)[1], np.ones(1000), np.ones(1000))
    loops = [kernel for kernel in program.kernels if [loop.extent for loop in kernel.loops] == [1000]]
    assert len(loops) == len(program.kernels) <= 2


def test_a_softmax_is_four_loops() -> None:
    """Largest entries, exponentials, their sums, quotients: nothing else is stored or moved."""
    program, _ = lowered(lambda x: np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True), np.ones((6, 9)))
    assert [len(kernel.loops) for kernel in program.kernels if isinstance(kernel, LoopKernel)] == [1, 2, 1, 2]
    assert len(program.kernels) == 4


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (lambda a, b: a @ b, [(4, 3), (3, 5)]),
        (lambda a, b: a.T @ b, [(3, 4), (3, 5)]),
        (lambda a, b: a @ b.T, [(4, 3), (5, 3)]),
        (lambda a, b: gnp.einsum("bij,bkj->bik", a, b), [(2, 4, 3), (2, 5, 3)]),
        (lambda a, b: a[1:, ::1] @ b, [(5, 3), (3, 5)]),
    ],
)
def test_products_read_their_operands_where_they_lie(function: Any, shapes: list[tuple[int, ...]]) -> None:
    program, _ = lowered(function, *(np.ones(shape) for shape in shapes))
    (kernel,) = program.kernels
    assert isinstance(kernel, ProductKernel)


def test_a_convolution_packs_its_windows_once() -> None:
    """Forward pass and both gradients: the windows are packed once, for two of the three products."""

    def loss(kernel: Any, images: Any) -> Any:
        windows = gnp.unfold(images, (3, 3))
        return gnp.sum(np.tanh(gnp.einsum("nchwij,ocij->nohw", windows, kernel)))

    program, graph = lowered(gx.grad(loss, (0, 1)), np.ones((4, 2, 3, 3)), np.ones((3, 2, 8, 8)))
    products = [kernel for kernel in program.kernels if isinstance(kernel, ProductKernel)]
    windows = [b for b in program.buffers if graph.node(b.node).op in ("unfold",) and b.role == "scratch"]
    assert len(products) == 3
    assert len(windows) == 1


def network(x: Any, w1: Any, w2: Any) -> Any:
    hidden = np.tanh(x @ w1)
    return gnp.mean((hidden @ w2 - np.sin(x)) ** 2)


def test_buffers_that_live_together_do_not_overlap() -> None:
    program, _ = lowered(gx.value_and_grad(network, (1, 2)), np.ones((9, 6)), np.ones((6, 7)), np.ones((7, 6)))
    plan, spans = plan_arena(program, {}), lifetimes(program)
    sizes = {b.number: int(np.prod(b.type.shape)) * np.dtype(b.type.dtype).itemsize for b in program.buffers}
    for one in spans:
        assert plan.offsets[one] % 64 == 0
        assert plan.offsets[one] + sizes[one] <= plan.size
        for other in spans:
            together = spans[one][0] <= spans[other][1] and spans[other][0] <= spans[one][1]
            if one < other and together:
                first, second = sorted((one, other), key=lambda number: plan.offsets[number])
                assert plan.offsets[first] + sizes[first] <= plan.offsets[second]
    assert plan.size < sum(sizes[number] for number in spans) + 64 * len(spans)


def test_memory_is_used_again() -> None:
    def chain(x: Any) -> Any:
        for _ in range(20):
            x = np.sin(x @ x)
        return x

    program, _ = lowered(chain, np.ones((32, 32)))
    assert plan_arena(program, {}).size <= 3 * 32 * 32 * 8


def test_long_chains_are_cut_and_equal_kernels_shared() -> None:
    def chain(x: Any) -> Any:
        for _ in range(1500):
            x = np.sin(x) * 1.01
        return gnp.sum(x)

    program, graph = lowered(gx.value_and_grad(chain), np.ones(5))
    assert all(sum(1 for _ in k.statements()) <= KERNEL_LIMIT for k in program.kernels if isinstance(k, LoopKernel))
    text = emit_cpu(program, graph).text
    functions = re.split(r"^def ", text, flags=re.MULTILINE)[1:]
    assert max(len(function.splitlines()) for function in functions) <= KERNEL_LIMIT + PART_LENGTH
    assert len(functions) < len(program.kernels)


def test_each_line_says_which_nodes_it_computes() -> None:
    program, graph = lowered(network, np.ones((3, 4)), np.ones((4, 2)), np.ones((2, 4)))
    text = emit_cpu(program, graph).text
    for node in graph.nodes():
        if node.op in ("tanh", "subtract", "matmul", "sin", "sum"):
            assert re.search(rf"# %{node.id} {node.op}\b", text), node


def test_what_cannot_be_compiled_is_refused_by_name() -> None:
    record = Special(
        name="cannot_be_compiled", summary="", shape=lambda graph, x: x, reference=lambda x: x, samples=None
    )
    register(record)
    try:
        with pytest.raises(LoweringError, match="cannot_be_compiled of float64"):
            gx.jit(lambda x: apply("cannot_be_compiled", x))(np.ones(3))
        assert np.array_equal(gx.jit(lambda x: apply("cannot_be_compiled", x), target="numpy")(np.ones(3)), np.ones(3))
    finally:
        del REGISTRY["cannot_be_compiled"]
    with pytest.raises(LoweringError, match="no target 'gpu'"):
        gx.jit(np.sin, target="gpu")


# calls ---------------------------------------------------------------------------------------------------------------


def test_a_donated_array_is_gone_and_its_memory_used_again() -> None:
    step = gx.jit(lambda x: x * 2.0, donate=0)
    first = step(np.ones(1000))
    address = first.ctypes.data
    second = step(first)
    with pytest.raises(ExecutionError, match="donated"):
        np.asarray(first)
    third = step(second)
    assert third.ctypes.data == address
    assert np.array_equal(third, np.full(1000, 8.0))


def test_a_view_of_a_donated_array_keeps_its_numbers() -> None:
    step = gx.jit(lambda x: x + 1.0, donate=0)
    first = step(np.zeros(1000))
    view = first.numpy()[:3]
    state = step(first)
    for _ in range(3):
        state = step(state)
    assert np.array_equal(view, np.ones(3))


def test_results_do_not_alias_each_other_or_the_arguments() -> None:
    x = np.arange(4.0)
    a, b, c = gx.jit(lambda x: (x, x, x + 1.0))(x)
    x[0] = 100.0
    assert np.array_equal(a, np.arange(4.0)) and np.array_equal(b, np.arange(4.0)) and np.array_equal(c, [1, 2, 3, 4])
    assert not np.shares_memory(a.numpy(), b.numpy())


def test_arguments_may_lie_anyhow_in_memory() -> None:
    x = np.arange(24.0).reshape(4, 6)
    compiled = gx.jit(lambda x: x @ x.T + 1.0)
    assert np.allclose(compiled(np.asfortranarray(x)), x @ x.T + 1.0)
    assert np.allclose(compiled(x[:, ::2]), x[:, ::2] @ x[:, ::2].T + 1.0)


def test_a_compiled_function_can_be_differentiated_and_nested() -> None:
    inner = gx.jit(lambda x: np.sin(x) * x)
    assert np.allclose(gx.jit(gx.grad(lambda x: gnp.sum(inner(x))))(np.ones(3)), np.sin(1.0) + np.cos(1.0))


def test_wrong_arguments_are_named() -> None:
    compiled = gx.jit(lambda x, y: x + y, specs=(gx.spec(("B", 3)), gx.spec(("B", 3))))
    assert compiled(np.ones((2, 3)), np.ones((2, 3))).shape == (2, 3)
    assert compiled(np.ones((5, 3)), np.ones((5, 3))).shape == (5, 3)
    with pytest.raises(InputError, match="size B is 2 elsewhere but 4 in `y`"):
        compiled(np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(InputError, match=r"`x` is float64\[B, 3\], but was given float32\[2, 3\]"):
        compiled(np.ones((2, 3), "float32"), np.ones((2, 3)))


def test_windows_that_overlap_are_packed_before_a_product() -> None:
    """Neighbouring windows of a vector start one entry apart: BLAS takes no matrix whose rows overlap."""
    for stride in (1, 2, 4):
        x, w = np.arange(11.0), np.linspace(-1.0, 1.0, 12).reshape(4, 3)
        found = gx.jit(lambda x, w: gnp.unfold(x, (4,), (stride,)) @ w)(x, w)  # noqa: B023
        windows = np.lib.stride_tricks.sliding_window_view(x, 4)[::stride]
        np.testing.assert_allclose(found, windows @ w, rtol=1e-14)


def test_blas_gets_its_threads_back() -> None:
    before = [library.get_num_threads() for library in libraries()]
    for library in libraries():
        library.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), single_threaded():
            assert {library.get_num_threads() for library in libraries()} == {1}
            raise ZeroDivisionError
        assert {library.get_num_threads() for library in libraries()} == {2}
    finally:
        for library, count in zip(libraries(), before):
            library.set_num_threads(count)


def test_float32_sums_and_products_are_kept_in_float64() -> None:
    """A float32 total of 200,000 tenths would be off in the third digit, as each addition rounds."""
    x = np.full(200_000, 0.1, "float32")
    found = gx.jit(lambda x: (x.sum(), np.prod(1 + x * np.float32(1e-5)), x.mean()))(x)
    exact = x.astype("float64")
    factors = (1 + x * np.float32(1e-5)).astype("float64")
    for got, wanted in zip(found, (exact.sum(), np.prod(factors), exact.mean())):
        assert got.dtype == "float32"
        np.testing.assert_allclose(got, wanted, rtol=1e-7)


@pytest.mark.parametrize("name", ["examples", "e0", "n", "p0", "c1", "i0", "v0_0", "context", "math", "t0"])
def test_a_named_size_may_have_any_name(name: str) -> None:
    compiled = gx.jit(lambda x: gx.numpy.sum(x) * gx.numpy.exp(x), specs=(gx.spec((name,), "float64"),))
    np.testing.assert_allclose(np.asarray(compiled(np.arange(3.0))), 3 * np.exp(np.arange(3.0)), rtol=1e-15)


def test_memory_of_results_that_nobody_holds_is_used_again_and_no_other() -> None:
    f = gx.jit(lambda x: (x + 1, x * 2))
    kept = [f(np.full(1000, float(k))) for k in range(6)]
    views = [np.asarray(kept[0][0])[3:5], kept[1][1].numpy().reshape(10, 100)]
    del kept[0], kept[0]
    for k in range(10, 30):
        f(np.full(1000, float(k)))
    np.testing.assert_array_equal(views[0], [1, 1])
    np.testing.assert_array_equal(views[1], np.full((10, 100), 2.0))
    for k, (more, twice) in enumerate(kept, start=2):
        np.testing.assert_array_equal(np.asarray(more), np.full(1000, k + 1.0))
        np.testing.assert_array_equal(np.asarray(twice), np.full(1000, 2.0 * k))
    result = f(np.zeros(1000))
    addresses = set()
    for _ in range(10):
        result = f(np.zeros(1000))
        addresses.add(np.asarray(result[0]).ctypes.data)
    assert len(addresses) <= 4


def test_a_position_is_looked_up_outside_of_what_it_places() -> None:
    def table_gradient(table, rows):  # type: ignore[no-untyped-def]
        return gx.grad(lambda table: gnp.sum(np.take(table, rows, axis=0) ** 3))(table)

    table, rows = np.arange(12.0).reshape(4, 3) / 5, np.array([3, 0, 3, 1, 2, 0])
    source = gx.jit(table_gradient).stages(table, rows).source
    looks = [line for line in source.splitlines() if "= int64(v" in line]
    adds = [line for line in source.splitlines() if " + v" in line and line.lstrip().startswith("b")]
    assert looks and adds
    assert max(map(indent, looks)) < min(map(indent, adds))
    wanted = np.zeros_like(table)
    np.add.at(wanted, rows, 3 * table[rows] ** 2)
    np.testing.assert_allclose(np.asarray(gx.jit(table_gradient)(table, rows)), wanted, rtol=1e-14)


def test_a_position_is_looked_up_outside_of_a_sum_of_what_it_places() -> None:
    def scores(x, y, rows, columns):  # type: ignore[no-untyped-def]
        return gnp.sum(np.take(x, rows, axis=0) * np.take(y, columns, axis=0), axis=1)

    x, y = np.arange(12.0).reshape(4, 3), np.arange(15.0).reshape(5, 3) - 4
    rows, columns = np.array([3, 0, 3, 1]), np.array([4, 4, 0, 2])
    f = gx.jit(scores)
    lines = f.stages(x, y, rows, columns).source.splitlines()
    looks = [line for line in lines if "= int64(v" in line]
    (step,) = [line for line in lines if "= add_up(" in line]
    assert len(looks) == 2 and max(map(indent, looks)) < indent(step)
    np.testing.assert_allclose(f(x, y, rows, columns), (x[rows] * y[columns]).sum(1), rtol=1e-14)
    with pytest.raises(ExecutionError, match="out of range"):
        f(x, y, rows, columns + 3)


def test_parts_that_a_product_reads_side_by_side_are_written_without_choices() -> None:
    def step(x, y, w):  # type: ignore[no-untyped-def]
        return gnp.concatenate([np.exp(x), x * y, y - 1], axis=1) @ w

    x, y, w = np.full((20, 8), 0.5), np.arange(160.0).reshape(20, 8) / 100, np.arange(48.0).reshape(24, 2) / 40
    f = gx.jit(step)
    program, _ = lowered(step, x, y, w)
    loop, product = program.kernels
    assert isinstance(loop, LoopKernel) and isinstance(product, ProductKernel)
    assert not any(isinstance(statement, Choose) for statement in loop.statements())
    stores = [statement for statement in loop.statements() if isinstance(statement, Store)]
    assert len(stores) == 3 and {store.buffer.number for store in stores} == {product.left.buffer.number}
    np.testing.assert_allclose(f(x, y, w), np.concatenate([np.exp(x), x * y, y - 1], 1) @ w, rtol=1e-13)


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def test_each_parameter_is_updated_by_one_kernel_and_all_by_the_same_code() -> None:
    """However many have the same shape: that two loops need the same number is no reason to join them."""
    parameters = [np.full((4, 8), float(k)) for k in range(9)]
    optimizer = optim.adam(1e-2)
    state = optimizer.init(parameters)
    program, graph = lowered(optimizer.update, parameters, parameters, state)
    updates = [k for k in program.kernels if isinstance(k, LoopKernel) and k.loops]
    assert [len(written(kernel)) for kernel in updates] == [3] * 9
    source = emit_cpu(program, graph).text
    assert source.count("math.sqrt(") == 1 + 1  # one body, and the root of what unbiases all
    found = gx.jit(optimizer.update)(parameters, parameters, state)[0]
    for k, value in enumerate(found):
        np.testing.assert_allclose(np.asarray(value), k - 0.01 * (k > 0), rtol=1e-8)


def test_entries_are_summed_along_memory_even_where_another_array_runs_across() -> None:
    """What is summed along its rows is not pushed row by row because the places of a gather lie the other way."""
    table, rows = np.arange(40.0).reshape(5, 8), np.array([[0, 3, 4], [1, 1, 2]])
    program, _ = lowered(lambda table: gnp.sum(np.take(table, rows, axis=0) * 2.0, axis=-1), table)
    assert not any(isinstance(s, Nest) for k in program.kernels if isinstance(k, LoopKernel) for s in k.body)
    found = gx.jit(lambda table: gnp.sum(np.take(table, rows, axis=0) * 2.0, axis=-1))(table)
    np.testing.assert_allclose(np.asarray(found), 2 * table[rows].sum(-1))


def test_loops_over_arrays_of_their_own_memory_look_for_no_overlaps() -> None:
    """Windows of one array may overlap, so a kernel of the same text that has two of them is another function."""

    def sums(x, y):  # type: ignore[no-untyped-def]
        return [np.exp(x).sum(-1), np.exp(y).sum(-1)]

    source = gx.jit(sums).stages(np.ones((9, 5)), np.ones((9, 5))).source
    assert source.count("own_arrays()") == 1
    buffer = Buffer(0, TensorType((8,), "float64"), (0,), "scratch", 0)
    parts = [Buffer(n, buffer.type, (0,), "window", 0, of=buffer) for n in (1, 2)]
    texts = [Function(buffers) for buffers in ([buffer, Buffer(3, buffer.type, (0,), "input", 0)], parts)]
    assert [text.is_apart for text in texts] == [True, False]
    assert texts[0].signature != texts[1].signature


def test_a_long_formula_and_its_gradient_are_one_loop_without_temporary_values() -> None:
    """However many steps it uses twice: what is stored for a reader that joins the loop is not stored in the end."""

    def total(x, y, z):  # type: ignore[no-untyped-def]
        a = gnp.sin(x) * y + gnp.cos(z)
        for _ in range(4):
            a = gnp.tanh(a * y - x) * gnp.sqrt(1.5 + a * a) + gnp.exp(-a * a) * z
        return gnp.sum(a)

    arguments = [np.linspace(-1, 1, 100) + k / 3 for k in range(3)]
    program, _ = lowered(gx.grad(total, (0, 1, 2)), *arguments)
    assert len(program.kernels) == 1
    assert [buffer.role for buffer in program.buffers] == ["input"] * 3 + ["output"] * 3
    wanted = gx.jit(gx.grad(total, (0, 1, 2)), target="numpy")(*arguments)
    for found, expected in zip(gx.jit(gx.grad(total, (0, 1, 2)))(*arguments), wanted):
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-11)


def test_a_short_loop_that_begins_often_is_a_function_of_its_own() -> None:
    """A row of 40 would find out 30 times which of three arrays overlap; a row of 400 is worth that question."""
    for length, count in ((40, 1), (400, 0)):
        x, row = np.ones((30, length)), np.ones(length)
        source = gx.jit(lambda x, row: np.sqrt(x) * row + x.T[:1].T).stages(x, row).source
        assert source.count("own_arrays()") == count, source


def test_a_loop_over_many_arrays_is_a_function_of_its_own() -> None:
    arrays = [np.full(50, float(k)) for k in range(14)]
    source = gx.jit(lambda *arrays: sum(np.sqrt(x) for x in arrays)).stages(*arrays).source
    assert source.count("own_arrays()") == 1 and "def kernel_0(" in source


def test_a_large_value_of_few_additions_is_computed_again() -> None:
    """Reading it back would read as much memory as what it is made of, and writing it comes on top."""

    def twice(x: Any, scale: Any) -> Any:
        y = ((x - 1) * scale + 2) * scale
        return gnp.sum(y * y), gnp.sum(y, axis=0)

    def stored(rows: int, function: Any = twice) -> int:
        program, _ = lowered(function, np.ones((rows, 64), "float32"), np.ones(64, "float32"))
        return sum(buffer.role == "scratch" and buffer.type.shape == (rows, 64) for buffer in program.buffers)

    assert (stored(8), stored(1 << 13)) == (1, 0)
    assert stored(1 << 13, lambda x, scale: twice(np.exp(x), scale)) == 1
    x, scale = np.random.default_rng(0).standard_normal((5000, 64)), np.linspace(0.5, 1.5, 64)
    for found, wanted in zip(gx.jit(twice)(x, scale), twice(x, scale), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_large_value_is_computed_again_where_its_readers_read_what_it_is_made_of() -> None:
    def gated(x: Any, y: Any) -> Any:
        z = gnp.where(x > 0, y, 0.0) * 2
        return gnp.sum(z, axis=0), gnp.sum(z * x, axis=0), gnp.sum(z * z, axis=0)

    def apart(x: Any, y: Any) -> Any:
        z = gnp.where(x > 0, y, 0.0) * 2
        return gnp.sum(z, axis=0), gnp.sum(z * z, axis=0)

    x, y = np.random.default_rng(0).standard_normal((2, 1 << 13, 64))
    for function, stored in ((gated, False), (apart, True)):
        program, _ = lowered(function, x, y)
        assert any(buffer.role == "scratch" and buffer.type.shape == x.shape for buffer in program.buffers) == stored
        for found, wanted in zip(gx.jit(function)(x, y), function(x, y), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_slices_are_added_up_in_the_order_of_memory() -> None:
    """The sum over a middle axis goes from plane to plane, not from slice to slice of all planes."""
    x = np.random.default_rng(0).standard_normal((9, 70, 48))
    program, _ = lowered(lambda x: gnp.sum(x, axis=1), x)
    (kernel,) = program.kernels
    assert isinstance(kernel, LoopKernel)
    assert [loop.extent for loop in kernel.body[-1].loops] == [9, 70, 48]
    np.testing.assert_allclose(gx.jit(lambda x: gnp.sum(x, axis=1))(x), x.sum(axis=1), rtol=1e-11)


@pytest.mark.parametrize("subscripts", ["kij,knj->kni", "knj,kij->kni"])
def test_a_product_lies_as_it_is_written_whichever_operand_comes_first(subscripts: str) -> None:
    """Neither what is computed for a product nor what is made of it is turned in memory."""

    def f(factors: Any, means: Any, x: Any) -> Any:
        moved = x[None] - means[:, None]
        operands = (factors, moved) if subscripts.startswith("kij") else (moved, factors)
        return gnp.sum(np.tanh(gnp.einsum(subscripts, *operands)))

    arguments = np.ones((5, 16, 16)), np.ones((5, 16)), np.ones((70, 16))
    program, _ = lowered(gx.grad(f, (0, 1)), *arguments)
    products = [kernel for kernel in program.kernels if isinstance(kernel, ProductKernel)]
    assert len(products) == 3
    large = {b.number: b for kernel in program.kernels for b in used(kernel) if b.root.size == 5 * 70 * 16}
    assert len(large) >= 3 and all(buffer.is_row_major for buffer in large.values())
    assert all(kernel.result.buffer.is_row_major for kernel in products)


def test_a_matrix_times_a_vector_stays_one() -> None:
    program, _ = lowered(lambda a, x: a @ x, np.ones((40, 30)), np.ones(30))
    (kernel,) = (kernel for kernel in program.kernels if isinstance(kernel, ProductKernel))
    assert (kernel.m, kernel.n) == (40, 1)
