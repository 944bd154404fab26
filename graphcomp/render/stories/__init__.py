"""Teaching stories ready to run: ``story("fan-out")`` is a Story like any other."""

from .registry import STORIES, Teaching, story

__all__ = ["STORIES", "Teaching", "story"]
