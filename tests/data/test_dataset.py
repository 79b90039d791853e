import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.schema import Schema
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule, write_tables
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ArtifactError

TINY = BlockTaste(users=4, items=6, events=3)


@pytest.mark.parametrize("world", [BlockTaste(new_items=2), SequenceRule()])
def test_a_dataset_survives_the_disk(world, tmp_path):
    data = world.dataset()
    data.save(tmp_path / "d")
    loaded = Dataset.load(tmp_path / "d")
    assert loaded.fingerprint == data.fingerprint
    assert (loaded.name, loaded.has_timestamps, loaded.n_users, loaded.n_items) == (
        data.name,
        data.has_timestamps,
        data.n_users,
        data.n_items,
    )
    assert isinstance(loaded.interactions.time, np.memmap)
    pd.testing.assert_frame_equal(loaded.items.columns, data.items.columns, check_column_type=False)


def test_the_busiest_items_keep_their_ids_and_what_was_done_with_them():
    data = BlockTaste(users=9, items=12, events=4, noise=0.5).dataset()
    few = data.busiest(5)
    counts = data.interactions.item_counts(12)
    kept = {int(data.items.vocabulary.ids[row]) for row in np.argsort(-counts, kind="stable")[:5]}
    assert set(few.items.vocabulary.ids.tolist()) == kept

    def pairs(world):
        x = world.interactions
        return list(zip(x.user.tolist(), world.items.vocabulary.ids[x.item].tolist(), x.time.tolist(), strict=True))

    assert pairs(few) == [pair for pair in pairs(data) if pair[1] in kept]
    assert data.busiest(100).fingerprint == data.fingerprint


def test_another_version_or_a_missing_part_is_refused(tmp_path):
    TINY.dataset().save(tmp_path / "d")
    (tmp_path / "d" / "items.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"items\.parquet"):
        Dataset.load(tmp_path / "d")
    header = tmp_path / "d" / "dataset.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | {"version": 99}))
    with pytest.raises(ArtifactError, match="version 99"):
        Dataset.load(tmp_path / "d")
    with pytest.raises(ArtifactError, match="does not exist"):
        Dataset.load(tmp_path / "none")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The files of a tiny world, and its fingerprint as read."""
    folder = tmp_path_factory.mktemp("world")
    paths = write_tables(TINY.dataset(), folder, ".parquet")
    return paths, ingest(DataConfig.model_validate(paths)).data.fingerprint


def reread(paths, table, frame, folder):
    frame.to_parquet(folder / "changed.parquet", index=False)
    return ingest(DataConfig.model_validate({**paths, table: folder / "changed.parquet", "name": "x"})).data


@given(table=st.sampled_from(["interactions", "users", "items"]), seed=st.integers(0, 99))
@settings(max_examples=12, deadline=None)
def test_the_order_of_the_rows_does_not_change_the_fingerprint(tables, tmp_path_factory, table, seed):
    paths, fingerprint = tables
    frame = pd.read_parquet(paths[table]).sample(frac=1, random_state=seed)
    assert reread(paths, table, frame, tmp_path_factory.mktemp("w")).fingerprint == fingerprint


CHANGES = {"timestamp": 17, "size": 0.25, "genre": "other", "mood": "x|y", "blurb": "new", "team": None, "age": 3.5}


@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_one_changed_cell_changes_the_fingerprint(tables, tmp_path_factory, data):
    paths, fingerprint = tables
    table = data.draw(st.sampled_from(sorted(paths)))
    frame = pd.read_parquet(paths[table])
    row = data.draw(st.integers(0, len(frame) - 1))
    column = data.draw(st.sampled_from([name for name in frame if name in CHANGES]))
    frame.loc[row, column] = CHANGES[column]
    assert reread(paths, table, frame, tmp_path_factory.mktemp("w")).fingerprint != fingerprint


def table_of(cells, kind):
    return EntityTable(Vocabulary.of(range(len(cells))), pd.DataFrame({"x": pd.Series(cells)}), Schema.of({"x": kind}))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([None, "a"], ["", "a"]),
        (["a,b", "c"], ["a", "b,c"]),
        (["a\x1fb", ""], ["a", "b\x1f"]),
        (["nan", "a"], [None, "a"]),
    ],
)
def test_cells_do_not_run_into_each_other_in_a_fingerprint(a, b):
    assert table_of(a, "text").fingerprint != table_of(b, "text").fingerprint


def test_the_kind_of_a_column_is_part_of_the_fingerprint():
    assert table_of(["a", "b"], "text").fingerprint != table_of(["a", "b"], "categorical").fingerprint


def test_entities_grow_and_are_taken_in_order():
    table = table_of(["a", "b", "c"], "text")
    grown = table.with_ids([7, 1])
    assert grown.vocabulary.ids.tolist() == [0, 1, 2, 7]
    assert pd.isna(grown.columns["x"].iloc[3])
    assert table.take(np.array([2, 0])).columns["x"].tolist() == ["c", "a"]
    assert list(table.with_columns([]).columns) == []
