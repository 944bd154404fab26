"""A two-layer graph convolutional network on Zachary's karate club: one labelled member per faction, 32 to guess."""

from typing import Any

from graphcomp import data, nn, optim, random, train


class Network(nn.Module):
    """Features [N, F] and a normalised adjacency [N, N] to logits [N, 2]."""

    first: nn.GraphConvolution
    second: nn.GraphConvolution

    def __call__(self, features: Any, adjacency: Any) -> Any:
        return self.second(nn.tanh(self.first(features, adjacency)), adjacency)


def network(nodes: int = 34, hidden: int = 16, seed: int = 0) -> Network:
    first, second = random.split(random.key(seed))
    return Network(
        nn.GraphConvolution.create(nodes, hidden, key=first), nn.GraphConvolution.create(hidden, 2, key=second)
    )


def main(epochs: int = 200, seed: int = 0, target: str = "cpu", progress: bool = True) -> float:
    """Train on the instructor and the officer alone, and return the accuracy on all other members."""
    club = data.karate_club()
    adjacency = nn.normalized_adjacency(club.adjacency)

    def loss(logits: Any, labels: Any) -> Any:
        return nn.softmax_cross_entropy(logits[club.train], labels[club.train])

    batch = (club.features, adjacency, club.labels)
    result = train.fit(
        network(seed=seed),
        loss,
        batch,
        optim.adamw(1e-2, weight_decay=5e-2),
        epochs=epochs,
        progress=progress,
        target=target,
    )
    guesses = train.predict(result.model, club.features, adjacency, target=target).argmax(1)
    accuracy = float((guesses == club.labels)[club.test].mean())
    print(f"{accuracy:.1%} of the {len(club.test)} other members, {result.steps_per_second:.0f} steps/s")
    return accuracy


if __name__ == "__main__":
    main()
