"""A network as one self-contained page: a click opens a group in its place, among what surrounds it.

For each level the page holds the cards, in which column each stands and the way of each edge; where they stand
follows from what is open, and the script works it out as ``layout`` does.  Without the script the page shows the
outermost level.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import Any

from ..columns import (
    GAP_ACROSS,
    GAP_DOWN,
    GAP_LABELLED,
    HEADER,
    LANE_WEIGHT,
    MARGIN,
    MOST_SPREAD,
    PADDING,
    SWEEPS,
    Arrangement,
)
from ..mathematics import clean
from ..page.assets import player_file, theme_rules
from ..palette import THEMES
from ..scene import Scene
from ..sentences import Language
from ..svg import drawn
from .groups import Group
from .levels import Level

VARIABLES = {name: f"var(--{name.replace('_', '-')})" for name in THEMES["light"]}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
THEME_ICON = '<path d="M10 2a8 8 0 1 0 0 16a8 8 0 0 0 0-16zm0 1.8v12.4a6.2 6.2 0 0 1 0-12.4z"/>'
BUTTONS = (("deeper", "open all groups", "open all"), ("close", "close all groups", "close all"))
SIZES = (("smaller", "smaller", "−"), ("fit", "fit network", "fit sign"), ("larger", "larger", "+"))
"""The buttons: their name, and the sentences for their label and what stands on them."""
SCRIPTED = ("reads", "gives", "flows from", "flows to", "written at", "more flows")
"""What the page's script says."""


def write_page(
    name: str, overlay: str, outermost: Scene, data: Mapping[str, Any], words: Language, language: str
) -> str:
    """The page; ``outermost`` is the picture with all groups closed, ``data`` what the script draws from."""
    title = escape(clean(name))
    say = words.sentences
    buttons = "".join(
        f'<button type="button" id="{id}" aria-label="{escape(say[label])}">{escape(say.get(sign, sign))}</button>'
        for id, label, sign in (*BUTTONS, *SIZES)
    )
    told = escape(clean(words.say("overlay", overlay=overlay)))
    numbers = f'<span class="overlay">{told}</span>' if overlay else ""
    body = drawn(outermost.primitives, VARIABLES, {})
    size = f'width="{outermost.width:.0f}" viewBox="0 0 {outermost.width:.0f} {outermost.height:.0f}"'
    # A closing tag inside a script would end it.
    data = {**data, "words": {key: say[key] for key in SCRIPTED}}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>
{theme_rules()}
{player_file("network.css")}
</style>
</head>
<body>
<header><h1>{title}</h1><button type="button" id="theme" aria-label="{escape(say["theme"])}">
<svg viewBox="0 0 20 20" aria-hidden="true">{THEME_ICON}</svg></button>{numbers}{buttons}</header>
<main>
<div id="graph" role="group" aria-label="{escape(say["network"])}">
<div class="paper"><svg {size}>{body}</svg></div></div>
</main>
<footer><p id="where" aria-live="polite"></p><p id="said" aria-live="polite"></p>
<p class="help">{escape(say["network help"])}</p></footer>
<script type="application/json" id="network">{text}</script>
<script>
{player_file("network.js")}
</script>
</body>
</html>
"""


def page_data(
    root: Group, levels: Mapping[str, Mapping[str, Any]], opened: Collection[str], largest: float
) -> dict[str, Any]:
    """All that the script needs."""
    return {
        "levels": levels,
        "titles": titles(root),
        "opened": sorted(path for path in opened if path),
        "largest": largest,
        "sizes": {
            "across": GAP_ACROSS, "labelled": GAP_LABELLED, "down": GAP_DOWN, "margin": MARGIN, "spread": MOST_SPREAD,
            "sweeps": SWEEPS, "laneWeight": LANE_WEIGHT, "header": HEADER, "padding": PADDING,
        },
    }  # fmt: skip


def level_data(
    level: Level,
    arrangement: Arrangement,
    members: Mapping[str, Mapping[str, Any]],
    flows: Mapping[tuple[str, str], Sequence[Any]],
) -> dict[str, Any]:
    """One level: its cards with their sizes, then the lanes; the columns; the ways of the edges."""
    lanes = [lane for way in arrangement.ways for lane in way.lanes]
    items = [*arrangement.items.values(), *lanes]
    place = {id(item): number for number, item in enumerate(items)}
    ways = []
    for way, pair in zip(arrangement.ways, level.edges, strict=True):
        label = place[id(way.label)] if way.label is not None else -1
        stops = [place[id(lane)] for lane in way.lanes]
        ends = place[id(way.source)], place[id(way.target)]
        ways.append([*ends, stops, label, int(way.back), *flows[pair]])
    return {
        "members": list(members.values()),
        "items": [[round(item.width, 1), round(item.height, 1)] for item in items],
        "columns": [[place[id(item)] for item in column] for column in arrangement.columns],
        "ways": ways,
        "labelled": int(arrangement.labelled),
    }


def titles(root: Group) -> dict[str, list[str]]:
    """Each group's name and the group around it."""
    return {child.path: [clean(child.name), group.path] for group in root.walk() for child in group.children}
