"""Layers and losses: values and gradients against PyTorch where it is installed, else against NumPy and differences."""

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import errors, nn, random, train
from graphcomp import numpy as gnp
from graphcomp.trace.tree import flatten, leaves

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


def values(*shape, seed=0, dtype="float64"):
    return np.random.default_rng((seed, *shape)).normal(size=shape).astype(dtype)


def agrees_with_torch(ours, theirs, *arrays, rtol=1e-9):
    """The same values and, for a random cotangent, the same gradients with respect to every array."""
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    expected = theirs(*tensors)
    cotangent = values(*expected.shape, seed=9)

    def weighted(*inputs):
        result = ours(*inputs)
        return (result * cotangent).sum(), result

    (_, found), gradients = gx.value_and_grad(weighted, tuple(range(len(arrays))), has_aux=True)(*arrays)
    (expected * torch.tensor(cotangent)).sum().backward()
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=rtol, atol=1e-10)
    for gradient, tensor in zip(gradients, tensors):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=rtol, atol=1e-10)


# convolution and pooling ---------------------------------------------------------------------------------------------

CONVOLUTIONS = [
    {},
    {"stride": 2},
    {"padding": 2},
    {"dilation": 2},
    {"groups": 2},
    {"stride": 3, "padding": 1, "dilation": 2, "groups": 4},
]


