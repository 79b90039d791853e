"""A weighted sum of fitted engines, with weights chosen on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field, model_validator
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path, read_json, write_json
from recsys.config import parse
from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines import ENGINES
from recsys.engines.ensemble.weights import CandidatePool, ScoredParts, ScoreMean, search, valid_mask, zero_invalid
from recsys.evaluation.metrics import parse_metric
from recsys.names import check_name, stored_name
from recsys.seeding import stream

_SAMPLE = 256
"""Users from whose scores the standard deviation of a part is estimated."""


class HybridConfig(EngineConfig):
    """The parts of a hybrid and their weights.

    Args:
        parts: names of engines of the same run; a name that is not in the context is taken as a kind, and fitted with
            its defaults.
        weights: of the parts, each in units of its standard deviation; None chooses them on validation, or takes equal
            ones where there is none.
        metric: what the weights maximize. Long lists by default: the targets of many more users are among the first
            hundred items, so that few validation users suffice for the weights of many parts, which ``ndcg@10`` would
            fit to chance.
        steps: grid of a part's share, from nothing to all, in the search; see `recsys.engines.ensemble.weights`.
        users: at most this many random users are evaluated in the search.
    """

    parts: tuple[str, ...] = Field(min_length=2)
    weights: tuple[float, ...] | None = None
    metric: str = "ndcg@100"
    steps: int = Field(20, ge=1)
    users: int = Field(20_000, ge=1)

    def uses_parts(self) -> tuple[str, ...]:
        return self.parts

    def chooses_on_validation(self) -> bool:
        return self.weights is None

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


class Hybrid(Engine):
    r"""Weighted sum of standardized scores of several engines, as one product of dense and sparse vectors.

    .. math:: s(u, i) = \sum_p w_p \, \frac{s_p(u, i) - \mu_p(u)}{\sigma_p}

    :math:`\sigma_p` is the standard deviation over items of part p's scores, averaged over a sample of users, so that
    weights found with parts trained on less data, or on another dataset, are still comparable; :math:`\mu_p(u)` is the
    user's mean score over the items that have a vector. A user or an item has a vector where any part gives one; a part
    without one adds 0, the standardized mean score. A linear item-item model, which memorizes co-occurrences, and the
    towers, which generalize by embeddings, complement each other.

    Parts are given by name (``parts=("ease", "two_tower")``, from the context) or as fitted engines:
    ``parts={"ease": ease}``.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> from recsys.engines.baselines.popularity import Popularity
        >>> data = BlockTaste(items=14).dataset()
        >>> parts = {"ease": EASE().fit(data), "popularity": Popularity().fit(data)}
        >>> Hybrid(parts=parts, weights=(0.9, 0.1)).fit(data).weights_
        (0.9, 0.1)
    """

    kind = "hybrid"
    Config = HybridConfig
    config: HybridConfig

    parts: dict[str, Engine]
    score_stds: tuple[float, ...]
    score_means: tuple[ScoreMean, ...]

    weights_: tuple[float, ...] = ()
    """The weight of each part: those of the config, or what validation chose."""
    fitted_parts: Mapping[str, Engine] = MappingProxyType({})
    """Parts that were given as fitted engines, by name."""
    _kept_items: tuple[EntityTable, dict[str, Vectors]] | None = None

    def __init__(self, config: EngineConfig | None = None, /, **options: object) -> None:
        parts = options.get("parts")
        if isinstance(parts, Mapping):
            self.fitted_parts, options["parts"] = dict(parts), tuple(parts)
        super().__init__(config, **options)

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.parts = {name: self._part(name, data, train, context) for name in self.config.parts}
        self._kept_items = None
        items = [zero_invalid(part.item_vectors(data.items)) for part in self.parts.values()]
        sample = stream(context.seed, "hybrid", "spread").permutation(np.unique(train.user))[:_SAMPLE]
        request = Request.from_dataset(data, np.sort(sample), train)
        parts = zip(self.parts.values(), items, strict=True)
        self.score_stds = tuple(score_std(part.user_vectors(request), vectors) for part, vectors in parts)
        self.score_means = tuple(ScoreMean.of(vectors) for vectors in items)
        self.weights_ = self.config.weights or self._search(data, items, context)

    def user_vectors(self, request: Request) -> Vectors:
        # minus the mean score beside the 1 of every item subtracts the mean
        factors, means = self._factors(), dict(zip(self.parts, self.score_means, strict=True))
        vectors = {name: self.parts[name].user_vectors(request) for name in factors}
        centred = [part.with_columns(-means[name].means(part)) for name, part in vectors.items()]
        return joined(centred, list(factors.values()))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        vectors = [self.parts[name].item_vectors(items, at) for name in self._factors()]
        return joined([part.with_columns(np.ones(len(part), np.float32)) for part in vectors], [1.0] * len(vectors))

    def similarity_vectors(self, items: EntityTable) -> Vectors:
        vectors = [self.parts[name].similarity_vectors(items) for name in self._factors()]
        return joined(vectors, [1.0] * len(vectors))

    def contributions(self, request: Request, rows: NDArray[np.integer]) -> dict[str, NDArray[np.float32]]:
        """Part -> its weighted standardized scores [U, n] of the items at ``rows``.

        The contributions sum to the score. A part without a vector for the user or the item adds 0.
        """
        means, items = dict(zip(self.parts, self.score_means, strict=True)), self._items_of_parts(request.items)
        found = {}
        for name, factor in self._factors().items():
            users, listed = self.parts[name].user_vectors(request), items[name].take(rows)
            scores = users.scores(listed) - means[name].means(users)[:, None]
            known = np.logical_and.outer(valid_mask(users), valid_mask(listed))
            found[name] = np.where(known, np.float32(factor) * scores, np.float32(0))
        return found

    def _items_of_parts(self, items: EntityTable) -> dict[str, Vectors]:
        """The item vectors of each part with a weight; those of the last table are kept."""
        found = self._kept_items  # another thread may replace it meanwhile
        if found is None or found[0] is not items:
            found = self._kept_items = items, {name: self.parts[name].item_vectors(items) for name in self._factors()}
        return found[1]

    def ranks_seen_items(self) -> bool:
        return all(part.ranks_seen_items() for part in self.parts.values())

    def chosen_config(self) -> HybridConfig:
        return self.config.model_copy(update={"weights": self.weights_ or self.config.weights})

    def save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", self.config.model_dump(mode="json"))
        kinds = [part.kind for part in self.parts.values()]
        write_json(directory / "parts.json", {"kinds": kinds, "score_stds": self.score_stds, "weights": self.weights_})
        arrays = {
            f"{number}/{kind}": array for number, mean in enumerate(self.score_means) for kind, array in mean.arrays()
        }
        with atomic_path(directory / "score_means.safetensors") as beside:
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
        engine.score_stds, path = tuple(state["score_stds"]), directory / "score_means.safetensors"
        engine.weights_ = tuple(state["weights"])
        arrays = load_file(path)
        numbers = range(len(engine.score_stds))
        engine.score_means = tuple(ScoreMean(arrays.get(f"{n}/dense"), arrays.get(f"{n}/sparse")) for n in numbers)
        return engine

    def _part(self, name: str, data: Dataset, train: Interactions, context: FitContext) -> Engine:
        fitted = {**context.parts, **self.fitted_parts}
        if name in fitted:
            return fitted[name]
        directory = None if context.directory is None else context.directory / name
        return ENGINES[name]().fit(data, train, context=replace(context, directory=directory))

    def _factors(self) -> dict[str, float]:
        """The factor of each part's user vectors, weight over standard deviation; parts of weight 0 are left out."""
        scaled = zip(self.parts, self.weights_, self.score_stds, strict=True)
        return {name: weight / scale for name, weight, scale in scaled if weight > 0}

    def _search(self, data: Dataset, items: list[Vectors], context: FitContext) -> tuple[float, ...]:
        """The weights that `search` finds on validation, which sum to one; equal ones without validation data."""
        holdout = context.validation
        if holdout is None:
            return (1 / len(items),) * len(items)
        sample = stream(context.seed, "hybrid", "search").permutation(len(holdout))[: self.config.users]
        users, metric = holdout.users[np.sort(sample)], self.config.metric
        parts = ScoredParts(list(self.parts.values()), self.score_stds, self.score_means, items)
        pool = CandidatePool(parts, data, holdout, users, metric)
        for weights, value in search(pool.values, len(items), self.config.steps):
            listed = ", ".join(f"{name} {weight:.2f}" for name, weight in zip(self.parts, weights, strict=True))
            context.tracker.progress(f"hybrid: {listed}  {metric} {value:.4f}")
        return tuple(float(weight) for weight in weights)


def score_std(users: Vectors, items: Vectors) -> float:
    """The standard deviation of a user's scores over items, averaged over users; 1 where it is 0.

    Users and items without a vector are left out.
    """
    scores = users.scores(items)
    scores = scores if items.valid is None else scores[:, items.valid]
    scores = scores if users.valid is None else scores[users.valid]
    return float(scores.std(axis=1, dtype=np.float64).mean()) or 1.0 if scores.size else 1.0


def joined(vectors: Sequence[Vectors], factors: Sequence[float]) -> Vectors:
    """Concatenates the vectors of several engines, each times its factor; zero where an engine has no vector."""
    scaled = [_scaled(zero_invalid(part), factor) for part, factor in zip(vectors, factors, strict=True)]
    dense = [part.dense for part in scaled if part.dense is not None]
    sparse = [part.sparse for part in scaled if part.sparse is not None]
    return Vectors(
        np.concatenate(dense, 1) if dense else None,
        _side_by_side(sparse) if sparse else None,
        np.any([valid_mask(part) for part in vectors], axis=0),
    )


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
