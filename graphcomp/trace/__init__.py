"""Tracing: functions, formulas and SymPy expressions become graphs."""

from . import compositions, functions
from .symbolic import to_sympy
from .trace import TracedGraph, trace, trace_function
from .tracer import Tracer, scope, spec

__all__ = ["TracedGraph", "Tracer", "compositions", "functions", "scope", "spec", "to_sympy", "trace", "trace_function"]
