import json
import re

import numpy as np
import pandas as pd
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.engine import Request
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.ranking import top_k
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.manifest import Manifest, read_recommendations
from recsys.retrieval.output import parts
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import FixedVectors, digests, world

OPTIONS = RecommendOptions(k=5, shard_size=16)


class Killed(BaseException):
    """Stands for the kill that no handler sees."""


class DiesAfter(FixedVectors):
    def __init__(self, n_users, n_items, shards):
        super().__init__(n_users, n_items)
        self.shards = shards

    def user_vectors(self, request):
        if self.calls == self.shards:
            raise Killed
        return super().user_vectors(request)


@pytest.mark.parametrize("text_ids", [True, False], ids=["text ids", "integer ids"])
def test_the_parts_hold_the_ranking_of_every_user_under_the_ids_of_the_data(tmp_path, text_ids):
    data = world(text_ids=text_ids)
    engine = FixedVectors(data.n_users, data.n_items)
    manifest = recommend(engine, data, tmp_path, OPTIONS, model_version="7")
    users = np.arange(data.n_users)
    request = Request.from_dataset(data, users)
    seen = Histories.from_interactions(data.interactions, users)
    rows, scores = top_k(engine.user_vectors(request), engine.item_vectors(data.items), 5, seen)
    table = read_recommendations(tmp_path)
    filled = rows != MISSING
    assert table["user_id"].tolist() == data.users.vocabulary.ids[np.nonzero(filled)[0]].tolist()
    assert table["item_id"].tolist() == data.items.vocabulary.ids[rows[filled]].tolist()
    assert table["rank"].tolist() == (np.nonzero(filled)[1] + 1).tolist()
    np.testing.assert_allclose(table["score"], scores[filled], rtol=1e-6)
    assert table["item_id"].dtype == ("str" if text_ids else "int64")
    assert manifest.users == data.n_users
    assert manifest.users_without == (~filled.any(axis=1)).sum() == 3
    assert manifest.rows == len(table)
    assert [part.users for part in manifest.parts] == [16, 16, 16, 2]


def test_seen_items_return_when_the_filter_is_off(tmp_path, data, engine):
    recommend(engine, data, tmp_path / "off", OPTIONS.model_copy(update={"filter_seen": False}))
    recommend(engine, data, tmp_path / "on", OPTIONS)
    ids = data.items.vocabulary.ids, data.users.vocabulary.ids
    seen = set(zip(ids[1][data.interactions.user], ids[0][data.interactions.item], strict=True))

    def pairs(name):
        table = read_recommendations(tmp_path / name)
        return set(zip(table["user_id"], table["item_id"], strict=True))

    assert pairs("off") & seen
    assert not pairs("on") & seen


def test_every_part_names_the_model_and_the_data_in_its_metadata(tmp_path, data, engine):
    recommend(engine, data, tmp_path, OPTIONS, model_version="movies/7")
    metadata = pq.read_schema(tmp_path / "part-00001.parquet").metadata
    assert metadata[b"model_version"] == b"movies/7"
    assert metadata[b"data_fingerprint"] == data.fingerprint.encode()
    assert pq.read_schema(tmp_path / "part-00001.parquet").names == ["user_id", "item_id", "rank", "score"]


def test_allow_and_deny_lists_limit_the_items(tmp_path, data, engine):
    allow = ["item 1", "item 2", "item 3", "item 4"]
    options = RecommendOptions(k=5, filter_seen=False, allow=allow, deny=["item 2", "not in the catalogue"])
    recommend(engine, data, tmp_path, options)
    assert set(read_recommendations(tmp_path)["item_id"]) == {"item 1", "item 3", "item 4"}


def test_an_unknown_item_in_the_allow_list_is_passed_over_and_counted(tmp_path, data, engine):
    manifest = recommend(engine, data, tmp_path, RecommendOptions(allow=["item 1", "nothing"], filter_seen=False))
    assert set(read_recommendations(tmp_path)["item_id"]) == {"item 1"}
    assert manifest.rules.told == ("1 id is not in the data and passed over, of recommend.allow: 'nothing'",)
    assert manifest.rules.eligible_items == 1


def test_lists_that_leave_nothing_are_an_error(tmp_path, data, engine):
    with pytest.raises(DataError, match="no item to recommend"):
        recommend(engine, data, tmp_path, RecommendOptions(allow=["item 1"], deny=["item 1"]))


