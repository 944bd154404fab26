"""Writes a story as one self-contained page with a player: no request leaves it, and it works from disk.

The page holds the whole story.  Its tables and every step's words stand in it as text, so that they can be read
without a script; the graph, the outlines of all formulas and their MathML are data, each once, which the script draws.
"""

from __future__ import annotations

from ..heat import heat_map
from ..live import Fixed, LiveProgram
from ..picture import draw_both
from ..sentences import Language, language
from ..story import StoryContent
from .assets import player_file, theme_rules
from .controls import controls, details, input_fields, legend, zoom_buttons
from .data import as_json, story_data
from .drawing import Drawing
from .formulas import Formulas
from .live_story import Computed, computed
from .markup import button, text
from .tables import jacobian_table, trace_table
from .told import frame_text

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
SCRIPTS = ("expression.js", "numbers.js", "formulas.js", "drawing.js", "player.js")


def write_html(story: StoryContent, live: LiveProgram | Fixed | None = None) -> str:
    """The page.  ``live`` computes the story again for other inputs, or says why the page cannot."""
    words = language(story.language)
    formulas = Formulas(words.say("true"), words.say("false"))
    told = shown(story, live, words)
    story = told.story
    graph = Drawing(formulas).data(*draw_both(story))
    main = content(told, formulas, words)
    data = {
        **story_data(story, formulas, words),
        "graph": graph,
        "live": told.data(formulas),
        "mathematics": formulas.data(),
    }
    title = text(story.title)
    return f"""<!doctype html>
<html lang="{story.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>
{theme_rules()}
{player_file("player.css")}
</style>
</head>
<body class="plain">
<svg width="0" height="0" class="store" aria-hidden="true"><defs id="store"></defs></svg>
<header><h1>{title}</h1>{button("theme", words.say("theme"))}</header>
{main}
<p id="selected" class="unseen" aria-live="polite"></p>
{controls(len(story.frames), words)}
<div id="pages" aria-hidden="true"></div>
<script type="application/json" id="story">{as_json(data)}</script>
<script>
const graphcompLive = {told.functions()};
{"".join(map(player_file, scripts(told)))}
</script>
</body>
</html>
"""


def scripts(told: Computed) -> tuple[str, ...]:
    """The player's parts; expressions are read only where something can be typed."""
    typed = told.program or any(frame.question for frame in told.story.frames)
    return SCRIPTS if typed else SCRIPTS[1:]


def shown(story: StoryContent, live: LiveProgram | Fixed | None, words: Language) -> Computed:
    """The story with numbers that the page can compute again, or with the reason why it cannot.

    A quiz has neither: other inputs would give its answers away.
    """
    if live is None or any(frame.question for frame in story.frames):
        return Computed(story)
    if isinstance(live, Fixed):
        return Computed(story, reason=words.say(live.reason, **live.parts))
    return computed(story, live, words)


def content(told: Computed, formulas: Formulas, words: Language) -> str:
    """The graph, the tables, and what is told of each step."""
    story = told.story
    maps = any(heat_map(known[-1].fact.data) for known in story.known.values())
    frames = "".join(
        frame_text(index, frame, formulas, words, told.fixed.get(index, ())) for index, frame in enumerate(story.frames)
    )
    reason = f'<p class="fixed">{text(told.reason)}</p>' if told.reason else ""
    inputs = input_fields(story, words) if told.program else reason
    return f"""<main>
<div id="stage">
<div id="graph" tabindex="0" role="application" aria-describedby="selected"
aria-label="{text(words.say("graph"))}"></div>
<div id="zoom" role="group" aria-label="{text(words.say("size of the graph"))}">{zoom_buttons(words)}</div>
{legend(words) if maps else ""}
</div>
<div id="table">{trace_table(story, formulas, words)}{jacobian_table(story, formulas, words)}</div>
<section id="panel" aria-label="{text(words.say("this step"))}">
<div id="told" aria-live="polite">
{frames}
</div>
{details(words)}
{inputs}
</section>
</main>"""
