"""Random compositions of the transformations agree with the same computation written out in plain code.

A program takes an array and gives one of the same shape. It is computed twice: `transformed` uses loops, branches,
batching and rules; `plain` writes out the steps and chooses entry by entry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import graphcomp as gx
import graphcomp.numpy as gnp

# Values of moderate size give values of moderate size; all are smooth.
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": gnp.sin,
    "tanh": gnp.tanh,
    "quotient": lambda x: x / (1 + x * x),
    "bell": lambda x: gnp.exp(-x * x),
    "root": lambda x: gnp.sqrt(x * x + 1),
    "mean": lambda x: gnp.tanh(x) + gnp.mean(x * x),
    "cumulative": lambda x: gnp.sin(x) if x.ndim == 0 else gnp.cumsum(x, axis=0) / 2,
}
SHAPE = (3, 2)


@dataclass(frozen=True)
class Program:
    """A kind of step, the programs inside it, and numbers that vary it."""

    kind: str
    parts: tuple[Program, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def transformed(self, x: Any) -> Any:
        if self.kind in UNARY:
            return UNARY[self.kind](x)
        return KINDS[self.kind][0](x, *(part.transformed for part in self.parts), **self.options)

    def plain(self, x: Any) -> Any:
        if self.kind in UNARY:
            return UNARY[self.kind](x)
        return KINDS[self.kind][1](x, *(part.plain for part in self.parts), **self.options)


# each kind with transformations, and without -------------------------------------------------------------------------


def recurrence(p: Any, q: Any) -> Any:
    def body(c: Any, x: Any) -> Any:
        c = p(0.5 * c + x)
        return c, q(c - x)

    return body


def scanned(x: Any, p: Any, q: Any, **options: Any) -> Any:
    last, ys = gx.scan(recurrence(p, q), 0.5 * x[0], x, **options)
    return ys + last


def scan_written_out(x: Any, p: Any, q: Any, reverse: bool, **options: Any) -> Any:
    c, ys = 0.5 * x[0], [None] * x.shape[0]
    for step in reversed(range(x.shape[0])) if reverse else range(x.shape[0]):
        c, ys[step] = recurrence(p, q)(c, x[step])
    return gnp.stack(ys) + c


def batched(x: Any, p: Any, axis: int) -> Any:
    return gx.vmap(p, in_axes=axis, out_axes=axis)(x)


def one_by_one(x: Any, p: Any, axis: int) -> Any:
    rows = [p(x[k] if axis == 0 else x[:, k]) for k in range(x.shape[axis])]
    return gnp.stack(rows, axis=axis)


def branched(x: Any, p: Any, q: Any, limit: float) -> Any:
    return gx.cond(gnp.sum(x) > limit, p, q, x)


def chosen(x: Any, p: Any, q: Any, limit: float) -> Any:
    return gnp.where(gnp.sum(x) > limit, p(x), q(x))


def repeated(x: Any, p: Any, limit: float, steps: int) -> Any:
    return gx.while_loop(lambda c: gnp.sum(c * c) < limit, lambda c: 1.2 * c + 0.3 * p(c), x, steps)


def repeated_written_out(x: Any, p: Any, limit: float, steps: int) -> Any:
    for _ in range(steps):
        x = gnp.where(gnp.sum(x * x) < limit, 1.2 * x + 0.3 * p(x), x)
    return x


def ruled(x: Any, p: Any) -> Any:
    return gx.custom_jvp(p, lambda values, tangents: gx.jvp(p, values, tangents))(x)


def slope(x: Any, p: Any) -> Any:
    return gx.grad(lambda x: gnp.sum(p(x)))(x)


def change(x: Any, p: Any) -> Any:
    return gx.jvp(p, (x,), (gnp.cos(x),))[1]


def pulled(x: Any, p: Any) -> Any:
    return gx.vjp(p, x)[1](gnp.cos(x))[0]


KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "chain": (lambda x, p, q: q(p(x)),) * 2,
    "blend": (lambda x, p, q: p(x) * gnp.tanh(q(x)) + 0.5 * x,) * 2,
    "scan": (scanned, scan_written_out),
    "vmap": (batched, one_by_one),
    "cond": (branched, chosen),
    "while": (repeated, repeated_written_out),
    "custom": (ruled, lambda x, p: p(x)),
    "checkpoint": (lambda x, p: gx.checkpoint(p)(x), lambda x, p: p(x)),
    "grad": (slope, slope),
    "jvp": (change, change),
    "vjp": (pulled, pulled),
}
DERIVATIVES = ("grad", "jvp", "vjp")
LOOPS = ("scan", "vmap", "cond", "while", "custom", "checkpoint")


@st.composite
def programs(draw: st.DrawFn, rank: int = 2, depth: int = 3, order: int = 1, top: bool = True) -> Program:
    """``order``: how many derivatives may be taken inside."""
    if depth == 0 or (not top and draw(st.integers(0, 3)) == 0):
        return Program(draw(st.sampled_from(sorted(UNARY))))
    kinds = [kind for kind in KINDS if rank or kind not in ("scan", "vmap")]
    kinds = [kind for kind in kinds if order or kind not in DERIVATIVES]
    if top:
        kinds = [kind for kind in kinds if kind in LOOPS]
    kind = draw(st.sampled_from(kinds))
    inner = rank - 1 if kind in ("scan", "vmap") else rank
    count = 2 if kind in ("chain", "blend", "scan", "cond") else 1
    parts = tuple(draw(programs(inner, depth - 1, order - (kind in DERIVATIVES), False)) for _ in range(count))
    return Program(kind, parts, draw(st.fixed_dictionaries(OPTIONS.get(kind, {}))) | axes(draw, kind, rank))


OPTIONS: dict[str, dict[str, Any]] = {
    "scan": {"reverse": st.booleans(), "checkpoint": st.booleans(), "unroll": st.integers(1, 3)},
    "cond": {"limit": st.sampled_from([-0.7, 0.1, 0.9])},
    "while": {"limit": st.sampled_from([0.3, 4.0, 25.0]), "steps": st.integers(0, 4)},
}


def axes(draw: st.DrawFn, kind: str, rank: int) -> dict[str, int]:
    return {"axis": draw(st.integers(0, rank - 1))} if kind == "vmap" else {}


def losses(program: Program) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    return (lambda x: gnp.sum(gnp.sin(program.transformed(x))), lambda x: gnp.sum(gnp.sin(program.plain(x))))


def point(seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape) * 0.8


def close(found: Any, wanted: Any, rtol: float = 1e-9) -> None:
    scale = max(1.0, float(np.max(np.abs(wanted))))
    np.testing.assert_allclose(np.asarray(found), wanted, rtol=rtol, atol=rtol * scale)


@given(programs(), st.integers(0, 10**6))
@settings(max_examples=60)
def test_values_and_first_derivatives_are_those_of_plain_code(program: Program, seed: int) -> None:
    x, u = point(seed), point(seed + 1)
    f, plain = losses(program)
    close(f(x), plain(x), 1e-12)
    expected = gx.grad(plain)(x)
    close(gx.grad(f)(x), expected)
    close(gx.jvp(f, (x,), (u,))[1], np.sum(expected * u))
    close(gx.vjp(program.transformed, x)[1](u)[0], gx.vjp(program.plain, x)[1](u)[0])


@given(programs(), st.integers(0, 10**6))
@settings(max_examples=40)
def test_derivatives_are_those_of_central_differences(program: Program, seed: int) -> None:
    x, u = point(seed), point(seed + 1)
    f, plain = losses(program)
    slopes = [(plain(x + h * u) - plain(x - h * u)) / (2 * h) for h in (2e-3, 1e-3)]
    difference = (4 * slopes[1] - slopes[0]) / 3
    close(np.sum(gx.grad(f)(x) * u), difference, 1e-6)


@given(programs(depth=2), st.integers(0, 10**6))
@settings(max_examples=20)
def test_second_derivatives_are_those_of_plain_code(program: Program, seed: int) -> None:
    x, u = point(seed), point(seed + 1)
    f, plain = losses(program)
    expected = gx.hessian(plain)(x)
    close(gx.hessian(f)(x), expected, 1e-8)
    close(gx.hvp(f, (x,), (u,)), np.tensordot(expected, u, 2), 1e-8)
    close(gx.grad(lambda x: gnp.sum(gx.grad(f)(x) * u))(x), np.tensordot(expected, u, 2), 1e-8)


@given(programs(depth=2), st.integers(0, 10**6))
@settings(max_examples=20)
def test_batches_of_derivatives_are_those_of_one_after_the_other(program: Program, seed: int) -> None:
    batch = point(seed, (4, *SHAPE))
    f, plain = losses(program)
    close(gx.vmap(gx.grad(f))(batch), np.stack([gx.grad(plain)(x) for x in batch]))
    close(gx.grad(lambda xs: gx.vmap(f)(xs).sum())(batch), np.stack([gx.grad(plain)(x) for x in batch]))


@given(programs(depth=2), st.integers(0, 10**6))
@settings(max_examples=5)
def test_compiled_derivatives_are_those_of_plain_code(program: Program, seed: int) -> None:
    x = point(seed)
    f, plain = losses(program)
    value, slopes = gx.jit(gx.value_and_grad(f))(x)
    close(value, plain(x), 1e-12)
    close(slopes, gx.grad(plain)(x))


@given(programs(depth=2, order=0), st.integers(0, 10**6))
@settings(max_examples=15)
def test_what_a_story_executes_is_the_same(program: Program, seed: int) -> None:
    x = point(seed)
    f, plain = losses(program)
    graph = gx.trace(gx.value_and_grad(f), x)
    flat = gx.render.executed.executed(graph, [x], derivatives=False)
    value, slopes = gx.run.interpret(flat, [x])
    assert not flat.subgraphs()
    close(value, plain(x), 1e-12)
    close(slopes, gx.grad(plain)(x))


def test_reverse_mode_of_a_loop_inside_a_batch_inside_a_hessian() -> None:
    """The second derivatives of the sum of squared per-example gradients of a recurrence."""
    rng = np.random.default_rng(0)
    sequences, weights = rng.standard_normal((4, 5, 3)), rng.standard_normal((3, 3)) * 0.4

    def final(w: Any, x: Any) -> Any:
        def step(h: Any, one: Any) -> Any:
            h = np.tanh(h @ w + one)
            return h, gnp.sum(h * h)

        last, squares = gx.scan(step, np.zeros(3), x)
        return gnp.sum(squares) + gnp.sum(np.sin(last))

    def total(w: Any) -> Any:
        return gnp.sum(gx.vmap(gx.grad(final), (None, 0))(w, sequences) ** 2)

    found = np.asarray(gx.jit(gx.hessian(total))(weights)).reshape(9, 9)
    slope, step = gx.jit(gx.grad(total)), 1e-5
    for row, direction in zip(found, np.eye(9).reshape(9, 3, 3)):
        ends = (np.asarray(slope(weights + sign * step * direction)).ravel() for sign in (1, -1))
        difference = np.subtract(*ends) / (2 * step)
        np.testing.assert_allclose(row, difference, atol=1e-7 * abs(found).max())
