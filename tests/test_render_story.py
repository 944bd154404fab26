"""Golden frames: the lecture's example in all three modes, and what the frames of other stories must say."""

from typing import Any

import numpy as np
import pytest
import sympy as sp

import graphcomp as gx
import graphcomp.numpy as gnp
from graphcomp import nn, ops, random
from graphcomp.derive import forward as derive_forward
from graphcomp.derive import reverse as derive_reverse
from graphcomp.errors import GraphcompError, InputError, RenderError
from graphcomp.graph import Graph, Node
from graphcomp.render import Story, explain
from graphcomp.render.account import Account, Telling
from graphcomp.render.execution import Execution
from graphcomp.render.explain import tell
from graphcomp.render.picture import draw
from graphcomp.render.scene import collisions
from graphcomp.render.story import Mistake, Mode
from graphcomp.run import evaluate_all
from graphcomp.trace import trace

LECTURE = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
AT = {"x1": 2, "x2": 3}


def order(story: Story) -> list[str]:
    return [story.node(frame.focus).symbol.plain() for frame in story.frames]


def numbers(story: Story, kind: str, sweep: int = 0) -> dict[str, float]:
    return {
        story.node(fact.target).symbol.plain(): float(fact.data)  # type: ignore[arg-type]
        for frame in story.frames
        for fact in frame.facts
        if fact.kind == kind and frame.sweep == sweep
    }


def sides(story: Story, focus: str) -> list[str]:
    frame = story.frames[order(story).index(focus)]
    return [side.plain() for side in frame.equation]


def test_evaluation_in_order() -> None:
    story = explain(LECTURE, at=AT, mode="evaluate")
    assert order(story) == ["w₁", "w₂", "w₃", "w₄", "w₅"]
    assert list(numbers(story, "value").values()) == pytest.approx([2, 3, 6, np.sin(2), 6 + np.sin(2)])
    assert sides(story, "w₃") == ["w₃", "w₁·w₂", "2·3", "6"]
    assert sides(story, "w₅") == ["w₅", "w₃ + w₄", "6 + 0.909", "6.909"]


def test_reverse_from_the_output_users_first() -> None:
    story = explain(LECTURE, at=AT, mode="reverse")
    assert order(story) == ["w₅", "w₃", "w₄", "w₂", "w₁"]
    assert list(numbers(story, "adjoint").values()) == pytest.approx([1, 1, 1, 2, 3 + np.cos(2)])
    last = story.frames[-1]
    assert [(story.node(term.user).symbol.plain(), term.slot) for term in last.terms] == [("w₄", 0), ("w₃", 0)]
    assert [term.product.plain() for term in last.terms] == ["−0.416", "3"]
    assert last.sentence == "Two nodes use w₁, so two contributions arrive. Add them."


def test_the_chain_rule_with_symbols_filled_in_and_with_numbers() -> None:
    story = explain(LECTURE, at=AT, mode="reverse", digits=2)
    assert sides(story, "w₁") == [
        "dz/dw₁",
        "dz/dw₄·dw₄/dw₁ + dz/dw₃·dw₃/dw₁",
        "1·cos w₁ + 1·w₂",
        "1·(−0.42) + 1·3",
        "2.58",
    ]


def test_notations() -> None:
    assert sides(explain(LECTURE, at=AT, notation="∂"), "w₄")[0] == "∂z/∂w₄"
    barred = explain(LECTURE, at=AT, notation="bar")
    assert sides(barred, "w₄")[:2] == ["w\u0304₄", "w\u0304₅·∂w₅/∂w₄"]
    dotted = explain(LECTURE, at=AT, mode="forward", notation="bar")
    assert sides(dotted, "w₄")[0] == "w\u0307₄"


def test_forward_seeds_the_chosen_input() -> None:
    story = explain(LECTURE, at=AT, mode="forward", wrt="x2")
    assert order(story) == ["w₁", "w₂", "w₃", "w₄", "w₅"]
    assert list(numbers(story, "tangent").values()) == pytest.approx([0, 1, 2, 0, 2])
    assert sides(story, "w₃") == ["dw₃/dx₂", "dw₃/dw₁·dw₁/dx₂ + dw₃/dw₂·dw₂/dx₂", "w₂·0 + w₁·1", "3·0 + 2·1", "2"]


