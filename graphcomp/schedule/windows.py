"""Products with windows of a larger array, read and written where they lie.

An operand whose entries are windows (`unfold`) repeats entries, and a result that is added back to where windows were
taken from (`fold`) holds sums: stored as they are written, both are many times as large as the array itself. Here the
product runs in loops over all letters of its subscripts, with the steps that the array has in memory. One letter, the
`vector letter`, runs along memory; it is chosen from the graph alone, so that the forward product and both of its
derivatives choose the same one, and the arrays between them are laid out for it: mostly the batch, or the last axis of
the places where the batch is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .. import ops
from ..graph import Dimension, Graph, Node
from ..graph.types import equal, magnitude, product
from ..ops.index import Index, at_least, loop
from ..ops.products import letter_sizes, split_subscripts
from .combinations import find_combination
from .lower import Unknowing
from .products import Letters, View, by_stride, classify, stored_view, view_of
from .program import INNER_LOOPS, Buffer, Operand, ProductKernel
from .shares import FEWEST_TURNS

Scheduler: TypeAlias = Any
"""`schedule.Scheduler`, which calls this module and so cannot be named by it."""

LANES = 16
"""How many numbers a vector holds, roughly: the letter along memory should fill it."""

LEAST_FILLED = 0.5
"""A letter that fills less of its vectors is not worth the layout; windows are then copied, and joined into rows."""

RUN_BYTES = 1 << 16
"""How much of an operand a sum over the inner index reads before the next sum reads it again: it stays in the cache."""

PARTS_SIZE = 1 << 14
"""The results of all steps that are added up have at most so many entries: they stay in the first-level cache."""

NEAREST, SECOND = 1 << 14, 1 << 20
"""Bytes of one operand that stay in the first-level cache beside others, and in the second-level one."""

SPREAD = 1 << 10
"""An operand of more entries that do not lie along either of a product's sides is packed first."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of a product: of the operand in `slot`, or folded from its result (-1).

    `base` is the node of the array that holds them, `index` its entry for each setting of the product's letters.
    """

    slot: int
    base: int
    index: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """A product with windows, its letters' extents, and the letter that runs along memory."""

    windows: Windows
    sizes: Mapping[str, Dimension]
    operands: tuple[str, str]
    result: str
    letters: Letters
    vector: str

    @property
    def base_axis(self) -> int:
        """The axis of the base along which the vector letter runs."""
        return next(axis for axis, entry in enumerate(self.windows.index) if self.vector in (counts(entry) or ()))


def find_places(graph: Graph, node: Node) -> Places | None:
    """How a product reads windows, None for one that reads none or has no letter that fills a vector."""
    record = ops.get(node.op)
    if record.subscripts is None or not node.tensor.is_float or len(node.inputs) != 2:
        return None
    if find_combination(graph, node) is not None:
        return None
    types = [graph.type(source) for source in node.inputs]
    subscripts = record.subscripts(types, **node.attributes)
    letters = classify(subscripts)
    if letters is None:
        return None
    (left, right), result = split_subscripts(subscripts)
    sizes = letter_sizes(graph, types, subscripts)
    windows = find_windows(graph, node, (left, right), result, sizes)
    if windows is None:
        return None
    holders = [names for slot, names in enumerate((left, right, result)) if slot != windows.slot % 3]
    vector = vector_letter(windows, holders, sizes)
    return Places(windows, sizes, (left, right), result, letters, vector) if vector else None


def find_windows(
    graph: Graph, node: Node, operands: Sequence[str], result: str, sizes: Mapping[str, Dimension]
) -> Windows | None:
    """The first operand that is made of windows, or the fold of the result."""
    for slot, letters in enumerate(operands):
        index = tuple(loop(letter, sizes[letter]) for letter in letters)
        found = base_of(graph, node.inputs[slot], index)
        if found is not None:
            return Windows(slot, *found)
    fold = folded(graph, node)
    if fold is None:
        return None
    index = tuple(loop(letter, sizes[letter]) for letter in result)
    target = ops.get(fold.op).target_map(index, [node.type], **fold.attributes)  # type: ignore[misc]
    return Windows(-1, fold.id, target) if overlaps(target) else None


