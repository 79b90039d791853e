"""GraphSAGE: vectors of users and items from their neighbours and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import normalize

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import parse
from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.features import FeatureSet
from recsys.data.graph import Graph
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING, row_counts
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.device_copy import DeviceCopy, near
from recsys.engines.graph.sage_config import GraphSAGEConfig
from recsys.engines.learning import run_training, validation_metric
from recsys.engines.modules import load_module
from recsys.engines.storage import known_rows, seen_table
from recsys.engines.two_tower.tower_inputs import TowerInputs
from recsys.losses import LOSSES, LossBatch, SeenRanges, own_targets
from recsys.models.build import ModelOptions, build_tower
from recsys.models.feature_table import FeatureTable, Taken
from recsys.models.sage import Block, SageModel, mean_matrix, sample_block
from recsys.models.two_tower import Features
from recsys.negatives import NEGATIVES
from recsys.training.ahead import moved
from recsys.training.batches import shuffled_batches


class GraphSAGE(Engine):
    """Inductive node embeddings by sampled neighbours (Hamilton, Ying & Leskovec, NeurIPS 2017).

    Two layers of mean aggregation over the user-item graph; see `recsys.models.sage` for the network. In training the
    edges that a batch predicts are left out of its messages. At inference a user's neighbours are the whole history,
    for new users too; an item's neighbours are its users in training, and an item without any gets its vector from its
    features alone. Use it as the graph engine for new users and new items.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> GraphSAGE(dim=4, epochs=1).fit(data).supports_cold_items
        True
    """

    kind = "sage"
    Config = GraphSAGEConfig
    config: GraphSAGEConfig
    supports_cold_items = True

    inputs: TowerInputs
    model: SageModel
    layers: dict[str, Tensor]
    """float32 [I, D] each: the inputs ``x`` and the layers ``h`` and ``z`` of the items, with all their neighbours.

    Only rows of trained items are used; the others are computed anew, for their features may have changed.
    """

    _held: tuple[EntityTable, tuple[Tensor, Tensor, Tensor]] | None = None

    def __init__(self, config: EngineConfig | None = None, /, **options: object) -> None:
        super().__init__(config, **options)
        self._copy = DeviceCopy[SageModel]()

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.inputs = TowerInputs(
            data.items.vocabulary,
            data.users.vocabulary,
            FeatureSet.fit(data.items, np.unique(train.item), self.config.features),
            FeatureSet.fit(data.users, np.unique(train.user), self.config.features),
            train.item_counts(data.n_items),
            row_counts(train.user, data.n_users) > 0,
            {},
            data.has_timestamps,
        )
        torch.manual_seed(context.seed)
        self.model = self._build_model()
        items, users = map(FeatureTable, (self.inputs.item_values(data.items), self.inputs.user_values(data.users)))
        task = _Task(self, data, train, context, items, users)
        try:
            progress = run_training(self, task, data, train, context)
            self.update_layers(data, train, items, users)
        finally:  # of a training that is interrupted, too
            self._held = None
            self._copy.clear()
            self.model.to("cpu").eval()
        self.epochs_, self.curve_ = progress.best_epoch, progress.curve

    @torch.no_grad()
    def update_layers(self, data: Dataset, train: Interactions, items: FeatureTable, users: FeatureTable) -> None:
        """Computes `layers` of every item, with all of ``train`` as neighbours, where the network lies."""
        model, device = self.model, self.model.anyone.device
        matrix = train.to_csr(data.n_users, data.n_items)
        back = matrix.T.tocsr()
        of_users = mean_matrix(matrix.indptr, matrix.indices, data.n_items).to(device)
        of_items = mean_matrix(back.indptr, back.indices, data.n_users).to(device)
        x = model.items(_on(items.nearest(device), device))
        own = model.user_inputs(_on(users.nearest(device), device), data.n_users).contiguous()
        h = model.first(model.to_items[0], own, x, of_items)
        h_users = model.first(model.to_users[0], x, own, of_users)
        z = normalize(model.to_items[1]((h_users, h), of_items), dim=1)
        self.layers = {name: part.cpu().contiguous() for name, part in (("x", x), ("h", h), ("z", z))}
        self._held = None
        self._copy.clear()

    @torch.no_grad()
    def user_vectors(self, request: Request) -> Vectors:
        model = self._copy.of(self, self.model)
        device = model.anyone.device
        valid = self.inputs.valid(request.items)
        histories = request.histories.remap_items(np.where(valid, np.arange(len(valid)), MISSING))
        x, h, _ = (part.to(device) for part in self._layers(request.items))
        links = _history_matrix(histories, len(request.items)).to(device)
        values = _on(self.inputs.user_values(request.users), device)
        own = model.user_inputs(values, len(request)).contiguous()
        h_users = model.first(model.to_users[0], x, own, links)
        z = normalize(model.to_users[1]((h, h_users), links), dim=1) / self.config.temperature
        known = np.full(len(request), bool(self.inputs.user_features.columns)) | (histories.lengths > 0)
        return Vectors(dense=z.cpu().numpy(), valid=known)

    @torch.no_grad()
    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return Vectors(dense=self._layers(items)[2].cpu().numpy(), valid=self.inputs.valid(items))

    def item_table(self) -> EmbeddingTable:
        """The vectors of the items that training saw."""
        inputs = self.inputs
        return seen_table(self.kind, self.config, inputs.items, inputs.trained_items, self.layers["z"].numpy())

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.config.model_dump(mode="json"))
        write_json(directory / "training.json", {"epochs": self.epochs_})
        self.inputs.save(directory)
        tensors = {f"model/{name}": value.contiguous() for name, value in self.model.state_dict().items()}
        with atomic_path(directory / "model.safetensors") as beside:
            save_file(tensors | {f"layers/{name}": value for name, value in self.layers.items()}, beside)

    @classmethod
    def load(cls, directory: Path) -> Self:
        engine = cls(parse(GraphSAGEConfig, read_json(directory / "config.json"), str(directory / "config.json")))
        engine.epochs_ = read_json(directory / "training.json")["epochs"]
        engine.inputs = TowerInputs.load(directory)
        tensors = load_file(directory / "model.safetensors")
        engine.layers = {name: tensors[f"layers/{name}"] for name in ("x", "h", "z")}
        weights = {name.removeprefix("model/"): v for name, v in tensors.items() if name.startswith("model/")}
        engine.model = load_module(engine._build_model, weights, engine.config, cls.kind)
        return engine

    def _build_model(self) -> SageModel:
        options = ModelOptions(dim=self.config.dim, id_dropout=self.config.id_dropout)
        items = build_tower(self.inputs.item_features.columns, options, len(self.inputs.items))
        columns = self.inputs.user_features.columns
        return SageModel(items, build_tower(columns, options) if columns else None, self.config.dim)

    def _layers(self, items: EntityTable) -> tuple[Tensor, Tensor, Tensor]:
        """Layer outputs x, h and z [n, D] of any items, cached for the next block of users near the network."""
        if self._held is None or self._held[0] is not items:
            model = self._copy.of(self, self.model)
            x, h, z = (near(part, model) for part in self._compute_layers(items, model))
            self._held = items, (x, h, z)
        return self._held[1]

    def _compute_layers(self, items: EntityTable, model: SageModel) -> tuple[Tensor, Tensor, Tensor]:
        """Cached layer outputs x, h, z of trained items; cold items are computed from their features."""
        rows = known_rows(items, self.inputs.items, self.inputs.trained_items)
        kept = torch.from_numpy(np.maximum(rows, 0))
        x, h, z = (self.layers[name][kept] for name in ("x", "h", "z"))
        new = np.flatnonzero(rows == MISSING)
        if len(new):
            device = model.anyone.device
            no_links = mean_matrix(np.zeros(len(new) + 1, np.int64), np.zeros(0, np.int64), 1).to(device)
            inputs = model.items(_on(self.inputs.item_values(items.take(new)), device))
            no_users = torch.zeros(1, self.config.dim, device=device)
            first = model.first(model.to_items[0], no_users, inputs, no_links)
            last = normalize(model.to_items[1]((no_users, first), no_links), dim=1)
            for part, values in ((x, inputs), (h, first), (z, last)):
                part[torch.from_numpy(new)] = values.cpu()
        return x, h, z


@dataclass(frozen=True, eq=False)
class _PreparedBatch:
    """What the loss of a batch is computed from: its neighbourhood, features of it, and the arrays of `LossBatch`."""

    block: Block
    items: Taken
    users: Taken
    owners: Tensor
    drawn: Tensor
    positives: Tensor
    candidates: Tensor
    targets: Tensor
    log_q: Tensor
    own: SeenRanges


class _Task:
    """Batches of interactions in random order, with sampled neighbourhoods that leave out the edges of the batch."""

    def __init__(
        self,
        engine: GraphSAGE,
        data: Dataset,
        train: Interactions,
        context: FitContext,
        items: FeatureTable,
        users: FeatureTable,
    ) -> None:
        self.engine, self.config, self.data, self.train = engine, engine.config, data, train
        self.module = engine.model
        self.graph = Graph.of_interactions(train, data.n_users, data.n_items)
        self.items, self.users = items, users
        self.compute_loss = LOSSES[self.config.loss]()
        counts = train.item_counts(data.n_items)
        self.sampler = NEGATIVES["popularity"](
            counts, self.config.n_negatives, sampling_exponent=self.config.sampling_exponent
        )
        update = partial(engine.update_layers, data, train, items, users)
        self.metric = validation_metric(engine, data, context, self.config.metric, self.config.validation_users, update)

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[NDArray[np.int64]]:
        return shuffled_batches(len(self.train), self.config.batch, rng)

    def loss(self, batch: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        device = self.module.anyone.device
        return self.prepared_loss(moved(self.prepare(batch, rng), lambda part: part.to(device)))

    def prepare(self, batch: NDArray[np.int64], rng: np.random.Generator) -> _PreparedBatch:
        user, item = (column[batch].astype(np.int64) for column in (self.train.user, self.train.item))
        device = self.module.anyone.device
        drawn = self.sampler.sample(item, rng)
        users, items = np.unique(user), np.union1d(item, drawn.rows)
        hidden = user * self.data.n_items + item
        block = sample_block(
            self.graph, self.data.n_users, users, items, self.config.fan_out, hidden, self.config.neighbour_dropout, rng
        )
        arrays = (
            np.searchsorted(users, user),
            np.searchsorted(items, drawn.rows),
            np.searchsorted(items, item),
            drawn.rows,
            item,
            drawn.log_q,
        )
        owners, places, positives, candidates, targets, log_q = map(torch.from_numpy, arrays)
        features = self.items.take(block.items[2], device), self.users.take(block.users[2], device)
        own = own_targets(candidates, targets)
        return _PreparedBatch(block, *features, owners, places, positives, candidates, targets, log_q, own)

    def prepared_loss(self, prepared: _PreparedBatch) -> Tensor:
        items, users = self.items.gather(prepared.items), self.users.gather(prepared.users)
        z_users, z_items = self.module(prepared.block, items, users)
        scored = normalize(z_items, dim=1)
        users_scored = normalize(z_users, dim=1)[prepared.owners] / self.config.temperature
        vectors = (users_scored, scored[prepared.drawn], scored[prepared.positives])
        batch = LossBatch(*vectors, prepared.candidates, prepared.targets, prepared.log_q, own=prepared.own)
        return self.compute_loss(batch)

    def examples(self, batch: NDArray[np.int64]) -> float:
        return len(batch)

    def validate(self) -> float | None:
        return None if self.metric is None else self.metric()


def _history_matrix(histories: Histories, n_items: int) -> Tensor:
    matrix = histories.to_csr(n_items)
    return mean_matrix(matrix.indptr, matrix.indices, n_items)


def _on(values: Features, device: torch.device) -> dict[str, Tensor]:
    return {name: value.to(device) for name, value in values.items()}
