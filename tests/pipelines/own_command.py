"""A program whose only command has a given body, run as the command line runs its own."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PROGRAM = (
    "import atexit, time\nfrom pipelines import cli, entry\ndef app(*_, **__):\n    {}\ncli.app = app; entry.main()"
)


def environment() -> dict[str, str]:
    """The variables of a process that imports this checkout."""
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def own_command(body: str) -> list[str]:
    """The words behind that of the interpreter."""
    return ["-c", _PROGRAM.format(body)]
