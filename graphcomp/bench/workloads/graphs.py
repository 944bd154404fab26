"""Networks over graphs: convolution and attention on Cora's citations, message passing over molecules."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import nn
from ... import numpy as gnp
from ..workload import Arrays, Goal, Problem, Workload
from .sources import Citations, citations, molecules


def gathered(messages: Any, data: Any, of: str, count: int) -> Any:
    """For each of `count` targets the weighted sum of what its sources send: a sparse matrix times `messages`."""
    sent = gnp.take(messages, data[f"{of}_source"], 0) * gnp.expand_dims(data[f"{of}_weight"], 1)
    return gnp.scatter_add(sent, data[f"{of}_target"], count)


def known_nodes(logits: Any, data: Any) -> Any:
    """Cross-entropy over the nodes whose labels are given."""
    return nn.softmax_cross_entropy(gnp.take(logits, data["known"], 0), data["labels"])


def by_target(source: np.ndarray, target: np.ndarray, weight: np.ndarray | None, of: str) -> Arrays:
    """Edges in the order of their targets, as a matrix in CSR form has them."""
    order = np.lexsort((source, target))
    found = {f"{of}_source": source[order].astype("int32"), f"{of}_target": target[order].astype("int32")}
    return found if weight is None else {**found, f"{of}_weight": weight[order].astype("float32")}


# convolution ---------------------------------------------------------------------------------------------------------


class Convolutions(nn.Module):
    """Two graph convolutions with a ReLU between them (T. Kipf, M. Welling, 2017)."""

    first: nn.GraphConvolution
    second: nn.GraphConvolution

    def __call__(self, features: Any, edges: nn.Edges) -> Any:
        return self.second(nn.relu(self.first(features, edges)), edges)


def convolve(model: Any, data: Any) -> Any:
    """Logits of all nodes, from a dense matrix of features."""
    edges = nn.Edges(data["edge_source"], data["edge_target"], data["edge_weight"])
    return model(data["features"], edges)


def convolve_sparse(model: Any, data: Any) -> Any:
    """The same, from the features that are not zero: a paper gathers the rows of the weight that its words name."""
    count = data["nodes"].shape[0]
    hidden = gathered(gathered(model.first.weight, data, "feature", count), data, "edge", count)
    hidden = nn.relu(hidden + model.first.bias)
    return gathered(hidden @ model.second.weight, data, "edge", count) + model.second.bias


def convolution_loss(model: Any, data: Any) -> Any:
    return known_nodes(convolve(model, data), data)


def sparse_convolution_loss(model: Any, data: Any) -> Any:
    return known_nodes(convolve_sparse(model, data), data)


def _graph(cora: Citations) -> Arrays:
    edges = nn.normalized_edges(cora.source, cora.target, len(cora.features))
    return {
        **by_target(np.asarray(edges.source), np.asarray(edges.target), np.asarray(edges.weight), "edge"),
        "known": cora.known.astype("int32"),
        "labels": cora.labels[cora.known].astype("int32"),
    }


def _convolutions(cora: Citations, hidden: int) -> Convolutions:
    return Convolutions(
        nn.GraphConvolution.create(cora.features.shape[1], hidden, key=0), nn.GraphConvolution.create(hidden, 7, key=1)
    )


def make_dense(generator: np.random.Generator, hidden: int, **sizes: int) -> Problem:
    cora = citations(generator, **sizes)
    data = {**_graph(cora), "features": cora.features}
    return Problem(_convolutions(cora, hidden), data, convolution_loss, convolve, note=cora.note)


def make_sparse(generator: np.random.Generator, hidden: int, **sizes: int) -> Problem:
    cora = citations(generator, **sizes)
    rows, columns = np.nonzero(cora.features)
    features = by_target(columns, rows, cora.features[rows, columns], "feature")
    shape = cora.features.shape
    data = {**_graph(cora), **features, "nodes": np.zeros(shape[0], "int32"), "words": np.asarray(shape[1], "int32")}
    return Problem(_convolutions(cora, hidden), data, sparse_convolution_loss, convolve_sparse, note=cora.note)


# attention -----------------------------------------------------------------------------------------------------------


class GraphAttention(nn.Module):
    """[N, inputs] to [N, heads·size]: a node attends to its neighbours (P. Veličković et al., 2018, eq. 1 to 5)."""

    weight: Any
    source: Any
    target: Any
    bias: Any
    heads: int

    @classmethod
    def create(cls, inputs: int, heads: int, size: int, *, key: int) -> GraphAttention:
        generator = np.random.default_rng(key)

        def drawn(*shape: int) -> np.ndarray:
            return generator.normal(0, (2 / sum(shape)) ** 0.5, shape).astype("float32")

        return cls(
            drawn(inputs, heads * size),
            drawn(heads, size),
            drawn(heads, size),
            np.zeros(heads * size, "float32"),
            heads,
        )

    def __call__(self, x: Any, source: Any, target: Any) -> Any:
        count = x.shape[0]
        h = gnp.reshape(x @ self.weight, (count, self.heads, -1))
        from_source, to_target = gnp.sum(h * self.source, -1), gnp.sum(h * self.target, -1)
        scores = nn.leaky_relu(gnp.take(from_source, source, 0) + gnp.take(to_target, target, 0), 0.2)
        weights = gnp.exp(scores - gnp.stop_gradient(gnp.max(scores, 0)))
        total = gnp.scatter_add(weights, target, count)
        mixed = gnp.scatter_add(gnp.take(h, source, 0) * gnp.expand_dims(weights, 2), target, count)
        return gnp.reshape(mixed / gnp.expand_dims(total, 2), (count, -1)) + self.bias


class Attentions(nn.Module):
    """Eight heads of size eight, ELU, then one head for the classes (section 3.3)."""

    first: GraphAttention
    second: GraphAttention

    def __call__(self, features: Any, source: Any, target: Any) -> Any:
        return self.second(nn.elu(self.first(features, source, target)), source, target)


def attend(model: Any, data: Any) -> Any:
    """Logits of all nodes."""
    return model(data["features"], data["edge_source"], data["edge_target"])


def attention_loss(model: Any, data: Any) -> Any:
    return known_nodes(attend(model, data), data)


def make_attention(generator: np.random.Generator, heads: int, size: int, **sizes: int) -> Problem:
    cora = citations(generator, **sizes)
    data = {name: array for name, array in _graph(cora).items() if name != "edge_weight"}
    data["features"] = cora.features
    model = Attentions(
        GraphAttention.create(cora.features.shape[1], heads, size, key=0),
        GraphAttention.create(heads * size, 1, 7, key=1),
    )
    return Problem(model, data, attention_loss, attend, settings={"heads": heads}, note=cora.note)


# molecules -----------------------------------------------------------------------------------------------------------


class MessagePassing(nn.Module):
    """Atoms tell their neighbours what they are, some rounds long; a molecule is the sum of its atoms.

    Y. Li et al., "Gated Graph Sequence Neural Networks", 2016; J. Gilmer et al., 2017, section 2.
    """

    embedding: nn.Embedding
    message: nn.Linear
    cell: nn.GRUCell
    hidden: nn.Linear
    output: nn.Linear
    rounds: int

    def __call__(self, atoms: Any, source: Any, target: Any, molecule: Any, count: int) -> Any:
        state = self.embedding(atoms)
        for _ in range(self.rounds):
            sent = gnp.take(nn.relu(self.message(state)), source, 0)
            state = self.cell(gnp.scatter_add(sent, target, atoms.shape[0]), state)
        return self.output(nn.relu(self.hidden(gnp.scatter_add(state, molecule, count))))


def pass_messages(model: Any, data: Any) -> Any:
    """Logits of all molecules."""
    bonds = data["bond_source"], data["bond_target"]
    return model(data["atoms"], *bonds, data["molecule"], data["molecules"].shape[0])


def molecule_loss(model: Any, data: Any) -> Any:
    return nn.softmax_cross_entropy(pass_messages(model, data), data["labels"])


def make_molecules(generator: np.random.Generator, batch: int, hidden: int, rounds: int) -> Problem:
    found, kinds, note = molecules(generator, batch)
    model = MessagePassing(
        nn.Embedding.create(kinds, hidden, key=0),
        nn.Linear.create(hidden, hidden, key=1),
        nn.GRUCell.create(hidden, hidden, key=2),
        nn.Linear.create(hidden, hidden, key=3),
        nn.Linear.create(hidden, 2, key=4),
        rounds,
    )

    def joined(count: int) -> Arrays:
        """The first molecules as one graph."""
        chosen = found[:count]
        sizes = [len(molecule.atoms) for molecule in chosen]
        starts = np.cumsum([0, *sizes[:-1]])
        source, target = (
            np.concatenate([start + getattr(molecule, end) for start, molecule in zip(starts, chosen)])
            for end in ("source", "target")
        )
        return {
            "atoms": np.concatenate([molecule.atoms for molecule in chosen]).astype("int32"),
            **by_target(source, target, None, "bond"),
            "molecule": np.repeat(np.arange(count), sizes).astype("int32"),
            "molecules": np.zeros(count, "int32"),
        }

    labels = np.array([molecule.label for molecule in found], "int32")
    data = {**joined(batch), "labels": labels}
    settings = {"rounds": rounds}
    return Problem(model, data, molecule_loss, pass_messages, single=joined(1), settings=settings, note=note)


INFERENCE = Goal(0.75, 0.35)
CORA = {"nodes": 2708, "words": 1433, "links": 5278}
SMALL_CORA = {"nodes": 30, "words": 11, "links": 40}
WORKLOADS = (
    Workload(
        name="gcn-sparse",
        title="GCN on Cora, sparse features",
        make=make_sparse,
        sizes={"hidden": 16, **CORA},
        small={"hidden": 4, **SMALL_CORA},
        tasks={"sgd": Goal(0.25, 0.08), "adam": Goal(0.25, 0.08), "infer": INFERENCE},
    ),
    Workload(
        name="gcn-dense",
        title="GCN on Cora, dense features",
        make=make_dense,
        sizes={"hidden": 16, **CORA},
        small={"hidden": 4, **SMALL_CORA},
        tasks={"sgd": Goal(0.60, 0.35), "adam": Goal(0.60, 0.35), "infer": INFERENCE},
    ),
    Workload(
        name="gat",
        title="GAT on Cora, 8 heads of size 8",
        make=make_attention,
        sizes={"heads": 8, "size": 8, **CORA},
        small={"heads": 2, "size": 3, **SMALL_CORA},
        tasks={"sgd": Goal(0.40, 0.15), "adam": Goal(0.40, 0.15), "infer": INFERENCE},
    ),
    Workload(
        name="molecules",
        title="message passing over 64 molecules of differing size, 4 rounds, width 64",
        make=make_molecules,
        sizes={"batch": 64, "hidden": 64, "rounds": 4},
        small={"batch": 6, "hidden": 5, "rounds": 2},
        tasks={"sgd": Goal(0.60, 0.25), "adam": Goal(0.60, 0.25), "infer": INFERENCE},
    ),
)
