"""Pictures: a computation explained step by step, drawn and written in many formats."""

from .compile_story import CompileStory, compile_story
from .explain import explain
from .failure import explain_error
from .gradient_plot import plot_gradient_check
from .output import Story
from .roofline import plot_report
from .sparsity import plot_sparsity
from .story import Fact, Frame, StoryContent, StoryEdge, StoryNode, Sweep, Term

__all__ = [
    "CompileStory",
    "Fact",
    "Frame",
    "Story",
    "StoryContent",
    "StoryEdge",
    "StoryNode",
    "Sweep",
    "Term",
    "compile_story",
    "explain",
    "explain_error",
    "plot_gradient_check",
    "plot_report",
    "plot_sparsity",
]
