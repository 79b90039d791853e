"""The soak benchmark: what its checks find, and a minute of it."""

import subprocess
import sys

import numpy as np
import pytest

from pipelines.benchmarks.soak.checks import Move, memory, staleness, unexplained
from pipelines.benchmarks.soak.load import Answered, Failed
from pipelines.benchmarks.soak.supervisor import Life
from tests.pipelines.own_command import ROOT, environment

MOVES = [Move("m/1", 0.0, 0.0), Move("m/2", 10.0, 10.5), Move("m/1", 20.0, 20.5), Move("m/3", 30.0, 30.5)]


def test_an_answer_is_as_stale_as_the_time_since_its_version_was_champion():
    asked = [("m/1", 9.0), ("m/1", 12.5), ("m/2", 12.5), ("m/2", 24.5), ("m/1", 25.0), ("m/3", 31.0)]
    assert staleness([Answered(version, at, at + 0.1) for version, at in asked], MOVES) == [
        0.0,
        2.0,
        0.0,
        4.0,
        0.0,
        0.0,
    ]


def test_a_version_that_was_not_champion_yet_is_never_right():
    asked = [Answered("m/2", 9.0, 9.5), Answered("m/3", 25.0, 25.1), Answered("m/4", 40.0, 40.1)]
    assert staleness(asked, MOVES) == [float("inf")] * 3


def test_a_failure_is_explained_by_an_absence_that_it_touches():
    away = [[10.0, 12.0]]
    failed = [Failed(*at, "reset") for at in [(9.9, 10.1), (11.0, 11.1), (11.9, 12.4), (9.0, 9.9), (12.1, 12.2)]]
    assert unexplained(failed, away) == failed[3:]


def test_memory_that_grows_within_lives_is_seen_however_high_each_begins():
    lives = []
    for start, base in ((0.0, 500.0), (100.0, 480.0)):
        moments = start + np.arange(60.0)
        lives.append(Life(1, start, [(at, base + (at - start) / 36) for at in moments.tolist()]))
    found = memory(lives, 10.0)
    assert found.slope == pytest.approx(100.0)
    assert found.longest == pytest.approx(100.0)
    assert found.first > found.last


@pytest.mark.slow
def test_a_minute_with_moves_and_kills_serves_and_loses_nothing_wrong(tmp_path):
    command = [sys.executable, "-m", "pipelines.benchmarks.soak", "--quick", "--data", "synthetic", "--output"]
    done = subprocess.run(
        [*command, str(tmp_path / "soak")], cwd=ROOT, env=environment(), capture_output=True, text=True
    )
    page = tmp_path / "soak" / "results.md"
    assert done.returncode == 0, page.read_text() if page.exists() else done.stderr
    assert (tmp_path / "soak" / "results.png").stat().st_size > 1000
