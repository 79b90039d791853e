"""A Ray cluster of several nodes on this machine, each with its own processes, which a test may kill."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]
STORE = str(100 * 2**20)
SECONDS = 240
STARTED = "Ray runtime started"
STARTS = 3
"""Tries to start a node."""


def environment(**more):
    """Of a process that has the code of this folder, and no Ray but that of the test."""
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", **more}


class Nodes:
    """A cluster for the ``with`` block: the head has no CPU for workers, every other node has one.

    It listens on this machine alone, and answers to a token of its own, which processes get by ``variables``; those
    that are given are among them.
    """

    def __init__(self, given=None):
        self._given = given or {}

    def __enter__(self):
        self._folder = tempfile.mkdtemp(prefix="ray-")  # names of sockets must be short
        self._processes, port = [], _free_ports(1)[0]
        token = Path(self._folder, "token")
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        self.variables = {**self._given, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
        self.address = f"127.0.0.1:{port}"
        self._start("--head", "--num-cpus=0", f"--port={port}", "--include-dashboard=false", "--temp-dir", self._folder)
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            _kill(process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self):
        """Starts a node with one CPU and, for Ray alone, a GPU; its number."""
        self._start(f"--address={self.address}", "--num-cpus=1", "--num-gpus=1")
        return len(self._processes) - 1

    def kill_worker(self, words):
        """SIGKILL for one worker process whose title has ``words``; whether there was one."""
        for process in self._processes[1:]:
            for pid in _session(process.pid):
                with suppress(OSError):
                    if words in Path(f"/proc/{pid}/cmdline").read_text():
                        os.kill(pid, signal.SIGKILL)
                        return True
        return False

    def kill(self, number):
        """SIGKILL for all processes of a node."""
        _kill(self._processes[number])

    def _start(self, *words):
        """Starts a node and waits for it; a loaded machine may be too slow for Ray, which then gives up."""
        for _ in range(STARTS):
            log = Path(self._folder, f"node-{len(self._processes)}.log")
            process = self._begin(words, log)
            wait_until(lambda: STARTED in log.read_text() or process.poll() is not None, "a node does not start")  # noqa: B023
            if process.poll() is None:
                self._processes.append(process)
                return
            _kill(process)
        raise AssertionError(log.read_text())

    def _begin(self, words, log):
        names = ("dashboard-agent-listen-port", "dashboard-agent-grpc-port", "runtime-env-agent-port")
        names += ("metrics-export-port", "node-manager-port", "object-manager-port")
        ports = [f"--{name}={port}" for name, port in zip(names, _free_ports(len(names)), strict=True)]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *ports]
        command += ["--block", "--node-ip-address=127.0.0.1", "--disable-usage-stats", "--object-store-memory", STORE]
        variables = environment(**self.variables, RAY_agent_register_timeout_ms="120000")
        with log.open("w") as file:
            return subprocess.Popen(command, env=variables, stdout=file, stderr=file, start_new_session=True)


def parts_in(folder):
    """How many parts a batch has written."""
    return len(list(Path(folder).glob("part-*.parquet")))


def wait_for_parts(folder, count, process=None):
    """Waits until there are so many parts, or ``process`` has ended."""
    wait_until(
        lambda: parts_in(folder) >= count or (process is not None and process.poll() is not None),
        f"{folder} has {parts_in(folder)} parts",
    )


def _kill(process):
    """Ends a process and what it started, which has its session."""
    for pid in _session(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _session(leader):
    """The processes of a session; a worker of Ray begins none of its own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == leader:
                found.append(int(path.parent.name))
    return found


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(condition, message):
    for _ in range(SECONDS * 20):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(message)
