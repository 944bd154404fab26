"""What a loop need not do: results that nobody reads, values that no step changes.

carried unchanged         what every step passes on as it came is a constant
unused in a loop          results, carried values and arguments that nothing reads are dropped
the same argument twice   is one argument
the same result twice     is one result
filled with one value     an argument of one value is made in the body
passed through a loop     a result that is an argument is that argument
moved out of a loop       what depends on constants alone is computed once, before the loop
all steps at once         a product of entries of sequences is computed for all steps before the loop; one that no later
                          step needs, for all steps after it; and so is a sum of products that is carried
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import ops
from ..derive import copy_node, depending, extract, inline, needed
from ..graph import Graph, Node, Subgraph, TensorType
from ..ops import Builder
from ..ops.index import at_least
from .batch import batch
from .scan import Loop


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one node: the ids of new nodes [first, stop), the one that stands for it, what was done."""

    first: int
    stop: int
    result: int
    rules: tuple[str, ...] = ()


@dataclass(slots=True)
class Tidied:
    """The graph in order, and what became of each node of the original."""

    graph: Graph
    steps: dict[int, Step] = field(default_factory=dict)


def tidy(graph: Graph) -> Tidied:
    """The graph with its loops put in order, and with the bodies of functions that have derivatives of their own.

    Those derivatives have been taken, where they were wanted: what is left is the function.
    """
    tidied = Tidied(Graph(arrays=graph.arrays, requirements=list(graph.requirements)))
    b = ops.build(tidied.graph)
    reachable = graph.reachable()
    wanted = _wanted(graph, reachable)
    results: dict[int, dict[int, int]] = {}
    for id in [*graph.inputs, *reachable]:
        if id in tidied.steps:
            continue
        node, first, rules = graph.node(id), len(b.graph), tuple[str, ...]()
        inputs = [tidied.steps[source].result for source in node.inputs]
        b.at(node)
        if node.op == "scan":
            rebuilt = _Rebuilt(b, node, inputs, wanted.get(id, set()))
            results[id], rules = rebuilt.results, tuple(rebuilt.applied)
            made = rebuilt.id
        elif node.op == "custom_call":
            results[id] = dict(enumerate(inline(b, node.attributes["body"].graph, inputs)))
            made, rules = len(b.graph) - 1, ("a function with its own derivative is its body",)
        elif node.op == "item" and node.inputs[0] in results:
            made = results[node.inputs[0]][node.attributes["position"]]
        else:
            made = copy_node(b, node, inputs)
        tidied.steps[id] = Step(first, len(b.graph), made, rules)
    now = {id: step.result for id, step in tidied.steps.items()}
    tidied.graph.inputs = [now[id] for id in graph.inputs]
    tidied.graph.outputs = [now[id] for id in graph.outputs]
    tidied.graph.names = {name: now[id] for name, id in graph.names.items() if id in now}
    return tidied


def _wanted(graph: Graph, reachable: Iterable[int]) -> dict[int, set[int]]:
    """For each loop, the positions of the results that are read."""
    found: dict[int, set[int]] = {}
    for id in reachable:
        node = graph.node(id)
        if node.op == "item" and graph.node(node.inputs[0]).op == "scan":
            found.setdefault(node.inputs[0], set()).add(node.attributes["position"])
    return found


