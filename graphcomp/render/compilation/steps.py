"""The steps of a compile story: the passes, each rewrite, the kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ...graph import Node
from ...schedule.program import Kernel, describe, written
from ...simplify.pattern import Call, Number, Pattern, Variable
from ...simplify.rules import RULES, Rule
from ..definitions import definition
from ..mathematics import Fraction, Identifier, Mathematics, Operator, Parenthesised, Row, Text, equals, shorten
from ..mathematics import Number as Numeral
from ..sentences import Language
from .pictures import SMALLEST_SCALE, WIDEST, Card, Link, Mark, Pane, Title, fitting, title_width
from .record import Compilation, passes_in_words
from .rewrites import FOLDED, LIFTED, SHARED, Change, Key, View, constant, kinds, right_side
from .sourcing import Line, Listing, listing

ROOM = (1208.0, 440.0)
MOST_TOLD, MOST_WHOLE, MOST_NAMES, MOST_CARDS = 4, 14, 6, 40
SHORT, MOST_TYPESET = 130.0, 1000
BY_NAME = {rule.name: rule for rule in RULES}
TOLD_AS = {FOLDED: "folded", SHARED: "shared", LIFTED: "lifted"}
"""The sentences for what simplification does that is no rule of the table."""


@dataclass(frozen=True)
class Step:
    """One step: its line in the list, how often it was applied, what is said, and what is drawn."""

    stage: str
    name: str
    sentence: str
    panes: tuple[Pane, ...]
    times: int = 1
    rules: tuple[Mathematics, ...] = ()
    equation: tuple[Mathematics, ...] = ()
    kernel: int | None = None
    lines: tuple[Line, ...] = ()
    nodes: tuple[int, ...] = ()
    source_line: str = ""


def steps(compilation: Compilation) -> list[Step]:
    """All steps in order."""
    return [overview(compilation), *rewrite_steps(compilation), *kernel_steps(compilation)]


# passes --------------------------------------------------------------------------------------------------------------


def overview(compilation: Compilation) -> Step:
    """The list of passes, what each leaves, and its time."""
    cards = tuple(
        Card(f"pass:{done.name}", Text(f"{done.name}{time_text(done.seconds, ', ')}"), done.leaves)
        for done in compilation.passes
    )
    links = tuple(Link(one.key, other.key, 0) for one, other in pairwise(cards))
    list_of = ", ".join(passes_in_words(compilation.passes))
    say = compilation.words.say
    passes = f"{list_of[:1].upper()}{list_of[1:]}"
    sentence = say("passes told", passes=passes, time=time_text(compilation.seconds))
    return Step(say("passes").lower(), say("all passes"), sentence, (Pane("passes", "", cards, links),))


def time_text(seconds: float | None, before: str = "") -> str:
    """``12 ms``; nothing where no time is known."""
    if seconds is None:
        return ""
    if seconds >= 1:
        return f"{before}{seconds:.1f} s"
    return f"{before}{seconds * 1000:.{0 if seconds >= 0.01 else 1}f} ms"


# rewrites ------------------------------------------------------------------------------------------------------------


def rewrite_steps(compilation: Compilation) -> Iterator[Step]:
    """The rewrites of every walk; a rule applied often is told once, with its number."""
    rounds = Counter(name for name, _ in compilation.walks)
    seen: Counter[str] = Counter()
    for name, walk in compilation.walks:
        seen[name] += 1
        stage = compilation.words.say("round", stage=name, number=seen[name]) if rounds[name] > 1 else name
        groups: dict[tuple[str, ...], list[Change]] = {}
        for change in walk.changes:
            groups.setdefault(change.rules, []).append(change)
        often = {rules for rules, changes in groups.items() if len(changes) > MOST_TOLD}
        told: set[tuple[str, ...]] = set()
        for change in walk.changes:
            if change.rules in often and change.rules in told:
                continue
            alike = groups[change.rules]
            single = change.rules in often or len(alike) == 1
            position = alike.index(change) + 1
            which = "" if single else compilation.words.say("one of", position=position, count=len(alike))
            told.add(change.rules)
            step = rewrite_step(stage, change, alike if change.rules in often else [change], which, compilation.words)
            yield replace(step, source_line=source_line(change)) if compilation.from_code else step


def rewrite_step(stage: str, change: Change, alike: Sequence[Change], which: str, words: Language) -> Step:
    """One rewrite, which stands for all that are alike."""
    walk = change.walk
    view = walk.whole(change) if len(walk.position) <= 4 * MOST_WHOLE else None
    if view is None or len({*view.before, *view.after}) > MOST_WHOLE or not fits(panes(view, words)):
        view = smaller(change, words)
    before = equals(walk.symbol(change.before), walk.defined(change.before, change, False))
    after = walk.symbol(change.after)
    if change.after in view.added and walk.node(change.after).op != "constant":
        after = walk.defined(change.after, change, True)
    counting = f" ({which})" if which else ""
    sentence = words.say(
        "becomes often" if len(alike) > 1 else "becomes",
        rule=told(change.rules, words),
        counting=counting,
        times=len(alike),
        ops=kinds(alike),
        places=places(alike, words),
        before=before.plain(),
        after=after.plain(),
    )
    rules = tuple(rule_text(BY_NAME[name]) for name in change.rules if name in BY_NAME)
    name = words.say("then").join(change.rules) + counting
    return Step(stage, name, sentence, panes(view, words), len(alike), rules, (before, after))


def source_line(change: Change) -> str:
    """Where the user wrote what is rewritten."""
    origin = change.walk.round.before.node(change.node).origin
    return "" if origin is None else f"{origin.file.rpartition('/')[2]}:{origin.line}"


def told(rules: Sequence[str], words: Language) -> str:
    """How a sentence about these rules begins."""
    if rules[0] in TOLD_AS:
        return words.say(TOLD_AS[rules[0]])
    quoted = words.say("then").join(f"“{rule}”" for rule in rules)
    return words.say("rules" if len(rules) > 1 else "rule", rules=quoted)


def places(changes: Sequence[Change], words: Language) -> str:
    """The parts of the model that the rewritten nodes belong to, a few of them."""
    found = list(dict.fromkeys(change.scope for change in changes if change.scope))
    key = "in parts more" if len(found) > 3 else "in parts"
    return words.say(key, places=", ".join(found[:3]), count=len(found) - 3) if found else ""


def fits(shown: tuple[Pane, ...]) -> bool:
    """Whether panes fit a slide with readable text."""
    return fitting(shown, ROOM)[1] >= SMALLEST_SCALE


def smaller(change: Change, words: Language) -> View:
    """The neighbourhood of a change, with fewer users where it would not fit."""
    view = change.walk.near(change)
    users = [key for key in view.before if key[0] == "old" and key != change.before]
    while users and not fits(panes(view, words)):
        left = users.pop()
        view = View(change, without(view.before, left), without(view.after, left), False)
    return view


def without(keys: tuple[Key, ...], left: Key) -> tuple[Key, ...]:
    """The keys but for one."""
    return tuple(key for key in keys if key != left)


def panes(view: View, words: Language) -> tuple[Pane, Pane]:
    """The graph before and after, the difference marked."""
    return pane(view, "before", False, words), pane(view, "after", True, words)


def pane(view: View, name: str, done: bool, words: Language) -> Pane:
    """One of the two."""
    walk, change = view.change.walk, view.change
    keys = view.after if done else view.before
    marked: Mark = "added" if done else "removed"
    changed = view.added if done else view.removed
    cards = []
    for key in keys:
        mark: Mark = marked if key in changed else "same" if key == change.after and change.after in view.before else ""
        plain = len(walk.position) > MOST_TYPESET
        title = titled(walk.symbol(key), walk.defined(key, change, done), walk.node(key), plain)
        beside = not view.whole and not mark
        kind = detail(walk.node(key), words, is_output(view, key, done))
        brief = briefly(title, walk.symbol(key), walk.node(key))
        cards.append(Card(name_of(key), title, kind, mark, beside, brief=brief))
    links = []
    for key in keys:
        before, after = (walk.inputs(key, change, state) for state in (False, True))
        sources = after if done else before
        for slot, source in enumerate(sources):
            if source in keys:
                moved = key in changed or (not changed_key(key, view) and before[slot] != after[slot])
                links.append(Link(name_of(source), name_of(key), slot, marked if moved else ""))
    return Pane(name, words.say(name if view.whole else f"{name} nearby"), tuple(cards), tuple(links))


def changed_key(key: Key, view: View) -> bool:
    """Whether only one of the two states has a value."""
    return key in view.removed or key in view.added


def is_output(view: View, key: Key, done: bool) -> bool:
    """Whether a value is a result of the graph."""
    walk = view.change.walk
    return any(walk.resolved(id, view.change, done) == key for id in walk.round.before.outputs)


def name_of(key: Key) -> str:
    """A value's name among the drawing's elements."""
    return f"{key[0]}{key[1]}"


def titled(symbol: Mathematics, defined: Mathematics, node: Node, plain: bool) -> Title:
    """``w₃ = w₁ w₂``, its right side shortened to the op where it would be too wide; in words if ``plain``."""
    title = as_title(defined if node.op == "constant" else equals(symbol, defined), plain)
    if node.op == "constant" or title_width(title) <= WIDEST:
        return title
    return as_title(equals(symbol, Text(shorten(f"{node.op}(…)", 24))), plain)


def as_title(formula: Mathematics, plain: bool) -> Title:
    """A formula, or its words."""
    return formula.plain() if plain else formula


def briefly(title: Title, symbol: Mathematics, node: Node) -> Title:
    """The title with only the op on its right side, unless it is short anyway."""
    plain = isinstance(title, str)
    return title if title_width(title) <= SHORT else as_title(equals(symbol, Text(shorten(node.op, 16))), plain)


def detail(node: Node, words: Language, output: bool = False) -> str:
    """A value's type, and whether it is a result."""
    kind = shorten(str(node.type), 30)
    return words.say("a result", type=kind) if output else kind