@needs_torch
@pytest.mark.parametrize("options", CONVOLUTIONS, ids=str)
def test_conv1d(options):
    x, weight, bias = values(2, 4, 11), values(8, 4 // options.get("groups", 1), 3), values(8)
    agrees_with_torch(
        lambda x, w, b: nn.Conv1d(w, b, **options)(x), lambda x, w, b: F.conv1d(x, w, b, **options), x, weight, bias
    )


@needs_torch
@pytest.mark.parametrize("options", [*CONVOLUTIONS, {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)}], ids=str)
def test_conv2d(options):
    x, weight, bias = values(2, 4, 9, 8), values(8, 4 // options.get("groups", 1), 3, 2), values(8)
    agrees_with_torch(
        lambda x, w, b: nn.Conv2d(w, b, **options)(x), lambda x, w, b: F.conv2d(x, w, b, **options), x, weight, bias
    )


TRANSPOSED = [
    {},
    {"stride": 2, "output_padding": 1},
    {"stride": 3, "padding": 2},
    {"dilation": 2},
    {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 2, "groups": 2},
]


@needs_torch
@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed_convolutions(options):
    weight, bias = values(4, 3, 3), values(3 * options.get("groups", 1))
    agrees_with_torch(
        lambda x, w, b: nn.TransposedConv1d(w, b, **options)(x),
        lambda x, w, b: F.conv_transpose1d(x, w, b, **options),
        *(values(2, 4, 5), weight, bias),
    )
    agrees_with_torch(
        lambda x, w, b: nn.TransposedConv2d(w, b, **options)(x),
        lambda x, w, b: F.conv_transpose2d(x, w, b, **options),
        *(values(2, 4, 5, 4), values(4, 3, 3, 2), bias),
    )


def test_transposed_convolution_is_the_transpose():
    """⟨conv(x), y⟩ = ⟨x, transposed(y)⟩ with the same weights."""
    options = {"stride": 2, "padding": 1}
    weight, x = values(6, 4, 3, 3), values(2, 4, 7, 7)
    convolution, transposed = nn.Conv2d(weight, None, **options), nn.TransposedConv2d(weight, None, **options)
    y = values(*convolution(x).shape, seed=1)
    np.testing.assert_allclose((convolution(x) * y).sum(), (x * transposed(y)).sum(), rtol=1e-12)


def test_convolution_by_hand():
    x, weight = values(1, 2, 5, 6), values(3, 2, 2, 3)
    expected = np.zeros((1, 3, 4, 4))
    for o, i, j in np.ndindex(3, 4, 4):
        expected[0, o, i, j] = (x[0, :, i : i + 2, j : j + 3] * weight[o]).sum()
    np.testing.assert_allclose(nn.Conv2d(weight)(x), expected, rtol=1e-12)


POOLS = [(2, None, 0), (3, 2, 1), ((2, 3), (1, 2), 0), (3, 1, 1)]


@needs_torch
@pytest.mark.parametrize(("window", "stride", "padding"), POOLS)
def test_pools_2d(window, stride, padding):
    x = values(2, 3, 7, 8)
    agrees_with_torch(nn.MaxPool2d(window, stride, padding), lambda x: F.max_pool2d(x, window, stride, padding), x)
    agrees_with_torch(nn.AveragePool2d(window, stride, padding), lambda x: F.avg_pool2d(x, window, stride, padding), x)


@needs_torch
def test_pools_1d():
    x = values(2, 3, 9)
    agrees_with_torch(nn.MaxPool1d(3, 2, 1), lambda x: F.max_pool1d(x, 3, 2, 1), x)
    agrees_with_torch(nn.AveragePool1d(2), lambda x: F.avg_pool1d(x, 2), x)


def test_pools_by_hand():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    np.testing.assert_array_equal(nn.MaxPool2d(2)(x)[0, 0], [[5, 7], [13, 15]])
    np.testing.assert_array_equal(nn.AveragePool2d(2)(x)[0, 0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(nn.global_average_pool(x), [[7.5]])
    ties = gx.grad(lambda x: nn.MaxPool2d(2)(x).sum())(np.zeros((1, 1, 2, 2)))
    np.testing.assert_array_equal(ties[0, 0], [[1, 0], [0, 0]])


# recurrent -----------------------------------------------------------------------------------------------------------


def cell_arrays(gates, inputs=3, hidden=5):
    return (
        values(4, inputs),
        values(4, hidden),
        values(inputs, gates * hidden),
        values(hidden, gates * hidden),
        values(gates * hidden),
    )


@needs_torch
def test_rnn_cell():
    agrees_with_torch(
        lambda x, h, w, u, b: nn.RNNCell(w, u, b)(x, h),
        lambda x, h, w, u, b: torch.rnn_tanh_cell(x, h, w.T, u.T, b, torch.zeros_like(b)),
        *cell_arrays(1),
    )


@needs_torch
@pytest.mark.parametrize("part", [0, 1])
def test_lstm_cell(part):
    memory = values(4, 5, seed=3)
    agrees_with_torch(
        lambda x, h, w, u, b, c: nn.LSTMCell(w, u, b)(x, (h, c))[part],
        lambda x, h, w, u, b, c: torch.lstm_cell(x, (h, c), w.T, u.T, b, torch.zeros_like(b))[part],
        *(*cell_arrays(4), memory),
    )


@needs_torch
def test_gru_cell():
    def theirs(x, h, w, u, b, c):
        return torch.gru_cell(x, h, w.T, u.T, b, torch.cat([torch.zeros(10, dtype=c.dtype), c]))

    agrees_with_torch(
        lambda x, h, w, u, b, c: nn.GRUCell(w, u, b, c)(x, h), theirs, *(*cell_arrays(3), values(5, seed=4))
    )


def test_cells_by_hand():
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    x, h, w, u, b = cell_arrays(4)
    c = values(4, 5, seed=3)
    i, f, g, o = np.split(x @ w + h @ u + b, 4, 1)
    memory = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    found = nn.LSTMCell(w, u, b)(x, (h, c))
    np.testing.assert_allclose(found, (sigmoid(o) * np.tanh(memory), memory), rtol=1e-12)
    x, h, w, u, b = cell_arrays(3)
    (xr, xz, xn), (hr, hz, hn) = np.split(x @ w + b, 3, 1), np.split(h @ u, 3, 1)
    z, n = sigmoid(xz + hz), np.tanh(xn + sigmoid(xr + hr) * (hn + 0.3))
    np.testing.assert_allclose(nn.GRUCell(w, u, b, np.full(5, 0.3))(x, h), (1 - z) * n + z * h, rtol=1e-12)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_recurrent_layers_stop_at_each_length(kind):
    layer = kind.create(3, 5, key=0, dtype="float64")
    x, lengths = values(4, 6, 3), np.array([1, 6, 3, 2])
    outputs, final = layer(x, lengths)
    hidden = final[0] if kind is nn.LSTM else final
    assert outputs.shape == (4, 6, 5)
    for row, length in enumerate(lengths):
        alone, _ = layer(x[row : row + 1, :length])
        np.testing.assert_allclose(outputs[row, :length], alone[0], rtol=1e-12)
        np.testing.assert_allclose(hidden[row], alone[0, -1], rtol=1e-12)


def test_recurrent_gradient_ignores_what_follows_the_end():
    layer = nn.LSTM.create(3, 5, key=0, dtype="float64")
    gradient = gx.grad(lambda x: layer(x, np.array([2, 4]))[1][0].sum())(values(2, 4, 3))
    assert not gradient[0, 2:].any() and gradient[1].all()


def test_initial_state_and_forget_bias():
    layer = nn.LSTM.create(3, 5, key=0)
    np.testing.assert_array_equal(layer.cell.bias, np.repeat([0, 1, 0, 0], 5))
    whole, _ = layer(values(2, 4, 3, dtype="float32"))
    _, middle = layer(values(2, 4, 3, dtype="float32")[:, :2])
    rest, _ = layer(values(2, 4, 3, dtype="float32")[:, 2:], initial=middle)
    np.testing.assert_allclose(whole[:, 2:], rest, rtol=1e-5)
    assert whole.dtype == np.float32


# attention -----------------------------------------------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("causal", [False, True])
def test_dot_product_attention(causal):
    mask = nn.causal_mask(4, 4) if causal else None
    agrees_with_torch(
        lambda q, k, v: nn.dot_product_attention(q, k, v, mask),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal),
        *(values(2, 3, 4, 5), values(2, 3, 4, 5, seed=1), values(2, 3, 4, 6)),
    )


@needs_torch
@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention(causal):
    layer = nn.MultiHeadAttention.create(8, 2, key=3, dtype="float64")
    layers = (layer.query, layer.key, layer.value)

    def theirs(x):
        reference = torch.nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64)
        with torch.no_grad():
            reference.in_proj_weight.copy_(torch.tensor(np.concatenate([part.weight.T for part in layers])))
            reference.out_proj.weight.copy_(torch.tensor(layer.output.weight.T))
        hidden = torch.tensor(~nn.causal_mask(5, 5)) if causal else None
        return reference(x, x, x, attn_mask=hidden, need_weights=False)[0]

    agrees_with_torch(lambda x: layer(x, causal=causal), theirs, values(2, 5, 8))


def test_causal_attention_does_not_look_ahead():
    block = nn.TransformerBlock.create(8, 2, key=1, causal=True, dtype="float64")
    gradient = gx.grad(lambda x: block(x)[:, 2].sum())(values(1, 5, 8))
    assert not gradient[:, 3:].any() and gradient[:, :3].all()


def test_attention_to_a_context_and_a_mask():
    layer = nn.MultiHeadAttention.create(8, 2, key=3, dtype="float64")
    x, context = values(2, 3, 8), values(2, 6, 8)
    mask = np.arange(6) < 4
    np.testing.assert_allclose(layer(x, context, mask=mask), layer(x, context[:, :4]), rtol=1e-12)
    assert np.isfinite(layer(x, context, mask=np.zeros(6, bool))).all()


def test_attention_by_hand():
    q, k, v = values(4, 5), values(3, 5), values(3, 2)
    scores = np.exp(q @ k.T / np.sqrt(5)) * np.array([1, 1, 0])
    expected = scores / scores.sum(1, keepdims=True) @ v
    np.testing.assert_allclose(nn.dot_product_attention(q, k, v, np.array([True, True, False])), expected, rtol=1e-12)


# normalisation -------------------------------------------------------------------------------------------------------


@needs_torch
def test_layer_norm():
    agrees_with_torch(
        lambda x, a, b: nn.LayerNorm(a, b)(x),
        lambda x, a, b: F.layer_norm(x, (6,), a, b),
        *(values(3, 4, 6), values(6), values(6, seed=1)),
    )


@needs_torch
@pytest.mark.parametrize("shape", [(7, 4), (3, 4, 5), (3, 4, 5, 6)])
def test_batch_norm(shape):
    agrees_with_torch(
        lambda x, a, b: nn.BatchNorm(a, b)(x),
        lambda x, a, b: F.batch_norm(x, None, None, a, b, training=True),
        *(values(*shape), values(4), values(4, seed=1)),
    )


def test_batch_norm_with_given_statistics():
    norm = nn.BatchNorm.create(4, dtype="float64")
    x = values(8, 4, 3)
    np.testing.assert_allclose(norm(x[:2], norm.statistics(x)), norm(x)[:2], rtol=1e-12)


class Normed(nn.Module):
    """Two batch norms, one of them in a list, and a name for each place."""

    first: nn.Conv1d
    norm: nn.BatchNorm
    rest: list
    head: nn.Linear

    def __call__(self, x):
        x = nn.relu(self.norm(self.first(x)))
        for layer in self.rest:
            x = layer(x)
        return self.head(x.mean(-1))


class Spare(nn.Module):
    """Passes its input on, and leaves its layer unused."""

    layer: nn.BatchNorm

    def __call__(self, x):
        return x


def normed():
    norms = [nn.BatchNorm(values(3, seed=k) + 2, values(3, seed=k + 5)) for k in range(2)]
    convolution = nn.Conv1d.create(2, 3, 3, key=0, dtype="float64")
    return Normed(convolution, norms[0], [norms[1], nn.tanh], nn.Linear.create(3, 2, key=1, dtype="float64"))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_population_statistics(target):
    """Algorithm 2: means of the batches' means, and of their unbiased variances; the second norm sees the first."""
    model, batches = normed(), [(values(6, 2, 9, seed=k),) for k in range(3)]
    held = train.with_population_statistics(model, batches, target=target)
    inputs = [model.first(x) for (x,) in batches]
    np.testing.assert_allclose(held.norm.mean, np.mean([x.mean((0, 2)) for x in inputs], 0), rtol=1e-12)
    variances = [x.var((0, 2), ddof=1) for x in inputs]
    np.testing.assert_allclose(held.norm.variance, np.mean(variances, 0), rtol=1e-12)
    inputs = [nn.relu(model.norm(x)) for x in inputs]
    np.testing.assert_allclose(held.rest[0].mean, np.mean([x.mean((0, 2)) for x in inputs], 0), rtol=1e-12)
    assert model.norm.mean is None and held.norm.scale is model.norm.scale and held.rest[1] is nn.tanh
    x = values(5, 2, 9, seed=7)
    np.testing.assert_allclose(held(x)[2:3], held(x[2:3]), rtol=1e-12)
    assert np.abs(model(x)[2:3] - model(x[2:3])).max() > 0.01
    again = train.with_population_statistics(held, batches, target=target)
    np.testing.assert_array_equal(again.norm.mean, held.norm.mean)


def test_held_statistics_get_no_gradient_and_are_saved(tmp_path):
    held = train.with_population_statistics(normed(), [(values(6, 2, 9),)], target="numpy")
    gradients = gx.grad(lambda model: model(values(4, 2, 9)).sum())(held)
    assert not gradients.norm.mean.any() and not gradients.rest[0].variance.any() and gradients.norm.scale.any()
    train.save_weights(tmp_path / "model.safetensors", held)
    blank = train.with_population_statistics(normed(), [(values(6, 2, 9, seed=3),)], target="numpy")
    loaded = train.load_weights(tmp_path / "model.safetensors", blank)
    np.testing.assert_array_equal(loaded.rest[0].variance, held.rest[0].variance)


@needs_torch
def test_batch_norm_with_held_statistics():
    mean, variance = values(4, seed=2), np.exp(values(4, seed=3))
    agrees_with_torch(
        lambda x, a, b: nn.BatchNorm(a, b, mean=mean, variance=variance)(x),
        lambda x, a, b: F.batch_norm(x, torch.tensor(mean), torch.tensor(variance), a, b, training=False),
        *(values(8, 4, 3), values(4), values(4, seed=1)),
    )


def test_what_cannot_be_measured_is_refused():
    for model, batches in ((nn.relu, [(values(2, 3),)]), (nn.BatchNorm.create(3), [])):
        with pytest.raises(errors.InputError, match="nothing to measure"):
            train.with_population_statistics(model, batches, target="numpy")
    with pytest.raises(errors.ShapeError, match="needs two"):
        train.with_population_statistics(nn.BatchNorm.create(3), [(values(1, 3),)], target="numpy")
    model = normed()
    object.__setattr__(model, "rest", [Spare(nn.BatchNorm.create(3))])
    with pytest.raises(errors.InputError, match="does not use: BatchNorm"):
        train.with_population_statistics(model, [(values(4, 2, 9),)], target="numpy")


# activations and losses ----------------------------------------------------------------------------------------------

ACTIVATIONS = ["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "softplus"]


@needs_torch
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    reference = torch.sigmoid if name == "sigmoid" else torch.tanh if name == "tanh" else getattr(F, name)
    agrees_with_torch(getattr(nn, name), reference, values(4, 50) * 3)


@needs_torch
@pytest.mark.parametrize("axis", [0, -1])
def test_softmax(axis):
    agrees_with_torch(lambda x: nn.softmax(x, axis), lambda x: F.softmax(x, axis), values(3, 5))
    agrees_with_torch(lambda x: nn.log_softmax(x, axis), lambda x: F.log_softmax(x, axis), values(3, 5))


@needs_torch
def test_approximate_gelu():
    agrees_with_torch(lambda x: nn.gelu(x, approximate=True), lambda x: F.gelu(x, approximate="tanh"), values(30))


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "gelu", "sigmoid", "softplus", "silu", "elu"])
def test_activations_stay_finite_far_out(name):
    x = np.array([-1e4, -90.0, 0.0, 90.0, 1e4], "float32")
    value, gradient = gx.value_and_grad(lambda x: getattr(nn, name)(x)[3])(x)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert np.isfinite(getattr(nn, name)(x)).all()


