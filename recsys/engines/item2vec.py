"""item2vec: skip-gram over histories, the words being items (Barkan & Koenigstein, 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import Config, parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embeddings import EmbeddingTable
from recsys.engine import Request, Resources, Vectors
from recsys.engines.learning import learn
from recsys.engines.skip_gram import SkipGram, nearby_pairs
from recsys.tracking import Tracker
from recsys.training.loop import LoopOptions


class Item2VecConfig(Config):
    """Skip-gram with negative sampling.

    Args:
        dim: D.
        window: pairs are at most this many steps apart.
        negatives: C shared negatives a batch, drawn by popularity to the power 0.75; each weighs ``k / C``.
        k: negatives that a pair counts for.
        decay: weight of a step when a user's history is summed.
        batch_pairs: N.
        training: the loop.
    """

    dim: int = Field(64, ge=2)
    window: int = Field(5, ge=1)
    negatives: int = Field(512, ge=1)
    k: float = Field(5.0, gt=0)
    decay: float = Field(0.9, gt=0, le=1)
    batch_pairs: int = Field(8192, ge=1)
    training: LoopOptions = LoopOptions(epochs=5, learning_rate=0.01)


class Item2Vec:
    """Item vectors by skip-gram; a user is the decayed sum of the history's input vectors, scored by output vectors."""

    kind: ClassVar[str] = "item2vec"
    Config: ClassVar[type[Config]] = Item2VecConfig
    can_place_new_users: ClassVar[bool] = True
    can_place_new_items: ClassVar[bool] = False

    items: Vocabulary
    inner: NDArray[np.float32]
    outer: NDArray[np.float32]
    trained: NDArray[np.bool_]

    def __init__(self, config: Any = None, resources: Resources | None = None) -> None:
        self.config: Item2VecConfig = config or Item2VecConfig()
        self.resources = resources or Resources()
        self.fingerprint = ""

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        self.items, self.fingerprint = data.items.vocabulary, train.fingerprint
        torch.manual_seed(self.resources.seed)
        config, pairs = self.config, nearby_pairs(train, self.config.window)
        counts = train.item_counts(data.n_items)
        task = SkipGram(lambda *_: pairs, counts, config.dim, config.negatives, config.k, config.batch_pairs)
        learn(
            task,
            self.config.training,
            self.resources,
            tracker,
            "item2vec",
            train.fingerprint,
            self.config.model_dump_json(),
        )
        self.inner = task.module.inner.weight.detach().cpu().numpy()
        self.outer = task.module.outer.weight.detach().cpu().numpy()
        self.trained = counts > 0

    def user_vectors(self, request: Request) -> Vectors:
        rows = np.append(self.trained, False)[self.items.rows(request.items.vocabulary.ids)]
        known = np.where(rows, self.items.rows(request.items.vocabulary.ids), -1)
        histories = request.histories.renamed(known)
        weights = self.config.decay ** histories.steps_ago()
        matrix = histories.to_csr(len(self.items), weights)
        return Vectors(dense=(matrix @ self.inner).astype(np.float32), placed=histories.lengths > 0)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = self.items.rows(items.vocabulary.ids)
        placed = np.append(self.trained, False)[rows]
        return Vectors(dense=np.where(placed[:, None], self.outer[rows], 0).astype(np.float32), placed=placed)

    def item_table(self) -> EmbeddingTable:
        """The input vectors of the items that training saw."""
        provenance = {"engine": self.kind, "train": self.fingerprint, "config": self.config.model_dump(mode="json")}
        return EmbeddingTable(Vocabulary(self.items.ids[self.trained]), self.inner[self.trained], provenance)

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.config.model_dump(mode="json"))
        write_json(directory / "state.json", {"train": self.fingerprint})
        self.items.save(directory / "items.parquet")
        arrays: dict[str, NDArray[Any]] = {
            "inner": self.inner,
            "outer": self.outer,
            "trained": self.trained.astype(np.uint8),
        }
        with atomic_path(directory / "vectors.safetensors") as beside:
            save_file(arrays, beside)

    @classmethod
    def load(cls, directory: Path) -> Self:
        engine = cls(parse(Item2VecConfig, read_json(directory / "config.json"), str(directory / "config.json")))
        engine.items = Vocabulary.load(directory / "items.parquet")
        arrays = load_file(directory / "vectors.safetensors")
        engine.inner, engine.outer, engine.trained = arrays["inner"], arrays["outer"], arrays["trained"].astype(bool)
        engine.fingerprint = read_json(directory / "state.json")["train"]
        return engine
