"""Pictures: a computation explained step by step, drawn and written in many formats."""

from .compile_story import CompileStory, compile_story
from .explain import explain
from .failure import explain_error
from .output import Story
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
]
