"""Parts of an unfinished batch, and the manifest of a finished one, that were changed behind the product's back."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.digest import file_sha256
from recsys.errors import ArtifactError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.databases.redis import write_redis
from recsys.retrieval.manifest import MANIFEST, Manifest, read_recommendations
from recsys.retrieval.output import parts
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import FixedVectors, digests, world

OPTIONS = RecommendOptions(k=5, shard_size=10)


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Data and engine, the folder of a whole batch, and that of one that was killed before its manifest."""
    data, engine = world(40, 30), FixedVectors(40, 30)
    recommend(engine, data, tmp_path / "whole", OPTIONS)
    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            recommend(engine, data, tmp_path / "stopped", OPTIONS)
    return data, engine, tmp_path / "whole", tmp_path / "stopped"


def test_finished_parts_of_a_killed_batch_are_kept(stopped, monkeypatch):
    data, engine, whole, folder = stopped
    monkeypatch.setattr(parts, "write", lambda *_, **__: pytest.fail("a part was written again"))
    recommend(engine, data, folder, OPTIONS)
    assert digests(folder) == digests(whole)


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_finished_part_with_a_flipped_bit_is_written_again(stopped, place):
    data, engine, whole, folder = stopped
    path = folder / parts.name_of(1)
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 4
    path.write_bytes(content)
    recommend(engine, data, folder, OPTIONS)
    assert digests(folder) == digests(whole)


def test_a_part_that_was_copied_over_another_is_written_again(stopped):
    data, engine, whole, folder = stopped
    shutil.copy(folder / parts.name_of(0), folder / parts.name_of(2))
    recommend(engine, data, folder, OPTIONS)
    assert digests(folder) == digests(whole)


@pytest.mark.parametrize("journal", [b"", b"\xff\xfe", b"no digest\n", b"a  b  c\n"])
def test_without_a_journal_every_part_is_written_again(stopped, journal):
    data, engine, whole, folder = stopped
    (folder / parts.JOURNAL).write_bytes(journal)
    recommend(engine, data, folder, OPTIONS)
    assert digests(folder) == digests(whole)


@pytest.mark.parametrize("kept", [0, 2])
def test_a_manifest_with_fewer_parts_is_refused_whether_or_not_its_totals_agree(stopped, kept):
    _, _, folder, _ = stopped
    raw = json.loads((folder / MANIFEST).read_text())
    raw["parts"] = raw["parts"][:kept]
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(ArtifactError, match="its totals differ"):
        read_recommendations(folder)
    raw |= {name: sum(part[name] for part in raw["parts"]) for name in ("users", "users_without", "rows")}
    raw |= {name: sum(part[name] for part in raw["parts"]) for name in ("fallback_users", "topped_up_users")}
    raw["empty_places"] = raw["users"] * raw["rules"]["places"] - raw["rows"]
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(ArtifactError, match="not in the manifest"):
        read_recommendations(folder)


def test_a_manifest_that_names_a_file_elsewhere_is_refused(stopped):
    _, _, folder, _ = stopped
    raw = json.loads((folder / MANIFEST).read_text())
    raw["parts"][0]["name"] = "../stopped/part-00000.parquet"
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(ArtifactError, match="a name outside its folder"):
        Manifest.load(folder)


@pytest.mark.parametrize("name", [parts.name_of(1), parts.JOURNAL, MANIFEST])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(stopped, name):
    data, engine, whole, folder = stopped
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    recommend(engine, data, folder, OPTIONS)
    assert digests(folder) == digests(whole)


def test_a_folder_with_the_name_of_a_part_is_told(stopped):
    data, engine, whole, _ = stopped
    (whole / parts.name_of(1)).unlink()
    (whole / parts.name_of(1)).mkdir()
    with pytest.raises(ArtifactError, match="missing or changed"):
        read_recommendations(whole)
    with pytest.raises(ArtifactError, match="is a folder where a batch writes a file; move it away"):
        recommend(engine, data, whole, OPTIONS)


def _certify(folder):
    """Makes the digests of the manifest in ``folder`` those of whatever parts there are."""
    raw = json.loads((folder / MANIFEST).read_text())
    for part in raw["parts"]:
        part["sha256"] = file_sha256(folder / part["name"])
    (folder / MANIFEST).write_text(json.dumps(raw))


def test_a_part_twice_is_refused_though_the_manifest_certifies_it(stopped):
    _, _, folder, _ = stopped
    shutil.copy(folder / parts.name_of(0), folder / parts.name_of(1))
    _certify(folder)
    with pytest.raises(ArtifactError, match=r"part-00000.parquet, part-00001.parquet are one and the same"):
        read_recommendations(folder)


def test_a_part_of_another_batch_is_refused_though_the_manifest_certifies_it(stopped, tmp_path):
    data, engine, folder, _ = stopped
    recommend(engine, data, tmp_path / "other", RecommendOptions(k=5, shard_size=10), model_version="other")
    shutil.copy(tmp_path / "other" / parts.name_of(2), folder / parts.name_of(2))
    _certify(folder)
    with pytest.raises(ArtifactError, match=r"part-00002.parquet is no part of this batch"):
        read_recommendations(folder)
    with pytest.raises(ArtifactError, match="no part of this batch"):
        write_redis(folder, tmp_path / "lists.resp")
    assert not (tmp_path / "lists.resp").exists()


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 1000])
def test_a_part_that_is_no_parquet_is_refused_though_the_manifest_certifies_it(stopped, content):
    _, _, folder, _ = stopped
    (folder / parts.name_of(3)).write_bytes(content)
    _certify(folder)
    with pytest.raises(ArtifactError, match=r"part-00003.parquet is no part of this batch"):
        read_recommendations(folder)


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_not_finite_is_refused_though_the_manifest_certifies_it(stopped, score):
    _, _, folder, _ = stopped
    path = folder / parts.name_of(1)
    table = pq.read_table(path)
    scores = table["score"].to_numpy().copy()
    scores[4] = score
    changed = table.set_column(table.column_names.index("score"), "score", pa.array(scores))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    _certify(folder)
    with pytest.raises(ArtifactError, match="scores are not those of lists"):
        read_recommendations(folder)


def test_a_manifest_of_another_shape_is_refused(stopped):
    _, _, folder, _ = stopped
    whole = json.loads((folder / MANIFEST).read_text())
    for key in sorted(whole.keys() - {"model_version", "data_fingerprint"}):
        for value in (None, -1, "x", [], [1], [[]], [{}], [{"name": 3}], {"id_columns": 3}, {"id_columns": ["a"]}):
            (folder / MANIFEST).write_text(json.dumps(whole | {key: value}))
            with pytest.raises(ArtifactError):
                read_recommendations(folder)


@pytest.mark.parametrize(
    ("key", "value"), [("users", "5"), ("rows", -3), ("rows", 1e9), ("sha256", 3), ("users", True)]
)
def test_counts_of_another_type_are_refused(stopped, key, value):
    _, _, folder, _ = stopped
    raw = json.loads((folder / MANIFEST).read_text())
    raw["parts"][0][key] = value
    (folder / MANIFEST).write_text(json.dumps(raw))
    with pytest.raises(ArtifactError):
        read_recommendations(folder)
