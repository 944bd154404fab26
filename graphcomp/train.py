"""Training: one traced and compiled step, a loop over batches with a progress bar, and weights in files.

    result = train.fit(model, nn.softmax_cross_entropy, data.train, optim.adam(2e-3), epochs=10, batch_size=64)
    print(train.accuracy(result.model, *data.test))

The step `(model, state, batch) → (model, state, loss)` holds the forward pass, its derivative and the update.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from . import random
from .data import batches, check_count
from .errors import DataError, InputError
from .files import write_whole
from .graph import TensorType
from .jit import jit
from .nn.normalization import BatchNorm, batch_statistics, map_batch_norms
from .optim import Optimizer
from .trace.tracer import spec, type_of
from .trace.tree import flatten, leaves, tree_map
from .transform import value_and_grad

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Training:
    """What `fit` returns: the trained model (NumPy arrays), each step's loss, and how long the steps took.

    `first_step_seconds` is the first step with tracing and compiling; `seconds` all others.
    """

    model: Any
    losses: np.ndarray
    first_step_seconds: float
    seconds: float

    @property
    def steps_per_second(self) -> float:
        return (len(self.losses) - 1) / self.seconds if self.seconds > 0 else float("nan")


def train_step(loss: Loss, optimizer: Optimizer) -> Callable[..., tuple[Any, Any, Any]]:
    """The function `(model, state, batch) → (model, state, loss)` that `fit` compiles.

    A batch is a tuple whose last entry is the target; the others are the model's arguments, so the loss minimised is
    `loss(model(*inputs), target)`. A fourth argument is passed to the model as its random `key`.
    """

    def step(model: Any, state: Any, batch: tuple[Any, ...], key: Any = None) -> tuple[Any, Any, Any]:
        *inputs, target = batch
        options = {} if key is None else {"key": key}
        value, gradients = value_and_grad(lambda candidate: loss(candidate(*inputs, **options), target))(model)
        model, state = optimizer.update(model, gradients, state)
        return model, state, value

    return step


def fit(
    model: Any,
    loss: Loss,
    data: Sequence[Any],
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int | None = None,
    keep_last: bool = False,
    seed: int = 0,
    progress: bool = True,
    target: str = "cpu",
) -> Training:
    """Train `model` to make `loss(model(*inputs), targets)` small, for `data` = (*inputs, targets).

    Each epoch takes the examples in a new order drawn from the seed. A last batch that would be short is left out, or
    with `keep_last` taken as well: the step is then compiled once for batches of any size. With `batch_size=None` all
    data are one batch, as they are. A model whose call takes a `key` gets a new one at each step.
    """
    check_count("training takes epochs", epochs)
    if len(data) < 2:
        raise InputError(f"data are the model's arguments, then the targets; {len(data)} arrays were given.")
    if batch_size is not None:
        check_count("a batch holds examples", batch_size)
    short = keep_last and batch_size is not None and len(data[0]) % batch_size > 0
    specs = (None, None, tuple(map(_any_count, data))) if short else None
    step = jit(train_step(loss, optimizer), target=target, donate=(0, 1), specs=specs)
    state = optimizer.init(model)
    takes_key = getattr(model, "takes_key", False)
    losses: list[Any] = []
    start = first = time.perf_counter()
    count = epochs * (1 if batch_size is None else len(data[0]) // batch_size + short)
    with _progress(progress, count) as advance:
        for number, batch in enumerate(_all_batches(data, batch_size, seed, epochs, short)):
            key = (random.fold_in(random.key(seed), number),) if takes_key else ()
            model, state, value = step(model, state, batch, *key)
            losses.append(value)
            if number == 0:
                value = float(value)
                first = time.perf_counter()
            advance(value)
        values = np.array([float(value) for value in losses])
    return Training(tree_map(np.asarray, model), values, first - start, time.perf_counter() - first)


def _any_count(array: Any) -> TensorType:
    """The type of any number of an array's examples."""
    array = np.asarray(array)
    return spec(("batch", *array.shape[1:]), array.dtype)


def _all_batches(
    data: Sequence[Any], size: int | None, seed: int, epochs: int, keep_last: bool
) -> Iterator[tuple[Any, ...]]:
    for epoch in range(epochs):
        if size is None:
            yield tuple(data)
        else:
            yield from batches(data, size, seed + 2**32 * epoch, keep_last)


