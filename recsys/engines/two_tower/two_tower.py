"""The two-tower engine: item tower over all inputs of an item, user tower over user inputs and the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import deep_merge, parse
from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.device_copy import DeviceCopy, near
from recsys.engines.learning import run_training, validation_metric
from recsys.engines.modules import load_module
from recsys.engines.storage import seen_table
from recsys.engines.two_tower.first_interactions import FirstInteractions
from recsys.engines.two_tower.id_start import spectral_start
from recsys.engines.two_tower.modality_dropout import ModalityDropout
from recsys.engines.two_tower.next_item_task import NextItemTask, TrainingData, WindowConfig
from recsys.engines.two_tower.objective import loss_of, sampler_of
from recsys.engines.two_tower.score_parts.added import AddedParts, Towers, fitted_parts, n_users
from recsys.engines.two_tower.score_parts.graph_part import GraphPart
from recsys.engines.two_tower.sizing import options_for
from recsys.engines.two_tower.tower_inputs import ID, TowerInputs
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ConfigError, DataError
from recsys.models.build import build_two_tower
from recsys.models.feature_table import FeatureTable
from recsys.models.grow import transfer_weights
from recsys.models.two_tower import IdEncoder, TableEncoder, TwoTowerModel
from recsys.ranking import device_of
from recsys.seeding import stream
from recsys.training.optimizers import lr_multiplier


class TwoTower(Engine):
    """Two-tower retrieval model over ids, features, pretrained tables and histories (Yi et al., RecSys 2019).

    The item tower joins learned embeddings of ids and columns with pretrained tables of text, images and graphs; the
    user tower joins the user's columns with a sequence encoder of the history's item vectors. See
    `recsys.models.two_tower` for the network. A user that training never saw is served like any other. An item that
    training never saw gets a vector from its features; without features and tables it has none.

    Tables are given by name (``tables=("text",)``, from the context) or as values: ``tables={"text": table}``.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> TwoTower(dim=8, epochs=1).fit(data).item_table().dim
        8
    """

    kind = "two_tower"
    Config = TwoTowerConfig
    config: TwoTowerConfig
    supports_cold_items = True

    inputs: TowerInputs
    model: TwoTowerModel

    options_: TwoTowerConfig
    """The options of the fit: those of `config`, and what follows from the data where it sets none."""
    tables_given: Mapping[str, EmbeddingTable] = MappingProxyType({})
    """Pretrained tables that were given as values and not by name."""
    mask_seen_: bool = True
    """Whether training masked items of the history among the negatives of later targets."""
    graph_: GraphPart | None = None
    """The graph part of the score, where it has a weight."""
    _encoded: tuple[EntityTable, Tensor, NDArray[np.float32], NDArray[np.int64]] | None = None
    _training: tuple[EntityTable, FeatureTable] | None = None
    """The items of a training that runs, whose inputs validation need not compute again."""

    def __init__(self, config: EngineConfig | None = None, /, **options: object) -> None:
        if isinstance(tables := options.get("tables"), Mapping):
            self.tables_given, options["tables"] = dict(tables), tuple(tables)
        super().__init__(config, **options)
        self.options_, self._copy = self.config, DeviceCopy[TwoTowerModel]()

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        context = replace(context, tables={**context.tables, **self.tables_given})
        self.options_ = options_for(self.config, data, train, context)
        tables = {name: context.table(name, self.kind) for name in self.options_.tables}
        self.inputs = TowerInputs.fit(data, train, self.options_, tables)
        torch.manual_seed(context.seed)
        self.model = self._build_model({name: table.vectors for name, table in tables.items()})
        if self.options_.model.id_start == "spectral" and ID in self.model.items.encoders:
            spectral_start(self._id_table(), train, data.n_users, context.seed)
        self._train(data, train, context, None)

    def finetune(
        self, parent: TwoTower, data: Dataset, train: Interactions, new: NDArray[np.bool_], context: FitContext
    ) -> Self:
        """Extends ``parent`` by new users, items and columns, and trains on the new interactions.

        ``training.lr_multipliers`` scales the learning rate of parts of the model, such as
        ``{"items.encoders.__id__": 0.1, "users": 0}``. Weights start from those of ``parent`` where the shapes agree,
        see `recsys.models.grow.transfer_weights`.

        Args:
            parent: a trained engine, which is not changed.
            data: users, items and columns, old and new; ids of ``parent`` that it lacks keep their rows.
            train: old and new interactions; old ones are the context of new ones.
            new: bool [E], which of ``train`` are targets.
            context: as of `fit`.

        Raises:
            ConfigError: the options and the data do not fit together.
            DataError: every target is an item that its user had before, which is masked.
        """
        given = self.config.model_dump(mode="json", exclude_unset=True)
        self.options_ = parse(self.Config, deep_merge(parent.options_.model_dump(mode="json"), given), self.kind)
        self.inputs = parent.inputs.grown(data, train, self.options_)
        torch.manual_seed(context.seed)
        tables = {name: encoder.vectors.numpy() for name, encoder in parent._table_encoders().items()}
        self.model = self._build_model(tables)
        with torch.no_grad():
            transfer_weights(self.model, parent.model)
        self._train(data, train, context, new)
        return self

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        added, towers = AddedParts.of(self.options_, self.graph_), self._tower_items(items)
        return added.items(towers, self._encode(items)[2], self.inputs.popularity(items)) if added else towers

    @torch.no_grad()
    def similarity_vectors(self, items: EntityTable) -> Vectors:
        return Vectors(dense=self._encode(items)[0].cpu().numpy(), valid=self.inputs.valid(items))

    def user_vectors(self, request: Request) -> Vectors:
        added, towers = AddedParts.of(self.options_, self.graph_), self.tower_users(request)
        return added.users(towers, request.histories.remap_items(self._encode(request.items)[2])) if added else towers

    @torch.no_grad()
    def _tower_items(self, items: EntityTable) -> Vectors:
        return Vectors(dense=self._encode(items)[1], valid=self.inputs.valid(items))

    @torch.no_grad()
    def tower_users(self, request: Request) -> Vectors:
        vectors, *_ = self._encode(request.items)
        known = np.where(self.inputs.valid(request.items), np.arange(len(request.items)), MISSING)
        histories = request.histories.remap_items(known).last(self.options_.max_history)
        model = self._copy.of(self, self.model)
        device, times = model.project.weight.device, np.require(histories.times, requirements="W")
        lengths, moments = (torch.from_numpy(part).to(device) for part in (histories.lengths, times))
        rows, timed = torch.from_numpy(histories.items).to(vectors.device), self.inputs.has_timestamps
        pooled = model.history.encode_last(vectors, rows, lengths, moments if timed else None)
        values = {name: v.to(device) for name, v in self.inputs.user_values(request.users).items()}
        own = model.encode_users(values).expand(len(request), -1, -1)
        return Vectors(dense=model.user_vectors(pooled, own).cpu().numpy())

    def ranks_seen_items(self) -> bool:
        return not self.mask_seen_

    def item_table(self) -> EmbeddingTable:
        """The id vectors of the items that training saw.

        Raises:
            ConfigError: ``model.item_id`` is off.
        """
        if ID not in self.model.items.encoders:
            raise ConfigError(f"a table of {self.kind} holds the items' id vectors; set model.item_id = true")
        inputs, vectors = self.inputs, self._id_table().detach().numpy()
        return seen_table(self.kind, self.options_, inputs.items, inputs.trained_items, vectors)

    def chosen_config(self) -> TwoTowerConfig:
        return self.options_

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.options_.model_dump(mode="json"))
        training = {"epochs": self.epochs_, "curve": list(self.curve_), "mask_seen": self.mask_seen_}
        write_json(directory / "training.json", training)
        self.inputs.save(directory)
        with atomic_path(directory / "model.safetensors") as beside:
            save_file({name: value.contiguous() for name, value in self.model.state_dict().items()}, beside)
        if self.graph_ is not None:
            self.graph_.save(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        options = read_json(directory / "config.json")
        engine = cls(parse(cls.Config, options, str(directory / "config.json")))
        training = read_json(directory / "training.json")
        engine.epochs_, engine.curve_, engine.mask_seen_ = (training[key] for key in ("epochs", "curve", "mask_seen"))
        engine.inputs = TowerInputs.load(directory)
        engine.graph_ = GraphPart.load(directory, len(engine.inputs.items)) if engine.options_.graph_weight else None
        weights = load_file(directory / "model.safetensors")
        tables = {name: weights[f"items.encoders.table_{name}.vectors"].numpy() for name in engine.config.tables}
        engine.model = load_module(lambda: engine._build_model(tables), weights, engine.options_.model, cls.kind)
        return engine

    def _build_model(self, tables: dict[str, NDArray[np.float32]]) -> TwoTowerModel:
        dim, drop = self.options_.model.dim, self.options_.model.table_dropout
        return build_two_tower(
            self.options_.model,
            self.inputs.item_features.columns,
            self.inputs.user_features.columns,
            len(self.inputs.items),
            len(self.inputs.users),
            {f"table_{name}": TableEncoder(torch.tensor(vectors), dim, drop) for name, vectors in tables.items()},
            self.options_.max_history,
            self.inputs.has_timestamps,
        )

    def _id_table(self) -> Tensor:
        encoder = self.model.items.encoders[ID]
        assert isinstance(encoder, IdEncoder)
        return encoder.table.weight

    def _table_encoders(self) -> dict[str, TableEncoder]:
        encoders = self.model.items.encoders.items()
        return {name.removeprefix("table_"): e for name, e in encoders if isinstance(e, TableEncoder)}

    def _train(self, data: Dataset, train_on: Interactions, context: FitContext, new: NDArray[np.bool_] | None) -> None:
        self.mask_seen_ = context.filter_seen and not self.options_.ranks_seen_items()
        self.graph_ = None  # early stopping looks at the towers alone
        task = self._task(data, train_on, context, new)
        options = self.options_.training.model_copy(update={"lr_multipliers": self._lr_multipliers()})
        try:
            self._training = data.items, task.data.items
            progress = run_training(self, task, data, train_on, context, options)
        finally:  # of a training that is interrupted, too
            self._clear_cache()
            self._training = None
            self.model.to("cpu").eval()
        self.epochs_, self.curve_ = progress.best_epoch, progress.curve
        self.graph_, self.options_ = fitted_parts(
            self.options_, lambda: self._graph(data, train_on, context), self._on_validation(data, context)
        )

    def _graph(self, data: Dataset, train_on: Interactions, context: FitContext) -> GraphPart:
        graph = GraphPart.fit(train_on, data.n_users, data.n_items, context.seed)
        return graph.at_rows(self.inputs.items.rows(data.items.vocabulary.ids), len(self.inputs.items))

    def _on_validation(self, data: Dataset, context: FitContext) -> Towers | None:
        """What the weights of the added parts are chosen on; None where nothing is to be chosen, or no validation."""
        options, holdout = self.options_, context.validation
        if holdout is None or None not in (options.graph_weight, options.popularity_weight):
            return None
        users = n_users(data.n_items, options.validation_users)
        holdout = holdout.sampled(users, stream(context.seed, self.kind, "popularity weight"))
        request, rows = Request.from_dataset(data, holdout.users, holdout.history), self.inputs.item_rows(data.items)
        parts = self.tower_users(request), self._tower_items(data.items), rows, self.inputs.popularity(data.items)
        return Towers(*parts, request.histories.remap_items(rows), holdout, device_of(self))

    def _lr_multipliers(self) -> dict[str, float]:
        given = self.options_.training.lr_multipliers
        features = [f"items.encoders.{name}" for name in self.model.items.encoders if name != ID]
        return {name: lr_multiplier(name, given) * self.options_.feature_lr_multiplier for name in features} | given

    def _task(
        self, data: Dataset, train_on: Interactions, context: FitContext, new: NDArray[np.bool_] | None
    ) -> NextItemTask:
        config = self.options_
        firsts = FirstInteractions.of(train_on, data.n_users) if self.mask_seen_ else None
        targets = new if firsts is None else firsts.targets(new)
        if firsts is not None and targets is not None and not targets.any():
            raise DataError(
                "every training target is an item that its user had before, which lists leave out; add other "
                "interactions, or set evaluate.filter_seen = false to recommend seen items again"
            )
        items, users = map(FeatureTable, (self.inputs.item_values(data.items), self.inputs.user_values(data.users)))
        return NextItemTask(
            self.model,
            TrainingData(train_on, data.n_users, items, users, self.inputs.has_timestamps, targets, firsts),
            WindowConfig(config.max_history, config.window_overlap, config.max_tokens),
            loss_of(config),
            sampler_of(config, train_on, data.n_items, targets),
            validation_metric(self, data, context, config.metric, config.validation_users, self._clear_cache),
            ModalityDropout.of(config.modality_dropout, config.modalities, self.inputs, self.model),
        )

    def _clear_cache(self) -> None:
        self._encoded = None
        self._copy.clear()

    def _encode(self, items: EntityTable) -> tuple[Tensor, NDArray[np.float32], NDArray[np.int64]]:
        """Vectors of ``items`` and those of the score, and the rows of the items in the id table."""
        found = self._encoded  # another thread may replace it meanwhile
        if found is None or found[0] is not items:
            model, training = self._copy.of(self, self.model), self._training
            at_hand = training[1].nearest(model.project.weight.device) if training and training[0] is items else None
            values = self.inputs.item_values(items) if at_hand is None else at_hand
            vectors, scored = model.encode_items(values)
            found = self._encoded = items, near(vectors, model), scored.numpy(), values[ID].cpu().numpy()
        return found[1:]
