"""What is left when a writer is killed at the worst moment."""

import inspect
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.output_folder import check_output_folder
from recsys import atomic
from recsys.atomic import MARK, MARK_TEXT, atomic_path, claim, remove_folder, write_json
from recsys.errors import ArtifactError

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
    with atomic_path(path) as beside:
        beside.mkdir()
        (beside / "x").write_text(text)
    return path


def content(directory):
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


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


def test_a_folder_that_was_not_made_here_is_refused_before_the_work_begins(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "raw.csv").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(ArtifactError) as refused, atomic_path(tmp_path / "dataset"):
        pytest.fail("the work began")
    assert str(tmp_path / "dataset") in str(refused.value)
    assert "choose another folder (--output), or move this one away" in str(refused.value)
    with pytest.raises(ArtifactError):
        claim(tmp_path / "dataset")
    with pytest.raises(ArtifactError):
        remove_folder(tmp_path / "dataset")
    assert content(tmp_path) == before


def test_a_folder_that_came_while_the_work_went_on_is_kept(tmp_path):
    def come_between():
        with atomic_path(tmp_path / "dataset") as beside:
            beside.mkdir()
            (tmp_path / "dataset").mkdir()
            (tmp_path / "dataset" / "raw.csv").write_text("mine")

    with pytest.raises(ArtifactError, match="did not make"):
        come_between()
    assert content(tmp_path) == {"dataset/raw.csv": b"mine"}


def test_an_empty_folder_and_one_made_here_are_replaced_and_marked_alike(tmp_path):
    (tmp_path / "a").mkdir()
    for name in ("a", "b", "b"):
        folder(tmp_path / name, "new")
    assert content(tmp_path / "a") == content(tmp_path / "b") == {"x": b"new", MARK: MARK_TEXT}


def test_a_file_of_the_name_of_the_mark_that_says_something_else_is_no_mark(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / MARK).write_text("my settings")
    with pytest.raises(ArtifactError, match="did not make"):
        folder(tmp_path / "a", "new")
    assert content(tmp_path) == {f"a/{MARK}": b"my settings"}


def test_what_a_link_leads_to_stays(tmp_path):
    far = tmp_path / "far"
    far.mkdir()
    (far / "raw.csv").write_text("mine")
    (tmp_path / "link").symlink_to(far, target_is_directory=True)
    made = folder(tmp_path / "made", "old")
    (tmp_path / "other").symlink_to(made, target_is_directory=True)
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone", target_is_directory=True)
    for name in ("link", "other", "nowhere"):
        for write in (lambda path: folder(path, "new"), remove_folder):
            with pytest.raises(ArtifactError, match=r"choose another folder \(--output\)"):
                write(tmp_path / name)
    with pytest.raises(ArtifactError, match="did not make"):
        claim(tmp_path / "link")
    claim(tmp_path / "other")
    assert content(far) == {"raw.csv": b"mine"}
    assert content(made) == {"x": b"old", MARK: MARK_TEXT}
    assert all((tmp_path / name).is_symlink() for name in ("link", "other", "nowhere"))


def test_a_file_takes_no_place_of_a_folder_and_a_folder_none_of_a_file(tmp_path):
    folder(tmp_path / "report.json", "old")
    (tmp_path / "empty.json").mkdir()
    (tmp_path / "dataset").write_text("mine")
    before = content(tmp_path)
    for name in ("report.json", "empty.json"):
        with pytest.raises(ArtifactError, match=r"is a folder, where recsys writes a file"):
            atomic.write_text(tmp_path / name, "new")
    for write in (lambda path: folder(path, "new"), claim, remove_folder):
        with pytest.raises(ArtifactError, match=r"dataset is a file, where recsys writes a folder"):
            write(tmp_path / "dataset")
    with pytest.raises(ArtifactError, match="a file, where recsys writes a folder"):
        atomic.write_text(tmp_path / "dataset" / "x", "new")
    assert content(tmp_path) == before
    assert (tmp_path / "empty.json").is_dir()


def test_a_folder_is_claimed_once_and_removed_with_what_was_put_into_it(tmp_path):
    claim(tmp_path / "parts")
    (tmp_path / "parts" / "part").write_text("1")
    claim(tmp_path / "parts")
    assert content(tmp_path / "parts") == {"part": b"1", MARK: MARK_TEXT}
    for _ in range(2):
        remove_folder(tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_only_names_of_dead_writers_are_swept(tmp_path):
    node, dead = platform.node(), subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    kept = ["partial.bak", "partial", "\u00b2.partial", "0.partial", "9999999999999.old", f"{dead.pid}.notes"]
    for name in kept:
        (tmp_path / f".x.{node}.{name}").write_text("mine")
    (tmp_path / f".x.{node}.{dead.pid}.partial").write_text("half")
    before_last = tmp_path / f".x.{node}.{dead.pid}.old"
    before_last.mkdir()
    (before_last / "raw.csv").write_text("mine")
    atomic.write_text(tmp_path / "x", "new")
    assert {path.name for path in tmp_path.iterdir()} == {*(f".x.{node}.{n}" for n in kept), before_last.name, "x"}


def test_a_long_name_leaves_room_for_what_is_written_beside_it(tmp_path):
    atomic.write_text(tmp_path / ("\u00e4" * 110 + ".training.json"), "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_a_write_syncs_its_own_file_and_folder_and_no_neighbour(tmp_path, monkeypatch):
    for name in "abc":
        write_json(tmp_path / "deep" / f"{name}.json", {})
    synced, real = [], os.fsync
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(descriptor) or real(descriptor))
    write_json(tmp_path / "new.json", {})
    assert len(synced) == 2


def test_a_pipe_in_the_place_of_the_mark_is_not_waited_for(tmp_path):
    (tmp_path / "mine").mkdir()
    os.mkfifo(tmp_path / "mine" / MARK)
    with pytest.raises(ArtifactError, match="did not make"), atomic_path(tmp_path / "mine"):
        pass
    with pytest.raises(ArtifactError, match="is not the list of an output folder"):
        check_output_folder(tmp_path / "mine", ["report.json"])


def test_folders_are_made_however_deep(tmp_path):
    deep, limit = tmp_path.joinpath(*"a" * 200, "x.json"), sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        write_json(deep, {})
    finally:
        sys.setrecursionlimit(limit)
    assert deep.is_file()


@pytest.mark.parametrize("path", [".", "..", ""])
def test_a_folder_without_a_name_is_refused_where_it_would_be_replaced(tmp_path, monkeypatch, path):
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    with pytest.raises(ArtifactError, match="is the folder you are in, or one above it"), atomic_path(Path(path)):
        raise AssertionError("it was not refused")
    assert [found.name for found in tmp_path.rglob("*")] == ["in"]
