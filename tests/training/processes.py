"""Processes of a data-parallel training, with the variables that `torchrun` sets.

They are forked from a server that has imported torch already, so that a test waits for no import.
"""

import multiprocessing
import os
import socket

import pytest

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.training.preloaded"])


def start(function, *arguments, port, count=2):
    """Starts ``count`` processes that call ``function``."""
    processes = [SERVER.Process(target=_run, args=(rank, count, port, function, arguments)) for rank in range(count)]
    for process in processes:
        process.start()
    return processes


def exit_codes(processes):
    """The exit codes; None of one that has not ended after two minutes and is killed."""
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    return codes


def _run(rank, count, port, function, arguments):
    variables = {"RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in variables.items()})
    function(*arguments)


@pytest.fixture
def unused_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
