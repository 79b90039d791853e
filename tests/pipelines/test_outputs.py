"""Where lists are brought: PostgreSQL and Redis, for `recommend` and for `similar --all`, with the rules of items."""

import json
import shutil
import subprocess
import time

import pytest

from pipelines.stages import run_stages
from recsys.retrieval.manifest import read_recommendations
from recsys.tracking import SilentTracker
from tests.pipelines.shop import Shop
from tests.pipelines.test_run import pytestmark  # noqa: F401  the warnings of MLflow
from tests.retrieval.databases.test_postgres import server  # noqa: F401  a fixture
from tests.retrieval.databases.test_redis import commands


@pytest.fixture
def shop(tmp_path, capsys):
    made = Shop(tmp_path, capsys, ["recommend.engine=ease"])
    run_stages(made.config(), made.workspace, SilentTracker(), "train")
    return made


def test_the_keys_of_redis_have_the_prefix_and_live_as_long_as_the_command_says(shop, tmp_path):
    path = tmp_path / "lists.resp"
    told = shop.command("recommend", "--redis", path, "--prefix", "shop:", "--ttl", "90000")
    assert "24 keys for redis-cli --pipe, each of which expires after 90,000 s" in told
    found = list(commands(path.read_bytes()))
    assert {(key.startswith("shop:u"), *expiry) for _, key, _, *expiry in found} == {(True, "EX", "90000")}
    shop.command("recommend", "--redis", path)
    assert {(key.startswith("rec:u"), *expiry) for _, key, _, *expiry in commands(path.read_bytes())} == {(True,)}
    shop.command("similar", "--all", "--redis", path, "--ttl", "60", "--prefix", "near:")
    values = {key: json.loads(value) for _, key, value, *_ in commands(path.read_bytes())}
    table = read_recommendations(shop.out / "similar")
    assert values["near:3"]["items"] == table.loc[table["item_id"] == 3, "similar_id"].tolist()
    assert "give --redis FILE too" in shop.command("recommend", "--ttl", "60", code=1)
    assert "are of the lists of similar --all" in shop.command("similar", "Film 3", "--redis", path, code=1)


def test_similar_lists_lie_beside_the_output_of_the_lists_of_users(shop, tmp_path):
    shop.changes.append(f"recommend.output={tmp_path / 'srv'}")
    shop.command("recommend")
    before = sorted(path.name for path in (tmp_path / "srv").iterdir())
    assert "srv-similar: lists of 12 of 12 items" in shop.command("similar", "--all", "--k", "4")
    assert len(read_recommendations(tmp_path / "srv-similar")) == 48
    assert sorted(path.name for path in (tmp_path / "srv").iterdir()) == before
    assert not (shop.out / "similar").exists()


def test_similar_items_follow_the_rules_of_items_and_say_which_do_not_hold(shop, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user_id,item_id\nu0001,5\n", encoding="utf-8")
    shop.changes += ["recommend.deny=[5]", "recommend.where=title != 'Film 7'", f"recommend.rules.exclusions={pairs}"]
    shop.changes.append("recommend.rules.blocked=true")
    first, _, *lines = shop.command("similar", "Film 3", "--k", "20").splitlines()
    assert first.endswith("do not hold for similar items and are left out: exclusions, blocked")
    assert {int(line.split()[1]) for line in lines} == set(range(12)) - {3, 5, 7}
    assert "Film 5" in shop.command("similar", "Film 5", "--k", "1").splitlines()[1], "it may be asked for"
    told = shop.command("similar", "--all", "--k", "20")
    assert "12 of 12 items" in told
    assert not {5, 7} & set(read_recommendations(shop.out / "similar")["similar_id"])


@pytest.mark.slow
def test_keys_of_users_who_left_expire_in_a_real_server(shop, tmp_path):
    if not all(map(shutil.which, ("redis-server", "redis-cli"))):
        pytest.skip("no Redis server is installed")
    socket = tmp_path / "redis.sock"
    redis = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", socket, "--save", ""], stdout=subprocess.DEVNULL, cwd=tmp_path
    )

    def ask(*words, given=None):
        command = ["redis-cli", "-s", str(socket), *words]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode().strip()

    try:
        while not socket.exists():
            time.sleep(0.05)
        shop.command("recommend", "--redis", tmp_path / "one.resp", "--ttl", "2")
        assert "replies: 24" in ask("--pipe", given=(tmp_path / "one.resp").read_bytes())
        shop.changes.append('recommend.users=["u0001"]')
        shop.changes.append(f"recommend.output={tmp_path / 'some'}")
        shop.command("recommend", "--redis", tmp_path / "two.resp", "--ttl", "600")
        ask("--pipe", given=(tmp_path / "two.resp").read_bytes())
        time.sleep(2.2)
        assert ask("keys", "*") == "rec:u0001"
        assert len(json.loads(ask("get", "rec:u0001"))["items"]) == 3
    finally:
        redis.terminate()
        redis.wait()


@pytest.mark.slow
def test_the_command_loads_lists_and_similar_items_into_postgresql(shop, server):  # noqa: F811
    import psycopg

    assert "72 rows loaded into lists" in shop.command("recommend", "--postgres", server.dsn, "--table", "lists")
    assert "lists has these lists" in shop.command("recommend", "--postgres", server.dsn, "--table", "lists")
    assert "48 rows loaded into similar_items" in shop.command("similar", "--all", "--k", 4, "--postgres", server.dsn)
    with psycopg.connect(server.dsn) as connection:
        found = connection.execute("SELECT item_id, similar_id FROM similar_items ORDER BY item_id, rank").fetchall()
    table = read_recommendations(shop.out / "similar")
    assert found == list(table[["item_id", "similar_id"]].itertuples(index=False, name=None))
