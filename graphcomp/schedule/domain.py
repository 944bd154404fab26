"""The loops over the entries of a value, and places in it."""

from __future__ import annotations

from ..graph import Dimension, Node
from ..ops.index import Atom, Index, loop
from .lower import Body
from .program import Buffer, Loop, Position


def index_value(name: str, extent: Dimension) -> Index:
    return Index(((Atom("value", name, extent), 1),), 0)


def index_from(body: Body, node: Node, index: tuple[Index, ...], extent: Dimension) -> Index:
    """A loaded position, checked against the axis it indexes."""
    value = body.value(node.inputs[1], index)
    name = body.name("j")
    body.add(Position(name, value, extent, node.id))
    return index_value(name, extent)


def domain_loops(target: Buffer) -> tuple[list[Loop], tuple[Index, ...]]:
    """Loops over the entries of a buffer in memory order, and the logical index. Axes of size 1 need no loop."""
    loops: list[Loop] = []
    index = [Index()] * target.type.rank
    for axis in target.order:
        if target.type.shape[axis] != 1:
            loops.append(Loop(f"i{len(loops)}", target.type.shape[axis]))
            index[axis] = loop(loops[-1].variable, loops[-1].extent)
    return loops, tuple(index)


def domain_key(target: Buffer) -> tuple[Dimension, ...]:
    """The extents of a buffer's loops: kernels with equal ones can be joined."""
    return tuple(loop.extent for loop in domain_loops(target)[0])


def neutral_text(combine: str, dtype: str) -> str:
    """The value that a combination starts from."""
    if combine in ("sum", "product"):
        return f"{dtype}({0 if combine == 'sum' else 1})"
    sign = "-" if combine == "maximum" else ""
    if dtype.startswith("float"):
        return f"{dtype}({sign}math.inf)"
    bits = int("".join(filter(str.isdigit, dtype)))
    unsigned = dtype.startswith("u")
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return f"{dtype}({low if combine == 'maximum' else high})"
