"""The two-tower engine: every input of users and items, and the history through the item tower's own vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import Config, parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING
from recsys.embeddings import EmbeddingTable
from recsys.engine import Request, Resources, Vectors
from recsys.engines.learning import run_training, validation
from recsys.engines.storage import seen_table
from recsys.engines.two_tower.first_interactions import FirstInteractions
from recsys.engines.two_tower.modality_dropout import ModalityDropout
from recsys.engines.two_tower.next_item_task import NextItemTask, TrainingData, WindowConfig
from recsys.engines.two_tower.tower_inputs import ID, TowerInputs
from recsys.errors import ConfigError, DataError
from recsys.losses import LOSSES, Loss
from recsys.models.build import ModelOptions, build_two_tower
from recsys.models.grow import transfer_weights
from recsys.models.two_tower import TableEncoder, TwoTowerModel
from recsys.negatives import NEGATIVES
from recsys.tracking import Tracker
from recsys.training.loop import LoopOptions
from recsys.training.optimizers import lr_multiplier


class TwoTowerConfig(Config):
    """What a two-tower engine is made of.

    Args:
        model: the shape of the towers.
        features: how columns are turned into numbers.
        item_columns: the item columns to use; None takes all that have an encoder.
        user_columns: the user columns to use.
        tables: names of pretrained item tables that enter the item tower.
        max_history: the newest events that a user vector sees.
        window_overlap: events of the window before that a training window of a long history begins with, as context.
        loss: ``full_softmax`` scores the whole catalogue; ``sampled_softmax``, ``bpr`` and ``gbce`` shared negatives.
        negatives: the sampler of shared negatives.
        n_negatives: C, negatives a batch.
        sampling_exponent: negatives are drawn by popularity to this power.
        seen_negatives: whether an item that the history holds is a negative of what follows, and a target when it comes
            again. It is not by default: what is left out of the lists need not be ranked, and the items most like what
            comes next are those of the history. Where lists keep what was seen (``evaluate.filter_seen = false``),
            and with ``model.pooling = "masked"``, whose question is a gap and not what is new, it always is.
        max_tokens: positions a batch.
        label_smoothing: share of a target's probability that is spread over the catalogue; softmax losses only.
        metric: what validation maximises.
        validation_users: at most so many users are asked by validation.
        feature_lr_multiplier: learning-rate factor of the item tower's encoders of features: every batch moves all of their
            weights, but few rows of the id table. A rate that ``training.lr_multipliers`` names for an encoder goes first.
        modality_dropout: share of the training steps from which a modality is hidden, each independently of the others;
            what the attribution masks is then something that training has seen.
        modalities: what is hidden together, name -> tables, columns, ``ids`` or ``history`` as in ``[attribution]``; none
            takes each table, all columns together, the ids and the history for one modality each.
        training: the loop.
    """

    model: ModelOptions = ModelOptions()
    features: FeatureOptions = FeatureOptions()
    item_columns: list[str] | None = None
    user_columns: list[str] | None = None
    tables: tuple[str, ...] = ()
    max_history: int = Field(100, ge=1)
    window_overlap: int = Field(20, ge=0)
    loss: str = "sampled_softmax"
    negatives: str = "popularity"
    n_negatives: int = Field(1024, ge=1)
    sampling_exponent: float = Field(0.75, ge=0)
    seen_negatives: bool = False
    max_tokens: int = Field(4096, ge=16)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    metric: str = "ndcg@10"
    validation_users: int = Field(100_000, ge=1)
    feature_lr_multiplier: float = Field(0.2, gt=0)
    modality_dropout: float = Field(0.0, ge=0, lt=1)
    modalities: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    training: LoopOptions = LoopOptions()


def check_smoothing(config: TwoTowerConfig) -> None:
    """Whether the loss has a probability to spread.

    Raises:
        ConfigError: it has none.
    """
    if config.label_smoothing and config.loss not in ("full_softmax", "sampled_softmax"):
        raise ConfigError(f"label_smoothing = {config.label_smoothing} needs a softmax loss, not {config.loss!r}")


class TwoTower:
    """The two-tower model as an engine; see `recsys.models.two_tower` for the network.

    A user is the history and the features: a user that training never saw is served like any other. An item that
    training never saw is placed by its features, and not placed when the tower knows nothing but ids.
    """

    kind: ClassVar[str] = "two_tower"
    Config: ClassVar[type[Config]] = TwoTowerConfig
    supports_cold_users: ClassVar[bool] = True
    supports_cold_items: ClassVar[bool] = True

    config: TwoTowerConfig
    inputs: TowerInputs
    model: TwoTowerModel

    def __init__(self, config: Any = None, resources: Resources | None = None) -> None:
        self.config = config or self.Config()  # type: ignore[assignment]
        self.resources = resources or Resources()
        if not self.resources.filter_seen or self.config.model.pooling == "masked":
            self.config = self.config.model_copy(update={"seen_negatives": True})
        self.best_epoch: int | None = None
        self.curve: list[dict[str, float]] = []
        self._encoded: tuple[EntityTable, Tensor, NDArray[np.float32]] | None = None

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        tables = {name: self._table(name) for name in self.config.tables}
        self.inputs = TowerInputs(
            data.items.vocabulary,
            data.users.vocabulary,
            self._features(data.items, np.unique(train.item), self.config.item_columns, "item"),
            self._features(data.users, np.unique(train.user), self.config.user_columns, "user"),
            train.item_counts(data.n_items) > 0,
            np.bincount(train.user, minlength=data.n_users) > 0,
            {f"table_{name}": table.vocabulary for name, table in tables.items()},
            data.has_timestamps,
        )
        torch.manual_seed(self.resources.seed)
        self.model = self._built({name: table.vectors for name, table in tables.items()})
        self._train(data, train, tracker, None)

    def finetune(
        self, parent: TwoTower, data: Dataset, train: Interactions, new: NDArray[np.bool_], tracker: Tracker
    ) -> None:
        """Grows ``parent`` by what ``data`` has that it never saw, and trains on what is new.

        Which parts move, and how fast, is ``config.training.lr_multipliers``: ``{"items.encoders.__id__" = 0.1, "users" = 0}``.

        Args:
            parent: a trained engine; stays as it is.
            data: users, items and columns, new ones included.
            train: old and new interactions; the old ones give context.
            new: bool [E], which of ``train`` are learnt from.
            tracker: sees the curve.
        """
        before = parent.inputs
        items, users = (
            before.items.extended(data.items.vocabulary.ids),
            before.users.extended(data.users.vocabulary.ids),
        )
        self.inputs = TowerInputs(
            items,
            users,
            before.item_features.grown(_chosen(data.items, self.config.item_columns, "item")),
            before.user_features.grown(_chosen(data.users, self.config.user_columns, "user")),
            _marked(before.trained_items, items.rows(data.items.vocabulary.ids)[train.item], len(items)),
            _marked(before.trained_users, users.rows(data.users.vocabulary.ids)[train.user], len(users)),
            before.tables,
            before.has_timestamps,
        )
        torch.manual_seed(self.resources.seed)
        tables = {name: encoder.vectors.numpy() for name, encoder in parent._table_encoders().items()}
        self.model = self._built(tables)
        with torch.no_grad():
            transfer_weights(self.model, parent.model)
        self._train(data, train, tracker, new)

    @torch.no_grad()
    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return Vectors(dense=self._encode(items)[1], valid=self.inputs.valid(items))

    @torch.no_grad()
    def user_vectors(self, request: Request) -> Vectors:
        vectors, _ = self._encode(request.items)
        valid = self.inputs.valid(request.items)
        known = np.where(valid, np.arange(len(valid)), MISSING)
        histories = request.histories.remap_items(known).last(self.config.max_history)
        parts = (histories.items.astype(np.int64), histories.steps_ago(), histories.users(), histories.times)
        rows, steps_ago, owner, times = (torch.from_numpy(part).to(vectors.device) for part in parts)
        moments = times if self.inputs.has_timestamps else None
        pooled = self.model.history.encode_last(vectors[rows], steps_ago, owner, len(histories), moments)
        values = {name: v.to(vectors.device) for name, v in self.inputs.user_values(request.users).items()}
        own = self.model.encode_users(values).expand(len(request), -1, -1)
        return Vectors(dense=self.model.user_vectors(pooled, own).cpu().numpy())

    def item_table(self) -> EmbeddingTable:
        """The id vectors of the items that training saw.

        Raises:
            ConfigError: ``model.item_id`` is off.
        """
        if ID not in self.model.items.encoders:
            raise ConfigError(f"a table of {self.kind} holds the items' id vectors; set model.item_id = true")
        weight: Tensor = self.model.items.encoders[ID].table.weight  # type: ignore[union-attr, assignment]
        inputs = self.inputs
        return seen_table(self.kind, self.config, inputs.items, inputs.trained_items, weight.detach().numpy())

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.config.model_dump(mode="json"))
        write_json(directory / "training.json", {"best_epoch": self.best_epoch, "curve": self.curve})
        self.inputs.save(directory)
        with atomic_path(directory / "model.safetensors") as beside:
            save_file({name: value.contiguous() for name, value in self.model.state_dict().items()}, beside)

    @classmethod
    def load(cls, directory: Path) -> Self:
        options = {"seen_negatives": True} | read_json(directory / "config.json")  # as it was before it was an option
        engine = cls(parse(cls.Config, options, str(directory / "config.json")))
        training = read_json(directory / "training.json")
        engine.best_epoch, engine.curve = training["best_epoch"], training["curve"]
        engine.inputs = TowerInputs.load(directory)
        weights = load_file(directory / "model.safetensors")
        engine.model = engine._built(
            {name: weights[f"items.encoders.table_{name}.vectors"].numpy() for name in engine.config.tables}
        )
        engine.model.load_state_dict(weights)
        engine.model.eval()
        return engine

    def _table(self, name: str) -> EmbeddingTable:
        if name not in self.resources.tables:
            known = ", ".join(sorted(self.resources.tables)) or "none; add a [pretrain] section"
            raise ConfigError(f"the two-tower engine asks for the table {name!r}; pretrained tables: {known}")
        return self.resources.tables[name]

    def _features(
        self, table: EntityTable, rows: NDArray[np.integer], columns: list[str] | None, what: str
    ) -> FeatureSet:
        return FeatureSet.fit(_chosen(table, columns, what), rows, self.config.features)

    def _built(self, tables: dict[str, NDArray[np.float32]]) -> TwoTowerModel:
        dim, drop = self.config.model.dim, self.config.model.table_dropout
        return build_two_tower(
            self.config.model,
            self.inputs.item_features.columns,
            self.inputs.user_features.columns,
            len(self.inputs.items),
            len(self.inputs.users),
            {f"table_{name}": TableEncoder(torch.tensor(vectors), dim, drop) for name, vectors in tables.items()},
            self.config.max_history,
            self.inputs.has_timestamps,
        )

    def _table_encoders(self) -> dict[str, TableEncoder]:
        encoders = self.model.items.encoders.items()
        return {name.removeprefix("table_"): e for name, e in encoders if isinstance(e, TableEncoder)}

    def _train(self, data: Dataset, train_on: Interactions, tracker: Tracker, new: NDArray[np.bool_] | None) -> None:
        task = self._task(data, train_on, new)
        progress = run_training(
            task,
            self.config.training.model_copy(update={"lr_multipliers": self._rates()}),
            self.resources,
            tracker,
            data.fingerprint,
            train_on.fingerprint,
            self.config.model_dump_json(),
        )
        self.model.to("cpu").eval()
        self.best_epoch, self.curve, self._encoded = progress.best_epoch, progress.curve, None

    def _rates(self) -> dict[str, float]:
        given = self.config.training.lr_multipliers
        features = [f"items.encoders.{name}" for name in self.model.items.encoders if name != ID]
        return {name: lr_multiplier(name, given) * self.config.feature_lr_multiplier for name in features} | given

    def _task(self, data: Dataset, train_on: Interactions, new: NDArray[np.bool_] | None) -> NextItemTask:
        config, counts = self.config, train_on.item_counts(data.n_items)
        firsts = None if config.seen_negatives else FirstInteractions.of(train_on, data.n_users, data.n_items)
        targets = new if firsts is None else firsts.targets(new)
        if firsts is not None and targets is not None and not targets.any():
            raise DataError(
                "all that is to be learnt are items that their users had before, which lists leave out; bring other "
                "interactions, or set evaluate.filter_seen = false to recommend them again"
            )
        sampler = None
        if config.loss != "full_softmax":
            options: dict[str, Any] = (
                {"sampling_exponent": config.sampling_exponent} if config.negatives in ("popularity", "mixed") else {}
            )
            if targets is not None and config.negatives in ("in_batch", "mixed"):
                options["targets"] = train_on.select(targets).item_counts(data.n_items)
            sampler = NEGATIVES[config.negatives](counts, config.n_negatives, **options)
        inputs = self.inputs
        values = inputs.item_values(data.items), inputs.user_values(data.users)
        return NextItemTask(
            self.model,
            TrainingData(train_on, data.n_users, *values, inputs.has_timestamps, targets, firsts),
            WindowConfig(config.max_history, config.window_overlap, config.max_tokens),
            self._loss(),
            sampler,
            validation(self, data, self.resources, config.metric, config.validation_users, self._forget),
            ModalityDropout.of(config.modality_dropout, config.modalities, inputs, self.model),
        )

    def _loss(self) -> Loss:
        check_smoothing(self.config)
        smoothing = self.config.label_smoothing
        return LOSSES[self.config.loss](label_smoothing=smoothing) if smoothing else LOSSES[self.config.loss]()

    def _forget(self) -> None:
        self._encoded = None

    def _encode(self, items: EntityTable) -> tuple[Tensor, NDArray[np.float32]]:
        if self._encoded is None or self._encoded[0] is not items:
            device = self.model.project.weight.device
            features = {name: values.to(device) for name, values in self.inputs.item_values(items).items()}
            vectors = self.model.item_vectors(features)
            self._encoded = (items, vectors, self.model.with_bias(vectors, features).cpu().numpy())
        return self._encoded[1], self._encoded[2]


def _chosen(table: EntityTable, columns: list[str] | None, what: str) -> EntityTable:
    if columns is None:
        return table
    unknown = sorted(set(columns) - set(table.schema.columns))
    if unknown:
        raise ConfigError(f"{what}_columns names {unknown}; the table has {list(table.schema.columns)}")
    return table.with_columns(columns)


def _marked(before: NDArray[np.bool_], rows: NDArray[np.integer], size: int) -> NDArray[np.bool_]:
    marked = np.concatenate([before, np.zeros(size - len(before), bool)])
    marked[rows] = True
    return marked
