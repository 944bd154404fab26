"""The plot of error against step size: what it shows, that nothing overlaps, and that bad requests leave no file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.cli import main
from graphcomp.errors import RenderError
from graphcomp.gradcheck import GradientReport
from graphcomp.render.gradient_plot import CENTRAL, EXACT, ONE_SIDED, gradient_scene
from graphcomp.render.scene import Box, Curve, Scene, Words


def report(error: float = 0.0, **options: Any) -> GradientReport:
    def gradient(w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.cos(w) * (1 + error * (w > 1)), 3 * b**2

    w, b = np.array([[0.3, 1.2], [0.8, -0.4]]), np.array([1.0, 2.0])
    return gx.check_grads(lambda w, b: np.sum(np.sin(w)) + np.sum(b**3), (w, b), gradient=gradient, **options)


def texts(scene: Scene) -> list[str]:
    return [item.text for item in scene.primitives if isinstance(item, Words)]


def curves(scene: Scene, tone: str) -> list[Curve]:
    """Those of the plots, without the sample in the legend."""
    return [item for item in scene.primitives if isinstance(item, Curve) and item.stroke == tone and item.box.top > 100]


def test_there_is_a_plot_for_each_input_with_its_worst_entry() -> None:
    scene = gradient_scene(report(1e-3))
    assert "Derivatives of <lambda>: 1 of 2 checks are wrong" in texts(scene)
    assert texts(scene).index("w[0, 1], order 1") < texts(scene).index("b[0], order 1")  # what is wrong comes first
    assert "WRONG (1 of 4 entries)" in texts(scene) and "ok" in texts(scene)
    assert any("w[0, 1]" in text and "WRONG" in text for text in scene.descriptions.values())


def test_a_right_derivative_falls_towards_the_axis_and_a_wrong_one_stays_above() -> None:
    right, wrong = (curves(gradient_scene(report(error)), CENTRAL) for error in (0.0, 1e-3))
    lowest = [max(y for _, y in curve.points) - curve.points[-1][1] for curve in (right[0], wrong[0])]
    assert lowest[0] > 60 > 20 > lowest[1]
    scene = gradient_scene(report())
    assert len(curves(scene, ONE_SIDED)) == len(curves(scene, EXACT)) == 2
    for one_sided, central in zip(curves(scene, ONE_SIDED), curves(scene, CENTRAL)):
        assert one_sided.dashed and not central.dashed and one_sided.thickness != central.thickness


@pytest.mark.parametrize("count", [1, 2, 3, 14])
def test_nothing_overlaps_and_all_is_inside(count: int) -> None:
    def f(*inputs: Any) -> Any:
        return sum(np.sum(np.sin(x) * scale) for scale, x in enumerate(inputs, 1))

    f.__name__ = "a_function_with_a_name_that_goes_on_and_on_and_on_until_there_is_no_room_left_for_it_on_the_page"
    scene = gradient_scene(gx.check_grads(f, tuple(np.array([0.5 + n]) for n in range(count)), order=1))
    words = [item for item in scene.primitives if isinstance(item, Words)]
    page = Box(0, 0, scene.width, scene.height)
    assert all(page.holds(item.box, 0.5) for item in scene.primitives)
    clashes = [(a.text, b.text) for i, a in enumerate(words) for b in words[i + 1 :] if a.box.meets(b.box, 1.0)]
    assert clashes == []
    assert min(item.size for item in words) * 0.75 >= 14
    assert ("… 2 more" in texts(scene)) == (count == 14)


def test_errors_of_zero_and_infinite_ones_are_drawn_at_the_border_or_not_at_all() -> None:
    scene = gradient_scene(gx.check_grads(lambda x: 1 / x, (np.array([0.5]),), order=1))
    for curve in curves(scene, CENTRAL):
        assert np.isfinite(curve.points).all() and curve.box.top > 100 and curve.box.bottom < scene.height
    assert gradient_scene(gx.check_grads(lambda x: 2 * x, (3.0,), order=1)).height > 300


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".html"])
def test_saved_by_suffix(tmp_path: Path, suffix: str) -> None:
    found = report(1e-3)
    path = gx.plot_gradient_check(found, tmp_path / f"errors{suffix}")
    data = path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]
    if suffix == ".svg":
        ElementTree.fromstring(data)
    if suffix == ".html":
        text = data.decode()
        assert "<lambda>" not in text and "&lt;lambda&gt;" in text and "relative error against the step" in text
        assert not re.findall(r'(?:src|href)="(?!#)', text)
    assert data.startswith({".png": b"\x89PNG", ".pdf": b"%PDF"}.get(suffix, b"<"))


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"saved as \.svg, \.png"):
        gx.plot_gradient_check(report(), tmp_path / "errors.jpeg")
    with pytest.raises(RenderError, match="nothing to draw"):
        gx.plot_gradient_check(GradientReport("f", "float64", 1e-6), tmp_path / "errors.svg")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_writes_the_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "errors.svg"
    assert main(["check", "sin(x1) + x1*x2", "--at", "x1=2", "x2=3", "-o", str(path)]) == 0
    printed = capsys.readouterr().out
    assert path.exists() and "relative error against the step" in printed and f"written to {path}" in printed
    assert main(["check", "sin(x)", "--at", "x=2", "-o", str(tmp_path / "errors.jpeg")]) == 2
    assert "is saved as" in capsys.readouterr().err
