import numpy as np
import pandas as pd
import pytest

from recsys.data.read import load_dataset, read_dataset
from recsys.data.splits.split import split
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


ACTIONS = EVENTS.assign(action=["view", "buy", "view"], amount=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("columns", "weights"),
    [
        ({}, [1, 1, 1]),
        ({"event": "action", "event_weights": {"view": 1, "buy": 5}}, [1, 5, 1]),
        ({"event": "action", "event_weights": {"view": 1, "buy": 5}, "weight": "amount"}, [1, 10, 3]),
    ],
)
def test_events_are_weighted_by_their_type(columns, weights):
    assert read_dataset(ACTIONS, columns=columns).interactions.weight.tolist() == weights


def test_event_weights_are_checked_as_in_a_config():
    with pytest.raises(ConfigError, match="event_weights needs event"):
        read_dataset(ACTIONS, columns={"event_weights": {"view": 1}})
    with pytest.raises(DataError, match=r"column 'action', row 2: the event 'buy' has no weight and no meaning"):
        read_dataset(ACTIONS, columns={"event": "action", "event_weights": {"view": 1}})


@pytest.mark.parametrize(("duplicates", "weights"), [("first", [1, 2, 3]), ("last", [9, 2, 3]), ("keep", [1, 9, 2, 3])])
def test_duplicates_are_kept_as_chosen(duplicates, weights):
    twice = pd.concat([ACTIONS, ACTIONS[:1].assign(amount=9.0)])
    data = read_dataset(twice, columns={"weight": "amount"}, duplicates=duplicates)
    assert data.interactions.weight.tolist() == weights


def test_duplicates_are_an_error_unless_something_else_is_chosen():
    twice = pd.concat([EVENTS, EVENTS[:1]])
    with pytest.raises(DataError, match=r"row 4: user, item and time repeat another row; .*duplicates="):
        read_dataset(twice)
    with pytest.raises(ConfigError, match=r"'duplicates': .*found 'some'"):
        read_dataset(twice, duplicates="some")


@pytest.mark.parametrize("kind", ["frames", "files"])
def test_a_test_file_is_split_off_again(tmp_path, kind):
    train = pd.DataFrame({"user_id": ["a", "a", "b", "b"], "item_id": [1, 2, 1, 3]})
    test = pd.DataFrame({"user_id": ["a", "b", "c"], "item_id": [3, 2, 1]})
    if kind == "files":
        for name, frame in (("train", train), ("test", test)):
            frame.to_csv(tmp_path / f"{name}.csv", index=False)
        train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    data = read_dataset(train, test_interactions=test)
    parts = split(data, "given")
    assert (len(data.interactions), len(parts.train_and_validation)) == (7, 4)
    assert data.items.vocabulary.ids[parts.test.targets.item].tolist() == [3, 2]
    assert parts.dropped_users == 1, "a user without a history"


def test_an_error_in_a_test_frame_names_it():
    with pytest.raises(DataError, match=r"test_interactions, column 'item_id', row 1: the id is missing"):
        read_dataset(EVENTS, test_interactions=EVENTS.assign(item_id=pd.array([None, 8, 7], "Int64")))


def test_a_given_split_of_one_file_says_how_to_give_the_other():
    with pytest.raises(ConfigError, match=r"read_dataset\(..., test_interactions=...\)"):
        split(read_dataset(EVENTS), "given")


def test_warnings_are_logged_with_table_column_and_rows(caplog):
    events = pd.DataFrame({"user_id": ["a", "b"], "item_id": [0, 1]})
    items = pd.DataFrame({"item_id": range(30), "price": ["unknown", *(f"{n}.5" for n in range(29))]})
    read_dataset(events, items=items)
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
        "items, column 'price', row 1: 'unknown' is no number and counts as missing"
    ]


def test_options_of_reading_files_are_those_of_data(tmp_path):
    (tmp_path / "behaviors.tsv").write_text(
        "1\tU1\t11/15/2019 8:55:22 AM\tN9\tN1-1 N2-0\n2\tU2\t11/15/2019 9:55:22 PM\t\tN2-1 N1-0\n"
    )
    data = read_dataset(
        tmp_path / "behaviors.tsv",
        header=["impression", "user_id", "time", "history", "item_id"],
        columns={"timestamp": "time", "weight": "label"},
        explode={"item_id": " "},
        explode_labels={"item_id": "-"},
        positive_from=1,
        time_format="%m/%d/%Y %I:%M:%S %p",
    )
    assert (data.users.vocabulary.ids.tolist(), data.items.vocabulary.ids.tolist()) == (["U1", "U2"], ["N1", "N2"])
    likes, shown = data.interactions, data.non_likes
    assert (likes.item.tolist(), shown.item.tolist(), likes.time.tolist()) == ([0, 1], [1, 0], [1573808122, 1573854922])
    with pytest.raises(ConfigError, match="did you mean 'separator'"):
        read_dataset(tmp_path / "behaviors.tsv", seperator=";")


def test_lists_of_a_frame_become_rows_by_option():
    sessions = pd.DataFrame({"user_id": [5, 6], "item_id": [["a", "b"], ["b"]]}, index=[9, 8])
    data = read_dataset(sessions, explode={"item_id": ""})
    assert (len(data.interactions), data.has_timestamps) == (3, False)
    with pytest.raises(DataError, match=r"rows 1, 2 \(row 1 of the table"):
        read_dataset(sessions.assign(user_id=[None, 6]), explode={"item_id": ""})


def test_unlisted_items_are_left_out_by_option_in_python_too():
    data = read_dataset(EVENTS, items=ITEMS[ITEMS["item_id"] == 7], unknown_ids="drop")
    assert (data.items.vocabulary.ids.tolist(), len(data.interactions)) == ([7], 2)