def rule_text(rule: Rule) -> Mathematics:
    """``ln eˣ → x``."""
    after: Mathematics = Text("…") if callable(rule.replacement) else pattern_text(rule.replacement)
    return Row((pattern_text(rule.pattern), Operator("→"), after))


def pattern_text(pattern: Pattern) -> Mathematics:
    """A pattern as mathematics."""
    if isinstance(pattern, Variable):
        return Identifier(pattern.name)
    if isinstance(pattern, Number):
        return Numeral(f"{pattern.value:g}".replace("-", "−"))
    assert isinstance(pattern, Call)
    parts = [pattern_text(part) for part in pattern.arguments]
    if pattern.op == "multiply":
        parts = [Parenthesised(part) if isinstance(part, Fraction) else part for part in parts]
    return definition(pattern.op, parts, {})


# kernels -------------------------------------------------------------------------------------------------------------


def kernel_steps(compilation: Compilation) -> Iterator[Step]:
    """All kernels over the whole graph where it is small, then each kernel by itself; equal ones once."""
    found = listing(compilation.source.text)
    kernels = compilation.program.kernels
    whole = [id for id in compilation.simplified.reachable() if compilation.simplified.node(id).op != "constant"]
    shown = len(whole) <= MOST_WHOLE + 10
    if shown and len(kernels) > 1:
        yield regions_step(compilation, whole)
    told: set[int] = set()
    for kernel in kernels:
        if kernel.number not in told:
            alike = found.sharing(kernel.number)
            told.update(alike)
            yield kernel_step(compilation, kernel, found, len(alike), whole if shown else [])


