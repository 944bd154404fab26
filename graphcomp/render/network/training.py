"""A whole training step, told as what it is: the forward pass, adjoints back from the loss, the update.

A step's graph has hundreds of results and says nowhere which is the loss, or what is a gradient.  Both are found by
what they are: the loss is a result that the parameters lead to, and a gradient is a node that has the value which
reverse mode, run anew from the loss, finds for a parameter.  A parameter's new value is the result that is made of
both, and of nothing else from the passes before.  Where no such thing is found, the graph is no training step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...derive import reverse
from ...graph import Graph, TensorType
from ...run import evaluate_all, interpret
from ...simplify import prune
from ..account import Part
from ..mathematics import Text
from ..numerals import number
from ..output import Story
from ..story import Frame
from .group_account import GroupAccount, norm

RELATIVE, ABSOLUTE = 1e-3, 1e-6


@dataclass(frozen=True)
class Update:
    """What becomes of a parameter, its gradient, and the scope in which that happens."""

    before: Any
    after: Any
    gradient: Any
    optimizer: str


@dataclass(frozen=True)
class TrainingStep:
    """The forward pass as a graph of its own, its inputs' values, and the updates of its parameters."""

    graph: Graph
    values: list[Any]
    updates: Mapping[int, Update]


def training_step(graph: Graph, values: Sequence[Any]) -> TrainingStep | None:
    """The training step that a graph is at these inputs; None if it is none."""
    scalars = [id for id in dict.fromkeys(graph.outputs) if graph.type(id).is_float and not graph.type(id).shape]
    every: Mapping[int, Any] = {}
    for loss in scalars:
        before = graph_before(graph, [loss])
        late = [id for id in dict.fromkeys(graph.outputs) if id not in before]
        kept = [place for place, id in enumerate(graph.inputs) if id in before]
        inputs = [graph.inputs[place] for place in kept]
        if late and any(graph.type(id).is_float for id in inputs):
            every = every or evaluate_all(graph, values)
            part, places = prune(replace(graph, inputs=inputs, outputs=[loss]))
            given = [values[place] for place in kept]
            found = gradients_of(part, given)
            gradients = {id: found[places[id]] for id in inputs if places[id] in found}
            updates = dict(found_updates(graph, every, before, gradients, late))
            if updates:
                return TrainingStep(part, given, {places[id]: update for id, update in updates.items()})
    return None


def graph_before(graph: Graph, ends: Iterable[int]) -> set[int]:
    """Some nodes and all that they are made of."""
    return set(replace(graph, inputs=[], outputs=list(ends)).reachable())


def gradients_of(graph: Graph, values: Sequence[Any]) -> dict[int, Any]:
    """The gradient of the only result with respect to each floating-point input."""
    derived = reverse(graph)
    seed = np.ones_like(evaluate_all(graph, values)[graph.outputs[0]])
    found = interpret(derived.graph, [*values, seed])
    return dict(zip(derived.wrt, found[1:], strict=True))


def found_updates(
    graph: Graph, values: Mapping[int, Any], forward: set[int], gradients: Mapping[int, Any], late: Sequence[int]
) -> Iterator[tuple[int, Update]]:
    """The parameters whose gradient is found in the graph and has a part in a result like them."""
    sizes: dict[Any, list[tuple[int, float]]] = {}
    for node in graph.nodes():
        if node.id not in forward and isinstance(node.type, TensorType) and node.type.is_float:
            sizes.setdefault(node.type, []).append((node.id, norm(values[node.id])))
    same = {id: equal_nodes(values, sizes.get(graph.type(id), []), gradient) for id, gradient in gradients.items()}
    behind = forward | graph_before(graph, [node for nodes in same.values() for node in nodes])
    borders = {result: border(graph, result, behind) for result in late if result not in behind}
    for id, nodes in same.items():
        made = [
            (size, result)
            for result, (size, read) in borders.items()
            if graph.type(result) == graph.type(id) and id in read and read & nodes
        ]
        if made:  # a running mean may read the parameter too; what is made of that mean is the larger part
            _, result = max(made)
            optimizer = graph.node(result).scope.rpartition("/")[2]
            yield id, Update(values[id], values[result], gradients[id], optimizer)


def equal_nodes(values: Mapping[int, Any], sizes: Iterable[tuple[int, float]], gradient: Any) -> set[int]:
    """Those of some nodes, given with their norms, whose value is a gradient."""
    size = norm(gradient)
    near = [id for id, other in sizes if abs(other - size) <= RELATIVE * size + ABSOLUTE]
    return {id for id in near if np.allclose(values[id], gradient, RELATIVE, ABSOLUTE)}


def border(graph: Graph, result: int, behind: set[int]) -> tuple[int, set[int]]:
    """How many nodes of the update a result takes, and what it reads from the passes before."""
    seen, read, stack = {result}, set[int](), [result]
    while stack:
        for source in graph.node(stack.pop()).inputs:
            if source in behind:
                read.add(source)
            elif source not in seen:
                seen.add(source)
                stack.append(source)
    return len(seen), read


# telling -------------------------------------------------------------------------------------------------------------


def with_updates(account: GroupAccount, part: Part, updates: Mapping[int, Update]) -> Part:
    """The backward pass, and then a frame for each group whose parameters change."""
    number = len(part.sweeps) - 1
    told = tuple(update_frame(account, focus, ids, updates, number) for focus, ids in owners(account, updates))
    return replace(part, frames=(*part.frames, *told))


def owners(account: GroupAccount, updates: Mapping[int, Update]) -> list[tuple[int, list[int]]]:
    """The card at which each parameter's update is told: its own, or that of its group's last result."""
    found: dict[int, list[int]] = {}
    for id in account.shown:
        block = account.blocks.get(id)
        own = [id] if block is None else list(block.parameters) if id == block.results[-1] else []
        if changing := [each for each in own if each in updates]:
            found[id] = changing
    return list(found.items())


def update_frame(
    account: GroupAccount, focus: int, ids: Sequence[int], updates: Mapping[int, Update], sweep: int
) -> Frame:
    """A group's parameters, or one parameter, and how far they move."""
    changes = [updates[id] for id in ids]
    name = next(iter(account.graph.labels(ids[0])), "") if len(ids) == 1 else account.group_name(focus)
    step = total(np.subtract(change.after, change.before) for change in changes)
    sentence = account.say_group(
        "update" if len(ids) == 1 else "updates",
        optimizer=changes[0].optimizer or account.say_group("the update"),
        name=name,
        count=len(ids),
        before=number(total(change.before for change in changes), account.digits).plain(),
        step=number(step, account.digits).plain(),
        gradient=number(total(change.gradient for change in changes), account.digits).plain(),
    )
    equation = Text(f"‖Δ {name}‖"), number(step, account.digits)
    source = account.source_line(account.graph.node(focus))
    return Frame("evaluate", focus, (), (), (), equation, sentence, sweep, source)


def total(arrays: Iterable[Any]) -> float:
    """The norm of several arrays together."""
    return float(np.hypot.reduce([norm(array) for array in arrays]))


def titled(account: GroupAccount, story: Story) -> Story:
    """The story under the name of what it tells."""
    result = account.output_symbol(account.graph.outputs[0]).plain()
    return replace(story, title=account.say_group("training title", result=result))
