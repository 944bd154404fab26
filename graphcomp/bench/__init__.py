"""The measure of speed: workloads, the same in other frameworks, and what `graphcomp bench` prints.

    graphcomp bench mlp lstm/adam --peers torch,jax --json figures.json

A candidate is a framework at work on one task of a workload, in a process of its own.
"""

from .measure import Bench, Measured, Result, Settings, Spread
from .workload import Goal, Problem, Workload
from .workloads import WORKLOADS

__all__ = ["WORKLOADS", "Bench", "Goal", "Measured", "Problem", "Result", "Settings", "Spread", "Workload"]
