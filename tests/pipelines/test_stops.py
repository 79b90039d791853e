"""Ctrl-C and SIGTERM at random moments of every command: one line, nothing half-written, the rerun ends the same.

A command that changes the registry is also killed with SIGKILL: the registry can be read, and a rerun ends the same.
"""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import time
import tomllib
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from recsys.registry.bundle import verify
from recsys.seeding import stream
from tests.pipelines.forks import Forks
from tests.pipelines.world import write_world

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="commands are forked"),
]
STOPS = int(os.environ.get("RECSYS_STOPS", "16"))
"""Stops of all commands together; set RECSYS_STOPS for more."""
KILLS = int(os.environ.get("RECSYS_KILLS", "4"))
"""Kills of the commands that change the registry together; set RECSYS_KILLS for more."""
LONGEST_SECONDS = float(os.environ.get("RECSYS_STOP_SECONDS", "3"))
"""Two seconds, and the load of the machine."""
LINE = "; the same command continues where it stopped"
_DATA = Path(os.environ.get("RECSYS_DATA_DIR", "../shared/data")).resolve()
_LEARNT = """
[pretrain.text]
embedder = "hashing"
columns = ["title"]
options = {dim = 8}

[pretrain.als]
engine = "als"
options = {factors = 4, iterations = 2}

[engines.two_tower]
tables = ["text"]
model = {dim = 8}
training = {epochs = 2, checkpoint_seconds = 0.05}

[attribution]
engine = "two_tower"
metric = "recall@5"
modalities = {text = ["text"], sequence = ["history"]}
"""
_OTHER = "promote --set promote.engine=popularity --set promote.gate={min_users=1,min_gain=-9,must_not_lose={}}"
_SHORT = (
    "demo --set promote.engine=ease --set engines.two_tower.training.epochs=1 --set engines.als.iterations=1 "
    "--set engines.bpr.iterations=1 --set pretrain.als.options={iterations=1}"
)

RUN = {  # command: the state of the folder before it, further words, the outputs that are compared
    "prepare": ("tables", "--output o", ["o/dataset", "o/split"]),
    "pretrain": ("prepare", "--output o", ["o/tables"]),
    "train": ("pretrain", "--output o", ["o/bundles"]),
    "evaluate": ("train", "--output o", ["o/report.json", "o/per_user.parquet"]),
    "promote": ("evaluate", "--output o", ["o/decision.json", "o/final/bundles", "o/mlflow.db"]),
    _OTHER: ("promote", "--output o", ["o/decision.json", "o/decisions", "o/mlflow.db"]),
    "rollback": (_OTHER, "--output o", ["o/decision.json", "o/decisions", "o/mlflow.db"]),
    "recommend": ("promote", "--output o", ["o/recommendations", "o/dataset"]),
    "run": ("tables", "--output o", ["o/bundles", "o/report.json", "o/per_user.parquet", "o/recommendations"]),
    "finetune": (
        "train",
        "--interactions newer.csv --bundle o/bundles/two_tower --name child --output o",
        ["o/bundles"],
    ),
    "attribution": ("train", "--output o", ["o/attribution.json"]),
    "tune": ("prepare", "--trials 2 --output o", ["o/tuned.toml"]),
    "columns": ("train", "--output o", ["o/columns.json"]),
    "similar --all": ("train", "--engine ease --output o", ["o/similar"]),
    "export": ("train", "--engine two_tower --what vectors --run o --output e", ["e"]),
    "explore": ("promote", "--export page.html --users 3 --output o", ["page.html"]),
    "auto": ("tables", "interactions.csv items.csv --engine ease --budget 6s --output o", ["o/dataset"]),
    "tune --jobs 2": ("prepare", "--engine ease --trials 2 --output o", ["o/trials.csv"]),
    "validate": ("tables", "--html page.html", ["page.html"]),
    "init": ("tables", "interactions.csv items.csv --output made.toml", ["made.toml"]),
    "similar": ("train", "3 --engine ease --output o", ["o/bundles"]),
    _SHORT: ("tables", "--output o", ["o/bundles", "o/report.json", "o/per_user.parquet", "o/recommendations"]),
}
"""By default the first `STOPS` of them are stopped once each."""
REGISTERING = ("promote", _OTHER, "rollback")
_WITHOUT_CONFIG = ("init", "auto", _SHORT)