@needs_torch
def test_losses():
    targets = random.uniform(random.key(0), (6, 4), dtype="float64")
    labels = np.array([0, 3, 1, 1, 2, 0])
    pairs = [
        (lambda x: nn.softmax_cross_entropy(x, labels), lambda x: F.cross_entropy(x, torch.tensor(labels))),
        (
            lambda x: nn.binary_cross_entropy_with_logits(x, targets),
            lambda x: F.binary_cross_entropy_with_logits(x, torch.tensor(targets)),
        ),
        (lambda x: nn.mean_squared_error(x, targets), lambda x: F.mse_loss(x, torch.tensor(targets))),
        (lambda x: nn.mean_absolute_error(x, targets), lambda x: F.l1_loss(x, torch.tensor(targets))),
        (lambda x: nn.huber(x, targets, 0.7), lambda x: F.huber_loss(x, torch.tensor(targets), delta=0.7)),
    ]
    for ours, theirs in pairs:
        agrees_with_torch(ours, theirs, values(6, 4) * 2)


def test_losses_and_layer_norm_by_hand():
    x, targets = values(3, 4), np.array([[0, 1, 1, 0]] * 3)
    chance = 1 / (1 + np.exp(-x))
    binary = -np.where(targets, np.log(chance), np.log(1 - chance)).mean()
    np.testing.assert_allclose(nn.binary_cross_entropy_with_logits(x, targets), binary, rtol=1e-12)
    np.testing.assert_allclose(nn.mean_squared_error(x, targets), ((x - targets) ** 2).mean(), rtol=1e-12)
    labels = np.array([2, 0, 1])
    likelihood = np.exp(x)[range(3), labels] / np.exp(x).sum(1)
    np.testing.assert_allclose(nn.softmax_cross_entropy(x, labels), -np.log(likelihood).mean(), rtol=1e-12)
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(nn.LayerNorm(np.full(4, 2.0), np.ones(4))(x), 2 * expected + 1, rtol=1e-12)


