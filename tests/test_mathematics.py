"""The vector code of elementary and special functions: accuracy against mpmath, special values, and vectors."""

from __future__ import annotations

import importlib.util
import math
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding
import mpmath as mp
import numpy as np
import pytest
from numba import njit, types

import graphcomp as gx
from graphcomp.emit.library import runtime
from graphcomp.emit.library.mathematics import FUNCTIONS
from graphcomp.emit.library.runtime import pointer_float32, pointer_float64, stay_apart
from graphcomp.emit.mathematics import FORMULAS, coefficients
from graphcomp.ops import REGISTRY
from graphcomp.trace.tracer import apply

DTYPES = ("float32", "float64")
TWO = ("power", "atan2", "hypot", "logaddexp")


@cache
def compiled(name: str) -> Callable[..., Any]:
    """A function over arrays."""
    function = FUNCTIONS[name]

    @njit(error_model="numpy")
    def one(result, x):
        for i in range(x.shape[0]):
            result[i] = function(x[i])

    @njit(error_model="numpy")
    def two(result, x, y):
        for i in range(x.shape[0]):
            result[i] = function(x[i], y[i])

    return two if name in TWO else one


def call(name: str, *arguments: np.ndarray) -> np.ndarray:
    result = np.empty_like(arguments[0])
    compiled(name)(result, *arguments)
    return result


# accuracy -----------------------------------------------------------------------------------------------------------

SQUARE_ROOT_OF_MAX = {"float32": 1e19, "float64": 1e154}
EXACT: dict[str, Callable[..., Any]] = {
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "lgamma": lambda x: mp.loggamma(x) if x > 0 else mp.log(abs(mp.gamma(x))),
    "power": mp.power,
    "exp2": lambda x: mp.power(2, x),
    "log2": lambda x: mp.log(x) / mp.log(2),
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "logaddexp": lambda x, y: mp.log(mp.exp(x) + mp.exp(y)),
}
"""In many digits, where mpmath has another name."""

LIMITS = dict.fromkeys(("lgamma", "digamma", "power"), (1, 4))
"""Units in the last place, for float32 and float64; 2 and 4 for all others."""

DOMAINS: dict[str, list[Any]] = {
    "exp": [(-87, 88), (-1, 1), "float"],
    "exp2": [(-126, 128), (-1, 1), "float"],
    "log2": [(0, 3), (0.9, 1.1), "positive"],
    "log10": [(0, 3), (0.9, 1.1), "positive"],
    "cbrt": [(-3, 3), "float"],
    "expm1": [(-20, 88), (-1, 1), "float"],
    "log": [(0, 3), (0.9, 1.1), "positive"],
    "log1p": [(-1, 3), (-1e-3, 1e-3), "positive"],
    "softplus": [(-80, 80), (-2, 2), "float"],
    "sigmoid": [(-87, 30), (-2, 2), "float"],
    "tanh": [(-9, 9), (0.5, 0.7), "float"],
    "sinh": [(-88, 88), (-2, 2), "float"],
    "cosh": [(-88, 88), (-2, 2), "float"],
    "asinh": [(-3, 3), "float"],
    "acosh": [(1, 1.1), (1, 20)],
    "atanh": [(-1, 1), (-1e-3, 1e-3)],
    "sin": [(-7, 7), (-1e5, 1e5), "float"],
    "cos": [(-7, 7), (-1e5, 1e5), "float"],
    "tan": [(-7, 7), (-1e5, 1e5), "float"],
    "asin": [(-1, 1), (0.49, 0.51)],
    "acos": [(-1, 1), (0.49, 0.51)],
    "atan": [(-3, 3), "float"],
    "erf": [(-5, 5), (-1.1, 1.1), "float"],
    "erfc": [(-4, 9), (-0.6, 0.6)],
    "lgamma": [(1e-3, 0.9), (1.1, 1.9), (2.2, 9), (8, 1e3), (-4.8, -4.2), "positive"],
    "digamma": [(1e-3, 1.2), (1.7, 11), (10, 1e4), (-4.6, -4.1), "positive"],
    "power": [((0, 4), (-30, 30)), ("positive", (-0.5, 0.5)), ((0.999, 1.001), (-9000, 9000)), ((-3, 3), "integer")],
    "atan2": [((-3, 3), (-3, 3)), ("float", "float")],
    "hypot": [((-3, 3), (-3, 3)), ("float", "float"), ((0, 1e-300), (0, 1e-300))],
    "logaddexp": [((-1, 80), (0, 80)), ((0, 1), (0, 1)), ((-80, -2), (-80, -2))],
}


