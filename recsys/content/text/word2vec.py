"""Word2Vec and FastText, trained on the catalogue by gensim."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from recsys.config import Config
from recsys.content.text.words import WordEmbedder, WordOptions, WordVectors
from recsys.errors import ConfigError


class Word2VecConfig(WordOptions):
    """Args:
    algorithm: ``skip_gram`` predicts the neighbours from a word, ``cbow`` a word from its neighbours.
    negative: noise words for each true one.
    """

    algorithm: Literal["skip_gram", "cbow"] = "skip_gram"
    negative: int = Field(5, ge=1)


class Word2Vec(WordEmbedder):
    """Skip-gram or CBOW with negative sampling (Mikolov et al., 2013)."""

    kind: ClassVar[str] = "word2vec"
    Config: ClassVar[type[Config]] = Word2VecConfig

    def learn(self, corpus: list[list[str]]) -> WordVectors:
        model = _gensim().Word2Vec(corpus, **_options(self.config, self.context.seed))
        return WordVectors.plain(model.wv.index_to_key, np.asarray(model.wv.vectors, np.float32))


class FastTextConfig(Word2VecConfig):
    """Args:
    buckets: hashed character n-grams; words that the catalogue lacks are made of theirs.
    """

    buckets: int = Field(20_000, ge=1)


class FastText(WordEmbedder):
    """Words as sums of character n-grams, so that rare and unknown ones have vectors (Bojanowski et al., 2017)."""

    kind: ClassVar[str] = "fasttext"
    Config: ClassVar[type[Config]] = FastTextConfig

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
            "word2vec and fasttext are trained by gensim; install it: pip install 'recsys[words]'"
        ) from error
    return models


def _options(config: Any, seed: int) -> dict[str, Any]:
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
