"""The Jacobian beside the sentence on a slide: it fills frame by frame, and below it stands what it has cost."""

from __future__ import annotations

from .mathematics import Mathematics
from .numerals import UNKNOWN
from .scene import Box, Formula, Primitive, Rectangle, Span, Words, measure
from .sentences import language
from .story import StoryContent

SIZE, COST_SIZE, ROW, PADDING = 21.0, 19.0, 32.0, 14.0
MOST_ROWS, MOST_COLUMNS = 4, 4
COST_WIDTH = 330.0


def shows_table(story: StoryContent) -> bool:
    """Whether a story has a Jacobian of several outputs that fits beside the sentence."""
    table = story.jacobian
    if table is None or len(table.outputs) < 2:
        return False
    return len(table.row_labels) <= MOST_ROWS and len(table.column_labels) <= MOST_COLUMNS


class Table:
    """A story's Jacobian as primitives: labels, cells, and the counters."""

    def __init__(self, story: StoryContent) -> None:
        assert story.jacobian
        self.story, self.jacobian = story, story.jacobian
        self.cells = known_cells(story)
        formulas = [formula for shown in self.cells.values() for formula, _ in shown]
        labels = [*self.jacobian.column_labels, *self.jacobian.row_labels]
        self.column = max(measure(formula, SIZE)[0] for formula in [*labels, *formulas]) + 2 * PADDING
        self.width = max(self.column * (len(self.jacobian.column_labels) + 1), COST_WIDTH)
        self.height = ROW * (len(self.jacobian.row_labels) + 1) + 54

    def drawn(self, left: float) -> list[Primitive]:
        """Everything, the panel's top being 0."""
        top = 12.0
        items: list[Primitive] = []
        for position, label in enumerate(self.jacobian.column_labels):
            items.append(self.formula(label, left, position + 1, top, 0, "muted", None))
        for position, label in enumerate(self.jacobian.row_labels):
            items.append(self.formula(label, left, 0, top, position + 1, "muted", None))
        for (row, column), shown in self.cells.items():
            for formula, frames in shown:
                items.append(self.formula(formula, left, column + 1, top, row + 1, "ink", frames))
        rule = Box(left, top + ROW - 0.6, left + self.column * (len(self.jacobian.column_labels) + 1), top + ROW + 0.6)
        return [*items, Rectangle("content", rule, "rule"), *self.costs(left, self.height - 14)]

    def formula(
        self, formula: Mathematics, left: float, column: int, top: float, row: int, fill: str, frames: Span | None
    ) -> Formula:
        """A label or a cell, centred in its place."""
        across, down = left + (column + 0.5) * self.column, top + (row + 0.68) * ROW
        spans = (frames,) if frames else None
        return Formula("caption", across, down, formula, SIZE, fill, "middle", frames=spans)

    def costs(self, left: float, baseline: float) -> list[Primitive]:
        """``Sweep 2, 17 multiplications, 6 values held``, for each frame."""
        items: list[Primitive] = []
        words = language(self.story.language)
        for index, frame in enumerate(self.story.frames):
            if cost := frame.cost:
                counts = (("sweep", cost.sweeps), ("multiplication", cost.multiplications), ("held", cost.values_held))
                text = ", ".join(words.counted(noun, count) for noun, count in counts)
                items.append(Words("caption", left, baseline, text, COST_SIZE, "muted", frames=((index, index + 1),)))
        return items


def known_cells(story: StoryContent) -> dict[tuple[int, int], list[tuple[Mathematics, Span]]]:
    """For each place what it shows and when: ``?`` until its derivative is known."""
    assert story.jacobian
    shape = (len(story.jacobian.row_labels), len(story.jacobian.column_labels))
    shown: dict[tuple[int, int], list[tuple[Mathematics, Span]]] = {}
    places = [(row, column) for row in range(shape[0]) for column in range(shape[1])]
    for place in places:
        found = [
            (index, cell.shown)
            for index, frame in enumerate(story.frames)
            for cell in frame.cells
            if story.jacobian.place(cell) == place
        ]
        changes = [*([] if found and not found[0][0] else [(0, UNKNOWN)]), *found]
        ends = [*(start for start, _ in changes[1:]), len(story.frames)]
        shown[place] = [(formula, (start, stop)) for (start, formula), stop in zip(changes, ends, strict=True)]
    return shown