def test_forward_sweeps_over_all_inputs_forget_in_between() -> None:
    story = explain(LECTURE, at=AT, mode="forward")
    assert [frame.sweep for frame in story.frames] == [0] * 5 + [1] * 5
    assert list(numbers(story, "tangent", 0).values()) == pytest.approx([1, 0, 3, np.cos(2), 3 + np.cos(2)])
    history = story.known["tangent", story.frames[4].focus]
    assert [(known.start, known.stop) for known in history] == [(4, 5), (9, 10)]
    value = story.known["value", story.frames[4].focus]
    assert [(known.start, known.stop) for known in value] == [(4, 10)]


@pytest.mark.parametrize("source", ["sin(x1) + x1*x2", sp.sin(sp.Symbol("x1")) + sp.Symbol("x1") * sp.Symbol("x2")])
def test_plain_expressions_are_numbered_in_evaluation_order(source: object) -> None:
    story = explain(source, at=AT)
    names = [node.symbol.plain() for node in story.nodes]
    assert names == ["w₁", "w₂", "w₃", "w₄", "w₅"]
    assert [node.definition.plain() for node in story.nodes[:2]] == ["x₁", "x₂"]
    assert numbers(story, "adjoint")["w₁"] == pytest.approx(3 + np.cos(2))


def test_baydins_example() -> None:
    reverse = explain("log(x1) + x1*x2 - sin(x2)", at={"x1": 2, "x2": 5})
    values = [known[-1].fact.shown.plain() for (kind, _), known in reverse.known.items() if kind == "value"]
    assert values[-1] == "11.652"
    adjoints = numbers(reverse, "adjoint")
    assert (adjoints["w₁"], adjoints["w₂"]) == pytest.approx((5.5, 2 - np.cos(5)))


@pytest.mark.parametrize(("source", "name", "total"), [("a + a", "a", 2.0), ("x*x", "x", 6.0)])
def test_both_edges_of_one_user_are_told(source: str, name: str, total: float) -> None:
    story = explain(source, at={name: 3})
    assert len(story.frames[-1].terms) == 2
    assert {term.slot for term in story.frames[-1].terms} == {0, 1}
    assert "twice" in story.frames[-1].sentence
    assert numbers(story, "adjoint")["w₁"] == pytest.approx(total)


def test_user_names_are_kept_and_constants_are_written_into_definitions() -> None:
    story = explain("y = 2*x; z = y**3", at={"x": 1})
    assert [node.symbol.plain() for node in story.nodes] == ["w₁", "y", "w₂"]
    assert [node.definition.plain() for node in story.nodes] == ["x", "2·w₁", "y³"]


def test_several_outputs_have_a_sweep_each() -> None:
    story = explain(lambda a, b: (a * b, np.sin(a)), at=(2.0, 3.0))
    assert len(story.sweeps) == 2
    assert numbers(story, "adjoint", 0)["w₁"] == pytest.approx(3)
    assert numbers(story, "adjoint", 1) == pytest.approx({"w₄": 1, "w₁": np.cos(2), "w₂": 0})
    assert "does not depend on" in story.frames[-1].sentence


def test_tensors_show_shapes_and_elementwise_rules() -> None:
    def loss(w, x):  # type: ignore[no-untyped-def]
        return np.sum(np.tanh(w @ x))

    rng = np.random.default_rng(0)
    weights, vector = rng.normal(size=(3, 5)), rng.normal(size=5)
    story = explain(loss, at={"w": weights, "x": vector})
    (facts,) = [frame.facts for frame in story.frames if story.node(frame.focus).definition.plain() == "w"]
    adjoint = next(fact for fact in facts if fact.kind == "adjoint")
    expected = np.outer(1 - np.tanh(weights @ vector) ** 2, vector)
    np.testing.assert_allclose(adjoint.data, expected, rtol=1e-12)
    assert adjoint.shown.plain() == "3×5 array"
    formulas = [edge.partial_formula.plain() for edge in story.edges if edge.partial_formula]
    assert any(formula.startswith("1 − w") for formula in formulas)


def test_every_sum_adds_up() -> None:
    source = "y = x*x; z = y + y*x + exp(y) + sqrt(x) + tanh(x)*3"
    story = explain(source, at={"x": 0.7})
    for frame in story.frames[1:]:
        facts = {fact.kind: fact for fact in frame.facts}
        parts = [fact.data for fact in frame.facts if fact.kind == "contribution"]
        assert facts["adjoint"].data == pytest.approx(sum(parts), rel=1e-12)
        assert len(frame.terms) == len(frame.reads) == len(parts)
    step = 1e-6
    ends = [
        float(explain(source, at={"x": 0.7 + move}, mode="evaluate").frames[-1].facts[0].data) for move in (-step, step)
    ]
    assert numbers(story, "adjoint")["w₁"] == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-6)


