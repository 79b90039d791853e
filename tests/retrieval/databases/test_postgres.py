"""Against a real server, which the test starts on a socket of its own and kills."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from recsys.errors import ConfigError, DataError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.databases import postgres
from recsys.retrieval.databases.postgres import load_postgres
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import FixedVectors, world

OPTIONS = RecommendOptions(k=5, shard_size=16)


def binary(name):
    """The newest server binary, on the path or where Debian installs it; None without any."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


class Server:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        self.user = {}
        if os.getuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._run(binary("initdb"), "-D", self.data, "-U", "shop", "-A", "trust", "--no-sync")

    def _run(self, *words):
        subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)

    def start(self):
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run(binary("pg_ctl"), "-D", self.data, "-o", options, "-l", self.folder / "log", "-w", "start")

    def kill(self):
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)

    @property
    def dsn(self):
        return f"host={self.folder} user=shop dbname=postgres"


@pytest.fixture
def server(tmp_path_factory):
    pytest.importorskip("psycopg")
    if not all(map(binary, ("initdb", "pg_ctl"))):
        pytest.skip("no PostgreSQL server is installed")
    folder = Path("/tmp") / f"pg{os.getpid()}"  # a socket's path has at most 107 characters
    folder.mkdir(mode=0o755)
    try:
        server = Server(folder)
        server.start()
        yield server
        server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rows(server, table):
    import psycopg

    with psycopg.connect(server.dsn) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY user_id, rank").fetchall()


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_load_leaves_the_old_table_and_a_rerun_completes(server, tmp_path, monkeypatch):
    data = world()
    for name, seed in (("old", 0), ("new", 1)):
        recommend(FixedVectors(data.n_users, data.n_items, seed), data, tmp_path / name, OPTIONS)
    expected = {
        name: list(read_recommendations(tmp_path / name).itertuples(index=False, name=None)) for name in ("old", "new")
    }
    assert load_postgres(tmp_path / "old", server.dsn, "lists") == len(expected["old"])
    assert rows(server, "lists") == [pytest.approx(row) for row in expected["old"]]
    assert load_postgres(tmp_path / "old", server.dsn, "lists") == 0  # it is there already

    frames = postgres._frames

    def killed(directory, manifest):
        for number, frame in enumerate(frames(directory, manifest)):
            if number == 2:
                server.kill()
            yield frame

    monkeypatch.setattr(postgres, "_frames", killed)
    with pytest.raises(DataError, match="the table lists is as it was"):
        load_postgres(tmp_path / "new", server.dsn, "lists")
    monkeypatch.undo()
    server.start()
    assert rows(server, "lists") == [pytest.approx(row) for row in expected["old"]]
    assert load_postgres(tmp_path / "new", server.dsn, "lists") == len(expected["new"])
    assert rows(server, "lists") == [pytest.approx(row) for row in expected["new"]]


def test_a_table_has_a_name(tmp_path, data, engine):
    pytest.importorskip("psycopg")
    recommend(engine, data, tmp_path, OPTIONS)
    with pytest.raises(ConfigError, match="is no table"):
        load_postgres(tmp_path, "dbname=x", "a.b.c")


def test_a_server_that_is_not_there_is_told(tmp_path, data, engine):
    pytest.importorskip("psycopg")
    recommend(engine, data, tmp_path, OPTIONS)
    with pytest.raises(DataError, match="PostgreSQL"):
        load_postgres(tmp_path, f"host={tmp_path} dbname=x")
