import numpy as np
import pandas as pd
import pytest

from recsys.data.read import load_dataset, read_dataset
from recsys.errors import ConfigError, DataError

EVENTS = pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": [7, 8, 7], "timestamp": [10**9, 10**9 + 1, 10**9]})
ITEMS = pd.DataFrame(
    {
        "item_id": [7, 8],
        "genre": pd.Categorical(["x", "y"]),
        "v": [[1.0, 2.0], [3.0, 4.0]],
        "tags": [["p", "q"], ["r"]],
        "title": ["<b>", None],
    }
)


def test_a_frame_is_read_as_its_file_is(tmp_path):
    EVENTS.to_parquet(tmp_path / "x.parquet")
    ITEMS.to_parquet(tmp_path / "items.parquet")
    frames = read_dataset(EVENTS, items=ITEMS)
    files = read_dataset(str(tmp_path / "x.parquet"), items=tmp_path / "items.parquet")
    assert frames.fingerprint == files.fingerprint
    assert frames.items.schema.to_dict() == {
        "genre": "categorical",
        "v": "embedding",
        "tags": "tags:|",
        "title": "categorical",
    }
    assert frames.items.titles() == ["<b>", "8"]
    assert isinstance(ITEMS["genre"].dtype, pd.CategoricalDtype), "the caller's frame stays as it is"


def test_columns_are_mapped_and_moments_are_seconds():
    frame = EVENTS.assign(timestamp=pd.to_datetime(EVENTS["timestamp"], unit="s"))
    frame = frame.rename(columns={"user_id": "uid", "timestamp": "ts"})
    data = read_dataset(frame, columns={"user_id": "uid", "timestamp": "ts"}, name="mine")
    assert data.fingerprint == read_dataset(EVENTS).fingerprint
    assert data.name == "mine"


def test_an_error_in_a_frame_names_the_table_the_column_and_the_row():
    with pytest.raises(
        DataError,
        match=r"interactions, column 'timestamp', row 2: the time is missing",
    ):
        read_dataset(EVENTS.assign(timestamp=[1e9, np.nan, 1e9]))


def test_a_name_that_is_not_there_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'user_id'"):
        read_dataset(EVENTS, columns={"userid": "user_id"})
    with pytest.raises(ConfigError, match="did you mean 'genre'"):
        read_dataset(EVENTS, items=ITEMS, schema={"genr": "categorical"})
    with pytest.raises(ConfigError, match="movielens-100k"):
        load_dataset("movielens-100")


def test_a_dataset_shows_its_sizes_and_columns():
    data = read_dataset(EVENTS, items=ITEMS, name="mine")
    assert repr(data).startswith("Dataset 'mine': 2 users, 2 items, 3 interactions (density 75.00%), 2001-09-09 to")
    assert "genre categorical" in repr(data)
    assert "<br>" in data._repr_html_()
