"""Draws the pictures that README.md and the documents show: `python docs/images/make.py`."""

from pathlib import Path

import numpy as np

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp import nn, random
from graphcomp.render.network import network
from graphcomp.render.scene import Primitive, Scene, Words
from graphcomp.render.svg import write_svg

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


def loop() -> None:
    """Backpropagation through three steps of a recurrence: the picture of loops.md."""

    def last_state(w, h):  # type: ignore[no-untyped-def]
        return gx.scan(lambda h, _: (gnp.tanh(w * h), None), h, length=3)[0]

    story = gx.explain(last_state, at=[1.5, 0.4], collapse="step.*")
    frame = next(index for index, one in enumerate(story.frames) if len(one.terms) == 3)
    (FOLDER / "loops.svg").write_text(story.svg(frame), encoding="utf-8")
    print(FOLDER / "loops.svg")


def batching() -> None:
    """A graph for one example above that for a batch: the picture of batching.md."""

    def score(w, x):  # type: ignore[no-untyped-def]
        return gnp.sum(gnp.tanh(w @ x))

    w, x = np.ones((2, 3)), np.ones(3)
    graphs = gx.trace(score, w, x), gx.trace(gx.vmap(score, in_axes=(None, 0)), w, np.ones((5, 3)))
    above, below = (network(graph).scene() for graph in graphs)
    items: list[Primitive] = []
    top = 0.0
    for scene, heading in ((above, "score(w, x), for one example x"), (below, "vmap(score), for a batch of five")):
        items.append(Words("content", 10, top + 26, heading, 18, "ink"))
        items.extend(item.moved(0, top + 36, 1.0) for item in scene.primitives)
        top += scene.height + 40
    both = Scene(max(above.width, below.width), top, "A graph for one example, and for a batch", tuple(items))
    (FOLDER / "batching.svg").write_text(write_svg(both, 0), encoding="utf-8")
    print(FOLDER / "batching.svg")


def custom_derivative() -> None:
    """A function with a rule of its own in reverse mode: the picture of custom_derivatives.md."""

    def log1pexp(x):  # type: ignore[no-untyped-def]
        return gnp.log(1 + gnp.exp(x))

    def rule(arguments, tangents):  # type: ignore[no-untyped-def]
        (x,), (dx,) = arguments, tangents
        return log1pexp(x), dx / (1 + gnp.exp(-x))

    ruled = gx.custom_jvp(log1pexp, rule)
    story = gx.explain(lambda x, y: ruled(x) * y, at=[2.0, 3.0])
    frame = next(index for index, one in enumerate(story.frames) if story.nodes[0].id == one.focus)
    (FOLDER / "custom_derivatives.svg").write_text(story.svg(frame), encoding="utf-8")
    print(FOLDER / "custom_derivatives.svg")


def linear_system() -> None:
    """Reverse mode through a factorisation and a triangular system: the picture of linear_algebra.md."""

    def square(a, b):  # type: ignore[no-untyped-def]
        return np.sum(gnp.linalg.solve_triangular(gnp.linalg.cholesky(a), b, lower=True) ** 2)

    story = gx.explain(square, at=[np.array([[4.0, 2.0], [2.0, 5.0]]), np.array([2.0, 3.0])])
    print(story.save(FOLDER / "linear_algebra.svg"))


if __name__ == "__main__":
    linear_system()
    loop()
    batching()
    custom_derivative()
    story = gx.explain(FORMULA, at={"x1": 2, "x2": 3}, mode="reverse")
    print(story.save(FOLDER / "reverse.svg"))
    networks()
    print(gx.plot_gradient_check(mistaken_gradient(), FOLDER / "gradient_check.svg"))
    implicit()
    born()
    variables = np.ones(12)
    print(gx.plot_sparsity(gx.hessian(rosenbrock, sparse=True).sparsity(variables), FOLDER / "sparse_hessian.svg"))
    print(gx.plot_sparsity(gx.sparsity(pipe)(variables), FOLDER / "sparse_jacobian.svg"))
