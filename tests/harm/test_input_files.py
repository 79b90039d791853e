"""Files that never end, are too large or are no files at all, wherever the product reads a file: refused at once."""

import gzip
import os

import numpy as np
import pandas as pd
import pytest

from pipelines.config_paths import read_raw
from recsys.atomic import read_json
from recsys.config import read_toml
from recsys.content.text.words import read_word_vectors
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.reading.problem import Unreadable
from recsys.data.ingest.reading.table import read_path
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.files import input_file
from recsys.retrieval.rules.id_lists import read_id_file

READERS = {
    "config": (lambda path: read_toml(path), ConfigError),
    "JSON": (read_json, ArtifactError),
    "list of ids": (lambda path: read_id_file(path, "item_id", "recommend.allow"), DataError),
    "word vectors": (read_word_vectors, DataError),
    "table": (lambda path: read_path(path, TableFormat()), Unreadable),
}


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


def test_a_pipe_is_refused_and_not_waited_for(reader, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    read, error = reader
    with pytest.raises(error, match="it is a pipe, not a regular file"):
        read(tmp_path / "pipe")


def test_a_device_that_never_ends_is_refused(reader, tmp_path):
    (tmp_path / "zero").symlink_to("/dev/zero")
    read, error = reader
    with pytest.raises(error, match="it is a device or socket, not a regular file"):
        read(tmp_path / "zero")


def test_a_folder_is_no_file(reader, tmp_path):
    read, error = reader
    with pytest.raises(error, match="folder"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["config", "JSON", "list of ids"])
def test_a_file_of_three_gigabytes_is_refused_unread(kind, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(3 * 2**30)
    read, error = READERS[kind]
    with pytest.raises(error, match="MiB"):
        read(path)


@pytest.mark.parametrize("name", ["bomb.gz", "bomb.csv"])
def test_a_list_of_ids_that_unpacks_to_far_more_is_refused(name, tmp_path):
    (tmp_path / name).write_bytes(gzip.compress(b"7\n" * 2**24))
    with pytest.raises(DataError, match="unpack to over"):
        read_id_file(tmp_path / name, "item_id", "recommend.allow")


def test_a_list_of_ids_in_a_parquet_of_repeats_is_refused(tmp_path):
    pd.DataFrame({"item_id": np.zeros(2**23, np.int64)}).to_parquet(tmp_path / "bomb.parquet")
    with pytest.raises(DataError, match="unpack to over"):
        read_id_file(tmp_path / "bomb.parquet", "item_id", "recommend.allow")


def test_a_file_that_tells_no_size_is_read_no_further_than_the_limit(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"0" * 100)
    monkeypatch.setattr(input_file, "regular_size", lambda _: 0)
    with pytest.raises(OSError, match="at most"):
        input_file.read_bytes(tmp_path / "a", 10)


def test_keys_nested_without_an_end_are_no_config(tmp_path):
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    with pytest.raises(ConfigError):
        read_raw(tmp_path / "deep.toml")
    (tmp_path / "deep.toml").write_text(f"[{'.'.join(['a'] * 3000)}]\nb = 1\n")
    with pytest.raises(ConfigError, match="nested"):
        read_raw(tmp_path / "deep.toml")
    (tmp_path / "flat.toml").write_text("b = 1\n")
    with pytest.raises(ConfigError, match="nested"):
        read_raw(tmp_path / "flat.toml", [f"{'.'.join(['a'] * 3000)}=1"])