def drawn(domain: Any, dtype: str, count: int) -> np.ndarray:
    """Numbers of an interval, or of any bits."""
    generator = np.random.default_rng(count)
    if domain == "integer":
        return generator.integers(-20, 20, count).astype(dtype)
    if isinstance(domain, tuple):
        return generator.uniform(*domain, count).astype(dtype)
    word = np.dtype(dtype.replace("float", "uint"))
    numbers = generator.integers(0, np.iinfo(word).max, 2 * count, word).view(dtype)
    numbers = numbers[np.isfinite(numbers)][:count]
    return np.abs(numbers) if domain == "positive" else numbers


def exact(name: str, values: tuple[np.ndarray, ...]) -> list[Any]:
    function = EXACT.get(name) or getattr(mp, name, None) or getattr(mp, name.replace("lgamma", "loggamma"))
    return [mp.re(function(*map(mp.mpf, map(float, point)))) for point in zip(*values)]


def errors(found: np.ndarray, wanted: list[Any]) -> np.ndarray:
    """In units in the last place of the exact value; what lies beyond the largest number must be infinite."""
    limits = np.finfo(found.dtype)
    result = np.zeros(len(found))
    for k, (number, value) in enumerate(zip(map(float, found), wanted)):
        if abs(value) > float(limits.max):
            result[k] = 0.0 if abs(number) >= float(limits.max) * (1 - 1e-6) else np.inf
            continue
        exponent = max(mp.frexp(value)[1], limits.minexp + 1) if value else limits.minexp + 1
        result[k] = float(abs(mp.mpf(number) - value) / mp.ldexp(1, exponent - limits.nmant - 1))
    return result


def worst(name: str, dtype: str, count: int) -> tuple[float, Any]:
    """(the greatest error over the domains, where)."""
    places = []
    with mp.workdps(40), np.errstate(all="ignore"):
        for domain in DOMAINS[name]:
            parts = domain if name in TWO else (domain,)
            values = tuple(drawn(part, dtype, count + slot) for slot, part in enumerate(parts))
            size = min(map(len, values))
            values = tuple(value[:size] for value in values)
            found = errors(call(name, *values), exact(name, values))
            k = int(np.argmax(np.nan_to_num(found, nan=np.inf)))
            places.append((float(found[k]), tuple(value[k] for value in values)))
    return max(places)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_accuracy(name: str, dtype: str) -> None:
    limit = LIMITS.get(name, (2, 4))[DTYPES.index(dtype)]
    error, place = worst(name, dtype, 400)
    assert error <= limit, f"{name} of {place}: {error:.2f} ulp"


HARD = {
    "float32": [float.fromhex(x) for x in ("0x1.e77e62p+91", "0x1.fffffep+127", "0x1.869ffep+16", "0x1.86a000p+16")],
    "float64": [float.fromhex(x) for x in ("0x1.fffffffffffffp+1023", "0x1.0p+30", "0x1.fffffffffffffp+29")],
}
"""Very near a multiple of π/2, the largest number, and the ends of the fast range."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles_and_multiples_of_half_a_turn(name: str, dtype: str) -> None:
    near = np.arange(1, 4000, 7) * np.longdouble(np.pi) / 2
    x = np.concatenate([np.array(HARD[dtype], dtype), near.astype(dtype)])
    with mp.workdps(400):
        found = errors(call(name, x), exact(name, (x,)))
    assert np.max(found) <= (4 if dtype == "float64" else 2), x[np.argmax(found)]


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_the_number_nearest_to_a_multiple_of_a_quarter_turn(name: str) -> None:
    """Of all in float64 (J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2010, 11.3), as C has it."""
    x = np.array([float.fromhex("0x1.6ac5b262ca1ffp+849")] * 9)
    assert np.all(call(name, x) == getattr(math, name)(x[0]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rare_entries_among_others(dtype: str) -> None:
    """Vectors with entries that the C library computes, at every place, with every length of the rest."""
    for size in range(1, 70):
        x = np.linspace(-3, 3, size).astype(dtype)
        for place in range(0, size, 3):
            huge = x.copy()
            huge[place] = -3e15
            huge[-1] = np.inf
            found = call("sin", huge)
            assert np.isnan(found[-1]) and np.array_equal(found[: place - size], call("sin", x[:place]))
            if place != size - 1:
                assert found[place] == pytest.approx(np.sin(np.float64(huge[place])), rel=2e-7)


# special values -----------------------------------------------------------------------------------------------------

REFERENCE: dict[str, Callable[..., Any]] = {
    "power": np.power,
    "atan2": np.arctan2,
    "lgamma": lambda x: np.array([_lgamma(float(number)) for number in x]),
}


def _lgamma(x: float) -> float:
    """The C library's, by way of Python, which raises errors where the result is infinite."""
    try:
        return math.lgamma(x)
    except (OverflowError, ValueError):
        return math.inf