def test_lists_longer_than_the_catalogue_are_all_of_it_and_the_manifest_keeps_the_k_of_the_options(
    tmp_path, data, engine
):
    longest = recommend(engine, data, tmp_path / "longest", RecommendOptions(k=10**15))
    recommend(engine, data, tmp_path / "all", RecommendOptions(k=data.n_items))
    assert longest.options["k"] == 10**15
    assert read_recommendations(tmp_path / "longest").equals(read_recommendations(tmp_path / "all"))


def test_an_unknown_index_is_an_error_that_names_the_choices(tmp_path, data, engine):
    with pytest.raises(ConfigError, match=r"did you mean 'exact'\?"):
        recommend(engine, data, tmp_path, RecommendOptions(index="exakt"))


@pytest.mark.parametrize("shards", [0, 1, 2, 3])
def test_a_killed_run_continues_with_its_next_part_and_ends_with_the_same_bytes(tmp_path, data, engine, shards):
    recommend(engine, data, tmp_path / "whole", OPTIONS)
    broken = tmp_path / "broken"
    with pytest.raises(Killed):
        recommend(DiesAfter(data.n_users, data.n_items, shards), data, broken, OPTIONS)
    with pytest.raises(ArtifactError, match=r"manifest\.json does not exist"):
        read_recommendations(broken)
    (broken / ".part-00003.parquet.99.partial").write_bytes(b"half")
    engine.calls = 0
    recommend(engine, data, broken, OPTIONS)
    assert engine.calls == 4 - shards
    assert digests(broken) == digests(tmp_path / "whole")


@pytest.mark.parametrize("damage", [b"", b"PAR1"], ids=["empty", "truncated"])
def test_a_damaged_part_is_written_again(tmp_path, data, engine, damage):
    recommend(engine, data, tmp_path, OPTIONS)
    before = digests(tmp_path)
    (tmp_path / "part-00002.parquet").write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"part-00002\.parquet"):
        read_recommendations(tmp_path)
    recommend(engine, data, tmp_path, OPTIONS)
    assert digests(tmp_path) == before


def test_a_complete_batch_computes_no_vectors_of_users(tmp_path, data, engine):
    first = recommend(engine, data, tmp_path, OPTIONS)
    engine.calls = 0
    assert recommend(engine, data, tmp_path, OPTIONS) == first
    assert engine.calls == 0


@pytest.mark.parametrize("change", ["options", "data", "model", "version", "code"])
def test_a_changed_input_starts_anew(tmp_path, data, engine, change):
    recommend(engine, data, tmp_path, OPTIONS, model_version="1", made_from="a")
    engine.calls = 0
    (tmp_path / "part-00009.parquet").write_bytes(b"of a longer run")
    other = {
        "options": (engine, data, OPTIONS.model_copy(update={"k": 4}), "1"),
        "data": (engine, world(seed=2), OPTIONS, "1"),
        "model": (FixedVectors(data.n_users, data.n_items, seed=5), data, OPTIONS, "1"),
        "version": (engine, data, OPTIONS, "2"),
        "code": (engine, data, OPTIONS, "1"),
    }[change]
    recommend(*other[:2], tmp_path, other[2], model_version=other[3], made_from="b" if change == "code" else "a")
    assert other[0].calls == 4
    assert len(list(tmp_path.glob("part-*"))) == 4


def test_interactions_from_the_time_of_the_recommendation_on_are_left_out(tmp_path, data, engine):
    early = data.interactions.before(40)
    options = OPTIONS.model_copy(update={"at": 40})
    recommend(engine, data, tmp_path / "at", options)
    cut = type(data)(data.name, data.users, data.items, early, data.has_timestamps)
    recommend(engine, cut, tmp_path / "cut", OPTIONS)
    assert read_recommendations(tmp_path / "at").equals(read_recommendations(tmp_path / "cut"))


def test_some_users_can_be_read_alone(tmp_path, data, engine):
    recommend(engine, data, tmp_path, OPTIONS)
    table = read_recommendations(tmp_path, ["u0003", "u0020"])
    assert table["user_id"].unique().tolist() == ["u0003", "u0020"]
    assert read_recommendations(tmp_path, []).empty


