"""Golden frames: the lecture's example in all three modes, and what the frames of other stories must say."""

import numpy as np
import pytest
import sympy as sp

import graphcomp as gx
from graphcomp import nn, random
from graphcomp.derive import forward as derive_forward
from graphcomp.errors import InputError, RenderError
from graphcomp.graph import Node
from graphcomp.render import Story, explain
from graphcomp.render.execution import Execution
from graphcomp.render.story import Mistake, Mode
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
    assert sums["b"][2].plain() == "sum(w\u0304₅,\u00a0axes=(0,))"
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
