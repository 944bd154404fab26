"""NIST's reference problems of nonlinear regression: the reader of their files, and the example that solves them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphcomp import data, errors

PATH = Path(__file__).parents[1] / "examples" / "nonlinear_regression.py"
FOLDER = Path(os.environ.get("GRAPHCOMP_DATA", "")) / "nist_strd"
NAMES = """
Bennett5 BoxBOD Chwirut1 Chwirut2 DanWood ENSO Eckerle4 Gauss1 Gauss2 Gauss3 Hahn1 Kirby2 Lanczos1 Lanczos2 Lanczos3
MGH09 MGH10 MGH17 Misra1a Misra1b Misra1c Misra1d Nelson Rat42 Rat43 Roszman1 Thurber
""".split()  # noqa: SIM905

with_data = pytest.mark.skipif(
    not os.environ.get("GRAPHCOMP_DATA") or not FOLDER.is_dir(), reason="GRAPHCOMP_DATA has no folder nist_strd"
)


def example() -> Any:
    spec = importlib.util.spec_from_file_location("nonlinear_regression", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE = example()


@with_data
def test_all_27_problems_are_there() -> None:
    assert len(NAMES) == 27 and data.regression_names() == NAMES


@with_data
@pytest.mark.parametrize("name", NAMES)
def test_nine_digits_from_both_starts(name: str) -> None:
    problem = data.regression(name)
    for near, polished in EXAMPLE.solve(problem):
        assert near >= 5
        assert polished >= 9


@with_data
@pytest.mark.parametrize("name", NAMES)
def test_the_certified_parameters_have_the_certified_sum_of_squares(name: str) -> None:
    problem = data.regression(name)
    residuals = EXAMPLE.compiled(problem)[0](problem.certified)
    # The residuals of Lanczos1 are 1e-13 of its data, which leaves them three digits.
    assert np.sum(residuals**2) == pytest.approx(problem.residuals, rel=1e-2 if name == "Lanczos1" else 1e-8)


# without the data ----------------------------------------------------------------------------------------------------


def test_the_example_runs_without_the_data_and_says_so(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.delenv("GRAPHCOMP_DATA", raising=False)
    results = EXAMPLE.main()
    assert min(polished for _, polished in results["Misra1a"]) >= 9
    printed = capsys.readouterr().out
    assert "set GRAPHCOMP_DATA" in printed and "only one of the 27 problems" in printed


def test_the_reader_takes_a_file_apart() -> None:
    problem = data.read_regression("Misra1a", EXAMPLE.BUILT_IN)
    assert (problem.response, problem.formula) == ("y", "b1*(1-exp(-b2*x))")
    assert problem.parameters == ("b1", "b2")
    np.testing.assert_array_equal(problem.starts, [[500, 0.0001], [250, 0.0005]])
    assert problem.certified[1] == 5.5015643181e-04 and problem.deviations[0] == 2.7070075241
    assert problem.residuals == 0.12455138894
    assert problem.columns["x"].tolist()[-2:] == [689.1, 760.0] and len(problem.columns["y"]) == 14


LINES = EXAMPLE.BUILT_IN.splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no file of a nonlinear regression"),
        (EXAMPLE.BUILT_IN.replace("+  e", ""), "no file of a nonlinear regression"),
        ("\n".join(LINES[:-1]), "should hold 14 observations, but has 13"),
        ("\n".join(LINES[:-1]) + "\n  81.78E0", r"14 observations, but has 13\.5"),
        (EXAMPLE.BUILT_IN.replace("44.82E0", "4x.82E0"), "no file of a nonlinear"),
        (EXAMPLE.BUILT_IN.replace("44.82E0", "4-4.8.2E0"), "number"),
    ],
)
def test_damaged_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(errors.DataError, match=message):
        data.read_regression("Misra1a", text)


def test_a_missing_file_is_named(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("GRAPHCOMP_DATA", str(tmp_path))
    (tmp_path / "nist_strd").mkdir()
    with pytest.raises(errors.DataError, match=r"Misra1a\.dat cannot be read"):
        data.regression("Misra1a")
    assert data.regression_names() == []


def test_digits_count_what_is_right() -> None:
    assert EXAMPLE.digits(np.array([1.0, 2.0002]), np.array([1.0, 2.0])) == pytest.approx(4)
    assert EXAMPLE.digits(np.array([3.0]), np.array([3.0])) == 11
