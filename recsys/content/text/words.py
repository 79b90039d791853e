"""Words: the tokens of a text, their vectors, and how the vectors of a text's words become one."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Vocabulary
from recsys.errors import ConfigError, DataError
from recsys.files.input_file import regular_size

_WORD = re.compile(r"\w+(?:'\w+)?")

Floats = NDArray[np.float32]


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case.

    Example:
        >>> words("Schindler's List (1993)")
        ["schindler's", 'list', '1993']
    """
    return _WORD.findall(text.lower())


def frequent(corpus: Iterable[Sequence[str]], min_count: int) -> list[str]:
    """The words that occur ``min_count`` times in ``corpus``, in alphabetical order.

    Raises:
        ConfigError: there is none.
    """
    counts = Counter(word for text in corpus for word in text)
    found = sorted(word for word, count in counts.items() if count >= min_count)
    if not found:
        raise ConfigError(
            f"no word occurs min_count = {min_count} times in the texts; there is nothing to learn from; "
            "lower min_count, or read more columns"
        )
    return found


@dataclass(frozen=True, eq=False)
class WordVectors:
    """Vectors of words; a word that is not there may be made of its parts (FastText).

    Args:
        vocabulary: [W] words.
        vectors: float32 [W, D].
        parts: float32 [P, D], vectors of hashed character n-grams; P is 0 without.
    """

    vocabulary: Vocabulary
    vectors: Floats
    parts: Floats

    @classmethod
    def plain(cls, names: Sequence[str], vectors: Floats) -> WordVectors:
        """Whole words alone."""
        return cls(Vocabulary(np.array(names, object)), vectors, np.zeros((0, vectors.shape[1]), np.float32))

    def of(self, names: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """Vectors [n, D], zero where a word has none, and whether each has one [n]."""
        rows = self.vocabulary.rows(np.array(names, object))
        found = np.where((rows >= 0)[:, None], self.vectors[rows], 0).astype(np.float32)
        known: NDArray[np.bool_] = rows >= 0
        if len(self.parts):
            for place in np.flatnonzero(~known).tolist():
                pieces = subword_rows(names[place], len(self.parts))
                if len(pieces):
                    found[place], known[place] = self.parts[pieces].mean(0), True
        return found, known


def subword_rows(word: str, buckets: int) -> NDArray[np.int64]:
    """The rows of a word's character n-grams of length 3 to 6 among ``buckets`` hashed ones, as FastText has them."""
    from gensim.models.fasttext_inner import compute_ngrams_bytes, ft_hash_bytes

    return np.array([ft_hash_bytes(gram) % buckets for gram in compute_ngrams_bytes(word, 3, 6)], np.int64)


def read_word_vectors(path: Path) -> WordVectors:
    """Word vectors in the text format of word2vec and GloVe; the last line of a repeated word counts.

    Raises:
        DataError: the file is missing, or a line has another number of values than the first.
    """
    places: dict[str, int] = {}
    values = array("f")
    try:
        for word, row in _lines(path):
            start = places.setdefault(word, len(places)) * len(row)
            values[start : start + len(row)] = row
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"path = {str(path)!r} cannot be read as word vectors: {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is no file of word vectors: {error}") from error
    if not places:
        raise DataError(f"{path} is no file of word vectors: no line has a word and its values")
    return WordVectors.plain(list(places), np.frombuffer(values, np.float32).reshape(len(places), -1))


def _lines(path: Path) -> Iterator[tuple[str, array[float]]]:
    """The word and the float32 values [D] of each line, after a header of two numbers if there is one."""
    dim = 0
    regular_size(path)
    with path.open(encoding="utf-8", newline="\n") as file:  # other line ends may be part of a word
        for number, line in enumerate(file, 1):
            word, *row = line.rstrip(" \r\n").split(" ")
            if number == 1 and len(row) == 1:
                continue
            dim = dim or len(row)
            if len(row) != dim or not row:
                raise ValueError(f"line {number} should be a word and its values")
            yield word, array("f", map(float, row))
