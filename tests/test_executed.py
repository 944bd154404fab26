"""Stories of loops, branches and functions with rules of their own: told as they are executed."""

from __future__ import annotations

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import DerivativeError, RenderError, TraceError
from graphcomp.render.executed import executed
from graphcomp.run import interpret

AT = [0.5, 0.1, np.array([1.0, 2.0, 3.0])]


def recurrence(w, h, xs, **options):
    def body(h, x):
        h = gnp.tanh(w * h + x)
        return h, h * h

    h, ys = gx.scan(body, h, xs, **options)
    return h + ys.sum()


def bounded_root(a, max_steps=None):
    def closer(x):
        return x - (x * x - a) / (2 * x)

    return gx.while_loop(lambda x: gnp.abs(x * x - a) > 1e-6, closer, gnp.ones_like(a), max_steps)


def branch(x):
    return gx.cond(x > 0, gnp.sin, lambda x: x * x, x)


def adjoints(story: gx.render.output.Story) -> dict[str, np.ndarray]:
    """The adjoints told last, by the name on the card."""
    names = {node.id: node.definition.plain() for node in story.nodes}
    facts = [fact for frame in story.frames for fact in frame.facts if fact.kind == "adjoint"]
    return {names[fact.target]: fact.data for fact in facts}


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"checkpoint": True}, {"unroll": 2}])
def test_each_step_of_a_loop_is_told_with_its_derivatives(options: dict[str, object]) -> None:
    def loop(w, h, xs):
        return recurrence(w, h, xs, **options)

    found = adjoints(gx.explain(loop, at=AT))
    for name, slope in zip(("w", "h", "xs"), gx.grad(loop, (0, 1, 2))(*AT)):
        np.testing.assert_allclose(found[name], slope, rtol=1e-12)
    assert sum(definition.startswith("tanh") for definition in found) == 3
    assert not any("scan" in definition for definition in found)


@pytest.mark.parametrize("mode", ["evaluate", "forward", "reverse", "both"])
def test_every_mode_tells_a_loop(mode: str) -> None:
    story = gx.explain(recurrence, at=AT, mode=mode)
    assert {node.source_line for node in story.nodes if node.definition.plain().startswith("tanh")}
    assert story.frames[-1].cost is not None


def test_what_is_executed_computes_what_the_graph_computes() -> None:
    for function, at in (
        (gx.value_and_grad(recurrence, (0, 1, 2)), AT),
        (gx.value_and_grad(lambda a: bounded_root(a, 9)), [2.0]),
        (lambda a: gx.jvp(bounded_root, (a,), (1.0,)), [2.0]),
        (gx.vmap(recurrence), [np.array([0.5, -2.0]), np.ones(2), np.ones((2, 3))]),
        (gx.value_and_grad(branch), [-2.0]),
        (lambda x: gx.scan(lambda c, x: (c, c + x), 1.0, x)[1][::-1], [np.arange(3.0)]),
        (lambda x: gx.scan(lambda c, x: (c, c + x), 1.0, x)[1], [np.zeros(0)]),
    ):
        graph = gx.trace(function, *at)
        flat = executed(graph, at)
        assert not flat.subgraphs()
        assert graph.subgraphs()
        assert set(graph.names) == set(flat.names)
        for one, other in zip(interpret(flat, at), interpret(graph, at), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)


def test_the_steps_are_scopes_within_that_of_the_loop() -> None:
    def f(x):
        def body(c, x):
            with gx.scope("cell"):
                return gnp.sin(c + x), None

        with gx.scope("encoder"):
            return gx.scan(body, 0.0, x)[0]

    flat = executed(gx.trace(f, np.ones(2)), [np.ones(2)])
    assert [node.scope for node in flat.nodes() if node.op == "sin"] == ["encoder/step.0/cell", "encoder/step.1/cell"]
    story = gx.explain(f, at=[np.ones(2)], collapse=2)
    assert [node.definition.plain().partition("(")[0] for node in story.nodes] == ["x", "step.0", "step.1"]


def test_entries_that_one_loop_makes_and_another_reads_are_not_stacked() -> None:
    def two_layers(x):
        _, ys = gx.scan(lambda c, x: (c + x, gnp.sin(x)), 0.0, x)
        return gx.scan(lambda c, y: (c * y, None), 1.0, ys)[0]

    flat = executed(gx.trace(two_layers, np.ones(3)), [np.ones(3)])
    assert "concatenate" not in {node.op for node in flat.nodes()}