def test_unknown_names_and_missing_values_are_one_clear_sentence() -> None:
    with pytest.raises(InputError, match="no value for x2"):
        explain(LECTURE, at={"x1": 2})
    with pytest.raises(InputError, match="no use for q"):
        explain(LECTURE, at={"x1": 2, "x2": 3, "q": 4})
    with pytest.raises(InputError, match="`wrt` names q"):
        explain(LECTURE, at=AT, mode="forward", wrt="q")
    with pytest.raises(InputError, match="not a number"):
        explain(LECTURE, at={"x1": "two", "x2": 3})
    with pytest.raises(RenderError, match="mode"):
        explain(LECTURE, at=AT, mode="sideways")  # type: ignore[arg-type]
    with pytest.raises(RenderError, match="notation"):
        explain(LECTURE, at=AT, notation="x")  # type: ignore[arg-type]
    with pytest.raises(RenderError, match="digits"):
        explain(LECTURE, at=AT, digits=-1)


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(RenderError, match="constant"):
        explain("3", at={})
    with pytest.raises(RenderError, match="floating-point"):
        explain("x > 2", at={"x": 1})
    with pytest.raises(InputError, match="do not fit"):
        explain(lambda a, b: a * b, at=(1.0,))
    assert len(explain("x > 2", at={"x": 1}, mode="evaluate").frames) == 2


def test_graphs_too_large_to_tell_node_by_node_are_refused() -> None:
    source = "; ".join(["a1 = x + 1", *(f"a{n} = sin(a{n - 1})" for n in range(2, 510))])
    with pytest.raises(RenderError, match="at most 500"):
        explain(source, at={"x": 1})


def test_all_three_modes_are_one_story() -> None:
    story = explain(LECTURE, at=AT, mode="both")
    assert [frame.phase for frame in story.frames] == ["evaluate"] * 5 + ["forward"] * 10 + ["reverse"] * 5
    assert [sweep.kind for sweep in story.sweeps] == ["value", "tangent", "tangent", "adjoint"]
    assert numbers(story, "adjoint", 3)["w₁"] == pytest.approx(3 + np.cos(2))
    saved = {fact.target for frame in story.frames for fact in frame.facts if fact.kind == "saved"}
    assert {story.node(id).symbol.plain() for id in saved} == {"w₁", "w₂"}  # type: ignore[arg-type]
    counts = [frame.cost.operations for frame in story.frames if frame.cost]
    assert counts == sorted(counts) and len(counts) == 20


def test_a_frame_for_each_contribution() -> None:
    story = explain(LECTURE, at=AT, granularity="contribution")
    assert order(story) == ["w₅", "w₃", "w₄", "w₂", "w₁", "w₁"]
    assert [fact.shown.plain() for fact in story.frames[-2].facts] == ["−0.416", "−0.416 + ?"]
    assert [len(frame.terms) for frame in story.frames[-2:]] == [1, 2]
    assert story.frames[-1].facts[-1].data == pytest.approx(3 + np.cos(2))


def three_to_two(a, b, c):  # type: ignore[no-untyped-def]
    return a * b + np.sin(c), b * c * a


def filled(story: Story) -> dict[tuple[int, int], float]:
    assert story.jacobian
    return {story.jacobian.place(cell): float(cell.data) for frame in story.frames for cell in frame.cells}


@pytest.mark.parametrize(("mode", "sweeps"), [("forward", 3), ("reverse", 2)])
def test_the_jacobian_fills_in_two_reverse_or_three_forward_sweeps(mode: Mode, sweeps: int) -> None:
    story = explain(three_to_two, (2.0, 3.0, 4.0), mode=mode)
    assert len(story.sweeps) == sweeps
    assert story.frames[-1].cost and story.frames[-1].cost.sweeps == sweeps
    expected = np.array([[3, 2, np.cos(4)], [12, 8, 6]])
    assert filled(story) == pytest.approx({(i, j): expected[i, j] for i in range(2) for j in range(3)})
    turned = explain(three_to_two, (2.0, 3.0, 4.0), mode=mode, jacobian_rows="inputs")
    assert filled(turned) == pytest.approx({(j, i): expected[i, j] for i in range(2) for j in range(3)})


