"""Deep metric learning on labels or behaviour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from recsys.content.columns import row_tags
from recsys.content.embedder import Embedder, EmbedderConfig
from recsys.content.image.cnn import SmallCnn
from recsys.content.image.pixels import PixelStore
from recsys.content.nested import EmbedderSpec, restore_learner, save_learner
from recsys.content.tables import content_table, inherited
from recsys.content.training.modules import load_module, save_module
from recsys.content.training.pairs import behaviour
from recsys.content.training.task import RowTask, train_rows
from recsys.content.transforms.projection_head import Head
from recsys.data.entities import EntityTable
from recsys.digest import short_digest
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError
from recsys.json_values import JsonObject
from recsys.training.loop import LoopOptions

Labelled = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Rows [n] and the label [n] of each."""


class MetricLearningConfig(EmbedderConfig):
    """The base, the labels, the loss and the training.

    Args:
        base: the frozen embedder under a learned head; ``"pixels"`` trains a small network on the images themselves.
        label: a tags or categorical column whose values are the labels; None learns from what the same users chose.
        loss: ``triplet`` with semi-hard negatives, ``contrastive`` or ``multi_similarity``.
        margin: of the triplet loss.
        dim: D of the result.
        hidden: width of the head's perceptron; 0 keeps a linear map.
        side: of the images of the small network.
        window: two items of a user at most this many steps apart are alike (without a label).
        batch_size: items a batch.
        batches: an epoch.
        training: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    base: EmbedderSpec | Literal["pixels"] = EmbedderSpec(embedder="image")
    label: str | None = None
    loss: Literal["triplet", "contrastive", "multi_similarity"] = "multi_similarity"
    margin: float = Field(0.2, gt=0)
    dim: int = Field(64, ge=2)
    hidden: int = Field(0, ge=0)
    side: int = Field(48, ge=8)
    window: int = Field(5, ge=1)
    batch_size: int = Field(256, ge=4, multiple_of=2)
    batches: int = Field(100, ge=1)
    training: LoopOptions = LoopOptions(epochs=5, learning_rate=1e-3)


class MetricLearningEmbedder(Embedder[MetricLearningConfig]):
    """Deep metric learning on vectors of an embedder or on pixels: items of one label come near each other.

    | loss | use it when |
    |---|---|
    | ``multi_similarity`` (Wang et al., 2019) | first choice; mines and weighs the pairs of the batch itself |
    | ``triplet`` (Schroff et al., 2015), semi-hard negatives | only the order of distances matters |
    | ``contrastive`` (Hadsell et al., 2006) | few classes; pulls a class to a point, margin 1 to the others |

    An item with several tags takes one of them at random in each batch. Without ``label`` the pairs are items that the
    same users chose close in time (needs ``context.train``); `ProjectionHead` is the better choice then. Needs
    pytorch-metric-learning: ``pip install 'recsys-towers[metric]'``.

    Example:
        >>> from recsys.content import MetricLearningEmbedder
        >>> embedder = MetricLearningEmbedder(columns=["poster"], base="pixels", label="genres", loss="triplet")
    """

    kind = "metric_learning"
    Config = MetricLearningConfig
    learns = True

    def __init__(self, config: MetricLearningConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        spec = self.config.base
        self.base = spec.build(self.config.columns) if isinstance(spec, EmbedderSpec) else None
        self.network: nn.Module | None = None

    @property
    def fingerprint(self) -> str:
        below = "pixels" if self.base is None else self.base.fingerprint
        return short_digest([f"metric_learning/{below}/{self.config.model_dump_json()}"])

    def _fit(self, table: EntityTable) -> None:
        if self.base is not None:
            self.base.fit(table, self.context)
        inputs, present, _ = self._inputs(table)
        place = np.cumsum(present) - 1
        drawn = self._batches(table, present)
        torch.manual_seed(self.context.seed)
        network = self._built(inputs.shape[-1])
        if isinstance(network, Head):
            network.mean.copy_(nn.functional.normalize(inputs, dim=1).mean(0))
        compare = _loss(self.config.loss, self.config.margin)
        size = self.config.batch_size

        def loss(batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
            rows, labels = drawn(size, rng)
            device = next(network.parameters()).device
            vectors = nn.functional.normalize(network(inputs[torch.from_numpy(place[rows])].to(device)), dim=1)
            return compare(vectors, torch.from_numpy(labels).to(device))

        train_rows(RowTask(network, self.config.batches, 1, loss), self.config.training, self.context)
        self.network = network

    @torch.inference_mode()
    def _embed(self, table: EntityTable) -> EmbeddingTable:
        network = self._fitted(self.network)
        inputs, present, provenance = self._inputs(table)
        made = [np.zeros((0, self.config.dim), np.float32)]
        for start in range(0, len(inputs), 256):
            made.append(nn.functional.normalize(network(inputs[start : start + 256]), dim=1).numpy())
        return content_table(self, table, present, np.concatenate(made), provenance)

    def save(self, directory: Path) -> None:
        network = self._fitted(self.network)
        save_module(network, directory / "network.safetensors")
        save_learner(self.base, directory / "base")

    def restore(self, directory: Path) -> None:
        restore_learner(self.base, directory / "base")
        weights = load_module(directory / "network.safetensors")
        self.network = self._built(weights["linear.weight"].shape[1] if "linear.weight" in weights else 3)
        self.network.load_state_dict(weights)
        self.network.eval()

    def _built(self, width: int) -> nn.Module:
        if self.base is None:
            return SmallCnn(self.config.dim)
        return Head(width, self.config.dim, self.config.hidden, dropout=0.1)

    def _inputs(self, table: EntityTable) -> tuple[Tensor, NDArray[np.bool_], JsonObject]:
        """Inputs [m, ...] of the network, which of the n rows have one, and the provenance of the inputs."""
        if self.base is None:
            found = PixelStore(self.context, self.config.columns, self.config.side).read(table)
            return torch.from_numpy(found.pixels), found.present, found.provenance
        below = self.base.embed(table, self.context)
        aligned, present = below.align(table.vocabulary)
        return torch.from_numpy(aligned[present]), present, inherited(below)

    def _batches(
        self, table: EntityTable, present: NDArray[np.bool_]
    ) -> Callable[[int, np.random.Generator], Labelled]:
        """What draws the rows and labels of a batch."""
        if self.config.label is None:
            sampler = behaviour(self.context, self.config.window, present)
            return lambda size, rng: _pair_labels(sampler.draw(rng.integers(0, len(sampler), size // 2), rng))
        tags = row_tags(table, self.config.label)
        rows = np.array([row for row in np.flatnonzero(present) if tags[row]], np.int64)
        names = {name: number for number, name in enumerate(sorted({tag for row in rows for tag in tags[row]}))}
        if len(names) < 2:
            raise ConfigError(
                f"label = {self.config.label!r} has {len(names)} values on rows with content; two are needed"
            )

        def draw(size: int, rng: np.random.Generator) -> Labelled:
            chosen = rng.choice(rows, min(size, len(rows)), replace=False)
            return chosen, np.array([names[tags[row][rng.integers(len(tags[row]))]] for row in chosen], np.int64)

        return draw


def _pair_labels(pairs: NDArray[np.int64]) -> Labelled:
    """Labels that the two items of a pair share; of pairs with a common item, only the first is kept.

    Otherwise an item of two pairs would have one label, and its second partner would count as a negative.
    """
    seen: set[int] = set()
    distinct = []
    for pair in pairs.tolist():
        if pair[0] != pair[1] and seen.isdisjoint(pair):
            seen.update(pair)
            distinct.append(pair)
    return np.array(distinct, np.int64).ravel(), np.repeat(np.arange(len(distinct)), 2)


def _loss(name: str, margin: float) -> Callable[[Tensor, Tensor], Tensor]:
    try:
        from pytorch_metric_learning import losses, miners
    except ImportError as error:
        raise ConfigError(
            "metric learning needs the package pytorch-metric-learning; install it: pip install 'recsys-towers[metric]'"
        ) from error
    if name == "contrastive":
        plain: Callable[[Tensor, Tensor], Tensor] = losses.ContrastiveLoss(pos_margin=0, neg_margin=1)
        return plain
    if name == "triplet":
        loss, miner = losses.TripletMarginLoss(margin), miners.TripletMarginMiner(margin, type_of_triplets="semihard")
    else:
        loss, miner = losses.MultiSimilarityLoss(), miners.MultiSimilarityMiner()
    return lambda vectors, labels: loss(vectors, labels, miner(vectors, labels))
