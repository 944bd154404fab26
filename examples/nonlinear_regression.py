"""NIST's 27 reference problems of nonlinear regression, from both starting points of each, to at least 9 digits.

The models are texts, as they stand in NIST's files. Their residuals and Jacobians are compiled, SciPy's
Levenberg–Marquardt comes near the minimum, and Gauss–Newton steps go on until rounding stops them. Set GRAPHCOMP_DATA
to a folder with `nist_strd/*.dat`; without it, one small problem is solved.
"""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.optimize import leastsq

import graphcomp as gx
from graphcomp import data
from graphcomp.transform import as_function

CERTIFIED_DIGITS = 11
FIRST_STEPS = (100.0, 1.0, 0.1)
"""Bounds of the first step of Levenberg–Marquardt, in units of the scaled start; the best of the results counts."""
MOST_STEPS = 200

Function = Callable[[np.ndarray], np.ndarray]

BUILT_IN = """
Model:         Exponential Class
               2 Parameters (b1 and b2)

               y = b1*(1-exp[-b2*x])  +  e

          Starting values                  Certified Values

        Start 1     Start 2           Parameter     Standard Deviation
  b1 =   500         250           2.3894212918E+02  2.7070075241E+00
  b2 =     0.0001      0.0005      5.5015643181E-04  7.2668688436E-06

Residual Sum of Squares:                    1.2455138894E-01
Number of Observations:                            14

Data:   y               x
      10.07E0      77.6E0
      14.73E0     114.9E0
      17.94E0     141.1E0
      23.93E0     190.8E0
      29.61E0     239.9E0
      35.18E0     289.0E0
      40.02E0     332.8E0
      44.82E0     378.4E0
      50.76E0     434.8E0
      55.05E0     477.3E0
      61.01E0     536.8E0
      66.40E0     593.1E0
      75.47E0     689.1E0
      81.78E0     760.0E0
"""


def compiled(problem: data.Regression) -> tuple[Function, Function]:
    """The residuals as a function of the vector of parameters, and their Jacobian."""
    model = as_function(gx.trace(problem.formula, **{name: problem.columns[name] for name in predictors(problem)}))
    response = as_function(gx.trace(problem.response, y=problem.columns["y"]))
    observed = np.asarray(response(problem.columns["y"]))
    known = {name: problem.columns[name] for name in predictors(problem)}

    def residuals(parameters: Any) -> Any:
        named = {name: parameters[place] for place, name in enumerate(problem.parameters)}
        return model(**named, **known) - observed

    value, slope = gx.jit(residuals), gx.jit(gx.jacobian(residuals))
    return lambda b: np.asarray(value(b)), lambda b: np.asarray(slope(b))


def predictors(problem: data.Regression) -> list[str]:
    return [name for name in problem.columns if name != "y"]


def levenberg_marquardt(residuals: Function, jacobian: Function, start: np.ndarray) -> np.ndarray:
    """SciPy's (MINPACK's) answer, the best for several bounds of the first step.

    A long first step may end on a plateau, where no derivative shows the way back.
    """
    found = [
        leastsq(residuals, start, Dfun=jacobian, ftol=1e-15, xtol=1e-15, gtol=0.0, maxfev=20_000, factor=factor,
                full_output=True)[0]
        for factor in FIRST_STEPS
    ]  # fmt: skip
    sums = [np.sum(residuals(answer) ** 2) for answer in found]
    return found[int(np.nanargmin(sums))]


def gauss_newton(residuals: Function, jacobian: Function, answer: np.ndarray) -> np.ndarray:
    """Steps by a QR decomposition with pivoting and scaled columns, for as long as they get shorter."""
    last = np.inf
    for _ in range(MOST_STEPS):
        table = jacobian(answer)
        scales = np.linalg.norm(table, axis=0)
        q, r, order = qr(table / scales, mode="economic", pivoting=True)
        step = np.empty_like(answer)
        step[order] = solve_triangular(r, q.T @ residuals(answer))
        length = float(np.linalg.norm(step))
        if not length < last:
            break
        answer, last = answer - step / scales, length
    return answer


def digits(answer: np.ndarray, certified: np.ndarray) -> float:
    """How many digits of the parameter that is furthest off are right: -log10 of its relative error, at most 11."""
    errors = np.abs(answer - certified) / np.abs(certified)
    return float(np.min(np.minimum(CERTIFIED_DIGITS, -np.log10(np.maximum(errors, 1e-300)))))


def solve(problem: data.Regression) -> list[tuple[float, float]]:
    """For each start, the digits after Levenberg–Marquardt and after Gauss–Newton."""
    residuals, jacobian = compiled(problem)
    found = []
    for start in problem.starts:
        near = levenberg_marquardt(residuals, jacobian, start)
        answer = gauss_newton(residuals, jacobian, near)
        found.append((digits(near, problem.certified), digits(answer, problem.certified)))
    return found


def main(names: list[str] | None = None) -> dict[str, list[tuple[float, float]]]:
    """Solve the problems of these names (all by default), print a table, and return its figures."""
    try:
        problems = [data.regression(name) for name in names or data.regression_names()]
    except gx.errors.DataError as error:
        print(f"{error}\nSo here is only one of the 27 problems, Misra1a, which is built in.\n")
        problems = [data.read_regression("Misra1a", BUILT_IN)]
    print(f"{'':10} parameters  start 1: LM  and GN   start 2: LM  and GN")
    results = {}
    for problem in problems:
        results[problem.name] = found = solve(problem)
        cells = "   ".join(f"{near:11.1f}  {polished:6.1f}" for near, polished in found)
        print(f"{problem.name:10} {len(problem.parameters):10}  {cells}")
    worst = min(polished for found in results.values() for _, polished in found)
    count = "1 problem" if len(results) == 1 else f"{len(results)} problems"
    print(f"\nAt least {worst:.1f} digits of every parameter, from both starts of {count}.")
    return results


if __name__ == "__main__":
    main(sys.argv[1:] or None)
