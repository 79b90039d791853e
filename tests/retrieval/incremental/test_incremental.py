"""Incremental batches: equal to a full run, byte for byte, whatever changed since the previous output."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Vectors
from recsys.errors import ConfigError
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.recommend import write_batch
from tests.retrieval.conftest import digests
from tests.test_on_device import rank_on

RULES = {
    "reasons": True,
    "caps": [{"column": "brand", "most": 2}],
    "exploration": {"share": 0.2},
    "diversity": {"weight": 0.2},
    "exclusions": [["u003", "i04"], ["u010", "i05"]],
    "at_least": [{"where": "brand == 'b1'", "least": 1}],
}


class Means:
    """An engine whose user vector is the mean of those of the history and of the user's age, in dimension ``dim``."""

    kind = "means"

    def __init__(self, seed=0, dim=24):
        self.seed, self.dim = seed, dim

    def item_vectors(self, items, at=None):
        seeds = [[self.seed, int(str(key)[1:])] for key in items.vocabulary.ids]
        rows = [np.random.default_rng(seed).normal(size=self.dim) for seed in seeds]
        return Vectors(np.array(rows, np.float32).reshape(len(rows), self.dim))

    def user_vectors(self, request):
        items, histories = self.item_vectors(request.items).dense, request.histories
        sums = np.zeros((len(request), self.dim), np.float32)
        np.add.at(sums, histories.users(), items[histories.items])
        age = request.users.columns["age"].fillna(0).to_numpy(np.float32)[:, None]
        means = sums / np.maximum(histories.lengths, 1)[:, None] + age / 100
        return Vectors(means.astype(np.float32), valid=histories.lengths > 0)


KINDS = {"brand": "categorical", "least_age": "numeric"}


def shop(rng, users=90, items=40):
    names = [f"u{n:03d}" for n in range(0, 2 * users, 2)]
    frame = pd.DataFrame({"brand": [f"b{n % 5}" for n in range(items)], "least_age": 1.5 * np.arange(items)})
    table = EntityTable(Vocabulary.of([f"i{n:02d}" for n in range(items)]), frame, Schema.of(KINDS))
    ages = pd.DataFrame({"age": rng.integers(18, 80, users).astype(float)})
    who = EntityTable(Vocabulary.of(names), ages, Schema.of({"age": "numeric"}))
    n = 5 * users
    events = Interactions.of(rng.integers(0, users - 4, n), rng.integers(0, items, n), rng.integers(0, 900, n))
    return Dataset("shop", who, table, events, has_timestamps=True)


class World:
    """A shop, its model and its rules, which change."""

    def __init__(self, seed, where=None):
        self.rng = np.random.default_rng(seed)
        self.data, self.engine = shop(self.rng), Means()
        self.options = RecommendOptions(k=6, shard_size=40, rules=RULES, filter_seen=True, where=where)
        self.fallback = Fallback.fit(self.data)

    def batch(self, incremental):
        options = self.options.model_copy(update={"incremental": incremental})
        return Batch(self.engine, self.data, options, "v", f"{self.engine.seed}", self.fallback, now=0.0)

    def histories(self):
        some = self.rng.integers(0, self.data.n_users, 3)
        more = Interactions.of(some, self.rng.integers(0, self.data.n_items, 3), np.full(3, 1000))
        self.data = replace(self.data, interactions=self.data.interactions.joined(more))

    def user_columns(self):
        columns = self.data.users.columns.copy()
        columns.loc[self.rng.integers(0, len(columns), 2), "age"] += 1
        self.data = replace(self.data, users=replace(self.data.users, columns=columns))

    def rules(self):
        caps = {"caps": [{"column": "brand", "most": int(self.rng.integers(2, 4))}]}
        self.options = parse(RecommendOptions, self.options.model_dump() | {"rules": RULES | caps}, "test")

    def own_lists(self):
        pairs = [["u006", f"i{int(self.rng.integers(0, 40)):02d}"] for _ in range(3)]
        given = self.options.rules.model_dump() | {"candidates": pairs, "exclusions": RULES["exclusions"]}
        self.options = parse(RecommendOptions, self.options.model_dump() | {"rules": given}, "test")

    def removed_items(self):
        gone = int(self.rng.integers(0, self.data.n_items))
        kept = self.data.interactions.select(self.data.interactions.item != gone)
        item = kept.item - (kept.item > gone)
        rows = np.delete(np.arange(self.data.n_items), gone)
        events = Interactions.of(kept.user, item, kept.time, kept.weight)
        self.data = replace(self.data, items=self.data.items.take(rows), interactions=events)

    def new_users(self):
        ids = {f"u{int(n):03d}" for n in self.rng.integers(0, 180, 3)} - set(self.data.users.vocabulary.ids)
        old, every = self.data.users, Vocabulary.of([*self.data.users.vocabulary.ids, *ids])
        frame = old.columns.set_axis(old.vocabulary.ids, axis=0).reindex(every.ids).reset_index(drop=True)
        events, place = self.data.interactions, every.rows(old.vocabulary.ids)
        moved = Interactions.of(place[events.user], events.item, events.time, events.weight)
        self.data = replace(self.data, users=EntityTable(every, frame, old.schema), interactions=moved)

    def other_model(self):
        self.engine = Means(self.engine.seed + 1)

    def length(self):
        self.options = self.options.model_copy(update={"k": int(self.rng.integers(4, 8))})

    def form(self):
        self.options = self.options.model_copy(update={"format": str(self.rng.choice(["csv", "jsonl", "parquet"]))})


