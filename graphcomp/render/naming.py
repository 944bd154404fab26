"""The names a story gives: w1, w2, … in evaluation order, the user's own names where there are any."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..graph import Graph
from .mathematics import Identifier, identifier

Labels = Mapping[int, Sequence[str]]
NUMBERED = re.compile(r"w_?([1-9][0-9]{0,5})")


@dataclass(frozen=True)
class Names:
    """Each shown node's symbol, in the order of their numbers, and each input's and output's own symbol."""

    symbols: dict[int, Identifier]
    inputs: dict[int, Identifier]
    outputs: dict[int, Identifier]


def name_nodes(graph: Graph, shown: Sequence[int]) -> Names:
    """Name the shown nodes.

    A node that the user named ``w3`` keeps its number; one named otherwise keeps that name, unless it is an input
    or an output (these get a number and keep their name beside it); all others get the free numbers in order.
    """
    ends = set(graph.inputs) | set(graph.outputs)
    labels = graph.all_labels()
    numbers: set[int] = set()
    taken: dict[int, int] = {}
    own: dict[int, Identifier] = {}
    for id in shown:
        for label in labels.get(id, ()):
            match = NUMBERED.fullmatch(label)
            if match and int(match[1]) not in numbers:
                numbers -= {taken.get(id)}
                taken[id] = int(match[1])
                numbers.add(taken[id])
            elif id not in ends:
                own.setdefault(id, identifier(label))
    free = (number for number in range(1, len(shown) + len(taken) + 1) if number not in numbers)
    symbols = {}
    for id in shown:
        symbols[id] = own[id] if id in own and id not in taken else Identifier("w", str(taken.get(id) or next(free)))
    return Names(in_number_order(symbols), input_names(graph, symbols, labels), output_names(graph, symbols, labels))


def in_number_order(symbols: dict[int, Identifier]) -> dict[int, Identifier]:
    """The nodes in evaluation order, which is the order of their ids."""
    return dict(sorted(symbols.items()))


def label_of(graph: Graph, id: int) -> str:
    """The user's first name for a node that is not a number, or the name an input was traced under."""
    return own_label(graph, id, graph.labels(id))


def own_label(graph: Graph, id: int, labels: Sequence[str]) -> str:
    """The same, of the user's names for the node."""
    found = next((label for label in labels if not NUMBERED.fullmatch(label)), "")
    return found or str(graph.node(id).attributes.get("name", "") or "")


def input_names(graph: Graph, symbols: dict[int, Identifier], labels: Labels) -> dict[int, Identifier]:
    """Each input's own name: x1, …"""
    found = {}
    for position, id in enumerate(graph.inputs, 1):
        label = own_label(graph, id, labels.get(id, ()))
        if id in symbols:
            found[id] = identifier(label) if label else Identifier("x", str(position))
    return found


def output_names(graph: Graph, symbols: dict[int, Identifier], labels: Labels) -> dict[int, Identifier]:
    """Each output's own name: the user's, the number the user gave it, or z (z1, z2, … if there are several)."""
    names: dict[int, Identifier] = {}
    used = {label for id in symbols for label in labels.get(id, ())}
    inputs = set(graph.inputs)
    letter = next(letter for letter in ("z", "y", "f", "result") if letter not in used)
    for position, id in enumerate(graph.outputs, 1):
        if id not in symbols or id in names:
            continue
        own = own_label(graph, id, labels.get(id, ()))
        if id not in inputs and own:
            names[id] = identifier(own)
        elif id in labels:
            names[id] = symbols[id]
        else:
            names[id] = Identifier(letter, str(position) if len(graph.outputs) > 1 else "")
    return names