def special(dtype: str) -> np.ndarray:
    limits = np.finfo(dtype)
    positive = [0.0, limits.smallest_subnormal, limits.tiny, 0.5, 1.0, 2.0, 3.0, 1e4, limits.max, np.inf]
    return np.array([*positive, *(-number for number in positive), np.nan], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FORMULAS)
def test_special_values(name: str, dtype: str) -> None:
    """Zeros with their signs, infinities, NaN, subnormal and largest numbers, as NumPy and SciPy have them."""
    values = [special(dtype)]
    if name in TWO:
        values = [part.ravel() for part in np.meshgrid(values[0], values[0])]
    reference = REFERENCE.get(name) or REGISTRY[name].reference
    assert reference is not None
    with np.errstate(all="ignore"):
        wanted, found = reference(*values).astype(dtype), call(name, *values)
    np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype == "float32" else 2e-14, atol=0)
    exactly = (wanted == 0) | np.isinf(wanted) | np.isnan(wanted)
    np.testing.assert_array_equal(found[exactly], wanted[exactly])
    signed = exactly & ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(found[signed]), np.signbit(wanted[signed]))


@pytest.mark.parametrize("x", [-7.5, -0.3, 1e-3, 0.7, 3.0, 30.0, 1e5])
def test_digamma(x: float) -> None:
    assert call("digamma", np.array([x]))[0] == pytest.approx(float(mp.digamma(mp.mpf(x))), rel=1e-14)


def test_digamma_at_its_poles_and_ends() -> None:
    found = call("digamma", np.array([-1e-30, 0.0, -0.0, np.inf, -3.0, -np.inf, np.nan]))
    assert found[0] == pytest.approx(1e30, rel=1e-15)
    assert found[1:4].tolist() == [-np.inf, np.inf, np.inf] and np.isnan(found[4:]).all()


def test_results_that_are_whole() -> None:
    """Powers of two and of ten, cubes, and the sides of right triangles."""
    for dtype, tens in zip(DTYPES, (11, 23)):
        whole = np.arange(-120, 120).astype(dtype)
        np.testing.assert_array_equal(call("exp2", whole), np.ldexp(np.ones_like(whole), whole.astype(int)))
        np.testing.assert_array_equal(call("log2", np.ldexp(np.ones_like(whole), whole.astype(int))), whole)
        powers = np.array([10**k for k in range(tens)], dtype)
        np.testing.assert_array_equal(call("log10", powers), np.arange(tens))
        np.testing.assert_array_equal(call("cbrt", whole**3), whole)
        np.testing.assert_array_equal(call("hypot", 3 * whole, 4 * whole), 5 * abs(whole))


def test_powers_of_integers() -> None:
    x = np.array([2, -3, 7, 0], "int32")
    y = np.array([10, 3, 0, 0], "int32")
    assert np.asarray(gx.jit(lambda a, b: a**b)(x, y)).tolist() == [1024, -27, 1, 1]


# code ---------------------------------------------------------------------------------------------------------------


def machine_has(*features: str) -> bool:
    found = llvmlite.binding.get_host_cpu_features()
    return all(found.get(feature, False) for feature in features)


