"""Words: the tokens of a text, their vectors, and how the vectors of a text's words become one."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path
from recsys.config import Config
from recsys.content.embedder import EmbedderContext, short_digest
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.weights import weights_fingerprint
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.embeddings import EmbeddingTable
from recsys.errors import ArtifactError, ConfigError, DataError

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
    """The words that stand ``min_count`` times in ``corpus``, in alphabetical order.

    Raises:
        ConfigError: there is none.
    """
    counts = Counter(word for text in corpus for word in text)
    found = sorted(word for word, count in counts.items() if count >= min_count)
    if not found:
        raise ConfigError(
            f"no word stands min_count = {min_count} times in the texts; there is nothing to learn from; "
            "lower min_count, or read more columns"
        )
    return found


class WordOptions(Config):
    """What every word embedder can be told.

    Args:
        dim: D.
        path: word vectors in the text format (``word v1 v2 ...`` a line, with or without a header) instead of training.
        min_count: rarer words have no vector.
        window: words at most this far apart are neighbours.
        epochs: passes over the catalogue.
        pooling: of the words of a text. ``sif`` weighs a word by a / (a + p) and takes out the direction that all texts
            share (Arora et al., 2017); ``tfidf`` by its inverse document frequency; ``mean`` not at all.
        sif_a: the a of SIF.
    """

    dim: int = Field(100, ge=2)
    path: Path | None = None
    min_count: int = Field(2, ge=1)
    window: int = Field(8, ge=1)
    epochs: int = Field(15, ge=1)
    pooling: Literal["mean", "sif", "tfidf"] = "sif"
    sif_a: float = Field(1e-3, gt=0)


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
    """Word vectors in the text format of word2vec and GloVe; where a word stands twice its last line counts.

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
    with path.open(encoding="utf-8", newline="\n") as file:  # what else ends a line may stand inside a word
        for number, line in enumerate(file, 1):
            word, *row = line.rstrip(" \r\n").split(" ")
            if number == 1 and len(row) == 1:
                continue
            dim = dim or len(row)
            if len(row) != dim or not row:
                raise ValueError(f"line {number} should be a word and its values")
            yield word, array("f", map(float, row))


class WordEmbedder:
    """Word vectors learnt on the catalogue, or loaded, and pooled; what each kind adds is `learn`.

    The weights of words and the common direction come from the catalogue that `fit` sees.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[Config]] = WordOptions
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: Any = config or self.Config()
        self.context = context
        self.vectors: WordVectors | None = None
        self.weights: dict[str, float] = {}
        self.rare_weight = 1.0
        self.common = np.zeros(0, np.float32)

    @property
    def fingerprint(self) -> str:
        loaded = "" if self.config.path is None else weights_fingerprint(self.config.path)
        return short_digest(f"{self.kind}/{loaded}/{self.config.model_dump_json()}/{self.context.seed}")

    def learn(self, corpus: list[list[str]]) -> WordVectors:
        """Vectors of the words of ``corpus``, one list of words a text."""
        raise NotImplementedError

    def fit(self, table: EntityTable) -> None:
        corpus = [words(text) for text in row_texts(table, self.context.columns) if text is not None]
        path = self.config.path
        if path is None:
            frequent(corpus, self.config.min_count)  # says what is wrong where there is none
        self.vectors = self.learn(corpus) if path is None else read_word_vectors(path)
        self._weigh(corpus)
        self.common = np.zeros(self.vectors.vectors.shape[1], np.float32)
        if self.config.pooling == "sif" and corpus:
            pooled, known = self._pooled(corpus)
            self.common = np.linalg.svd(pooled[known], full_matrices=False)[2][0] if known.sum() > 1 else self.common

    def embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.context.columns)
        pooled, known = self._pooled([words(text) for text in texts if text is not None])
        present = present_rows(texts)
        present[present] = known  # a text of unknown words alone has no vector
        found = pooled[known] - np.outer(pooled[known] @ self.common, self.common)
        assert self.vectors is not None
        facts = {"words": len(self.vectors.vocabulary)}
        return content_table(self, self.context, table, present, found.astype(np.float32), facts)

    def word_vectors(self) -> EmbeddingTable:
        assert self.vectors is not None, "fit or restore comes before word_vectors"
        return EmbeddingTable(self.vectors.vocabulary, self.vectors.vectors, {"embedder": self.kind})

    def save(self, directory: Path) -> None:
        assert self.vectors is not None, "fit comes before save"
        directory.mkdir(parents=True, exist_ok=True)
        self.vectors.vocabulary.save(directory / "words.parquet")
        weighed = Vocabulary(np.array(list(self.weights), object))
        weighed.save(directory / "weighed.parquet")
        arrays = {
            "vectors": self.vectors.vectors,
            "parts": self.vectors.parts,
            "common": self.common,
            "weights": np.array([*self.weights.values(), self.rare_weight], np.float64),
        }
        with atomic_path(directory / "words.safetensors") as beside:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, beside)

    def restore(self, directory: Path) -> None:
        try:
            arrays = load_file(directory / "words.safetensors")
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{directory} does not hold word vectors ({error}); pretrain again") from error
        self.vectors = WordVectors(Vocabulary.load(directory / "words.parquet"), arrays["vectors"], arrays["parts"])
        names = Vocabulary.load(directory / "weighed.parquet").ids.tolist()
        self.weights = dict(zip(names, arrays["weights"][:-1].tolist(), strict=True))
        self.rare_weight, self.common = float(arrays["weights"][-1]), arrays["common"]

    def _weigh(self, corpus: list[list[str]]) -> None:
        counts = Counter(word for text in corpus for word in text)
        total = max(sum(counts.values()), 1)
        documents = Counter(word for text in corpus for word in set(text))
        n = max(len(corpus), 1)
        if self.config.pooling == "sif":
            a = self.config.sif_a
            self.weights = {word: a / (a + count / total) for word, count in counts.items()}
        elif self.config.pooling == "tfidf":
            self.weights = {word: float(np.log((1 + n) / (1 + count))) + 1 for word, count in documents.items()}
        else:
            self.weights = dict.fromkeys(counts, 1.0)
        self.rare_weight = max(self.weights.values(), default=1.0)

    def _pooled(self, corpus: list[list[str]]) -> tuple[Floats, NDArray[np.bool_]]:
        """The weighted mean [n, D] of each text's words, and whether any of them has a vector [n]."""
        assert self.vectors is not None, "fit or restore comes before embed"
        names = sorted({word for text in corpus for word in text})
        vectors, known = self.vectors.of(names)
        row = {word: place for place, word in enumerate(names) if known[place]}
        pooled = np.zeros((len(corpus), self.vectors.vectors.shape[1]), np.float32)
        any_known = np.zeros(len(corpus), bool)
        for place, text in enumerate(corpus):
            held = [word for word in text if word in row]
            if held:
                weights = np.array([self.weights.get(word, self.rare_weight) for word in held])
                pooled[place] = weights @ vectors[[row[word] for word in held]] / weights.sum()
                any_known[place] = True
        return pooled, any_known
