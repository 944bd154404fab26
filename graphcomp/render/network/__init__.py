"""Pictures of whole networks: nodes grouped by scope, repeated blocks folded, each group laid out by itself."""

from .groups import Group
from .levels import Level, Member
from .overlays import Numbers, activations, gradient_norms, times
from .picture import Network, network

__all__ = ["Group", "Level", "Member", "Network", "Numbers", "activations", "gradient_norms", "network", "times"]
