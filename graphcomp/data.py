"""Data sets: real ones that come with libraries, files in a folder of the user's, and a generator of palindromes.

Nothing is downloaded. Sets that no library brings are read from the folder named by the environment variable
GRAPHCOMP_DATA: `mnist/` with the four original idx files (or .gz), `cora/cora.npz`,
`nist_strd/` with files such as Misra1a.dat.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import DataError, InputError

Arrays = tuple[np.ndarray, ...]
String = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Dataset:
    """`train` and `test` are tuples of arrays with one entry per example: the inputs, then the targets."""

    train: Arrays
    test: Arrays

    def __repr__(self) -> str:
        train, test = (", ".join(f"{a.dtype}{list(a.shape)}" for a in part) for part in (self.train, self.test))
        return f"Dataset(train=({train}), test=({test}))"


def batches(data: Sequence[Any], size: int, seed: int | None = None, keep_last: bool = False) -> Iterator[Arrays]:
    """Tuples of `size` examples of each array, in an order shuffled by the seed (None: as they are).

    What does not fill the last batch is left out, so that every batch has one shape, unless `keep_last`.
    """
    arrays = [np.asarray(array) for array in data]
    count = _count(arrays)
    check_count("a batch holds examples", size)
    if not (seed is None or (isinstance(seed, (int, np.integer)) and seed >= 0)):
        raise InputError(f"a seed is a whole number of at least 0, or None, not {seed!r}.")
    if size > count and not keep_last:
        raise InputError(f"a batch of {size} is larger than the data set of {count} examples.")
    order = np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)
    stop = count if keep_last else count - size + 1
    for start in range(0, stop, size):
        chosen = order[start : start + size]
        yield tuple(array[chosen] for array in arrays)


def check_count(what: str, value: Any) -> None:
    """Raise unless `value` is a whole number of at least 1."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{what}: a whole number of at least 1, not {value!r}.")


def _count(arrays: Sequence[np.ndarray]) -> int:
    counts = {len(array) if array.ndim else -1 for array in arrays}
    if len(counts) != 1 or counts == {-1}:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise InputError(f"a data set is arrays with one entry per example, not {shapes or 'nothing'}.")
    return counts.pop()


# sets that come with libraries ---------------------------------------------------------------------------------------


