"""Data sets, batches, training and weights in files."""

import gzip

import numpy as np
import pytest

from graphcomp import data, errors, nn, optim, train


def test_digits():
    digits = data.digits()
    images, labels = digits.train
    assert (images.shape, images.dtype, labels.dtype) == ((1437, 1, 8, 8), "float32", "int64")
    assert digits.test[0].shape == (360, 1, 8, 8) and (images.min(), images.max()) == (0, 1)
    shares = np.bincount(digits.test[1]) / np.bincount(np.concatenate([labels, digits.test[1]]))
    assert np.abs(shares - 0.2).max() < 0.01
    np.testing.assert_array_equal(data.digits().train[0], images)
    assert not np.array_equal(data.digits(seed=1).train[0], images)


def test_batches_take_each_example_once():
    arrays = np.arange(10), np.arange(10) * 2
    whole = list(data.batches(arrays, 4, seed=3, keep_last=True))
    assert [len(first) for first, _ in whole] == [4, 4, 2]
    np.testing.assert_array_equal(np.sort(np.concatenate([first for first, _ in whole])), np.arange(10))
    assert all((second == 2 * first).all() for first, second in whole)
    assert [len(first) for first, _ in data.batches(arrays, 4, seed=3)] == [4, 4]
    assert list(data.batches(arrays, 5))[1][0].tolist() == [5, 6, 7, 8, 9]


@pytest.mark.parametrize("arrays", [(), (np.arange(3), np.arange(4)), (np.float64(1),)])
def test_batches_refuse_what_does_not_fit(arrays):
    with pytest.raises(errors.InputError, match="one entry per example"):
        next(data.batches(arrays, 1))


def test_batches_refuse_bad_sizes():
    for size in (0, 4, 1.5, "2", True):
        with pytest.raises(errors.InputError, match="batch"):
            next(data.batches((np.arange(3),), size))


def test_bad_seeds_and_parts_are_refused():
    with pytest.raises(errors.InputError, match="seed"):
        next(data.batches((np.arange(3),), 1, seed=-1))
    with pytest.raises(errors.InputError, match="test_size"):
        data.digits(held_out=1.5)
    with pytest.raises(errors.InputError, match="random_state"):
        data.digits(seed=-1)
    for options in ({"count": 0}, {"letters": 1}, {"shortest": 1}, {"longest": 1}, {"held_out": 1.0}):
        with pytest.raises(errors.InputError, match="palindromes take"):
            data.palindromes(**{"count": 100, **options})


def test_karate_club():
    club = data.karate_club()
    assert club.labels.sum() == 17 and club.adjacency.sum() == 2 * 78
    np.testing.assert_array_equal(club.adjacency, club.adjacency.T)
    assert club.labels[club.train].tolist() == [0, 1] and len(club.test) == 32


def test_palindromes_are_balanced_different_and_held_out():
    strings = data.palindromes(2000)
    seen = []
    for letters, lengths, labels in (strings.train, strings.test):
        for length in range(2, 11):
            assert labels[lengths == length].mean() == 0.5
        for row, length, label in zip(letters, lengths, labels):
            string = row[:length]
            assert bool(label) == np.array_equal(string, string[::-1]) and not row[length:].any()
            seen.append(tuple(string))
        assert (letters.min(), letters.max()) == (0, 3) and set(lengths) == set(range(2, 11))
    assert len(set(seen)) == len(seen)


# files ---------------------------------------------------------------------------------------------------------------


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\x00\x00\x08" + bytes([array.ndim]) + sizes + array.astype("uint8").tobytes()


def write_mnist(folder, compress):
    folder.mkdir()
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 6), ("t10k", 3)):
        for name, array in (
            (f"{prefix}-images-idx3-ubyte", rng.integers(0, 256, (count, 28, 28))),
            (f"{prefix}-labels-idx1-ubyte", np.arange(count)),
        ):
            if compress:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))


@pytest.mark.parametrize("compress", [True, False])
def test_mnist_files(tmp_path, monkeypatch, compress):
    write_mnist(tmp_path / "mnist", compress)
    monkeypatch.setenv("GRAPHCOMP_DATA", str(tmp_path))
    digits = data.mnist()
    assert digits.train[0].shape == (6, 1, 28, 28) and digits.train[0].dtype == "float32"
    assert digits.train[0].max() <= 1 and digits.test[1].tolist() == [0, 1, 2]


