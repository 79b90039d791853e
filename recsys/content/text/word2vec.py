"""Word2Vec and FastText, trained on the catalogue by gensim."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from recsys.content.text.word_embedder import WordConfig, WordEmbedder
from recsys.content.text.words import WordVectors
from recsys.errors import ConfigError


class Word2VecConfig(WordConfig):
    """Word2vec's training.

    Args:
        algorithm: ``skip_gram`` predicts the neighbours from a word, ``cbow`` a word from its neighbours.
        negative: noise words for each true one.
    """

    algorithm: Literal["skip_gram", "cbow"] = "skip_gram"
    negative: int = Field(5, ge=1)


class Word2VecEmbedder(WordEmbedder[Word2VecConfig]):
    """Skip-gram or CBOW with negative sampling (Mikolov et al., 2013), trained on the catalogue by gensim and pooled.

    Use it where no pretrained sentence model fits (another language, product codes, tags) or where the word vectors
    themselves are of interest; a few thousand texts are a minimum. `FastTextEmbedder` also covers words that the
    catalogue lacks. Needs gensim: ``pip install 'recsys-towers[words]'``.

    Example:
        >>> from recsys.content import Word2VecEmbedder, text_table
        >>> films = text_table(title=["Toy Story", "Toy Story 2", "Heat"])
        >>> embedder = Word2VecEmbedder(columns=["title"], dim=8, epochs=1, min_count=1)
        >>> embedder.fit_transform(films)
        EmbeddingTable(3 ids, 8 dimensions, embedder='word2vec')
    """

    kind = "word2vec"
    Config = Word2VecConfig

    def learn(self, corpus: list[list[str]]) -> WordVectors:
        model = _gensim().Word2Vec(corpus, **_options(self.config, self.context.seed))
        return WordVectors.plain(model.wv.index_to_key, np.asarray(model.wv.vectors, np.float32))


class FastTextConfig(Word2VecConfig):
    """FastText's training.

    Args:
        buckets: rows of the hash table of character n-grams, which words that are not in the catalogue are composed of.
    """

    buckets: int = Field(20_000, ge=1)


class FastTextEmbedder(WordEmbedder[FastTextConfig]):
    """Skip-gram over sums of character n-grams (FastText; Bojanowski et al., 2017), trained by gensim and pooled.

    A word's vector is the mean of its own and of those of its n-grams of length 3 to 6, so that rare and unknown words
    have vectors. Use it over `Word2VecEmbedder` for rich morphology, misspellings and new words. Needs gensim:
    ``pip install 'recsys-towers[words]'``.

    Example:
        >>> from recsys.content import FastTextEmbedder
        >>> FastTextEmbedder(columns=["title"], dim=8)
        FastTextEmbedder(columns=('title',), dim=8)
    """

    kind = "fasttext"
    Config = FastTextConfig

    def learn(self, corpus: list[list[str]]) -> WordVectors:
        options = _options(self.config, self.context.seed)
        model = _gensim().FastText(corpus, bucket=self.config.buckets, min_n=3, max_n=6, **options)
        plain = WordVectors.plain(model.wv.index_to_key, np.asarray(model.wv.vectors, np.float32))
        return WordVectors(plain.vocabulary, plain.vectors, np.asarray(model.wv.vectors_ngrams, np.float32))


def _gensim() -> Any:
    try:
        from gensim import models
    except ImportError as error:
        raise ConfigError(
            "word2vec and fasttext are trained by gensim; install it: pip install 'recsys-towers[words]'"
        ) from error
    return models


def _options(config: Word2VecConfig, seed: int) -> dict[str, object]:
    # one worker: several would finish in another order each time
    return {
        "vector_size": config.dim,
        "window": config.window,
        "min_count": config.min_count,
        "epochs": config.epochs,
        "sg": int(config.algorithm == "skip_gram"),
        "negative": config.negative,
        "seed": seed % 2**31,
        "workers": 1,
    }
