"""Synthetic interactions with a known contribution of each of five modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.synthetic.planted_content import KINDS, drawn, written
from recsys.data.synthetic.raw_tables import START, write_tables
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.seeding import stream

MODALITIES = ("text", "image", "tabular", "graph", "sequence")
"""The five modalities that carry a part of the preference; axis M."""

Kinds = NDArray[np.int64]
"""int64 [n, M]: the kind of an item in each modality, or the kind that a user wants; MISSING wants none."""


@dataclass(frozen=True)
class PlantedTaste:
    r"""Softmax choice model: an item's logit is the weighted number of modalities in which it matches the user.

    User u's next choice is one of the items not yet chosen, with :math:`p(i) \propto e^{\sum_m w_m [k_{im} = t_{um}]}`.
    The five kinds of an item are independent. Each is observed in one modality only: in the words of ``blurb``, in the
    ``picture``, in the category ``genre``, in the users who chose the item (its circle), and in its ``stage``. The
    kinds that a user wants are in the user's columns ``topic``, ``look``, ``taste`` and ``circle``; the wanted stage is
    the one after that of the previous item, so it depends on the history only.

    The first users are ``pioneers``, with two items of their own circle each and no other preference. A graph embedding
    of their interactions contains the circles and nothing else. Two interactions are too few for a leave-one-out
    evaluation.

    Args:
        users: the evaluation users.
        items: I.
        events: of each user, all of distinct items.
        kinds: of each modality, at most `KINDS`.
        pioneers: the number of additional users with two interactions.
        weights: modality -> w.
    """

    users: int = 800
    items: int = 400
    events: int = 10
    kinds: int = 4
    pioneers: int = 1500
    weights: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(MODALITIES, 2.0))

    def __post_init__(self) -> None:
        assert set(self.weights) == set(MODALITIES), f"weights are of {MODALITIES}"
        assert 2 <= self.kinds <= KINDS

    @property
    def early(self) -> float:
        """The share of the training interactions of a leave-one-out split that are the pioneers'."""
        return 2 * self.pioneers / (2 * self.pioneers + self.users * (self.events - 2))

    def draw(self, seed: int = 0) -> PlantedWorld:
        """The world; users are called ``u0000``, items are integers."""
        rng = stream(seed, "planted_taste")
        item_kinds = np.stack([rng.permutation(np.resize(np.arange(self.kinds), self.items)) for _ in MODALITIES], 1)
        wanted = rng.integers(self.kinds, size=(self.pioneers + self.users, len(MODALITIES)))
        wanted[:, MODALITIES.index("sequence")] = MISSING
        wanted[: self.pioneers, [MODALITIES.index(name) for name in MODALITIES if name != "graph"]] = MISSING
        return PlantedWorld(self, item_kinds, wanted, self._interactions(item_kinds, wanted, rng), seed)

    def _interactions(self, item_kinds: Kinds, wanted: Kinds, rng: np.random.Generator) -> Interactions:
        circles = item_kinds[:, MODALITIES.index("graph")], wanted[: self.pioneers, MODALITIES.index("graph")]
        early = np.stack([rng.choice(np.flatnonzero(circles[0] == own), 2, replace=False) for own in circles[1]])
        late = self._walks(item_kinds, wanted[self.pioneers :], rng)
        users = np.concatenate(
            [np.repeat(np.arange(self.pioneers), 2), self.pioneers + np.repeat(np.arange(self.users), self.events)]
        )
        return Interactions.of(users, np.concatenate([early.ravel(), late.ravel()]), START + 60 * np.arange(len(users)))

    def _walks(self, item_kinds: Kinds, wanted: Kinds, rng: np.random.Generator) -> Kinds:
        """int64 [U, events]: Gumbel's trick draws from the softmax."""
        walks = np.full((len(wanted), self.events), MISSING)
        free = np.ones((len(wanted), self.items), bool)
        for step in range(self.events):
            now = following(wanted, item_kinds, walks[:, step - 1], self.kinds)
            scores = self.scores(now, item_kinds) + rng.gumbel(size=free.shape)
            walks[:, step] = np.where(free, scores, -np.inf).argmax(1)
            free[np.arange(len(wanted)), walks[:, step]] = False
        return walks

    def scores(self, wanted: Kinds, item_kinds: Kinds) -> NDArray[np.float64]:
        """The logits [U, I] of the choice."""
        weights = [self.weights[name] for name in MODALITIES]
        parts = [w * (wanted[:, m, None] == item_kinds[:, m]) for m, w in enumerate(weights)]
        logits: NDArray[np.float64] = np.sum(parts, axis=0)
        return logits


@dataclass(frozen=True, eq=False)
class PlantedWorld:
    """A sample of `PlantedTaste`: the interactions and the latent variables behind them.

    Args:
        taste: the rule.
        item_kinds: int64 [I, M].
        wanted: int64 [U, M], what each user wants; of ``sequence`` see `following`.
        interactions: the pioneers' and the users' choices.
        seed: of texts and pictures.
    """

    taste: PlantedTaste
    item_kinds: Kinds
    wanted: Kinds
    interactions: Interactions
    seed: int

    @cached_property
    def data(self) -> Dataset:
        """The sample as a dataset."""
        return Dataset("planted", self._users(), self._items(), self.interactions, has_timestamps=True)

    def write(self, directory: Path) -> dict[str, Path]:
        """Tables and pictures in ``directory``; field of `recsys.data.ingest.config.DataConfig` -> path."""
        paths = write_tables(self.data, directory)
        rng = stream(self.seed, "planted pictures")
        (directory / "pictures").mkdir(exist_ok=True)
        for item, kind in enumerate(self.item_kinds[:, MODALITIES.index("image")]):
            drawn(int(kind), rng).save(directory / _picture(item))
        return paths

    def _items(self) -> EntityTable:
        rng = stream(self.seed, "planted texts")
        kinds = {name: self.item_kinds[:, m] for m, name in enumerate(MODALITIES)}
        columns = pd.DataFrame(
            {
                "blurb": [written(int(kind), rng) for kind in kinds["text"]],
                "picture": [_picture(item) for item in range(len(self.item_kinds))],
                "genre": [f"genre {kind}" for kind in kinds["tabular"]],
                "stage": [f"stage {kind}" for kind in kinds["sequence"]],
            }
        )
        schema = Schema.of({"blurb": "text", "picture": "image", "genre": "categorical", "stage": "categorical"})
        return EntityTable(Vocabulary(np.arange(len(columns))), columns, schema)

    def _users(self) -> EntityTable:
        names = {"topic": "text", "look": "image", "taste": "tabular", "circle": "graph"}
        wanted = {column: self.wanted[:, MODALITIES.index(name)] for column, name in names.items()}
        columns = pd.DataFrame(
            {
                column: [None if kind == MISSING else f"{column} {kind}" for kind in kinds]
                for column, kinds in wanted.items()
            }
        )
        ids = Vocabulary(np.array([f"u{user:04d}" for user in range(len(columns))], object))
        return EntityTable(ids, columns, Schema.of(dict.fromkeys(names, "categorical")))


def following(wanted: Kinds, item_kinds: Kinds, last: NDArray[np.integer], kinds: int) -> Kinds:
    """``wanted`` [U, M] with the stage that follows that of the ``last`` item [U]; MISSING is followed by none."""
    m = MODALITIES.index("sequence")
    result = wanted.copy()
    result[:, m] = np.where(last == MISSING, MISSING, (item_kinds[last, m] + 1) % kinds)
    return result


def _picture(item: int) -> str:
    return f"pictures/{item:04d}.png"
