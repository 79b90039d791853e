"""A disk that is full, a folder that may not be written: one message with the path and a remedy."""

import errno
import os
import re

import pytest

from pipelines import output_folder
from pipelines.cli import main
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
