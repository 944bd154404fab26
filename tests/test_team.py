"""Threads: what each owns, where they meet, that their number changes nothing, and how they come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_random_graphs import BINARY, UNARY

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp.emit.library import team
from graphcomp.errors import InputError
from graphcomp.graph import TensorType
from graphcomp.ops.index import Index, loop
from graphcomp.run import blas, interpret
from graphcomp.schedule import meetings, plan_arena, schedule
from graphcomp.schedule.meetings import Held, rounded, shared_lines
from graphcomp.schedule.memory import lifetimes
from graphcomp.schedule.products import INNER_PARTS
from graphcomp.schedule.program import Buffer, Loop, LoopKernel, LoopOver, ProductKernel, Program, leaves, used, written
from graphcomp.schedule.shares import BOTH, FEWEST_ROWS, Owner, Touch, holder_at, owner_of
from graphcomp.simplify import simplify
from graphcomp.trace.tree import leaves as leaves_of

SHAPE = (20, 18)
RNG = np.random.default_rng(0)
needs_a_team = pytest.mark.skipif(sys.platform != "linux", reason="teams of threads need Linux's semaphores")


@pytest.fixture
def always(monkeypatch: Any) -> Iterator[None]:
    """Every program is worth a team."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 0)
    yield


def scheduled(f: Any, *arguments: Any) -> Program:
    return schedule(simplify(gx.trace(f, *arguments)).graph)


# owners --------------------------------------------------------------------------------------------------------------

MATRIX = Buffer(0, TensorType((12, 10), "float32"), (0, 1), "scratch", 0)


def test_who_touches_an_entry() -> None:
    i, j, moved = loop("i", 12), loop("j", 10), loop("j", 9)
    rows, columns = Loop("i", 12), Loop("j", 10)
    assert owner_of(MATRIX, i * 10 + j, rows) == Owner(12, 40)
    assert owner_of(MATRIX, i * 10 + j, columns) == Owner(10, 4)
    assert owner_of(MATRIX, i * 10 + moved + 1, rows) == Owner(12, 40)
    assert owner_of(MATRIX, i * 10 + j + 1, rows) is None, "the last entry belongs to the next row"
    assert owner_of(MATRIX, j, rows) is None, "everybody reads it"
    assert owner_of(MATRIX, i * 10 + (i % 3), rows) is None
    assert owner_of(MATRIX, Index((), 119) - i * 10 - j, rows) is None


def test_a_window_that_moves_by_whole_turns_has_the_same_owners() -> None:
    row = TensorType((12, 10), "float32")
    halves = Buffer(0, TensorType((2, 12, 10), "float32"), (0, 1, 2), "scratch", 0)
    turn = loop("t", 5)
    window = Buffer(1, row, (0, 1), "window", 0, of=halves, place=(turn % 2) * 120)
    part = Buffer(3, row, (0, 1), "window", 0, of=halves, place=Index((), 120) - turn * 120)
    between = Buffer(2, row, (0, 1), "window", 0, of=halves, place=turn * 7)
    address = loop("i", 12) * 10 + loop("j", 10)
    assert owner_of(window, address, Loop("i", 12)) == Owner(12, 40)
    assert owner_of(part, address, Loop("i", 12)) == Owner(12, 40)
    assert owner_of(between, address, Loop("i", 12)) is None


def test_about_who_holds_a_part_of_an_array() -> None:
    """The bytes after which the shares begin anew; windows that reach a little into the next share do not count."""
    i, j, k = loop("i", 12), loop("j", 10), loop("k", 3)
    rows, columns = Loop("i", 12), Loop("j", 10)

    def holder(address: Index, turns: Loop) -> Any:
        return holder_at(Touch.of(MATRIX, address, False), turns)

    assert holder(i * 10 + j, rows) == 480 and holder(i * 10 + j, columns) == 40
    assert holder(i * 10 + k * 10 + j, rows) == 480, "a window of three rows"
    assert holder(i * 10 + loop("k", 9) * 10 + j, rows) is None, "of most of the rows"
    assert holder(j, rows) is None and holder(i * 10 + (i % 3), rows) is None
    assert rounded(480, 480) == rounded(400, 480) == 480 and rounded(40, 480) == 40
    assert rounded(0, 480) == 0 and rounded(None, 480) is None


