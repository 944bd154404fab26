"""The story of a compilation: the passes, each rewrite with its rule, and the fused kernels with their source."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..graph import Graph
from ..run.pipeline import Lowered, lower
from ..simplify.simplify import ALL, SimplifyingBuilder, prune
from ..trace import trace
from ..transform import run, value_and_grad
from .account import Account, Telling
from .explain import traced
from .mathematics import Mathematics, Row, Text, equals
from .output import Story
from .story import Fact, Frame, Region, StoryEdge, Sweep

MOST_ROUNDS = 4
PASSES = ("trace", "derive", "simplify", "schedule", "emit")
KERNEL = re.compile(r"# kernel (\d+)")
NODES = re.compile(r"%(\d+)")


@dataclass(frozen=True)
class Change:
    """What simplification did with one node: by which rules, and what stands for it now."""

    node: int
    rules: tuple[str, ...]
    became: int | None


@dataclass(frozen=True)
class Round:
    """One walk of the simplifier: the graph after it, where each node went, and what changed."""

    graph: Graph
    mapping: Mapping[int, int]
    changes: tuple[Change, ...]


def rounds(graph: Graph) -> list[Round]:
    """The simplifier's walks, as it does them, with the node that each rewrite was about."""
    found: list[Round] = []
    while len(found) < MOST_ROUNDS:
        current = found[-1].graph if found else graph
        found.append(one_round(current))
        if not any(change.rules for change in found[-1].changes):
            break
    return found


def one_round(graph: Graph) -> Round:
    """Build the graph again through the rules, and drop what nothing uses."""
    b = SimplifyingBuilder(Graph(arrays=graph.arrays, requirements=list(graph.requirements)), ALL)
    mapping: dict[int, int] = {}
    rules: dict[int, tuple[str, ...]] = {}
    for id in dict.fromkeys([*graph.inputs, *graph.reachable()]):
        node, before = graph.node(id), len(b.history)
        b.at(node)
        inputs = tuple(mapping[source] for source in node.inputs)
        mapping[id] = b.place(node.op, inputs, node.attributes, node.type)
        rules[id] = tuple(rewrite.rule for rewrite in b.history[before:])
    b.graph.inputs = [mapping[id] for id in graph.inputs]
    b.graph.outputs = [mapping[id] for id in graph.outputs]
    pruned, kept = prune(b.graph)
    after = {id: kept[new] for id, new in mapping.items() if new in kept}
    first = {new: id for id, new in reversed(after.items())}
    changes = [
        Change(id, rules[id], after.get(id)) for id in mapping if rules[id] or id not in after or first[after[id]] != id
    ]
    return Round(pruned, after, tuple(changes))


def compile_story(source: Any, at: Any = None, *, digits: int = 3) -> Story:
    """How value and gradient of a formula or function become kernels, on the derived graph."""
    graph, values = traced(source, at)
    count = tuple(range(len(graph.inputs)))
    derived = trace(value_and_grad(lambda *arguments: run(graph, arguments)[0], count), *values)
    derived.names = {
        name: derived.inputs[graph.inputs.index(id)] for name, id in graph.names.items() if id in graph.inputs
    }
    account = Account(derived, [np.asarray(value) for value in values], Telling(digits=digits))
    lowered = lower(derived)
    telling = CompileTelling(account, lowered)
    frames = [telling.overview(len(graph)), *telling.rewrites(), *telling.kernels()]
    edges = tuple(
        StoryEdge(operand, *edge, account.derivative(account.symbol(edge[0]), account.symbol(operand)))
        for edge, operand in account.edges.items()
    )
    return Story(
        f"Compiling the value and gradient of {account.output_symbol(derived.outputs[0]).plain()}",
        "evaluate",
        "d",
        account.story_nodes(),
        edges,
        tuple(frames),
        (Sweep("value", None, "compilation"),),
        tuple(Fact("value", node.id, Text(str(node.type))) for node in account.order),
        digits,
        modes=("evaluate",),
    )


