"""Layers over graphs: convolution (T. Kipf, M. Welling, "Semi-Supervised Classification with Graph Convolutional
Networks", 2017) and attention (P. Veličković et al., "Graph Attention Networks", 2018)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import numpy as gnp
from .. import random, sparse
from ..errors import InputError, ShapeError
from .functional import leaky_relu
from .initializers import glorot_uniform
from .linear import check_last_axis
from .module import Module, array_type


class Edges(NamedTuple):
    """A graph as a list: the edge k leads from node source[k] to node target[k] with a weight. Integers, integers,
    floats, [E] each."""

    source: Any
    target: Any
    weight: Any

    def matrix(self, nodes: int) -> sparse.Matrix:
        """The same graph as a sparse matrix [nodes, nodes], with a row for each target: prepared once, products with it
        and their derivatives are faster than with the list."""
        return sparse.coo(self.weight, self.target, self.source, (nodes, nodes))


def normalized_adjacency(adjacency: Any, dtype: Any = "float32") -> np.ndarray:
    """D^(-1/2) (A + I) D^(-1/2) with the degrees D of A + I, [N, N] (Kipf and Welling, eq. 8)."""
    matrix = np.asarray(adjacency, "float64")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"an adjacency matrix is square, not {matrix.shape}.")
    looped = matrix + np.eye(len(matrix))
    scale = 1 / np.sqrt(looped.sum(1))
    return (scale[:, None] * looped * scale[None, :]).astype(dtype)


def normalized_edges(source: Any, target: Any, nodes: int, dtype: Any = "float32") -> Edges:
    """The same normalisation for an edge list that holds each direction; loops are added."""
    source, target = np.asarray(source), np.asarray(target)
    for name, ends in (("source", source), ("target", target)):
        if ends.dtype.kind not in "iu" or ends.ndim != 1 or len(source) != len(target):
            raise InputError("edges are two integer arrays of one length.")
        if len(ends) and not 0 <= ends.min() <= ends.max() < nodes:
            raise InputError(f"the {name} of an edge is outside 0 … {nodes - 1}.")
    loops = np.arange(nodes)
    source, target = np.concatenate([source, loops]), np.concatenate([target, loops])
    scale = 1 / np.sqrt(np.bincount(target, minlength=nodes))
    return Edges(source, target, (scale[source] * scale[target]).astype(dtype))


class GraphConvolution(Module):
    """Â x W + b: features [N, inputs] of N nodes to [N, outputs] (Kipf and Welling, eq. 2, without its nonlinearity).

    The graph is a normalised adjacency matrix [N, N], dense or sparse, or `Edges`; the features may be a sparse matrix.
    """

    weight: Any
    bias: Any = None

    @classmethod
    def create(
        cls, inputs: int, outputs: int, *, key: Any, bias: bool = True, dtype: Any = "float32"
    ) -> GraphConvolution:
        """Weights by Glorot and Bengio's rule, the bias zero."""
        weight = glorot_uniform(key, (inputs, outputs), inputs, outputs, dtype)
        return cls(weight, np.zeros(outputs, dtype) if bias else None)

    def __call__(self, x: Any, graph: Any) -> Any:
        if isinstance(x, sparse.Matrix):
            nodes, messages = x.shape[0], x @ self.weight
        else:
            check_last_axis("GraphConvolution", x, self.weight.shape[0])
            nodes, messages = array_type(x).shape[0], gnp.matmul(x, self.weight)
        if isinstance(graph, Edges):
            sent = gnp.take(messages, graph.source, 0) * gnp.expand_dims(graph.weight, 1)
            received = gnp.scatter_add(sent, graph.target, nodes)
        else:
            is_sparse = isinstance(graph, sparse.Matrix)
            if (graph if is_sparse else array_type(graph)).shape != (nodes, nodes):
                shown = graph if is_sparse else array_type(graph)
                raise ShapeError(f"an adjacency of {nodes} nodes is [{nodes}, {nodes}], not {shown}.")
            received = graph @ messages if is_sparse else gnp.matmul(graph, messages)
        return received if self.bias is None else received + self.bias


class GraphAttention(Module):
    """Each node attends to its neighbours: features [N, inputs] to [N, heads·size], the heads side by side (Veličković
    et al., eq. 1 to 5, without the nonlinearity). W is [inputs, heads·size], the two halves of the paper's a, of what
    sends and of what receives, are [heads, size] each.

    The graph is a sparse matrix with a row for each node and its neighbours in it, itself among them; its values do not
    matter. A node without neighbours gets the bias.
    """

    weight: Any
    source: Any
    target: Any
    bias: Any
    heads: int

    @classmethod
    def create(cls, inputs: int, heads: int, size: int, *, key: Any, dtype: Any = "float32") -> GraphAttention:
        """Weights by Glorot and Bengio's rule, the bias zero."""
        first, second, third = random.split(random.as_key(key), 3)
        return cls(
            glorot_uniform(first, (inputs, heads * size), inputs, heads * size, dtype),
            glorot_uniform(second, (heads, size), size, 1, dtype),
            glorot_uniform(third, (heads, size), size, 1, dtype),
            np.zeros(heads * size, dtype),
            heads,
        )

    def __call__(self, x: Any, graph: sparse.Matrix) -> Any:
        if not isinstance(x, sparse.Matrix):
            check_last_axis("GraphAttention", x, self.weight.shape[0])
        nodes = x.shape[0]
        if graph.shape != (nodes, nodes):
            raise ShapeError(f"a graph of {nodes} nodes is [{nodes}, {nodes}], not {graph}.")
        hidden = gnp.reshape(x @ self.weight, (nodes, self.heads, -1))
        sent, received = gnp.sum(hidden * self.source, -1), gnp.sum(hidden * self.target, -1)
        scores = sparse.group_take(sent, graph.columns) + sparse.group_take(received, graph.rows)
        shares = sparse.group_softmax(leaky_relu(scores, 0.2), graph.rows)
        mixed = sparse.group_sum(sparse.group_take(hidden, graph.columns) * gnp.expand_dims(shares, 2), graph.rows)
        return gnp.reshape(mixed, (nodes, -1)) + self.bias
