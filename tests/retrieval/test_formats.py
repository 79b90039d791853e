"""Parts as Parquet, CSV and JSON lines, a row for each item or for each list, and their readers."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recsys.errors import ArtifactError, DataError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.databases.redis import write_redis
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.manifest import SUCCESS, Manifest, read_recommendations
from recsys.retrieval.output.formats import Form
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import FixedVectors, digests, world
from tests.retrieval.test_recommend import DiesAfter, Killed

FORMATS, LAYOUTS = ("parquet", "csv", "jsonl"), ("long", "lists")
FORMS = [(form, layout) for form in FORMATS for layout in LAYOUTS]
forms = pytest.mark.parametrize(("form", "layout"), FORMS)


def options(form, layout, **more):
    return RecommendOptions(k=5, shard_size=16, format=form, layout=layout, **more)


@forms
def test_every_form_holds_the_same_lists(tmp_path, data, engine, form, layout):
    known = Fallback.fit(data)
    rules = {"rules": {"reasons": True}}
    recommend(engine, data, tmp_path / "plain", options("parquet", "long", **rules), fallback=known)
    manifest = recommend(engine, data, tmp_path / "out", options(form, layout, **rules), fallback=known)
    assert [part.name for part in manifest.parts] == [f"part-0000{n}.{form}" for n in range(4)]
    plain = read_recommendations(tmp_path / "plain")
    pd.testing.assert_frame_equal(read_recommendations(tmp_path / "out"), plain)
    assert manifest.rows == len(plain) > 0
    some = read_recommendations(tmp_path / "out", ["u0003", "u0040"])
    assert some["user_id"].unique().tolist() == ["u0003", "u0040"]
    write_redis(tmp_path / "out", tmp_path / "lists.resp")
    write_redis(tmp_path / "plain", tmp_path / "plain.resp")
    assert (tmp_path / "lists.resp").read_bytes() == (tmp_path / "plain.resp").read_bytes()


@forms
def test_a_killed_batch_of_any_form_ends_with_the_same_bytes(tmp_path, data, engine, form, layout):
    recommend(engine, data, tmp_path / "whole", options(form, layout))
    with pytest.raises(Killed):
        recommend(DiesAfter(data.n_users, data.n_items, 2), data, tmp_path / "broken", options(form, layout))
    assert not (tmp_path / "broken" / SUCCESS).exists()
    engine.calls = 0
    recommend(engine, data, tmp_path / "broken", options(form, layout))
    assert engine.calls == 2, "the two parts that were complete are kept"
    assert digests(tmp_path / "broken") == digests(tmp_path / "whole")
    assert (tmp_path / "whole" / SUCCESS).read_bytes() == b""
    recommend(engine, data, tmp_path / "whole", options(form, layout))
    assert engine.calls == 2, "a complete batch is reused"


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_part_is_told_and_written_again(tmp_path, data, engine, form):
    recommend(engine, data, tmp_path, options(form, "long"))
    before = digests(tmp_path)
    path = tmp_path / f"part-00001.{form}"
    path.write_bytes(path.read_bytes().replace(b"u0", b"u1"))
    with pytest.raises(ArtifactError, match=rf"part-00001\.{form} missing or changed"):
        read_recommendations(tmp_path)
    recommend(engine, data, tmp_path, options(form, "long"))
    assert digests(tmp_path) == before


def test_another_format_replaces_the_parts_of_the_one_before(tmp_path, data, engine):
    for form in (*FORMATS, "parquet"):
        recommend(engine, data, tmp_path, options(form, "long"))
        assert {path.suffix for path in tmp_path.glob("part-*")} == {f".{form}"}
        Manifest.load(tmp_path).verify(tmp_path)


def test_ids_of_any_characters_come_back_from_every_form(tmp_path):
    strange = ['a"b', "c,d", "e\nf", "\\", "é", "007", "null", ""]
    columns = {
        "user_id": pa.array(strange),
        "item_id": pa.array(range(8)),
        "rank": pa.array(np.ones(8, np.int32)),
        "score": pa.array(np.float32([0.1, 1, -2.5, 1e-12, 3.4e38, 1 / 3, 16777216, 0])),
    }
    table = pa.table(columns)
    kinds = tuple((field.name, str(field.type)) for field in table.schema)
    for form, layout in FORMS:
        written = Form(form, layout, kinds)
        written.write(table, tmp_path / "part")
        with (tmp_path / "part").open("rb") as file:
            assert written.read(file).equals(table), (form, layout)


def test_users_without_a_list_have_no_row_of_lists(tmp_path, data, engine):
    manifest = recommend(engine, data, tmp_path, options("jsonl", "lists"))
    lines = [json.loads(line) for path in sorted(tmp_path.glob("part-*")) for line in path.read_text().splitlines()]
    assert len(lines) == manifest.users - manifest.users_without == 47
    assert list(lines[0]) == ["user_id", "item_id", "score"]
    assert len(lines[0]["item_id"]) == len(lines[0]["score"]) == 5


@pytest.fixture(scope="module", params=[True, False], ids=["text ids", "integer ids"])
def batches(tmp_path_factory, request):
    """A batch in every form, and its rows."""
    root, data = tmp_path_factory.mktemp("lists"), world(text_ids=request.param)
    engine = FixedVectors(data.n_users, data.n_items)
    for form, layout in FORMS:
        recommend(engine, data, root / form / layout, RecommendOptions(k=5, shard_size=25, format=form, layout=layout))
    return root, read_recommendations(root / "parquet" / "long").astype({"rank": int, "score": float})


def check(found, expected):
    """That a reader's frame in the layout ``long`` has the rows that were written."""
    assert found[["user_id", "item_id"]].values.tolist() == expected[["user_id", "item_id"]].values.tolist()
    np.testing.assert_allclose(found["score"].astype(float), expected["score"], rtol=1e-6)