@dataclass(frozen=True)
class CompileTelling:
    """Tells the frames of a compilation."""

    account: Account
    lowered: Lowered

    def overview(self, traced_nodes: int) -> Frame:
        """The list of passes, and what each leaves."""
        sizes = (
            f"{traced_nodes} nodes",
            f"{len(self.account.graph)} nodes",
            f"{len(self.lowered.simplified.graph)} nodes",
            counted(len(self.lowered.program.kernels), "kernel"),
            f"{len(self.lowered.source.text.splitlines())} lines of source",
        )
        steps = ", ".join(f"{name}: {size}" for name, size in zip(PASSES, sizes, strict=True))
        return self.frame(self.account.graph.outputs[0], f"The passes one after the other. {steps.capitalize()}.")

    def frame(self, focus: int, sentence: str, *equation: Mathematics, **more: Any) -> Frame:
        """A frame of the story."""
        shown = focus if focus in self.account.names.symbols else self.account.shown[-1]
        blank = Frame("rewrite", shown, (), (), (), equation, sentence)
        return replace(blank, **more)

    def rewrites(self) -> list[Frame]:
        """A frame for each node that simplification replaced, joined with an equal one, or dropped."""
        frames = []
        origin = {id: id for id in range(len(self.account.graph))}
        for number, done in enumerate(rounds(self.account.graph), 1):
            back: dict[int, int] = {}
            for id, new in done.mapping.items():
                if id in origin:
                    back.setdefault(new, origin[id])
            for change in done.changes:
                if origin.get(change.node) in self.account.names.symbols:
                    frames.append(self.rewrite(origin[change.node], change, back, done.graph, number))
            origin = back
        return frames

    def rewrite(self, node: int, change: Change, back: Mapping[int, int], graph: Graph, number: int) -> Frame:
        """One node's rewrite."""
        account = self.account
        before = account.define(
            account.graph.node(node), [account.operand(id) for id in account.graph.node(node).inputs]
        )
        symbol, reads = account.symbol(node), tuple(edge for edge in account.edges if edge[0] == node)
        if change.became is None:
            fact = Fact("value", node, Text("dropped"))
            sentence = f"Nothing uses {symbol.plain()} any more: it is dropped."
            return self.frame(node, sentence, symbol, before, facts=(fact,))
        after = self.written(graph, change.became, back, node)
        fact = Fact("value", node, Row((Text("→ "), after)))
        rules = ", then ".join(dict.fromkeys(change.rules))
        why = f"Rule “{rules}”" if rules else "The same as a node made before"
        sentence = f"Round {number}. {why}: {symbol.plain()} = {before.plain()} becomes {after.plain()}."
        return self.frame(node, sentence, equals(symbol, before), after, facts=(fact,), reads=reads)

    def written(self, graph: Graph, id: int, back: Mapping[int, int], node: int) -> Mathematics:
        """A node of a rewritten graph in the story's symbols: its symbol, or its definition by such."""
        account = self.account
        if id in back and back[id] in account.names.symbols and back[id] != node:
            return account.symbol(back[id])
        new = graph.node(id)
        operands: list[Mathematics] = []
        for source in new.inputs:
            known = back.get(source)
            if known is not None and known in account.names.symbols:
                operands.append(account.symbol(known))
            else:
                operands.append(Text(str(graph.node(source).attributes.get("value", graph.node(source).op))))
        return account.define(new, operands) if operands else Text(str(new.attributes.get("value", new.op)))

    def kernels(self) -> list[Frame]:
        """A frame for each kernel: which nodes it computes, and the lines of source that do."""
        back: dict[int, list[int]] = {}
        for id, new in self.lowered.simplified.mapping.items():
            if id in self.account.names.symbols:
                back.setdefault(new, []).append(id)
        frames = []
        for number, lines in kernel_lines(self.lowered.source.text):
            found = dict.fromkeys(id for line in lines for id in nodes_of(line))
            nodes = tuple(sorted({id for new in found for id in back.get(new, ())}))
            if not nodes:
                continue
            region = Region(f"kernel {number}", nodes, tuple(lines))
            reads = tuple(edge for edge, operand in self.account.edges.items() if {edge[0], operand} <= set(nodes))
            names = ", ".join(self.account.symbol(id).plain() for id in nodes)
            sentence = (
                f"Kernel {number} computes {names} in {counted(len(lines), 'line')}; no value in between is stored."
            )
            frames.append(self.frame(nodes[-1], sentence, reads=reads, region=region))
        return frames


def counted(number: int, noun: str) -> str:
    """``2 kernels``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def kernel_lines(source: str) -> list[tuple[int, list[str]]]:
    """The lines of each kernel in generated source."""
    found: list[tuple[int, list[str]]] = []
    inside = False
    for line in source.splitlines():
        start = KERNEL.search(line)
        if start:
            found.append((int(start[1]), []))
        inside = bool(start) or (inside and line.startswith("    ") and line.strip() != "return")
        if inside and not start:
            found[-1][1].append(line.strip())
    return found


def nodes_of(line: str) -> Sequence[int]:
    """The nodes that a line's comment names."""
    _, _, comment = line.partition("  # ")
    return [int(id) for id in NODES.findall(comment)]