class Told:
    def __init__(self):
        self.lines = []

    def info(self, line):
        self.lines.append(line)

    def log(self, *_, **__):
        pass

    def progress(self, *_, **__):
        pass


CHANGES = ("histories", "user_columns", "new_users", "histories", "own_lists", "removed_items", "rules", "other_model")


def lists(folder):
    """The bytes of a folder without the fingerprints, which only an incremental run writes."""
    return {name: digest for name, digest in digests(folder).items() if not name.startswith("_users-")}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
@pytest.mark.parametrize("where", [None, "least_age <= user.age"])
def test_an_incremental_run_has_the_bytes_of_a_full_one_after_random_changes(tmp_path, seed, where):
    world = World(seed, where)
    for night in range(4):
        write_batch(world.batch(True), tmp_path / "lists")
        write_batch(world.batch(False), tmp_path / f"full-{night}")
        assert lists(tmp_path / "lists") == lists(tmp_path / f"full-{night}"), night
        for change in world.rng.choice([*CHANGES, "length", "form"], world.rng.integers(0, 3), replace=False):
            getattr(world, change)()


def counts(world, folder):
    told = Told()
    write_batch(world.batch(True), folder, told)
    last = told.lines[-1].split()
    return int(last[1]), int(last[4]), " ".join(told.lines)


def test_only_users_of_whom_something_changed_are_ranked_again(tmp_path):
    world = World(0)
    assert counts(world, tmp_path)[:2] == (90, 0)
    more = Interactions.of(np.array([3, 7]), np.array([1, 2]), np.array([1000, 1000]))
    world.data = replace(world.data, interactions=world.data.interactions.joined(more))
    assert counts(world, tmp_path)[:2] == (2, 88)
    columns = world.data.users.columns.copy()
    columns.loc[20, "age"] += 1
    world.data = replace(world.data, users=replace(world.data.users, columns=columns))
    assert counts(world, tmp_path)[:2] == (1, 89)
    before = world.data.n_users
    while world.data.n_users == before:
        world.new_users()
    assert counts(world, tmp_path)[:2] == (world.data.n_users - before, before)
    world.options = world.options.model_copy(update={"shard_size": 7})
    assert counts(world, tmp_path)[:2] == (0, world.data.n_users)


def other_cells(world, column):
    columns = world.data.items.columns.copy()
    columns[column] = columns[column].to_numpy()[::-1]
    world.data = replace(world.data, items=replace(world.data.items, columns=columns))


@pytest.mark.parametrize("where", [None, "least_age <= user.age"])
@pytest.mark.parametrize("column", ["brand", "least_age", "stock"])
def test_cells_of_items_rank_everybody_again_only_where_a_rule_names_their_column(tmp_path, where, column):
    world = World(0, where)
    columns = world.data.items.columns.assign(stock=np.arange(world.data.n_items) * 2.0)
    items = EntityTable(world.data.items.vocabulary, columns, Schema.of(KINDS | {"stock": "numeric"}))
    world.data = replace(world.data, items=items)
    counts(world, tmp_path / "lists")
    other_cells(world, column)
    ranked, kept, told = counts(world, tmp_path / "lists")
    used = column == "brand" or (column == "least_age" and where is not None)
    assert (ranked, kept) == ((90, 0) if used else (0, 90))
    assert ("a column of theirs that a rule names, changed" in told) == used
    write_batch(world.batch(False), tmp_path / "full")
    assert lists(tmp_path / "lists") == lists(tmp_path / "full")


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        ({"boosts": [{"where": "stock > 20", "factor": 2}]}, "stock"),
        ({"group": "brand"}, "brand"),
        ({"diversity": {"weight": 0.2, "column": "brand"}}, "brand"),
        ({"calibration": {"column": "brand", "weight": 0.2}}, "brand"),
        ({"at_least": [{"where": "stock > 20", "least": 1}]}, "stock"),
    ],
)
def test_each_rule_that_names_a_column_has_the_lists_of_its_new_cells(tmp_path, rule, column):
    world = World(0)
    world.options = parse(RecommendOptions, {"k": 6, "shard_size": 40, "rules": rule}, "test")
    columns = world.data.items.columns.assign(stock=np.arange(world.data.n_items) * 2.0)
    items = EntityTable(world.data.items.vocabulary, columns, Schema.of(KINDS | {"stock": "numeric"}))
    world.data = replace(world.data, items=items)
    counts(world, tmp_path / "lists")
    other_cells(world, column)
    assert counts(world, tmp_path / "lists")[:2] == (90, 0)
    write_batch(world.batch(False), tmp_path / "full")
    assert lists(tmp_path / "lists") == lists(tmp_path / "full")


