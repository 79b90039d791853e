"""The registry under two promotions at once, kills while it is made, and databases and servers that cannot be used."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from recsys.errors import ArtifactError, PromotionError
from recsys.registry import database, server
from recsys.registry.database import check_database, check_tables, make_database, registry_lock
from recsys.registry.mlflow_client import check_registry, imported, mlflow_at
from recsys.registry.server import check_server
from recsys.tracking import SilentTracker


class Ears(SilentTracker):
    def __init__(self):
        self.heard = []

    def info(self, message):
        self.heard.append(message)


def test_a_second_promotion_waits_for_the_first_and_says_so(tmp_path):
    uri, ears, order = f"sqlite:///{tmp_path / 'mlflow.db'}", Ears(), []

    def second():
        with registry_lock(uri, ears):
            order.append("second")

    with registry_lock(uri, SilentTracker()):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert "waiting for it, at most 600 s" in ears.heard[0]


def test_the_wait_for_another_promotion_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.1)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    again = registry_lock(uri, SilentTracker())
    with registry_lock(uri, SilentTracker()), pytest.raises(PromotionError, match="end it and run this again"):
        again.__enter__()


def test_a_database_whose_making_was_killed_is_made_by_the_next_run(tmp_path):
    path = tmp_path / "mlflow.db"
    code = (
        "import sqlite3, sys, time; from pathlib import Path; from recsys.registry.database import make_database\n"
        "def fill(uri):\n"
        "    sqlite3.connect(uri.removeprefix('sqlite:///')).execute('CREATE TABLE half (x)')\n"
        "    print('half', flush=True); time.sleep(60)\n"
        "make_database(Path(sys.argv[1]), fill)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not path.exists()
    make_database(path, lambda uri: sqlite3.connect(uri.removeprefix("sqlite:///")).execute("CREATE TABLE whole (x)"))
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall() == [("whole",)]


def test_a_folder_a_foreign_file_and_a_locked_database_are_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("not a database " * 100)
    with pytest.raises(ArtifactError, match="is no file"):
        check_database(tmp_path / "folder")
    with pytest.raises(ArtifactError, match=r"text cannot be used .*move it away to start a new registry"):
        check_database(tmp_path / "text")
    holder = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(ArtifactError, match="end the program that holds it"):
        check_database(tmp_path / "held.db")
    holder.close()


def test_the_database_of_another_program_or_of_a_newer_mlflow_stays_as_it_is(tmp_path):
    for name, table in (("other", "orders (id)"), ("newer", "alembic_version (version_num)")):
        with closing(sqlite3.connect(tmp_path / name)) as made, made:
            made.execute(f"CREATE TABLE {table}")
            made.execute(f"INSERT INTO {table} VALUES ('ffff')")
    before = (tmp_path / "other").read_bytes()
    with pytest.raises(ArtifactError, match=r"is the database of another program, with a table 'orders'.*tracking_uri"):
        mlflow_at(f"sqlite:///{tmp_path}/other")
    assert (tmp_path / "other").read_bytes() == before
    with pytest.raises(ArtifactError, match=r"another version of MLflow .*ffff.*; install that version"):
        mlflow_at(f"sqlite:///{tmp_path}/newer")


def test_a_server_that_drips_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 0.3)

    def drip(listening):
        with listening.accept()[0] as connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            for _ in range(20):
                connection.sendall(b"X: y\r\n")
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=drip, args=(listening,), daemon=True).start()
        with pytest.raises(PromotionError, match="timed out"):
            check_server(f"http://127.0.0.1:{listening.getsockname()[1]}")


def test_an_empty_file_is_replaced_by_a_whole_database_and_a_half_made_one_is_refused(tmp_path):
    path = tmp_path / "mlflow.db"
    path.touch()
    make_database(path, lambda uri: sqlite3.connect(uri.removeprefix("sqlite:///")).execute("CREATE TABLE whole (x)"))
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall() == [("whole",)]
    with pytest.raises(ArtifactError, match=r"lacks the table 'experiments'; restore it, or move it away"):
        check_tables(path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            "duplicate column name: x\n[SQL: ALTER TABLE]",
            r"damaged or half-made \(duplicate column name: x\); restore it",
        ),
        ("Detected out-of-date database schema (found a). Take", r"another version of MLflow .*found a\)\); install"),
    ],
)
def test_a_database_that_mlflow_cannot_open_is_told_with_a_remedy(tmp_path, monkeypatch, error, told):
    def refuse(uri):
        raise RuntimeError(error)

    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as made:
        made.execute("CREATE TABLE alembic_version (version_num)")
    monkeypatch.setattr(imported(), "MlflowClient", refuse)
    with pytest.raises(ArtifactError, match=told):
        mlflow_at(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.parametrize("sign", "?#%")
def test_a_path_that_an_address_would_read_otherwise_is_refused(tmp_path, sign):
    with pytest.raises(ArtifactError, match="choose another --output"):
        check_database(tmp_path / f"a{sign}20b" / "mlflow.db")


def test_a_server_that_refuses_or_is_silent_is_an_error_after_a_short_wait(monkeypatch):
    monkeypatch.setattr(server, "SECONDS", 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(PromotionError, match=r"does not answer .*promote\.tracking_uri"):
            check_server(f"http://127.0.0.1:{port}")
    with pytest.raises(PromotionError, match="does not answer"):
        check_server(f"http://127.0.0.1:{port}/again")


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("ftp://ann:secret@x", "'ftp://ann:...@x' .*unsupported URI"),
        ("file:///tmp/store", "filesystem"),
        (" ", "cannot use"),
    ],
)
def test_an_address_that_mlflow_cannot_use_is_refused_by_name_and_without_its_password(uri, told):
    with pytest.raises(PromotionError, match=told) as refused:
        check_registry(uri)
    assert "secret" not in str(refused.value)


def test_a_server_is_asked_without_the_name_and_password_of_its_address(answering):
    check_server(f"http://ann:secret@127.0.0.1:{answering}")
    with pytest.raises(PromotionError, match=r"http://ann:\.\.\.@127\.0\.0\.1:1 does not answer"):
        check_server("http://ann:secret@127.0.0.1:1")


@pytest.fixture
def answering():
    """The port of a server that answers every request."""
    handler = type("Silent", (BaseHTTPRequestHandler,), {"log_message": lambda *_: None})
    made = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made.server_port
    made.shutdown()
    made.server_close()