def descent(w: Any, x: Any, y: Any) -> Any:
    """A step of gradient descent for the weights of a layer."""
    return w - 0.01 * (x.T @ (np.tanh(x @ w) - y))


@pytest.mark.parametrize("donated", [(), (0,)])
def test_weights_stay_with_the_thread_that_updates_them(donated: tuple[int, ...]) -> None:
    """By rows each thread would read all of the weights, which the other has then to be asked for to update them."""
    arguments = (np.ones(shape, "float32") for shape in ((784, 256), (64, 784), (64, 256)))
    program = schedule(simplify(gx.trace(descent, *arguments)).graph, donated)
    assert [each.shared for each in leaves(program.kernels) if isinstance(each, ProductKernel)] == ["columns"] * 2


def test_what_changes_hands_costs_once() -> None:
    made = Held(480, is_made=True)
    assert made.costs(480, 100) == 0 and made.costs(40, 100) == 100 and made.costs(None, 100) == 200
    assert Held(None).costs(480, 100) == 200 and Held(480, asked=True).costs(40, 100) == 0


def test_layers_over_a_batch_need_no_meeting() -> None:
    def forward(x: Any, *weights: Any) -> Any:
        for weight in weights:
            x = np.tanh(x @ weight)
        return x

    program = scheduled(forward, np.ones((64, 20)), np.ones((20, 30)), np.ones((30, 16)))
    assert [kernel.meets for kernel in leaves(program.kernels)] == [False] * 4
    gradients = scheduled(
        gx.grad(lambda w, v, x: gnp.sum(forward(x, w, v) ** 2), (0, 1)),
        np.ones((20, 30)), np.ones((30, 16)), np.ones((64, 20)),
    )  # fmt: skip
    assert 1 <= sum(kernel.meets for kernel in leaves(gradients.kernels)) <= 2, "before the gradients of the weights"


def test_what_is_read_by_another_thread_needs_one() -> None:
    program = scheduled(lambda x: np.tanh(x) - np.tanh(x)[::-1], np.ones((64, 20)))
    assert any(kernel.meets for kernel in leaves(program.kernels))


def weighed(factors: Any, places: Any, means: Any, x: Any) -> Any:
    """What is made of each of 20 distributions is compared between them, and its derivative goes back to each."""
    moved = gnp.einsum("kij,knj->kni", gnp.take(factors, places, 1), x[None] - means[:, None])
    return gnp.sum(gnp.logsumexp(-gnp.sum(moved * moved, axis=2), 0))


WEIGHED = np.ones((20, 32, 32)), np.arange(32, dtype="int32") % 7, np.ones((20, 32)), np.ones((900, 32))


def test_large_values_stay_with_the_thread_that_made_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """That small ones between them had better be read from other threads is seen some kernels before it pays."""

    def touched_outside_of_turns() -> set[int]:
        program = scheduled(gx.grad(weighed, (0, 2)), *WEIGHED)
        large = {b.number for b in program.buffers if b.size == 20 * 900 * 32}
        assert large
        apart = (k for k in program.kernels if not (isinstance(k, LoopOver) and k.is_shared))
        return large & {buffer.root.number for kernel in apart for buffer in used(kernel)}

    assert not touched_outside_of_turns()
    monkeypatch.setattr(meetings, "WIDTH", 1)
    assert touched_outside_of_turns()


