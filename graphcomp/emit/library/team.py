"""A team of threads that run one compiled entry together, and how they wait for each other.

How the team's memory is laid out is told in `emit/team.py`. Workers look for a new job for a short while, let others
run for a while, then sleep. Everything here is compiled, so nobody holds Python's lock.

A meeting is a barrier that counts arrivals and then advances a turn (Mellor-Crummey and Scott, "Algorithms for scalable
synchronization on shared-memory multiprocessors", 1991, section 3.1).
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..team import ARRIVED, CONTEXT, ENTRY, FIRST_SLOT, JOB, SEMAPHORE, SLEEPING, SLOT, THREAD, TURN
from .runtime import compiled

LOOKS, YIELDS = 4000, 50
"""How often a waiting thread looks before it lets others run, and how often it does that before it sleeps."""

_WORD = ir.IntType(64)


def _place(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, _WORD.as_pointer())


@intrinsic
def load_word(typingctx: Any, address: Any) -> Any:
    """The word at an address, and with it all that was written before it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(builder, arguments[0]), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def store_word(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a word for others to see, after all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _place(builder, arguments[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _exchange(operation: str) -> Any:
    @intrinsic
    def change(typingctx: Any, address: Any, value: Any) -> Any:
        """Change a word in one step; what it was before."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.atomic_rmw(operation, _place(builder, arguments[0]), arguments[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    return change


add_to_word = _exchange("add")
exchange_word = _exchange("xchg")


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tell the processor that this is a waiting loop."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if binding.get_process_triple().startswith(("x86_64", "i686")):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


def _system_call(name: str, count: int) -> Any:
    @intrinsic
    def call(typingctx: Any, address: Any) -> Any:
        """Call a function of the system with an address."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pointers = [builder.inttoptr(a, ir.IntType(8).as_pointer()) for a in arguments[:count]]
            kind = ir.FunctionType(ir.IntType(32), [ir.IntType(8).as_pointer()] * count)
            function = cgutils.get_or_insert_function(builder.module, kind, f"graphcomp_{name}")
            return builder.sext(builder.call(function, pointers), _WORD)

        return types.int64(types.int64), generate

    return call


sem_wait, sem_post = _system_call("sem_wait", 1), _system_call("sem_post", 1)
sched_yield = _system_call("sched_yield", 0)


@intrinsic
def run_entry(typingctx: Any, entry: Any, thread: Any, context: Any) -> Any:
    """Call the compiled entry at an address."""

    def generate(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_WORD, _WORD.as_pointer()])
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        builder.call(function, [arguments[1], _place(builder, arguments[2])])
        return target.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@compiled
def share(thread, threads, extent, unit):
    """Where a thread's share of a loop begins; long loops are cut where a cache line begins."""
    if threads == 1:
        return extent * thread
    turns = extent // unit if unit > 0 else 0
    begin = turns * thread // threads
    if turns >= 64 * threads and thread < threads:
        begin -= begin % 16
    return begin * unit


@compiled
def group_begin(thread, threads, turns):
    """The first turn of a loop of few turns that a thread takes part in: where there are more threads than turns, a
    group of them is at each turn.
    """
    return turns * thread // threads


@compiled
def group_end(thread, threads, turns):
    """The turn after the last one that a thread takes part in."""
    begin, end = turns * thread // threads, turns * (thread + 1) // threads
    return end if end > begin else begin + 1


@compiled
def group_share(thread, ahead, threads, turns, turn, extent):
    """Where a thread's share of a loop begins that the group of threads at a turn shares out, or (`ahead` of 1) where
    it ends.
    """
    first = (turn * threads + turns - 1) // turns
    count = ((turn + 1) * threads + turns - 1) // turns - first
    place = thread - first if thread > first else 0
    return share(place + ahead, count if count > 1 else 1, extent, 1)


@compiled
def meet(context, threads):
    """Wait until all threads of the team are here."""
    if threads > 1:
        team = context[1]
        turn = load_word(team + 8 * TURN)
        if add_to_word(team + 8 * ARRIVED, 1) == threads - 1:
            store_word(team + 8 * ARRIVED, 0)
            store_word(team + 8 * TURN, turn + 1)
        else:
            looks = 0
            while load_word(team + 8 * TURN) == turn:
                looks += 1
                if looks < LOOKS:
                    pause()
                else:
                    sched_yield(0)


@intrinsic
def cycles(typingctx: Any) -> Any:
    """A count that grows with time."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(_WORD, [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), generate


@compiled
def stamp(context, word, place, thread, threads):
    """Wait for each other and note the time, in a table whose address is a word of the context."""
    meet(context, threads)
    if thread == 0:
        store_word(context[word] + 8 * place, cycles())


@compiled
def serve(slot):
    """What a worker does: wait for a job in its slot, run its entry, and so on; an entry of 0 is the end."""
    done = 0
    while True:
        looks = 0
        while load_word(slot + 8 * JOB) == done:
            looks += 1
            if looks < LOOKS:
                pause()
            elif looks < LOOKS + YIELDS:
                sched_yield(0)
            else:
                store_word(slot + 8 * SLEEPING, 1)
                if load_word(slot + 8 * JOB) == done or exchange_word(slot + 8 * SLEEPING, 0) == 0:
                    while sem_wait(slot + 8 * SEMAPHORE) != 0:  # a signal to the process interrupts it
                        pass
                looks = 0
        done += 1
        entry = load_word(slot + 8 * ENTRY)
        if entry == 0:
            return
        run_entry(entry, load_word(slot + 8 * THREAD), load_word(slot + 8 * CONTEXT))


@compiled
def give(slot, entry, thread, context):
    """Put a job into a worker's slot, and wake the worker if it sleeps."""
    store_word(slot + 8 * ENTRY, entry)
    store_word(slot + 8 * THREAD, thread)
    store_word(slot + 8 * CONTEXT, context)
    add_to_word(slot + 8 * JOB, 1)
    if exchange_word(slot + 8 * SLEEPING, 0) == 1:
        sem_post(slot + 8 * SEMAPHORE)


@compiled
def run_together(team, threads, entry, context):
    """Run an entry on the first threads of a team, the caller's among them."""
    for thread in range(1, threads):
        give(team + 8 * (FIRST_SLOT + SLOT * (thread - 1)), entry, thread, context)
    if entry != 0:
        run_entry(entry, 0, context)