def test_cross_entropy_gradient_is_softmax_minus_one_hot():
    logits, labels = values(5, 3), np.array([0, 2, 1, 1, 0])
    gradient = gx.grad(lambda x: nn.softmax_cross_entropy(x, labels))(logits)
    np.testing.assert_allclose(gradient, (nn.softmax(logits) - np.eye(3)[labels]) / 5, rtol=1e-12)
    assert float(nn.softmax_cross_entropy(np.array([[0.0, 1e5]], "float32"), np.array([0]))) == 1e5


def test_dropout():
    x, key = np.ones((200, 100), "float32"), random.key(1)
    dropped = nn.dropout(x, 0.25, key)
    assert set(np.unique(dropped)) == {0.0, np.float32(4 / 3)} and abs((dropped == 0).mean() - 0.25) < 0.01
    np.testing.assert_array_equal(gx.grad(lambda x: nn.dropout(x, 0.25, key).sum())(x), dropped)
    assert nn.Dropout(0.25)(x) is x


# linear, embedding, graphs -------------------------------------------------------------------------------------------


def test_linear_and_embedding():
    x, layer = values(2, 3, 4), nn.Linear.create(4, 5, key=0, dtype="float64")
    np.testing.assert_allclose(layer(x), x @ layer.weight + layer.bias)
    table, rows = nn.Embedding.create(6, 3, key=1, dtype="float64"), np.array([[5, 0], [5, 5]])
    np.testing.assert_array_equal(table(rows), table.table[rows])
    gradient = gx.grad(lambda layer: layer(rows).sum())(table)
    np.testing.assert_array_equal(gradient.table[:, 0], [1, 0, 0, 0, 0, 3])