def base_of(graph: Graph, id: int, index: tuple[Index, ...]) -> tuple[int, tuple[Index, ...]] | None:
    """The array that an operand shows windows of, and its entry for an index of the operand."""
    node = graph.node(id)
    record = ops.get(node.op)
    if record.index_map is None:
        return None
    types = [graph.type(source) for source in node.inputs]
    pieces = record.index_map(Unknowing(node), index, types, **node.attributes)
    if len(pieces) != 1 or not all(guard.always() for guard in pieces[0].guards):
        return None
    source, inner = node.inputs[pieces[0].slot], pieces[0].index
    if any(counts(entry) is None for entry in inner):
        return None
    return (source, inner) if overlaps(inner) else base_of(graph, source, inner)


def folded(graph: Graph, node: Node) -> Node | None:
    """The op that adds up the entries of a product, if nothing else reads it."""
    users = graph.users(node.id)
    if len(users) != 1 or node.id in graph.outputs:
        return None
    user = graph.node(users[0][0])
    return user if ops.get(user.op).target_map is not None else None


def counts(entry: Index) -> list[str] | None:
    """The letters whose counters an index adds up; None where there is anything else in it."""
    if any(atom.kind != "loop" for atom, _ in entry.terms):
        return None
    return [atom.name for atom, _ in entry.terms]


def overlaps(index: Sequence[Index]) -> bool:
    """Whether two counters that move along one axis may meet at an entry; those of a split axis do not."""
    return any(meets_itself(entry) for entry in index)


def meets_itself(entry: Index) -> bool:
    terms = sorted(entry.terms, key=lambda term: magnitude(term[1]))
    reach: Dimension = 0
    for atom, step in terms:
        if not at_least(step - 1 - reach, 0):
            return True
        reach = reach + step * (atom.extent - 1)  # type: ignore[operator]
    return False


def vector_letter(windows: Windows, others: Sequence[str], sizes: Mapping[str, Dimension]) -> str:
    """The letter that fills its vectors best, of those that the base shares with the array of all places.

    Of the letters that move along one axis, the longer one counts places, the other one a window's entries. Of letters
    that fill their vectors alike, places of two vectors or more are chosen before the batch, and of them the last one:
    it runs along memory as images arrive, and what belongs to one image lies together.
    """
    along = [counts(entry) or [] for entry in windows.index]
    places = [max(names, key=lambda name: magnitude(sizes[name])) for names in along if len(names) > 1]
    holder = next((names for names in others if all(place in names for place in places)), "")
    steps = {atom.name: step for entry in windows.index for atom, step in entry.terms}
    wide = sorted(places, key=lambda name: (-min(magnitude(sizes[name]), 2 * LANES), -places.index(name)))
    first = [name for name in wide[:1] if magnitude(sizes[name]) >= 2 * LANES]
    able = [*first, *(names[0] for names in along if len(names) == 1), *wide]
    able = [name for name in able if name in holder and steps[name] == 1]
    best = max(able, key=lambda name: filled(sizes[name]), default="")
    return best if best and filled(sizes[best]) >= LEAST_FILLED else ""