def digits(seed: int = 0, held_out: float = 0.2) -> Dataset:
    """scikit-learn's 1,797 handwritten digits: float32 [N, 1, 8, 8] from 0 to 1, int64 labels 0 … 9.

    Shuffled by the seed; a fifth is held out, with the classes in their proportions. E. Alpaydin, C. Kaynak, "Optical
    Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images = (pixels / 16).astype("float32").reshape(-1, 1, 8, 8)
    try:
        parts = train_test_split(
            images, labels.astype("int64"), test_size=held_out, random_state=seed, shuffle=True, stratify=labels
        )
    except ValueError as error:
        raise InputError(f"the digits cannot be split: {error}") from None
    return Dataset((parts[0], parts[2]), (parts[1], parts[3]))


@dataclass(frozen=True, eq=False)
class NodeData:
    """A graph with labelled nodes: features [N, F], a symmetric adjacency [N, N] of zeros and ones, labels int64 [N].

    `train` and `test` are the numbers of the nodes whose labels are given and asked for.
    """

    features: np.ndarray
    adjacency: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray


def karate_club() -> NodeData:
    """networkx's karate club: 34 members, one-hot features, the label 1 for those who left with the officer.

    The labels of the instructor (member 0) and the officer (member 33) are given, those of the rest asked for.
    W. Zachary, "An Information Flow Model for Conflict and Fission in Small Groups", 1977.
    """
    import networkx as nx

    graph = nx.karate_club_graph()
    labels = np.array([graph.nodes[member]["club"] == "Officer" for member in graph], "int64")
    adjacency = nx.to_numpy_array(graph, weight=None, dtype="float32")
    known = np.array([0, 33])
    return NodeData(np.eye(len(labels), dtype="float32"), adjacency, labels, known, np.setdiff1d(np.arange(34), known))


# generated sets ------------------------------------------------------------------------------------------------------


def palindromes(
    count: int, letters: int = 4, shortest: int = 2, longest: int = 10, seed: int = 0, held_out: float = 0.2
) -> Dataset:
    """Strings and whether they are palindromes: letters int64 [N, longest] (0 past the end), lengths, labels int64 [N].

    About `count` different strings in all, as many of each length as there are (short lengths have few), half of each
    length palindromes. A part of each length and class is held out; no string is in both parts.
    """
    if count < 1 or letters < 2 or not 2 <= shortest <= longest or not 0 < held_out < 1:
        raise InputError(
            "palindromes take a count ≥ 1, letters ≥ 2, 2 ≤ shortest ≤ longest and 0 < held_out < 1, not "
            f"{count}, {letters}, {shortest} to {longest} and {held_out}."
        )
    generator = np.random.default_rng(seed)
    train: list[tuple[String, int]] = []
    test: list[tuple[String, int]] = []
    lengths = range(shortest, longest + 1)
    for length in lengths:
        half = count // (2 * len(lengths))
        classes = _both_classes(generator, letters, length, half)
        for label, strings in enumerate(classes):
            cut = max(1, round(len(strings) * held_out))
            test += [(string, label) for string in strings[:cut]]
            train += [(string, label) for string in strings[cut:]]
    return Dataset(_padded(train, longest, generator), _padded(test, longest, generator))


def _both_classes(generator: np.random.Generator, letters: int, length: int, wanted: int) -> list[list[String]]:
    """Different non-palindromes and palindromes of one length, as many of one as of the other, in random order."""
    palindromic, total = letters ** ((length + 1) // 2), letters**length
    size = min(wanted, palindromic, total - palindromic)
    found: list[dict[String, None]] = [{}, {}]
    while min(map(len, found)) < size:
        string = generator.integers(0, letters, length)
        mirrored = string.copy()
        mirrored[(length + 1) // 2 :] = string[: length // 2][::-1]
        for candidate in (string, mirrored, _spoiled(generator, mirrored, letters)):
            label = int(np.array_equal(candidate, candidate[::-1]))
            if len(found[label]) < size:
                found[label][tuple(int(letter) for letter in candidate)] = None
    return [list(strings) for strings in found]


def _spoiled(generator: np.random.Generator, palindrome: np.ndarray, letters: int) -> np.ndarray:
    """A palindrome with one letter off the middle changed: the hardest kind of non-palindrome."""
    spoiled = palindrome.copy()
    place = generator.integers(0, len(palindrome) // 2)
    spoiled[place] = (spoiled[place] + generator.integers(1, letters)) % letters
    return spoiled


def _padded(strings: list[tuple[String, int]], width: int, generator: np.random.Generator) -> Arrays:
    order = generator.permutation(len(strings))
    table = np.zeros((len(strings), width), "int64")
    for row, place in enumerate(order):
        string = strings[place][0]
        table[row, : len(string)] = string
    lengths = np.array([len(strings[place][0]) for place in order], "int64")
    return table, lengths, np.array([strings[place][1] for place in order], "int64")


# sets in the user's folder -------------------------------------------------------------------------------------------


def _folder(name: str) -> Path:
    root = os.environ.get("GRAPHCOMP_DATA")
    if not root:
        raise DataError(f"{name} is read from a folder: set GRAPHCOMP_DATA to one that holds `{name}/`.")
    folder = Path(root) / name
    if not folder.is_dir():
        raise DataError(f"GRAPHCOMP_DATA has no folder `{name}`: {folder} is missing.")
    return folder


def mnist() -> Dataset:
    """70,000 handwritten digits: float32 [N, 1, 28, 28] from 0 to 1, int64 labels; 60,000 and 10,000.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
    """
    return _idx_images(_folder("mnist"))


def fashion_mnist() -> Dataset:
    """70,000 pictures of clothes in MNIST's format, from `fashion_mnist/`. H. Xiao, K. Rasul, R. Vollgraf, 2017."""
    return _idx_images(_folder("fashion_mnist"))


def _idx_images(folder: Path) -> Dataset:
    parts = []
    for prefix in ("train", "t10k"):
        images = read_idx(folder, f"{prefix}-images-idx3-ubyte")
        labels = read_idx(folder, f"{prefix}-labels-idx1-ubyte")
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{folder}: {prefix} has images {images.shape} but labels {labels.shape}.")
        parts.append(((images / np.float32(255))[:, None], labels.astype("int64")))
    return Dataset(*parts)