def exploded(frame):
    return frame.explode(["item_id", "score"], ignore_index=True)


def parts_of(root, form, layout):
    return sorted((root / form / layout).glob(f"part-*.{form}"))


def test_pandas_reads_every_form(batches):
    root, expected = batches
    check(pd.read_parquet(root / "parquet" / "long"), expected)
    check(exploded(pd.read_parquet(root / "parquet" / "lists")), expected)
    check(pd.concat(map(pd.read_csv, parts_of(root, "csv", "long"))), expected)
    lists = pd.concat(pd.read_csv(path) for path in parts_of(root, "csv", "lists"))
    check(exploded(lists.assign(**{name: lists[name].map(json.loads) for name in ("item_id", "score")})), expected)
    for layout in LAYOUTS:
        frame = pd.concat(pd.read_json(path, lines=True) for path in parts_of(root, "jsonl", layout))
        check(frame if layout == "long" else exploded(frame), expected)


def test_duckdb_reads_every_form(batches):
    duckdb = pytest.importorskip("duckdb")
    root, expected = batches
    kind = "BIGINT" if expected["item_id"].dtype.kind == "i" else "VARCHAR"
    for form in FORMATS:
        check(duckdb.sql(f"SELECT * FROM '{root}/{form}/long/*.{form}'").df(), expected)
    for form in FORMATS:
        typed = (
            "*" if form != "csv" else f"user_id, from_json(item_id, '[\"{kind}\"]') AS item_id, score::FLOAT[] AS score"
        )
        rows = f"SELECT user_id, unnest(item_id) AS item_id, unnest(score) AS score FROM (SELECT {typed} FROM"
        check(duckdb.sql(f"{rows} '{root}/{form}/lists/*.{form}')").df(), expected)


def test_polars_reads_every_form(batches):
    pl = pytest.importorskip("polars")
    root, expected = batches
    kind = pl.Int64 if expected["item_id"].dtype.kind == "i" else pl.String
    for layout in LAYOUTS:
        found = {
            "parquet": pl.read_parquet(root / "parquet" / layout / "*.parquet"),
            "csv": pl.read_csv(root / "csv" / layout / "*.csv"),
            "jsonl": pl.scan_ndjson(root / "jsonl" / layout / "*.jsonl").collect(),
        }
        for form, frame in found.items():
            if layout == "lists":
                if form == "csv":
                    items = pl.col("item_id").str.json_decode(pl.List(kind))
                    frame = frame.with_columns(items, pl.col("score").str.json_decode(pl.List(pl.Float32)))
                frame = frame.explode("item_id", "score")
            check(pd.DataFrame(frame.to_dict(as_series=False)), expected)


@pytest.mark.parametrize("users", ["u0003", 3, [3], [None]])
def test_users_who_are_no_list_of_ids_of_the_batch_are_told(tmp_path, data, engine, users):
    recommend(engine, data, tmp_path / "lists", RecommendOptions(k=2))
    with pytest.raises(DataError, match="give a list of ids of the type of user_id, string"):
        read_recommendations(tmp_path / "lists", users)
