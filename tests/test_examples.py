"""The examples as a user runs them, and the training step of the first one in every detail."""

import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import data, nn, optim, train
from graphcomp.trace.tree import flatten, leaves, tree_map

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "least"), [("cnn", 0.98), ("rnn", 0.90), ("attention", 0.95), ("gnn", 0.90)])
def test_examples_reach_their_accuracy(name, least, capsys):
    accuracy = example(name).main(progress=False)
    assert accuracy >= least
    assert f"{accuracy:.1%}" in capsys.readouterr().out


def test_examples_run_as_scripts():
    """A file that does not exist would make this fail too, so the output is looked at."""
    result = subprocess.run([sys.executable, EXAMPLES / "gnn.py"], capture_output=True, text=True, check=True)
    assert "of the 32 other members" in result.stdout


def test_compiled_training_follows_the_reference():
    """After 100 steps in float64 the parameters agree to 1e-9 of the largest.

    In float32 they could not: where a gradient is all rounding, Adam divides it by its own size.
    """
    images, labels = data.digits().train
    model = tree_map(lambda array: array.astype("float64"), example("cnn").network())
    options = {"epochs": 5, "batch_size": 64, "progress": False}
    results = [
        train.fit(
            model,
            nn.softmax_cross_entropy,
            (images.astype("float64"), labels),
            optim.adam(3e-3),
            target=target,
            **options,
        )
        for target in ("cpu", "numpy")
    ]
    assert len(results[0].losses) >= 100
    for compiled, reference in zip(*(leaves(result.model) for result in results)):
        assert abs(compiled - reference).max() <= 1e-9 * abs(reference).max()
    np.testing.assert_allclose(results[0].losses, results[1].losses, rtol=1e-9)


def test_float32_gradients_along_the_training_are_right_to_rounding():
    """Those of the compiled step against float64, at the parameters that the training passes."""
    images, labels = data.digits().train
    model, optimizer = example("cnn").network(), optim.adam(3e-3)
    state = optimizer.init(model)

    def loss(model, x, y):
        return nn.softmax_cross_entropy(model(x), y)

    slope, exact = gx.jit(gx.grad(loss)), gx.jit(gx.grad(loss), target="numpy")
    update, wide = gx.jit(optimizer.update), partial(tree_map, lambda array: np.asarray(array).astype("float64"))
    order = np.random.default_rng(0).permutation(len(images))
    for step in range(20):
        batch = order[64 * step : 64 * step + 64]
        gradient = slope(model, images[batch], labels[batch])
        if step % 5 == 0:
            wanted = exact(wide(model), images[batch].astype("float64"), labels[batch])
            for found, expected in zip(leaves(gradient), leaves(wanted)):
                assert abs(np.asarray(found) - expected).max() <= 1e-5 * abs(np.asarray(expected)).max()
        model, state = update(model, gradient, state)


def test_gradient_of_the_cnn_agrees_with_central_differences():
    """float64, h = 1e-6, up to 40 entries of each tensor; entries with a kink inside the step are counted."""
    noise = np.random.default_rng(0)
    # Biases away from zero: with the initial ones every empty patch of a picture stands exactly at ReLU's kink.
    model = tree_map(lambda array: array + 0.01 * noise.normal(size=array.shape), example("cnn").network())
    images, labels = (array[:4] for array in data.digits().train)
    images = images.astype("float64")
    arrays, structure = flatten(model)

    def loss(arrays):
        return nn.softmax_cross_entropy(structure.unflatten(arrays)(images), labels)

    value = gx.jit(loss, target="numpy")
    gradients = gx.grad(loss)(arrays)
    kinks = entries = 0
    for which, (array, gradient) in enumerate(zip(arrays, gradients)):
        errors = []
        for place in list(np.ndindex(array.shape))[:: max(1, array.size // 40)]:
            low, middle, high = (float(value(moved(arrays, which, place, h))) for h in (-1e-6, 0.0, 1e-6))
            entries += 1
            if abs((high - middle) - (middle - low)) > 1e-10:
                kinks += 1
            else:
                errors.append(gradient[place] - (high - low) / 2e-6)
        assert np.abs(errors).max() <= 1e-6 * abs(gradient).max() + 5e-10
    assert kinks <= 0.01 * entries


def moved(arrays, which, place, distance):
    copies = list(arrays)
    copies[which] = arrays[which].copy()
    copies[which][place] += distance
    return copies