def test_blocks_of_few_users_as_those_of_a_large_catalogue_keep_lists_too(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.ranking.ranker._BLOCK_BYTES", 1)
    world = World(0)
    assert counts(world, tmp_path)[:2] == (90, 0)
    assert counts(world, tmp_path)[:2] == (0, 90)
    more = Interactions.of(np.array([3]), np.array([1]), np.array([1000]))
    world.data = replace(world.data, interactions=world.data.interactions.joined(more))
    assert counts(world, tmp_path)[:2] == (1, 89)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("other_model", "the model, or the device that ranks, changed"),
        ("removed_items", "items that may be"),
        ("length", "k, a rule or another"),
    ],
)
def test_what_all_lists_are_made_from_ranks_everybody_again_and_is_told(tmp_path, change, what):
    world = World(1)
    counts(world, tmp_path)
    getattr(world, change)()
    ranked, kept, told = counts(world, tmp_path)
    assert (ranked, kept) == (90, 0)
    assert what in told


def test_lists_of_another_device_are_ranked_again_and_those_of_the_same_are_kept(tmp_path, monkeypatch, device):
    world = World(1)
    counts(world, tmp_path / "lists")
    world.histories()
    rank_on(device, monkeypatch)
    monkeypatch.setattr("recsys.retrieval.retriever.device_of", lambda model: torch.device(device))
    ranked, kept, told = counts(world, tmp_path / "lists")
    assert (ranked, kept) == (90, 0)
    assert "the device that ranks, changed" in told
    world.histories()
    ranked, kept, _ = counts(world, tmp_path / "lists")
    assert ranked + kept == 90
    assert kept > 80
    write_batch(world.batch(False), tmp_path / "full")
    assert lists(tmp_path / "lists") == lists(tmp_path / "full")


class Stops(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 2])
def test_a_killed_incremental_run_is_resumed_with_the_previous_output(tmp_path, after):
    world = World(2)
    write_batch(world.batch(True), tmp_path / "lists")
    world.histories()
    batch = world.batch(True)

    def stopping(numbers):
        for number in list(numbers)[:after]:
            yield number, batch.make_part(tmp_path / "lists", number)
        raise Stops

    with pytest.raises(Stops):
        write_batch(batch, tmp_path / "lists", make=stopping)
    ranked, kept, _ = counts(world, tmp_path / "lists")
    assert ranked <= 3
    assert ranked + kept == 90
    write_batch(world.batch(False), tmp_path / "full")
    assert lists(tmp_path / "lists") == lists(tmp_path / "full")
    assert not list((tmp_path / "lists").glob(".previous*"))


def test_a_damaged_part_of_the_previous_output_is_not_taken(tmp_path):
    world = World(3)
    write_batch(world.batch(True), tmp_path / "lists")
    path = tmp_path / "lists" / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-40] + b"0" * 40)
    world.histories()
    ranked, _, _ = counts(world, tmp_path / "lists")
    assert ranked >= 40
    write_batch(world.batch(False), tmp_path / "full")
    assert lists(tmp_path / "lists") == lists(tmp_path / "full")


def test_a_full_run_leaves_no_fingerprints_of_an_earlier_one(tmp_path):
    world = World(0)
    write_batch(world.batch(True), tmp_path)
    assert list(tmp_path.glob("_users-*"))
    world.histories()
    write_batch(world.batch(False), tmp_path)
    assert not list(tmp_path.glob("_users-*"))


@pytest.mark.parametrize(
    ("more", "what"), [({"index": "faiss"}, "needs exact search"), ({"users": "new"}, "new users")]
)
def test_what_cannot_be_incremental_is_told(more, what):
    with pytest.raises(ConfigError, match=what):
        parse(RecommendOptions, {"incremental": True, **more}, "recommend")
