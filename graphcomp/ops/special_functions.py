"""Special functions. What has no vector code (`emit/mathematics`) is a Python function here."""

from __future__ import annotations

import math

import numpy as np
import scipy
import sympy as sp

from .record import Elementwise, register


def _two_over_root_pi(x: sp.Expr) -> sp.Expr:
    return 2 / sp.sqrt(sp.pi) * sp.exp(-(x**2))


def polygamma_scalar(x, order):
    """ψ⁽ⁿ⁾(x) = (-1)ⁿ⁺¹ n! ζ(n + 1, x) for n ≥ 1: recurrence, then Euler–Maclaurin (DLMF 25.11.5)."""
    s = order + 1.0
    if x <= 0.0 and x == np.floor(x):
        return math.inf if order % 2 == 1 else math.nan
    total = 0.0
    while x < 12.0 + order:
        total += x**-s
        x += 1.0
    power = x**-s
    total += power * x / (s - 1.0) + 0.5 * power
    factor = s * power / x
    k = 0.0
    for bernoulli in (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600):
        total += bernoulli * factor
        factor *= (s + k + 1.0) * (s + k + 2.0) / (x * x)
        k += 2.0
    factorial = math.gamma(s)
    return total * factorial if order % 2 == 1 else -total * factorial


register(
    Elementwise(
        name="erf",
        summary="the error function, 2/√π ∫₀ˣ e^(-t²) dt",
        expression=sp.erf,
        partials=lambda x, out: (_two_over_root_pi(x),),
        reference=lambda x: scipy.special.erf(x),
        scalar="erf({0})",
        domain=((-2.0, 2.0),),
    ),
    verify=False,
)
register(
    Elementwise(
        name="erfc",
        summary="1 - erf(x), accurate for large x",
        expression=sp.erfc,
        partials=lambda x, out: (-_two_over_root_pi(x),),
        reference=lambda x: scipy.special.erfc(x),
        scalar="erfc({0})",
        domain=((-2.0, 2.0),),
    ),
    verify=False,
)
register(
    Elementwise(
        name="lgamma",
        summary="log |Γ(x)|",
        expression=sp.loggamma,
        partials=lambda x, out: (sp.digamma(x),),
        reference=lambda x: scipy.special.gammaln(np.where(x == -np.inf, -x, x)),  # as C has it at -inf
        scalar="lgamma({0})",
        domain=((0.5, 4.0),),
        kinks="infinite at 0, -1, -2, …",
    ),
    verify=False,
)
register(
    Elementwise(
        name="digamma",
        summary="ψ(x) = d/dx log Γ(x)",
        expression=sp.digamma,
        partials=lambda x, out: (sp.polygamma(1, x),),
        reference=lambda x: scipy.special.psi(x),
        scalar="digamma({0})",
        domain=((0.5, 4.0),),
        kinks="infinite at 0, -1, -2, …",
    ),
    verify=False,
)
register(
    Elementwise(
        name="polygamma",
        summary="the derivative of digamma of the given order",
        expression=lambda x, *, order: sp.polygamma(order, x),
        partials=lambda x, out, *, order: (sp.polygamma(order + 1, x),),
        reference=lambda x, *, order: scipy.special.polygamma(order, x).astype(x.dtype),
        scalar=polygamma_scalar,
        domain=((0.5, 4.0),),
        kinks="infinite at 0, -1, -2, …",
        samples=lambda rng, dtype: ((rng.uniform(0.5, 4.0, (3, 4)).astype(dtype),), {"order": int(rng.integers(1, 4))}),
    ),
    verify=False,
)
