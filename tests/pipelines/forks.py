"""A process that has imported everything and forks one for each command: `python -m tests.pipelines.forks DIRECTORY`.

A command then begins at once, so that a random moment falls into its work and not into the imports of Python. A line of
JSON ``{"arguments", "log"}`` starts one; the answers are its process id and, when it has ended, its exit code, below
zero for a signal.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Forks:
    """The process that forks, seen from a test; ends with the ``with`` block; keeps a file in ``directory``."""

    def __init__(self, directory, **environment):
        self._directory, self._environment = directory, environment

    def __enter__(self):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | self._environment
        command = [sys.executable, "-m", "tests.pipelines.forks", str(self._directory)]
        self._process = subprocess.Popen(command, env=environment, stdin=-1, stdout=-1, text=True)
        assert self._read() == "ready"
        return self

    def __exit__(self, *_):
        self._process.communicate()

    def start(self, arguments, folder, log):
        """Starts ``recsys ARGUMENTS`` in ``folder`` with its output in ``log``; the process id, which leads a group."""
        words = {"arguments": [str(word) for word in arguments], "folder": str(folder), "log": str(log)}
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def wait(self):
        """The exit code of the process that was started last, once it has ended."""
        return int(self._read())

    def _read(self):
        return self._process.stdout.readline().strip()


def _import_everything():
    for name in ("mlflow", "optuna", "pandas", "torch", "matplotlib.pyplot", "sklearn.metrics", "pandera"):
        importlib.import_module(name)
    for package in ("recsys", "pipelines"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if "benchmarks" not in module.name and not module.name.endswith(".faiss"):
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)


def _prepare(directory):
    """Does what takes seconds in each process: what PyTorch imports late, and MLflow's seventy migrations."""
    from recsys.registry import mlflow_client
    from recsys.training.deterministic import preload

    preload()
    template = directory / "empty.db"
    mlflow_client.fill_database(f"sqlite:///{template}")
    mlflow_client.fill_database = lambda uri: shutil.copy(template, mlflow_client.database_file(uri))


def _become(order):
    os.setsid()
    os.chdir(order["folder"])
    file = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["recsys", *order["arguments"]]
    from pipelines import entry

    entry.main()


def _say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main():
    _import_everything()
    _prepare(Path(sys.argv[1]))
    _say("ready")
    for line in sys.stdin:
        if (process := os.fork()) == 0:
            _become(json.loads(line))
        _say(process)
        _say(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))


if __name__ == "__main__":
    main()
