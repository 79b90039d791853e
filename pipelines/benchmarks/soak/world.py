"""What is served: a registry with three versions of a model, and the list that each version gives to whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

import recsys as rs
from pipelines.cli_arguments import open_run
from pipelines.stages.promote import open_store
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.synthetic.worlds import BlockTaste
from recsys.registry.bundle import Bundle
from recsys.registry.mlflow_client import local_uri, mlflow_at
from recsys.registry.store import CHAMPION, Store
from recsys.retrieval.recipients.asked import Id
from recsys.service.live_histories import FeedbackEvent, LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question

K, POOL = 10, 200
SYNTHETIC = "synthetic"
Items = tuple[Id, ...]


@dataclass(frozen=True, eq=False)
class Expected:
    """The lists of one version, made by the library and not by the service.

    Args:
        known: user -> list.
        histories: the list of each history of the world.
        similar: item -> its nearest items.
    """

    known: dict[Id, Items]
    histories: list[Items]
    similar: dict[Id, Items]


@dataclass(frozen=True, eq=False)
class World:
    """A config and its registry.

    Args:
        config: of the run that is served.
        data: users, items and interactions.
        bundles: version, as answers name it -> bundle.
        store: of the versions.
        histories: of people nobody knows.
    """

    config: Path
    data: Dataset
    bundles: dict[str, Bundle]
    store: Store
    histories: list[list[Id]]
    expected: dict[str, Expected] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path, data: str, seed: int) -> World:
        """Two two-towers of one epoch and an ALS model, registered; the first is the champion."""
        dataset = BlockTaste(users=200).dataset() if data == SYNTHETIC else rs.load_dataset(data)
        config = folder / "soak.toml"
        source = "movielens-100k" if data == SYNTHETIC else data  # it is not read, for bundles bring their data
        config.write_text(_RUN.format(source=source, uri=local_uri(folder)))
        store = open_store(*open_run(config, folder / "run", None))
        bundles = {}
        for number, engine in enumerate((rs.TwoTower(epochs=1), rs.TwoTower(epochs=1), rs.ALS(factors=32))):
            Bundle(engine.fit(dataset, seed=seed + number), dataset).save(folder / f"bundle-{number}")
            version = store.register(folder / f"bundle-{number}")
            bundles[f"{store.name}/{version}"] = Bundle.load(folder / f"bundle-{number}")
        rng = np.random.default_rng(seed)
        items = dataset.items.vocabulary.ids
        histories = [rng.choice(items, rng.integers(1, 21), replace=False).tolist() for _ in range(POOL)]
        world = cls(config, dataset, bundles, store, histories)
        world.expected.update({version: world._expected(bundle) for version, bundle in bundles.items()})
        world.move(next(iter(bundles)))
        return world

    def move(self, version: str) -> None:
        """Gives the alias ``champion`` to a version, as anybody with MLflow would."""
        client = mlflow_at(self.store.uri).MlflowClient(self.store.uri)
        client.set_registered_model_alias(self.store.name, CHAMPION, version.rpartition("/")[2])

    def _expected(self, bundle: Bundle) -> Expected:
        known = _lists(rs.recommend(bundle, None, k=K))
        anonymous = _lists(rs.recommend(bundle, None, k=K, histories=self.histories))
        some = self.data.items.vocabulary.ids[:POOL].tolist()
        similar = {item: tuple(rs.similar_items(bundle, None, item, K)["item_id"].tolist()) for item in some}
        return Expected(known, [anonymous[number] for number in range(POOL)], similar)

    def after(self, version: str, asked: Sequence[tuple[Id, Sequence[FeedbackEvent]]]) -> list[Items]:
        """The list of each of several users after events, by a model of one thread that was never exchanged."""
        model, found = ServedModel(self.bundles[version], version=version), dict[int, Items]()
        users = pd.Series([user for user, _ in asked])
        for _, numbers in users.groupby(users.groupby(users).cumcount()).groups.items():  # each user once a group
            live = LiveHistories()
            for number in numbers:
                live.add(asked[number][1])
            answers = model.recommend([Question(asked[number][0], k=K) for number in numbers], live)
            for number, listed in zip(numbers, answers, strict=True):
                assert isinstance(listed, Listed), listed
                found[number] = listed.item_ids
        return [found[number] for number in range(len(asked))]

    def in_table(self, version: str, events: Iterable[FeedbackEvent]) -> dict[Id, Items]:
        """The list of every user, by the library, from a table to which the events were added."""
        new = list(events)
        users = self.data.users.vocabulary.rows([event.user_id for event in new])
        items = self.data.items.vocabulary.rows([event.item_id for event in new])
        times = np.array([event.time for event in new], np.int64)
        table = self.data.interactions.joined(Interactions.of(users, items, times))
        return _lists(rs.recommend(self.bundles[version].engine, replace(self.data, interactions=table), k=K))


def _lists(frame: pd.DataFrame) -> dict[Id, Items]:
    found = defaultdict(list)
    for user, item in zip(frame["user_id"].tolist(), frame["item_id"].tolist(), strict=True):  # by rank
        found[user].append(item)
    return {user: tuple(items) for user, items in found.items()}


_RUN = """name = "soak"
[data]
source = "{source}"
[split]
protocol = "leave_one_out"
[engines.two_tower]
[promote]
engine = "two_tower"
tracking_uri = "{uri}"
"""
