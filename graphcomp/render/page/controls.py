"""The player's controls, the size of the graph, a node's details, and the fields for other inputs."""

from __future__ import annotations

from ..sentences import Language
from ..story import StoryContent, StoryNode
from .markup import button, icon, text

SPEEDS = ((0.5, "½×"), (1, "1×"), (2, "2×"), (4, "4×"))
HEAT_STEPS = 9


def controls(frames: int, words: Language) -> str:
    """Buttons, a scrubber and the speed."""
    speeds = "".join(
        f'<option value="{value}"{" selected" if value == 1 else ""}>{shown}</option>' for value, shown in SPEEDS
    )
    buttons = (
        button("first", words.say("first step")),
        button("back", words.say("step back")),
        button("play", words.say("play"), words.say("play"), ' aria-pressed="false"'),
        button("forward", words.say("step forward")),
        button("last", words.say("last step")),
    )
    return f"""<nav id="controls" aria-label="{text(words.say("player"))}">
<div class="buttons">{"".join(buttons)}</div>
<input type="range" id="scrub" min="1" max="{frames}" value="{frames}" aria-label="{text(words.say("step"))}">
<output id="step" for="scrub">{frames} / {frames}</output>
<label>{text(words.say("speed"))} <select id="speed">{speeds}</select></label>
</nav>
<template id="icons">{icon("play")}{icon("pause")}</template>"""


def zoom_buttons(words: Language) -> str:
    """Smaller, fitting, larger."""
    labels = (("smaller", "−"), ("fit", words.say("fit sign")), ("larger", "+"))
    return "".join(
        f'<button type="button" id="{name}" aria-label="{text(words.say(name))}">{text(sign)}</button>'
        for name, sign in labels
    )


def legend(words: Language) -> str:
    """What the colours of the small heat maps mean; each map's ends stand beside its values."""
    steps = "".join(f'<span style="background:var(--heat-{step})"></span>' for step in range(HEAT_STEPS))
    return (
        f'<p id="legend"><span>{text(words.say("scale begins"))}</span> <span class="scale" aria-hidden="true">{steps}'
        f"</span> <span>{text(words.say('scale ends'))}</span></p>"
    )


def details(words: Language) -> str:
    """The place for a node's history, source line and values."""
    close = f'<button type="button" id="close" aria-label="{text(words.say("close"))}">×</button>'
    return (
        f'<aside id="details" aria-label="{text(words.say("chosen node"))}" hidden>{close}<h2></h2>'
        '<p class="source"></p><div class="arrays"></div><ol class="history"></ol></aside>'
    )


def input_fields(story: StoryContent, words: Language) -> str:
    """A field for each input."""
    fields = "".join(
        f'<label>{text(input_label(node))} <input type="text" inputmode="decimal" spellcheck="false" '
        f'autocomplete="off" value="{given_value(story, node)!r}"></label>'
        for node in story.nodes
        if node.role == "input"
    )
    return (
        f'<details id="live"><summary>{text(words.say("other inputs"))}</summary><form class="fields">{fields}'
        f'<button type="reset">{text(words.say("given inputs"))}</button></form><p class="said" role="status"></p>'
        "</details>"
    )


def input_label(node: StoryNode) -> str:
    """An input's name, as it is in the story."""
    return node.definition.plain()


def given_value(story: StoryContent, node: StoryNode) -> float:
    """An input's value as the story was told."""
    return float(story.known["value", node.id][-1].fact.data)
