"""Optimizers against their published recurrences, and against PyTorch where it is installed."""

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import errors, nn, optim
from graphcomp.trace.tree import leaves

TARGET = {"a": np.array([1.0, -2.0, 3.0]), "b": np.array([[0.5]])}


def loss(parameters):
    return sum(((parameters[name] - TARGET[name]) ** 4).sum() + (parameters[name] ** 2).sum() for name in TARGET)


def start(dtype="float64"):
    return {"a": np.array([0.3, 0.1, -0.7], dtype), "b": np.array([[2.0]], dtype)}


def descend(optimizer, steps, dtype="float64"):
    parameters = start(dtype)
    state = optimizer.init(parameters)
    for _ in range(steps):
        parameters, state = optimizer.update(parameters, gx.grad(loss)(parameters), state)
    return parameters, state


CASES = {
    "sgd": (optim.sgd(0.01), "SGD", {"lr": 0.01}),
    "momentum": (optim.sgd(0.01, momentum=0.9), "SGD", {"lr": 0.01, "momentum": 0.9}),
    "nesterov": (
        optim.sgd(0.01, momentum=0.9, nesterov=True),
        "SGD",
        {"lr": 0.01, "momentum": 0.9, "nesterov": True},
    ),
    "adam": (optim.adam(0.05), "Adam", {"lr": 0.05}),
    "adam_betas": (
        optim.adam(0.05, beta1=0.7, beta2=0.95, epsilon=1e-3),
        "Adam",
        {"lr": 0.05, "betas": (0.7, 0.95), "eps": 1e-3},
    ),
    "adamw": (optim.adamw(0.05, weight_decay=0.1), "AdamW", {"lr": 0.05, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("name", CASES)
def test_like_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    optimizer, kind, options = CASES[name]
    found, _ = descend(optimizer, 12)
    tensors = {key: torch.tensor(value, requires_grad=True) for key, value in start().items()}
    reference = getattr(torch.optim, kind)(tensors.values(), **options)
    for _ in range(12):
        reference.zero_grad()
        values = {key: (tensors[key], torch.tensor(TARGET[key])) for key in tensors}
        sum(((p - t) ** 4).sum() + (p**2).sum() for p, t in values.values()).backward()
        reference.step()
    for key in found:
        np.testing.assert_allclose(found[key], tensors[key].detach().numpy(), rtol=1e-10)


def test_adam_follows_algorithm_1():
    p, m, v = start(), dict.fromkeys(TARGET, 0.0), dict.fromkeys(TARGET, 0.0)
    for t in range(1, 6):
        g = gx.grad(loss)(p)
        for k in p:
            m[k] = 0.9 * m[k] + 0.1 * g[k]
            v[k] = 0.999 * v[k] + 0.001 * g[k] ** 2
            p[k] = p[k] - 0.02 * (m[k] / (1 - 0.9**t)) / (np.sqrt(v[k] / (1 - 0.999**t)) + 1e-8)
    found, state = descend(optim.adam(0.02), 5)
    assert int(state.step) == 5 and state.step.dtype == np.int32
    for k in p:
        np.testing.assert_allclose(found[k], p[k], rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_updates_keep_float32(name):
    found, state = descend(CASES[name][0], 2, "float32")
    assert {leaf.dtype.name for leaf in leaves((found, state))} <= {"float32", "int32"}


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_the_compiled_update_agrees(target):
    optimizer = optim.adamw(optim.cosine_decay(0.05, 20, warmup=3), weight_decay=0.1)
    expected, _ = descend(optimizer, 6)

    def step(parameters, state):
        return optimizer.update(parameters, gx.grad(loss)(parameters), state)

    compiled = gx.jit(step, target=target, donate=(0, 1))
    parameters, state = start(), optimizer.init(start())
    for _ in range(6):
        parameters, state = compiled(parameters, state)
    for key in expected:
        np.testing.assert_allclose(np.asarray(parameters[key]), expected[key], rtol=1e-12)


def test_the_first_float32_step_of_adam_is_the_rate():
    """1 - 0.999 loses four digits in float32; the correction must not."""
    parameters = {"p": np.zeros(1, "float32")}
    optimizer = optim.adam(1e-3, epsilon=0.0)
    moved, _ = optimizer.update(parameters, {"p": np.full(1, 0.37, "float32")}, optimizer.init(parameters))
    np.testing.assert_allclose(moved["p"], -1e-3, rtol=3e-7)


def test_models_are_parameters():
    model = nn.Sequential(nn.Linear.create(3, 2, key=0), nn.tanh)
    optimizer = optim.sgd(0.1)
    moved, _ = optimizer.update(model, model, optimizer.init(model))
    assert isinstance(moved, nn.Sequential) and moved.layers[1] is nn.tanh
    np.testing.assert_allclose(moved.layers[0].weight, 0.9 * model.layers[0].weight, rtol=1e-6)


def test_nodes_carry_the_optimizer_as_scope():
    graph = gx.trace(lambda p: optim.adam().update(p, p, optim.adam().init(p))[0], np.ones(3))
    assert {node.scope for node in graph.nodes() if node.op == "sqrt"} == {"adam"}


def test_clipping():
    gradients = {"a": np.array([3.0, 0.0]), "b": np.array([4.0])}
    np.testing.assert_allclose(optim.clip_by_global_norm(gradients, 1.0)["a"], [0.6, 0.0])
    np.testing.assert_allclose(optim.clip_by_global_norm(gradients, 10.0)["b"], [4.0])


def test_cosine_decay():
    rate = optim.cosine_decay(2.0, 110, warmup=10)
    steps = [float(rate(np.int32(step))) for step in (0, 4, 10, 60, 110, 200)]
    np.testing.assert_allclose(steps, [0.2, 1.0, 2.0, 1.0, 0.0, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.sgd(0),
        lambda: optim.sgd(-1.0),
        lambda: optim.sgd("0.1"),
        lambda: optim.sgd(0.1, momentum=1.0),
        lambda: optim.sgd(0.1, momentum="0.9"),
        lambda: optim.adam(float("nan")),
        lambda: optim.adam(epsilon=-1e-8),
        lambda: optim.adamw(weight_decay=-0.1),
        lambda: optim.cosine_decay(-0.1, 10),
    ],
)
def test_bad_settings(make):
    with pytest.raises(errors.InputError):
        make()


def test_bad_schedule():
    with pytest.raises(errors.InputError, match="warmup"):
        optim.cosine_decay(0.1, 10, warmup=10)
