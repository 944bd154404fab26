"""Recurrent layers: a cell, and a layer that applies it along the sequence in a loop.

Gates stand side by side in one matrix, so that a step is one product with the state; the products with the inputs do
not depend on the state and are taken for all steps at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import numpy as gnp
from .. import random
from ..errors import DTypeError, ShapeError
from ..loops import scan
from .initializers import glorot_uniform
from .linear import check_last_axis
from .module import Module, array_type


class Cell(Module):
    """A recurrent cell: `cell(x, state)` is the next state.

    The weights are [inputs, gates·hidden] and [hidden, gates·hidden].
    """

    input_weight: Any
    hidden_weight: Any
    bias: Any

    @property
    def hidden(self) -> int:
        """The size of the hidden state."""
        return self.hidden_weight.shape[0]

    def project(self, x: Any) -> Any:
        """The inputs' part of all gates: [..., inputs] to [..., gates·hidden]."""
        check_last_axis(type(self).__name__, x, self.input_weight.shape[0])
        return gnp.matmul(x, self.input_weight) + self.bias

    def initial(self, projected: Any) -> Any:
        """Zeros [N, hidden] for a batch of projected inputs [N, gates·hidden]."""
        return gnp.zeros_like(projected[:, : self.hidden])

    def step(self, projected: Any, state: Any) -> Any:
        """The next state from projected inputs [N, gates·hidden]."""
        raise NotImplementedError

    def output(self, state: Any) -> Any:
        """What the layer shows of a state: the hidden state h [N, hidden]."""
        return state

    def __call__(self, x: Any, state: Any) -> Any:
        return self.step(self.project(x), state)


