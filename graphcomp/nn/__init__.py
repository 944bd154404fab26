"""Layers and losses: frozen dataclasses and functions, all compositions of `graphcomp.numpy`.

    model = nn.Sequential(nn.Conv2d.create(1, 8, 3, key=0), nn.relu, nn.flatten, nn.Linear.create(288, 10, key=1))
    loss = nn.softmax_cross_entropy(model(images), labels)

A model is a container of its parameters: `gx.grad`, `gx.jit` and optimizers take it as it is.
"""

from .attention import MultiHeadAttention, TransformerBlock, causal_mask, dot_product_attention
from .convolution import Conv1d, Conv2d, TransposedConv1d, TransposedConv2d
from .functional import (
    dropout,
    elu,
    flatten,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .graph_network import Edges, GraphAttention, GraphConvolution, normalized_adjacency, normalized_edges
from .initializers import glorot_uniform, he_normal
from .linear import Embedding, Linear
from .loss import (
    binary_cross_entropy_with_logits,
    huber,
    mean_absolute_error,
    mean_squared_error,
    softmax_cross_entropy,
)
from .module import Module, in_scope
from .normalization import BatchNorm, LayerNorm
from .pooling import AveragePool1d, AveragePool2d, MaxPool1d, MaxPool2d, global_average_pool
from .recurrent import GRU, LSTM, RNN, Cell, GRUCell, LSTMCell, Recurrent, RNNCell
from .sequential import Dropout, Sequential

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "AveragePool1d",
    "AveragePool2d",
    "BatchNorm",
    "Cell",
    "Conv1d",
    "Conv2d",
    "Dropout",
    "Edges",
    "Embedding",
    "GRUCell",
    "GraphAttention",
    "GraphConvolution",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "MultiHeadAttention",
    "RNNCell",
    "Recurrent",
    "Sequential",
    "TransformerBlock",
    "TransposedConv1d",
    "TransposedConv2d",
    "binary_cross_entropy_with_logits",
    "causal_mask",
    "dot_product_attention",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "global_average_pool",
    "glorot_uniform",
    "he_normal",
    "huber",
    "in_scope",
    "leaky_relu",
    "log_softmax",
    "mean_absolute_error",
    "mean_squared_error",
    "normalized_adjacency",
    "normalized_edges",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "tanh",
]
