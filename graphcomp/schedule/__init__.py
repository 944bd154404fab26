"""Scheduling: fused kernels, loop nests, buffers and their lifetimes."""

from .memory import Arena, plan_arena
from .program import Program, describe
from .schedule import schedule

__all__ = ["Arena", "Program", "describe", "plan_arena", "schedule"]
