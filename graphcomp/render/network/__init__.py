"""Pictures of whole networks: nodes grouped by scope, repeated blocks folded, each group laid out by itself."""

from .groups import Group
from .levels import Level, Member
from .picture import Network, network

__all__ = ["Group", "Level", "Member", "Network", "network"]
