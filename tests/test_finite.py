"""Where the first NaN or infinity of a run was born."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import numpy as gnp
from graphcomp.errors import NotFiniteError, failure_of


def norm(x: Any) -> Any:
    return gnp.sum(gnp.sqrt(gnp.abs(x)))  # the line of the root


def rolled(xs: Any) -> Any:
    return gx.scan(lambda c, x: (c + gnp.log(x), None), 0.0, xs)[0]


CASES = [
    (
        gx.grad(norm),
        [1.0, 0.0, 2.0],
        r"divide .* gives inf at entry \[1\] of the derivative.*sqrt .* there 0.0",
    ),
    (rolled, [1.0, 2.0, 0.0], r"log .* gives -inf, in turn 2 of the loop .* there 0.0. At .*test_finite.py:\d+.$"),
    (lambda x: gnp.exp(x).sum(), [1.0, 1000.0], r"exp .* gives inf at entry \[1\]. Its operands: x .* there 1000.0"),
    (lambda x: (x - x[0] * gnp.inf).sum(), [0.0, 1.0], r"multiply .* gives nan"),
    (lambda x: x * 2, [0.0, np.nan], r"the input `x` holds NaN at entry \[1\]"),
]


@pytest.mark.parametrize(("f", "x", "message"), CASES)
@pytest.mark.parametrize("how", ["debug", "jit", "numpy"])
def test_the_first_one_is_found(f: Any, x: list[float], message: str, how: str) -> None:
    run = gx.debug(f) if how == "debug" else gx.jit(f, target="cpu" if how == "jit" else how, check_finite=True)
    with pytest.raises(NotFiniteError, match=message):
        run(np.array(x))


def test_a_run_without_any_gives_its_result() -> None:
    x = np.array([1.0, 4.0])
    assert gx.debug(norm)(x) == 3
    assert float(gx.jit(norm, check_finite=True)(x)) == 3


def test_infinities_that_were_written_are_meant() -> None:
    def masked(x: Any) -> Any:
        scores = gnp.where(x > 0, x, -gnp.inf)
        return gnp.exp(scores - gnp.max(scores)).sum()

    assert gx.debug(masked)(np.array([1.0, -2.0])) == 1


def test_a_donated_array_can_still_be_looked_at() -> None:
    step = gx.jit(lambda x: gnp.log(x), donate=0, check_finite=True)
    array = gx.jit(lambda x: x * 1.0)(np.array([0.0, 1.0]))
    with pytest.raises(NotFiniteError, match="log"):
        step(array)


def test_the_error_can_be_drawn(tmp_path: Any) -> None:
    with pytest.raises(NotFiniteError) as caught:
        gx.debug(gx.grad(norm))(np.array([1.0, 0.0]))
    failure = failure_of(caught.value)
    assert failure is not None and failure.call == "divide"
    gx.explain_error(caught.value).save(tmp_path / "born.svg")
    assert "gives inf" in (tmp_path / "born.svg").read_text()
