"""Heat maps: an honest reduction, a sign that is not only a colour, marks for what is not finite, values in words."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from graphcomp.render import explain
from graphcomp.render.heat import MOST_COLUMNS, MOST_ROWS, HeatMap, heat_map, legend
from graphcomp.render.palette import LIGHT, THEMES, contrast
from graphcomp.render.picture import draw, heat_maps
from graphcomp.render.scene import Arrowhead, Curve, Formula, Rectangle, Scene, Words
from graphcomp.render.svg import write_svg


def map_of(array: object) -> HeatMap:
    found = heat_map(np.asarray(array))
    assert found is not None
    return found


def picture(heat: HeatMap) -> Scene:
    return Scene(200, 100, "", tuple(heat.drawn(0, 50, "node:1", None)))


def test_small_arrays_are_shown_entry_by_entry() -> None:
    heat = map_of([[-4.0, 0, 1], [2, 3, 4]])
    assert heat.cells == ((-4, 0, 1), (2, 3, 4)) and heat.largest == 4 and not heat.joined
    assert heat.scale.plain() == "2×3 array, ±4"
    assert heat.title == "2×3 array, least −4 at [0, 0], largest 4 at [1, 2]: −4 0 1; 2 3 4"


@pytest.mark.parametrize("place", [(0, 0), (17, 29), (39, 59)])
def test_no_large_entry_is_lost_in_a_large_array(place: tuple[int, int]) -> None:
    array = np.full((40, 60), 1e-3)
    array[place] = -7
    heat = map_of(array)
    assert (len(heat.cells), len(heat.cells[0])) == (MOST_ROWS, MOST_COLUMNS) and heat.joined
    assert [cell for row in heat.cells for cell in row if cell] == [-4]
    assert "each cell is the entry of largest size among 5 rows and 5 columns" in heat.title
    assert f"least −7 at [{place[0]}, {place[1]}]" in heat.title


def test_uneven_blocks_are_said() -> None:
    assert "among 2 or 3 rows and 1 column" in map_of(np.ones((20, 5))).title
    assert "a row for each position along the axes before the last" in map_of(np.ones((2, 2, 3))).title


@pytest.mark.parametrize(("entry", "cell"), [(np.nan, "nan"), (np.inf, "+∞"), (-np.inf, "−∞")])
@pytest.mark.parametrize("shape", [(3, 4), (40, 60)])
def test_what_is_not_finite_is_marked_also_inside_a_block(entry: float, cell: str, shape: tuple[int, int]) -> None:
    array = np.linspace(-1, 1, np.prod(shape)).reshape(shape)
    array[1, 1] = entry
    heat = map_of(array)
    assert [found for row in heat.cells for found in row if isinstance(found, str)] == [cell]
    assert heat.largest == 1  # the scale is that of the finite entries
    marks = [item for item in picture(heat).primitives if isinstance(item, Arrowhead)]
    crosses = [item for item in picture(heat).primitives if isinstance(item, Curve) and not item.dashed]
    assert (len(marks), len(crosses)) == ((0, 2) if cell == "nan" else (1, 0))
    if marks:
        upwards = marks[0].corners[0][1] < marks[0].corners[1][1]
        assert upwards == (entry > 0)
    assert ("1 × NaN" if cell == "nan" else f"1 × {cell.lstrip('+')}") in heat.title


def test_a_nan_is_not_hidden_by_an_infinity() -> None:
    array = np.ones((40, 60))
    array[0, 0], array[0, 1] = np.inf, np.nan
    assert map_of(array).cells[0][0] == "nan"


def test_arrays_without_a_scale_say_so() -> None:
    assert map_of(np.zeros((3, 4))).scale.plain() == "3×4 array, all 0"
    assert map_of(np.full((3, 4), 2.5)).scale.plain() == "3×4 array, all 2.5"
    assert map_of(np.full((3, 4), np.nan)).scale.plain() == "3×4 array, nothing finite"
    assert map_of(np.arange(12.0) < 6).scale.plain() == "vector of 12, ±1"
    assert heat_map(np.ones(3)) is None and heat_map(np.zeros((0, 5))) is None and heat_map((1, 2)) is None


def test_negative_cells_carry_a_sign_each() -> None:
    for theme in THEMES.values():
        for cell in range(-4, 0):
            heat = map_of(np.array([[4.0 * cell / 4, 4, 4, 4, 4.0, 4]]))
            signs = [item for item in picture(heat).primitives if isinstance(item, Curve) and item.dashed]
            assert len(signs) == 1
            fill = next(item.fill for item in picture(heat).primitives if isinstance(item, Rectangle))
            assert contrast(theme[signs[0].stroke], theme[fill]) >= 3
    run = map_of(np.array([[-1.0, -1, -1, 1, 1, 1]]))
    (sign,) = (item for item in picture(run).primitives if isinstance(item, Curve))
    length = sign.points[-1][0] - sign.points[0][0]
    assert length == pytest.approx((4 + 4 + 4 + 4 + 4) * sign.thickness)  # three dashes and the two gaps between them


def test_the_values_are_told_to_who_points_at_the_map() -> None:
    text = write_svg(picture(map_of([[-1.5, 0.25, 3], [np.nan, 0, 0]])), 0, LIGHT)
    ElementTree.fromstring(text)
    (title,) = re.findall(r'<rect[^>]*pointer-events="all"[^>]*><title>(.*?)</title></rect>', text)
    assert title == "2×3 array, least −1.5 at [0, 0], largest 3 at [0, 2], 1 × NaN: −1.5 0.25 3; nan 0 0"


def test_a_legend_explains_the_scale_and_the_marks_that_occur() -> None:
    def words(array: np.ndarray) -> str:
        items = legend([map_of(array)], 0, 0)
        boxes = [item.box for item in items if isinstance(item, Words)]
        assert all(not one.meets(other) for one in boxes for other in boxes if one is not other)
        return " ".join(item.text for item in items if isinstance(item, Words))

    array = np.arange(12.0).reshape(3, 4)
    assert words(array) == "−m m, the number after ±"
    array[0, 0] = np.nan
    assert "NaN" in words(array) and "∞" not in words(array) and "block" not in words(array)
    assert "a cell is its block's entry of largest size" in words(np.ones((40, 60)))
    assert legend([], 0, 0) == []


def test_cards_show_the_scale_of_their_maps() -> None:
    weights = np.linspace(-2, 9.3, 12).reshape(3, 4)
    story = explain(lambda w: np.sum(np.tanh(w)), (weights,))
    shown = [item.formula.plain() for item in draw(story).primitives if isinstance(item, Formula)]
    assert "3×4 array, ±9.3" in shown and len(heat_maps(story)) > 3
    assert heat_maps(explain("x*y", {"x": 1, "y": 2})) == []


def test_entries_that_are_not_finite_are_told_in_words_too() -> None:
    array = np.ones((3, 4))
    array[0, 0] = 0
    story = explain(lambda x: np.sum(np.log(x)), (array,), mode="evaluate")
    assert story.frames[1].equation[-1].plain() == "3×4 array, 1 not finite"


def test_slides_of_tensors_have_a_legend_that_meets_nothing() -> None:
    for count in (1, 9):  # one slide, and a graph told part by part

        def chain(w, count=count):  # type: ignore[no-untyped-def]
            for _ in range(count):
                w = np.tanh(w @ w)
            return np.sum(w)

        story = explain(chain, (np.linspace(-1, 1, 49).reshape(7, 7),))
        assert "m, the number after ±" in {item.text for item in story.scene.primitives if isinstance(item, Words)}
        for frame in (0, len(story.frames) // 2, len(story.frames) - 1):
            shown = story.scene.at(frame).primitives
            (words,) = (item for item in shown if isinstance(item, Words) and "number after ±" in item.text)
            others = [item for item in shown if item.role in ("card", "label", "panel") or isinstance(item, Words)]
            assert [item for item in others if item is not words and item.box.meets(words.box, 1.0)] == []
    scalar = explain("x*y", {"x": 1, "y": 2}).scene.primitives
    assert not any(isinstance(item, Words) and "±" in item.text for item in scalar)