def test_initial_values_have_the_published_spread():
    weight = nn.Linear.create(300, 500, key=0).weight
    assert weight.dtype == np.float32 and abs(weight).max() <= np.sqrt(6 / 800)
    assert abs(weight.std() / np.sqrt(2 / 800) - 1) < 0.01
    kernel = nn.Conv2d.create(32, 64, 3, key=0, dtype="float64").weight
    assert kernel.dtype == np.float64 and abs(kernel.std() / np.sqrt(2 / (32 * 9)) - 1) < 0.02


def graph():
    adjacency = np.array([[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 1, 0]])
    return adjacency, nn.normalized_edges(*np.nonzero(adjacency), 4, dtype="float64")


def test_graph_convolution():
    adjacency, edges = graph()
    dense = nn.normalized_adjacency(adjacency, "float64")
    loops = adjacency + np.eye(4)
    np.testing.assert_allclose(dense, loops / np.sqrt(np.outer(loops.sum(0), loops.sum(0))), rtol=1e-12)
    layer, x = nn.GraphConvolution.create(3, 2, key=0, dtype="float64"), values(4, 3)
    np.testing.assert_allclose(layer(x, dense), dense @ x @ layer.weight, rtol=1e-12)
    np.testing.assert_allclose(layer(x, edges), layer(x, dense), rtol=1e-12)
    first, second = (gx.grad(lambda l, g: (l(x, g) ** 2).sum(), 0)(layer, g) for g in (dense, edges))
    np.testing.assert_allclose(first.weight, second.weight, rtol=1e-12)


