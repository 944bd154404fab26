"""Pictures: a computation explained step by step, drawn and written in many formats."""

from .explain import explain
from .output import Story
from .story import Fact, Frame, StoryContent, StoryEdge, StoryNode, Sweep, Term

__all__ = ["Fact", "Frame", "Story", "StoryContent", "StoryEdge", "StoryNode", "Sweep", "Term", "explain"]
