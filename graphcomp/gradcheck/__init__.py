"""Numerical checks of derivatives, graphcomp's own and anybody else's."""

from .check import check_grads
from .differences import Difference, ErrorCurve, difference
from .report import GradientEntry, GradientReport, InnerProduct, Kink

__all__ = [
    "Difference",
    "ErrorCurve",
    "GradientEntry",
    "GradientReport",
    "InnerProduct",
    "Kink",
    "check_grads",
    "difference",
]
