"""The colours of both themes, by meaning.

Every text colour keeps a contrast of at least 4.5:1 against each background it is used on (a test computes it).
Blue is for values, orange for adjoints, green for tangents; each also differs by its place and its symbol.
"""

from __future__ import annotations

# A heat map's steps from large negative (purple) through zero to large positive (dark green).
HEAT_LIGHT = dict(
    zip(
        (f"heat_{step}" for step in range(9)),
        ("#5b2a86", "#8c63b0", "#b99bd2", "#dfd1ec", "#f2f2f2", "#cde7d0", "#8fc99a", "#4a9c60", "#17663a"),
        strict=True,
    )
)
HEAT_DARK = dict(
    zip(
        (f"heat_{step}" for step in range(9)),
        ("#d9b8ff", "#a883d6", "#7a58a6", "#4d3a69", "#2b3038", "#2f5a3d", "#3f8a58", "#62b97e", "#a5ecb9"),
        strict=True,
    )
)

LIGHT = {
    "page": "#ffffff",
    "panel": "#f5f7f9",
    "card": "#ffffff",
    "ink": "#14171c",
    "muted": "#565d68",
    "line": "#737b87",
    "rule": "#c3c9d2",
    "value": "#0b5a94",
    "adjoint": "#a34100",
    "adjoint_fill": "#fff1de",
    "tangent": "#00665c",
    "tangent_fill": "#e0f4f0",
    **HEAT_LIGHT,
}
DARK = {
    "page": "#12151a",
    "panel": "#1b2027",
    "card": "#181d24",
    "ink": "#f1f3f5",
    "muted": "#aab2bd",
    "line": "#8d96a3",
    "rule": "#414a56",
    "value": "#84c5f7",
    "adjoint": "#ffb574",
    "adjoint_fill": "#3b2916",
    "tangent": "#72d8c8",
    "tangent_fill": "#12342f",
    **HEAT_DARK,
}
THEMES = {"light": LIGHT, "dark": DARK}
TEXT_ON = {
    "ink": ("page", "panel", "card", "adjoint_fill", "tangent_fill"),
    "muted": ("page", "panel", "card", "adjoint_fill", "tangent_fill"),
    "value": ("page", "card", "panel", "adjoint_fill", "tangent_fill"),
    "adjoint": ("page", "card", "panel", "adjoint_fill"),
    "tangent": ("page", "card", "panel", "tangent_fill"),
}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` as WCAG defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """The WCAG contrast ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)
