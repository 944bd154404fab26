"""The trace table and the Jacobian, linked with the graph; without a script they hold the story's facts as text."""

from __future__ import annotations

from ..jacobian import known_cells
from ..mathematics import equals
from ..picture import Shown, derivative_row, element_name, quantity_row
from ..sentences import Language
from ..story import StoryContent, StoryNode
from .formulas import Formulas
from .markup import heading, mathematics, over_time, text

ARROWS = {"value": "↓", "tangent": "↓", "adjoint": "↑"}


def derivative_kinds(story: StoryContent) -> list[str]:
    """The derivatives that the sweeps of a story tell, in order."""
    return [kind for kind in dict.fromkeys(sweep.kind for sweep in story.sweeps) if kind != "value"]


def table_cells(story: StoryContent, node: StoryNode) -> list[tuple[str, tuple[Shown, ...]]]:
    """A node's cells after its definition: the column's class, and what it shows over time."""
    cells = [("value", quantity_row(story, "value", node.id, lambda value: value))]
    row = derivative_row(story, node)
    for kind in derivative_kinds(story):
        cells.append((kind, tuple(shown for shown in row if shown.tone == kind)))
    return cells


def trace_table(story: StoryContent, formulas: Formulas, words: Language) -> str:
    """The trace table: a row per node, linked with the graph."""
    headings = "".join(
        f'<th scope="col" class="{kind}">{text(words.say(kind))} {ARROWS[kind]}</th>'
        for kind in ("value", *derivative_kinds(story))
    )
    rows = "".join(table_row(story, node, formulas) for node in story.nodes)
    return (
        f'<table class="trace"><thead><tr><th scope="col">{text(words.say("step"))}</th>{headings}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def table_row(story: StoryContent, node: StoryNode, formulas: Formulas) -> str:
    """A node's definition, and its facts over time."""
    definition = equals(node.symbol, node.definition)
    cells = "".join(f'<td class="{kind}">{over_time(row, formulas)}</td>' for kind, row in table_cells(story, node))
    names = f' title="{text(", ".join(node.names))}"' if node.names else ""
    return (
        f'<tr data-owner="{element_name(node.id)}"><th scope="row"><button type="button"{names} '
        f'aria-label="{text(definition.plain())}">{mathematics(definition, formulas)}</button></th>{cells}</tr>\n'
    )


def jacobian_table(story: StoryContent, formulas: Formulas, words: Language) -> str:
    """The derivatives of all outputs by all inputs as they become known; or nothing."""
    jacobian = story.jacobian
    if jacobian is None or len(jacobian.outputs) < 2:
        return ""
    cells = known_cells(story)
    columns = "".join(heading("col", label, formulas) for label in jacobian.column_labels)
    rows = []
    for row, label in enumerate(jacobian.row_labels):
        entries = [
            over_time([Shown(formula, (span,)) for formula, span in cells[row, column]], formulas)
            for column in range(len(jacobian.column_labels))
        ]
        data = "".join(f"<td>{entry}</td>" for entry in entries)
        rows.append(f"<tr>{heading('row', label, formulas)}{data}</tr>")
    return (
        f'<table class="jacobian"><caption>{text(words.say("derivatives"))}</caption><thead><tr><td></td>'
        f"{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )
