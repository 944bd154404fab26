"""An LSTM that recognises palindromes over four letters, of lengths 2 to 10."""

from typing import Any

from graphcomp import data, nn, optim, random, train


class Reader(nn.Module):
    """Letters [N, T] and lengths [N] to logits [N, 2]: embed, read, judge the state after the last letter."""

    embedding: nn.Embedding
    memory: nn.LSTM
    judge: nn.Linear

    def __call__(self, letters: Any, lengths: Any) -> Any:
        _, (hidden, _) = self.memory(self.embedding(letters), lengths)
        return self.judge(hidden)


def network(hidden: int = 64, seed: int = 0) -> Reader:
    first, second, third = random.split(random.key(seed), 3)
    return Reader(
        nn.Embedding.create(4, 8, key=first),
        nn.LSTM.create(8, hidden, key=second),
        nn.Linear.create(hidden, 2, key=third),
    )


def main(epochs: int = 40, seed: int = 0, target: str = "cpu", progress: bool = True) -> float:
    """Train, and return the accuracy on strings that were held out."""
    strings = data.palindromes(20_000, seed=seed)
    steps = epochs * (len(strings.train[0]) // 128)
    result = train.fit(
        network(seed=seed),
        nn.softmax_cross_entropy,
        strings.train,
        optim.adamw(optim.cosine_decay(5e-3, steps), weight_decay=0.02),
        epochs=epochs,
        batch_size=128,
        seed=seed,
        progress=progress,
        target=target,
    )
    accuracy = train.accuracy(result.model, *strings.test, target=target)
    print(f"{accuracy:.1%} of the held-out strings, {result.steps_per_second:.0f} steps/s")
    return accuracy


if __name__ == "__main__":
    main()
