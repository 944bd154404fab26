"""What an error carries away from the trace that it ended: the graph so far, the call that failed, its operands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import nn
from graphcomp.errors import Failure, GraphcompError, failure_of
from graphcomp.trace.failures import noting_failures


def failed(function: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Exception, Failure]:
    with pytest.raises((GraphcompError, LookupError)) as caught:
        gx.trace(function, *arguments, **named)
    failure = failure_of(caught.value)
    assert failure is not None
    return caught.value, failure


def test_a_call_names_itself_its_operands_and_the_line() -> None:
    def wrong(a: Any, b: Any) -> Any:
        c = np.sin(a)
        return c @ b

    error, failure = failed(wrong, np.ones((3, 4)), np.ones((3, 4)))
    assert (failure.call, failure.operands) == ("matmul", ((2, "float64[3, 4]"), (1, "float64[3, 4]")))
    assert [node.op for node in failure.graph.nodes()] == ["input", "input", "sin"]
    assert Path(failure.origin.file).name == Path(__file__).name
    assert failure.origin.line == wrong.__code__.co_firstlineno + 2
    assert "inner sizes" in str(error)


def test_the_outermost_call_is_the_one_the_user_wrote() -> None:
    _, failure = failed(lambda x: np.var(x, axis=5), np.ones((3, 4)))
    assert (failure.call, failure.operands) == ("var", ((0, "float64[3, 4]"),))


def test_values_outside_the_graph_are_told_by_their_type() -> None:
    _, failure = failed(lambda x: np.concatenate([x, np.ones((2, 2))], 0), np.ones((3, 4)))
    assert failure.operands == ((0, "float64[3, 4]"), (None, "float64[2, 2]"), (None, "0"))


def test_a_layer_that_refuses_its_input_is_the_call() -> None:
    model = nn.Sequential(nn.Linear.create(4, 8, key=0), nn.relu, nn.Linear.create(9, 2, key=1))
    _, failure = failed(lambda model, x: model(x), model, np.ones((3, 4)))
    assert failure.call == "Linear" and failure.scope == "sequential/linear.2"
    assert [words for _, words in failure.operands][-1] == "float64[3, 8]"
    assert all(id is not None for id, _ in failure.operands)


def test_a_formula_keeps_the_names_it_has_assigned() -> None:
    _, failure = failed("w3 = a*b; w4 = w3 + sum(a); z = w4 + c", a=np.ones(3), b=np.ones(3), c=np.ones(4))
    assert failure.call == "add" and [words for _, words in failure.operands] == ["float64[3]", "float64[4]"]
    assert list(failure.graph.names) == ["a", "b", "c", "w3", "w4"]


def test_the_users_own_mistake_keeps_the_graph_so_far() -> None:
    def wrong(x: Any) -> Any:
        y = np.exp(x)
        return [1, 2][5] * y

    error, failure = failed(wrong, 1.0)
    assert isinstance(error, IndexError)
    assert (failure.call, failure.operands, len(failure.graph)) == ("", (), 2)
    assert failure.origin.line == wrong.__code__.co_firstlineno + 2


def test_a_derivative_keeps_the_graph_of_the_function_inside() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.tanh(x) @ x)

    with pytest.raises(gx.errors.ShapeError) as caught:
        gx.jit(gx.value_and_grad(loss))(np.ones((3, 4)))
    failure = failure_of(caught.value)
    assert failure is not None and failure.call == "matmul"
    assert [node.op for node in failure.graph.nodes()] == ["input", "tanh"]


def test_errors_outside_a_trace_carry_nothing() -> None:
    with pytest.raises(GraphcompError) as caught:
        gx.numpy.matmul(np.ones((3, 4)), np.ones((3, 4)))
    assert failure_of(caught.value) is None


def test_a_trace_inside_a_call_keeps_its_own_failure() -> None:
    @noting_failures
    def twice(x: Any) -> Any:
        return gx.trace(lambda y: np.exp(y) @ y, np.ones((2, 3))) and x

    _, failure = failed(lambda x: twice(np.sin(x)), np.ones(4))
    assert failure.call == "matmul" and [node.op for node in failure.graph.nodes()] == ["input", "exp"]