class _Rebuilt:
    """One loop, built again in the builder's graph; `results` are the ids of the wanted ones by position."""

    def __init__(self, b: Builder, node: Node, arguments: list[int], wanted: set[int]) -> None:
        self.b, self.node, self.wanted = b, node, wanted
        self.loop = Loop.of(node.attributes)
        self.body = self.loop.body
        self.results: dict[int, int] = {}
        self.applied: list[str] = []
        self.argument = dict(zip(self.body.inputs, arguments))
        self.carries = [slot for slot in range(self.loop.carries) if not self._is_fixed(slot, arguments)]
        self.varying = depending(self.body, [*self._places(self.carries), *self._sequence_places()])
        self.ys = [p for p in sorted(wanted) if p >= self.loop.carries and not self._is_outside(p)]
        self._drop_dead_carries()
        self.same = self._same_results()
        self.after: dict[int, int] = {}
        self.stacked: list[int] = []
        if self.loop.save:
            self._put_after()
        self.standing, self.moved = self._invariants()
        self.before = self._steps_before() if self.loop.save else []
        self.id = self._emit()
        self._compute_after()
        self.results |= {position: self.results[first] for position, first in self.same.items()}

    def _places(self, slots: Iterable[int]) -> list[int]:
        return [self.body.inputs[slot] for slot in slots]

    def _sequence_places(self) -> list[int]:
        return self._places(range(self.loop.carries, self.loop.carries + self.loop.sequences))

    def _note(self, rule: str) -> None:
        self.applied.append(rule)

    # what is decided without looking at use ---------------------------------------------------------------------------

    def _is_fixed(self, slot: int, arguments: list[int]) -> bool:
        if self.body.outputs[slot] != self.body.inputs[slot]:
            return False
        self._note("carried unchanged")
        if slot in self.wanted:
            self.results[slot] = arguments[slot]
        return True

    def _is_outside(self, position: int) -> bool:
        """Whether a stacked result needs no loop; then it is made at once."""
        id = self.body.outputs[position]
        if id in self._sequence_places():
            self._note("passed through a loop")
            self.results[position] = self.argument[id]
            return True
        if id in self.varying:
            return False
        self._note("moved out of a loop")
        (value,) = self._outside([id])
        self.results[position] = self.b.broadcast(value, shape=(self.loop.length, *self.body.type(id).shape))
        return True

    def _outside(self, ids: list[int]) -> list[int]:
        """Nodes of the body that depend on constants alone, computed in the graph around it."""
        places = [place for place in self.body.inputs if place not in self.varying]
        part = extract(self.body, places, ids)
        known = dict(zip(part.inputs, (self.argument[place] for place in places)))
        for node in part.nodes():
            if node.id not in known:
                known[node.id] = copy_node(self.b, node, [known[source] for source in node.inputs])
        return [known[id] for id in part.outputs]

    # what is used ----------------------------------------------------------------------------------------------------

    def _drop_dead_carries(self) -> None:
        """Keep what is carried if its last value is wanted, or if a step reads it for something that is."""
        live = {slot for slot in self.carries if slot in self.wanted}
        while True:
            outputs = [self.body.outputs[p] for p in (*live, *self.ys)]
            read = set(needed(self.body, outputs, ())) | set(outputs)
            more = {slot for slot in self.carries if self.body.inputs[slot] in read}
            if more <= live:
                break
            live |= more
        if len(live) < len(self.carries):
            self._note("unused in a loop")
        self.carries = sorted(live)

    def _outputs(self) -> list[int]:
        return [*(self.body.outputs[position] for position in (*self.carries, *self.ys)), *self.stacked]

    def _same_results(self) -> dict[int, int]:
        """Stacked results that are the same node as an earlier one, which is kept."""
        first: dict[int, int] = {}
        same: dict[int, int] = {}
        for position in self.ys:
            kept = first.setdefault(self.body.outputs[position], position)
            if kept != position:
                same[position] = kept
        if same:
            self._note("the same result twice")
        self.ys = [position for position in self.ys if position not in same]
        return same

    # all steps at once -----------------------------------------------------------------------------------------------

    def _put_after(self) -> None:
        """Find the results that are computed for all steps at once when the loop has run.

        `after` holds what they are made of by position: for a stacked result the node itself, for a carried sum the
        node that each step adds. `stacked` are the nodes of the body that the loop stacks for that.
        """
        added = {slot: node for slot in self.carries if (node := self._added(slot)) is not None}
        rest = [slot for slot in self.carries if slot not in added]
        core = set(needed(self.body, [self.body.outputs[slot] for slot in rest], ()))
        candidates = added | {position: self.body.outputs[position] for position in self.ys}
        for position, root in candidates.items():
            cut = self._cut(root, core)
            if cut and self._can_batch(cut, root):
                self.after[position] = root
        cuts = [id for root in self.after.values() for id in self._cut(root, core) or ()]
        self.stacked = [id for id in dict.fromkeys(cuts) if id in self.varying and id not in self._sequence_places()]
        self.cut = list(dict.fromkeys(cuts))
        self.carries = [slot for slot in self.carries if slot not in self.after]
        self.ys = [position for position in self.ys if position not in self.after]
        if self.after:
            self._note("all steps at once")

    def _added(self, slot: int) -> int | None:
        """What each step adds to a carried value that is read for nothing else; None for any other carried value."""
        place, result = self.body.inputs[slot], self.body.node(self.body.outputs[slot])
        if result.op != "add" or place not in result.inputs or result.inputs[0] == result.inputs[1]:
            return None
        others = [p for p in (*self.carries, *self.ys) if p != slot]
        read = set(needed(self.body, [self.body.outputs[p] for p in others], ()))
        (term,) = (source for source in result.inputs if source != place)
        own = set(needed(self.body, [term], ()))
        return None if place in read | own or result.id in read else term

    def _cut(self, root: int, core: set[int]) -> list[int] | None:
        """The nodes that a product, or moved entries and sums of products, is made from; None if it is none.

        The product itself must not be part of what the steps need (`core`).
        """
        node = self.body.node(root)
        if root in core or not isinstance(node.type, TensorType) or root not in self.varying:
            return None
        record = ops.get(node.op)
        if record.subscripts is not None:
            return [self._before_moves(source) for source in node.inputs]
        if node.op == "add":
            parts = [self._cut(source, core) for source in node.inputs]
            return [id for part in parts for id in part or ()] if all(parts) else None
        if node.op == "sum":
            return self._cut(node.inputs[0], core) or [self._before_moves(node.inputs[0])]
        if isinstance(record, ops.Elementwise) and self._is_outer(node):
            return [self._before_moves(source) for source in node.inputs]
        return self._cut(node.inputs[0], core) if record.index_map is not None and len(node.inputs) == 1 else None

    def _is_outer(self, node: Node) -> bool:
        """Whether an elementwise op is of repeated entries, so that less is stacked if it is done later."""
        sizes = [self.body.type(self._before_moves(source)).size for source in node.inputs]
        return len(sizes) > 1 and at_least(node.tensor.size - sum(sizes) - 1, 0)

    def _before_moves(self, id: int) -> int:
        """What an operand is, before its entries were moved or repeated: that is what is stacked."""
        node = self.body.node(id)
        while len(node.inputs) == 1 and isinstance(node.type, TensorType) and ops.get(node.op).index_map is not None:
            smaller = at_least(node.tensor.size - self.body.type(node.inputs[0]).size, 0)
            if not smaller:
                break
            node = self.body.node(node.inputs[0])
        return node.id

    def _can_batch(self, cut: list[int], root: int) -> bool:
        """Whether a batch of what computes `root` from `cut` needs no loop itself."""
        part = extract(self.body, list(dict.fromkeys(cut)), [root])
        return not batch(part, range(len(part.inputs)), self.loop.length).graph.subgraphs()

    def _steps_before(self) -> list[int]:
        """The products that depend on no carried value: they are computed for all steps before the loop."""
        carried = depending(self.body, self._places(self.carries))
        found = []
        for id in needed(self.body, self._outputs(), sorted(self.standing)):
            node = self.body.node(id)
            is_product = isinstance(node.type, TensorType) and ops.get(node.op).subscripts is not None
            if is_product and id in self.varying and id not in carried and self._can_batch(self._sources(id), id):
                found.append(id)
        if found:
            self._note("all steps at once")
        return found

    def _sources(self, id: int) -> list[int]:
        """The sequences and constants that a node of the body is computed from."""
        return [place for place in needed(self.body, [id], ()) if place in self.argument]

    def _for_all_steps(self, sources: list[int], root: int, known: Mapping[int, int]) -> int:
        """A node of the body for all steps at once, from stacked values (`known`) and from constants."""
        part = extract(self.body, sources, [root])
        chosen = [position for position, id in enumerate(sources) if id in known]
        arguments = [known[id] if id in known else self._outside([id])[0] for id in sources]
        found = batch(part, chosen, self.loop.length, required=[0])
        (result,) = inline(self.b, found.graph, arguments)
        return result

    def _compute_after(self) -> None:
        """The results that wait until the loop has run."""
        place = len(self.carries) + len(self.ys)
        known = {id: self.b.item(self.id, position=place + number) for number, id in enumerate(self.stacked)}
        known |= {id: self.argument[id] for id in self._sequence_places()}
        for position, root in self.after.items():
            cut = [id for id in self.cut if id in set(self._cut(root, set()) or ())]
            whole = self._for_all_steps(cut, root, known)
            if position >= self.loop.carries:
                self.results[position] = whole
            elif position in self.wanted:
                total = self.b.sum(whole, axes=(0,))
                self.results[position] = self.b.add(self.argument[self.body.inputs[position]], total)

    # what does not change --------------------------------------------------------------------------------------------

    def _invariants(self) -> tuple[set[int], list[int]]:
        """The ids of the body that are made in the graph around it: all of them, and in order."""
        found: set[int] = set()
        waiting = [
            source
            for id in needed(self.body, self._outputs(), self.body.inputs)
            if id in self.varying
            for source in self.body.node(id).inputs
        ]
        waiting += self._outputs()
        while waiting:
            id = waiting.pop()
            node = self.body.node(id)
            if id in self.varying or id in found or not node.inputs:
                continue
            if isinstance(node.type, TensorType) and ops.get(node.op).index_map is not None and len(node.inputs) == 1:
                waiting.extend(node.inputs)
            elif isinstance(node.type, TensorType):
                found.add(id)
        if found:
            self._note("moved out of a loop")
        return found, sorted(found)

    # the loop --------------------------------------------------------------------------------------------------------

    def _emit(self) -> int:
        """The new loop; its results go to `results`."""
        if not self.carries and not self.ys and not self.stacked:
            return max(self.results.values(), default=0)
        inner = ops.build(Graph())
        ids, arguments, sizes = self._inputs(inner)
        if not self.applied:
            return self._unchanged()
        for id in needed(self.body, self._outputs(), ids):
            node = self.body.node(id)
            ids[id] = copy_node(inner, node, [ids[source] for source in node.inputs])
        inner.graph.outputs = [ids[id] for id in self._outputs()]
        inner.graph.names = {name: ids[id] for name, id in self.body.names.items() if id in ids}
        attributes = {"body": Subgraph(inner.graph), "length": self.loop.length, "carries": sizes[0]}
        rest = {"sequences": sizes[1], "reverse": self.loop.reverse, "save": self.loop.save}
        result = self.b.emit("scan", *arguments, **attributes, **rest)
        for place, position in enumerate((*self.carries, *self.ys)):
            if position in self.wanted:
                self.results[position] = self.b.item(result, position=place)
        return result

    def _unchanged(self) -> int:
        result = copy_node(self.b, self.node, [self.argument[place] for place in self.body.inputs])
        self.results |= {position: self.b.item(result, position=position) for position in self.wanted}
        return result

    def _inputs(self, inner: Builder) -> tuple[dict[int, int], list[int], tuple[int, int]]:
        """The body's inputs in the new graph, the loop's arguments, and how many are carried and are sequences."""
        read = set(needed(self.body, self._outputs(), sorted({*self.standing, *self.before}))) | set(self._outputs())
        ids: dict[int, int] = {}
        arguments: list[int] = []
        for place in self._places(self.carries):
            self._take(inner, place, self.argument[place], ids, arguments)
        count = len(arguments)
        self._take_all(inner, [p for p in self._sequence_places() if p in read], ids, arguments)
        sequences = {place: self.argument[place] for place in self._sequence_places()}
        for id in self.before:
            self._take(inner, id, self._for_all_steps(self._sources(id), id, sequences), ids, arguments)
        total = len(arguments)
        fixed = [place for place in self.body.inputs if place not in self.varying and place in read]
        self._take_all(inner, fixed, ids, arguments)
        for id, outer in zip(self.moved, self._outside(self.moved)):
            self._take(inner, id, outer, ids, arguments)
        if len(self.body.inputs) > len([place for place in self.body.inputs if place in ids]):
            self._note("unused in a loop")
        return ids, arguments, (count, total - count)

    def _take_all(self, inner: Builder, places: list[int], ids: dict[int, int], arguments: list[int]) -> None:
        """Arguments that are read: each once, and those of one value not at all."""
        taken: dict[int, int] = {}
        for place in places:
            outer = self.argument[place]
            value = self.b.constant_value(outer)
            if value is not None:
                self._note("filled with one value")
                ids[place] = inner.constant(value, self.body.type(place).shape, self.body.type(place).dtype)
            elif outer in taken:
                self._note("the same argument twice")
                ids[place] = taken[outer]
            else:
                self._take(inner, place, outer, ids, arguments)
                taken[outer] = ids[place]

    def _take(self, inner: Builder, place: int, outer: int, ids: dict[int, int], arguments: list[int]) -> None:
        node = self.body.node(place)
        attributes: Mapping[str, Any] = node.attributes if node.op == "input" else {"name": ""}
        ids[place] = inner.input(shape=node.shape, dtype=node.dtype, name=attributes.get("name", ""))
        inner.graph.inputs.append(ids[place])
        arguments.append(outer)
