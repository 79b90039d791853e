import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule, write_tables
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ConfigError, DataError


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def read(path, **more):
    return ingest(DataConfig.model_validate({"interactions": path, **more})).data


def events(data):
    x = data.interactions
    return list(zip(data.users.vocabulary.ids[x.user], data.items.vocabulary.ids[x.item], x.time.tolist(), strict=True))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("world", [BlockTaste(users=6, items=8, events=3, new_items=1), SequenceRule(users=5)])
def test_what_is_written_as_tables_is_read_back(world, suffix, tmp_path):
    data = world.dataset()
    again = ingest(DataConfig.model_validate(write_tables(data, tmp_path, suffix))).data
    assert again.interactions.fingerprint == data.interactions.fingerprint
    assert again.users.vocabulary.same_as(data.users.vocabulary)
    assert again.items.vocabulary.same_as(data.items.vocabulary)
    assert again.has_timestamps == data.has_timestamps
    for name in data.items.columns:
        assert again.items.columns[name].tolist() == data.items.columns[name].tolist()


@pytest.mark.parametrize("column", [None, "timestamp", "position"])
def test_a_dataset_knows_whether_it_has_an_order(column, tmp_path):
    frame = pd.DataFrame({"user_id": [1, 1], "item_id": [2, 3]} | ({column: [10**9, 10**9 + 1]} if column else {}))
    frame.to_csv(tmp_path / "x.csv", index=False)
    data = read(tmp_path / "x.csv")
    data.save(tmp_path / "saved")
    assert data.has_order == Dataset.load(tmp_path / "saved").has_order == (column is not None)


SAFE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=5)
IDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=1, max_size=8),
    st.lists(SAFE, unique=True, min_size=1, max_size=8),
)


@given(ids=IDS)
@settings(max_examples=25, deadline=None)
def test_ids_come_back_unchanged_from_parquet(ids, tmp_path_factory):
    path = tmp_path_factory.mktemp("r") / "x.parquet"
    pd.DataFrame({"user_id": ids, "item_id": ids[::-1]}).to_parquet(path)
    data = read(path)
    assert sorted(data.users.vocabulary.ids.tolist()) == sorted(ids)
    assert {(user, item) for user, item, _ in events(data)} == set(zip(ids, ids[::-1], strict=True))


TEXT_IDS = st.lists(st.from_regex(r"[0-9A-Za-z_.:-]{1,6}", fullmatch=True), unique=True, min_size=1, max_size=8)


@given(ids=st.one_of(TEXT_IDS, st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=1, max_size=8)))
@settings(max_examples=25, deadline=None)
def test_ids_come_back_from_csv_as_they_are_written_there(ids, tmp_path_factory):
    path = tmp_path_factory.mktemp("r") / "x.csv"
    pd.DataFrame({"user_id": ids, "item_id": range(len(ids))}).to_csv(path, index=False)
    data = read(path)
    assert sorted(map(str, data.users.vocabulary.ids)) == sorted(map(str, ids))


