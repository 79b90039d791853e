"""ELMo (Peters et al., 2018): a character-aware bidirectional LSTM language model with a learned mix of its layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.tables import content_table, present_rows
from recsys.content.text.bilm import MAX_CHARACTERS, BiLm, Packed
from recsys.content.text.texts import row_texts
from recsys.content.text.words import words
from recsys.content.training.contrastive import multiple_negatives
from recsys.content.training.modules import load_with_words, save_with_words
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions


class ELMoConfig(EmbedderConfig):
    """The model and its two trainings.

    Args:
        dim: of the word representations and of each direction's states; D is twice that.
        characters: channels of the character convolution.
        depth: LSTM layers of each direction.
        max_words: texts are cut there.
        min_count: rarer words are inputs, by their characters, but no prediction targets.
        samples: negative words of the sampled softmax, shared in a batch.
        batch_size: texts a batch.
        training: of the language model.
        mixing: training of the layer weights by an in-batch contrastive loss: the halves of a text are a positive pair.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    dim: int = Field(64, ge=4)
    characters: int = Field(64, ge=4)
    depth: int = Field(2, ge=1)
    max_words: int = Field(48, ge=4)
    min_count: int = Field(2, ge=1)
    samples: int = Field(512, ge=1)
    batch_size: int = Field(32, ge=2)
    training: LoopOptions = LoopOptions(epochs=3, learning_rate=2e-3, max_grad_norm=1.0)
    mixing: LoopOptions = LoopOptions(epochs=1, learning_rate=5e-2)


class ELMoEmbedder(Embedder[ELMoConfig]):
    """ELMo: mixed layers of a bidirectional LSTM language model (Peters et al., 2018), trained on the catalogue.

    The language model is trained first (``training``); then, with it frozen, the softmax weights of its layers
    (``mixing``). A text is the mean of its words' mixed states, to unit length: D = 2 * dim. Use it as a contextual
    model without pretrained weights, where word order and unknown words matter; it is the slowest of those to train.

    Example:
        >>> from recsys.content import ELMoEmbedder
        >>> ELMoEmbedder(columns=["title"], dim=16)
        ELMoEmbedder(columns=('title',), dim=16)
    """

    kind = "elmo"
    Config = ELMoConfig
    learns = True

    def __init__(self, config: ELMoConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self.vocabulary = Vocabulary(np.empty(0, object))
        self.network: BiLm | None = None

    @property
    def fingerprint(self) -> str:
        return short_digest([f"elmo/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        found = [words(text) for text in row_texts(table, self.config.columns) if text is not None]
        texts = [text[: self.config.max_words] for text in found if len(text) > 1]
        if len(texts) < 2:
            raise ConfigError("fewer than two texts have words; there is nothing to learn from")
        counts = Counter(word for text in texts for word in text)
        frequent = sorted(word for word, count in counts.items() if count >= self.config.min_count)
        self.vocabulary = Vocabulary(np.array(frequent, object))
        odds = np.array([counts[word] for word in frequent], float) ** 0.75
        torch.manual_seed(self.context.seed)
        self.network = network = self._built(len(frequent))

        def language_model_loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            drawn = rng.choice(
                max(len(frequent), 1), self.config.samples, p=odds / odds.sum() if len(frequent) else None
            )
            device = network.mix.device
            packed = self._batch([texts[row] for row in batch], device)
            return network.language_model_loss(packed, torch.from_numpy(drawn).to(device))

        def mixing_loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            device, ids = network.mix.device, torch.from_numpy(batch).to(network.mix.device)
            chosen = [texts[row] for row in batch]
            left = network(self._batch([text[: len(text) // 2] for text in chosen], device))
            right = network(self._batch([text[len(text) // 2 :] for text in chosen], device))
            return multiple_negatives(left, right, ids, ids, 0.1)

        size = min(self.config.batch_size, len(texts))
        train_rows(RowTask(network, len(texts), size, language_model_loss), self.config.training, self.context)
        frozen = {name: 0.0 for name, _ in network.named_parameters() if name != "mix"}
        mixing = self.config.mixing.model_copy(
            update={"lr_multipliers": {**frozen, **self.config.mixing.lr_multipliers}}
        )
        train_rows(RowTask(network, len(texts), size, mixing_loss), mixing, self.context)

    @torch.inference_mode()
    def _embed(self, table: EntityTable) -> EmbeddingTable:
        network = self._fitted(self.network)
        texts = row_texts(table, self.config.columns)
        tokens = [(words(text) or [text])[: self.config.max_words] for text in texts if text is not None]
        order = np.argsort([len(text) for text in tokens], kind="stable")
        vectors = np.zeros((len(tokens), 2 * self.config.dim), np.float32)
        for start in range(0, len(tokens), self.config.batch_size):
            rows = order[start : start + self.config.batch_size]
            vectors[rows] = network(self._batch([tokens[row] for row in rows], torch.device("cpu"))).numpy()
        mix = torch.softmax(network.mix, 0).tolist()
        return content_table(self, table, present_rows(texts), vectors, {"layer_weights": mix})

    def save(self, directory: Path) -> None:
        network = self._fitted(self.network)
        save_with_words(network, self.vocabulary, directory)

    def restore(self, directory: Path) -> None:
        self.network, self.vocabulary = load_with_words(self._built, directory)

    def _built(self, n_words: int) -> BiLm:
        return BiLm(self.config.dim, self.config.characters, self.config.depth, n_words)

    def _batch(self, texts: Sequence[Sequence[str]], device: torch.device) -> Packed:
        longest = max(map(len, texts))
        characters = np.zeros((len(texts), longest, MAX_CHARACTERS), np.int64)
        targets = np.full((len(texts), longest), -1, np.int64)
        for row, text in enumerate(texts):
            targets[row, : len(text)] = self.vocabulary.rows(np.array(text, object))
            for place, word in enumerate(text):
                letters = word.encode("utf-8", "surrogatepass")[:MAX_CHARACTERS]
                characters[row, place, : len(letters)] = np.frombuffer(letters, np.uint8).astype(np.int64) + 1
        inside = np.arange(longest) < np.array([len(text) for text in texts])[:, None]
        return Packed(*(torch.from_numpy(part).to(device) for part in (characters, inside, targets)))