# every layer ---------------------------------------------------------------------------------------------------------


def every_layer():
    options = {"key": 0, "dtype": "float64"}
    return {
        "linear": (nn.Linear.create(3, 2, **options), values(4, 3)),
        "conv1d": (nn.Conv1d.create(2, 4, 3, stride=2, padding=1, groups=2, **options), values(2, 2, 7)),
        "conv2d": (nn.Conv2d.create(2, 3, (3, 2), dilation=(1, 2), **options), values(2, 2, 4, 5)),
        "transposed": (nn.TransposedConv2d.create(2, 3, 3, stride=2, padding=1, **options), values(1, 2, 3, 2)),
        "max_pool": (nn.MaxPool2d(2), values(1, 2, 4, 4)),
        "average_pool": (nn.AveragePool1d(3, 1, 1), values(1, 2, 5)),
        "layer_norm": (nn.LayerNorm(values(4), values(4, seed=1)), values(3, 4)),
        "batch_norm": (nn.BatchNorm(values(2), values(2, seed=1)), values(4, 2, 3)),
        "block": (nn.TransformerBlock.create(4, 2, expansion=2, causal=True, **options), values(1, 3, 4)),
        "lstm": (nn.Sequential(nn.LSTM.create(2, 3, **options), lambda result: result[0]), values(2, 3, 2)),
        "gru": (nn.Sequential(nn.GRU.create(2, 3, **options), lambda result: result[0]), values(2, 3, 2)),
    }


