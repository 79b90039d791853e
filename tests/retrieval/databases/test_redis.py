import json

import pytest

from recsys.errors import ConfigError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.databases.redis import write_redis
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.recommend import recommend


def commands(data):
    """The commands of a file in the Redis protocol, as a server reads them."""
    while data:
        head, data = data.split(b"\r\n", 1)
        words = []
        for _ in range(int(head[1:])):
            size, data = data.split(b"\r\n", 1)
            words.append(data[: int(size[1:])].decode())
            data = data[int(size[1:]) + 2 :]
        yield words


def test_every_user_with_a_list_is_a_key_with_the_list_as_json(tmp_path, data, engine):
    recommend(engine, data, tmp_path / "out", RecommendOptions(k=5, shard_size=16))
    keys = write_redis(tmp_path / "out", tmp_path / "lists.resp", prefix="shop:", ttl=60)
    found = list(commands((tmp_path / "lists.resp").read_bytes()))
    table = read_recommendations(tmp_path / "out")
    assert keys == len(found) == table["user_id"].nunique()
    assert {(words[0], *words[3:]) for words in found} == {("SET", "EX", "60")}
    values = {words[1]: json.loads(words[2]) for words in found}
    mine = table[table["user_id"] == "u0003"]
    assert values["shop:u0003"] == {"items": mine["item_id"].tolist(), "scores": mine["score"].tolist()}


@pytest.mark.parametrize("ttl", ["60", 1.5, True])
def test_seconds_are_a_whole_number(tmp_path, ttl):
    with pytest.raises(ConfigError, match=r"ttl is .*; give whole seconds"):
        write_redis(tmp_path, tmp_path / "x", ttl=ttl)


def test_a_key_lives_at_least_a_second(tmp_path):
    with pytest.raises(ConfigError, match="at least one second"):
        write_redis(tmp_path, tmp_path / "x", ttl=0)
