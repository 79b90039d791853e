"""Lists in an object store: in memory here, on a local S3 server where it says so."""

import uuid

import fsspec
import pytest

from recsys.errors import ArtifactError, ConfigError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.manifest import MANIFEST, SUCCESS, Manifest, read_recommendations
from recsys.retrieval.output import parts
from recsys.retrieval.recipients.users import USERS
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import digests
from tests.retrieval.test_recommend import DiesAfter, Killed
from tests.s3_server import BUCKET, s3_server

OPTIONS = RecommendOptions(k=5, shard_size=16)


@pytest.fixture
def address():
    """A new folder of the file system in memory."""
    return f"memory://{uuid.uuid4().hex}/lists"


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """A new folder of a bucket on an S3 server of this machine."""
    with s3_server(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield f"s3://{BUCKET}/nightly"


def contents(address):
    system, root = fsspec.core.url_to_fs(address)
    system.invalidate_cache()
    return {path.rpartition("/")[2]: system.cat_file(path) for path in system.ls(root, detail=False)}


def check_like_a_folder(address, data, engine, folder):
    """A batch that is killed, resumed, and asked for again leaves at ``address`` what a folder would hold."""
    recommend(engine, data, folder, OPTIONS)
    with pytest.raises(Killed):
        recommend(DiesAfter(data.n_users, data.n_items, 2), data, address, OPTIONS)
    with pytest.raises(ArtifactError, match=r"_manifest\.json does not exist"):
        read_recommendations(address)
    engine.calls = 0
    recommend(engine, data, address, OPTIONS)
    assert engine.calls == 2, "the two parts that were complete are kept"
    assert contents(address) == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert read_recommendations(address).equals(read_recommendations(folder))
    recommend(engine, data, address, OPTIONS)
    assert engine.calls == 2
    Manifest.load(address).verify(address)


def test_an_object_store_gets_the_bytes_of_a_folder_and_a_killed_batch_is_resumed(address, data, engine, tmp_path):
    check_like_a_folder(address, data, engine, tmp_path / "folder")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of botocore
def test_a_bucket_of_s3_gets_the_bytes_of_a_folder_and_a_killed_batch_is_resumed(s3, data, engine, tmp_path):
    pytest.importorskip("s3fs")
    check_like_a_folder(s3, data, engine, tmp_path / "folder")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_bucket_that_is_not_there_is_told(s3, data, engine):
    with pytest.raises(ConfigError, match=r"s3://elsewhere/lists cannot be written .* check address, bucket"):
        recommend(engine, data, "s3://elsewhere/lists", OPTIONS)


def test_an_address_with_other_objects_is_refused_and_they_stay(address, data, engine):
    system, root = fsspec.core.url_to_fs(address)
    system.makedirs(root)
    system.pipe_file(f"{root}/mine.txt", b"mine")
    with pytest.raises(ArtifactError, match="has objects that recsys did not write; choose another address"):
        recommend(engine, data, address, OPTIONS)
    assert contents(address) == {"mine.txt": b"mine"}


def test_a_damaged_object_is_written_again(address, data, engine):
    recommend(engine, data, address, OPTIONS)
    before = contents(address)
    system, root = fsspec.core.url_to_fs(address)
    system.pipe_file(f"{root}/{parts.name_of(1)}", b"PAR1")
    with pytest.raises(ArtifactError, match=r"part-00001\.parquet missing or changed"):
        read_recommendations(address)
    recommend(engine, data, address, OPTIONS)
    assert contents(address) == before


def test_another_batch_replaces_the_objects_of_the_one_before(address, data, engine):
    recommend(engine, data, address, OPTIONS)
    recommend(engine, data, address, OPTIONS.model_copy(update={"shard_size": 40}))
    assert sorted(contents(address)) == [
        ".recsys",
        SUCCESS,
        MANIFEST,
        USERS,
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_an_address_of_no_file_system_is_told(data, engine):
    with pytest.raises(ConfigError, match="nowhere://lists cannot be opened"):
        recommend(engine, data, "nowhere://lists", OPTIONS)


def test_a_file_address_is_the_folder(data, engine, tmp_path):
    recommend(engine, data, f"file://{tmp_path}/a", OPTIONS)
    recommend(engine, data, tmp_path / "b", OPTIONS)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