def cora() -> NodeData:
    """Citations among 2,708 papers of seven kinds, from `cora/cora.npz`: 140 labels given, 1,000 asked for.

    The file holds features as CSR (features_indptr, features_indices, features_data, shape), labels, edges [E, 2],
    train and test. Z. Yang, W. Cohen, R. Salakhutdinov, "Revisiting Semi-Supervised Learning …", 2016.
    """
    path = _folder("cora") / "cora.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            nodes, width = (int(size) for size in file["shape"])
            features = np.zeros((nodes, width), "float32")
            rows = np.repeat(np.arange(nodes), np.diff(file["features_indptr"]))
            features[rows, file["features_indices"]] = file["features_data"]
            first, second = file["edges"].T
            labels, train, test = file["labels"].astype("int64"), file["train"], file["test"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    adjacency = np.zeros((nodes, nodes), "float32")
    adjacency[first, second] = adjacency[second, first] = 1
    return NodeData(features, adjacency, labels, train, test)


def read_idx(folder: Path, name: str) -> np.ndarray:
    """One idx file of bytes, plain or with .gz: magic 0 0 8 rank, the sizes as big-endian uint32, the entries."""
    path = next((p for p in (folder / name, folder / f"{name}.gz") if p.exists()), None)
    if path is None:
        raise DataError(f"{folder / name} (or the same with .gz) is missing.")
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or len(content) < 4 + 4 * content[3]:
        raise DataError(f"{path} is no idx file of bytes.")
    start = 4 + 4 * content[3]
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    found, wanted = len(content) - start, math.prod(shape)
    if found != wanted:
        raise DataError(f"{path} should hold {wanted} entries, but has {found}: it is damaged.")
    return np.frombuffer(content, "uint8", offset=start).reshape(shape)


# reference problems of nonlinear regression --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Regression:
    """A problem of nonlinear least squares: ``response ≈ formula`` with the parameters sought.

    `formula` and `response` are texts for `graphcomp.trace`; `columns` has the data, an array for each variable.
    `starts` are rows of starting values of the parameters; `certified` and `deviations` their certified values and
    standard deviations, and `residuals` is the certified residual sum of squares.
    """

    name: str
    response: str
    formula: str
    columns: dict[str, np.ndarray]
    parameters: tuple[str, ...]
    starts: np.ndarray
    certified: np.ndarray
    deviations: np.ndarray
    residuals: float


def regression_names() -> list[str]:
    """The names of the problems in the folder `nist_strd`."""
    return sorted(path.stem for path in _folder("nist_strd").glob("*.dat"))


def regression(name: str) -> Regression:
    """A problem of NIST's Statistical Reference Datasets, from `nist_strd/NAME.dat`.

    J. Rogers et al., "StRD: Statistical Reference Datasets for Assessing the Numerical Accuracy of Statistical
    Software", NIST, 1998.
    """
    path = _folder("nist_strd") / f"{name}.dat"
    try:
        return read_regression(name, path.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None


_REGRESSION_FIGURES = ("Residual Sum of Squares", "Number of Observations")


def read_regression(name: str, text: str) -> Regression:
    """The problem in the text of a file; raises DataError where that is not whole."""
    model, _, rest = text.partition("\nModel:")[2].partition("tarting ")
    values = re.findall(r"^ *(b\d+) *=((?: +[-+.\dE]+){4}) *$", rest, re.MULTILINE)
    total, count = (re.search(rf"{label}: +(\S+)", rest) for label in _REGRESSION_FIGURES)
    data = re.findall(r"^Data: +((?:[a-z]\w*[ \t]*)+)\n([-+.\dE\s]+)\Z", rest, re.MULTILINE)
    # The model is the equation with y on its left; over several lines, and with brackets in place of parentheses.
    equation = re.search(r"^ *(y|\w+\[y\]) *=(.*)\+ *e\b", model, re.MULTILINE | re.DOTALL)
    if not (values and total and count and data and equation):
        raise DataError(f"{name} is no file of a nonlinear regression.")
    response, formula = (" ".join(part.split()).replace("[", "(").replace("]", ")") for part in equation.groups())
    names = data[0][0].split()
    try:
        entries = np.array(data[0][1].split(), "float64")
        numbers = np.array([row.split() for _, row in values], "float64")
        wanted, squares = int(count[1]), float(total[1])
    except ValueError as error:
        raise DataError(f"{name} has a number that cannot be read: {error}.") from None
    if len(entries) != wanted * len(names):
        found = f"{len(entries) / len(names):g}"
        raise DataError(f"{name} should hold {wanted} observations, but has {found}: it is damaged.")
    table = entries.reshape(-1, len(names))
    return Regression(
        name, response, formula, {column: table[:, place].copy() for place, column in enumerate(names)},
        tuple(parameter for parameter, _ in values), numbers[:, :2].T.copy(), numbers[:, 2], numbers[:, 3],
        squares,
    )  # fmt: skip
