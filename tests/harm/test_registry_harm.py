"""The registry under two promotions at once, kills while it is made, and databases and servers that cannot be used."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

from recsys.errors import ArtifactError, PromotionError
from recsys.registry import database, server
from recsys.registry.database import check_database, make_database, registry_lock
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
