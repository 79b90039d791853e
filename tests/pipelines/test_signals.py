"""Ctrl-C and SIGTERM end a command within two seconds, with one line, and a rerun ends with the same result."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from recsys.retrieval.manifest import Manifest, read_recommendations
from recsys.tracking import ConsoleTracker
from tests.pipelines.own_command import environment, own_command
from tests.pipelines.world import write_world

LINE = "the same command continues where it stopped"
BUSY = {
    "python": "while True: sum(range(1000))",
    "native code": "import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)",
    "a library that catches it": "import time\nwhile True:\n    try: time.sleep(0.1)\n    except BaseException: pass",
    "a library that logs it": (
        "import logging, time\ntry: time.sleep(60)\n"
        "except BaseException: logging.getLogger('pool').exception('while a cursor was closed'); raise"
    ),
    "a destructor": "import time\nclass A:\n    def __del__(self): time.sleep(60)\nA()",
}
ENDS = {  # the body of a command, and what is told and the exit code after SIGTERM
    "c code makes another error of it": (
        "print('ready', flush=True)\n    try: time.sleep(60)\n    except BaseException: raise ImportError from None",
        [f"terminated; {LINE}"],
        143,
    ),
    "the last step has begun": (
        "from pipelines import signals; signals.complete(); print('ready', flush=True); time.sleep(0.5); return 2",
        [],
        2,
    ),
    "the command has ended": ("atexit.register(lambda: (print('ready', flush=True), time.sleep(60))); return 2", [], 2),
}


def _started(*command: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *map(str, command)], env=environment(), stdout=-1, stderr=-1, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
@pytest.mark.parametrize("busy", BUSY)
def test_a_signal_ends_the_process_with_one_line_whatever_it_does(busy, number):
    code = (
        "from pipelines import signals\n"
        "try:\n    signals.install(); print('ready', flush=True); exec({!r})\n"
        "except signals.StoppedError as stopped: signals.stop(stopped.number)"
    )
    with _started("-c", code.format(BUSY[busy])) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        process.send_signal(number)
        sent = time.monotonic()
        errors = process.communicate(timeout=30)[1]
        assert time.monotonic() - sent < 3  # two seconds, and the load of the machine
    assert process.returncode == 128 + number
    assert [line for line in errors.splitlines() if line] == [
        f"{'interrupted' if number == signal.SIGINT else 'terminated'}; {LINE}"
    ]


@pytest.mark.parametrize("end", ENDS)
def test_a_command_ends_with_one_line_and_its_exit_code_where(end):
    body, told, code = ENDS[end]
    with _started(*own_command(body)) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=30)[1]
    assert [line for line in errors.splitlines() if line] == told
    assert process.returncode == code


def test_what_is_told_is_not_written_into_a_file_that_took_the_place_of_a_closed_stream(tmp_path):
    body = (
        "import os; open('kept', 'x').close(); file = open('kept', 'w')\n"
        "    os.kill(os.getpid(), 15); import time; time.sleep(9)"
    )
    command = f'cd "{tmp_path}" && exec "$@" <&- >&- 2>&-'
    words = ["sh", "-c", command, "sh", sys.executable, *own_command(body)]
    ended = subprocess.run(words, env=environment(), timeout=60)
    assert (ended.returncode, (tmp_path / "kept").read_bytes()) == (143, b"")


def test_a_signal_during_the_imports_is_told_too():
    with _started("-m", "pipelines.entry", "--help") as process:
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=30)[1]
    assert process.returncode in (0, 143, -signal.SIGTERM)  # it had ended, or Python itself had not begun
    assert "Traceback" not in errors


def test_a_log_without_a_terminal_shows_a_line_of_progress_a_minute(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("recsys.tracking.time.monotonic", lambda: now[0])
    tracker = ConsoleTracker()
    for _ in range(300):
        now[0] += 1
        tracker.progress(f"at {now[0]:.0f} s")
    assert capsys.readouterr().err.splitlines() == ["at 61 s", "at 122 s", "at 183 s", "at 244 s"]


@pytest.mark.slow
@pytest.mark.alone
def test_a_run_that_is_stopped_at_random_moments_ends_with_the_same_lists(tmp_path):
    config, rng = write_world(tmp_path), np.random.default_rng(5)
    command = ("-m", "pipelines.entry", "run", config, "--set", "engines.two_tower.training.epochs=2", "--output")
    started = time.monotonic()
    with _started(*command, tmp_path / "whole") as process:
        process.communicate(timeout=600)
    whole, stops = time.monotonic() - started, 0
    for attempt in range(50):
        with _started(*command, tmp_path / "stopped") as process:
            try:
                process.communicate(timeout=float(rng.uniform(0.1, whole)))
                break
            except subprocess.TimeoutExpired:
                process.send_signal([signal.SIGINT, signal.SIGTERM][attempt % 2])
                sent, stops = time.monotonic(), stops + 1
                output, errors = process.communicate(timeout=60)
                assert time.monotonic() - sent < 4
                if process.returncode == 0:  # its last line was written when the signal came: it had ended
                    assert output.rstrip().endswith("report.html")
                    break
                assert process.returncode in (130, 143, -signal.SIGTERM, -signal.SIGINT)
                assert LINE in errors or process.returncode < 0
    assert stops
    with _started(*command, tmp_path / "stopped") as process:
        process.communicate(timeout=600)
    found = [_digest(tmp_path / name / "recommendations") for name in ("whole", "stopped")]
    assert found[0] == found[1]


def _digest(folder: Path) -> str:
    Manifest.load(folder).verify(folder)
    return hashlib.sha256(read_recommendations(folder).to_csv(index=False).encode()).hexdigest()
