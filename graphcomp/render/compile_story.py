"""The story of a compilation: the passes, each rewrite with its rule, and the fused kernels with their source."""

from .compilation.telling import CompileStory, compile_story

__all__ = ["CompileStory", "compile_story"]
