"""Draws the pictures that README.md and the documents show: `python docs/images/make.py`."""

from pathlib import Path

import numpy as np

import graphcomp as gx

FOLDER = Path(__file__).parent
FORMULA = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"


def mistaken_gradient() -> gx.gradcheck.GradientReport:
    """A check that finds a mistake of a thousandth in one entry."""

    def loss(w, b):  # type: ignore[no-untyped-def]
        return np.sum(np.sin(w)) + np.sum(np.exp(b))

    def gradient(w, b):  # type: ignore[no-untyped-def]
        return np.cos(w) * np.array([1, 1.001, 1]), np.exp(b)

    return gx.check_grads(loss, (np.array([0.3, 1.2, -0.4]), np.array([1.0, 2.0])), gradient=gradient)


if __name__ == "__main__":
    story = gx.explain(FORMULA, at={"x1": 2, "x2": 3}, mode="reverse")
    print(story.save(FOLDER / "reverse.svg"))
    print(gx.plot_gradient_check(mistaken_gradient(), FOLDER / "gradient_check.svg"))
