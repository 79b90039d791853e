"""What columns tell and are worth, in worlds where that is known."""

import numpy as np
import pytest

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.features.features import FeatureOptions
from recsys.data.schema import Schema
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.experiment.column_report import column_reports, column_worths, to_rows


@pytest.fixture(scope="module")
def world() -> Dataset:
    """Four blocks of users and items; beside ``genre``, the block, items have noise, a constant and all their sales."""
    data = BlockTaste(users=60, items=72, events=7, blocks=4).dataset()
    rng, n = np.random.default_rng(0), data.n_items
    sold = data.interactions.item_counts(n).astype(float)
    columns = data.items.columns[["genre", "blurb"]].assign(noise=rng.choice(list("abc"), n), shop="main", sold=sold)
    kinds = {"genre": "categorical", "blurb": "text", "noise": "categorical", "shop": "categorical", "sold": "numeric"}
    items = EntityTable(data.items.vocabulary, columns, Schema.of(kinds))
    return Dataset(data.name, data.users, items, data.interactions, data.has_timestamps, data.has_order)


@pytest.fixture(scope="module")
def reports(world):
    found = column_reports(world, split(world), FeatureOptions())
    return {report.profile.name: report for report in found}


def test_the_column_that_users_choose_by_tells_and_noise_does_not(reports):
    assert {name for name, report in reports.items() if report.evidence and report.evidence.predictive} == {
        "genre",
        "team",
    }
    assert reports["blurb"].evidence is None
    assert reports["genre"].transitions.predictive
    assert not reports["noise"].transitions.predictive


def test_every_column_of_both_tables_is_there_with_its_warnings(reports):
    assert [(report.table, name) for name, report in reports.items()] == [
        *(("items", name) for name in ("genre", "blurb", "noise", "shop", "sold")),
        ("users", "team"),
        ("users", "age"),
    ]
    warned = {name: [warning.what for warning in report.profile.warnings] for name, report in reports.items()}
    assert {name: warnings for name, warnings in warned.items() if warnings} == {
        "shop": ["constant"],
        "sold": ["leaking"],
    }


def test_the_worth_of_a_column_is_measured_by_leaving_it_out_and_by_keeping_it_alone(world, reports):
    parts = split(world)
    options = {"item_columns": ["genre", "noise"], "user_columns": ["team"], "item_id": False}
    engine = TwoTower(dim=8, epochs=5, layers=1, warmup=1, learning_rate=0.02, max_tokens=128, **options)
    engine.fit(world, parts.train)
    worths = column_worths(engine, world, parts.validation, "recall@10")
    assert list(worths.columns) == ["genre", "noise", "team"]
    assert worths.users == 60
    assert worths.full.value > worths.empty.value
    genre, noise = worths.columns["genre"], worths.columns["noise"]
    assert genre.left_out.low > 0
    assert genre.alone.low > 0
    assert genre.alone.difference > noise.alone.difference
    rows = to_rows(list(reports.values()), engine.inputs.columns, worths)
    assert [row["name"] for row in rows if row["input"]] == ["genre", "noise", "team"]
    assert [row["name"] for row in rows if "left_out" in row] == ["genre", "noise", "team"]
