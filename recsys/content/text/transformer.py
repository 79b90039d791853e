"""BERT-like and GPT-like language models through transformers, pretrained further on the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recsys.content.cache import ContentCache, content_key
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.processes import blocks_of_network, chosen_device
from recsys.content.tables import content_table, present_rows
from recsys.content.text.texts import row_texts
from recsys.content.training.task import RowTask, train_rows
from recsys.content.weights import weights_fingerprint, weights_path
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Rows
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError
from recsys.training.loop import LoopOptions


class LanguageModelConfig(EmbedderConfig):
    """Which model, how it is pretrained further, and how its states become one vector.

    Args:
        model: a transformers folder, or a name that a package ships.
        scratch: takes the tokenizer alone; a small model starts from random weights, ``depth`` layers of ``dim``.
        depth: of a model from scratch.
        dim: of a model from scratch.
        layers: hidden states that are averaged: 0 is the input embedding, -1 the last layer.
        pooling: of the tokens: their mean, the maximum, the first token or the last one.
        max_tokens: texts are cut there.
        batch_size: texts at a time.
        device: that encodes: ``auto`` takes CUDA where there is one. Further training has a ``device`` of its own.
        mask_share: probability that a token is masked and predicted, of a masked model.
        training: passes over the catalogue before anything is embedded; None leaves the model as it is.
    """

    model: str = "all-MiniLM-L6-v2"
    scratch: bool = False
    depth: int = Field(2, ge=1)
    dim: int = Field(128, ge=8, multiple_of=4)
    layers: tuple[int, ...] = Field((-1,), min_length=1)
    pooling: Literal["mean", "max", "first", "last"] = "mean"
    max_tokens: int = Field(128, ge=8)
    batch_size: int = Field(32, ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    mask_share: float = Field(0.15, gt=0, lt=1)
    training: LoopOptions | None = None


class LanguageModelEmbedder(Embedder[LanguageModelConfig]):
    """Texts as pooled hidden states of a language model; base of masked and causal models."""

    kind: ClassVar[str]
    Config = LanguageModelConfig
    learns = True

    def __init__(self, config: LanguageModelConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self._trained: Path | None = None
        self._loaded: Any = None
        self._tokenizer: Any = None
        self._weights: dict[str, Tensor] | None = None

    def __getstate__(self) -> dict[str, object]:
        """With the weights in place of the model, which cannot be pickled once it was used."""
        return {**vars(self), "_loaded": None, "_tokenizer": None, "_weights": self._own_weights()}

    def _own_weights(self) -> dict[str, Tensor] | None:
        """Of a model that no folder holds; None where it is loaded from one, or not loaded yet."""
        learnt = self.config.training is not None or self.config.scratch
        if self._loaded is None or not learnt:
            return self._weights
        return {name: value.detach().cpu() for name, value in self._loaded.state_dict().items()}

    @cached_property
    def path(self) -> Path:
        """The folder of the pretrained model."""
        return weights_path(self.config.model, "model")

    @property
    def fingerprint(self) -> str:
        options = self.config.model_dump_json(exclude={"device"})
        return short_digest([f"{self.kind}/{weights_fingerprint(self.path)}/{options}"])

    def _fit(self, table: EntityTable) -> None:
        self._trained, self._loaded, self._weights = None, None, None
        texts = [text for text in row_texts(table, self.config.columns) if text is not None]
        if self.config.training is None or not texts:
            return
        model = self.model

        def loss(batch: Rows, rng: np.random.Generator) -> Tensor:
            tokens = {name: value.to(model.device) for name, value in self._tokens([texts[r] for r in batch]).items()}
            return self.token_loss(model, tokens, rng)

        size = min(self.config.batch_size, len(texts))
        train_rows(RowTask(model, len(texts), size, loss), self.config.training, self.context)

    def token_loss(self, model: Any, tokens: dict[str, Tensor], rng: np.random.Generator) -> Tensor:
        """Cross-entropy of the tokens that ``model`` predicts.

        Args:
            model: in training.
            tokens: ``input_ids`` and ``attention_mask``, int64 [n, L].
            rng: draws what is masked.
        """
        raise NotImplementedError

    def begin(self) -> Any:
        """The model with its language head, pretrained or from scratch."""
        raise NotImplementedError

    def _embed(self, table: EntityTable) -> EmbeddingTable:
        texts = row_texts(table, self.config.columns)
        valid = [text for text in texts if text is not None]
        cache = ContentCache(self.context.cache / self.kind / self._state())
        order = np.argsort([-len(text) for text in valid], kind="stable")
        keys = [content_key(text) for text in valid]
        blocks = blocks_of_network(self.context.blocks, self.config.device)
        vectors = (
            np.asarray(cache.through(keys, partial(self._make, valid), order, blocks))
            if valid
            else np.zeros((0, *(cache.shape or (1,))), np.float32)
        )
        provenance = {"model": self.config.model}
        return content_table(self, table, present_rows(texts), vectors.astype(np.float32), provenance)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        if self.config.training is not None or self.config.scratch:
            self.model.save_pretrained(directory / "model")

    def restore(self, directory: Path) -> None:
        self._loaded, self._weights = None, None
        if self.config.training is not None or self.config.scratch:
            self._trained = directory / "model"

    @property
    def model(self) -> Any:
        """The model, loaded at the first access: the one in the folder given to `restore`, else the pretrained one."""
        if self._loaded is None:
            from transformers.utils.logging import disable_progress_bar, set_verbosity_error

            disable_progress_bar()
            set_verbosity_error()  # no warning that the language head of a sentence model is new
            torch.manual_seed(self.context.seed)
            try:
                self._loaded = self.begin().eval()
            except (OSError, ValueError, KeyError) as error:
                raise ConfigError(
                    f"model = {self.config.model!r} is no {self.kind} language model ({error})"
                ) from error
            if self._weights is not None:
                self._loaded.load_state_dict(self._weights)
        return self._loaded

    @property
    def tokenizer(self) -> Any:
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            # `pooled`, and the positions of a model, begin at the left
            self._tokenizer = AutoTokenizer.from_pretrained(self.path, local_files_only=True, padding_side="right")
            if self._tokenizer.pad_token is None:
                self._tokenizer.pad_token = self._tokenizer.eos_token
        return self._tokenizer

    def where(self) -> Path:
        """The folder that weights come from."""
        return self._trained or self.path

    def _tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        found = self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.config.max_tokens, return_tensors="pt"
        )
        return {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"]}

    @torch.inference_mode()
    def _make(self, texts: list[str], rows: Rows) -> NDArray[np.float32]:
        made, size, device = [], self.config.batch_size, chosen_device(self.config.device)
        model = self.model.to(device).base_model
        for start in range(0, len(rows), size):
            found = self._tokens([texts[row] for row in rows[start : start + size]])
            tokens = {name: value.to(device) for name, value in found.items()}
            states = model(**tokens, output_hidden_states=True).hidden_states
            mixed = torch.stack([states[layer] for layer in self.config.layers]).mean(0)
            made.append(pooled(mixed, tokens["attention_mask"], self.config.pooling).float().cpu().numpy())
        return np.concatenate(made)

    def _state(self) -> str:
        """A digest of the current weights and of the options of encoding."""
        read = f"padded right/{self.config.layers}/{self.config.pooling}/{self.config.max_tokens}"
        if self.config.training is None and not self.config.scratch:
            return short_digest([read, weights_fingerprint(self.path)])
        values = self.model.state_dict().items()
        tensors = (name.encode() + value.detach().cpu().contiguous().numpy().tobytes() for name, value in values)
        return short_digest(chain([read], tensors))


def pooled(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """One vector a text.

    Args:
        states: [n, L, D].
        mask: int64 [n, L], 1 at tokens, 0 at padding on the right.
        how: ``mean``, ``max``, ``first`` or ``last``.
    """
    if how == "first":
        return states[:, 0]
    if how == "last":
        return states[torch.arange(len(states), device=states.device), mask.sum(1) - 1]
    token = mask[..., None].bool()
    if how == "max":
        return states.masked_fill(~token, -torch.inf).amax(1)
    return (states * token).sum(1) / token.sum(1)