def test_leading_zeros_and_ids_that_look_like_missing_values_stay(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n007,NA\n12,null\n")
    assert [event[:2] for event in events(read(path))] == [("007", "NA"), ("12", "null")]


def test_ids_are_text_everywhere_when_one_table_has_text(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,5\n2,6\n")
    items = write(tmp_path, "items.csv", "item_id,title\n5,a\nB7,b\n")
    data = read(path, items=items)
    assert data.items.vocabulary.ids.tolist() == ["5", "6", "B7"]
    assert data.users.vocabulary.ids.tolist() == [1, 2]


def test_integers_of_parquet_and_text_of_csv_do_not_join(tmp_path):
    pd.DataFrame({"user_id": [1, 2], "item_id": [5, 6]}).to_parquet(tmp_path / "x.parquet")
    items = write(tmp_path, "items.csv", "item_id,title\n5,a\nB7,b\n")
    with pytest.raises(DataError, match=r"items\.csv, column 'item_id', row 2: ids are text, as 'B7', and integers in"):
        read(tmp_path / "x.parquet", items=items)


def bare(users, items):
    """A dataset of one interaction, whose ids are of some types."""
    tables = [EntityTable.bare(Vocabulary.of(ids)) for ids in (users, items)]
    return Dataset("old", *tables, Interactions.of(np.zeros(1, int), np.zeros(1, int), np.zeros(1, int)), True)


def test_ids_of_a_csv_are_of_the_types_of_the_dataset_that_they_join(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,5\n2,6\n")
    items = write(tmp_path, "items.csv", "item_id,title\n5,a\n9,b\n")
    config = DataConfig(interactions=path, items=items)
    data = ingest(config, joining=bare(["guest-7"], [5])).data
    assert data.users.vocabulary.ids.tolist() == ["1", "2"]
    assert data.items.vocabulary.ids.tolist() == [5, 6, 9]
    assert ingest(config, joining=bare([7], ["B7"])).data.items.vocabulary.ids.tolist() == ["5", "6", "9"]


def test_ids_that_cannot_be_of_the_type_of_the_dataset_that_they_join_are_named(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,5\nguest-7,6\n")
    told = r"x\.csv, column 'user_id', row 2: ids are text, as 'guest-7', and integers in the existing dataset"
    with pytest.raises(DataError, match=told):
        ingest(DataConfig(interactions=path), joining=bare([1], [5]))
    pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"]}).to_parquet(tmp_path / "x.parquet")
    config = DataConfig(interactions=tmp_path / "x.parquet")
    with pytest.raises(DataError, match="rows 1, 2: ids are integers, as 1, and text in the existing dataset"):
        ingest(config, joining=bare(["1"], ["a"]))
    with pytest.raises(DataError, match="column 'item_id', rows 1, 2: ids are text, as 'a', and integers in the"):
        ingest(config, joining=bare([1], [1]))


def test_a_category_of_numbers_is_the_same_text_with_and_without_missing_cells(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,5\n")
    full = write(tmp_path, "full.csv", "item_id,kind\n5,24\n6,1\n")
    holes = write(tmp_path, "holes.csv", "item_id,kind\n5,24\n6,\n")
    pd.DataFrame({"item_id": [5, 6], "kind": [24, None]}).to_parquet(tmp_path / "holes.parquet")
    for items in (full, holes, tmp_path / "holes.parquet"):
        assert read(path, items=items, item_schema={"kind": "categorical"}).items.columns["kind"].iloc[0] == "24"


@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_moments_of_parquet_are_seconds_of_utc(zone, tmp_path):
    moments = pd.to_datetime(["2020-01-02 09:00:00.5", "2020-01-01 00:00:00.0"]).tz_localize(zone)
    frame = pd.DataFrame({"user_id": ["a", "a"], "item_id": [1, 2], "timestamp": moments})
    frame.to_parquet(tmp_path / "x.parquet")
    shift = 0 if zone is None else 9 * 3600
    assert read(tmp_path / "x.parquet").interactions.time.tolist() == [1577836800 - shift, 1577955600 - shift]


def test_ids_of_a_dictionary_column_are_text(tmp_path):
    frame = pd.DataFrame({"user_id": pd.Categorical(["b", "a", "b"]), "item_id": [1, 2, 3]})
    frame.to_parquet(tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").users.vocabulary.ids.tolist() == ["a", "b"]
    frame.assign(user_id=pd.Categorical(["b", None, "b"])).to_parquet(tmp_path / "x.parquet")
    with pytest.raises(DataError, match="row 2: the id is missing"):
        read(tmp_path / "x.parquet")


def test_columns_are_mapped(tmp_path):
    path = write(tmp_path, "x.tsv", "who\twhat\twhen\tstars\nann\tx\t2020-01-02\t2\nann\ty\t2020-01-01\t4\n")
    columns = {"user_id": "who", "item_id": "what", "time": "when", "weight": "stars"}
    data = read(path, columns=columns)
    assert events(data) == [("ann", "y", 1577836800), ("ann", "x", 1577923200)]
    assert data.interactions.weight.tolist() == [4, 2]
    assert data.has_timestamps


def test_an_order_column_stands_for_a_time(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id,place\n1,7,2\n1,8,1\n")
    data = read(path, columns={"order": "place"})
    assert [event[1] for event in events(data)] == [8, 7]
    assert not data.has_timestamps


def test_events_have_weights_of_their_own(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id,what,n\n1,7,view,2\n1,8,buy,3\n")
    columns = {"event": "what", "event_weights": {"view": 0.5, "buy": 4}, "weight": "n"}
    x = read(path, columns=columns).interactions
    assert sorted(zip(x.item.tolist(), x.weight.tolist(), strict=True)) == [(0, 1), (1, 12)]
    with pytest.raises(DataError, match=r"column 'what', row 2: the event 'buy' has no weight and no meaning"):
        read(path, columns={"event": "what", "event_weights": {"view": 1}})


@pytest.mark.parametrize(("policy", "weights"), [("first", [1, 5]), ("last", [2, 5]), ("keep", [1, 2, 5])])
def test_repeated_rows_are_an_error_or_go_by_policy(policy, weights, tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id,timestamp,w\n1,7,1000000,1\n1,7,1000000,2\n1,8,1000001,5\n")
    assert read(path, columns={"weight": "w"}, duplicates=policy).interactions.weight.tolist() == weights
    with pytest.raises(DataError, match="row 2: user, item and time repeat"):
        read(path)


def test_ids_that_the_tables_lack_are_added_or_refused(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,7\n1,8\n")
    items = write(tmp_path, "items.csv", "item_id,size\n7,1.5\n9,2.5\n")
    data = read(path, items=items)
    assert data.items.vocabulary.ids.tolist() == [7, 8, 9]
    np.testing.assert_array_equal(data.items.columns["size"], [1.5, np.nan, 2.5])
    with pytest.raises(DataError, match=r"row 2: 1 id is not in items\.csv, as 8"):
        read(path, items=items, unknown_ids="error")


def test_a_given_test_file_shares_the_vocabularies(tmp_path):
    train = write(tmp_path, "train.csv", "user_id,item_id\na,1\nb,2\n")
    test = write(tmp_path, "test.csv", "user_id,item_id\na,3\nc,1\n")
    config = DataConfig(interactions=train, test_interactions=test)
    data, (first, second) = ingest(config).data, ingest(config).given
    assert (data.n_users, data.n_items, len(data.interactions)) == (3, 3, 4)
    assert (first.item.tolist(), second.item.tolist()) == ([0, 1], [2, 0])
    assert ingest(DataConfig(interactions=train)).given is None


def test_all_errors_are_in_one_message(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id,timestamp\n1,7,-4\n,8,1600000000000\n")
    with pytest.raises(DataError) as refused:
        read(path)
    message = str(refused.value)
    assert message.startswith("3 errors in the tables:")
    assert "column 'timestamp', row 1: the time '-4' is negative; give seconds" in message
    assert "column 'user_id', row 2: the id is missing" in message
    assert "in milliseconds" in message


def test_parquet_columns_of_lists_are_tags_and_embeddings(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,7\n1,8\n")
    frame = pd.DataFrame({"item_id": [7, 8], "genres": [["a", "b"], []], "vector": [[0.5, 1.0], None]})
    frame.to_parquet(tmp_path / "items.parquet")
    items = read(path, items=tmp_path / "items.parquet").items
    assert items.schema.to_dict() == {"genres": "tags:|", "vector": "embedding"}
    assert items.columns["genres"].iloc[0] == "a|b"
    assert items.columns["genres"].isna().tolist() == [False, True]
    assert items.columns["vector"].tolist() == [[0.5, 1.0], None]


def test_words_that_mean_a_missing_cell_can_be_named(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,7\n1,8\n")
    items = write(tmp_path, "items.csv", "item_id,year\n7,unknown\n8,1999\n")
    data = read(path, items=items, missing=("unknown",))
    np.testing.assert_array_equal(data.items.columns["year"], [np.nan, 1999])


@pytest.mark.parametrize("cells", [["EUR", "EUR"], ["EUR", None], ["EUR", "unknown"], ["EUR", "NA"]])
def test_categories_of_parquet_are_understood_as_the_same_texts_are(cells, tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,7\n1,8\n")
    found = []
    for dtype in ("str", "category"):
        items = pd.DataFrame({"item_id": [7, 8], "currency": pd.Series(cells, dtype=dtype)})
        items.to_parquet(tmp_path / "items.parquet")
        table = read(path, items=tmp_path / "items.parquet", missing=("unknown",)).items
        found.append((table.schema.to_dict(), table.columns["currency"].fillna("-").tolist()))
    assert found == [({"currency": "categorical"}, ["EUR", "EUR" if cells == ["EUR", "EUR"] else "-"])] * 2


def test_a_schema_of_unknown_kinds_or_columns_is_refused(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id\n1,7\n")
    items = write(tmp_path, "items.csv", "item_id,year\n7,1999\n")
    with pytest.raises(ConfigError, match="did you mean 'numeric'"):
        read(path, items=items, item_schema={"year": "nummeric"})
    with pytest.raises(DataError, match="the schema names yaer, which the table lacks"):
        read(path, items=items, item_schema={"yaer": "numeric"})
    assert read(path, items=items, item_schema={"gone": "ignored"}).items.schema.names(Kind.NUMERIC) == ["year"]
    with pytest.raises(DataError, match=r"set data\.interactions"):
        ingest(DataConfig())


def test_two_orders_and_weights_of_no_event_are_refused():
    for columns in ({"time": "a", "order": "b"}, {"event_weights": {"view": 1.0}}):
        with pytest.raises(ConfigError, match=r"both given|needs event"):
            parse(DataConfig, {"columns": columns}, "[data]")


def test_rows_that_lack_a_part_of_the_key_repeat_nothing(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id,timestamp\n1,7,\n1,7,\n1,7,1000000000\n")
    with pytest.raises(DataError, match="the time is missing") as refused:
        read(path)
    assert "repeat" not in str(refused.value)


def test_weights_that_float32_cannot_hold_are_refused(tmp_path):
    path = write(tmp_path, "x.csv", "user_id,item_id,e,w\n1,7,buy,1e25\n1,8,view,1e-40\n1,9,tap,1e-20\n")
    columns = {"weight": "w", "event": "e", "event_weights": {"buy": 1e20, "view": 1, "tap": 1e-20}}
    with pytest.raises(DataError) as refused:
        read(path, columns=columns)
    assert "row 1: weight times the event's weight is too large" in str(refused.value)
    assert "row 2: the weight '1e-40' is not positive" in str(refused.value)
    assert "row 3: weight times the event's weight is too small" in str(refused.value)
