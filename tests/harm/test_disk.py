"""A disk that is full, a folder that may not be written: one message with the path and a remedy."""

import errno
import io
import os
import re
import shutil

import pytest

from pipelines import output_folder
from pipelines.cli import main
from pipelines.cli_errors import describe
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.registry.database import make_database
from recsys.tracking import SilentTracker
from tests.pipelines.test_stops import check_whole
from tests.pipelines.world import write_world


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full at .*make room"),
        (errno.EDQUOT, "the disk is full at .*--output"),
        (errno.EROFS, "Read-only file system at .*--output"),
        (errno.EACCES, "Permission denied at .*--output"),
        (errno.ENAMETOOLONG, "File name too long at .*choose another path"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_message_with_a_remedy(tmp_path, monkeypatch, capsys, number, message):
    def refuse(path, _):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(output_folder, "write_text", refuse)
    with pytest.raises(SystemExit) as stopped:
        main(["prepare", str(write_world(tmp_path)), "--output", str(tmp_path / "out")])
    assert stopped.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert re.search(f"error: {message}", lines[0])


FULL = re.compile(r"error: the disk is full.*make room.*--output; the same command continues where it stopped")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A config, and a folder with every stage before the registry done."""
    folder = tmp_path_factory.mktemp("trained")
    path = write_world(folder)
    run_stages(read_run_config(path), Workspace(folder / "out"), SilentTracker(), "train")
    return path, folder / "out"


@pytest.mark.parametrize("after", [0, 8])
def test_a_disk_that_fills_up_is_one_message_nothing_is_half_written_and_a_rerun_heals(
    trained, tmp_path, monkeypatch, capsys, after
):
    path, out = trained
    shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "bundles")
    left = [after]

    def write(file, *arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(file, *arguments, **options)

    opened = io.open
    with monkeypatch.context() as patch:
        patch.setattr(
            "io.open",
            lambda file, mode="r", *rest, **options: (write if "w" in mode else opened)(file, mode, *rest, **options),
        )
        with pytest.raises(SystemExit) as stopped:
            main(["evaluate", str(path), "--output", str(tmp_path / "out")])
    assert stopped.value.code == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert FULL.match(line)
    assert f"at {tmp_path / 'out'}" in line
    assert not [found for found in tmp_path.rglob(".*") if found.suffix in (".partial", ".old")]
    check_whole(tmp_path / "out")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", str(path), "--output", str(tmp_path / "out")])
    assert ended.value.code == 0


def test_a_full_disk_below_the_registry_is_told_as_such():
    error = RuntimeError("(sqlite3.OperationalError) database or disk is full\n[SQL: INSERT INTO runs]")
    assert FULL.match(f"error: {describe(error)}")


def test_a_database_that_could_not_be_filled_leaves_nothing(tmp_path):
    def fill(uri):
        (tmp_path / ".mlflow.db.partial").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        make_database(tmp_path / "mlflow.db", fill)
    assert [found.name for found in tmp_path.iterdir()] == [".mlflow.db.lock"]
