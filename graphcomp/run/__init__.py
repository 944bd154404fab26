"""Running graphs: the reference interpreter, the compiled executor and its cache."""

from .interpreter import evaluate_all, interpret

__all__ = ["evaluate_all", "interpret"]
