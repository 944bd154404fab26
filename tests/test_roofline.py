"""The picture of a report: bars of measured time with the floor in them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import graphcomp as gx
from graphcomp.errors import RenderError
from graphcomp.render.roofline import MOST_ROWS, report_scene
from graphcomp.render.scene import Box, Rectangle, Words
from graphcomp.run.key import Lookup
from graphcomp.run.report import KernelReport, Report

GIGA = 1e9


def kernel(number: int, seconds: float, flops: int = 0, bytes: int = 0) -> KernelReport:
    floor = max(flops / (100 * GIGA), bytes / (10 * GIGA))
    return KernelReport(
        f"kernel {number}: b{number} = loop {number}, shared out", (number,), flops, bytes, seconds, floor, ""
    )


def report(*kernels: KernelReport) -> Report:
    entry = sum(each.seconds for each in kernels)
    return Report(kernels, entry, entry, 2, 0, 0, 100 * GIGA, 10 * GIGA, Lookup(True), Lookup(True))


THREE = report(
    kernel(0, 2e-3, flops=100_000_000), kernel(1, 4e-3, bytes=10_000_000), kernel(2, 1e-3, flops=1000, bytes=10_000)
)


def bars(found: Report) -> dict[str, list[float]]:
    """The lengths of the bars of each kernel: measured, floor."""
    lengths: dict[str, list[float]] = {}
    for item in report_scene(found).primitives:
        if isinstance(item, Rectangle) and item.owner.startswith("kernel:"):
            lengths.setdefault(item.owner, []).append(item.box.width)
    return lengths


def words(found: Report) -> list[str]:
    return [item.text for item in report_scene(found).primitives if isinstance(item, Words)]


def test_lengths_are_times() -> None:
    found = bars(THREE)
    whole = found["kernel:0"][0]  # the longest comes first
    assert found["kernel:0"] == pytest.approx([whole, whole / 4])
    assert found["kernel:1"] == pytest.approx([whole / 2, whole / 4])
    assert found["kernel:2"] == pytest.approx([whole / 4, whole / 4000])


def test_words() -> None:
    found = words(THREE)
    assert "7 ms in 3 kernels, on 2 threads" in found
    assert any("100 GFLOP/s" in text and "10 GB/s" in text and "all floors together 2 ms" in text for text in found)
    assert "4 ms, 4 × memory" in found and "2 ms, 2 × arithmetic" in found and "1 ms, 1,000 × memory" in found
    assert "1  loop 1" in found


def test_of_many_kernels_the_others_are_one_bar() -> None:
    found = report(*(kernel(number, 1e-3 * (number + 1), bytes=1000) for number in range(40)))
    assert len(bars(found)) == MOST_ROWS and f"{40 - MOST_ROWS + 1} others" in words(found)
    lengths = bars(found)
    rest = sum(range(1, 40 - MOST_ROWS + 2)) / 40
    assert lengths[f"kernel:{MOST_ROWS - 1}"][0] / lengths["kernel:0"][0] == pytest.approx(rest)


@pytest.mark.parametrize("found", [THREE, report(*(kernel(n, 1e-9 * 7**n, bytes=10**n) for n in range(12)))])
def test_no_words_overlap_and_none_leave_the_page(found: Report) -> None:
    scene = report_scene(found)
    boxes = [item.box for item in scene.primitives if isinstance(item, Words)]

    def apart(a: Box, b: Box) -> bool:
        return a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top

    assert all(apart(a, b) for place, a in enumerate(boxes) for b in boxes[:place])
    assert all(box.left >= 0 and box.right <= scene.width and box.bottom <= scene.height for box in boxes)
    assert len(scene.descriptions) == len(found.kernels) and "its floor" in scene.descriptions["kernel:0"]


def test_formats(tmp_path: Path) -> None:
    weights = np.ones((30, 20), "float32")
    found = gx.jit(lambda x: np.tanh(x @ weights)).report(np.ones((64, 30), "float32"))
    for name, start in [("a.svg", b"<?xml"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")]:
        assert gx.plot_report(found, tmp_path / name).read_bytes().startswith(start)
    assert re.search("product", (tmp_path / "a.svg").read_text())
    with pytest.raises(RenderError, match=r"not to 'a\.gif'"):
        gx.plot_report(found, tmp_path / "a.gif")
    with pytest.raises(RenderError, match="no kernels"):
        gx.plot_report(report(), tmp_path / "b.svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "a.png", "a.svg"]