class _progress:
    """A progress bar over steps that shows the loss; `advance(loss)` moves it. Nothing is printed unless `shown`."""

    def __init__(self, shown: bool, count: int) -> None:
        words = TextColumn("training"), TextColumn("{task.description}")
        self.bar = Progress(
            words[0], BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), words[1], disable=not shown
        )
        self.task = self.bar.add_task("", total=count)
        self.steps = 0
        self.shown = 0.0

    def __enter__(self) -> Callable[[Any], None]:
        self.bar.start()
        return self.advance

    def advance(self, loss: Any) -> None:
        """Redraw ten times a second at most; reading the loss each step would cost more than it tells."""
        self.steps += 1
        now = time.perf_counter()
        if now - self.shown > 0.1 or self.steps == self.bar.tasks[0].total:
            self.shown = now
            self.bar.update(self.task, completed=self.steps, description=f"loss {float(loss):.4f}")

    def __exit__(self, *error: Any) -> None:
        self.bar.stop()


# predictions ---------------------------------------------------------------------------------------------------------


def _call(model: Any, *inputs: Any) -> Any:
    return model(*inputs)


@functools.cache
def _compiled_call(target: str) -> Callable[..., Any]:
    return jit(_call, target=target)


def predict(model: Any, *inputs: Any, target: str = "cpu") -> Any:
    """`model(*inputs)` through the compiler, as NumPy arrays."""
    return tree_map(np.asarray, _compiled_call(target)(model, *inputs))


def accuracy(model: Any, *data: Any, target: str = "cpu") -> float:
    """The part of the examples whose largest output is their label, for data = (*inputs, integer labels)."""
    if len(data) < 2 or not len(data[-1]):
        raise InputError("accuracy takes the model's arguments, then the labels of at least one example.")
    *inputs, labels = data
    scores = predict(model, *inputs, target=target)
    labels = np.asarray(labels)
    if scores.shape[:-1] != labels.shape:
        raise InputError(f"accuracy takes outputs [..., C] and labels [...], not {scores.shape} and {labels.shape}.")
    return float(np.mean(scores.argmax(-1) == labels))


# batch normalisation -------------------------------------------------------------------------------------------------


def with_population_statistics(model: Any, batches: Iterable[tuple[Any, ...]], target: str = "cpu") -> Any:
    """`model` with every `nn.BatchNorm` holding averages over `batches`, for prediction.

    A batch is a tuple of the model's arguments: `with_population_statistics(model, data.batches((images,), 64))`. It
    stands at the end of training, because a model that holds statistics no longer takes those of its batch.
    S. Ioffe, C. Szegedy, "Batch Normalization", 2015, algorithm 2.
    """
    bare = map_batch_norms(lambda layer: dataclasses.replace(layer, mean=None, variance=None), model)
    step = jit(batch_statistics, target=target)
    found = [[np.asarray(pair) for pair in step(bare, *batch)] for batch in batches]
    if not found or not found[0]:
        raise InputError("there is nothing to measure: the model has no BatchNorm, or there is no batch.")
    averages = iter([np.mean(pairs, 0) for pairs in zip(*found)])

    def hold(layer: BatchNorm) -> BatchNorm:
        mean, variance = next(averages)
        return dataclasses.replace(layer, mean=mean, variance=variance)

    return map_batch_norms(hold, bare)


# weights in files ----------------------------------------------------------------------------------------------------


def save_weights(path: str | os.PathLike[str], model: Any) -> None:
    """Write the arrays of a model (or any container) to a safetensors file, under the names of their fields.

    The file appears complete or not at all.
    """
    arrays, structure = flatten(model)
    named = {name: np.ascontiguousarray(array) for name, array in zip(structure.paths(), arrays)}
    try:
        write_whole(Path(path), save(named))
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the weights cannot be written to {path}: {reason}.") from None


def load_weights(path: str | os.PathLike[str], model: Any) -> Any:
    """`model` with its arrays replaced by those of a safetensors file; names, shapes and dtypes must agree."""
    try:
        named = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"the weights cannot be read from {path}: {error}.") from None
    names = flatten(model)[1].paths()
    missing, unknown = sorted(set(names) - set(named)), sorted(set(named) - set(names))
    if missing or unknown:
        difference = f"it lacks `{missing[0]}`" if missing else f"the model has no `{unknown[0]}`"
        raise DataError(f"{path} holds the weights of another model: {difference}.")
    for name, array in zip(names, leaves(model)):
        found, wanted = named[name], np.asarray(array)
        if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            raise DataError(f"{path}: `{name}` is {type_of(found)}, but the model has {type_of(wanted)}.")
    return flatten(model)[1].unflatten([named[name] for name in names])
