"""Products with windows, read and written where they lie: against the reference, for random shapes and strides."""

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn
from graphcomp import numpy as gnp
from graphcomp.run import blas
from graphcomp.run.interpreter import interpret
from graphcomp.schedule import Program, schedule, windows
from graphcomp.schedule.loops import BLOCK
from graphcomp.schedule.program import Load, LoopKernel, ProductKernel, Transpose, used, walk
from graphcomp.schedule.windows import find_places
from graphcomp.simplify import simplify
from graphcomp.trace.tree import flatten


def leaves_of(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in flatten(tree)[0]]


def program_of(function: Any, *arguments: Any) -> Program:
    return schedule(simplify(gx.trace(function, *arguments)).graph)


def products(program: Program) -> list[ProductKernel]:
    return [kernel for kernel in program.kernels if isinstance(kernel, ProductKernel)]


def convolution(weight: Any, x: Any) -> Any:
    return gnp.einsum("ncijpq,ocpq->noij", gnp.unfold(x, weight.shape[2:]), weight)


def loss_of(layer: Any, x: Any) -> Any:
    return gnp.sum(np.sin(layer(x)))


def layers(rng: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    """A random convolution of any kind, and the shape of its argument."""
    rank, groups = int(rng.integers(1, 3)), int(rng.choice([1, 1, 2]))
    turned = bool(rng.integers(2))
    name = f"{'TransposedConv' if turned else 'Conv'}{rank}d"
    inputs, outputs = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 8))
    window, stride, dilation = (tuple(map(int, rng.integers(1, top, rank))) for top in (5, 4, 3))
    padding = tuple(int(rng.integers(0, size)) for size in window)
    sizes = tuple(int(n) for n in rng.integers(9, 20, rank))
    layer = getattr(nn, name).create(inputs, outputs, window, key=int(rng.integers(99)), stride=stride, padding=padding,
                                     dilation=dilation, groups=groups, dtype="float64")  # fmt: skip
    return layer, (int(rng.choice([1, 3, 16, 20, 33, 40])), inputs, *sizes)


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("threads", [1, 3])
def test_any_convolution_and_its_gradients(seed: int, threads: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    rng = np.random.default_rng(seed)
    layer, shape = layers(rng)
    x = rng.standard_normal(shape)
    step = gx.value_and_grad(loss_of, (0, 1))
    compiled = gx.jit(step, threads=threads)
    wanted = interpret(gx.trace(step, layer, x), leaves_of((layer, x)))
    for _ in range(4):  # a race shows now and then
        for found, expected in zip(leaves_of(compiled(layer, x)), wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [1, 64])
def test_windows_are_not_stored(batch: int) -> None:
    """Forward pass and both gradients of two layers read and write windows where they lie, whatever the batch."""
    first, second, x = np.ones((6, 1, 5, 5)), np.ones((16, 6, 5, 5)), np.ones((batch, 1, 28, 28))

    def loss(first: Any, second: Any, x: Any) -> Any:
        return gnp.sum(np.tanh(convolution(second, np.tanh(convolution(first, x)))))

    program = program_of(gx.grad(loss, (0, 1)), first, second, x)
    assert len(products(program)) == 5
    largest = 16 * batch * 20 * 20
    assert max(np.prod(buffer.type.shape) for buffer in program.buffers) == largest


def test_the_letter_along_memory_is_that_of_the_batch_or_the_last_place() -> None:
    # 28 places fill seven eighths of two vectors, 32 all of them: there the batch fills no more, and images stay.
    for batch, width, wanted in ((64, 30, "n"), (16, 30, "n"), (1, 30, "j"), (64, 34, "j"), (64, 18, "n")):
        graph = gx.trace(convolution, np.ones((4, 3, 3, 3)), np.ones((batch, 3, 10, width)))
        (found,) = filter(None, (find_places(graph, node) for node in graph.nodes()))
        assert (found.vector, found.windows.slot) == (wanted, 0)
    graph = gx.trace(convolution, np.ones((4, 3, 3, 3)), np.ones((1, 3, 34, 34)))
    (found,) = filter(None, (find_places(graph, node) for node in graph.nodes()))
    assert found.vector == "j"  # a square image stays as it is
    graph = gx.trace(convolution, np.ones((4, 3, 3, 3)), np.ones((1, 3, 6, 6)))
    assert not any(find_places(graph, node) for node in graph.nodes())  # four places fill no vector


def test_heads_side_by_side_are_no_windows() -> None:
    """An axis that is split has two counters, which never meet at an entry."""

    def attend(q: Any, k: Any) -> Any:
        split = (gnp.transpose(gnp.reshape(a, (64, 4, 32)), (1, 0, 2)) for a in (q, k))
        return gnp.einsum("hid,hjd->hij", *split)

    graph = gx.trace(attend, np.ones((64, 128)), np.ones((64, 128)))
    assert not any(find_places(graph, node) for node in graph.nodes())


def test_layers_over_a_batch_need_no_meeting() -> None:
    """Each thread keeps to its part of the batch, forward and back, until the gradients of the weights."""
    first, second = np.ones((8, 3, 3, 3), "float32"), np.ones((8, 8, 3, 3), "float32")

    def value(first: Any, second: Any, x: Any) -> Any:
        return gnp.maximum(convolution(second, gnp.maximum(convolution(first, gnp.maximum(x, 0)), 0)), 0)

    program = program_of(value, first, second, np.ones((64, 3, 12, 12), "float32"))
    kernels = program.kernels
    assert [kernel.meets for kernel in kernels].count(True) <= 2
    assert all(kernel.is_shared for kernel in kernels)
    between = kernels[kernels.index(products(program)[0]) : kernels.index(products(program)[1]) + 1]
    assert not any(kernel.meets for kernel in between[1:])


def test_windows_that_do_not_overlap_are_put_back_without_a_sum() -> None:
    program = program_of(gx.grad(lambda x: gnp.sum(np.sin(nn.AveragePool2d(2)(x)))), np.ones((4, 3, 8, 8)))
    assert not any(type(s).__name__ == "Reduce" for s in program.kernels[-1].statements())


def test_rows_that_overlap_in_the_result_are_added_one_after_the_other() -> None:
    """Of one image with one channel only the window's entries could be rows, and they meet in the result."""
    rng = np.random.default_rng(5)
    layer = nn.TransposedConv1d.create(3, 1, 5, key=0, dtype="float64")
    x = rng.standard_normal((1, 3, 40))
    (product,) = products(program_of(layer, x))
    assert product.adds and product.m == 1
    np.testing.assert_allclose(gx.jit(layer)(x), interpret(gx.trace(layer, x), [x])[0], rtol=1e-12, atol=1e-12)


def test_places_whose_windows_overlap_are_not_shared_out() -> None:
    """Two threads would add to the same entries at the same time."""
    weight, x = np.ones((4, 3, 3, 3)), np.ones((1, 3, 34, 18))
    program = program_of(gx.grad(lambda x: gnp.sum(np.sin(convolution(weight, x)))), x)
    (adding,) = [product for product in products(program) if product.adds]
    assert adding.batch[0] >= 16  # lines of places, enough of them for a team
    assert adding.shared == ""


def test_a_named_batch() -> None:
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((5, 2, 3, 3))
    compiled = gx.jit(gx.value_and_grad(lambda w, x: gnp.sum(np.sin(convolution(w, x))), (0, 1)),
                      specs=(gx.spec(weight.shape, "float64"), gx.spec(("B", 2, 7, 9), "float64")))  # fmt: skip
    for batch in (1, 5, 16, 33):
        x = rng.standard_normal((batch, 2, 7, 9))
        graph = gx.trace(gx.value_and_grad(lambda w, x: gnp.sum(np.sin(convolution(w, x))), (0, 1)), weight, x)
        for found, expected in zip(leaves_of(compiled(weight, x)), interpret(graph, [weight, x]), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_what_lies_the_other_way_is_read_in_blocks() -> None:
    """A transposition turns in blocks, so that a line of the cache is used up while it is there."""
    x = np.random.default_rng(0).standard_normal((64, 2048))
    weight = np.ones((1, 1, 3))
    rows = np.random.default_rng(1).standard_normal((64, 1, 4092))  # 4090 places do not fill their vectors

    def smooth(weight: Any, x: Any) -> Any:
        return gnp.einsum("nclp,ocp->nol", gnp.unfold(np.tanh(x), (3,)), weight)

    program = program_of(smooth, weight, rows)
    turned = next(kernel for kernel in program.kernels if "tanh" in str(kernel))
    assert isinstance(turned, LoopKernel)
    assert len(turned.loops) == 3  # 4092 positions are read in runs, of each of the 64 rows in turn
    assert turned.loops[1].extent == 64
    wanted = sum(np.tanh(rows[:, 0, k : k + 4090]) for k in range(3))
    np.testing.assert_allclose(gx.jit(smooth)(weight, rows)[:, 0], wanted, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(gx.jit(lambda x: np.negative(x).T)(x), -x.T)


@pytest.mark.parametrize(("batch", "shared"), [(32, "batch"), (64, "columns")])
def test_columns_are_shared_out_where_they_are_long(batch: int, shared: str) -> None:
    """Half of a few columns would fill a part of each tile; of few, the places are shared out."""
    program = program_of(convolution, np.ones((8, 4, 3, 3), "float32"), np.ones((batch, 4, 12, 12), "float32"))
    assert [product.shared for product in products(program)] == [shared]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_gradients_of_images_are_added_up_in_registers(seed: int, threads: int, monkeypatch: Any) -> None:
    """Entry by entry over the window, whose offsets end where the places do: infinite weights spoil no more of it."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 3))
    window, dilation = tuple(map(int, rng.integers(2, 5, rank))), tuple(map(int, rng.integers(1, 4, rank)))
    padding = tuple(int(rng.integers(0, size + 2)) for size in window)
    layer = getattr(nn, f"Conv{rank}d").create(2, 3, window, key=seed, padding=padding,
                                               dilation=dilation, dtype="float64")  # fmt: skip
    if seed % 2:
        layer.weight.flat[int(rng.integers(layer.weight.size))] = np.inf
    x = rng.standard_normal((int(rng.choice([16, 32, 48])), 2, *(int(n) for n in rng.integers(10, 14, rank))))

    def gradient(x: Any) -> Any:
        return gx.grad(lambda x: gnp.sum(layer(np.tanh(x)) * weights))(x)

    weights = rng.standard_normal(layer(x).shape)
    (product,) = products(program_of(gradient, x))
    assert product.limits and not product.adds
    wanted = interpret(gx.trace(gradient, x), [x])[0]
    for _ in range(3):
        np.testing.assert_allclose(gx.jit(gradient, threads=threads)(x), wanted, rtol=1e-10, atol=1e-10)


def test_what_is_read_across_is_read_from_the_copy_that_a_product_made() -> None:
    """The images that are added after two layers are read from the padded copy that the first one reads."""
    layer = nn.Conv2d.create(3, 3, 3, key=0, padding=1, dtype="float64")
    x = np.random.default_rng(0).standard_normal((32, 3, 12, 12))

    def skip(x: Any) -> Any:
        return gnp.sum(np.tanh(layer(np.tanh(layer(x)) + x)) ** 2)

    program = program_of(skip, x)
    readers = [kernel for kernel in program.kernels if any(b is program.inputs[0] for b in used(kernel))]
    assert len(readers) == 1
    wanted = interpret(gx.trace(skip, x), [x])[0]
    np.testing.assert_allclose(gx.jit(skip)(x), wanted, rtol=1e-12)
    gradient = gx.grad(skip)
    np.testing.assert_allclose(gx.jit(gradient)(x), interpret(gx.trace(gradient, x), [x])[0], rtol=1e-9, atol=1e-12)


def test_what_a_product_makes_for_a_layer_of_windows_is_laid_out_for_it() -> None:
    """The gradient that comes down from a dense layer has the batch innermost, as the convolution below reads it."""
    rng = np.random.default_rng(0)
    layer, dense = nn.Conv2d.create(2, 3, 3, key=0, dtype="float64"), rng.standard_normal((3, 7))
    x = rng.standard_normal((32, 2, 9, 9))

    def loss(layer: Any, x: Any) -> Any:
        return gnp.sum(np.sin(gnp.mean(layer(x), axis=(2, 3)) @ dense))

    gradient = gx.grad(loss)
    made = products(program_of(gradient, layer, x))
    assert any(product.result.buffer.type.shape == (32, 3) and product.n == 32 for product in made)
    wanted = interpret(gx.trace(gradient, layer, x), leaves_of((layer, x)))
    for found, expected in zip(leaves_of(gx.jit(gradient)(layer, x)), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_a_product_before_a_pool_s_gradient_is_laid_out_for_it() -> None:
    """What a dense layer hands back to images whose batch runs along memory runs along it too: nobody gathers it, and
    each thread reads what it made of its own images."""

    def loss(weight: Any, dense: Any, x: Any) -> Any:
        images = nn.MaxPool2d(2)(convolution(weight, x))
        return gnp.sum(np.sin(images.reshape(images.shape[0], -1) @ dense))

    rng = np.random.default_rng(0)
    arguments = tuple(rng.standard_normal(shape) for shape in ((4, 2, 3, 3), (64, 64), (64, 2, 10, 10)))
    program = program_of(gx.grad(loss, 0), *arguments)
    pulled, kernel = program.kernels[-3:-1]
    assert isinstance(pulled, ProductKernel) and pulled.shared == "columns" and pulled.result.n == 1
    assert isinstance(kernel, LoopKernel) and not kernel.meets and kernel.is_shared
    loads = [s for s in kernel.statements() if isinstance(s, Load) and s.buffer is pulled.result.buffer]
    innermost = kernel.loops[-1].variable
    assert [[step for atom, step in load.address.terms if atom.name == innermost] for load in loads] == [[1]]
    for threads in (1, 2, 3):
        found = gx.jit(gx.grad(loss, 0), threads=threads)(*arguments)
        (wanted,) = interpret(gx.trace(gx.grad(loss, 0), *arguments), list(arguments))
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_small_result_is_added_up_in_parts(stride: int, dtype: str, monkeypatch: Any) -> None:
    """Of a weight's gradient with few rows, each row of the image gives a part, which threads share out; where steps of
    two loops add to it, those of the second one add to the parts."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    monkeypatch.setattr(windows, "RUN_BYTES", 1 << 10)
    rng = np.random.default_rng(stride)

    def loss(weight: Any, x: Any) -> Any:
        shown = gnp.unfold(x, (3, 3), (stride, stride))
        return gnp.sum(np.sin(gnp.einsum("ncijpq,ocpq->noij", shown, weight)))

    x, weight = (rng.standard_normal(shape).astype(dtype) for shape in ((32, 2, 21, 21), (3, 2, 3, 3)))
    gradient = gx.grad(loss)
    program = program_of(gradient, weight, x)
    *_, product, total = program.kernels
    assert isinstance(product, ProductKernel) and isinstance(total, LoopKernel)
    assert product.shared == "batch" and product.batch[0] == product.result.buffer.type.shape[0] >= 8
    assert product.adds == (stride == 2) and sum(step == 0 for step in product.result.batch) == (stride == 2)
    (wanted,) = interpret(gx.trace(gradient, weight, x), [weight, x])
    first = b""
    for threads in (1, 2, 3, 5):
        compiled = gx.jit(gradient, threads=threads)
        for _ in range(3):
            found = np.asarray(compiled(weight, x))
            first = first or found.tobytes()
            assert found.tobytes() == first
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def transpositions_of(program: Program) -> list[Transpose]:
    kernels = [kernel for kernel in program.kernels if isinstance(kernel, LoopKernel)]
    return [each for kernel in kernels for each in walk(kernel.body) if isinstance(each, Transpose)]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_copies_across_are_turned_in_registers(seed: int, threads: int, monkeypatch: Any) -> None:
    """Images of any size, dtype and margin, laid out for their batch and back."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    rng = np.random.default_rng(seed)
    dtype, rank = str(rng.choice(["float32", "float64"])), int(rng.integers(1, 3))
    sizes = tuple(int(n) for n in (rng.integers(8, 30, 2) if rank == 2 else rng.integers(300, 800, 1)))
    margin = tuple(int(n) for n in rng.integers(0, 3, rank))
    channels = int(rng.choice([3, 8, 9]))
    layer = getattr(nn, f"Conv{rank}d").create(channels, 2, 3, key=seed, padding=margin, dtype=dtype)
    x = rng.standard_normal((int(rng.choice([16, 32, 48, 64])), channels, *sizes)).astype(dtype)
    program = program_of(layer, x)
    # With few channels it is the lines of places that are shared out, and a margin would leave the threads uneven.
    # Rows that fill their vectors as the batch does stay as they are.
    places = sizes[-1] + 2 * margin[-1] - 2
    fills = places >= 32 and places % 16 == 0
    assert bool(transpositions_of(program)) == (x.size > BLOCK and (channels >= 8 or margin[0] == 0) and not fills)
    wanted = interpret(gx.trace(layer, x), [x])[0]
    compiled = gx.jit(layer, threads=threads)
    for _ in range(3):
        np.testing.assert_allclose(compiled(x), wanted, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("shape", [(200, 90), (91, 203), (5, 64, 70), (3, 300, 17), (90, 12, 50), (4000, 3)])
def test_axes_that_change_places_are_turned(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    for axes in {(*range(len(shape) - 2), -1, -2), tuple(range(len(shape)))[::-1]}:
        program = program_of(lambda x: gnp.transpose(x, axes), x)  # noqa: B023
        assert bool(transpositions_of(program)) == (min(shape[axes[-1]], shape[-1]) >= 8)
        np.testing.assert_array_equal(gx.jit(lambda x: gnp.transpose(x, axes))(x), np.transpose(x, axes))  # noqa: B023


def test_zeros_on_one_side_or_nothing_inside() -> None:
    x = np.random.default_rng(0).standard_normal((64, 200))
    for start, size in ((-3, 205), (2, 300), (-9, 12), (0, 203)):
        before, after = max(0, -start), max(0, start + size - 200)
        first, last = max(0, start), min(200, start + size)

        def part(x: Any) -> Any:
            return gnp.pad(gnp.transpose(x)[first:last], ((before, after), (0, 0)))  # noqa: B023

        np.testing.assert_array_equal(gx.jit(part)(x), part(x))


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize(("height", "part"), [(34, 2), (32, 3), (31, 1)])
def test_long_sums_are_taken_in_parts_that_the_caches_hold(
    height: int, part: int, threads: int, monkeypatch: Any
) -> None:
    """Of the sum over all lines of places, several at a time where their number can be divided."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    monkeypatch.setattr(windows, "PARTS_SIZE", 0)  # small results would be added up by several threads
    rng = np.random.default_rng(height)
    weight, x = rng.standard_normal((5, 2, 3, 3)), rng.standard_normal((32, 2, height, 42))
    places = rng.standard_normal((32, 5, height - 2, 40))

    def gradient(weight: Any, x: Any) -> Any:
        return gx.grad(lambda weight: gnp.sum(convolution(weight, x) * places))(weight)

    (product,) = products(program_of(gradient, weight, x))
    assert product.batch[0] == (height - 2) // part
    assert product.inner == ((part, 1280) if part > 1 else (1280,))
    wanted = np.einsum("ncijpq,noij->ocpq", np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3)), places)
    np.testing.assert_allclose(gx.jit(gradient, threads=threads)(weight, x), wanted, rtol=1e-10, atol=1e-9)


ROUNDABOUT: dict[str, Any] = {
    "scan": lambda x: gx.scan(lambda held, row: (np.tanh(held + row), held * row), x[0], x)[1],
    "cond": lambda x: gx.cond(gnp.sum(x) > 0, np.sin, np.tanh, x),
    "while": lambda x: gx.while_loop(lambda x: gnp.sum(x * x) > 1, lambda x: x / 2, x, max_steps=20),
}


@pytest.mark.parametrize("name", ROUNDABOUT)
def test_windows_of_what_a_loop_or_a_branch_gives(name: str) -> None:
    """And the other way round: both are asked how their entries lie in memory."""

    def loss(weight: Any, x: Any) -> Any:
        return gnp.sum(np.sin(ROUNDABOUT[name](convolution(weight, ROUNDABOUT[name](x)))))

    rng = np.random.default_rng(1)
    weight, x = rng.normal(size=(3, 3, 2, 2)), rng.normal(size=(20, 3, 9, 8))
    step = gx.grad(loss, (0, 1))
    for found, wanted in zip(gx.jit(step)(weight, x), gx.jit(step, target="numpy")(weight, x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.TransposedConv2d])
def test_no_images(kind: Any) -> None:
    layer = kind.create(2, 3, 3, key=0, dtype="float64")
    step = gx.value_and_grad(loss_of, (0, 1))
    value, (of_layer, of_x) = gx.jit(step)(layer, np.ones((0, 2, 20, 20)))
    assert float(value) == 0 and of_x.shape == (0, 2, 20, 20)
    assert not np.any(of_layer.weight) and of_layer.weight.shape == layer.weight.shape