def regions_step(compilation: Compilation, whole: Sequence[int]) -> Step:
    """Every kernel as a region."""
    kernels = compilation.program.kernels
    drawn = set(whole)
    regions = tuple(tuple(f"value:{id}" for id in kernel.nodes if id in drawn) for kernel in kernels)
    cards = tuple(value_card(compilation, id) for id in whole)
    pane = Pane("kernels", "", cards, links_between(compilation, whole), regions)
    words = compilation.words
    values, of_kernels = words.counted("value", len(whole)), words.counted("kernel", len(kernels))
    sentence = words.say("regions", values=values, kernels=of_kernels)
    return Step("schedule", words.say("all kernels"), sentence, (pane,))


def kernel_step(compilation: Compilation, kernel: Kernel, found: Listing, times: int, whole: Sequence[int]) -> Step:
    """One kernel as a region over the graph, and its source."""
    graph = compilation.simplified
    inside = [id for id in dict.fromkeys(kernel.nodes) if graph.node(id).op != "constant"]
    reads = [source for id in inside for source in graph.node(id).inputs if graph.node(source).op != "constant"]
    around = list(dict.fromkeys(id for id in reads if id not in inside))
    stored = {buffer.node for buffer in written(kernel)}
    shown = list(whole) or sorted({*inside[:MOST_CARDS], *around[: max(MOST_CARDS - len(inside), 0)]})
    cards = tuple(value_card(compilation, id, id not in inside, id in stored) for id in shown)
    region = tuple(f"value:{id}" for id in shown if id in inside)
    heading = describe(kernel).partition(": ")[2]
    pane = Pane("kernel", shorten(heading, 90), cards, links_between(compilation, shown), (region,))
    lines = tuple(found.of_kernel(kernel.number))
    names = [compilation.symbols[id].plain() for id in inside if id in compilation.symbols]
    words, computed = compilation.words, ", ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        computed = words.say("values more", values=computed, count=len(names) - MOST_NAMES)
    sentence = words.say(
        "kernel stores" if len(names) > len(stored) else "kernel computes",
        number=kernel.number,
        values=computed,
        lines=words.counted("line", len(lines)),
        count=len(stored),
    )
    if times > 1:
        sentence += " " + words.say("kernels alike", kernels=words.counted("kernel", times))
    nodes = tuple(dict.fromkeys((*inside, *(id for line in lines for id in line.nodes if id in set(kernel.nodes)))))
    name = words.say("kernel number", number=kernel.number)
    return Step(words.say("kernels"), name, sentence, (pane,), times, (), (), kernel.number, lines, nodes)


def value_card(compilation: Compilation, id: int, beside: bool = False, stored: bool = False) -> Card:
    """A node of the simplified graph: its equation, its type, and its number in the source's comments."""
    graph = compilation.simplified
    node = graph.node(id)
    operands = [compilation.symbols.get(source) or constant(graph.node(source)) for source in node.inputs]
    plain = len(graph) > MOST_TYPESET
    title = titled(compilation.symbols[id], right_side(graph, node, operands), node, plain)
    kind = detail(node, compilation.words)
    words = f"%{id} {compilation.words.say('stored', type=kind) if stored else kind}"
    mark: Mark = "stored" if stored else ""
    return Card(f"value:{id}", title, words, mark, beside, f"%{id}", as_title(compilation.symbols[id], plain))


def links_between(compilation: Compilation, shown: Sequence[int]) -> tuple[Link, ...]:
    """The edges between some nodes."""
    inside = set(shown)
    return tuple(
        Link(f"value:{source}", f"value:{id}", slot)
        for id in shown
        for slot, source in enumerate(compilation.simplified.node(id).inputs)
        if source in inside
    )
