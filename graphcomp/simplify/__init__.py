"""Simplification by a table of rewrite rules."""

from .rules import RULES, Rule
from .simplify import Rewrite, Simplified, prune, simplify, stabilise

__all__ = ["RULES", "Rewrite", "Rule", "Simplified", "prune", "simplify", "stabilise"]
