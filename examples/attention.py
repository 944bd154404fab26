"""A small transformer that reads a handwritten digit as a sequence of its eight rows."""

from typing import Any

from graphcomp import data, nn, optim, random, train


class RowReader(nn.Module):
    """Images [N, 1, 8, 8] to logits [N, 10]: rows become vectors with a learned position, attend, and are averaged."""

    embedding: nn.Linear
    positions: Any
    block: nn.TransformerBlock
    norm: nn.LayerNorm
    output: nn.Linear

    def __call__(self, images: Any) -> Any:
        rows = images[:, 0]
        rows = self.block(self.embedding(rows) + self.positions)
        return self.output(self.norm(rows).mean(1))


def network(size: int = 48, heads: int = 4, seed: int = 0) -> RowReader:
    keys = random.split(random.key(seed), 4)
    return RowReader(
        nn.Linear.create(8, size, key=keys[0]),
        random.normal(keys[1], (8, size), deviation=0.1),
        nn.TransformerBlock.create(size, heads, key=keys[2], expansion=2),
        nn.LayerNorm.create(size),
        nn.Linear.create(size, 10, key=keys[3]),
    )


def main(epochs: int = 40, seed: int = 0, target: str = "cpu", progress: bool = True) -> float:
    """Train, and return the accuracy on the held-out fifth."""
    digits = data.digits(seed)
    steps = epochs * (len(digits.train[0]) // 64)
    result = train.fit(
        network(seed=seed),
        nn.softmax_cross_entropy,
        digits.train,
        optim.adamw(optim.cosine_decay(5e-3, steps, warmup=20), weight_decay=0.05),
        epochs=epochs,
        batch_size=64,
        seed=seed,
        progress=progress,
        target=target,
    )
    accuracy = train.accuracy(result.model, *digits.test, target=target)
    print(f"{accuracy:.1%} of the held-out digits, {result.steps_per_second:.0f} steps/s")
    return accuracy


if __name__ == "__main__":
    main()
