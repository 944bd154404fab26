"""Outputs that lie in the memory of donated inputs: a training step then updates its parameters in place.

An output may take the place of an input of the same type if nothing reads the input after the kernel that writes the
output, and that kernel itself reads an entry only to write the same one. What cannot be taken back must not be begun
too early: a kernel that runs before indices are checked is no candidate, and where an index was out of range nothing
is updated (the threads meet for that, see `shares.status_accesses`, and the entry looks at its status word).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..graph import TensorType
from ..ops.index import Index
from .program import Buffer, CallKernel, Kernel, Load, LoopKernel, LoopOver, Store, checks, used, walk, written
from .shares import nests_of


def update_in_place(kernels: Sequence[Kernel], donated: dict[int, Buffer], outputs: Sequence[Buffer]) -> dict[int, int]:
    """Let outputs lie in the memory of `donated` inputs, which are given by their numbers among the inputs.

    Of several inputs the first one is taken that the kernel reads, else the first one. Returns the number of the input
    for each output's buffer that does.
    """
    readers = touching(kernels, used)
    writers = touching(kernels, written)
    free = {number: buffer for number, buffer in donated.items() if all(buffer is not output for output in outputs)}
    checked = max((place for place, kernel in enumerate(kernels) if checks(kernel)), default=-1)
    found: dict[int, int] = {}
    for output in outputs:
        place = min(writers.get(output.number, [-1]))
        if output.role != "output" or place <= checked or isinstance(kernels[place], (LoopOver, CallKernel)):
            continue
        wanted = TensorType(output.type.shape, output.type.dtype)
        fitting = [
            (max(readers.get(buffer.number, [-1])) < place, number)
            for number, buffer in free.items()
            if TensorType(buffer.type.shape, buffer.type.dtype) == wanted
            and max(readers.get(buffer.number, [-1])) <= place
            and (place not in readers.get(buffer.number, []) or entry_by_entry(kernels[place], buffer, output))
        ]
        if fitting:
            _, number = min(fitting)
            output.role, output.of = "window", free.pop(number)
            found[output.number] = number
    return found


def touching(kernels: Sequence[Kernel], buffers: Callable[[Kernel], list[Buffer]]) -> dict[int, list[int]]:
    """The places of the kernels that touch each root buffer."""
    found: dict[int, list[int]] = {}
    for place, kernel in enumerate(kernels):
        for number in {buffer.root.number for buffer in buffers(kernel)}:
            found.setdefault(number, []).append(place)
    return found


def entry_by_entry(kernel: Kernel, source: Buffer, target: Buffer) -> bool:
    """Whether a kernel reads each entry of `source` only before it writes the same entry of `target`, in one turn."""
    if not isinstance(kernel, LoopKernel):
        return False
    touched = {source.number, target.number}
    bodies = [body for _, body in nests_of(kernel)]
    bodies = [body for body in bodies if any(touches(s, touched) for s in walk(body))]
    if len(bodies) != 1:
        return False
    places: set[Index] = set()
    is_written = False
    for statement in walk(bodies[0]):
        if isinstance(statement, (Load, Store)) and touches(statement, touched):
            places.add(statement.buffer.begin + statement.address)
            if (isinstance(statement, Load) and is_written) or (isinstance(statement, Store) and statement.combine):
                return False
            is_written |= isinstance(statement, Store)
    return len(places) == 1


def touches(statement: object, roots: set[int]) -> bool:
    return isinstance(statement, (Load, Store)) and statement.buffer.root.number in roots
