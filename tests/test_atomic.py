"""What is left when a writer is killed at the worst moment."""

import os
import platform
import signal
import subprocess
import sys

import pytest

from recsys import atomic
from recsys.atomic import atomic_path

KILLED = """
import os, pathlib, signal, sys
from recsys import atomic
path, moment, way = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if way == "renamed":
    atomic._exchanged = lambda beside, path: False
moves = 0
def dying(move):
    def moved(*given):
        global moves
        if moves == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        moves += 1
        return move(*given)
    return moved
pathlib.Path.rename, atomic._exchanged = dying(pathlib.Path.rename), dying(atomic._exchanged)
atomic._remove = dying(atomic._remove)
with atomic.atomic_path(path) as beside:
    beside.mkdir()
    (beside / "x").write_text("new")
"""


def folder(path, text):
    path.mkdir()
    (path / "x").write_text(text)
    return path


def killed(path, moment, way):
    return subprocess.run([sys.executable, "-c", KILLED, str(path), str(moment), way], check=False).returncode


@pytest.mark.parametrize("moment", range(1, 4))
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two folders in one step")
def test_a_folder_is_never_missing_while_it_is_replaced(tmp_path, moment):
    path = folder(tmp_path / "bundle", "old")
    assert killed(path, moment, "exchanged") in (0, -signal.SIGKILL)
    assert (path / "x").read_text() in ("old", "new")


@pytest.mark.parametrize("moment", range(1, 7))
def test_the_next_writer_finds_the_old_folder_or_the_new_one_and_clears_up(tmp_path, moment):
    path = folder(tmp_path / "bundle", "old")
    killed(path, moment, "renamed")
    with atomic_path(path) as beside:
        assert (path / "x").read_text() in ("old", "new")
        beside.mkdir()
    assert [left.name for left in tmp_path.iterdir()] == ["bundle"]


def test_what_a_living_writer_holds_stays(tmp_path):
    mine = tmp_path / f".bundle.{platform.node()}.{os.getppid()}.partial"
    mine.mkdir()
    other = tmp_path / ".bundle.json.elsewhere.1.partial"
    other.write_text("half")
    atomic.write_text(tmp_path / "bundle", "new")
    assert mine.is_dir()
    assert other.read_text() == "half"
