"""From a graph to a program: one walk over the nodes in order, adding each stored value to a kernel.

A value joins an earlier kernel with the same loops where that keeps the order of reads and writes; entries that the
kernel has just computed are then used from registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from .. import ops
from ..errors import LoweringError
from ..graph import Dimension, Graph, Node, TensorType
from ..graph.types import equal, product
from ..ops.index import Index, loop
from ..ops.products import letter_sizes, split_subscripts
from .calls import CALLS
from .combinations import place_combination
from .domain import domain_key, domain_loops, neutral_text
from .endings import end_in_registers
from .extrema import join_extrema
from .folds import place_fold
from .groups import GROUPS
from .loops import block_transposition, by_step, collapse_kernel, mentioned, place_positions
from .lower import Body, Context, bound_of
from .meetings import share_out
from .passes import address_from_begin, in_parts, remove_unread
from .placement import is_source, moves_entries, stored_values
from .products import (
    INNER_PARTS,
    View,
    classify,
    fits,
    has_long_columns,
    inner_in_parts,
    moved_by,
    packed,
    plan_product,
    stored_view,
    view_of,
)
from .program import (
    START,
    Buffer,
    Kernel,
    Load,
    Loop,
    LoopKernel,
    Nest,
    Operand,
    ProductKernel,
    Program,
    Reduce,
    Statement,
    Store,
    every,
    leaves,
    used,
    walk,
)
from .quotients import count_quotients
from .reductions import join_reductions
from .repeat import place_cond, place_scan, place_while
from .templates import TEMPLATES
from .transpositions import find_transposition, transpose
from .turns import by_turns
from .updates import update_in_place
from .windows import corresponding, innermost, place_windows, wished_axes

KERNEL_LIMIT = 250
"""Most statements in one kernel; compile time grows faster than linearly with a function's length."""


MOST_PARTS = 8
"""A result of more arguments side by side is filled entry by entry, with a choice between them."""


READ_LIMIT, BUFFER_LIMIT = 24, 64
"""Most arrays that a kernel reads, and that it uses. Of those that it writes, many turn out to be read nowhere else."""


@dataclass(frozen=True, slots=True)
class Content:
    """How many statements there are, which buffers they read, and which they read or write."""

    size: int = 0
    read: frozenset[int] = frozenset()
    arrays: frozenset[int] = frozenset()

    @classmethod
    def of(cls, body: list[Statement]) -> Content:
        statements = list(walk(body))
        read = frozenset(s.buffer.number for s in statements if isinstance(s, Load))
        return cls(len(statements), read, read.union(s.buffer.number for s in statements if isinstance(s, Store)))

    def __add__(self, other: Content) -> Content:
        return Content(self.size + other.size, self.read | other.read, self.arrays | other.arrays)

    def is_small(self) -> bool:
        """Whether there are so few arrays that the processor can still follow them."""
        return len(self.read) <= READ_LIMIT and len(self.arrays) <= BUFFER_LIMIT


class Group:
    """A loop kernel that more values may still join."""

    def __init__(self, body: Body, kernel: LoopKernel) -> None:
        self.body = body
        self.kernel = kernel
        self.written: set[int] = set()
        self.content = Content()

    def may_save(self, alone: Group) -> bool:
        """Whether something that a value asks for is at hand here, or asked for twice; `alone` makes it by itself."""
        return (
            not self.kernel.loops
            or alone.body.reused > 0
            or not self.content.read.isdisjoint(alone.content.read)
            or any(self.body.has(key) for key in alone.body.asked)
        )