def objective(layer, x):
    return gnp.sum(gnp.sin(layer(x) * 1.3 + 0.2))


@pytest.mark.parametrize("name", every_layer())
def test_gradients_agree_with_central_differences(name):
    layer, x = every_layer()[name]
    found = leaves(gx.grad(objective, (0, 1))(layer, x))
    arrays, structure = flatten((layer, x))
    step = 1e-6
    for which, (array, gradient) in enumerate(zip(arrays, found)):
        for place in list(np.ndindex(array.shape))[:: max(1, array.size // 12)]:
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[which][place] += sign * step
                ends.append(float(objective(*structure.unflatten(moved))))
            numerical = (ends[0] - ends[1]) / (2 * step)
            assert abs(gradient[place] - numerical) < 1e-7 * max(1.0, abs(numerical)), (which, place)


@pytest.mark.parametrize("name", every_layer())
def test_float32_stays_float32(name):
    layer, x = every_layer()[name]
    arrays, structure = flatten((layer, x))
    layer, x = structure.unflatten([array.astype("float32") for array in arrays])
    gradients = gx.grad(objective, (0, 1))(layer, x)
    assert layer(x).dtype == np.float32 and {leaf.dtype.name for leaf in leaves(gradients)} == {"float32"}


@pytest.mark.parametrize("name", ["conv2d", "max_pool", "layer_norm", "block"])
def test_named_batch_sizes(name):
    layer, x = every_layer()[name]
    forward = gx.jit(layer, target="numpy", specs=(gx.spec(("B", *x.shape[1:]), "float64"),))
    for batch in (x, np.concatenate([x, x + 1])):
        np.testing.assert_allclose(np.asarray(forward(batch)), layer(batch), rtol=1e-12)


@pytest.mark.parametrize("name", ["conv2d", "transposed", "batch_norm", "block", "gru"])
def test_compiled_gradients_agree(name):
    layer, x = every_layer()[name]
    derivative = gx.grad(objective, (0, 1))
    for found, expected in zip(leaves(gx.jit(derivative)(layer, x)), leaves(derivative(layer, x))):
        np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-10, atol=1e-12)


# modules -------------------------------------------------------------------------------------------------------------


class Pair(nn.Module):
    """A model of two named layers and a list."""

    first: nn.Linear
    rest: list
    scale: float = 2.0

    def __call__(self, x):
        x = nn.relu(self.first(x))
        for layer in self.rest:
            x = layer(x)
        return x * self.scale


def pair():
    return Pair(nn.Linear.create(2, 3, key=0), [nn.Linear.create(3, 3, key=1), nn.LayerNorm.create(3)])


def test_scopes_are_named_after_fields():
    graph = gx.trace(pair(), np.ones((4, 2), "float32"))
    scopes = {node.scope for node in graph.nodes()}
    assert {"pair", "pair/first", "pair/relu", "pair/rest.0", "pair/rest.1"} <= scopes


def test_scopes_of_a_sequence():
    model = nn.Sequential(nn.Linear.create(2, 3, key=0), nn.gelu, nn.MultiHeadAttention.create(3, 1, key=1))
    scopes = {node.scope for node in gx.trace(model, np.ones((1, 4, 2), "float32")).nodes()}
    expected = {"linear.0", "gelu", "multi_head_attention.2/query", "multi_head_attention.2/dot_product_attention"}
    assert {f"sequential/{name}" for name in expected} <= scopes


def test_modules_are_containers_of_their_arrays():
    model = pair()
    arrays, structure = flatten(model)
    assert structure.paths("model")[:3] == ["model.first.weight", "model.first.bias", "model.rest[0].weight"]
    assert model.parameter_count == sum(array.size for array in arrays) == 9 + 12 + 6
    rebuilt = structure.unflatten(arrays)
    assert isinstance(rebuilt, Pair) and rebuilt.scale == 2.0
    assert "weight=float32[2, 3]" in repr(model) and "relu" in repr(nn.Sequential(nn.relu))
    with pytest.raises(AttributeError):
        model.scale = 3.0


def test_sequential_gives_each_dropout_its_own_key():
    model, x = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5)), np.ones((100, 100))
    assert model.takes_key and not nn.Sequential(nn.relu).takes_key
    np.testing.assert_array_equal(model(x), x)
    assert abs((model(x, key=random.key(0)) != 0).mean() - 0.25) < 0.02


