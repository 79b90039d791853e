"""Several engines as one: their vectors side by side, weighed on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field, model_validator
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import Config, parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout
from recsys.engine import Engine, Request, Resources, Vectors
from recsys.engines import ENGINES
from recsys.engines.ensemble.weights import CandidatePool, ScoreMean, search, valid_mask, zero_invalid
from recsys.evaluation.metrics import parse_metric
from recsys.names import check_name, stored_name
from recsys.seeding import stream
from recsys.tracking import Tracker

_SAMPLE = 256
"""Users whose scores tell how widely a part's scores spread."""


class HybridConfig(Config):
    """What is added up.

    Args:
        parts: names of engines of the same run; a name that `Resources.parts` lacks is a kind, fitted here as it comes.
        weights: of the parts, each in units of its spread; None chooses them on validation, or takes equal ones
            where there is none.
        metric: what the weights maximise.
        steps: of a part's share, from nothing to all, that the search looks at; see `recsys.engines.ensemble.weights`.
        users: at most this many users are asked in the search.
    """

    parts: tuple[str, ...] = Field(min_length=2)
    weights: tuple[float, ...] | None = None
    metric: str = "ndcg@10"
    steps: int = Field(20, ge=1)
    users: int = Field(20_000, ge=1)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for part in self.parts:
            check_name("parts", part)
        if len(set(self.parts)) < len(self.parts):
            raise ValueError(f"parts {list(self.parts)} name an engine twice; a weight says how much it counts")
        if self.weights is not None:
            if len(self.weights) != len(self.parts):
                raise ValueError(f"{len(self.parts)} parts need as many weights")
            if min(self.weights) < 0 or max(self.weights) <= 0:
                raise ValueError("weights must be positive, or 0 for a part that is left out")
        parse_metric(self.metric)
        return self


class Hybrid:
    r"""The score :math:`\sum_p w_p (s_p(u, i) - \mu_p(u)) / \sigma_p` as one product of dense and sparse vectors.

    :math:`\sigma_p` is the standard deviation over items of part p's scores, the mean over a sample of users, so that
    weights found with parts learnt from less data, or on another data set, still mean the same. Memory of exact
    co-occurrence (a sparse linear model) and generalisation by embeddings add up; hybrid text search does the same.
    A user or an item is placed when any part places it. A part that does not place an item adds nothing, as to a
    middling one: :math:`\mu_p(u)` is the user's mean score over the items that it placed when it was fitted.
    """

    kind: ClassVar[str] = "hybrid"
    Config: ClassVar[type[Config]] = HybridConfig
    supports_cold_users: ClassVar[bool] = True
    supports_cold_items: ClassVar[bool] = False

    parts: dict[str, Engine]
    spreads: tuple[float, ...]
    levels: tuple[ScoreMean, ...]

    def __init__(self, config: Any, resources: Resources | None = None) -> None:
        self.config: HybridConfig = config
        self.resources = resources or Resources()

    def fit(self, data: Dataset, train: Interactions, tracker: Tracker) -> None:
        self.parts = {name: self._part(name, data, train, tracker) for name in self.config.parts}
        items = [zero_invalid(part.item_vectors(data.items)) for part in self.parts.values()]
        asked = stream(self.resources.seed, "hybrid", "spread").permutation(np.unique(train.user))[:_SAMPLE]
        request = Request.from_dataset(data, np.sort(asked), train)
        spreads = zip(self.parts.values(), items, strict=True)
        self.spreads = tuple(score_std(part.user_vectors(request), vectors) for part, vectors in spreads)
        self.levels = tuple(ScoreMean.of(vectors) for vectors in items)
        weights = self.config.weights
        if weights is None:
            holdout = self.resources.validation
            weights = (1 / len(items),) * len(items) if holdout is None else self._chosen(data, items, holdout, tracker)
        self.config = self.config.model_copy(update={"weights": weights})

    def user_vectors(self, request: Request) -> Vectors:
        factors, levels = self._factors(), dict(zip(self.parts, self.levels, strict=True))
        vectors = {name: self.parts[name].user_vectors(request) for name in factors}
        above = [_with_column(part, -levels[name].means(part)) for name, part in vectors.items()]
        return joined(above, list(factors.values()))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        vectors = [self.parts[name].item_vectors(items, at) for name in self._factors()]
        return joined([_with_column(part, np.ones(len(part), np.float32)) for part in vectors], [1.0] * len(vectors))

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.config.model_dump(mode="json"))
        kinds = [part.kind for part in self.parts.values()]
        write_json(directory / "parts.json", {"kinds": kinds, "spreads": self.spreads})
        arrays = {
            f"{number}/{kind}": array for number, level in enumerate(self.levels) for kind, array in level.arrays()
        }
        with atomic_path(directory / "levels.safetensors") as beside:
            save_file(arrays, beside)
        for name, part in self.parts.items():
            part.save(directory / "parts" / name)

    @classmethod
    def load(cls, directory: Path) -> Self:
        options = read_json(directory / "config.json")
        for name in options["parts"]:
            stored_name(directory / "config.json", name)
        engine = cls(parse(HybridConfig, options, str(directory / "config.json")))
        state = read_json(directory / "parts.json")
        kinds = zip(engine.config.parts, state["kinds"], strict=True)
        engine.parts = {name: ENGINES[kind].load(directory / "parts" / name) for name, kind in kinds}
        engine.spreads, path = tuple(state["spreads"]), directory / "levels.safetensors"
        arrays = load_file(path) if path.exists() else {}  # before there were levels, all were nought
        numbers = range(len(engine.spreads))
        engine.levels = tuple(ScoreMean(arrays.get(f"{n}/dense"), arrays.get(f"{n}/sparse")) for n in numbers)
        return engine

    def _part(self, name: str, data: Dataset, train: Interactions, tracker: Tracker) -> Engine:
        if name in self.resources.parts:
            return self.resources.parts[name]
        directory = self.resources.directory
        own = replace(self.resources, directory=None if directory is None else directory / name)
        part = ENGINES[name](None, own)
        part.fit(data, train, tracker)
        return part

    def _factors(self) -> dict[str, float]:
        """What a user's vector of each part is multiplied by, parts of weight 0 left out."""
        weights = self.config.weights
        assert weights is not None, "fit sets the weights"
        scaled = zip(self.parts, weights, self.spreads, strict=True)
        return {name: weight / scale for name, weight, scale in scaled if weight > 0}

    def _chosen(self, data: Dataset, items: list[Vectors], holdout: Holdout, tracker: Tracker) -> tuple[float, ...]:
        """Weights that sum to one, the best that `search` finds on validation."""
        asked = stream(self.resources.seed, "hybrid", "search").permutation(len(holdout))[: self.config.users]
        users, metric = holdout.users[np.sort(asked)], self.config.metric
        parts = list(self.parts.values())
        pool = CandidatePool(parts, self.spreads, self.levels, items, data, holdout, users, metric)
        for weights, value in search(pool.values, len(items), self.config.steps):
            told = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(self.parts, weights, strict=True))
            tracker.progress(f"hybrid: {told}  {metric} {value:.4f}")
        return tuple(float(weight) for weight in weights)


