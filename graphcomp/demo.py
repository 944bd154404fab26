"""`graphcomp demo`: the lecture's example step by step, then a convolutional network trained on handwritten digits.

Both go through the same functions: trace, derive, simplify, schedule, emit.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import get_args

from . import nn, optim, train
from .data import digits
from .errors import InputError
from .gradcheck import check_grads
from .render import explain
from .render.story import Mode
from .storage import cache_folder
from .trace import trace
from .transform import as_function

FORMULA = "w3 = x1*x2; w4 = sin(x1); z = w3 + w4"
AT = {"x1": 2.0, "x2": 3.0}
EPOCHS = 25
WANTED = 0.98


def network() -> nn.Sequential:
    """Images [N, 1, 8, 8] to logits [N, 10]."""
    return nn.Sequential(
        nn.Conv2d.create(1, 32, 3, padding=1, key=0),
        nn.relu,
        nn.MaxPool2d(2),
        nn.Conv2d.create(32, 64, 3, padding=1, key=1),
        nn.relu,
        nn.MaxPool2d(2),
        nn.flatten,
        nn.Linear.create(256, 10, key=2),
    )


def run(output: Path, epochs: int = EPOCHS, colours: bool = False, width: int = 100) -> bool:
    """The whole demo; whether the gradients agree and the network is good enough."""
    start = time.perf_counter()
    if epochs < 1:
        raise InputError(f"the demo trains for at least one epoch, not {epochs}.")
    output.mkdir(parents=True, exist_ok=True)
    heading("1. The lecture's example: z = sin(x1) + x1*x2 at x1 = 2, x2 = 3")
    written = tell_example(output, colours, width)
    heading("2. Its derivatives against numerical ones")
    function = as_function(trace(FORMULA))
    function.__name__ = "z"
    report = check_grads(function, tuple(AT.values()), order=2)
    print(report)
    heading("3. The same functions train a network on 1,797 handwritten digits")
    accuracy, weights = train_digits(output, epochs)
    heading("Written")
    print(f"pictures   {output.resolve()}/: {', '.join(path.name for path in written)}")
    print(f"weights    {weights.resolve()}")
    print(f"code       {cache_folder()} (generated sources and machine code, reused by the next run)")
    print(f"\nDone in {time.perf_counter() - start:.0f} s. Open {(output / 'reverse.html').resolve()} in a browser.")
    return report.ok and accuracy >= WANTED


def heading(text: str) -> None:
    print(f"\n{text}\n{'─' * len(text)}", flush=True)


def tell_example(output: Path, colours: bool, width: int) -> list[Path]:
    """Print the trace tables of the three modes and write their pictures; the paths."""
    written = []
    for mode in get_args(Mode):
        story = explain(FORMULA, AT, mode=mode)
        print(story.terminal(colours=colours, width=width), flush=True)
        written += [story.save(output / f"{mode}.{suffix}") for suffix in ("html", "pdf", "svg", "png")]
        written.append(story.save(output / f"{mode}_steps.svg", frames=True))
    return written


def train_digits(output: Path, epochs: int) -> tuple[float, Path]:
    """Train the network; its accuracy on the digits held out, and the file with its weights."""
    images = digits(seed=0)
    print("compiling forward pass, derivative and Adam into one step …", flush=True)
    result = train.fit(
        network(), nn.softmax_cross_entropy, images.train, optim.adam(3e-3), epochs=epochs, batch_size=64
    )
    accuracy = train.accuracy(result.model, *images.test)
    print(f"first step   {result.first_step_seconds:.1f} s (traces, derives and compiles, or loads from the cache)")
    print(f"training     {len(result.losses)} steps of 64 digits, {result.steps_per_second:.0f} steps per second")
    print(f"accuracy     {accuracy:.1%} of {len(images.test[1])} digits held out (wanted: {WANTED:.0%})")
    weights = output / "cnn.safetensors"
    train.save_weights(weights, result.model)
    return accuracy, weights