def test_a_vector_has_a_sweep_for_each_entry() -> None:
    matrix = np.array([[1.0, 2, 3], [4, 5, 6]])
    for mode, sweeps in (("forward", 3), ("reverse", 2)):
        story = explain(lambda x: np.sin(matrix @ x), (np.array([0.1, 0.2, 0.3]),), mode=mode)  # type: ignore[arg-type]
        assert len(story.sweeps) == sweeps
        wanted = np.cos(matrix @ [0.1, 0.2, 0.3])[:, None] * matrix
        assert filled(story) == pytest.approx({(i, j): wanted[i, j] for i in range(2) for j in range(3)})


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_the_counters_are_the_operations_executed(mode: Mode, monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[str] = []
    original = Execution.execute

    def watched(self: Execution, node: Node) -> None:
        executed.append(node.op)
        original(self, node)

    monkeypatch.setattr(Execution, "execute", watched)
    story = explain(three_to_two, (2.0, 3.0, 4.0), mode=mode)
    cost = story.frames[-1].cost
    assert cost and cost.multiplications == executed.count("multiply")
    assert cost.additions == executed.count("add")
    assert cost.operations == sum(op not in ("constant", "identity") for op in executed)
    if mode == "forward":  # three products of values, once; those of tangents in each of the three sweeps
        derived = derive_forward(trace(three_to_two, 2.0, 3.0, 4.0))
        products = sum(node.op == "multiply" for node in derived.graph.nodes())
        assert cost.multiplications == 3 + 3 * (products - 3)


def test_more_values_are_held_by_reverse_than_by_forward_mode() -> None:
    chain = "; ".join(["a1 = sin(x)", *(f"a{n} = sin(a{n - 1})" for n in range(2, 12))])
    held = {}
    for mode in ("forward", "reverse"):
        story = explain(chain, {"x": 1}, mode=mode)  # type: ignore[arg-type]
        held[mode] = max(frame.cost.values_held for frame in story.frames if frame.cost)
    assert held["forward"] <= 4 and held["reverse"] >= 11


def test_a_quiz_names_the_mistake() -> None:
    story = explain(LECTURE, at=AT, quiz=True)
    question = story.frames[-1].question
    assert question and question.judge(2.58) is True
    assert question.formula.plain() == "1·cos w₁ + 1·w₂"
    found = {answer: question.judge(answer) for answer in (3, -2.584, 3.909, 17)}
    assert isinstance(found[3], Mistake) and found[3].kind == "missing term" and "w₄" in found[3].feedback
    assert isinstance(found[-2.584], Mistake) and found[-2.584].kind == "sign"
    assert isinstance(found[3.909], Mistake) and found[3.909].kind == "value for partial"
    assert found[17] is False
    assert eval("cos(w1) + w2", {"cos": np.cos}, dict(question.variables)) == pytest.approx(question.answer)
    assert explain(LECTURE, at=AT).frames[-1].question is None


def test_sums_of_many_terms_show_three_and_the_total() -> None:
    source = "; ".join(["y = x*1", *(f"a{n} = y*{n}" for n in range(1, 129))])
    source += "; z = " + " + ".join(f"a{n}" for n in range(1, 129))
    story = explain(source, at={"x": 1.0})
    frame = next(frame for frame in story.frames if len(frame.terms) == 128)
    assert frame.equation[1].plain().endswith(" + … (125 more)")
    assert frame.equation[1].plain().count("·") == 3
    assert frame.equation[-1].plain() == "8256"


def test_products_of_tensors_are_shown_as_they_are_computed() -> None:
    def loss(w, x, b):  # type: ignore[no-untyped-def]
        return np.sum(np.tanh(x @ w + b))

    story = explain(loss, (np.ones((3, 2)), np.ones((5, 3)), np.ones(2)), notation="bar")
    sums = {story.node(frame.focus).definition.plain(): frame.equation for frame in story.frames}
    assert sums["w"][2].plain() == "w₂ᵀ·w\u0304₄"
    assert sums["x"][2].plain() == "w\u0304₄·w₁ᵀ"
    assert sums["b"][2].plain() == "sum(w\u0304₅,\u00a0axis=0)"
    for frame in story.frames:
        for fact in frame.facts:
            if fact.kind == "adjoint":
                assert np.shape(fact.data) == story.node(fact.target).shape  # type: ignore[arg-type]


def test_options_are_checked() -> None:
    for option in ({"granularity": "x"}, {"jacobian_rows": "x"}, {"language": "xx"}):
        with pytest.raises(RenderError, match=next(iter(option))):
            explain(LECTURE, at=AT, **option)  # type: ignore[arg-type]


def test_a_model_is_told_with_its_parameters() -> None:
    class Loss(nn.Module):
        """A layer, and the sum of its squares."""

        layer: nn.Linear

        def __call__(self, x):  # type: ignore[no-untyped-def]
            return np.sum(self.layer(x) ** 2)

    model, batch = Loss(nn.Linear.create(3, 2, key=random.key(0))), np.ones((5, 3), "float32")
    story = explain(model, at=(batch,))
    inputs = {node.definition.plain(): node.id for node in story.nodes if node.role == "input"}
    assert len(inputs) == 3
    weight = next(id for name, id in inputs.items() if "weight" in name)
    found = story.known["adjoint", weight][-1].fact.data
    assert found.shape == np.shape(model.layer.weight)
    np.testing.assert_allclose(found, gx.grad(lambda m: m(batch))(model).layer.weight, rtol=1e-6)


# what is told of tensors is what is computed ------------------------------------------------------------------------


def shown_sums(story: Story) -> list[tuple[list[np.ndarray], np.ndarray]]:
    """For each derivative that is told: what the edges bring, and the derivative itself, as data."""
    history: dict[object, list[np.ndarray]] = {}
    found = []
    for frame in story.frames:
        arrived = history.setdefault((frame.sweep, frame.focus), [])
        arrived.extend(np.asarray(fact.data, float) for fact in frame.facts if fact.kind == "contribution")
        totals = [fact.data for fact in frame.facts if fact.kind in ("tangent", "adjoint")]
        if arrived and totals[-1] is not None:  # a rule that joins its arguments has no sums on the way
            found.append((list(arrived), np.asarray(totals[-1], float)))
    return found


def sampled(name: str) -> tuple[Graph, list[np.ndarray]] | None:
    """A graph of one op on the arguments that its record draws, if it has a derivative."""
    record, rng = ops.get(name), np.random.default_rng(1)
    domain = getattr(record, "domain", ())
    if not record.samples and not domain:
        return None
    arguments, attributes = (
        record.samples(rng, "float64") if record.samples else (tuple(rng.uniform(*ends, (3, 2)) for ends in domain), {})
    )
    graph = Graph()
    b = ops.build(graph)
    arrays = [np.asarray(value) for value in arguments]
    try:
        graph.inputs = [b.input(shape=a.shape, dtype=str(a.dtype), name=f"a{i}") for i, a in enumerate(arrays)]
        result = b.emit(name, *graph.inputs, **attributes)
    except GraphcompError:
        return None
    items = getattr(graph.node(result).type, "items", None)
    graph.outputs = [b.item(result, position=i) for i in range(len(items))] if items else [result]
    floats = [id for id in (*graph.inputs, *graph.outputs) if graph.type(id).is_float]
    return (graph, arrays) if {*floats} & {*graph.inputs} and {*floats} & {*graph.outputs} else None


@pytest.mark.parametrize("name", [name for name in ops.REGISTRY if sampled(name)])
def test_the_terms_of_every_op_add_up(name: str) -> None:
    graph, arrays = sampled(name)  # type: ignore[misc]
    for mode in ("forward", "reverse"):
        for granularity in ("node", "contribution"):
            story = explain(graph, arrays, mode, granularity=granularity)  # type: ignore[arg-type]
            told = shown_sums(story)
            several = len(graph.outputs) > 1  # each result's derivative comes through the operation as a whole
            assert told or graph.outputs[0] not in derive_forward(graph).tangent or several
            for parts, total in told:
                np.testing.assert_allclose(np.sum(parts, axis=0), total, rtol=1e-12, atol=1e-12)


def dense(x, w, b):  # type: ignore[no-untyped-def]
    return np.tanh(x @ w + b)


def test_each_term_of_a_tangent_has_its_own_product() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    story = explain(lambda w: (w @ w) @ w.T, (w,), mode="forward", notation="bar")
    frame = story.frames[1]
    assert frame.equation[2].plain() == "ẇ₁·w₁ + w₁·ẇ₁".replace("ẇ", "w\u0307")
    first, second = (fact.data for fact in frame.facts if fact.kind == "contribution")
    np.testing.assert_allclose(first, np.ones((3, 3)) @ w)
    np.testing.assert_allclose(second, w @ np.ones((3, 3)))
    tangent = next(fact.data for fact in frame.facts if fact.kind == "tangent")
    np.testing.assert_allclose(first + second, tangent)
    joined = explain(lambda x: np.concatenate([x, 2 * x]), (x,), mode="forward", notation="bar")
    upper, lower = (fact.data for fact in joined.frames[-1].facts if fact.kind == "contribution")
    np.testing.assert_array_equal(upper, np.concatenate([np.ones((4, 3)), np.zeros((4, 3))]))
    np.testing.assert_array_equal(lower, np.concatenate([np.zeros((4, 3)), 2 * np.ones((4, 3))]))


def test_what_a_mask_lets_through_has_an_adjoint() -> None:
    """A derivative rule may see through a mask; the story must not."""
    x = np.array([0.2, 1.0, 2.0])
    story = explain(lambda x: gnp.sum(np.sin(gnp.where(x > 0.5, x, 0.0))), (x,))
    by_name = {story.node(frame.focus).definition.plain(): frame for frame in story.frames}
    masked = next(frame for name, frame in by_name.items() if name.startswith("where"))
    assert masked.terms and "does not depend" not in masked.sentence
    np.testing.assert_allclose(masked.facts[-1].data, np.cos([0, 1, 2]))
    np.testing.assert_allclose(by_name["x"].facts[-1].data, [0, np.cos(1), np.cos(2)])


def test_an_infinite_partial_does_not_pass_a_mask() -> None:
    x = np.array([0.2, 1.0, 2.0])
    masked = lambda x: np.log(gnp.where(x > 0.5, x, 0.0))  # noqa: E731
    story = explain(masked, (x,), mode="forward")
    tangents = [frame.facts[1].data for frame in story.frames if story.node(frame.focus).role == "output"]
    np.testing.assert_array_equal(np.sum(tangents, axis=0), gx.jvp(masked, (x,), (np.ones(3),))[1])


def batch(x, w, b, y):  # type: ignore[no-untyped-def]
    """A layer with a bias, a mask, an index and a mean over an axis: broadcasting, batches, sums and indexing."""
    hidden = np.tanh(x @ w + b)
    kept = gnp.where(hidden > 0, hidden, 0.0)[:, ::2]
    return gnp.mean((np.concatenate([kept, kept * kept], axis=1) - y) ** 2)


def batch_arguments() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(3)
    return tuple(rng.normal(size=shape) for shape in ((5, 3), (3, 4), (4,), (5, 4)))


def count(graph: Graph, wanted: list[int], inputs: list[np.ndarray]) -> tuple[int, int]:
    """Multiplications and additions of what some nodes need, counted from the interpreter's values."""
    values = evaluate_all(graph, inputs)
    needed, multiplications, additions = set(wanted), 0, 0
    for id in sorted(range(len(graph)), reverse=True):
        if id not in needed:
            continue
        node = graph.node(id)
        needed.update(node.inputs)
        size, first = np.size(values[id]), values[node.inputs[0]] if node.inputs else None
        if node.op in ("multiply", "divide"):
            multiplications += size
        if node.op in ("add", "subtract"):
            additions += size
        if node.op == "matmul":
            multiplications, additions = (
                multiplications + size * first.shape[-1],
                additions + size * (first.shape[-1] - 1),
            )
        if node.op == "sum":
            additions += first.size - size
    return multiplications, additions


@pytest.mark.parametrize("granularity", ["node", "contribution"])
@pytest.mark.parametrize(
    ("f", "arguments"), [(three_to_two, (2.0, 3.0, 4.0)), (dense, batch_arguments()[:3]), (batch, batch_arguments())]
)
def test_the_counters_agree_with_the_interpreter(f, arguments, granularity) -> None:  # type: ignore[no-untyped-def]
    graph = trace(f, *arguments)
    inputs = [np.asarray(value, "float64") for value in arguments]
    values = count(graph, graph.outputs, inputs)

    def spent(mode: str, f=f) -> tuple[int, int]:  # type: ignore[no-untyped-def]
        story = explain(f, arguments, mode, granularity=granularity)  # type: ignore[arg-type]
        costs = [frame.cost for frame in story.frames if frame.cost]
        assert len(costs) == len(story.frames) and costs == sorted(costs, key=lambda cost: cost.operations)
        return costs[-1].multiplications, costs[-1].additions

    def total(wanted: list[tuple[int, tuple[int, int]]]) -> tuple[int, int]:
        """The values once, and each sweep's own part as often as there are such sweeps."""
        return tuple(values[i] + sum(times * (whole[i] - values[i]) for times, whole in wanted) for i in (0, 1))  # type: ignore[return-value]

    assert spent("evaluate") == values
    going = derive_forward(graph)
    seeds = [np.zeros(np.shape(value)) for value in inputs]
    forward = count(going.graph, [*going.primal.values(), *going.tangent.values()], inputs + seeds)
    sweeps = sum(value.size if value.ndim and value.size <= 4 else 1 for value in inputs)
    partials = count(going.graph, [*going.primal.values(), *going.partial.values()], inputs + seeds)
    moving = tuple(f - p for f, p in zip(forward, partials))
    # What does not depend on the seeds, the partials, is computed once.
    wanted = total([(1, partials), (sweeps, tuple(values[i] + moving[i] for i in (0, 1)))])  # type: ignore[list-item]
    assert spent("forward") == wanted
    backwards = []
    for place, output in enumerate(graph.outputs):
        back = derive_reverse(graph, of=[place])
        seed = [np.ones(back.graph.type(back.seeds[0]).shape)]
        ids = [*back.primal.values(), *back.partial.values()]
        whole = count(back.graph, [*ids, *back.adjoint.values()], inputs + seed)
        own = count(back.graph, ids, inputs + seed)
        size = np.size(evaluate_all(graph, inputs)[output])
        times = size if 1 < size <= 4 else 1
        backwards.append((times, tuple(values[i] + whole[i] - own[i] for i in (0, 1))))
    reverse = total([(1, own), *backwards])  # type: ignore[list-item]
    assert spent("reverse") == reverse
    assert spent("both") == tuple(wanted[i] + reverse[i] - values[i] for i in (0, 1))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("granularity", ["node", "contribution"])
def test_nothing_is_computed_beside_the_counters(mode, granularity, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Every evaluation of an op after the values are known is one that the execution counts."""
    telling = Telling(granularity=granularity)
    arguments = batch_arguments()
    account = Account(trace(batch, *arguments), [np.asarray(value) for value in arguments], telling)
    evaluated: list[str] = []
    executed: list[str] = []
    for kind in (ops.Op, ops.Elementwise):

        def watched(self, arguments, attributes, original=kind.evaluate):  # type: ignore[no-untyped-def]
            evaluated.append(self.name)
            return original(self, arguments, attributes)

        monkeypatch.setattr(kind, "evaluate", watched)
    original_count = Execution.count

    def counted(self: Execution, node: Node) -> None:
        executed.append(node.op)
        original_count(self, node)

    monkeypatch.setattr(Execution, "count", counted)
    tell(account, (mode,))
    assert evaluated and evaluated == executed


def test_each_contribution_is_paid_for_when_it_arrives() -> None:
    story = explain(LECTURE, at=AT, granularity="contribution")
    costs = [(frame.cost.multiplications, frame.cost.additions) for frame in story.frames if frame.cost]
    # The forward pass: one product, one sum. Then w₂ takes a product, and w₁ a product, a product and a sum.
    assert costs == [(1, 1), (1, 1), (1, 1), (2, 1), (3, 1), (4, 2)]
    three = explain("y = x*x; z = y*sin(x)*cos(x)", {"x": 0.7}, granularity="contribution")
    for before, frame in zip(three.frames, three.frames[1:]):
        spent = frame.cost.multiplications - before.cost.multiplications  # type: ignore[union-attr]
        added = frame.cost.additions - before.cost.additions  # type: ignore[union-attr]
        assert spent <= 1 and added == (len(frame.terms) > 1)


def test_running_sums_are_sums() -> None:
    story = explain("y = x*x; z = y*sin(x)*cos(x)", {"x": 0.7}, granularity="contribution")
    frames = [frame for frame in story.frames if story.node(frame.focus).definition.plain() == "x"]
    products = [fact.data for frame in frames for fact in frame.facts if fact.kind == "contribution"]
    so_far = [fact.data for frame in frames for fact in frame.facts if fact.kind == "adjoint"]
    np.testing.assert_allclose(so_far, np.cumsum(products))
    assert len(frames) == 4


def test_a_partial_without_a_formula_is_shown_as_it_is_computed() -> None:
    story = explain(lambda x: gnp.sum(gnp.relu(x)), (np.linspace(-1, 1, 6),), notation="bar")
    assert story.frames[-1].equation[2].plain().replace("\u00a0", " ") == "where(w₁ > 0, 1, 0) ⊙ w\u0304₂"


@pytest.mark.parametrize("source", ["x*x", "x**x", "x/x"])
def test_contributions_of_one_user_come_in_the_order_of_its_arguments(source: str) -> None:
    for mode in ("forward", "reverse"):
        story = explain(source, {"x": 3}, mode, granularity="contribution")  # type: ignore[arg-type]
        assert [term.slot for term in story.frames[-1].terms] == [0, 1]


def test_each_output_of_tensors_has_its_own_sweep() -> None:
    def two(w, x):  # type: ignore[no-untyped-def]
        return np.sum(np.tanh(x @ w)), np.sum((x.T @ x @ w) ** 2)

    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(3, 2)), rng.normal(size=(5, 3))
    story = explain(two, (w, x))
    for sweep in (0, 1):
        wanted = gx.grad(lambda w, x, sweep=sweep: two(w, x)[sweep], (0, 1))(w, x)
        frames = [frame for frame in story.frames if frame.sweep == sweep]
        for name, slope in zip("wx", wanted):
            (last,) = (frame for frame in frames if story.node(frame.focus).definition.plain() == name)
            np.testing.assert_allclose(last.facts[-1].data, slope, rtol=1e-12)
            np.testing.assert_allclose(sum(f.data for f in last.facts if f.kind == "contribution"), slope, rtol=1e-12)


def test_operations_are_counted_in_entries() -> None:
    story = explain(lambda x: np.sum(np.tanh(x) * 2), (np.ones((3, 4)),), mode="evaluate")
    assert [frame.cost.operations for frame in story.frames if frame.cost] == [0, 12, 24, 25]


def test_contributions_to_tensors_are_shown_as_they_are_computed() -> None:
    w = np.arange(9.0).reshape(3, 3)
    story = explain(lambda w: np.sum((w @ w) * w), (w,), notation="bar", granularity="contribution")
    frames = [frame for frame in story.frames if story.node(frame.focus).definition.plain() == "w"]
    sides = [frame.equation[2].plain().replace("\u0304", "") for frame in frames]
    assert sides == ["w₂ ⊙ w₃ + ?", "w₂ ⊙ w₃ + w₂·w₁ᵀ + ?", "w₃ ⊙ w₂ + w₂·w₁ᵀ + w₁ᵀ·w₂"]


def test_what_a_transposed_operation_hands_back_is_said_for_every_shape() -> None:
    def scaled(s: Any, x: Any) -> Any:
        return (s * x).sum()

    number, vector = explain(scaled, at=[2.0, np.ones(3)]), explain(scaled, at=[np.ones(1), np.ones(3)])
    several = explain(lambda a: gx.numpy.linalg.svd(a)[1].sum(), at=[np.diag([2.0, 1.0])])
    assert number.frames[-1].sentence.endswith("hands its adjoint back as one number.")
    assert vector.frames[-1].sentence.endswith("hands its adjoint back in the shape of w₁, one entry.")
    assert several.frames[-1].sentence.endswith("it has several results, and their adjoints together give that of w₁.")


@pytest.mark.parametrize("mode", ["forward", "reverse", "both"])
def test_no_card_floats_where_no_derivative_passes(mode: str) -> None:
    """A factorisation's several results and its integer pivots, and positions computed from integers."""

    def solved(a: Any, b: Any, positions: Any) -> Any:
        return (gnp.linalg.solve(a, b)[positions] * b.max()).sum()

    at = (np.array([[2.0, 1], [1, 3]]), np.array([1.0, 2]), np.array([0, 1, -1]))
    story = explain(solved, at=at, mode=mode, wrt="b")  # type: ignore[arg-type]
    ends = {end for edge in story.edges for end in (edge.operand, edge.user)}
    assert ends == {node.id for node in story.nodes}
    moving = {node.id for node in story.nodes if node.differentiable}
    plain = [edge for edge in story.edges if not {edge.operand, edge.user} <= moving]
    assert plain and all(edge.partial is None for edge in plain)
    scene = draw(story)
    labels = {item.owner for item in scene.primitives if item.role == "label"}
    drawn = {item.owner for item in scene.primitives if item.role == "edge"}
    for edge in plain:
        owner = f"edge:{edge.user}:{edge.slot}"
        assert owner in drawn - labels
    assert not any(collisions(scene, frame) for frame in range(len(story.frames)))
    assert "None" not in story.mermaid() + story.dot()
