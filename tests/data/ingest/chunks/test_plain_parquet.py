"""A table of interactions is the same dataset, with the same findings, however its Parquet files cut it."""

import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys import read_dataset
from recsys.data.ingest.chunks.plain_parquet import read_plain_parquet
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import to_json, validate
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import user_blocks
from recsys.errors import DataError

IDS = ("user_id", "item_id")


def events(n: int = 400, texts: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "user_id": rng.integers(0, 40, n) * 7,
            "item_id": rng.integers(0, 25, n),
            "timestamp": rng.integers(1_500_000_000, 1_500_000_000 + 10**6, n),
            "rating": rng.integers(1, 6, n) / 2,
            "note": rng.choice(["a", "b"], n),
        }
    ).drop_duplicates(["user_id", "item_id", "timestamp"], ignore_index=True)
    return frame.assign(user_id="u" + frame["user_id"].astype("str")) if texts else frame


def parts(frame: pd.DataFrame, folder: Path, n: int) -> Path:
    folder.mkdir()
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), n)):
        frame.iloc[rows].to_parquet(folder / f"part-{number}.parquet", index=False)
    return folder


@pytest.mark.parametrize("texts", [False, True])
def test_one_chunk_many_chunks_and_a_folder_are_one_dataset(tmp_path, texts):
    frame = events(texts=texts)
    frame.to_parquet(tmp_path / "whole.parquet", index=False)
    frame.to_parquet(tmp_path / "groups.parquet", index=False, row_group_size=17)
    paths = [tmp_path / "whole.parquet", tmp_path / "groups.parquet", parts(frame, tmp_path / "parts", 5)]
    columns = {"weight": "rating"}
    expected = read_dataset(frame, columns=columns).fingerprint
    assert [read_dataset(path, columns=columns).fingerprint for path in paths] == [expected] * 3


@pytest.mark.parametrize("texts", [False, True])
def test_its_findings_do_not_depend_on_the_chunks(tmp_path, texts):
    frame = events(texts=texts)
    frame = pd.concat([frame, frame.iloc[[3, 5, 200]]], ignore_index=True)
    frame.loc[7, "timestamp"], frame.loc[90, "timestamp"] = -5, 8_000_000_000_000
    frame.to_parquet(tmp_path / "whole.parquet", index=False)
    frame.to_parquet(tmp_path / "groups.parquet", index=False, row_group_size=17)

    def found(path: Path) -> str:
        return to_json(validate(DataConfig(name="x", interactions=path))).replace(path.name, "FILE")

    assert found(tmp_path / "whole.parquet") == found(tmp_path / "groups.parquet")
    assert "repeat another row" in found(tmp_path / "whole.parquet")


def test_the_row_of_a_finding_is_told_by_its_part(tmp_path):
    frame = events()
    frame.loc[len(frame) - 1, "timestamp"] = -5
    with pytest.raises(DataError, match=r"part-4\.parquet row"):
        read_dataset(parts(frame, tmp_path / "parts", 5))


def test_a_plain_file_is_the_frame_that_pandas_reads_but_for_the_ids(tmp_path):
    frame = events(texts=True)
    frame["when"] = pd.to_datetime(frame["timestamp"], unit="s", utc=True)
    frame.to_parquet(tmp_path / "events.parquet", index=False, row_group_size=50)
    read = read_plain_parquet([tmp_path / "events.parquet"], IDS)
    assert read is not None
    assert list(read["user_id"].cat.categories) == list(frame["user_id"].unique())
    plain = read.assign(user_id=read["user_id"].astype("str"), item_id=read["item_id"].astype("int64"))
    pd.testing.assert_frame_equal(plain, pd.read_parquet(tmp_path / "events.parquet"))


def test_files_that_are_not_plain_are_left_to_the_usual_reader(tmp_path):
    frame = events()
    missing = frame.assign(item_id=frame["item_id"].where(frame.index != 3))
    indexed = frame.set_index("user_id")
    lists = frame.assign(note=[[1, 2]] * len(frame))
    for name, table in (("missing", missing), ("indexed", indexed), ("lists", lists)):
        table.astype({"item_id": "Int64"} if name == "missing" else {}).to_parquet(tmp_path / f"{name}.parquet")
        assert read_plain_parquet([tmp_path / f"{name}.parquet"], IDS) is None
    with pytest.raises(DataError, match="row 4: the id is missing"):
        read_dataset(tmp_path / "missing.parquet")
    assert read_dataset(tmp_path / "indexed.parquet").fingerprint == read_dataset(frame).fingerprint


@pytest.mark.parametrize("policy", ["first", "last"])
def test_repeated_rows_are_those_that_pandas_finds(tmp_path, policy):
    frame = pd.concat([events(), events().iloc[::9]], ignore_index=True).assign(rating=lambda rows: rows.index + 1.0)
    frame.to_parquet(tmp_path / "events.parquet", index=False, row_group_size=31)
    kept = frame.drop_duplicates(["user_id", "item_id", "timestamp"], keep=policy)
    read = read_dataset(tmp_path / "events.parquet", columns={"weight": "rating"}, duplicates=policy)
    assert read.fingerprint == read_dataset(kept, columns={"weight": "rating"}).fingerprint


def test_the_order_of_interactions_is_that_of_their_keys():
    rng = np.random.default_rng(1)
    for ties, last in ((None, 5), (rng.integers(0, 3, 500), 5), (None, 2**62)):
        user, item, time = rng.integers(0, 9, 500), rng.integers(0, 30, 500), rng.integers(-3, last, 500)
        weight = rng.integers(1, 3, 500).astype(np.float32)
        made, again = Interactions.of(user, item, time, weight, ties), rng.permutation(500)
        moved = Interactions.of(
            user[again], item[again], time[again], weight[again], None if ties is None else ties[again]
        )
        assert made.fingerprint == moved.fingerprint
        rows = np.lexsort((np.zeros(500) if ties is None else ties, time, user))
        assert np.array_equal(made.user, user[rows])
        assert np.array_equal(made.time, time[rows])
        assert sorted(zip(made.user, made.item, made.time, made.weight, strict=True)) == sorted(
            zip(user, item, time, weight, strict=True)
        )


@pytest.mark.parametrize("often", [0.05, 0.7], ids=["users alike", "one user with most"])
def test_blocks_of_users_hold_every_interaction_once_and_no_user_twice(often):
    rng = np.random.default_rng(2)
    user = np.where(rng.random(300) < often, 7, rng.integers(-1, 20, 300)).astype(np.int32)
    blocks = list(user_blocks(user, size=40))
    assert len(blocks) > 2
    assert all((np.diff(block) > 0).all() for block in blocks)
    assert np.array_equal(np.sort(np.concatenate(blocks)), np.flatnonzero(user >= 0))
    for before, after in pairwise(blocks):
        assert user[before].max() < user[after].min()


def test_where_no_user_is_known_there_is_no_block():
    assert list(user_blocks(np.full(9, -1), size=3)) == []


def test_the_time_of_blocks_of_users_grows_as_the_interactions():
    """A pass over all rows for each of eighty times as many blocks would take about thirty times as long."""
    user = np.random.default_rng(2).integers(0, 40_000, 800_000).astype(np.int32)

    def seconds(size):
        started = time.process_time()
        assert sum(len(block) for block in user_blocks(user, size)) == len(user)
        return time.process_time() - started

    few, many = (min(seconds(size) for _ in range(5)) for size in (200_000, 2_500))
    assert many < 6 * few