def filled(size: Dimension) -> float:
    """Which part of its vectors' lanes an extent fills."""
    number = magnitude(size)
    return number / (-(-number // LANES) * LANES) if number else 0.0


# layouts -------------------------------------------------------------------------------------------------------------


def wished_axes(graph: Graph) -> dict[int, int]:
    """The axis that a value should have innermost in memory, for what products with windows read and write."""
    wishes: dict[int, int] = {}
    for node in graph.nodes():
        places = find_places(graph, node)
        if places is None:
            continue
        wish(graph, places.windows.base, places.base_axis, wishes)
        for slot, names in enumerate(places.operands):
            if slot != places.windows.slot and places.vector in names:
                wish(graph, node.inputs[slot], names.index(places.vector), wishes)
        if places.windows.slot >= 0 and places.vector in places.result:
            wishes.setdefault(node.id, places.result.index(places.vector))
    return wishes


def wish(graph: Graph, id: int, axis: int, wishes: dict[int, int]) -> None:
    """Wish for an axis of a value, and for the axes of what its entries are made of, as far as they correspond."""
    waiting = [(id, axis)]
    while waiting:
        id, axis = waiting.pop()
        node = graph.node(id)
        if id in wishes or not node.inputs:
            continue
        wishes[id] = axis
        waiting += corresponding(graph, id, axis)


def corresponding(graph: Graph, id: int, axis: int) -> list[tuple[int, int]]:
    """The arguments of a node that move along one axis as the result moves along `axis`: (node, axis)."""
    node = graph.node(id)
    record = ops.get(node.op)
    if isinstance(record, ops.Elementwise):
        return [(source, axis) for source in node.inputs]
    combination = find_combination(graph, node)
    if combination is not None:
        place = combination.names.find(combination.result[axis])
        return [(node.inputs[combination.moving], place)] if place >= 0 else []
    if record.index_map is None and record.contraction is None:
        return []
    index = tuple(loop(f"i{place}", size) for place, size in enumerate(node.shape))
    types = [graph.type(source) for source in node.inputs]
    context = Unknowing(node)
    if record.index_map is not None:
        pieces = record.index_map(context, index, types, **node.attributes)
    else:
        assert record.contraction is not None
        contraction = record.contraction(context, index, types, **node.attributes)
        box = tuple(loop(f"r{place}", size) for place, size in enumerate(contraction.extents))
        pieces = [piece for factor in contraction.factors(box) for piece in factor]
    found = {}
    for slot, index in [*((piece.slot, piece.index) for piece in pieces), *context.loaded]:
        for place, entry in enumerate(index):
            if counts(entry) == [f"i{axis}"] and entry.terms[0][1] == 1:
                found[node.inputs[slot]] = place
    return list(found.items())


def innermost(axis: int, rank: int) -> tuple[int, ...]:
    """The order of axes in memory with one of them innermost and the others in theirs."""
    return (*(other for other in range(rank) if other != axis), axis)


# the product ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Loops:
    """The loops of a product: letters for its batch, rows, columns and inner index, each loop a string of letters that
    step through memory evenly. `adds` is whether several steps of the batch add to one entry.
    """

    batch: list[str]
    rows: str
    columns: str
    inner: list[str]
    adds: bool


def place_windows(scheduler: Scheduler, node: Node) -> bool:
    """Place a product with windows; False for any other product."""
    places = find_places(scheduler.graph, node)
    if places is None:
        return False
    letters, sizes, slots = places.letters, places.sizes, [0, 1]
    if places.vector in letters.rows or (places.vector in letters.inner and places.windows.slot == 0):
        letters, slots = letters.turned, [1, 0]
    left, right = (operand_view(scheduler, node, places, slot) for slot in slots)
    target, into = result_view(scheduler, node, places)
    loops = plan_loops(letters, places.vector, (left, right, into), sizes)
    if spread(left, loops, sizes):
        left = packed_view(scheduler, node.inputs[slots[0]], places.operands[slots[0]], loops)
        loops = plan_loops(letters, places.vector, (left, right, into), sizes)
    is_folded = places.windows.slot < 0
    batch, inner = (tuple(product(sizes[c] for c in part) for part in parts) for parts in (loops.batch, loops.inner))
    m, n = (product(sizes[c] for c in part) for part in (loops.rows, loops.columns))
    a, b, c = (as_operand(view, loops) for view in (left, right, into))
    in_parts = loops.adds and not is_folded and has_parts(target, batch)
    filled = target
    if in_parts:  # each step of the first loop has a result of its own
        filled = scheduler.parts_buffer(node, target, batch[0])
        c = replace(c, buffer=filled, batch=(target.size, *c.batch[1:]))
    adds = is_folded or (loops.adds and not (in_parts and all(step != 0 for step in c.batch)))
    if adds:
        scheduler.fill_neutral(filled, "sum")
    number, nodes = len(scheduler.kernels), [node.id, places.windows.base] if is_folded else [node.id]
    along_inner = places.vector in letters.inner
    kernel = ProductKernel(number, batch, m, n, inner, a, b, c, node.dtype, nodes, adds, along_inner)
    scheduler.kernels.append(deepened(kernel) if along_inner else kernel)
    scheduler.ready[filled.number] = number
    if in_parts:
        scheduler.add_up(node, filled, target)
    scheduler.buffers[nodes[-1]] = target
    return True


def has_parts(target: Buffer, batch: Sequence[Dimension]) -> bool:
    """Whether a result is so small that threads had better share out the steps that add to it."""
    return magnitude(batch[0]) >= FEWEST_TURNS and magnitude(target.size * batch[0]) <= PARTS_SIZE


def deepened(kernel: ProductKernel) -> ProductKernel:
    """A sum over a batch loop taken in part into the inner index: fewer sums are added up and written, each longer.

    The part is as large as the caches allow: what one row reads shall stay in the first, what all rows read in the
    second one.
    """
    depth, extents = kernel.k, kernel.batch
    if len(kernel.inner) == INNER_LOOPS or not isinstance(depth, int) or not isinstance(kernel.m, int):
        return kernel
    summed = [slot for slot, step in enumerate(kernel.result.batch) if step == 0 and isinstance(extents[slot], int)]
    if not summed:
        return kernel
    slot = max(summed, key=lambda slot: -magnitude(kernel.right.batch[slot]))
    extent, most = int(magnitude(extents[slot])), min(NEAREST // (4 * depth), SECOND // (4 * depth * kernel.m))
    part = next((size for size in range(most, 1, -1) if extent % size == 0), 1)
    if part == 1:
        return kernel

    def parted(operand: Operand) -> Operand:
        steps = list(operand.batch)
        step, steps[slot] = steps[slot], steps[slot] * part
        return replace(operand, batch=tuple(steps), k=(step, *operand.k) if operand.k else ())

    batch = (*extents[:slot], extent // part, *extents[slot + 1 :])
    left, right, result = map(parted, (kernel.left, kernel.right, kernel.result))
    return replace(kernel, batch=batch, inner=(part, *kernel.inner), left=left, right=right, result=result)


def operand_view(scheduler: Scheduler, node: Node, places: Places, slot: int) -> View:
    """Where an operand lies in memory, the vector letter innermost."""
    id, names, windows = node.inputs[slot], places.operands[slot], places.windows
    if slot == windows.slot:
        base = scheduler.graph.node(windows.base)
        found = view_of(scheduler.graph, scheduler.buffers, id, names)
        if found is None or found.strides[places.vector] != 1:
            copy = scheduler.pack(base.id, innermost(places.base_axis, base.tensor.rank))
            found = view_of(scheduler.graph, {**scheduler.buffers, base.id: copy}, id, names)
        assert found is not None, "windows of an array in memory are a view of it"
        return found
    views = [view for view in scheduler.views(id, names) if view.strides.get(places.vector, 1) == 1]
    if views:
        return views[0]
    axis = names.index(places.vector) if places.vector in names else len(names) - 1
    return stored_view(scheduler.pack(id, innermost(axis, len(names))), names)


def packed_view(scheduler: Scheduler, id: int, names: str, loops: Loops) -> View:
    """A copy of an operand in the order in which the loops read it, its rows innermost."""
    order = "".join([*loops.batch, *loops.inner, loops.rows])
    return stored_view(scheduler.pack(id, tuple(names.index(c) for c in order if c in names)), names)


def result_view(scheduler: Scheduler, node: Node, places: Places) -> tuple[Buffer, View]:
    """Memory for the result, or for what it is folded into, and where an entry of the product goes."""
    if places.windows.slot < 0:
        base = scheduler.graph.node(places.windows.base)
        target = scheduler.buffer(base, innermost(places.base_axis, base.tensor.rank))
        address = target.address(places.windows.index)
        strides = dict.fromkeys(places.result, 0) | {atom.name: step for atom, step in address.terms}
        return target, View(target, address.constant, strides)
    rank = len(places.result)
    axis = places.result.index(places.vector) if places.vector in places.result else rank - 1
    target = scheduler.buffer(node, innermost(axis, rank))
    return target, stored_view(target, places.result)


def plan_loops(letters: Letters, vector: str, views: tuple[View, View, View], sizes: Mapping[str, Dimension]) -> Loops:
    """Which letters are rows and columns, which count the inner index, and which are left to the loops around."""
    left, right, into = views
    inner = joined(by_stride(letters.inner, right), (left, right), sizes)
    if vector in letters.inner:
        inner = sorted(inner, key=lambda part: vector in part)
        columns = largest_run(letters.columns, (right, into), sizes, lambda part: -magnitude(right.strides[part[-1]]))
    elif magnitude(sizes[vector]) >= 2 * LANES:
        columns = vector
    else:
        columns = next(
            part for part in joined(by_stride(letters.columns, right), (right, into), sizes) if vector in part
        )
    apart = "".join(c for c in letters.rows if not meets(into, c, columns, sizes))
    rows = largest_run(apart, (left, into), sizes, lambda part: magnitude(product(sizes[c] for c in part)))
    kept = [c for c in letters.batch + letters.rows + letters.columns if c not in rows + columns]
    around = inner[:-INNER_LOOPS]
    inner = inner[-INNER_LOOPS:]
    if vector in letters.inner:
        height = magnitude(product(sizes[c] for c in rows))
        while len(inner) > 1 and run_bytes(inner, sizes) > min(RUN_BYTES, SECOND / height):
            around.append(inner.pop(0))
        batch = [*around, *sorted(kept, key=lambda c: (c not in letters.batch, -magnitude(sizes[c])))]
    else:
        batch = [*around, *sorted(kept, key=lambda c: -magnitude(sizes[c]))]
    return Loops(
        [part for part in batch if magnitude(product(sizes[c] for c in part)) != 1], rows, columns, inner, bool(around)
    )


def run_bytes(inner: Sequence[str], sizes: Mapping[str, Dimension]) -> float:
    """How much of an operand a sum reads."""
    return 4 * magnitude(product(sizes[c] for part in inner for c in part))


def meets(into: View, letter: str, columns: str, sizes: Mapping[str, Dimension]) -> bool:
    """Whether rows counted by a letter overlap in the result, as those that are folded into one axis do."""
    if not columns or sizes[letter] == 1:
        return False
    step, reach = into.strides[letter], into.strides[columns[-1]] * product(sizes[c] for c in columns)
    inside = into.strides[columns[-1]] - step * sizes[letter]  # the rows lie between the columns
    return not (at_least(step - reach, 0) or at_least(inside, 0))


def largest_run(letters: str, views: Sequence[View], sizes: Mapping[str, Dimension], rank: Any) -> str:
    """The letters that make the best single loop."""
    return max(joined(by_stride(letters, views[0]), views, sizes), key=rank, default="")


def joined(letters: Sequence[str], views: Sequence[View], sizes: Mapping[str, Dimension]) -> list[str]:
    """Neighbouring letters joined where each view steps over both of them evenly; letters of one turn are left out."""
    found: list[str] = []
    for letter in (c for c in letters if sizes[c] != 1):
        if found and all(
            equal(view.strides[found[-1][-1]], view.strides[letter] * sizes[letter]) is True for view in views
        ):
            found[-1] += letter
        else:
            found.append(letter)
    return found or list(letters[-1:])


def spread(view: View, loops: Loops, sizes: Mapping[str, Dimension]) -> bool:
    """Whether the numbers that a product needs at a time lie far apart, so that each costs a line of the cache."""
    used = [c for c in loops.rows + "".join(loops.inner) if view.strides[c] != 0]
    steps = [magnitude(view.strides[c]) for c in used if sizes[c] != 1]
    return bool(steps) and min(steps) > 1 and magnitude(product(sizes[c] for c in used)) >= SPREAD


def as_operand(view: View, loops: Loops) -> Operand:
    """A view as an operand of the loops: a string of letters steps as its last letter does."""
    steps = view.strides
    batch = tuple(steps.get(part[-1], 0) for part in loops.batch)
    row, column = (steps.get(part[-1], 0) if part else 0 for part in (loops.rows, loops.columns))
    inner = tuple(steps[part[-1]] for part in loops.inner if part[-1] in steps)
    return Operand(view.buffer, view.offset, batch, row, column, inner)