class Scheduler:
    """`depth` counts the loops around the graph; `all` are the buffers of the program as a whole."""

    def __init__(self, graph: Graph, depth: int = 0, all: list[Buffer] | None = None) -> None:
        self.graph = graph
        self.depth = depth
        self.stored = stored_values(graph)
        self.wishes = wished_axes(graph)
        self.corresponding = cache(partial(corresponding, graph))
        self.buffers: dict[int, Buffer] = {}
        self.packed: dict[tuple[int, tuple[int, ...]], Buffer] = {}
        self.copies: dict[int, list[Buffer]] = {}
        """Where values that have a buffer lie a second time: in what was packed, or inside of it."""
        self.all: list[Buffer] = [] if all is None else all
        self.kernels: list[Kernel] = []
        self.groups: dict[tuple[Dimension, ...], list[Group]] = {}
        """Kernels with equal loops, by what `domain_key` tells of these."""
        self.ready: dict[int, int] = {}
        """For each buffer, the number of the kernel that fills it."""

    # buffers ---------------------------------------------------------------------------------------------------------

    def buffer(self, node: Node, order: tuple[int, ...] | None = None, role: str = "scratch") -> Buffer:
        key = node.attributes.get("key", "") if role == "array" else ""
        rank = node.tensor.rank
        dtype = stored_dtype(self.graph, node) if role == "scratch" else node.dtype
        made = Buffer(len(self.all), node.tensor.with_dtype(dtype), order or tuple(range(rank)), role, node.id, key)
        self.all.append(made)
        return made

    def window(self, node: Node, of: Buffer, place: Index = START, order: tuple[int, ...] | None = None) -> Buffer:
        """A part of a buffer, from entry `place` on, for a value of the node's type; row-major unless told."""
        rows = order or tuple(range(node.tensor.rank))
        type = node.tensor.with_dtype(of.type.dtype)
        made = Buffer(len(self.all), type, rows, "window", node.id, of=of, place=place)
        self.all.append(made)
        return made

    def scratch(self, node: Node, shape: tuple[Dimension, ...], dtype: str) -> Buffer:
        made = Buffer(len(self.all), TensorType(shape, dtype), tuple(range(len(shape))), "scratch", node.id)
        self.all.append(made)
        return made

    def parts_buffer(self, node: Node, target: Buffer, count: Dimension) -> Buffer:
        """Memory for several results side by side, each in the order of `target`, which are to be added up."""
        made = self.scratch(node, (count, *target.type.shape), node.dtype)
        made.order = (0, *(axis + 1 for axis in target.order))
        return made

    # the walk --------------------------------------------------------------------------------------------------------

    def run(self, donated: Sequence[int] = ()) -> Program:
        self.walk()
        outputs = [self.output(id) for id in self.graph.outputs]
        inputs = [self.buffers[id] for id in self.graph.inputs]
        kernels, buffers = remove_unread(self.kernels, self.all, outputs)
        updated = update_in_place(kernels, {number: inputs[number] for number in donated}, outputs)
        for kernel in leaves(kernels):
            if isinstance(kernel, LoopKernel):
                join_reductions(kernel)
                count_quotients(kernel)
                if find_transposition(kernel) is None:
                    block_transposition(kernel)
        kernels = in_parts(end_in_registers(kernels, outputs), buffers, self.all)
        share_out(kernels)
        kernels = by_turns(kernels, self.graph, self.all)
        for number, each in enumerate(every(kernels)):
            each.number = number
        for kernel in leaves(kernels):
            if isinstance(kernel, LoopKernel):
                address_from_begin(kernel)
                transpose(kernel)
                collapse_kernel(kernel)
                place_positions(kernel)
                join_extrema(kernel)
        read = {buffer.root.number for kernel in kernels for buffer in used(kernel)}
        kept = [b for b in buffers if b.of is None and (b.role != "array" or b.number in read)]
        return Program(kept, kernels, self.graph.symbols(), inputs, outputs, updated=updated)

    def walk(self) -> None:
        """Place every stored value, in order."""
        for node in self.graph.nodes():
            if is_source(node) and node.id not in self.buffers:
                role = node.op if node.op == "array" else "input"
                self.buffers[node.id] = self.buffer(node, role=role)
            elif node.id in self.stored:
                self.place(node)

    def place(self, node: Node) -> None:
        record = ops.get(node.op)
        if node.id in self.buffers:  # filled along with an earlier node
            return
        template = KERNELS.get(record.kernel or "")
        if record.kernel is not None and template is None:
            raise LoweringError(f"{node.op}: the CPU has no kernel template `{record.kernel}`; use target='numpy'.")
        if template is not None:
            template(self, node)
        elif record.subscripts is not None and (
            place_combination(self, node)
            or place_fold(self, node)
            or place_windows(self, node)
            or self.place_product(node, record)
        ):
            pass
        elif record.contraction is not None or record.subscripts is not None:
            self.place_contraction(node)
        elif parts := self.parts(node):
            self.place_parts(node, parts)
        else:
            self.place_entries(node, self.natural_order(node))

    def output(self, id: int) -> Buffer:
        """An output's buffer: row-major, not shared with an input or another output."""
        found = self.buffers.get(id)
        if found is not None and found.role == "scratch" and found.is_row_major:
            found.role, found.type = "output", self.graph.node(id).tensor
            return found
        made = self.buffer(self.graph.node(id), role="output")
        self.add_entries(self.graph.node(id), made, copy=True)
        return made

    def natural_order(self, node: Node) -> tuple[int, ...]:
        """The memory order of the first stored value that the entries are computed from one by one; else that in which
        they run along memory as what they are made of does; else row-major, as an output is.
        """
        rows = tuple(range(node.tensor.rank))
        if node.id in self.graph.outputs:
            return rows
        if node.id in self.wishes:
            return innermost(self.wishes[node.id], len(rows))
        waiting, seen = list(node.inputs), set()
        while waiting:
            id = waiting.pop(0)
            if id in self.buffers:
                if self.buffers[id].type.rank == len(rows) and not self.buffers[id].is_row_major:
                    return self.buffers[id].order
            elif id not in seen and ops.get(self.graph.node(id).op).kind == "elementwise":
                waiting.extend(self.graph.node(id).inputs)
            seen.add(id)
        return next((innermost(axis, len(rows)) for axis in rows if self.runs_along(node, axis)), rows)

    def runs_along(self, node: Node, axis: int) -> bool:
        """Whether entries along an axis are made of neighbours in the first array that is not row-major."""
        waiting, seen = list(self.corresponding(node.id, axis)), set()
        while waiting:
            id, along = place = waiting.pop(0)
            if place in seen:
                continue
            seen.add(place)
            found = self.buffers.get(id)
            if found is None:
                waiting += self.corresponding(id, along)
            elif not found.is_row_major:
                return found.order[-1] == along
        return False

    # loop kernels ----------------------------------------------------------------------------------------------------

    def place_entries(self, node: Node, order: tuple[int, ...]) -> None:
        made = self.buffer(node, order)
        self.add_entries(node, made)
        self.buffers[node.id] = made

    def parts(self, node: Node) -> list[tuple[int, int, Dimension]]:
        """Where each entry comes from one of a few arguments that stand side by side: (argument, axis, its begin)."""
        record = ops.get(node.op)
        if record.index_map is None or not 1 < len(node.inputs) <= MOST_PARTS:
            return []
        names = [f"p{axis}" for axis in range(node.tensor.rank)]
        index = tuple(map(loop, names, node.shape))
        types = [self.graph.type(source) for source in node.inputs]
        found: list[tuple[int, int, Dimension]] = []
        begin: Dimension = 0
        for piece in record.index_map(Context(Body(self.graph, self.buffers), node), index, types, **node.attributes):
            moved = [axis for axis, (own, whole) in enumerate(zip(piece.index, index)) if own != whole]
            axis = moved[0] if moved else next((axis for _, axis, _ in found), -1)
            if not found and not moved:  # the first part begins where the whole does: its guard tells the axis
                axis = next((a for a, whole in enumerate(index) if any(g.index == whole for g in piece.guards)), -1)
            if axis < 0 or len(moved) > 1 or len(piece.guards) != 1 or piece.index[axis] + begin != index[axis]:
                return []
            found.append((node.inputs[piece.slot], axis, begin))
            begin = begin + types[piece.slot].shape[axis]
        return found if len({axis for _, axis, _ in found}) == 1 and equal(begin, node.shape[found[0][1]]) else []

    def place_parts(self, node: Node, parts: list[tuple[int, int, Dimension]]) -> None:
        self.buffers[node.id] = self.buffer(node, self.natural_order(node))
        self.fill_parts(self.buffers[node.id], parts)

    def fill_parts(self, target: Buffer, parts: list[tuple[int, int, Dimension]]) -> None:
        """Fill each part of a result by a kernel without conditions, which may be the one that makes the part."""
        for id, axis, begin in parts:
            part = self.graph.node(id)
            place = Index((), begin * target.strides[axis])
            window = self.window(part, target, place, target.order)
            window.steps = target.strides
            self.add_entries(part, window, copy=True)
            self.ready[target.number] = max(self.ready.get(target.number, -1), self.ready[window.number])

    def add_entries(self, node: Node, target: Buffer, copy: bool = False) -> None:
        """Fill `target` with the entries of `node`: in a kernel with the same loops, or in a new one."""
        loops, index = domain_loops(target)
        body = Body(self.graph, self.buffers)
        body.copies, body.innermost = self.copies, loops[-1].variable if loops else ""
        kernel = LoopKernel(len(self.kernels), loops, body.blocks[0], [], domain_key(target), body.helpers)
        alone = Group(body, kernel)
        self.fill(alone, node, target, index, copy)
        alone.content = Content.of(body.blocks[0])
        for group in self.candidates(node, target):
            reason = self.join(group, alone, node, target, copy)
            if not reason:
                return
            kernel.stopped = kernel.stopped or (group.kernel, reason)
        self.open(alone)

    def fill(self, group: Group, node: Node, target: Buffer, index: tuple[Index, ...], copy: bool) -> None:
        value = group.body.value(node.id, index) if copy else None
        group.body.store(node.id, index, target, value)
        group.written.add(target.number)

    def open(self, group: Group) -> None:
        """Add a kernel that more values may join."""
        group.kernel.nodes = list(group.body.nodes)
        self.kernels.append(group.kernel)
        self.groups.setdefault(group.kernel.domain, []).append(group)
        self.ready |= dict.fromkeys(group.written, group.kernel.number)

    def candidates(self, node: Node, target: Buffer) -> list[Group]:
        """Kernels with the same loops: those first that use an array which the value is made of, then the latest."""
        near = self.arrays_behind(node)
        found = self.groups.get(domain_key(target), [])
        return sorted(found, key=lambda g: (not near.isdisjoint(g.content.arrays), g.kernel.number), reverse=True)[:4]

    def arrays_behind(self, node: Node) -> set[int]:
        """The buffers of the stored values that a value is computed from."""
        found, seen, waiting = set(), set(), list(node.inputs)
        while waiting:
            id = waiting.pop()
            if id in self.buffers:
                if self.buffers[id].type.rank:
                    found.add(self.buffers[id].number)
            elif id not in seen:
                seen.add(id)
                waiting.extend(self.graph.node(id).inputs)
        return found

    def join(self, group: Group, alone: Group, node: Node, target: Buffer, copy: bool) -> str:
        """Try to add the value to a kernel; leave the kernel as it was if that would break the order or save nothing.
        `alone` is the kernel that would make the value by itself.

        Returns why it was not added, an empty text if it was.

        Something is saved if a value is used that the kernel has at hand, or an array is read that it reads anyway.
        Without that, joining only makes kernels longer, and keeps equal ones (the updates of many parameters) from
        sharing their code.
        """
        nothing = "it reads nothing that is read or made there"
        if not group.may_save(alone):
            return nothing
        body, before, written = group.body, group.body.state(), set(group.written)
        self.fill(group, node, target, domain_loops(target)[1], copy)
        added = body.blocks[0][before.size :]
        content = group.content + Content.of(added)
        saves = body.reused > before.reused or not group.kernel.loops or reads_again(group, added)
        reason = ""
        if not saves:
            reason = nothing
        elif content.size > KERNEL_LIMIT:
            reason = f"more than {KERNEL_LIMIT} statements take long to compile"
        elif not content.is_small():
            reason = f"it would read more than {READ_LIMIT} arrays, or use more than {BUFFER_LIMIT}"
        elif not all(self.allowed(group, s, written) for s in walk(added)):
            reason = "it reads entries that are not yet made there"
        if not reason:
            group.kernel.nodes, group.content = list(body.nodes), content
            self.ready[target.number] = group.kernel.number
            return ""
        body.restore(before)
        group.written = written
        return reason

    def allowed(self, group: Group, statement: Statement, written: set[int]) -> bool:
        """What is read must be complete: filled by an earlier kernel, not by this one."""
        if not isinstance(statement, Load):
            return True
        number = statement.buffer.number
        return number not in written and self.ready.get(number, -1) < group.kernel.number

    def new_kernel(self, body: Body, loops: list[Loop]) -> LoopKernel:
        kernel = LoopKernel(len(self.kernels), loops, body.blocks[0], list(body.nodes), (), body.helpers)
        self.kernels.append(kernel)
        return kernel

    # contractions ----------------------------------------------------------------------------------------------------

    def place_contraction(self, node: Node) -> None:
        """Reduce entry by entry, or, where memory runs along a kept axis, add whole slices at a time."""
        target = self.buffer(node, self.natural_order(node))
        if self.runs_along_kept(node, target):
            self.push(node, target)
        else:
            self.add_entries(node, target)
        self.buffers[node.id] = target

    def runs_along_kept(self, node: Node, target: Buffer) -> bool:
        """Whether neighbouring entries in memory belong to different results, over a long box.

        What is the same for all results does not count: it is read once for each slice.
        """
        body = Body(self.graph, self.buffers)
        kept, index = domain_loops(target)
        contraction = body.contraction(node, index)
        if contraction.combine.startswith("arg") or not index:
            return False
        loops, box = body.loops(contraction.extents)
        if equal(product(contraction.extents), 1) or short(contraction.extents):
            return False
        body.factors(node, contraction, box)
        inner, outer = {loop.variable for loop in loops}, {loop.variable for loop in kept}
        along = False
        for statement in walk(body.blocks[0]):
            names = set(mentioned(statement.address)) if isinstance(statement, Load) else set()
            if isinstance(statement, Load) and inner & names and outer & names:
                fast = {a.name for a, c in statement.address.terms if c == 1}
                if fast & inner:
                    return False
                along = along or bool(fast)
        return along

    def fill_neutral(self, target: Buffer, combine: str) -> None:
        """Fill a buffer with what a combination starts from."""
        body = Body(self.graph, self.buffers)
        loops, index = domain_loops(target)
        text = neutral_text(combine, target.type.dtype)
        body.add(Store(target, target.address(index), text, target.node))
        self.ready[target.number] = self.new_kernel(body, loops).number

    def push(self, node: Node, target: Buffer) -> None:
        """Fill with the neutral element, then combine slice by slice: the loops as the entries lie in memory."""
        body = Body(self.graph, self.buffers)
        loops, index = domain_loops(target)
        contraction = body.contraction(node, index)
        box_loops, box = body.loops(contraction.extents)
        body.add(
            Nest(loops, [Store(target, target.address(index), neutral_text(contraction.combine, node.dtype), node.id)])
        )
        body.accumulate(node.id, target, index, contraction, [*box_loops, *loops], box)
        nest = body.blocks[0][-1]
        assert isinstance(nest, Nest)
        nest.loops = by_step([*box_loops, *loops], nest.body)
        self.ready[target.number] = self.new_kernel(body, []).number

    def add_up(self, node: Node, parts: Buffer, target: Buffer) -> None:
        """Fill `target` with the sums over the first axis of `parts`, in a kernel that more values may join."""
        body = Body(self.graph, self.buffers)
        loops, index = domain_loops(target)
        (part,), place = body.loops(parts.type.shape[:1])
        name, total = body.name(), body.name()
        load = Load(name, parts, parts.address((*place, *index)), node.dtype)
        body.add(Reduce(total, "sum", [part], [load], name, node.dtype, node.dtype, node.id))
        body.known[-1][node.id, index] = total
        kernel = LoopKernel(len(self.kernels), loops, body.blocks[0], [], domain_key(target), body.helpers)
        group = Group(body, kernel)
        self.fill(group, node, target, index, copy=False)
        group.content = Content.of(body.blocks[0])
        self.open(group)

    # products --------------------------------------------------------------------------------------------------------

    def place_product(self, node: Node, record: Any) -> bool:
        """A product of two arrays; False where its letters do not make a matrix product."""
        types = [self.graph.type(source) for source in node.inputs]
        subscripts = record.subscripts(types, **node.attributes)
        letters = classify(subscripts)
        if letters is None or not node.tensor.is_float:
            return False
        sizes = letter_sizes(self.graph, types, subscripts)
        (left, right), result = split_subscripts(subscripts)
        first, second = node.inputs
        along = result[self.wishes.get(node.id, -1)] if result else None
        if along in list(letters.rows) and (letters.columns or node.id in self.wishes):
            # What runs along memory, the last axis unless another one is wished, are columns: the product is the turned
            # one of the turned operands. Neither what it reads nor what reads it has to be turned in memory then.
            letters, first, second, left, right = letters.turned, second, first, right, left
        plan = plan_product(letters, self.views(first, left), self.views(second, right), sizes)
        chosen = plan.letters
        a = plan.left or packed(first, left, chosen.batch, chosen.rows, chosen.inner, sizes, self.pack)
        b = plan.right or packed(second, right, chosen.batch, chosen.inner, chosen.columns, sizes, self.pack)
        order = chosen.batch + chosen.rows + chosen.columns
        target = self.buffer(node, tuple(result.index(letter) for letter in order))
        strides = dict(zip(result, target.strides))
        m, n, k = (product(sizes[c] for c in part) for part in (chosen.rows, chosen.columns, chosen.inner))
        into = Operand(target, 0, tuple(strides[letter] for letter in chosen.batch), m=n, n=1)
        batch = tuple(sizes[letter] for letter in chosen.batch)
        number = len(self.kernels)
        kernel = ProductKernel(number, batch, m, n, (k,), a.left(), b.right(), into, node.dtype, [node.id])
        filled = target
        if has_long_columns(kernel):
            filled = self.parts_buffer(node, target, INNER_PARTS)
            kernel = inner_in_parts(kernel, filled)
        self.kernels.append(kernel)
        self.ready[filled.number] = number
        if filled is not target:
            self.add_up(node, filled, target)
        self.buffers[node.id] = target
        return True

    def views(self, id: int, letters: str) -> list[View]:
        """The operand as it lies in memory: where its entries come from, or as it was packed before."""
        copies = [stored_view(buffer, letters) for (of, _), buffer in self.packed.items() if of == id]
        only = {of: buffer for (of, _), buffer in self.packed.items() if of not in self.buffers}
        # Of something that lies in a copy only, its moves are read from there where they cannot be read in place.
        places = [self.buffers, {**only, **self.buffers}] if only else [self.buffers]
        seen = (view_of(self.graph, buffers, id, letters) for buffers in places)
        return [*(view for view in seen if view), *copies]

    def pack(self, id: int, order: tuple[int, ...]) -> Buffer:
        """A copy of a value with its axes in this order in memory."""
        if (id, order) not in self.packed:
            node = self.graph.node(id)
            made = self.buffer(node, order)
            if parts := self.parts(node):
                self.fill_parts(made, parts)
            else:
                self.add_entries(node, made, copy=True)
            self.packed[id, order] = made
            if id not in self.buffers and not moves_entries(node):
                self.buffers[id] = made
            else:
                self.note_copy(node, made)
        return self.packed[id, order]

    def note_copy(self, node: Node, packed: Buffer) -> None:
        """Remember that a copy holds a value that has a buffer, or what was copied with zeros around it."""
        if node.id in self.buffers:
            self.copies.setdefault(node.id, []).append(packed)
            return
        moved = moved_by(self.graph, node)
        source = self.graph.node(node.inputs[0])
        sizes = zip(moved or (), source.shape, node.shape)
        if moved is not None and source.id in self.buffers and all(fits(-by, *whole) for by, *whole in sizes):
            place = Index((), sum((step * -by for by, step in zip(moved, packed.strides)), 0))
            window = self.window(source, packed, place, packed.order)
            window.steps = packed.strides
            self.ready[window.number] = self.ready[packed.number]
            self.copies.setdefault(source.id, []).append(window)


