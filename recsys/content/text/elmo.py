"""A character-aware bidirectional LSTM language model, its layers mixed by learned weights: the ELMo way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.config import Config
from recsys.content.embedder import EmbedderContext, short_digest
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.text.words import words
from recsys.content.training.contrastive import multiple_negatives
from recsys.content.training.modules import load_with_words, save_with_words
from recsys.content.training.task import RowTask, train_rows
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.embeddings import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions

_LONGEST = 16
"""Characters of a word that count."""


class ElmoConfig(Config):
    """The model and its two trainings.

    Args:
        dim: of the word representations and of each direction's states; D is twice that.
        characters: channels of the character convolution.
        depth: LSTM layers of each direction.
        max_words: texts are cut there.
        min_count: rarer words are not guessed (they are still read, by their characters).
        samples: words that a guess is scored against, shared in a batch.
        batch_size: texts a batch.
        training: of the language model.
        mixing: of the layer weights: two halves of one text must find each other in a batch.
    """

    dim: int = Field(64, ge=4)
    characters: int = Field(64, ge=4)
    depth: int = Field(2, ge=1)
    max_words: int = Field(48, ge=4)
    min_count: int = Field(2, ge=1)
    samples: int = Field(512, ge=1)
    batch_size: int = Field(32, ge=2)
    training: LoopOptions = LoopOptions(epochs=3, learning_rate=2e-3, max_grad_norm=1.0)
    mixing: LoopOptions = LoopOptions(epochs=1, learning_rate=5e-2)


class Packed(NamedTuple):
    """Texts as characters.

    Args:
        characters: int64 [n, L, 16], bytes of each word plus 1, 0 where a word is shorter.
        inside: bool [n, L], False at padding on the right.
        targets: int64 [n, L], the row of each word among those that are guessed, MISSING where it is rare.
    """

    characters: Tensor
    inside: Tensor
    targets: Tensor


class BiLm(nn.Module):
    """Words from their characters by convolution, then one stack of LSTM layers in each direction.

    Args:
        dim: of words and states.
        characters: channels of the convolution.
        depth: layers of each direction.
        n_words: words that can be guessed.
    """

    def __init__(self, dim: int, characters: int, depth: int, n_words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(257, 16, padding_idx=0)
        self.convolve = nn.Conv1d(16, characters, 3, padding=1)
        self.project = nn.Linear(characters, dim)
        self.ahead = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(depth))
        self.back = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(depth))
        self.out = nn.Embedding(max(n_words, 1), dim)
        self.mix = nn.Parameter(torch.zeros(depth + 1))
        nn.init.normal_(self.out.weight, std=dim**-0.5)

    def layers(self, texts: Packed) -> Tensor:
        """[depth + 1, n, L, 2 * dim]: the words alone, then the states of each layer, both directions."""
        n, length, _ = texts.characters.shape
        letters = self.embed(texts.characters.flatten(0, 1)).transpose(1, 2)
        word = self.project(torch.relu(self.convolve(letters)).amax(2)).unflatten(0, (n, length))
        turned = _turned(texts.inside)
        ahead, back = word, _at(word, turned)
        result = [torch.cat([word, word], 2)]
        for forward, backward in zip(self.ahead, self.back, strict=True):
            # a residual path keeps the words within reach of the upper layers
            ahead, back = ahead + forward(ahead)[0], back + backward(back)[0]
            result.append(torch.cat([ahead, _at(back, turned)], 2))
        return torch.stack(result)

    def forward(self, texts: Packed) -> Tensor:
        """[n, 2 * dim]: the mixed layers, averaged over the words, at length one."""
        mixed = torch.einsum("k,knld->nld", torch.softmax(self.mix, 0), self.layers(texts))
        held = texts.inside[..., None]
        mean = (mixed * held).sum(1) / held.sum(1).clamp(min=1)
        return nn.functional.normalize(mean, dim=1)

    def guessing_loss(self, texts: Packed, drawn: Tensor) -> Tensor:
        """Cross-entropy of the next word and of the word before, against ``drawn`` [m] words.

        Args:
            texts: the words.
            drawn: int64 [m], rows of words that occur about as often as they are drawn.
        """
        top = self.layers(texts)[-1]
        ahead, back = top.chunk(2, 2)
        losses = []
        for states, targets in ((ahead[:, :-1], texts.targets[:, 1:]), (back[:, 1:], texts.targets[:, :-1])):
            known = targets >= 0
            state, target = states[known], targets[known]
            right = (state * self.out(target)).sum(1, keepdim=True)
            wrong = (state @ self.out(drawn).T).masked_fill(drawn == target[:, None], -torch.inf)
            zeros = torch.zeros(len(state), dtype=torch.int64, device=state.device)
            losses.append(nn.functional.cross_entropy(torch.cat([right, wrong], 1), zeros, reduction="sum"))
        return torch.stack(losses).sum() / texts.inside.sum().clamp(min=1)


class Elmo:
    """Deep contextualised words (Peters et al., 2018), pretrained on the catalogue.

    The language model comes first; then, with it frozen, the weights of the layers are learnt.
    """

    kind: ClassVar[str] = "elmo"
    Config: ClassVar[type[Config]] = ElmoConfig
    learns: ClassVar[bool] = True

    def __init__(self, config: Any, context: EmbedderContext) -> None:
        self.config: ElmoConfig = config or ElmoConfig()
        self.context = context
        self.vocabulary = Vocabulary(np.empty(0, object))
        self.network: BiLm | None = None

    @property
    def fingerprint(self) -> str:
        facts = f"elmo/{self.config.model_dump_json()}/{self.context.seed}"
        return short_digest(facts)

    def fit(self, table: EntityTable) -> None:
        found = [words(text) for text in row_texts(table, self.context.columns) if text is not None]
        texts = [text[: self.config.max_words] for text in found if len(text) > 1]
        if len(texts) < 2:
            raise ConfigError("fewer than two texts have words; there is nothing to learn from")
        counts = Counter(word for text in texts for word in text)
        kept = sorted(word for word, count in counts.items() if count >= self.config.min_count)
        self.vocabulary = Vocabulary(np.array(kept, object))
        odds = np.array([counts[word] for word in kept], float) ** 0.75
        torch.manual_seed(self.context.seed)
        self.network = network = self._built(len(kept))

        def guess(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            drawn = rng.choice(max(len(kept), 1), self.config.samples, p=odds / odds.sum() if len(kept) else None)
            device = network.mix.device
            packed = self._packed([texts[row] for row in batch], device)
            return network.guessing_loss(packed, torch.from_numpy(drawn).to(device))

        def match(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            device, ids = network.mix.device, torch.from_numpy(batch).to(network.mix.device)
            chosen = [texts[row] for row in batch]
            left = network(self._packed([text[: len(text) // 2] for text in chosen], device))
            right = network(self._packed([text[len(text) // 2 :] for text in chosen], device))
            return multiple_negatives(left, right, ids, ids, 0.1)

        size = min(self.config.batch_size, len(texts))
        train_rows(RowTask(network, len(texts), size, guess), self.config.training, self.context)
        frozen = {name: 0.0 for name, _ in network.named_parameters() if name != "mix"}
        mixing = self.config.mixing.model_copy(update={"lr_multipliers": {**frozen, **self.config.mixing.lr_multipliers}})
        train_rows(RowTask(network, len(texts), size, match), mixing, self.context)

    @torch.inference_mode()
    def embed(self, table: EntityTable) -> EmbeddingTable:
        assert self.network is not None, "fit or restore comes before embed"
        texts = row_texts(table, self.context.columns)
        kept = [(words(text) or [text])[: self.config.max_words] for text in texts if text is not None]
        order = np.argsort([len(text) for text in kept], kind="stable")
        vectors = np.zeros((len(kept), 2 * self.config.dim), np.float32)
        for start in range(0, len(kept), self.config.batch_size):
            rows = order[start : start + self.config.batch_size]
            vectors[rows] = self.network(self._packed([kept[row] for row in rows], torch.device("cpu"))).numpy()
        mix = torch.softmax(self.network.mix, 0).tolist()
        return content_table(self, self.context, table, present_rows(texts), vectors, {"layer_weights": mix})

    def save(self, directory: Path) -> None:
        assert self.network is not None, "fit comes before save"
        save_with_words(self.network, self.vocabulary, directory)

    def restore(self, directory: Path) -> None:
        self.network, self.vocabulary = load_with_words(self._built, directory)

    def _built(self, n_words: int) -> BiLm:
        return BiLm(self.config.dim, self.config.characters, self.config.depth, n_words)

    def _packed(self, texts: Sequence[Sequence[str]], device: torch.device) -> Packed:
        longest = max(map(len, texts))
        characters = np.zeros((len(texts), longest, _LONGEST), np.int64)
        targets = np.full((len(texts), longest), -1, np.int64)
        for row, text in enumerate(texts):
            targets[row, : len(text)] = self.vocabulary.rows(np.array(text, object))
            for place, word in enumerate(text):
                letters = word.encode("utf-8", "surrogatepass")[:_LONGEST]
                characters[row, place, : len(letters)] = np.frombuffer(letters, np.uint8).astype(np.int64) + 1
        inside = np.arange(longest) < np.array([len(text) for text in texts])[:, None]
        return Packed(*(torch.from_numpy(part).to(device) for part in (characters, inside, targets)))


def _turned(inside: Tensor) -> Tensor:
    """int64 [n, L]: where each position goes when a text is read backwards; padding stays."""
    length = inside.sum(1, keepdim=True)
    places = torch.arange(inside.shape[1], device=inside.device)
    return torch.where(inside, length - 1 - places, places)


def _at(vectors: Tensor, places: Tensor) -> Tensor:
    return vectors.gather(1, places[..., None].expand_as(vectors))
