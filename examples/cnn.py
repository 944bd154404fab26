"""A convolutional network that reads handwritten digits: convolution, pooling, ReLU, dense, cross-entropy, Adam."""

import graphcomp as gx
from graphcomp import data, nn, optim, random, train


def network(seed: int = 0) -> nn.Sequential:
    first, second, third = random.split(random.key(seed), 3)
    return nn.Sequential(
        nn.Conv2d.create(1, 16, 3, padding=1, key=first),
        nn.relu,
        nn.MaxPool2d(2),
        nn.Conv2d.create(16, 32, 3, padding=1, key=second),
        nn.relu,
        nn.MaxPool2d(2),
        nn.flatten,
        nn.Linear.create(128, 10, key=third),
    )


def main(epochs: int = 20, seed: int = 0, target: str = "cpu", progress: bool = True) -> float:
    """Train, and return the accuracy on the held-out fifth."""
    digits = data.digits(seed)
    steps = epochs * (len(digits.train[0]) // 64)
    result = train.fit(
        network(seed),
        nn.softmax_cross_entropy,
        digits.train,
        optim.adam(optim.cosine_decay(1e-2, steps)),
        epochs=epochs,
        batch_size=64,
        seed=seed,
        progress=progress,
        target=target,
    )
    accuracy = train.accuracy(result.model, *digits.test, target=target)
    print(f"graphcomp {gx.__version__}: {accuracy:.1%} of the held-out digits, {result.steps_per_second:.0f} steps/s")
    return accuracy


if __name__ == "__main__":
    main()
