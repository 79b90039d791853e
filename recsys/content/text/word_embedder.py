"""Texts as pooled word vectors."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.text.words import Floats, WordVectors, frequent, read_word_vectors, words
from recsys.content.weights import weights_fingerprint
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ArtifactError


class WordConfig(EmbedderConfig):
    """Options of every word embedder.

    Args:
        dim: D.
        path: file of word vectors instead of training, in the text format: ``word v1 v2 ...`` a line, with or without a
            header.
        min_count: rarer words have no vector.
        window: words at most this far apart are neighbours.
        epochs: passes over the catalogue.
        pooling: of the words of a text. ``sif`` weighs a word by a / (a + p) and removes the first principal direction
            of all texts (Arora et al., 2017); ``tfidf`` by its inverse document frequency; ``mean`` not at all.
        sif_a: the a of SIF.
    """

    dim: int = Field(100, ge=2)
    path: Path | None = None
    min_count: int = Field(2, ge=1)
    window: int = Field(8, ge=1)
    epochs: int = Field(15, ge=1)
    pooling: Literal["mean", "sif", "tfidf"] = "sif"
    sif_a: float = Field(1e-3, gt=0)


W = TypeVar("W", bound=WordConfig)


class WordEmbedder(Embedder[W]):
    """Texts as the weighted mean of their words' vectors, which `learn` trains on the catalogue or ``path`` gives.

    The weights of words and the common direction of SIF are estimated on the table given to `fit`.
    """

    Config = WordConfig
    learns = True

    def __init__(self, config: W | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.vectors: WordVectors | None = None
        self.weights: dict[str, float] = {}
        self.rare_weight = 1.0
        self.common = np.zeros(0, np.float32)

    @property
    def fingerprint(self) -> str:
        loaded = "" if self.config.path is None else weights_fingerprint(self.config.path)
        return short_digest([f"{self.kind}/{loaded}/{self.config.model_dump_json()}"])

    def learn(self, corpus: list[list[str]]) -> WordVectors:
        """Word vectors trained on ``corpus``, one list of words a text."""
        raise NotImplementedError

    def _fit(self, table: EntityTable) -> None:
        corpus = [words(text) for text in row_texts(table, self.config.columns) if text is not None]
        path = self.config.path
        if path is None:
            frequent(corpus, self.config.min_count)  # says what is wrong where there is none
        self.vectors = self.learn(corpus) if path is None else read_word_vectors(path)
        self._weigh(corpus)
        self.common = np.zeros(self.vectors.vectors.shape[1], np.float32)
        if self.config.pooling == "sif" and corpus:
            pooled, known = self._pooled(corpus)
            self.common = np.linalg.svd(pooled[known], full_matrices=False)[2][0] if known.sum() > 1 else self.common

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.config.columns)
        pooled, known = self._pooled([words(text) for text in texts if text is not None])
        present = present_rows(texts)
        present[present] = known  # a text of unknown words alone has no vector
        found = pooled[known] - np.outer(pooled[known] @ self.common, self.common)
        vectors = self._fitted(self.vectors)
        provenance = {"words": len(vectors.vocabulary)}
        return content_table(self, table, present, found.astype(np.float32), provenance)

    def word_vectors(self) -> EmbeddingTable:
        vectors = self._fitted(self.vectors)
        return EmbeddingTable(vectors.vocabulary, vectors.vectors, {"embedder": self.kind})

    def save(self, directory: Path) -> None:
        vectors = self._fitted(self.vectors)
        directory.mkdir(parents=True, exist_ok=True)
        vectors.vocabulary.save(directory / "words.parquet")
        weighted = Vocabulary(np.array(list(self.weights), object))
        weighted.save(directory / "weighed.parquet")
        arrays = {
            "vectors": vectors.vectors,
            "parts": vectors.parts,
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
        table = self._fitted(self.vectors)
        names = sorted({word for text in corpus for word in text})
        vectors, known = table.of(names)
        row = {word: place for place, word in enumerate(names) if known[place]}
        pooled = np.zeros((len(corpus), vectors.shape[1]), np.float32)
        any_known = np.zeros(len(corpus), bool)
        for place, text in enumerate(corpus):
            known_words = [word for word in text if word in row]
            if known_words:
                weights = np.array([self.weights.get(word, self.rare_weight) for word in known_words])
                pooled[place] = weights @ vectors[[row[word] for word in known_words]] / weights.sum()
                any_known[place] = True
        return pooled, any_known
