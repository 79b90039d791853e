"""GloVe: word vectors whose inner products are the logarithms of co-occurrence counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.content.text.word_embedder import WordConfig, WordEmbedder
from recsys.content.text.words import WordVectors
from recsys.content.training.task import RowTask, train_rows
from recsys.training.loop import LoopOptions


class GloVeConfig(WordConfig):
    """GloVe's training.

    Args:
        x_max: co-occurrence counts from here on have the weight 1.
        alpha: smaller counts x have the weight (x / x_max) ** alpha.
        batch_size: co-occurrences a batch.
        learning_rate: peak rate.
    """

    x_max: float = Field(10.0, gt=0)
    alpha: float = Field(0.75, gt=0, le=1)
    batch_size: int = Field(16_384, ge=1)
    learning_rate: float = Field(0.02, gt=0)


class GloVeEmbedder(WordEmbedder[GloVeConfig]):
    r"""GloVe: weighted least squares on word co-occurrences (Pennington et al., 2014), pooled.

    :math:`\sum_{ij} f(X_{ij}) (w_i \cdot c_j + b_i + d_j - \log X_{ij})^2` with
    :math:`f(x) = \min(1, (x / x_{max})^\alpha)`; a word's vector is :math:`w_i + c_i`. Trained in torch.
    Use it where `Word2VecEmbedder` would be used and gensim is not installed, or where global counts serve better.

    Example:
        >>> from recsys.content import GloVeEmbedder, text_table
        >>> films = text_table(title=["Toy Story", "Toy Story 2", "Heat"])
        >>> GloVeEmbedder(columns=["title"], dim=4, epochs=1, min_count=1).fit_transform(films)
        EmbeddingTable(3 ids, 4 dimensions, embedder='glove')
    """

    kind = "glove"
    Config = GloVeConfig

    def learn(self, corpus: list[list[str]]) -> WordVectors:
        names, counts = cooccurrences(corpus, self.config.min_count, self.config.window)
        entries = sp.coo_array(counts)
        torch.manual_seed(self.context.seed)
        module = _Tables(max(len(names), 1), self.config.dim)
        rows, columns = (torch.from_numpy(part.astype(np.int64)) for part in (entries.row, entries.col))
        target = torch.from_numpy(np.log(entries.data))
        weight = torch.from_numpy(np.minimum(1.0, (entries.data / self.config.x_max) ** self.config.alpha))

        def loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            picked = torch.from_numpy(batch)
            device = module.word.weight.device
            error = module(rows[picked].to(device), columns[picked].to(device)) - target[picked].to(device)
            squares: Tensor = weight[picked].to(device) * error.square()
            return squares.mean()

        if len(target):
            size = min(self.config.batch_size, len(target))
            options = LoopOptions(epochs=self.config.epochs, learning_rate=self.config.learning_rate)
            train_rows(RowTask(module, len(target), size, loss), options, self.context)
        both = (module.word.weight + module.context.weight).detach().numpy()
        return WordVectors.plain(names, both[: len(names)])


class _Tables(nn.Module):
    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.word, self.context = nn.Embedding(n, dim), nn.Embedding(n, dim)
        self.word_bias, self.context_bias = nn.Embedding(n, 1), nn.Embedding(n, 1)
        for table in (self.word, self.context):
            nn.init.uniform_(table.weight, -0.5 / dim**0.5, 0.5 / dim**0.5)
        for table in (self.word_bias, self.context_bias):
            nn.init.zeros_(table.weight)

    def forward(self, rows: Tensor, columns: Tensor) -> Tensor:
        """[n], [n] -> the fitted logarithms [n]."""
        product = (self.word(rows) * self.context(columns)).sum(1)
        fitted: Tensor = product + self.word_bias(rows)[:, 0] + self.context_bias(columns)[:, 0]
        return fitted


def cooccurrences(corpus: list[list[str]], min_count: int, window: int) -> tuple[list[str], sp.csr_array]:
    """The words that occur ``min_count`` times, and float32 [W, W]: each nearby pair adds one over its distance.

    Example:
        >>> names, counts = cooccurrences([["a", "b", "a"]], 1, 2)
        >>> names, counts.toarray().tolist()
        (['a', 'b'], [[1.0, 2.0], [2.0, 0.0]])
    """
    seen = Counter(word for text in corpus for word in text)
    names = sorted(word for word, count in seen.items() if count >= min_count)
    place = {word: row for row, word in enumerate(names)}
    rows = np.array([place.get(word, -1) for text in corpus for word in text], np.int64)
    owner = np.repeat(np.arange(len(corpus)), [len(text) for text in corpus])
    total = sp.csr_array((len(names), len(names)), dtype=np.float32)
    for step in range(1, window + 1):
        left, right = rows[:-step], rows[step:]
        near = (owner[:-step] == owner[step:]) & (left >= 0) & (right >= 0)
        pair = (np.full(int(near.sum()), 1 / step, np.float32), (left[near], right[near]))
        part = sp.csr_array(pair, shape=total.shape)
        total = total + part + part.T
    return names, sp.csr_array(total)