def _weights(gates: int, inputs: int, hidden: int, key: Any, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """The two matrices: each gate by Glorot and Bengio's rule."""
    first, second = random.split(random.as_key(key))
    return (
        glorot_uniform(first, (inputs, gates * hidden), inputs, hidden, dtype),
        glorot_uniform(second, (hidden, gates * hidden), hidden, hidden, dtype),
    )


class RNNCell(Cell):
    """h' = tanh(x W + h U + b). J. Elman, "Finding Structure in Time", 1990."""

    @classmethod
    def create(cls, inputs: int, hidden: int, *, key: Any, dtype: Any = "float32") -> RNNCell:
        """Weights by Glorot and Bengio's rule, the bias zero."""
        return cls(*_weights(1, inputs, hidden, key, dtype), np.zeros(hidden, dtype))

    def step(self, projected: Any, state: Any) -> Any:
        return gnp.tanh(projected + gnp.matmul(state, self.hidden_weight))


class LSTMCell(Cell):
    """Long short-term memory; the state is (h, c), the gates stand in the order input, forget, cell, output.

    c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c').
    S. Hochreiter, J. Schmidhuber, 1997; the forget gate: F. Gers, J. Schmidhuber, F. Cummins, 2000.
    """

    @classmethod
    def create(
        cls, inputs: int, hidden: int, *, key: Any, forget_bias: float = 1.0, dtype: Any = "float32"
    ) -> LSTMCell:
        """The forget gate starts open. R. Jozefowicz, W. Zaremba, I. Sutskever, 2015, section 2.2."""
        bias = np.zeros(4 * hidden, dtype)
        bias[hidden : 2 * hidden] = forget_bias
        return cls(*_weights(4, inputs, hidden, key, dtype), bias)

    def initial(self, projected: Any) -> Any:
        zeros = super().initial(projected)
        return zeros, zeros

    def step(self, projected: Any, state: Any) -> Any:
        hidden, memory = state
        gates = projected + gnp.matmul(hidden, self.hidden_weight)
        write, keep, candidate, show = gnp.split(gates, 4, -1)
        memory = gnp.sigmoid(keep) * memory + gnp.sigmoid(write) * gnp.tanh(candidate)
        return gnp.sigmoid(show) * gnp.tanh(memory), memory

    def output(self, state: Any) -> Any:
        return state[0]


class GRUCell(Cell):
    """Gated recurrent unit; gates in the order reset, update, candidate.

    h' = (1 - z) n + z h with n = tanh(x W_n + b_n + r (h U_n + c_n)), r and z sigmoids.
    K. Cho et al., 2014, in the form with the reset gate after the product, which one matrix product allows.
    """

    hidden_bias: Any = None

    @classmethod
    def create(cls, inputs: int, hidden: int, *, key: Any, dtype: Any = "float32") -> GRUCell:
        """Weights by Glorot and Bengio's rule, both biases zero."""
        return cls(*_weights(3, inputs, hidden, key, dtype), np.zeros(3 * hidden, dtype), np.zeros(hidden, dtype))

    def step(self, projected: Any, state: Any) -> Any:
        reset_input, update_input, candidate_input = gnp.split(projected, 3, -1)
        reset_state, update_state, candidate_state = gnp.split(gnp.matmul(state, self.hidden_weight), 3, -1)
        reset = gnp.sigmoid(reset_input + reset_state)
        update = gnp.sigmoid(update_input + update_state)
        candidate = gnp.tanh(candidate_input + reset * (candidate_state + self.hidden_bias))
        return candidate + update * (state - candidate)


class Recurrent(Module):
    """A cell along a sequence: x [N, T, inputs] to (outputs [N, T, hidden], final state).

    T may be a named size: the steps are a loop (`gx.scan`), of which `unroll` are written out in each turn. With
    `lengths`, integers [N], the state of a sequence stays as it is after its end, so the final state is that of the
    last step that counts.
    """

    cell: Cell

    def __call__(self, x: Any, lengths: Any = None, initial: Any = None, unroll: int = 1) -> tuple[Any, Any]:
        _check_sequence(type(self).__name__, x, lengths)
        projected = gnp.moveaxis(self.cell.project(x), 1, 0)
        state = self.cell.initial(projected[0]) if initial is None else initial

        def step(state: Any, now: Any) -> tuple[Any, Any]:
            entry, time = now
            following = self.cell.step(entry, state)
            state = following if lengths is None else _hold(gnp.greater(lengths, time), following, state)
            return state, self.cell.output(state)

        times = gnp.positions_like(projected[:, 0, 0], 0)
        state, outputs = scan(step, state, (projected, times), unroll=unroll)
        return gnp.moveaxis(outputs, 0, 1), state


def _hold(running: Any, following: Any, state: Any) -> Any:
    """`following` for sequences that are still running [N], else `state`; either is an array or a tuple of them."""
    if isinstance(state, tuple):
        return tuple(_hold(running, new, old) for new, old in zip(following, state))
    return gnp.where(gnp.expand_dims(running, 1), following, state)


def _check_sequence(layer: str, x: Any, lengths: Any) -> None:
    shape = array_type(x).shape
    if len(shape) != 3 or shape[1] == 0:
        raise ShapeError(f"{layer} takes [N, steps, inputs] with at least one step, not {array_type(x)}.")
    if lengths is None:
        return
    if not array_type(lengths).is_integer:
        raise DTypeError(f"{layer} takes integer lengths, not {array_type(lengths)}.")
    if array_type(lengths).shape != shape[:1]:
        raise ShapeError(f"{layer} takes one length for each of {shape[0]} sequences, not {array_type(lengths)}.")


class RNN(Recurrent):
    """An Elman network along a sequence; see `Recurrent` and `RNNCell`."""

    @classmethod
    def create(cls, inputs: int, hidden: int, *, key: Any, dtype: Any = "float32") -> RNN:
        return cls(RNNCell.create(inputs, hidden, key=key, dtype=dtype))


class LSTM(Recurrent):
    """A long short-term memory along a sequence; see `Recurrent` and `LSTMCell`."""

    @classmethod
    def create(cls, inputs: int, hidden: int, *, key: Any, dtype: Any = "float32") -> LSTM:
        return cls(LSTMCell.create(inputs, hidden, key=key, dtype=dtype))


class GRU(Recurrent):
    """A gated recurrent unit along a sequence; see `Recurrent` and `GRUCell`."""

    @classmethod
    def create(cls, inputs: int, hidden: int, *, key: Any, dtype: Any = "float32") -> GRU:
        return cls(GRUCell.create(inputs, hidden, key=key, dtype=dtype))
