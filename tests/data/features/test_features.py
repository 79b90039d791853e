"""Columns become numbers by what train says, and by nothing else."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from recsys.data.entities import EntityTable
from recsys.data.features.categories import ABSENT, RARE
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.schema import Schema
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.errors import ArtifactError


def table(kind, cells, name="x"):
    ids = Vocabulary(np.arange(len(cells)))
    return EntityTable(ids, pd.DataFrame({name: pd.Series(cells)}), Schema.of({name: kind}))


def fitted(kind, cells, rows=None, **options):
    return FeatureSet.fit(table(kind, cells), rows, FeatureOptions(**options))


def values(features, kind, cells):
    return features.transform(table(kind, cells))["x"]


def test_rare_and_unknown_categories_share_a_row_and_a_missing_one_has_its_own():
    features = fitted("categorical", ["a", "a", "b", "b", "b", "once", None])
    rows = values(features, "categorical", ["a", "b", "once", "never", None])
    assert rows.tolist() == [3, 2, RARE, RARE, ABSENT]
    assert features.columns[0].size == 4


def test_tags_are_filled_up_and_counted_once():
    features = fitted("tags", ["a|b", "a|b|b", "rare", None], max_tags=3)
    rows = values(features, "tags", ["b|a", "a|a", "rare|new|a|b", None, ""])
    assert rows.tolist() == [[3, 2, MISSING], [2, MISSING, MISSING], [RARE, RARE, 2]] + [[ABSENT, MISSING, MISSING]] * 2


FLOATS = arrays(np.float64, st.integers(2, 40), elements=st.floats(-1e6, 1e6))


@given(cells=FLOATS)
@settings(deadline=None, max_examples=30)
def test_standard_numbers_have_mean_zero_and_deviation_one_on_train(cells):
    scaled = values(fitted("numeric", cells), "numeric", cells).astype(np.float64)
    if np.ptp(cells) > 1e-3:
        assert abs(scaled.mean()) < 1e-3
        assert abs(scaled.std() - 1) < 1e-3
    else:
        assert np.isfinite(scaled).all()


@given(cells=FLOATS)
@settings(deadline=None, max_examples=30)
def test_quantile_numbers_keep_the_order_and_stay_in_the_normal_range(cells):
    scaled = values(fitted("numeric", cells, numeric="quantile"), "numeric", np.sort(cells))[:, 0]
    if np.ptp(cells):
        assert (np.diff(scaled) >= -1e-6).all()
        assert (np.abs(scaled) < 2.6).all()


def test_quantile_numbers_of_a_skewed_column_look_normal():
    cells = np.exp(np.random.default_rng(0).normal(0, 2, 2000))
    scaled = values(fitted("numeric", cells, numeric="quantile"), "numeric", cells)[:, 0]
    assert abs(scaled.mean()) < 0.05
    assert abs(scaled.std() - 1) < 0.05
    assert abs(np.mean(np.abs(scaled) < 1) - 0.683) < 0.03
    skewed = values(fitted("numeric", cells), "numeric", cells)[:, 0]
    assert np.mean(np.abs(skewed) < 1) > 0.95


@pytest.mark.parametrize("style", ["standard", "quantile"])
def test_a_missing_number_stays_missing_and_a_constant_column_does_no_harm(style):
    scaled = values(fitted("numeric", [1.0, 1.0, np.nan], numeric=style), "numeric", [1.0, 2.0, np.nan])
    assert scaled[0, 0] == 0
    assert np.isfinite(scaled[1, 0])
    assert np.isnan(scaled[2, 0])


def test_a_time_is_a_moment_and_points_on_three_circles():
    hour = 3600.0
    cells = pd.Series([0.0, 6 * hour, 12 * hour, 24 * hour, np.nan])
    found = values(fitted("time", cells), "time", cells)
    assert found.shape == (5, 7)
    np.testing.assert_allclose(found[1, 1:3], [1, 0], atol=1e-6)  # six o'clock: a quarter of the day
    np.testing.assert_allclose(found[3, 1:3], found[0, 1:3], atol=1e-6)  # the next day at the same hour
    assert not np.allclose(found[3, 3:5], found[0, 3:5])  # but another day of the week
    np.testing.assert_allclose(np.square(found[:4, 1:]).reshape(4, 3, 2).sum(2), 1, atol=1e-5)
    np.testing.assert_allclose(found[:4, 0].mean(), 0, atol=1e-6)
    assert np.isnan(found[4]).all()


def test_vectors_are_scaled_to_unit_size_and_wrong_ones_are_missing():
    features = fitted("embedding", [[3.0, 0.0], [0.0, 3.0], None])
    found = values(features, "embedding", [[3.0, 3.0], [1.0], None])
    np.testing.assert_allclose(found[0], [2**0.5, 2**0.5], rtol=1e-6)
    assert np.isnan(found[1:]).all()


KINDS = {
    "categorical": (["a", "b", "a"], ["z", "z", "z"]),
    "tags": (["a|b", "b|a", "a"], ["z|a", "z", "z"]),
    "numeric": ([1.0, 2.0, 3.0], [100.0, -5.0, 7.0]),
    "time": ([1e9, 1.1e9, 1.2e9], [2e9, 3e9, 0.0]),
    "embedding": ([[1.0, 2.0], [3.0, 4.0], None], [[50.0, 60.0], [7.0, 8.0], [9.0, 9.0]]),
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_rows_outside_train_leave_no_trace(kind):
    train, other = KINDS[kind]
    alone = fitted(kind, train)
    beside = fitted(kind, [*train, *other], np.arange(3))
    assert alone.to_dict() == beside.to_dict()


@pytest.mark.parametrize("kind", list(KINDS))
def test_transforms_survive_json(kind):
    features = fitted(kind, KINDS[kind][0])
    again = FeatureSet.from_dict(json.loads(json.dumps(features.to_dict())))
    assert again == features
    np.testing.assert_array_equal(values(again, kind, KINDS[kind][1]), values(features, kind, KINDS[kind][1]))


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_column_that_a_table_lacks_is_missing_throughout(kind):
    features = fitted(kind, KINDS[kind][0])
    found = features.transform(EntityTable.bare(Vocabulary(np.arange(2))))["x"]
    assert (found[:, 0] == ABSENT).all() if kind == "tags" else (np.isnan(found) | (found == ABSENT)).all()


def test_growing_appends_categories_and_fits_new_columns_and_moves_nothing():
    old = fitted("categorical", ["a", "a", "b", "b"])
    cells = pd.DataFrame({"x": ["c", "c", "a", "d"], "size": [1.0, 2.0, 3.0, 4.0]})
    newer = EntityTable(Vocabulary(np.arange(4)), cells, Schema.of({"x": "categorical", "size": "numeric"}))
    grown = old.grown(newer)
    assert grown.columns[0].values == ("a", "b", "c")
    assert grown.columns[0].fitted == 2
    assert [column.name for column in grown.columns] == ["x", "size"]


def test_columns_that_come_later_are_fitted_with_the_options_of_the_first():
    old = fitted("categorical", ["a", "a"], numeric="quantile")
    newer = EntityTable(Vocabulary(np.arange(3)), pd.DataFrame({"y": [1.0, 2.0, 9.0]}), Schema.of({"y": "numeric"}))
    assert FeatureSet.from_dict(old.to_dict()).grown(newer).columns[1].style == "quantile"


def test_an_unknown_kind_of_transform_is_refused():
    with pytest.raises(ArtifactError, match="hologram"):
        FeatureSet.from_dict({"options": {}, "columns": [{"name": "x", "kind": "hologram"}]})
