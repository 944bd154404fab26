"""NumPy's names over traced values; with plain arrays they compute at once. `from graphcomp import numpy as gnp`."""

from .trace.functions import *  # noqa: F403
from .trace.tracer import FUNCTIONS as _FUNCTIONS

globals().update(_FUNCTIONS)
float32, float64, int32, int64, bool_ = "float32", "float64", "int32", "int64", "bool"