def test_a_meeting_stands_before_what_need_not_be_carried_over_it() -> None:
    """The positions are made before the threads meet, the moved points, which do not need them, afterwards."""
    program = scheduled(weighed, *WEIGHED)
    met = [place for place, kernel in enumerate(program.kernels) if kernel.meets]
    (made,) = (
        place
        for place, kernel in enumerate(program.kernels)
        if any(b.root.size == 20 * 900 * 32 for b in written(kernel))
    )
    over = program.kernels[made]
    assert isinstance(over, LoopOver) and over.is_shared, "all that is large is made in one loop over turns"
    assert met[0] <= made and sum(kernel.meets for kernel in program.kernels) <= 3


def test_a_meeting_at_every_turn_of_a_loop() -> None:
    program = scheduled(
        lambda x: gx.scan(lambda h, _: (np.tanh(h), None), x, length=9)[0], np.ones((64, 20))
    )  # fmt: skip
    (over,) = (kernel for kernel in program.kernels if isinstance(kernel, LoopOver))
    assert over.meets and over.kernels[0].meets


def test_memory_is_not_shared_between_two_meetings() -> None:
    program = scheduled(lambda x: np.tanh(np.sort(np.tanh(x), axis=0)) @ x.T, np.ones((40, 40)))
    plan, lives = plan_arena(program, {}), lifetimes(program)
    sizes = {buffer.number: 8 * int(np.prod(buffer.type.shape)) for buffer in program.buffers}
    for one in lives:
        for other in lives:
            if one < other and lives[one][0] <= lives[other][1] and lives[other][0] <= lives[one][1]:
                begin, end = plan.offsets[one], plan.offsets[one] + sizes[one]
                assert end <= plan.offsets[other] or plan.offsets[other] + sizes[other] <= begin


# results -------------------------------------------------------------------------------------------------------------


@st.composite
def compositions(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...]]]:
    steps: list[tuple[str, tuple[int, ...]]] = []
    names = sorted(set(UNARY) - {"reshape"}), sorted(BINARY)
    for count in range(draw(st.integers(2, 6))):
        kind = draw(st.integers(0, 1))
        places = tuple(draw(st.integers(0, count + 1)) for _ in range(kind + 1))
        name = draw(st.sampled_from(names[kind]))
        if name == "pick":
            name = "sort"  # it changes the shape
        steps.append((name, places))
    return steps


def composed(steps: list[tuple[str, tuple[int, ...]]]) -> Any:
    def f(x: Any, y: Any) -> Any:
        values = [x, y]
        for name, places in steps:
            taken = [values[place] for place in places]
            values.append(UNARY[name](*taken) if len(taken) == 1 else BINARY[name](*taken))
        return values[-1] + 0.5 * values[-2]

    return f


@needs_a_team
@settings(max_examples=25)
@given(compositions(), st.integers(2, 5))
def test_the_number_of_threads_changes_nothing(steps: list[tuple[str, tuple[int, ...]]], threads: int) -> None:
    x, y = RNG.normal(size=(2, *SHAPE))
    graph = gx.trace(gx.value_and_grad(lambda x, y: gnp.sum(np.sin(composed(steps)(x, y))), (0, 1)), x, y)
    wanted = interpret(graph, [x, y])
    before = blas.WORTH_A_TEAM
    blas.WORTH_A_TEAM = 0
    try:
        compiled = gx.jit(graph, threads=threads)
        first = [np.array(part) for part in leaves_of(compiled(x, y))]
        for found, expected in zip(first, wanted, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        for _ in range(10):  # a race shows now and then
            for found, expected in zip(leaves_of(compiled(x, y)), first, strict=True):
                np.testing.assert_array_equal(np.asarray(found), expected)
    finally:
        blas.WORTH_A_TEAM = before


def recurrent(weights: Any, x: Any) -> Any:
    w, u = weights

    def step(h: Any, one: Any) -> Any:
        h = np.tanh(one @ w + h @ u)
        return h, gnp.sum(h * h)

    last, sums = gx.scan(step, np.zeros((24, 16), x.dtype), x)
    return gnp.sum(last) + gnp.sum(sums)


@needs_a_team
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_loops_run_together(always: None, threads: int) -> None:
    weights = (RNG.normal(size=(10, 16)) / 4, RNG.normal(size=(16, 16)) / 4)
    x = RNG.normal(size=(12, 24, 10))
    graph = gx.trace(gx.value_and_grad(recurrent), weights, x)
    compiled = gx.jit(graph, threads=threads)
    wanted = interpret(graph, [*weights, x])
    for _ in range(20):
        for found, expected in zip(leaves_of(compiled(*weights, x)), wanted, strict=True):
            np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-11, atol=1e-11)


