"""The ladder: which engines with which options are tried on a dataset, from cheap to dear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind, split_tags
from recsys.engines.auto.tables import CONTENT, FACTORS, TableRecipe
from recsys.json_values import JsonObject

CLOSED_FORM = ("popularity", "frequency", "itemknn", "ease", "als", "spectral", "content_knn")
TRAINED = ("gru4rec", "sequence", "two_tower")
READS_CONTENT = ("content_knn", "two_tower")

_DENSE_BYTES = 1 << 30
_MOST_VALUES = 4096
"""Of categorical and tags columns together, whose vector of zeros and ones is compared."""
_SAMPLED_ABOVE, _WHOLE_CATALOGUE = 4096, 20_000
"""The largest catalogues that trained engines score as a whole at each step: by default, and as a further try."""
_DAY = 86_400


@dataclass(frozen=True)
class Family:
    """One kind of engine, and the options that are tried one after another, each with the best of the others.

    Args:
        name: of the engine in a config.
        kind: of the engine.
        start: the options of the first fit.
        steps: option -> other values, in the order in which they are tried; options that belong together are one step.
        seconds: how long a fit is expected to take.
    """

    name: str
    kind: str
    start: JsonObject
    steps: Sequence[Sequence[JsonObject]] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Ladder:
    """Everything that is tried.

    Args:
        families: engines in closed form, whose options are searched.
        trained: name -> kind and options of engines that are trained by epochs.
        tables: the embedding tables that they read.
        skipped: name of an engine that is not tried -> why.
    """

    families: Sequence[Family]
    trained: Mapping[str, tuple[str, JsonObject]] = field(default_factory=dict)
    tables: Mapping[str, TableRecipe] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizes:
    """The numbers that the time of a fit follows from.

    Args:
        users: U.
        items: I.
        events: E.
        pairs: the number of pairs of interactions of one user.
        flops: floating-point operations a second of this machine.
    """

    users: int
    items: int
    events: int
    pairs: float
    flops: float = 2e10

    @classmethod
    def of(cls, data: Dataset, train: Interactions, flops: float) -> Sizes:
        counts = train.user_counts(data.n_users).astype(np.float64)
        return cls(data.n_users, data.n_items, len(train), float((counts**2).sum()), flops)

    def seconds(self, kind: str) -> float:
        """How long a fit of ``kind`` takes, roughly: most of it is products of matrices, or walks over their pairs."""
        walk = self.pairs / 2e7
        wide, rank = (self.users + self.items) * 544.0, 544.0
        return {
            "itemknn": walk,
            "ease": walk + 2.0 * self.items**3 / self.flops,
            "als": 15 * 12 * (64.0 * self.events + 64.0**2 * (self.users + self.items)) / (self.flops / 10),
            "spectral": walk + (20 * self.events * rank + 12 * wide * rank) / (self.flops / 4),
            "content_knn": self.items / 1e4,
        }.get(kind, self.events / 1e7)


def ladder(
    data: Dataset,
    train: Interactions,
    engines: Sequence[str],
    sizes: Sizes,
    tables: Mapping[str, TableRecipe] | None = None,
    filter_seen: bool = True,
) -> Ladder:
    """What is tried on ``train``.

    Args:
        data: the dataset.
        train: the training interactions.
        engines: kinds that may be tried; empty for all.
        sizes: of ``train``.
        tables: the embedding tables that there are.
        filter_seen: whether lists leave out what a user had, so that frequency is popularity and not tried.
    """
    wanted, tables = wanted_kinds(engines), tables or {}
    families = {kind: made for kind in wanted if kind in CLOSED_FORM for made in _families(kind, data, train, sizes)}
    skipped = {}
    if filter_seen:
        families.pop("frequency", None)
    if "ease" in wanted and "ease" not in families:
        skipped["ease"] = f"its matrix of {data.n_items:,} x {data.n_items:,} items is too large"
    if "content_knn" in wanted:
        families.pop("content_knn", None)
        for family in _content(data, sizes, tables):
            families[family.name] = family
        if not any(family.kind == "content_knn" for family in families.values()):
            skipped["content_knn"] = "the items have neither texts nor categorical or tags columns"
    trained = {name: option for name, option in _trained(data, tables).items() if option[0] in wanted}
    return Ladder(list(families.values()), trained, tables, skipped)


def wanted_kinds(engines: Sequence[str]) -> list[str]:
    """The kinds of the ladder that are among ``engines``; all where these are empty."""
    return [kind for kind in (*CLOSED_FORM, *TRAINED) if not engines or kind in engines]


def _families(kind: str, data: Dataset, train: Interactions, sizes: Sizes) -> list[Family]:
    decays: list[JsonObject] = [{"decay": 0.9}, {"decay": 0.8}, {"decay": 0.7}]
    seconds = sizes.seconds(kind)
    if kind == "popularity":
        return [Family(kind, kind, {}, [_windows(data, train)], seconds)]
    if kind == "frequency":
        fading: list[JsonObject] = [{"decay": 0.99}, {"decay": 0.95}, {"decay": 0.9}]
        return [Family(kind, kind, {}, [_windows(data, train), fading, [{"mix": 0.2}, {"mix": 0.8}]], seconds)]
    if kind == "itemknn":
        steps: list[list[JsonObject]] = [
            decays,
            [{"weighting": "idf"}],
            [{"neighbours": 200, "shrinkage": 0.0}, {"neighbours": 50, "shrinkage": 0.0}],
            [{"shrinkage": 50.0}],
        ]
        return [Family(kind, kind, {}, steps, seconds)]
    if kind == "ease":
        if 8 * data.n_items**2 > _DENSE_BYTES * 4:
            return []
        penalties: list[JsonObject] = [{"regularization": 500.0}, {"regularization": 1500.0}, {"regularization": 20.0}]
        finer: list[JsonObject] = [{"regularization": 1000.0}, {"regularization": 250.0}, {"dropout": 0.3}]
        return [Family(kind, kind, {}, [decays, penalties, finer], seconds)]
    if kind == "als":
        steps = [[{"alpha": 1.0}], [{"factors": 32}, {"factors": 128}], [{"regularization": 10.0}]]
        return [Family(kind, kind, {}, steps, seconds)]
    if kind == "spectral":
        return [Family(kind, kind, {}, [decays, [{"mix": 0.2}, {"mix": 0.8}]], seconds)]
    return []


def _windows(data: Dataset, train: Interactions) -> list[JsonObject]:
    """Recent windows, in days of at most half the time span, or in newest interactions of each user."""
    recent: list[JsonObject] = [{"recent": 1}, {"recent": 5}]
    if not data.has_timestamps or not len(train):
        return recent if data.has_order else []
    span = float(train.time.max() - train.time.min()) / _DAY
    days = [days for days in (1.0, 3.0, 7.0, 14.0, 30.0, 90.0, 365.0) if days <= span / 2]
    return [{"window": window} for window in days] + recent


def _content(data: Dataset, sizes: Sizes, tables: Mapping[str, TableRecipe]) -> list[Family]:
    """Content neighbours by columns, by texts and by images."""
    decays: list[JsonObject] = [{"decay": 0.9}, {"decay": 0.7}]
    found = []
    if columns := _small_columns(data):
        start: JsonObject = {"columns": columns}
        found.append(Family("content_knn", "content_knn", start, [decays], sizes.seconds("content_knn")))
    for name in (name for name in CONTENT if name in tables):
        start = {"table": name, "centred": True}
        found.append(Family(f"{name}_knn", "content_knn", start, [decays], sizes.seconds("content_knn")))
    return found


def _small_columns(data: Dataset) -> list[str]:
    """The categorical and tags columns, those with fewest values first, whose dense matrix of items fits in memory."""
    values = {name: _n_values(data, name) for name in data.items.schema.names(Kind.CATEGORICAL, Kind.TAGS)}
    chosen, total = [], 0
    for name in sorted(values, key=lambda name: values[name]):
        total += values[name]
        if values[name] and total <= _MOST_VALUES and 4 * data.n_items * total <= _DENSE_BYTES / 4:
            chosen.append(name)
    return chosen


def _n_values(data: Dataset, name: str) -> int:
    cells, column = data.items.columns[name].dropna(), data.items.schema.columns[name]
    if column.kind is Kind.CATEGORICAL:
        return int(cells.nunique())
    return len({tag for cell in cells.unique() for tag in split_tags(str(cell), column.separator)})


def _trained(data: Dataset, tables: Mapping[str, TableRecipe]) -> dict[str, tuple[str, JsonObject]]:
    """The trained engines with their default options, which follow from the data, and those that read tables.

    They are tried in this order: a recurrent network comes first, for it learns most in the first epochs.
    """
    found: dict[str, tuple[str, JsonObject]] = {kind: (kind, {}) for kind in TRAINED}
    if content := [name for name in CONTENT if name in tables]:
        found["two_tower_content"] = ("two_tower", {"tables": content})
    if _SAMPLED_ABOVE < data.n_items <= _WHOLE_CATALOGUE:
        whole: JsonObject = {"loss": "full_softmax", "max_tokens": 512}
        found |= {f"{kind}_full": (kind, whole) for kind in ("two_tower", "sequence")}
    if FACTORS in tables:
        found["two_tower_als"] = ("two_tower", {"tables": [FACTORS], "id_start": "random"})
    return found
