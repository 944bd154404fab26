"""Graphs and stories for other programs, and graphs back again: networkx, JSON (node-link) and GraphML.

All data are numbers and short texts, because GraphML has nothing else; lists and tables are JSON inside a text.
A graph read back equals the one written, its arrays and source lines included.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError as XMLError

import networkx as nx
import numpy as np

from ..errors import GraphcompError, ParseError, RenderError
from ..graph import Graph, Node, Origin, Requirement, check_graph, value_text
from ..graph.parse import parse_type, parse_value
from .mathematics import clean
from .story import StoryContent, StoryEdge, StoryNode

MISTAKES = (ValueError, KeyError, TypeError, IndexError, SyntaxError, AttributeError, XMLError, nx.NetworkXError)
"""What the readers raise on text that they cannot read."""


def to_networkx(graph: Graph) -> nx.MultiDiGraph:
    """A graph as plain data: unlike ``graph.networkx``, whose nodes hold objects of this package."""
    network = nx.MultiDiGraph(
        inputs=json.dumps(graph.inputs),
        outputs=json.dumps(graph.outputs),
        names=json.dumps(list(graph.names.items())),
        arrays=json.dumps({key: array_data(array) for key, array in graph.arrays.items()}),
        requirements=json.dumps([requirement_data(requirement) for requirement in graph.requirements]),
    )
    for node in graph.nodes():
        network.add_node(node.id, **node_data(node))
    for node in graph.nodes():
        network.add_edges_from((source, node.id, slot, {"slot": slot}) for slot, source in enumerate(node.inputs))
    return network


def from_networkx(network: nx.MultiDiGraph) -> Graph:
    """The graph that ``to_networkx`` made this from.  Raises ParseError where it is none."""
    try:
        data = network.graph
        graph = Graph(
            names=dict(json.loads(data["names"])),
            arrays={key: array_of(array) for key, array in json.loads(data["arrays"]).items()},
            requirements=[requirement_of(item) for item in json.loads(data["requirements"])],
        )
        for id in sorted(network.nodes, key=int):
            add_node(graph, network, id)
        graph.inputs, graph.outputs = json.loads(data["inputs"]), json.loads(data["outputs"])
        return check_graph(graph, "reading a file")
    except (*MISTAKES, GraphcompError) as error:
        raise ParseError(f"this is no graph that graphcomp wrote ({type(error).__name__}: {error})") from None


def node_data(node: Node) -> dict[str, Any]:
    """A node's data: its op, its type and its attributes as the text form of graphs writes them."""
    attributes = json.dumps({name: value_text(value) for name, value in node.attributes.items()})
    data: dict[str, Any] = {"op": node.op, "type": str(node.type), "attributes": attributes, "scope": node.scope}
    if node.origin is not None:
        data |= {"file": json.dumps(node.origin.file), "line": node.origin.line}
    return data


def add_node(graph: Graph, network: nx.MultiDiGraph, id: Any) -> None:
    """Append the node with that id, and the sources that its edges name in the order of their slots."""
    data = network.nodes[id]
    slots = {int(edge["slot"]): int(source) for source, _, edge in network.in_edges(id, data=True)}
    attributes = {name: parse_value(text) for name, text in json.loads(data["attributes"]).items()}
    origin = Origin(json.loads(data["file"]), int(data["line"])) if "file" in data else None
    inputs = tuple(slots[slot] for slot in range(len(slots)))
    made = graph.add(data["op"], inputs, attributes, parse_type(data["type"]), data["scope"], origin)
    if made != int(id):
        raise ValueError(f"node {id} is out of order")


def array_data(array: np.ndarray) -> dict[str, Any]:
    """An array's bytes as text, so that every entry comes back exactly."""
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
    return {"dtype": str(array.dtype), "shape": list(array.shape), "data": data}


def array_of(data: Mapping[str, Any]) -> np.ndarray:
    """The array that ``array_data`` wrote."""
    content = base64.b64decode(data["data"], validate=True)
    return np.frombuffer(content, dtype=np.dtype(data["dtype"])).reshape(data["shape"]).copy()


def requirement_data(requirement: Requirement) -> list[Any]:
    """A requirement as texts."""
    origin = requirement.origin
    where = [origin.file, origin.line] if origin is not None else None
    return [value_text(requirement.left), value_text(requirement.right), requirement.reason, where]


def requirement_of(data: list[Any]) -> Requirement:
    """The requirement that ``requirement_data`` wrote."""
    left, right, reason, where = data
    return Requirement(parse_value(left), parse_value(right), reason, Origin(*where) if where else None)