def test_missing_folders(tmp_path, monkeypatch):
    monkeypatch.delenv("GRAPHCOMP_DATA", raising=False)
    with pytest.raises(errors.DataError, match="GRAPHCOMP_DATA"):
        data.mnist()
    monkeypatch.setenv("GRAPHCOMP_DATA", str(tmp_path))
    with pytest.raises(errors.DataError, match="missing"):
        data.cora()
    (tmp_path / "mnist").mkdir()
    with pytest.raises(errors.DataError, match="missing"):
        data.mnist()


DAMAGE = {
    "no gzip": lambda raw: b"hello",
    "cut gzip": lambda raw: raw[:40],
    "another format": lambda raw: gzip.compress(b"\x89PNG and so on"),
    "cut inside": lambda raw: gzip.compress(gzip.decompress(raw)[:-5]),
    "empty": lambda raw: b"",
    "flipped bytes": lambda raw: raw[:200] + bytes(200) + raw[400:],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files(tmp_path, monkeypatch, name):
    write_mnist(tmp_path / "mnist", True)
    path = tmp_path / "mnist" / "train-images-idx3-ubyte.gz"
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    monkeypatch.setenv("GRAPHCOMP_DATA", str(tmp_path))
    with pytest.raises(errors.DataError, match="train-images"):
        data.mnist()


def test_cora_file(tmp_path, monkeypatch):
    (tmp_path / "cora").mkdir()
    path = tmp_path / "cora" / "cora.npz"
    path.write_bytes(b"not an archive")
    monkeypatch.setenv("GRAPHCOMP_DATA", str(tmp_path))
    with pytest.raises(errors.DataError, match=r"cora\.npz"):
        data.cora()
    np.savez(
        path,
        shape=np.array([3, 2]),
        features_indptr=np.array([0, 1, 1, 3]),
        features_indices=np.array([1, 0, 1]),
        features_data=np.array([5.0, 6.0, 7.0], "float32"),
        edges=np.array([[0, 2]]),
        labels=np.array([0, 1, 1]),
        train=np.array([0]),
        test=np.array([1, 2]),
    )
    papers = data.cora()
    np.testing.assert_array_equal(papers.features, [[0, 5], [0, 0], [6, 7]])
    np.testing.assert_array_equal(papers.adjacency, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


# training and weights ------------------------------------------------------------------------------------------------


def quadrants(count=120):
    """Points of the plane and whether their coordinates have one sign: not linearly separable."""
    points = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype("float32")
    return points, (points[:, 0] * points[:, 1] > 0).astype("int64")


def perceptron(rate=0.0):
    return nn.Sequential(nn.Linear.create(2, 32, key=1), nn.tanh, nn.Dropout(rate), nn.Linear.create(32, 2, key=2))


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_fit_learns(target):
    points = quadrants()
    options = {"epochs": 60, "batch_size": 40, "progress": False, "target": target}
    result = train.fit(perceptron(), nn.softmax_cross_entropy, points, optim.adam(3e-2), **options)
    assert result.losses.shape == (180,) and result.losses[-5:].mean() < 0.5 * result.losses[:5].mean()
    assert train.accuracy(result.model, *points, target=target) > 0.85
    assert isinstance(result.model.layers[0].weight, np.ndarray) and result.steps_per_second > 0


def test_dropout_gets_a_new_key_at_each_step():
    points = tuple(array[:40] for array in quadrants())
    still = optim.sgd(1e-30)
    options = {"epochs": 4, "progress": False, "target": "numpy"}
    noisy = train.fit(perceptron(0.5), nn.softmax_cross_entropy, points, still, **options)
    again = train.fit(perceptron(0.5), nn.softmax_cross_entropy, points, still, **options)
    calm = train.fit(perceptron(0.0), nn.softmax_cross_entropy, points, still, **options)
    assert len(set(noisy.losses)) == 4 and len(set(calm.losses)) == 1
    np.testing.assert_array_equal(noisy.losses, again.losses)


@pytest.mark.parametrize("target", ["numpy", "cpu"])
def test_a_short_last_batch_is_taken_on_request(target):
    """100 examples in batches of 40: the same losses as by hand, two full batches and one of 20 in each epoch."""
    points = quadrants(100)
    optimizer = optim.sgd(0.5)
    options = {"epochs": 2, "batch_size": 40, "seed": 3, "keep_last": True, "progress": False, "target": target}
    found = train.fit(perceptron(), nn.softmax_cross_entropy, points, optimizer, **options)
    model, losses, sizes = perceptron(), [], []
    state, step = optimizer.init(model), train.train_step(nn.softmax_cross_entropy, optimizer)
    for epoch in range(2):
        for batch in data.batches(points, 40, 3 + 2**32 * epoch, keep_last=True):
            model, state, loss = step(model, state, batch)
            losses.append(float(loss))
            sizes.append(len(batch[0]))
    assert sizes == [40, 40, 20] * 2
    np.testing.assert_allclose(found.losses, losses, rtol=1e-5)
    np.testing.assert_allclose(found.model.layers[0].weight, model.layers[0].weight, rtol=1e-4, atol=1e-6)


def test_each_epoch_has_an_order_of_its_own():
    points = quadrants(100)
    still = optim.sgd(1e-30)
    options = {"epochs": 2, "batch_size": 50, "progress": False, "target": "numpy"}
    losses = train.fit(perceptron(), nn.softmax_cross_entropy, points, still, **options).losses
    assert len(set(losses)) == 4
    np.testing.assert_allclose(losses[:2].mean(), losses[2:].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 0}, "epochs: a whole number of at least 1, not 0"),
        ({"epochs": 1.5}, "epochs"),
        ({"batch_size": 0}, "batch"),
        ({"batch_size": 2.5}, "batch"),
        ({"batch_size": "4"}, "batch"),
        ({"batch_size": 121}, "larger than the data set"),
        ({"data": ()}, "0 arrays were given"),
        ({"data": quadrants()[:1]}, "1 arrays were given"),
    ],
)
def test_fit_refuses_bad_input(options, words):
    arguments = {"data": quadrants(), "epochs": 1, "progress": False, "target": "numpy", **options}
    with pytest.raises(errors.InputError, match=words):
        train.fit(perceptron(), nn.softmax_cross_entropy, optimizer=optim.sgd(0.1), **arguments)


