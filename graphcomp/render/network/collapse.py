"""Which groups are told or drawn as one: by depth, name or function, by the user's lines, or by the user's names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ...errors import RenderError
from ...graph import Graph, Node
from .blocks import Grouping, blocks
from .groups import Group

Collapse = int | str | Sequence[str] | Callable[[Group], bool]
LINES, NAMES = "lines", "names"
MOST_CARDS, FEW_CARDS = 500, 40
WAYS = (
    'a depth (1, 2, …), names such as "encoder/*", "lines" or "names", or a function that takes a group and says '
    "whether it is one"
)


@dataclass(frozen=True)
class Closed:
    """Says which groups stay closed: those at a depth, those of a name, or those that a function picks."""

    collapse: Collapse

    def __call__(self, group: Group) -> bool:
        """Whether a group is told or drawn as one."""
        if not group.path:
            return False
        parts = group.path.split("/")
        if isinstance(self.collapse, int):
            return len(parts) >= self.collapse
        if callable(self.collapse):
            return bool(self.collapse(group))
        return any(matches(pattern, parts) for pattern in patterns(self.collapse))


def check_collapse(collapse: Any) -> None:
    """Raise RenderError for what is no way to collapse."""
    if isinstance(collapse, bool) or (isinstance(collapse, int) and collapse < 1):
        raise RenderError(f"collapse must be {WAYS}, not {collapse!r}")
    listed = isinstance(collapse, Sequence) and all(isinstance(pattern, str) for pattern in collapse)
    if not (isinstance(collapse, (int, str)) or listed or callable(collapse)) or collapse in ("", (), []):
        raise RenderError(f"collapse must be {WAYS}, not {collapse!r}")


def patterns(collapse: str | Sequence[str]) -> tuple[str, ...]:
    """One pattern or several."""
    return (collapse,) if isinstance(collapse, str) else tuple(collapse)


def matches(pattern: str, parts: Sequence[str]) -> bool:
    """Whether a path matches ``encoder/*``, part by part: a star never spans two parts."""
    wanted = pattern.strip("/").split("/")
    return len(wanted) == len(parts) and all(fnmatchcase(part, one) for part, one in zip(parts, wanted, strict=True))


def scope_tree(nodes: Sequence[Node]) -> dict[str, Group]:
    """The groups of all scopes, by path, each with the nodes that lie in it directly."""
    known = {"": Group("", "")}
    for node in nodes:
        parts = node.scope.split("/") if node.scope else []
        for depth in range(1, len(parts) + 1):
            path, outer = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
            if path not in known:
                known[path] = Group(path, parts[depth - 1])
                known[outer].children.append(known[path])
        known[node.scope].nodes.append(node.id)
    return known


def grouping(graph: Graph, shown: Sequence[int], collapse: Collapse) -> Grouping:
    """Which nodes are told together; what is told by itself is in no group."""
    nodes = [graph.node(id) for id in shown if graph.node(id).op != "input"]
    if collapse == LINES:
        lines = {node.id: str(node.origin) for node in nodes if node.origin is not None}
        return Grouping(lines if len(set(lines.values())) > 1 else {})  # a formula is all of one line
    if collapse == NAMES:
        return Grouping(by_names(graph, nodes), calls=False)
    tree = scope_tree(nodes)
    closed = closed_paths(tree, Closed(collapse))
    return Grouping({node.id: closed[node.scope] for node in nodes if node.scope in closed})


def closed_paths(tree: Mapping[str, Group], closed: Closed) -> dict[str, str]:
    """For each scope inside a closed group, the path of that group: the outermost, but of names the most specific."""
    specific = isinstance(closed.collapse, (str, Sequence))
    found: dict[str, str] = {}
    for group in tree[""].walk():
        outer = group.path.rpartition("/")[0]
        if (specific or outer not in found) and closed(group):
            found[group.path] = group.path
        elif outer in found:
            found[group.path] = found[outer]
    return found


def by_names(graph: Graph, nodes: Sequence[Node]) -> dict[int, str]:
    """Each node's group is the first named value at or after it, as assignments were traced in order."""
    named = {id: name for name, id in reversed(graph.names.items()) if graph.node(id).op != "input"}
    found: dict[int, str] = {}
    name = ""
    for node in reversed(nodes):
        name = named.get(node.id, name)
        if name:
            found[node.id] = name
    return found


def chosen_grouping(graph: Graph, shown: Sequence[int]) -> Grouping:
    """The finest way to tell a graph in few cards: by depth, then by lines, then by names; else each node by itself.

    Raises RenderError if nothing divides the graph into few enough.
    """
    deepest = max((graph.node(id).scope.count("/") + 1 for id in shown if graph.node(id).scope), default=0)
    ways: list[Collapse] = [*range(deepest, 0, -1), LINES, NAMES]
    found = [grouping(graph, shown, way) for way in ways]
    found = [way for way in found if way.paths and cards(graph, shown, way) > 1]  # one group tells nothing
    counts = [cards(graph, shown, way) for way in found]
    best = next((way for way, count in zip(found, counts, strict=True) if count <= FEW_CARDS), None)
    if best is None and counts and min(counts) <= MOST_CARDS:
        best = found[counts.index(min(counts))]
    if best is None and len(shown) <= MOST_CARDS:
        best = Grouping({})
    if best is None:
        raise RenderError(too_many(len(graph)))
    return best


def cards(graph: Graph, shown: Sequence[int], way: Grouping) -> int:
    """How many values would be told."""
    return sum(len(block.results) for block in blocks(graph, shown, way, set()))


def too_many(nodes: int) -> str:
    """What to do about a graph that nothing divides into groups."""
    return (
        f"the graph has {nodes} nodes, at most {MOST_CARDS} steps can be told, and nothing divides it into fewer "
        "groups. Name parts of it: assign intermediate values in a formula (h = ...; z = ...), write a function with "
        "a line for each part or with `with gx.scope(name):` around it, or use layers of graphcomp.nn; then choose "
        f"the groups with collapse={WAYS}"
    )


def wanted_grouping(graph: Graph, shown: Sequence[int], collapse: Collapse) -> Grouping:
    """The groups that were asked for; RenderError if there are none, or too many steps for a story."""
    found = grouping(graph, shown, collapse)
    if not found.paths:
        known = [path for path in scope_tree([graph.node(id) for id in shown]) if path]
        listed = ", ".join([*known[:12], *(["…"] if len(known) > 12 else [])])
        scopes = f"its scopes are {listed}" if known else "it has no scopes"
        raise RenderError(f"collapse={collapse!r} matches no group of this graph; {scopes}")
    count = cards(graph, shown, found)
    if count > MOST_CARDS:
        raise RenderError(f"collapse={collapse!r} leaves {count} steps, and at most {MOST_CARDS} are told; go coarser")
    return found