def test_the_branch_that_is_taken_is_told() -> None:
    assert "sin w₁" in adjoints(gx.explain(branch, at=[1.0]))
    assert "w₁·w₁" in adjoints(gx.explain(branch, at=[-1.0]))


def test_a_while_loop_is_told_for_the_turns_it_makes() -> None:
    assert adjoints(gx.explain(bounded_root, at=[2.0]))["a"] == pytest.approx(0.5 / np.sqrt(2), rel=1e-5)
    with pytest.raises(RenderError, match="more than 20000 operations are executed"):
        gx.explain(lambda x: gx.while_loop(lambda c: c < 10**9, lambda c: c + x, x), at=[1.0])


def test_a_checkpointed_function_is_told_as_what_it_computes() -> None:
    again = gx.checkpoint(lambda x: gnp.sin(x) * gnp.exp(x))
    found = adjoints(gx.explain(lambda x: again(x) + x, at=[0.3]))
    assert set(found) == {"x", "sin w₁", "e^w₁", "w₂·w₃", "w₄ + w₁"}
    assert found["x"] == pytest.approx(gx.grad(lambda x: again(x) + x)(0.3), rel=1e-14)


def test_a_function_with_a_rule_is_one_node_with_the_derivative_of_the_rule() -> None:
    def rule(arguments, tangents):
        (x,), (dx,) = arguments, tangents
        return gnp.log(1 + gnp.exp(x)), 10 * dx / (1 + gnp.exp(-x))  # ten times what it should be, to be seen

    def softplus(x):
        return gnp.log(1 + gnp.exp(x))

    ruled = gx.custom_jvp(softplus, rule)

    def doubled(x):
        return gnp.exp(x), (gnp.exp(x),)

    backward = gx.custom_vjp(gnp.exp, doubled, lambda saved, c: (2 * c * saved[0],))
    sigmoid = 1 / (1 + np.exp(-0.3))
    assert adjoints(gx.explain(lambda x: ruled(x) + x, at=[0.3]))["x"] == pytest.approx(1 + 10 * sigmoid)
    forward = gx.explain(lambda x: ruled(x) + x, at=[0.3], mode="forward")
    (tangent,) = [fact.data for fact in forward.frames[-1].facts if fact.kind == "tangent"]
    assert tangent == pytest.approx(1 + 10 * sigmoid)
    assert any(node.definition.plain() == "softplus(w₁)" for node in forward.nodes)
    assert adjoints(gx.explain(lambda x: backward(x) + x, at=[0.3]))["x"] == pytest.approx(1 + 2 * np.exp(0.3))
    with pytest.raises(DerivativeError, match="reverse mode only"):
        gx.explain(lambda x: backward(x) + x, at=[0.3], mode="forward")
    values = gx.explain(lambda x: ruled(x) + x, at=[0.3], mode="evaluate")
    assert {"e^w₁", "1 + w₂", "ln w₃"} <= {node.definition.plain() for node in values.nodes}


def test_each_result_of_a_function_with_a_rule_has_a_card() -> None:
    def both(x, y):
        return x * y, x + y

    def rule(arguments, tangents):
        (x, y), (dx, dy) = arguments, tangents
        return both(x, y), (dx * y + x * dy, dx + dy)

    ruled = gx.custom_jvp(both, rule)

    def f(x, y):
        first, second = ruled(x, y)
        return first * second

    found = adjoints(gx.explain(f, at=[0.3, 2.0]))
    assert {"both(w₁, w₂)[0]", "both(w₁, w₂)[1]"} <= {name.replace("\xa0", " ") for name in found}
    assert found["x"] == pytest.approx(2 * 2.0 * 0.3 + 4.0)


def test_long_loops_are_told_by_steps() -> None:
    story = gx.explain(recurrence, at=[0.5, 0.1, np.linspace(-1, 1, 20)])
    definitions = [node.definition.plain() for node in story.nodes]
    assert sum(definition.startswith("step.") for definition in definitions) >= 20
    assert not any(definition.startswith("tanh") for definition in definitions)


@pytest.mark.parametrize("tensors", [None, "indices", "matrices"])
def test_a_loop_has_no_expression(tensors: str | None) -> None:
    graph = gx.trace(recurrence, *AT)
    with pytest.raises(TraceError, match="scan holds a graph of its own"):
        graph.to_sympy(tensors=tensors) if tensors else graph.to_sympy()
