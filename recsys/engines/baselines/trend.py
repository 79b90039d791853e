"""Forecast demand as a ranking: each item as a time series, one period ahead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from recsys.data.dataset import Dataset
from recsys.data.demand.forecast import Forecast, fit, forecast, volume_ahead
from recsys.data.demand.periods import DAY, Periods
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.learning import TrainedConfig, run_training
from recsys.engines.storage import dense_vectors, load_arrays, save_arrays, seen_table
from recsys.errors import ConfigError, DataError
from recsys.models.demand import DemandModel, demand_inputs
from recsys.training.batches import shuffled_batches
from recsys.training.loop import LoopOptions

Rows = NDArray[np.int64]


class TrendConfig(TrainedConfig):
    """Options of the demand forecast.

    Args:
        period: length of a period in days; the last one ends with the last training interaction.
        length: at most so many of the newest periods are an input.
        network: the sequence model over the periods of an item.
        dim: D of the network's states, which are the item embeddings.
        layers: layers of the network.
        dropout: dropout rate of the network.
        batch: items a step.
        training: the training loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("training",)

    period: float = Field(7.0, gt=0)
    length: int = Field(208, ge=2)
    network: Literal["gru", "transformer"] = "gru"
    dim: int = Field(32, ge=2, multiple_of=2)
    layers: int = Field(1, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    batch: int = Field(128, ge=1)
    training: LoopOptions = LoopOptions(epochs=30, learning_rate=3e-3, warmup=20, max_grad_norm=1.0)


class Trend(Engine):
    """Ranks items by the forecast of their demand in the period after training; the same for every user.

    A network reads the counts of an item by period and predicts the next one (see `recsys.models.demand`). Its state
    after the last period is the item's embedding: level, trend and season. It is not
    personal, so it helps where all users are evaluated after one moment: under a temporal split, and in a `Hybrid`.

    Example:
        >>> Trend(period=1, epochs=2)
        Trend(epochs=2, period=1.0)
    """

    kind = "trend"
    Config = TrendConfig
    config: TrendConfig

    items: Vocabulary
    demand: NDArray[np.float32]
    """float32 [I], interactions expected in the next period; 0 for items without any in training."""
    states: NDArray[np.float32]
    """float32 [I, D], zero for items without interactions."""

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        """Fits the forecast and trains the network on ``train`` alone.

        Raises:
            ConfigError: the data has no timestamps.
            DataError: all of ``train`` is in one period.
        """
        if not data.has_timestamps:
            raise ConfigError("the engine 'trend' counts by period and needs a timestamp column; the data has none")
        torch.manual_seed(context.seed)
        self.items = data.items.vocabulary
        series = _Series(train, data.n_items, self.config)
        task = _Task(series, self.config)
        run_training(self, task, data, train, context)
        states, correction = task.ahead()
        self.demand = np.zeros(data.n_items, np.float32)
        self.states = np.zeros((data.n_items, self.config.dim), np.float32)
        share = series.found.share[:, -1] * np.exp(correction)
        self.demand[series.rows] = volume_ahead(series.volume) * share / share.sum()
        self.states[series.rows] = states

    def user_vectors(self, request: Request) -> Vectors:
        return Vectors(dense=np.ones((len(request), 1), np.float32))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        return dense_vectors(items, self.items, self.demand, self.demand[:, None])

    def item_table(self) -> EmbeddingTable:
        """The states of the items with training interactions."""
        return seen_table(self.kind, self.config, self.items, self.demand > 0, self.states)

    def save(self, directory: Path) -> None:
        save_arrays(directory, self.config, self.items, {"demand": self.demand, "states": self.states})

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, TrendConfig, ("demand", "states"))
        engine = cls(config)
        engine.items, engine.demand, engine.states = items, arrays["demand"], arrays["states"]
        return engine


class _Series:
    """Time series of the items with interactions: counts by period, their forecast, and the inputs of the network.

    Args:
        train: the interactions that are counted.
        n_items: I.
        config: gives the length and number of the periods.
    """

    found: Forecast

    def __init__(self, train: Interactions, n_items: int, config: TrendConfig) -> None:
        periods = Periods.up_to(train.time, max(round(config.period * DAY), 1))
        if periods.n < 2:
            raise DataError(
                f"the engine 'trend' forecasts a period from those before it, and all {len(train)} training "
                f"interactions lie within period = {config.period:g} days; set a shorter one"
            )
        self.periods = periods.last(config.length)
        counts = self.periods.counts(train.item, train.time, n_items)
        self.rows = np.flatnonzero(np.diff(counts.indptr))
        self.counts = counts[self.rows].toarray()
        self.volume = self.counts.sum(0, dtype=np.float64)
        self.found = forecast(self.counts, self.volume, fit(self.counts, self.volume))
        self.inputs = demand_inputs(self.counts, self.volume, self.found, self.periods.angles())


class _Task:
    """Training on items in random order: predicts each period of an item, but the first, from those before it."""

    def __init__(self, series: _Series, config: TrendConfig) -> None:
        self.batch = config.batch
        self.module = DemandModel(
            series.inputs.shape[-1], config.dim, config.network, config.layers, config.dropout, config.length
        )
        found = series.found
        self.inputs = torch.from_numpy(series.inputs)
        self.counts = torch.from_numpy(series.counts)
        self.mean = torch.from_numpy((found.share[:, :-1] * np.maximum(series.volume, 1)).astype(np.float32))
        self.size = torch.from_numpy(found.size[:, :-1].astype(np.float32))
        self.known = torch.from_numpy((found.age[:, :-1] > 0) & (series.volume > 0))

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Rows]:
        return shuffled_batches(len(self.counts), self.batch, rng)

    def loss(self, batch: Rows, rng: np.random.Generator) -> Tensor:
        rows = torch.from_numpy(batch)
        device = self.module.size.device
        parts = (self.counts, self.mean, self.size, self.known)
        counts, mean, size, known = (part[rows, 1:].to(device) for part in parts)
        correction = self.module(self.inputs[rows, :-1].to(device))[1].float()
        return (self.module.loss(correction, counts, mean, size) * known).sum() / known.sum().clamp(min=1)

    def examples(self, batch: Rows) -> float:
        return len(batch)

    def validate(self) -> float | None:
        return None

    @torch.no_grad()
    def ahead(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """After the last period: the states float32 [n, D] and the log corrections of the forecast float32 [n]."""
        module = self.module.cpu().eval()
        found = [tuple(part[:, -1] for part in module(inputs)) for inputs in torch.split(self.inputs, 1024)]
        states, corrections = (torch.cat(parts).numpy() for parts in zip(*found, strict=True))
        return states, corrections