class World:
    """The tables, the folders that undisturbed commands leave, their results and seconds, made when asked for."""

    def __init__(self, directory, forks):
        self.directory, self.forks = directory, forks
        self.seconds, self.results = {}, {}
        path = write_world(directory / "tables" / "shop")
        text = path.read_text()
        place = text.index("\n[evaluate]")
        path.write_text(text[:place] + _LEARNT + text[place:])
        newer = [
            "user_id,item_id,timestamp",
            *(f"new{user},{item},{2_000_000 + item}" for user in (1, 2) for item in range(5)),
        ]
        (path.parent / "newer.csv").write_text("\n".join(newer) + "\n")

    def copy_before(self, command, name):
        """A folder as it is before ``command``."""
        before = RUN[command][0]
        if before != "tables":
            self.finish(before)
        folder = self.directory / name / "shop"  # auto calls the data by the folder
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.directory / before / "shop", folder)
        return folder

    def begin(self, command, folder):
        words = RUN[command][1].split()
        config = [] if command in _WITHOUT_CONFIG else ["run.toml"]
        return self.forks.start([*command.split(), *config, *words], folder, folder / "log")

    def finish(self, command):
        """Runs ``command`` undisturbed, once."""
        if command in self.results:
            return
        folder = self.copy_before(command, command)
        started = time.monotonic()
        self.begin(command, folder)
        assert self.forks.wait() == 0, (folder / "log").read_text()
        self.seconds[command] = time.monotonic() - started
        self.results[command] = result(folder, command)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    places = {"RECSYS_CACHE_DIR": "cache", "RECSYS_DATA_DIR": str(_DATA)}  # each folder has a cache of its own
    with Forks(tmp_path_factory.mktemp("forks"), **places) as forks:
        yield World(tmp_path_factory.mktemp("stops"), forks)


@pytest.mark.parametrize("turn", range(STOPS))
def test_a_command_that_is_stopped_says_how_to_go_on_and_its_rerun_ends_the_same(world, turn):
    rng = stream(29, f"stop/{turn}")
    command = list(RUN)[turn % len(RUN)]
    if command == _SHORT and not (_DATA / "movielens-100k").is_dir():
        pytest.skip(f"MovieLens 100K is not in {_DATA}")
    number = signal.SIGINT if rng.random() < 0.5 else signal.SIGTERM
    world.finish(command)
    moment, folder = float(rng.uniform(0, 1)) * world.seconds[command], None
    code = 0
    while code in (0, -number):  # it had ended before, or had no handler yet
        folder = world.copy_before(command, "stopped")
        process = world.begin(command, folder)
        time.sleep(moment)
        taken, code = _stop(world.forks, process, number)
        when = f"{moment:.2f} of {world.seconds[command]:.2f} s"
        sys.stdout.write(f"{command} {signal.Signals(number).name} at {when}: {code} in {taken:.2f} s\n")
        moment = moment * 0.7 if code == 0 else moment + 0.02
    told = [line for line in (folder / "log").read_text().splitlines() if LINE in line]
    assert (code, told) == (128 + number, [("interrupted" if number == signal.SIGINT else "terminated") + LINE])
    assert "Traceback" not in (folder / "log").read_text()
    assert taken < LONGEST_SECONDS
    assert _gone(process), "a process of the command still runs"
    check_whole(folder)
    world.begin(command, folder)
    assert world.forks.wait() == 0, (folder / "log").read_text()
    assert result(folder, command) == world.results[command]
    assert not [path for path in folder.rglob(".*") if path.suffix in (".partial", ".old")]


@pytest.mark.parametrize("turn", range(KILLS))
def test_a_registry_whose_change_is_killed_can_be_read_and_a_rerun_ends_the_same(world, turn):
    rng, command = stream(31, f"kill/{turn}"), REGISTERING[turn % len(REGISTERING)]
    world.finish(command)
    moment, code = float(rng.uniform(0.2, 1)) * world.seconds[command], 0
    while code == 0:  # it had ended before
        folder = world.copy_before(command, "killed")
        process = world.begin(command, folder)
        time.sleep(moment)
        _, code = _stop(world.forks, process, signal.SIGKILL)
        sys.stdout.write(f"{command} killed at {moment:.2f} of {world.seconds[command]:.2f} s: {code}\n")
        moment *= 0.8
    assert code == -signal.SIGKILL
    check_whole(folder)
    check_registry(folder / "o" / "mlflow.db")
    world.begin(command, folder)
    assert world.forks.wait() == 0, (folder / "log").read_text()
    assert result(folder, command) == world.results[command]
    check_registry(folder / "o" / "mlflow.db", json.loads((folder / "o" / "decision.json").read_text()))


