"""Draws the pictures that README.md and the documents show: `python docs/images/make.py`."""

from pathlib import Path

import numpy as np

import graphcomp as gx
from graphcomp import nn, random
from graphcomp.render.network import network

FOLDER = Path(__file__).parent
FORMULA = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"


def mistaken_gradient() -> gx.gradcheck.GradientReport:
    """A check that finds a mistake of a thousandth in one entry."""

    def loss(w, b):  # type: ignore[no-untyped-def]
        return np.sum(np.sin(w)) + np.sum(np.exp(b))

    def gradient(w, b):  # type: ignore[no-untyped-def]
        return np.cos(w) * np.array([1, 1.001, 1]), np.exp(b)

    return gx.check_grads(loss, (np.array([0.3, 1.2, -0.4]), np.array([1.0, 2.0])), gradient=gradient)


class Classifier(nn.Module):
    """The network of networks.md."""

    blocks: tuple  # type: ignore[type-arg]
    output: nn.Linear

    def __call__(self, x):  # type: ignore[no-untyped-def]
        for block in self.blocks:
            x = block(x)
        return self.output(x.mean(1))


def networks() -> None:
    """A step of a story over groups, and the whole network open to a depth of one."""

    def loss(model, x, labels):  # type: ignore[no-untyped-def]
        return nn.softmax_cross_entropy(model(x), labels)

    *keys, last = random.split(random.key(0), 13)
    blocks = tuple(nn.TransformerBlock.create(16, 2, key=key) for key in keys)
    model = Classifier(blocks, nn.Linear.create(16, 10, key=last))
    at = [model, random.normal(random.key(1), (2, 4, 16)), np.array([3, 7])]
    story = gx.explain(loss, at=at)
    frame = next(index for index, one in enumerate(story.frames) if "blocks.10 now has" in one.sentence)
    (FOLDER / "network_story.svg").write_text(story.svg(frame), encoding="utf-8")
    print(FOLDER / "network_story.svg")
    print(network(gx.trace(loss, *at), title="A classifier").save(FOLDER / "network.svg", depth=1))


def implicit() -> None:
    """The derivative of a fixed point at the answer."""

    def residual(x, b):  # type: ignore[no-untyped-def]
        return np.cos(x) * b - x

    story = gx.explain(residual, at=(0.641134, 0.8), mode="reverse")
    print(story.save(FOLDER / "implicit.svg"))


def born() -> None:
    """The graph up to the division that gives an infinity."""

    def length(x):  # type: ignore[no-untyped-def]
        return np.sqrt(np.sum(x * x))

    try:
        gx.debug(gx.grad(length))(np.zeros(2))
    except gx.errors.NotFiniteError as error:
        print(gx.explain_error(error).save(FOLDER / "born.svg"))


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def pipe(u):
    """The heat that flows in a pipe's wall, of which the first entry is the temperature outside; and all of it."""
    return np.concatenate([np.diff(u[1:], 2) - u[0] * u[2:-1], [np.sum(u**2)]])


if __name__ == "__main__":
    story = gx.explain(FORMULA, at={"x1": 2, "x2": 3}, mode="reverse")
    print(story.save(FOLDER / "reverse.svg"))
    networks()
    print(gx.plot_gradient_check(mistaken_gradient(), FOLDER / "gradient_check.svg"))
    implicit()
    born()
    variables = np.ones(12)
    print(gx.plot_sparsity(gx.hessian(rosenbrock, sparse=True).sparsity(variables), FOLDER / "sparse_hessian.svg"))
    print(gx.plot_sparsity(gx.sparsity(pipe)(variables), FOLDER / "sparse_jacobian.svg"))
