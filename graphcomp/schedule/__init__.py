"""Scheduling: fused kernels, loop nests, buffers and their lifetimes."""

from .memory import Arena, plan_arena
from .program import Program, describe
from .recompute import fit_into
from .schedule import schedule

__all__ = ["Arena", "Program", "describe", "fit_into", "plan_arena", "schedule"]