def check_registry(path, decision=None):
    """The database is sound; aliases name versions that are there; the champion is the one that was decided for."""
    if not path.exists():  # the promotion was killed before its making
        return
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        versions = {str(version) for (version,) in database.execute("SELECT version FROM model_versions")}
        aliases = dict(database.execute("SELECT alias, version FROM registered_model_aliases"))
        marked = database.execute("SELECT run_uuid FROM tags WHERE key = 'champion' AND value = 'true'").fetchall()
        runs = dict(database.execute("SELECT version, run_id FROM model_versions"))
    assert {str(version) for version in aliases.values()} <= versions
    if decision is not None:
        assert str(aliases["champion"]) == decision["version"]
        assert marked == [(runs[aliases["champion"]],)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_service_that_is_stopped_ends_at_once_and_starts_again(world, number):
    folder = world.copy_before("recommend", "served")
    words, log = ["serve", "run.toml", "--port", "0", "--output", "o"], folder / "log"
    process, started = world.forks.start(words, folder, log), time.monotonic()
    while "serving" not in log.read_text():
        assert time.monotonic() - started < 60, log.read_text()
        time.sleep(0.001)  # the signal comes as soon as the line
    ready = time.monotonic() - started
    taken, code = _stop(world.forks, process, number)
    assert (code, taken < LONGEST_SECONDS, "Traceback" in log.read_text()) == (0, True, False), log.read_text()
    moment = float(stream(37, f"serve/{number}").uniform(0, 0.9)) * ready
    process = world.forks.start(words, folder, log)
    time.sleep(moment)
    taken, code = _stop(world.forks, process, number)
    assert (code in (0, 128 + number), taken < LONGEST_SECONDS) == (True, True), log.read_text()
    assert (LINE in log.read_text(), "Traceback" in log.read_text()) == (code != 0, False)
    check_whole(folder)


def _stop(forks, process, number):
    """Signals as a terminal does, to the group, or as a supervisor does, to one process; seconds and exit code."""
    sent = time.monotonic()
    with suppress(ProcessLookupError):
        (os.killpg if number == signal.SIGINT else os.kill)(process, number)
    code = forks.wait()
    return time.monotonic() - sent, code


def _gone(group):
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def check_whole(folder):
    """Reads every file under its own name: each is as it was or as it will be."""
    read = {
        ".json": lambda path: json.loads(path.read_text()),
        ".toml": lambda path: tomllib.loads(path.read_text()),
        ".parquet": pq.read_table,
        ".npy": np.load,
        ".safetensors": lambda path: safe_open(path, "np").__enter__(),
    }
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.endswith((".partial", ".old")) for part in path.parts):
            read.get(path.suffix, lambda path: None)(path)
            if path.name == "bundle.json":
                verify(path.parent)


def result(folder, command):
    """Digests of the outputs of a command, or what they hold where it includes seconds, memory or places."""
    found = {}
    for name in RUN[command][2]:
        path = folder / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and not file.name.endswith((".training.json", ".cost.json")):
                found[str(file.relative_to(folder))] = _content(file)
    assert found
    return found


def _content(path):
    if path.name == "mlflow.db":
        with closing(sqlite3.connect(path)) as database:
            return sorted(database.execute("SELECT alias, version FROM registered_model_aliases"))
    if path.name in ("report.json", "decision.json") or path.parent.name == "decisions":
        raw = json.loads(path.read_text())
        for costs in raw.get("engines", {}).values():
            costs.pop("fit_seconds"), costs.pop("peak_memory_mb")
        raw.pop("tracking_uri", None)
        raw.pop("written", None)
        return raw
    if path.name == "trials.csv":  # with several jobs the options depend on which is first
        return [line.split(",")[:3] for line in path.read_text().splitlines()]
    if path.suffix == ".toml":
        return tomllib.loads(path.read_text())
    return hashlib.sha256(path.read_bytes()).hexdigest()