def score_std(users: Vectors, items: Vectors) -> float:
    """The standard deviation of a user's scores over the placed items, the mean over placed users; 1 when it is 0."""
    scores = users.scores(items)
    scores = scores if items.valid is None else scores[:, items.valid]
    scores = scores if users.valid is None else scores[users.valid]
    return float(scores.std(axis=1, dtype=np.float64).mean()) or 1.0 if scores.size else 1.0


def joined(vectors: Sequence[Vectors], factors: Sequence[float]) -> Vectors:
    """The vectors of several engines side by side, each times its factor, zero where its engine does not place."""
    scaled = [_scaled(zero_invalid(part), factor) for part, factor in zip(vectors, factors, strict=True)]
    dense = [part.dense for part in scaled if part.dense is not None]
    sparse = [part.sparse for part in scaled if part.sparse is not None]
    return Vectors(
        np.concatenate(dense, 1) if dense else None,
        _side_by_side(sparse) if sparse else None,
        np.any([valid_mask(part) for part in vectors], axis=0),
    )


def _with_column(part: Vectors, column: NDArray[np.float32]) -> Vectors:
    """One dimension more: a user's mean taken off against the 1 of an item."""
    dense = column[:, None] if part.dense is None else np.column_stack([part.dense, column])
    return Vectors(dense, part.sparse, part.valid)


def _scaled(part: Vectors, factor: float) -> Vectors:
    if factor == 1:
        return part
    number = np.float32(factor)
    return Vectors(
        None if part.dense is None else part.dense * number,
        None if part.sparse is None else part.sparse * number,
        part.valid,
    )


def _side_by_side(parts: Sequence[sp.csr_array | NDArray[np.float32]]) -> sp.csr_array | NDArray[np.float32]:
    if len(parts) == 1:
        return parts[0]
    if all(sp.issparse(part) for part in parts):
        return sp.csr_array(sp.hstack(parts, format="csr"))
    wide: list[Any] = [part.toarray() if isinstance(part, sp.csr_array) else part for part in parts]
    return np.concatenate(wide, 1)
