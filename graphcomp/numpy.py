"""NumPy's names over traced values; with plain arrays they compute at once. `from graphcomp import numpy as gnp`."""

from types import SimpleNamespace
from typing import Any

from .trace.functions import *  # noqa: F403
from .trace.functions import find as _find
from .trace.tracer import FUNCTIONS as _FUNCTIONS

globals().update({name: function for name, function in _FUNCTIONS.items() if name.isidentifier()})
linalg = SimpleNamespace(**{n.removeprefix("linalg."): f for n, f in _FUNCTIONS.items() if n.startswith("linalg.")})


def __getattr__(name: str) -> Any:
    function = _find(name)
    if function is not None:
        return function
    raise AttributeError(f"graphcomp.numpy has no {name!r}; compose it of the functions it has.")


float32, float64, int32, int64, bool_ = "float32", "float64", "int32", "int64", "bool"