def test_a_manifest_of_an_unknown_version_is_refused(tmp_path, data, engine):
    recommend(engine, data, tmp_path, OPTIONS)
    raw = json.loads((tmp_path / "_manifest.json").read_text())
    (tmp_path / "_manifest.json").write_text(json.dumps({**raw, "version": 99}))
    with pytest.raises(ArtifactError, match="version 99"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("moment", ["half-way", "written"])
def test_a_batch_whose_parts_another_one_takes_away_says_so(tmp_path, data, engine, monkeypatch, moment):
    """The other one begins while a part is written, or before the part is looked at again."""
    other = parts.Stamp("8", data.fingerprint, "other")
    inner, name = (parts.pq, "write_table") if moment == "half-way" else (parts, "write")
    write = getattr(inner, name)

    def disturbed(*args, **options):
        written = write(*args, **options)
        parts.clean(tmp_path, other, [parts.name_of(number) for number in range(4)])
        return written

    monkeypatch.setattr(inner, name, disturbed)
    with pytest.raises(ArtifactError, match=f"another batch writes to {re.escape(str(tmp_path))}"):
        recommend(engine, data, tmp_path, OPTIONS, model_version="7")


def test_a_folder_that_no_batch_made_is_refused_and_stays(tmp_path, data, engine):
    for name in ("part-00000.parquet", "notes.txt"):
        (tmp_path / name).write_text("mine")
    with pytest.raises(ArtifactError, match=re.escape(f"{tmp_path} is a folder that recsys did not make")):
        recommend(engine, data, tmp_path, OPTIONS)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "part-00000.parquet": "mine",
        "notes.txt": "mine",
    }


def test_only_names_of_parts_are_cleared_and_no_folder_is(tmp_path, data, engine):
    recommend(engine, data, tmp_path, OPTIONS)
    for name in ("part-of-mine.parquet", ".part-list.partial"):
        (tmp_path / name).write_text("mine")
    recommend(engine, data, tmp_path, OPTIONS.model_copy(update={"k": 2}))
    assert [(tmp_path / name).read_text() for name in ("part-of-mine.parquet", ".part-list.partial")] == ["mine"] * 2
    (tmp_path / "part-00009.parquet").mkdir()
    (tmp_path / "part-00009.parquet" / "x").write_text("mine")
    with pytest.raises(ArtifactError, match=r"part-00009\.parquet is a folder where a batch writes a file"):
        recommend(engine, data, tmp_path, OPTIONS)
    assert (tmp_path / "part-00009.parquet" / "x").read_text() == "mine"


def test_readers_of_parquet_pass_over_the_mark_of_the_folder(tmp_path, data, engine):
    recommend(engine, data, tmp_path, OPTIONS)
    whole = read_recommendations(tmp_path)
    (tmp_path / "_manifest.json").unlink()  # which they do not pass over
    assert pd.read_parquet(tmp_path).equals(whole)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("index", ["exact", "faiss"])
@pytest.mark.parametrize("part", ["users", "items"])
def test_vectors_that_are_not_finite_are_refused_and_named(tmp_path, data, engine, index, part, value):
    if index == "faiss":
        pytest.importorskip("faiss")
    getattr(engine, part)[2, 1] = value
    name = "u0002" if part == "users" else "item 2"
    with pytest.raises(ArtifactError, match=rf"vectors of the {part} of FixedVectors .* first that of {name};"):
        recommend(engine, data, tmp_path, OPTIONS.model_copy(update={"index": index}))
    assert not list(tmp_path.glob("*.parquet"))


def test_readers_take_the_folder_as_one_table(tmp_path, data, engine):
    manifest = recommend(engine, data, tmp_path, OPTIONS)
    expected = read_recommendations(tmp_path)
    assert pd.read_parquet(tmp_path).equals(expected)
    assert len(manifest.parts) > 1
    assert pads.dataset(tmp_path).to_table().num_rows == manifest.rows


def test_polars_reads_the_parts(tmp_path, data, engine):
    polars = pytest.importorskip("polars")
    manifest = recommend(engine, data, tmp_path, OPTIONS)
    assert polars.read_parquet(str(tmp_path / "*.parquet")).height == manifest.rows


def test_duckdb_reads_the_parts(tmp_path, data, engine):
    duckdb = pytest.importorskip("duckdb")
    manifest = recommend(engine, data, tmp_path, OPTIONS)
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/*.parquet'").fetchall() == [(manifest.rows,)]
