"""Random numbers: published vectors, the same numbers at once, traced and compiled, and their distributions."""

import numpy as np
import pytest

import graphcomp as gx
from graphcomp import errors, random
from graphcomp.ops.random import philox_block, philox_word

# From Random123's known-answer file kat_vectors, lines "philox4x32 10": counter, key, result.
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> np.ndarray:
    return np.array([int(word, 16) for word in text.split()], "uint32")


@pytest.mark.parametrize(("counter", "key", "result"), VECTORS)
def test_philox_gives_the_published_vectors(counter, key, result):
    found = philox_block(words(counter)[:, None], words(key)[:, None])[:, 0]
    np.testing.assert_array_equal(found, words(result))


def test_the_scalar_code_gives_the_words_of_the_block():
    _, _, result = VECTORS[0]
    found = [int(philox_word(0, 0, 0, 0, position)) for position in range(4)]
    np.testing.assert_array_equal(found, words(result))


def test_bits_start_with_the_published_vector():
    np.testing.assert_array_equal(random.bits(random.key(0), 4), words(VECTORS[0][2]))


def test_bits_do_not_depend_on_the_shape():
    key = random.key(7)
    np.testing.assert_array_equal(random.bits(key, (3, 5)).ravel(), random.bits(key, 15))


DRAWS = {
    "bits": lambda key: random.bits(key, (3, 7)),
    "uniform": lambda key: random.uniform(key, (3, 7), -1.0, 2.0),
    "uniform64": lambda key: random.uniform(key, (3, 7), dtype="float64"),
    "bernoulli": lambda key: random.bernoulli(key, 0.3, (40,)),
    "permutation": lambda key: random.permutation(key, 20),
    "split": lambda key: random.split(key, 3),
    "fold_in": lambda key: random.fold_in(key, 12),
}


@pytest.mark.parametrize("target", ["numpy", "cpu"])
@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_identical_at_once_and_compiled(name, target):
    key = random.key(2**40 + 3)
    np.testing.assert_array_equal(np.asarray(gx.jit(DRAWS[name], target=target)(key)), DRAWS[name](key))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_normals_are_within_four_units_in_the_last_place(dtype):
    def draw(key):
        return random.normal(key, (500,), dtype=dtype)

    expected = draw(random.key(1))
    np.testing.assert_array_max_ulp(np.asarray(gx.jit(draw)(random.key(1))), expected, maxulp=4)


def test_fold_in_takes_a_traced_number():
    traced = gx.jit(random.fold_in, target="numpy")
    for number in (0, 5, 2**31 + 1):
        expected = random.fold_in(random.key(3), number)
        np.testing.assert_array_equal(np.asarray(traced(random.key(3), np.uint32(number))), expected)


def test_derived_keys_and_draws_never_coincide():
    key = random.key(0)
    draws = random.bits(key, (64, 2))
    derived = [*random.split(key, 64), *(random.fold_in(key, number) for number in range(64))]
    assert len({tuple(pair.tolist()) for pair in [*draws, *derived]}) == 3 * 64


def test_uniform_is_the_top_bits():
    key = random.key(5)
    bits = random.bits(key, 1000)
    np.testing.assert_array_equal(random.uniform(key, 1000), (bits >> 8).astype("float32") * np.float32(2**-24))
    pairs = random.bits(key, (1000, 2)).astype("uint64")
    exact = ((pairs[:, 0] >> 5) * 2**26 + (pairs[:, 1] >> 6)).astype("float64") * 2.0**-53
    np.testing.assert_array_equal(random.uniform(key, 1000, dtype="float64"), exact)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    from scipy import stats

    uniform = random.uniform(random.key(1), 20_000, dtype=dtype)
    normal = random.normal(random.key(2), 20_000, dtype=dtype)
    assert uniform.dtype == normal.dtype == dtype
    assert uniform.min() >= 0 and uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 0.001
    assert stats.kstest(normal, "norm").pvalue > 0.001
    assert abs(random.bernoulli(random.key(3), 0.25, 20_000).mean() - 0.25) < 0.01


def test_permutations():
    order = random.permutation(random.key(4), 100)
    np.testing.assert_array_equal(np.sort(order), np.arange(100))
    assert (order != np.arange(100)).sum() > 80
    rows = np.arange(20.0).reshape(10, 2)
    np.testing.assert_array_equal(random.permutation(random.key(4), rows), rows[random.permutation(random.key(4), 10)])


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True])
def test_bad_seeds(seed):
    with pytest.raises(errors.InputError, match="seed"):
        random.key(seed)


def test_bad_arguments():
    with pytest.raises(errors.InputError, match="uint32"):
        random.bits(np.zeros(2), 3)
    with pytest.raises(errors.DTypeError, match="float32 or float64"):
        random.normal(random.key(0), 3, dtype="int32")
    with pytest.raises(errors.ShapeError, match="axis"):
        random.permutation(random.key(0), np.float64(3))
    with pytest.raises(errors.TraceError, match="key as an argument"):
        gx.trace(lambda x: x + random.uniform(random.key(0), x.shape), gx.spec("B", "float32"))


def test_normals_of_a_uniform_zero_are_finite(monkeypatch):
    """Uniforms may be 0 but never 1, so the logarithm is that of 1 - u."""
    monkeypatch.setattr(random, "uniform", lambda key, shape, dtype: np.zeros(shape, dtype))
    for dtype in ("float32", "float64"):
        np.testing.assert_array_equal(random.normal(random.key(0), (3,), dtype=dtype), np.zeros(3))