KERNELS: dict[str, Any] = {
    **TEMPLATES,
    "scan": place_scan,
    "cond": place_cond,
    "while_loop": place_while,
    **CALLS,
    **GROUPS,
}
"""Templates for ops that are no loop over independent entries, by the name in their record."""


def stored_dtype(graph: Graph, node: Node) -> str:
    """The narrowest dtype for positions that are known to be small: more of them then fit into a vector."""
    bound = bound_of(graph, node.id) if node.tensor.is_integer else None
    if not isinstance(bound, int):
        return node.dtype
    return next(each for each in ("int8", "int16", "int32", "int64") if bound - 1 <= np.iinfo(each).max)


def reads_again(group: Group, added: list[Statement]) -> bool:
    """Whether statements that are added to a kernel read an array as large as its loops that others read as well."""
    loads = (s.buffer for s in walk(added) if isinstance(s, Load))
    rank = len(group.kernel.domain)
    return any(b.number in group.content.read and len(domain_key(b)) >= rank > 0 for b in loads)


def short(extents: tuple[Dimension, ...]) -> bool:
    size = product(extents)
    return isinstance(size, int) and size <= 32


def schedule(graph: Graph, donated: Sequence[int] = ()) -> Program:
    """Decide what is stored, in which order in memory, and by which kernels.

    Outputs may lie in the memory of the inputs with the numbers `donated`.
    """
    return Scheduler(graph).run(donated)
