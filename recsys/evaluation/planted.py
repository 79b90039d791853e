"""The attribution of an oracle on synthetic data whose modalities have known weights.

Users and items of a `PlantedWorld` are drawn from latent variables, one per modality. The oracle scores by these
variables, so its attribution is what that of a trained model is compared with.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.splits.split import Holdout
from recsys.data.synthetic.planted import MODALITIES, PlantedWorld, following
from recsys.data.vocabulary import MISSING
from recsys.engine import Request, Vectors
from recsys.evaluation.attribution import Attribution, Coalition, Values, build_attribution
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric


class PlantedOracle:
    """Scores items by the logits from which the synthetic interactions were drawn, of the ``seen`` modalities alone.

    In each modality an item belongs to one of several kinds and a user prefers one of them. An item vector is the
    one-hot kinds of all modalities, a user vector the one-hot preferences times the modalities' weights. With all
    modalities seen no trained model ranks better in expectation.

    Args:
        world: the synthetic data with its latent variables.
        seen: the modalities that are not masked.
    """

    kind: ClassVar[str] = "planted_oracle"

    def __init__(self, world: PlantedWorld, seen: Collection[str]) -> None:
        self.world = world
        self.weights = [world.taste.weights[name] * (name in seen) for name in MODALITIES]

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        kinds = self.world.item_kinds[self.world.data.items.vocabulary.rows(items.vocabulary.ids)]
        return Vectors(dense=self._blocks(kinds, np.ones(len(MODALITIES))))

    def user_vectors(self, request: Request) -> Vectors:
        rows = self.world.data.users.vocabulary.rows(request.users.vocabulary.ids)
        places = request.histories.offsets[1:] - 1
        newest = np.append(request.histories.items, MISSING)[places]
        last = np.where(request.histories.lengths > 0, newest, MISSING)
        known = self.world.data.items.vocabulary.rows(request.items.vocabulary.ids)
        wanted = following(self.world.wanted[rows], self.world.item_kinds, np.append(known, MISSING)[last], self._kinds)
        return Vectors(dense=self._blocks(wanted, np.array(self.weights)))

    @property
    def _kinds(self) -> int:
        return self.world.taste.kinds

    def _blocks(self, kinds: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float32]:
        """[n, M] -> [n, M * kinds]."""
        blocks = (kinds[:, :, None] == np.arange(self._kinds)) * weights[:, None].astype(np.float32)
        vectors: NDArray[np.float32] = blocks.reshape(len(kinds), -1)
        return vectors


def planted_attribution(
    world: PlantedWorld, data: Dataset, holdout: Holdout, metric: str, seed: int = 0
) -> Attribution:
    """Shapley attribution of `PlantedOracle`; a model that has learnt the rule of the data has the same shares.

    Args:
        world: the synthetic data with its latent variables.
        data: the dataset that was read from its files.
        holdout: the evaluation users and their targets.
        metric: the metric that is attributed, such as ``recall@20``.
        seed: of the bootstrap resampling.
    """
    k = parse_metric(metric)[1]

    def values(seen: Coalition) -> Values:
        oracle = PlantedOracle(world, seen)
        return evaluate(oracle, data, holdout, ks=(k,)).values[metric]

    return build_attribution(values, MODALITIES, metric, seed=seed)