@needs_a_team
def test_all_leave_a_loop_together(always: None) -> None:
    def halved(x: Any) -> Any:
        return gx.while_loop(lambda x: gnp.max(x) > 1, lambda x: x * 0.5, x)

    x = RNG.uniform(1, 1000, (64, 50))
    compiled = gx.jit(halved, threads=3)
    for _ in range(20):
        np.testing.assert_array_equal(np.asarray(compiled(x)), x * 0.5 ** np.ceil(np.log2(x.max())))


@needs_a_team
def test_scattered_sums_and_named_sizes(always: None) -> None:
    def f(table: Any, rows: Any) -> Any:
        return gx.grad(lambda table: gnp.sum(np.take(table, rows, axis=0) ** 3))(table)

    table, rows = RNG.normal(size=(30, 40)), RNG.integers(0, 30, 200)
    compiled = gx.jit(f, specs=(gx.spec(("n", "d")), gx.spec("m", "int64")), threads=3)
    wanted = np.zeros_like(table)
    np.add.at(wanted, rows, 3 * table[rows] ** 2)
    for _ in range(10):
        np.testing.assert_allclose(np.asarray(compiled(table, rows)), wanted, rtol=1e-12)
    small = table[:2, :3], rows[:5] % 2
    np.testing.assert_allclose(np.asarray(compiled(*small)), f(*small), rtol=1e-12)


# coming and going ----------------------------------------------------------------------------------------------------


def gram(x: Any) -> Any:
    return np.tanh(x @ x.T)


@needs_a_team
def test_several_threads_of_a_process_call_at_once(always: None) -> None:
    compiled = [gx.jit(lambda x, k=k: gram(x) + k, threads=2) for k in range(3)]
    x = RNG.normal(size=(50, 30))

    def work(place: int) -> None:
        for _ in range(50):
            np.testing.assert_allclose(np.asarray(compiled[place % 3](x)), gram(x) + place % 3, rtol=1e-12, atol=1e-14)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))


CHILD = """
import os, sys, threading, time
import numpy as np
import graphcomp as gx
from graphcomp.run import blas
blas.WORTH_A_TEAM = 0
x = np.random.default_rng(0).normal(size=(50, 30))
f = gx.jit(lambda x: np.tanh(x @ x.T), threads=3)
wanted = np.tanh(x @ x.T)
def right():
    return all(np.allclose(f(x), wanted) for _ in range(20))
"""