def test_accuracy_refuses_bad_input():
    points, labels = quadrants()
    for arguments in ((points, np.zeros((120, 1), int)), (points[:0], labels[:0]), (points,), ()):
        with pytest.raises(errors.InputError, match="accuracy"):
            train.accuracy(perceptron(), *arguments, target="numpy")


@pytest.mark.parametrize("target", ["numpy", "cpu"])
@pytest.mark.parametrize("label", [-1, 2])
def test_labels_that_are_no_class_are_refused(target, label):
    points, labels = quadrants(6)
    with pytest.raises(errors.ExecutionError, match="out of range"):
        train.fit(
            perceptron(),
            nn.softmax_cross_entropy,
            (points, np.where(np.arange(6) == 3, label, labels)),
            optim.sgd(0.1),
            epochs=1,
            progress=False,
            target=target,
        )


def test_weights_come_back(tmp_path):
    model, path = perceptron(), tmp_path / "model.safetensors"
    train.save_weights(path, model)
    blank = nn.Sequential(nn.Linear.create(2, 32, key=8), nn.tanh, nn.Dropout(0.0), nn.Linear.create(32, 2, key=9))
    loaded = train.load_weights(path, blank)
    np.testing.assert_array_equal(loaded.layers[3].weight, model.layers[3].weight)
    np.testing.assert_array_equal(loaded.layers[0].bias, model.layers[0].bias)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]


def test_weights_that_cannot_be_written_leave_nothing(tmp_path):
    with pytest.raises(errors.DataError, match="written"):
        train.save_weights(tmp_path / "missing" / "model.safetensors", perceptron())
    (tmp_path / "taken").mkdir()
    for path in (tmp_path / "taken", ".", ""):
        with pytest.raises(errors.DataError, match="written"):
            train.save_weights(path, perceptron())
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_weights_of_another_model_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    train.save_weights(path, perceptron())
    with pytest.raises(errors.DataError, match="has no"):
        train.load_weights(path, nn.Sequential(nn.Linear.create(2, 32, key=0)))
    with pytest.raises(errors.DataError, match=r"layers\[0\]"):
        train.load_weights(path, nn.Sequential(nn.Linear.create(3, 32, key=0), *perceptron().layers[1:]))
    path.write_bytes(b"no safetensors")
    with pytest.raises(errors.DataError, match="read"):
        train.load_weights(path, perceptron())
    with pytest.raises(errors.DataError, match="read"):
        train.load_weights(tmp_path / "missing", perceptron())
