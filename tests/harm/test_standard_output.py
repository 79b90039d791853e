"""A standard output that cannot be written is told by its name, once, and never as the disk of the output folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipelines.own_command import environment, own_command

FULL = Path("/dev/full")
ENDS = {
    "of little, told at the end": "print('x')",
    "of much": "print('x' * 10**6); raise SystemExit(5)",
    "flushed by the command": "print('x', flush=True); raise SystemExit(5)",
}


def ended(body: str, **streams) -> subprocess.CompletedProcess:
    command = [sys.executable, *own_command(body)]
    return subprocess.run(command, env=environment(), stderr=subprocess.PIPE, text=True, timeout=60, **streams)


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
@pytest.mark.parametrize("end", ENDS)
def test_a_full_disk_behind_standard_output_is_told_as_such(end):
    with FULL.open("w") as full:
        done = ended(ENDS[end], stdout=full)
    [line] = done.stderr.splitlines()
    assert line.startswith("error: standard output cannot be written (No space left on device); send it to")
    assert done.returncode == 1


def test_another_error_is_told_alone_where_standard_output_is_full_too():
    with FULL.open("w") as full:
        done = ended("print('x'); raise OSError(28, 'No space left on device', '/shop/lists')", stdout=full)
    [line] = done.stderr.splitlines()
    assert line.startswith("error: the disk is full at /shop/lists")
    assert done.returncode == 1


@pytest.mark.parametrize("end", ENDS)
def test_a_reader_that_has_closed_the_pipe_ends_the_command_without_a_word(end):
    reader, writer = os.pipe()
    os.close(reader)
    done = ended(ENDS[end], stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_command_whose_standard_output_is_closed_does_its_work(tmp_path):
    done = ended(f"print('x'); open({str(tmp_path / 'made')!r}, 'w').close()", preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "made").exists()


def test_what_is_printed_arrives_whole():
    done = ended("print('é' * 3); return 2", stdout=subprocess.PIPE)
    assert (done.stdout, done.returncode) == ("ééé\n", 2)