WRONG = {
    "linear": lambda: nn.Linear.create(3, 2, key=0)(values(4, 5)),
    "conv channels": lambda: nn.Conv2d.create(3, 2, 3, key=0)(values(1, 2, 8, 8)),
    "conv rank": lambda: nn.Conv2d.create(3, 2, 3, key=0)(values(3, 8, 8)),
    "conv window": lambda: nn.Conv2d.create(3, 2, 9, key=0)(values(1, 3, 8, 8, dtype="float32")),
    "pool": lambda: nn.MaxPool2d(2)(values(4, 4)),
    "layer norm": lambda: nn.LayerNorm.create(3)(values(2, 4)),
    "batch norm": lambda: nn.BatchNorm.create(3)(values(2, 4)),
    "attention": lambda: nn.MultiHeadAttention.create(8, 2, key=0)(values(5, 8)),
    "cross entropy": lambda: nn.softmax_cross_entropy(values(4, 3), np.zeros((4, 1), int)),
    "squared error": lambda: nn.mean_squared_error(values(4, 1), values(4)),
    "recurrent": lambda: nn.LSTM.create(3, 2, key=0)(values(4, 3)),
    "lengths": lambda: nn.LSTM.create(3, 2, key=0)(values(4, 5, 3), np.zeros(3, int)),
    "graph": lambda: nn.GraphConvolution.create(3, 2, key=0)(values(4, 3), np.eye(3)),
    "adjacency": lambda: nn.normalized_adjacency(np.zeros((2, 3))),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_shapes_are_named(name):
    with pytest.raises(errors.ShapeError, match=r"\d"):
        WRONG[name]()


BAD = {
    "groups": lambda: nn.Conv2d.create(3, 4, 3, groups=2, key=0),
    "stride": lambda: nn.Conv2d.create(1, 1, 1, stride=0, key=0)(values(1, 1, 2, 2)),
    "window": lambda: nn.Conv2d.create(1, 1, (3, 3, 3), key=0),
    "heads": lambda: nn.MultiHeadAttention.create(8, 3, key=0),
    "rate": lambda: nn.dropout(values(3), 1.0, random.key(0)),
    "padding": lambda: nn.MaxPool2d(2, padding=2)(values(1, 1, 4, 4)),
    "output padding": lambda: nn.TransposedConv1d.create(1, 1, 2, output_padding=1, key=0)(values(1, 1, 4)),
    "window of a fraction": lambda: nn.Conv2d.create(1, 1, 3.5, key=0),
    "edge": lambda: nn.normalized_edges(np.array([0]), np.array([4]), 3),
    "edges": lambda: nn.normalized_edges(np.array([0.5]), np.array([1.0]), 3),
}


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Linear.create(-1, 3, key=0),
        lambda: nn.Linear.create(0, 0, key=0),
        lambda: nn.Linear.create(3, 2.5, key=0),
        lambda: nn.Conv2d.create(0, 4, 3, key=0),
        lambda: nn.Embedding.create(-3, 4, key=0),
    ],
)
def test_layers_of_no_size_are_refused(make):
    with pytest.raises(errors.ShapeError, match=r"at least 1|not negative"):
        make()


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused(name):
    with pytest.raises(errors.InputError):
        BAD[name]()


def test_wrong_dtypes_are_refused():
    with pytest.raises(errors.DTypeError, match="integer"):
        nn.softmax_cross_entropy(values(4, 3), values(4))
    with pytest.raises(errors.DTypeError, match="integer"):
        nn.Embedding.create(4, 2, key=0)(values(3))
    with pytest.raises(errors.DTypeError, match="lengths"):
        nn.GRU.create(3, 2, key=0)(values(4, 5, 3), values(4))
