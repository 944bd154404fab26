"""How large a drawing's text is and how much air stands around it, in pixels of the scene.

Fourteen points, the least that can be read from the back of a room, are 18⅔ pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SMALLEST_TEXT = 14 * 96 / 72


@dataclass(frozen=True)
class Style:
    """Sizes of the texts on cards (definition, value, derivative) and edge labels (partial, contribution).

    ``card_rows`` and ``label_rows`` are the least heights of their rows; ``air`` is the room above and below a
    text, as a part of its size; ``gaps`` are dot's, in inches: among the cards of a rank, and from rank to rank (then
    the same for a drawing without edge labels).  What is wider than a card or a label may be is cut.
    """

    card_sizes: tuple[float, float, float]
    label_sizes: tuple[float, float]
    card_rows: tuple[float, float, float]
    label_rows: tuple[float, float]
    air: float
    card_padding: float
    label_padding: float
    card_radius: float
    label_radius: float
    narrowest_card: float
    common_width: float
    gaps: tuple[float, float]
    gaps_without_labels: tuple[float, float]
    widest_card: float = math.inf
    widest_label: float = math.inf

    @property
    def smallest_scale(self) -> float:
        """How much a drawing may shrink until its smallest text has fourteen points."""
        return SMALLEST_TEXT / min(*self.card_sizes, *self.label_sizes)


ROOMY = Style(
    card_sizes=(24, 31, 24),
    label_sizes=(22, 21),
    card_rows=(50, 54, 48),
    label_rows=(38, 34),
    air=0.7,
    card_padding=18,
    label_padding=11,
    card_radius=14,
    label_radius=9,
    narrowest_card=172,
    common_width=300,
    gaps=(0.36, 0.78),
    gaps_without_labels=(0.5, 1.0),
)
COMPACT = Style(
    card_sizes=(18.7, 21, 18.7),
    label_sizes=(18.7, 18.7),
    card_rows=(32, 33, 31),
    label_rows=(28, 27),
    air=0.38,
    card_padding=9,
    label_padding=6,
    card_radius=9,
    label_radius=6,
    narrowest_card=100,
    common_width=150,
    gaps=(0.18, 0.35),
    gaps_without_labels=(0.3, 0.42),
    widest_card=400,
    widest_label=304,
)
"""As small as a slide allows: all of its text has 14 points, or a little more."""