@pytest.mark.skipif(not machine_has("avx2", "fma"), reason="the machine has no vectors with fused multiply and add")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(set(FORMULAS) - set(TWO)))
def test_loops_become_vector_code(name: str, dtype: str) -> None:
    """In a kernel as they are generated: pointers of which nothing is known."""
    function, pointer = FUNCTIONS[name], pointer_float32 if dtype == "float32" else pointer_float64

    @njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    def kernel(context):
        stay_apart()
        x = pointer(context[0])
        y = pointer(context[1])
        for i in range(1000):
            y[i] = function(x[i])

    kernel.compile((types.CPointer(types.int64),))
    code = kernel.inspect_llvm(kernel.signatures[0])
    inner = (
        "double"
        if name in ("lgamma", "digamma", "tan", "erfc", "cbrt")
        else {"float32": "float", "float64": "double"}[dtype]
    )
    lanes = {int(n) for n in re.findall(rf"call <(\d+) x {inner}> @llvm\.fma\.v", code)}
    widest = 512 if machine_has("avx512f") else 256
    assert max(lanes, default=0) * (32 if inner == "float" else 64) >= widest


def test_generated_kernels_name_the_functions() -> None:
    source = gx.jit(lambda x: np.tanh(x) + np.exp(x)).stages(np.ones(3, "float32")).source
    assert "= tanh(v0_0)  # %" in source and "= exp(v0_0)  # %" in source and "math." not in source


def test_functions_of_the_table_are_called_by_their_records() -> None:
    for name in FORMULAS:
        record = REGISTRY[name]
        slots = "{0}, {1}" if name in TWO else "{0}"
        assert record.scalar == f"{name}({slots})"  # type: ignore[attr-defined]


def test_every_function_compiled_agrees_with_the_reference() -> None:
    names = sorted(set(FORMULAS) - set(TWO))
    x = np.linspace(1.01, 1.4, 53)

    def f(x: Any) -> list[Any]:
        return [apply(name, x - 1 if name in ("asin", "acos", "atanh") else x) for name in names]

    with np.errstate(all="ignore"):
        wanted = gx.jit(f, target="numpy")(x)
    for name, left, right in zip(names, gx.jit(f)(x), wanted):
        np.testing.assert_allclose(left, right, rtol=1e-13, err_msg=name)


# coefficients -------------------------------------------------------------------------------------------------------


def test_coefficients_are_those_of_the_script() -> None:
    """Some of them are computed again."""
    path = Path(__file__).parents[1] / "docs" / "approximations" / "make.py"
    if not path.exists():
        pytest.skip("the documents are not here")
    spec = importlib.util.spec_from_file_location("approximations", path)
    assert spec is not None and spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    sys.modules["approximations"] = make
    spec.loader.exec_module(make)
    for fit in make.FITS:
        if fit.name in ("EXP", "COS", "ATAN"):
            with mp.workdps(40):
                found, _ = make.fitted(fit, "float32")
            assert tuple(map(float, found)) == getattr(coefficients, f"{fit.name}_SINGLE")


# reductions ---------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not machine_has("avx2", "fma"), reason="the machine has no vectors with fused multiply and add")
@pytest.mark.parametrize("name", ["add_up", "multiply_up", "larger", "smaller"])
def test_reductions_become_vector_code(name: str) -> None:
    step = getattr(runtime, name)

    @njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
    def kernel(context):
        stay_apart()
        x = pointer_float64(context[0])
        y = pointer_float64(context[1])
        total = 1.0
        for i in range(1000):
            total = step(total, x[i])
        y[0] = total

    kernel.compile((types.CPointer(types.int64),))
    assert re.search(r"load <\d+ x double>", kernel.inspect_llvm(kernel.signatures[0]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_reductions_of_every_length_with_what_is_not_finite(name: str, dtype: str) -> None:
    """NaN at each place is found, infinities meet, and equal inputs give equal bits."""
    compiled_one = gx.jit(lambda x: apply(name, x, axes=(0,)))
    for size in (1, 7, 16, 33, 67):
        x = np.random.default_rng(size).uniform(0.5, 1.5, size).astype(dtype)
        found = np.asarray(compiled_one(x))
        np.testing.assert_allclose(found, getattr(x, name)(), rtol=1e-6 if dtype == "float32" else 1e-14)
        assert found.tobytes() == np.asarray(compiled_one(x)).tobytes()
        for place in range(size):
            for special_value in (np.nan, np.inf, -np.inf):
                changed = x.copy()
                changed[place] = special_value
                np.testing.assert_equal(np.asarray(compiled_one(changed)), getattr(changed, name)())
