"""Networks over graphs: convolution and attention on Cora's citations, message passing over molecules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ... import nn, sparse
from ... import numpy as gnp
from ..workload import Arrays, Goal, Problem, Workload
from .sources import Citations, citations, molecules


def grouped(data: Any, of: str) -> sparse.Groups:
    """The groups of a data set's entries."""
    return sparse.Groups(data[of], data[f"{of}_starts"], data[f"{of}_order"])


def matrix_of(data: Any, of: str) -> sparse.Matrix:
    """A sparse matrix with a row for each target."""
    target = sparse.Groups(data[f"{of}_target"], data[f"{of}_target_starts"])
    source = replace(grouped(data, f"{of}_source"), across=data[f"{of}_source_across"])
    return sparse.Matrix(data[f"{of}_weight"], target, source)


def known_nodes(logits: Any, data: Any) -> Any:
    """Cross-entropy over the nodes whose labels are given."""
    return nn.softmax_cross_entropy(gnp.take(logits, data["known"], 0), data["labels"])


def by_target(source: np.ndarray, target: np.ndarray, sources: int, targets: int, of: str) -> Arrays:
    """Edges in the order of their targets, as a matrix in CSR form has them; and what else our own sparse matrices hold
    (the peers make theirs of the edges)."""
    from_source, to_target = sparse.groups(source, sources), sparse.groups(target, targets)
    order = np.arange(len(source), dtype="int32") if from_source.members is None else from_source.members
    return {
        f"{of}_source": from_source.of,
        f"{of}_source_starts": from_source.starts,
        f"{of}_source_order": order,
        f"{of}_source_across": to_target.of[order],
        f"{of}_target": to_target.of,
        f"{of}_target_starts": to_target.starts,
    }


def weighted(source: np.ndarray, target: np.ndarray, weight: np.ndarray, sources: int, targets: int, of: str) -> Arrays:
    """The same with a weight for each edge."""
    order = np.lexsort((source, target))
    edges = by_target(source[order], target[order], sources, targets, of)
    return {**edges, f"{of}_weight": weight[order].astype("float32")}


# convolution ---------------------------------------------------------------------------------------------------------


class Convolutions(nn.Module):
    """Two graph convolutions with a ReLU between them (T. Kipf, M. Welling, 2017)."""

    first: nn.GraphConvolution
    second: nn.GraphConvolution

    def __call__(self, features: Any, graph: Any) -> Any:
        return self.second(nn.relu(self.first(features, graph)), graph)


def convolve(model: Any, data: Any) -> Any:
    """Logits of all nodes, from a dense matrix of features or from a sparse one."""
    features = data["features"] if "features" in data else matrix_of(data, "feature")
    return model(features, matrix_of(data, "edge"))


def convolution_loss(model: Any, data: Any) -> Any:
    return known_nodes(convolve(model, data), data)


def _graph(cora: Citations) -> Arrays:
    count = len(cora.features)
    edges = nn.normalized_edges(cora.source, cora.target, count)
    return {
        **weighted(np.asarray(edges.source), np.asarray(edges.target), np.asarray(edges.weight), count, count, "edge"),
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
    shape = cora.features.shape
    features = weighted(columns, rows, cora.features[rows, columns], shape[1], shape[0], "feature")
    data = {**_graph(cora), **features, "nodes": np.zeros(shape[0], "int32"), "words": np.asarray(shape[1], "int32")}
    return Problem(_convolutions(cora, hidden), data, convolution_loss, convolve, note=cora.note)


# attention -----------------------------------------------------------------------------------------------------------


class Attentions(nn.Module):
    """Eight heads of size eight, ELU, then one head for the classes (P. Veličković et al., 2018, section 3.3)."""

    first: nn.GraphAttention
    second: nn.GraphAttention

    def __call__(self, features: Any, graph: sparse.Matrix) -> Any:
        return self.second(nn.elu(self.first(features, graph)), graph)


def attend(model: Any, data: Any) -> Any:
    """Logits of all nodes."""
    return model(data["features"], matrix_of(data, "edge"))


def attention_loss(model: Any, data: Any) -> Any:
    return known_nodes(attend(model, data), data)


def make_attention(generator: np.random.Generator, heads: int, size: int, **sizes: int) -> Problem:
    cora = citations(generator, **sizes)
    data = {**_graph(cora), "features": cora.features}
    model = Attentions(
        nn.GraphAttention.create(cora.features.shape[1], heads, size, key=0),
        nn.GraphAttention.create(heads * size, 1, 7, key=1),
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

    def __call__(self, atoms: Any, source: sparse.Groups, target: sparse.Groups, molecule: sparse.Groups) -> Any:
        state = self.embedding(atoms)
        for _ in range(self.rounds):
            sent = sparse.group_take(nn.relu(self.message(state)), source)
            state = self.cell(sparse.group_sum(sent, target), state)
        return self.output(nn.relu(self.hidden(sparse.group_sum(state, molecule))))


def pass_messages(model: Any, data: Any) -> Any:
    """Logits of all molecules."""
    target, molecule = (sparse.Groups(data[of], data[f"{of}_starts"]) for of in ("bond_target", "molecule"))
    return model(data["atoms"], grouped(data, "bond_source"), target, molecule)


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
        order = np.lexsort((source, target))
        molecule_of = sparse.groups(np.repeat(np.arange(count), sizes), count)
        return {
            "atoms": np.concatenate([molecule.atoms for molecule in chosen]).astype("int32"),
            **by_target(source[order], target[order], sum(sizes), sum(sizes), "bond"),
            "molecule": molecule_of.of,
            "molecule_starts": molecule_of.starts,
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