def in_a_process(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", CHILD + code], capture_output=True, text=True, timeout=100, env=os.environ | environment
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@needs_a_team
def test_a_forked_process_has_a_team_of_its_own() -> None:
    code = """
assert right()
child = os.fork()
if not child:
    os._exit(0 if right() and len(threading.enumerate()) == 3 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert right()
"""
    in_a_process(code)


@needs_a_team
def test_idle_threads_sleep() -> None:
    code = """
assert right()
time.sleep(0.2)
before = time.process_time()
time.sleep(0.5)
assert time.process_time() - before < 0.05, time.process_time() - before
assert right(), "they wake up again"
print("ended")
"""
    assert in_a_process(code) == "ended\n"


@needs_a_team
def test_ctrl_c_and_other_signals_are_python_s() -> None:
    code = """
import signal
assert right()
time.sleep(0.1)
hits = []
signal.signal(signal.SIGUSR1, lambda *_: hits.append(1))
for _ in range(50):
    os.kill(os.getpid(), signal.SIGUSR1)
    assert right()
assert hits
try:
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        f(x)
except KeyboardInterrupt:
    assert right()
    print("interrupted")
"""
    assert in_a_process(code) == "interrupted\n"


def test_the_number_of_threads_can_be_chosen(monkeypatch: Any) -> None:
    for given_number in ("0", "many", "65", "-1"):
        monkeypatch.setenv("GRAPHCOMP_THREADS", given_number)
        with pytest.raises(InputError, match="GRAPHCOMP_THREADS is a whole number from 1 to 64, not"):
            gx.jit(gram)(np.ones((2, 2)))
    monkeypatch.setenv("GRAPHCOMP_THREADS", "1")
    before = threading.active_count()
    gx.jit(gram)(np.ones((200, 200)))
    assert threading.active_count() == before
    with pytest.raises(InputError, match="threads is a whole number from 1 to 64, not 0"):
        gx.jit(gram, threads=0)


def test_little_work_wakes_nobody() -> None:
    program = gx.jit(gram).version(np.ones((8, 8))).executor.program
    assert not blas.worth_a_team(program, {}) and blas.worth_a_team(
        gx.jit(gram).version(np.ones((300, 300))).executor.program, {}
    )


@needs_a_team
def test_a_short_program_wakes_the_team_when_it_runs_again_and_again(monkeypatch: Any) -> None:
    """Alone it runs alone; soon after another program, or after calls that follow closely, on the team."""
    monkeypatch.setattr(blas, "WORTH_A_TEAM", 1)
    monkeypatch.setattr(blas, "WAKING", 10**12)
    x = gx.Array(np.ones((40, 40)))
    step = gx.jit(gram, threads=2)
    executor = step.version(x).executor
    step(x)
    binding = executor.bind([x])
    assert binding.threads == 2 and not binding.is_long

    def threads_of(pause: float) -> int:
        time.sleep(pause)
        step(x)
        return int(binding.context[2])

    assert [threads_of(0.01) for _ in range(30)] == [1] * 30
    monkeypatch.setattr("graphcomp.run.executor.PAUSE", 1.0)  # however slow this machine is
    found = [threads_of(0) for _ in range(30)]
    assert found[0] == 1 and found[-1] == 2


@needs_a_team
def test_the_number_of_threads_changes_no_bit_of_a_product(always: None) -> None:
    """Whatever threads share out, and into however many blocks a thread cuts its share."""
    rng = np.random.default_rng(3)
    for m, k, n in ((1, 784, 256), (4, 2000, 700), (3, 5000, 300), (100, 900, 65), (2, 30, 3000)):
        left, right = rng.standard_normal((m, k)).astype("float32"), rng.standard_normal((k, n)).astype("float32")
        found = [np.asarray(gx.jit(lambda a, b: a @ b, threads=count)(left, right)) for count in (1, 2, 3, 5)]
        for other in found[1:]:
            np.testing.assert_array_equal(other, found[0])


@needs_a_team
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m, k, n", [(64, 1186, 192), (33, 513 * 2, 7), (16, 2708, 7), (5, 600, 100)])
def test_long_columns_are_cut_for_threads_that_made_the_rows(always: None, dtype: str, m: int, k: int, n: int) -> None:
    """Groups of threads share out the halves, and the threads of a group the rows of each."""
    rng = np.random.default_rng(4)
    x, w = rng.standard_normal((k, m)).astype(dtype), rng.standard_normal((m, n)).astype(dtype)

    def gradient(x: Any, w: Any) -> Any:
        return x.T @ np.tanh(x @ w)

    kernels = [each for each in leaves(scheduled(gradient, x, w).kernels) if isinstance(each, ProductKernel)]
    assert [each.batch for each in kernels] == [(), (INNER_PARTS,)]
    assert kernels[1].shared == (BOTH if m >= FEWEST_ROWS else "columns")
    found = [np.asarray(gx.jit(gradient, threads=count)(x, w)) for count in (1, 2, 3, 5)]
    wanted = x.T.astype("float64") @ np.tanh(x.astype("float64") @ w)
    scale = np.sqrt(k) * (1e-6 if dtype == "float32" else 1e-14)
    np.testing.assert_allclose(found[0], wanted, rtol=scale, atol=10 * scale)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


@pytest.mark.parametrize(
    "m, k, n, count",
    [(64, 1186, 192, 2), (64, 1187, 192, 1), (64, 500, 192, 1), (600, 1186, 600, 1), (784, 64, 256, 1)],
)
def test_which_columns_are_long(m: int, k: int, n: int, count: int) -> None:
    """Not an odd number of entries, which has no halves, nor columns that are hardly longer than the result."""
    kernel = next(leaves(scheduled(lambda x, y: x.T @ y, np.ones((k, m)), np.ones((k, n))).kernels))
    assert isinstance(kernel, ProductKernel) and kernel.batch == ((2,) if count == 2 else ())


@pytest.mark.parametrize("turns", [1, 2, 3, 7])
@pytest.mark.parametrize("extent", [1, 64, 500])
def test_a_group_of_threads_does_each_turn_once(turns: int, extent: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(team, "share", team.share.py_func)  # compiled functions cannot be called from Python
    begin, end, share = (each.py_func for each in (team.group_begin, team.group_end, team.group_share))
    for threads in range(1, 12):
        done = [
            (turn, row)
            for thread in range(threads)
            for turn in range(begin(thread, threads, turns), end(thread, threads, turns))
            for row in range(*(share(thread, ahead, threads, turns, turn, extent) for ahead in (0, 1)))
        ]
        assert sorted(done) == [(turn, row) for turn in range(turns) for row in range(extent)], threads


def test_threads_do_not_write_to_one_cache_line_if_another_way_is_as_good() -> None:
    """Columns would go with what follows, but rows of 400 bytes begin and end within lines."""

    def f(x: Any, a: Any) -> Any:
        return gx.numpy.tanh(a @ x) * x + gx.numpy.sin(x)

    kernels = scheduled(gx.jacobian(f), np.ones(100, "float32"), np.ones((100, 100), "float32")).kernels
    assert [each.shared for each in kernels if isinstance(each, ProductKernel) and each.n == 100] == ["rows"]
    buffer = Buffer(0, TensorType((100, 100), "float32"), (0, 1), "scratch", 0)
    assert shared_lines(buffer, Owner(100, 4)) == 100 * 64
    assert shared_lines(buffer, Owner(100, 400)) == shared_lines(buffer, None) == shared_lines(buffer, Owner()) == 0
    whole = Buffer(0, TensorType((100, 128), "float32"), (0, 1), "scratch", 0)
    assert shared_lines(whole, Owner(128, 4)) == 0


@pytest.mark.parametrize("rows, is_whole", [(784, True), (96, False)])
def test_what_no_cache_holds_is_not_gone_through_in_pieces_of_pages(rows: int, is_whole: bool) -> None:
    """By columns the threads need not meet; the update of a large matrix is worth it."""

    def f(w: Any, v: Any, m: Any, x: Any, y: Any) -> Any:
        m = 0.9 * m + x.T @ np.tanh(y @ v)
        return m, w - gnp.sqrt(m * m + 1.0)

    w, x, y = (np.ones(shape, "float32") for shape in ((rows, 256), (64, rows), (64, 128)))
    program = scheduled(f, w, np.ones((128, 256), "float32"), w, x, y)
    sizes = [[loop.extent for loop in k.loops] for k in leaves(program.kernels) if isinstance(k, LoopKernel)]
    assert [rows * 256] in sizes if is_whole else [rows, 256] in sizes, program