def write_graph(graph: Graph) -> str:
    """A graph as JSON, which ``read_graph`` takes back."""
    return json_text(to_networkx(graph))


def write_graph_as_graphml(graph: Graph) -> str:
    """A graph as GraphML, which ``read_graph`` takes back."""
    return graphml_text(to_networkx(graph))


def read_graph(path: str | Path) -> Graph:
    """The graph in a ``.json`` or ``.graphml`` file.  Raises ParseError if it holds none."""
    return from_networkx(read_network(path))


def read_network(path: str | Path) -> nx.MultiDiGraph:
    """The networkx graph in a ``.json`` or ``.graphml`` file that this module wrote, of a graph or of a story."""
    path = Path(path)
    readers = {".json": network_of_json, ".graphml": network_of_graphml}
    if path.suffix.lower() not in readers:
        raise RenderError(f"cannot read {path.name!r}: its suffix must be one of {', '.join(readers)}")
    try:
        return readers[path.suffix.lower()](path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RenderError(f"cannot read {path}: {error.strerror or error}") from error
    except MISTAKES as error:
        raise ParseError(f"{path.name} holds no graph ({type(error).__name__}: {error})") from None


def json_text(network: nx.MultiDiGraph) -> str:
    """networkx's node-link data."""
    return json.dumps(nx.node_link_data(network, edges="edges"), indent=1) + "\n"


def network_of_json(text: str) -> nx.MultiDiGraph:
    """The network in node-link data."""
    return nx.node_link_graph(json.loads(text), edges="edges")


def graphml_text(network: nx.MultiDiGraph) -> str:
    """GraphML as networkx writes it."""
    return "\n".join(("<?xml version='1.0' encoding='utf-8'?>", *nx.generate_graphml(network), ""))


def network_of_graphml(text: str) -> nx.MultiDiGraph:
    """The network in GraphML; the keys of its edges, which GraphML cannot keep apart, are the slots."""
    read = nx.read_graphml(io.BytesIO(text.encode("utf-8")), node_type=int, force_multigraph=True)
    network = nx.MultiDiGraph(**{name: value for name, value in read.graph.items() if not name.endswith("_default")})
    network.add_nodes_from(read.nodes(data=True))
    network.add_edges_from((source, user, edge["slot"], edge) for source, user, edge in read.edges(data=True))
    return network


def story_network(story: StoryContent) -> nx.MultiDiGraph:
    """A story's graph in its final state, as texts that people read, and its frames as JSON."""
    frames = [
        {
            "phase": frame.phase,
            "sweep": frame.sweep,
            "focus": frame.focus,
            "reads": frame.reads,
            "facts": [[fact.kind, fact.target, clean(fact.shown.plain())] for fact in frame.facts],
            "equation": [clean(side.plain()) for side in frame.equation],
            "sentence": clean(frame.sentence),
        }
        for frame in story.frames
    ]
    network = nx.MultiDiGraph(title=clean(story.title), mode=story.mode, frames=json.dumps(frames))
    for node in story.nodes:
        network.add_node(node.id, **story_node_data(story, node))
    for edge in story.edges:
        network.add_edge(edge.operand, edge.user, edge.slot, **story_edge_data(story, edge))
    return network


def story_node_data(story: StoryContent, node: StoryNode) -> dict[str, Any]:
    """What a card says."""
    data: dict[str, Any] = {
        "symbol": clean(node.symbol.plain()),
        "definition": clean(node.definition.plain()),
        "role": node.role,
        "names": json.dumps([clean(name) for name in node.names]),
        "shape": json.dumps(list(node.shape)),
    }
    for kind in ("value", "tangent", "adjoint"):
        data |= shown_last(story, kind, node.id)
    return data | ({"source_line": clean(node.source_line)} if node.source_line else {})


def story_edge_data(story: StoryContent, edge: StoryEdge) -> dict[str, Any]:
    """What an edge's label says."""
    data: dict[str, Any] = {"slot": edge.slot}
    if edge.partial and story.mode != "evaluate":
        data["partial"] = clean(edge.partial.plain())
        data |= shown_last(story, "contribution", edge.key)
    return data


def shown_last(story: StoryContent, kind: Any, target: Any) -> dict[str, str]:
    """The last fact of a kind about a target, if there is one."""
    facts = story.known.get((kind, target))
    return {kind: clean(facts[-1].fact.shown.plain())} if facts else {}
